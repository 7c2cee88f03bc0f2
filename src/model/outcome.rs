//! How each scanner ended. A scanner that did not finish is an outcome, never an absence.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Finding, Scanner};

/// What one scanner ended with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Looked at everything, found nothing.
    Clean,
    /// Looked at everything, found something.
    Found,
    /// Looked at everything with less than it should have: a rule file was left out, say.
    Partial {
        /// Whether it found something all the same.
        found: bool,
        /// What was missing, as a sentence for people.
        missing: String,
    },
    /// Did not look, and why that is in order.
    Skipped(Skip),
    /// Wanted to look and could not.
    Failed(Failure),
    /// Did not end in time; how long it was given.
    TimedOut(Duration),
}

/// Why a scanner did not look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skip {
    /// Beyond the scanner's own size limit.
    TooLarge,
    /// The direction or client exempts this message.
    Exempt,
    /// A trusted relay handed it over and the real client is not known.
    Relay,
    /// Handed over without a client (LMTP without XFORWARD).
    NoClient,
    /// Some other scanner had already decided.
    Decided,
    /// Configured, and not there to be asked.
    Unavailable,
}

/// What went wrong in a scanner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// One bounded word for coverage and metrics: `refused`, `reset`, `protocol`, `panic`, `degraded`.
    pub label: String,
    /// A sentence for people.
    pub detail: String,
}

impl Skip {
    /// The word in coverage.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::Exempt => "exempt",
            Self::Relay => "relay",
            Self::NoClient => "no-client",
            Self::Decided => "decided",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Outcome {
    /// A failure with its label and sentence.
    #[must_use]
    pub fn failed(label: &str, detail: impl Into<String>) -> Self {
        Self::Failed(Failure { label: label.to_owned(), detail: detail.into() })
    }

    /// `Found` if there is anything in `findings`, else `Clean`.
    #[must_use]
    pub fn of(findings: &[Finding]) -> Self {
        if findings.is_empty() { Self::Clean } else { Self::Found }
    }

    /// Whether the scanner looked at all it should have.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Clean | Self::Found)
    }

    /// Whether something went wrong, so that the scanner's `on_failure` applies. `Partial` does not
    /// count: one rule file that is left out must not tempfail all mail; coverage, `/readyz` and a
    /// metric say it instead.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::TimedOut(_))
    }

    /// Whether it gave findings as far as the outcome tells.
    #[must_use]
    pub const fn is_found(&self) -> bool {
        matches!(self, Self::Found | Self::Partial { found: true, .. })
    }

    /// The bounded word for metrics: `ok`, `found`, `degraded`, `skipped`, `failed`, `timeout`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Clean => "ok",
            Self::Found => "found",
            Self::Partial { .. } => "degraded",
            Self::Skipped(_) => "skipped",
            Self::Failed(_) => "failed",
            Self::TimedOut(_) => "timeout",
        }
    }
}

impl fmt::Display for Outcome {
    /// As in `X-Mailward-Coverage`: `ok`, `found`, `ok(degraded)`, `found(degraded)`,
    /// `skipped(too-large)`, `failed(refused)`, `timeout`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean | Self::Found | Self::TimedOut(_) => f.write_str(self.label()),
            Self::Partial { found: false, .. } => f.write_str("ok(degraded)"),
            Self::Partial { found: true, .. } => f.write_str("found(degraded)"),
            Self::Skipped(why) => write!(f, "skipped({})", why.label()),
            Self::Failed(failure) => write!(f, "failed({})", failure.label),
        }
    }
}

/// All outcomes of a message, sorted by scanner name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Coverage(pub BTreeMap<Scanner, Outcome>);

impl Coverage {
    /// Scanners that should have looked at everything and did not.
    pub fn gaps(&self) -> impl Iterator<Item = (Scanner, &Outcome)> {
        self.0.iter().filter(|(_, o)| !o.is_complete()).map(|(s, o)| (*s, o))
    }
}

impl fmt::Display for Coverage {
    /// `auth=ok; clamd=timeout; yara=found`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, (scanner, outcome)) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{scanner}={outcome}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_reads_by_scanner_name() {
        let coverage = Coverage(BTreeMap::from([
            (Scanner::Yara, Outcome::Found),
            (Scanner::Clamd, Outcome::TimedOut(Duration::from_secs(8))),
            (Scanner::Urls, Outcome::Skipped(Skip::TooLarge)),
            (Scanner::Mime, Outcome::failed("limit-parts", "too many parts")),
        ]));
        assert_eq!(
            coverage.to_string(),
            "clamd=timeout; mime=failed(limit-parts); urls=skipped(too-large); yara=found"
        );
        assert_eq!(coverage.gaps().count(), 3);
    }

    #[test]
    fn a_partial_look_is_neither_complete_nor_a_failure() {
        let missing = "rule file a.yar is broken".to_owned();
        let clean = Outcome::Partial { found: false, missing: missing.clone() };
        let found = Outcome::Partial { found: true, missing };
        assert_eq!((clean.to_string(), found.to_string()), ("ok(degraded)".into(), "found(degraded)".into()));
        assert_eq!((clean.label(), clean.is_found(), found.is_found()), ("degraded", false, true));
        assert!(!clean.is_complete() && !clean.is_failure());
        assert_eq!(Coverage(BTreeMap::from([(Scanner::Yara, found.clone())])).gaps().count(), 1);
        let json = serde_json::to_string(&found).unwrap();
        assert_eq!(json, r#"{"partial":{"found":true,"missing":"rule file a.yar is broken"}}"#);
        assert_eq!(serde_json::from_str::<Outcome>(&json).unwrap(), found);
    }
}
