//! `[scanner.urls.lookups]`: what is asked on the net about links.

use serde::{Deserialize, Serialize};

use super::asks::{List, Settings};
use crate::model::Span;
use crate::net::secret::{Secret, SecretError};

/// What is asked, for one message at most. Nothing, unless it says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lookups {
    /// Asks known shorteners where their links lead.
    pub unshorten: bool,
    /// Most short links that are followed.
    pub short_links: u32,
    /// Most hops from shortener to shortener.
    pub hops: u32,
    /// DNS block lists that are asked.
    pub blocklists: Vec<List>,
    /// The key for Spamhaus' Data Query Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spamhaus_key: Option<Secret>,
    /// Most questions to block lists.
    pub questions: u32,
    /// For the short links, and again for the lists.
    pub timeout: Span,
}

impl Default for Lookups {
    fn default() -> Self {
        Self {
            unshorten: false,
            short_links: 5,
            hops: 3,
            blocklists: Vec::new(),
            spamhaus_key: None,
            questions: 60,
            timeout: Span::seconds(2),
        }
    }
}

impl Lookups {
    /// Whether anything is asked.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.unshorten || !self.blocklists.is_empty()
    }

    /// What is asked by, with the key.
    ///
    /// # Errors
    /// If the key cannot be had.
    pub fn settings(&self) -> Result<Settings, SecretError> {
        Ok(Settings {
            unshorten: self.unshorten,
            links: self.short_links as usize,
            hops: self.hops as usize,
            lists: self.blocklists.clone(),
            spamhaus_key: self.spamhaus_key.as_ref().map(Secret::fetch).transpose()?,
            questions: self.questions as usize,
            timeout: self.timeout.duration(),
        })
    }
}
