//! What lies in files and texts without being a part by MIME: it has to be seen all the same, or be told.

use super::{has, holds, outline, walked};
use crate::mail::compound::building::{file, storage, stream};
use crate::mail::links::{self, Place};
use crate::mail::{Limits, attachments, header, walk};
use crate::model::part::{Defect, External, NotInspected};
use crate::model::{ByteSize, Parts};

const INNER: &str = "Subject: inner\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\ntext\n--i\n\
    Content-Type: application/octet-stream; name=evil.exe\nContent-Transfer-Encoding: base64\n\nRVZJTA==\n--i--\n";

fn base64(text: impl AsRef<[u8]>) -> String {
    data_encoding::BASE64.encode(text.as_ref())
}

fn paths(parts: &Parts) -> Vec<String> {
    attachments(parts).iter().map(|file| file.path.join("/")).collect()
}

fn names(parts: &Parts) -> Vec<String> {
    parts.list.iter().map(|p| format!("{} {}", p.media_type, p.name.as_deref().unwrap_or("-"))).collect()
}

#[test]
fn a_mail_attached_under_another_type_is_opened() {
    for (field, encoding, body) in [
        ("application/octet-stream; name=fwd.eml", "base64", base64(INNER)),
        ("text/plain; name=\"FWD.EML\"", "base64", base64(INNER)),
        ("text/plain; name=fwd.eml", "7bit", INNER.to_owned()),
        ("application/octet-stream; name=fwd.eml", "base64", base64(format!("\u{feff}{INNER}"))),
        ("application/x-eml", "base64", base64(INNER)),
        ("application/octet-stream; name=page.mht", "base64", base64(INNER)),
    ] {
        let parts =
            walked(&format!("Content-Type: {field}\nContent-Transfer-Encoding: {encoding}\n\n{body}\n"));
        let expected = [
            "  multipart/mixed",
            "    text/plain \"text\"",
            "    application/octet-stream <evil.exe> \"EVIL\"",
        ];
        assert_eq!(outline(&parts)[1..], expected, "{field}");
        assert!(
            parts.list[0].is_mail && !parts.list[0].is_container && holds(&parts, b"Subject: inner"),
            "{field}"
        );
        assert_eq!(parts.not_inspected, [], "{field}");
        let parents: Vec<Option<usize>> = parts.list.iter().map(|p| p.parent).collect();
        assert_eq!(parents, [None, Some(0), Some(1), Some(1)], "{field}");
    }
    let parts = walked(&format!(
        "Content-Type: application/octet-stream; name=fwd.eml\nContent-Transfer-Encoding: base64\n\n{}\n",
        base64(INNER)
    ));
    assert_eq!(paths(&parts), ["fwd.eml", "fwd.eml/evil.exe"]);
}

#[test]
fn a_file_that_is_only_called_a_mail_stays_a_file() {
    for body in ["MZ\u{0}\u{1}", "words of people", ""] {
        let parts = walked(&format!("Content-Type: application/octet-stream; name=fwd.eml\n\n{body}"));
        assert_eq!((parts.list.len(), parts.list[0].is_mail), (1, false), "{body:?}");
    }
}

#[test]
fn the_links_of_a_mail_in_a_file_are_given_once() {
    let page =
        base64("Subject: http://evil.test/s\nContent-Type: text/html\n\n<a href=http://evil.test/a>x</a>\n");
    let parts = walked(&format!(
        "Content-Type: text/plain; name=a.eml\nContent-Disposition: attachment\n\
            Content-Transfer-Encoding: base64\n\n{page}\n"
    ));
    let links = links::find(&parts, "", &links::Limits::default());
    let told: Vec<String> =
        links.list.iter().map(|f| format!("{:?} {} {}", f.place, f.source.label(), f.link)).collect();
    assert_eq!(told, ["Part(0) subject http://evil.test/s", "Part(1) html:href http://evil.test/a"]);
}

