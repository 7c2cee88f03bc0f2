//! All on a real file system, in a directory of its own for each test.

mod crash;
mod directories;
mod listing;
mod mail_programs;
mod malformed;
mod meta;
mod retention;
mod second_look;
mod state;
mod storing;

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::model::{
    Coverage, Envelope, Finding, Message, Outcome, Recipient, ReversePath, Scanner, Score, Session, Severity,
    Timestamp,
};

const SECRET: [u8; 32] = [7; 32];
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A directory, a clock that stands still, and what to open them with.
struct Fixture {
    dir: TempDir,
    config: Config,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl Fixture {
    fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    fn within(parent: &std::path::Path) -> Self {
        let dir = tempfile::tempdir_in(parent).unwrap();
        // A test machine may be short of disk; what these tests store is small.
        let config = Config {
            path: dir.path().join("quarantine"),
            min_free: crate::model::ByteSize(0),
            ..Config::default()
        };
        let clock = Clock::held(Timestamp::from_millis(1_795_210_591_042));
        Self { dir, config, clock, metrics: Arc::new(Metrics::new()) }
    }

    fn open(&self) -> Arc<Quarantine> {
        let (quarantine, notes) = self.try_open().unwrap();
        assert_eq!(notes, Vec::<String>::new());
        quarantine
    }

    fn try_open(&self) -> Result<(Arc<Quarantine>, Vec<String>), QuarantineError> {
        Quarantine::open(self.config.clone(), SECRET, self.clock.clone(), Arc::clone(&self.metrics))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.config.path.join(name)
    }

    /// The names in a directory of the quarantine, sorted.
    fn names(&self, directory: &str) -> Vec<String> {
        names(&self.path(directory))
    }

    fn mail(&self, text: &str) -> Mail {
        let header = format!("From: someone\r\nSubject: {text}\r\n\r\n");
        let raw = format!("{header}{text}\r\n");
        Mail {
            id: self.clock.mail_id().unwrap(),
            message: Message::new(Bytes::from(raw), Vec::new(), header.len()),
            envelope: Envelope {
                reverse_path: ReversePath(Recipient::new(*b"<sender@example.net>")),
                parameters: vec!["BODY=8BITMIME".to_owned()],
                recipients: ["<a@example.org>", "<b@example.org>", "<c@example.org>"]
                    .map(Recipient::new)
                    .into(),
                queue_id: Some("4Bx".to_owned()),
            },
            diverted: vec![0, 2],
            category: Category::Phish,
            subject: text.to_owned(),
        }
    }
}

/// A message to be held.
#[derive(Clone)]
struct Mail {
    id: MailId,
    message: Message,
    envelope: Envelope,
    diverted: Vec<usize>,
    category: Category,
    subject: String,
}

impl Mail {
    fn of(mut self, category: Category) -> Self {
        self.category = category;
        self
    }

    /// The same, seen again under a new id.
    fn again(&self, clock: &Clock) -> Self {
        Self { id: clock.mail_id().unwrap(), ..self.clone() }
    }

    fn store(&self, quarantine: &Quarantine) -> Result<Stored, QuarantineError> {
        quarantine.store(&NewEntry {
            id: self.id,
            category: self.category,
            score: Score::new(7.5),
            rule: "phish",
            reason: "a forged sender",
            session: &session(),
            envelope: &self.envelope,
            recipients: &self.diverted,
            message: &self.message,
            from: "Some One <someone@example.net>",
            subject: &self.subject,
            coverage: &coverage(),
            findings: &[finding()],
            auth_results: None,
        })
    }

    /// Stores it and insists that it is a new entry.
    fn hold(&self, quarantine: &Quarantine) -> MailId {
        let stored = self.store(quarantine).unwrap();
        assert_eq!(stored, Stored { id: self.id, attempts: 1, fresh: true, expired: Vec::new() });
        self.id
    }

    fn raw(&self) -> &[u8] {
        self.message.raw()
    }
}

fn session() -> Session {
    Session { helo: Some("mail.example.net".to_owned()), ..Session::default() }
}

fn coverage() -> Coverage {
    Coverage([(Scanner::Yara, Outcome::Found)].into())
}

fn finding() -> Finding {
    Finding {
        scanner: Scanner::Yara,
        symbol: "FORGED".to_owned(),
        severity: Severity::High,
        category: Category::Phish,
        score: Score::new(7.5),
        text: "the sender is forged".to_owned(),
        location: Some("header From".to_owned()),
    }
}

fn read(message: &mut MessageFile) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.file.read_to_end(&mut bytes).unwrap();
    assert_eq!(message.size, bytes.len() as u64);
    bytes
}

fn names(directory: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).filter(|n| n != ".lock").collect();
    names.sort();
    names
}

/// The ids that a listing of everything shows, newest first.
fn listed(quarantine: &Quarantine) -> Vec<MailId> {
    let listing = quarantine.list(&Query { limit: 1000, ..Query::default() });
    assert_eq!(listing.notes, Vec::<String>::new());
    listing.entries.iter().map(|m| m.id).collect()
}
