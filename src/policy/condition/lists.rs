//! Loops over lists: `exists`, `all`, `exists_one`, `filter`, `map`.

use cel::common::ast::{CallExpr, Expr, IdedExpr};

use super::check::{Check, made, place};
use super::names::{self, FUNCTIONS};
use super::node::{Each, EachKind, Node, What};
use super::types::Type;
use super::words::word;

/// How many loops may stand in one another.
const DEEPEST: usize = 3;

impl Check<'_> {
    /// A loop; `None` if the call is none.
    pub(super) fn each(&mut self, target: &IdedExpr, call: &CallExpr, end: usize) -> Option<Option<Node>> {
        let (kind, variable, only, body) = match (call.func_name.as_str(), call.args.as_slice()) {
            ("exists", [v, body]) => (EachKind::Exists, v, None, body),
            ("all", [v, body]) => (EachKind::All, v, None, body),
            ("exists_one" | "existsOne", [v, body]) => (EachKind::ExistsOne, v, None, body),
            ("filter", [v, body]) => (EachKind::Filter, v, None, body),
            ("map", [v, body]) => (EachKind::Map, v, None, body),
            ("map", [v, only, body]) => (EachKind::Map, v, Some(only), body),
            _ => return None,
        };
        Some(self.loop_over(kind, target, variable, only, body, end))
    }

    fn loop_over(
        &mut self,
        kind: EachKind,
        target: &IdedExpr,
        variable: &IdedExpr,
        only: Option<&IdedExpr>,
        body: &IdedExpr,
        end: usize,
    ) -> Option<Node> {
        let list = self.node(target);
        let at = self.at(variable);
        let Expr::Ident(name) = &variable.expr else {
            return self.fault(
                at,
                "a name for the element is needed here, as in urls.exists(u, u.host == \"a.example\")",
            );
        };
        let taken = word(name).is_some()
            || names::find("", name).is_some()
            || names::is_record(name)
            || FUNCTIONS.iter().any(|f| !f.method && f.name == name)
            || self.variables.iter().any(|(known, _)| known == name);
        if taken {
            return self.fault(at, format!("{name} has a meaning already; call the element otherwise"));
        }
        if self.variables.len() >= DEEPEST {
            return self.fault(at, format!("more than {DEEPEST} loops stand in one another here"));
        }
        let list = list?;
        let Some(element) = list.ty.element() else {
            let message = format!("{} is {}, and only a list has elements", self.written(&list), list.ty);
            return self.wrong(&list, message);
        };
        self.variables.push((name.clone(), element));
        let only = only.map(|only| self.truth(only));
        let body = if kind == EachKind::Map { self.node(body) } else { self.truth(body) };
        self.variables.pop();
        let (only, body) = (only.map_or(Some(None), |only| only.map(Some))?, body?);
        let ty = match kind {
            EachKind::Exists | EachKind::All | EachKind::ExistsOne => Type::BOOL,
            EachKind::Filter => list.ty,
            EachKind::Map => body.ty.listed(),
        };
        let start = place(&list).start;
        let each = Each { kind, list, only, body };
        Some(made(What::Each(Box::new(each)), ty, start..end))
    }
}
