//! `mailward notify …`.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use super::admin_client::Client;
use super::output::{err, json, out, table};
use crate::config::Config;
use crate::model::text;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Who is told of what, and how that goes.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Send a test, and say what the destination answers.
    Test {
        /// The section in the configuration: [notify.NAME].
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Command, config: &Config) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    match command {
        Command::List { json } => list(&client, *json)?,
        Command::Test { name, json: as_json } => {
            // A name in the configuration has no other characters; others must not become part of the path.
            let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            if name.is_empty() || !name.bytes().all(good) {
                anyhow::bail!("{:?} is no name of a section", text::line(name, 40));
            }
            let told = client.post(&format!("/api/v1/notify/{name}/test"))?;
            if *as_json {
                json(&told)?;
            } else {
                let (to, ms) = (said(&told["to"]), &told["ms"]);
                out(&format!("{name}: {to} took it in {ms} ms: {}", said(&told["said"])));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(client: &Client, as_json: bool) -> anyhow::Result<()> {
    let told = client.get("/api/v1/notify", &())?;
    if as_json {
        return json(&told);
    }
    let sections = told["sections"].as_array().map(Vec::as_slice).unwrap_or_default();
    if sections.is_empty() {
        err("nobody is told: each who is has a section [notify.NAME] in the configuration");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = sections.iter().map(row).collect();
    table(&["NAME", "KIND", "TO", "STATE", "WAITING", "UNTOLD", "LAST", "SAID"], &rows, 200);
    Ok(())
}

fn row(section: &Value) -> Vec<String> {
    let last = &section["last"];
    let state = match (section["failures"].as_u64(), last.is_null()) {
        (Some(1..), _) => "failing",
        (_, true) => "unused",
        _ => "good",
    };
    let number = |key: &str| section[key].as_u64().unwrap_or(0).to_string();
    vec![
        said(&section["name"]),
        said(&section["kind"]),
        said(&section["to"]),
        state.to_owned(),
        number("waiting"),
        number("untold"),
        if last.is_null() { "-".to_owned() } else { said(&last["at"]) },
        said(&last["said"]),
    ]
}

/// A text of the answer, safe to show; nothing where there is none.
fn said(value: &Value) -> String {
    text::line(value.as_str().unwrap_or_default(), 400)
}
