//! rspamd as the one who learns.

use std::time::Instant;

use bytes::Bytes;

use super::{Class, Learned, Teacher};
use crate::model::causes;
use crate::scan::BoxFuture;
use crate::scan::rspamd::{self, Rspamd};

impl Teacher for Rspamd {
    fn teach(
        &self,
        class: Class,
        message: Bytes,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Learned, String>> {
        let class = match class {
            Class::Spam => rspamd::Class::Spam,
            Class::Ham => rspamd::Class::Ham,
        };
        Box::pin(async move {
            match self.learn(class, message, deadline).await {
                Ok(rspamd::Learned::Learned) => Ok(Learned::Learned),
                Ok(rspamd::Learned::Known) => Ok(Learned::Known),
                Err(error) => Err(causes(&error)),
            }
        })
    }
}
