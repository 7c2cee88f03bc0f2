//! Every form and key with every odd body and header: signed, then changed.

use proptest::prelude::*;

use super::signer::{Form, Kind, Signer, canonical_body, covered, fields, split};
use super::{BODY_CHANGED, HEADER_CHANGED, PASS, assert_verifies, verify};
use crate::mail::header;
use crate::model::AuthResult;

const HEADER: &str = "Received: from a by b\r\nX-Mailer: plain\r\nFrom: Joe <joe@example.org>\r\nTo:a@example.net\r\n\
                      Subject:  one  two\t\r\n  three \r\nDate: Fri, 11 Jul 2003 21:00:37 -0700\r\n";

/// Bodies in which something is odd. Dots at the beginning of lines are what they are here, whatever
/// SMTP did to them on the way.
fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let long = "long ".repeat(2_000);
    let long_lines = format!("{long}\r\n{long}x\r\n");
    [
        ("empty", ""),
        ("one empty line", "\r\n"),
        ("empty lines only", "\r\n\r\n\r\n"),
        ("white space without line end", " \t "),
        ("lines of white space only", " \r\n\t\r\n \t \r\n"),
        ("plain", "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"),
        ("white space at line ends", "a \r\nb\t\r\nc \t \r\n"),
        ("white space at line beginnings", " a\r\n\tb\r\n  c\r\n"),
        ("empty lines at the end", "a\r\n\r\n\r\n\r\n"),
        ("lines of white space at the end", "a\r\n \r\n\t\r\n\r\n  \r\n"),
        ("white space in the last line", "a\r\n "),
        ("no final line end", "a\r\nb"),
        ("no final line end after white space", "a\r\nb \t"),
        ("8 bit", "gr\u{fc}n \u{20ac}\u{a0}\u{3000}x\r\n"),
        ("long lines", &long_lines),
        ("a long line without line end", &long),
        ("a CR by itself", "a\rb\r\n\r\rc\r\r\n"),
        ("a CR at the end", "a\r\n\r"),
        ("lines that begin with dots", ".\r\n..\r\n.a\r\n...\r\n"),
        ("a line like a header field", "From: eve@evil.example\r\n\r\nFrom eve\r\n>From eve\r\n"),
        ("NUL and other controls", "a\0b\x0bc\x0cd\x7f\r\n"),
    ]
    .map(|(name, body)| (name, body.as_bytes().to_vec()))
    .into_iter()
    .chain([("not UTF-8", b"\xff\xfe \xe4\xc3(\r\n".to_vec())])
    .collect()
}

fn signers() -> impl Iterator<Item = Signer> {
    let forms = Form::ALL.into_iter().flat_map(|header| Form::ALL.map(|body| (header, body)));
    forms.flat_map(|(header, body)| Kind::ALL.map(|kind| Signer { header, body, kind, ..Signer::default() }))
}

fn message(header: &str, body: &[u8]) -> Vec<u8> {
    [header.as_bytes(), b"\r\n", body].concat()
}

fn replaced(raw: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = raw.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
    [&raw[..at], to.as_bytes(), &raw[at + from.len()..]].concat()
}

#[test]
fn every_form_and_key_passes_unchanged_with_every_body() {
    for signer in signers() {
        for (name, body) in bodies() {
            let signed = signer.sign(&message(HEADER, &body));
            assert_verifies(&signed, PASS, &format!("{signer:?}, {name}"));
        }
    }
}

#[test]
fn a_byte_of_the_body_that_changed_fails_whatever_the_body() {
    for signer in signers() {
        for (name, body) in bodies() {
            let signed = signer.sign(&message(HEADER, &body));
            let start = signed.len() - body.len();
            // Every visible byte of the short ones, and some of the long one.
            let step = body.len() / 40 + 1;
            let visible = |i: &usize| !body[*i].is_ascii_whitespace();
            for i in (0..body.len()).step_by(step).filter(visible) {
                let mut changed = signed.clone();
                changed[start + i] ^= 0x01;
                if !changed[start + i].is_ascii_whitespace() {
                    assert_verifies(&changed, BODY_CHANGED, &format!("{signer:?}, {name}, byte {i}"));
                }
            }
            let added = [&signed[..], b"x"].concat();
            assert_verifies(&added, BODY_CHANGED, &format!("{signer:?}, {name}, a byte more"));
            let above = [&signed[..start], b"x\r\n", &body].concat();
            assert_verifies(&above, BODY_CHANGED, &format!("{signer:?}, {name}, a line more"));
        }
    }
}

