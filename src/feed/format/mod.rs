//! The formats in which feeds are published, as they are live.
//!
//! **Contract.** [`read`] takes a body as it came from the publisher – plain, gzip or zip, told apart by its
//! bytes – and calls back with each entry, in order. The body is streamed: memory is bounded by one row,
//! whatever its size. No row is left out without being counted in the [`Tally`], with number and reason of
//! the first few; a row that would match nearly everything is one of these. Fields are found by the names
//! that the body gives to its columns, where it does.
//!
//! **Decisions.** URLhaus's text form is read as `urlhaus-csv` and as `urls`. What the publisher calls
//! offline, or has not verified, is no entry. A name of `threatfox-*` and `domains` that is somebody's whole
//! registered domain stands for all below it, too; a name of a hosts file never does. `*.name` in `domains`
//! stands for all below and not for the name; `.name` and `||name^` stand for both. A row without the field
//! that only its publisher has is bad, so that another publisher's list is refused.
//!
//! **Failures.** A [`Refusal`] for the body as a whole. Entries that were called back before it came must be
//! thrown away.
//!
//! Where to find what: unpacking and first look `body`, lines `lines`, CSV `csv`, JSON `json`, named fields
//! `record`, one file a publisher.

mod body;
mod csv;
mod drop;
mod json;
mod lines;
mod malwarebazaar;
mod phishtank;
mod plain;
mod record;
mod refusal;
mod tabular;
mod threatfox;
mod urlhaus;

use std::fmt;
use std::io::{Read, Seek};

use serde::{Deserialize, Serialize};

use super::entry::{Entry, FileHash, Key};
use super::tally::{Aside, Tally};
use super::width::Width;

pub use refusal::Refusal;

/// How a feed is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// abuse.ch URLhaus, CSV or text.
    UrlhausCsv,
    /// abuse.ch URLhaus, JSON.
    UrlhausJson,
    /// OpenPhish: a URL a line.
    Openphish,
    /// PhishTank, CSV.
    PhishtankCsv,
    /// PhishTank, JSON.
    PhishtankJson,
    /// abuse.ch ThreatFox, CSV.
    ThreatfoxCsv,
    /// abuse.ch ThreatFox, JSON.
    ThreatfoxJson,
    /// abuse.ch MalwareBazaar, CSV.
    MalwarebazaarCsv,
    /// Spamhaus DROP, text or JSON.
    SpamhausDrop,
    /// A domain a line.
    Domains,
    /// A URL a line.
    Urls,
    /// An address or network a line.
    Ips,
    /// As `/etc/hosts`: an address and names a line.
    Hosts,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 13] = [
        Self::UrlhausCsv,
        Self::UrlhausJson,
        Self::Openphish,
        Self::PhishtankCsv,
        Self::PhishtankJson,
        Self::ThreatfoxCsv,
        Self::ThreatfoxJson,
        Self::MalwarebazaarCsv,
        Self::SpamhausDrop,
        Self::Domains,
        Self::Urls,
        Self::Ips,
        Self::Hosts,
    ];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UrlhausCsv => "urlhaus-csv",
            Self::UrlhausJson => "urlhaus-json",
            Self::Openphish => "openphish",
            Self::PhishtankCsv => "phishtank-csv",
            Self::PhishtankJson => "phishtank-json",
            Self::ThreatfoxCsv => "threatfox-csv",
            Self::ThreatfoxJson => "threatfox-json",
            Self::MalwarebazaarCsv => "malwarebazaar-csv",
            Self::SpamhausDrop => "spamhaus-drop",
            Self::Domains => "domains",
            Self::Urls => "urls",
            Self::Ips => "ips",
            Self::Hosts => "hosts",
        }
    }

    const fn is_json(self) -> bool {
        matches!(self, Self::UrlhausJson | Self::PhishtankJson | Self::ThreatfoxJson)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the body as it came.
    pub body: u64,
    /// Bytes of its text, unpacked.
    pub text: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes of a line or JSON row; a longer one is a bad row.
    pub line: usize,
    /// Bytes of what is bad (URL, name, hash); a longer one is a bad row.
    pub field: usize,
}

impl Limits {
    /// For a feed whose `max_size` is this many bytes. Lists are packed to about an eighth.
    #[must_use]
    pub const fn of_size(max_size: u64) -> Self {
        Self {
            body: max_size,
            text: max_size.saturating_mul(8),
            rows: 20_000_000,
            line: 64 << 10,
            field: 8 << 10,
        }
    }
}

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// How it is written.
    pub format: Format,
    /// How much of it.
    pub limits: Limits,
    /// Entries of which the publisher is less sure, in per cent, are left out. Those without a figure are
    /// taken.
    pub min_confidence: u8,
}

