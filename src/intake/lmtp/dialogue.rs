//! What a client says, kept as session and transaction. No I/O: bytes go in, replies and a [`Step`] come out.

use std::sync::Arc;

use super::command::{self, Command, Fault, MAX_LINE, TOO_LONG, Verb};
use super::parameters::Declared;
use super::reply::Replies;
use super::serve::{Shared, Snapshot};
use super::speaks_for::{SpeaksFor, XCLIENT, XFORWARD};
use super::unstuff::Unstuff;
use crate::intake::accept::Origin;
use crate::intake::listener::Peer;
use crate::model::{Abilities, Handover, Session};
use crate::pipeline::{Received, Refusal, Transaction};

/// Lines that are no command, or come where they have no meaning, before the connection ends.
const MOST_FAULTS: u32 = 20;

mod transaction;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Step {
    /// Take more, or read more where nothing was taken.
    More,
    /// A message is here whole: judge it, hand it on and answer.
    Judge(Box<Arrived>),
    /// The connection is over.
    End,
    /// It is over because too much was no command.
    Faults,
}

/// A message that came to its end.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) received: Received,
    /// How its client greeted.
    pub(super) verb: Verb,
    /// It was declared to need SMTPUTF8.
    pub(super) utf8: bool,
}

/// One connection: who is there, and the message that may be under way.
#[derive(Debug)]
pub(super) struct Dialogue {
    shared: Arc<Shared>,
    snapshot: Arc<Snapshot>,
    /// Who may be believed when it says for whom it speaks.
    trusted: bool,
    greeted: Option<(Verb, String)>,
    xclient: SpeaksFor,
    /// For one transaction.
    xforward: Option<SpeaksFor>,
    mail: Option<Mail>,
    mode: Mode,
    faults: u32,
}

/// One transaction while it comes in.
#[derive(Debug)]
struct Mail {
    transaction: Transaction,
    declared: Declared,
    /// The last early refusal: further ones are told under its id.
    refused: Option<Refusal>,
    /// BDAT has begun: nothing else than BDAT goes on with it.
    chunked: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum Mode {
    Commands,
    /// The rest of a line that is too long.
    Overlong,
    /// The message, up to the dot.
    Data(Unstuff),
    /// This many bytes of BDAT.
    Chunk {
        left: u64,
        last: bool,
        /// What is answered instead of taking them.
        refused: Option<&'static str>,
    },
}

impl Dialogue {
    pub(super) fn new(shared: Arc<Shared>, origin: &Origin) -> Self {
        let snapshot = shared.service.snapshots.load_full();
        let trusted = match origin.peer {
            Peer::Unix => true,
            Peer::Tcp(ip) => snapshot.terms.trusts(ip),
        };
        Self {
            shared,
            snapshot,
            trusted,
            greeted: None,
            xclient: SpeaksFor::default(),
            xforward: None,
            mail: None,
            mode: Mode::Commands,
            faults: 0,
        }
    }

    /// The configuration that this connection began with.
    pub(super) const fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The name that the client gave itself.
    pub(super) fn client_name(&self) -> Option<&str> {
        self.greeted.as_ref().map(|(_, name)| name.as_str())
    }

    /// The client is in the middle of sending a message.
    pub(super) const fn is_in_content(&self) -> bool {
        match (self.mode, &self.mail) {
            (Mode::Data(_) | Mode::Chunk { .. }, _) => true,
            (_, Some(mail)) => mail.chunked,
            (_, None) => false,
        }
    }

    /// Nothing is under way, not even a transaction.
    pub(super) const fn is_idle(&self) -> bool {
        self.mail.is_none() && matches!(self.mode, Mode::Commands)
    }

    /// Between messages, and none is announced: nobody loses anything when the connection ends here.
    pub(super) const fn is_between_messages(&self) -> bool {
        self.is_idle() && self.xforward.is_none()
    }

    /// What every connection begins with.
    pub(super) fn greet(&self, out: &mut Replies) {
        out.say(220, &format!("{} LMTP and ESMTP, mailward", self.snapshot.terms.greeting));
    }

    /// Takes what it can of `input`: how much, and what is to be done now.
    pub(super) fn take(&mut self, input: &[u8], out: &mut Replies) -> (usize, Step) {
        match self.mode {
            Mode::Commands | Mode::Overlong => self.line(input, out),
            Mode::Data(mut unstuff) => {
                let transaction = self.mail.as_mut().map(|mail| &mut mail.transaction);
                let (used, end) = match transaction {
                    Some(transaction) => unstuff.take(input, |run| transaction.content(run)),
                    None => unstuff.take(input, |_| {}),
                };
                if !end {
                    self.mode = Mode::Data(unstuff);
                    return (used, Step::More);
                }
                (used, self.end_of_message())
            }
            Mode::Chunk { left, last, refused } => {
                let used = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                if let (None, Some(mail)) = (refused, &mut self.mail) {
                    mail.transaction.content(input.get(..used).unwrap_or_default());
                }
                let left = left - used as u64;
                self.mode = Mode::Chunk { left, last, refused };
                (used, if left == 0 { self.end_of_chunk(last, refused, out) } else { Step::More })
            }
        }
    }

