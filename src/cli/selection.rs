//! Which held messages a command works on, and working on them one after the other.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::admin_client::Client;
use super::output::{count, err, json as print_json, out, table};
use super::when;
use crate::model::{Category, MailId, Recipient, Timestamp, causes, text};
use crate::quarantine::{Meta, Query, Standing};

/// More than these are not taken from a search unless the number is given.
const USUAL: usize = 100;
/// The most entries of one answer of the daemon.
const PAGE: usize = 1000;

/// What to search for among held messages.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Search {
    /// Held from this moment on: how long ago ("2d"), a day, or a time.
    #[arg(long, value_parser = when::parse, value_name = "WHEN")]
    since: Option<Timestamp>,
    /// Held before this moment.
    #[arg(long, value_parser = when::parse, value_name = "WHEN")]
    until: Option<Timestamp>,
    /// clean, suspicious, spam, phish or malware.
    #[arg(long, alias = "category", value_name = "CATEGORY")]
    verdict: Option<Category>,
    /// held, uncertain (perhaps released) or released; of mail that was delivered: second-look (waits to be scanned
    /// again) or caught (found bad then).
    #[arg(long, value_name = "STATE")]
    state: Option<Standing>,
    /// Text in the sender's address.
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<String>,
    /// Text in a recipient's address.
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<String>,
    /// Text in author, subject, reason, rule or addresses.
    #[arg(long)]
    text: Option<String>,
}

impl Search {
    /// The question to the daemon, for one page.
    pub(super) fn query(&self, before: Option<MailId>, limit: usize) -> Query {
        let Self { since, until, verdict, state, sender, recipient, text } = self.clone();
        Query { since, until, category: verdict, state, all: false, sender, recipient, text, before, limit }
    }

    /// Nothing is searched for.
    pub(super) fn is_empty(&self) -> bool {
        self.query(None, 1) == Query { limit: 1, ..Query::default() }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if number == 0 {
        Err("0 messages would leave nothing to do; give at least 1".to_owned())
    } else {
        Ok(number)
    }
}

/// Which held messages a command works on: those named, or those that are found.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Selection {
    /// Their ids.
    pub(super) ids: Vec<MailId>,
    #[command(flatten)]
    search: Search,
    /// At most so many of those that are found, newest first. Without it nothing is done if they are more
    /// than 100.
    #[arg(long, value_name = "NUMBER", value_parser = at_least_one)]
    limit: Option<usize>,
    /// Only show which they are.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is done to each, in the forms that sentences need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verb {
    /// "release".
    pub(super) now: &'static str,
    /// "released".
    pub(super) past: &'static str,
}

/// What came of one.
pub(super) struct Done {
    /// It was done, all of it.
    pub(super) ok: bool,
    /// Lines for people.
    pub(super) lines: Vec<String>,
    /// The same for machines.
    pub(super) json: Value,
}

