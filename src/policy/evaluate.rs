//! Each rule alone on one message: whether its condition holds, what it saw, what it asks for.

use serde::Serialize;

use super::condition::Fuel;
use super::rule_file::Mode;
use super::{Facts, Policy, decide};
use crate::model::Disposition;

/// One rule, tried on one message for one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// Its name.
    pub rule: String,
    /// Whether it is in force; one that is off is not tried.
    pub mode: Mode,
    /// Whether its condition holds; `None` where that could not be told, or it is off.
    pub holds: Option<bool>,
    /// What it saw, in a sentence.
    pub saw: String,
    /// What it asks for, where it holds.
    pub asks: Option<Disposition>,
    /// Why it could not be evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Tries every rule, in their order, as they are for the recipient at `position`; without one, for whom ever
/// it is.
#[must_use]
pub fn tried(policy: &Policy, facts: &Facts<'_>, position: Option<usize>) -> Vec<Tried> {
    decide::look(policy, facts, position, |view| {
        let mut fuel = Fuel::of_a_message();
        let one = |(rule, mode): (&super::Rule, Mode)| {
            let name = rule.name.clone();
            let nothing =
                Tried { rule: name, mode, holds: None, saw: String::new(), asks: None, failure: None };
            if mode == Mode::Off {
                return nothing;
            }
            let holds = rule.when.holds(view, &mut fuel);
            let wish = match holds {
                Ok(true) => rule.wish(view, &mut fuel),
                _ => Ok(None),
            };
            let saw = rule.saw(view, &mut fuel);
            let failure = holds.as_ref().err().or(wish.as_ref().err()).map(ToString::to_string);
            let asks = wish.ok().flatten().filter(|_| !rule.adds).map(|wish| wish.disposition);
            Tried { holds: holds.ok(), saw, asks, failure, ..nothing }
        };
        policy.rules().list().map(one).collect()
    })
}
