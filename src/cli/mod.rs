//! The commands. `serve`, `check-config`, `scan`, `man` and `completions` work by themselves; the rest
//! asks the daemon through its admin socket.
//!
//! **Contract.** [`run`] parses the arguments, does what was asked and returns the exit code: 0 done,
//! 1 not done, 2 wrong usage, 78 (`EX_CONFIG`) wrong configuration. Results go to stdout, everything
//! else to stderr.
//!
//! **Failures.** One sentence that says what happened and what to do, on stderr.

mod admin_client;
mod audit;
mod explain;
mod output;
mod quarantine;
mod scan;
mod serve;
mod status;
mod story;
mod when;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::{Config, ConfigErrors, Loaded};
use output::{err, out};

/// `EX_CONFIG` of sysexits(3): systemd does not restart on it.
const EX_CONFIG: u8 = 78;

/// A mail filter for Postfix and Sendmail: judges each message in-line, says why, loses none.
#[derive(Debug, Parser)]
#[command(name = "mailward", version, max_term_width = 100)]
pub struct Arguments {
    /// Configuration file. Without it, and without that file, mailward runs on its defaults.
    #[arg(long, short, global = true, env = "MAILWARD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon in the foreground, logging to stderr.
    Serve,
    /// Check the configuration; exit 78 and print every error if it is wrong.
    CheckConfig,
    /// Judge mail offline, without any effect, and explain the judgement.
    Scan(scan::Arguments),
    /// Say why a message was judged as it was.
    Explain(explain::Arguments),
    /// What the daemon is doing, at a glance.
    Status(status::Arguments),
    /// Look through the record of what was judged.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Look through what was held.
    #[command(subcommand)]
    Quarantine(quarantine::Command),
    /// Make the daemon read its configuration and rules again.
    Reload,
    /// Print shell completions.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, in man(7) form.
    Man,
}

/// Parses the arguments of this process and does what they say.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            if let Some(errors) = error.downcast_ref::<ConfigErrors>() {
                err(&errors.to_string());
                return ExitCode::from(EX_CONFIG);
            }
            err(&format!("mailward: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Serve => serve::run(arguments.config.as_deref()),
        Command::CheckConfig => check_config(arguments),
        Command::Scan(scan) => scan::run(scan, load(arguments)?),
        Command::Explain(explain) => explain::run(explain, &load(arguments)?),
        Command::Status(status) => status::run(status, &load(arguments)?),
        Command::Audit(command) => audit::run(command, load(arguments)?),
        Command::Quarantine(command) => quarantine::run(command, &load(arguments)?),
        Command::Reload => {
            let answer = admin_client::Client::new(&load(arguments)?)?.post("/api/v1/reload")?;
            out(answer["message"].as_str().unwrap_or("reloaded"));
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Arguments::command(), "mailward", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Man => {
            let mut page = Vec::new();
            man_page(&mut page)?;
            out(String::from_utf8_lossy(&page).trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Writes mailward(8), made from the same definitions as `--help`.
///
/// # Errors
/// If `to` cannot be written.
pub fn man_page(to: &mut dyn std::io::Write) -> std::io::Result<()> {
    let command = Arguments::command();
    let man = clap_mangen::Man::new(command.clone()).section("8").manual("mailward").source("");
    man.render(to)?;
    writeln!(to, ".SH COMMANDS")?;
    describe(&command, "mailward", to)
}

fn describe(command: &clap::Command, path: &str, to: &mut dyn std::io::Write) -> std::io::Result<()> {
    for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        writeln!(to, ".SS {path}\n{about}")?;
        for argument in sub.get_arguments().filter(|a| a.get_id() != "config" && a.get_id() != "help") {
            let name = argument.get_long().map_or_else(
                || argument.get_id().to_string().to_uppercase(),
                |long| format!("\\-\\-{}", long.replace('-', "\\-")),
            );
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            writeln!(to, ".TP\n\\fB{name}\\fR\n{help}")?;
        }
        describe(sub, &path, to)?;
    }
    Ok(())
}

fn load(arguments: &Arguments) -> anyhow::Result<Config> {
    Ok(Config::load(arguments.config.as_deref())?.config)
}

fn check_config(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Loaded { config, warnings, .. } = Config::load(arguments.config.as_deref())?;
    for warning in &warnings {
        err(&format!("warning: {warning}"));
    }
    let rules = crate::daemon::check_rules(&config);
    for problem in &rules {
        err(&format!("error: {problem}"));
    }
    if !rules.is_empty() {
        return Ok(ExitCode::from(EX_CONFIG));
    }
    out("the configuration is in order");
    Ok(ExitCode::SUCCESS)
}
