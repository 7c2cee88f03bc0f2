//! abuse.ch ThreatFox: addresses, hosts and files of malware.

use super::Found;
use super::record::Record;
use super::tabular::{self, Table};
use crate::feed::entry::{Day, Entry, FileHash, Key, network};
use crate::feed::tally::{Aside, shown};
use crate::link::{Host, registrable};

/// Older exports lack `is_compromised`; should they name no columns, the reading of their 14 fields
/// is refused with the width.
pub(super) const CSV: Table = Table {
    columns: &[
        "first_seen_utc",
        "ioc_id",
        "ioc_value",
        "ioc_type",
        "threat_type",
        "fk_malware",
        "malware_alias",
        "malware_printable",
        "last_seen_utc",
        "confidence_level",
        "is_compromised",
        "reference",
        "tags",
        "anonymous",
        "reporter",
    ],
    key: "ioc_value",
    widths: &[],
    header: false,
    urls: false,
    row,
};

pub(super) fn row(record: &Record<'_>) -> Found {
    let value = record.get("ioc_value");
    let key = match record.get("ioc_type") {
        "url" => tabular::link(record, "ioc_value"),
        "domain" => domain(value),
        "ip:port" | "ip" => address(value),
        kind @ ("sha256_hash" | "sha1_hash" | "md5_hash") => tabular::file(record, "ioc_value", kind),
        "" => Err(Found::bad("it has no ioc_type")),
        // `envelope_from`, `body_from` and what may come.
        _ => Err(Found::Aside(Aside::Other)),
    };
    let key = match key {
        Ok(key) => key,
        Err(other) => return other,
    };
    let malware = match record.get("malware_printable") {
        "" | "Unknown malware" => record.get("threat_type"),
        name => name,
    };
    // A threat that its publisher gives no figure, or one beyond a hundred, is taken without.
    let confidence = record.get("confidence_level").parse().ok().filter(|c| *c <= 100);
    Found::entry(Entry {
        added: Day::parse(record.get("first_seen_utc")),
        confidence,
        threat: malware.to_owned(),
        tags: record.get("tags").to_owned(),
        reference: record.get("reference").to_owned(),
        ..Entry::new(key)
    })
}

fn domain(value: &str) -> Result<Key, Found> {
    match Host::parse(value) {
        Ok(Host::Name(name)) if registrable(&name) == Some(&name) => Ok(Key::Domain(name)),
        Ok(Host::Name(name)) => Ok(Key::Host(name)),
        Ok(Host::Ip(_)) | Err(_) => Err(Found::bad(format!("{} is no name of a host", shown(value)))),
    }
}

fn address(value: &str) -> Result<Key, Found> {
    let alone = value.parse::<std::net::SocketAddr>().map(|both| both.ip().to_string());
    match network(alone.as_deref().unwrap_or(value)) {
        Some(net) => Ok(Key::Net(net)),
        None => Err(Found::bad(format!("{} is no address", shown(value)))),
    }
}

/// The kind of hash by the word that ThreatFox has for it.
pub(super) fn hash(kind: &str, hex: &str) -> Option<FileHash> {
    FileHash::parse(kind.strip_suffix("_hash")?, hex)
}
