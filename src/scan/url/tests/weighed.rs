//! Signs, with what the message says of author, recipients and kind.

use super::*;
use crate::model::Recipient;

#[test]
fn what_imitates_a_protected_domain_or_the_recipients_counts_without_any_feed() {
    let bench = Bench::new(&[]);
    let with = |protected: &[&str], direction, link: &str| {
        let config = Config {
            protected: protected.iter().map(|domain| (*domain).to_owned()).collect(),
            ..Config::default()
        };
        let input = input(&mail(&[link]));
        let mut input = Arc::into_inner(input).unwrap();
        input.direction = direction;
        input.envelope.recipients = vec![Recipient::new("<a@sparkasse.example>")];
        let symbols: Vec<_> =
            bench.report(&config, Arc::new(input)).findings.into_iter().map(|f| f.symbol).collect();
        symbols
    };
    let (own, listed) = ("https://sparkase.example/", "https://examplebank.com.login.test/");
    assert_eq!(with(&[], Direction::Inbound, own), ["LOOKALIKE_TYPO"]);
    // Whom mail goes out to is not ours.
    assert_eq!(with(&[], Direction::Outbound, own), [""; 0]);
    assert_eq!(with(&[], Direction::Inbound, listed), [""; 0]);
    assert_eq!(with(&["www.examplebank.com"], Direction::Outbound, listed), ["LOOKALIKE_SUBDOMAIN"]);
    let config = Config { protected: vec!["examplebank.com".to_owned()], ..Config::default() };
    let outcome = bench.look(&config, &mail(&[listed])).outcome;
    assert_eq!(outcome, Outcome::Found);
}

#[test]
fn the_author_is_read_as_dmarc_reads_him_and_newsletters_are_spared() {
    let page = |head: &str| {
        format!(
            "{head}Subject: x\nContent-Type: text/html\n\n<a href=\"https://www.shop.org/\">www.other.com</a>\n"
        )
        .into_bytes()
    };
    let symbols = |raw: &[u8]| -> Vec<String> {
        feeds().look(&Config::default(), raw).findings.into_iter().map(|f| f.symbol).collect()
    };
    assert_eq!(symbols(&page("From: a@stranger.test\n")), ["LINK_TEXT_MISMATCH"]);
    assert_eq!(symbols(&page("From: a@mail.shop.org\n")), [""; 0]);
    assert_eq!(symbols(&page("From: a@mail.shop.org\nFrom: b@stranger.test\n")), ["LINK_TEXT_MISMATCH"]);
}

#[test]
fn what_cannot_be_registered_cannot_be_protected() {
    let config = Config { protected: vec!["example.org".into(), "com".into()], ..Config::default() };
    let fault = "scanner.urls.protected names \"com\", which nobody can have registered; write for example \
                 \"example.org\"";
    assert_eq!(config.faults(), [fault]);
}
