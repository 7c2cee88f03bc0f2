//! Whether rspamd is there, and whether its controller would let us teach it: for who wants to know without mail.

use std::time::Instant;

use bytes::Bytes;

use super::client::Client;
use super::response::Answer;
use super::{AskError, Rspamd, request, said};

/// Longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 << 10;

/// What the controller makes of our password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Controller {
    /// It may teach.
    Teaches,
    /// It may look, and not teach.
    ReadOnly,
    /// It is refused, with what it said.
    Refused(String),
}

impl Rspamd {
    /// Asks the worker whether it is there. What it calls itself.
    ///
    /// # Errors
    /// Why there is no answer by `deadline`.
    pub async fn ping(&self, deadline: Instant) -> Result<String, AskError> {
        let request = request::ping(self.worker.endpoint());
        let answer = asked(&self.worker, request, deadline).await?;
        if answer.status != 200 {
            let server = self.worker.endpoint().to_string();
            return Err(AskError::Status { server, status: answer.status, text: said(&answer) });
        }
        Ok(answer.server.unwrap_or_default())
    }

    /// Asks the controller what it makes of our password. Nothing is taught.
    ///
    /// # Errors
    /// Why there is no answer by `deadline`.
    pub async fn controller(&self, deadline: Instant) -> Result<Controller, AskError> {
        let password = self.settings.controller_password.as_ref().map(|p| p.expose());
        let request = request::auth(self.controller.endpoint(), password);
        let answer = asked(&self.controller, request, deadline).await?;
        match answer.status {
            200 => {
                let json: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
                let is_read_only = json.is_some_and(|json| json["read_only"] == true);
                Ok(if is_read_only { Controller::ReadOnly } else { Controller::Teaches })
            }
            401 | 403 => Ok(Controller::Refused(said(&answer))),
            status => {
                let server = self.controller.endpoint().to_string();
                Err(AskError::Status { server, status, text: said(&answer) })
            }
        }
    }
}

async fn asked(client: &Client, request: Bytes, deadline: Instant) -> Result<Answer, AskError> {
    let asking = client.ask(std::slice::from_ref(&request), MAX_ANSWER, deadline);
    match tokio::time::timeout_at(deadline.into(), asking).await {
        Ok(answer) => answer,
        Err(_) => Err(AskError::TimedOut { server: client.endpoint().to_string() }),
    }
}
