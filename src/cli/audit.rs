//! `mailward audit …`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use serde::Serialize;

use super::admin_client::Client;
use super::output::{count, err, json, out, table};
use super::{events, limit, privacy, when};
use crate::audit::{Format, Query, Row, VerifyReport, verify_dir};
use crate::config::Config;
use crate::model::{Category, Disposition, MailId, Timestamp};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// One row a message, newest first, its id in the first column.
    List(List),
    /// Everything on record of one message, as JSON.
    Show {
        /// The id.
        id: MailId,
    },
    /// What people and the daemon itself did, newest first: lists, tokens, refusals, reloads, releases.
    Events(events::Arguments),
    /// Check that the journal is whole: no line changed, missing or added.
    Verify {
        /// Read the journal of state_dir without the daemon; only while it does not run.
        #[arg(long)]
        offline: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the records of many messages.
    Export {
        #[command(flatten)]
        filter: Filter,
        /// `jsonl` is a record a line, `csv` a row a message.
        #[arg(long, value_parser = format, default_value = "jsonl")]
        format: Format,
        /// Everything on record that names this address: records, later events, held mail, entries of lists.
        #[arg(long, value_name = "ADDRESS", conflicts_with = "Filter")]
        subject: Option<String>,
    },
    /// Erase what names an address from the journal; the chain still verifies, and says that something was erased.
    Erase(privacy::Erase),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    filter: Filter,
    /// At most so many rows, 1 to 10000.
    #[arg(long, value_parser = limit::up_to::<10_000>, default_value_t = 50)]
    limit: usize,
    /// Only what is older than this id: to go on where a list ended.
    #[arg(long)]
    before: Option<MailId>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// From this moment on: how long ago ("2d"), a day, or a time.
    #[arg(long, value_parser = when::parse, value_name = "WHEN")]
    since: Option<Timestamp>,
    /// Before this moment.
    #[arg(long, value_parser = when::parse, value_name = "WHEN")]
    until: Option<Timestamp>,
    /// The sender's address or domain; "<>" for bounces.
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<String>,
    /// A recipient's address or domain.
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<String>,
    /// The client's address, network, or a part of its name.
    #[arg(long, value_parser = client)]
    client: Option<String>,
    /// accept, tag, quarantine, reject, discard or tempfail.
    #[arg(long, value_parser = disposition)]
    disposition: Option<Disposition>,
    /// clean, suspicious, spam, phish or malware.
    #[arg(long, value_name = "CATEGORY")]
    verdict: Option<Category>,
    /// The MTA's queue id.
    #[arg(long, value_name = "ID")]
    queue_id: Option<String>,
    /// The Message-ID.
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// Text in subject, sender, recipients, client name, Message-ID or reason.
    #[arg(long)]
    text: Option<String>,
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "jsonl" => Ok(Format::Jsonl),
        "csv" => Ok(Format::Csv),
        _ => Err(format!("{text:?} is neither jsonl nor csv")),
    }
}

fn disposition(text: &str) -> Result<Disposition, String> {
    Disposition::ALL
        .into_iter()
        .find(|d| d.name() == text)
        .ok_or_else(|| format!("{text:?} is not one of accept, tag, quarantine, reject, discard, tempfail"))
}

/// A client is looked for as it is written, so what looks like an address must be one: a slip would
/// find nothing, and nothing found reads as nothing there.
fn client(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_address = text.parse::<ipnet::IpNet>().is_ok() || text.parse::<std::net::IpAddr>().is_ok();
    let labels: Vec<&str> = text.split('.').collect();
    let four_numbers =
        labels.len() == 4 && labels.iter().all(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_digit()));
    let must_be_address = four_numbers || text.contains(['/', ':']) && !text.starts_with("unix:");
    if text.is_empty() || text.contains(char::is_whitespace) || must_be_address && !is_address {
        return Err(format!(
            "{text:?} is no address, network or part of a host name; write for example \"192.0.2.7\", \
             \"192.0.2.0/24\" or \"example.org\""
        ));
    }
    Ok(text.to_owned())
}

/// What an export asks for.
#[derive(Serialize)]
struct Export {
    #[serde(flatten)]
    query: Query,
    format: Format,
}

