//! abuse.ch URLhaus: addresses from which malware is fetched.

use super::Found;
use super::record::Record;
use super::tabular::{self, Table};
use crate::feed::entry::{Day, Entry};
use crate::feed::tally::Aside;

/// Exports before 2023 lack `last_online`; they name their columns.
pub(super) const CSV: Table = Table {
    columns: &[
        "id",
        "dateadded",
        "url",
        "url_status",
        "last_online",
        "threat",
        "tags",
        "urlhaus_link",
        "reporter",
    ],
    key: "url",
    widths: &[],
    header: false,
    urls: true,
    row,
};

pub(super) fn row(record: &Record<'_>) -> Found {
    // Others have a column `url`, too.
    if !record.has("url_status") && !record.has("threat") {
        return Found::bad("it has neither url_status nor threat");
    }
    let link = match tabular::link(record, "url") {
        Ok(link) => link,
        Err(bad) => return bad,
    };
    match record.get("url_status") {
        "online" | "" => Found::entry(Entry {
            added: Day::parse(record.get("dateadded")),
            threat: record.get("threat").to_owned(),
            tags: record.get("tags").to_owned(),
            reference: record.get("urlhaus_link").to_owned(),
            ..Entry::new(link)
        }),
        _ => Found::Aside(Aside::Offline),
    }
}
