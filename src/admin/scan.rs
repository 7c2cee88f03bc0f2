//! `POST /api/v1/scan`: judges the message in the body as the daemon would, and nothing comes of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{ApiError, Door};
use crate::model::text;
use crate::pipeline::{Budget, Trial, budget::Share};

/// Messages judged by request at once: mail comes first.
const AT_ONCE: usize = 4;
/// How long a message may take to come: it holds a place meanwhile.
const ARRIVES: Duration = Duration::from_secs(60);
/// More recipients than this are no question about a message.
const MAX_RECIPIENTS: usize = 100;
/// The longest address or name.
const MAX_TEXT: usize = 1000;

/// Room for messages that are judged by request.
#[derive(Clone, Debug)]
pub struct Trials {
    places: Arc<Semaphore>,
    budget: Arc<Budget>,
}

impl Trials {
    /// Messages take their memory from `budget`, as mail does.
    #[must_use]
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), budget }
    }
}

pub(super) async fn scan(
    State(door): State<Door>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let counted = |result: &str| door.metrics.admin_scans.with_label_values(&[result]).inc();
    let trial = trial(&query?.0)?;
    is_message(request.headers())?;
    let busy = |what: &str| {
        counted("busy");
        ApiError::Busy(format!("{what}; try again in a while"))
    };
    let Ok(_place) = door.trials.places.try_acquire() else {
        return Err(busy(&format!("{AT_ONCE} messages are being judged by request already")));
    };
    let share = door.trials.budget.admit();
    let mut share =
        share.map_err(|short| busy(&format!("the daemon has no room for more {}", short.label())))?;
    let limit = door.control.message_limit();
    let collecting = tokio::time::timeout(ARRIVES, collect(request.into_body(), limit, &mut share)).await;
    let collected = collecting.unwrap_or(Err(Uncollected::TooSlow));
    let raw = collected.map_err(|error| match error {
        Uncollected::TooLarge => ApiError::TooLarge(Some(limit)),
        Uncollected::NoMemory => busy("the daemon holds as much mail in memory as it may"),
        Uncollected::TooSlow => {
            ApiError::TooSlow(format!("the body did not come within {} s", ARRIVES.as_secs()))
        }
        Uncollected::BrokenOff => ApiError::BadRequest("the body broke off before its end".to_owned()),
    })?;
    if raw.is_empty() {
        return Err(ApiError::BadRequest("the body is empty; it must be the raw message".to_owned()));
    }
    match door.control.scan(trial, raw, share).await {
        Ok(object) => {
            counted("ok");
            Ok(Json(object))
        }
        Err(error) => {
            counted("failed");
            Err(ApiError::Internal(error))
        }
    }
}

enum Uncollected {
    TooLarge,
    NoMemory,
    TooSlow,
    BrokenOff,
}

async fn collect(body: Body, limit: u64, share: &mut Share) -> Result<Vec<u8>, Uncollected> {
    let mut raw = Vec::new();
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Uncollected::BrokenOff)?;
        if (raw.len() + piece.len()) as u64 > limit {
            return Err(Uncollected::TooLarge);
        }
        share.take(piece.len()).map_err(|_| Uncollected::NoMemory)?;
        raw.extend_from_slice(&piece);
    }
    Ok(raw)
}

/// As whose mail it is to be judged.
fn trial(parameters: &[(String, String)]) -> Result<Trial, ApiError> {
    let mut trial = Trial::default();
    let mut seen = Vec::new();
    for (key, value) in parameters {
        let bad = |what: &str| ApiError::BadRequest(format!("{} {what}", text::line(key, 40)));
        if value.len() > MAX_TEXT {
            return Err(bad("is too long"));
        }
        if value.chars().any(char::is_control) {
            return Err(bad("holds a control character"));
        }
        if key != "rcpt" && seen.contains(&key) {
            return Err(bad("is given twice"));
        }
        seen.push(key);
        match key.as_str() {
            "ip" => trial.ip = Some(value.parse().map_err(|_| bad("is no IP address"))?),
            "helo" => trial.helo = Some(value.clone()),
            "from" => trial.from.clone_from(value),
            "rcpt" if trial.rcpt.len() == MAX_RECIPIENTS => return Err(bad("is given more than 100 times")),
            "rcpt" => trial.rcpt.push(value.clone()),
            _ => {
                return Err(bad(
                    "is no parameter of this; there are ip, helo, from, and rcpt, which may be repeated",
                ));
            }
        }
    }
    Ok(trial)
}

fn is_message(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if ["message/rfc822", "application/octet-stream"].iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    Err(ApiError::WrongKind(
        "the body must be the raw message, with Content-Type: message/rfc822 (curl --data-binary @FILE -H \
         'Content-Type: message/rfc822')"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Trial, String> {
        let query: Vec<_> = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        trial(&query).map_err(|error| error.to_string())
    }

    #[test]
    fn a_query_says_as_whose_mail_a_message_is_judged() {
        let all =
            read(&[("ip", "2001:db8::7"), ("helo", "mx"), ("from", "a@b"), ("rcpt", "c@d"), ("rcpt", "e@f")]);
        let expected = Trial {
            ip: Some("2001:db8::7".parse().unwrap()),
            helo: Some("mx".to_owned()),
            from: "a@b".to_owned(),
            rcpt: vec!["c@d".to_owned(), "e@f".to_owned()],
        };
        assert_eq!(all, Ok(expected));
        assert_eq!(read(&[]), Ok(Trial::default()));
        assert!(read(&[("ip", "x")]).unwrap_err().contains("ip is no IP address"));
        assert!(read(&[("from", "a"), ("from", "b")]).unwrap_err().contains("twice"));
        assert!(read(&[("file", "/etc/passwd")]).unwrap_err().contains("no parameter"));
        assert!(read(&[("rcpt", "a\r\nb")]).unwrap_err().contains("control"));
        assert!(read(&vec![("rcpt", "a"); 101]).is_err());
    }

    #[tokio::test]
    async fn a_body_is_charged_like_mail_and_ends_at_the_limit() {
        let budget = Budget::new(10, 100);
        let mut share = budget.admit().unwrap();
        assert!(matches!(collect(Body::from(vec![0; 51]), 50, &mut share).await, Err(Uncollected::TooLarge)));
        let raw = collect(Body::from(vec![0; 50]), 50, &mut share).await;
        assert!(raw.is_ok_and(|raw| raw.len() == 50));
        assert_eq!(budget.bytes(), 50);
        assert!(matches!(collect(Body::from(vec![0; 60]), 99, &mut share).await, Err(Uncollected::NoMemory)));
        drop(share);
        assert_eq!((budget.bytes(), budget.messages()), (0, 0));
    }
}
