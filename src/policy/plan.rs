//! From the verdicts of all recipients to edits, one stored copy and one answer.
//!
//! A milter has one answer for all recipients, so they are sorted into those who get the mail,
//! those for whom a copy is kept, and those for whom it is dropped. A recipient for whom the mail
//! would be refused, beside others for whom it is not, has a copy kept: never a bounce.

use std::collections::BTreeMap;

use super::{Facts, Policy, fields, reply, subject};
use crate::model::{
    Action, Answer, Direction, Disposition, HeaderValue, Plan, QuarantineOrder, Recipient, Verdict,
};

/// The whole table of "From verdicts to one answer".
///
/// `verdicts` are those of [`decide`](super::decide()), one a recipient in the envelope's order.
/// `removals` are the edits that take away what only we may write, highest index first; they go
/// before everything else: Postfix finds a field to remove or change by skipping the topmost one,
/// which is its own Received only as long as nothing was inserted above it.
///
/// Fields are inserted at index 0, 1, 2, …: an index counts the fields as they stand at that
/// moment, the MTA's Received and what was just inserted included (Postfix, as Sendmail 8 does), so
/// that they end up in this order above Received.
#[must_use]
pub fn plan(policy: &Policy, facts: &Facts<'_>, verdicts: &[Verdict], removals: Vec<Action>) -> Plan {
    let recipients = &facts.envelope.recipients;
    let all = |wanted: Disposition| verdicts.iter().all(|v| v.disposition == wanted);
    let matched = !recipients.is_empty() && verdicts.len() == recipients.len();
    if !matched || verdicts.iter().any(|v| v.disposition == Disposition::Tempfail) {
        return put_off(policy, facts, verdicts);
    }
    if all(Disposition::Reject) {
        return Plan {
            quarantine: None,
            actions: Vec::new(),
            answer: Answer::Reject(reply::reject(policy, facts, verdicts)),
            recipients: vec![Disposition::Reject; recipients.len()],
        };
    }
    // There is no message to keep or deliver: what is left is to say so.
    if facts.fault.is_some() {
        return put_off(policy, facts, verdicts);
    }

    let fates = fates(recipients, verdicts);
    let quarantine = copy(&fates, verdicts);
    let leading = leading(&fates, verdicts);
    let (actions, answer) = match leading {
        Some(verdict) => (edits(policy, facts, verdict, &fates, removals), Answer::Accept),
        None => (Vec::new(), Answer::Discard),
    };
    Plan { quarantine, actions, answer, recipients: fates }
}

/// 4xx for the whole message and no side effect at all.
fn put_off(policy: &Policy, facts: &Facts<'_>, verdicts: &[Verdict]) -> Plan {
    Plan {
        quarantine: None,
        actions: Vec::new(),
        answer: Answer::Tempfail(reply::tempfail(policy, facts, verdicts)),
        recipients: vec![Disposition::Tempfail; facts.envelope.recipients.len()],
    }
}

/// What happens to each recipient where not all agree on 5xx.
fn fates(recipients: &[Recipient], verdicts: &[Verdict]) -> Vec<Disposition> {
    let held = |v: &Verdict| match v.disposition {
        Disposition::Reject => Disposition::Quarantine,
        other => other,
    };
    let mut fates: Vec<_> = verdicts.iter().map(held).collect();
    if fates.iter().any(|f| Some(f) != fates.first()) {
        // DELRCPT takes away every recipient of that address, however it was quoted, so the same
        // address must not stand on both sides.
        let mut strictest = BTreeMap::new();
        for (recipient, fate) in recipients.iter().zip(&fates) {
            let entry = strictest.entry(mailbox(recipient)).or_insert(*fate);
            *entry = entry.stricter(*fate);
        }
        for (recipient, fate) in recipients.iter().zip(&mut fates) {
            *fate = strictest.get(&mailbox(recipient)).copied().unwrap_or(*fate);
        }
    }
    fates
}

/// The address without its quoting: `<"a"@x>` and `<a@x>` are one to the MTA. Two addresses that
/// differ in quoted quotes only are taken for one as well, which errs on the strict side.
fn mailbox(recipient: &Recipient) -> String {
    recipient.address().chars().filter(|c| !matches!(c, '"' | '\\')).collect()
}

const fn is_delivered(fate: Disposition) -> bool {
    matches!(fate, Disposition::Accept | Disposition::Tag)
}

/// The one copy for all who are in quarantine.
fn copy(fates: &[Disposition], verdicts: &[Verdict]) -> Option<QuarantineOrder> {
    let held = || fates.iter().zip(verdicts).enumerate().filter(|(_, (f, _))| **f == Disposition::Quarantine);
    let mut worst = held().next().map(|(_, (_, verdict))| verdict)?;
    for (_, (_, verdict)) in held() {
        if verdict.category > worst.category {
            worst = verdict;
        }
    }
    Some(QuarantineOrder {
        recipients: held().map(|(position, _)| position).collect(),
        category: worst.category,
        reason: worst.reason.clone(),
    })
}

/// The strictest verdict of those who get the mail; `None` if nobody does. Verdicts of others must
/// not show in what these get.
fn leading<'a>(fates: &[Disposition], verdicts: &'a [Verdict]) -> Option<&'a Verdict> {
    let rank = |v: &Verdict| (v.disposition.strictness(), v.category);
    let mut strictest: Option<&Verdict> = None;
    // A fate is never milder than the verdict, so these verdicts are Accept or Tag themselves.
    for (_, verdict) in fates.iter().zip(verdicts).filter(|(fate, _)| is_delivered(**fate)) {
        if strictest.is_none_or(|s| rank(verdict) > rank(s)) {
            strictest = Some(verdict);
        }
    }
    strictest
}

/// Removals, the Subject, our fields, the recipients who do not get it.
fn edits(
    policy: &Policy,
    facts: &Facts<'_>,
    verdict: &Verdict,
    fates: &[Disposition],
    removals: Vec<Action>,
) -> Vec<Action> {
    let fields = fields::fields(policy, facts, verdict);
    let count = fields.len();
    let mut actions = removals;
    actions.reserve(count + 1);
    let agreed = fates.iter().filter(|f| is_delivered(**f)).all(|f| *f == Disposition::Tag);
    let prefix = policy.subject_prefix.as_deref().filter(|_| agreed && facts.direction == Direction::Inbound);
    let name = "Subject".to_owned();
    if let (Some(prefix), Some(raw)) = (prefix, facts.subject)
        && let Some(value) = subject::prefixed(prefix, raw)
    {
        actions.push(Action::ChangeHeader { name: name.clone(), index: 1, value });
    }
    for (index, (name, value)) in (0..).zip(fields) {
        actions.push(Action::InsertHeader { index, name: name.into_owned(), value });
    }
    if let (Some(prefix), None) = (prefix, facts.subject) {
        // Below the MTA's Received: trace fields stay together.
        let index = u32::try_from(count + 1).unwrap_or(u32::MAX);
        actions.push(Action::InsertHeader { index, name, value: HeaderValue::new("Subject", prefix) });
    }
    let mut gone: Vec<&[u8]> = Vec::new();
    for (recipient, _) in facts.envelope.recipients.iter().zip(fates).filter(|(_, f)| !is_delivered(**f)) {
        if !gone.contains(&recipient.argument()) {
            gone.push(recipient.argument());
        }
    }
    actions.extend(gone.into_iter().map(|argument| Action::DeleteRecipient(argument.to_vec())));
    actions
}
