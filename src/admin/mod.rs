//! The admin's door: HTTP on a unix socket, and health on loopback TCP.
//!
//! | route | unix socket | TCP | what |
//! |---|---|---|---|
//! | `GET /healthz` | yes | yes | 200 while the process runs |
//! | `GET /readyz` | yes | yes | 200 while mail is taken; the body says what is degraded |
//! | `GET /metrics` | yes | no | Prometheus' text format |
//! | `/api/v1/…` | yes | no | JSON behind the command line |
//!
//! **Contract.** Who may open the unix socket (its mode and group) may do everything. TCP has no
//! tokens yet and so gives health only. No route takes a path on this machine.
//!
//! **Failures.** An error is JSON, `{"error": "…"}`, with a sentence for people. A panic in a route
//! ends that request alone.

mod api;
mod error;
mod health;
mod listen;

use std::sync::Arc;

pub use error::ApiError;
pub use health::Readiness;
pub use listen::{Bound, Config, Listen, ListenError};

use axum::Router;
use axum::routing::{get, post};

use crate::audit::Audit;
use crate::quarantine::Quarantine;
use crate::telemetry::Metrics;
use crate::telemetry::spawn::supervised;

/// What the admin's door asks of the daemon.
pub trait Control: Send + Sync {
    /// Whether mail is taken, and what is degraded.
    fn readiness(&self) -> Readiness;

    /// Brings the gauges up to date, before they are read.
    fn refresh(&self);

    /// The daemon at a glance.
    fn status(&self) -> serde_json::Value;

    /// Reads configuration and rules again; all or nothing. A sentence about what is new.
    ///
    /// # Errors
    /// The whole report if anything is wrong; the old configuration goes on.
    fn reload(&self) -> Result<String, String>;
}

/// What the routes work on.
#[derive(Clone)]
pub struct Door {
    /// The daemon.
    pub control: Arc<dyn Control>,
    /// The record of what was judged.
    pub audit: Arc<Audit>,
    /// What was held.
    pub quarantine: Arc<Quarantine>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
}

impl Door {
    /// The routes of a unix socket.
    pub fn full(self) -> Router {
        let router = Router::new()
            .route("/metrics", get(health::metrics))
            .route("/api/v1/status", get(api::status))
            .route("/api/v1/reload", post(api::reload))
            .route("/api/v1/audit", get(api::audit_list))
            .route("/api/v1/audit/verify", get(api::audit_verify))
            .route("/api/v1/audit/export", get(api::audit_export))
            .route("/api/v1/audit/{id}", get(api::audit_show))
            .route("/api/v1/quarantine", get(api::quarantine_list))
            .route("/api/v1/quarantine/{id}", get(api::quarantine_show).delete(api::quarantine_delete))
            .route("/api/v1/quarantine/{id}/message", get(api::quarantine_message));
        Self::common(router, self)
    }

    /// The routes of a TCP listener.
    pub fn health_only(self) -> Router {
        Self::common(Router::new(), self)
    }

    fn common(router: Router<Self>, door: Self) -> Router {
        let metrics = Arc::clone(&door.metrics);
        router
            .route("/healthz", get(health::healthz))
            .route("/readyz", get(health::readyz))
            .fallback(api::unknown)
            .method_not_allowed_fallback(api::wrong_method)
            .layer(axum::middleware::from_fn_with_state(metrics, health::counted))
            .with_state(door)
    }
}

/// Serves one open door until the task is aborted.
///
/// # Errors
/// If the socket cannot be handed to the runtime.
pub fn serve(
    bound: Bound,
    door: Door,
    metrics: &Metrics,
) -> Result<tokio::task::JoinHandle<Option<()>>, ListenError> {
    let failed = |source| ListenError::Io { address: "the admin's door".to_owned(), source };
    let ended = |result: std::io::Result<()>| {
        if let Err(error) = result {
            tracing::error!(%error, "the admin's door closed; restart the daemon to open it again");
        }
    };
    Ok(match bound {
        Bound::Unix(listener) => {
            let listener = tokio::net::UnixListener::from_std(listener).map_err(failed)?;
            supervised("admin-unix", metrics, async move { ended(axum::serve(listener, door.full()).await) })
        }
        Bound::Tcp(listener) => {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
            supervised(
                "admin-tcp",
                metrics,
                async move { ended(axum::serve(listener, door.health_only()).await) },
            )
        }
    })
}
