//! How much structure a message may have before some of it is left alone.

use serde::{Deserialize, Serialize};

use crate::model::ByteSize;
use crate::model::part::NotInspected;

/// Limits on what is read from one message. What lies beyond is *not inspected*, and the verdict says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most header fields, those of parts and of nested messages counted too.
    pub fields: u32,
    /// Most MIME parts, containers counted too.
    pub parts: u32,
    /// Deepest nesting of parts. At most 100, whatever is set.
    pub depth: u32,
    /// Most bytes of decoded content of one message, all parts together. Never more than four times
    /// the message itself and 1 MiB, whatever is set: only nested encodings get beyond that.
    pub decoded: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fields: 10_000, parts: 1_000, depth: 30, decoded: ByteSize(256 << 20) }
    }
}

impl Limits {
    /// Nested encoded messages are read by recursion; this many levels fit on any thread's stack.
    const DEEPEST: u32 = 100;

    /// The nesting that is followed.
    pub(super) fn depth(&self) -> u32 {
        self.depth.min(Self::DEEPEST)
    }

    /// The decoded bytes that a message of `raw` bytes may have.
    pub(super) fn decoded(&self, raw: usize) -> usize {
        self.decoded.bytes().min(raw.saturating_mul(2).saturating_add(1 << 20))
    }
}

/// The reason as a sentence for people.
#[must_use]
pub fn describe(not_inspected: &NotInspected) -> String {
    match not_inspected {
        NotInspected::TooManyFields => {
            "The message has more header fields than the limit; what comes after them was not looked at."
                .into()
        }
        NotInspected::TooManyParts => {
            "The message has more MIME parts than the limit; the parts beyond it were not looked at.".into()
        }
        NotInspected::TooManyParameters => {
            "A field about the content of a part is longer, has more parameters, or stands there more often than is \
             read; programs may go by the rest of it."
                .into()
        }
        NotInspected::TooDeep => {
            "Parts are nested deeper than the limit; what lies below was not taken apart.".into()
        }
        NotInspected::TooLarge => {
            "The decoded content is larger than the limit; the parts beyond it were not looked at.".into()
        }
        NotInspected::TooSlow => "Reading the parts took longer than the message's deadline.".to_owned(),
        NotInspected::Unparsable => {
            "The message could not be taken apart; only its raw bytes were looked at.".into()
        }
        NotInspected::Undecodable(part) => {
            format!("Part {part} is encoded in a way that cannot be undone with certainty.")
        }
        NotInspected::Fragment(part) => {
            format!("Part {part} is a piece of a message; the whole is put together only where it is read.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_defaults_and_refuse_unknown_keys() {
        let limits: Limits = toml::from_str("parts = 5\ndecoded = \"1MiB\"").unwrap();
        assert_eq!(limits, Limits { parts: 5, decoded: ByteSize(1 << 20), ..Limits::default() });
        assert!(toml::from_str::<Limits>("part = 5").is_err());
    }

    #[test]
    fn the_configured_limits_cannot_lift_the_built_in_ones() {
        let limits = Limits { depth: 1_000_000, decoded: ByteSize(u64::MAX), ..Limits::default() };
        assert_eq!(limits.depth(), 100);
        assert_eq!(limits.decoded(1000), 2000 + (1 << 20));
    }

    #[test]
    fn each_reason_has_its_sentence() {
        let reasons = [
            NotInspected::TooManyFields,
            NotInspected::TooManyParts,
            NotInspected::TooManyParameters,
            NotInspected::TooDeep,
            NotInspected::TooLarge,
            NotInspected::Unparsable,
            NotInspected::Undecodable(3),
            NotInspected::Fragment(3),
        ];
        let sentences: std::collections::BTreeSet<String> = reasons.iter().map(describe).collect();
        assert_eq!(sentences.len(), reasons.len());
        assert!(describe(&NotInspected::Undecodable(3)).starts_with("Part 3 "));
    }
}
