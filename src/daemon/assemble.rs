//! Makes an engine out of a configuration, for the daemon and for `mailward scan`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::neighbours::Neighbours;
use super::{DaemonError, keys};
use crate::config::{Config, SecretError};
use crate::dns::Zone;
use crate::feed::{Source, offline};
use crate::intake::lmtp;
use crate::model::{Category, OwnId, Scanner};
use crate::pipeline::engine::Settings;
use crate::pipeline::pass::PassKey;
use crate::pipeline::release;
use crate::pipeline::{Engine, Terms};
use crate::policy::{Policy, Worth};
use crate::retro;
use crate::scan::auth::{self, Auth};
use crate::scan::mime::Mime;
use crate::scan::run::Asked;
use crate::scan::url::{self, Known, Urls};
use crate::scan::yara::Yara;
use crate::telemetry::{Clock, Metrics};

/// An engine without the daemon around it: nothing is stored. Blocks while rules are compiled.
///
/// With a `zone` the DNS is not asked; the file answers. Links are looked up in `known`.
///
/// # Errors
/// If the rules cannot be used or the policy contradicts itself.
pub fn offline_engine(
    config: &Config,
    metrics: &Arc<Metrics>,
    zone: Option<Zone>,
    known: Known,
) -> Result<Engine, DaemonError> {
    let yara = start_yara(config, metrics)?;
    let clock = Clock::system();
    let mut neighbours = Neighbours::default().renewed(config, &clock, metrics)?;
    if let Some(zone) = zone {
        neighbours = neighbours.answered_by(zone, &clock, metrics)?;
    }
    engine(config, yara.as_ref(), &neighbours, known, &clock, metrics)
}

/// The last good copies of the configured feeds, and a sentence for each feed that has none to be read. Blocks.
#[must_use]
pub fn offline_feeds(config: &Config) -> (Known, Vec<String>) {
    let on = config.feed.iter().filter(|(_, feed)| feed.enabled);
    let sources = on.map(|(name, feed)| Source::new(name, feed.format, feed.url.as_str()));
    let (index, notes) = offline(&config.feeds_dir(), sources);
    (Known::Still(index), notes)
}

/// What is judged by under this configuration, without anything to judge: for records of the past.
///
/// # Errors
/// If the policy contradicts itself.
pub fn offline_terms(config: &Config) -> Result<Terms, DaemonError> {
    let terms = |scanner| Some((scanner, config.scanner.terms(scanner)?.on_failure));
    Ok(Terms {
        policy: policy(config)?,
        on_failure: Scanner::ALL.into_iter().filter_map(terms).collect(),
        lists: crate::lists::Terms::new(&config.lists),
        fingerprint: fingerprint(config),
    })
}

fn policy(config: &Config) -> Result<Policy, DaemonError> {
    let policy = Policy::new(&config.policy).map_err(|errors| {
        DaemonError::Policy(errors.iter().map(|e| format!("policy.{e}")).collect::<Vec<_>>().join("\n"))
    })?;
    Ok(policy.with_rules(config.rules.clone()))
}

/// The YARA scanner, unless it is off.
pub(super) fn start_yara(config: &Config, metrics: &Arc<Metrics>) -> Result<Option<Arc<Yara>>, DaemonError> {
    let section = &config.scanner.yara;
    Ok(if section.enabled { Some(Yara::start(section, Arc::clone(metrics))?) } else { None })
}

/// The engine of this configuration, with scanners that are running already.
pub(super) fn engine(
    config: &Config,
    yara: Option<&Arc<Yara>>,
    neighbours: &Neighbours,
    known: Known,
    clock: &Clock,
    metrics: &Arc<Metrics>,
) -> Result<Engine, DaemonError> {
    let policy = policy(config)?;
    let mut scanners = Vec::new();
    let mut on_failure: BTreeMap<Scanner, Worth> = BTreeMap::new();
    let mut ask = |scan: Arc<dyn crate::scan::Scan>, timeout: Duration, failure: Worth| {
        on_failure.insert(scan.scanner(), failure);
        scanners.push(Asked { scan, timeout });
    };
    if let Some(terms) = config.scanner.terms(Scanner::Mime) {
        ask(Arc::new(Mime), terms.timeout.duration(), terms.on_failure);
    }
    if let (Some(yara), Some(terms)) = (yara, config.scanner.terms(Scanner::Yara)) {
        ask(Arc::clone(yara) as Arc<dyn crate::scan::Scan>, terms.timeout.duration(), terms.on_failure);
    }
    if let (Some(rspamd), Some(terms)) = (&neighbours.rspamd, config.scanner.terms(Scanner::Rspamd)) {
        ask(Arc::clone(rspamd) as Arc<dyn crate::scan::Scan>, terms.timeout.duration(), terms.on_failure);
    }
    if let (Some(clamd), Some(terms)) = (&neighbours.clamd, config.scanner.terms(Scanner::Clamd)) {
        ask(Arc::clone(clamd) as Arc<dyn crate::scan::Scan>, terms.timeout.duration(), terms.on_failure);
    }
    if let (Some(dns), Some(terms)) = (&neighbours.dns, config.scanner.terms(Scanner::Auth)) {
        let auth = Auth::new(auth_settings(config), Arc::clone(&dns.resolver), clock.clone());
        ask(Arc::new(auth), terms.timeout.duration(), terms.on_failure);
    }
    if let Some(terms) = config.scanner.terms(Scanner::Urls) {
        let settings = url::Settings::new(&config.scanner.urls, categories(config));
        let urls =
            Urls::new(settings, known, clock.clone(), Arc::clone(metrics)).asking(neighbours.asks.clone());
        ask(Arc::new(urls), terms.timeout.duration(), terms.on_failure);
    }
    let settings = Settings {
        limits: config.limits.mime,
        deadline: config.limits.deadline.duration(),
        own: config.network.own.clone(),
        on_failure,
        authserv_id: config.auth.authserv_id.clone(),
        received_spf: writes_received_spf(config),
        lists: crate::lists::Terms::new(&config.lists),
        fingerprint: fingerprint(config),
    };
    Ok(Engine::new(settings, scanners, policy, Arc::clone(metrics)).with_pass(pass_key(config)?))
}

