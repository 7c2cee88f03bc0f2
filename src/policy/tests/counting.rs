//! One fact counts once, whoever says it, and a sum does not soften.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::count::{speakers, total};
use super::super::evidence::{Evidence, Points, points};
use super::super::family::{Family, SAYINGS};
use super::*;
use crate::model::Disposition;

fn given(scanner: Scanner, symbol: &str, severity: Severity, category: Category, score: f64) -> Finding {
    Finding {
        scanner,
        symbol: symbol.to_owned(),
        severity,
        category,
        score: Score::new(score),
        text: String::new(),
        location: None,
    }
}

fn weak(scanner: Scanner, symbol: &str, score: f64) -> Finding {
    given(scanner, symbol, Severity::Low, Category::Spam, score)
}

fn malware(scanner: Scanner, symbol: &str, severity: Severity, score: f64) -> Finding {
    given(scanner, symbol, severity, Category::Malware, score)
}

fn sum(findings: &[Finding]) -> String {
    Evidence::new(findings).total().to_string()
}

#[test]
fn a_link_that_is_listed_counts_once_whoever_reads_the_list() {
    use Scanner::{Rspamd, Urls};
    assert_eq!(sum(&[weak(Urls, "FEED_OPENPHISH", 6.0), weak(Rspamd, "PHISHED_OPENPHISH", 7.0)]), "7.0");
    assert_eq!(sum(&[weak(Urls, "DNSBL_DBL", 6.0), weak(Rspamd, "DBL_PHISH", 6.5)]), "6.5");
    assert_eq!(sum(&[weak(Urls, "FEED_OPENPHISH", 6.0), weak(Rspamd, "DBL_PHISH", 6.5)]), "12.5");
    assert_eq!(sum(&[weak(Urls, "FEED_MINE", 6.0), weak(Urls, "FEED_MINE", 6.0)]), "12.0");
}

#[test]
fn mail_that_fails_authentication_and_has_one_listed_link_is_not_refused() {
    use Scanner::{Auth, Rspamd, Urls};
    let findings = vec![
        weak(Urls, "FEED_OPENPHISH", 6.0),
        weak(Rspamd, "PHISHED_OPENPHISH", 7.0),
        weak(Auth, "SPF_FAIL", 1.0),
        weak(Rspamd, "R_SPF_FAIL", 1.0),
        weak(Auth, "DMARC_FAIL_REJECT", 1.0),
        weak(Rspamd, "DMARC_POLICY_REJECT", 2.0),
        weak(Auth, "IPREV_FAIL", 0.5),
    ];
    assert_eq!(sum(&findings), "9.5");
    let verdict = Case { findings, ..Case::default() }.verdict();
    assert_eq!((verdict.disposition, verdict.rule.as_str()), (Disposition::Quarantine, "spam-quarantine"));
}

#[test]
fn that_spf_fails_is_part_of_dmarc_failing_and_what_passes_counts_beside_it() {
    use Scanner::{Auth, Rspamd};
    assert_eq!(sum(&[weak(Auth, "SPF_FAIL", 1.0), weak(Auth, "DMARC_FAIL_NONE", 0.5)]), "1.0");
    assert_eq!(sum(&[weak(Rspamd, "R_SPF_ALLOW", -0.2), weak(Rspamd, "DMARC_POLICY_ALLOW", -0.5)]), "-0.7");
    assert_eq!(sum(&[weak(Rspamd, "R_SPF_ALLOW", -0.2), weak(Auth, "DMARC_FAIL_REJECT", 1.0)]), "0.8");
    assert_eq!(sum(&[weak(Rspamd, "DBL_A", -2.0), weak(Rspamd, "DBL_B", -3.0)]), "-3.0");
}

