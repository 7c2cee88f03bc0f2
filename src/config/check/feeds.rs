//! What `[feed.NAME]` says, and what has no effect without feeds or without links.

use super::{Checks, Held, named};
use crate::config::Config;
use crate::feed::{MAX_FEEDS, PLACEHOLDER};
use crate::model::{Scanner, Span};

fn is_clear(held: &Held<'_>) -> bool {
    held.value.as_str().is_some_and(|url| url.starts_with("http:"))
}

impl Checks<'_, '_> {
    pub(super) fn feeds(&mut self) {
        for (key, _) in
            self.table.get("feed").and_then(|feed| feed.get_ref().as_table()).into_iter().flatten()
        {
            let name = key.get_ref();
            let bytes_are_good =
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
            if name.is_empty() || name.len() > 40 || !bytes_are_good {
                self.problems.error(Some(key.span()), format!("a feed cannot be called {name:?}")).help(
                    "the name becomes part of file names and metrics: a-z, 0-9, - and _, at most 40 of them",
                );
            }
        }
        for path in ["feed.*.min_confidence", "feed.*.max_shrink"] {
            for held in self.all(path) {
                if held.value.as_integer().is_some_and(|share| share > 100) {
                    let name = held.name();
                    self.problems
                        .error(held.place, format!("{name} is more than 100"))
                        .help("it is a share in per cent");
                }
            }
        }
        let on = self.all("feed.*.enabled").iter().filter(|held| held.value.as_bool() == Some(true)).count();
        if on > MAX_FEEDS {
            self.problems
                .error(None, format!("{on} feeds are on, and {} are the most", MAX_FEEDS))
                .help("turn those off that you can do without: `enabled = false`");
        }
        self.keys();
        let clear: Vec<_> = self.all("feed.*.url").into_iter().filter(|held| is_clear(held)).collect();
        for held in clear {
            let key = held.path.replace(".url", ".auth_key");
            if self.one(&key).is_some() || !self.all(&format!("{key}.*")).is_empty() {
                let name = held.name();
                self.problems
                    .warning(held.place, format!("{name} is http:, and auth_key goes there in the clear"))
                    .help("write https: if the publisher has it");
            }
        }
        for held in self.all("feed.*.refresh") {
            let hasty = held.span().is_some_and(|span| span > Span::default() && span < Span::seconds(300));
            if hasty {
                let name = held.name();
                self.problems
                    .warning(held.place, format!("{name} is less than 5m"))
                    .help("most publishers lock out who asks more often");
            }
        }
    }

    /// A place for a key in the address, and no key.
    fn keys(&mut self) {
        for held in self.all("feed.*.url") {
            let of = |key: &str| held.path.replace(".url", key);
            let is_on = self.one(&of(".enabled")).is_some_and(|on| on.value.as_bool() == Some(true));
            let has_key = self.is_lost(&of(".auth_key")) || self.one(&of(".auth_key")).is_some();
            if is_on && !has_key && held.value.as_str().is_some_and(|url| url.contains(PLACEHOLDER)) {
                let message = format!("{} holds {PLACEHOLDER}, and there is no auth_key", held.name());
                self.problems.error(held.place, message).help(
                    "give the publisher's key, as in `auth_key = { file = \"/etc/mailward/feed.key\" }`",
                );
            }
        }
    }

    /// What is set and does nothing, as something else is off.
    pub(super) fn without_effect(&mut self, config: &Config) {
        if self.is_lost("scanner.urls") {
            return;
        }
        if config.scanner.terms(Scanner::Urls).is_none() {
            let place = self.place("scanner.urls.enabled");
            if config.feed.values().any(|feed| feed.enabled) && !self.is_lost("feed") {
                self.problems
                    .warning(place, "no mail is looked up in the feeds while [scanner.urls] is off")
                    .help("they are fetched for `mailward feed lookup` alone; take out `enabled = false`, or write it in each feed");
            }
            // On is the default; what was written is meant.
            let meant =
                self.table.get("retro").and_then(|v| v.get_ref().as_table()).is_some_and(|t| !t.is_empty());
            if config.retro.enabled && meant && !self.is_lost("retro") {
                let place = self.place("retro.enabled").or_else(|| self.key("retro"));
                self.problems.warning(place, "[retro] does nothing while [scanner.urls] is off");
            }
        }
        let lists = self.one("scanner.urls.lookups.blocklists");
        let of_spamhaus = lists.iter().flat_map(Held::texts).any(|list| matches!(list, "dbl" | "zen"));
        let key = "scanner.urls.lookups.spamhaus_key";
        if self.one(key).is_some() && !of_spamhaus {
            self.problems
                .warning(
                    self.place(key),
                    format!("{} does nothing while `blocklists` names no list of Spamhaus", named(key)),
                )
                .help("add \"dbl\" or \"zen\"");
        }
    }

    /// Where the file names the section at `path`.
    pub(super) fn key(&self, path: &str) -> Option<std::ops::Range<usize>> {
        super::document::look_up(self.table, path).map(|(key, _)| key)
    }
}
