//! `mailward policy check`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::EX_CONFIG;
use super::super::output::{count, err, json as print, out};
use crate::config::{Config, Level, Problem};
use crate::model::text;
use crate::policy::Mode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// File of rules, in place of the one that policy.rules names.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let loaded = Config::load_with_rules(config, arguments.file.as_deref());
    if arguments.json {
        let problems = match &loaded {
            Ok(loaded) => loaded.warnings.as_slice(),
            Err(errors) => errors.problems(),
        };
        let problems: Vec<Value> = problems.iter().map(object).collect();
        print(&json!({"usable": loaded.is_ok(), "problems": problems}))?;
        return Ok(if loaded.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(EX_CONFIG) });
    }
    let loaded = loaded?;
    for warning in &loaded.warnings {
        err(&format!("{warning:#}"));
    }
    let named = arguments.file.clone().or_else(|| {
        let rules = loaded.config.policy.rules.as_ref()?;
        Some(loaded.file.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).join(rules))
    });
    let doubts = match loaded.warnings.len() as u64 {
        0 => String::new(),
        n => format!(", with {}", count(n, "warning")),
    };
    let own = loaded.config.rules.own_count();
    let on_trial = loaded.config.rules.list().take(own).filter(|(_, mode)| *mode == Mode::Shadow).count();
    let rules = match (own, on_trial) {
        (0, _) => "no rule of your own".to_owned(),
        (own, 0) => count(own as u64, "rule"),
        (own, on_trial) => format!("{}, {on_trial} on trial", count(own as u64, "rule")),
    };
    match named {
        Some(named) => {
            out(&format!("{} is in order: {rules}{doubts}", text::line(&named.to_string_lossy(), 300)));
        }
        None => out(&format!("no file of rules is named, so the shipped rules alone hold{doubts}")),
    }
    Ok(ExitCode::SUCCESS)
}

fn object(problem: &Problem) -> Value {
    json!({
        "level": match problem.level() { Level::Error => "error", Level::Warning => "warning" },
        "file": problem.file().map(|file| file.to_string_lossy()),
        "line": problem.line(),
        "column": problem.column(),
        "message": problem.message(),
        "help": problem.helps(),
    })
}