#[test]
fn what_canonical_forms_ignore_in_a_body_may_change_and_nothing_else() {
    for signer in signers() {
        let expected = |ignored: bool| if ignored { PASS } else { BODY_CHANGED };
        let relaxed = signer.body == Form::Relaxed;
        let original = message(HEADER, b"a  b \r\n\r\nc\r\n");
        let signed = signer.sign(&original);
        for (what, from, to, ignored) in [
            ("empty lines added at the end", "c\r\n", "c\r\n\r\n\r\n", true),
            ("the final line end taken off", "c\r\n", "c", true),
            ("lines of white space added at the end", "c\r\n", "c\r\n \r\n\t\r\n  ", relaxed),
            ("white space taken from a line's end", "b \r\n", "b\r\n", relaxed),
            ("white space added to a line's end", "b \r\n", "b \t\t \r\n", relaxed),
            ("white space of another kind", "a  b", "a\tb", relaxed),
            ("white space taken off altogether", "a  b", "ab", false),
            ("white space added where there was none", "\r\nc", "\r\n c", false),
            ("an empty line in the middle taken off", "\r\n\r\nc", "\r\nc", false),
            ("an empty line in the middle added", "\r\n\r\nc", "\r\n\r\n\r\nc", false),
            ("a no-break space for a space", "a  b", "a \u{a0}b", false),
            ("a form feed at a line's end", "b \r\n", "b \x0c\r\n", false),
            ("a CR by itself", "a  b", "a  \rb", false),
            ("a CR at the end", "c\r\n", "c\r\r\n", false),
        ] {
            let (head, body) = signed.split_at(signed.len() - b"a  b \r\n\r\nc\r\n".len());
            let changed = [head, &replaced(body, from, to)].concat();
            assert_verifies(&changed, expected(ignored), &format!("{signer:?}, {what}"));
        }
    }
}

#[test]
fn what_canonical_forms_ignore_in_a_header_may_change_and_nothing_else() {
    for signer in signers() {
        let relaxed = signer.header == Form::Relaxed;
        let signed = signer.sign(&message(HEADER, b"a\r\n"));
        for (what, from, to, ignored) in [
            ("an unsigned field", "X-Mailer: plain", "X-Mailer: other", true),
            ("an unsigned field taken out", "X-Mailer: plain\r\n", "", true),
            ("a field added above", "Received: from a", "Received: from c\r\nReceived: from a", true),
            (
                "another order",
                "X-Mailer: plain\r\nFrom: Joe <joe@example.org>\r\n",
                "From: Joe <joe@example.org>\r\nX-Mailer: plain\r\n",
                true,
            ),
            ("a byte of a signed field", "one  two", "one  twO", false),
            ("a byte of From", "Joe <joe", "Jo <joe", false),
            ("a signed field taken out", "To:a@example.net\r\n", "", false),
            ("the case of a name", "Subject:  one", "SUBJECT:  one", relaxed),
            ("white space before the colon", "To:a", "To :a", relaxed),
            ("white space after the colon", "To:a", "To:\t a", relaxed),
            ("another fold", "two\t\r\n  three", "two three", relaxed),
            ("a fold more", "one  two", "one\r\n \r\n\ttwo", relaxed),
            ("white space taken off altogether", "one  two", "onetwo", false),
            ("white space at the end", "Jul 2003 21:00:37 -0700", "Jul 2003 21:00:37 -0700 \t", relaxed),
            ("a form feed at the end", "Jul 2003 21:00:37 -0700", "Jul 2003 21:00:37 -0700\x0c", false),
            ("a CR by itself", "one  two", "one  \rtwo", false),
            ("white space in the signature field", "; s=", ";  s=", relaxed),
            ("a fold in the signature's value", "\r\n\tb=", "\r\n\tb=\r\n \t", true),
            ("white space before b=", "\r\n\tb=", "\r\n\t\tb=", relaxed),
            ("the domain's case", "d=example.org", "d=Example.org", false),
            ("a tag more", "\r\n\tb=", " n=x;\r\n\tb=", false),
        ] {
            let changed = replaced(&signed, from, to);
            let expected = if ignored { PASS } else { HEADER_CHANGED };
            assert_verifies(&changed, expected, &format!("{signer:?}, {what}"));
        }
    }
}

