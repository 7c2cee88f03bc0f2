//! `mailward quarantine …`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use super::admin_client::Client;
use super::output::{bytes, err, json, out, table};
use super::{limit, when};
use crate::config::Config;
use crate::model::{Category, MailId, Timestamp, causes};
use crate::quarantine::{Meta, Query};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What is held, newest first.
    List(List),
    /// One entry: why it is held, or the message itself.
    Show {
        /// The id.
        id: MailId,
        /// Print the exact bytes of the message.
        #[arg(long)]
        raw: bool,
    },
    /// Delete entries for good.
    Delete {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<MailId>,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Held from this moment on: how long ago ("2d"), a day, or a time.
    #[arg(long, value_parser = when::parse, value_name = "WHEN")]
    since: Option<Timestamp>,
    /// Held before this moment.
    #[arg(long, value_parser = when::parse, value_name = "WHEN")]
    until: Option<Timestamp>,
    /// clean, suspicious, spam, phish or malware.
    #[arg(long, value_name = "CATEGORY")]
    verdict: Option<Category>,
    /// Text in the sender's address.
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<String>,
    /// Text in a recipient's address.
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<String>,
    /// Text in author, subject, reason, rule or addresses.
    #[arg(long)]
    text: Option<String>,
    /// At most so many rows, 1 to 1000.
    #[arg(long, value_parser = limit::up_to::<1000>, default_value_t = 50)]
    limit: usize,
    /// Only what is older than this id: to go on where a list ended.
    #[arg(long)]
    before: Option<MailId>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command, config: &Config) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    match command {
        Command::List(arguments) => list(arguments, &client),
        Command::Show { id, raw: true } => {
            client.copy(&format!("/api/v1/quarantine/{id}/message"), &(), &mut std::io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Show { id, raw: false } => {
            json(&client.get(&format!("/api/v1/quarantine/{id}"), &())?)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Delete { ids } => {
            let mut code = ExitCode::SUCCESS;
            for id in ids {
                match client.delete(&format!("/api/v1/quarantine/{id}")) {
                    Ok(answer) => out(answer["message"].as_str().unwrap_or("deleted")),
                    Err(error) => {
                        err(&format!("mailward: {}", causes(error.as_ref())));
                        code = ExitCode::FAILURE;
                    }
                }
            }
            Ok(code)
        }
    }
}

fn list(arguments: &List, client: &Client) -> anyhow::Result<ExitCode> {
    let query = Query {
        since: arguments.since,
        until: arguments.until,
        category: arguments.verdict,
        sender: arguments.sender.clone(),
        recipient: arguments.recipient.clone(),
        text: arguments.text.clone(),
        before: arguments.before,
        limit: arguments.limit,
    };
    let listing = client.get("/api/v1/quarantine", &query)?;
    if arguments.json {
        json(&listing)?;
        return Ok(ExitCode::SUCCESS);
    }
    let entries: Vec<Meta> =
        serde_json::from_value(listing["entries"].clone()).context("the list cannot be read")?;
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            vec![
                entry.id.to_string(),
                entry.time.to_string(),
                entry.category.to_string(),
                entry.score.to_string(),
                bytes(entry.size),
                format!("<{}>", entry.envelope.reverse_path.address()),
                entry
                    .envelope
                    .recipients
                    .iter()
                    .map(|r| r.address().to_owned())
                    .collect::<Vec<_>>()
                    .join(", "),
                entry.subject.clone(),
                entry.reason.clone(),
            ]
        })
        .collect();
    table(&["ID", "TIME", "VERDICT", "SCORE", "SIZE", "SENDER", "FOR", "SUBJECT", "REASON"], &rows, 50);
    for note in listing["notes"].as_array().into_iter().flatten() {
        err(&format!("mailward: {}", note.as_str().unwrap_or("?")));
    }
    if let Some(last) = entries.last().filter(|_| entries.len() == arguments.limit) {
        err(&format!("there may be more: --before {}", last.id));
    }
    Ok(ExitCode::SUCCESS)
}
