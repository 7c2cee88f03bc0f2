//! `listed()`: whether an entry of the admin's lists matches.

use cel::common::ast::IdedExpr;

use super::super::view::View;
use super::check::Check;
use super::node::What;
use super::types::Uses;
use super::{Failure, Fuel};
use crate::model::{List, Matched};

impl Check<'_> {
    /// `listed("block", "url")`.
    pub(super) fn listed(&mut self, list: &IdedExpr, on: Option<&IdedExpr>) -> Option<What> {
        self.uses = self.uses | Uses::LISTS | Uses::RECIPIENT;
        let list = self.literal_text(list, "the list");
        let on = match on {
            Some(on) => Some(self.literal_text(on, "what the entry matches")?),
            None => None,
        };
        let (name, at) = list?;
        let Some(list) = List::ALL.into_iter().find(|list| list.name() == name) else {
            return self.fault(at, format!("{name:?} is no list; write \"allow\" or \"block\""));
        };
        let Some((name, at)) = on else { return Some(What::Listed(list, None)) };
        let Some(on) = Matched::ALL.into_iter().find(|on| on.key() == name) else {
            let all = Matched::ALL.map(Matched::key).join(", ");
            return self.fault(at, format!("no entry matches {name:?}; write one of {all}"));
        };
        // What is in the message is known at its end.
        if !matches!(on, Matched::Client | Matched::Sender) {
            self.uses = self.uses | Uses::SCAN;
        }
        Some(What::Listed(list, Some(on)))
    }
}

/// Whether an entry of that list matches, or matches there.
pub(super) fn listed(
    view: &View<'_>,
    list: List,
    on: Option<Matched>,
    fuel: &mut Fuel,
) -> Result<bool, Failure> {
    let hits = view.facts.lists.map_or(&[][..], |lists| &lists.0);
    fuel.burn(1 + hits.len() as u64)?;
    Ok(hits.iter().any(|hit| hit.list == list && on.is_none_or(|on| on == hit.on)))
}