#[test]
fn a_second_field_of_a_signed_name_is_not_taken_for_signed_wherever_it_stands() {
    for signer in signers() {
        let signed = signer.sign(&message(HEADER, b"a\r\n"));
        for (name, added) in
            [("Subject", "SUBJECT : other"), ("From", "From: eve@evil.example"), ("To", "To:")]
        {
            let reason = format!(
                "the message has more {name} fields than it covers, and the one that is shown may be another (RFC 6376 section 8.15)"
            );
            for before in ["DKIM-Signature", "Received", "Date:"] {
                let changed = replaced(&signed, before, &format!("{added}\r\n{before}"));
                assert_verifies(
                    &changed,
                    (AuthResult::Policy, Some(&reason)),
                    &format!("{signer:?} {added}"),
                );
            }
        }
    }
}

#[test]
fn a_name_signed_once_more_than_it_stands_there_forbids_another_such_field() {
    for signer in signers() {
        let signer = Signer { names: "from:to:subject:date:FROM : Subject:to:from:x-none".into(), ..signer };
        let signed = signer.sign(&message(HEADER, b"a\r\n"));
        assert_verifies(&signed, PASS, &format!("{signer:?}"));
        for added in ["From: eve@evil.example", "from : eve@evil.example", "SUBJECT: x", "To:", "X-None: 1"] {
            let changed = [added.as_bytes(), b"\r\n", &signed].concat();
            assert_verifies(&changed, HEADER_CHANGED, &format!("{signer:?}, {added}"));
        }
    }
}

#[test]
fn fields_of_one_name_are_taken_from_the_bottom() {
    let header = "Received: 3\r\nReceived: 2\r\nReceived: 1\r\nFrom: joe@example.org\r\n";
    for signer in signers() {
        let signer = Signer { names: "Received:From:Received".into(), ..signer };
        let signed = signer.sign(&message(header, b""));
        assert_verifies(&signed, PASS, "unchanged");
        assert_verifies(&replaced(&signed, "Received: 3", "Received: 4"), PASS, "the one that is not signed");
        let more = [b"Received: 5\r\n", &signed[..]].concat();
        assert_verifies(&more, PASS, "one more on top");
        assert_verifies(&replaced(&signed, "Received: 2", "Received: 4"), HEADER_CHANGED, "a signed one");
        let swapped = replaced(&signed, "Received: 2\r\nReceived: 1", "Received: 1\r\nReceived: 2");
        assert_verifies(&swapped, HEADER_CHANGED, "another order");
    }
}

#[test]
fn fields_that_are_odd_are_signed_as_they_are() {
    let long = format!("From: joe@example.org\r\nSubject: {}\r\nTo: x\r\n", "word ".repeat(40_000));
    let folds = format!("From: joe@example.org\r\nSubject: a{}\r\nTo: x\r\n", "\r\n b".repeat(20_000));
    for (what, header) in [
        ("no space after the colon", "From:joe@example.org\r\nSubject:x\r\nTo:y\r\n"),
        ("space before the colon", "From : joe@example.org\r\nSubject\t: x\r\nTo  : y\r\n"),
        ("8 bit", "From: joe@example.org\r\nSubject: gr\u{fc}n \u{2028}\r\nTo: \u{a0}\r\n"),
        ("empty values", "From: joe@example.org\r\nSubject:\r\nTo: \r\n"),
        ("empty folds", "From: joe@example.org\r\nSubject: \r\n \r\n\t\r\nTo:\r\n y\r\n"),
        ("controls", "From: joe@example.org\r\nSubject: a\0b\x0bc\rd\x7f\r\nTo: y\r\n"),
        ("a colon in a value", "From: joe@example.org\r\nSubject: a: b:c\r\nTo: :\r\n"),
        ("a very long line", &long),
        ("very many folds", &folds),
    ] {
        for signer in signers() {
            let signed = signer.sign(&message(header, b"x\r\n"));
            assert_verifies(&signed, PASS, &format!("{signer:?}, {what}"));
            let changed = replaced(&signed, "To", "Cc");
            assert_eq!(verify(&changed).0, AuthResult::Fail, "{signer:?}, {what}");
        }
    }
}

/// A signature field, the `b=` of which is empty.
fn emptied(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(field);
    let (before, _) = text.rsplit_once("b=").unwrap();
    format!("{before}b=")
}

