//! Whether the next server takes mail, by what it did with the last message: for `/readyz` and `status`.

use std::sync::{Mutex, PoisonError};

use crate::model::Timestamp;
use crate::net::smtp::{Outcome, SmtpError, Stage};

/// The next server as it was seen last. A daemon has one, over reloads.
#[derive(Debug, Default)]
pub struct Standing(Mutex<Option<Down>>);

/// Since when a server has taken nothing, and why.
#[derive(Debug)]
struct Down {
    server: String,
    since: Timestamp,
    why: String,
}

impl Standing {
    /// What became of a message that was handed to `server`.
    pub(super) fn saw(&self, server: &str, outcomes: &[Outcome], now: Timestamp) {
        let mut down = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = outcomes.iter().any(|outcome| match outcome {
            Outcome::Delivered(_) => true,
            Outcome::Refused { stage, reply } => is_about_mail(*stage, reply.code()),
            Outcome::NotSent(_) | Outcome::Uncertain(_) => false,
        });
        let why = outcomes.iter().find_map(about_the_server);
        if answers {
            *down = None;
        } else if let Some(why) = why {
            let before = down.take().filter(|down| down.server == server);
            let since = before.map_or(now, |down| down.since);
            *down = Some(Down { server: server.to_owned(), since, why });
        }
    }

    /// What is wrong with `server`, as a sentence.
    #[must_use]
    pub fn trouble(&self, server: &str) -> Option<String> {
        let down = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Down { since, why, .. } = down.as_ref().filter(|down| down.server == server)?;
        Some(format!("{server} has not taken mail since {since}, and what is judged is put off: {why}"))
    }
}

/// The server lives and speaks of the message. 421 is about itself, wherever it says so.
fn is_about_mail(stage: Stage, code: u16) -> bool {
    !matches!(stage, Stage::Greeting | Stage::Hello) && code != 421
}

/// What is wrong with the server, if that is why it did not take the message. Not in its own words: they can name
/// recipients.
fn about_the_server(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Refused { stage, reply } => (!is_about_mail(*stage, reply.code()))
            .then(|| format!("it answered {} at {stage}; its log says why", reply.code())),
        Outcome::NotSent(error) | Outcome::Uncertain(error) => match error {
            SmtpError::Connect { .. }
            | SmtpError::Lost { .. }
            | SmtpError::Silent { .. }
            | SmtpError::Garbage { .. }
            | SmtpError::Late => Some(error.to_string()),
            _ => None,
        },
        Outcome::Delivered(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::smtp::Reply;

    const SERVER: &str = "unix:/run/x";

    #[test]
    fn a_server_is_down_from_the_first_message_it_does_not_take_to_the_next_that_it_answers() {
        let standing = Standing::default();
        let at = |seconds: i64| Timestamp::from_millis(1_795_210_591_000 + 1000 * seconds.unsigned_abs());
        let refused = |line, stage| Outcome::Refused { reply: Reply::read_for_tests(line), stage };
        let connect = || Outcome::NotSent(SmtpError::Connect { server: SERVER.into(), error: "gone".into() });
        // What is wrong with a message says nothing of the server.
        standing.saw(SERVER, &[Outcome::NotSent(SmtpError::Hazard { offset: 1 })], at(0));
        assert_eq!(standing.trouble(SERVER), None);
        standing.saw(SERVER, &[connect()], at(1));
        let expected = format!(
            "{SERVER} has not taken mail since {}, and what is judged is put off: {}",
            at(1),
            SmtpError::Connect { server: SERVER.into(), error: "gone".into() }
        );
        standing.saw(SERVER, &[connect(), connect()], at(2));
        assert_eq!((standing.trouble(SERVER), standing.trouble("unix:/other")), (Some(expected), None));
        for (line, stage, is_up) in [
            ("554 who are you", Stage::Greeting, false),
            ("421 leaving", Stage::Mail, false),
            ("550 no such user", Stage::Rcpt, true),
        ] {
            standing.saw(SERVER, &[connect()], at(3));
            standing.saw(SERVER, &[refused(line, stage)], at(4));
            assert_eq!(standing.trouble(SERVER).is_none(), is_up, "{line}");
        }
        standing.saw(SERVER, &[Outcome::Uncertain(SmtpError::Late)], at(5));
        standing.saw(SERVER, &[connect(), Outcome::Delivered(Reply::read_for_tests("250 ok"))], at(6));
        assert_eq!(standing.trouble(SERVER), None);
    }
}
