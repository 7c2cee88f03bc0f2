//! How much is asked, and whom.

use std::time::Duration;

use super::List;
use crate::model::SecretText;

/// What is asked of the net, for one message at most. The default asks nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether short links are followed.
    pub unshorten: bool,
    /// Most short links that are followed.
    pub links: usize,
    /// Most hops of one link, from shortener to shortener.
    pub hops: usize,
    /// The block lists that are asked.
    pub lists: Vec<List>,
    /// The key for Spamhaus' own servers (Data Query Service); without it their public mirrors are asked.
    pub spamhaus_key: Option<SecretText>,
    /// Most questions to block lists.
    pub questions: usize,
    /// For following links, and again for the lists; the caller's deadline holds as well.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            unshorten: false,
            links: 5,
            hops: 3,
            lists: Vec::new(),
            spamhaus_key: None,
            questions: 60,
            timeout: Duration::from_secs(2),
        }
    }
}
