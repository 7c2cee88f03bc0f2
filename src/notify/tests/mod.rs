//! The notifier against real servers on loopback: an HTTP server that takes what it is sent, and ones that
//! misbehave.

mod delivered;
mod failing;
mod guarded;
mod receiver;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::model::{MailId, Score, SecretText};
use receiver::Receiver;

/// Waits that a test has time for.
const PACE: Pace = Pace { first: Duration::from_millis(20), longest: Duration::from_millis(100) };
const SECRET: &str = "a secret of both";

struct Bench {
    notifier: Arc<Notifier>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl Bench {
    fn new() -> Self {
        Self::at(PACE)
    }

    fn at(pace: Pace) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let clock = Clock::held(Timestamp::from_millis(1_790_000_000_000));
        let metrics = Arc::new(Metrics::new());
        let notifier = Notifier::new(clock.clone(), Arc::clone(&metrics), key(), pace);
        Self { notifier, metrics, clock }
    }

    fn configure(&self, settings: Settings) {
        self.notifier.configure(BTreeMap::from([("one".to_owned(), settings)]));
    }

    fn reject(&self) {
        self.notifier.judged(self.clock.now(), mail(Disposition::Reject, Category::Malware), false);
    }

    fn count(&self, kind: &str, result: &str) -> u64 {
        self.metrics.notifications.with_label_values(&[kind, result]).get()
    }

    /// Waits until so many have ended that way.
    async fn counted(&self, kind: &str, result: &str, count: u64) {
        for _ in 0..1500 {
            if self.count(kind, result) >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{kind} {result}: {} and not {count}", self.count(kind, result));
    }
}

fn key() -> Pseudonyms {
    Pseudonyms::new(&[7; 32])
}

fn webhook(url: &str) -> Settings {
    let to = To::Webhook { url: url.to_owned(), token: None, secret: Some(SecretText::new(SECRET)) };
    settings(to)
}

fn settings(to: To) -> Settings {
    Settings {
        channel: Channel { to, allow_private: true, timeout: Duration::from_secs(5) },
        on: Kind::CHOICE.to_vec(),
        redact: true,
        most: 30,
        within: Duration::from_secs(3600),
        give_up: Duration::from_secs(3600),
        host: "mx.example".to_owned(),
    }
}

fn mail(disposition: Disposition, category: Category) -> Mail {
    Mail {
        id: "01m7xn1s0d16n15np8".parse::<MailId>().unwrap_or_else(|_| MailId::from_parts(1, 2)),
        held_as: None,
        disposition,
        category,
        score: Score::new(12.5),
        rule: "malware".to_owned(),
        reason: "Eicar, for joe@example.org, at http://evil.test/joe\u{202e}".to_owned(),
        outbound: false,
        client: "192.0.2.7".to_owned(),
        sender: "eve@sender.example".to_owned(),
        recipients: vec!["joe@example.org".to_owned()],
        recipient_count: 3,
        from: "\"Eve\" <eve@sender.example>".to_owned(),
        subject: "For Joe\r\nX-Evil: 1".to_owned(),
        named: Vec::new(),
    }
}

fn alarm(kind: Kind, over: bool) -> Event {
    let since = Timestamp::from_millis(1_789_999_000_000);
    let alarm = Alarm { about: "clamd".into(), trouble: "it is silent".into(), since, over };
    Event { kinds: vec![kind], time: Timestamp::from_millis(1_790_000_000_000), what: What::Alarm(alarm) }
}
