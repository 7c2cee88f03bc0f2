//! The scanner against servers that write down what they are told, or misbehave on purpose. What the real
//! rspamd makes of it is in `tests/integration/neighbour_rspamd.rs`.

mod faults;
mod learning;
mod measure;
mod replies;
mod requests;
mod responses;
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::server::Server;
use super::{Rspamd, Settings};
use crate::model::session::Tls;
use crate::model::{
    ByteSize, Client, ClientAddr, Envelope, MailId, Message, Parts, Recipient, ReversePath, SecretText,
    Session, Timestamp,
};
use crate::scan::{Report, Scan, ScanInput};
use crate::telemetry::{Clock, Metrics};

/// A reply such as rspamd 3.4 gives to an ordinary mail, shortened.
const ORDINARY: &str = r#"{"is_skipped":false,"score":-0.1,"required_score":15.0,"action":"no action","symbols":{"MIME_GOOD":{"name":"MIME_GOOD","score":-0.100000,"metric_score":-0.100000,"description":"Known content-type","options":["text/plain"]},"ARC_NA":{"name":"ARC_NA","score":0.0,"metric_score":0.0,"description":"ARC signature absent"}},"messages":{},"message-id":"x1@sender.example","time_real":0.167628,"milter":{"remove_headers":{"X-Spam":0}}}"#;

const MAIL: &str = "From: Anna <a@sender.example>\r\nSubject: x\r\n\r\ntext\r\n";

fn settings(url: &str) -> Settings {
    Settings {
        url: url.parse().unwrap(),
        password: None,
        connections: 4,
        max_size: ByteSize(1 << 20),
        max_reply: ByteSize(1 << 20),
        controller: url.parse().unwrap(),
        controller_password: Some(SecretText::new("secret")),
    }
}

/// 2026-11-21 00:59:50 UTC.
fn clock() -> Clock {
    Clock::held(Timestamp::from_millis(1_795_222_790_000))
}

fn scanner(settings: Settings) -> Arc<Rspamd> {
    Rspamd::new(settings, clock(), Arc::new(Metrics::new())).unwrap()
}

fn ask(server: &Server) -> Arc<Rspamd> {
    scanner(settings(&server.url()))
}

fn session() -> Session {
    let addr = ClientAddr::Ip("192.0.2.7".parse().unwrap());
    Session {
        client: Client { name: "mail.sender.example".into(), addr },
        helo: Some("mx.sender.example".into()),
        tls: Some(Tls { version: "TLSv1.3".into(), cipher: "TLS_AES_256_GCM_SHA384".into() }),
        mta: Some("mx.example.org".into()),
        daemon: Some("smtpd".into()),
        ..Session::default()
    }
}

fn envelope() -> Envelope {
    Envelope {
        reverse_path: ReversePath(Recipient::new("<a@sender.example>")),
        recipients: vec![Recipient::new("<alice@example.org>")],
        queue_id: Some("4ABC".into()),
        ..Envelope::default()
    }
}

fn input(session: Session, envelope: Envelope, raw: impl Into<Bytes>) -> Arc<ScanInput> {
    Arc::new(ScanInput {
        id: MailId::from_parts(0, 0),
        session: Arc::new(session),
        direction: crate::model::Direction::Inbound,
        envelope,
        message: Message::new(raw.into(), Vec::new(), 0),
        parts: Parts::default(),
        attachments: Vec::new(),
        share: None,
    })
}

fn ordinary() -> Arc<ScanInput> {
    input(session(), envelope(), MAIL)
}

/// Has an ordinary mail looked at, within `limit`.
async fn look_within(rspamd: &Rspamd, limit: Duration) -> Report {
    rspamd.scan(ordinary(), Instant::now() + limit).await
}

async fn look(rspamd: &Rspamd) -> Report {
    look_within(rspamd, Duration::from_secs(30)).await
}
