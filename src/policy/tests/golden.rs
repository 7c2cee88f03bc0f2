//! The explanation of each shipped rule, as a whole text in a file. `MAILWARD_BLESS=1` writes the
//! files anew; the difference is to be read.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::model::text;
use crate::model::{ByteSize, RemovedFields};
use crate::policy::{Config, Rules, Story, name, render, what_if};

/// A case for each rule that decides it; the file bears the rule's name.
pub(crate) fn cases() -> Vec<(&'static str, Case)> {
    use Category::{Malware, Phish, Spam, Suspicious};
    use Severity::{High, Low, Medium};
    let spam = |score| finding("SPAM_WORDS", Spam, Low, score);
    vec![
        (
            name::NOT_COLLECTED,
            Case {
                fault: Some(Fault::TooLarge(ByteSize(50_000_000))),
                coverage: Coverage::default(),
                ..Case::default()
            },
        ),
        (
            name::MALWARE,
            Case::found(vec![
                spam(1.0),
                eicar(),
                finding("Trojan\u{202e}\u{1b}[31m", Malware, Severity::Critical, 1.0),
            ]),
        ),
        (
            name::SPAM_REJECT,
            Case::found(vec![spam(15.25), finding("HAM", Suspicious, Severity::Info, -0.25)]),
        ),
        (name::BLOCK_LIST, {
            let lists = ListHits(vec![allow(), block()]);
            Case { lists, exempt: vec![false, true], ..Case::default() }
        }),
        (name::MALWARE_SUSPECTED, Case::found(vec![finding("LNK_DROPPER", Malware, High, 4.0)])),
        (name::PHISH, Case::found(vec![finding("FEED_URLHAUS", Phish, High, 6.0), spam(1.5)])),
        (name::SPAM_QUARANTINE, Case::found(vec![spam(7.5)])),
        (name::INCOMPLETE, {
            let mut case = Case::gap(Scanner::Clamd, timeout());
            case.coverage.0.insert(Scanner::Urls, Outcome::failed("refused", "no feed\r\nyet"));
            case.coverage.0.insert(Scanner::Rspamd, too_large());
            case.coverage.0.insert(Scanner::Auth, Outcome::Skipped(Skip::NoClient));
            case.findings.push(finding("HIDDEN_TEXT", Suspicious, Medium, 1.0));
            case
        }),
        (name::REPEAT, Case { failures: 2, ..Case::gap(Scanner::Clamd, timeout()) }),
        (
            name::RSPAMD,
            Case { advice: Some(advice(AdvisedAction::SoftReject)), failures: 7, ..Case::default() },
        ),
        (name::ALLOW_LIST, {
            let authentication = Some(spf_passes());
            Case { lists: ListHits(vec![allow()]), authentication, ..Case::found(vec![spam(16.0)]) }
        }),
        (name::DMARC, Case { authentication: Some(dmarc::fails()), ..Case::default() }),
        (
            name::RELEASED,
            Case { released: Some(MailId::from_parts(1_795_210_000_000, 9)), ..Case::found(vec![]) },
        ),
        (
            name::DANGEROUS_FILE,
            Case { attachments: vec![file("offer.pdf"), file("Invoice.JS. ")], ..Case::default() },
        ),
        (name::MACRO_DOCUMENT, Case { attachments: vec![file("plan.xlsm")], ..Case::default() }),
        (name::SMUGGLING, Case::found(vec![finding("HTML_SMUGGLING", Malware, Medium, 4.5)])),
        (
            name::WEAK_SIGNALS,
            Case::found(vec![
                finding("HIDDEN_IN_WORDS", Spam, Low, 2.0),
                finding("LOOKALIKE_TYPO", Phish, Low, 0.5),
            ]),
        ),
        (name::UNPROVEN_SENDER, {
            let authentication = Some(nothing_passes());
            Case { authentication, ..Case::found(vec![finding("HIDDEN_TEXT", Spam, Low, 0.3)]) }
        }),
        (name::SPAM_TAG, Case::found(vec![spam(2.96), spam(1.0)])),
        (name::SUSPICIOUS, Case::found(vec![finding("HIDDEN_TEXT", Suspicious, Medium, 1.0)])),
        (name::OUTBOUND, {
            let mut case = Case::gap(Scanner::Clamd, timeout()).outbound();
            case.on_failure.insert(Scanner::Clamd, Worth::Tag);
            case.findings.push(spam(16.0));
            case
        }),
        (name::LOCAL_SUBMISSION, Case::found(vec![eicar()]).local()),
        (name::BEHIND_QUEUE, Case::found(vec![eicar()]).by_lmtp(false)),
        (name::DRY_RUN, {
            let policy = Policy::new(&Config { dry_run: true, ..Config::default() }).unwrap();
            Case { policy, ..Case::found(vec![eicar()]) }
        }),
        (name::ACCEPT, Case::found(vec![finding("ODD_DATE", Suspicious, Low, 0.5)])),
    ]
}

