//! `mailward policy names`.

use std::process::ExitCode;

use super::super::output::{json, out};
use crate::policy::vocabulary;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let words = vocabulary();
    if arguments.json {
        json(&words)?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = words.iter().map(|word| word.written.chars().count()).filter(|n| *n <= 34).max().unwrap_or(0);
    let kind = words.iter().map(|word| word.kind.chars().count()).max().unwrap_or(0);
    for word in &words {
        out(&format!("{:<width$}  {:<kind$}  {}", word.written, word.kind, word.says));
    }
    Ok(ExitCode::SUCCESS)
}
