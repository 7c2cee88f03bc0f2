//! `mailward log …`.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use super::admin_client::Client;
use super::output::{json, out};
use crate::admin::NewLevel;
use crate::config::Config;
use crate::model::{Span, text};
use crate::telemetry::log::Filter;

/// What `mailward log level --help` says at its end.
const LEVEL: &str = "\
Levels: error, warn, info, debug, trace, off. A filter names modules: mailward::scan::clamd=debug adds the lines of \
that one to those of the configuration; warn,mailward::dns=trace replaces them. It ends after its time, at a reload \
and at a restart. Who asked for what stands in the audit journal. No level shows the body of a mail.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show how much is written to the log, or write more or less for a while.
    #[command(after_help = LEVEL)]
    Level {
        /// A level or a filter; left out, what holds now is shown.
        #[arg(conflicts_with = "reset")]
        level: Option<Filter>,
        /// How long, as in 30s, 10m or 2h; ten minutes if nothing is said.
        #[arg(long = "for", value_name = "TIME", requires = "level")]
        lasts: Option<Span>,
        /// Back to the configuration now.
        #[arg(long)]
        reset: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

const PATH: &str = "/api/v1/log/level";

pub(super) fn run(command: &Command, config: &Config) -> anyhow::Result<ExitCode> {
    let Command::Level { level, lasts, reset, json: as_json } = command;
    let client = Client::new(config)?;
    let told = match level {
        Some(level) => client.post_json(PATH, &NewLevel { level: level.to_string(), lasts: *lasts })?,
        None if *reset => client.delete(PATH)?,
        None => client.get(PATH, &())?,
    };
    if *as_json {
        json(&told)?;
    } else {
        out(&sentence(&told));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the daemon says, or what holds.
fn sentence(told: &Value) -> String {
    let shown = |key: &str| text::line(told[key].as_str().unwrap_or("?"), 600);
    if told["message"].is_string() {
        return shown("message");
    }
    if told["until"].is_string() {
        let (level, until, by, configured) =
            (shown("level"), shown("until"), shown("by"), shown("configured"));
        return format!("{level} until {until}, asked for by {by}; {configured} is configured");
    }
    format!("{}, as configured", shown("level"))
}
