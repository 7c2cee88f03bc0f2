//! `/healthz`, `/readyz`, `/metrics`, and counting of requests.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Door;
use crate::telemetry::Metrics;

/// Whether mail is taken, and what does not work as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Mail is taken.
    pub ready: bool,
    /// A sentence for each part that is degraded.
    pub degraded: Vec<String>,
}

impl Readiness {
    /// The body of `/readyz`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::from(match (self.ready, self.degraded.is_empty()) {
            (true, true) => "ready\n",
            (true, false) => "ready, degraded\n",
            (false, _) => "not ready\n",
        });
        for sentence in &self.degraded {
            text.push_str("degraded: ");
            text.push_str(sentence);
            text.push('\n');
        }
        text
    }
}

pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

pub(super) async fn readyz(State(door): State<Door>) -> Response {
    let readiness = door.control.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, readiness.text()).into_response()
}

pub(super) async fn metrics(State(door): State<Door>) -> Response {
    door.control.refresh();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], door.metrics.exposition()).into_response()
}

/// Counts each request under its route pattern, never under the path that was asked for.
pub(super) async fn counted(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unknown".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    let class = match response.status().as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    metrics.admin_requests.with_label_values(&[route.as_str(), class]).inc();
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readyz_says_what_is_degraded() {
        let r = Readiness { ready: true, degraded: vec!["yara: bad.yar is left out".to_owned()] };
        assert_eq!(r.text(), "ready, degraded\ndegraded: yara: bad.yar is left out\n");
    }
}
