//! Messages that look like mail: made on the spot, the same on every run, with a Message-ID of their own.

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 3.5 kB of plain text.
    Text,
    /// 80 kB of HTML with 250 links.
    Html,
    /// 2 MB: a text part and one attachment in base64.
    Attachment,
}

impl Kind {
    /// All of them, small to big.
    pub(crate) const ALL: [Self; 3] = [Self::Text, Self::Html, Self::Attachment];

    /// As the table says it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Text => "3.5 kB text",
            Self::Html => "80 kB HTML, 250 links",
            Self::Attachment => "2 MB attachment",
        }
    }
}

/// A message without its first line, the Message-ID, which [`wire`] puts in front of it.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    rest: Vec<u8>,
}

impl Template {
    /// Of one of the three kinds.
    pub(crate) fn new(kind: Kind) -> Self {
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
        match kind {
            Kind::Text => Self::from_text(&headers("text/plain; charset=utf-8", &prose(&mut chance, 2_900))),
            Kind::Html => Self::from_text(&html(&mut chance, 80_000, 250)),
            Kind::Attachment => Self::from_text(&attachment(&mut chance, 2_000_000)),
        }
    }

    /// A message of about `bytes`, nearly all of it one attachment in base64.
    pub(crate) fn big(bytes: usize) -> Self {
        Self::from_text(&attachment(&mut Chance(0x2545_f491_4f6c_dd1d), bytes))
    }

    /// About `bytes` of plain text.
    pub(crate) fn prose(bytes: usize) -> Self {
        Self::from_text(&headers(
            "text/plain; charset=utf-8",
            &prose(&mut Chance(0x2545_f491_4f6c_dd1d), bytes),
        ))
    }

    /// `bytes` of boundary lines: millions of empty parts.
    pub(crate) fn boundary_flood(bytes: usize) -> Self {
        let body = "--b\r\n".repeat(bytes / 5);
        Self::from_text(&headers("multipart/mixed; boundary=b", &body))
    }

    /// So many header fields of three bytes each.
    pub(crate) fn field_flood(count: usize) -> Self {
        Self {
            rest: [&b"From: a@remote.example\r\n"[..], &b"x:\r\n".repeat(count), b"\r\nbody\r\n"].concat(),
        }
    }

    fn from_text(text: &str) -> Self {
        Self { rest: super::mta::smtp::crlf(text) }
    }

    /// The same below one more field.
    pub(crate) fn below(&self, field: &str) -> Self {
        Self { rest: [field.as_bytes(), &self.rest].concat() }
    }

    /// Bytes of the message without its Message-ID.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    /// The message with this Message-ID.
    pub(crate) fn message(&self, id: &str) -> Vec<u8> {
        let first = format!("Message-ID: <{id}@bench.remote.example>\r\n");
        [first.as_bytes(), &self.rest].concat()
    }

    /// The same, dot-stuffed and with the final dot.
    pub(crate) fn wire(&self, id: &str) -> Vec<u8> {
        super::mta::smtp::dot_stuffed(&self.message(id))
    }
}

/// xorshift64: the same numbers on every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap_or(1)).unwrap_or(0)
    }
}

fn headers(content_type: &str, body: &str) -> String {
    format!(
        "Received: from relay.remote.example (relay.remote.example [192.0.2.25])
\tby mail.remote.example (Postfix) with ESMTPS id 4Bxq2k0Z1vz9tQK
\tfor <alice@example.org>; Fri, 20 Nov 2026 10:15:02 +0000 (UTC)
From: \"Martha Jones\" <martha.jones@remote.example>
To: Alice Example <alice@example.org>
Subject: =?utf-8?Q?Minutes_of_Thursday=E2=80=99s_meeting?=
Date: Fri, 20 Nov 2026 10:15:00 +0000
MIME-Version: 1.0
Content-Type: {content_type}
Content-Transfer-Encoding: 8bit
User-Agent: Mutt/2.2.9 (2022-11-12)

{body}"
    )
}

fn prose(chance: &mut Chance, bytes: usize) -> String {
    const WORDS: [&str; 32] = [
        "the",
        "meeting",
        "budget",
        "report",
        "we",
        "should",
        "order",
        "before",
        "Monday",
        "delivery",
        "customer",
        "and",
        "with",
        "a",
        "draft",
        "of",
        "next",
        "quarter",
        "please",
        "send",
        "figures",
        "to",
        "Peter",
        "because",
        "warehouse",
        "is",
        "closed",
        "on",
        "Friday",
        "invoice",
        "for",
        "müssen",
    ];
    let mut text = String::with_capacity(bytes + 80);
    let mut column = 0;
    while text.len() < bytes {
        let word = WORDS.get(chance.below(WORDS.len())).copied().unwrap_or("and");
        if column + word.len() > 72 {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
        }
        text.push_str(word);
        column += word.len() + 1;
    }
    text.push('\n');
    text
}

fn html(chance: &mut Chance, bytes: usize, links: usize) -> String {
    let mut page = String::from(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>News of the week</title>\n\
         <style>td { font-family: sans-serif; font-size: 14px; color: #222 }</style></head><body><table>\n",
    );
    let each = bytes.saturating_sub(800) / links;
    for number in 0..links {
        let start = page.len();
        let host = chance.below(40);
        let token = chance.next();
        let open = "<tr><td style=\"padding:4px 8px\"><a class=\"link\"";
        page.push_str(&format!("{open} href=\"https://news{host}.remote.example/article/{number}?utm_source=letter&amp;id={token:x}\">"));
        let text = prose(chance, each.saturating_sub(page.len() - start + 24));
        page.push_str(text.trim_end());
        page.push_str("</a></td></tr>\n");
    }
    page.push_str("</table></body></html>\n");
    headers("text/html; charset=utf-8", &page)
}

fn attachment(chance: &mut Chance, bytes: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = prose(chance, 1_200);
    let mut body = format!(
        "--=_part_1\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{letter}\n\
         --=_part_1\nContent-Type: application/octet-stream; name=\"figures.bin\"\n\
         Content-Disposition: attachment; filename=\"figures.bin\"\nContent-Transfer-Encoding: base64\n\n"
    );
    body.reserve(bytes);
    while body.len() < bytes.saturating_sub(800) {
        let mut bits = 0;
        for column in 0..76 {
            if column % 10 == 0 {
                bits = chance.next();
            }
            body.push(char::from(
                ALPHABET.get(usize::try_from(bits & 63).unwrap_or(0)).copied().unwrap_or(b'A'),
            ));
            bits >>= 6;
        }
        body.push('\n');
    }
    body.push_str("--=_part_1--\n");
    headers("multipart/mixed; boundary=\"=_part_1\"", &body)
}
