//! An SMTP reply that cannot be malformed (RFC 5321 §4.2, RFC 2034).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest reply text. RFC 5321 §4.5.3.1.5 allows 512 octets with code and CRLF.
const MAX_TEXT: usize = 400;

/// One line: three-digit code of class 4 or 5, enhanced code of the same class, printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct SmtpReply {
    code: u16,
    enhanced: (u8, u16, u16),
    text: String,
}

#[derive(Serialize, Deserialize)]
struct Raw {
    code: u16,
    enhanced: (u8, u16, u16),
    text: String,
}

/// Why a reply was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReplyError {
    /// Neither 4xx nor 5xx.
    #[error("{0} is no code of class 4 or 5")]
    Code(u16),
    /// Code and enhanced code are of different classes.
    #[error("the enhanced status code does not belong to the class of {0}")]
    Class(u16),
}

impl SmtpReply {
    /// A reply. The text is made safe: one line, printable ASCII, at most 400 octets.
    ///
    /// # Errors
    /// If the code is not 400–599 or the enhanced code is of another class.
    pub fn new(code: u16, enhanced: (u8, u16, u16), text: &str) -> Result<Self, ReplyError> {
        if !(400..600).contains(&code) {
            return Err(ReplyError::Code(code));
        }
        if u16::from(enhanced.0) != code / 100 || enhanced.1 > 999 || enhanced.2 > 999 {
            return Err(ReplyError::Class(code));
        }
        Ok(Self { code, enhanced, text: super::text::ascii_line(text, MAX_TEXT) })
    }

    /// `550 5.7.1`: refused by policy.
    #[must_use]
    pub fn reject(text: &str) -> Self {
        Self { code: 550, enhanced: (5, 7, 1), text: super::text::ascii_line(text, MAX_TEXT) }
    }

    /// `451 4.7.1`: not now.
    #[must_use]
    pub fn tempfail(text: &str) -> Self {
        Self { code: 451, enhanced: (4, 7, 1), text: super::text::ascii_line(text, MAX_TEXT) }
    }

    /// `452 4.3.1`: too much work at the moment.
    #[must_use]
    pub fn overloaded(text: &str) -> Self {
        Self { code: 452, enhanced: (4, 3, 1), text: super::text::ascii_line(text, MAX_TEXT) }
    }

    /// The three-digit code.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced status code, `5.7.1`.
    #[must_use]
    pub fn enhanced(&self) -> String {
        let (a, b, c) = self.enhanced;
        format!("{a}.{b}.{c}")
    }

    /// The text after the codes.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Class 4.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        self.code < 500
    }
}

impl fmt::Display for SmtpReply {
    /// `550 5.7.1 text`, one line, no line break.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (a, b, c) = self.enhanced;
        write!(f, "{} {a}.{b}.{c} {}", self.code, self.text)
    }
}

impl TryFrom<Raw> for SmtpReply {
    type Error = ReplyError;
    fn try_from(raw: Raw) -> Result<Self, ReplyError> {
        Self::new(raw.code, raw.enhanced, &raw.text)
    }
}

impl From<SmtpReply> for Raw {
    fn from(r: SmtpReply) -> Self {
        Self { code: r.code, enhanced: r.enhanced, text: r.text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_cannot_be_split() {
        let r = SmtpReply::reject("no\r\n250 2.0.0 Ok\u{202e}\u{1b}[2J é");
        assert_eq!(r.to_string(), "550 5.7.1 no  250 2.0.0 Ok?[2J ?");
    }

    #[test]
    fn codes_must_agree() {
        assert_eq!(SmtpReply::new(250, (2, 0, 0), "x"), Err(ReplyError::Code(250)));
        assert_eq!(SmtpReply::new(550, (4, 7, 1), "x"), Err(ReplyError::Class(550)));
    }
}