/// Reads `body` and gives each entry to `take`. Blocks.
///
/// # Errors
/// If the body is refused as a whole; an error of `take` is [`Refusal::Write`].
pub fn read(
    body: impl Read + Seek,
    reading: &Reading,
    take: &mut dyn FnMut(&Entry) -> std::io::Result<()>,
) -> Result<Tally, Refusal> {
    let format = reading.format;
    let mut intake = Intake { reading, width: Width::new(), tally: Tally::default(), comments: 0, take };
    body::text(body, format, &reading.limits, |text| match format {
        Format::UrlhausCsv => tabular::csv(text, &urlhaus::CSV, &mut intake),
        Format::ThreatfoxCsv => tabular::csv(text, &threatfox::CSV, &mut intake),
        Format::PhishtankCsv => tabular::csv(text, &phishtank::CSV, &mut intake),
        Format::MalwarebazaarCsv => tabular::csv(text, &malwarebazaar::CSV, &mut intake),
        Format::UrlhausJson => tabular::json(text, urlhaus::row, &mut intake),
        Format::ThreatfoxJson => tabular::json(text, threatfox::row, &mut intake),
        Format::PhishtankJson => tabular::json(text, phishtank::row, &mut intake),
        Format::SpamhausDrop => drop::drop(text, &mut intake),
        Format::Openphish => plain::lines(text, plain::whole_url, &mut intake),
        Format::Urls => plain::lines(text, plain::url, &mut intake),
        Format::Domains => plain::lines(text, plain::domain, &mut intake),
        Format::Ips => plain::lines(text, plain::ip, &mut intake),
        Format::Hosts => plain::lines(text, plain::hosts, &mut intake),
    })?;
    intake.judged()
}

/// Where the readers of all formats put what they find.
struct Intake<'a> {
    reading: &'a Reading,
    width: Width,
    tally: Tally,
    comments: u64,
    take: &'a mut dyn FnMut(&Entry) -> std::io::Result<()>,
}

impl Intake<'_> {
    /// A data row begins.
    fn row(&mut self) -> Result<(), Refusal> {
        self.tally.rows += 1;
        if self.tally.rows > self.reading.limits.rows {
            let limit = self.reading.limits.rows.to_string();
            return Err(Refusal::TooLarge { what: "the body has too many rows", limit });
        }
        Ok(())
    }

    /// The row holds this.
    fn entry(&mut self, row: u64, entry: &Entry) -> Result<(), Refusal> {
        if entry.confidence.is_some_and(|sure| sure < self.reading.min_confidence) {
            self.tally.aside(Aside::Unsure);
        } else if let Some(why) = self.width.objection(&entry.key) {
            self.tally.too_wide(row, why);
        } else {
            self.tally.taken += 1;
            self.tally.weak_hashes += u64::from(is_weak(&entry.key));
            (self.take)(entry).map_err(Refusal::Write)?;
        }
        Ok(())
    }

    /// What a row turned out to be.
    fn found(&mut self, row: u64, found: Found) -> Result<(), Refusal> {
        match found {
            Found::Entry(entry) => self.entry(row, &entry)?,
            Found::Aside(why) => self.tally.aside(why),
            Found::Bad(why) => self.tally.bad(row, why),
        }
        Ok(())
    }

    /// The body as a whole, after its last row.
    fn judged(self) -> Result<Tally, Refusal> {
        let tally = self.tally;
        if tally.rows == 0 {
            return Err(Refusal::OnlyComments { lines: self.comments });
        }
        if (tally.bad + tally.too_wide) * 2 > tally.rows {
            let complaint = tally.complaint().unwrap_or_default();
            return Err(Refusal::MostlyWrong { complaint, format: self.reading.format });
        }
        if tally.taken == 0 {
            return Err(Refusal::NothingUsable { rows: tally.rows, why: tally.complaint() });
        }
        Ok(tally)
    }
}

/// A hash that no file of a message is looked up by. Anybody can make two files with one MD5 or SHA-1, and what
/// publishers list by these they list by SHA-256, too, as a rule: not worth two more hashes of every attachment.
const fn is_weak(key: &Key) -> bool {
    matches!(key, Key::File(FileHash::Sha1(_) | FileHash::Md5(_)))
}

/// What a row turned out to be.
enum Found {
    Entry(Box<Entry>),
    Aside(Aside),
    Bad(String),
}

impl Found {
    fn entry(entry: Entry) -> Self {
        Self::Entry(Box::new(entry))
    }

    fn bad(why: impl Into<String>) -> Self {
        Self::Bad(why.into())
    }
}
