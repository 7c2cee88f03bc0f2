//! What of the results speaks against a message.

use super::table;
use crate::dns::Spent;
use crate::model::authentication::Method;
use crate::model::{AuthResult, Authentication, Author, DmarcPolicy, Finding, Outcome, Scanner};
use crate::scan::weight::Fixed;

/// The findings of a message. Scores are small: that mail fails is evidence, what the sender's domain
/// wants done about it is policy (`[policy.dmarc]`). Together they stay below what marks mail, and none of them is
/// severe enough to mark it alone, so that a failure that the policy ignores or excepts is not held against
/// the mail by another way. An odd From field is another matter.
pub(super) fn of(seen: &Authentication) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |row: Fixed, text: String| findings.push(row.finding(Scanner::Auth, text));
    match &seen.author {
        Author::Domain(_) => {}
        Author::Missing => {
            let text = "there is no From field".to_owned();
            add(table::FROM_MISSING, text);
        }
        Author::SeveralFields(n) => {
            let text = format!("there are {n} From fields; programs show one or the other");
            add(table::FROM_SEVERAL_FIELDS, text);
        }
        Author::SeveralDomains(domains) => {
            let text = format!("the From field names several domains: {}", domains.join(", "));
            add(table::FROM_SEVERAL_DOMAINS, text);
        }
        Author::Unreadable(why) => {
            let text = format!("the From field cannot be read without doubt: {why}");
            add(table::FROM_UNREADABLE, text);
        }
    }
    if let Some(spf) = &seen.mail_from {
        let text = |word: &str| format!("SPF of {}: {word}{}", spf.domain, because(spf.reason.as_deref()));
        match spf.result {
            AuthResult::Fail => add(table::SPF_FAIL, text("fail")),
            AuthResult::SoftFail => add(table::SPF_SOFTFAIL, text("softfail")),
            AuthResult::PermError => add(table::SPF_PERMERROR, text("permerror")),
            _ => {}
        }
    }
    let passes = seen.dkim.iter().any(|d| d.result == AuthResult::Pass);
    // A key under test is no reason to treat the mail otherwise than unsigned (RFC 6376 §3.6.1).
    // Several that fail are no worse than one: each hop may have broken them in the same way.
    let mut counts = true;
    for dkim in seen.dkim.iter().filter(|d| !passes && !d.testing) {
        let text =
            format!("the signature of {}: {}{}", dkim.domain, dkim.result, because(dkim.reason.as_deref()));
        let once = |row: Fixed| Fixed { score: if counts { row.score } else { 0.0 }, ..row };
        match dkim.result {
            AuthResult::Fail => add(once(table::DKIM_FAIL), text),
            AuthResult::Policy => {
                add(once(table::DKIM_NOT_ACCEPTED), text);
            }
            AuthResult::PermError => {
                add(table::DKIM_PERMERROR, text);
                continue;
            }
            _ => continue,
        }
        counts = false;
    }
    if seen.dkim_left_out > 0 {
        let text = format!("{} more signatures were not looked at", seen.dkim_left_out);
        add(table::DKIM_TOO_MANY, text);
    }
    if let Some(dmarc) = seen.dmarc.as_ref().filter(|d| d.result == AuthResult::Fail) {
        let policy = dmarc.policy.unwrap_or_default();
        let row = match policy {
            DmarcPolicy::None => table::DMARC_FAIL_NONE,
            DmarcPolicy::Quarantine => table::DMARC_FAIL_QUARANTINE,
            DmarcPolicy::Reject => table::DMARC_FAIL_REJECT,
        };
        let text = format!(
            "DMARC of {}: fail, and the domain asks for {}{}",
            dmarc.domain,
            policy.name(),
            because(dmarc.reason.as_deref())
        );
        add(row, text);
    }
    let is_odd = |result| matches!(result, AuthResult::Fail | AuthResult::PermError);
    if let Some(iprev) = seen.iprev.as_ref().filter(|i| is_odd(i.result)) {
        let told_by = seen.told_by.as_deref().filter(|_| seen.told.contains(&Method::Iprev));
        let text = match (&iprev.name, told_by) {
            (Some(name), _) => format!("the client's name {name} does not lead back to it"),
            (None, Some(by)) => format!("no name of the client leads back to it (as told by {by})"),
            (None, None) => "the client's address has no name".to_owned(),
        };
        add(table::IPREV_FAIL, text);
    }
    findings
}

/// What the From field shows beside its address: `named` is the domain of an address in the display name.
/// Mailing lists that write themselves into From do the same, so it weighs little.
pub(super) fn of_name(author: &str, named: &str) -> Finding {
    let text = format!(
        "the name beside the author's address is an address of {named}, and the mail is from {author}"
    );
    table::FROM_NAME_OF_OTHER.finding(Scanner::Auth, text)
}

/// The From field breaks the grammar, and names the same domain however it is read. Much honest mail does.
pub(super) fn of_odd(why: &str) -> Finding {
    table::FROM_ODD.finding(Scanner::Auth, format!("the From field is not as it should be: {why}"))
}

/// Says what stands in the From fields where there are several.
pub(super) fn tell_fields(findings: &mut [Finding], fields: &[String]) {
    for finding in findings.iter_mut().filter(|f| f.symbol == table::FROM_SEVERAL_FIELDS.symbol) {
        finding.text = format!("{}: {}", finding.text, fields.join(" | "));
    }
}

fn because(reason: Option<&str>) -> String {
    reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
}

