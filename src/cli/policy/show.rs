//! `mailward policy show`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::super::output::{json, out};
use crate::daemon;
use crate::model::text;
use crate::policy::{Circumstance, Decide, Mode, OnError, Shown, ShownGroup, ShownRule, shown};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// File of rules, in place of the one that policy.rules names.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let config = super::load(config, arguments.policy.as_ref())?;
    let shown = shown(&daemon::offline_terms(&config)?.policy);
    if arguments.json {
        json(&shown)?;
    } else {
        out(told(&shown).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// The most addresses and domains of a group that are printed.
const MAX_MEMBERS: usize = 10;

fn told(shown: &Shown) -> String {
    let mut lines: Vec<String> = Vec::new();
    if shown.dry_run {
        lines.push("policy.dry_run is on: everything is judged, and nothing is done".to_owned());
    }
    for circumstance in shown.circumstances.iter().filter(|circumstance| circumstance.before) {
        lines.push("before all rules".to_owned());
        lines.push(line(circumstance));
    }
    let (own, shipped): (Vec<_>, Vec<_>) = shown.rules.iter().partition(|rule| rule.own);
    if !own.is_empty() {
        let (which, on_error) = (decides(shown.decide), on_error(shown.on_error));
        lines.push(format!("your rules: {which}; a condition that fails counts as {on_error}"));
        own.into_iter().for_each(|rule| of(rule, &mut lines));
    }
    match shown.shipped {
        true => {
            lines.push(format!("shipped rules: {}", shipped_decide(shown.decide)));
            shipped.into_iter().for_each(|rule| of(rule, &mut lines));
        }
        false => lines.push("shipped rules: none (shipped = false)".to_owned()),
    }
    lines.push("behind all rules".to_owned());
    lines.extend(shown.circumstances.iter().filter(|circumstance| !circumstance.before).map(line));
    if !shown.groups.is_empty() {
        lines.push("groups".to_owned());
        shown.groups.iter().for_each(|one| group(one, &mut lines));
    }
    lines.join("\n")
}

fn of(rule: &ShownRule, lines: &mut Vec<String>) {
    let marks: Vec<String> = match rule.mode {
        Mode::Enforce => Vec::new(),
        Mode::Shadow => vec!["on trial".to_owned()],
        Mode::Off => vec!["off".to_owned()],
    };
    let marks: Vec<String> =
        marks.into_iter().chain(rule.marks.iter().map(|mark| (*mark).to_owned())).collect();
    let marks = if marks.is_empty() { String::new() } else { format!("  ({})", marks.join(", ")) };
    let (number, name, disposition) = (rule.number, &rule.name, text::line(&rule.disposition, 100));
    lines.push(format!("{number:>4}  {name:<18}  {disposition}{marks}"));
    lines.push(format!("      when {}", text::line(&rule.when, 400)));
}

fn line(circumstance: &Circumstance) -> String {
    format!("      {:<18}  {}", circumstance.name, circumstance.does)
}

fn group(group: &ShownGroup, lines: &mut Vec<String>) {
    let number = |score: Option<f64>| score.map(|score| score.to_string()).unwrap_or_default();
    let score = &group.score;
    lines.push(format!(
        "      {:<18}  marked from {}, held from {}, refused from {}",
        text::line(&group.name, 40),
        number(score.tag),
        number(score.quarantine),
        number(score.reject)
    ));
    let shown = group.recipients.iter().take(MAX_MEMBERS).map(|member| text::line(member, 80));
    let mut members = shown.collect::<Vec<_>>().join(", ");
    if let Some(more) = group.recipients.len().checked_sub(MAX_MEMBERS).filter(|more| *more > 0) {
        members.push_str(&format!(", and {more} more"));
    }
    lines.push(format!("      {:<18}  {members}", ""));
}

const fn decides(decide: Decide) -> &'static str {
    match decide {
        Decide::First => "the first that applies decides",
        Decide::Strictest => "of those that apply, and the shipped ones, the strictest decides",
    }
}

const fn shipped_decide(decide: Decide) -> &'static str {
    match decide {
        Decide::First => "of those that apply the strictest decides, where none of yours does",
        Decide::Strictest => "tried along with yours",
    }
}

const fn on_error(on_error: OnError) -> &'static str {
    match on_error {
        OnError::Skip => "not applying",
        OnError::Tag => "tag",
        OnError::Quarantine => "quarantine",
        OnError::Tempfail => "tempfail",
    }
}
