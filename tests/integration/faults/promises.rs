//! What senders heard, held against what is there afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::super::common::{mail, verify};
use super::super::mta::{self, Daemon, PATIENCE, Postfix, wait_until};

/// The only rule: a mail with these words is held.
pub const HOLDS: &str = r#"
rule Hold_This { meta: severity = "medium" score = 7 category = "spam" description = "asks to be held"
  strings: $a = "HOLD-THIS" condition: $a }
"#;

/// A body, which ends in a line of its own, so that a piece of it is known for one.
pub fn body(subject: &str, held: bool) -> String {
    format!("{}\r\nthe end of {subject}", if held { "HOLD-THIS" } else { "plain" })
}

/// Senders that go on until they are told to stop, and try each message again until they hear 250 or 5xx.
#[derive(Debug, Default)]
pub struct Traffic {
    stop: AtomicBool,
    taken: Mutex<BTreeSet<String>>,
    /// Answers of 4xx, and connections that broke.
    pub put_off: AtomicUsize,
    /// 5xx: none of these mails deserves it.
    refused: Mutex<Vec<String>>,
    /// What a sender rests after each message.
    rest: Duration,
}

impl Traffic {
    /// Senders that rest so long after each message.
    pub fn resting(rest: Duration) -> Self {
        Self { rest, ..Self::default() }
    }

