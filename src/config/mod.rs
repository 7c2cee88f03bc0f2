//! `mailward.toml`: every error that can be seen at once, each with file, line, caret and hint.
//!
//! **Contract.** [`Config::load`] reads one file and gives a [`Config`] in which every value is valid
//! and no two contradict each other, or all that is wrong. Nothing is guessed: an unknown key is an
//! error, a length of time or a size needs its unit, a secret stands elsewhere ([`Secret`]). The
//! value is immutable; a reload makes a new one. What a section means belongs to the module that owns
//! it; here it is read, and held against the other sections. What a value at fault would contradict is not said before it
//! can be read; a section's own check waits until all of that section can be.
//!
//! **Failures.** [`ConfigErrors`] prints the whole report. A file that cannot be read, is too large, is
//! no text or no TOML is such a report as well; any bytes may be given. What can be used but should be
//! known is a warning in [`Loaded`].
//!
//! **A section is added** by one field below; its type needs `Deserialize` with `deny_unknown_fields`
//! and `default`, `Serialize` and `Default`. `conf/mailward.toml` must then explain its keys: a test
//! names each that is missing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use crate::intake::lmtp::{Config as Lmtp, Reject as LmtpReject};
pub use crate::model::{AuthservId, SecretText};
pub use crate::net::address::{DnsServer, HttpServer, Listen, Server, Url};
pub use crate::net::secret::{Secret, SecretError};
pub use feed::{Feed, Format};
pub use problem::{ConfigErrors, Level, Problem};
pub use scanners::{AuthScanner, Clamd, Mime, Rspamd, Scanners, Terms, Worth};
pub use sections::{Auth, Dns, Limits, Network};

mod check;
mod document;
mod feed;
mod machine;
mod policy_file;
mod problem;
mod read;
mod reword;
mod scanners;
mod sections;
mod source;
mod symbols;
#[cfg(test)]
mod tests;

/// Where the configuration is unless told otherwise.
pub const DEFAULT_PATH: &str = "/etc/mailward/mailward.toml";

/// The configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the database, the audit journal, the keys and by default the quarantine are.
    pub state_dir: PathBuf,
    /// `[milter]`.
    pub milter: crate::intake::milter::Config,
    /// `[network]`.
    pub network: Network,
    /// `[lmtp]`; absent: off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lmtp: Option<Lmtp>,
    /// `[dns]`.
    pub dns: Dns,
    /// `[auth]`.
    pub auth: Auth,
    /// `[scanner.NAME]`.
    pub scanner: Scanners,
    /// `[feed.NAME]`.
    pub feed: BTreeMap<String, Feed>,
    /// `[notify.NAME]`.
    pub notify: BTreeMap<String, crate::notify::Section>,
    /// `[policy]`.
    pub policy: crate::policy::Config,
    /// The rules of the file that `[policy] rules` names, and the shipped ones.
    #[serde(skip)]
    pub rules: crate::policy::Rules,
    /// `[second_look]`.
    pub second_look: crate::pipeline::second_look::Config,
    /// `[retro]`.
    pub retro: crate::retro::Config,
    /// `[lists]`.
    pub lists: crate::lists::Config,
    /// `[quarantine]`.
    pub quarantine: crate::quarantine::Config,
    /// `[release]`.
    pub release: crate::pipeline::release::Config,
    /// `[report]`.
    pub report: crate::pipeline::reports::Config,
    /// `[audit]`.
    pub audit: crate::audit::Config,
    /// `[backup]`.
    pub backup: crate::backup::Config,
    /// `[store]`.
    pub store: crate::store::Config,
    /// `[limits]`.
    pub limits: Limits,
    /// `[admin]`.
    pub admin: crate::admin::Config,
    /// `[log]`.
    pub log: crate::telemetry::log::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: PathBuf::from("/var/lib/mailward"),
            milter: Default::default(),
            network: Network::default(),
            lmtp: None,
            dns: Dns::default(),
            auth: Auth::default(),
            scanner: Scanners::default(),
            feed: BTreeMap::new(),
            notify: BTreeMap::new(),
            policy: Default::default(),
            rules: Default::default(),
            second_look: Default::default(),
            retro: Default::default(),
            lists: Default::default(),
            quarantine: Default::default(),
            release: Default::default(),
            report: Default::default(),
            audit: Default::default(),
            backup: Default::default(),
            store: Default::default(),
            limits: Limits::default(),
            admin: crate::admin::Config::default(),
            log: Default::default(),
        }
    }
}

/// What problems of the embedded defaults name as their file.
const NO_FILE: &str = "the defaults";

