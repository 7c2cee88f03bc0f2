//! What holds for every message whatever rules an admin writes before the shipped ones.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use super::properties::{any_finding, cases, on_failure, scanner, strictness};
use super::*;
use crate::model::{Disposition, Judgement, SeenUrl};
use crate::policy::{RuleFile, Rules, decide, name};

/// Conditions that a further bad finding does not make false.
const MONOTONE: [&str; 11] = [
    "true",
    "score >= 3.0",
    "worst(malware) >= high",
    "worst(phish) >= medium",
    "count(spam) > 0",
    "recipient.local == \"a\"",
    "\"vip\" in recipient.groups",
    "outcome(\"clamd\") == \"timeout\"",
    "blocked.applies",
    // These cannot be evaluated.
    "envelope.recipients[7] == \"x\"",
    "score >= 1.0 && envelope.recipients[7] == \"x\"",
];
/// Others.
const ODD: [&str; 5] = [
    "score < 3.0",
    "size(findings) == 1",
    "size(missing) > 0",
    "urls.exists(u, u.host == \"evil.example\") || size(urls) > 2",
    "auth.dmarc == \"fail\" || outbound",
];
const MODES: [&str; 3] = ["enforce", "enforce", "shadow"];
const DECIDE: [&str; 2] = ["first", "strictest"];
const ON_ERROR: [&str; 4] = ["skip", "tag", "quarantine", "tempfail"];

/// One rule of the admin's.
#[derive(Clone, Debug)]
struct Own {
    when: &'static str,
    disposition: Disposition,
    mode: &'static str,
    even_malware: bool,
}

/// A file of rules.
#[derive(Clone, Debug)]
struct File {
    decide: &'static str,
    on_error: &'static str,
    rules: Vec<Own>,
}

impl File {
    fn rules(&self) -> Rules {
        let Self { decide, on_error, rules } = self;
        let mut text = format!(
            "decide = {decide:?}\non_error = {on_error:?}\n\
             [group.vip]\nrecipients = [\"a@example.org\"]\n\
             [group.house]\nrecipients = [\"@example.org\"]\nscore = {{ tag = 1.0, quarantine = 2.5, reject = 6.0 }}\n"
        );
        for (at, Own { when, disposition, mode, even_malware }) in rules.iter().enumerate() {
            text.push_str(&format!(
                "[[rule]]\nname = \"own-{at}\"\nwhen = '{when}'\ndisposition = \"{disposition}\"\n\
                 mode = {mode:?}\neven_malware = {even_malware}\n"
            ));
        }
        let file: RuleFile = toml::from_str(&text).unwrap();
        let (rules, faults) = Rules::new(&file, &text);
        assert!(faults.iter().all(|fault| !fault.is_error), "{faults:?}");
        rules
    }

    fn judges(&self, case: &Case) -> Vec<Verdict> {
        let case = Case { policy: case.policy.clone().with_rules(self.rules()), ..case.clone() };
        decide(&case.policy, &case.facts())
    }
}

fn own(conditions: Vec<&'static str>) -> impl Strategy<Value = Own> {
    let even_malware = proptest::bool::weighted(0.2);
    (select(conditions), select(&Disposition::ALL[..]), select(&MODES[..]), even_malware)
        .prop_map(|(when, disposition, mode, even_malware)| Own { when, disposition, mode, even_malware })
}

fn file() -> impl Strategy<Value = File> {
    let conditions = [&MONOTONE[..], &ODD[..]].concat();
    (select(&DECIDE[..]), select(&ON_ERROR[..]), vec(own(conditions), 0..=4))
        .prop_map(|(decide, on_error, rules)| File { decide, on_error, rules })
}

/// No rule says that malware may pass.
fn plain_file() -> impl Strategy<Value = File> {
    file().prop_map(|mut file| {
        file.rules.iter_mut().for_each(|rule| rule.even_malware = false);
        file
    })
}

/// Any message, to somebody of both groups and somebody of one.
fn message() -> impl Strategy<Value = Case> {
    cases().prop_map(|case| Case { envelope: envelope(&["<a@example.org>", "<b@example.org>"]), ..case })
}

fn links() -> impl Strategy<Value = Vec<SeenUrl>> {
    let link = |host: &str| SeenUrl {
        url: format!("http://{host}/"),
        source: "text".to_owned(),
        shown: String::new(),
        part: None,
        judgement: Judgement::default(),
        listed: Vec::new(),
    };
    subsequence(vec!["a.example", "evil.example", "c.example", "d.example"], 0..=4)
        .prop_map(move |hosts| hosts.into_iter().map(link).collect())
}