impl Selection {
    /// Neither ids nor a search is given.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.search.is_empty()
    }

    /// Whether less than all is to be done, or nothing.
    pub(super) const fn is_bounded(&self) -> bool {
        self.dry_run || self.limit.is_some()
    }

    /// Whether JSON is asked for.
    pub(super) const fn wants_json(&self) -> bool {
        self.json
    }

    /// Does `act` to each. A failure does not keep the others from being worked on. Where a search names no
    /// state, only entries of `state` are found.
    pub(super) fn each(
        &self,
        client: &Client,
        verb: Verb,
        state: Option<Standing>,
        mut act: impl FnMut(MailId) -> anyhow::Result<Done>,
    ) -> anyhow::Result<ExitCode> {
        let ids = self.select(client, verb, state)?;
        if self.dry_run {
            return self.show(client, &ids);
        }
        let (mut done, mut all) = (0, Vec::new());
        let progress = Progress::new(ids.len());
        for (position, id) in ids.iter().enumerate() {
            progress.show(&format!("{} {done} of {} …", verb.past, ids.len()));
            let result = act(*id);
            progress.clear();
            match result {
                Ok(one) => {
                    done += usize::from(one.ok);
                    if !self.json {
                        one.lines.iter().for_each(|line| out(line));
                    }
                    all.push(one.json);
                }
                Err(error) => {
                    let sentence = causes(error.as_ref());
                    err(&format!("mailward: {id}: {sentence}"));
                    all.push(json!({ "id": id, "error": sentence }));
                    if ids.len() > 1 && !client.is_answered() {
                        err(&format!("mailward: the {} after it were not tried", ids.len() - position - 1));
                        break;
                    }
                }
            }
        }
        if self.json {
            print_json(&all)?;
        }
        if ids.len() > 1 {
            err(&format!(
                "{} {done} of {}",
                verb.past,
                count(ids.len() as u64, "entry").replace("entrys", "entries")
            ));
        }
        Ok(if done == ids.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn select(&self, client: &Client, verb: Verb, state: Option<Standing>) -> anyhow::Result<Vec<MailId>> {
        match (self.ids.is_empty(), self.search.is_empty()) {
            (true, true) => bail!(
                "it is not said which messages to {}; give their ids, or search for them (--sender, --since, …)",
                verb.now
            ),
            (false, false) => bail!("give either ids or a search, not both"),
            (false, true) => {
                let mut ids: Vec<MailId> = Vec::with_capacity(self.ids.len());
                self.ids.iter().for_each(|id| {
                    if !ids.contains(id) {
                        ids.push(*id);
                    }
                });
                Ok(ids)
            }
            (true, false) => self.find(client, verb, state),
        }
    }

    fn find(&self, client: &Client, verb: Verb, state: Option<Standing>) -> anyhow::Result<Vec<MailId>> {
        let mut search = self.search.clone();
        search.state = search.state.or(state);
        // One more than is usual, to see that there are more.
        let wanted = self.limit.unwrap_or(USUAL + 1);
        let mut ids: Vec<MailId> = Vec::new();
        while ids.len() < wanted {
            let page = PAGE.min(wanted - ids.len());
            let listing = client.get("/api/v1/quarantine", &search.query(ids.last().copied(), page))?;
            let found = entries(&listing)?;
            ids.extend(found.iter().map(|entry| entry.id));
            if found.len() < page {
                break;
            }
        }
        if self.limit.is_none() && ids.len() > USUAL {
            bail!(
                "more than {USUAL} messages are found, and none was {}; see which they are with --dry-run --limit \
                 {PAGE}, and then say with --limit how many you want to {}",
                verb.past,
                verb.now
            );
        }
        if ids.is_empty() {
            err(&format!("mailward: nothing is found, so there is nothing to {}", verb.now));
        }
        Ok(ids)
    }

    fn show(&self, client: &Client, ids: &[MailId]) -> anyhow::Result<ExitCode> {
        let mut found = Vec::with_capacity(ids.len());
        let mut code = ExitCode::SUCCESS;
        for id in ids {
            match client.get(&format!("/api/v1/quarantine/{id}"), &()) {
                Ok(entry) => found.push(serde_json::from_value(entry).context("an entry cannot be read")?),
                Err(error) => {
                    err(&format!("mailward: {}", causes(error.as_ref())));
                    code = ExitCode::FAILURE;
                }
            }
        }
        if self.json {
            print_json(&found)?;
        } else {
            rows(&found);
        }
        Ok(code)
    }
}

/// The entries in an answer of the daemon.
pub(super) fn entries(listing: &Value) -> anyhow::Result<Vec<Meta>> {
    serde_json::from_value(listing["entries"].clone()).context("the list cannot be read")
}

/// Prints entries as a table.
pub(super) fn rows(entries: &[Meta]) {
    let row = |entry: &Meta| {
        let to: Vec<&str> = entry.envelope.recipients.iter().map(Recipient::address).collect();
        vec![
            entry.id.to_string(),
            entry.time.to_string(),
            entry.standing().to_string(),
            entry.category.to_string(),
            entry.score.to_string(),
            super::output::bytes(entry.size),
            format!("<{}>", entry.envelope.reverse_path.address()),
            to.join(", "),
            entry.subject.clone(),
            entry.reason.clone(),
        ]
    };
    let heading = ["ID", "TIME", "STATE", "VERDICT", "SCORE", "SIZE", "SENDER", "FOR", "SUBJECT", "REASON"];
    table(&heading, &entries.iter().map(row).collect::<Vec<_>>(), 50);
}

/// A line on standard error that is written over, for people who wait.
struct Progress {
    is_shown: bool,
}

impl Progress {
    fn new(total: usize) -> Self {
        Self { is_shown: total > 1 && std::io::stderr().is_terminal() }
    }

    fn show(&self, line: &str) {
        if self.is_shown {
            let mut to = std::io::stderr();
            drop(write!(to, "\r{}", text::line(line, 70)).and_then(|()| to.flush()));
        }
    }

    fn clear(&self) {
        if self.is_shown {
            let mut to = std::io::stderr();
            drop(write!(to, "\r{:70}\r", "").and_then(|()| to.flush()));
        }
    }
}
