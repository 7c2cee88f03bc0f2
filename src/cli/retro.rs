//! `mailward retro …`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use super::admin_client::Client;
use super::output::{count, err, json, table};
use super::{limit, when};
use crate::admin::RetroQuery;
use crate::audit::{Caught, CaughtBy};
use crate::config::Config;
use crate::model::{Timestamp, text};
use crate::retro::Listing;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Mail that was accepted, and of which a feed or a second look said later that it was bad; the newest first.
    List(Arguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Caught from this moment on: how long ago ("2d"), a day, or a time.
    #[arg(long, value_parser = when::parse, value_name = "WHEN", default_value = "30d")]
    since: Timestamp,
    /// At most so many rows, 1 to 1000.
    #[arg(long, value_parser = limit::up_to::<1000>, default_value_t = 100)]
    limit: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command, config: &Config) -> anyhow::Result<ExitCode> {
    let Command::List(arguments) = command;
    let query = RetroQuery { since: Some(arguments.since), limit: arguments.limit };
    let found = Client::new(config)?.get("/api/v1/retro", &query)?;
    if arguments.json {
        json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let listing: Listing = serde_json::from_value(found).context("the list cannot be read")?;
    let rows: Vec<Vec<String>> = listing.caught.iter().map(row).collect();
    table(&["ID", "ACCEPTED", "CAUGHT", "BY", "MATCH", "VERDICT", "WHAT"], &rows, 200);
    err(&format!("{} watched", count(listing.kept, "accepted message")));
    if listing.more {
        err("there are more: --limit, --since");
    }
    Ok(ExitCode::SUCCESS)
}

fn row(caught: &Caught) -> Vec<String> {
    let says = if caught.says.is_empty() { String::new() } else { format!(" ({})", caught.says) };
    let by = match caught.by {
        CaughtBy::Feed => caught.feed.clone(),
        CaughtBy::SecondLook => format!("second look: {}", caught.feed),
    };
    vec![
        caught.id.to_string(),
        caught.accepted.to_string(),
        caught.time.to_string(),
        text::line(&by, 60),
        text::line(&caught.kind, 20),
        caught.category.to_string(),
        text::line(&format!("{}{says}", caught.what), 600),
    ]
}
