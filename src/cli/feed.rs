//! `mailward feed …`.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::admin_client::Client;
use super::output::{bytes, count, err, json, out, table};
use crate::config::Config;
use crate::feed::{Question, rounded};
use crate::model::text;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// One row a feed: how many entries, how old, when it is fetched next.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fetch a feed now.
    Refresh {
        /// Its name in the configuration.
        #[arg(value_name = "FEED")]
        name: String,
        /// Take it although it has far fewer entries than before, and also if nothing has changed.
        #[arg(long)]
        force: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// What the feeds know; exit 1 if nothing.
    Lookup {
        /// A URL, a host, an address, or the hash of a file (SHA-256, SHA-1, MD5; MalwareBazaar's entries are
        /// found by SHA-256 only). A URL may be written as in reports: hxxp://evil[.]example/.
        #[arg(value_name = "URL")]
        what: Question,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Command, config: &Config) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    match command {
        Command::List { json } => list(&client, *json),
        Command::Refresh { name, force, json: as_json } => {
            // A name in the configuration has no other characters; others must not become part of the path.
            let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            if name.is_empty() || !name.bytes().all(good) {
                anyhow::bail!("{:?} is no name of a feed", text::line(name, 40));
            }
            let query = if *force { "?force=true" } else { "" };
            let told = client.post(&format!("/api/v1/feeds/{name}/refresh{query}"))?;
            if *as_json {
                json(&told)?;
            } else {
                out(&format!("{name}: {}", said(&told["message"])));
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Lookup { what, json } => look_up(&client, what, *json),
    }
}

fn list(client: &Client, as_json: bool) -> anyhow::Result<ExitCode> {
    let told = client.get("/api/v1/feeds", &())?;
    if as_json {
        json(&told)?;
        return Ok(ExitCode::SUCCESS);
    }
    let feeds = told["feeds"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows: Vec<Vec<String>> = feeds.iter().map(row).collect();
    if rows.is_empty() {
        err("no feed is on: each has a section [feed.NAME] in the configuration");
    } else {
        table(&["FEED", "FORMAT", "ENTRIES", "AGE", "STATE", "NEXT", "LAST"], &rows, 600);
    }
    feeds.iter().filter_map(left_out).for_each(|line| err(&line));
    told["leftovers"].as_array().into_iter().flatten().for_each(|one| err(&leftover(one)));
    let size = bytes(told["bytes"].as_u64().unwrap_or(0));
    err(&format!("{}, {} in memory", count(told["keys"].as_u64().unwrap_or(0), "key"), size));
    Ok(ExitCode::SUCCESS)
}

fn row(feed: &Value) -> Vec<String> {
    let state = match (feed["loading"].as_bool(), feed["stale"].as_bool(), feed["failures"].as_u64()) {
        (Some(true), ..) => "loading",
        (_, Some(true), _) if feed["entries"] == 0 => "empty",
        (_, Some(true), _) => "stale",
        (_, _, Some(1..)) => "failing",
        (_, _, _) if feed["checked"].is_null() => "new",
        _ => "good",
    };
    let age = feed["age_seconds"].as_u64().map_or_else(|| "-".to_owned(), |age| rounded(age).to_string());
    let last = match &feed["last"] {
        Value::Null => "-".to_owned(),
        last => format!("{}: {}", said(&last["outcome"]), said(&last["message"])),
    };
    let entries = feed["entries"].as_u64().unwrap_or(0).to_string();
    vec![
        said(&feed["name"]),
        said(&feed["format"]),
        entries,
        age,
        state.to_owned(),
        said(&feed["next"]),
        last,
    ]
}

/// What of the list in use is not looked up in mail; `None` if all is.
fn left_out(feed: &Value) -> Option<String> {
    let rows = &feed["rows"];
    let reasons = [
        ("offline", "not online any more"),
        ("unverified", "not verified"),
        ("unsure", "below min_confidence"),
        ("other", "of a kind that is not looked up"),
        ("bad", "not readable"),
        ("too_wide", "too wide"),
        ("weak_hashes", "by MD5 or SHA-1, which `mailward feed lookup` finds and mail is not looked up by"),
    ];
    let reasons = reasons.iter().filter_map(|(name, why)| {
        let n = rows[*name].as_u64().filter(|n| *n > 0)?;
        Some(format!("{n} {why}"))
    });
    let reasons: Vec<String> = reasons.collect();
    let all = count(rows["all"].as_u64().unwrap_or(0), "row");
    (!reasons.is_empty())
        .then(|| format!("{}: of {all}, not used: {}", said(&feed["name"]), reasons.join(", ")))
}

fn leftover(one: &Value) -> String {
    let (name, size) = (said(&one["name"]), bytes(one["bytes"].as_u64().unwrap_or(0)));
    let until =
        one["until"].as_str().map_or_else(String::new, |until| format!(" until {}", text::line(until, 40)));
    format!("{name}: not configured or off; its files on disk, {size}, are kept{until}")
}

fn look_up(client: &Client, what: &Question, as_json: bool) -> anyhow::Result<ExitCode> {
    let told = client.get("/api/v1/feeds/lookup", &json!({ "what": what.to_string() }))?;
    let matches = told["matches"].as_array().map(Vec::as_slice).unwrap_or_default();
    let code = if matches.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    if as_json {
        json(&told)?;
        return Ok(code);
    }
    if matches.is_empty() {
        match told["feeds"].as_u64() {
            Some(0) => err(&format!("no feed is on, so nothing is known of {what}")),
            _ => err(&format!("no feed knows {what}")),
        }
    }
    let trouble = told["trouble"].as_array().into_iter().flatten();
    trouble.for_each(|trouble| err(&format!("note: {}", said(trouble))));
    if matches.is_empty() {
        return Ok(code);
    }
    let cells = |found: &Value| {
        let entry = &found["entry"];
        let sure = found["confidence"].as_u64().map_or_else(String::new, |sure| format!("{sure} %"));
        let listed = match found["trouble"].as_str() {
            Some(trouble) => text::line(trouble, 300),
            None => format!("{} {}", said(&entry["kind"]), said(&entry["key"])),
        };
        let words = [said(&entry["threat"]), said(&entry["tags"]), said(&entry["reference"])];
        let words = words.iter().filter(|w| !w.is_empty()).cloned().collect::<Vec<_>>().join("; ");
        vec![said(&found["feed"]), said(&found["match"]), said(&found["added"]), sure, listed, words]
    };
    let rows: Vec<Vec<String>> = matches.iter().map(cells).collect();
    table(&["FEED", "MATCH", "SINCE", "SURE", "LISTED", "SAID OF IT"], &rows, 100);
    Ok(code)
}

/// A text of the answer, safe to show; nothing where there is none.
fn said(value: &Value) -> String {
    text::line(value.as_str().unwrap_or_default(), 600)
}