/// All of a verdict but the steps that led to it.
fn outcome(verdict: &Verdict) -> impl PartialEq + std::fmt::Debug + use<> {
    let Verdict { disposition, category, score, rule, reason, treatment, .. } = verdict.clone();
    (disposition, category, score, rule, reason, treatment)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn every_verdict_has_one_rule_that_decided_and_a_reason(case in message(), file in file()) {
        for verdict in file.judges(&case) {
            let deciding: Vec<_> = verdict.explanation.0.iter().filter(|step| step.decided).collect();
            prop_assert_eq!(deciding.len(), 1, "{:?}", verdict);
            prop_assert_eq!(&deciding[0].rule, &verdict.rule);
            prop_assert_eq!(deciding[0].wants, Some(verdict.disposition));
            prop_assert!(!deciding[0].shadow, "{:?}", verdict);
            prop_assert!(!verdict.reason.trim().is_empty());
            let told = |step: &crate::model::Step| !step.saw.is_empty() && !step.saw.contains(['\r', '\n']);
            prop_assert!(verdict.explanation.0.iter().all(told), "{:?}", verdict);
            if let Some(at) = verdict.rule.strip_prefix("own-") {
                prop_assert_eq!(file.rules[at.parse::<usize>().unwrap()].mode, "enforce");
            }
        }
    }

    #[test]
    fn rules_on_trial_change_no_verdict(
        case in message(),
        file in file(),
        trials in vec((own([&MONOTONE[..], &ODD[..]].concat()), any::<Index>()), 1..4),
    ) {
        let mut tried = file.clone();
        let shadow = |rule| Own { mode: "shadow", ..rule };
        for (rule, at) in trials {
            tried.rules.insert(at.index(tried.rules.len() + 1), shadow(rule));
        }
        // Without those that are on trial already, the names of the others are what they were.
        let number = |file: &File| {
            let enforced = file.rules.iter().enumerate().filter(|(_, rule)| rule.mode == "enforce");
            enforced.map(|(at, _)| format!("own-{at}")).collect::<Vec<_>>()
        };
        let (before, after) = (number(&file), number(&tried));
        let renamed = |text: &str| {
            let at = after.iter().position(|name| text == name);
            at.map_or_else(|| text.to_owned(), |at| before[at].clone())
        };
        for (one, other) in file.judges(&case).iter().zip(file_with_names(&tried.judges(&case), renamed)) {
            prop_assert_eq!(outcome(one), outcome(&other));
        }
    }

    #[test]
    fn the_order_of_findings_list_hits_and_links_changes_nothing(
        (case, findings, lists, links, shuffled) in (message(), links()).prop_flat_map(|(case, links)| {
            let findings = Just(case.findings.clone()).prop_shuffle();
            let lists = Just(case.lists.0.clone()).prop_shuffle();
            (Just(case), findings, lists, Just(links.clone()), Just(links).prop_shuffle())
        }),
        file in file(),
    ) {
        let policy = case.policy.clone().with_rules(file.rules());
        let other = Case { findings, lists: ListHits(lists), ..case.clone() };
        let judged = |case: &Case, links: &Vec<SeenUrl>| {
            let verdicts = decide(&policy, &Facts { urls: links, ..case.facts() });
            // Which of several entries is told is that which stands first.
            verdicts.into_iter().map(|v| (v.disposition, v.category, v.score, v.rule)).collect::<Vec<_>>()
        };
        prop_assert_eq!(judged(&case, &links), judged(&other, &shuffled));
        let same_lists = Case { lists: case.lists.clone(), ..other };
        let whole = |case: &Case, links: &Vec<SeenUrl>| decide(&policy, &Facts { urls: links, ..case.facts() });
        prop_assert_eq!(whole(&case, &links), whole(&same_lists, &shuffled));
    }

    #[test]
    fn a_firm_shipped_rule_is_not_outweighed(case in message(), file in plain_file()) {
        const FIRM: [&str; 3] = [name::MALWARE, name::MALWARE_SUSPECTED, name::INCOMPLETE];
        for verdict in file.judges(&case) {
            let firm = verdict.explanation.0.iter().filter(|step| FIRM.contains(&step.rule.as_str()));
            for asked in firm.filter_map(|step| step.wants) {
                prop_assert!(strictness(&verdict) >= asked.strictness(), "{:?}", verdict);
            }
        }
    }

    #[test]
    fn with_the_strictest_of_all_rules_one_more_bad_finding_never_softens(
        case in message(),
        rules in vec(own(MONOTONE.to_vec()), 0..=4),
        on_error in select(&ON_ERROR[..]),
        more in any_finding(0.0..10.0),
    ) {
        let file = File { decide: "strictest", on_error, rules };
        let mut worse = case.clone();
        worse.findings.push(more);
        for (before, after) in file.judges(&case).iter().zip(file.judges(&worse)) {
            prop_assert!(strictness(&after) >= strictness(before), "{before:?} became {after:?}");
        }
    }

    #[test]
    fn a_failed_scanner_makes_it_no_better_than_its_on_failure(
        case in message(), file in plain_file(), scanner in scanner(), worth in on_failure()
    ) {
        let mut case = case;
        case.coverage.0.insert(scanner, timeout());
        case.on_failure.insert(scanner, worth);
        let floor = worth.disposition().unwrap_or_default().strictness();
        // What it would have found may be lost with it.
        let mut lost = case.clone();
        lost.findings.retain(|finding| finding.scanner != scanner);
        for verdict in file.judges(&case).into_iter().chain(file.judges(&lost)) {
            prop_assert!(strictness(&verdict) >= floor, "{:?}", verdict);
        }
    }
}

/// The verdicts as they were with other names of rules, in their reasons too.
fn file_with_names(verdicts: &[Verdict], renamed: impl Fn(&str) -> String) -> Vec<Verdict> {
    let one = |verdict: &Verdict| {
        let words = verdict.reason.split(' ').map(&renamed).collect::<Vec<_>>();
        Verdict { rule: renamed(&verdict.rule), reason: words.join(" "), ..verdict.clone() }
    };
    verdicts.iter().map(one).collect()
}
