//! What topics share: the configuration, Postfix's, and the daemon's word. Each is asked for once, by whom it is
//! needed first; the others wait for that.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use super::postfix::facts::Postfix;
use super::program::Failed;
use crate::cli::admin_client::{Client, How, Unreachable};
use crate::config::{Config, ConfigErrors, Problem};
use crate::model::causes;

/// How long the daemon may take to answer.
const LIMIT: Duration = Duration::from_secs(8);

/// Why the daemon said nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Silent {
    /// There is none: a sentence.
    Unreachable(String),
    /// Its socket may not be opened: a sentence.
    Forbidden(String),
    /// It did not answer as it should.
    Failed(String),
}

/// What is looked at.
pub(super) struct Look {
    /// `None`: it cannot be read.
    pub(super) config: Option<Config>,
    /// Where it was read; `None`: there is no file.
    pub(super) file: Option<PathBuf>,
    /// Its warnings, or what is wrong with it.
    pub(super) checked: Result<Vec<Problem>, ConfigErrors>,
    postfix_config: Option<PathBuf>,
    postfix: OnceLock<Result<Postfix, Failed>>,
    status: OnceLock<Result<Value, Silent>>,
}

impl Look {
    pub(super) fn new(path: Option<&Path>, postfix_config: Option<PathBuf>) -> Self {
        // What is wrong with rules does not keep anybody from looking at the rest.
        let settings = Config::load_settings(path).ok();
        let checked = Config::check(path);
        let (config, file) = match (&checked, &settings) {
            (Ok(loaded), _) | (Err(_), Some(loaded)) => (Some(loaded.config.clone()), loaded.file.clone()),
            (Err(_), None) => (None, path.map(Path::to_owned)),
        };
        Self {
            config,
            file,
            checked: checked.map(|loaded| loaded.warnings),
            postfix_config,
            postfix: OnceLock::new(),
            status: OnceLock::new(),
        }
    }

    /// The configuration is wrong.
    pub(super) const fn is_wrong(&self) -> bool {
        self.checked.is_err()
    }

    /// The configuration. Where it cannot be read the topics that need it are not looked at; the defaults stand in
    /// for those that need none.
    pub(super) fn config(&self) -> Config {
        self.config.clone().unwrap_or_default()
    }

    /// The configuration file, for what mends something.
    pub(super) fn file_name(&self) -> String {
        self.file.as_deref().unwrap_or(Path::new(crate::config::DEFAULT_PATH)).display().to_string()
    }

    /// A line of the configuration file, as a mend.
    pub(super) fn line(&self, section: &str, line: &str) -> Option<String> {
        Some(format!("in {}, [{section}]: {line}", self.file_name()))
    }

    /// Postfix's configuration.
    pub(super) fn postfix(&self) -> Result<&Postfix, &Failed> {
        self.postfix.get_or_init(|| Postfix::ask(self.postfix_config.as_deref())).as_ref()
    }

    /// The largest message that can come, in bytes: what mailward reads, or what Postfix takes where that is less.
    pub(super) fn largest(&self) -> u64 {
        let ours = self.config().limits.message.0;
        let theirs =
            self.postfix().ok().and_then(|postfix| postfix.get("message_size_limit").parse::<u64>().ok());
        // 0 is no limit.
        theirs.filter(|limit| *limit > 0).map_or(ours, |limit| limit.min(ours))
    }

    /// The daemon at a glance.
    pub(super) fn status(&self) -> Result<&Value, &Silent> {
        self.status.get_or_init(|| self.ask("/api/v1/status")).as_ref()
    }

    /// Asks the daemon.
    pub(super) fn ask(&self, path: &str) -> Result<Value, Silent> {
        let asked = Client::patient(&self.config(), LIMIT).and_then(|client| client.get(path, &()));
        asked.map_err(|error| {
            let text = causes(error.as_ref());
            match error.downcast_ref::<Unreachable>().map(|unreachable| unreachable.how) {
                Some(How::Absent) => Silent::Unreachable(text),
                Some(How::Forbidden) => Silent::Forbidden(text),
                // It took the connection and says nothing: it is there.
                Some(How::Mute) | None => Silent::Failed(text),
            }
        })
    }
}

/// Waits for what asks servers, on a runtime of its own.
///
/// # Errors
/// If the machine gives none.
pub(super) fn block<T>(asking: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map(|runtime| runtime.block_on(asking)).map_err(|error| format!("nobody can be asked: {error}"))
}
