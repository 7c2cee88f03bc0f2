//! rspamd, asked over HTTP on TCP or a unix socket.
//!
//! **Contract.** [`Scan::scan`] hands rspamd's normal worker the message with all it should know – client, HELO,
//! envelope, TLS, user, queue id, and the `Received` that our own MTA will write – and returns by the deadline. Its
//! symbols become findings whose scores add up to its own, its action becomes [`Advice`](crate::model::Advice):
//! one voice in the verdict, never an order. [`Rspamd::learn`] teaches its controller. Two scanners of equal
//! [`Settings`] are alike, so a reload that changes nothing keeps the one that runs.
//!
//! **Failures.**
//!
//! | what | a message then | counts against rspamd |
//! |---|---|---|
//! | nobody listens | `failed(refused)` | yes |
//! | no way there, no such name | `failed(unreachable)` | yes |
//! | it hangs up in the middle | `failed(reset)` | yes |
//! | no HTTP, no JSON, no score, an action of its admin's own | `failed(protocol)` | yes; an action no |
//! | a reply beyond `max_reply` | `failed(reply-too-large)` | yes |
//! | status 4xx, 5xx | `failed(http-4xx)`, `failed(http-5xx)`, with its text | 5xx |
//! | no reply by the deadline | `timeout` | yes |
//! | five of these in a row | `failed(left-alone)` at once, for a while | |
//! | no place among `connections` came free in time | `timeout` | no |
//! | told by its own settings not to look | `skipped(exempt)` | no |
//! | one of its virus scanners failed | `ok(degraded)`, `found(degraded)` | no |
//! | message over `max_size` | `skipped(too-large)`, not sent | |
//!
//! A kept connection that rspamd closed meanwhile fails no message: a new one is made, once.
//!
//! Where to find what: what is configured `settings`; the request `request`, `received`; the connection `client`,
//! `response`; the reply `reply`, `fields`, `findings`; teaching `learn`.

mod client;
mod error;
mod fields;
mod findings;
mod learn;
#[cfg(test)]
mod malformed;
mod probe;
mod received;
mod reply;
mod request;
mod response;
mod settings;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

pub use error::{AskError, RspamdError};
pub use learn::{Class, LearnError, Learned};
pub use probe::Controller;
pub use settings::{Endpoint, Settings};

use self::client::Client;
use self::findings::Found;
use self::reply::Reply;
use self::response::Answer;
use super::{BoxFuture, Health, Report, Scan, ScanInput};
use crate::model::{AdvisedAction, Outcome, Scanner, Skip, text};
use crate::net::{Breaker, Gate, Open, Standing};
use crate::telemetry::{Clock, Metrics};

/// The rspamd scanner.
#[derive(Debug)]
pub struct Rspamd {
    settings: Settings,
    clock: Clock,
    metrics: Arc<Metrics>,
    worker: Client,
    controller: Client,
    gate: Gate,
    breaker: Breaker,
    /// What it last called itself.
    version: Mutex<String>,
    /// What came of asking whether it is there: `None` if nobody asked, `Some(Some(_))` if it gave no answer.
    silent: Mutex<Option<Option<String>>>,
}

impl Rspamd {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// If an address cannot be used.
    pub fn new(settings: Settings, clock: Clock, metrics: Arc<Metrics>) -> Result<Arc<Self>, RspamdError> {
        let places = usize::try_from(settings.connections).unwrap_or(usize::MAX).max(1);
        let worker = Client::new(Endpoint::new(&settings.url)?, places);
        // Teaching is rare: no connection is kept for it.
        let controller = Client::new(Endpoint::new(&settings.controller)?, 0);
        let breaker = Breaker::new(Scanner::Rspamd.name(), Arc::clone(&metrics));
        let gate = Gate::new(places);
        let version = Mutex::default();
        let silent = Mutex::default();
        Ok(Arc::new(Self { settings, clock, metrics, worker, controller, gate, breaker, version, silent }))
    }

    /// Starts asking now and then whether it is there. Needs a runtime.
    pub fn watch(self: &Arc<Self>) {
        watch::start(self);
    }

