//! The reply to one recipient: what the next server said about him, in a form that can be said again.

use std::fmt;

use crate::model::{MailId, SmtpReply, text};
use crate::net::smtp::{Outcome, Reply, SmtpError, Stage};

/// Longest text, in bytes. RFC 5321 §4.5.3.1.5 allows 512 octets a line.
const MAX_TEXT: usize = 400;

/// A reply of class 2, 4 or 5 with an enhanced status code of its class (RFC 2034), on one line of printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    code: u16,
    text: String,
}

impl Said {
    /// 250: we have it and hand it to nobody. Does not say more: what we made of it is not for senders.
    #[must_use]
    pub(super) fn taken(id: MailId) -> Self {
        Self { code: 250, text: format!("2.0.0 Ok (id {id})") }
    }

    /// What the server said is lost.
    pub(super) fn unknown(id: MailId) -> Self {
        Self {
            code: 451,
            text: format!("4.3.0 it is not known what became of it, try again later (id {id})"),
        }
    }

    /// What is answered where the next server ended like this. Only what it has is answered with 250; whatever is not
    /// certain, and whatever lies between it and us, can be tried again. What it says to our greeting is about us, not
    /// about the mail, and no reason to refuse that for good.
    #[must_use]
    pub(super) fn of(outcome: &Outcome, id: MailId) -> Self {
        let (code, text) = match outcome {
            Outcome::Delivered(reply) => (250, enhanced(2, "2.0.0", reply)),
            Outcome::Refused { reply, stage: Stage::Greeting | Stage::Hello } => {
                (451, format!("4.3.5 the next mail server does not let us in: {reply}"))
            }
            // Whoever has to log in, or use TLS, has been set up wrongly (RFC 4954 §6, RFC 3207 §4).
            Outcome::Refused { reply, .. } if matches!(reply.code(), 530 | 534 | 535 | 538) => {
                (451, format!("4.3.5 the next mail server does not let us in: {reply}"))
            }
            // Too many recipients at once: RFC 5321 §4.5.3.1.10.
            Outcome::Refused { reply, stage: Stage::Rcpt } if reply.code() == 552 => {
                (452, enhanced(4, "4.5.3", reply))
            }
            // It leaves; we do not.
            Outcome::Refused { reply, .. } if reply.code() == 421 => (451, enhanced(4, "4.3.2", reply)),
            Outcome::Refused { reply, .. } if reply.is_temporary() => {
                (reply.code(), enhanced(4, "4.0.0", reply))
            }
            Outcome::Refused { reply, .. } => (reply.code(), enhanced(5, "5.0.0", reply)),
            Outcome::NotSent(error) => not_sent(error),
            Outcome::Uncertain(_) => {
                (451, "4.4.2 the next mail server may have it or not: no answer came".to_owned())
            }
        };
        let id = format!(" (id {id})");
        Self { code, text: text::ascii_line(&text, MAX_TEXT - id.len()) + &id }
    }

    /// It was not handed on to anybody because of what was said of one.
    pub(super) fn not_for_all(refused: &Self, id: MailId) -> Self {
        let id = format!(" (id {id})");
        // The id is there already where the reply is that of the next server.
        let refused = refused.to_string();
        let refused = refused.strip_suffix(&id).unwrap_or(&refused);
        let text = format!("4.5.3 not taken for all recipients: {refused}");
        Self { code: 451, text: text::ascii_line(&text, MAX_TEXT - id.len()) + &id }
    }

    /// The code.
    #[must_use]
    pub(super) const fn code(&self) -> u16 {
        self.code
    }

    /// What stands behind it, the enhanced status code first.
    #[must_use]
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// 4xx.
    #[must_use]
    pub(super) const fn is_temporary(&self) -> bool {
        self.code / 100 == 4
    }
}

impl From<&SmtpReply> for Said {
    fn from(reply: &SmtpReply) -> Self {
        Self { code: reply.code(), text: format!("{} {}", reply.enhanced(), reply.text()) }
    }
}