#[test]
fn files_in_a_text_are_parts_below_it() {
    let parts = walked(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n\nbegin 644 evil.js\n#0V%T\n`\nend\n\nbye\n\
         --b\nContent-Type: application/octet-stream; name=x.uue\n\nbegin 644 x.exe\n#0V%T\n`\nend\n--b--\n",
    );
    assert_eq!(
        outline(&parts),
        [
            "multipart/mixed",
            "  text/plain \"hello\\r\\n\\r\\nbegin 644 evil.js\\r\\n#0V%T\\r\\n`\\r\\nend\\r\\n\\r\\nbye\"",
            "    application/octet-stream <evil.js> \"Cat\"",
            "  application/octet-stream <x.uue> \"begin 644 x.exe\\r\\n#0V%T\\r\\n`\\r\\nend\"",
            "    application/octet-stream <x.exe> \"Cat\"",
        ]
    );
    assert_eq!(paths(&parts), ["evil.js", "x.uue", "x.uue/x.exe"]);
    assert_eq!(parts.not_inspected, []);
    let open = walked("Subject: x\n\nbegin 644 evil.js::$DATA\n#0V%T\n");
    assert_eq!(open.list[1].defects, [Defect::BadEncoding]);
    assert_eq!(attachments(&open)[0].other_names, ["evil.js"]);
}

#[test]
fn a_file_in_yenc_comes_out_whatever_the_charset_of_its_text() {
    let content = b"MZ\x90\0\x03\xff\xd6";
    let data: Vec<u8> = content.iter().map(|byte| byte.wrapping_add(42)).collect();
    let text = [b"hello\n=ybegin line=128 size=7 name=evil.exe\n", &data[..], b"\n=yend size=7\n"].concat();
    for head in
        ["", "Content-Type: text/plain; charset=utf-8\n", "Content-Type: text/plain; charset=iso-2022-jp\n"]
    {
        let head = format!("{head}Content-Transfer-Encoding: base64\n\n{}\n", base64(&text));
        let parts = walked(&head);
        assert_eq!(names(&parts)[1..], ["application/octet-stream evil.exe"], "{head}");
        assert!(parts.list[1].content == content[..], "{head}");
        assert!(!has(&parts, Defect::Unopened) && parts.not_inspected.is_empty());
    }
    let piece =
        "=ybegin part=1 line=128 size=9 name=evil.exe\n=ypart begin=1 end=4\nwxyz\n=yend size=4 part=1\n";
    let parts = walked(&format!("Subject: x\n\n{piece}"));
    assert!(has(&parts, Defect::Unopened) && parts.list.len() == 2);
}

#[test]
fn a_file_in_binhex_comes_out_with_the_name_within() {
    let data = ":#@pQCQ9b,RCLF`\"849K8G(4iG!#3\"4!!N!6HmdecCd*[H#!LD'9XE'mL$3TeA`!\n!:\n";
    let text = format!("(This file must be converted with BinHex 4.0)\n\n{data}");
    for head in ["Subject: x", "Content-Type: application/mac-binhex40; name=picture.hqx"] {
        let parts = walked(&format!("{head}\n\n{text}"));
        assert_eq!(names(&parts)[1..], ["application/octet-stream offer.vbs"], "{head}");
        assert!(holds(&parts, b"MsgBox \"hello\"\r\n") && !has(&parts, Defect::Unopened));
    }
    assert!(has(&walked("Content-Type: application/mac-binhex40\n\nno such thing\n"), Defect::Unopened));
}

#[test]
fn a_message_of_outlook_is_opened_and_what_is_in_it_too() {
    let attached = |name: &[u8], content: &[u8]| {
        let name = stream("__substg1.0_3707001E", name);
        let nodes =
            vec![stream("__properties_version1.0", &[0; 8]), name, stream("__substg1.0_37010102", content)];
        storage("__attach_version1.0_#00000000", nodes)
    };
    let inner = winmail(&[attached_file("evil.exe", b"EVIL")]);
    let message = file(&[
        stream("__properties_version1.0", &[0; 32]),
        stream("__substg1.0_1000001E", b"see http://evil.test/a"),
        attached(b"fwd.eml", INNER.as_bytes()),
        storage("__recip_version1.0_#00000000", vec![]),
        attached(b"winmail.dat", &inner),
    ]);
    let parts = walked(&format!(
        "Content-Type: application/octet-stream; name=fwd.msg\nContent-Transfer-Encoding: base64\n\n{}\n",
        base64(&message)
    ));
    let expected = [
        "application/octet-stream fwd.msg",
        "text/plain -",
        "application/octet-stream fwd.eml",
        "multipart/mixed -",
        "text/plain -",
        "application/octet-stream evil.exe",
        "application/octet-stream winmail.dat",
        "application/octet-stream evil.exe",
    ];
    assert_eq!(names(&parts), expected);
    assert_eq!(parts.not_inspected, []);
    assert!(!has(&parts, Defect::Unopened));
    assert_eq!(paths(&parts).last().unwrap(), "fwd.msg/winmail.dat/evil.exe");
    let links = links::find(&parts, "", &links::Limits::default());
    assert!(links.list.iter().any(|found| found.link.as_str() == "http://evil.test/a"));
}

