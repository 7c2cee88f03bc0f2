//! `mailward setup …`: tells a mail server that is there already of mailward.
//!
//! **Contract.** Without `--apply` nothing is changed: the commands are printed, as a shell would take them. With it the
//! same commands are run, after a copy of each file they change; where one of them or the mail server's own check fails,
//! the copies are put back. Run a second time there is nothing to do. Other milters, other settings and comments stay.
//! `--undo` takes out what was put in, and nothing else.
//!
//! **Failures.** Exit code 1 with the reason; the mail server then runs on what it had. Mail is never handed to a mailward
//! that does not answer.

mod address;
mod milters;
mod plan;
mod postfix;

use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Config;

/// What `mailward setup postfix --help` says at its end.
const POSTFIX: &str = "\
Filtered are then: port 25, submission, and mail from sendmail(1); where mailward does not answer, senders are told \
to come again. /usr/share/mailward/postfix/README.md explains each line. Exit status: 0 when there is nothing left to do, \
or the commands were printed; 1 when something failed or has to be done by hand.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the commands that make Postfix ask mailward; run them with --apply.
    #[command(after_help = POSTFIX)]
    Postfix(postfix::Arguments),
}

impl Command {
    /// Whether mailward is taken out: that has to work also where its configuration is at fault.
    pub(super) const fn takes_out(&self) -> bool {
        match self {
            Self::Postfix(arguments) => arguments.undo,
        }
    }
}

/// Does what was asked.
pub(super) fn run(command: &Command, config: &Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::Postfix(arguments) => postfix::run(arguments, config),
    }
}
