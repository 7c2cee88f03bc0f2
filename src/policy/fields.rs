//! The header fields that delivered mail gets, top down.

use std::borrow::Cow;

use super::decide::thresholds;
use super::evidence::{Evidence, Points};
use super::{Facts, Policy};
use crate::model::{Category, Direction, Disposition, Finding, HeaderValue, Scanner, Severity, Verdict};

/// Most symbols in `X-Spam-Status`.
const MAX_TESTS: usize = 16;
/// Longest symbol there: with [`MAX_TESTS`] the one unbroken word stays below RFC 5322's 998.
const MAX_TEST: usize = 40;

/// The fields for those who get the mail under `verdict`, which is that of the recipient at `position`. Mail going out gets the id alone; clean
/// mail gets five short ones, because each costs the MTA a write.
pub(super) fn fields(
    policy: &Policy,
    facts: &Facts<'_>,
    verdict: &Verdict,
    position: Option<usize>,
) -> Vec<(Cow<'static, str>, HeaderValue)> {
    let mut list: Vec<(Cow<'static, str>, HeaderValue)> = Vec::with_capacity(9);
    let mut add = |name: &'static str, value: &str| list.push((name.into(), HeaderValue::new(name, value)));
    if let Some(results) = facts.auth_results {
        add("Authentication-Results", results);
    }
    if let Some(spf) = facts.received_spf {
        add("Received-SPF", spf);
    }
    add("X-Mailward-Id", facts.id.as_str());
    if policy.dry_run {
        return list;
    }
    if facts.released.is_some() {
        // A person has judged it: what scanners would say now is no verdict on it.
        add("X-Mailward-Action", RELEASED);
        return list;
    }
    if facts.direction == Direction::Outbound {
        list.extend(wished(policy, facts, true));
        return list;
    }
    let score = Points::of(verdict.score.value());
    let marked = verdict.disposition != Disposition::Accept;
    add("X-Mailward-Verdict", verdict.category.name());
    add("X-Mailward-Action", verdict.disposition.name());
    add("X-Mailward-Score", &score.to_string());
    if marked {
        add("X-Mailward-Reason", &reason(policy, facts, verdict));
    }
    add("X-Mailward-Coverage", &facts.coverage.to_string());
    if marked {
        let evidence = Evidence::new(facts.findings);
        let tag = thresholds(policy, facts, position).tag;
        // A message that is merely odd or not fully inspected is marked above, but is no spam.
        let flagged = verdict.category >= Category::Spam || score >= tag;
        if flagged {
            add("X-Spam-Flag", "YES");
        }
        let word = if flagged { "Yes" } else { "No" };
        let tests = tests(&evidence);
        add("X-Spam-Status", &format!("{word}, score={score} required={tag} tests={tests}"));
        if let Some(status) = virus_status(facts, &evidence) {
            add("X-Virus-Status", &status);
        }
    }
    list.extend(wished(policy, facts, false));
    list
}

/// The reason as all who get the message may read it: the rule's name, where the reason may say who one of
/// several recipients is.
pub(super) fn reason<'v>(policy: &Policy, facts: &Facts<'_>, verdict: &'v Verdict) -> Cow<'v, str> {
    let recipients = &facts.envelope.recipients;
    if recipients.len() <= 1 {
        return Cow::Borrowed(&verdict.reason);
    }
    let own = policy.rules().list().take(policy.rules().own_count());
    let names =
        own.filter(|(rule, _)| rule.name == verdict.rule).any(|(rule, _)| rule.reason_names_recipients());
    let folded = verdict.reason.to_lowercase();
    let mut addresses = recipients.iter().map(|recipient| recipient.address().to_lowercase());
    let mut shows = || addresses.any(|address| !address.is_empty() && folded.contains(&address));
    match names || shows() {
        true => Cow::Owned(format!("rule {}", verdict.rule)),
        false => Cow::Borrowed(&verdict.reason),
    }
}

/// What rspamd wants added: to mail going out its signature, to other mail everything else. A signature under
/// a name of ours on somebody's mail would vouch for it.
fn wished<'f>(
    policy: &Policy,
    facts: &Facts<'f>,
    signature: bool,
) -> impl Iterator<Item = (Cow<'static, str>, HeaderValue)> + use<'f> {
    let advice = facts.advice.filter(|_| policy.rspamd.headers);
    let all = advice.into_iter().flat_map(|advice| &advice.add);
    all.filter(move |wish| wish.name.eq_ignore_ascii_case("DKIM-Signature") == signature)
        .filter(|wish| !crate::mail::strip::is_ours(wish.name.as_bytes()))
        .map(|w| (w.name.clone().into(), HeaderValue::new(&w.name, &w.value)))
}

/// `X-Mailward-Action` of what a person let out of quarantine.
const RELEASED: &str = "released";

/// The symbols as SpamAssassin lists its tests: by commas, or `none`.
fn tests(evidence: &Evidence<'_>) -> String {
    let mut names: Vec<String> = Vec::new();
    for finding in evidence.iter() {
        let name = word(finding);
        if names.len() < MAX_TESTS && !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() { "none".to_owned() } else { names.join(",") }
}

/// The symbol as one word that no parser of the field trips over.
fn word(finding: &Finding) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '_' };
    finding.symbol.chars().take(MAX_TEST).map(plain).collect()
}

/// As clamav-milter writes it: `Infected (name)`, `Clean`; `None` where nobody can say.
fn virus_status(facts: &Facts<'_>, evidence: &Evidence<'_>) -> Option<String> {
    let malware = |f: &Finding| f.category == Category::Malware && f.severity >= Severity::High;
    if let Some(finding) = evidence.worst(malware) {
        return Some(format!("Infected ({})", word(finding)));
    }
    let mut looked = facts.coverage.0.iter().filter(|(s, _)| matches!(s, Scanner::Clamd | Scanner::Yara));
    let first = looked.next()?;
    let all = std::iter::once(first).chain(looked).all(|(_, outcome)| outcome.is_complete());
    all.then(|| "Clean".to_owned())
}