fn attribute(level: u8, id: u32, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    [&[level][..], &id.to_le_bytes(), &length, data, &[0, 0]].concat()
}

fn winmail(attributes: &[Vec<u8>]) -> Vec<u8> {
    [b"\x78\x9f\x3e\x22\x01\0", &attributes.concat()[..]].concat()
}

fn attached_file(name: &str, content: &[u8]) -> Vec<u8> {
    let name = [name.as_bytes(), b"\0"].concat();
    [
        attribute(2, 0x0006_9002, &[0; 14]),
        attribute(2, 0x0001_8010, &name),
        attribute(2, 0x0006_800f, content),
    ]
    .concat()
}

#[test]
fn a_winmail_is_opened_and_what_is_in_it_too() {
    let inner = winmail(&[attribute(1, 0x0002_800c, b"inner text\0"), attached_file("evil.exe", b"EVIL")]);
    let outer = winmail(&[
        attribute(1, 0x0002_800c, b"see http://evil.test/a\0"),
        attached_file("fwd.eml", INNER.as_bytes()),
        attached_file("winmail.dat", &inner),
    ]);
    for media_type in ["application/ms-tnef", "application/octet-stream"] {
        let parts = walked(&format!(
            "Content-Type: {media_type}; name=winmail.dat\nContent-Transfer-Encoding: base64\n\n{}\n",
            base64(&outer)
        ));
        assert_eq!(
            names(&parts)[1..],
            [
                "text/plain -",
                "application/octet-stream fwd.eml",
                "multipart/mixed -",
                "text/plain -",
                "application/octet-stream evil.exe",
                "application/octet-stream winmail.dat",
                "text/plain -",
                "application/octet-stream evil.exe",
            ]
        );
        assert_eq!(parts.not_inspected, []);
        assert_eq!(paths(&parts).last().unwrap(), "winmail.dat/winmail.dat/evil.exe");
        let links = links::find(&parts, "", &links::Limits::default());
        assert_eq!(links.list[0].link.as_str(), "http://evil.test/a");
    }
}

#[test]
fn a_winmail_that_cannot_be_read_is_not_inspected() {
    let whole = winmail(&[attached_file("evil.exe", b"EVIL")]);
    for content in [&whole[..whole.len() - 4], b"no such thing"] {
        let parts = walked(&format!(
            "Content-Type: application/ms-tnef\nContent-Transfer-Encoding: base64\n\n{}\n",
            base64(content)
        ));
        assert_eq!(parts.not_inspected, [NotInspected::Undecodable(1)]);
    }
    assert_eq!(walked("Content-Type: application/ms-tnef\n\n").not_inspected, []);
}

#[test]
fn what_is_signed_together_with_its_signature_is_opened() {
    let der = |tag: u8, value: &[u8]| {
        [&[tag, 0x82], &u16::try_from(value.len()).unwrap().to_be_bytes()[..], value].concat()
    };
    let signed = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
    let content = [der(6, &[1, 2, 3]), der(0xa0, &der(4, INNER.as_bytes()))].concat();
    let data = [der(2, &[1]), der(0x31, b""), der(0x30, &content)].concat();
    let whole = der(0x30, &[der(6, &signed), der(0xa0, &der(0x30, &data))].concat());
    let parts = walked(&format!(
        "Content-Type: application/pkcs7-mime; name=smime.p7m\nContent-Transfer-Encoding: base64\n\n{}\n",
        base64(&whole)
    ));
    assert_eq!(
        names(&parts),
        [
            "application/pkcs7-mime smime.p7m",
            "message/rfc822 -",
            "multipart/mixed -",
            "text/plain -",
            "application/octet-stream evil.exe",
        ]
    );
    assert_eq!((parts.not_inspected.len(), holds(&parts, b"EVIL")), (0, true));
}

#[test]
fn what_is_called_smime_and_stands_there_as_it_was_in_the_mail_is_opened() {
    let parts = walked(&format!(
        "Content-Type: application/octet-stream; name=smime.p7m\nContent-Transfer-Encoding: base64\n\n{}\n",
        base64(INNER)
    ));
    assert_eq!(names(&parts).last().unwrap(), "application/octet-stream evil.exe");
    assert!(parts.list[0].is_mail && holds(&parts, b"EVIL"));
}

