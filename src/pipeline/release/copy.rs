//! One recipient's copy, from the entry to the server's answer.

use std::sync::Arc;
use std::time::Duration;

use super::content::{self, Entry};
use super::flights::{Seen, Sending};
use super::report::{End, OneCopy};
use super::token::Claim;
use super::{ReleaseError, Releases, Settings, address, blocking};
use crate::audit::{QuarantineEvent, Sync};
use crate::model::{Recipient, Timestamp, text};
use crate::net::smtp::{self, Outcome, Outgoing, Protocol, SmtpError, Timeouts};
use crate::quarantine::{Failure, State};

/// How long the connection may take: a host that is off does not keep an admin waiting for minutes.
const CONNECT: Duration = Duration::from_secs(30);
/// The most characters of a server's answer in the audit.
const MAX_DETAIL: usize = 400;

impl Releases {
    /// Hands one copy over, and writes down what became of it. Sets `unreachable` where the server as such
    /// could not be spoken to.
    pub(super) async fn copy(
        &self,
        entry: &Entry,
        recipient: &Recipient,
        again: bool,
        by: &str,
        settings: &Settings,
        unreachable: &mut Option<String>,
    ) -> Result<OneCopy, ReleaseError> {
        let copy = |end, warning| OneCopy { recipient: address(recipient), end, warning };
        let now = self.parts.clock.now();
        let (id, reverse_path) = (entry.meta.id, &entry.meta.envelope.reverse_path);
        let results = entry.meta.auth_results.as_deref();
        let Some(sending) = self.flights.begin(id, reverse_path, recipient, results, now) else {
            return Ok(copy(End::AtWork, None));
        };
        // Read again: the entry in hand may be older than what somebody else just did.
        let quarantine = Arc::clone(&self.parts.quarantine);
        let before = blocking(move || quarantine.meta(id)).await??.state(recipient).cloned();
        match before.clone().unwrap_or_default() {
            State::Delivered => return Err(ReleaseError::Delivered(id)),
            State::Released { at, by, .. } if !again => {
                return Ok(copy(End::ReleasedBefore { at, by }, None));
            }
            State::Uncertain { at, by, why } if !again => {
                sending.leave_open();
                return Ok(copy(End::UncertainBefore { at, by, why }, None));
            }
            State::Sending { at, by } if !again => {
                let why = "what became of it could not be written down".to_owned();
                return Ok(copy(End::UncertainBefore { at, by, why }, None));
            }
            _ => {}
        }
        let detail = format!("to {}", address(recipient));
        if let Err(error) = self.note(id, QuarantineEvent::Releasing, by, detail, Sync::Now).await {
            let why = format!("nothing is released that is not on record first: {error}");
            return Ok(copy(End::NotSent { why }, None));
        }
        let outcome = self.hand_over(entry, recipient, by, settings, &sending, now).await;
        if let Outcome::NotSent(
            error @ (SmtpError::Connect { .. } | SmtpError::Lost { .. } | SmtpError::Silent { .. }),
        ) = &outcome
        {
            *unreachable = Some(error.to_string());
        }
        let seen = sending.seen();
        let in_line = settings.config.filtered && !settings.behind_queue;
        let (end, warning) = judged(outcome, seen.as_ref(), in_line);
        self.parts.metrics.releases.with_label_values(&[end.name()]).inc();
        let unwritten = self.write_down(entry, recipient, before, &end, by, now).await;
        match end {
            End::Uncertain { .. } => sending.leave_open(),
            // The copy comes by when the server takes it out of its queue.
            End::Released { .. } if settings.behind_queue => sending.leave_open(),
            _ => drop(sending),
        }
        let warning = match (warning, unwritten) {
            (Some(one), Some(other)) => Some(format!("{one}; {other}")),
            (one, other) => one.or(other),
        };
        Ok(copy(end, warning))
    }

