//! What was seen of one topic.

use serde::Serialize;

use crate::model::text;

/// Longest sentence, in characters.
const MAX_TEXT: usize = 900;
/// Longest line that mends something. A cut one would be worse than none.
const MAX_MEND: usize = 2000;

/// What is looked at, in the order in which it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Topic {
    Configuration,
    Daemon,
    Socket,
    Postfix,
    Sendmail,
    Macros,
    Clamd,
    Rspamd,
    Dns,
    Feeds,
    Lmtp,
    Clock,
    Disk,
    Permissions,
}

impl Topic {
    pub(super) const ALL: [Self; 14] = [
        Self::Configuration,
        Self::Daemon,
        Self::Socket,
        Self::Postfix,
        Self::Sendmail,
        Self::Macros,
        Self::Clamd,
        Self::Rspamd,
        Self::Dns,
        Self::Feeds,
        Self::Lmtp,
        Self::Clock,
        Self::Disk,
        Self::Permissions,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Daemon => "daemon",
            Self::Socket => "socket",
            Self::Postfix => "postfix",
            Self::Sendmail => "sendmail",
            Self::Macros => "macros",
            Self::Clamd => "clamd",
            Self::Rspamd => "rspamd",
            Self::Dns => "dns",
            Self::Feeds => "feeds",
            Self::Lmtp => "lmtp",
            Self::Clock => "clock",
            Self::Disk => "disk",
            Self::Permissions => "permissions",
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Level {
    /// As it should be.
    #[serde(rename = "ok")]
    Ok,
    /// Nobody knows: it could not be looked at.
    #[serde(rename = "not looked at")]
    Unseen,
    /// Good to know.
    #[serde(rename = "note")]
    Note,
    /// It costs something, or will.
    #[serde(rename = "warning")]
    Warning,
    /// Mail is not filtered, not taken, or may be lost.
    #[serde(rename = "error")]
    Error,
}

impl Level {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unseen => "not looked at",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) topic: Topic,
    /// What, in a word that stays the same over versions.
    pub(super) check: &'static str,
    pub(super) level: Level,
    /// What it is, and why that matters.
    pub(super) text: String,
    /// The line that mends it.
    pub(super) mend: Option<String>,
}

/// All of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sheet {
    pub(super) topic: Topic,
    pub(super) checks: Vec<Check>,
}

impl Sheet {
    pub(super) const fn new(topic: Topic) -> Self {
        Self { topic, checks: Vec::new() }
    }

    pub(super) fn ok(&mut self, check: &'static str, text: impl AsRef<str>) {
        self.add(check, Level::Ok, text.as_ref(), None);
    }

    pub(super) fn unseen(&mut self, check: &'static str, why: impl AsRef<str>) {
        self.add(check, Level::Unseen, why.as_ref(), None);
    }

    pub(super) fn note(&mut self, check: &'static str, text: impl AsRef<str>, mend: Option<String>) {
        self.add(check, Level::Note, text.as_ref(), mend);
    }

    pub(super) fn warning(&mut self, check: &'static str, text: impl AsRef<str>, mend: Option<String>) {
        self.add(check, Level::Warning, text.as_ref(), mend);
    }

    pub(super) fn error(&mut self, check: &'static str, text: impl AsRef<str>, mend: Option<String>) {
        self.add(check, Level::Error, text.as_ref(), mend);
    }

    /// Anything but what could not be looked at.
    pub(super) fn add(&mut self, check: &'static str, level: Level, text: &str, mend: Option<String>) {
        let mend = mend.filter(|line| line.chars().count() <= MAX_MEND);
        let mend = mend.map(|line| text::line(&line, MAX_MEND));
        self.checks.push(Check { topic: self.topic, check, level, text: text::line(text, MAX_TEXT), mend });
    }

    /// Of its checks the worst.
    pub(super) fn worst(&self) -> Option<Level> {
        self.checks.iter().map(|check| check.level).max()
    }
}

#[cfg(test)]
impl Sheet {
    /// `level check: text | mend`, a line each.
    pub(super) fn told(&self) -> Vec<String> {
        let mend = |check: &Check| check.mend.as_ref().map(|mend| format!(" | {mend}")).unwrap_or_default();
        let line = |c: &Check| format!("{} {}: {}{}", c.level.name(), c.check, c.text, mend(c));
        self.checks.iter().map(line).collect()
    }
}
