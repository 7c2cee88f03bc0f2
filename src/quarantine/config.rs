//! The section `[quarantine]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{ByteSize, Category, Span};

/// Where held mail lies and how long it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A Maildir of mailward's own, on one file system. Its parent directory must exist.
    pub path: PathBuf,
    /// A group whose members may read what is held, with mutt for example. Empty: nobody but
    /// mailward's own user. mailward's user must be a member.
    pub group: String,
    /// The most that held messages may take together. Beyond it the oldest spam goes first, then
    /// malware, phish, suspicious, clean.
    pub max_size: ByteSize,
    /// The most entries; each takes about half a kilobyte of memory.
    pub max_entries: u32,
    /// `max_size` and `max_entries` never remove what is younger than this; when all of it is, new
    /// mail to be held is refused for now and the sender tries again.
    pub min_age: Span,
    /// Nothing is stored when the file system would have less room than this afterwards: the
    /// message is refused for now.
    pub min_free: ByteSize,
    /// How long messages are kept, by class.
    pub keep: Keep,
}

/// How long messages are kept, by class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// Held by a rule of yours although nothing was against it.
    pub clean: Span,
    /// Something is odd.
    pub suspicious: Span,
    /// Unwanted.
    pub spam: Span,
    /// Fraud.
    pub phish: Span,
    /// Dangerous content.
    pub malware: Span,
    /// Copies of delivered mail that wait for a second look (`[second_look]`).
    pub second_look: Span,
    /// Those that the second look found bad.
    pub caught: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: PathBuf::from("/var/lib/mailward/quarantine"),
            group: String::new(),
            max_size: ByteSize(10 << 30),
            max_entries: 100_000,
            min_age: Span::days(1),
            min_free: ByteSize(512 << 20),
            keep: Keep::default(),
        }
    }
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            clean: Span::days(30),
            suspicious: Span::days(30),
            spam: Span::days(30),
            phish: Span::days(30),
            malware: Span::days(14),
            second_look: Span::days(3),
            caught: Span::days(30),
        }
    }
}

impl Keep {
    /// How long `category` is kept.
    #[must_use]
    pub const fn of(&self, category: Category) -> Span {
        match category {
            Category::Clean => self.clean,
            Category::Suspicious => self.suspicious,
            Category::Spam => self.spam,
            Category::Phish => self.phish,
            Category::Malware => self.malware,
        }
    }
}

impl Config {
    /// What contradicts itself, each a sentence that names its key; empty when all is well.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !self.path.is_absolute() {
            faults.push(format!(
                "quarantine.path must start with a slash, and {} does not",
                self.path.display()
            ));
        }
        if self.max_entries == 0 {
            faults.push("quarantine.max_entries must be at least 1".to_owned());
        }
        if self.max_size.0 == 0 {
            faults.push("quarantine.max_size must be more than nothing".to_owned());
        }
        for category in Category::ALL {
            let keep = self.keep.of(category);
            if keep < self.min_age {
                faults.push(format!(
                    "quarantine.keep.{category} ({keep}) is shorter than quarantine.min_age ({})",
                    self.min_age
                ));
            }
            if keep.duration().is_zero() {
                faults.push(format!(
                    "quarantine.keep.{category} is nothing: what was held would be deleted at once"
                ));
            }
        }
        for (name, keep) in [("second_look", self.keep.second_look), ("caught", self.keep.caught)] {
            if keep.duration().is_zero() {
                faults.push(format!(
                    "quarantine.keep.{name} is nothing: copies would be deleted at once; second_look.keep = \"off\" \
                     keeps none"
                ));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold_together_and_survive_toml() {
        let config = Config::default();
        assert_eq!(config.faults(), Vec::<String>::new());
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config);
        assert!(toml::from_str::<Config>("max_sise = \"1GB\"").is_err());
    }

    #[test]
    fn contradictions_are_named_by_their_key() {
        let config: Config =
            toml::from_str("path = \"held\"\nmax_entries = 0\nmin_age = \"2d\"\n[keep]\nspam = \"1d\"\n")
                .unwrap();
        assert_eq!(
            config.faults(),
            [
                "quarantine.path must start with a slash, and held does not",
                "quarantine.max_entries must be at least 1",
                "quarantine.keep.spam (1d) is shorter than quarantine.min_age (2d)",
            ]
        );
    }
}
