//! The id of one judged message: what headers, replies, logs, audit and quarantine share.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u`, so that an id survives being read out
/// on the telephone.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LEN: usize = 18;
/// Ten characters carry 50 bits of milliseconds, eight carry 40 random bits.
const TIME_CHARS: usize = 10;

/// 18 characters: time in milliseconds, then 40 random bits. Sorts by time, is safe in file names,
/// headers and replies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailId([u8; LEN]);

/// The text is not an id of ours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an id has {LEN} letters and digits, as in X-Mailward-Id; {0:?} has not")]
pub struct NotAnId(pub String);

impl MailId {
    /// An id for a message seen at `unix_millis`, told apart from others by 40 bits of `random`.
    #[must_use]
    pub fn from_parts(unix_millis: u64, random: u64) -> Self {
        let mut text = [0u8; LEN];
        let mut time = unix_millis;
        for slot in text[..TIME_CHARS].iter_mut().rev() {
            *slot = ALPHABET[(time & 31) as usize];
            time >>= 5;
        }
        let mut bits = random;
        for slot in text[TIME_CHARS..].iter_mut().rev() {
            *slot = ALPHABET[(bits & 31) as usize];
            bits >>= 5;
        }
        Self(text)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The alphabet is ASCII, so this never takes the fallback.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Milliseconds since 1970 at which the id was made.
    #[must_use]
    pub fn unix_millis(&self) -> u64 {
        self.0[..TIME_CHARS].iter().fold(0, |acc, c| (acc << 5) | digit(*c).unwrap_or(0))
    }
}

fn digit(c: u8) -> Option<u64> {
    ALPHABET.iter().position(|a| *a == c).map(|p| p as u64)
}

impl FromStr for MailId {
    type Err = NotAnId;

    /// Upper case is accepted; anything else that is not of the alphabet is not.
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let refused = || NotAnId(text.chars().take(40).collect());
        let lower = text.trim().to_ascii_lowercase();
        let bytes: [u8; LEN] = lower.as_bytes().try_into().map_err(|_| refused())?;
        if bytes.iter().all(|c| digit(*c).is_some()) { Ok(Self(bytes)) } else { Err(refused()) }
    }
}

impl fmt::Display for MailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for MailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for MailId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MailId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_come_back_from_text() {
        let early = MailId::from_parts(1_700_000_000_000, u64::MAX);
        let late = MailId::from_parts(1_700_000_000_001, 0);
        assert!(early < late);
        assert_eq!(early.unix_millis(), 1_700_000_000_000);
        assert_eq!(early.as_str().parse(), Ok(early));
        assert_eq!(early.as_str().to_uppercase().parse(), Ok(early));
    }

    #[test]
    fn a_path_is_not_an_id() {
        assert!("../../etc/passwd..".parse::<MailId>().is_err());
        assert!("".parse::<MailId>().is_err());
        assert!("ilou00000000000000".parse::<MailId>().is_err());
    }
}
