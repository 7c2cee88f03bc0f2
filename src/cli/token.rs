//! `mailward token …`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use super::admin_client::Client;
use super::output::{err, json, out, table};
use crate::admin::tokens::Shown;
use crate::admin::{NewToken, Role};
use crate::config::Config;
use crate::model::{Span, text};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token and print it, this one time: on standard output, nothing else.
    Create {
        /// What it is called: for whom or what it is.
        name: String,
        /// reporter (says of single messages whether they are spam, and sees nothing), viewer
        /// (status, metrics, records), operator (besides: held messages, release, lists, scan,
        /// reports) or admin (everything).
        #[arg(long)]
        role: Role,
        /// How long it is good, as in 90d; left out, until it is revoked.
        #[arg(long, value_name = "TIME")]
        expires: Option<Span>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Every token: whose, how strong, until when, last used.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Withdraw a token; from then on it opens nothing.
    Revoke {
        /// What it is called.
        name: String,
    },
}

pub(super) fn run(command: &Command, config: &Config) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    match command {
        Command::Create { name, role, expires, json: as_json } => {
            let new = NewToken { name: name.clone(), role: *role, expires: *expires };
            let made = client.post_json("/api/v1/tokens", &new)?;
            if *as_json {
                json(&made)?;
                return Ok(ExitCode::SUCCESS);
            }
            out(made["token"].as_str().context("the daemon's answer holds no token")?);
            let until = made["expires"]
                .as_str()
                .map_or_else(|| "until it is revoked".to_owned(), |end| format!("until {end}"));
            err(&format!(
                "the token {name} is good {until}, as {role}; it is not shown again, so keep it now"
            ));
        }
        Command::List { json: as_json } => {
            let listing = client.get("/api/v1/tokens", &())?;
            if *as_json {
                json(&listing)?;
                return Ok(ExitCode::SUCCESS);
            }
            let tokens: Vec<Shown> =
                serde_json::from_value(listing["tokens"].clone()).context("the list cannot be read")?;
            list(&tokens);
        }
        Command::Revoke { name } => {
            let segment: String =
                name.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
            anyhow::ensure!(
                segment == *name && !name.is_empty(),
                "there is no token {}",
                text::line(name, 64)
            );
            let answer = client.delete(&format!("/api/v1/tokens/{name}"))?;
            out(answer["message"].as_str().unwrap_or("revoked"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(tokens: &[Shown]) {
    let cells: Vec<Vec<String>> = tokens
        .iter()
        .map(|token| {
            let until = match token.expires {
                Some(end) if token.expired => format!("{end} (over)"),
                Some(end) => end.to_string(),
                None => "never".to_owned(),
            };
            let used = token.last_used.map_or_else(|| "not since the start".to_owned(), |at| at.to_string());
            vec![
                token.name.clone(),
                token.role.to_string(),
                format!("{}…", token.id),
                token.created.to_string(),
                token.created_by.clone(),
                until,
                used,
            ]
        })
        .collect();
    table(&["NAME", "ROLE", "TOKEN", "CREATED", "BY", "EXPIRES", "LAST USED"], &cells, 40);
}
