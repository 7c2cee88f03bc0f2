//! Which signatures clamd has: its answer to `VERSION`.

use time::PrimitiveDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::reply::shown;
use crate::model::Timestamp;

/// As clamd writes a time, its white space made single: `Thu Nov 19 09:32:00 2026`. The weekday is not
/// looked at.
const WRITTEN: &[BorrowedFormatItem<'_>] =
    format_description!("[month repr:short] [day padding:none] [hour]:[minute]:[second] [year]");

/// clamd's program and database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// `ClamAV 1.0.7`; can be shown.
    pub program: String,
    /// Number and date of its database; `None` where it has none of ClamAV's own.
    pub database: Option<Database>,
}

/// The daily signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Database {
    /// They are counted up.
    pub number: u32,
    /// When they were made. clamd tells it in its own time zone and does not say which: taken for UTC, up
    /// to 14 hours beside the truth.
    pub made: Timestamp,
}

impl Version {
    /// Understands `ClamAV 1.0.7/27100/Thu Nov 19 09:32:00 2026` or `ClamAV 1.0.7`. `None` if it is
    /// no such answer.
    pub(super) fn parse(reply: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(reply).ok()?.trim().splitn(3, '/');
        let program = parts.next().filter(|program| program.starts_with("ClamAV "))?;
        let database = match (parts.next(), parts.next()) {
            (Some(number), Some(made)) => {
                Some(Database { number: number.parse().ok()?, made: moment(made)? })
            }
            (None, _) => None,
            (Some(_), None) => return None,
        };
        Some(Self { program: shown(program.as_bytes()), database })
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    let words: Vec<&str> = text.split_whitespace().skip(1).collect();
    let at = PrimitiveDateTime::parse(&words.join(" "), WRITTEN).ok()?.assume_utc();
    u64::try_from(at.unix_timestamp())
        .ok()
        .map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000)))
}

impl std::fmt::Display for Version {
    /// `ClamAV 1.0.7, database 27100 of 2026-11-19`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.program)?;
        match self.database {
            Some(database) => write!(f, ", {database}"),
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "database {} of {}", self.number, self.made.day())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn program_and_database_are_read() {
        let shown = |reply: &str| Version::parse(reply.as_bytes()).map(|version| version.to_string());
        assert_eq!(
            shown("ClamAV 1.0.7/27100/Thu Nov 19 09:32:00 2026").as_deref(),
            Some("ClamAV 1.0.7, database 27100 of 2026-11-19")
        );
        assert_eq!(shown("ClamAV 1.4.6").as_deref(), Some("ClamAV 1.4.6"));
        let early = Version::parse(b"ClamAV 1.4.6/1/Sun Mar  1 00:00:01 2026\n").unwrap().database.unwrap();
        assert_eq!(early.made.to_string(), "2026-03-01T00:00:01.000Z");
        for none in
            ["", "PONG", "ClamAV 1/", "ClamAV 1/x/y", "ClamAV 1/2", "ClamAV 1/2/Thu Nov 31 09:32:00 2026"]
        {
            assert_eq!(shown(none), None, "{none:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_brings_it_down(reply in "ClamAV [ -~]{0,20}(/[0-9a-z]{0,11}){0,2}(/[ -~]{0,30})?") {
            drop(Version::parse(reply.as_bytes()).map(|version| version.to_string()));
        }
    }
}
