//! Faults that mail programs forgive and behind which content could hide. Each message carries a file
//! or a link that at least one common reader shows; the walk has to see it too, or say that it did not.

use super::{has, holds, outline, walked};
use crate::mail::attachments;
use crate::model::part::{Defect, NotInspected};

const FILE: &str =
    "Content-Type: application/octet-stream; name=a.exe\nContent-Transfer-Encoding: base64\n\n";

#[test]
fn a_boundary_in_the_middle_of_a_line_does_not_end_a_part() {
    // mail-parser issue 156.
    let parts = walked(
        "Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/html\n\n\
         <!-- --B --><a href=https://evil.example>\n\nX: <b>\n--B--\n",
    );
    assert_eq!(
        outline(&parts)[1..],
        ["  text/html \"<!-- --B --><a href=https://evil.example>\\r\\n\\r\\nX: <b>\""]
    );
}

#[test]
fn odd_bytes_in_base64_do_not_stop_decoding() {
    // "EVIL" with an odd byte, with a dash, with a padding in between.
    for body in ["RV!ZJTCBhbmQgbW9yZSBvZiBpdA==", "RV-ZJTCBhbmQgbW9yZSBvZiBpdA==", "RVY=SUwgYW5kIG1vcmU="] {
        let parts = walked(&format!("{FILE}{body}\n"));
        assert!(holds(&parts, b"EVIL") || holds(&parts, b"EVIL and more"), "{body}");
        assert_eq!((has(&parts, Defect::BadEncoding), parts.not_inspected.len()), (true, 0), "{body}");
    }
}

#[test]
fn a_multipart_without_end_is_decoded_to_the_end() {
    let parts = walked(&format!("Content-Type: multipart/mixed; boundary=B\n\n--B\n{FILE}RVZJTA==\n"));
    assert!(holds(&parts, b"EVIL"));
    assert_eq!(parts.list[0].defects, [Defect::Unterminated]);
}

#[test]
fn an_outer_delimiter_ends_an_inner_multipart() {
    // RFC 2046 §5.1.2
    let parts = walked(&format!(
        "Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: multipart/alternative; boundary=in\n\n\
         --in\n\ntext\n--out\n{FILE}RVZJTA==\n--out--\n"
    ));
    assert_eq!(
        outline(&parts),
        [
            "multipart/mixed",
            "  multipart/alternative [Unterminated]",
            "    text/plain \"text\"",
            "  application/octet-stream <a.exe> \"EVIL\"",
        ]
    );
}

#[test]
fn an_outer_delimiter_ends_a_nested_message() {
    let parts = walked(&format!(
        "Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: message/rfc822\n\nSubject: x\n\
         --out\n{FILE}RVZJTA==\n--out--\n"
    ));
    assert!(holds(&parts, b"EVIL"));
}

#[test]
fn parts_after_the_end_are_read_and_marked() {
    let parts = walked(&format!(
        "Content-Type: multipart/mixed; boundary=B\n\n--B\n\nx\n--B--\n\n--B\n{FILE}RVZJTA==\n--B--\n"
    ));
    assert!(holds(&parts, b"EVIL"));
    assert_eq!(parts.list[2].defects, [Defect::Ambiguous]);
}

#[test]
fn a_delimiter_with_something_behind_it_begins_a_part_and_is_marked() {
    // RFC 2046 §5.1.1: "An exact match of the entire candidate line is not required".
    let parts =
        walked(&format!("Content-Type: multipart/mixed; boundary=B\n\n--Bx\n{FILE}RVZJTA==\n--B--\n"));
    assert!(holds(&parts, b"EVIL"));
    assert_eq!(parts.list[1].defects, [Defect::Ambiguous]);
}

#[test]
fn an_exact_delimiter_goes_before_a_longer_line() {
    let parts = walked(
        "Content-Type: multipart/mixed; boundary=abc1\n\n--abc1\nContent-Type: multipart/mixed; boundary=abc\n\n\
         --abc\n\ninner\n--abc--\n--abc1\n\nouter\n--abc1--\n",
    );
    assert_eq!(
        outline(&parts),
        ["multipart/mixed", "  multipart/mixed", "    text/plain \"inner\"", "  text/plain \"outer\""]
    );
}

#[test]
fn a_boundary_that_is_missing_or_wrong_is_guessed() {
    for field in ["multipart/mixed", "multipart/mixed; boundary=other", "multipart/mixed; boundary=\"\""] {
        let parts = walked(&format!("Content-Type: {field}\n\nshown\n--B\n{FILE}RVZJTA==\n--B--\n"));
        assert_eq!(
            outline(&parts),
            [
                "multipart/mixed [MissingBoundary]",
                "  text/plain \"shown\"",
                "  application/octet-stream <a.exe> \"EVIL\"",
            ],
            "{field}"
        );
    }
}