#[test]
fn a_piece_of_a_message_is_not_inspected_and_what_there_is_of_it_is_seen() {
    let head = "Content-Type: message/partial; id=x; number=1; total=2\n\n";
    let parts = walked(&format!("{head}{INNER}"));
    assert_eq!(parts.not_inspected, [NotInspected::Fragment(1)]);
    assert_eq!(parts.list[0].defects, [Defect::Fragment]);
    assert!(holds(&parts, b"EVIL"));
    let parts = walked("Content-Type: message/partial; id=x; number=2; total=2\n\nRVZJTA==\n--i--\n");
    assert_eq!(outline(&parts), ["message/partial [Fragment]", "  text/plain \"RVZJTA==\\r\\n--i--\\r\\n\""]);
    assert_eq!(parts.not_inspected, [NotInspected::Fragment(1)]);
}

#[test]
fn a_body_that_is_elsewhere_is_told_with_its_name_and_its_link() {
    let parts = walked(
        "Content-Type: message/external-body; access-type=URL; name=\"evil.exe\";\n URL=\"http://evil.test/\n a/b.exe\"\n\n\
         Content-Type: application/octet-stream\nContent-ID: <1@a.example>\n\n",
    );
    let expected = External { access_type: "url".into(), urls: vec!["http://evil.test/a/b.exe".into()] };
    assert_eq!(parts.list[0].external, Some(expected));
    assert_eq!(names(&parts), ["message/external-body evil.exe", "application/octet-stream evil.exe"]);
    assert_eq!(attachments(&parts)[0].name, "evil.exe");
    let links = links::find(&parts, "", &links::Limits::default());
    let told: Vec<_> =
        links.list.iter().map(|f| (f.place, f.source.label(), f.link.as_str().to_owned())).collect();
    assert_eq!(told, [(Place::Part(0), "external-body", "http://evil.test/a/b.exe".to_owned())]);
    assert_eq!(parts.not_inspected, []);
    // As the drafts of the IETF are announced.
    let parts = walked(
        "Content-Type: Message/External-body; name=\"draft.txt\"; site=\"ftp.ietf.org\"; access-type=\"anon-ftp\";\n \
         directory=\"internet-drafts\"\n\nContent-Type: text/plain\nContent-ID: <2@ietf.org>\n\n",
    );
    assert_eq!(parts.list[0].external, Some(External { access_type: "anon-ftp".into(), urls: vec![] }));
    assert_eq!(names(&parts)[1..], ["text/plain draft.txt"]);
}

#[test]
fn what_is_found_counts_for_the_limits() {
    let text = format!("Subject: x\n\n{}", "begin 644 a.js\n#0V%T\nend\n".repeat(20));
    let limited = |limits| walk(&header::parse(text.clone().into_bytes()), &limits);
    let parts = limited(Limits { parts: 4, ..Limits::default() });
    assert_eq!((parts.list.len(), parts.not_inspected), (4, vec![NotInspected::TooManyParts]));
    let parts = limited(Limits { depth: 0, ..Limits::default() });
    assert_eq!((parts.list.len(), parts.not_inspected), (1, vec![NotInspected::TooDeep]));
    let parts = limited(Limits { decoded: ByteSize(text.len() as u64 + 100), ..Limits::default() });
    assert_eq!(parts.not_inspected, [NotInspected::TooLarge]);
}

#[test]
fn files_within_files_end_at_the_limit_and_on_a_small_stack() {
    let mut file = b"Subject: last\n\ntext\n".to_vec();
    for _ in 0..40 {
        let head = "Content-Type: text/plain; name=a.eml\n\n";
        file = [head.as_bytes(), &file].concat();
    }
    let limits = Limits { depth: u32::MAX, ..Limits::default() };
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    let text = [b"Content-Type: text/plain; name=a.eml\n\n".repeat(110), file].concat();
    let parts = small.spawn(move || walk(&header::parse(text), &limits)).unwrap().join().unwrap();
    assert_eq!((parts.list.len(), parts.not_inspected), (101, vec![NotInspected::TooDeep]));
    let mut inner = winmail(&[attribute(1, 0x0002_800c, b"text\0")]);
    for _ in 0..110 {
        inner = winmail(&[attached_file("winmail.dat", &inner)]);
    }
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    let head = "Content-Type: application/ms-tnef\nContent-Transfer-Encoding: base64\n\n";
    let text = format!("{head}{}", base64(&inner)).into_bytes();
    let parts = small.spawn(move || walk(&header::parse(text), &limits)).unwrap().join().unwrap();
    assert!(parts.not_inspected.contains(&NotInspected::TooDeep), "{:?}", parts.not_inspected);
}
