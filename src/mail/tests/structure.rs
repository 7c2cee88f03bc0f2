//! What ordinary mail looks like after the walk.

use super::{line, message, outline, walked};
use crate::mail::{Limits, attachments, header, walk};
use crate::model::part::NotInspected;
use crate::model::{Attachment, ByteSize, Message};

const MIXED: &str = "\
Subject: two files
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=\"outer\"

This is a multi-part message.
--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

caf=E9
--inner
Content-Type: text/html

<b>café</b>
--inner--
--outer
Content-Type: application/zip; name=\"a.zip\"
Content-Disposition: attachment
Content-Transfer-Encoding: base64

UEsDBA==
--outer
Content-Type: image/png
Content-Disposition: inline; filename=logo.png

PNG
--outer--
epilogue
";

#[test]
fn parts_come_in_order_with_their_decoded_content() {
    let parts = walked(MIXED);
    assert_eq!(
        outline(&parts),
        [
            "multipart/mixed",
            "  multipart/alternative",
            "    text/plain \"café\"",
            "    text/html \"<b>café</b>\"",
            "  application/zip <a.zip> \"PK\\u{3}\\u{4}\"",
            "  image/png <logo.png> \"PNG\"",
        ]
    );
    assert_eq!(parts.not_inspected, []);
    let parents: Vec<Option<usize>> = parts.list.iter().map(|p| p.parent).collect();
    assert_eq!(parents, [None, Some(0), Some(1), Some(1), Some(0), Some(0)]);
    assert!(parts.list.iter().enumerate().all(|(i, p)| p.index == i));
}

#[test]
fn what_needs_no_decoding_is_a_slice_of_the_message() {
    let message = message(MIXED);
    let parts = walk(&message, &Limits::default());
    let raw = message.raw().as_ptr_range();
    let is_slice: Vec<bool> = parts.list.iter().map(|p| raw.contains(&p.content.as_ptr())).collect();
    assert_eq!(is_slice, [true, true, false, true, false, true]);
}

#[test]
fn a_message_without_mime_is_one_part_of_text() {
    assert_eq!(outline(&walked("Subject: x\n\nhello\n")), ["text/plain \"hello\\r\\n\""]);
    assert_eq!(outline(&walked("Subject: x\n")), ["text/plain \"\""]);
    assert_eq!(outline(&walk(&Message::default(), &Limits::default())), ["text/plain \"\""]);
}

#[test]
fn signatures_diffs_and_rules_are_no_delimiters() {
    let body = "-- \nsignature\n--- a/x\n+++ b/x\n---------\n--outer space\n-----Original Message-----\n"
        .repeat(400);
    let parts = walked(&format!(
        "Content-Type: multipart/mixed; boundary=xyz\n\n--xyz\n\n{body}\n--xyz--\n-- \nlist footer\n"
    ));
    assert_eq!(parts.list.len(), 2);
    assert_eq!(
        (parts.list[1].content.len(), parts.not_inspected.len()),
        (body.replace('\n', "\r\n").len(), 0)
    );
    assert_eq!(walked(&format!("Subject: plain\n\n{body}")).list.len(), 1);
}

const NESTED: &str = "\
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: message/rfc822

Subject: =?utf-8?q?inner_=E2=82=AC?=
Content-Type: multipart/mixed; boundary=c

--c
Content-Type: text/html; name=x.html
Content-Disposition: attachment

<html>
--c--

--b
Content-Type: message/rfc822; name=fwd.eml
Content-Transfer-Encoding: base64

";

fn nested() -> String {
    let inner = "Subject: encoded\r\n\r\nContent-Type: text/plain\r\n";
    let inner = format!("Content-Type: application/pdf\r\nContent-Disposition: inline\r\n{inner}");
    let encoded = data_encoding::BASE64.encode(inner.as_bytes());
    format!(
        "{NESTED}{encoded}\n--b\nContent-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: digested\n\ntext\n--d--\n--b--\n"
    )
}

#[test]
fn nested_messages_are_read_encoded_or_not_and_in_digests() {
    let parts = walked(&nested());
    assert_eq!(
        outline(&parts),
        [
            "multipart/mixed",
            "  message/rfc822",
            "    multipart/mixed",
            "      text/html <x.html> \"<html>\"",
            "  message/rfc822 <fwd.eml>",
            "    application/pdf \"Content-Type: text/plain\\r\\n\"",
            "  multipart/digest",
            "    message/rfc822",
            "      text/plain \"text\"",
        ]
    );
    assert_eq!(parts.not_inspected, []);
    assert!(parts.list[4].content.starts_with(b"Content-Type: application/pdf\r\n"));
    assert_eq!(parts.list[5].parent, Some(4));
}