#[test]
fn a_multipart_without_delimiters_is_read_as_text() {
    let parts = walked("Content-Type: multipart/mixed; boundary=B\n\njust text -- B\n");
    assert_eq!(
        outline(&parts),
        ["multipart/mixed [MissingBoundary]", "  text/plain \"just text -- B\\r\\n\""]
    );
    assert_eq!(
        outline(&walked("Content-Type: multipart/mixed; boundary=B\n\n")),
        ["multipart/mixed [MissingBoundary]"]
    );
}

#[test]
fn an_encoded_multipart_is_not_inspected() {
    let parts =
        walked("Content-Type: multipart/mixed; boundary=B\nContent-Transfer-Encoding: base64\n\nLS1CDQo=\n");
    assert_eq!(parts.not_inspected, [NotInspected::Undecodable(1)]);
}

#[test]
fn each_boundary_of_contradicting_fields_counts() {
    let parts = walked(&format!(
        "Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=A; boundary=B\n\n--A\n\nx\n--B\n{FILE}RVZJTA==\n"
    ));
    assert!(holds(&parts, b"EVIL"));
    assert!(parts.list[0].defects.contains(&Defect::Ambiguous));
}

#[test]
fn more_boundaries_than_are_looked_for_are_not_inspected() {
    let many = |n: usize| (0..n).map(|i| format!("; boundary=b{i}")).collect::<String>();
    let of = |fields: &str| walked(&format!("{fields}\n\n--b0\n\nx\n--b7\n{FILE}RVZJTA==\n--b0--\n"));
    let parts = of(&format!("Content-Type: multipart/mixed{}", many(8)));
    assert!(holds(&parts, b"EVIL"));
    assert_eq!(parts.list[0].defects, [Defect::Ambiguous, Defect::Contradictory]);
    assert_eq!(parts.not_inspected, []);
    let parts = of(&format!("Content-Type: multipart/mixed{}", many(9)));
    assert_eq!(parts.not_inspected, [NotInspected::TooManyParameters]);
    let parts = of(&"Content-Type: multipart/mixed; boundary=b0\n".repeat(9));
    assert_eq!(parts.not_inspected, [NotInspected::TooManyParameters]);
}

#[test]
fn a_part_that_only_another_reader_sees_is_told() {
    let hidden = format!("--real\n{FILE}RVZJTA==\n--real--\n");
    for (field, decoy) in [
        ("multipart/mixed", "--x\n\nx\n"),
        ("multipart/mixed; boundary=x", "--x\n\nx\n"),
        ("multipart/mixed; boundary=y", "--x\n\nx\n--x--\n"),
    ] {
        let parts = walked(&format!("Content-Type: {field}\n\n{decoy}{hidden}"));
        assert!(
            parts.list[0].defects.contains(&Defect::StrayDelimiter),
            "{field}: {:?}",
            parts.list[0].defects
        );
    }
    // A whole message, and the source of another in it; one that is cut off.
    for text in [
        format!("Content-Type: multipart/mixed; boundary=x\n\n--x\n\n{hidden}--x--\n"),
        format!("Content-Type: multipart/mixed; boundary=x\n\n{hidden}--x\n\ny\n--x--\n"),
        "Content-Type: multipart/mixed; boundary=x\n\n--x\n\n-- \nAnna: me\n\n--- cut ---\n\n".to_owned(),
    ] {
        assert!(!has(&walked(&text), Defect::StrayDelimiter), "{text}");
    }
}

#[test]
fn a_type_that_is_a_container_to_some_is_told() {
    let parts =
        walked("Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=A\n\n--A\n\nx\n--A--\n");
    assert_eq!(parts.list[0].defects, [Defect::Ambiguous, Defect::Contradictory]);
    let parts = walked(
        "Content-Type: multipart/mixed; boundary=A\nContent-Type: multipart/related; boundary=A\n\n--A\n\nx\n--A--\n",
    );
    assert_eq!(parts.list[0].defects, [Defect::Ambiguous]);
}

