//! Messages that want to cost much. What is counted is the work; the time is bounded generously.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::signer::{Form, Kind, Signer};
use super::{Found, KEYS, verify_in};
use crate::model::AuthResult;

const MAIL: &str = "From: joe@example.org\r\n\r\nHi.\r\n";
/// Far more than any of these takes, also without optimization on a busy machine, and far less than
/// what grows with the square.
const GENEROUS: Duration = Duration::from_secs(30);

fn timed(raw: impl Into<bytes::Bytes>) -> Found {
    let start = Instant::now();
    let found = verify_in(&KEYS, raw);
    assert!(start.elapsed() < GENEROUS, "{:?}", start.elapsed());
    found
}

fn results(found: &Found) -> Vec<AuthResult> {
    found.dkim.iter().map(|d| d.result).collect()
}

#[test]
fn of_ten_thousand_signatures_ten_are_looked_at_and_the_body_is_hashed_once() {
    let signed = String::from_utf8(Signer::default().sign(MAIL.as_bytes())).unwrap();
    let (signature, _) = signed.split_at(signed.len() - MAIL.len());
    let found = timed(signature.repeat(10_000) + MAIL);
    assert_eq!(results(&found), [AuthResult::Pass; 10]);
    assert_eq!((found.left_out, found.questions, found.body_hashes), (9_990, 1, 1));
}

#[test]
fn the_body_is_hashed_once_for_each_form_however_many_signatures_there_are() {
    let mut raw = MAIL.as_bytes().to_vec();
    for n in 0..10 {
        let form = |bit: bool| if bit { Form::Relaxed } else { Form::Simple };
        let kind = if n % 3 == 0 { Kind::Rsa } else { Kind::Ed25519 };
        raw =
            Signer { header: form(n % 2 == 0), body: form(n % 4 < 2), kind, ..Signer::default() }.sign(&raw);
    }
    let found = timed(raw);
    assert_eq!(results(&found), [AuthResult::Pass; 10]);
    assert_eq!((found.questions, found.body_hashes), (2, 2));
}

#[test]
fn signatures_that_cannot_pass_cost_neither_a_question_nor_a_hash() {
    let mut raw = MAIL.as_bytes().to_vec();
    for more in ["l=1", "l=2", "x=1", "t=99999999999", "v=2", "c=future", "i=@elsewhere.example", "x=soon"] {
        raw = Signer { more: format!(" {more};"), ..Signer::default() }.sign(&raw);
    }
    raw = Signer { names: "To".into(), ..Signer::default() }.sign(&raw);
    let found = timed(raw);
    assert!(results(&found).iter().all(|r| *r != AuthResult::Pass), "{found:?}");
    assert_eq!((found.dkim.len(), found.questions, found.body_hashes), (9, 0, 0));
}

#[test]
fn a_key_that_is_not_there_costs_no_hash() {
    let found = verify_in("", Signer::default().sign(MAIL.as_bytes()));
    assert_eq!((results(&found), found.questions, found.body_hashes), (vec![AuthResult::PermError], 1, 0));
}

#[test]
fn a_signature_of_a_megabyte_is_read_once() {
    let filler = "x".repeat(1 << 20);
    let passes = Signer { more: format!(" z={filler};"), ..Signer::default() }.sign(MAIL.as_bytes());
    assert_eq!(results(&timed(passes)), [AuthResult::Pass]);
    let signed = String::from_utf8(Signer::default().sign(MAIL.as_bytes())).unwrap();
    for (from, to) in [
        ("\tb=", format!("\tb={filler}")),
        ("bh=", format!("bh={filler}")),
        ("d=", format!("d={filler}")),
        ("s=", format!("s={filler}.")),
        ("v=1;", format!("v=1;{}", "a=;".repeat(300_000))),
        ("v=1;", format!("v=1;{}", ";".repeat(1 << 20))),
        ("v=1;", format!("v={};", "1".repeat(1 << 20))),
        ("v=1;", "=".repeat(1 << 20)),
    ] {
        let found = timed(signed.replacen(from, &to, 1));
        assert!(matches!(results(&found)[..], [AuthResult::PermError | AuthResult::Fail]), "{from}");
    }
}

#[test]
fn a_hundred_thousand_names_are_found_among_a_hundred_thousand_fields() {
    let mut received = String::new();
    let mut names = String::from("From");
    for n in 0..100_000 {
        let odd = if n % 2 == 0 { "Received" } else { "X-Other" };
        write!(received, "{odd}: {n}\r\n").unwrap();
        write!(names, ":{}", ["Received", "X-None", "X-None-", "From"][n % 4]).unwrap();
        if n % 5 == 0 {
            write!(names, "{n}").unwrap();
        }
    }
    // Signed without the fields, so that signing it, which is plain and slow, ends; everything is looked for.
    let signed = Signer { names, ..Signer::default() }.sign(MAIL.as_bytes());
    let at = signed.len() - MAIL.len();
    let found = timed([&signed[..at], received.as_bytes(), &signed[at..]].concat());
    assert_eq!((results(&found), found.body_hashes), (vec![AuthResult::Fail], 1));
    let unsigned =
        Signer { names: "From:X-None".repeat(2).replace("X-NoneFrom", "X-None:From"), ..Signer::default() };
    let signed = unsigned.sign(MAIL.as_bytes());
    let at = signed.len() - MAIL.len();
    let found = timed([&signed[..at], received.as_bytes(), &signed[at..]].concat());
    assert_eq!(results(&found), [AuthResult::Pass]);
}

#[test]
fn a_body_of_nothing_but_white_space_is_hashed_in_one_go() {
    for body in
        [" ".repeat(4 << 20), "\t\r\n".repeat(1 << 20), "a \r\n".repeat(1 << 20), "\r".repeat(4 << 20)]
    {
        let signed = Signer::default().sign(MAIL.as_bytes());
        let head = &signed[..signed.len() - "Hi.\r\n".len()];
        let found = timed([head, body.as_bytes()].concat());
        assert_eq!((results(&found), found.body_hashes), (vec![AuthResult::Fail], 1));
    }
}