#[test]
fn strong_evidence_of_malware_is_held_however_much_of_it_there_is() {
    use Severity::{Critical, High, Medium};
    let mut findings = vec![
        malware(Scanner::Yara, "SCRIPT_DROPPER", High, 8.0),
        malware(Scanner::Yara, "POWERSHELL_ENCODED", High, 7.0),
        malware(Scanner::Yara, "HTML_SMUGGLING", High, 7.0),
        malware(Scanner::Urls, "HTML_SMUGGLING", Medium, 4.5),
        malware(Scanner::Clamd, "Heuristics.W32.Parite.B", High, 8.0),
        malware(Scanner::Urls, "FEED_URLHAUS", High, 6.0),
    ];
    assert_eq!(sum(&findings), "8.0");
    let verdict = Case { findings: findings.clone(), ..Case::default() }.verdict();
    assert_eq!(
        (verdict.disposition, verdict.rule.as_str(), verdict.category),
        (Disposition::Quarantine, "malware-suspected", Category::Malware)
    );
    // Proof is another matter.
    findings.push(malware(Scanner::Clamd, "Win.Trojan.X", Critical, 20.0));
    assert_eq!(sum(&findings), "28.0");
}

#[test]
fn lesser_signs_of_malware_add_up_among_themselves() {
    use Severity::{High, Low, Medium};
    let mut findings = vec![
        malware(Scanner::Urls, "HTML_SMUGGLING", Medium, 4.5),
        malware(Scanner::Urls, "SCRIPT_WRITES_PAGE", Low, 2.0),
        malware(Scanner::Urls, "SCRIPT_BUILDS_FILE", Low, 1.5),
    ];
    assert_eq!(sum(&findings), "6.5");
    findings.push(malware(Scanner::Clamd, "X.UNOFFICIAL", High, 5.0));
    assert_eq!(sum(&findings), "6.5");
    findings.push(malware(Scanner::Clamd, "Y.UNOFFICIAL", High, 8.0));
    assert_eq!(sum(&findings), "8.0");
}

#[test]
fn the_explanation_says_who_speaks_for_what_does_not_count() {
    let findings =
        vec![weak(Scanner::Urls, "FEED_OPENPHISH", 6.0), weak(Scanner::Rspamd, "PHISHED_OPENPHISH", 7.0)];
    let case = Case { findings, ..Case::default() };
    let text = crate::policy::render(&crate::policy::Story {
        id: case.facts().id,
        verdicts: &[case.verdict()],
        recipients: &[],
        fates: &[],
        coverage: &case.coverage,
        client: None,
        authentication: None,
        findings: &case.findings,
        urls: &[],
        left_out: &[],
        removed: &[],
        also: &Default::default(),
    });
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("OPENPHISH: ")).collect();
    assert_eq!(
        lines,
        [
            "      7.0  low       spam        rspamd: PHISHED_OPENPHISH: ",
            "      0.0  low       spam        urls: FEED_OPENPHISH:  (6.0 not counted: said by PHISHED_OPENPHISH)",
        ]
    );
}

/// What the weighing is to come to: the best of all choices, by trying them.
fn best_choice(findings: &[Finding]) -> i64 {
    let positive: Vec<&Finding> = findings.iter().filter(|f| points(f).0 > 0).collect();
    let is_strong = |f: &Finding| f.category == Category::Malware && f.severity == Severity::High;
    let is_sign = |f: &Finding| f.category == Category::Malware && f.severity < Severity::High;
    let mut best = 0;
    for choice in 0u32..1 << positive.len() {
        let chosen: Vec<&&Finding> =
            positive.iter().enumerate().filter(|(at, _)| choice >> at & 1 == 1).map(|(_, f)| f).collect();
        let mut families: Vec<_> = chosen.iter().filter_map(|f| Family::of(f)).map(Family::within).collect();
        let all = families.len();
        families.sort();
        families.dedup();
        let strong = chosen.iter().filter(|f| is_strong(f)).count();
        let fits =
            families.len() == all && strong <= 1 && (strong == 0 || !chosen.iter().any(|f| is_sign(f)));
        if fits {
            best = best.max(chosen.iter().map(|f| points(f).0).sum());
        }
    }
    let mut good: BTreeMap<Family, i64> = BTreeMap::new();
    for finding in findings.iter().filter(|f| points(f).0 < 0) {
        match Family::of(finding) {
            Some(family) => {
                let lowest = good.entry(family).or_default();
                *lowest = points(finding).0.min(*lowest);
            }
            None => best += points(finding).0,
        }
    }
    best + good.values().sum::<i64>()
}

