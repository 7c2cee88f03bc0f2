//! Every request passes here before its route, and every answer on its way back.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::task::AbortHandle;

use super::access::Caller;
use super::host::Hosts;
use super::refusal::Refusal;
use super::routes::{self, Rule, Rules};
use super::serve::InWork;
use super::tokens::Denied;
use super::{ApiError, Door};
use crate::model::text;
use crate::telemetry::spawn::supervised;

/// Through which kind of socket a request came.
#[derive(Clone, Debug)]
pub(super) enum Via {
    /// A unix socket: its permissions have decided.
    Unix,
    /// TCP: anybody on this machine, and any page in a browser on it.
    Tcp(Arc<Hosts>),
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Peer {
    Unix,
    Tcp(SocketAddr),
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix => f.write_str("admin socket"),
            Self::Tcp(address) => write!(f, "tcp {address}"),
        }
    }
}

/// What the gate of one listener knows.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) door: Door,
    pub(super) rules: Arc<Rules>,
    pub(super) via: Via,
}

/// Lets a request through to its route, or refuses it.
pub(super) async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let (rule, caller) = match gate.admit(&request) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            let peer = request.extensions().get::<Peer>().map_or_else(|| "?".to_owned(), Peer::to_string);
            // The path alone: a query may hold what nobody should read.
            let asked = format!("{} {}", request.method(), text::line(request.uri().path(), 100));
            return gate.door.refusals.answer(refusal, &peer, &text::line(&asked, 130)).await;
        }
    };
    let limit = gate.limit(rule);
    if said_length(request.headers()).is_some_and(|length| length > limit) {
        return ApiError::TooLarge(Some(limit)).into_response();
    }
    DefaultBodyLimit::max(usize::try_from(limit).unwrap_or(usize::MAX)).apply(&mut request);
    // Taken out: what goes on after its answer keeps no place.
    let in_work = request.extensions_mut().remove::<Arc<InWork>>();
    if let Some(caller) = caller {
        in_work.iter().for_each(|in_work| in_work.counts());
        request.extensions_mut().insert(caller);
    }
    let changes = changes(request.method());
    let running = supervised("admin-request", &gate.door.metrics, next.run(request));
    // What only reads ends when nobody waits for it any more. What changes something goes on to its end, so
    // that it is also noted in the audit journal.
    let _ended = (!changes).then(|| Ended(running.abort_handle()));
    match tokio::time::timeout(rule.time, running).await {
        Ok(Ok(Some(response))) => response,
        Ok(_) => ApiError::Internal("the daemon failed inside; its log says how".to_owned()).into_response(),
        Err(_) if changes => ApiError::TooSlow(format!(
            "this takes longer than {} s and goes on; look later whether it was done",
            rule.time.as_secs()
        ))
        .into_response(),
        Err(_) => {
            ApiError::TooSlow(format!("this took longer than {} s", rule.time.as_secs())).into_response()
        }
    }
}

impl Gate {
    fn admit(&self, request: &Request) -> Result<(Rule, Option<Caller>), Refusal> {
        if let Via::Tcp(hosts) = &self.via
            && let Some(host) = hosts.stranger(request)
        {
            return Err(Refusal::Host(host));
        }
        if changes(request.method()) && request.headers().contains_key(header::ORIGIN) {
            return Err(Refusal::Origin);
        }
        let rule = self.rules.of(request);
        let Some(need) = rule.role else { return Ok((rule, None)) };
        let caller = match self.via {
            Via::Unix => Caller::socket(),
            Via::Tcp(_) => self.holder(request.headers())?,
        };
        if caller.role.covers(need) { Ok((rule, Some(caller))) } else { Err(Refusal::Role(caller, need)) }
    }

    /// Whose token the request shows.
    fn holder(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let mut shown = headers.get_all(header::AUTHORIZATION).into_iter();
        let token = match (shown.next(), shown.next()) {
            (None, _) => return Err(Refusal::NoToken),
            (Some(one), None) => bearer(one).ok_or(Refusal::NoToken)?,
            _ => return Err(Refusal::BadToken),
        };
        self.door.tokens.check(token).map_err(|denied| match denied {
            Denied::Unknown => Refusal::BadToken,
            Denied::Expired(name) => Refusal::Expired(name),
        })
    }

    fn limit(&self, rule: Rule) -> u64 {
        match rule.body {
            routes::Body::Message => self.door.control.message_limit(),
            body => body.bytes(),
        }
    }
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The token of `Bearer TOKEN` (RFC 6750 §2.1).
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn said_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Ends a request that nobody waits for.
struct Ended(AbortHandle);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What every answer carries: nothing here is to be kept by a cache or guessed at by a browser, and
/// JSON is plain ASCII, because what a mail says must not act on a terminal.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    const FIELDS: [(HeaderName, &str); 3] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
    ];
    let mut response = next.run(request).await;
    for (name, value) in FIELDS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json")) {
        ascii(response).await
    } else {
        response
    }
}

/// The same JSON with everything beyond printable ASCII as `\u` escapes.
async fn ascii(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    // Ours, and in memory already.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return ApiError::Internal("an answer could not be made".to_owned()).into_response();
    };
    if bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return Response::from_parts(parts, Body::from(bytes));
    }
    let plain = text::ascii_json(&String::from_utf8_lossy(&bytes)).into_owned();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_behind_bearer_alone() {
        let read = |text: &str| bearer(&HeaderValue::from_str(text).unwrap()).map(str::to_owned);
        assert_eq!(read("Bearer mw_x"), Some("mw_x".to_owned()));
        assert_eq!(read("bearer  mw_x "), Some("mw_x".to_owned()));
        for other in ["Basic bXdfeA==", "mw_x", "", "Bearer", "Bearermw_x"] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn json_is_ascii_and_means_the_same() {
        let value = serde_json::json!({"subject": "a\u{9b}2J\u{202e}\u{7f}é😀"});
        let response = ascii(axum::Json(value.clone()).into_response()).await;
        let bytes = to_bytes(response.into_body(), 1000).await.unwrap();
        assert!(bytes.iter().all(|b| (b' '..=b'~').contains(b)));
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(), value);
    }
}
