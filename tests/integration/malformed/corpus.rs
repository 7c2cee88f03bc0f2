//! Samples: the project's own, and those of other projects where they are at hand.

use std::path::{Path, PathBuf};

use super::mutation::samples_in;

/// The largest sample that is taken: large ones are mutated rarely in what matters.
const LARGEST: usize = 48 << 10;

/// A folder of this repository.
pub fn own(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// A folder of the suites; `None` where they are not at hand. What the project has itself is enough for a campaign.
fn suite(folder: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("MAILWARD_SUITES")?).join(folder);
    path.is_dir().then_some(path)
}

/// Files of a folder of the suites, none where they are not at hand.
pub fn of_suite(folder: &str) -> Vec<Vec<u8>> {
    suite(folder).map(|path| samples_in(&path, LARGEST)).unwrap_or_default()
}

/// Whole messages.
pub fn messages() -> Vec<Vec<u8>> {
    let mut all = samples_in(&own("tests/samples/demo"), LARGEST);
    let cases = samples_in(&own("tests/cases"), LARGEST).into_iter();
    all.extend(cases.filter_map(|case| {
        let text = String::from_utf8(case).ok()?;
        let mail = text.split_once("--- mail\n")?.1.split("\n--- ").next()?.to_owned();
        Some(mail.into_bytes())
    }));
    for folder in ["mime", "headers", "dkim", "arc"] {
        all.extend(of_suite(folder));
    }
    all.extend(files().iter().take(24).map(|file| carrying(&[("a.bin", "application/octet-stream", file)])));
    all.push(deep());
    all
}

/// Contents of files as they are attached: documents, archives, pages, pictures, programs.
pub fn files() -> Vec<Vec<u8>> {
    let decoded = |bytes: Vec<u8>| {
        let plain: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        data_encoding::BASE64.decode(&plain).unwrap_or(bytes)
    };
    let mut all = samples_in(&own("tests/samples/rules"), LARGEST);
    for folder in ["archives", "macros"] {
        all.extend(of_suite(folder));
    }
    all.into_iter()
        .map(decoded)
        .filter(|file| !file.is_empty())
        .chain([picture("https://evil.test/qr")])
        .collect()
}

/// A message with these files: name, type, content.
pub fn carrying(files: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut raw = b"From: a@sender.example\r\nTo: alice@example.org\r\nSubject: files\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=\"cut here\"\r\n\r\n--cut here\r\n\r\nsee http://news.example/a\r\n"
        .to_vec();
    for (name, media_type, content) in files {
        raw.extend(
            format!(
                "--cut here\r\nContent-Type: {media_type}; name={name:?}\r\nContent-Transfer-Encoding: base64\r\n\
                 Content-Disposition: attachment; filename={name:?}\r\n\r\n"
            )
            .bytes(),
        );
        for line in data_encoding::BASE64.encode(content).as_bytes().chunks(76) {
            raw.extend_from_slice(line);
            raw.extend_from_slice(b"\r\n");
        }
    }
    raw.extend_from_slice(b"--cut here--\r\n");
    raw
}

/// Messages in messages, with other encodings of names and texts.
fn deep() -> Vec<u8> {
    let mut raw = b"Subject: =?utf-8?B?8J+YgA==?= =?iso-2022-jp?Q?=1B$B=25=22=1B(B?=\r\nContent-Type: text/html; charset=utf-16le\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\n<=00a=00 =00h=00r=00e=00f=00=3D=00'=00h=00'=00>=00\r\n"
        .to_vec();
    for n in 0..6 {
        let head = format!(
            "From: \"a, b\" <a@b{n}.example>\r\nContent-Type: multipart/mixed; boundary*0=a; boundary*1=b{n};\r\n x*=utf-8'de'%41\r\n\r\n\
             pre\r\n--ab{n}\r\nContent-Type: message/rfc822\r\n\r\n"
        );
        raw = [head.as_bytes(), &raw, format!("\r\n--ab{n}--\r\npost\r\n").as_bytes()].concat();
    }
    raw
}