fn of_a_family(scores: std::ops::Range<f64>) -> impl Strategy<Value = Finding> {
    use Category::{Malware, Phish, Spam};
    use Severity::{Critical, High, Low, Medium};
    // Few, so that they meet.
    let few = [
        (Scanner::Auth, "DMARC_FAIL_REJECT"),
        (Scanner::Auth, "SPF_FAIL"),
        (Scanner::Rspamd, "R_SPF_FAIL"),
        (Scanner::Rspamd, "DBL_PHISH"),
        (Scanner::Urls, "DNSBL_DBL"),
        (Scanner::Urls, "HTML_SMUGGLING"),
        (Scanner::Yara, "HTML_SMUGGLING"),
        (Scanner::Yara, "ANY"),
        (Scanner::Clamd, "ANY"),
        (Scanner::Urls, "FEED_ANY"),
    ];
    let which = proptest::sample::select(few.to_vec());
    let category = proptest::sample::select(vec![Malware, Malware, Phish, Spam]);
    let severity = proptest::sample::select(vec![Low, Medium, High, High, Critical]);
    (which, severity, category, scores).prop_map(|((scanner, symbol), severity, category, score)| {
        given(scanner, symbol, severity, category, (score * 2.0).round() / 2.0)
    })
}

fn some(most: usize) -> impl Strategy<Value = Vec<Finding>> {
    vec(prop_oneof![4 => of_a_family(0.0..8.0), 1 => of_a_family(-3.0..0.0)], 0..most)
}

proptest! {
    #[test]
    fn the_sum_is_that_of_the_weightiest_choice(findings in some(9)) {
        prop_assert_eq!(total(findings.iter()).0, best_choice(&findings));
    }

    #[test]
    fn the_scores_of_those_that_count_add_up_to_the_sum(findings in some(12)) {
        let evidence = Evidence::new(&findings);
        let speakers = speakers(evidence.sorted());
        let counted = evidence.iter().zip(&speakers).filter(|(_, speaker)| speaker.is_none());
        prop_assert_eq!(Points(counted.map(|(f, _)| points(f).0).sum()), evidence.total());
        // Whoever speaks for another counts himself.
        for speaker in speakers.iter().flatten() {
            let at = evidence.iter().position(|f| std::ptr::eq(f, *speaker)).unwrap();
            prop_assert!(speakers[at].is_none(), "{:?}", speaker);
        }
    }

    #[test]
    fn one_more_never_lowers_the_sum_nor_the_kind(
        findings in some(9), more in of_a_family(0.0..8.0), threshold in 0.5f64..20.0
    ) {
        let threshold = Points::of(threshold);
        let after: Vec<Finding> = findings.iter().cloned().chain([more]).collect();
        let (before, after) = (Evidence::new(&findings), Evidence::new(&after));
        prop_assert!(after.total() >= before.total());
        prop_assert!(after.supported(threshold) >= before.supported(threshold));
    }

    #[test]
    fn who_says_less_than_another_of_his_family_changes_nothing(
        findings in some(9),
        (scanner, symbol, family) in proptest::sample::select(SAYINGS.to_vec()),
        (most, less) in (0.5f64..8.0, 0.0f64..1.0),
    ) {
        let symbol = symbol.trim_end_matches('*');
        let mut findings = findings;
        findings.push(weak(scanner, symbol, most));
        let before = Evidence::new(&findings).total();
        let others = SAYINGS.iter().filter(|(.., of)| *of == family);
        findings.extend(others.map(|(by, name, _)| weak(*by, name.trim_end_matches('*'), most * less)));
        prop_assert_eq!(Evidence::new(&findings).total(), before);
    }

    #[test]
    fn the_order_changes_nothing((findings, shuffled) in some(9).prop_flat_map(|findings| {
        let shuffled = Just(findings.clone()).prop_shuffle();
        (Just(findings), shuffled)
    })) {
        prop_assert_eq!(total(findings.iter()), total(shuffled.iter()));
    }
}