    fn line(&mut self, input: &[u8], out: &mut Replies) -> (usize, Step) {
        let end = memchr::memchr(b'\n', input).map(|at| at + 1);
        let long = matches!(self.mode, Mode::Overlong);
        let Some((line, used)) = end.and_then(|end| Some((input.get(..end)?, end))) else {
            if long || input.len() >= MAX_LINE {
                self.mode = Mode::Overlong;
                return (input.len(), Step::More);
            }
            return (0, Step::More);
        };
        self.mode = Mode::Commands;
        if long || used > MAX_LINE {
            return (used, self.fault(TOO_LONG, out));
        }
        let step = match command::read(line) {
            Ok(command) => self.command(command, out),
            // A browser cannot greet before its own lines are through.
            Err(_) if self.greeted.is_none() && command::is_http(line) => self.fault(command::HTTP, out),
            Err(fault) => self.fault(fault, out),
        };
        (used, step)
    }

    fn command(&mut self, command: Command<'_>, out: &mut Replies) -> Step {
        let result = match command {
            Command::Hello(verb, name) => self.hello(verb, name, out),
            Command::Mail(path, parameters) => self.mail(path, &parameters, out),
            Command::Rcpt(path) => self.rcpt(path, out),
            Command::Data => self.data(out),
            Command::Bdat(size, last) => return self.bdat(size, last, out),
            Command::Rset => {
                self.end_transaction();
                out.say(250, "2.0.0 Ok");
                Ok(())
            }
            Command::Noop => {
                out.say(250, "2.0.0 Ok");
                Ok(())
            }
            Command::Vrfy => {
                out.say(252, "2.5.0 send mail, then it is known");
                Ok(())
            }
            Command::Help => {
                out.say(214, "2.0.0 mailward judges mail and hands it on; see mailward(8)");
                Ok(())
            }
            Command::Quit => {
                out.say(221, "2.0.0 Bye");
                return Step::End;
            }
            Command::Xforward(attributes) => self.xforward(attributes, out),
            Command::Xclient(attributes) => self.xclient(attributes, out),
        };
        match result {
            Ok(()) => Step::More,
            Err(fault) => self.fault(fault, out),
        }
    }

    fn fault(&mut self, fault: Fault, out: &mut Replies) -> Step {
        out.say(fault.code, fault.text);
        if fault.fatal {
            return Step::Faults;
        }
        self.faults += 1;
        if self.faults < MOST_FAULTS {
            return Step::More;
        }
        out.say(421, "4.7.0 too many errors, closing");
        Step::Faults
    }

    fn hello(&mut self, verb: Verb, name: &str, out: &mut Replies) -> Result<(), Fault> {
        // As RSET (RFC 5321 §4.1.4).
        self.end_transaction();
        self.greeted = Some((verb, command::shown(name)));
        let terms = &self.snapshot.terms;
        if verb == Verb::Helo {
            out.say(250, &terms.greeting);
            return Ok(());
        }
        let mut lines = vec![
            terms.greeting.clone(),
            "PIPELINING".to_owned(),
            format!("SIZE {}", self.snapshot.intake.max_message.0),
            "ENHANCEDSTATUSCODES".to_owned(),
            "8BITMIME".to_owned(),
            "SMTPUTF8".to_owned(),
            "CHUNKING".to_owned(),
        ];
        if self.trusted {
            lines.push(format!("XFORWARD {}", XFORWARD.join(" ")));
            lines.push(format!("XCLIENT {}", XCLIENT.join(" ")));
        }
        out.say_all(250, &lines);
        Ok(())
    }

    fn xforward(&mut self, attributes: &str, out: &mut Replies) -> Result<(), Fault> {
        self.may_speak_for()?;
        let mut said = self.xforward.take().unwrap_or_default();
        let taken = said.take(attributes, XFORWARD);
        self.xforward = Some(said);
        taken.map_err(|text| Fault { code: 501, text, fatal: false })?;
        out.say(250, "2.0.0 Ok");
        Ok(())
    }

    fn xclient(&mut self, attributes: &str, out: &mut Replies) -> Result<(), Fault> {
        self.may_speak_for()?;
        let taken = self.xclient.take(attributes, XCLIENT);
        taken.map_err(|text| Fault { code: 501, text, fatal: false })?;
        self.end_transaction();
        self.greeted = None;
        self.greet(out);
        Ok(())
    }

    fn may_speak_for(&self) -> Result<(), Fault> {
        if !self.trusted {
            return Err(Fault {
                code: 550,
                text: "5.7.0 not from you: lmtp.trusted does not name you",
                fatal: false,
            });
        }
        if self.mail.is_some() {
            return Err(order("5.5.1 a mail transaction is under way"));
        }
        Ok(())
    }

    /// RSET, or the end of a message: what was forwarded about the client was about this one.
    fn end_transaction(&mut self) {
        self.mail = None;
        self.xforward = None;
    }

    /// The session as a message sees it. Whoever hands it over is not its client: without a word about that, nobody is
    /// known.
    fn session(&self) -> Session {
        let said = self.xforward.as_ref().unwrap_or(&self.xclient);
        let refuses = self.snapshot.terms.refuses;
        let handover = match self.greeted {
            Some((Verb::Ehlo | Verb::Helo, _)) => Handover::Smtp { refuses },
            Some((Verb::Lhlo, _)) | None => Handover::Lmtp { refuses },
        };
        Session {
            client: said.client(),
            helo: said.helo.clone(),
            user: said.login.clone(),
            mta: self.greeted.as_ref().map(|(_, name)| name.clone()),
            local_submission: said.is_local_submission(),
            handover,
            peer_is_trusted: self.trusted,
            // There is no queue of ours to hold it in.
            abilities: Abilities { hold: false, ..Abilities::default() },
            ..Session::default()
        }
    }
}

const fn order(text: &'static str) -> Fault {
    Fault { code: 503, text, fatal: false }
}
