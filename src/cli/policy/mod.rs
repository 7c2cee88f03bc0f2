//! `mailward policy …`: rules looked at and tried before they are trusted. Nothing here changes anything, and
//! none of it needs the daemon.

mod check;
mod eval;
mod names;
mod show;
mod test;
mod weights;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::output::err;
use crate::config::{Config, Loaded};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Say what is wrong or odd with rules; exit 78 if they cannot be used.
    Check(check::Arguments),
    /// Print all rules as they hold, in the order in which they are tried.
    Show(show::Arguments),
    /// Print every name and function that a condition may use.
    Names(names::Arguments),
    /// Print every symbol that a scanner here gives: what it weighs, what else says the same, where it is changed.
    Weights(weights::Arguments),
    /// Try each rule on a mail, and say what it saw.
    Eval(eval::Arguments),
    /// Judge recorded mail again, and say what other rules would change.
    Test(test::Arguments),
}

pub(super) fn run(command: &Command, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(arguments) => check::run(arguments, config),
        Command::Show(arguments) => show::run(arguments, config),
        Command::Names(arguments) => names::run(arguments),
        Command::Weights(arguments) => weights::run(arguments, config),
        Command::Eval(arguments) => eval::run(arguments, config),
        Command::Test(arguments) => test::run(arguments, config),
    }
}

/// The configuration with the rules of `rules` in place of its own. Warnings go to stderr.
fn load(config: Option<&Path>, rules: Option<&PathBuf>) -> anyhow::Result<Config> {
    let Loaded { config, warnings, .. } = Config::load_with_rules(config, rules.map(PathBuf::as_path))?;
    if rules.is_some() {
        warnings.iter().for_each(|warning| err(&format!("{warning:#}")));
    }
    Ok(config)
}
