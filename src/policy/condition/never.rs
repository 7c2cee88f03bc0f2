//! What a name can never be: it gives one of few words, or is always in lower case.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::names::Field;
use super::node::{Node, What};
use super::value::Value;
use crate::model::{AdvisedAction, AuthResult, DmarcPolicy, Judgement, List, Matched, Scanner};

/// Why a text is never what a node gives: the node gives one of few words, or is always in lower case.
pub(super) fn never(written: &str, node: &Node, text: &str) -> Option<String> {
    let field = match &node.what {
        What::Field(field) | What::Item(_, field) => *field,
        What::Outcome(_) => {
            let words = super::look::OUTCOMES;
            return (!words.contains(&text)).then(|| one_of(written, text, words));
        }
        _ => return None,
    };
    let auth: Vec<_> = AuthResult::ALL.iter().map(|r| r.name()).collect();
    let scanners: Vec<_> = Scanner::ALL.iter().map(|s| s.name()).collect();
    let words: Vec<&str> = match field {
        Field::Spf | Field::Dkim | Field::Dmarc | Field::Arc | Field::Iprev => auth,
        Field::DmarcPolicy => [DmarcPolicy::None, DmarcPolicy::Quarantine, DmarcPolicy::Reject]
            .iter()
            .map(|p| p.name())
            .collect(),
        Field::RspamdAction => AdvisedAction::ALL.iter().map(|a| a.name()).collect(),
        Field::UrlJudgement => JUDGEMENTS.iter().map(|j| j.name()).collect(),
        Field::FindingScanner | Field::Missing => scanners,
        Field::HitList => List::ALL.iter().map(|l| l.name()).collect(),
        Field::HitOn => Matched::ALL.iter().map(|m| m.key()).collect(),
        Field::ClientIp => return no_address(written, text),
        Field::Sender
        | Field::SenderLocal
        | Field::SenderDomain
        | Field::RecipientAddress
        | Field::RecipientLocal
        | Field::RecipientDomain
        | Field::FromDomain
        | Field::SpfDomain
        | Field::DkimDomains
        | Field::Author
        | Field::UrlHost
        | Field::UrlDomain
        | Field::AttachmentExtension
        | Field::AttachmentType
        | Field::AttachmentSha256 => {
            let bare = text.trim_start_matches(['.', '@']);
            let lower = bare.to_lowercase();
            return (lower != text).then(|| format!("{written} never is {text:?}; write {lower:?}"));
        }
        _ => return None,
    };
    let empty = text.is_empty()
        && !matches!(
            field,
            Field::UrlJudgement | Field::FindingScanner | Field::Missing | Field::HitList | Field::HitOn
        );
    (!empty && !words.contains(&text)).then(|| one_of(written, text, &words))
}

/// Why a text is never the address of a client.
fn no_address(written: &str, text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    match text.parse::<IpAddr>() {
        Ok(ip) if ip.to_string() == text => None,
        Ok(ip) => Some(format!("{written} never is {text:?}; write \"{ip}\"")),
        Err(_) if text.parse::<ipnet::IpNet>().is_ok() => Some(format!(
            "{written} is one address and {text:?} a network; write ip_in({written}, [{text:?}])"
        )),
        Err(_) => Some(format!("{text:?} is no address, so {written} never is that")),
    }
}

/// Why a whole number is never what a node gives, or for `<` and its like nowhere near.
pub(super) fn never_number(written: &str, node: &Node, number: &Value<'_>, equality: bool) -> Option<String> {
    let What::Field(field) = node.what else { return None };
    let (from, to, hint) = match field {
        Field::Hour => (0, 23, ""),
        Field::Minute => (0, 59, ""),
        Field::Weekday => (1, 7, ": 1 is Monday, 7 is Sunday"),
        Field::Attempt => (1, i64::from(u32::MAX), ""),
        _ => return None,
    };
    // `hour < 24` and `weekday > 0` say nothing, and nothing wrong.
    let (low, high) = if equality { (from, to) } else { (from - 1, to + 1) };
    let is_within = |bound: i64, wanted: Ordering| {
        number.order(&Value::Int(bound)).is_some_and(|order| order == wanted || order == Ordering::Equal)
    };
    if is_within(low, Ordering::Greater) && is_within(high, Ordering::Less) {
        return None;
    }
    let range = if field == Field::Attempt {
        "counts from 1".to_owned()
    } else {
        format!("goes from {from} to {to}")
    };
    Some(format!("{written} {range}{hint}; it never is {}", number.shown(30)))
}

const JUDGEMENTS: [Judgement; 7] = [
    Judgement::NotLookedUp,
    Judgement::Exempt,
    Judgement::Unknown,
    Judgement::Suspicious,
    Judgement::Spam,
    Judgement::Phish,
    Judgement::Malware,
];

fn one_of(written: &str, text: &str, words: &[&str]) -> String {
    format!("{written} never is {text:?}; it is one of {}", words.join(", "))
}
