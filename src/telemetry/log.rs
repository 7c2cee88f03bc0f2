//! Tracing to stderr, as text for people or JSON for machines.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// `[log]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,mailward::intake=debug`.
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

/// Sets up tracing for this process. The milter codec is held at `info` whatever is asked, because
/// its trace lines hold whole mails.
///
/// # Errors
/// If the filter cannot be read, as a sentence; if tracing is set up already.
pub fn init(config: &Config) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|e| format!("log.level {:?} is no level and no filter: {e}", config.level))?;
    let quiet = ["indymilter=info", "sled=warn", "wasmtime=warn", "cranelift=warn", "hyper=info"];
    let filter = quiet.iter().filter_map(|d| d.parse().ok()).fold(filter, EnvFilter::add_directive);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_writer(std::io::stderr);
    let done = match config.format {
        Format::Json => builder.json().flatten_event(true).try_init(),
        Format::Text => {
            // journald adds the time itself; a terminal does not.
            let terminal = std::io::stderr().is_terminal();
            let builder = builder.with_ansi(terminal).with_target(false);
            if std::env::var_os("JOURNAL_STREAM").is_some() {
                builder.without_time().try_init()
            } else {
                builder.try_init()
            }
        }
    };
    done.map_err(|e| format!("logging could not be set up: {e}"))
}
