//! `mailward restore`.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};

use super::admin_client::Client;
use super::backup::show;
use super::output::out;
use crate::backup::{Part, STOP, restore};
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The backup.
    file: PathBuf,
    /// Only these parts: lists, tokens, counters, audit, retro, keys, quarantine.
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    only: Vec<Part>,
    /// Only read the file, and say what would be done.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    // Opened once: it may be root's, and what is restored is restored with the rights of mailward's user.
    let opened = File::open(&arguments.file)
        .with_context(|| format!("{} cannot be read", arguments.file.display()))?;
    let file = (arguments.file.as_path(), &opened);
    let (checked, parts) =
        restore::plan(file, &arguments.only).map_err(|error| anyhow!("{error}; nothing was changed"))?;
    show(&arguments.file, &checked);
    let names: Vec<&str> = parts.iter().map(|part| part.name()).collect();
    if arguments.dry_run {
        out(&format!("would restore {} into {}", names.join(", "), config.state_dir.display()));
        return Ok(ExitCode::SUCCESS);
    }
    if let Ok(client) = Client::new(config)
        && client.is_answered()
    {
        bail!(
            "mailward runs: it answers on {}; stop it first ({STOP}); nothing was changed",
            client.socket().display()
        );
    }
    let places = restore::Places {
        state_dir: config.state_dir.clone(),
        quarantine: config.quarantine.path.clone(),
        exports: config.backup.path.clone(),
        store: config.store.clone(),
        audit: config.audit.clone(),
        pseudonymise: config.log.pseudonymise,
    };
    let by = format!("restore by user {}", nix::unistd::getuid());
    restore::restore(&places, file, &parts, &by, &mut |sentence| out(&sentence))?;
    out(
        "the configuration in the backup was left alone; read it with: tar -xOf FILE mailward-backup/config/mailward.toml",
    );
    Ok(ExitCode::SUCCESS)
}
