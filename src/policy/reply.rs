//! What the sending server is told when mail is refused or put off: why in a few words, the id, and
//! whom to write to. No scores, scanners or thresholds: those help who tries until it fits.

use super::evidence::Evidence;
use super::{Facts, Fault, Policy, listed, name};
use crate::model::{Category, Disposition, MailId, SmtpReply, Verdict, text};

/// 5xx for all recipients. Speaks for the worst of the verdicts.
pub(super) fn reject(policy: &Policy, facts: &Facts<'_>, verdicts: &[Verdict]) -> SmtpReply {
    if let Some(what) = excess(facts.fault) {
        // RFC 3463 §3.4: X.3.4, message too big for system.
        let text = signed(policy, facts, &what);
        return SmtpReply::new(552, (5, 3, 4), &text).unwrap_or_else(|_| SmtpReply::reject(&text));
    }
    let mut worst: Option<&Verdict> = None;
    for verdict in verdicts {
        if worst.is_none_or(|w| verdict.category > w.category) {
            worst = Some(verdict);
        }
    }
    let why = worst
        .map_or_else(|| "refused by policy".to_owned(), |v| asked(v).unwrap_or_else(|| refusal(facts, v)));
    SmtpReply::reject(&signed(policy, facts, &why))
}

/// The answer at RCPT to who is refused or put off by a rule.
#[must_use]
pub fn early_reply(policy: &Policy, id: MailId, verdict: &Verdict) -> SmtpReply {
    let own = verdict.treatment.as_ref().and_then(|treatment| treatment.reply.as_deref());
    let is_put_off = verdict.disposition == Disposition::Tempfail;
    let why = own.unwrap_or(match is_put_off {
        true => "put off by policy, please try again later",
        false => "refused by policy",
    });
    let text = format!("{} (id {id}); contact {}", text::ascii_line(why, 200), policy.postmaster);
    match is_put_off {
        true => SmtpReply::tempfail(&text),
        false => SmtpReply::reject(&text),
    }
}

/// In what a message is larger than any that is taken.
fn excess(fault: Option<Fault>) -> Option<String> {
    match fault? {
        Fault::TooLarge(limit) => Some(format!("message is larger than {limit}")),
        Fault::TooManyFields(limit) => Some(format!("message has more than {limit} header fields")),
        Fault::Forged(_) => Some("message carries too many forged filter header fields".to_owned()),
        Fault::NoMemory => None,
    }
}

/// 4xx for all recipients.
pub(super) fn tempfail(policy: &Policy, facts: &Facts<'_>, verdicts: &[Verdict]) -> SmtpReply {
    match facts.fault {
        Some(Fault::NoMemory) => {
            let text = signed(policy, facts, "too much mail in work, please try again later");
            SmtpReply::overloaded(&text)
        }
        Some(Fault::TooLarge(_) | Fault::TooManyFields(_) | Fault::Forged(_)) => {
            let text = signed(policy, facts, &excess(facts.fault).unwrap_or_default());
            SmtpReply::new(452, (4, 3, 4), &text).unwrap_or_else(|_| SmtpReply::tempfail(&text))
        }
        None if let Some(why) = asked_later(verdicts) => SmtpReply::tempfail(&signed(policy, facts, &why)),
        None => {
            let why = match verdicts.iter().any(is_policy) && !verdicts.iter().any(is_failure) {
                true => "put off by policy, please try again later",
                false => "message could not be inspected now, please try again later",
            };
            SmtpReply::tempfail(&signed(policy, facts, why))
        }
    }
}

/// Somebody wants it put off, and nothing has failed.
fn is_policy(verdict: &Verdict) -> bool {
    verdict.disposition == Disposition::Tempfail && !is_failure(verdict)
}

/// It is put off because something could not be done: a scanner or a look-up failed, or a condition could not be
/// evaluated.
fn is_failure(verdict: &Verdict) -> bool {
    let failed = || verdict.explanation.0.iter().any(|step| step.decided && step.failed);
    verdict.disposition == Disposition::Tempfail
        && (name::is_for_a_failure(&verdict.rule) || verdict.rule == name::UNDECIDED || failed())
}

/// 4xx where the mail was to go to an address that cannot be put on the envelope.
pub(super) fn not_passed_on(policy: &Policy, facts: &Facts<'_>) -> SmtpReply {
    SmtpReply::tempfail(&signed(policy, facts, "message cannot be passed on now, please try again later"))
}

/// Longest reason of a rule: the id and the contact must have room after it.
const MAX_ASKED: usize = 200;

/// What the rule itself wants the sender to be told.
fn asked(verdict: &Verdict) -> Option<String> {
    let reply = verdict.treatment.as_ref()?.reply.as_deref()?;
    let reply = text::ascii_line(reply.trim(), MAX_ASKED);
    (!reply.is_empty()).then_some(reply)
}

/// The same of the worst of those verdicts that put the mail off.
fn asked_later(verdicts: &[Verdict]) -> Option<String> {
    let mut worst: Option<&Verdict> = None;
    for verdict in verdicts.iter().filter(|v| v.disposition == Disposition::Tempfail) {
        if worst.is_none_or(|w| verdict.category > w.category) {
            worst = Some(verdict);
        }
    }
    asked(worst?)
}

fn refusal(facts: &Facts<'_>, verdict: &Verdict) -> String {
    let symbol = || {
        let evidence = Evidence::new(facts.findings);
        evidence.worst_of(verdict.category).map_or_else(String::new, |finding| {
            // Only the name; what else the scanner said stays here.
            format!(": {}", text::ascii_line(&finding.symbol, 60))
        })
    };
    match verdict.category {
        Category::Malware => format!("refused as malware{}", symbol()),
        Category::Phish => format!("refused as phishing{}", symbol()),
        Category::Spam => "refused as spam".to_owned(),
        Category::Suspicious | Category::Clean if verdict.rule == name::INCOMPLETE => {
            "refused because it could not be inspected".to_owned()
        }
        Category::Suspicious | Category::Clean if verdict.rule == name::BLOCK_LIST => {
            match listed::blocks_sender(facts, verdict) {
                true => "refused because its sender is blocked here",
                false => "refused because of an entry of the block list",
            }
            .to_owned()
        }
        Category::Suspicious | Category::Clean if verdict.rule == name::DMARC => {
            "refused because it fails DMARC, as its author's domain asks for".to_owned()
        }
        Category::Suspicious | Category::Clean => "refused by policy".to_owned(),
    }
}

fn signed(policy: &Policy, facts: &Facts<'_>, why: &str) -> String {
    format!("{why} (id {}); contact {}", facts.id, policy.postmaster)
}
