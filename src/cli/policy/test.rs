//! `mailward policy test`: what other rules would have changed in the mail of the last days.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::output::{count, json as print, out};
use super::super::{limit, when};
use crate::audit::{Read, Reader};
use crate::config::Config;
use crate::daemon;
use crate::model::{MailId, Timestamp, text};
use crate::pipeline::Rehearsal;
use crate::pipeline::rehearsal::{Outcome, Turn, Turned};
use crate::policy::Blind;

/// What `mailward policy test --help` says at its end.
const MORE: &str = "\
What was recorded is what was decided then. Records are read from the journal's files, as the user to whom they belong; the \
daemon may run. A record holds no message, only its size, Message-ID, Subject and the author's domain: of mail for which a \
rule asks for other header fields it is not known what the rule would say, and it is counted as such. Thresholds and other settings are those of the configuration: to try other \
ones, give another configuration with --config, with or without --policy.

    mailward policy test --since 30d --policy new.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub(in crate::cli) struct Arguments {
    /// File of rules to try; without it the configuration is tried as it is.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// From this moment on: how long ago ("7d"), a day, or a time.
    #[arg(long, value_parser = when::parse, value_name = "WHEN", default_value = "7d")]
    since: Timestamp,
    /// Before this moment.
    #[arg(long, value_parser = when::parse, value_name = "WHEN")]
    until: Option<Timestamp>,
    /// The newest so many messages only.
    #[arg(long, value_parser = limit::up_to::<1_000_000_000>)]
    limit: Option<usize>,
    /// Print the ids of all messages that change, not of some of each kind.
    #[arg(long)]
    ids: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Ids of each kind of change, unless all are asked for.
const SOME: usize = 5;
/// With all asked for.
const ALL: usize = 1_000_000;

pub(super) fn run(arguments: &Arguments, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let new = super::load(config, arguments.policy.as_ref())?;
    let now = match &arguments.policy {
        Some(_) => Config::load(config)?.config,
        None => new.clone(),
    };
    let ids = if arguments.ids { ALL } else { SOME };
    let rehearsal = Rehearsal::new(daemon::offline_terms(&now)?, daemon::offline_terms(&new)?.policy, ids);
    let open = || Reader::open(&now.audit_dir(), Some(arguments.since), arguments.until);
    let skip = match arguments.limit {
        None => 0,
        Some(limit) => judged(open()?)?.saturating_sub(limit as u64),
    };
    let progress = Progress { is_shown: std::io::stderr().is_terminal() };
    let outcome = rehearsal.rehearse(open()?, skip, |read| progress.tell(read))?;
    progress.end();
    if arguments.json {
        print(&object(&outcome, rehearsal.blind()))?;
    } else {
        out(told(&outcome, rehearsal.blind(), arguments).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// How many records there are.
fn judged(mut reader: Reader) -> anyhow::Result<u64> {
    let mut count = 0;
    while let Some(read) = reader.next_read()? {
        count += u64::from(matches!(read, Read::Judged(_)));
    }
    Ok(count)
}

/// One line on the terminal that is written over.
struct Progress {
    is_shown: bool,
}

impl Progress {
    fn tell(&self, read: u64) {
        if self.is_shown {
            over(&format!("\r{} read", count(read, "message")));
        }
    }

    fn end(&self) {
        if self.is_shown {
            over("\r\x1b[K");
        }
    }
}

fn over(text: &str) {
    use std::io::Write as _;
    let mut stderr = std::io::stderr();
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

fn told(outcome: &Outcome, blind: &Blind, arguments: &Arguments) -> String {
    let mut lines = Vec::new();
    let mut say = |label: &str, what: String| lines.push(format!("{label:<12}  {what}"));
    let span = outcome.span.map(|(first, last)| format!(", from {first} to {last}")).unwrap_or_default();
    say("recorded", format!("{}{span}", count(outcome.records, "message")));
    say("would change", count(outcome.changed, "message"));
    turns(outcome, true, arguments.ids, &mut say);
    if outcome.by_another_rule > 0 {
        say("other rule", format!("{}, and the same happens", count(outcome.by_another_rule, "message")));
        turns(outcome, false, arguments.ids, &mut say);
    }
    if outcome.other_turns > 0 {
        say("", format!("and {} in other ways", count(outcome.other_turns, "message")));
    }
    say("unchanged", count(outcome.unchanged, "message"));
    if outcome.unknown > 0 {
        let rules: Vec<String> =
            outcome.unknown_rules.iter().map(|(rule, messages)| format!("{rule} of {messages}")).collect();
        let rules = text::line(&rules.join(", "), 300);
        let what = format!(
            "{}: rules ask for what the record does not hold: {rules}",
            count(outcome.unknown, "message")
        );
        say("not known", what);
    }
    for (why, messages) in &outcome.not_again {
        say("not judged", format!("{} {}", count(*messages, "message"), why.told()));
    }
    if outcome.hidden > 0 {
        say("hidden", hidden(outcome, blind));
    }
    if outcome.dry_run > 0 {
        let what = "let through by policy.dry_run: what the policy in use would do counts as recorded";
        say("dry run", format!("{} {what}", count(outcome.dry_run, "message")));
    }
    if outcome.drifted > 0 {
        let what = "of which the configuration in use says something else than was recorded: settings or rules \
                    changed since";
        say("drifted", format!("{} {what}", count(outcome.drifted, "message")));
        say("", some(&outcome.drifted_ids, outcome.drifted));
    }
    if outcome.damaged > 0 {
        let what = "of the journal cannot be used; `mailward audit verify` says more";
        say("damaged", format!("{} {what}", count(outcome.damaged, "line")));
        for damaged in &outcome.damaged_lines {
            let what = text::line(&damaged.what, 200);
            say("", format!("{} line {}: {what}", damaged.file, damaged.line));
        }
    }
    lines.join("\n")
}

fn hidden(outcome: &Outcome, blind: &Blind) -> String {
    let messages = count(outcome.hidden, "message");
    let mut concerned: Vec<&str> = blind.of_people().collect();
    if blind.has_groups_of_people() {
        concerned.push("groups that name addresses");
    }
    let concerned = match concerned.is_empty() {
        true => "no rule on trial looks at what is hidden".to_owned(),
        false => format!("these cannot be judged: {}", text::line(&concerned.join(", "), 300)),
    };
    format!(
        "{messages} on record with pseudonyms in place of addresses, and without subject (log.pseudonymise); \
         {concerned}; exempt recipients, and entries of lists for single ones, are not recognised"
    )
}

/// The turns in which something else happens, or those in which the same does; many messages first.
fn sorted(outcome: &Outcome, differs: bool) -> Vec<(&Turn, &Turned)> {
    let is_wanted = |turn: &Turn| (turn.from.disposition != turn.to.disposition) == differs;
    let mut all: Vec<_> = outcome.turns.iter().filter(|(turn, _)| is_wanted(turn)).collect();
    all.sort_by_key(|(turn, turned)| (std::cmp::Reverse(turned.messages), *turn));
    all
}

fn turns(outcome: &Outcome, differs: bool, all: bool, say: &mut impl FnMut(&str, String)) {
    for (turn, turned) in sorted(outcome, differs) {
        let (from, to) = (text::line(&turn.from.to_string(), 80), &turn.to);
        say("", format!("{:>7}  {from} -> {to}", turned.messages));
        match all {
            true => turned.ids.iter().rev().for_each(|id| say("", format!("         {id}"))),
            false => say("", format!("         {}", some(&turned.ids, turned.messages))),
        }
    }
}

/// Ids on one line, the newest first.
fn some(ids: &BTreeSet<MailId>, of: u64) -> String {
    let shown: Vec<String> = ids.iter().rev().take(SOME).map(ToString::to_string).collect();
    let more = if of > shown.len() as u64 { " …" } else { "" };
    format!("{}{more}", shown.join(" "))
}

fn object(outcome: &Outcome, blind: &Blind) -> Value {
    let changes = |differs: bool| -> Vec<Value> {
        let one = |(turn, turned): (&Turn, &Turned)| {
            let ids: Vec<&MailId> = turned.ids.iter().rev().collect();
            json!({"from": turn.from, "to": turn.to, "messages": turned.messages, "ids": ids})
        };
        sorted(outcome, differs).into_iter().map(one).collect()
    };
    let not_judged: serde_json::Map<String, Value> =
        outcome.not_again.iter().map(|(why, messages)| (why.key().to_owned(), json!(messages))).collect();
    let damaged = |damaged: &crate::audit::Damaged| json!({"file": damaged.file, "line": damaged.line, "what": damaged.what});
    json!({
        "records": outcome.records,
        "first": outcome.span.map(|(first, _)| first),
        "last": outcome.span.map(|(_, last)| last),
        "changed": outcome.changed,
        "changes": changes(true),
        "by_another_rule": outcome.by_another_rule,
        "other_rules": changes(false),
        "other_changes": outcome.other_turns,
        "unchanged": outcome.unchanged,
        "unknown": outcome.unknown,
        "unknown_rules": outcome.unknown_rules,
        "not_judged": not_judged,
        "hidden": outcome.hidden,
        "rules_on_hidden": blind.of_people().collect::<Vec<_>>(),
        "dry_run": outcome.dry_run,
        "drifted": outcome.drifted,
        "drifted_ids": outcome.drifted_ids.iter().rev().collect::<Vec<_>>(),
        "damaged": outcome.damaged,
        "damaged_lines": outcome.damaged_lines.iter().map(damaged).collect::<Vec<_>>(),
    })
}
