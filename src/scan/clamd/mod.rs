//! clamd: signatures of malware, asked over its socket by a client of our own.
//!
//! **Contract.** [`Clamd::new`] gives a scanner that asks one clamd about each message as a whole: clamd
//! takes mail apart itself. The message goes there as a stream (`INSTREAM`), or with
//! [`Settings::pass_file`] as a sealed file in memory (`FILDES`); neither is copied on our side of the socket.
//! Each message has a connection of its own; at most [`Settings::connections`] are open at once. The answer is
//! read while we still write, so that neither side can wait for the other.
//!
//! **Failures.** Which names of signatures are malware and which are less: table in `name`.
//!
//! | what | tried again | outcome |
//! |---|---|---|
//! | nobody takes the connection: a reload or restart | up to half of the time left, 10 s at most | `failed(refused)` |
//! | hung up without a word; an error about the question, not the message | the same, twice at most | `failed(reset)`, `failed(error)` |
//! | the socket may not be used, the host is unknown or not reachable | no | `failed(denied)`, `failed(unreachable)` |
//! | `stream: … ERROR` | no | `failed(error)` |
//! | an answer that is none, is too long, or comes before the message was sent | no | `failed(protocol)` |
//! | hung up in the middle of its answer | no | `failed(reset)` |
//! | no answer by the deadline, or no connection free | no | `timeout` |
//! | it kept failing and is left alone ([`Breaker`]) | no | `failed(left-alone)` at once |
//! | larger than [`Settings::max_size`], or than clamd's `StreamMaxLength` | no | `skipped(too-large)` |
//! | `Heuristics.Limits.Exceeded.…`: clamd did not look at all of it | no | `ok(degraded)` |
//!
//! A message beyond `StreamMaxLength` is not a failure: the next attempt would end the same. It is as much too
//! large as one beyond our own limit, but the admin did not ask for it: the record says so in a finding,
//! `/readyz` for a day, the log once.
//!
//! Where to find what: one question and its repetition `ask`, the message as a file `file`, replies
//! `reply`, names of signatures `name`, the age of the database `version`, who asks for it `watch`,
//! what is known of the server `standing`.

mod ask;
mod error;
mod file;
#[cfg(test)]
mod malformed;
mod name;
mod reply;
mod standing;
mod version;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use ask::version_of;
pub use version::{Database, Version};

use self::error::AskError;
use self::name::Meaning;
use self::reply::Said;
use self::standing::Known;
use super::{BoxFuture, Health, Report, Scan, ScanInput};
use crate::model::{ByteSize, Category, Finding, Outcome, Scanner, Score, Severity, Skip, Span};
use crate::net::address::Server;
use crate::net::{Breaker, Gate, Standing};
use crate::telemetry::{Clock, Metrics};

/// What the names of clamd's signatures weigh; the first that fits holds.
#[must_use]
pub fn weights() -> Vec<super::weight::Weight> {
    name::weights()
}

/// Beyond this age of its signatures clamd counts as degraded. They are published daily.
pub(super) const STALE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Which clamd is asked and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its socket or port.
    pub server: Server,
    /// How many messages ask it at once; the others wait.
    pub connections: usize,
    /// Hand the message over as a file instead of streaming it. Over TCP it is streamed all the same.
    pub pass_file: bool,
    /// A larger message is not sent there.
    pub max_size: ByteSize,
}

/// The clamd scanner.
#[derive(Debug)]
pub struct Clamd {
    settings: Settings,
    gate: Gate,
    breaker: Breaker,
    metrics: Arc<Metrics>,
    known: Arc<Known>,
}

impl Clamd {
    /// A scanner that asks the clamd of `settings`. Within a runtime it also asks, now and every five
    /// minutes, which signatures clamd has. It connects to nobody before it returns.
    #[must_use]
    pub fn new(settings: Settings, clock: Clock, metrics: Arc<Metrics>) -> Arc<Self> {
        let clamd = Arc::new(Self {
            gate: Gate::new(settings.connections),
            breaker: Breaker::new(Scanner::Clamd.name(), Arc::clone(&metrics)),
            known: Arc::new(Known::new(&settings, clock, Arc::clone(&metrics))),
            settings,
            metrics,
        });
        watch::start(&clamd);
        clamd
    }

