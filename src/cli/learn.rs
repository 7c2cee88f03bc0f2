//! `mailward learn spam|ham`.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::Value;

use super::admin_client::Client;
use super::output::{err, json, out};
use super::selection::{Done, Selection, Verb};
use crate::config::Config;
use crate::model::causes;
use crate::pipeline::release::Class;

/// What `mailward learn --help` says at its end.
const STATUS: &str = "\
Exit status: 0 when rspamd learned all of it or knew it already, 1 when not.";

#[derive(Debug, clap::Args)]
#[command(after_help = STATUS)]
pub(super) struct Arguments {
    /// spam or ham.
    class: Class,
    #[command(flatten)]
    selection: Selection,
    /// A mail from elsewhere, one message a file; `-` reads standard input, and so does a command that is
    /// told nothing else.
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    let class = arguments.class;
    let from_stdin =
        arguments.file.is_empty() && arguments.selection.is_empty() && !std::io::stdin().is_terminal();
    if !from_stdin && arguments.file.is_empty() {
        let verb = Verb { now: "learn from", past: "learned from" };
        return arguments.selection.each(&client, verb, None, |id| {
            let answer = client.post(&format!("/api/v1/quarantine/{id}/learn/{}", class.name()))?;
            let line = format!("{id}  {}", sentence(&answer));
            Ok(Done { ok: true, lines: vec![line], json: answer })
        });
    }
    if !arguments.selection.is_empty() {
        bail!("give either held messages or files, not both");
    }
    if arguments.selection.is_bounded() {
        bail!("--dry-run and --limit are for held messages; a file is taught as it is given");
    }
    let stdin = [PathBuf::from("-")];
    let files: &[PathBuf] = if from_stdin { &stdin } else { &arguments.file };
    let (mut code, mut all) = (ExitCode::SUCCESS, Vec::new());
    for file in files {
        let taught = read(file, config.limits.message.bytes())
            .and_then(|raw| client.post_bytes(&format!("/api/v1/learn/{}", class.name()), raw));
        match taught {
            Ok(answer) if arguments.selection.wants_json() => all.push(answer),
            Ok(answer) => out(&format!("{}  {}", file.display(), sentence(&answer))),
            Err(error) => {
                err(&format!("mailward: {}: {}", file.display(), causes(error.as_ref())));
                code = ExitCode::FAILURE;
            }
        }
    }
    if arguments.selection.wants_json() {
        json(&all)?;
    }
    Ok(code)
}

fn sentence(answer: &Value) -> &str {
    answer["message"].as_str().unwrap_or("learned")
}

fn read(file: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    let mut raw = Vec::new();
    let most = limit as u64 + 1;
    if file.as_os_str() == "-" {
        std::io::stdin().lock().take(most).read_to_end(&mut raw).context("it cannot be read")?;
    } else {
        let open = std::fs::File::open(file).context("it cannot be opened")?;
        open.take(most).read_to_end(&mut raw).context("it cannot be read")?;
    }
    if raw.len() > limit {
        bail!("it is larger than limits.message ({limit} bytes)");
    }
    Ok(raw)
}
