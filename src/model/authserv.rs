//! The authserv-id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name under which our Authentication-Results are trusted. RFC 8601 §2.5 recommends a domain
/// name, and this holds nothing else: letters, digits, `-`, `_` and dots, at most 253 bytes, in
/// lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AuthservId(String);

impl AuthservId {
    /// As it stands in the header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AuthservId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let label_is_good = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if text.len() <= 253 && text.split('.').all(label_is_good) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(format!("{text:?} is no authserv-id; write a host name of yours, as in \"mx.example.org\""))
    }
}

impl TryFrom<String> for AuthservId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<AuthservId> for String {
    fn from(id: AuthservId) -> Self {
        id.0
    }
}

impl fmt::Display for AuthservId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authserv_id_is_a_host_name() {
        assert_eq!("MX.example.org".parse::<AuthservId>().map(String::from), Ok("mx.example.org".to_owned()));
        for text in ["", ".", "a..b", "mx example", "mx;spf=pass", "\"mx\"", "mx\r\nX: y", "müx"] {
            assert!(text.parse::<AuthservId>().is_err(), "{text}");
        }
    }
}
