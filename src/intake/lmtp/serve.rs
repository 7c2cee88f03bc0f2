//! What the sessions of one daemon have in common.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use tokio::sync::watch;

use super::config::{Config, Patience, Reject};
use super::copies::Copies;
use super::error::SessionError;
use super::onward::{Onward, Whom};
use super::session;
use super::standing::Standing;
use crate::intake::accept::{self, Door, Origin, Phase, Protocol};
use crate::intake::endpoint::Cidr;
use crate::intake::sparing::Sparing;
use crate::intake::stream::Stream;
use crate::intake::{Listener, Running};
use crate::model::text;
use crate::pipeline::Budget;
use crate::telemetry::{Clock, Metrics};

/// What a connection keeps from its beginning to its end, whatever is reloaded meanwhile.
#[derive(Debug)]
pub struct Snapshot {
    /// Who judges its messages, and within which bounds.
    pub intake: Arc<crate::intake::Snapshot>,
    /// What `[lmtp]` says of them.
    pub terms: Terms,
}

/// What a reload can change of `[lmtp]`.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What we call ourselves to the next server, and in Received.
    pub(super) name: String,
    /// What we call ourselves to those who hand mail over. Not the host's name alone: Postfix takes a server that
    /// greets with its own name for itself.
    pub(super) greeting: String,
    pub(super) refuses: bool,
    pub(super) max_recipients: u32,
    trusted: Vec<IpNet>,
    each: Onward,
    all: Onward,
}

impl Terms {
    /// From the configuration. `host` is the name of this host, for where it gives none.
    #[must_use]
    pub fn new(config: &Config, host: &str) -> Self {
        let name = config.helo.clone().unwrap_or_else(|| host.to_owned());
        let onward = |whom| {
            let (server, protocol) = (config.relay.clone(), config.relay_protocol.into());
            Onward::new(server, protocol, name.clone(), config.relay_timeout.duration(), whom)
        };
        let greeting = if name.starts_with('[') { name.clone() } else { format!("mailward.{name}") };
        Self {
            greeting,
            refuses: config.reject == Reject::Reply,
            max_recipients: config.max_recipients,
            trusted: config.trusted.clone(),
            each: onward(Whom::Each),
            all: onward(Whom::AllOrNobody),
            name,
        }
    }

    /// The next server, to be asked for one answer for each recipient or for one for all.
    pub(super) const fn onward(&self, each: bool) -> &Onward {
        if each { &self.each } else { &self.all }
    }

    pub(super) fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&peer))
    }
}

/// What all connections share with the rest of the daemon.
#[derive(Debug)]
pub struct Service {
    /// The configuration of today; a reload stores a new one.
    pub snapshots: Arc<ArcSwap<Snapshot>>,
    /// Room for messages.
    pub budget: Arc<Budget>,
    /// Where errors are counted.
    pub metrics: Arc<Metrics>,
    /// The time, for Received.
    pub clock: Clock,
    /// What is known of the next server.
    pub standing: Arc<Standing>,
}

/// What sessions of one daemon have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) service: Service,
    pub(super) patience: Patience,
    /// Copies that are delivered already.
    pub(super) copies: Copies,
    session: Sparing,
    overload: Sparing,
    large: Sparing,
}

impl Shared {
    pub(super) fn new(config: &Config, service: Service) -> Self {
        let (session, overload, large) = (Sparing::new(), Sparing::new(), Sparing::new());
        Self { service, patience: config.patience(), copies: Copies::default(), session, overload, large }
    }

    /// Counts what went wrong in a session, and logs it unless too many lines came just now.
    pub(super) fn note(&self, error: &SessionError, origin: &Origin, name: Option<&str>) {
        let kind = error.label();
        self.service.metrics.lmtp_errors.with_label_values(&[kind]).inc();
        if let Some(held_back) = self.session.pass() {
            let Origin { endpoint, peer } = origin;
            let name = text::line(name.unwrap_or("unknown"), 100);
            tracing::warn!(kind, %error, %endpoint, %peer, name, untold = held_back, "trouble with an lmtp session");
        }
    }

    /// Tells that a message is larger than is taken. Where it is not refused it stays in the queue in front of us until
    /// somebody raises the limit.
    pub(super) fn too_large(&self, queue_id: Option<&str>, limit: u64, refuses: bool) {
        if let (false, Some(held_back)) = (refuses, self.large.pass()) {
            let queue_id = text::line(queue_id.unwrap_or("none"), 100);
            tracing::error!(
                queue_id,
                limit,
                untold = held_back,
                "a message from the queue is larger than limits.message and is put off until it fits: raise limits.message, \
                 or lower the MTA's own limit (Postfix: message_size_limit) to it"
            );
        }
    }

    /// Counts that something was put off for want of room.
    pub(super) fn overloaded(&self, short: &str) {
        self.service.metrics.overload.with_label_values(&[short]).inc();
        if let Some(held_back) = self.overload.pass() {
            tracing::warn!(
                short,
                untold = held_back,
                "no room for one more message or recipient over LMTP; put off"
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
    let counts = (metrics.lmtp_connections.clone(), metrics.lmtp_errors.with_label_values(&["peer"]));
    let guests = (config.allow.iter().copied().map(Cidr).collect(), config.max_connections);
    let door = Door::new("lmtp", ["lmtp-accept", "lmtp-session"], guests, metrics, counts);
    accept::serve(listeners, door, &Arc::new(Shared::new(config, service)))
}
