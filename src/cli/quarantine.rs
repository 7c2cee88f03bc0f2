//! `mailward quarantine …`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use serde_json::Value;

use super::admin_client::Client;
use super::limit;
use super::output::{err, json};
use super::selection::{self, Done, Search, Selection, Verb};
use crate::config::Config;
use crate::model::{Disposition, MailId, text};
use crate::pipeline::release::{Order, Report, Rescanned};
use crate::quarantine::{Query, Standing};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What is held, newest first.
    List(List),
    /// One entry: why it is held, for whom, what became of it; or the message itself.
    Show {
        /// The id.
        id: MailId,
        /// Print the exact bytes of the message.
        #[arg(long)]
        raw: bool,
    },
    /// Deliver held mail after all, to those it was held for.
    Release(Release),
    /// Judge held mail again, by today's rules; nothing is released or deleted by it.
    Rescan(Rescan),
    /// Delete entries for good.
    Delete(Delete),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    search: Search,
    /// At most so many rows, 1 to 1000.
    #[arg(long, value_parser = limit::up_to::<1000>, default_value_t = 50)]
    limit: usize,
    /// Only what is older than this id: to go on where a list ended.
    #[arg(long)]
    before: Option<MailId>,
    /// Also copies of delivered mail, which is not held: those of state second-look and caught.
    #[arg(long)]
    all: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is said at the end of the help of commands that work on many.
const STATUS: &str = "\
Exit status: 0 when it was done to all, 1 when not to all: the reasons are on standard error or in the lines.";

#[derive(Debug, clap::Args)]
#[command(after_help = STATUS)]
pub(super) struct Release {
    #[command(flatten)]
    selection: Selection,
    /// For this recipient alone.
    #[arg(long = "for", value_name = "ADDRESS")]
    only: Option<String>,
    /// Also malware.
    #[arg(long)]
    force: bool,
    /// Also what was released before, or may have been: it is delivered once more.
    #[arg(long)]
    again: bool,
    /// Teach rspamd that it is no spam, where it was released.
    #[arg(long)]
    learn_ham: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = STATUS)]
pub(super) struct Rescan {
    #[command(flatten)]
    selection: Selection,
}

#[derive(Debug, clap::Args)]
#[command(after_help = STATUS)]
pub(super) struct Delete {
    #[command(flatten)]
    selection: Selection,
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
        Command::Release(arguments) => release(arguments, &client),
        Command::Rescan(Rescan { selection }) => {
            let verb = Verb { now: "rescan", past: "rescanned" };
            selection.each(&client, verb, None, |id| rescanned(client.post(&path(id, "/rescan"))?))
        }
        Command::Delete(Delete { selection }) => {
            let verb = Verb { now: "delete", past: "deleted" };
            selection.each(&client, verb, None, |id| {
                let answer = client.delete(&path(id, ""))?;
                let line = answer["message"].as_str().unwrap_or("deleted").to_owned();
                Ok(Done { ok: true, lines: vec![line], json: answer })
            })
        }
    }
}

fn path(id: MailId, what: &str) -> String {
    format!("/api/v1/quarantine/{id}{what}")
}

fn list(arguments: &List, client: &Client) -> anyhow::Result<ExitCode> {
    let query = Query { all: arguments.all, ..arguments.search.query(arguments.before, arguments.limit) };
    let listing = client.get("/api/v1/quarantine", &query)?;
    if arguments.json {
        json(&listing)?;
        return Ok(ExitCode::SUCCESS);
    }
    let entries = selection::entries(&listing)?;
    selection::rows(&entries);
    for note in listing["notes"].as_array().into_iter().flatten() {
        err(&format!("mailward: {}", note.as_str().unwrap_or("?")));
    }
    if let Some(last) = entries.last().filter(|_| entries.len() == arguments.limit) {
        err(&format!("there may be more: --before {}", last.id));
    }
    Ok(ExitCode::SUCCESS)
}

fn release(arguments: &Release, client: &Client) -> anyhow::Result<ExitCode> {
    let order = Order {
        recipient: arguments.only.clone(),
        force: arguments.force,
        again: arguments.again,
        learn_ham: arguments.learn_ham,
    };
    // Who searches means what is still here; what was released is for those who name it.
    let state = (!arguments.again).then_some(Standing::Held);
    arguments.selection.each(client, Verb { now: "release", past: "released" }, state, |id| {
        released(client.post_json(&path(id, "/release"), &order)?)
    })
}

fn released(answer: Value) -> anyhow::Result<Done> {
    let report: Report =
        serde_json::from_value(answer.clone()).context("the daemon's answer cannot be read")?;
    let mut lines = Vec::new();
    for copy in &report.copies {
        let to = text::line(&copy.recipient, 120);
        lines.push(format!("{}  {to}  {}", report.id, text::line(&copy.end.to_string(), 700)));
        if let Some(warning) = &copy.warning {
            err(&format!("mailward: {}: {to}: {}", report.id, text::line(warning, 700)));
        }
    }
    if let Some(learned) = &report.learned {
        lines.push(format!("{}  rspamd: {}", report.id, text::line(learned, 300)));
    }
    Ok(Done { ok: report.copies.iter().all(|copy| copy.end.is_released()), lines, json: answer })
}

fn rescanned(answer: Value) -> anyhow::Result<Done> {
    let result: Rescanned =
        serde_json::from_value(answer.clone()).context("the daemon's answer cannot be read")?;
    let (was, now) = (&result.was, &result.now);
    let line = format!(
        "{}  was {} ({}, {}), is {} as {} ({}, {}): {}",
        result.id,
        was.category,
        was.score,
        was.rule,
        now.disposition,
        now.category,
        now.score,
        now.rule,
        now.reason
    );
    // Put off: it could not be judged, so nothing is known that was not known before.
    Ok(Done {
        ok: now.disposition != Disposition::Tempfail,
        lines: vec![text::line(&line, 500)],
        json: answer,
    })
}