/// How far a configuration is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// What stands in the file itself, without the rules of the policy.
    Settings,
    /// What stands in the file, and its rules.
    File,
    /// Also what it names on this machine: rules, folders, groups.
    Machine,
}

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What should be known, in the order of the file.
    pub warnings: Vec<Problem>,
    /// Where it was read; `None`: there is no file, and this is what holds without one.
    pub file: Option<PathBuf>,
}

fn is_absent(path: &Path) -> bool {
    // A link to nowhere is not nothing.
    std::fs::symlink_metadata(path).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
}

impl Config {
    /// Reads the file at `path`, or at [`DEFAULT_PATH`]. Only where no path is given and nothing is at
    /// the default one, the embedded defaults hold.
    ///
    /// # Errors
    /// All that is wrong with the file, at once.
    pub fn load(path: Option<&Path>) -> Result<Loaded, ConfigErrors> {
        Self::load_or(path, Path::new(DEFAULT_PATH), Depth::File, None)
    }

    /// The same with the file `rules` in place of the one that `[policy] rules` names.
    ///
    /// # Errors
    /// All that is wrong with both, at once.
    pub fn load_with_rules(path: Option<&Path>, rules: Option<&Path>) -> Result<Loaded, ConfigErrors> {
        Self::load_or(path, Path::new(DEFAULT_PATH), Depth::File, rules)
    }

    /// The same without the file of rules: for commands that ask the daemon, which must be reached also while
    /// that file is at fault. The rules are the shipped ones.
    ///
    /// # Errors
    /// All that is wrong with the file, at once.
    pub fn load_settings(path: Option<&Path>) -> Result<Loaded, ConfigErrors> {
        Self::load_or(path, Path::new(DEFAULT_PATH), Depth::Settings, None)
    }

    /// The same for those who must get on although the file is at fault: what could be read of it, defaults for the rest,
    /// and what is wrong.
    #[must_use]
    pub fn salvage(path: Option<&Path>) -> (Self, Option<ConfigErrors>) {
        Self::salvage_or(path, Path::new(DEFAULT_PATH))
    }

    fn salvage_or(path: Option<&Path>, default: &Path) -> (Self, Option<ConfigErrors>) {
        let source = match path {
            None if is_absent(default) => source::Source::from_bytes(Path::new(NO_FILE), &[]),
            path => source::Source::read(path.unwrap_or(default)),
        };
        match source {
            Ok(source) => {
                let (config, problems) = Self::settings(&source, Depth::Settings);
                (config, problems.finish().err())
            }
            Err(errors) => {
                let nothing = source::Source::from_bytes(Path::new(NO_FILE), &[]);
                let config =
                    nothing.map_or_else(|_| Self::default(), |n| Self::settings(&n, Depth::Settings).0);
                (config, Some(errors))
            }
        }
    }

