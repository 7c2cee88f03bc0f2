//! `mailward backup` and `mailward backup verify`.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;

use super::admin_client::Client;
use super::output::{count, err, json, out};
use crate::admin::Wanted;
use crate::backup::{Checked, Part, Unnamed, check};
use crate::config::Config;
use crate::model::ByteSize;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The file to write; packed if its name ends in .gz or .tgz; `-` for standard output.
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// With the keys that release tokens, pseudonyms and held mail depend on. Whoever has them can make such
    /// tokens: keep the file as you keep a password.
    #[arg(long)]
    keys: bool,
    /// With held mail.
    #[arg(long)]
    quarantine: bool,
    /// Without the audit journal and the links of accepted mail.
    #[arg(long)]
    no_audit: bool,
    /// In place of a file that is there.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read a backup to its end: whether it is whole, and what it holds.
    Verify {
        /// The file.
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &Arguments, config: impl FnOnce() -> Config) -> anyhow::Result<ExitCode> {
    match (&arguments.command, &arguments.file) {
        (Some(Command::Verify { file, json: as_json }), _) => verify(file, *as_json),
        (None, Some(file)) => write(arguments, file, &config()),
        (None, None) => bail!("name the file to write"),
    }
}

fn verify(file: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let checked = check(file)?;
    if as_json {
        json(&checked)?;
    } else {
        show(file, &checked);
    }
    Ok(ExitCode::SUCCESS)
}

/// What a backup holds, for people.
pub(super) fn show(file: &Path, checked: &Checked) {
    let Checked { manifest, members, bytes } = checked;
    out(&format!("{} is whole: {}, {}", file.display(), count(*members, "file"), ByteSize(*bytes)));
    out(&format!("made {} by mailward {} on {}", manifest.time, manifest.version, manifest.host));
    let parts: Vec<&str> = manifest.parts.iter().map(|part| part.name()).collect();
    out(&format!("holds {}", parts.join(", ")));
    let entries = manifest.facts.records.get("lists").copied().unwrap_or_default();
    out(&format!("  lists: {entries} records"));
    if let Some(bytes) = manifest.facts.audit_bytes {
        out(&format!("  audit: {}", ByteSize(bytes)));
    }
    if let Some(held) = manifest.facts.held {
        out(&format!("  quarantine: {}", count(held, "message")));
    }
    if manifest.facts.damaged > 0 {
        out(&format!(
            "  {} of the database could not be read and are not in it",
            count(manifest.facts.damaged, "record")
        ));
    }
    if !manifest.has(Part::Keys) {
        out("  no keys: release tokens and pseudonyms of this host will not be recognised elsewhere");
    }
}

fn write(arguments: &Arguments, file: &Path, config: &Config) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    let wanted =
        Wanted { keys: arguments.keys, quarantine: arguments.quarantine, no_audit: arguments.no_audit };
    let path = "/api/v1/backup";
    if file == Path::new("-") {
        let mut stdout = std::io::stdout().lock();
        if stdout.is_terminal() {
            bail!("a backup is no text; name a file, or send it to another command");
        }
        client.copy(path, &wanted, &mut stdout)?;
        stdout.flush()?;
    } else {
        if !arguments.force && std::fs::symlink_metadata(file).is_ok() {
            bail!("{} is there already; choose another name, or give --force", file.display());
        }
        let failed = || format!("{} cannot be written", file.display());
        let mut to = Unnamed::begin(file).with_context(failed)?;
        let packed = file.extension().is_some_and(|e| e == "gz" || e == "tgz");
        if packed {
            let mut packer = flate2::write::GzEncoder::new(&mut to, flate2::Compression::new(3));
            client.copy(path, &wanted, &mut packer)?;
            packer.finish().with_context(failed)?;
        } else {
            client.copy(path, &wanted, &mut to)?;
        }
        to.finish(arguments.force).with_context(failed)?;
        show(file, &check(file)?);
    }
    if arguments.keys {
        err(
            "mailward: the backup holds the keys of this host: whoever reads it can make release tokens and resolve \
             pseudonyms; keep it where only you can read it",
        );
    }
    Ok(ExitCode::SUCCESS)
}