    /// One sender; each third of its messages is to be held. Returns when it is told to stop or has sent enough.
    pub fn send(&self, port: u16, sender: usize, enough: usize) {
        for number in 1..=enough {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let subject = format!("s{sender} n{number}");
            let raw = mail(&subject, &body(&subject, number % 3 == 0));
            while !self.is_settled(port, &subject, &raw) {
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            std::thread::sleep(self.rest);
        }
    }

    fn is_settled(&self, port: u16, subject: &str, raw: &[u8]) -> bool {
        match mta::smtp::send(port, "a@sender.example", &["alice@example.org"], raw) {
            Ok(sent) if sent.taken() => self.taken.lock().unwrap().insert(subject.to_owned()),
            Ok(sent) if sent.last().code >= 500 => {
                self.refused.lock().unwrap().push(format!("{subject}: {:?}", sent.last()));
                true
            }
            Ok(_) | Err(_) => {
                self.put_off.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// What was promised so far.
    pub fn taken(&self) -> BTreeSet<String> {
        self.taken.lock().unwrap().clone()
    }
}

/// What an end may take that has to give up on something first.
pub const LONG: Duration = Duration::from_secs(60);

/// A quarantine entry as it is on disk.
#[derive(Clone, Debug)]
pub struct Held {
    pub id: String,
    pub subject: String,
    pub attempts: u64,
}

/// Everything in a quarantine; that each entry is whole, and that nothing half-written lies about.
pub fn held(folder: &Path) -> Vec<Held> {
    let names = |name: &str| -> BTreeSet<String> {
        let all = std::fs::read_dir(folder.join(name)).unwrap();
        all.map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with('.'))
            .collect()
    };
    assert_eq!(names("tmp"), BTreeSet::new(), "half-written messages");
    let (messages, metas) = (names("new"), names("meta"));
    let with_meta: BTreeSet<String> =
        metas.iter().map(|name| name.strip_suffix(".json").unwrap_or(name).to_owned()).collect();
    // A meta file without its message may be left by a kill; it goes within hours.
    let without: Vec<_> = messages.difference(&with_meta).collect();
    assert!(without.is_empty(), "nobody knows for whom these are: {without:?}");
    let read = |id: &String| {
        let meta = std::fs::read(folder.join(format!("meta/{id}.json"))).unwrap();
        let meta: Value = serde_json::from_slice(&meta).unwrap();
        let subject = meta["subject"].as_str().unwrap().to_owned();
        let raw = std::fs::read(folder.join("new").join(id)).unwrap();
        // Byte for byte what was sent, without what Postfix put above.
        let sent = mail(&subject, &body(&subject, true));
        assert!(raw.ends_with(&sent), "{id} is not whole: {}", String::from_utf8_lossy(&raw));
        Held { id: id.clone(), subject, attempts: meta["attempts"]["count"].as_u64().unwrap() }
    };
    messages.iter().map(read).collect()
}

/// Every file of a quarantine belongs to an entry that is whole.
pub fn nothing_is_half_written(folder: &Path) {
    let count = |name: &str| {
        let all = std::fs::read_dir(folder.join(name)).unwrap().map(|entry| entry.unwrap().file_name());
        all.filter(|name| !name.to_string_lossy().starts_with('.')).count()
    };
    let held = held(folder).len();
    assert_eq!((count("new"), count("meta"), count("tmp")), (held, held, 0));
}

/// Delivered messages, their subjects by the ids that we gave them.
pub fn delivered(postfix: &Postfix) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    for mail in postfix.mailbox("alice@example.org").unwrap() {
        let subject = mail.value("Subject").unwrap().trim().to_owned();
        let text = String::from_utf8_lossy(&mail.bytes).into_owned();
        assert!(text.trim_end().ends_with(&format!("the end of {subject}")), "{subject} is cut: {text}");
        let [id] = &mail.values("X-Mailward-Id")[..] else { panic!("{subject} has not one id of ours") };
        let before = ids.insert(id.trim().to_owned(), subject.clone());
        assert_eq!(before, None, "two messages were delivered as {id}");
    }
    ids
}

/// Each 250 is delivered or held; what is held is there once; all of it is explained; the chain is whole.
pub fn are_kept(traffic: &Traffic, daemon: &Daemon, postfix: &Postfix) -> Vec<Held> {
    queue_is_empty(postfix);
    assert!(traffic.refused.lock().unwrap().is_empty(), "{:?}", traffic.refused);
    let ids = delivered(postfix);
    all_there(&traffic.taken(), &ids, daemon)
}

/// Waits until Postfix has delivered all that it has, which on a busy machine may be much.
pub fn queue_is_empty(postfix: &Postfix) {
    let queue = || postfix.queue().unwrap().len();
    let mut left = queue();
    while left > 0 {
        postfix.flush().unwrap();
        let fewer = wait_until("a shorter queue", PATIENCE, || Ok(Some(queue()).filter(|now| *now < left)));
        left = fewer.unwrap_or_else(|error| panic!("{left} are left: {error:#}\n{}", postfix.log()));
    }
}

/// The same for messages that were delivered in any way, `ids` with their subjects.
pub fn all_there(promised: &BTreeSet<String>, ids: &BTreeMap<String, String>, daemon: &Daemon) -> Vec<Held> {
    let held = held(&daemon.site().quarantine());
    let mut copies: BTreeMap<&str, u32> = BTreeMap::new();
    held.iter().for_each(|entry| *copies.entry(&entry.subject).or_default() += 1);
    let arrived: BTreeSet<&String> = ids.values().collect();
    let lost: Vec<_> =
        promised.iter().filter(|s| !arrived.contains(s) && !copies.contains_key(s.as_str())).collect();
    assert!(lost.is_empty(), "the sender heard 250 and they are nowhere: {lost:?}\n{}", tail(daemon));
    let twice: Vec<_> = copies.iter().filter(|(_, n)| **n > 1).collect();
    assert!(twice.is_empty(), "twice in quarantine: {twice:?}");
    let both: Vec<_> = copies.keys().filter(|s| arrived.iter().any(|a| a == *s)).collect();
    assert!(both.is_empty(), "held and delivered: {both:?}");
    verify(daemon);
    explained(daemon, ids.keys().chain(held.iter().map(|entry| &entry.id)));
    held
}

/// Why each was judged as it was is on record.
fn explained<'a>(daemon: &Daemon, ids: impl Iterator<Item = &'a String>) {
    let (mut open, mut why): (Vec<&String>, String) = (ids.collect(), String::new());
    let told = wait_until("all ids to be explained", PATIENCE, || {
        open.retain(|id| {
            let (status, text) = daemon.get(&format!("/api/v1/audit/{id}")).unwrap();
            let record: Value = serde_json::from_str(&text).unwrap_or_default();
            let known = status == 200 && record["record"]["id"] == **id;
            if !known {
                why = format!("{id}: {status} {text}");
            }
            !known
        });
        Ok(open.is_empty().then_some(()))
    });
    assert!(told.is_ok(), "{} are not explained: {why}\n{}", open.len(), tail(daemon));
}

/// The end of its log.
pub fn tail(daemon: &Daemon) -> String {
    let log = daemon.log();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

/// The value of a metric, all its labels together.
pub fn metric(daemon: &Daemon, name: &str) -> f64 {
    let (_, text) = daemon.get("/metrics").unwrap();
    let of = |line: &&str| line.split([' ', '{']).next() == Some(name);
    text.lines().filter(of).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

/// What `/readyz` says.
pub fn ready(daemon: &Daemon) -> String {
    daemon.get("/readyz").unwrap().1
}
