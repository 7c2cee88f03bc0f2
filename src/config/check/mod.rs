//! What no section can know alone: contradictions between values.
//!
//! Values are looked up by their path in the effective configuration, so that a check does not need
//! the types of the modules that own them; a test holds that every path named here exists. Nothing is
//! said about a value that was at fault already.

mod feeds;
mod lmtp;
mod notify;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;

use super::problem::Problems;
use super::read::Read;
use super::{Config, Depth, Listen, document, machine};
use crate::model::{ByteSize, Scanner, Span, text};
use crate::policy::{NoMailDomain, mail_domain};

/// Must begin with `/`.
pub(super) const PATHS: &[&str] = &["state_dir", "quarantine.path", "backup.path", "scanner.yara.rules"];

/// Must not be zero.
pub(super) const POSITIVE: &[&str] = &[
    "dns.timeout",
    "dns.attempts",
    "scanner.auth.signatures",
    "scanner.auth.questions",
    "scanner.urls.lookups.short_links",
    "scanner.urls.lookups.hops",
    "scanner.urls.lookups.questions",
    "scanner.urls.lookups.timeout",
    "scanner.*.timeout",
    "scanner.*.max_size",
    "scanner.urls.max_urls",
    "scanner.urls.max_text",
    "scanner.urls.max_image_size",
    "scanner.*.max_reply",
    "scanner.*.connections",
    "feed.*.refresh",
    "feed.*.max_size",
    "notify.*.most",
    "notify.*.within",
    "notify.*.timeout",
    "notify.*.give_up",
    "backup.keep",
    "limits.message",
    "limits.messages",
    "limits.held",
    "limits.deadline",
    "retro.keep",
    "retro.max_messages",
    "retro.max_size",
    "second_look.max_size",
    "second_look.max_total",
    "second_look.max_messages",
    "second_look.retry",
    "release.timeout",
    "release.valid",
    "report.per_user",
    "report.in_all",
];

/// Where something listens.
pub(super) const LISTENERS: &[&str] = &["milter.listen", "lmtp.listen", "admin.listen"];

/// `milter_content_timeout`, postconf(5).
const POSTFIX_WAITS: Span = Span::seconds(300);
/// RFC 5321 §4.5.3.2.6: a client waits ten minutes for the reply to the end of its message.
pub(super) const SENDERS_WAIT: Span = Span::seconds(600);
/// `DefaultTimeoutStopSec`, systemd-system.conf(5).
const SYSTEMD_WAITS: Span = Span::seconds(90);
/// Offsets in a message are 32 bits wide.
const LARGEST_MESSAGE: ByteSize = ByteSize(2 << 30);

/// What to do instead of writing 0.
fn zero_help(path: &str) -> &'static str {
    let switch = ["scanner.auth.signatures", "scanner.auth.questions"];
    match path.split('.').next() {
        Some("scanner") if switch.contains(&path) => {
            "to verify nothing at all write `enabled = false` in [scanner.auth]; else leave it out for the default"
        }
        Some("scanner" | "feed") => "to turn a scanner or a feed off write `enabled = false`",
        Some("dns") => {
            "leave it out for the default; to ask the DNS nothing write `enabled = false` in [scanner.auth]"
        }
        _ => "leave it out for the default",
    }
}

/// Reports what contradicts what, and completes what follows from other values.
pub(super) fn check(read: Read<'_, Config>, depth: Depth, problems: &mut Problems<'_>) -> Config {
    let mut config = read.value;
    if document::look_up(&read.table, "quarantine.path").is_none() {
        config.quarantine.path = config.state_dir.join("quarantine");
    }
    // Where state_dir is at fault, that is said of it alone.
    if document::look_up(&read.table, "backup.path").is_none() && config.state_dir.is_absolute() {
        config.backup.path = config.state_dir.join("backup");
    }
    let effective = match toml::Table::try_from(&config) {
        Ok(effective) => effective,
        Err(e) => {
            problems.error(None, format!("a value cannot be written as TOML: {e}"));
            return config;
        }
    };
    let mut checks = Checks { table: &read.table, effective: &effective, lost: &read.lost, problems };
    checks.paths();
    checks.positive();
    checks.times();
    checks.sizes();
    checks.listeners();
    checks.networks(&config);
    checks.names(&config);
    checks.feeds();
    checks.notify(&config);
    checks.lmtp(&config);
    checks.without_effect(&config);
    checks.quarantine();
    checks.secrets(&config);
    checks.log_level(&config);
    checks.modules(&config);
    checks.left_open(&config);
    if depth == Depth::Machine {
        machine::look(&mut checks, &config);
    }
    config
}

