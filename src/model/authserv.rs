//! The authserv-id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Session;

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

/// Where our own authserv-id comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnId {
    /// The name that the configuration gives.
    pub set: Option<AuthservId>,
    /// Whether anything is verified here: if not, fields in the MTA's name are somebody else's.
    pub verifies: bool,
}

impl OwnId {
    /// The name for mail of this session: the one that is set, or that of the MTA (`j`), in any case and with or
    /// without a final dot. `None` where the MTA gives none that is a host name, or nothing is verified.
    #[must_use]
    pub fn of(&self, session: &Session) -> Option<AuthservId> {
        let of_the_mta = || {
            let name = session.mta.as_deref().filter(|_| self.verifies)?.trim();
            name.strip_suffix('.').unwrap_or(name).parse().ok()
        };
        self.set.clone().or_else(of_the_mta)
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

    #[test]
    fn the_mtas_name_is_ours_where_none_is_set_and_something_is_verified() {
        let of = |set: Option<&str>, verifies, mta: Option<&str>| {
            let own = OwnId { set: set.map(|id| id.parse().unwrap()), verifies };
            let session = Session { mta: mta.map(str::to_owned), ..Session::default() };
            own.of(&session).map(String::from)
        };
        let mx = Some("mx.example.org".to_owned());
        for mta in ["mx.example.org", "MX.Example.ORG", "mx.example.org.", " mx.example.org "] {
            assert_eq!(of(None, true, Some(mta)), mx, "{mta}");
        }
        for mta in ["", ".", "$j", "[192.0.2.1]", "mx.example.org..", "müx.example", "mx; spf=pass"] {
            assert_eq!(of(None, true, Some(mta)), None, "{mta}");
            assert_eq!(of(Some("MX.example.org"), true, Some(mta)), mx, "{mta}");
        }
        assert_eq!(of(None, true, None), None);
        assert_eq!(of(None, false, Some("mx.example.org")), None);
        assert_eq!(of(Some("mx.example.org"), false, Some("other.example")), mx);
    }
}
