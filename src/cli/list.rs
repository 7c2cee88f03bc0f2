//! `mailward list allow|block …`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use super::admin_client::Client;
use super::limit;
use super::list_changes;
use super::output::{count, err, json, out, table};
use crate::config::Config;
use crate::lists::{Entry, Format, Kind, Listed, Query, Scope};
use crate::model::{List, causes, text};

/// Most that is read of a file: what the daemon takes, and a byte by which more is seen.
const MOST: u64 = (32 << 20) + 1;

#[derive(Debug, Subcommand)]
pub(super) enum Which {
    /// Mail that is let through; never malware. An address, a domain or a field counts where SPF or DKIM proves it.
    #[command(subcommand)]
    Allow(Command),
    /// Mail that is refused.
    #[command(subcommand)]
    Block(Command),
    /// What was changed on both lists, the newest first.
    Log(list_changes::Log),
    /// Make a list as it was before a change.
    Undo(list_changes::Undo),
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Put entries on the list, or change them.
    Add(Add),
    /// Take entries off the list.
    Remove {
        /// The entries.
        #[arg(required = true, value_name = "ENTRY")]
        entries: Vec<Entry>,
        /// The ones for these recipients alone: @example.org or alice@example.org.
        #[arg(long = "for", value_name = "RECIPIENTS")]
        scope: Option<Scope>,
    },
    /// What is known of an entry; or which wider entry decides about it.
    Show {
        /// An address, a domain, a client's address or network.
        entry: Entry,
        /// The one for these recipients alone: @example.org or alice@example.org.
        #[arg(long = "for", value_name = "RECIPIENTS")]
        scope: Option<Scope>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// One row an entry, by kind and name.
    List(Rows),
    /// Put the entries of a file on the list: all of them or, where a line is wrong, none.
    Import(Import),
    /// Print the list, so that `import` gives it back.
    Export {
        /// `full` loses nothing, `plain` is an entry a line with its comment.
        #[arg(long, value_parser = format, default_value = "full")]
        format: Format,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// An address (a@example.org), a domain with its sub-domains (example.org), a domain alone
    /// (@example.org), a client (192.0.2.7, 192.0.2.0/24, 2001:db8::/32), the host of links with those below it
    /// (url:evil.example), a file (sha256:…), or the value of a header field, in which * stands for any text
    /// (header:List-Id:*.lists.example.org).
    #[arg(required = true, value_name = "ENTRY")]
    entries: Vec<Entry>,
    /// For these recipients alone: @example.org (no sub-domains) or alice@example.org. Of the same entry the one
    /// for fewer recipients counts.
    #[arg(long = "for", value_name = "RECIPIENTS")]
    scope: Option<Scope>,
    /// Why; "" takes a comment away.
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// How long from now (30d, 12h), a day (2026-12-24, its beginning in UTC), a time, or never.
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Rows {
    /// address, domain, network, url, attachment or header.
    #[arg(long, value_parser = kind)]
    kind: Option<Kind>,
    /// Entries for these recipients alone.
    #[arg(long = "for", value_name = "RECIPIENTS")]
    scope: Option<Scope>,
    /// Text in entry, comment or author.
    #[arg(long)]
    text: Option<String>,
    /// At most so many rows, 1 to 10000.
    #[arg(long, value_parser = limit::up_to::<10_000>, default_value_t = 50)]
    limit: usize,
    /// Only what stands behind this entry: to go on where a list ended.
    #[arg(long, value_name = "ENTRY")]
    after: Option<Entry>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// A file that `export` wrote, or with an entry a line and `# comment` behind it; - is standard input.
    file: PathBuf,
    /// Make the list exactly this file: what is not in it goes.
    #[arg(long)]
    replace: bool,
    /// Say what would be changed, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "full" => Ok(Format::Full),
        "plain" => Ok(Format::Plain),
        _ => Err(format!("{text:?} is neither full nor plain")),
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::ALL
        .into_iter()
        .find(|kind| kind.name() == text)
        .ok_or_else(|| format!("{text:?} is not one of address, domain, network, url, attachment, header"))
}

pub(super) fn run(which: &Which, config: &Config) -> anyhow::Result<ExitCode> {
    let (list, command) = match which {
        Which::Allow(command) => (List::Allow, command),
        Which::Block(command) => (List::Block, command),
        Which::Log(arguments) => return list_changes::log(&Client::new(config)?, arguments),
        Which::Undo(arguments) => return list_changes::undo(&Client::new(config)?, arguments),
    };
    let client = Client::new(config)?;
    let path = format!("/api/v1/lists/{list}");
    match command {
        Command::Add(arguments) => {
            let Add { entries, scope, comment, expires } = arguments;
            Ok(each(entries, |entry| {
                let new = json!({"entry": entry, "for": scope, "comment": comment, "expires": expires});
                client.post_json(&path, &new)
            }))
        }
        Command::Remove { entries, scope } => {
            Ok(each(entries, |entry| client.delete_one(&path, &named(entry, scope.as_ref()))))
        }
        Command::Show { entry, scope, json: as_json } => {
            show(&client, &path, &named(entry, scope.as_ref()), *as_json)
        }
        Command::List(arguments) => rows(&client, &path, list, arguments),
        Command::Import(arguments) => import(&client, &path, arguments),
        Command::Export { format } => {
            let query = json!({ "format": format });
            client.copy(&format!("{path}/export"), &query, &mut std::io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The query that names an entry.
fn named(entry: &Entry, scope: Option<&Scope>) -> Value {
    match scope {
        None => json!({ "entry": entry }),
        Some(scope) => json!({"entry": entry, "for": scope}),
    }
}

/// Does one thing after the other; what fails does not keep the rest from being done.
fn each(entries: &[Entry], change: impl Fn(&Entry) -> anyhow::Result<Value>) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for entry in entries {
        match change(entry) {
            Ok(answer) => {
                out(&text::line(answer["message"].as_str().unwrap_or("done"), 1000));
                notes(&answer);
            }
            Err(error) => {
                err(&format!("mailward: {}", causes(error.as_ref())));
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// What should be known besides, on stderr.
pub(super) fn notes(answer: &Value) {
    for note in answer["notes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        err(&format!("note: {}", text::line(note, 1000)));
    }
}

fn show(client: &Client, path: &str, query: &Value, as_json: bool) -> anyhow::Result<ExitCode> {
    let found = client.get(&format!("{path}/entry"), query)?;
    if as_json {
        json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(within) = found["within"].as_str() {
        out(&text::line(within, 1000));
    }
    let (listed, shown) = read(&found["entry"])?;
    let list = found["list"].as_str().unwrap_or("?");
    out(&format!("entry     {}{} on the {list} list", listed.entry, shown));
    out(&format!("comment   {}", text::line(listed.comment.as_deref().unwrap_or("none"), 400)));
    out(&format!("by        {}, {}", text::line(&listed.by, 120), listed.created));
    let expires = listed.expires.map_or_else(|| "never".to_owned(), |end| end.to_string());
    out(&format!("expires   {expires}"));
    let last = listed.last_hit.map_or_else(String::new, |last| format!(", last {last}"));
    out(&format!("hits      {}{last}", listed.hits));
    Ok(ExitCode::SUCCESS)
}

/// An entry and, where its domain reads otherwise in its own script, that.
fn read(entry: &Value) -> anyhow::Result<(Listed, String)> {
    let listed: Listed = serde_json::from_value(entry.clone()).context("the entry cannot be read")?;
    let unicode =
        entry["unicode"].as_str().map_or_else(String::new, |name| format!(" ({})", text::line(name, 300)));
    Ok((listed, unicode))
}

fn rows(client: &Client, path: &str, list: List, arguments: &Rows) -> anyhow::Result<ExitCode> {
    let query = Query {
        kind: arguments.kind,
        text: arguments.text.clone(),
        scope: arguments.scope.clone(),
        limit: arguments.limit,
        after: arguments.after.clone(),
    };
    let listing = client.get(path, &query)?;
    if arguments.json {
        json(&listing)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut cells = Vec::new();
    for entry in listing["entries"].as_array().into_iter().flatten() {
        let (listed, unicode) = read(entry)?;
        let moment = |at: Option<crate::model::Timestamp>, none: &str| {
            at.map_or_else(|| none.to_owned(), |at| at.to_string())
        };
        cells.push(vec![
            format!("{}{unicode}", listed.entry),
            listed.hits.to_string(),
            moment(listed.last_hit, "never"),
            moment(listed.expires, "never"),
            listed.created.day(),
            listed.by.to_string(),
            listed.comment.as_deref().unwrap_or_default().to_owned(),
        ]);
    }
    table(&["ENTRY", "HITS", "LAST", "EXPIRES", "SINCE", "BY", "COMMENT"], &cells, 70);
    notes(&listing);
    let total = listing["total"].as_u64().unwrap_or(0);
    let number = if total == 1 { "1 entry".to_owned() } else { format!("{total} entries") };
    match listing["next"].as_str() {
        Some(next) => {
            err(&format!("{number} on the {list} list; go on with --after '{}'", text::line(next, 400)))
        }
        None => err(&format!("{number} on the {list} list")),
    }
    Ok(ExitCode::SUCCESS)
}

fn import(client: &Client, path: &str, arguments: &Import) -> anyhow::Result<ExitCode> {
    let file = content(&arguments.file)?;
    let mode = if arguments.replace { "replace" } else { "merge" };
    let query = json!({"mode": mode, "dry_run": arguments.dry_run});
    let done = client.post_file(&format!("{path}/import"), &query, file)?;
    let (told, code) = match done {
        Ok(told) => (told, ExitCode::SUCCESS),
        Err(told) => (told, ExitCode::FAILURE),
    };
    if arguments.json {
        json(&told)?;
        return Ok(code);
    }
    let sentences = |key: &str| -> Vec<String> {
        let list = told[key].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(|s| text::line(s, 600)).collect()
    };
    for fault in told["faults"].as_array().into_iter().flatten() {
        let what = text::line(fault["what"].as_str().unwrap_or("?"), 600);
        err(&format!("{}:{}: {what}", arguments.file.display(), fault["line"].as_u64().unwrap_or(0)));
    }
    if let Some(error) = told["error"].as_str() {
        let (count, named) = (told["fault_count"].as_u64(), told["faults"].as_array().map(Vec::len));
        if count > named.map(|n| n as u64) {
            err("only the first of them are named here");
        }
        err(&format!("mailward: {}", text::line(error, 600)));
        return Ok(code);
    }
    for duplicate in sentences("duplicates") {
        err(&format!("note: {duplicate}; the last one counts"));
    }
    let repeated = told["duplicate_count"].as_u64().unwrap_or(0);
    if repeated > sentences("duplicates").len() as u64 {
        err(&format!("note: {} repeat earlier ones in all", count(repeated, "line")));
    }
    out(&text::line(told["message"].as_str().unwrap_or("imported"), 600));
    Ok(code)
}

/// The bytes of a file, or of standard input.
fn content(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(MOST).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("{} cannot be read", path.display()))?;
    if bytes.len() as u64 >= MOST {
        bail!("{} is larger than 32 MiB, the most that is imported at once; split it", path.display());
    }
    Ok(bytes)
}
