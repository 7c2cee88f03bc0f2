//! `mailward audit events`.

use std::process::ExitCode;

use anyhow::Context;

use super::admin_client::Client;
use super::output::{count, err, json, table};
use super::{limit, when};
use crate::audit::{Entry, EventQuery, Events};
use crate::config::Config;
use crate::model::Timestamp;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// From this moment on: how long ago ("2d"), a day, or a time.
    #[arg(long, value_parser = when::parse, value_name = "WHEN", default_value = "7d")]
    since: Timestamp,
    /// Before this moment.
    #[arg(long, value_parser = when::parse, value_name = "WHEN")]
    until: Option<Timestamp>,
    /// Text in the name of who did it.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Only what people said of mail they got: `mailward report`.
    #[arg(long)]
    reports: bool,
    /// At most so many rows, 1 to 1000.
    #[arg(long, value_parser = limit::up_to::<1000>, default_value_t = 100)]
    limit: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    let query = EventQuery {
        since: Some(arguments.since),
        until: arguments.until,
        by: arguments.by.clone(),
        reports: arguments.reports,
        limit: arguments.limit,
    };
    let found = Client::new(config)?.get("/api/v1/audit/events", &query)?;
    if arguments.json {
        json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let found: Events = serde_json::from_value(found).context("the list cannot be read")?;
    table(&["TIME", "WHAT", "BY", "DETAIL"], &found.events.iter().map(row).collect::<Vec<_>>(), 200);
    if let Some(sentence) = &found.incomplete {
        err(&format!("mailward: {sentence}"));
    }
    if let Some(last) = found.events.last().filter(|_| found.more) {
        err(&format!("there are more: --until {}", last.time()));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(entry: &Entry) -> Vec<String> {
    if let Entry::Reported(report) = entry {
        let id = report.id.map_or_else(String::new, |id| format!("{id} "));
        let detail = format!("{id}{}", report.told());
        return vec![report.time.to_string(), report.kind.name().to_owned(), report.who(), detail];
    }
    let (what, by, detail) = match entry {
        Entry::Admin { what, by, detail, .. } => (what.name(), by.as_str(), detail.clone()),
        Entry::Quarantine { id, what, by, detail, .. } => {
            (what.name(), by.as_str(), format!("{id} {detail}"))
        }
        Entry::Caught(caught) => {
            ("caught-afterwards", caught.by.name(), format!("{} {}", caught.id, caught.told()))
        }
        Entry::Started { version, .. } => ("started", "", format!("version {version}")),
        Entry::Stopped { .. } => ("stopped", "", String::new()),
        Entry::Torn { file, bytes, moved_to, .. } => (
            "torn",
            "",
            format!("the end of {file}, {bytes} bytes, was no whole line and is in {moved_to} now"),
        ),
        Entry::Gap { what, .. } => ("gap", "", what.clone()),
        Entry::Expired { first, last, .. } => ("expired", "retention", format!("the days {first} to {last}")),
        Entry::Erasure { by, subject, days, .. } => {
            let records: u64 = days.iter().map(|day| day.records).sum();
            ("erased", by.as_str(), format!("{} about {subject}", count(records, "record")))
        }
        other => ("?", "", other.id().map(|id| id.to_string()).unwrap_or_default()),
    };
    vec![entry.time().to_string(), what.to_owned(), by.to_owned(), detail]
}