impl fmt::Display for Said {
    /// `250 2.0.0 Ok`, one line, no line break.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// The text with an enhanced status code of this class: its own, or `instead`.
fn enhanced(class: u8, instead: &str, reply: &Reply) -> String {
    let first = reply.text().split(' ').next().unwrap_or_default();
    let mut parts = first.split('.');
    let is_class = parts.next() == Some(&class.to_string());
    let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if is_class
        && parts.next().is_some_and(is_number)
        && parts.next().is_some_and(is_number)
        && parts.next().is_none()
    {
        return reply.text().to_owned();
    }
    format!("{instead} {}", reply.text())
}

/// The message was not sent: what concerns the way there can be tried again, what concerns the message cannot.
fn not_sent(error: &SmtpError) -> (u16, String) {
    let (code, status, what) = match error {
        SmtpError::Connect { .. } => (451, "4.4.1", "the next mail server cannot be reached"),
        SmtpError::Lost { .. } => (451, "4.4.2", "the next mail server hung up"),
        SmtpError::Silent { .. } | SmtpError::Late => {
            (451, "4.4.2", "the next mail server did not answer in time")
        }
        SmtpError::Garbage { .. } => {
            (451, "4.5.0", "the next mail server answered with what is no valid reply")
        }
        SmtpError::Helo { .. } => (451, "4.3.5", "the name of this host is no host name"),
        SmtpError::NotForAll => (451, "4.5.3", "the next mail server does not take it for all recipients"),
        SmtpError::Withdrawn(_) => (451, "4.3.0", "it could not be handed on"),
        // RFC 3463 §3.7 and §3.6, RFC 6531 §3.7.4.2.
        SmtpError::Lacks { extension: "SMTPUTF8", .. } => {
            (554, "5.6.7", "the next mail server does not take internationalized mail")
        }
        SmtpError::Lacks { extension: "8BITMIME", .. } => {
            (554, "5.6.3", "the next mail server does not take 8-bit mail")
        }
        // RFC 8689 §4.2.
        SmtpError::Lacks { .. } => (554, "5.7.30", "the next mail server lacks what the mail requires"),
        SmtpError::Hazard { .. } => {
            (554, "5.6.0", "a line that begins with a dot follows a line break that is not CRLF")
        }
        SmtpError::Path { .. } => (553, "5.1.0", "an address of the envelope is no address"),
    };
    (code, format!("{status} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> MailId {
        MailId::from_parts(1_795_210_591_042, 7)
    }

    /// The reply where the next server said `line` at `stage`.
    fn refused(line: &str, stage: Stage) -> String {
        let reply = Reply::read_for_tests(line);
        told(&Outcome::Refused { reply, stage })
    }

    fn told(outcome: &Outcome) -> String {
        Said::of(outcome, id()).to_string().replace(&format!(" (id {})", id()), "")
    }

    #[test]
    fn what_the_next_server_says_is_said_again_with_a_status_code_of_its_class() {
        for (line, expected) in [
            ("550 5.1.1 <a@x> no such user", "550 5.1.1 <a@x> no such user"),
            ("550 no such user", "550 5.0.0 no such user"),
            ("550 2.1.1 odd", "550 5.0.0 2.1.1 odd"),
            ("550 5.1.1234 odd", "550 5.0.0 5.1.1234 odd"),
            ("550 5.1", "550 5.0.0 5.1"),
            ("452 4.2.2 full", "452 4.2.2 full"),
            ("552 too many", "452 4.5.3 too many"),
            ("421 4.3.2 shutting down", "451 4.3.2 shutting down"),
            ("530 5.7.0 log in", "451 4.3.5 the next mail server does not let us in: 530 5.7.0 log in"),
        ] {
            assert_eq!(refused(line, Stage::Rcpt), expected);
        }
        assert_eq!(refused("552 5.3.4 too large", Stage::Dot), "552 5.3.4 too large");
        assert_eq!(
            refused("554 go away", Stage::Greeting),
            "451 4.3.5 the next mail server does not let us in: 554 go away"
        );
        let taken = Outcome::Delivered(Reply::read_for_tests("250 saved"));
        assert_eq!(told(&taken), "250 2.0.0 saved");
        let long = Outcome::Delivered(Reply::read_for_tests(&format!("250 2.0.0 {}", "x".repeat(900))));
        assert!(Said::of(&long, id()).text().len() <= MAX_TEXT);
    }

    #[test]
    fn what_lies_between_can_be_tried_again_and_what_the_mail_is_cannot() {
        let server = || "unix:/run/x".to_owned();
        let lacks = |extension| SmtpError::Lacks { server: server(), extension, why: "x" };
        for (error, code) in [
            (SmtpError::Connect { server: server(), error: "x".into() }, "451 4.4.1"),
            (SmtpError::Lost { server: server(), stage: Stage::Mail, error: "x".into() }, "451 4.4.2"),
            (SmtpError::Silent { server: server(), stage: Stage::Mail, seconds: 1 }, "451 4.4.2"),
            (SmtpError::Garbage { server: server(), stage: Stage::Mail, what: "x".into() }, "451 4.5.0"),
            (SmtpError::Late, "451 4.4.2"),
            (SmtpError::Helo { name: "x".into() }, "451 4.3.5"),
            (SmtpError::NotForAll, "451 4.5.3"),
            (SmtpError::Withdrawn("x".into()), "451 4.3.0"),
            (lacks("SMTPUTF8"), "554 5.6.7"),
            (lacks("8BITMIME"), "554 5.6.3"),
            (lacks("REQUIRETLS"), "554 5.7.30"),
            (SmtpError::Hazard { offset: 1 }, "554 5.6.0"),
            (SmtpError::Path { address: "x".into(), why: "x" }, "553 5.1.0"),
        ] {
            let said = told(&Outcome::NotSent(error));
            assert!(said.starts_with(code), "{code}: {said}");
        }
        let uncertain = Outcome::Uncertain(SmtpError::Late);
        assert!(told(&uncertain).starts_with("451 4.4.2"));
    }
}
