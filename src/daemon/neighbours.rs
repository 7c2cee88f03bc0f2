//! The clients of other servers that look at mail. They hold open connections and know how their server does, so
//! they live through a reload that does not change how it is asked.

use std::sync::Arc;

use super::DaemonError;
use crate::config::{Config, Secret};
use crate::dns::{self, Resolver};
use crate::model::{Scanner, SecretText};
use crate::scan::clamd::Clamd;
use crate::scan::rspamd::{self, Rspamd};
use crate::scan::url::asks::{self, Asks};
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
    /// What asks about links on the net, if anything does.
    pub(super) asks: Option<Arc<Asks>>,
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
        let asks = match asks_settings(config)? {
            None => None,
            Some(settings) => {
                let same = self.asks.as_ref().filter(|asks| *asks.settings() == settings);
                match same.filter(|_| {
                    self.dns.as_ref().is_some_and(|old| Arc::ptr_eq(&old.resolver, &dns.resolver))
                }) {
                    Some(same) => Some(Arc::clone(same)),
                    None => Some(Arc::new(Asks::new(
                        settings,
                        Arc::clone(&dns.resolver),
                        Arc::clone(metrics),
                        clock.clone(),
                    )?)),
                }
            }
        };
        Ok(Self { clamd, rspamd, dns: Some(dns), asks })
    }

    /// Begins to find out in the background whether the DNS answers, where it will be asked.
    pub(super) fn watch_dns(&self, config: &Config) {
        if let Some(dns) = self.dns.as_ref().filter(|_| config.scanner.terms(Scanner::Auth).is_some()) {
            dns.resolver.watch();
        }
    }

    /// The same, but every question about mail is answered from a file.
    /// Block lists are asked there, too; short links, which would need the web, are not followed.
    pub(super) fn answered_by(
        mut self,
        zone: dns::Zone,
        clock: &Clock,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, DaemonError> {
        let resolver = Arc::new(Resolver::of_zone(zone, Arc::clone(metrics)));
        if let Some(asks) = &self.asks {
            let settings = asks::Settings { unshorten: false, ..asks.settings().clone() };
            let asks = Asks::new(settings, Arc::clone(&resolver), Arc::clone(metrics), clock.clone())?;
            self.asks = Some(Arc::new(asks));
        }
        self.dns = self.dns.map(|dns| Dns { resolver, ..dns });
        Ok(self)
    }
}

fn asks_settings(config: &Config) -> Result<Option<asks::Settings>, DaemonError> {
    let section = &config.scanner.urls;
    let on = section.enabled && section.lookups.is_on();
    Ok(if on { Some(section.lookups.settings()?) } else { None })
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
    fn nobody_is_asked_about_links_unless_it_is_turned_on_and_a_reload_keeps_who_asks() {
        let config = |text: &str| {
            let text = format!("[dns]\nservers = [\"127.0.0.1:9\"]\n{text}");
            Config::parse(std::path::Path::new("test.toml"), text.as_bytes()).unwrap().config
        };
        drop(rustls::crypto::ring::default_provider().install_default());
        let metrics = Arc::new(Metrics::new());
        let next =
            |config: &Config, old: &Neighbours| old.renewed(config, &Clock::system(), &metrics).unwrap();
        let off = next(&config(""), &Neighbours::default());
        assert!(off.asks.is_none());
        let lists = "[scanner.urls.lookups]\nblocklists = [\"dbl\"]\n";
        let first = next(&config(lists), &off);
        let asks = first.asks.clone().unwrap();
        assert_eq!((asks.follows(), asks.has_lists()), (false, true));
        let same = next(&config(&format!("{lists}[scanner.urls]\nmax_urls = 7\n")), &first).asks.unwrap();
        assert!(Arc::ptr_eq(&asks, &same));
        let more = next(&config(&format!("{lists}unshorten = true\n")), &first);
        assert!(more.asks.as_ref().unwrap().follows());
        // Answers from a file are all there is then.
        let zone = more.answered_by(dns::Zone::parse("").unwrap(), &Clock::system(), &metrics).unwrap();
        assert_eq!((zone.asks.as_ref().unwrap().follows(), zone.asks.unwrap().has_lists()), (false, true));
        let without = format!("{lists}[scanner.urls]\nenabled = false\n");
        assert!(next(&config(&without), &first).asks.is_none());
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
