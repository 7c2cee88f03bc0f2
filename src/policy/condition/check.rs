//! From CEL's tree to ours: names are known, types fit, constants are folded.

use std::borrow::Cow;
use std::ops::Range;

use cel::common::ast::{Expr, IdedExpr, LiteralValue, SelectExpr};

use super::eval::Run;
use super::names::{self, NAMES};
use super::node::{Node, What};
use super::parse::{self, Parsed, Places};
use super::types::{Base, Type, Uses};
use super::value::Value;
use super::words::{WORDS, closest, word};
use super::{Fault, Fuel};

/// What is said of a name that is nearly none.
pub(super) const TEXTS_STAND_IN_QUOTES: &str = "a text stands in quotes";

/// The most nodes of an expression.
const MOST_NODES: usize = 4096;
/// How deep operators may stand in operators.
const DEEPEST: usize = 64;
/// The most steps that folding one constant may take.
const FOLDING: u64 = 10_000;
/// The most faults that are told of one expression.
const MOST_FAULTS: usize = 10;

/// The check of one expression.
pub(super) struct Check<'t> {
    pub(super) text: &'t str,
    pub(super) places: Places,
    pub(super) uses: Uses,
    /// The variables of the loops around, outermost first.
    pub(super) variables: Vec<(String, Type)>,
    faults: Vec<Fault>,
    nodes: usize,
    depth: usize,
}

/// Reads and checks `text`, which has to give `wanted`, or else any one value.
pub(super) fn compile(text: &str, wanted: Option<Type>) -> Result<(Node, Uses), Vec<Fault>> {
    let Parsed { root, places } = parse::parse(text)?;
    let mut check = Check {
        text,
        places,
        uses: Uses::NOTHING,
        variables: Vec::new(),
        faults: Vec::new(),
        nodes: 0,
        depth: 0,
    };
    let node = check.node(&root);
    if let Some(node) = &node {
        check.result(node, wanted);
    }
    let Check { uses, mut faults, .. } = check;
    faults.sort_by_key(|fault| (fault.at.start, fault.at.end));
    faults.dedup();
    faults.truncate(MOST_FAULTS);
    match node {
        Some(node) if faults.is_empty() => Ok((node, uses)),
        _ => Err(faults),
    }
}

impl<'t> Check<'t> {
    /// Notes what is wrong.
    pub(super) fn fault<T>(&mut self, at: Range<usize>, message: impl Into<String>) -> Option<T> {
        self.faults.push(Fault { at, message: message.into() });
        None
    }

    /// Notes what is wrong with a node.
    pub(super) fn wrong<T>(&mut self, node: &Node, message: impl Into<String>) -> Option<T> {
        self.fault(place(node), message)
    }

