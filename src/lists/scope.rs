//! For whom an entry is.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::entry::{EntryError, Pattern, parse, wrong};

/// Recipients for whom an entry is: `@example.org` or `alice@example.org`, in the form of [`crate::model::mailbox`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Arc<str>);

impl Scope {
    /// Reads a scope as people write it.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead where that can be told.
    pub fn parse(text: &str) -> Result<Self, EntryError> {
        let text = text.trim();
        match parse(text).map_err(|error| EntryError(format!("for whom: {error}")))? {
            Pattern::Address(address) => Ok(Self(address)),
            Pattern::Domain(domain) if domain.starts_with('@') => Ok(Self(domain)),
            Pattern::Domain(domain) => Err(wrong(
                text,
                &format!(
                    "is not whom an entry is for; write @{domain} for all recipients there, or an address"
                ),
            )),
            _ => Err(wrong(text, "is not whom an entry is for; write @example.org, or an address of yours")),
        }
    }

    /// From what is in normal form already.
    pub(super) fn of(normal: String) -> Self {
        Self(normal.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The scope of the domain, where this one is of an address there.
    #[must_use]
    pub fn wider(&self) -> Option<Self> {
        let at = self.0.rfind('@').filter(|at| *at > 0)?;
        Some(Self(self.0.get(at..)?.into()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Scope {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        Self::parse(text)
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
