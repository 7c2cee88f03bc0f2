//! What honest mail is made of: a seeded choice, MIME parts, and as whose mail it comes.

use data_encoding::{BASE64, BASE64_MIME, HEXLOWER};

/// Numbers that look like chance and are the same each time (splitmix64).
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end as u64).unwrap()
    }

    pub fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.roll().to_le_bytes()[0]).collect()
    }

    /// As in links that count clicks and reset passwords.
    pub fn token(&mut self, bytes: usize) -> String {
        HEXLOWER.encode(&self.bytes(bytes))
    }

    pub fn sentences(&mut self, count: usize) -> String {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.of(SENTENCES));
        }
        all.join(" ")
    }
}

const SENTENCES: &[&str] = &[
    "Thank you for your message of yesterday.",
    "The meeting has been moved to Thursday at ten.",
    "I have attached the minutes and the two drawings we talked about.",
    "Could you please send me the numbers for the third quarter?",
    "We are looking forward to seeing you in Lisbon.",
    "The password policy is discussed on page four of the handbook.",
    "Please pay the invoice within thirty days.",
    "Your account manager will call you next week.",
    "Nothing has changed since the last release, apart from the documentation.",
    "If this is urgent, ring me on the usual number.",
    "The offer is valid until the end of the month.",
    "Click on the picture to see the whole catalogue.",
];

/// As whose mail it comes, and what proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// From the author's own server, signed.
    Own,
    /// From a service with an envelope of its own, signed for the author.
    Service,
    /// Passed on by a forwarder: SPF fails, the signature holds.
    Forwarded,
    /// From a list that changed it: SPF passes for the list, and the author's domain asks for nothing.
    List,
    /// From a server whose owner publishes nothing.
    Nothing,
}

/// One message.
pub struct Mail {
    pub shape: &'static str,
    pub proof: Proof,
    /// MAIL FROM without brackets; empty: a bounce.
    pub from: String,
    /// The domain of From, as A-labels.
    pub author: String,
    pub raw: Vec<u8>,
}

/// A MIME part with its fields, as it is written.
pub struct Part(Vec<u8>);

pub fn text(content: &str, dice: &mut Dice) -> Part {
    written("text/plain; charset=utf-8", content, dice)
}

pub fn html(content: &str, dice: &mut Dice) -> Part {
    written("text/html; charset=utf-8", content, dice)
}

/// Text of another kind.
pub fn written(kind: &str, content: &str, dice: &mut Dice) -> Part {
    let content = content.replace('\n', "\r\n");
    match dice.below(3) {
        0 => part(
            kind,
            "Content-Transfer-Encoding: base64\r\n",
            BASE64_MIME.encode(content.as_bytes()).as_bytes(),
        ),
        1 => part(
            kind,
            "Content-Transfer-Encoding: quoted-printable\r\n",
            quoted_printable(&content).as_bytes(),
        ),
        _ => part(kind, "Content-Transfer-Encoding: 8bit\r\n", content.as_bytes()),
    }
}

/// A part that needs no encoding, with more fields.
pub fn part(kind: &str, fields: &str, content: &[u8]) -> Part {
    let mut out = format!("Content-Type: {kind}\r\n{fields}\r\n").into_bytes();
    out.extend(content);
    Part(out)
}

pub fn file(name: &str, kind: &str, content: &[u8]) -> Part {
    let fields = format!(
        "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n"
    );
    part(&format!("{kind}; name=\"{name}\""), &fields, BASE64_MIME.encode(content).as_bytes())
}

/// A picture in the text.
pub fn inline(id: &str, kind: &str, content: &[u8]) -> Part {
    let fields = format!(
        "Content-Transfer-Encoding: base64\r\nContent-ID: <{id}>\r\nContent-Disposition: inline; filename=\"{id}.png\"\r\n"
    );
    part(kind, &fields, BASE64_MIME.encode(content).as_bytes())
}

/// `multipart/KIND`, where `kind` may carry parameters.
pub fn multi(kind: &str, parts: &[Part], dice: &mut Dice) -> Part {
    let boundary = format!("=_{}", dice.token(12));
    let mut body = b"This is a message in MIME format.\r\n".to_vec();
    for part in parts {
        body.extend(format!("\r\n--{boundary}\r\n").bytes());
        body.extend(&part.0);
    }
    body.extend(format!("\r\n--{boundary}--\r\n").bytes());
    part(&format!("multipart/{kind}; boundary=\"{boundary}\""), "", &body)
}

/// Both forms of the same.
pub fn alternative(plain: &str, page: &str, dice: &mut Dice) -> Part {
    let both = [text(plain, dice), html(page, dice)];
    multi("alternative", &both, dice)
}

/// The message: `fields` each with its end of line.
pub fn message(fields: &str, body: &Part) -> Vec<u8> {
    let mut out = fields.replace('\n', "\r\n").into_bytes();
    out.extend(b"MIME-Version: 1.0\r\n");
    out.extend(&body.0);
    out
}

/// The fields that every message has.
pub fn fields(dice: &mut Dice, from: &str, subject: &str) -> String {
    let domain = from.rsplit('@').next().unwrap_or_default().trim_end_matches('>');
    format!(
        "Received: from mail.{domain} (mail.{domain} [203.0.113.8])\n\tby out.{domain} with ESMTPS id {};\n\t\
         Tue, 17 Nov 2026 09:12:{:02} +0100\nFrom: {from}\nTo: Alice Smith <alice@recipient.example>\n\
         Subject: {subject}\nDate: Tue, 17 Nov 2026 09:12:00 +0100\nMessage-ID: <{}@{domain}>\n",
        dice.token(5),
        dice.below(60),
        dice.token(9)
    )
}

/// RFC 2047.
pub fn encoded(subject: &str) -> String {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in subject.chars() {
        if word.len() + c.len_utf8() > 42 {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    let words = words.iter().map(|word| format!("=?UTF-8?B?{}?=", BASE64.encode(word.as_bytes())));
    words.collect::<Vec<_>>().join("\n ")
}

fn quoted_printable(content: &str) -> String {
    let mut out = String::new();
    for line in content.split("\r\n") {
        let mut column = 0;
        for byte in line.bytes() {
            let plain = matches!(byte, b' '..=b'~') && byte != b'=';
            let piece = if plain { char::from(byte).to_string() } else { format!("={byte:02X}") };
            if column + piece.len() > 72 {
                out.push_str("=\r\n");
                column = 0;
            }
            column += piece.len();
            out.push_str(&piece);
        }
        out.push_str("\r\n");
    }
    out
}
