//! Answers from a file: what `mailward scan --dns-zone` and tests ask instead of servers.
//!
//! A line is `NAME TYPE VALUE`: `example.org TXT "v=spf1 -all"`, `example.org MX 10 mx.example.org`,
//! `1.2.0.192.in-addr.arpa PTR host.example.org`; also `A`, `AAAA`, and `CNAME`. A text is one or more
//! strings in quotation marks, or the rest of the line. Before the type may stand a time to live in seconds, the
//! class `IN`, or both, as in what `dig` prints; they change nothing. `NAME FAIL` and `NAME TIMEOUT` answer every
//! question about the name with that error for which the file has no record; `NAME FAIL TXT` one type. `#` or `;` begins a comment.
//! A space in a name is written
//! `\032`. What is not in the file does not exist.

use std::collections::HashMap;

use super::{DnsError, Kind, MAX_ALIASES, Record, name};

/// The most lines of a file that are read.
const MAX_LINES: usize = 1_000_000;

/// What a file answers.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    records: HashMap<(String, Kind), Vec<Record>>,
    aliases: HashMap<String, String>,
    failures: HashMap<(String, Option<Kind>), DnsError>,
    names: std::collections::HashSet<String>,
}

/// A line that is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ZoneError {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl Zone {
    /// Reads a file's text.
    ///
    /// # Errors
    /// The first line that is no record.
    pub fn parse(text: &str) -> Result<Self, ZoneError> {
        let mut zone = Self::default();
        for (index, line) in text.lines().enumerate() {
            let error = |what: String| ZoneError { line: index + 1, what };
            if index >= MAX_LINES {
                return Err(error(format!("a zone file has at most {MAX_LINES} lines")));
            }
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            zone.line(line).map_err(error)?;
        }
        Ok(zone)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let (owner, rest) = line.split_once(char::is_whitespace).ok_or("a record is NAME TYPE VALUE")?;
        let (kind, value) = type_of(rest);
        let owner = owner.replace("\\032", " ");
        let owner = name::question(&owner).map_err(|_| format!("{owner:?} is no domain name"))?;
        let host = |text: &str| name::question(text).map_err(|_| format!("{text:?} is no domain name"));
        self.names.insert(owner.clone());
        let record = match kind.to_ascii_uppercase().as_str() {
            "A" => Record::A(value.parse().map_err(|_| format!("{value:?} is no IPv4 address"))?),
            "AAAA" => Record::Aaaa(value.parse().map_err(|_| format!("{value:?} is no IPv6 address"))?),
            "PTR" => Record::Ptr(host(value)?),
            "TXT" | "SPF" => Record::Txt(strings(value)?),
            "MX" => {
                let (preference, exchange) =
                    value.split_once(char::is_whitespace).ok_or("MX is PREFERENCE HOST")?;
                let preference =
                    preference.parse().map_err(|_| format!("{preference:?} is no preference"))?;
                let exchange = exchange.trim();
                // RFC 7505: "." is the null MX.
                Record::Mx(preference, if exchange == "." { ".".to_owned() } else { host(exchange)? })
            }
            "CNAME" => {
                self.aliases.insert(owner, host(value)?);
                return Ok(());
            }
            "FAIL" | "TIMEOUT" => {
                let error = match kind.eq_ignore_ascii_case("FAIL") {
                    true => DnsError::Failed("as the zone file says".to_owned()),
                    false => DnsError::TimedOut,
                };
                let of = Kind::ALL.into_iter().find(|k| k.name().eq_ignore_ascii_case(value));
                if of.is_none() && !value.is_empty() {
                    return Err(format!("{value:?} is no type of record"));
                }
                self.failures.insert((owner, of), error);
                return Ok(());
            }
            other => return Err(format!("{other:?} is no type of record that is asked for here")),
        };
        let kind = match &record {
            Record::A(_) => Kind::A,
            Record::Aaaa(_) => Kind::Aaaa,
            Record::Mx(..) => Kind::Mx,
            Record::Ptr(_) => Kind::Ptr,
            Record::Txt(_) => Kind::Txt,
        };
        self.records.entry((owner, kind)).or_default().push(record);
        Ok(())
    }

    /// What the file says of `question`, a name in lower case with its final dot.
    pub(super) fn records(&self, question: &str, kind: Kind) -> Result<Vec<Record>, DnsError> {
        let mut at = question.to_owned();
        for _ in 0..=MAX_ALIASES {
            if let Some(error) = self.failures.get(&(at.clone(), Some(kind))) {
                return Err(error.clone());
            }
            if let Some(records) = self.records.get(&(at.clone(), kind)) {
                return Ok(records.clone());
            }
            if let Some(error) = self.failures.get(&(at.clone(), None)) {
                return Err(error.clone());
            }
            let Some(next) = self.aliases.get(&at) else {
                return Err(if self.exists(&at) { DnsError::NoRecords } else { DnsError::NoName });
            };
            at.clone_from(next);
        }
        Err(DnsError::Failed("the aliases go round".to_owned()))
    }

    /// Whether there is anything at or below a name: an empty non-terminal exists (RFC 8020).
    fn exists(&self, name: &str) -> bool {
        let below = format!(".{name}");
        self.names.contains(name) || self.names.iter().any(|n| n.ends_with(&below))
    }
}

/// The type, and what is behind it; before it may stand a time to live and the class, in either order (RFC 1035
/// §5.1).
fn type_of(rest: &str) -> (&str, &str) {
    let mut rest = rest.trim();
    let (mut time, mut class) = (false, false);
    loop {
        let (first, behind) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        let seen = match first {
            _ if !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit()) => &mut time,
            _ if first.eq_ignore_ascii_case("IN") => &mut class,
            _ => return (first, behind.trim()),
        };
        if std::mem::replace(seen, true) {
            return (first, behind.trim());
        }
        rest = behind.trim();
    }
}

/// The strings of a TXT record, joined: in quotation marks with `\"`, `\\` and `\010`, or all of the line.
fn strings(value: &str) -> Result<Vec<u8>, String> {
    if !value.starts_with('"') {
        return Ok(value.as_bytes().to_vec());
    }
    let mut out = Vec::new();
    let mut inside = false;
    let mut bytes = value.as_bytes().iter().copied();
    while let Some(byte) = bytes.next() {
        match (inside, byte) {
            (_, b'"') => inside = !inside,
            (true, b'\\') => {
                // RFC 1035 §5.1: three digits are the number of a byte.
                let code: String = bytes.clone().take(3).map(char::from).collect();
                match code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()) {
                    true => {
                        out.push(code.parse().map_err(|_| format!("\\{code} is no byte"))?);
                        bytes.nth(2);
                    }
                    false => out.push(bytes.next().ok_or("the text ends in a backslash")?),
                }
            }
            (true, other) => out.push(other),
            (false, other) if other.is_ascii_whitespace() => {}
            (false, _) => return Err("text outside of quotation marks".to_owned()),
        }
    }
    if inside { Err("the quotation marks do not end".to_owned()) } else { Ok(out) }
}
