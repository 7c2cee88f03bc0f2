//! Tries every rule in order and writes down what each saw.

use std::sync::Arc;

use super::evidence::Evidence;
use super::rules::{Effect, RULES, Sight, Standing, View, Wish};
use super::{Facts, Policy};
use crate::model::{Category, Direction, Disposition, Explanation, Step, Verdict, text};

/// Longest reason: it goes into a header and into every row of a list.
const MAX_REASON: usize = 200;

/// The verdict for each recipient, in the envelope's order. Today all share one; nothing after this
/// relies on it.
#[must_use]
pub fn decide(policy: &Policy, facts: &Facts<'_>) -> Vec<Verdict> {
    vec![judge(policy, facts); facts.envelope.recipients.len()]
}

/// The verdict on the message, for whom ever it is: what `scan` shows of a file without recipients.
#[must_use]
pub fn judge(policy: &Policy, facts: &Facts<'_>) -> Verdict {
    let evidence = Evidence::new(facts.findings);
    let view = View { policy, facts, evidence: &evidence };
    let mut steps = Vec::with_capacity(RULES.len());
    let mut standing = Standing::default();
    // What each wish asked for and of what kind the mail is for it; wishes that are only recorded
    // ask for nothing more than accept.
    let mut kinds = Vec::with_capacity(RULES.len());

    for (index, rule) in RULES.iter().enumerate() {
        let Sight { mut saw, effect } = (rule.look)(&view, &standing);
        let wants = match effect {
            Effect::Nothing => None,
            Effect::Wants(wish) if rule.inbound_only && facts.direction == Direction::Outbound => {
                saw.push_str("; going out, so only recorded");
                kinds.push((Disposition::Accept, wish.category));
                standing.recorded.get_or_insert(wish.reason);
                None
            }
            Effect::Wants(wish) => {
                let disposition = wish.disposition;
                kinds.push((disposition, wish.category));
                let stands = standing.wish.as_ref().map(|(_, w)| w.disposition.strictness());
                if stands.is_none_or(|s| disposition.strictness() > s) {
                    standing.wish = Some((index, wish));
                }
                Some(disposition)
            }
            Effect::Instead(wish) => {
                let disposition = wish.disposition;
                kinds.push((disposition, wish.category));
                standing.wish = Some((index, wish));
                Some(disposition)
            }
        };
        steps.push(Step { rule: rule.name.to_owned(), saw, wants, decided: false });
    }

    // The last rule always asks for something. Were it otherwise: uncertain means tempfail.
    let (index, wish) = standing.wish.unwrap_or_else(|| (RULES.len(), undecided()));
    if let Some(step) = steps.get_mut(index) {
        step.decided = true;
    }
    // The worst kind for which somebody asked for at least what happens.
    let carried = kinds.iter().filter(|(d, _)| d.strictness() >= wish.disposition.strictness());
    let category = carried.map(|(_, category)| *category).max().unwrap_or(wish.category);
    Verdict {
        disposition: wish.disposition,
        category,
        score: evidence.total().score(),
        rule: RULES.get(index).map_or("undecided", |rule| rule.name).to_owned(),
        reason: text::line(&wish.reason, MAX_REASON),
        explanation: Explanation(Arc::new(steps)),
    }
}

fn undecided() -> Wish {
    Wish {
        disposition: Disposition::Tempfail,
        category: Category::Suspicious,
        reason: "no rule decided".to_owned(),
    }
}
