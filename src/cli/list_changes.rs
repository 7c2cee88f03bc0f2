//! `mailward list log` and `mailward list undo`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::admin_client::Client;
use super::limit;
use super::list::notes;
use super::output::{err, json, out, table};
use crate::model::text;

#[derive(Debug, clap::Args)]
pub(super) struct Log {
    /// At most so many changes, 1 to 1000.
    #[arg(long, value_parser = limit::up_to::<1_000>, default_value_t = 20)]
    limit: usize,
    /// Only changes with lower numbers: to go on where a listing ended.
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// Print JSON, with what stood there before and after.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Undo {
    /// The number of the change, as `log` shows it; else the newest that somebody made and nobody undid.
    #[arg(value_name = "NUMBER")]
    id: Option<u64>,
}

pub(super) fn log(client: &Client, arguments: &Log) -> anyhow::Result<ExitCode> {
    let mut query = json!({ "limit": arguments.limit });
    if let Some(before) = arguments.before {
        query["before"] = json!(before);
    }
    let told = client.get("/api/v1/lists/changes", &query)?;
    if arguments.json {
        json(&told)?;
        return Ok(ExitCode::SUCCESS);
    }
    let cells: Vec<Vec<String>> = told["changes"].as_array().into_iter().flatten().map(row).collect();
    table(&["CHANGE", "AT", "LIST", "WHAT", "BY", "ENTRIES"], &cells, 100);
    if let Some(next) = told["next"].as_u64() {
        err(&format!("go on with --before {next}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(change: &Value) -> Vec<String> {
    let word = |key: &str| text::line(change[key].as_str().unwrap_or_default(), 120);
    let what = match (change["undo_of"].as_u64(), change["undone_by"].as_u64()) {
        (Some(of), None) => format!("{} {of}", word("what")),
        (None, Some(by)) => format!("{}, undone by {by}", word("what")),
        (Some(of), Some(by)) => format!("{} {of}, undone by {by}", word("what")),
        (None, None) => word("what"),
    };
    vec![
        change["id"].as_u64().unwrap_or_default().to_string(),
        word("at"),
        word("list"),
        what,
        word("by"),
        entries(change),
    ]
}

/// The first entries of a change, and how many more there are.
fn entries(change: &Value) -> String {
    let steps = change["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = steps.iter().take(3).filter_map(|step| step["entry"].as_str());
    let mut named: Vec<String> = names.map(|name| text::line(name, 100)).collect();
    let more = change["entries"].as_u64().unwrap_or(0).saturating_sub(named.len() as u64);
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    named.join(", ")
}

pub(super) fn undo(client: &Client, arguments: &Undo) -> anyhow::Result<ExitCode> {
    let id = arguments.id.map_or_else(|| "last".to_owned(), |id| id.to_string());
    let told = client.post(&format!("/api/v1/lists/changes/{id}/undo"))?;
    out(&text::line(told["message"].as_str().unwrap_or("undone"), 1000));
    notes(&told);
    Ok(ExitCode::SUCCESS)
}