    /// The text of a node.
    pub(super) fn written(&self, node: &Node) -> &'t str {
        short(self.text.get(place(node)).unwrap_or_default())
    }

    /// Whether the expression gives what is wanted, and gives it at all.
    fn result(&mut self, node: &Node, wanted: Option<Type>) {
        match wanted {
            None if node.ty.is_scalar() => {}
            None => {
                let message = format!("{} cannot be shown; name a field of it", node.ty);
                self.wrong::<()>(node, message);
            }
            Some(wanted) if node.ty == wanted => {}
            Some(wanted) => {
                let hint = match (wanted.base, node.ty) {
                    (Base::Bool, ty) if ty.lists > 0 => "; write size(…) > 0, or … .exists(x, …)",
                    (Base::Bool, Type::TEXT) => "; compare it, as in … != \"\"",
                    (Base::Bool, ty) if ty.is_number() => "; compare it, as in … > 0",
                    _ => "",
                };
                let message = format!("this has to give {wanted} and gives {}{hint}", node.ty);
                self.wrong::<()>(node, message);
            }
        }
        if node.constant().is_none() && is_constant(node) {
            let mut fuel = Fuel::new(FOLDING);
            if let Err(failure) = Run::new(None, &mut fuel).eval(node) {
                self.wrong::<()>(node, format!("this always fails: {failure}"));
            }
        }
    }

    /// Checks a node and all below.
    pub(super) fn node(&mut self, expr: &IdedExpr) -> Option<Node> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            if self.nodes == MOST_NODES + 1 {
                let at = self.at(expr);
                self.fault::<()>(
                    at,
                    format!("the condition has more than {MOST_NODES} parts; make rules of it"),
                );
            }
            return None;
        }
        self.depth += 1;
        let node = if self.depth > DEEPEST {
            let at = self.at(expr);
            self.fault(at, format!("operators stand more than {DEEPEST} deep here; make two rules of it"))
        } else {
            self.by_kind(expr)
        };
        self.depth -= 1;
        node.map(|node| self.folded(node))
    }

    fn by_kind(&mut self, expr: &IdedExpr) -> Option<Node> {
        let at = self.at(expr);
        match &expr.expr {
            Expr::Literal(literal) => self.literal(literal, at),
            Expr::Ident(name) => self.ident(name, at),
            Expr::Select(select) => self.select(select, at),
            Expr::Call(call) => self.call(call, expr.id, at),
            Expr::List(list) => self.list_literal(&list.elements, at),
            Expr::Map(_) => self.fault(at, "maps are not known here; write a list: [\"a\", \"b\"]"),
            Expr::Struct(_) => self.fault(at, "messages cannot be made here"),
            Expr::Comprehension(_) | Expr::Unspecified => self.fault(at, "this cannot be read"),
        }
    }

    /// The token where a node hangs.
    pub(super) fn at(&self, expr: &IdedExpr) -> Range<usize> {
        self.places.of(self.places.token(expr.id))
    }

    fn literal(&mut self, literal: &LiteralValue, at: Range<usize>) -> Option<Node> {
        let (value, ty) = match literal {
            LiteralValue::Boolean(v) => (Value::Bool(*v.inner()), Type::BOOL),
            LiteralValue::Int(v) => (Value::Int(*v.inner()), Type::INT),
            LiteralValue::Double(v) => (Value::Double(*v.inner()), Type::DOUBLE),
            LiteralValue::String(v) => (Value::Text(Cow::Owned(v.inner().to_owned())), Type::TEXT),
            LiteralValue::UInt(_) => return self.fault(at, "whole numbers are written without u here"),
            LiteralValue::Bytes(_) => {
                return self.fault(at, "texts of bytes are not known here; leave the b out");
            }
            LiteralValue::Null => return self.fault(at, "there is no null here"),
        };
        // `-3` hangs at its digits.
        let before = self.text.get(..at.start).unwrap_or_default().trim_end();
        let negative = match &value {
            Value::Int(v) => *v < 0,
            Value::Double(v) => v.is_sign_negative(),
            _ => false,
        };
        let at = if negative && before.ends_with('-') { before.len() - 1..at.end } else { at };
        Some(made(What::Constant(value), ty, at))
    }

    fn ident(&mut self, name: &str, at: Range<usize>) -> Option<Node> {
        if let Some(depth) = self.variables.iter().rposition(|(known, _)| known == name) {
            let ty = self.variables.get(depth).map_or(Type::BOOL, |(_, ty)| *ty);
            return Some(made(What::Variable(depth), ty, at));
        }
        if let Some((value, ty)) = word(name) {
            return Some(made(What::Constant(value), ty, at));
        }
        if let Some(known) = names::find("", name) {
            self.uses = self.uses | known.uses;
            return Some(made(What::Field(known.field), known.ty, at));
        }
        let message = if names::is_record(name) {
            let fields: Vec<_> = NAMES.iter().filter(|n| n.record == name).map(|n| n.name).collect();
            format!("{name} holds several things; name one: {name}.{}", fields.join(&format!(", {name}.")))
        } else if let Some(function) = names::FUNCTIONS.iter().find(|f| f.name == name) {
            format!("{name} is a function; write {}", function.shape)
        } else {
            self.unknown(name)
        };
        self.fault(at, message)
    }

    /// `unknown name "scroe"; did you mean "score"?`
    fn unknown(&self, name: &str) -> String {
        let homes: Vec<_> = NAMES.iter().filter(|n| n.name == name && names::is_record(n.record)).collect();
        if let [home] = homes.as_slice() {
            return format!("unknown name {name:?}; did you mean \"{}.{name}\"?", home.record);
        }
        let variables = self.variables.iter().map(|(name, _)| name.as_str());
        let words = WORDS.iter().map(|(word, ..)| *word);
        let all = NAMES.iter().flat_map(|n| match n.record {
            "" => Some(n.name),
            record => Some(record).filter(|r| names::is_record(r)),
        });
        match closest(name, all.chain(words).chain(variables)) {
            Some(close) => format!("unknown name {name:?}; did you mean {close:?}?"),
            None => format!("unknown name {name:?}; {TEXTS_STAND_IN_QUOTES}"),
        }
    }

    fn select(&mut self, select: &SelectExpr, dot: Range<usize>) -> Option<Node> {
        let end = self.places.lexed.at(dot.start).and_then(|p| self.places.lexed.tokens.get(p + 1));
        let end = end.map_or(dot.end, |token| token.at.end);
        if let Expr::Ident(record) = &select.operand.expr
            && names::is_record(record)
            && !self.variables.iter().any(|(name, _)| name == record)
        {
            let at = self.at(&select.operand).start..end;
            return match names::find(record, &select.field) {
                Some(known) => {
                    self.uses = self.uses | known.uses;
                    Some(made(What::Field(known.field), known.ty, at))
                }
                None => {
                    let message = no_field(record, &select.field, record);
                    self.fault(dot.end..end, message)
                }
            };
        }
        let of = self.node(&select.operand)?;
        let at = place(&of).start..end;
        let record = (of.ty.lists == 0).then(|| names::record_of(of.ty.base)).flatten();
        let Some(record) = record else {
            let written = self.written(&of);
            let field = &select.field;
            let message = match of.ty.element().and_then(|e| names::record_of(e.base)) {
                Some(record) if names::find(record, field).is_some() => {
                    format!("{written} is {}; write {written}.exists(x, x.{field} …) to look at each", of.ty)
                }
                _ if names::FUNCTIONS.iter().any(|f| f.method && f.name == field) => {
                    format!("{field} is a function; write {written}.{field}()")
                }
                _ => format!("{written} is {} and has no fields", of.ty),
            };
            return self.fault(dot.end..end, message);
        };
        match names::find(record, &select.field) {
            Some(known) => Some(made(What::Item(Box::new(of), known.field), known.ty, at)),
            None => {
                let message = no_field(self.written(&of), &select.field, record);
                self.fault(dot.end..end, message)
            }
        }
    }

    /// What is constant is worked out here.
    fn folded(&mut self, node: Node) -> Node {
        let children = node.children();
        let foldable = match &node.what {
            What::Constant(_) | What::Field(_) | What::Item(..) | What::Variable(_) | What::Each(_) => false,
            What::Worst(_) | What::Count(_) | What::Supported(_) => false,
            _ => !children.is_empty() || matches!(node.what, What::List(_)),
        };
        if !foldable || !children.iter().all(|child| child.constant().is_some()) {
            return node;
        }
        let mut fuel = Fuel::new(FOLDING);
        let value = Run::new(None, &mut fuel).eval(&node).ok().and_then(Value::into_constant);
        match value {
            Some(value) => Node { what: What::Constant(value), ..node },
            None => node,
        }
    }
}

