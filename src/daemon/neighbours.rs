//! The clients of other servers that look at mail. They hold open connections and know how their server does, so
//! they live through a reload that does not change how it is asked.

use std::sync::Arc;

use super::DaemonError;
use crate::config::{Config, Secret};
use crate::dns::{self, Resolver};
use crate::model::{Scanner, SecretText};
use crate::scan::clamd::Clamd;
use crate::scan::rspamd::{self, Rspamd};
use crate::telemetry::{Clock, Metrics};

/// The clients that the configuration asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Neighbours {
    /// clamd, unless it is off.
    pub(super) clamd: Option<Arc<Clamd>>,
    /// rspamd, unless it is off.
    pub(super) rspamd: Option<Arc<Rspamd>>,
    /// Whom the DNS is asked of, with what it remembers; `None` until the first configuration.
    pub(super) dns: Option<Dns>,
}

/// A resolver, and how it was set up.
#[derive(Clone, Debug)]
pub(super) struct Dns {
    settings: dns::Settings,
    pub(super) resolver: Arc<Resolver>,
}

impl Neighbours {
    /// Those of `config`: the same where their settings did not change.
    pub(super) fn renewed(
        &self,
        config: &Config,
        clock: &Clock,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, DaemonError> {
        let clamd = config.scanner.clamd.as_ref().filter(|section| section.enabled).map(|section| {
            let settings = section.settings();
            let same = self.clamd.as_ref().filter(|clamd| *clamd.settings() == settings);
            same.cloned().unwrap_or_else(|| Clamd::new(settings, clock.clone(), Arc::clone(metrics)))
        });
        let rspamd = match rspamd_settings(config)? {
            None => None,
            Some(settings) => match self.rspamd.as_ref().filter(|rspamd| *rspamd.settings() == settings) {
                Some(same) => Some(Arc::clone(same)),
                None => {
                    let rspamd = Rspamd::new(settings, clock.clone(), Arc::clone(metrics))?;
                    if tokio::runtime::Handle::try_current().is_ok() {
                        rspamd.watch();
                    }
                    Some(rspamd)
                }
            },
        };
        let settings = config.dns.settings();
        // Not only what the configuration says: the system's servers may be others by now.
        let is_same = |dns: &&Dns| dns.settings == settings && dns.resolver.asks_those_of(&settings);
        let dns = match self.dns.as_ref().filter(is_same).cloned() {
            Some(same) => same,
            None => {
                let resolver = Arc::new(Resolver::new(&settings, Arc::clone(metrics)));
                Dns { settings, resolver }
            }
        };
        Ok(Self { clamd, rspamd, dns: Some(dns) })
    }

    /// Begins to find out in the background whether the DNS answers, where it will be asked.
    pub(super) fn watch_dns(&self, config: &Config) {
        if let Some(dns) = self.dns.as_ref().filter(|_| config.scanner.terms(Scanner::Auth).is_some()) {
            dns.resolver.watch();
        }
    }

    /// The same, but every question about mail is answered from a file.
    pub(super) fn answered_by(mut self, zone: dns::Zone, metrics: &Arc<Metrics>) -> Self {
        let resolver = Arc::new(Resolver::of_zone(zone, Arc::clone(metrics)));
        self.dns = self.dns.map(|dns| Dns { resolver, ..dns });
        self
    }
}

fn rspamd_settings(config: &Config) -> Result<Option<rspamd::Settings>, DaemonError> {
    let Some(section) = config.scanner.rspamd.as_ref().filter(|rspamd| rspamd.enabled) else {
        return Ok(None);
    };
    Ok(Some(rspamd::Settings {
        url: section.url.clone(),
        password: fetched(section.password.as_ref())?,
        connections: section.connections,
        max_size: section.max_size,
        max_reply: section.max_reply,
        controller: section.controller.clone(),
        controller_password: fetched(section.controller_password.as_ref())?,
    }))
}

fn fetched(secret: Option<&Secret>) -> Result<Option<SecretText>, DaemonError> {
    Ok(secret.map(Secret::fetch).transpose()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_keeps_the_client_unless_how_it_asks_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, "one\n").unwrap();
        let config = |more: &str| {
            let text = format!("[scanner.rspamd]\ncontroller_password = {{ file = {password:?} }}\n{more}");
            Config::parse(std::path::Path::new("test.toml"), text.as_bytes()).unwrap().config
        };
        let metrics = Arc::new(Metrics::new());
        let next =
            |config: &Config, old: &Neighbours| old.renewed(config, &Clock::system(), &metrics).unwrap();
        let is_same = |a: &Neighbours, b: &Neighbours| {
            Arc::ptr_eq(a.rspamd.as_ref().unwrap(), b.rspamd.as_ref().unwrap())
        };
        let first = next(&config(""), &Neighbours::default());
        let second = next(&config("timeout = \"3s\"\non_failure = \"tag\"\n"), &first);
        assert!(is_same(&first, &second), "what the engine applies is not the client's");
        let third = next(&config("connections = 3\n"), &second);
        assert!(!is_same(&second, &third));
        std::fs::write(&password, "two\n").unwrap();
        let fourth = next(&config("connections = 3\n"), &third);
        assert!(!is_same(&third, &fourth), "another password in the same file");
        assert!(next(&config("enabled = false\n"), &fourth).rspamd.is_none());
    }

    #[test]
    fn a_reload_keeps_the_resolver_unless_other_servers_are_meant_and_leaves_none_behind() {
        let config =
            |text: &str| Config::parse(std::path::Path::new("test.toml"), text.as_bytes()).unwrap().config;
        let metrics = Arc::new(Metrics::new());
        let next =
            |config: &Config, old: &Neighbours| old.renewed(config, &Clock::system(), &metrics).unwrap();
        let resolver = |of: &Neighbours| Arc::downgrade(&of.dns.as_ref().unwrap().resolver);
        let first = next(&config("[dns]\nservers = [\"127.0.0.1:1\"]"), &Neighbours::default());
        let again = next(&config("[dns]\nservers = [\"127.0.0.1:1\"]\n[log]\nlevel = \"debug\""), &first);
        assert!(resolver(&first).ptr_eq(&resolver(&again)), "it knows answers, and which server is slow");
        let other = next(&config("[dns]\nservers = [\"127.0.0.1:1\", \"127.0.0.1:2\"]"), &again);
        assert!(!resolver(&again).ptr_eq(&resolver(&other)));
        let old = resolver(&again);
        drop((first, again));
        assert!(old.upgrade().is_none(), "nothing holds on to the old one");
    }
}
