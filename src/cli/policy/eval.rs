//! `mailward policy eval FILE`: what each rule makes of a mail.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::output::{json as print, out};
use super::super::scan;
use crate::daemon;
use crate::mail;
use crate::model::{Disposition, text};
use crate::pipeline::{Past, Terms, Trial};
use crate::policy::{Mode, Tried, judge_again, tried};
use crate::telemetry::{Clock, Metrics};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Mail to try them on; `-` reads standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// File of rules, in place of the one that policy.rules names.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    peer: scan::Peer,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let config = super::load(config, arguments.policy.as_ref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _entered = runtime.enter();
    let zone = arguments.peer.zone()?;
    let (known, _) = daemon::offline_feeds(&config);
    let engine = daemon::offline_engine(&config, &Arc::new(Metrics::new()), zone, known)?;
    let raw = scan::read(&arguments.file, config.limits.message.bytes())?;
    let message = mail::header::parse(raw);
    let trial = arguments.peer.trial();
    let clock = Clock::system();
    let record = runtime.block_on(scan::judge(&engine, &trial, message.clone()))?;
    let terms = daemon::offline_terms(&config)?;
    let rows = for_each(&trial, &terms, &record, &message, clock.now())?;
    if arguments.json {
        print(&rows.iter().map(Row::object).collect::<Vec<_>>())?;
    } else {
        out(rows.iter().map(Row::told).collect::<Vec<_>>().join("\n\n").trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// What the rules make of the mail for one recipient.
struct Row {
    recipient: Option<String>,
    verdict: crate::model::Verdict,
    rules: Vec<Tried>,
}

fn for_each(
    trial: &Trial,
    terms: &Terms,
    record: &crate::audit::Record,
    message: &crate::model::Message,
    now: crate::model::Timestamp,
) -> anyhow::Result<Vec<Row>> {
    let past =
        Past::of(record, &terms.lists).map_err(|why| anyhow::anyhow!("the mail was {}", why.told()))?;
    // The daemon has the lists; a file is judged without them.
    let facts =
        crate::policy::Facts { lists: None, time: now, ..past.facts(&terms.on_failure, Some(message)) };
    let positions: Vec<Option<usize>> = match trial.rcpt.len() {
        0 => vec![None],
        n => (0..n).map(Some).collect(),
    };
    let row = |position: Option<usize>| Row {
        recipient: position.and_then(|at| Some(record.envelope.recipients.get(at)?.address().to_owned())),
        verdict: judge_again(&terms.policy, &facts, position).verdict,
        rules: tried(&terms.policy, &facts, position),
    };
    Ok(positions.into_iter().map(row).collect())
}

impl Row {
    fn told(&self) -> String {
        let mut lines = Vec::new();
        if let Some(recipient) = &self.recipient {
            lines.push(format!("for       {}", text::line(recipient, 120)));
        }
        let (disposition, rule) = (self.verdict.disposition, &self.verdict.rule);
        lines.push(format!("verdict   {disposition} by {rule}"));
        for one in &self.rules {
            let holds = match (one.mode, one.holds) {
                (Mode::Off, _) => "off",
                (_, Some(true)) => "holds",
                (_, Some(false)) => "-",
                (_, None) => "failed",
            };
            let asks = one.asks.map_or("", Disposition::name);
            let shadow = if one.mode == Mode::Shadow { "on trial: " } else { "" };
            let saw = match &one.failure {
                Some(failure) => format!("it could not be evaluated: {failure}"),
                None => one.saw.clone(),
            };
            let mark = if one.rule == self.verdict.rule { '>' } else { ' ' };
            let saw = text::line(&saw, 600);
            let line = format!("{mark} {:<18}  {holds:<6}  {asks:<10}  {shadow}{saw}", one.rule);
            lines.push(line.trim_end().to_owned());
        }
        lines.join("\n")
    }

    fn object(&self) -> Value {
        json!({
            "recipient": self.recipient,
            "disposition": self.verdict.disposition,
            "rule": self.verdict.rule,
            "rules": self.rules,
        })
    }
}