    /// What it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    async fn look(&self, input: Arc<ScanInput>, deadline: Instant) -> Report {
        let given = deadline.saturating_duration_since(Instant::now());
        let size = input.message.raw().len() as u64;
        if size > self.settings.max_size.0 {
            return only(Outcome::Skipped(Skip::TooLarge));
        }
        // Before the gate: while clamd is left alone nobody waits for those who were let through earlier.
        if let Some(open) = self.breaker.resting() {
            return only(Outcome::failed("left-alone", open.to_string()));
        }
        let Some(_place) = self.gate.enter(deadline).await else {
            return only(Outcome::TimedOut(given));
        };
        let file = match self.file(&input, deadline).await {
            Ok(file) => file,
            Err(failed) => return only(failed),
        };
        let on_trial = matches!(self.breaker.standing(), Standing::LeftAlone(_));
        let pass = match self.breaker.pass() {
            Ok(pass) => pass,
            Err(open) => return only(Outcome::failed("left-alone", open.to_string())),
        };
        let asking = self.ask(&input, file.as_ref(), on_trial, deadline);
        match tokio::time::timeout_at(deadline.into(), asking).await {
            Err(_) => {
                let error = AskError::Silent(Span(given));
                pass.bad(&error.to_string());
                self.known.fails(&error);
                only(Outcome::TimedOut(given))
            }
            Ok(Err(error)) => {
                let what = error.to_string();
                pass.bad(&what);
                self.known.fails(&error);
                only(Outcome::failed(error.label(), what))
            }
            Ok(Ok(said)) => {
                pass.good();
                self.report(said, size)
            }
        }
    }

    /// The message as a file, if it is to be handed over as one.
    async fn file(
        &self,
        input: &Arc<ScanInput>,
        deadline: Instant,
    ) -> Result<Option<std::fs::File>, Outcome> {
        if !self.settings.pass_file || matches!(self.settings.server, Server::Tcp { .. }) {
            return Ok(None);
        }
        let given = deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout_at(deadline.into(), file::of(input)).await {
            Ok(Ok(file)) => Ok(Some(file)),
            Ok(Err(error)) => Err(Outcome::failed("file", error.to_string())),
            Err(_) => Err(Outcome::TimedOut(given)),
        }
    }

    /// What an answer means.
    fn report(&self, said: Said, size: u64) -> Report {
        match said {
            Said::Error(what) => {
                let error = AskError::Said(what);
                self.known.fails(&error);
                only(Outcome::failed(error.label(), error.to_string()))
            }
            Said::TooLarge => {
                self.known.answers();
                let text = self.known.refuses(size);
                let finding = finding("CLAMD_TOO_LARGE", text, Severity::Info, Category::Clean, 0.0);
                Report { findings: vec![finding], ..only(Outcome::Skipped(Skip::TooLarge)) }
            }
            Said::Clean => {
                self.known.answers();
                self.known.takes(size);
                only(Outcome::Clean)
            }
            Said::Found(name) => {
                self.known.answers();
                self.known.takes(size);
                let with = self.known.signatures();
                match name::meaning(&name) {
                    Meaning::Limit => {
                        let missing = format!("clamd did not look at all of it: {name}");
                        only(Outcome::Partial { found: false, missing })
                    }
                    Meaning::Bad { category, severity, score } => {
                        let text = format!("clamd found {name}{with}");
                        let finding = finding(&name, text, severity, category, score);
                        Report { findings: vec![finding], ..only(Outcome::Found) }
                    }
                }
            }
        }
    }
}

impl Scan for Clamd {
    fn scanner(&self) -> Scanner {
        Scanner::Clamd
    }

    fn scan(&self, input: Arc<ScanInput>, deadline: Instant) -> BoxFuture<'_, Report> {
        Box::pin(self.look(input, deadline))
    }

    fn version(&self) -> String {
        self.known.version()
    }

    fn health(&self) -> Health {
        self.known.health(&self.breaker.standing())
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        // Whoever watches over it sees that it is gone, and ends.
        self.known.wake.notify_one();
    }
}

fn only(outcome: Outcome) -> Report {
    Report::new(outcome)
}

fn finding(symbol: &str, text: String, severity: Severity, category: Category, score: f64) -> Finding {
    Finding {
        scanner: Scanner::Clamd,
        symbol: symbol.to_owned(),
        severity,
        category,
        score: Score::new(score),
        text,
        location: Some("raw message".to_owned()),
    }
}