/// A picture with a QR code of this text.
pub fn picture(text: &str) -> Vec<u8> {
    let code = qrcode::QrCode::new(text).unwrap();
    let (width, scale) = (code.width(), 3);
    let side = u32::try_from((width + 8) * scale).unwrap();
    let colours = code.to_colors();
    let pixel = |x: usize, y: usize| match (x / scale).checked_sub(4).zip((y / scale).checked_sub(4)) {
        Some((x, y)) if x < width && y < width && colours[y * width + x] == qrcode::Color::Dark => 0,
        _ => 255,
    };
    let image = image::GrayImage::from_fn(side, side, |x, y| image::Luma([pixel(x as usize, y as usize)]));
    let mut out = std::io::Cursor::new(Vec::new());
    image.write_to(&mut out, image::ImageFormat::Png).unwrap();
    out.into_inner()
}

/// Words of mail: fields, types, encodings, bounds, dangerous texts.
pub const MAIL: [&str; 72] = [
    "Content-Type: multipart/mixed; boundary=x\r\n",
    "Content-Type: multipart/alternative; boundary=\"\"\r\n",
    "Content-Type: message/rfc822\r\n",
    "Content-Type: message/partial; id=a; number=1\r\n",
    "Content-Type: message/external-body\r\n",
    "Content-Type: text/html; charset=utf-7\r\n",
    "Content-Type: text/plain; charset=\"utf-16\"; format=flowed; delsp=yes\r\n",
    "Content-Type: application/ms-tnef; name=winmail.dat\r\n",
    "Content-Type: text/calendar; method=REQUEST\r\n",
    "Content-Type: image/png; name*0*=utf-8''a%; name*1=b\r\n",
    "Content-Transfer-Encoding: base64\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n",
    "Content-Transfer-Encoding: x-uuencode\r\n",
    "Content-Transfer-Encoding: 7bit, base64\r\n",
    "Content-Disposition: attachment; filename=\"a.exe\"\r\n",
    "filename*=utf-8''%e2%80%ae",
    "\r\n--x\r\n",
    "\r\n--x--\r\n",
    "--",
    "boundary=",
    "begin 644 a.txt\r\n",
    "=ybegin line=128 size=9 name=a.exe\r\n",
    "(This file must be converted with BinHex 4.0)\r\n:",
    "From: <a@b>, c <d@e>;\r\n",
    "From: x:;\r\n",
    "Subject: ",
    "=?utf-8?q?",
    "=?utf-8?B?",
    "?=",
    "=?utf-7?Q?+ADw-?=",
    "Received: from a by b with c id d for <e@f>; Mon, 1 Jan 2026\r\n",
    "Authentication-Results: mx.example.org; dkim=pass (a (b) \\)) header.d=x\r\n",
    "X-Mailward-Verdict: clean\r\n",
    "X-Spam-Flag: NO\r\n",
    "X-Mailward-Release: v2; id=x\r\n",
    "DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=b; h=from; bh=; b=\r\n",
    "ARC-Seal: i=1; cv=none; b=\r\n",
    "Received-SPF: pass\r\n",
    "Return-Path: <>\r\n",
    "From a@b Mon Jan 1 00:00:00 2026\r\n",
    "<html>",
    "<a href=\"http://evil.test/\">",
    "<base href=//evil.test>",
    "<meta http-equiv=refresh content='0;url=http://a'>",
    "<script>",
    "</script>",
    "<style>@import url(x)",
    "<!--[if mso]>",
    "<svg onload=",
    "<form action=",
    "<input type=password>",
    "&#x26;#x26",
    "&NotEqualTilde;",
    "&#99999999999;",
    "data:text/html;base64,PHNjcmlwdD4=",
    "javascript:",
    "hxxp://",
    "http://[::ffff:1.2.3.4]:99999/%zz",
    "http://xn--a-ecp.ru/",
    "https://a@b@c/",
    "https://nam01.safelinks.protection.outlook.com/?url=http%3a%2f%2fa",
    "https://urldefense.com/v3/__http://a__;!!b",
    "http://a.example/?u=http://b.example/?u=http://c.example/",
    "PK\x03\x04",
    "PK\x05\x06",
    "%PDF-1.7",
    "MZ",
    "\u{202e}",
    "\u{feff}",
    "BEGIN:VCALENDAR\r\n",
    "{\\rtf1",
    "\x1f\u{8b}",
];
