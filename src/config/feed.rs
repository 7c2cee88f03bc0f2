//! `[feed.NAME]`: lists of what is known to be bad, fetched from time to time.

use serde::{Deserialize, Deserializer, Serialize};

pub use crate::feed::Format;
use crate::feed::{self, Terms};
use crate::model::{ByteSize, Category, Span};
use crate::net::address::Url;
use crate::net::secret::{Secret, SecretError};

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
    /// Entries of which the publisher is less sure than this, in per cent, are left out. Only ThreatFox says
    /// how sure it is.
    #[serde(default = "min_confidence")]
    pub min_confidence: u8,
    /// If a fetch gives so much fewer entries than there were, in per cent, those from before stay. 100: never.
    #[serde(default = "max_shrink")]
    pub max_shrink: u8,
    /// What its entries are of. Left out, it goes by the format.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bad")]
    pub category: Option<Category>,
    /// The key that some publishers ask for. It goes where `url` holds `{key}`, or else into the header
    /// `Auth-Key`; to the host of `url` only.
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

const fn min_confidence() -> u8 {
    50
}

const fn max_shrink() -> u8 {
    80
}

/// A category of what is bad: a feed of what is clean there is not.
fn bad<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Category>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Bad {
        Suspicious,
        Spam,
        Phish,
        Malware,
    }
    Ok(Some(match Bad::deserialize(deserializer)? {
        Bad::Suspicious => Category::Suspicious,
        Bad::Spam => Category::Spam,
        Bad::Phish => Category::Phish,
        Bad::Malware => Category::Malware,
    }))
}

impl Feed {
    /// A feed with defaults for all that has one.
    #[must_use]
    pub const fn new(format: Format, url: Url) -> Self {
        Self {
            enabled: true,
            format,
            url,
            refresh: six_hours(),
            max_size: max_size(),
            min_confidence: min_confidence(),
            max_shrink: max_shrink(),
            category: None,
            auth_key: None,
        }
    }

    /// What its entries are of.
    #[must_use]
    pub fn category(&self) -> Category {
        self.category.unwrap_or(crate::scan::url::weigh::category_of(self.format))
    }

    /// What the feed is fetched by, with its key.
    ///
    /// # Errors
    /// If the key cannot be had.
    pub fn settings(&self) -> Result<feed::Settings, SecretError> {
        Ok(feed::Settings {
            format: self.format,
            url: self.url.as_str().to_owned(),
            refresh: self.refresh,
            terms: Terms {
                max_size: self.max_size.0,
                min_confidence: self.min_confidence,
                max_shrink: self.max_shrink,
            },
            auth_key: self.auth_key.as_ref().map(Secret::fetch).transpose()?,
        })
    }
}
