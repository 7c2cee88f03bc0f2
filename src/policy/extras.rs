//! What rules want done besides a disposition, brought together over all recipients.
//!
//! Header, Subject and body are one for all who get the mail: fields are those of the strictest verdict, as our
//! own are; a prefix or a banner is put there only if all agree on it. Who gets it is a matter of each recipient.
//! What cannot be done is said in [`Also::left_out`], never passed over in silence.

use std::collections::{BTreeMap, BTreeSet};

use super::allowed::header_allowed;
use super::{Facts, Policy};
use crate::model::{
    Action, Also, Direction, Disposition, Extra, HeaderValue, LeftOut, Recipient, Redirected, Treatment,
    Verdict, text,
};

/// Longest reason that an MTA is given for holding a message, in bytes.
const MAX_HOLD_REASON: usize = 100;

/// The mailbox in the form in which recipients are compared: DELRCPT takes away whoever has it, however it was
/// written.
pub(super) fn mailbox(recipient: &Recipient) -> String {
    recipient.mailbox().to_owned()
}

/// The same of an address that a rule names.
fn folded(address: &str) -> String {
    mailbox(&Recipient::new(address))
}

pub(super) const fn is_delivered(fate: Disposition) -> bool {
    matches!(fate, Disposition::Accept | Disposition::Tag)
}

pub(super) fn leave_out(also: &mut Also, what: Extra, why: impl Into<String>) {
    let left_out = LeftOut { what, why: why.into() };
    if !also.left_out.contains(&left_out) {
        also.left_out.push(left_out);
    }
}

fn treatment(verdict: &Verdict) -> Option<&Treatment> {
    verdict.treatment.as_deref()
}

/// The reason for the MTA to hold the message, if every verdict wants that and the MTA can.
pub(super) fn hold(facts: &Facts<'_>, verdicts: &[Verdict], also: &mut Also) -> Option<String> {
    let wants = |v: &Verdict| {
        v.disposition == Disposition::Quarantine && treatment(v).is_some_and(|treatment| treatment.hold)
    };
    let first = verdicts.iter().find(|v| wants(v))?;
    if !verdicts.iter().all(wants) {
        leave_out(also, Extra::Hold, "the MTA holds a message for all its recipients or for none");
        return None;
    }
    if !facts.session.abilities.hold {
        leave_out(also, Extra::Hold, "this MTA does not offer to hold messages");
        return None;
    }
    also.held_by_mta = true;
    let worst = verdicts.iter().fold(first, |w, v| if v.category > w.category { v } else { w });
    Some(text::ascii_line(&format!("mailward {}: {}", facts.id, worst.reason), MAX_HOLD_REASON))
}

/// What mail in the MTA's hold queue does not get, because an admin lets it go without us.
pub(super) fn not_held(verdicts: &[Verdict], also: &mut Also) {
    const WHY: &str = "the MTA lets held mail go without asking again";
    for treatment in verdicts.iter().filter_map(treatment) {
        for (is_wanted, what) in [
            (treatment.banner.is_some(), Extra::Banner),
            (!treatment.copy_to.is_empty(), Extra::Copy),
            (treatment.redirect_to.is_some(), Extra::Redirect),
        ] {
            if is_wanted {
                leave_out(also, what, WHY);
            }
        }
    }
}

/// Who gets the mail in place of each recipient; `None`: the recipient does, or nobody.
///
/// A target that is a recipient and gets it anyway gets it once; one that is redirected itself leads on to its
/// own target. Where the target is a recipient from whom the mail is kept, it is kept from who is redirected
/// there as well (`fates`), because nobody else would have it. Redirections in a circle are not followed.
pub(super) fn routes<'v>(
    recipients: &[Recipient],
    verdicts: &'v [Verdict],
    fates: &mut [Disposition],
    also: &mut Also,
) -> Vec<Option<&'v str>> {
    let mut wanted: BTreeMap<String, &'v str> = BTreeMap::new();
    for ((recipient, verdict), fate) in recipients.iter().zip(verdicts).zip(fates.iter()) {
        let target = treatment(verdict).and_then(|t| t.redirect_to.as_deref());
        if let Some(target) = target.filter(|t| is_delivered(*fate) && folded(t) != mailbox(recipient)) {
            wanted.entry(mailbox(recipient)).or_insert(target);
        }
    }
    let mut routes = vec![None; recipients.len()];
    if wanted.is_empty() {
        return routes;
    }
    let positions: BTreeMap<String, usize> =
        recipients.iter().enumerate().map(|(i, r)| (mailbox(r), i)).collect();
    let before = fates.to_vec();
    for ((recipient, fate), route) in recipients.iter().zip(fates.iter_mut()).zip(&mut routes) {
        let Some(mut target) = wanted.get(&mailbox(recipient)).copied().filter(|_| is_delivered(*fate))
        else {
            continue;
        };
        let mut seen = BTreeSet::from([mailbox(recipient)]);
        loop {
            if !seen.insert(folded(target)) {
                leave_out(also, Extra::Redirect, "redirections lead in a circle");
                break;
            }
            let there = positions.get(&folded(target)).copied();
            if there.and_then(|i| before.get(i)).is_some_and(|fate| !is_delivered(*fate)) {
                leave_out(also, Extra::Redirect, "the mail is kept from the address that was to get it");
                *fate = Disposition::Quarantine;
                break;
            }
            match there.and_then(|i| recipients.get(i)).and_then(|r| wanted.get(&mailbox(r)).copied()) {
                Some(next) => target = next,
                None => {
                    *route = Some(target);
                    break;
                }
            }
        }
    }
    let moved = routes
        .iter()
        .enumerate()
        .filter_map(|(recipient, to)| to.map(|to| Redirected { recipient, to: text::line(to, MAX_ADDRESS) }));
    also.redirected = moved.collect();
    routes
}

