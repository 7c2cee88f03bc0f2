//! Judging a message on trial: looked at and judged as mail is, and nothing comes of it. `mailward scan`
//! does this with a file, `POST /api/v1/scan` with what it is sent.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use super::budget::Share;
use super::engine::{Engine, Subject};
use super::{besides, listed, record, story};
use crate::audit::Record;
use crate::lists::Lists;
use crate::model::{
    Client, ClientAddr, Envelope, MailId, Message, Recipient, ReversePath, Session, Timestamp,
};

/// As whose mail a message is judged. The default is nobody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// Address of the client that sent it.
    pub ip: Option<IpAddr>,
    /// Its HELO name.
    pub helo: Option<String>,
    /// MAIL FROM, with or without angle brackets; empty: the null sender.
    pub from: String,
    /// RCPT TO, likewise.
    pub rcpt: Vec<String>,
}

impl Trial {
    /// Looks at `message` and judges it. Nothing is stored, counted as mail or answered; scanners are
    /// asked as ever. Without `lists` the judgement says that they were not looked at. `share` is what the message holds of the process's memory.
    pub async fn judge(
        &self,
        engine: &Engine,
        id: MailId,
        time: Timestamp,
        message: Message,
        lists: Option<&Lists>,
        share: Option<Share>,
    ) -> Record {
        let session = Arc::new(self.session());
        let direction = engine.direction(&session);
        let envelope = self.envelope();
        let terms = &engine.settings().lists;
        let exempt = envelope.recipients.iter().map(|recipient| terms.exempt(recipient)).collect();
        let subject = Subject {
            id,
            time,
            session,
            envelope,
            message,
            fault: None,
            direction,
            exempt,
            released: None,
            auth_results: None,
            share,
        };
        let mut looked = engine.look(subject).await;
        looked.lists = lists.map(|lists| listed::hits(lists, &looked));
        let looked = Arc::new(looked);
        let mut judged = engine.judge(&looked, 0);
        besides::put_banner(&looked, &mut judged).await;
        let mut record = record::of(id, time, &looked, &judged, None, engine);
        // Not for the journal: all of them.
        if let Some(seen) = looked.seen.urls.as_deref() {
            (record.urls, record.left_out) = (seen.shown(usize::MAX).0, Vec::new());
        }
        record
    }

    /// The JSON object of a record that [`Self::judge`] made.
    #[must_use]
    pub fn object(&self, record: &Record) -> Value {
        let mut object = story::object(record);
        if self.rcpt.is_empty() {
            for (table, key) in [("envelope", "recipients"), ("plan", "dispositions")] {
                if let Some(table) = object.get_mut(table).and_then(Value::as_object_mut) {
                    table.insert(key.to_owned(), Value::Array(Vec::new()));
                }
            }
        }
        object
    }

    fn session(&self) -> Session {
        let addr = self.ip.map_or(ClientAddr::Unknown, ClientAddr::Ip);
        Session {
            // The name is what DNS says of the address, and no DNS question is asked.
            client: Client { name: String::new(), addr },
            helo: self.helo.clone(),
            ..Session::default()
        }
    }

    fn envelope(&self) -> Envelope {
        let path = |address: &str| Recipient::new(format!("<{}>", address.trim_matches(['<', '>'])));
        // A file has no recipients of its own, and a plan needs one: it is made for one without a name, who
        // is then not shown.
        let recipients = match self.rcpt.as_slice() {
            [] => vec![path("")],
            given => given.iter().map(|r| path(r)).collect(),
        };
        Envelope { reverse_path: ReversePath(path(&self.from)), recipients, ..Envelope::default() }
    }
}
