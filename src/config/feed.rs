//! `[feed.NAME]`: lists of what is known to be bad, fetched from time to time.

use serde::{Deserialize, Serialize};

use super::secret::Secret;
use crate::model::{ByteSize, Span};
use crate::net::address::Url;

/// One feed. `format` and `url` must be given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// Off without taking the section away.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How it is written.
    pub format: Format,
    /// Where it is; `file:///path` too.
    pub url: Url,
    /// How often it is fetched.
    #[serde(default = "six_hours")]
    pub refresh: Span,
    /// More than this is not read, and the entries before stay.
    #[serde(default = "max_size")]
    pub max_size: ByteSize,
    /// The key that some publishers ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_key: Option<Secret>,
}

const fn yes() -> bool {
    true
}

const fn six_hours() -> Span {
    Span::seconds(6 * 3600)
}

const fn max_size() -> ByteSize {
    ByteSize(256 << 20)
}

impl Feed {
    /// A feed with defaults for all that has one.
    #[must_use]
    pub const fn new(format: Format, url: Url) -> Self {
        Self { enabled: true, format, url, refresh: six_hours(), max_size: max_size(), auth_key: None }
    }
}

/// How a feed is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// abuse.ch URLhaus, CSV.
    UrlhausCsv,
    /// abuse.ch URLhaus, JSON.
    UrlhausJson,
    /// OpenPhish: a URL a line.
    Openphish,
    /// PhishTank, CSV.
    PhishtankCsv,
    /// PhishTank, JSON.
    PhishtankJson,
    /// abuse.ch ThreatFox, CSV.
    ThreatfoxCsv,
    /// abuse.ch ThreatFox, JSON.
    ThreatfoxJson,
    /// abuse.ch MalwareBazaar, CSV.
    MalwarebazaarCsv,
    /// Spamhaus DROP.
    SpamhausDrop,
    /// A domain a line.
    Domains,
    /// A URL a line.
    Urls,
    /// An address or network a line.
    Ips,
    /// As `/etc/hosts`: an address and a name a line.
    Hosts,
}