/// RFC 5321 §4.5.3.1.3: a path has at most 256 octets.
const MAX_ADDRESS: usize = 256;

/// The edits of the envelope: first who does not get it, then who gets it besides.
pub(super) fn envelope(
    facts: &Facts<'_>,
    verdicts: &[Verdict],
    fates: &[Disposition],
    routes: &[Option<&str>],
    also: &mut Also,
) -> Vec<Action> {
    let recipients = &facts.envelope.recipients;
    let mut gone: Vec<Vec<u8>> = Vec::new();
    let mut has_it: BTreeSet<String> = BTreeSet::new();
    for ((recipient, fate), route) in recipients.iter().zip(fates).zip(routes) {
        if is_delivered(*fate) && route.is_none() {
            has_it.insert(mailbox(recipient));
        } else if !gone.contains(&recipient.removal()) {
            gone.push(recipient.removal());
        }
    }
    let mut actions: Vec<Action> = gone.into_iter().map(Action::DeleteRecipient).collect();
    for target in routes.iter().flatten() {
        if has_it.insert(folded(target)) {
            actions.push(Action::AddRecipient((*target).to_owned()));
        }
    }
    let wishes = verdicts.iter().zip(fates).filter(|(_, fate)| is_delivered(**fate));
    for copy in wishes.filter_map(|(v, _)| treatment(v)).flat_map(|t| &t.copy_to) {
        if has_it.contains(&folded(copy)) {
            continue;
        }
        if recipients.iter().any(|r| mailbox(r) == folded(copy)) {
            leave_out(also, Extra::Copy, "the mail is kept from a recipient who was to get a copy");
        } else if facts.session.abilities.add_recipient {
            has_it.insert(folded(copy));
            also.copies.push(text::line(copy, MAX_ADDRESS));
            actions.push(Action::AddRecipient(copy.clone()));
        } else {
            leave_out(also, Extra::Copy, "this MTA does not let recipients be added");
        }
    }
    actions
}

/// The verdicts of those who get the mail, or who would if the MTA lets it go; with what they get it as.
pub(super) type Getting<'v> = [(&'v Verdict, Disposition)];

/// The fields that the rule of `leading` adds.
pub(super) fn fields(
    leading: &Verdict,
    getting: &Getting<'_>,
    also: &mut Also,
) -> Vec<(String, HeaderValue)> {
    let wishes = |v: &Verdict| v.treatment.as_ref().map(|t| t.headers.clone()).unwrap_or_default();
    let chosen = wishes(leading);
    if getting.iter().any(|(v, _)| treatment(v).is_some_and(|t| !t.headers.is_empty() && t.headers != chosen))
    {
        leave_out(
            also,
            Extra::Fields,
            "a message carries the fields of one rule, that of the strictest verdict",
        );
    }
    let mut fields = Vec::with_capacity(chosen.len());
    for (name, value) in chosen {
        match header_allowed(&name) {
            Ok(()) => fields.push((name.clone(), HeaderValue::new(&name, &value))),
            Err(why) => leave_out(also, Extra::Fields, why.to_string()),
        }
    }
    fields
}

/// The prefix of the Subject, if all agree on one. `is_signed`: the mail gets a signature for its way out, which
/// an edit would break.
pub(super) fn prefix<'v>(
    policy: &'v Policy,
    facts: &Facts<'_>,
    getting: &Getting<'v>,
    is_signed: bool,
    also: &mut Also,
) -> Option<&'v str> {
    let usual = policy.subject_prefix.as_deref().filter(|_| facts.direction == Direction::Inbound);
    let asked = |v: &'v Verdict| treatment(v).and_then(|t| t.subject_prefix.as_deref());
    let wants = |(v, fate): &(&'v Verdict, Disposition)| {
        asked(v).or_else(|| usual.filter(|_| *fate == Disposition::Tag))
    };
    let why = if is_signed { SIGNED } else { DISAGREE };
    let agreed = agreed(getting.iter().map(wants)).filter(|_| !is_signed);
    if agreed.is_none() && getting.iter().any(|(v, _)| asked(v).is_some()) {
        leave_out(also, Extra::Prefix, why);
    }
    agreed
}

/// The banner, if all agree on one and the MTA takes another body.
pub(super) fn banner(
    facts: &Facts<'_>,
    getting: &Getting<'_>,
    is_signed: bool,
    also: &mut Also,
) -> Option<String> {
    let wants = |(v, _): &(&Verdict, Disposition)| v.treatment.as_ref().and_then(|t| t.banner.clone());
    getting.iter().find_map(wants)?;
    let agreed = agreed(getting.iter().map(wants));
    let why = match &agreed {
        None => DISAGREE,
        Some(_) if is_signed => SIGNED,
        Some(_) if !facts.session.abilities.change_body => "this MTA does not let a body be replaced",
        Some(_) => return agreed,
    };
    leave_out(also, Extra::Banner, why);
    None
}

const DISAGREE: &str = "not all who get the message agree on it";
const SIGNED: &str = "the message gets a signature that it would break";

/// What all of them want, if that is one thing.
fn agreed<T: PartialEq>(mut wishes: impl Iterator<Item = Option<T>>) -> Option<T> {
    let first = wishes.next()??;
    wishes.all(|wish| wish.as_ref() == Some(&first)).then_some(first)
}
