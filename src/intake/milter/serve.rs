//! What the sessions of one daemon have in common.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::config::Config;
use super::connection::Connection;
use super::error::SessionError;
use super::farewell;
use super::frame::Patience;
use super::session;
use crate::intake::accept::{self, Door, Left, Origin, Phase, Protocol};
use crate::intake::sparing::Sparing;
use crate::intake::stream::Stream;
use crate::intake::{Listener, Running, Service};

/// What sessions of one daemon have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) service: Service,
    pub(super) patience: Patience,
    pub(super) progress: Duration,
    pub(super) quiet: Quiet,
    left: Arc<Left>,
}

/// Log lines that could flood.
#[derive(Debug)]
pub(super) struct Quiet {
    pub(super) session: Sparing,
    pub(super) terms: Sparing,
    pub(super) overload: Sparing,
}

impl Shared {
    pub(super) fn new(config: &Config, service: Service, left: Arc<Left>) -> Self {
        Self {
            service,
            patience: Patience {
                idle: config.idle_timeout.duration(),
                packet: config.packet_timeout.duration(),
            },
            progress: config.progress.duration(),
            quiet: Quiet { session: Sparing::new(), terms: Sparing::new(), overload: Sparing::new() },
            left,
        }
    }

    /// Takes leave of an MTA that has no message under way.
    pub(super) fn leave(&self, stream: Stream) {
        self.left.leave(|| farewell::leave(stream));
    }

    /// Counts what went wrong in a session, and logs it unless too many lines came just now.
    pub(super) fn note(&self, error: &SessionError, origin: &Origin, connection: &Connection) {
        let kind = error.label();
        self.service.metrics.milter_errors.with_label_values(&[kind]).inc();
        if let Some(held_back) = self.quiet.session.pass() {
            let Origin { endpoint, peer } = origin;
            tracing::warn!(
                kind, %error, %endpoint, %peer, client = connection.shown(), untold = held_back,
                "trouble with a milter session"
            );
        }
    }
}

impl Protocol for Shared {
    fn serve(
        self: Arc<Self>,
        stream: Stream,
        origin: Origin,
        phase: watch::Receiver<Phase>,
    ) -> impl Future<Output = ()> + Send {
        session::serve(stream, origin, self, phase)
    }
}

/// Takes connections on all `listeners`, from now until [`Running::drain`].
#[must_use]
pub fn serve(listeners: Vec<Listener>, config: &Config, service: Service) -> Running {
    let metrics = Arc::clone(&service.metrics);
    let counts = (metrics.milter_connections.clone(), metrics.milter_errors.with_label_values(&["peer"]));
    let guests = (config.allow.clone(), config.max_connections);
    let door = Door::new("milter", ["milter-accept", "milter-session"], guests, metrics, counts);
    let left = Arc::clone(&door.left);
    accept::serve(listeners, door, &Arc::new(Shared::new(config, service, left)))
}
