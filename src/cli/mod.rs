//! The commands. `serve`, `check-config`, `policy`, `scan`, `setup`, `doctor`, `restore`, `backup verify`, `man` and
//! `completions` work by themselves; the rest asks the daemon through its admin socket.
//!
//! **Contract.** [`run`] parses the arguments, does what was asked and returns the exit code: 0 done,
//! 1 not done, 2 wrong usage, 78 (`EX_CONFIG`) wrong configuration. `status` alone uses 3 besides: no
//! daemon answers, or it takes no mail. Results go to stdout, everything
//! else to stderr; what did not get out on stdout is a 1.
//!
//! **Failures.** One sentence that says what happened and what to do, on stderr.

mod admin_client;
mod audit;
mod backup;
mod doctor;
mod events;
mod explain;
mod feed;
mod learn;
mod limit;
mod list;
mod list_changes;
mod log;
mod man;
mod notify;
mod output;
mod policy;
mod privacy;
mod quarantine;
mod report;
mod restore;
mod retro;
mod scan;
mod selection;
mod serve;
mod setup;
mod status;
mod token;
mod when;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::{Config, ConfigErrors, Loaded};
use crate::daemon::DaemonError;
use crate::model::causes;
use crate::scan::yara::YaraError;
pub use man::{file_page, man_page};
use output::{err, out};

/// `EX_CONFIG` of sysexits(3): systemd does not restart on it.
const EX_CONFIG: u8 = 78;

/// Wrong usage, as clap itself has it.
const USAGE: u8 = 2;

/// A mail filter for Postfix and Sendmail: judges each message in-line, says why, loses none.
#[derive(Debug, Parser)]
#[command(name = "mailward", version, max_term_width = 100)]
pub struct Arguments {
    /// Configuration file; else the one that the environment variable MAILWARD_CONFIG names, else
    /// /etc/mailward/mailward.toml. Where that is missing, mailward runs on its defaults.
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon in the foreground, logging to stderr.
    Serve,
    /// Check the configuration; exit 78 and print the errors if it is wrong.
    CheckConfig,
    /// Judge mail offline, without any effect, and explain the judgement.
    Scan(scan::Arguments),
    /// Say why a message was judged as it was.
    Explain(explain::Arguments),
    /// What the daemon is doing, at a glance.
    Status(status::Arguments),
    /// Say what is wrong on this machine, and the line that mends it.
    Doctor(doctor::Arguments),
    /// Look at rules, and try them before they are trusted.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Look through the record of what was judged.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Allow and block senders and clients.
    #[command(subcommand)]
    List(list::Which),
    /// What is known to be bad: lists of others, and what they say of a link.
    #[command(subcommand)]
    Feed(feed::Command),
    /// Accepted mail of which a feed said later that it was bad.
    #[command(subcommand)]
    Retro(retro::Command),
    /// Who is told of what happens, and whether it arrives.
    #[command(subcommand)]
    Notify(notify::Command),
    /// Look through what was held.
    #[command(subcommand)]
    Quarantine(quarantine::Command),
    /// Teach rspamd what is spam and what is not.
    Learn(learn::Arguments),
    /// Say that a delivered message, on standard input, is spam or is none: for a mail server, when its
    /// users move mail into Junk or out of it. It is put on record, and rspamd is taught.
    Report(report::Arguments),
    /// Tokens for the TCP port of the admin's door.
    #[command(subcommand)]
    Token(token::Command),
    /// Write lists, tokens, journal and more into one file, while mail flows.
    Backup(backup::Arguments),
    /// Put what a backup holds in place. The daemon must be stopped.
    Restore(restore::Arguments),
    /// Make the daemon read its configuration and rules again.
    Reload,
    /// See more of what the daemon does, for a while.
    #[command(subcommand)]
    Log(log::Command),
    /// Print shell completions.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Tell the mail server of this machine of mailward.
    #[command(subcommand)]
    Setup(setup::Command),
    /// Print a manual page, in man(7) form.
    Man {
        /// Which one.
        #[arg(default_value = "mailward")]
        page: man::Page,
    },
}

