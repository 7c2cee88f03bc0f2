//! What the scanner takes of its configuration.

use std::collections::BTreeMap;

use super::signs::Protected;
use super::{Config, Weights};
use crate::link::Link;
use crate::mail::links::Limits;
use crate::model::{ByteSize, Category};

/// How links are looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Bounds of reading a message.
    pub limits: Limits,
    /// Of a larger message only texts and pages are read.
    pub max_size: ByteSize,
    /// Domains that are not looked up, nor hosts below them; as links write them.
    pub exempt: Vec<String>,
    /// Domains that no link may imitate.
    pub protected: Protected,
    /// Days after which an entry counts one step less.
    pub old_after: u16,
    /// What matches add to the score.
    pub weight: Weights,
    /// What each feed is of.
    pub categories: BTreeMap<String, Category>,
}

impl Settings {
    /// What the scanner takes of its section; `categories` says what each feed is of.
    #[must_use]
    pub fn new(config: &Config, categories: BTreeMap<String, Category>) -> Self {
        let days = config.old_after.duration().as_secs() / 86_400;
        Self {
            limits: config.limits(),
            max_size: config.max_size,
            exempt: config.exempt(),
            protected: Protected::new(config.protected.iter().map(String::as_str)),
            old_after: u16::try_from(days).unwrap_or(u16::MAX),
            weight: config.weight,
            categories,
        }
    }

    pub(super) fn category(&self, feed: &str) -> Category {
        self.categories.get(feed).copied().unwrap_or(Category::Suspicious)
    }

    pub(super) fn is_exempt(&self, link: &Link) -> bool {
        let host = link.host_text();
        self.exempt.iter().any(|domain| {
            host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}
