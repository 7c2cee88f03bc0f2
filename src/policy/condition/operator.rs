//! Operators: what they may stand between.

use std::ops::Range;

use cel::common::ast::{CallExpr, IdedExpr, operators};

use super::check::{Check, made, over, place};
use super::never::{never, never_number};
use super::node::{Comparison, Math, Node, What};
use super::sets::Texts;
use super::types::{Base, Type};
use super::value::{List, Value};
use super::words::WORDS;

/// The most elements of a list that is written out.
const LONGEST_LIST: usize = 10_000;

impl Check<'_> {
    /// An operator; `None` inside if the call is none.
    pub(super) fn operator(&mut self, call: &CallExpr, at: Range<usize>) -> Option<Option<Node>> {
        let args = call.args.as_slice();
        Some(match (call.func_name.as_str(), args) {
            (operators::LOGICAL_AND, [a, b]) => self.logic(a, b, false),
            (operators::LOGICAL_OR, [a, b]) => self.logic(a, b, true),
            (operators::LOGICAL_NOT, [a]) => self.not(a, at),
            (operators::NEGATE, [a]) => self.negate(a, at),
            (operators::CONDITIONAL, [a, b, c]) => self.choose(a, b, c),
            (operators::EQUALS, [a, b]) => self.compare(Comparison::Equal, a, b, at),
            (operators::NOT_EQUALS, [a, b]) => self.compare(Comparison::Unequal, a, b, at),
            (operators::LESS, [a, b]) => self.compare(Comparison::Less, a, b, at),
            (operators::LESS_EQUALS, [a, b]) => self.compare(Comparison::LessOrEqual, a, b, at),
            (operators::GREATER, [a, b]) => self.compare(Comparison::More, a, b, at),
            (operators::GREATER_EQUALS, [a, b]) => self.compare(Comparison::MoreOrEqual, a, b, at),
            (operators::ADD, [a, b]) => self.math(Math::Add, a, b, at),
            (operators::SUBSTRACT, [a, b]) => self.math(Math::Subtract, a, b, at),
            (operators::MULTIPLY, [a, b]) => self.math(Math::Multiply, a, b, at),
            (operators::DIVIDE, [a, b]) => self.math(Math::Divide, a, b, at),
            (operators::MODULO, [a, b]) => self.math(Math::Rest, a, b, at),
            (operators::IN, [a, b]) => self.is_in(a, b),
            (operators::INDEX, [a, b]) => self.index(a, b, at),
            _ => return None,
        })
    }

    /// Both sides, so that what is wrong with either is told.
    fn both(&mut self, a: &IdedExpr, b: &IdedExpr) -> Option<(Node, Node)> {
        let (a, b) = (self.node(a), self.node(b));
        Some((a?, b?))
    }

    /// A node that has to be true or false.
    pub(super) fn truth(&mut self, expr: &IdedExpr) -> Option<Node> {
        let node = self.node(expr)?;
        if node.ty == Type::BOOL {
            return Some(node);
        }
        let message = format!("{} is {}, and true or false is needed here", self.written(&node), node.ty);
        self.wrong(&node, message)
    }

    fn logic(&mut self, a: &IdedExpr, b: &IdedExpr, decisive: bool) -> Option<Node> {
        let (a, b) = (self.truth(a), self.truth(b));
        let (a, b) = (a?, b?);
        let at = over(&a, &b);
        // What decides does so whatever the other side is, even a failure.
        if a.truth() == Some(decisive) || b.truth() == Some(decisive) {
            return Some(made(What::Constant(Value::Bool(decisive)), Type::BOOL, at));
        }
        if a.truth() == Some(!decisive) {
            return Some(b);
        }
        if b.truth() == Some(!decisive) {
            return Some(a);
        }
        let two = Box::new((a, b));
        Some(made(if decisive { What::Or(two) } else { What::And(two) }, Type::BOOL, at))
    }

    fn not(&mut self, a: &IdedExpr, at: Range<usize>) -> Option<Node> {
        let a = self.truth(a)?;
        let at = at.start..place(&a).end;
        Some(made(What::Not(Box::new(a)), Type::BOOL, at))
    }

    fn negate(&mut self, a: &IdedExpr, at: Range<usize>) -> Option<Node> {
        let a = self.node(a)?;
        if !a.ty.is_number() {
            let message = format!("{} is {}, and only a number has a minus", self.written(&a), a.ty);
            return self.wrong(&a, message);
        }
        let (ty, at) = (a.ty, at.start..place(&a).end);
        Some(made(What::Negate(Box::new(a)), ty, at))
    }

    fn choose(&mut self, a: &IdedExpr, b: &IdedExpr, c: &IdedExpr) -> Option<Node> {
        let (a, both) = (self.truth(a), self.both(b, c));
        let (a, (b, c)) = (a?, both?);
        let Some(ty) = b.ty.joined(c.ty) else {
            let message = format!(
                "what ? chooses from has to be of one kind, and this is {}, before it {}",
                c.ty, b.ty
            );
            return self.wrong(&c, message);
        };
        match a.truth() {
            Some(true) => return Some(b),
            Some(false) => return Some(c),
            None => {}
        }
        let at = over(&a, &c);
        Some(made(What::Choose(Box::new((a, b, c))), ty, at))
    }

    fn compare(
        &mut self,
        comparison: Comparison,
        a: &IdedExpr,
        b: &IdedExpr,
        at: Range<usize>,
    ) -> Option<Node> {
        let (a, b) = self.both(a, b)?;
        let equality = matches!(comparison, Comparison::Equal | Comparison::Unequal);
        let alike = a.ty.joined(b.ty).or(a.ty.is_numeric_as(b.ty).then_some(a.ty));
        let Some(ty) = alike else { return self.unlike(&a, &b, at) };
        if matches!(ty.base, Base::Finding | Base::Url | Base::Attachment | Base::ListHit) {
            return self.fault(at, format!("{ty} cannot be compared; compare a field of it"));
        }
        if !equality && !ty.is_ordered() {
            let hint = match ty {
                Type::DISPOSITION => "; write == or in [reject, quarantine]",
                _ => "",
            };
            return self.fault(at, format!("{ty} has no order{hint}"));
        }
        self.possible(&a, &b, equality);
        self.possible(&b, &a, equality);
        let whole = over(&a, &b);
        Some(made(What::Compare(comparison, Box::new((a, b))), Type::BOOL, whole))
    }

    /// Two sides of different types.
    fn unlike(&mut self, a: &Node, b: &Node, at: Range<usize>) -> Option<Node> {
        for (one, other) in [(a, b), (b, a)] {
            let Some(text) = one.literal() else { continue };
            let base = other.ty.base;
            if other.ty.lists == 0 && matches!(base, Base::Severity | Base::Category | Base::Disposition) {
                let all: Vec<_> = WORDS.iter().filter(|(_, ty)| *ty == other.ty).map(|(w, _)| *w).collect();
                let message = match all.contains(&text) {
                    true => format!(
                        "{} is {}, not a text; write {text} without quotes",
                        self.written(other),
                        other.ty
                    ),
                    false => format!(
                        "{} is {}, not a text; write one of {}",
                        self.written(other),
                        other.ty,
                        all.join(", ")
                    ),
                };
                return self.wrong(one, message);
            }
            if other.ty.is_number() && text.parse::<f64>().is_ok() {
                return self.wrong(
                    one,
                    format!("{} is {}; write {text} without quotes", self.written(other), other.ty),
                );
            }
        }
        for (one, other) in [(a, b), (b, a)] {
            if one.ty == Type::TEXT && WORDS.iter().any(|(w, _)| *w == self.written(other)) {
                let word = self.written(other);
                return self
                    .wrong(other, format!("{} is a text; write \"{word}\" in quotes", self.written(one)));
            }
            if one.ty.element() == Some(other.ty) {
                return self.fault(
                    at,
                    format!(
                        "{} is {}; write {} in {}",
                        self.written(one),
                        one.ty,
                        self.written(other),
                        self.written(one)
                    ),
                );
            }
        }
        let message = format!(
            "{} is {}, and {} is {}; they cannot be compared",
            self.written(a),
            a.ty,
            self.written(b),
            b.ty
        );
        self.fault(at, message)
    }

    /// Whether a constant is something that the other side can ever be.
    fn possible(&mut self, node: &Node, constant: &Node, equality: bool) {
        match constant.constant() {
            Some(number @ (Value::Int(_) | Value::Double(_))) => {
                if let Some(message) = never_number(self.written(node), node, number, equality) {
                    self.wrong::<()>(constant, message);
                }
            }
            Some(Value::Text(text)) if equality => {
                if let Some(message) = never(self.written(node), node, text) {
                    self.wrong::<()>(constant, message);
                }
            }
            Some(Value::List(list)) if equality => {
                for element in list.iter() {
                    let message = match &element {
                        Value::Text(text) => never(self.written(node), node, text),
                        number => never_number(self.written(node), node, number, true),
                    };
                    if let Some(message) = message {
                        self.wrong::<()>(constant, message);
                    }
                }
            }
            _ => {}
        }
    }

    fn math(&mut self, math: Math, a: &IdedExpr, b: &IdedExpr, at: Range<usize>) -> Option<Node> {
        let (a, b) = self.both(a, b)?;
        let ty = match (a.ty, b.ty) {
            (Type::INT, Type::INT) => Some(Type::INT),
            (a, b) if a.is_number() && b.is_number() && math != Math::Rest => Some(Type::DOUBLE),
            (Type::TEXT, Type::TEXT) if math == Math::Add => Some(Type::TEXT),
            (a, b) if math == Math::Add && a.lists > 0 && b.lists > 0 => a.joined(b),
            _ => None,
        };
        let Some(ty) = ty else {
            let sign = self.text.get(at.clone()).unwrap_or_default();
            let hint = if a.ty == Type::TEXT || b.ty == Type::TEXT {
                "; in a text, write {…} where it allows that"
            } else {
                ""
            };
            let hint = if math == Math::Add { hint } else { "" };
            let message = format!("{sign} cannot stand between {} and {}{hint}", a.ty, b.ty);
            return self.fault(at, message);
        };
        let whole = over(&a, &b);
        Some(made(What::Math(math, Box::new((a, b))), ty, whole))
    }

    fn is_in(&mut self, a: &IdedExpr, b: &IdedExpr) -> Option<Node> {
        let (a, b) = self.both(a, b)?;
        let Some(element) = b.ty.element() else {
            let hint = match (a.ty, b.ty) {
                (Type::TEXT, Type::TEXT) => {
                    format!("; write {}.contains({})", self.written(&b), self.written(&a))
                }
                _ => "; write a list: [\"a\", \"b\"]".to_owned(),
            };
            let message = format!("in needs a list behind it, and this is {}{hint}", b.ty);
            return self.wrong(&b, message);
        };
        let fits = element.joined(a.ty).is_some() || element.is_number() && a.ty.is_number();
        if !fits {
            let words = matches!(a.ty.base, Base::Severity | Base::Category | Base::Disposition);
            let hint = if words && element == Type::TEXT { "; write its words without quotes" } else { "" };
            let message = format!("{} is {}, and the list holds {element}{hint}", self.written(&a), a.ty);
            return self.wrong(&b, message);
        }
        self.possible(&a, &b, true);
        self.possible(&b, &a, true);
        let whole = over(&a, &b);
        if let (Type::TEXT, Some(Value::List(list))) = (a.ty, b.constant()) {
            let texts: Vec<_> = list.iter().collect();
            let texts = texts.iter().filter_map(|v| if let Value::Text(t) = v { Some(&**t) } else { None });
            let texts = Texts::new(texts);
            return Some(made(What::InTexts(Box::new(a), texts), Type::BOOL, whole));
        }
        Some(made(What::In(Box::new((a, b))), Type::BOOL, whole))
    }

    fn index(&mut self, a: &IdedExpr, b: &IdedExpr, bracket: Range<usize>) -> Option<Node> {
        let (a, b) = self.both(a, b)?;
        let Some(element) = a.ty.element() else {
            let message = format!("{} is {}, and only a list has positions", self.written(&a), a.ty);
            return self.wrong(&a, message);
        };
        if b.ty != Type::INT {
            return self.wrong(&b, format!("a position is a whole number, and this is {}", b.ty));
        }
        if matches!(b.constant(), Some(Value::Int(at)) if *at < 0) {
            return self.wrong(&b, "positions count from 0; there is none before it");
        }
        let whole = place(&a).start..self.closing(&bracket);
        Some(made(What::Index(Box::new((a, b))), element, whole))
    }

    /// `["a", "b"]`.
    pub(super) fn list_literal(&mut self, elements: &[IdedExpr], at: Range<usize>) -> Option<Node> {
        let whole = at.start..self.closing(&at);
        if elements.len() > LONGEST_LIST {
            return self.fault(whole, format!("the list has more than {LONGEST_LIST} elements"));
        }
        let nodes: Vec<_> = elements.iter().map(|element| self.node(element)).collect();
        let mut nodes = nodes.into_iter().collect::<Option<Vec<_>>>()?;
        let mut ty = Type::one(Base::Anything);
        for node in &nodes {
            ty = match ty.joined(node.ty) {
                Some(ty) => ty,
                None if ty.is_number() && node.ty.is_number() => Type::DOUBLE,
                None => {
                    let message =
                        format!("a list holds things of one kind, and this is {}, before it {ty}", node.ty);
                    return self.fault(place(node), message);
                }
            };
        }
        if ty == Type::DOUBLE {
            for node in &mut nodes {
                as_double(node);
            }
        }
        Some(made(What::List(nodes), ty.listed(), whole))
    }

    /// The end of the bracket that opens here.
    pub(super) fn closing(&self, open: &Range<usize>) -> usize {
        let lexed = &self.places.lexed;
        let partner = lexed.at(open.start).and_then(|p| lexed.tokens.get(p)).and_then(|t| t.partner);
        partner.and_then(|p| lexed.tokens.get(p)).map_or(open.end, |token| token.at.end)
    }
}

#[expect(clippy::cast_precision_loss, reason = "who mixes whole and other numbers gets the nearest")]
fn as_double(node: &mut Node) {
    if let What::Constant(Value::Int(v)) = node.what {
        node.what = What::Constant(Value::Double(v as f64));
        node.ty = Type::DOUBLE;
    }
}

/// The constant texts of a list, for sets.
pub(super) fn texts(node: &Node) -> Option<Vec<String>> {
    match node.constant() {
        Some(Value::List(list @ List::Own(_))) => list
            .iter()
            .map(|value| if let Value::Text(text) = value { Some(text.into_owned()) } else { None })
            .collect(),
        _ => None,
    }
}
