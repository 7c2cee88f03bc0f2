//! Tries every rule in order and writes down what each saw.

use std::sync::Arc;

use super::evidence::Evidence;
use super::listed::blocked;
use super::rules::{Effect, RULES, Sight, Standing, View, Wish};
use super::{Facts, Policy};
use crate::model::{Category, Direction, Disposition, Explanation, Step, Verdict, text};

/// Longest reason: it goes into a header and into every row of a list.
const MAX_REASON: usize = 200;

/// The verdict for each recipient, in the envelope's order. Those who take mail from blocked senders
/// may have another one than the rest.
#[must_use]
pub fn decide(policy: &Policy, facts: &Facts<'_>) -> Vec<Verdict> {
    let is_exempt = |position: usize| facts.exempt.get(position).copied().unwrap_or_default();
    let is_blocked = facts.exempt.contains(&true) && blocked(facts).is_some();
    let (mut usual, mut exempt) = (None, None);
    let one = |position| {
        let is_exempt = is_exempt(position) && is_blocked;
        let verdict = if is_exempt { &mut exempt } else { &mut usual };
        verdict.get_or_insert_with(|| judge_for(policy, facts, is_exempt)).clone()
    };
    (0..facts.envelope.recipients.len()).map(one).collect()
}

/// The verdict on the message, for whom ever it is: what `scan` shows of a file without recipients.
#[must_use]
pub fn judge(policy: &Policy, facts: &Facts<'_>) -> Verdict {
    judge_for(policy, facts, false)
}

fn judge_for(policy: &Policy, facts: &Facts<'_>, exempt: bool) -> Verdict {
    let evidence = Evidence::new(facts.findings);
    let view = View { policy, facts, evidence: &evidence, exempt };
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
                kinds.push(Kind { asked: Disposition::Accept, category: wish.category, firm: rule.firm });
                standing.recorded.get_or_insert(wish.reason);
                None
            }
            Effect::Wants(wish) => {
                let disposition = wish.disposition;
                kinds.push(Kind { asked: disposition, category: wish.category, firm: rule.firm });
                if rule.firm {
                    put_in(&mut standing.firm, index, wish.clone());
                }
                put_in(&mut standing.wish, index, wish);
                Some(disposition)
            }
            Effect::Instead(wish) => {
                let disposition = wish.disposition;
                kinds.push(Kind { asked: disposition, category: wish.category, firm: rule.firm });
                standing.wish = Some((index, wish));
                Some(disposition)
            }
            Effect::Outweighs(_) if rule.inbound_only && facts.direction == Direction::Outbound => {
                saw.push_str("; going out, so it changes nothing");
                None
            }
            Effect::Outweighs(wish) => {
                kinds.retain(|kind| kind.firm);
                let firm = standing.firm.clone();
                let outweighed = firm.is_none();
                standing.wish = Some(firm.unwrap_or((index, wish)));
                outweighed.then_some(Disposition::Accept)
            }
            Effect::Overrules(wish) => {
                let disposition = wish.disposition;
                kinds.clear();
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
    let carried = kinds.iter().filter(|kind| kind.asked.strictness() >= wish.disposition.strictness());
    let category = carried.map(|kind| kind.category).max().unwrap_or(wish.category);
    Verdict {
        disposition: wish.disposition,
        category,
        score: evidence.total().score(),
        rule: RULES.get(index).map_or("undecided", |rule| rule.name).to_owned(),
        reason: text::line(&wish.reason, MAX_REASON),
        explanation: Explanation(Arc::new(steps)),
    }
}

/// What one wish asked for, and of what kind the mail is for it.
struct Kind {
    asked: Disposition,
    category: Category,
    firm: bool,
}

/// Puts a wish in the place of a milder one.
fn put_in(place: &mut Option<(usize, Wish)>, index: usize, wish: Wish) {
    let stands = place.as_ref().map(|(_, w)| w.disposition.strictness());
    if stands.is_none_or(|s| wish.disposition.strictness() > s) {
        *place = Some((index, wish));
    }
}

fn undecided() -> Wish {
    Wish {
        disposition: Disposition::Tempfail,
        category: Category::Suspicious,
        reason: "no rule decided".to_owned(),
    }
}