#[test]
fn every_name_that_a_program_may_make_of_it_is_one_of_a_file() {
    for field in [
        "attachment; filename=a.txt; filename=evil.js",
        "attachment; filename*0=evil.js; filename*2=.txt",
        "attachment; filename*=utf-8''evil.js; filename*1=.txt",
        "attachment; filename*0=evil.js; filename*x=.txt",
        "attachment; filename *=utf-8''evil.js",
        "attachment; filename=\"evil.js\0.txt\"",
        "attachment; filename*=utf-8''evil.js%E2%80%8B",
        "attachment; filename=\"evil.js::$DATA\"",
        "attachment; filename=\"evil.js/\"",
        "attachment; filename=\"evil.js\\\"; x=\".txt\"",
        "attachment; filename*=utf-8''evil%EF%BC%8Ejs",
        "attachment; filename='evil.js'",
        "attachment; filename=\"evil.\n js\"",
        "attachment; (; filename=evil.js",
    ] {
        let parts = walked(&format!("Content-Type: a/b\nContent-Disposition: {field}\n\nx\n"));
        let file = &attachments(&parts)[0];
        let mut names = std::iter::once(&file.name).chain(&file.other_names);
        assert!(names.any(|name| name == "evil.js"), "{field}: {file:?}");
        assert_eq!(parts.not_inspected, [], "{field}");
    }
    for padding in ["; x=1".repeat(100), format!("; x=\"{}\"", "a".repeat(40_000))] {
        let field = format!("attachment{padding}; filename=evil.js");
        let parts = walked(&format!("Content-Type: a/b\nContent-Disposition: {field}\n\nx\n"));
        assert_eq!(parts.not_inspected, [NotInspected::TooManyParameters]);
    }
}

#[test]
fn what_stands_before_the_first_part_is_read_where_the_type_is_contradictory() {
    let parts = walked(
        "Content-Type: multipart/mixed; boundary=A\nContent-Type: text/html\n\n<a href=evil>\n--A\n\nx\n--A--\n",
    );
    assert_eq!(outline(&parts)[1..], ["  text/plain \"<a href=evil>\"", "  text/plain \"x\""]);
}

#[test]
fn the_encoding_is_known_behind_quotes_comments_and_case() {
    for word in ["BASE64", "\"base64\"", "base64 (really)", "(x) base64", "base64;", "base64\n "] {
        let parts = walked(&format!("Content-Type: a/b\nContent-Transfer-Encoding: {word}\n\nRVZJTA==\n"));
        assert!(holds(&parts, b"EVIL"), "{word}");
    }
}

#[test]
fn a_line_that_is_no_field_does_not_hide_the_fields_behind_it() {
    let parts = walked(&format!(
        "Content-Type: multipart/mixed; boundary=B\n\n--B\nrubbish\n{FILE}RVZJTA==\n--B--\n"
    ));
    assert!(holds(&parts, b"EVIL"));
    assert_eq!(parts.list[1].defects, [Defect::Ambiguous]);
}

#[test]
fn a_part_without_empty_line_keeps_its_text() {
    let parts = walked(
        "Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/html\n<a href=evil>\n--B--\n",
    );
    assert_eq!(outline(&parts)[1..], ["  text/html \"<a href=evil>\""]);
}

#[test]
fn a_nested_message_may_begin_with_empty_lines_or_an_mbox_line() {
    for before in ["\n\n", ">From x Mon\n", "From x Mon\n"] {
        let parts = walked(&format!("Content-Type: message/rfc822\n\n{before}{FILE}RVZJTA==\n"));
        assert!(holds(&parts, b"EVIL"), "{before:?}");
    }
}

#[test]
fn a_message_that_only_claims_to_be_encoded_is_read_as_it_stands() {
    let parts = walked(&format!(
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nSubject: not, encoded!\n{FILE}RVZJTA==\n"
    ));
    assert!(holds(&parts, b"EVIL"));
    assert_eq!(parts.not_inspected, [NotInspected::Undecodable(1)]);
}

#[test]
fn the_harmless_name_is_not_the_only_one() {
    let parts = walked(
        "Content-Type: text/plain; name=\"note.txt\"\nContent-Type: application/octet-stream; name=\"invoice.exe\"\n\
         Content-Disposition: attachment; filename=\"note.txt\"; filename*=utf-8''invoice.exe\n\nMZ",
    );
    let part = &parts.list[0];
    assert_eq!(
        (part.name.as_deref(), part.other_names.as_slice()),
        (Some("invoice.exe"), &["note.txt".to_owned()][..])
    );
    assert_eq!(attachments(&parts)[0].media_type, "application/octet-stream");
    assert_eq!(part.defects, [Defect::Ambiguous]);
}

#[test]
fn text_in_a_charset_that_few_readers_know_is_still_text() {
    let parts = walked("Content-Type: text/html; charset=iso-2022-kr\n\n<a href=https://evil.example>\n");
    assert!(holds(&parts, b"https://evil.example"));
}
