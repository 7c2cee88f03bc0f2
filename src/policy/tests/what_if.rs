//! What would have changed a verdict, and each rule tried alone.

use super::*;
use crate::policy::{Change, Config, Mode, RuleFile, Rules, shown, tried, what_if};

fn policy(text: &str) -> Policy {
    let file: RuleFile = toml::from_str(text).unwrap();
    let (rules, faults) = Rules::new(&file, text);
    assert_eq!(faults.iter().filter(|fault| fault.is_error).count(), 0, "{faults:?}");
    Policy::default().with_rules(rules)
}

fn told(case: &Case) -> Vec<String> {
    let (verdict, changes) = what_if(&case.policy, &case.facts(), None);
    changes.iter().map(|change| change.told(verdict.disposition, &verdict.rule)).collect()
}

fn spam(score: f64) -> Finding {
    finding("SPAM_WORDS", Category::Spam, Severity::Low, score)
}

#[test]
fn what_is_taken_away_and_how_far_the_score_is_says_what_would_have_changed() {
    let case = Case::found(vec![finding("FEED_URLHAUS", Category::Phish, Severity::High, 2.5), spam(1.5)]);
    assert_eq!(
        told(&case),
        [
            "without FEED_URLHAUS (yara): accept by accept instead of quarantine by phish",
            "score 11.0 higher: reject by spam-reject instead of quarantine by phish",
        ]
    );
    assert_eq!(
        told(&Case::found(vec![spam(2.1)])),
        ["score 0.9 higher: tag by spam-tag instead of accept by accept"]
    );
    assert_eq!(
        told(&Case::found(vec![spam(3.5), finding("X", Category::Spam, Severity::Low, 0.25)])),
        [
            "without SPAM_WORDS (yara): accept by accept instead of tag by spam-tag",
            "without all findings of spam: accept by accept instead of tag by spam-tag",
            "score 2.25 higher: quarantine by spam-quarantine instead of tag by spam-tag",
            "score 0.751 lower: accept by accept instead of tag by spam-tag",
        ]
    );
}

#[test]
fn two_findings_that_are_enough_each_are_taken_away_together() {
    let virus = |symbol: &str| finding(symbol, Category::Malware, Severity::Critical, 1.0);
    assert_eq!(
        told(&Case::found(vec![virus("ONE"), virus("TWO")])),
        ["without all findings of malware: accept by accept instead of reject by malware"]
    );
}

#[test]
fn gaps_lists_advice_and_dmarc_are_each_looked_at() {
    assert_eq!(
        told(&Case::gap(Scanner::Clamd, timeout())),
        [
            "had clamd looked and found nothing more: accept by accept instead of tempfail by incomplete",
            "score 15.0 higher: reject by spam-reject instead of tempfail by incomplete",
        ]
    );
    let blocked = Case { lists: ListHits(vec![block()]), ..Case::default() };
    assert_eq!(told(&blocked).len(), 1, "{:?}", told(&blocked));
    assert!(
        told(&blocked)[0].ends_with("on the block list: accept by accept instead of reject by block-list")
    );
    let advised = Case { advice: Some(advice(AdvisedAction::SoftReject)), ..Case::default() };
    assert!(told(&advised).contains(
        &"without what rspamd would do (its symbols aside): accept by accept instead of tempfail by rspamd"
            .to_owned()
    ));
    let failing = Case { authentication: Some(dmarc::fails()), ..Case::default() };
    let told = told(&failing);
    assert!(
        told.iter()
            .any(|line| line.starts_with("without that DMARC fails (its findings aside): accept by accept")),
        "{told:?}"
    );
}

#[test]
fn nothing_would_have_changed_what_a_person_let_out() {
    let id = Some(MailId::from_parts(1_795_210_000_000, 9));
    assert_eq!(told(&Case { released: id, ..Case::found(vec![eicar()]) }), Vec::<String>::new());
}

