//! Teaching rspamd: its controller is told that a message is spam or ham.

use std::fmt;
use std::time::Instant;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::response::Answer;
use super::{AskError, Rspamd, request, said};

/// Longest answer to a lesson that is read.
const MAX_ANSWER: usize = 64 << 10;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Unwanted.
    Spam,
    /// Wanted.
    Ham,
}

/// What became of a lesson.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Learned {
    /// It was learned.
    Learned,
    /// This very message was learned as this class before.
    Known,
}

/// Why nothing was learned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    /// The controller could not be asked.
    #[error("{0}")]
    Ask(#[from] AskError),
    /// It wants a password, or another one.
    #[error(
        "rspamd's controller at {server} refuses our password ({text}); see controller_password in [scanner.rspamd]"
    )]
    Password {
        /// Where.
        server: String,
        /// What it said.
        text: String,
    },
    /// It did not want to learn this.
    #[error("rspamd does not learn it: {text}")]
    Unwilling {
        /// What it said.
        text: String,
    },
}

impl Class {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Spam, Self::Ham];

    /// The word in commands, records and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Ham => "ham",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Learned {
    /// The word in records and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::Known => "known",
        }
    }
}

impl Rspamd {
    /// Tells rspamd's controller that `message`, raw, is of `class`. Ends by `deadline`; asking again does no
    /// harm. Waits for nobody and counts in no breaker: a person wants to know.
    ///
    /// # Errors
    /// If the controller cannot be asked, or did not learn it.
    pub async fn learn(
        &self,
        class: Class,
        message: Bytes,
        deadline: Instant,
    ) -> Result<Learned, LearnError> {
        let result = self.teach(class, message, deadline).await;
        let word = result.as_ref().map_or("failed", |learned| learned.name());
        self.metrics.learned.with_label_values(&[class.name(), word]).inc();
        result
    }

    async fn teach(&self, class: Class, message: Bytes, deadline: Instant) -> Result<Learned, LearnError> {
        let endpoint = self.controller.endpoint();
        let target = match class {
            Class::Spam => "/learnspam",
            Class::Ham => "/learnham",
        };
        let password = self.settings.controller_password.as_ref().map(|p| p.expose());
        let request = request::learn(endpoint, target, password, message);
        let asking = self.controller.ask(&request, MAX_ANSWER, deadline);
        let answer = match tokio::time::timeout_at(deadline.into(), asking).await {
            Ok(answer) => answer?,
            Err(_) => return Err(AskError::TimedOut { server: endpoint.to_string() }.into()),
        };
        let server = || endpoint.to_string();
        match answer.status {
            208 => Ok(Learned::Known),
            200 if is_success(&answer) => Ok(Learned::Learned),
            401 | 403 => Err(LearnError::Password { server: server(), text: said(&answer) }),
            // 204: too few words, or its own conditions say no.
            200 | 204 => Err(LearnError::Unwilling { text: said(&answer) }),
            status => Err(AskError::Status { server: server(), status, text: said(&answer) }.into()),
        }
    }
}

/// `{"success":true}`.
fn is_success(answer: &Answer) -> bool {
    let json: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    json.is_some_and(|json| json.get("success") == Some(&serde_json::Value::Bool(true)))
}