pub(super) struct Checks<'a, 'p> {
    /// The file.
    table: &'a DeTable<'a>,
    /// What holds: the file over the defaults.
    effective: &'a toml::Table,
    /// What was in the file and at fault.
    lost: &'a [String],
    pub(super) problems: &'a mut Problems<'p>,
}

/// A value that holds, and where the file says so; `None` if it is a default.
struct Held<'a> {
    path: String,
    value: &'a toml::Value,
    place: Option<Range<usize>>,
}

impl Held<'_> {
    fn span(&self) -> Option<Span> {
        self.value.as_str()?.parse().ok()
    }

    fn size(&self) -> Option<ByteSize> {
        self.value.as_str()?.parse().ok()
    }

    /// `` `timeout` in [scanner.clamd] ``.
    fn name(&self) -> String {
        named(&self.path)
    }

    /// The texts in it: itself, or its elements.
    fn texts(&self) -> Vec<&str> {
        match self.value {
            toml::Value::String(text) => vec![text],
            toml::Value::Array(list) => list.iter().filter_map(toml::Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

impl<'a> Checks<'a, '_> {
    /// The values at `pattern`, where `*` stands for each key of a table; without what was at fault.
    fn all(&self, pattern: &str) -> Vec<Held<'a>> {
        let effective = self.effective;
        values(effective, pattern)
            .into_iter()
            .filter(|(path, _)| !self.is_lost(path))
            .map(|(path, value)| {
                let place = self.place(&path);
                Held { path, value, place }
            })
            .collect()
    }

    fn one(&self, path: &str) -> Option<Held<'a>> {
        self.all(path).pop()
    }

    /// Where the file gives the value at `path`.
    pub(super) fn place(&self, path: &str) -> Option<Range<usize>> {
        document::look_up(self.table, path).map(|(_, value)| value.span())
    }

    pub(super) fn is_lost(&self, path: &str) -> bool {
        let within = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.lost.iter().any(|lost| within(path, lost) || within(lost, path))
    }

    fn paths(&mut self) {
        for held in PATHS.iter().flat_map(|pattern| self.all(pattern)).collect::<Vec<_>>() {
            for path in held.texts().into_iter().filter(|path| !Path::new(path).is_absolute()) {
                self.problems
                    .error(
                        held.place.clone(),
                        format!("{}: the path {path:?} must begin with /", held.name()),
                    )
                    .help("a service has no directory of its own from which a path could lead on");
            }
        }
    }

    fn positive(&mut self) {
        for held in POSITIVE.iter().flat_map(|pattern| self.all(pattern)).collect::<Vec<_>>() {
            let zero = match held.value {
                toml::Value::Integer(n) => *n == 0,
                _ => held.span() == Some(Span::default()) || held.size() == Some(ByteSize(0)),
            };
            if zero {
                self.problems
                    .error(held.place.clone(), format!("{} must be more than nothing", held.name()))
                    .help(zero_help(&held.path));
            }
        }
    }

    fn times(&mut self) {
        let Some(deadline) = self.one("limits.deadline") else { return };
        let Some(whole) = deadline.span() else { return };
        for held in self.all("scanner.*.timeout") {
            // A default is cut to the deadline; what was written is meant.
            if let Some(own) = held.span().filter(|own| held.place.is_some() && *own > whole) {
                self.problems
                    .error(
                        held.place.clone(),
                        format!("{} is {own}, longer than a whole message may take: {whole}", held.name()),
                    )
                    .help("lower it, or raise `deadline` in [limits]");
            }
        }
        let name = deadline.name();
        if whole >= SENDERS_WAIT {
            self.problems
                .error(
                    deadline.place,
                    format!("{name} is {whole}, and a sender waits {SENDERS_WAIT} at most"),
                )
                .help("a sender that gave up sends again: the mail would come twice, or never");
        } else if whole >= POSTFIX_WAITS {
            self.problems
                .warning(
                    deadline.place,
                    format!("{name} is {whole}; Postfix waits {POSTFIX_WAITS} (milter_content_timeout)"),
                )
                .help("stay well below, or raise milter_content_timeout; senders give up sooner than that");
        }
        let drain = self.one("limits.drain");
        if let Some(drain) = drain.filter(|drain| drain.span().is_some_and(|span| span > SYSTEMD_WAITS)) {
            let name = drain.name();
            self.problems
                .warning(
                    drain.place,
                    format!("{name} is longer than systemd waits for a stop: {SYSTEMD_WAITS}"),
                )
                .help("raise TimeoutStopSec in the unit, or mail in work is cut");
        }
    }

    fn sizes(&mut self) {
        let (message, held) = (self.one("limits.message"), self.one("limits.held"));
        let Some(message) = message else { return };
        let Some(one) = message.size() else { return };
        if one > LARGEST_MESSAGE {
            let name = message.name();
            self.problems.error(message.place, format!("{name} is {one}; the most is {LARGEST_MESSAGE}"));
            return;
        }
        let Some(held) = held else { return };
        // Collected, decoded for those who look, and something for the others.
        let Some(all) = held.size().filter(|all| all.0 < one.0 / 2 * 5) else { return };
        let place = held.place.clone().or_else(|| message.place.clone());
        self.problems
            .error(
                place,
                format!(
                    "{} is {all}, less than two and a half times what one message may have: {one}",
                    held.name()
                ),
            )
            .help("the largest message would never get through");
    }

    fn listeners(&mut self) {
        let mut taken: Vec<(Listen, String, Option<Range<usize>>)> = Vec::new();
        let lmtp_is_off = self.one("lmtp.enabled").is_some_and(|on| on.value.as_bool() == Some(false));
        for held in LISTENERS.iter().flat_map(|path| self.all(path)).collect::<Vec<_>>() {
            if lmtp_is_off && held.path.starts_with("lmtp.") {
                continue;
            }
            for (i, text) in held.texts().into_iter().enumerate() {
                let Ok(listen) = text.parse::<Listen>() else { continue };
                let place = self.element(&held.path, i).or_else(|| held.place.clone());
                if let Some((_, other, first)) = taken.iter().find(|(other, ..)| collide(other, &listen)) {
                    let message = format!("{} says {text:?}, and so does {other}", held.name());
                    self.problems.error(place.clone().or_else(|| first.clone()), message);
                }
                taken.push((listen, held.name(), place));
            }
        }
        let Some(relay) = self.one("lmtp.relay").filter(|_| !lmtp_is_off) else { return };
        let Some(next) = relay.texts().first().copied().map(str::to_owned) else { return };
        let next =
            next.replacen("tcp:", "inet:", 1).replacen(":localhost:", ":127.0.0.1:", 1).parse::<Listen>();
        let own = taken.iter().find(|(own, ..)| next.as_ref().is_ok_and(|next| collide(own, next)));
        let Some((_, other, _)) = own else { return };
        let name = relay.name();
        self.problems
            .error(relay.place, format!("{name} is our own address, {other}"))
            .help("mail would go round for ever; give the server that delivers it");
    }

    /// The place of one element of a list.
    pub(super) fn element(&self, path: &str, index: usize) -> Option<Range<usize>> {
        let (_, value) = document::look_up(self.table, path)?;
        value.get_ref().as_array()?.get(index).map(toml::Spanned::span)
    }

    fn networks(&mut self, config: &Config) {
        if self.is_lost("network.own") || self.is_lost("network.trusted_relays") {
            return;
        }
        let own: HashSet<_> = config.network.own.iter().collect();
        let relays = config.network.trusted_relays.iter().enumerate();
        for (i, net) in relays.filter(|(_, net)| own.contains(net)) {
            let place = self.element("network.trusted_relays", i);
            self.problems
                .error(place, format!("{net} is in `own` and in `trusted_relays` of [network]"))
                .help("mail from there is either ours going out, or somebody's coming in");
        }
    }

    /// What `[auth]` says of names.
    fn names(&mut self, config: &Config) {
        if self.is_lost("auth") {
            return;
        }
        let auth = &config.auth;
        let ids = auth.trusted_ids.iter().enumerate();
        for (i, id) in ids.filter(|(_, id)| auth.authserv_id.as_ref() == Some(*id)) {
            let place = self.element("auth.trusted_ids", i);
            self.problems
                .error(place, format!("`trusted_ids` in [auth] names {id}, which is our own `authserv_id`"))
                .help("fields under our own name that come with mail are forged and are removed, never believed");
        }
        self.sealers(&auth.trusted_sealers);
        let off = config.scanner.terms(Scanner::Auth).is_none();
        for (key, set) in [
            ("auth.trusted_ids", !auth.trusted_ids.is_empty()),
            ("auth.trusted_sealers", !auth.trusted_sealers.is_empty()),
            ("auth.received_spf", auth.received_spf),
        ] {
            if off && set && !self.is_lost("scanner") {
                let message = format!("{} does nothing while [scanner.auth] is off", named(key));
                self.problems.warning(self.place(key), message);
            }
        }
        let from_everybody = !auth.trusted_ids.is_empty() && config.network.trusted_relays.is_empty();
        if from_everybody && !off && !self.is_lost("network") {
            let message = "`trusted_ids` in [auth] is believed from every client, as `trusted_relays` in [network] is empty";
            self.problems.warning(self.place("auth.trusted_ids"), message).help(
                "right where a milter that is asked before mailward removes such fields from what comes in; where a \
                 gateway is meant, name it in `trusted_relays`",
            );
        }
    }

    fn sealers(&mut self, given: &[String]) {
        for (i, given) in given.iter().enumerate() {
            let Err(why) = mail_domain(given) else { continue };
            let shown = text::line(given, 100);
            let what = match why {
                NoMailDomain::Name => format!("{shown:?} is no domain"),
                NoMailDomain::Public => {
                    format!("{shown:?} is a public suffix, below which anybody can have a name")
                }
            };
            let place = self.element("auth.trusted_sealers", i);
            self.problems.error(place, format!("`trusted_sealers` in [auth]: {what}")).help(
                "name the domain with which a mailing list or forwarder seals: d= of its ARC-Seal fields",
            );
        }
    }

    fn log_level(&mut self, config: &Config) {
        if let Some(held) = self.one("log.level")
            && let Some(sentence) = log_level(&config.log.level)
        {
            self.problems.error(held.place, format!("[log] {sentence}"));
        }
    }

    /// What can be meant, and leaves the admin without something that he will miss.
    fn left_open(&mut self, config: &Config) {
        if config.policy.dry_run {
            self.problems
                .warning(self.place("policy.dry_run"), crate::policy::DRY_RUN_IS_ON)
                .help("mail is judged and recorded, and let through whatever is found, malware too");
        }
        let works = |scanner| config.scanner.terms(scanner).is_some();
        if !self.is_lost("scanner") && !works(Scanner::Mime) && !works(Scanner::Yara) {
            let place = self.place("scanner.yara.enabled").or_else(|| self.place("scanner.mime.enabled"));
            self.problems
                .warning(place, "no scanner is on")
                .help("every message is accepted unseen; take out `enabled = false` of one of them");
        }
        if !self.is_lost("admin.listen") && config.admin.listen.iter().all(|l| l.unix_path().is_none()) {
            let message = match config.admin.listen.is_empty() {
                true => "`listen` in [admin] is empty: no command and no health check reaches the daemon",
                false => "`listen` in [admin] names no unix socket: no command reaches the daemon",
            };
            self.problems
                .warning(self.place("admin.listen"), message)
                .help("add \"unix:/run/mailward/admin.sock\"");
        }
        for key in ["audit.retention", "audit.max_size"] {
            let nothing =
                |held: &Held<'_>| held.span() == Some(Span::default()) || held.size() == Some(ByteSize(0));
            if let Some(held) = self.one(key).filter(nothing) {
                let name = held.name();
                self.problems
                    .warning(held.place, format!("{name} keeps nothing beyond the present day"))
                    .help("`mailward explain` then cannot say why older mail was treated as it was");
            }
        }
    }

    fn quarantine(&mut self) {
        let (Some(path), Some(state)) = (self.one("quarantine.path"), self.one("state_dir")) else { return };
        let (Some(at), Some(state)) = (path.value.as_str(), state.value.as_str()) else { return };
        let (at, state) = (Path::new(at), Path::new(state));
        let ours = ["db", "audit", "feeds", "retro", "keys"].iter().find(|d| at.starts_with(state.join(d)));
        if at == state || ours.is_some() {
            let name = path.name();
            self.problems
                .error(path.place, format!("{name} is a directory that mailward keeps other things in"))
                .help("give it one of its own, as in \"/var/lib/mailward/quarantine\"");
        }
    }

    /// What the modules say of their own sections.
    fn modules(&mut self, config: &Config) {
        let mut faults: Vec<(String, String)> = Vec::new();
        for (key, sentence) in config.milter.faults() {
            faults.push((format!("milter.{key}"), format!("milter.{key} {sentence}")));
        }
        for (key, sentence) in config.lmtp.iter().filter(|lmtp| lmtp.enabled).flat_map(super::Lmtp::faults) {
            faults.push((format!("lmtp.{key}"), format!("lmtp.{key} {sentence}")));
        }
        if let Err(errors) = crate::policy::Policy::new(&config.policy) {
            faults.extend(errors.iter().map(|e| (format!("policy.{}", e.key()), format!("policy.{e}"))));
        }
        let named = |sentence: &String| {
            let first = sentence.split_whitespace().next().unwrap_or_default();
            first.trim_end_matches(':').to_owned()
        };
        for (key, sentence) in config.scanner.clamd.iter().flat_map(super::Clamd::faults) {
            faults.push((format!("scanner.clamd.{key}"), sentence));
        }
        faults.extend(config.quarantine.faults().into_iter().map(|s| (named(&s), s)));
        faults.extend(config.scanner.yara.faults().into_iter().map(|s| (named(&s), s)));
        faults.extend(config.scanner.urls.faults().into_iter().map(|s| (named(&s), s)));
        let rspamd = config.scanner.rspamd.iter().filter(|rspamd| rspamd.enabled);
        faults.extend(rspamd.flat_map(super::Rspamd::faults).map(|s| (named(&s), s)));
        for (path, sentence) in faults {
            let section = path.split('.').next().unwrap_or_default();
            if self.lost.iter().any(|lost| lost.starts_with(section)) {
                continue;
            }
            let place = self.place(&path);
            self.problems.error(place, sentence);
        }
    }

    fn secrets(&mut self, config: &Config) {
        for (path, secret) in config.secrets() {
            let place = self.place(&path);
            match secret.probe() {
                Ok(None) => {}
                Ok(Some(doubt)) => {
                    self.problems.warning(place, doubt);
                }
                Err(e) => {
                    self.problems.error(place, e.to_string());
                }
            }
        }
    }
}