/// What a message's topmost field, if it is a signature in these forms, covers: header and body.
fn all_covered(signer: &Signer, raw: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (header, body) = split(raw);
    let fields = fields(header);
    let (own, others) = fields.split_first()?;
    if !own.contains(&b':') || !String::from_utf8_lossy(own).contains("b=") {
        return None;
    }
    let data = covered(signer.header, &emptied(own), &signer.names, others);
    Some((data, canonical_body(signer.body, body)))
}

fn any_signer() -> impl Strategy<Value = Signer> {
    prop::sample::select(signers().filter(|s| s.kind == Kind::Ed25519).collect::<Vec<_>>())
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let piece =
        prop::sample::select(vec![" ", "  ", "\t", "\r\n", "\r\n", "\r", "a", "bc", ".", "\u{e9}", "=\r\n"]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever one byte is changed, put in or taken out, anywhere: what passes covers the same as before.
    #[test]
    fn nothing_that_is_covered_changes_without_failing(
        signer in any_signer(), body in any_body(), at in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..3,
    ) {
        let signed = signer.sign(&message(HEADER, &body));
        let mut changed = signed.clone();
        let at = at.index(changed.len());
        match how {
            0 => changed[at] = byte,
            1 => changed.insert(at, byte),
            _ => drop(changed.remove(at)),
        }
        // As it is read: a LF by itself is a line end in a file.
        let changed = header::parse(changed).raw().to_vec();
        let found = super::verify_with(&super::RESOLVER, changed.clone(), super::NOW);
        if found.dkim.iter().any(|d| d.result == AuthResult::Pass) {
            prop_assert_eq!(all_covered(&signer, &changed), all_covered(&signer, &signed));
        }
    }

    /// A change of the body passes exactly where its canonical form is the same.
    #[test]
    fn a_changed_body_passes_exactly_where_its_canonical_form_is_the_same(
        signer in any_signer(), body in any_body(), other in any_body(),
        at in any::<prop::sample::Index>(), piece in prop::sample::select(vec![" ", "\t", "\r\n", "\r\n \r\n", "x", "\r"]),
        end in any::<bool>(),
    ) {
        let signed = signer.sign(&message(HEADER, &body));
        let head = &signed[..signed.len() - body.len()];
        let mut more = body.clone();
        let at = if end { body.len() } else { at.index(body.len() + 1) };
        more.splice(at..at, piece.bytes());
        for changed in [more, other] {
            let same = canonical_body(signer.body, &changed) == canonical_body(signer.body, &body);
            let passes = verify(&[head, &changed].concat()).0 == AuthResult::Pass;
            prop_assert_eq!(passes, same, "{:?}", String::from_utf8_lossy(&changed));
        }
    }

    /// White space of every kind in every place, where there was some before, is nothing under relaxed.
    #[test]
    fn any_other_white_space_passes_under_relaxed(
        words in prop::collection::vec("[!-~]{1,6}", 1..8),
        spaces in prop::collection::vec(prop::sample::select(vec![" ", "\t", "  \t", "\r\n ", "\r\n\t \r\n  "]), 16),
        ends in prop::collection::vec(prop::sample::select(vec!["", " ", "\t ", " \r\n", "\r\n\t\r\n"]), 2),
    ) {
        let text = words.join(" ");
        let body = format!("{text}\r\n{text}\r\n");
        let plain = format!("From: joe@example.org\r\nSubject: {text}\r\n");
        let signed = Signer::default().sign(&message(&plain, body.as_bytes()));
        let mut spaces = spaces.iter().cycle();
        let mut respaced = |folds: bool| {
            let mut out = words[0].clone();
            for word in &words[1..] {
                let space = spaces.next().unwrap();
                out += if folds { space } else { " \t" };
                out += word;
            }
            out
        };
        let fold_end = ends[0].trim_end_matches("\r\n");
        let header = format!("from\t:\r\n joe@example.org \r\nSUBJECT:{}{fold_end}\r\n", respaced(true));
        let body = format!("{} \r\n{}\t\r\n{}", respaced(false), respaced(false), ends[1]);
        let own = signed.len() - message(&plain, &[]).len() - (text.len() + 2) * 2;
        let changed = [&signed[..own], &message(&header, body.as_bytes())].concat();
        let (result, reason) = verify(&changed);
        prop_assert_eq!(result, AuthResult::Pass, "{:?}: {}", reason, String::from_utf8_lossy(&changed));
    }
}
