//! From the verdicts of all recipients to edits, one stored copy and one answer.
//!
//! A milter has one answer for all recipients, so they are sorted into those who get the mail,
//! those for whom a copy is kept, and those for whom it is dropped. A recipient for whom the mail
//! would be refused, beside others for whom it is not, has a copy kept: never a bounce.
//!
//! Where each recipient has an answer of his own (LMTP) the same table holds, but for two things: a recipient who is
//! refused beside others is refused alone ([`Plan::refusals`]), and behind a queue nobody is refused at all, because a
//! 5xx would become a bounce to a sender who may be forged.
//!
//! What rules want besides ([`Treatment`](crate::model::Treatment)) happens to mail that is delivered: a message
//! that is put off, refused, held or dropped for all is neither copied nor redirected. Mail that is redirected to
//! a host which sends it back here is judged and redirected again; that such a circle ends is the MTA's matter,
//! which counts Received fields.

use std::collections::BTreeMap;

use super::extras::{self, Getting, is_delivered, leave_out, mailbox};
use super::{Facts, Policy, fields, reply, subject};
use crate::model::{
    Action, Also, Answer, Disposition, Extra, Handover, Plan, QuarantineOrder, Recipient, SmtpReply, Verdict,
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
    if policy.dry_run && facts.fault.is_some() && !verdicts.is_empty() && all(Disposition::Accept) {
        // There is nothing to edit, and nothing that has to be kept.
        return Plan {
            quarantine: None,
            actions: Vec::new(),
            answer: Answer::Accept,
            refusals: BTreeMap::new(),
            recipients: vec![Disposition::Accept; recipients.len()],
            banner: None,
            also: Also::default(),
        };
    }
    let matched = !recipients.is_empty() && verdicts.len() == recipients.len();
    if !matched || verdicts.iter().any(|v| v.disposition == Disposition::Tempfail) {
        return put_off(facts, reply::tempfail(policy, facts, verdicts), Also::default());
    }
    if all(Disposition::Reject) {
        return Plan {
            quarantine: None,
            actions: Vec::new(),
            answer: Answer::Reject(reply::reject(policy, facts, verdicts)),
            refusals: refusals(policy, facts, verdicts),
            recipients: vec![Disposition::Reject; recipients.len()],
            banner: None,
            also: Also::default(),
        };
    }
    // There is no message to keep or deliver: what is left is to say so.
    if facts.fault.is_some() {
        return put_off(facts, reply::tempfail(policy, facts, verdicts), Also::default());
    }

    let mut also = Also::default();
    if let Some(reason) = extras::hold(facts, verdicts, &mut also) {
        return held(policy, facts, verdicts, removals, reason, also);
    }
    let refusals = refusals(policy, facts, verdicts);
    let mut fates = match facts.session.handover {
        Handover::Milter | Handover::Smtp { .. } => fates(recipients, verdicts),
        Handover::Lmtp { refuses } => own_fates(verdicts, refuses),
    };
    let routes = extras::routes(recipients, verdicts, &mut fates, &mut also);
    if routes.iter().any(Option::is_some) && !facts.session.abilities.add_recipient {
        // Delivered, it would go to whom it was not to go; nobody else can have it.
        let mut also = Also::default();
        leave_out(&mut also, Extra::Redirect, "this MTA does not let recipients be added");
        return put_off(facts, reply::not_passed_on(policy, facts), also);
    }
    let quarantine = copy(&fates, verdicts);
    let Some(leading) = leading(&fates, verdicts) else {
        let (actions, answer) = (Vec::new(), Answer::Discard);
        return Plan { quarantine, actions, answer, refusals, recipients: fates, banner: None, also };
    };
    let getting: Vec<(&Verdict, Disposition)> =
        verdicts.iter().zip(fates.iter().copied()).filter(|(_, fate)| is_delivered(*fate)).collect();
    let (mut actions, is_signed) =
        edits(policy, facts, (leading, place(leading, verdicts)), &getting, removals, &mut also);
    actions.extend(extras::envelope(facts, verdicts, &fates, &routes, &mut also));
    let banner = extras::banner(facts, &getting, is_signed, &mut also);
    Plan { quarantine, actions, answer: Answer::Accept, refusals, recipients: fates, banner, also }
}

/// 4xx for the whole message and no side effect at all.
fn put_off(facts: &Facts<'_>, reply: SmtpReply, also: Also) -> Plan {
    Plan {
        quarantine: None,
        actions: Vec::new(),
        answer: Answer::Tempfail(reply),
        refusals: BTreeMap::new(),
        recipients: vec![Disposition::Tempfail; facts.envelope.recipients.len()],
        banner: None,
        also,
    }
}

