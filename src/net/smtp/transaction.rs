//! The order of commands up to the dot. Nothing here can leave a recipient uncertain, but for a server
//! that says yes before it was asked.

use std::borrow::Cow;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::content::{self, Survey};
use super::extensions::Extensions;
use super::reply::Answer;
use super::wire::Wire;
use super::{Delivery, Outcome, Outgoing, Protocol, Settings, SmtpError, Stage, Whom, dot, parameters, path};

/// One message made ready: everything is checked that can be without asking the server.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    settings: &'a Settings,
    outgoing: &'a Outgoing<'a>,
    whom: Whom,
    message: Vec<Bytes>,
    survey: Survey,
    from: Cow<'a, [u8]>,
    to: Vec<Result<Cow<'a, [u8]>, SmtpError>>,
}

/// What is known of each recipient; `None` as long as it is open.
pub(super) type Ledger = Vec<Option<Outcome>>;

impl<'a> Plan<'a> {
    /// Checks message and envelope.
    ///
    /// # Errors
    /// What concerns all recipients. An address that cannot be sent concerns its own recipient only.
    pub(super) async fn new(
        settings: &'a Settings,
        outgoing: &'a Outgoing<'a>,
        whom: Whom,
    ) -> Result<Self, SmtpError> {
        if !path::is_helo(&settings.helo) {
            let name = crate::model::text::line(&settings.helo, 120);
            return Err(SmtpError::Helo { name });
        }
        let from = path::checked(outgoing.reverse_path.0.argument())?;
        let to = outgoing.recipients.iter().map(|r| path::checked_recipient(r.argument())).collect();
        let message = content::stretches(outgoing.pieces);
        let survey = Survey::of(&message).await?;
        Ok(Self { settings, outgoing, whom, message, survey, from, to })
    }

    /// Whether there is somebody to ask the server for.
    pub(super) fn anybody(&self) -> bool {
        self.goes_on(&self.ledger())
    }

    /// Nobody was asked, and why.
    pub(super) fn unsent(self) -> Delivery {
        self.failed(SmtpError::NotForAll)
    }

    /// Whether the message is still to be sent: there are open recipients, and enough of them.
    fn goes_on(&self, ledger: &Ledger) -> bool {
        match self.whom {
            Whom::Any => ledger.iter().any(Option::is_none),
            Whom::All => !ledger.is_empty() && ledger.iter().all(Option::is_none),
        }
    }

    /// Nothing was sent because of `error`.
    pub(super) fn failed(self, error: SmtpError) -> Delivery {
        let mut ledger = self.ledger();
        rest(&mut ledger, &Outcome::NotSent(error));
        closed(ledger)
    }

    fn ledger(&self) -> Ledger {
        self.to.iter().map(|to| to.as_ref().err().cloned().map(Outcome::NotSent)).collect()
    }

    /// The whole conversation.
    pub(super) async fn run<S, F>(self, mut wire: Wire<S>, before_dot: F) -> Delivery
    where
        S: AsyncRead + AsyncWrite + Unpin,
        F: AsyncFnOnce() -> Result<(), String>,
    {
        let mut ledger = self.ledger();
        match self.envelope(&mut wire, &mut ledger).await {
            Ok(()) if self.goes_on(&ledger) => {}
            Ok(()) => {
                rest(&mut ledger, &Outcome::NotSent(SmtpError::NotForAll));
                wire.quit().await;
                return closed(ledger);
            }
            Err(outcome) => {
                rest(&mut ledger, &outcome);
                if matches!(outcome, Outcome::Refused { .. }) {
                    wire.quit().await;
                }
                return closed(ledger);
            }
        }
        // From here on leaving means hanging up: what we say now is content.
        if let Err(outcome) = self.content(&mut wire).await {
            rest(&mut ledger, &outcome);
            return closed(ledger);
        }
        if let Err(why) = before_dot().await {
            rest(&mut ledger, &Outcome::NotSent(SmtpError::Withdrawn(why)));
            return closed(ledger);
        }
        if dot::send(&mut wire, self.settings, &mut ledger).await {
            wire.quit().await;
        }
        closed(ledger)
    }

