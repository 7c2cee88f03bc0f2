//! `docs/findings-links.md` says what the table says, and the table keeps to what the policy makes of it.

use std::collections::BTreeMap;

use super::super::table::{ALL, Sign};
use crate::model::{Category, Severity};
use crate::policy::Thresholds;

#[test]
fn the_table_in_the_documentation_is_that_of_the_code() {
    let row = |sign: &Sign| {
        (
            sign.symbol.to_owned(),
            (sign.severity.to_string(), format!("{:?}", sign.score), sign.says.to_owned()),
        )
    };
    let made: BTreeMap<_, _> = ALL.iter().map(row).collect();
    assert_eq!(made.len(), ALL.len(), "a symbol is there twice");
    let (_, rest) = include_str!("../../../../../docs/findings-links.md").split_once("\n## Signs\n").unwrap();
    let told: BTreeMap<_, _> = rest
        .lines()
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| {
            let mut cells =
                line.strip_prefix("| `")?.split('|').map(|cell| cell.trim().trim_end_matches('`').to_owned());
            let mut cell = || cells.next().unwrap_or_default();
            Some((cell(), (cell(), cell(), cell())))
        })
        .collect();
    assert_eq!(told, made);
}

#[test]
fn what_honest_mail_may_have_marks_nothing_by_itself() {
    let tag = Thresholds::default().tag;
    for sign in ALL {
        if sign.severity < Severity::Medium {
            assert!(sign.score < tag, "{}", sign.symbol);
        } else {
            assert!(sign.score >= tag, "{}: marks by its severity and not by its points", sign.symbol);
        }
        let holds = sign.category >= Category::Phish && sign.severity >= Severity::High;
        assert!(!holds || sign.score >= Thresholds::default().quarantine, "{}", sign.symbol);
    }
    let slight: f64 = ALL.iter().filter(|sign| sign.severity == Severity::Info).map(|sign| sign.score).sum();
    assert!(slight < tag / 3.0, "{slight}");
    // What mail has at worst whose clicks are counted by somebody who is not known.
    let worth = |symbol: &str| ALL.iter().find(|sign| sign.symbol == symbol).unwrap().score;
    assert!(slight + worth("LINK_TEXT_PROTECTED") + worth("HIDDEN_TEXT") < tag);
    assert!(worth("LINK_TEXT_MISMATCH") < worth("LINK_TEXT_PROTECTED"));
}
