//! What the sending server is told when mail is refused or put off: why in a few words, the id, and
//! whom to write to. No scores, scanners or thresholds: those help who tries until it fits.

use super::evidence::Evidence;
use super::rules::name;
use super::{Facts, Fault, Policy};
use crate::model::{Category, SmtpReply, Verdict, text};

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
    let why = worst.map_or_else(|| "refused by policy".to_owned(), |v| refusal(facts, v));
    SmtpReply::reject(&signed(policy, facts, &why))
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
        None if verdicts.iter().any(|v| v.rule == name::RSPAMD) => {
            let text = signed(policy, facts, "put off by policy, please try again later");
            SmtpReply::tempfail(&text)
        }
        None => {
            let text = signed(policy, facts, "message could not be inspected now, please try again later");
            SmtpReply::tempfail(&text)
        }
    }
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
            "refused because its sender is blocked here".to_owned()
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