#[test]
fn every_rule_explains_itself_as_it_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/policy/tests/golden");
    let mut covered = BTreeSet::new();
    for (rule, case) in cases() {
        let verdicts = crate::policy::decide(&case.policy, &case.facts());
        assert_eq!(verdicts[0].rule, rule);
        let exempt = |i: usize| case.exempt.get(i).copied().unwrap_or_default();
        assert!(verdicts.iter().enumerate().all(|(i, v)| v.rule == rule || exempt(i)), "{rule}");
        let plan = case.plan(&verdicts);
        let mut text = render(&Story {
            id: case.facts().id,
            verdicts: &verdicts,
            recipients: &case.envelope.recipients,
            fates: &plan.recipients,
            coverage: &case.coverage,
            client: case.session.client.addr.ip(),
            authentication: case.authentication.as_ref(),
            findings: &case.findings,
            urls: &[],
            left_out: &[],
            removed: &plan.removed(),
            also: &Default::default(),
        });
        let (now, changes) = what_if(&case.policy, &case.facts(), Some(0));
        for change in changes {
            let told = change.told(now.disposition, &now.rule);
            text.push_str(&format!("change    {}\n", text::line(&told, 400)));
        }
        let file = folder.join(format!("{rule}.txt"));
        if std::env::var_os("MAILWARD_BLESS").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(text, expected, "{}", file.display());
        covered.insert(rule);
    }
    let rules = Rules::default();
    let shipped = rules.list().map(|(rule, _)| rule.name.as_str());
    let all: BTreeSet<&str> = shipped.chain(name::CIRCUMSTANCES).collect();
    assert_eq!(covered, all);
}

#[test]
fn recipients_with_different_verdicts_have_their_own_sections() {
    let case = Case::found(vec![eicar()]);
    let verdicts = [case.verdict(), Case::default().verdict()];
    let plan = case.plan(&verdicts);
    let text = render(&Story {
        id: case.facts().id,
        verdicts: &verdicts,
        recipients: &case.envelope.recipients,
        fates: &plan.recipients,
        coverage: &case.coverage,
        client: case.session.client.addr.ip(),
        authentication: case.authentication.as_ref(),
        findings: &case.findings,
        urls: &[],
        left_out: &[],
        removed: &plan.removed(),
        also: &Default::default(),
    });
    let short: Vec<_> = text.lines().filter(|l| l.starts_with("verdict") || l.starts_with("for")).collect();
    assert_eq!(
        short,
        [
            "verdict   reject: malware, score 20.0, by rule malware",
            "for       a@example.org (quarantine in the end: one answer for all recipients)",
            "verdict   accept: clean, score 0.0, by rule accept",
            "for       b@example.org",
        ]
    );
}

#[test]
fn removed_fields_are_told_once_for_each_name() {
    let case = Case::default();
    let verdicts = [case.verdict()];
    let fields = |name: &str, count, claimed: Option<&str>| RemovedFields {
        name: name.to_owned(),
        count,
        claimed: claimed.map(str::to_owned),
    };
    let told = |removed: &[RemovedFields]| {
        let text = render(&Story {
            id: case.facts().id,
            verdicts: &verdicts,
            recipients: &[],
            fates: &[],
            coverage: &case.coverage,
            client: None,
            authentication: None,
            findings: &[],
            urls: &[],
            left_out: &[],
            removed,
            also: &Default::default(),
        });
        text.lines().find(|line| line.starts_with("removed")).map(str::to_owned)
    };
    assert_eq!(told(&[]), None);
    let two =
        [fields("Authentication-Results", 3, Some("mx.example.org")), fields("X-Mailward-\u{1b}Id", 1, None)];
    let line = "removed   3 Authentication-Results in the name of mx.example.org; 1 X-Mailward-?Id";
    assert_eq!(told(&two).as_deref(), Some(line));
    let many: Vec<_> = (0..100).map(|i| fields(&format!("X-Mailward-{i}"), 1, None)).collect();
    assert!(told(&many).unwrap().ends_with("; 1 X-Mailward-19; and 80 more names"));
}
