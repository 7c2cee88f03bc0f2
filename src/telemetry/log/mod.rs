//! Tracing to stderr: as text for people, as JSON for machines, with priorities for the journal.
//!
//! **Contract.** One event is one line; what a person elsewhere wrote (a mail, a scanner, DNS) comes as a value in
//! quotes, made safe before. `docs/logs.md` names every field. [`init`] is called once; the [`Levels`] that it
//! returns change what is written while the daemon runs. Lines of other crates never come below `info` unless a
//! filter names the crate, and those that would show whole mails cannot be had at all ([`Filter`]).
//!
//! **Failures.** A filter that cannot be read is a sentence.

mod filter;
mod levels;
mod line;

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

pub use filter::{Filter, NotAFilter};
pub use levels::{Gone, Levels, Passing, Standing};

/// `[log]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `error`, `warn`, `info`, `debug`, `trace` or `off`, or a filter such as `info,mailward::intake=debug`.
    pub level: String,
    /// `text` or `json`.
    pub format: Format,
    /// Replace addresses by a keyed hash in log lines and audit records.
    pub pseudonymise: bool,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// For people and journald.
    #[default]
    Text,
    /// One object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: Format::Text, pseudonymise: false }
    }
}

/// Sets up tracing for this process. Where stderr is the journal's, each line begins with its priority, and colours
/// and the time, which the journal has itself, are left out.
///
/// # Errors
/// If the filter cannot be read, as a sentence; if tracing is set up already.
pub fn init(config: &Config) -> Result<Levels, String> {
    let filter: Filter = config.level.parse().map_err(|e: NotAFilter| format!("log.level: {e}"))?;
    let (levels, filtering) = Levels::new(filter);
    let journal = line::is_journal(std::io::stderr());
    let plain = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match config.format {
        Format::Json => {
            let json = plain.json().flatten_event(true).with_current_span(false).with_span_list(false);
            json.map_event_format(|inner| line::Marked { inner, journal }).boxed()
        }
        Format::Text => {
            let text = plain.with_ansi(!journal && std::io::stderr().is_terminal()).with_target(false);
            if journal {
                text.without_time().map_event_format(|inner| line::Marked { inner, journal }).boxed()
            } else {
                text.boxed()
            }
        }
    };
    let subscriber = tracing_subscriber::registry().with(filtering).with(layer);
    subscriber.try_init().map_err(|e| format!("logging could not be set up: {e}"))?;
    tell_panics();
    Ok(levels)
}

/// A panic is a line like any other, not several of another form.
fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let cause = super::spawn::panic_text(panic.payload());
        let place = panic.location().map(ToString::to_string);
        let thread = std::thread::current();
        tracing::error!(
            thread = thread.name(),
            place,
            cause = crate::model::text::line(cause, 500),
            "a thread panicked"
        );
    }));
}
