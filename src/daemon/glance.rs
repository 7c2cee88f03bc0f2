//! The daemon at a glance: what `GET /api/v1/status` answers.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::recent::{Recent, by_category};
use super::sockets::Sockets;
use crate::admin::Readiness;
use crate::config::Config;
use crate::intake::lmtp;
use crate::model::{Category, Disposition, List, Scanner, Timestamp};
use crate::pipeline::{Budget, Engine, Shared};
use crate::quarantine::Copies;
use crate::scan::Health;
use crate::telemetry::log::Standing;

/// An attempt to read the configuration again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reload {
    /// When.
    pub(super) time: Timestamp,
    /// It is in use.
    pub(super) ok: bool,
}

/// Where to look.
pub(super) struct Seen<'a> {
    pub(super) shared: &'a Shared,
    pub(super) budget: &'a Budget,
    pub(super) recent: &'a Recent,
    pub(super) engine: &'a Engine,
    pub(super) config: &'a Config,
    /// `None` while the daemon starts.
    pub(super) sockets: Option<&'a Sockets>,
    pub(super) file: Option<&'a Path>,
    pub(super) started: Timestamp,
    pub(super) reload: Option<&'a Reload>,
    pub(super) restart: Vec<&'static str>,
    pub(super) readiness: Readiness,
    pub(super) log: Standing,
    /// How the next server of LMTP does.
    pub(super) relay: &'a lmtp::Standing,
}

/// Reads memory only.
pub(super) fn status(seen: &Seen<'_>) -> Value {
    let (shared, metrics) = (seen.shared, &seen.shared.metrics);
    let messages = Disposition::ALL.map(|d| (d.name(), metrics.messages_by(d)));
    let classes = |counts: [u64; 5]| numbers(Category::ALL.into_iter().map(Category::name).zip(counts));
    let lists =
        List::ALL.map(|list| (list.name(), gauge(&metrics.list_entries.with_label_values(&[list.name()]))));
    let reload = seen.reload.map(|reload| json!({"time": reload.time, "ok": reload.ok}));
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started": seen.started,
        "uptime_seconds": shared.clock.now().since(seen.started).as_secs(),
        "ready": seen.readiness.ready,
        "degraded": seen.readiness.degraded,
        "restart_needed": seen.restart,
        "messages": numbers(messages),
        "verdicts": classes(by_category(metrics)),
        "verdicts_last_hour": classes(seen.recent.last_hour(metrics)),
        "in_work": seen.budget.messages(),
        "bytes_held": seen.budget.bytes(),
        "limits": {"messages": seen.config.limits.messages, "held": seen.config.limits.held.0},
        "sockets": seen.sockets.map(Sockets::shown),
        "connections": gauge(&metrics.milter_connections),
        "scanners": seen.engine.scanners().iter().map(|asked| scanner(seen, &*asked.scan)).collect::<Vec<_>>(),
        "quarantine": quarantine(shared),
        "second_look": second_look(shared),
        "audit": audit(shared),
        "lmtp": lmtp(seen),
        "lists": numbers(lists),
        "config": {"file": seen.file, "reload": reload, "digest": seen.config.digest()},
        "process": {"id": std::process::id(), "user": nix::unistd::Uid::effective().as_raw()},
        "mta": crate::intake::milter::arrived(),
        "log": seen.log,
    })
}

fn scanner(seen: &Seen<'_>, scan: &dyn crate::scan::Scan) -> Value {
    let name = scan.scanner();
    let health = match scan.health() {
        Health::Up => "up".to_owned(),
        Health::Degraded(what) => format!("degraded: {what}"),
    };
    let mut object = json!({"name": name, "health": health, "version": scan.version()});
    if matches!(name, Scanner::Rspamd | Scanner::Clamd) {
        let open = seen.shared.metrics.breaker_open.with_label_values(&[name.name()]).get() == 1;
        object["breaker"] = if open { "open" } else { "closed" }.into();
    }
    object
}

/// What became of mail that was handed on over LMTP; nothing where that is off.
fn lmtp(seen: &Seen<'_>) -> Option<Value> {
    let section = seen.config.lmtp.as_ref().filter(|section| section.enabled)?;
    let handed_on = &seen.shared.metrics.lmtp_handed_on;
    let outcomes = ["delivered", "put-off", "refused", "not-sent", "uncertain"];
    let counts = outcomes.map(|outcome| (outcome, handed_on.with_label_values(&[outcome]).get()));
    let server = section.relay.to_string();
    let trouble = seen.relay.trouble(&server);
    Some(json!({"relay": server, "handed_on": numbers(counts), "trouble": trouble}))
}

fn quarantine(shared: &Shared) -> Value {
    let totals = shared.quarantine.totals();
    let by_category: Map<String, Value> = totals
        .by_category
        .iter()
        .map(|(category, (entries, bytes))| {
            (category.name().to_owned(), json!({"entries": entries, "bytes": bytes}))
        })
        .collect();
    json!({"entries": totals.entries, "bytes": totals.bytes, "by_category": by_category})
}

fn second_look(shared: &Shared) -> Value {
    let Copies { waiting, oldest, caught, bytes } = shared.second_look.copies();
    json!({"waiting": waiting, "oldest": oldest, "caught": caught, "bytes": bytes})
}

fn audit(shared: &Shared) -> Value {
    let standing = shared.audit.standing();
    let trouble = standing.failed.or_else(|| shared.audit_trouble.sentence());
    json!({
        "last_sync": standing.last_sync,
        "unsynced": standing.unsynced,
        "index_lag": standing.index_lag,
        "trouble": trouble,
    })
}

fn gauge(gauge: &prometheus::IntGauge) -> u64 {
    u64::try_from(gauge.get()).unwrap_or(0)
}

fn numbers<'a>(counts: impl IntoIterator<Item = (&'a str, u64)>) -> Value {
    counts.into_iter().map(|(name, n)| (name.to_owned(), Value::from(n))).collect::<Map<_, _>>().into()
}
