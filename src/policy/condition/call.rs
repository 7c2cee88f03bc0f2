//! Functions and methods: what they take and give.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, IdedExpr};
use regex::RegexBuilder;

use super::check::{Check, made, place};
use super::names::FUNCTIONS;
use super::node::{Change, Look, Node, Pattern, What};
use super::operator::texts;
use super::sets::{Domains, Glob, Networks};
use super::types::{Type, Uses};
use super::words::closest;
use crate::model::Scanner;

/// What a compiled regular expression, and what it keeps while it runs, may take in bytes.
const LARGEST_REGEX: usize = 128 * 1024;
/// The longest regular expression.
const LONGEST_REGEX: usize = 1000;

impl Check<'_> {
    /// A function, method or operator.
    pub(super) fn call(&mut self, call: &CallExpr, id: u64, at: Range<usize>) -> Option<Node> {
        if call.target.is_none()
            && let Some(node) = self.operator(call, at.clone())
        {
            return node;
        }
        // The parser hangs a call at its bracket; the name stands before.
        let bracket = self.places.token(id);
        let name = self.places.of(bracket.and_then(|p| p.checked_sub(1)));
        let whole = name.start..self.closing(&at);
        match &call.target {
            None => self.function(call, name, whole),
            Some(target) => self.method(target, call, name, whole),
        }
    }

    fn function(&mut self, call: &CallExpr, at: Range<usize>, whole: Range<usize>) -> Option<Node> {
        let args = call.args.as_slice();
        let (what, ty) = match (call.func_name.as_str(), args) {
            ("header", [name]) => (What::Header(self.field_name(name)?), Type::TEXT),
            ("headers", [name]) => (What::Headers(self.field_name(name)?), Type::TEXTS),
            ("has_header", [name]) => (What::HasHeader(self.field_name(name)?), Type::BOOL),
            ("found", [symbol]) => (self.found(symbol, None)?, Type::BOOL),
            ("found", [symbol, scanner]) => (self.found(symbol, Some(scanner))?, Type::BOOL),
            ("worst", [category]) => (What::Worst(self.category(category)?), Type::SEVERITY),
            ("count", [category]) => (What::Count(self.category(category)?), Type::INT),
            ("supported", [score]) => (What::Supported(self.number(score)?), Type::CATEGORY),
            ("outcome", [scanner]) => {
                self.uses = self.uses | Uses::SCAN;
                (What::Outcome(self.scanner(scanner)?), Type::TEXT)
            }
            ("listed", [list]) => (self.listed(list, None)?, Type::BOOL),
            ("listed", [list, on]) => (self.listed(list, Some(on))?, Type::BOOL),
            ("ip_in", [ip, networks]) => self.ip_in(ip, networks)?,
            ("domain_in", [domain, domains]) => self.domain_in(domain, domains)?,
            ("size", [of]) => (self.size(of)?, Type::INT),
            ("has", [of]) => return self.has(of, whole),
            (name, _) => return self.no_such(name, false, at),
        };
        Some(made(what, ty, whole))
    }

    fn method(
        &mut self,
        target: &IdedExpr,
        call: &CallExpr,
        at: Range<usize>,
        whole: Range<usize>,
    ) -> Option<Node> {
        let args = call.args.as_slice();
        if let Some(node) = self.each(target, call, whole.end) {
            return node;
        }
        let name = call.func_name.as_str();
        let change = match name {
            "lower" => Some(Change::Lower),
            "lowerAscii" => Some(Change::LowerAscii),
            "upper" => Some(Change::Upper),
            "upperAscii" => Some(Change::UpperAscii),
            "trim" => Some(Change::Trim),
            _ => None,
        };
        let look = match name {
            "startsWith" => Some(Look::Start),
            "endsWith" => Some(Look::End),
            "contains" => Some(Look::Anywhere),
            _ => None,
        };
        let (what, ty, start) = match (change, look, args) {
            (Some(change), _, []) => {
                let of = self.text_node(target)?;
                let start = of.at.0;
                (What::Change(change, Box::new(of)), Type::TEXT, start)
            }
            (_, Some(look), [wanted]) => {
                let (of, wanted) = (self.text_node(target), self.text_node(wanted));
                let (of, wanted) = (of?, wanted?);
                let start = of.at.0;
                (What::Look(look, Box::new((of, wanted))), Type::BOOL, start)
            }
            (None, None, [pattern]) if name == "matches" => {
                let (of, pattern) = (self.text_node(target), self.pattern(pattern));
                let (of, pattern) = (of?, pattern?);
                let start = of.at.0;
                (What::Matches(Box::new(of), pattern), Type::BOOL, start)
            }
            (None, None, []) if name == "size" => {
                let what = self.size(target)?;
                let start = match &what {
                    What::Size(of) => of.at.0,
                    _ => 0,
                };
                (what, Type::INT, start)
            }
            _ => return self.no_such(name, true, at),
        };
        Some(made(what, ty, start as usize..whole.end))
    }

    /// A call that fits no function.
    fn no_such<T>(&mut self, name: &str, method: bool, at: Range<usize>) -> Option<T> {
        let known = |m: bool| FUNCTIONS.iter().filter(move |f| f.method == m);
        let message = if let Some(function) = known(method).find(|f| f.name == name) {
            format!("{name} is not called like this; write {}", function.shape)
        } else if let Some(function) = known(!method).find(|f| f.name == name) {
            format!("{name} is not called like this; write {}", function.shape)
        } else if let Some(name) = other_word(name) {
            format!("unknown function; write {name}")
        } else {
            match closest(name, FUNCTIONS.iter().map(|f| f.name)) {
                Some(close) => format!("unknown function {name:?}; did you mean {close:?}?"),
                None => {
                    let all: Vec<_> = known(method).map(|f| f.name).collect();
                    format!("unknown function {name:?}; known here: {}", all.join(", "))
                }
            }
        };
        self.fault(at, message)
    }

    /// A node that has to be a text.
    fn text_node(&mut self, expr: &IdedExpr) -> Option<Node> {
        let node = self.node(expr)?;
        if node.ty == Type::TEXT {
            return Some(node);
        }
        let written = self.written(&node);
        let message = match node.ty.lists {
            0 => format!("{written} is {}, and a text is needed here", node.ty),
            _ => format!("{written} is {}; write {written}.exists(x, …) to look at each", node.ty),
        };
        self.wrong(&node, message)
    }

    /// A text that is written out.
    pub(super) fn literal_text(&mut self, expr: &IdedExpr, what: &str) -> Option<(String, Range<usize>)> {
        let node = self.node(expr)?;
        match node.literal() {
            Some(text) => Some((text.to_owned(), place(&node))),
            None => self.wrong(&node, format!("{what} has to be written out in quotes here")),
        }
    }

    /// The name of a header field (RFC 5322 §2.2).
    fn field_name(&mut self, expr: &IdedExpr) -> Option<String> {
        self.uses = self.uses | Uses::MESSAGE;
        let (name, at) = self.literal_text(expr, "the name of the field")?;
        if name.is_empty() || !name.bytes().all(|b| (b'!'..=b'~').contains(&b) && b != b':') {
            let hint = if name.ends_with(':') { "; leave the colon out" } else { "" };
            return self.fault(at, format!("{name:?} is no name of a header field{hint}"));
        }
        Some(name)
    }

    fn scanner(&mut self, expr: &IdedExpr) -> Option<Scanner> {
        let (name, at) = self.literal_text(expr, "the scanner")?;
        match Scanner::ALL.into_iter().find(|s| s.name() == name) {
            Some(scanner) => Some(scanner),
            None => {
                let all: Vec<_> = Scanner::ALL.iter().map(|s| s.name()).collect();
                self.fault(at, format!("{name:?} is no scanner; write one of {}", all.join(", ")))
            }
        }
    }

    fn found(&mut self, symbol: &IdedExpr, scanner: Option<&IdedExpr>) -> Option<What> {
        self.uses = self.uses | Uses::SCAN;
        let symbol = self.literal_text(symbol, "the symbol");
        let scanner = match scanner {
            Some(scanner) => Some(self.scanner(scanner)?),
            None => None,
        };
        let (symbol, at) = symbol?;
        if symbol.is_empty() || symbol.len() > 200 {
            return self.fault(at, "a symbol has 1 to 200 characters; write \"*\" for any finding");
        }
        Some(What::Found(Glob::new(&symbol), scanner))
    }

    fn category(&mut self, expr: &IdedExpr) -> Option<Box<Node>> {
        self.uses = self.uses | Uses::SCAN;
        let node = self.node(expr)?;
        if node.ty == Type::CATEGORY {
            return Some(Box::new(node));
        }
        let hint = match node.literal() {
            Some(text) => format!("; write {text} without quotes"),
            None => "; write one of clean, suspicious, spam, phish, malware".to_owned(),
        };
        self.wrong(&node, format!("a category is needed here, and this is {}{hint}", node.ty))
    }

    fn number(&mut self, expr: &IdedExpr) -> Option<Box<Node>> {
        self.uses = self.uses | Uses::SCAN;
        let node = self.node(expr)?;
        if node.ty.is_number() {
            return Some(Box::new(node));
        }
        self.wrong(&node, format!("a number is needed here, and this is {}", node.ty))
    }

    /// The elements of a list that is written out, and where each stands.
    fn written_out(&mut self, expr: &IdedExpr, what: &str) -> Option<Vec<(String, Range<usize>)>> {
        let node = self.node(expr)?;
        let Some(all) = texts(&node) else {
            return self
                .wrong(&node, format!("{what} have to be written out here, in a list: [\"…\", \"…\"]"));
        };
        let places: Vec<_> = match &expr.expr {
            Expr::List(list) => list.elements.iter().map(|element| self.at(element)).collect(),
            _ => Vec::new(),
        };
        let all = all.into_iter().enumerate();
        Some(all.map(|(n, text)| (text, places.get(n).cloned().unwrap_or_else(|| place(&node)))).collect())
    }

    fn ip_in(&mut self, ip: &IdedExpr, networks: &IdedExpr) -> Option<(What, Type)> {
        let (ip, all) = (self.text_node(ip), self.written_out(networks, "networks"));
        let (ip, all) = (ip?, all?);
        let mut set = Networks::default();
        let mut wrong = false;
        for (text, at) in all {
            if let Err(why) = set.add(&text) {
                wrong = true;
                self.fault::<()>(at, format!("{text:?} {why}"));
            }
        }
        (!wrong).then(|| (What::IpIn(Box::new(ip), set), Type::BOOL))
    }

    fn domain_in(&mut self, domain: &IdedExpr, domains: &IdedExpr) -> Option<(What, Type)> {
        let (domain, all) = (self.text_node(domain), self.written_out(domains, "domains"));
        let (domain, all) = (domain?, all?);
        let mut set = Domains::default();
        let mut wrong = false;
        for (text, at) in all {
            if let Err(why) = set.add(&text) {
                wrong = true;
                self.fault::<()>(at, format!("{text:?} {why}"));
            }
        }
        (!wrong).then(|| (What::DomainIn(Box::new(domain), set), Type::BOOL))
    }

    fn size(&mut self, of: &IdedExpr) -> Option<What> {
        let of = self.node(of)?;
        if of.ty.lists > 0 || of.ty == Type::TEXT {
            return Some(What::Size(Box::new(of)));
        }
        let message = format!("{} is {}, and only lists and texts have a size", self.written(&of), of.ty);
        self.wrong(&of, message)
    }

    /// `has(x.y)`: what is known is there.
    fn has(&mut self, of: &IdedExpr, whole: Range<usize>) -> Option<Node> {
        let uses = self.uses;
        let node = self.node(of)?;
        self.uses = uses;
        if !matches!(of.expr, Expr::Select(_)) {
            return self.wrong(&node, "has() takes a field of a record: has(auth.dmarc)");
        }
        Some(made(What::Constant(super::value::Value::Bool(true)), Type::BOOL, whole))
    }

    fn pattern(&mut self, expr: &IdedExpr) -> Option<Pattern> {
        let (pattern, at) = self.literal_text(expr, "the regular expression")?;
        if pattern.len() > LONGEST_REGEX {
            let message = format!("the regular expression has more than {LONGEST_REGEX} bytes");
            return self.fault(at, message);
        }
        let built = RegexBuilder::new(&pattern)
            .size_limit(LARGEST_REGEX)
            .dfa_size_limit(LARGEST_REGEX)
            .nest_limit(50)
            .build();
        match built {
            Ok(regex) => Some(Pattern { regex, stride: stride(&pattern) }),
            Err(regex::Error::CompiledTooBig(_)) => self.fault(
                at,
                "the regular expression is too large when it is made ready; repeat less, or use (?-u) for ASCII",
            ),
            Err(error) => {
                let said = error.to_string();
                let said = said.rsplit("error: ").next().unwrap_or_default().trim().to_owned();
                let hint = match said.contains("look-around") || said.contains("backreference") {
                    true => "; nothing that needs to look back is known",
                    false => "",
                };
                self.fault(at, format!("this is no regular expression: {said}{hint}"))
            }
        }
    }
}

/// How many bytes of a text go into one step: fewer where the expression is long or counts, because then more
/// of it is alive at once.
fn stride(pattern: &str) -> usize {
    if pattern.contains('{') || pattern.len() > 200 { 1 } else { 8 }
}

/// What functions of other languages are called here.
fn other_word(name: &str) -> Option<&'static str> {
    Some(match name {
        "len" | "length" | "count" => "size(…)",
        "toLower" | "tolower" | "to_lower" | "lowercase" | "lcase" => "….lower()",
        "toUpper" | "toupper" | "to_upper" | "uppercase" | "ucase" => "….upper()",
        "strip" => "….trim()",
        "startswith" | "starts_with" | "beginsWith" => "….startsWith(\"…\")",
        "endswith" | "ends_with" => "….endsWith(\"…\")",
        "includes" | "has_text" => "….contains(\"…\")",
        "match" | "regex" | "test" | "matches_regex" => "….matches(\"…\")",
        "any" | "some" => "….exists(x, …)",
        "every" => "….all(x, …)",
        _ => return None,
    })
}
