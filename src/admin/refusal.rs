//! Who was not let in, and keeping count of them within bounds.
//!
//! Nobody is locked out by what others do: a good token is looked at before anything is counted, and
//! `/healthz` and `/readyz` need none. What the limit bounds is what refusals may cost.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::access::{Caller, Role};
use crate::audit::{AdminEvent, Audit, Entry, Sync};
use crate::model::text;
use crate::telemetry::Metrics;

/// Failed authentications within [`MINUTE`] that are answered in full.
const FAILURES: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);
/// Refusals that are written into the journal at once, and how long until one more is: 300 a day at the
/// most, each of some hundred bytes.
const NOTED: u32 = 10;
const NOTED_EVERY: Duration = Duration::from_secs(300);

/// Why a request was refused at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It asks for another host.
    Host(String),
    /// A web page wants to change something.
    Origin,
    /// There is no token.
    NoToken,
    /// The token is none of ours.
    BadToken,
    /// The time of this token is over.
    Expired(String),
    /// The token's role may not do this.
    Role(Caller, Role),
    /// Too many failed lately.
    TooMany(Duration),
}

impl Refusal {
    /// The bounded words for metrics.
    const LABELS: [&'static str; 7] =
        ["host", "origin", "no-token", "bad-token", "expired", "role", "too-many"];

    pub(super) const fn label(&self) -> &'static str {
        let [host, origin, no_token, bad_token, expired, role, too_many] = Self::LABELS;
        match self {
            Self::Host(_) => host,
            Self::Origin => origin,
            Self::NoToken => no_token,
            Self::BadToken => bad_token,
            Self::Expired(_) => expired,
            Self::Role(..) => role,
            Self::TooMany(_) => too_many,
        }
    }

    /// Whether it counts against the limit: somebody tried to get in.
    const fn is_failed_authentication(&self) -> bool {
        matches!(self, Self::NoToken | Self::BadToken | Self::Expired(_))
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Host(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::NoToken | Self::BadToken | Self::Expired(_) => StatusCode::UNAUTHORIZED,
            Self::Origin | Self::Role(..) => StatusCode::FORBIDDEN,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// What the caller is told.
    fn sentence(&self) -> String {
        match self {
            Self::Host(host) if host.is_empty() => {
                "the request names no host, or several; it needs one Host field".to_owned()
            }
            Self::Host(host) => format!(
                "{:?} is no name of this door; ask for localhost or 127.0.0.1 with its port, or add the name to admin.hosts",
                text::line(host, 100)
            ),
            Self::Origin => {
                "a web page sent this (it has an Origin field), and none may change anything here".to_owned()
            }
            Self::NoToken => {
                "this needs a token, as in `Authorization: Bearer TOKEN`, never in the URL; `mailward token create NAME \
                 --role viewer` on the machine itself makes one. /healthz and /readyz need none"
                    .to_owned()
            }
            Self::BadToken => {
                "this token is not known here, or was revoked; `mailward token list` shows those that are".to_owned()
            }
            Self::Expired(_) => "the time of this token is over; have a new one made".to_owned(),
            Self::Role(caller, need) => {
                format!("{} has the role {}, and this needs {need}", caller.name, caller.role)
            }
            Self::TooMany(wait) => format!(
                "too many requests without a good token lately; try again in {} s. A good token is let in at any time",
                seconds(*wait)
            ),
        }
    }

    /// What the journal says of it.
    fn note(&self) -> String {
        match self {
            Self::Host(host) => format!("asked for the host {:?}", text::line(host, 100)),
            Self::Origin => "sent by a web page".to_owned(),
            Self::NoToken => "no token".to_owned(),
            Self::BadToken => "a token that is not known".to_owned(),
            Self::Expired(_) => "a token whose time is over".to_owned(),
            Self::Role(caller, need) => format!("needs {need}, is {}", caller.role),
            Self::TooMany(_) => "too many without a good token".to_owned(),
        }
    }

    /// Who the journal says it was: whose token, if that is known.
    fn by(&self, peer: &str) -> String {
        match self {
            Self::Role(caller, _) => caller.name.clone(),
            Self::Expired(name) => format!("token {name}"),
            _ => peer.to_owned(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(serde_json::json!({ "error": self.sentence() }));
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        // RFC 6750 §3.
        let challenge = match &self {
            Self::NoToken => Some("Bearer realm=\"mailward\""),
            Self::BadToken | Self::Expired(_) => Some("Bearer realm=\"mailward\", error=\"invalid_token\""),
            Self::Role(..) => Some("Bearer realm=\"mailward\", error=\"insufficient_scope\""),
            _ => None,
        };
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Self::TooMany(wait) = &self {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds(*wait)));
        }
        response
    }
}

/// Rounded up.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + 1
}

/// Counts refusals, of all listeners together.
pub struct Refusals {
    audit: Arc<Audit>,
    metrics: Arc<Metrics>,
    failures: Mutex<VecDeque<Instant>>,
    /// For those who hold a token, and for all others: a flood of these must not hide the former.
    notes: [Mutex<Allowance>; 2],
}

impl Refusals {
    /// None so far.
    #[must_use]
    pub fn new(audit: Arc<Audit>, metrics: Arc<Metrics>) -> Arc<Self> {
        for label in Refusal::LABELS {
            metrics.admin_refusals.with_label_values(&[label]);
        }
        let notes = [Mutex::new(Allowance::new()), Mutex::new(Allowance::new())];
        Arc::new(Self { audit, metrics, failures: Mutex::default(), notes })
    }