/// Whether nothing of a message is looked at.
fn is_constant(node: &Node) -> bool {
    let here = !matches!(
        node.what,
        What::Field(_)
            | What::Header(_)
            | What::Headers(_)
            | What::HasHeader(_)
            | What::Found(..)
            | What::Outcome(_)
            | What::Listed(..)
            | What::Worst(_)
            | What::Count(_)
            | What::Supported(_)
    );
    here && node.children().into_iter().all(is_constant)
}

/// A node at a place.
#[expect(clippy::cast_possible_truncation, reason = "an expression has at most 16 KiB")]
pub(super) const fn made(what: What, ty: Type, at: Range<usize>) -> Node {
    Node { what, ty, at: (at.start as u32, at.end as u32) }
}

pub(super) const fn place(node: &Node) -> Range<usize> {
    node.at.0 as usize..node.at.1 as usize
}

/// From the beginning of one node to the end of another.
pub(super) const fn over(first: &Node, last: &Node) -> Range<usize> {
    first.at.0 as usize..last.at.1 as usize
}

/// At most 60 characters of what was written.
pub(super) fn short(text: &str) -> &str {
    match text.char_indices().nth(60) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

fn no_field(written: &str, field: &str, record: &str) -> String {
    let fields = NAMES.iter().filter(|n| n.record == record).map(|n| n.name);
    match closest(field, fields.clone()) {
        Some(close) => format!("{written} has no field {field:?}; did you mean {close:?}?"),
        None => {
            let all: Vec<_> = fields.collect();
            format!("{written} has no field {field:?}; it has {}", all.join(", "))
        }
    }
}
