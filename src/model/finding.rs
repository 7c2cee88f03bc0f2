//! One piece of evidence, and the scanner that gave it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The sources of evidence. A fixed set, because it labels metrics, coverage and configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scanner {
    /// SPF, DKIM, DMARC, ARC, iprev.
    Auth,
    /// clamd.
    Clamd,
    /// The MIME walk: limits, defects, attachments.
    Mime,
    /// rspamd.
    Rspamd,
    /// Links and threat feeds.
    Urls,
    /// YARA rules.
    Yara,
}

impl Scanner {
    /// All of them, sorted by name: the order of coverage.
    pub const ALL: [Self; 6] = [Self::Auth, Self::Clamd, Self::Mime, Self::Rspamd, Self::Urls, Self::Yara];

    /// The name in coverage, configuration and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Clamd => "clamd",
            Self::Mime => "mime",
            Self::Rspamd => "rspamd",
            Self::Urls => "urls",
            Self::Yara => "yara",
        }
    }
}

impl fmt::Display for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How bad a finding is, whatever it scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// A fact worth recording.
    #[default]
    Info,
    /// A weak signal.
    Low,
    /// A signal.
    Medium,
    /// Strong evidence.
    High,
    /// Proof, as far as there is any.
    Critical,
}

/// What kind of bad a finding or verdict is; later is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Nothing against it.
    #[default]
    Clean,
    /// Something is odd.
    Suspicious,
    /// Unwanted.
    Spam,
    /// Fraud.
    Phish,
    /// Dangerous content.
    Malware,
}

impl Category {
    /// All, mildest first.
    pub const ALL: [Self; 5] = [Self::Clean, Self::Suspicious, Self::Spam, Self::Phish, Self::Malware];

    /// The word in `X-Mailward-Verdict`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Suspicious => "suspicious",
            Self::Spam => "spam",
            Self::Phish => "phish",
            Self::Malware => "malware",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Severity {
    /// The word for people and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no severity or category.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{given:?} is not one of {allowed}")]
pub struct UnknownWord {
    /// What was given.
    pub given: String,
    /// What would have been understood.
    pub allowed: &'static str,
}

impl FromStr for Severity {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical]
            .into_iter()
            .find(|v| v.name().eq_ignore_ascii_case(s))
            .ok_or_else(|| UnknownWord { given: s.to_owned(), allowed: "info, low, medium, high, critical" })
    }
}

impl FromStr for Category {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|v| v.name().eq_ignore_ascii_case(s)).ok_or_else(|| UnknownWord {
            given: s.to_owned(),
            allowed: "clean, suspicious, spam, phish, malware",
        })
    }
}

/// A finite number; more is worse. Sums of scores are compared with thresholds.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct Score(f64);

impl Score {
    /// No evidence.
    pub const ZERO: Self = Self(0.0);
    /// A score beyond ±10,000 is a mistake, not a judgement.
    pub const BOUND: f64 = 10_000.0;

    /// A finite score: what is not a number becomes 0, what is beyond ±10,000 is cut.
    #[must_use]
    pub fn new(value: f64) -> Self {
        if value.is_nan() { Self::ZERO } else { Self(value.clamp(-Self::BOUND, Self::BOUND)) }
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl From<f64> for Score {
    fn from(v: f64) -> Self {
        Self::new(v)
    }
}

impl From<Score> for f64 {
    fn from(s: Score) -> Self {
        s.0
    }
}

impl std::iter::Sum for Score {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        Self::new(iter.map(Self::value).sum())
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", self.0)
    }
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Who says so.
    pub scanner: Scanner,
    /// A short constant name, `UPPER_SNAKE` where it is ours: `MIME_NOT_INSPECTED`, `Eicar_Test_File`.
    pub symbol: String,
    /// How bad.
    pub severity: Severity,
    /// What kind of bad.
    pub category: Category,
    /// How much it adds to the message's score.
    pub score: Score,
    /// A sentence for people. May hold text from the mail: made safe wherever it is shown.
    pub text: String,
    /// Where in the message: `raw message`, `part 2 (a.zip)`, `header Subject`.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}
