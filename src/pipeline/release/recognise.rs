//! The in-line part: a released copy that comes by is known by its token.

use std::sync::Arc;

use super::token::{self, Token, Worthless};
use super::{ReleaseError, Releases, blocking};
use crate::model::{Envelope, MailId, Message};

/// The most copies of the field that are read. We write one.
const MAX_COPIES: usize = 4;
/// Bodies up to this size are hashed on the thread that received them: handing them to another costs more.
const HASH_IN_PLACE: usize = 128 * 1024;

/// A message that is a released copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// The quarantine entry.
    pub entry: MailId,
    /// The Authentication-Results that it was stored with.
    pub auth_results: Option<String>,
}

impl Releases {
    /// Whether this message, which got the id `id`, is a copy that is being released right now. Costs one
    /// look through the names of its fields where it carries no token, and a hash of its body only where
    /// such a copy is under way. A token that is worth nothing is counted and logged.
    pub async fn recognise(
        self: &Arc<Self>,
        id: MailId,
        envelope: &Envelope,
        message: &Message,
    ) -> Option<Recognised> {
        let mut worthless = None;
        for value in message.values(token::FIELD).take(MAX_COPIES) {
            match self.known(id, value, envelope, message).await {
                Ok(recognised) => {
                    self.count("good");
                    return Some(recognised);
                }
                Err(why) => worthless = worthless.or(Some(why)),
            }
        }
        let why = worthless?;
        self.count(why.label());
        if let Some(untold) = self.may_tell() {
            tracing::warn!(
                %id,
                queue_id = envelope.queue_id.as_deref(),
                why = why.sentence(),
                untold,
                "a message came with a release token that is worth nothing; it is judged like any other"
            );
        }
        None
    }

    async fn known(
        self: &Arc<Self>,
        id: MailId,
        value: &[u8],
        envelope: &Envelope,
        message: &Message,
    ) -> Result<Recognised, Worthless> {
        let token = Token::read(value)?;
        self.key.look(&token, self.parts.clock.now())?;
        self.flights.find(&token, envelope)?;
        let entry = token.id;
        let auth_results = if message.body().len() <= HASH_IN_PLACE {
            self.flights.verify(&self.key, &token, id, envelope, message)?
        } else {
            let (own, envelope, message) = (Arc::clone(self), envelope.clone(), message.clone());
            let verified =
                blocking(move || own.flights.verify(&own.key, &token, id, &envelope, &message)).await;
            verified.unwrap_or_else(|error: ReleaseError| {
                tracing::error!(%id, %error, "a release token could not be checked");
                Err(Worthless::Altered)
            })?
        };
        Ok(Recognised { entry, auth_results })
    }

    fn count(&self, result: &str) {
        self.parts.metrics.release_tokens.with_label_values(&[result]).inc();
    }
}