/// What is wrong with a log filter.
fn log_level(level: &str) -> Option<String> {
    let wrong = level.parse::<crate::telemetry::log::Filter>().err()?;
    Some(format!("level: {wrong}"))
}

/// `` `timeout` in [scanner.clamd] ``.
fn named(path: &str) -> String {
    let way: Vec<_> = path.split('.').map(|key| document::Step::Key(key.to_owned())).collect();
    document::name(&way, &document::Kind::List)
}

/// Whether one of two sockets would keep the other from listening.
fn collide(a: &Listen, b: &Listen) -> bool {
    // :: takes IPv4 as well, 0.0.0.0 nothing of IPv6.
    let covers = |a: &SocketAddr, b: &SocketAddr| a.ip().is_unspecified() && (a.is_ipv6() || b.is_ipv4());
    match (a, b) {
        (Listen::Inet(a), Listen::Inet(b)) => {
            a.port() == b.port() && (a.ip() == b.ip() || covers(a, b) || covers(b, a))
        }
        (a, b) => a == b,
    }
}

/// The values at `pattern`, with their paths; `*` stands for each key of a table.
pub(super) fn values<'t>(table: &'t toml::Table, pattern: &str) -> Vec<(String, &'t toml::Value)> {
    let (first, rest) = pattern.split_once('.').map_or((pattern, None), |(first, rest)| (first, Some(rest)));
    let here = table.iter().filter(|(key, _)| first == "*" || *key == first);
    match rest {
        None => here.map(|(key, value)| (key.clone(), value)).collect(),
        Some(rest) => here
            .filter_map(|(key, value)| Some((key, value.as_table()?)))
            .flat_map(|(key, inner)| {
                values(inner, rest).into_iter().map(move |(path, value)| (format!("{key}.{path}"), value))
            })
            .collect(),
    }
}