/// How the scanner ended. What could not be looked up is a failure only where it might have changed what the
/// mail is judged by: a broken reverse zone, or the key of a second signature beside one that passes, is
/// told and nothing more.
pub(super) fn outcome(seen: &Authentication, spent: Spent, findings: &[Finding]) -> Outcome {
    let temporary = |result: AuthResult| result == AuthResult::TempError;
    let dmarc = seen.dmarc.as_ref().map(|d| d.result).unwrap_or_default();
    let settled = dmarc == AuthResult::Pass;
    let of_any = || seen.dmarc.iter().chain(&seen.shown);
    let guessed = of_any().any(|d| d.result == AuthResult::Fail && d.policy_uncertain);
    // Which are missing, and whether because the message asks too much.
    let over = |is_missing: bool, over_budget: bool| is_missing.then_some(over_budget);
    let spf = seen.mail_from.as_ref().filter(|s| !settled && temporary(s.result)).map(|s| s.over_budget);
    let unknown = seen.dkim.iter().filter(|d| !settled && !seen.is_aligned() && temporary(d.result));
    let dkim = unknown.map(|d| d.over_budget).reduce(|any, this| any || this);
    let arc = seen.arc.as_ref().filter(|a| dmarc == AuthResult::Fail && temporary(a.result));
    let checks = [
        (spf, "SPF"),
        (dkim, "DKIM"),
        (over(of_any().any(|d| temporary(d.result)) || guessed, spent.questions >= spent.allowed), "DMARC"),
        (arc.map(|a| a.over_budget), "ARC"),
    ];
    let missing: Vec<(bool, &str)> =
        checks.into_iter().filter_map(|(over, name)| over.map(|over| (over, name))).collect();
    if !missing.is_empty() {
        let list = missing.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
        return match missing.iter().any(|(over, _)| *over) {
            true => Outcome::failed(
                "dns-budget",
                format!(
                    "the message asks more DNS questions than one may ({}), so nothing is known of {list}",
                    spent.allowed
                ),
            ),
            false => Outcome::failed("temperror", format!("the DNS gave no answer for {list}")),
        };
    }
    match seen.no_client {
        Some(why) => Outcome::Skipped(why),
        None => Outcome::of(findings),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Severity;
    use crate::model::authentication::{Dkim, Dmarc, Iprev, Spf};
    use crate::policy::Thresholds;

    /// Everything that can fail for one author has failed.
    fn all_fails(policy: DmarcPolicy) -> Authentication {
        let domain = "bank.example".to_owned();
        let result = AuthResult::Fail;
        let dkim = Dkim { result, domain: domain.clone(), ..Dkim::default() };
        let refused = Dkim { result: AuthResult::Policy, ..dkim.clone() };
        Authentication {
            mail_from: Some(Spf { result, domain: domain.clone(), ..Spf::default() }),
            dkim: vec![dkim.clone(), refused, dkim],
            dmarc: Some(Dmarc { result, domain: domain.clone(), policy: Some(policy), ..Dmarc::default() }),
            iprev: Some(Iprev { result, name: None }),
            author: Author::Domain(domain),
            ..Authentication::default()
        }
    }

    #[test]
    fn what_the_policy_ignores_or_excepts_does_not_mark_mail_by_its_score() {
        for (policy, symbol) in [
            (DmarcPolicy::None, "DMARC_FAIL_NONE"),
            (DmarcPolicy::Quarantine, "DMARC_FAIL_QUARANTINE"),
            (DmarcPolicy::Reject, "DMARC_FAIL_REJECT"),
        ] {
            let findings = of(&all_fails(policy));
            let symbols: Vec<&str> = findings.iter().map(|f| f.symbol.as_str()).collect();
            assert_eq!(
                symbols,
                ["SPF_FAIL", "DKIM_FAIL", "DKIM_NOT_ACCEPTED", "DKIM_FAIL", symbol, "IPREV_FAIL"]
            );
            let score: f64 = findings.iter().map(|f| f.score.value()).sum();
            assert!(score < Thresholds::default().tag, "{score}");
            // The rule `suspicious` marks mail from medium on.
            assert!(findings.iter().all(|f| f.severity < Severity::Medium));
        }
    }

    #[test]
    fn a_failure_to_look_up_dmarc_is_a_failure_to_look_and_no_finding() {
        let mut seen = all_fails(DmarcPolicy::Reject);
        if let Some(dmarc) = &mut seen.dmarc {
            dmarc.result = AuthResult::TempError;
        }
        let findings = of(&seen);
        assert!(!findings.iter().any(|f| f.symbol.starts_with("DMARC")));
        let spent = Spent { questions: 3, allowed: 100 };
        let unknown = Outcome::failed("temperror", "the DNS gave no answer for DMARC");
        assert_eq!(outcome(&seen, spent, &findings), unknown);
        // Likewise one of several domains that could be shown, and a policy that was guessed.
        let dmarc = seen.dmarc.take();
        seen.shown = dmarc.into_iter().collect();
        assert_eq!(outcome(&seen, spent, &findings), unknown);
        for policy_uncertain in [false, true] {
            let guessed = all_fails(DmarcPolicy::Reject);
            let dmarc = guessed.dmarc.map(|dmarc| Dmarc { policy_uncertain, ..dmarc });
            let guessed = Authentication { dmarc, ..all_fails(DmarcPolicy::Reject) };
            assert_eq!(outcome(&guessed, spent, &findings) == unknown, policy_uncertain);
        }
    }
}
