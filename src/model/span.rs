//! A length of time with its unit, as people write it in configuration.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A length of time. Text needs a unit: `500ms`, `8s`, `2m`, `6h`, `30d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(pub Duration);

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Span {
    /// `n` milliseconds.
    #[must_use]
    pub const fn millis(n: u64) -> Self {
        Self(Duration::from_millis(n))
    }

    /// `n` seconds.
    #[must_use]
    pub const fn seconds(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }

    /// `n` days.
    #[must_use]
    pub const fn days(n: u64) -> Self {
        Self(Duration::from_secs(n * 86_400))
    }

    /// As the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        let number: u64 = number.parse().map_err(|_| {
            format!("{text:?} is no length of time; write a whole number and a unit, as in \"8s\"")
        })?;
        let factor = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, f)| *f);
        let factor = factor
            .ok_or_else(|| format!("{text:?} has no unit that is known; one of ms, s, m, h, d is needed"))?;
        number.checked_mul(factor).map(Self::millis).ok_or_else(|| format!("{text:?} is too long"))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let exact = UNITS.iter().rev().find(|(_, factor)| millis >= *factor && millis % factor == 0);
        let (name, factor) = exact.copied().unwrap_or(("ms", 1));
        write!(f, "{}{name}", millis / factor)
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_need_a_unit_and_keep_it() {
        assert_eq!("8s".parse(), Ok(Span::seconds(8)));
        assert_eq!("30d".parse(), Ok(Span::days(30)));
        assert_eq!(Span::seconds(90).to_string(), "90s");
        assert_eq!(Span::seconds(120).to_string(), "2m");
        assert_eq!(Span::default().to_string(), "0ms");
        assert!("8".parse::<Span>().is_err());
        assert!("soon".parse::<Span>().is_err());
    }
}
