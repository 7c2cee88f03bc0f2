//! `mailward doctor`: what is wrong on this machine, why it matters, and the line that mends it.
//!
//! A file per topic; each gathers what it can see and gives a [`Sheet`]. What a topic thinks of what it saw is a
//! pure function of that, so that tests hold each sentence. `look` is what topics share (configuration, Postfix,
//! the daemon's word), `program` runs other programs within a time.
//!
//! **Contract.** Nothing is changed: files and settings are read, servers are asked what they answer to anybody.
//! All topics look at once; who has not ended after [`PATIENCE`] is told as *not looked at*. A check ends as `ok`,
//! `note`, `warning`, `error` or *not looked at*, never as silence. A `mend` is one line for a shell, or for the
//! configuration file where it says so.
//!
//! **Failures.** Exit 0 with nothing above a note, 1 with a warning or an error, 78 if the configuration is wrong.
//! A topic that panics is *not looked at*.

mod clamd;
mod clamd_conf;
mod clock;
mod configuration;
mod daemon;
mod disk;
mod dns;
mod feeds;
mod lmtp;
mod look;
mod macros;
mod names;
mod permissions;
mod postfix;
mod probe;
mod program;
mod reach;
mod rspamd;
mod sendmail;
mod sheet;
mod show;
mod socket;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::EX_CONFIG;
use super::output::{json, out};
pub(super) use configuration::closed_to_the_daemon;
use look::Look;
use sheet::{Level, Sheet, Topic};

/// How long the slowest topic may take.
const PATIENCE: Duration = Duration::from_secs(25);

/// What `mailward doctor --help` says at its end.
const AFTER: &str = "\
Nothing is changed. Run it as root to see everything; what could not be looked at is said.\n\n\
Exit status: 0 when there is nothing worse than a note; 1 with a warning or an error; 78 when the configuration \
is wrong.";

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Postfix's configuration directory, where it is not the usual one.
    #[arg(long, value_name = "DIR")]
    postfix_config: Option<PathBuf>,
    /// Look at this alone; may be given several times.
    #[arg(long, value_name = "TOPIC")]
    only: Vec<Topic>,
    /// Only try the milter's socket at this path, as whoever runs this.
    #[arg(long, value_name = "PATH", hide = true)]
    probe_socket: Option<PathBuf>,
}

/// Looks at everything and says what it saw.
pub(super) fn run(arguments: &Arguments, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    if let Some(socket) = &arguments.probe_socket {
        out(probe::over_unix(socket).word());
        return Ok(ExitCode::SUCCESS);
    }
    let look = Arc::new(Look::new(config, arguments.postfix_config.clone()));
    let asked = |topic: &Topic| arguments.only.is_empty() || arguments.only.contains(topic);
    let sheets = examine(&look, Topic::ALL.into_iter().filter(asked).collect(), PATIENCE);
    if arguments.json {
        json(&show::object(&sheets))?;
    } else {
        show::lines(&sheets).iter().for_each(|line| out(line));
    }
    let worst = sheets.iter().filter_map(Sheet::worst).max();
    Ok(match worst {
        _ if look.is_wrong() => ExitCode::from(EX_CONFIG),
        Some(Level::Warning | Level::Error) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

/// All topics at once; who takes longer than `patience` was not looked at.
fn examine(look: &Arc<Look>, topics: Vec<Topic>, patience: Duration) -> Vec<Sheet> {
    let until = Instant::now() + patience;
    let (tell, told) = mpsc::channel();
    for topic in &topics {
        let (topic, look, tell) = (*topic, Arc::clone(look), tell.clone());
        std::thread::spawn(move || {
            // Nobody listens any more once the time is over.
            drop(tell.send(sheet_of(topic, &look)));
        });
    }
    drop(tell);
    let mut sheets: Vec<Sheet> = Vec::new();
    while sheets.len() < topics.len() {
        // It also ends where a topic panicked: its sender is gone.
        let Ok(sheet) = told.recv_timeout(until.saturating_duration_since(Instant::now())) else { break };
        sheets.push(sheet);
    }
    for topic in topics {
        if sheets.iter().all(|sheet| sheet.topic != topic) {
            let mut sheet = Sheet::new(topic);
            sheet.unseen("time", format!("it was not done after {} s", patience.as_secs()));
            sheets.push(sheet);
        }
    }
    sheets.sort_by_key(|sheet| sheet.topic);
    // Sendmail is no topic where it is not the mail server.
    sheets.retain(|sheet| !sheet.checks.is_empty());
    sheets
}

fn sheet_of(topic: Topic, look: &Look) -> Sheet {
    let mut sheet = Sheet::new(topic);
    if look.config.is_none() && topic != Topic::Configuration {
        // Whether Sendmail is a topic at all is not known then.
        if topic != Topic::Sendmail {
            sheet.unseen("configuration", "the configuration has to be right first");
        }
        return sheet;
    }
    match topic {
        Topic::Configuration => configuration::look(&mut sheet, look),
        Topic::Daemon => daemon::look(&mut sheet, look),
        Topic::Socket => socket::look(&mut sheet, look),
        Topic::Postfix => postfix::look(&mut sheet, look),
        Topic::Sendmail => sendmail::look(&mut sheet, look),
        Topic::Macros => macros::look(&mut sheet, look),
        Topic::Clamd => clamd::look(&mut sheet, look),
        Topic::Rspamd => rspamd::look(&mut sheet, look),
        Topic::Dns => dns::look(&mut sheet, look),
        Topic::Feeds => feeds::look(&mut sheet, look),
        Topic::Lmtp => lmtp::look(&mut sheet, look),
        Topic::Clock => clock::look(&mut sheet, look),
        Topic::Disk => disk::look(&mut sheet, look),
        Topic::Permissions => permissions::look(&mut sheet, look),
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_is_not_done_in_time_is_told_as_not_looked_at() {
        let look = Arc::new(Look::new(Some(Path::new("/nonexistent/mailward.toml")), None));
        let sheets = examine(&look, vec![Topic::Clock], Duration::ZERO);
        let [sheet] = &*sheets else { panic!("{sheets:?}") };
        assert_eq!((sheet.topic, sheet.worst()), (Topic::Clock, Some(Level::Unseen)));
    }

    #[test]
    fn without_a_configuration_the_rest_says_so() {
        let look = Arc::new(Look::new(Some(Path::new("/nonexistent/mailward.toml")), None));
        assert!(look.is_wrong());
        let sheets = examine(&look, Topic::ALL.to_vec(), Duration::from_secs(20));
        assert_eq!(sheets[0].worst(), Some(Level::Error), "{sheets:?}");
        assert!(sheets[1..].iter().all(|sheet| sheet.worst() == Some(Level::Unseen)), "{sheets:?}");
    }
}