/// Parses the arguments of this process and does what they say.
#[must_use]
pub fn run() -> ExitCode {
    let mut arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misused(&error),
    };
    arguments.config = arguments.config.or_else(|| named(std::env::var_os("MAILWARD_CONFIG")));
    // Before any client of HTTP is made. Refused only where somebody did it already.
    drop(rustls::crypto::ring::default_provider().install_default());
    let code = dispatch(&arguments).unwrap_or_else(|error| told(&error));
    match output::finish() {
        Ok(()) => code,
        Err(why) => {
            err(&format!("mailward: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with the arguments. Whoever runs a command for somebody else hands it words of others, and clap
/// says them again: so it is said without colours, and as harmless as everything else.
fn misused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Help and version: our own words, in colours where there are any.
        error.exit();
    }
    err(error.render().to_string().trim_end());
    ExitCode::from(USAGE)
}

/// An empty variable is what scripts leave behind for "none".
fn named(variable: Option<OsString>) -> Option<PathBuf> {
    variable.filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Says what went wrong, and what that is as an exit code.
fn told(error: &anyhow::Error) -> ExitCode {
    if let Some(errors) = error.downcast_ref::<ConfigErrors>() {
        err(&errors.to_string());
        return ExitCode::from(EX_CONFIG);
    }
    err(&format!("mailward: {}", causes(error.as_ref())));
    let by_configuration = error.downcast_ref::<DaemonError>().is_some_and(is_by_configuration);
    if by_configuration { ExitCode::from(EX_CONFIG) } else { ExitCode::FAILURE }
}

/// Whether it stays so until somebody changes the configuration, or the rights of what it names. What may mend itself – a
/// full disk, a mount that is late, a port in use – is none of these.
fn is_by_configuration(error: &DaemonError) -> bool {
    match error {
        DaemonError::Policy(_) | DaemonError::Secret(_) | DaemonError::Passing { .. } => true,
        DaemonError::Yara(error) => !matches!(error, YaraError::Threads(_)),
        other => std::iter::successors(Some(other as &dyn std::error::Error), |error| error.source())
            .filter_map(|error| error.downcast_ref::<std::io::Error>())
            .any(|error| matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotADirectory)),
    }
}

fn dispatch(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Serve => serve::run(arguments.config.as_deref()),
        Command::CheckConfig => check_config(arguments),
        Command::Scan(scan) => scan::run(scan, Config::load(arguments.config.as_deref())?.config),
        Command::Explain(explain) => explain::run(explain, &load(arguments), arguments.config.as_deref()),
        Command::Status(status) => status::run(status, &load(arguments)),
        Command::Doctor(doctor) => doctor::run(doctor, arguments.config.as_deref()),
        Command::Policy(command) => policy::run(command, arguments.config.as_deref()),
        Command::Audit(command) => audit::run(command, load(arguments)),
        Command::List(which) => list::run(which, &load(arguments)),
        Command::Feed(command) => feed::run(command, &load(arguments)),
        Command::Retro(command) => retro::run(command, &load(arguments)),
        Command::Notify(command) => notify::run(command, &load(arguments)),
        Command::Quarantine(command) => quarantine::run(command, &load(arguments)),
        Command::Token(command) => token::run(command, &load(arguments)),
        Command::Learn(learn) => learn::run(learn, &load(arguments)),
        Command::Backup(backup) => backup::run(backup, || load(arguments)),
        // It writes where the configuration says: that has to be right.
        Command::Restore(restore) => restore::run(restore, &strict(arguments)?),
        Command::Report(report) => report::run(report, || load(arguments)),
        Command::Reload => reload(arguments),
        Command::Log(command) => log::run(command, &load(arguments)),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "mailward", &mut script);
            out(String::from_utf8_lossy(&script).trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Setup(command) => {
            setup::run(command, &if command.takes_out() { load(arguments) } else { strict(arguments)? })
        }
        Command::Man { page } => {
            out(String::from_utf8_lossy(&man::page(*page)?).trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Without the rules of the policy.
fn strict(arguments: &Arguments) -> anyhow::Result<Config> {
    Ok(Config::load_settings(arguments.config.as_deref())?.config)
}

/// For commands that ask the daemon, which runs on what it had: a configuration that is at fault by now must not keep
/// anybody from it.
fn load(arguments: &Arguments) -> Config {
    let (config, wrong) = Config::salvage(arguments.config.as_deref());
    if let Some(errors) = wrong {
        err(&format!(
            "{errors}\nmailward: the configuration is wrong, see above; what could be read of it is used"
        ));
    }
    config
}

/// The daemon itself reads, and refuses: it then says so wherever it says that something is wrong.
fn reload(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match admin_client::Client::new(&load(arguments))?.post("/api/v1/reload") {
        Ok(answer) => {
            out(answer["message"].as_str().unwrap_or("reloaded"));
            Ok(ExitCode::SUCCESS)
        }
        // What the rules are at fault for is a fault of the configuration.
        Err(error)
            if !error.is::<admin_client::Unreachable>()
                && Config::load(arguments.config.as_deref()).is_err() =>
        {
            err(&format!("mailward: {}", causes(error.as_ref())));
            Ok(ExitCode::from(EX_CONFIG))
        }
        Err(error) => Err(error),
    }
}

fn check_config(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Loaded { config, warnings, file } = Config::check(arguments.config.as_deref())?;
    for warning in &warnings {
        err(&format!("{warning:#}"));
    }
    let closed = doctor::closed_to_the_daemon(&config, file.as_deref());
    if !closed.is_empty() {
        closed.iter().for_each(|sentence| err(&format!("error: {sentence}")));
        return Ok(ExitCode::from(EX_CONFIG));
    }
    let what = file.map_or_else(
        || "there is no configuration file, and the defaults are".to_owned(),
        |file| format!("{} is", file.display()),
    );
    let doubts = match warnings.len() as u64 {
        0 => String::new(),
        n => format!(", with {}", output::count(n, "warning")),
    };
    out(&format!("{what} in order{doubts}"));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_names_no_file() {
        assert_eq!(named(None), None);
        assert_eq!(named(Some("".into())), None);
        assert_eq!(named(Some("/etc/x.toml".into())), Some(PathBuf::from("/etc/x.toml")));
    }

    #[test]
    fn only_what_the_configuration_caused_keeps_systemd_from_trying_again() {
        let threads = std::io::Error::from(ErrorKind::WouldBlock);
        assert!(is_by_configuration(&DaemonError::Policy("policy.score.tag".to_owned())));
        assert!(is_by_configuration(&YaraError::Setting("x".to_owned()).into()));
        let folder = PathBuf::from("/tmp/q");
        assert!(is_by_configuration(&DaemonError::Passing { key: "quarantine.path", folder }));
        assert!(!is_by_configuration(&YaraError::Threads(threads).into()));
        assert!(!is_by_configuration(&DaemonError::Log("x".to_owned())));
        let of = |kind: ErrorKind| DaemonError::State { path: "/x".into(), source: kind.into() };
        assert!(is_by_configuration(&of(ErrorKind::PermissionDenied)));
        assert!(!is_by_configuration(&of(ErrorKind::StorageFull)), "room may come back");
        assert!(!is_by_configuration(&of(ErrorKind::NotFound)), "so may a mount");
        let secret = crate::config::SecretError::Env("X".to_owned());
        assert!(is_by_configuration(&DaemonError::Secret(secret)));
    }
}
