//! Single judgements, by rule.

use super::*;
use crate::model::{ByteSize, Disposition};
use crate::policy::{Config, Dispositions, name};

/// Disposition, category, rule, reason.
fn short(case: &Case) -> (Disposition, Category, String, String) {
    let verdict = case.verdict();
    (verdict.disposition, verdict.category, verdict.rule, verdict.reason)
}

fn expect(case: &Case, disposition: Disposition, category: Category, rule: &str, reason: &str) {
    assert_eq!(short(case), (disposition, category, rule.to_owned(), reason.to_owned()));
}

#[test]
fn mail_without_findings_is_accepted() {
    expect(&Case::default(), Disposition::Accept, Category::Clean, name::ACCEPT, "nothing found");
}

#[test]
fn critical_malware_is_refused_whatever_it_scores() {
    let mut weak = eicar();
    weak.score = Score::new(-5.0);
    let case = Case::found(vec![weak]);
    let reason = "malware: Eicar_Test_File (yara)";
    expect(&case, Disposition::Reject, Category::Malware, name::MALWARE, reason);
}

#[test]
fn each_threshold_is_reached_at_its_number_and_not_before() {
    let at = |score| {
        let case = Case::found(vec![finding("S", Category::Spam, Severity::Low, score)]);
        let verdict = case.verdict();
        (verdict.disposition, verdict.rule)
    };
    let expected = |d, rule: &str| (d, rule.to_owned());
    assert_eq!(at(2.999), expected(Disposition::Accept, name::ACCEPT));
    assert_eq!(at(3.0), expected(Disposition::Tag, name::SPAM_TAG));
    assert_eq!(at(5.999), expected(Disposition::Tag, name::SPAM_TAG));
    assert_eq!(at(6.0), expected(Disposition::Quarantine, name::SPAM_QUARANTINE));
    assert_eq!(at(15.0), expected(Disposition::Reject, name::SPAM_REJECT));
}

#[test]
fn a_decisive_reject_beats_another_scanners_tempfail() {
    let mut case = Case::found(vec![eicar()]);
    case.coverage.0.insert(Scanner::Clamd, timeout());
    let reason = "malware: Eicar_Test_File (yara)";
    expect(&case, Disposition::Reject, Category::Malware, name::MALWARE, reason);
}

#[test]
fn a_tempfail_beats_quarantine_and_tag() {
    for finding in [
        finding("P", Category::Phish, Severity::High, 7.0),
        finding("S", Category::Suspicious, Severity::Medium, 1.0),
    ] {
        let mut case = Case::found(vec![finding]);
        case.coverage.0.insert(Scanner::Clamd, timeout());
        let reason = "not fully inspected: clamd=timeout";
        expect(&case, Disposition::Tempfail, Category::Suspicious, name::INCOMPLETE, reason);
    }
}

#[test]
fn one_weak_signal_does_not_let_uninspected_mail_through() {
    let mut case = Case::gap(Scanner::Mime, Outcome::failed("limit-parts", "more parts than 1000"));
    case.findings.push(finding("HIDDEN_TEXT", Category::Suspicious, Severity::Medium, 1.0));
    let reason = "not fully inspected: mime=failed(limit-parts)";
    expect(&case, Disposition::Quarantine, Category::Suspicious, name::INCOMPLETE, reason);
}

#[test]
fn each_on_failure_is_done_and_the_strictest_of_them_wins() {
    let with = |clamd, urls| {
        let mut case = Case::gap(Scanner::Clamd, timeout());
        case.coverage.0.insert(Scanner::Urls, Outcome::failed("refused", "refused"));
        case.on_failure = [(Scanner::Clamd, clamd), (Scanner::Urls, urls)].into();
        case.verdict().disposition
    };
    assert_eq!(with(Worth::Ignore, Worth::Ignore), Disposition::Accept);
    assert_eq!(with(Worth::Ignore, Worth::Tag), Disposition::Tag);
    assert_eq!(with(Worth::Quarantine, Worth::Tag), Disposition::Quarantine);
    assert_eq!(with(Worth::Quarantine, Worth::Tempfail), Disposition::Tempfail);
    assert_eq!(with(Worth::Reject, Worth::Tempfail), Disposition::Reject);
}

#[test]
fn an_ignored_gap_still_stands_in_the_reason() {
    let case = Case::gap(Scanner::Urls, timeout());
    let reason = "nothing found; not fully inspected: urls=timeout";
    expect(&case, Disposition::Accept, Category::Clean, name::ACCEPT, reason);
}

#[test]
fn a_relay_that_names_no_client_stands_in_the_reason_and_is_worth_nothing() {
    let mut case = Case::gap(Scanner::Auth, Outcome::Skipped(Skip::Relay));
    case.policy = Policy::new(&Config { on_skipped: Worth::Tag, ..Config::default() }).unwrap();
    let reason = "nothing found; not fully inspected: auth=skipped(relay)";
    expect(&case, Disposition::Accept, Category::Clean, name::ACCEPT, reason);
    let verdict = case.verdict();
    let step = verdict.explanation.0.iter().find(|step| step.rule == name::INCOMPLETE).unwrap();
    let saw = "auth skipped(relay): a trusted relay names no client, which is not held against the mail";
    assert_eq!((step.saw.as_str(), step.wants), (saw, None));
    // Beside a gap that counts, that one is the reason.
    case.coverage.0.insert(Scanner::Clamd, too_large());
    let reason = "not fully inspected: clamd=skipped(too-large)";
    expect(&case, Disposition::Tag, Category::Suspicious, name::INCOMPLETE, reason);
}