    /// Greeting to DATA. Recipients that are open afterwards were accepted.
    async fn envelope<S>(&self, wire: &mut Wire<S>, ledger: &mut Ledger) -> Result<(), Outcome>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let times = &self.settings.timeouts;
        let greeting = wire.reply(Stage::Greeting, times.connect).await.map_err(Outcome::NotSent)?;
        expect(wire, 2, Stage::Greeting, &greeting)?;
        let offered = self.hello(wire).await?;
        let parameters = parameters::of_mail(wire.server(), self.outgoing, &self.survey, offered)
            .map_err(Outcome::NotSent)?;
        if !offered.smtp_utf8 {
            leave_out_foreign(wire.server(), &self.to, ledger);
        }
        if !self.goes_on(ledger) {
            return Ok(());
        }
        let line = [b"MAIL FROM:", self.from.as_ref(), parameters.as_bytes()].concat();
        self.ask(wire, Stage::Mail, &line).await?;
        for (to, entry) in self.to.iter().zip(ledger.iter_mut()) {
            let (Ok(to), None) = (to, &entry) else { continue };
            let line = [b"RCPT TO:", to.as_ref()].concat();
            match self.ask(wire, Stage::Rcpt, &line).await {
                Ok(_) => {}
                // 421 ends the conversation (RFC 5321 §3.8); any other refusal is this recipient's own.
                Err(Outcome::Refused { reply, stage }) if reply.code() != 421 => {
                    *entry = Some(Outcome::Refused { reply, stage });
                }
                Err(all) => return Err(all),
            }
        }
        if !self.goes_on(ledger) {
            return Ok(());
        }
        let answer = wire.command(Stage::Data, b"DATA", times.data).await.map_err(Outcome::NotSent)?;
        expect(wire, 3, Stage::Data, &answer)?;
        wire.nothing_unasked(Stage::Data).map_err(Outcome::NotSent)
    }

    /// EHLO, or HELO where that is not known (RFC 5321 §3.2), or LHLO (RFC 2033 §4.1).
    async fn hello<S>(&self, wire: &mut Wire<S>) -> Result<Extensions, Outcome>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let line = |verb: &str| format!("{verb} {}", self.settings.helo).into_bytes();
        let verb = match self.settings.protocol {
            Protocol::Smtp => "EHLO",
            Protocol::Lmtp => "LHLO",
        };
        match self.ask(wire, Stage::Hello, &line(verb)).await {
            Ok(answer) => Ok(Extensions::read(&answer)),
            Err(Outcome::Refused { reply, .. })
                if self.settings.protocol == Protocol::Smtp && !reply.is_temporary() =>
            {
                self.ask(wire, Stage::Hello, &line("HELO")).await.map(|_| Extensions::default())
            }
            Err(outcome) => Err(outcome),
        }
    }

    /// The message without its dot.
    async fn content<S>(&self, wire: &mut Wire<S>) -> Result<(), Outcome>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let within = self.settings.timeouts.data;
        let sending = async {
            for run in content::runs(&self.message) {
                wire.content(run, within).await?;
            }
            wire.end_block(within).await
        };
        let Err(error) = sending.await else { return Ok(()) };
        match wire.parting(Stage::Content).await {
            Some(answer) => Err(dot::early(wire, &answer)),
            None => Err(Outcome::NotSent(error)),
        }
    }

    /// A command that wants a 2xx.
    async fn ask<S>(&self, wire: &mut Wire<S>, stage: Stage, line: &[u8]) -> Result<Answer, Outcome>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let answer = wire.command(stage, line, self.settings.timeouts.command).await;
        let answer = answer.map_err(Outcome::NotSent)?;
        expect(wire, 2, stage, &answer)?;
        Ok(answer)
    }
}

/// That an answer before the dot is of the class the stage wants.
fn expect<S>(wire: &Wire<S>, class: u16, stage: Stage, answer: &Answer) -> Result<(), Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match answer.class() {
        found if found == class => Ok(()),
        4 | 5 => Err(Outcome::Refused { reply: answer.to_reply(), stage }),
        _ => Err(Outcome::NotSent(wire.garbage(stage, answer.to_reply().to_string()))),
    }
}

/// A recipient with a non-ASCII address cannot be named to a server without SMTPUTF8; the others can.
fn leave_out_foreign(server: &str, to: &[Result<Cow<'_, [u8]>, SmtpError>], ledger: &mut Ledger) {
    for (to, entry) in to.iter().zip(ledger.iter_mut()) {
        if to.as_ref().is_ok_and(|to| !to.is_ascii()) {
            *entry = Some(Outcome::NotSent(SmtpError::Lacks {
                server: server.to_owned(),
                extension: "SMTPUTF8",
                why: "the recipient's address is not ASCII",
            }));
        }
    }
}

/// Gives all open recipients this outcome.
pub(super) fn rest(ledger: &mut Ledger, outcome: &Outcome) {
    for entry in ledger.iter_mut().filter(|entry| entry.is_none()) {
        *entry = Some(outcome.clone());
    }
}

/// The ledger as the caller gets it.
fn closed(ledger: Ledger) -> Delivery {
    // None would be open by now. If one were, this is the answer that does no harm.
    let unknown = || Outcome::Uncertain(SmtpError::Withdrawn("no outcome was noted".to_owned()));
    Delivery { outcomes: ledger.into_iter().map(|entry| entry.unwrap_or_else(unknown)).collect() }
}