    /// What it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    async fn look(&self, input: Arc<ScanInput>, deadline: Instant) -> Report {
        let began = Instant::now();
        if input.message.raw().len() as u64 > self.settings.max_size.0 {
            return ended(Outcome::Skipped(Skip::TooLarge));
        }
        // Before the gate: while rspamd is left alone nobody waits for those who were let through earlier.
        if let Some(open) = self.breaker.resting() {
            return left_alone(&open);
        }
        let Some(_place) = self.gate.enter(deadline).await else {
            return ended(Outcome::TimedOut(deadline.saturating_duration_since(began)));
        };
        let pass = match self.breaker.pass() {
            Ok(pass) => pass,
            Err(open) => return left_alone(&open),
        };
        let asked = match tokio::time::timeout_at(deadline.into(), self.ask(&input, deadline)).await {
            Ok(asked) => asked,
            Err(_) => Err(AskError::TimedOut { server: self.worker.endpoint().to_string() }),
        };
        match asked {
            Ok(reply) => {
                pass.good();
                match reply {
                    Ok(reply) => report(reply),
                    Err(error) => failed(&error),
                }
            }
            Err(error) => {
                if error.is_servers_fault() {
                    pass.bad(&error.to_string());
                } else {
                    pass.good();
                }
                match error {
                    AskError::TimedOut { .. } => {
                        ended(Outcome::TimedOut(deadline.saturating_duration_since(began)))
                    }
                    error => failed(&error),
                }
            }
        }
    }

    /// Asks the worker. An error inside is one with what rspamd thinks, not with rspamd.
    async fn ask(&self, input: &ScanInput, deadline: Instant) -> Result<Result<Reply, AskError>, AskError> {
        let password = self.settings.password.as_ref().map(|p| p.expose());
        let request = request::check(self.worker.endpoint(), password, input, self.clock.now());
        let limit = usize::try_from(self.settings.max_reply.0).unwrap_or(usize::MAX);
        let answer = self.worker.ask(&request, limit, deadline).await?;
        let server = || self.worker.endpoint().to_string();
        if answer.status != 200 {
            let text = said(&answer);
            return Err(AskError::Status { server: server(), status: answer.status, text });
        }
        self.remember(answer.server.as_deref());
        // Who answers for a mail is there.
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(&*silent, Some(Some(_))) {
            *silent = Some(None);
        }
        drop(silent);
        match reply::parse(&answer.body) {
            Ok(reply) => Ok(Ok(reply)),
            Err(reply::ReplyError::Action(cause) | reply::ReplyError::TooMany(cause)) => {
                Ok(Err(AskError::Protocol { server: server(), cause }))
            }
            Err(reply::ReplyError::Malformed(cause)) => Err(AskError::Protocol { server: server(), cause }),
        }
    }

    fn remember(&self, server: Option<&str>) {
        let Some(server) = server else { return };
        let mut version = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        if *version != server {
            server.clone_into(&mut version);
        }
    }
}

impl Scan for Rspamd {
    fn scanner(&self) -> Scanner {
        Scanner::Rspamd
    }

    fn scan(&self, input: Arc<ScanInput>, deadline: Instant) -> BoxFuture<'_, Report> {
        Box::pin(self.look(input, deadline))
    }

    fn version(&self) -> String {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn health(&self) -> Health {
        match self.breaker.standing() {
            Standing::Good => {
                let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
                silent.clone().flatten().map_or(Health::Up, Health::Degraded)
            }
            Standing::Failing(open) => Health::Degraded(format!("its last answer was none: {}", open.last)),
            Standing::LeftAlone(open) => Health::Degraded(open.to_string()),
        }
    }
}

/// What rspamd said of a message.
fn report(reply: Reply) -> Report {
    let Reply { advice, symbols, is_skipped } = reply;
    // It also calls skipped what it decided at first sight: GTUBE.
    if is_skipped && advice.action == AdvisedAction::NoAction {
        let advice = Some(advice);
        return Report { advice, ..Report::new(Outcome::Skipped(Skip::Exempt)) };
    }
    let Found { findings, missing } = findings::findings(symbols);
    // Each mail has symbols. It is found what speaks against it.
    let found = advice.action != AdvisedAction::NoAction
        || findings.iter().any(|f| f.score.value() > 0.0 || f.severity > crate::model::Severity::Info);
    let outcome = match missing {
        Some(missing) => Outcome::Partial { found, missing },
        None if found => Outcome::Found,
        None => Outcome::Clean,
    };
    Report { findings, advice: Some(advice), ..Report::new(outcome) }
}

fn left_alone(open: &Open) -> Report {
    ended(Outcome::failed("left-alone", format!("rspamd is {open}")))
}

fn failed(error: &AskError) -> Report {
    ended(Outcome::failed(error.label(), error.to_string()))
}

const fn ended(outcome: Outcome) -> Report {
    Report::new(outcome)
}

/// What rspamd says with a status that is no success: the `error` of its JSON, or the text behind the status.
fn said(answer: &Answer) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let error = json.as_ref().and_then(|json| json.get("error")).and_then(serde_json::Value::as_str);
    text::line(error.unwrap_or(&answer.reason), 200)
}
