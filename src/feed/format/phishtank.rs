//! PhishTank: phishing pages that its members have voted on.

use super::Found;
use super::record::Record;
use super::tabular::{self, Table};
use crate::feed::entry::{Day, Entry};
use crate::feed::tally::Aside;

pub(super) const CSV: Table = Table { columns: &[], key: "url", widths: &[], header: true, urls: false, row };

/// `verified` and `online` are words, or booleans; without them, as in the list of verified ones that
/// mirrors give, both are so.
pub(super) fn row(record: &Record<'_>) -> Found {
    // Others have a column `url`, too.
    if !record.has("phish_id") {
        return Found::bad("it has no phish_id");
    }
    let link = match tabular::link(record, "url") {
        Ok(link) => link,
        Err(bad) => return bad,
    };
    for (field, why) in [("verified", Aside::Unverified), ("online", Aside::Offline)] {
        match record.yes(field) {
            Some(true) => {}
            Some(false) => return Found::Aside(why),
            None if !record.has(field) => {}
            None => return Found::bad(format!("{field} is neither yes nor no")),
        }
    }
    let target = match record.get("target") {
        "Other" => "",
        target => target,
    };
    Found::entry(Entry {
        added: Day::parse(record.get("submission_time")),
        threat: "phishing".to_owned(),
        tags: target.to_owned(),
        reference: record.get("phish_detail_url").to_owned(),
        ..Entry::new(link)
    })
}