    /// The same for `check-config`: also compiles the rules that the file names, and looks whether the
    /// folders and groups that it names are on this machine. Blocks for as long as that takes.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn check(path: Option<&Path>) -> Result<Loaded, ConfigErrors> {
        Self::load_or(path, Path::new(DEFAULT_PATH), Depth::Machine, None)
    }

    fn load_or(
        path: Option<&Path>,
        default: &Path,
        depth: Depth,
        rules: Option<&Path>,
    ) -> Result<Loaded, ConfigErrors> {
        match path {
            None if is_absent(default) => {
                let source = source::Source::from_bytes(Path::new(NO_FILE), &[])?;
                Ok(Loaded { file: None, ..Self::from_source(&source, depth, rules)? })
            }
            path => Self::from_source(&source::Source::read(path.unwrap_or(default))?, depth, rules),
        }
    }

    /// Takes `bytes` as a configuration that is called `name` in what is said of it.
    ///
    /// # Errors
    /// All that is wrong with it, at once.
    pub fn parse(name: &Path, bytes: &[u8]) -> Result<Loaded, ConfigErrors> {
        Self::from_source(&source::Source::from_bytes(name, bytes)?, Depth::File, None)
    }

    fn from_source(
        source: &source::Source,
        depth: Depth,
        instead: Option<&Path>,
    ) -> Result<Loaded, ConfigErrors> {
        let (mut config, mut problems) = Self::settings(source, depth);
        let is_asked = instead.is_none() && depth != Depth::Settings;
        let rules = match policy_file::path(&config, &source.name).filter(|_| is_asked) {
            None => instead.map(|path| policy_file::load_given(path, &config)),
            Some(path) => match policy_file::unreadable(&path) {
                None => Some(policy_file::load(&path, &config)),
                Some(why) => {
                    let at = document::place_of(source, "policy.rules");
                    problems.error(at, why).help("give the path of a file of rules, or leave the key out");
                    None
                }
            },
        };
        let mut read = problems.finish();
        match rules {
            None => {}
            Some(Ok(rules)) => {
                config.rules = rules.rules;
                if let Ok(warnings) = &mut read {
                    warnings.extend(rules.warnings);
                }
            }
            Some(Err(errors)) => read = Err(errors.behind(read.err())),
        }
        Ok(Loaded { config, warnings: read?, file: Some(source.name.clone()) })
    }

    /// What stands in the file itself, defaults where something is at fault, and what that is.
    fn settings(source: &source::Source, depth: Depth) -> (Self, problem::Problems<'_>) {
        let mut problems = problem::Problems::new(source);
        let mut config = Self::default();
        if let Some(table) = document::parse(source, &mut problems) {
            let reference = toml::Table::try_from(Self::reference()).unwrap_or_default();
            if let Some(read) = read::read::<Self>(table, &reference, &mut problems) {
                config = check::check(read, depth, &mut problems);
            }
        }
        (config, problems)
    }

    /// Every section there is, with its defaults: what `conf/mailward.toml` shows.
    fn reference() -> Self {
        let urlhaus = Url::of_default("https://urlhaus.abuse.ch/downloads/csv_online/");
        let to = vec!["postmaster@example.org".to_owned()];
        let admin = crate::notify::Section { to, ..crate::notify::Section::new(crate::notify::By::Mail) };
        Self {
            lmtp: Some(Lmtp::default()),
            scanner: Scanners {
                clamd: Some(Clamd::default()),
                rspamd: Some(Rspamd::default()),
                ..Scanners::default()
            },
            feed: BTreeMap::from([("urlhaus".to_owned(), Feed::new(Format::UrlhausCsv, urlhaus))]),
            notify: BTreeMap::from([("admin".to_owned(), admin)]),
            ..Self::default()
        }
    }

    /// Where the database is.
    #[must_use]
    pub fn db_dir(&self) -> PathBuf {
        self.state_dir.join("db")
    }

    /// Where the last good copies of the feeds are.
    #[must_use]
    pub fn feeds_dir(&self) -> PathBuf {
        self.state_dir.join("feeds")
    }

    /// Where the links of accepted mail are.
    #[must_use]
    pub fn retro_dir(&self) -> PathBuf {
        self.state_dir.join("retro")
    }

    /// Where the audit journal is.
    #[must_use]
    pub fn audit_dir(&self) -> PathBuf {
        self.state_dir.join("audit")
    }

    /// Tells two configurations apart, their rules aside: the SHA-256 of all that the file can say. Secrets are in
    /// it by name only.
    #[must_use]
    pub fn digest(&self) -> String {
        use sha2::Digest as _;
        let written = serde_json::to_vec(self).unwrap_or_default();
        data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(written))
    }

    /// Every secret, with the key that names it.
    #[must_use]
    pub fn secrets(&self) -> Vec<(String, &Secret)> {
        let mut secrets: Vec<_> = self
            .feed
            .iter()
            .filter(|(_, feed)| feed.enabled)
            .filter_map(|(name, feed)| Some((format!("feed.{name}.auth_key"), feed.auth_key.as_ref()?)))
            .collect();
        let rspamd = self.scanner.rspamd.as_ref().filter(|rspamd| rspamd.enabled);
        let keys = rspamd.into_iter().flat_map(|r| {
            [("password", r.password.as_ref()), ("controller_password", r.controller_password.as_ref())]
        });
        secrets.extend(keys.filter_map(|(key, secret)| Some((format!("scanner.rspamd.{key}"), secret?))));
        let urls = Some(&self.scanner.urls).filter(|urls| urls.enabled);
        let key = urls.and_then(|urls| urls.lookups.spamhaus_key.as_ref());
        secrets.extend(key.map(|key| ("scanner.urls.lookups.spamhaus_key".to_owned(), key)));
        let lmtp = self.lmtp.as_ref().filter(|lmtp| lmtp.enabled);
        let key = lmtp.and_then(|lmtp| lmtp.pass_key.as_ref());
        secrets.extend(key.map(|key| ("lmtp.pass_key".to_owned(), key)));
        for (name, section) in self.notify.iter().filter(|(_, section)| section.enabled) {
            secrets.extend(section.secrets().map(|(key, secret)| (format!("notify.{name}.{key}"), secret)));
        }
        secrets
    }
}