    /// Counts a refusal, notes it if there is room, and gives what the caller is told: after too many
    /// failures that is to wait.
    pub(super) async fn answer(&self, refusal: Refusal, peer: &str, asked: &str) -> Response {
        let told = match self.must_wait(&refusal, Instant::now()) {
            Some(wait) => Refusal::TooMany(wait),
            None => refusal,
        };
        self.metrics.admin_refusals.with_label_values(&[told.label()]).inc();
        let by = told.by(peer);
        let whose = usize::from(!by.starts_with("token "));
        let noted = lock(&self.notes[whose]).take(Instant::now());
        if let Some(silent) = noted {
            let mut detail = format!("{asked}: {}", told.note());
            if silent > 0 {
                detail.push_str(&format!("; {silent} more since the last that was noted"));
            }
            tracing::warn!(by, detail, "the admin's door refused a request");
            let what = AdminEvent::AccessRefused;
            let entry = Entry::Admin { what, by, time: self.audit.now(), detail };
            if let Err(error) = self.audit.append(entry, Sync::Soon).await {
                tracing::warn!(%error, "a refusal could not be noted in the audit journal");
            }
        }
        told.into_response()
    }

    /// Counts a failed authentication; how long to wait, if there were too many.
    fn must_wait(&self, refusal: &Refusal, now: Instant) -> Option<Duration> {
        if !refusal.is_failed_authentication() {
            return None;
        }
        let mut failures = lock(&self.failures);
        while failures.front().is_some_and(|at| now.saturating_duration_since(*at) >= MINUTE) {
            failures.pop_front();
        }
        match failures.front() {
            Some(first) if failures.len() >= FAILURES => {
                Some(MINUTE.saturating_sub(now.saturating_duration_since(*first)))
            }
            _ => {
                failures.push_back(now);
                None
            }
        }
    }
}

impl std::fmt::Debug for Refusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refusals").finish_non_exhaustive()
    }
}

/// A poisoned lock holds counts only; none of them can be half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many may be noted now.
struct Allowance {
    left: u32,
    /// When the last one came back.
    since: Option<Instant>,
    silent: u64,
}

impl Allowance {
    const fn new() -> Self {
        Self { left: NOTED, since: None, silent: 0 }
    }

    /// Takes one, if there is one; and how many went without since the last.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let since = *self.since.get_or_insert(now);
        let back = now.saturating_duration_since(since).as_secs() / NOTED_EVERY.as_secs();
        if back > 0 {
            self.left = NOTED.min(self.left.saturating_add(u32::try_from(back).unwrap_or(u32::MAX)));
            self.since = Some(now);
        }
        if self.left == 0 {
            self.silent += 1;
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_noted_within_bounds_and_the_rest_is_counted() {
        let mut allowance = Allowance::new();
        let begin = Instant::now();
        let noted = (0..1000).filter(|_| allowance.take(begin).is_some()).count();
        assert_eq!(noted, 10);
        assert_eq!(allowance.take(begin + NOTED_EVERY), Some(990));
        assert_eq!(allowance.take(begin + NOTED_EVERY), None);
        // What nobody used does not add up without end.
        let later = begin + NOTED_EVERY * 1000;
        assert_eq!((0..100).filter(|_| allowance.take(later).is_some()).count(), 10);
    }

    #[test]
    fn a_refusal_says_what_to_do_and_never_repeats_a_token() {
        let caller = Caller::token("grafana", Role::Viewer);
        let all = [
            (Refusal::Host("evil.example".to_owned()), 421),
            (Refusal::Origin, 403),
            (Refusal::NoToken, 401),
            (Refusal::BadToken, 401),
            (Refusal::Expired("ci".to_owned()), 401),
            (Refusal::Role(caller, Role::Admin), 403),
            (Refusal::TooMany(Duration::from_secs(3)), 429),
        ];
        assert_eq!(all.each_ref().map(|(refusal, _)| refusal.label()), Refusal::LABELS);
        for (refusal, status) in all {
            let sentence = refusal.sentence();
            assert!(sentence.len() > 20, "{sentence}");
            let challenged = matches!(status, 401) || matches!(refusal, Refusal::Role(..));
            let response = refusal.into_response();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), challenged);
            assert_eq!(response.headers().contains_key(RETRY_AFTER), status == 429);
        }
    }
}