impl Filter {
    fn query(&self, limit: usize, before: Option<MailId>) -> Query {
        Query {
            since: self.since,
            until: self.until,
            sender: self.sender.clone(),
            recipient: self.recipient.clone(),
            client: self.client.clone(),
            disposition: self.disposition,
            category: self.verdict,
            queue_id: self.queue_id.clone(),
            message_id: self.message_id.clone(),
            text: self.text.clone(),
            limit,
            before,
        }
    }
}

pub(super) fn run(command: &Command, config: Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(list_arguments) => list(list_arguments, &config),
        Command::Show { id } => {
            json(&Client::new(&config)?.get(&format!("/api/v1/audit/{id}"), &())?)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Events(arguments) => events::run(arguments, &config),
        Command::Verify { offline, json: as_json } => verify(*offline, *as_json, &config),
        Command::Erase(erase) => privacy::erase(erase, &Client::new(&config)?),
        Command::Export { subject: Some(address), format, .. } => {
            privacy::export(address, *format, &Client::new(&config)?)
        }
        Command::Export { filter, format, subject: None } => {
            let export = Export { query: filter.query(0, None), format: *format };
            Client::new(&config)?.copy("/api/v1/audit/export", &export, &mut std::io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(arguments: &List, config: &Config) -> anyhow::Result<ExitCode> {
    let query = arguments.filter.query(arguments.limit, arguments.before);
    let listing = Client::new(config)?.get("/api/v1/audit", &query)?;
    if arguments.json {
        json(&listing)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Row> =
        serde_json::from_value(listing["rows"].clone()).context("the list cannot be read")?;
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let more = match row.recipient_count {
                0 | 1 => String::new(),
                n => format!(" +{}", n - 1),
            };
            vec![
                row.id.to_string(),
                row.time.to_string(),
                match &row.instead {
                    Some(_) => format!("{}, not delivered", row.disposition),
                    None => row.disposition.to_string(),
                },
                row.category.to_string(),
                row.score.to_string(),
                row.client.clone(),
                format!("<{}>", row.sender),
                format!("{}{more}", row.recipients.first().map(String::as_str).unwrap_or_default()),
                row.reason.clone(),
            ]
        })
        .collect();
    let heading =
        ["ID", "TIME", "DISPOSITION", "VERDICT", "SCORE", "CLIENT", "SENDER", "RECIPIENT", "REASON"];
    table(&heading, &cells, 60);
    if let Some(sentence) = listing["incomplete"].as_str() {
        err(&format!("mailward: {sentence}"));
    }
    if let Some(next) = listing["next"].as_str() {
        err(&format!("there may be more: --before {next}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(offline: bool, as_json: bool, config: &Config) -> anyhow::Result<ExitCode> {
    let report = if offline {
        verify_offline(config)?
    } else {
        serde_json::from_value(Client::new(config)?.get("/api/v1/audit/verify", &())?)
            .context("the daemon's report cannot be read")?
    };
    let code = if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if as_json {
        json(&report)?;
        return Ok(code);
    }
    for problem in &report.problems {
        err(&format!("{}:{}: {}", problem.file, problem.line, problem.what));
    }
    for note in &report.notes {
        out(&format!("note: {note}"));
    }
    out(&format!(
        "{} in {}: {}",
        count(report.records, "record"),
        count(report.files, "file"),
        match report.problems.len() as u64 + report.more_problems {
            0 => "the chain is whole".to_owned(),
            n => count(n, "problem"),
        }
    ));
    if let Some(head) = &report.head {
        out(&format!("head {head}"));
    }
    Ok(code)
}

fn verify_offline(config: &Config) -> anyhow::Result<VerifyReport> {
    // Without an admin socket in the configuration nobody can be asked.
    if let Ok(client) = Client::new(config)
        && client.is_answered()
    {
        bail!(
            "a daemon answers on {}, and a line that it is just writing would look cut off; leave --offline out",
            client.socket().display()
        );
    }
    let dir = config.audit_dir();
    verify_dir(&dir).with_context(|| format!("the audit journal {} cannot be read", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_an_address_a_network_or_a_part_of_a_name() {
        for good in ["192.0.2.7", "192.0.2.0/24", "2001:db8::/32", "::1", "example.org", "192.0.2", "unix:/x"]
        {
            assert_eq!(client(good), Ok(good.to_owned()));
        }
        for bad in ["", " ", "192.0.2.0/33", "300.1.2.3", "192.0.2.0/", "2001:db8::g", "a b", "a/b"] {
            assert!(client(bad).is_err(), "{bad}");
        }
    }
}