#[test]
fn in_a_dry_run_it_is_told_of_what_would_be_done() {
    let policy = Policy::new(&Config { dry_run: true, ..Config::default() }).unwrap();
    let case = Case { policy, ..Case::found(vec![eicar()]) };
    let (verdict, changes) = what_if(&case.policy, &case.facts(), None);
    assert_eq!(verdict.rule, "malware");
    let expected = Change {
        without: Some("Eicar_Test_File (yara)".to_owned()),
        with: None,
        disposition: crate::model::Disposition::Accept,
        rule: "accept".to_owned(),
    };
    assert_eq!(changes.first(), Some(&expected));
}

#[test]
fn a_message_full_of_findings_is_judged_a_bounded_number_of_times() {
    let many = |n: u32| finding(&format!("S{n:04}"), Category::Spam, Severity::Low, 0.01);
    let mut case = Case::found((0..2_000).map(many).collect());
    for scanner in Scanner::ALL {
        case.coverage.0.insert(scanner, timeout());
    }
    let (_, changes) = what_if(&case.policy, &case.facts(), None);
    assert!(changes.len() < crate::policy::WHAT_IF_MOST, "{}", changes.len());
}

#[test]
fn each_rule_is_tried_alone() {
    let text = "[[rule]]\nname = \"big\"\nwhen = 'score > 100.0'\ndisposition = \"reject\"\n\
                [[rule]]\nname = \"any\"\nmode = \"shadow\"\nwhen = 'true'\ndisposition = \"tag\"\n\
                [[rule]]\nname = \"asks\"\nwhen = 'has_header(\"List-Id\")'\ndisposition = \"tag\"\n\
                [mode]\nspam-tag = \"off\"\n";
    let case = Case { policy: policy(text), ..Case::found(vec![eicar()]) };
    let all = tried(&case.policy, &case.facts(), Some(0));
    let row = |name: &str| {
        let one = all.iter().find(|one| one.rule == name).unwrap();
        (one.mode, one.holds, one.asks.map(|d| d.name()), one.failure.is_some())
    };
    assert_eq!(row("big"), (Mode::Enforce, Some(false), None, false));
    assert_eq!(row("any"), (Mode::Shadow, Some(true), Some("tag"), false));
    assert_eq!(row("asks"), (Mode::Enforce, None, None, true));
    assert_eq!(row("malware"), (Mode::Enforce, Some(true), Some("reject"), false));
    assert_eq!(row("spam-tag"), (Mode::Off, None, None, false));
}

#[test]
fn the_policy_is_shown_as_it_holds() {
    let text = "[[rule]]\nname = \"one\"\nwhen = '''\nscore > 1.0\n  && inbound'''\ndisposition = \"tag\"\n\
                [group.sales]\nrecipients = [\"@sales.example\"]\nscore = { quarantine = 9.0 }\n\
                [mode]\nspam-tag = \"off\"\n";
    let shown = shown(&policy(text));
    let first = &shown.rules[0];
    assert_eq!((first.number, first.own, first.when.as_str()), (1, true, "score > 1.0 && inbound"));
    let off: Vec<&str> =
        shown.rules.iter().filter(|rule| rule.mode == Mode::Off).map(|rule| rule.name.as_str()).collect();
    assert_eq!(off, ["spam-tag"]);
    let malware = shown.rules.iter().find(|rule| rule.name == "malware").unwrap();
    assert_eq!((malware.own, malware.marks.as_slice()), (false, ["firm"].as_slice()));
    let score = &shown.groups[0].score;
    assert_eq!((score.tag, score.quarantine, score.reject), (Some(3.0), Some(9.0), Some(15.0)));
    assert!(shown.circumstances.iter().all(|one| !one.does.is_empty()), "{:?}", shown.circumstances);
    let dry = Policy::new(&Config { dry_run: true, ..Config::default() }).unwrap();
    assert!(super::super::shown(&dry).circumstances.iter().all(|one| !one.does.is_empty()));
}
