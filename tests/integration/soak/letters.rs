//! The mixture: what is sent, and what must be answered. A letter follows from its number alone.

/// What is against a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Clean,
    /// Nothing, and it has 250 links.
    Links,
    /// Nothing, and nobody has heard of its domain yet.
    Stranger,
    /// A rule finds something odd: marked.
    Tagged,
    /// A rule finds enough to hold it.
    Held,
    /// A feed knows its link: held.
    Listed,
    /// A rule finds enough to refuse it.
    Refused,
    /// The block list has its sender: refused at RCPT.
    Early,
}

/// How it is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A stranger, over the milter.
    Stranger,
    /// A user who logged in, over the milter.
    User,
    /// Over LMTP, behind the queue.
    Lmtp,
}

/// One letter.
#[derive(Clone, Copy, Debug)]
pub struct Letter {
    pub number: u64,
    pub kind: Kind,
}

/// The rules that the mixture needs.
pub const RULES: &str = r#"
rule Soak_Mark { meta: severity = "medium" score = 3 category = "suspicious" description = "asks to be marked"
  strings: $a = "MARK-THIS-LETTER" condition: $a }
rule Soak_Hold { meta: severity = "medium" score = 8 category = "spam" description = "asks to be held"
  strings: $a = "HOLD-THIS-LETTER" condition: $a }
rule Soak_Refuse { meta: severity = "medium" score = 20 category = "spam" description = "asks to be refused"
  strings: $a = "REFUSE-THIS-LETTER" condition: $a }
"#;
/// The link that the feed always has.
pub const LISTED: &str = "http://listed.evil.example/the/way/in";
/// The domain that the block list always has.
pub const BLOCKED: &str = "blocked.example";

impl Letter {
    /// The letter of this number, as it may come `by`.
    pub fn new(number: u64, by: By) -> Self {
        let kind = match (by, number % 40) {
            (By::User, 0..=3) => Kind::Links,
            (By::User, _) => Kind::Clean,
            (_, 0) => Kind::Held,
            (By::Stranger, 1) => Kind::Listed,
            (By::Stranger, 2) => Kind::Refused,
            (By::Stranger, 3 | 4) => Kind::Early,
            (_, 5..=8) => Kind::Tagged,
            (_, 9 | 10) => Kind::Links,
            (By::Stranger, 11) => Kind::Stranger,
            _ => Kind::Clean,
        };
        Self { number, kind }
    }

    fn domain(&self) -> String {
        match self.kind {
            Kind::Early => BLOCKED.to_owned(),
            Kind::Stranger => format!("new{}.example", self.number),
            _ => format!("s{}.example", self.number * 7919 % 200),
        }
    }

    /// `<address>` as in MAIL.
    pub fn from(&self) -> String {
        format!("<a{}@{}>", self.number % 50_021, self.domain())
    }

    /// `<address>` as in RCPT.
    pub fn to(&self) -> String {
        format!("<u{}@example.org>", self.number * 31 % 5_003)
    }

    /// Name and value of each field, then the body.
    pub fn content(&self) -> (Vec<(&'static str, String)>, String) {
        let Self { number, kind } = *self;
        let domain = self.domain();
        let mut fields = vec![
            ("From", format!(" Writer {number} <a{}@{domain}>", number % 50_021)),
            ("To", format!(" {}", self.to())),
            ("Subject", format!(" letter {number}")),
            ("Date", " Sat, 21 Nov 2026 10:00:00 +0000".to_owned()),
            ("Message-ID", format!(" <soak.{number}@{domain}>")),
        ];
        let mut body =
            format!("This is letter {number}. See https://www.s{}.example/{number} too.\r\n", number % 97);
        let lines = number % 23;
        for line in 0..lines {
            body.push_str(&format!("Line {line} says nothing that matters to anybody, {number} times.\r\n"));
        }
        match kind {
            Kind::Tagged => body.push_str("MARK-THIS-LETTER\r\n"),
            Kind::Held => body.push_str("HOLD-THIS-LETTER\r\n"),
            Kind::Refused => body.push_str("REFUSE-THIS-LETTER\r\n"),
            Kind::Listed => body.push_str(&format!("{LISTED}\r\n")),
            Kind::Links => {
                fields.push(("MIME-Version", " 1.0".to_owned()));
                fields.push(("Content-Type", " text/html; charset=utf-8".to_owned()));
                body = (0..250)
                    .map(|n| {
                        format!(
                            "<p><a href=\"https://shop{}.s{n}.example/{number}/{n}\">item {n}</a></p>\r\n",
                            number % 1009
                        )
                    })
                    .collect();
            }
            Kind::Clean | Kind::Stranger | Kind::Early => {}
        }
        (fields, body)
    }

    /// All of it, as LMTP takes it.
    pub fn raw(&self) -> Vec<u8> {
        let (fields, body) = self.content();
        let header: String = fields.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
        format!("{header}\r\n{body}").into_bytes()
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// Taken; `X-Mailward-Action`, if it was added.
    Taken(Option<String>),
    /// The MTA is to say 250, and nobody gets it.
    Discarded,
    /// Refused with this reply at the end.
    Refused(String),
    /// Refused with this reply at RCPT.
    Early(String),
    /// Anything else.
    Other(String),
}

impl Letter {
    /// Whether this is the answer that it must have.
    pub fn is_right(&self, by: By, got: &Got) -> bool {
        let action = |wanted: &str| matches!(got, Got::Taken(Some(action)) if action == wanted);
        match (by, self.kind) {
            (By::User, _) => *got == Got::Taken(None),
            // What was held is answered as what was delivered.
            (By::Lmtp, _) => *got == Got::Taken(None),
            (By::Stranger, Kind::Clean | Kind::Links | Kind::Stranger) => action("accept"),
            (By::Stranger, Kind::Tagged) => action("tag"),
            (By::Stranger, Kind::Held | Kind::Listed) => *got == Got::Discarded,
            (By::Stranger, Kind::Refused) => {
                matches!(got, Got::Refused(reply) if reply.starts_with("550 5.7.1 "))
            }
            (By::Stranger, Kind::Early) => {
                matches!(got, Got::Early(reply) if reply.starts_with("550 5.7.1 refused: "))
            }
        }
    }
}