#[test]
fn what_was_left_out_for_its_size_is_worth_what_the_admin_says() {
    let mut case = Case::gap(Scanner::Clamd, too_large());
    assert_eq!(case.verdict().disposition, Disposition::Accept);
    case.policy = Policy::new(&Config { on_skipped: Worth::Tag, ..Config::default() }).unwrap();
    let reason = "not fully inspected: clamd=skipped(too-large)";
    expect(&case, Disposition::Tag, Category::Suspicious, name::INCOMPLETE, reason);
    case.coverage.0.insert(Scanner::Clamd, Outcome::Skipped(Skip::Exempt));
    expect(&case, Disposition::Accept, Category::Clean, name::ACCEPT, "nothing found");
}

#[test]
fn the_third_failure_of_the_same_message_is_held() {
    let mut case = Case::gap(Scanner::Clamd, timeout());
    case.findings.push(finding("P", Category::Phish, Severity::High, 1.0));
    for failures in [0, 1] {
        case.failures = failures;
        assert_eq!(case.verdict().disposition, Disposition::Tempfail);
    }
    case.failures = 2;
    let reason = "not fully inspected: clamd=timeout, attempt 3";
    expect(&case, Disposition::Quarantine, Category::Phish, name::REPEAT, reason);
    // Evidence still refuses.
    case.findings.push(eicar());
    assert_eq!(case.verdict().rule, name::MALWARE);
}

#[test]
fn mail_that_is_not_here_is_refused_or_put_off_and_never_held() {
    let case = Case { fault: Some(Fault::TooLarge(ByteSize(50_000_000))), ..Case::default() };
    expect(&case, Disposition::Reject, Category::Suspicious, name::NOT_COLLECTED, "larger than 50MB");
    let case = case.local();
    expect(&case, Disposition::Tempfail, Category::Suspicious, name::LOCAL_SUBMISSION, "larger than 50MB");
    let case = Case { fault: Some(Fault::NoMemory), failures: 9, ..Case::default() };
    let reason = "no memory left for it";
    expect(&case, Disposition::Tempfail, Category::Suspicious, name::NOT_COLLECTED, reason);
}

#[test]
fn mail_going_out_is_held_for_malware_and_failures_but_not_for_its_score() {
    let spam = finding("S", Category::Spam, Severity::Low, 20.0);
    let case = Case::found(vec![spam.clone()]).outbound();
    let reason = "recorded only: spam: score 20.0 reaches 15.0";
    expect(&case, Disposition::Accept, Category::Spam, name::ACCEPT, reason);

    let case = Case::found(vec![spam, eicar()]).outbound();
    let reason = "malware: Eicar_Test_File (yara)";
    expect(&case, Disposition::Reject, Category::Malware, name::MALWARE, reason);

    let case = Case::gap(Scanner::Clamd, timeout()).outbound();
    assert_eq!(case.verdict().disposition, Disposition::Tempfail);

    let mut case = Case::gap(Scanner::Clamd, timeout()).outbound();
    case.on_failure.insert(Scanner::Clamd, Worth::Tag);
    let reason = "recorded only: not fully inspected: clamd=timeout";
    expect(&case, Disposition::Accept, Category::Suspicious, name::OUTBOUND, reason);
}

#[test]
fn a_local_submission_is_held_where_other_mail_is_refused() {
    let case = Case::found(vec![eicar()]).local();
    let reason = "malware: Eicar_Test_File (yara)";
    expect(&case, Disposition::Quarantine, Category::Malware, name::LOCAL_SUBMISSION, reason);
    assert_eq!(Case::gap(Scanner::Clamd, timeout()).local().verdict().disposition, Disposition::Tempfail);
}

#[test]
fn the_dispositions_of_the_configuration_are_done() {
    let policy = |disposition| Policy::new(&Config { disposition, ..Config::default() }).unwrap();
    let mut case = Case::found(vec![eicar()]);
    case.findings[0].score = Score::ZERO;
    for (malware, expected) in [
        (Disposition::Discard, Disposition::Discard),
        (Disposition::Quarantine, Disposition::Quarantine),
        (Disposition::Tag, Disposition::Tag),
    ] {
        case.policy = policy(Dispositions { malware, ..Dispositions::default() });
        let verdict = case.verdict();
        assert_eq!((verdict.disposition, verdict.rule.as_str()), (expected, name::MALWARE));
    }
    // What cannot be marked is held.
    assert_eq!(case.outbound().verdict().disposition, Disposition::Quarantine);
    let mut case = Case::found(vec![finding("ODD", Category::Suspicious, Severity::Medium, 0.0)]);
    case.policy = policy(Dispositions { suspicious: Disposition::Accept, ..Dispositions::default() });
    expect(&case, Disposition::Accept, Category::Suspicious, name::SUSPICIOUS, "suspicious: ODD (yara)");
}

#[test]
fn what_a_scanner_calls_its_finding_cannot_break_a_line() {
    let mut wild = eicar();
    wild.symbol = format!("A\r\nX-Mailward-Verdict: clean{}", "x".repeat(500));
    let reason = Case::found(vec![wild]).verdict().reason;
    assert!(reason.starts_with("malware: A  X-Mailward-Verdict: cleanx"), "{reason}");
    assert!(reason.chars().count() <= 200 && !reason.contains(['\r', '\n']), "{reason}");
}