/// The MTA keeps the message for all. It is edited as if it were delivered, because an admin who lets it go
/// sends it on as it is then.
fn held(
    policy: &Policy,
    facts: &Facts<'_>,
    verdicts: &[Verdict],
    removals: Vec<Action>,
    reason: String,
    mut also: Also,
) -> Plan {
    let getting: Vec<_> = verdicts.iter().map(|verdict| (verdict, verdict.disposition)).collect();
    let mut actions = match strictest(verdicts.iter()) {
        Some(leading) => {
            edits(policy, facts, (leading, place(leading, verdicts)), &getting, removals, &mut also).0
        }
        None => removals,
    };
    actions.push(Action::Hold(reason));
    extras::not_held(verdicts, &mut also);
    Plan {
        quarantine: None,
        actions,
        answer: Answer::Accept,
        refusals: BTreeMap::new(),
        recipients: verdicts.iter().map(|verdict| verdict.disposition).collect(),
        banner: None,
        also,
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

/// The same where each recipient has an answer of his own: who is refused is refused, whatever becomes of the others,
/// and an address that is there twice is handed on twice, as it came.
fn own_fates(verdicts: &[Verdict], refuses: bool) -> Vec<Disposition> {
    let fate = |v: &Verdict| match v.disposition {
        Disposition::Reject if !refuses => Disposition::Quarantine,
        other => other,
    };
    verdicts.iter().map(fate).collect()
}

/// The replies to those who are refused alone. Each speaks of its own verdict.
fn refusals(policy: &Policy, facts: &Facts<'_>, verdicts: &[Verdict]) -> BTreeMap<usize, SmtpReply> {
    if facts.session.handover != (Handover::Lmtp { refuses: true }) {
        return BTreeMap::new();
    }
    let refused = verdicts.iter().enumerate().filter(|(_, v)| v.disposition == Disposition::Reject);
    refused.map(|(position, v)| (position, reply::reject(policy, facts, std::slice::from_ref(v)))).collect()
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
    // A fate is never milder than the verdict, so these verdicts are Accept or Tag themselves.
    strictest(fates.iter().zip(verdicts).filter(|(fate, _)| is_delivered(**fate)).map(|(_, verdict)| verdict))
}

/// Whose verdict it is, of all.
fn place(verdict: &Verdict, verdicts: &[Verdict]) -> Option<usize> {
    verdicts.iter().position(|one| std::ptr::eq(one, verdict))
}

fn strictest<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> Option<&'a Verdict> {
    let rank = |v: &Verdict| (v.disposition.strictness(), v.category);
    verdicts.reduce(|strictest, verdict| if rank(verdict) > rank(strictest) { verdict } else { strictest })
}

/// Removals, the Subject, our fields and those of the rule. Whether one of them is a signature over the message
/// as it came.
fn edits(
    policy: &Policy,
    facts: &Facts<'_>,
    (verdict, position): (&Verdict, Option<usize>),
    getting: &Getting<'_>,
    removals: Vec<Action>,
    also: &mut Also,
) -> (Vec<Action>, bool) {
    let ours = fields::fields(policy, facts, verdict, position);
    let is_signed = ours.iter().any(|(name, _)| name.eq_ignore_ascii_case("DKIM-Signature"));
    let asked = extras::fields(verdict, getting, also);
    let count = ours.len() + asked.len();
    let mut actions = removals;
    actions.reserve(count + 1);
    let prefix = extras::prefix(policy, facts, getting, is_signed, also);
    let name = "Subject".to_owned();
    if let (Some(prefix), Some(raw)) = (prefix, facts.subject) {
        match subject::prefixed(prefix, raw) {
            Some(value) => actions.push(Action::ChangeHeader { name: name.clone(), index: 1, value }),
            None if subject::has(prefix, raw) => {}
            None => leave_out(also, Extra::Prefix, "the Subject cannot be kept whole beside it"),
        }
    }
    let fields = ours.into_iter().map(|(name, value)| (name.into_owned(), value)).chain(asked);
    for (index, (name, value)) in (0..).zip(fields) {
        actions.push(Action::InsertHeader { index, name, value });
    }
    if let (Some(prefix), None) = (prefix, facts.subject) {
        // Below the MTA's Received: trace fields stay together.
        let index = u32::try_from(count + 1).unwrap_or(u32::MAX);
        actions.push(Action::InsertHeader { index, name, value: subject::alone(prefix) });
    }
    (actions, is_signed)
}