/// By what mail that the milter let through is known over LMTP; `None` where there is no LMTP.
fn pass_key(config: &Config) -> Result<Option<PassKey>, DaemonError> {
    let Some(lmtp) = config.lmtp.as_ref().filter(|lmtp| lmtp.enabled) else { return Ok(None) };
    Ok(Some(match &lmtp.pass_key {
        Some(secret) => PassKey::shared(secret.fetch()?.expose()),
        None => PassKey::new(&keys::load_or_make(&config.state_dir.join("keys"), "pass")?),
    }))
}

/// What releases take from this configuration; without clients nobody can be taught.
pub(super) fn releases(config: &Config, neighbours: &Neighbours) -> release::Settings {
    release::Settings {
        config: config.release.clone(),
        own_id: OwnId { set: config.auth.authserv_id.clone(), verifies: verifies(config) },
        received_spf: writes_received_spf(config),
        behind_queue: config.lmtp.as_ref().is_some_and(|lmtp| lmtp.enabled),
        teacher: neighbours.rspamd.clone().map(|rspamd| rspamd as Arc<dyn release::Teacher>),
    }
}

/// The feeds that this configuration has on, with their keys.
pub(super) fn feeds(config: &Config) -> Result<BTreeMap<String, crate::feed::Settings>, SecretError> {
    let on = config.feed.iter().filter(|(_, feed)| feed.enabled);
    on.map(|(name, feed)| Ok((name.clone(), feed.settings()?))).collect()
}

/// Who is told, with their secrets.
pub(super) fn notify(config: &Config) -> Result<BTreeMap<String, crate::notify::Settings>, SecretError> {
    let host = host(config);
    let on = config.notify.iter().filter(|(_, section)| section.enabled);
    on.map(|(name, section)| Ok((name.clone(), section.settings(&host)?))).collect()
}

/// The name of this host, as mail knows it.
pub(super) fn host(config: &Config) -> String {
    let set = config.auth.authserv_id.as_ref().map(|id| id.as_str().to_owned());
    let system = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = set.or_else(system).map(|name| name.trim().to_owned());
    let good = |name: &String| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        !name.is_empty() && name.len() <= 253 && name.bytes().all(plain) && !name.starts_with(['-', '.'])
    };
    name.filter(good).unwrap_or_else(|| "localhost".to_owned())
}

/// What each feed is of.
fn categories(config: &Config) -> BTreeMap<String, Category> {
    config.feed.iter().map(|(name, feed)| (name.clone(), feed.category())).collect()
}

/// What LMTP connections begin with, unless it is off.
pub(super) fn lmtp(config: &Config, intake: &Arc<crate::intake::Snapshot>) -> Option<lmtp::Snapshot> {
    let section = config.lmtp.as_ref().filter(|lmtp| lmtp.enabled)?;
    Some(lmtp::Snapshot { intake: Arc::clone(intake), terms: lmtp::Terms::new(section, &host(config)) })
}

/// What is done about accepted mail; without the scanner of links there is nothing to keep.
pub(super) fn retro(config: &Config) -> retro::Settings {
    let enabled = config.retro.enabled && config.scanner.urls.enabled;
    retro::Settings {
        config: retro::Config { enabled, ..config.retro.clone() },
        categories: categories(config),
    }
}

fn verifies(config: &Config) -> bool {
    config.scanner.terms(Scanner::Auth).is_some()
}

/// Without SPF there is nothing to write, and no reason to take others' away.
fn writes_received_spf(config: &Config) -> bool {
    config.auth.received_spf && verifies(config)
}

fn auth_settings(config: &Config) -> auth::Settings {
    auth::Settings {
        signatures: config.scanner.auth.signatures as usize,
        questions: config.scanner.auth.questions,
        trusted_relays: config.network.trusted_relays.clone(),
        trusted_sealers: config.auth.trusted_sealers.clone(),
        trusted_ids: config.auth.trusted_ids.clone(),
        own_id: OwnId { set: config.auth.authserv_id.clone(), verifies: true },
    }
}

/// A short name of what judges: two records with the same one were judged by the same policy.
fn fingerprint(config: &Config) -> String {
    let judged_by = toml::to_string(&config.policy).unwrap_or_default();
    let hash = Sha256::new().chain_update(judged_by).chain_update(config.rules.text()).finalize();
    data_encoding::HEXLOWER.encode(&hash[..6])
}