#[test]
fn files_are_named_and_hashed_with_the_way_to_them() {
    let of = |name: &str, media_type: &str, size, sha256: &str, path: &[&str]| Attachment {
        name: name.into(),
        other_names: Vec::new(),
        media_type: media_type.into(),
        size,
        sha256: sha256.into(),
        path: path.iter().map(|p| (*p).to_owned()).collect(),
    };
    assert_eq!(
        attachments(&walked(&nested())),
        [
            of(
                "x.html",
                "text/html",
                6,
                "b7d082ee12e91b756ea22e8513b8594eebcf5d39fab813da3cb55794dc888ad7",
                &["inner €", "x.html"]
            ),
            of(
                "",
                "application/pdf",
                26,
                "a5315535daa5b58d6ceea4c6517da716805998e3cb1e2c13869211c1b4bdb5c2",
                &["fwd.eml", "application/pdf"]
            ),
        ]
    );
}

#[test]
fn a_text_file_keeps_its_bytes_and_text_to_read_becomes_utf8() {
    let with = |disposition| {
        let head = "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: base64\n";
        walked(&format!("{head}Content-Disposition: {disposition}\n\nTVrp\n")).list.remove(0).content
    };
    assert_eq!(with("attachment; filename=a.txt"), b"MZ\xe9"[..]);
    assert_eq!(with("inline").as_ref(), "MZé".as_bytes());
}

#[test]
fn a_message_over_a_limit_keeps_what_was_read_and_says_what_is_missing() {
    let limited = |limits: Limits| walk(&message(MIXED), &limits);
    let parts = limited(Limits { parts: 4, ..Limits::default() });
    assert_eq!((parts.list.len(), parts.not_inspected), (4, vec![NotInspected::TooManyParts]));
    let parts = limited(Limits { fields: 5, ..Limits::default() });
    assert_eq!((parts.list.len(), parts.not_inspected), (2, vec![NotInspected::TooManyFields]));
    let parts = limited(Limits { fields: 2, ..Limits::default() });
    assert_eq!(parts.not_inspected, [NotInspected::TooManyFields]);
    let parts = limited(Limits { depth: 1, ..Limits::default() });
    assert_eq!(parts.not_inspected, [NotInspected::TooDeep]);
    assert_eq!(outline(&parts).len(), 4);
    assert!(parts.list[1].content.starts_with(b"--inner"));
    let parts = limited(Limits { decoded: ByteSize(12), ..Limits::default() });
    assert_eq!((parts.list.len(), parts.not_inspected), (3, vec![NotInspected::TooLarge]));
    let parts = limited(Limits { parts: 6, fields: 12, depth: 2, ..Limits::default() });
    assert_eq!((parts.list.len(), parts.not_inspected), (6, vec![]));
}

#[test]
fn harmless_faults_do_not_make_a_part_undecodable() {
    for (head, body) in [
        ("Content-Transfer-Encoding: 8bits", "text"),
        ("Content-Transfer-Encoding: utf-8", "text"),
        ("Content-Transfer-Encoding: quoted-printable", "a=b, 100% =\n"),
        ("Content-Transfer-Encoding: base64", "aGVsbG8gd29ybGQ"),
        ("Content-Transfer-Encoding: base64", ""),
        (
            "Content-Transfer-Encoding: base64",
            "aGVsbG8gd29ybGQ=\n____\nList footer: https://lists.example/\n",
        ),
        ("Content-Type: text/plain; charset=x-unheard-of", "caf\u{e9}"),
        ("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64", "Y2Fm6Q=="),
    ] {
        let parts = walked(&format!("{head}\n\n{body}"));
        assert_eq!(parts.not_inspected, [], "{head} {body}");
    }
}

#[test]
fn what_cannot_be_decoded_is_not_inspected() {
    for (encoding, body) in [
        ("x-yencode", "=ybegin"),
        ("base64", "This was never base64. It is text, and rather plain!"),
        ("x-uuencode", "no begin line"),
    ] {
        let parts =
            walked(&format!("Content-Type: application/x\nContent-Transfer-Encoding: {encoding}\n\n{body}"));
        assert_eq!(parts.not_inspected, [NotInspected::Undecodable(1)], "{encoding}");
    }
}

#[test]
fn uuencoded_parts_are_decoded() {
    let parts = walked(
        "Content-Type: image/gif\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n#0V%T\n`\nend\n",
    );
    assert_eq!(outline(&parts), ["image/gif \"Cat\""]);
}

#[test]
fn a_repeated_limit_is_reported_once() {
    let text = "Content-Type: message/rfc822\n\n".repeat(3);
    let limits = Limits { depth: 1, ..Limits::default() };
    let parts = walk(&header::parse(text.into_bytes()), &limits);
    assert_eq!(parts.not_inspected, [NotInspected::TooDeep]);
    assert_eq!(parts.list.iter().map(line).collect::<Vec<_>>(), ["message/rfc822", "  message/rfc822"]);
}
