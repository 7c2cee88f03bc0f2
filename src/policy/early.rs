//! What rules say before the message is sent: those marked `early`, at RCPT.

use super::condition::Fuel;
use super::evidence::Evidence;
use super::standing::Origin;
use super::view::View;
use super::{Facts, Policy};
use crate::model::{Disposition, Explanation, Recipient, Step, Verdict, text};

/// Longest reason.
const MAX_REASON: usize = 200;

/// The verdict on mail for `recipient` by the first early rule that applies, refuse or put off; `None`: the end
/// of the message decides. A condition that cannot be evaluated here does not apply: it is tried again then.
///
/// `facts` hold what is known at RCPT: session, sender, time and lists.
#[must_use]
pub fn early(policy: &Policy, facts: &Facts<'_>, recipient: &Recipient) -> Option<Verdict> {
    let mut rules = policy.rules.early().peekable();
    if policy.dry_run || rules.peek().is_none() {
        return None;
    }
    let groups = policy.rules.groups().of(recipient);
    let names = policy.rules.groups().names(&groups);
    let evidence = Evidence::new(&[]);
    let lists = facts.lists.map(|lists| lists.for_recipient(recipient));
    let facts = Facts { lists: lists.as_ref(), ..*facts };
    let mut view = View::new(policy, &facts, &evidence);
    view.recipient = Some(recipient);
    view.groups = &names;
    view.thresholds = policy.rules.groups().thresholds(&groups, policy);
    let mut fuel = Fuel::of_a_message();
    let (rule, origin, wish) = rules.find_map(|(at, rule)| {
        let wish = rule.wish(&view, &mut fuel).ok().flatten()?;
        Some((rule, Origin { set: 0, rule: at }, wish))
    })?;
    if !matches!(wish.disposition, Disposition::Reject | Disposition::Tempfail) {
        return None;
    }
    let saw = rule.saw(&view, &mut fuel);
    let treatment = policy.rules.rule(origin).and_then(|rule| rule.treatment(&view, &mut fuel, true));
    let step = Step {
        rule: rule.name.clone(),
        saw,
        wants: Some(wish.disposition),
        decided: true,
        ..Step::default()
    };
    Some(Verdict {
        disposition: wish.disposition,
        category: wish.category,
        score: Default::default(),
        rule: rule.name.clone(),
        reason: text::line(&wish.reason, MAX_REASON),
        explanation: Explanation(vec![step].into()),
        treatment: treatment.map(Into::into),
    })
}
