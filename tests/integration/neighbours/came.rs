//! A daemon with one neighbour, and what came of the mails that it judged.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{judge, mail, stdout};
use crate::milter_client::delivered;
use crate::mta::{Daemon, Plays};

/// What the daemon gives the neighbour.
pub const TIMEOUT: Duration = Duration::from_secs(1);

/// How long an answer may take then, on a machine that is busy with the rest of this suite. Far less than the deadline
/// of a message and than anything a faulty neighbour could ask for.
pub const AT_ONCE: Duration = Duration::from_secs(5);

/// The section for a neighbour at `address`.
pub fn section(plays: Plays, address: &str, on_failure: &str) -> String {
    plays.section(address, &format!("{}s", TIMEOUT.as_secs()), on_failure)
}

/// What the milter said to one mail, and what it added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// `accept`, `discard`, or a reply without its id.
    pub word: String,
    /// Our header fields but the id, each on a line.
    pub header: Vec<String>,
}

/// Has a plain mail judged; it must be answered in time.
pub fn say(daemon: &Daemon, subject: &str) -> (Said, Duration) {
    let raw = mail(subject, "text");
    let begin = Instant::now();
    let answer = judge(daemon, &raw);
    let took = begin.elapsed();
    assert!(took < AT_ONCE, "{subject}: answered after {took:?}; {}", daemon.log());
    let ours = |(name, _): &(String, String)| name.starts_with("X-") && name != "X-Mailward-Id";
    let header = delivered(&raw, &answer.edits).into_iter().filter(ours);
    let word = match answer.word.split_once(" (id ") {
        Some((why, _)) => why.to_owned(),
        None => answer.word,
    };
    (Said { word, header: header.map(|(name, value)| format!("{name}: {value}")).collect() }, took)
}

/// One message on record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recorded {
    pub subject: String,
    pub disposition: String,
    pub rule: String,
    pub reason: String,
    /// How the neighbour ended, as in coverage.
    pub outcome: String,
}

/// Everything on record, by subject: ids of one millisecond are in no order.
pub fn recorded(daemon: &Daemon, scanner: &str) -> Vec<Recorded> {
    let export = stdout(daemon, &["audit", "export"]);
    let mut all: Vec<Recorded> = export
        .lines()
        .map(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            let verdict = &record["verdicts"][0]["verdict"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            Recorded {
                subject: text(&record["message"]["subject"]),
                disposition: text(&verdict["disposition"]),
                rule: text(&verdict["rule"]),
                reason: text(&verdict["reason"]),
                outcome: outcome(&record["coverage"][scanner]),
            }
        })
        .collect();
    all.sort();
    all
}

/// An outcome of the record as coverage writes it.
fn outcome(value: &Value) -> String {
    if let Some(label) = value["failed"]["label"].as_str() {
        return format!("failed({label})");
    }
    if value.get("timed-out").is_some() {
        return "timeout".to_owned();
    }
    match value.as_str() {
        Some("clean") => "ok".to_owned(),
        Some(other) => other.to_owned(),
        None => value.to_string(),
    }
}
