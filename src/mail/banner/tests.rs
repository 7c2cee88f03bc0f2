//! What gets a banner, what is left alone, and that nothing else changes.

use mail_parser::{MessageParser, PartType};
use proptest::prelude::*;

use super::*;
use crate::mail::header;

const TEXT: &str = "Vorsicht: von außen – nichts anklicken";

fn message(text: &str) -> Message {
    header::parse(text.as_bytes().to_vec())
}

fn body(text: &str) -> Result<String, Unable> {
    add(&message(text), TEXT).map(|body| String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn plain_text_gets_it_in_its_own_charset_and_encoding() {
    let ascii = "Vorsicht: von aussen - nichts anklicken\r\n\r\n";
    assert_eq!(body("Subject: x\n\nHi\n"), Ok(format!("{ascii}Hi\r\n")));
    assert_eq!(
        body(
            "Content-Type: text/plain; charset=utf-8; format=flowed\nContent-Transfer-Encoding: 8bit\n\nÜ \n> x\n"
        ),
        Ok(format!("{TEXT}\r\n\r\nÜ \r\n> x\r\n"))
    );
    assert_eq!(
        body(
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n=C3=9C=20\nx =\ny"
        ),
        Ok("Vorsicht: von au=C3=9Fen =E2=80=93 nichts anklicken\r\n\r\n=C3=9C=20\r\nx y".to_owned())
    );
    let coded =
        body("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nw5wK\n").unwrap();
    let (line, _) = coded.split_once("\r\n").unwrap();
    assert!(coded.ends_with("\r\n") && line.len() <= 76, "{coded}");
    assert_eq!(
        data_encoding::BASE64.decode(coded.replace("\r\n", "").as_bytes()).unwrap(),
        format!("{TEXT}\n\nÜ\n").as_bytes()
    );
}

#[test]
fn both_alternatives_get_it_and_nothing_else_changes() {
    let mail = "Content-Type: multipart/mixed; boundary=o\n\npreamble\n--o\nContent-Type: multipart/alternative; boundary=i\n\n\
        --i\n\nHi\n--i\nContent-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\n<html><body>Hi</body></html>\n\
        --r\nContent-Type: image/png\n\n\u{1}\n--r--\n--i--\n\n--o\nContent-Type: text/plain; name=a.txt\n\nfile\n\
        --o\n\nfooter\n--o--\nepilogue\n";
    let before = message(mail);
    let before = String::from_utf8(before.body().to_vec()).unwrap();
    let after = body(mail).unwrap();
    let page = String::from_utf8(words::page(TEXT, "\r\n", true)).unwrap();
    let expected = before
        .replace("--i\r\n\r\nHi", "--i\r\n\r\nVorsicht: von aussen - nichts anklicken\r\n\r\nHi")
        .replace("<body>Hi", &format!("<body>{page}Hi"));
    assert_eq!(after, expected);
}

#[test]
fn what_is_signed_or_unclear_is_left_alone() {
    for (mail, why) in [
        ("DKIM-Signature: v=1\n\nHi\n", Unable::Signed),
        ("arc-seal: i=1\n\nHi\n", Unable::Signed),
        ("Content-Type: multipart/signed; boundary=o\n\n--o\n\nHi\n--o--\n", Unable::Signed),
        ("Content-Type: application/pkcs7-mime\n\nx\n", Unable::Signed),
        ("Subject: x\n\n-----BEGIN PGP MESSAGE-----\n", Unable::Signed),
        ("Content-Type: application/pdf\n\nx\n", Unable::NoText),
        ("Content-Type: text/plain; name=x.txt\n\nx\n", Unable::NoText),
        ("Content-Type: multipart/report; boundary=o\n\n--o\n\nHi\n--o--\n", Unable::Machines),
        ("Content-Type: multipart/mixed; boundary=o\n\n--o\n\nHi\n", Unable::Structure),
        ("Content-Type: text/plain\nContent-Type: text/html\n\nHi\n", Unable::Structure),
        ("Content-Type: message/rfc822\n\nSubject: x\n\nHi\n", Unable::Structure),
        (
            "Content-Type: multipart/mixed; boundary=o\n\n--o\n\nHi\n--o\nContent-Type: message/rfc822\n\nA: b\n\nx\n--o--\n",
            Unable::Structure,
        ),
        ("Content-Transfer-Encoding: base64\n\nno base64 at all!\n", Unable::Encoding),
        ("Content-Transfer-Encoding: quoted-printable\n\n=zz\n", Unable::Encoding),
        ("Content-Transfer-Encoding: x-odd\n\nHi\n", Unable::Encoding),
        ("Content-Type: text/plain; charset=utf-16\n\nHi\n", Unable::Encoding),
        ("Content-Type: text/plain; charset=x-unheard-of\n\n\u{fc}\n", Unable::Encoding),
    ] {
        assert_eq!(body(mail), Err(why), "{mail}");
    }
    let large = header::parse([b"A: b\n\n".to_vec(), vec![b'x'; MAX_MESSAGE]].concat());
    assert_eq!(add(&large, TEXT), Err(Unable::TooLarge));
}

#[test]
fn a_banner_that_reads_like_a_delimiter_is_not_put_there() {
    let mail = "Content-Type: multipart/mixed; boundary=o\n\n--o\n\nHi\n--o--\n";
    assert_eq!(add(&message(mail), "--o"), Err(Unable::Structure));
}

/// Type, and decoded content, of each part as another reader sees them.
fn seen(message: &Message) -> Vec<(String, Vec<u8>)> {
    let parsed = MessageParser::default().parse(message.raw().as_ref()).unwrap();
    let kind = |part: &mail_parser::MessagePart<'_>| match &part.body {
        PartType::Text(_) => "text",
        PartType::Html(_) => "html",
        PartType::Multipart(_) => "multipart",
        _ => "other",
    };
    parsed
        .parts
        .iter()
        .map(|part| {
            let content = if kind(part) == "multipart" { Vec::new() } else { part.contents().to_vec() };
            (kind(part).to_owned(), content)
        })
        .collect()
}

fn coded(content: &str, how: usize) -> (&'static str, String) {
    match how {
        0 => ("7bit", content.replace(|c: char| !c.is_ascii(), "?")),
        1 => ("8bit", content.to_owned()),
        2 => {
            let digits = data_encoding::BASE64.encode(content.as_bytes());
            let lines: Vec<&str> =
                digits.as_bytes().chunks(76).map(|l| std::str::from_utf8(l).unwrap()).collect();
            ("base64", lines.join("\n") + "\n")
        }
        _ => {
            let each = content.bytes().map(|b| match b {
                b'\n' => "\n".to_owned(),
                b'=' | 0..=32 | 127.. => format!("={b:02X}"),
                b => char::from(b).to_string(),
            });
            ("quoted-printable", each.collect())
        }
    }
}

proptest! {
    #[test]
    fn other_readers_see_the_same_parts_and_the_banner(
        plain in "[a-zA-Zäé=. \n]{0,200}",
        html in "(<html><head><title>t</title></head>)?(<body class=\"a\">)?[a-zü ]{1,100}(</body>)?",
        file in proptest::collection::vec(any::<u8>(), 0..100),
        how in (0_usize..4, 0_usize..4),
        shape in 0_usize..4,
    ) {
        let (plain_how, plain) = coded(&plain, how.0);
        let (html_how, html) = coded(&html, how.1);
        let text = format!("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {plain_how}\n\n{plain}");
        let page = format!("Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: {html_how}\n\n{html}");
        let (_, file) = coded(&String::from_utf8_lossy(&file), 2);
        let file = format!("Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n{file}");
        let both = format!("Content-Type: multipart/alternative; boundary=in\n\n--in\n{text}\n--in\n{page}\n--in--\n");
        let mail = match shape {
            0 => text,
            1 => page,
            2 => both,
            _ => format!("Content-Type: multipart/mixed; boundary=\"out er\"\n\n--out er\n{both}\n--out er\n{file}\n--out er--\n"),
        };
        let before = message(&format!("From: a@b\nMIME-Version: 1.0\n{mail}"));
        let after = before.with_body(&add(&before, "Beware of strangers").unwrap());
        let (old, new) = (seen(&before), seen(&after));
        prop_assert_eq!(old.len(), new.len());
        for ((old_kind, old), (new_kind, new)) in old.iter().zip(&new) {
            prop_assert_eq!(old_kind, new_kind);
            let gone: Vec<u8> = match old_kind.as_str() {
                "text" => words::plain("Beware of strangers", "\r\n", None),
                "html" => Vec::new(),
                _ => { prop_assert_eq!(old, new); continue }
            };
            let new = String::from_utf8_lossy(new).replace("\r\n", "\n");
            let old = String::from_utf8_lossy(old).replace("\r\n", "\n");
            if old_kind == "text" {
                let gone = String::from_utf8(gone).unwrap().replace("\r\n", "\n");
                prop_assert_eq!(new, format!("{gone}{old}"));
            } else {
                let (start, end) = (new.find("<div style").unwrap(), new.find("</div>\n").unwrap() + 7);
                prop_assert!(new[start..end].contains("Beware of strangers"));
                // A line break of ours stands before it wherever something does.
                prop_assert_eq!(format!("{}{}", &new[..start.saturating_sub(1)], &new[end..]), old);
            }
        }
    }

    #[test]
    fn any_mail_is_left_alone_or_read_as_the_same_parts(
        lines in proptest::collection::vec(prop_oneof![
            Just("Content-Type: multipart/mixed; boundary=b"), Just("Content-Type: text/html; charset=utf-8"),
            Just("Content-Transfer-Encoding: quoted-printable"), Just("Content-Transfer-Encoding: base64"),
            Just("--b"), Just("--b--"), Just(""), Just("text"), Just("<body>"), Just("=3D=\n"), Just("SGk="),
        ], 0..20)
    ) {
        let before = message(&lines.join("\n"));
        if let Ok(body) = add(&before, TEXT) {
            let after = before.with_body(&body);
            let walk = |m: &Message| crate::mail::walk(m, &Limits::default()).list.iter().map(|p| p.media_type.clone()).collect::<Vec<_>>();
            prop_assert_eq!(walk(&before), walk(&after));
        }
    }
}