    /// The transaction with the server.
    async fn hand_over(
        &self,
        entry: &Entry,
        recipient: &Recipient,
        by: &str,
        settings: &Settings,
        sending: &Sending,
        now: Timestamp,
    ) -> Outcome {
        let (meta, config) = (&entry.meta, &settings.config);
        let fields = if config.filtered {
            let expires =
                Timestamp::from_millis(now.millis().saturating_add(millis(config.valid.duration())));
            let reverse_path = &meta.envelope.reverse_path;
            let claim = Claim { id: meta.id, body: &entry.body, kind: &entry.kind, reverse_path, recipient };
            sending.expect(expires);
            content::token_field(&self.key.sign(&claim, expires))
        } else {
            entry.own_fields()
        };
        let total = config.timeout.duration();
        let timeouts = Timeouts { connect: CONNECT.min(total), ..Timeouts::within(total) };
        let helo = config.helo.clone().or_else(|| meta.session.mta.clone());
        let server = smtp::Settings {
            server: config.relay.clone(),
            helo: helo.unwrap_or_else(|| "localhost".to_owned()),
            protocol: Protocol::Smtp,
            timeouts,
        };
        let outgoing = Outgoing {
            reverse_path: &meta.envelope.reverse_path,
            parameters: &meta.envelope.parameters,
            recipients: std::slice::from_ref(recipient),
            pieces: &entry.pieces(fields, settings),
        };
        let state = State::Sending { at: now, by: by.to_owned() };
        let (quarantine, id, to) = (Arc::clone(&self.parts.quarantine), meta.id, recipient.clone());
        let before_dot = async move || {
            let written = blocking(move || quarantine.set_state(id, &to, state)).await;
            written.map_err(|e| e.to_string())?.map(drop).map_err(|e| e.to_string())
        };
        let delivery = smtp::deliver(&server, &outgoing, before_dot).await;
        delivery.outcomes.into_iter().next().unwrap_or_else(|| {
            Outcome::Uncertain(SmtpError::Withdrawn("the server was asked for nobody".to_owned()))
        })
    }

    /// Entry, audit, log. What could not be written is returned as a sentence.
    async fn write_down(
        &self,
        entry: &Entry,
        recipient: &Recipient,
        before: Option<State>,
        end: &End,
        by: &str,
        now: Timestamp,
    ) -> Option<String> {
        let (id, at) = (entry.meta.id, now);
        let (quarantine, to, end_state, by_whom) =
            (Arc::clone(&self.parts.quarantine), recipient.clone(), end.clone(), by.to_owned());
        let written = blocking(move || match end_state {
            End::Released { reply } => {
                quarantine.set_state(id, &to, State::Released { at, by: by_whom, reply })
            }
            End::Uncertain { why } => {
                quarantine.set_state(id, &to, State::Uncertain { at, by: by_whom, why })
            }
            other => {
                let failure = Failure { at, by: by_whom, why: other.to_string() };
                quarantine.set_failed(id, &to, before.unwrap_or_default(), failure)
            }
        });
        let what = match end {
            End::Released { .. } => QuarantineEvent::Released,
            End::Uncertain { .. } => QuarantineEvent::ReleaseUncertain,
            _ => QuarantineEvent::ReleaseFailed,
        };
        let mut unwritten = None;
        let error = match written.await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = error {
            tracing::error!(%id, recipient = self.shown(recipient), error, "what became of a release could not be written down");
            unwritten = Some(format!("this could not be written down in the entry: {error}"));
        }
        let detail = text::line(&format!("to {}: {end}", address(recipient)), MAX_DETAIL);
        if let Err(error) = self.note(id, what, by, detail, Sync::Now).await {
            tracing::error!(%id, %error, "what became of a release could not be noted in the audit journal");
        }
        let words = end.to_string();
        let words = self.parts.pseudonyms.as_ref().map_or(words.clone(), |p| p.text(&words));
        tracing::info!(%id, recipient = self.shown(recipient), by, result = end.name(), words, "a held mail was released or tried to");
        unwritten
    }
}

/// What the server's outcome comes to, knowing whether the copy passed through the filter.
fn judged(outcome: Outcome, seen: Option<&Seen>, filtered: bool) -> (End, Option<String>) {
    // Kept for the sentence that tells an admin where to look.
    let passed = seen.map(|seen| {
        let queue = seen.queue_id.as_deref().unwrap_or("unknown");
        format!("it passed through mailward as {}, the MTA's queue id is {}", seen.id, text::line(queue, 40))
    });
    let for_good = outcome.is_refused_for_good();
    match outcome {
        Outcome::Delivered(reply) => match seen {
            Some(Seen { known: Err(why), id, .. }) => {
                let why = format!(
                    "the server took it ({reply}), but mailward did not know it for what it is, because of its \
                     token {}: it was judged like any other mail, as {id}",
                    why.sentence()
                );
                (End::Uncertain { why }, None)
            }
            None if filtered => {
                let warning = "the server took it without handing it to mailward, so its token went along to the \
                               mailbox; set release.filtered = false if that server is behind the filter";
                (End::Released { reply: reply.to_string() }, Some(warning.to_owned()))
            }
            _ => (End::Released { reply: reply.to_string() }, None),
        },
        Outcome::Refused { reply, stage } => {
            (End::Refused { reply: format!("{reply} (to {stage})"), for_good }, None)
        }
        Outcome::NotSent(error) => (End::NotSent { why: error.to_string() }, None),
        Outcome::Uncertain(error) => {
            let why = passed.map_or_else(|| error.to_string(), |passed| format!("{error}; {passed}"));
            (End::Uncertain { why }, None)
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
