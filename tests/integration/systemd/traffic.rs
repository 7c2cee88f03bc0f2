//! SMTP sessions against the Postfix of another machine, all the while that something is done to mailward there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::mta::smtp::{Smtp, crlf};
use crate::mta::{Machine, PATIENCE, wait_until};

/// Set in the process that sends, to where it writes what happened.
const SENDS: &str = "MAILWARD_TEST_TRAFFIC";

/// Kinds of sessions, how many of each at once, messages in each, the pause between them, and within DATA.
const KINDS: &[(&str, usize, usize, u64, u64)] = &[
    ("quick", 5, 3, 0, 0),
    // Between two messages when mailward is told to stop.
    ("pausing", 3, 3, 900, 0),
    // Between DATA and the final dot.
    ("slow", 3, 1, 0, 3000),
    // Still between two messages when mailward waits no longer.
    ("sleeping", 1, 3, 8000, 0),
];

/// Sends until `stop` exists beside the report, if this process is the one that sends.
pub(super) fn sends() -> bool {
    let Some(report) = std::env::var_os(SENDS).map(PathBuf::from) else { return false };
    let run = report.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let stop = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::new();
    for &(kind, count, messages, pause, within) in KINDS {
        for number in 0..count {
            let (stop, run) = (Arc::clone(&stop), run.clone());
            let one = move || {
                let mut sessions = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let name = format!("{run}-{kind}-{number}-{}", sessions.len());
                    let times = (Duration::from_millis(pause), Duration::from_millis(within));
                    sessions.push(session(kind, &name, messages, times, &stop));
                }
                sessions
            };
            threads.push(std::thread::spawn(one));
        }
    }
    while !stopped(&report).exists() {
        std::thread::sleep(Duration::from_millis(50));
    }
    stop.store(true, Ordering::Relaxed);
    let sessions: Vec<Value> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    std::fs::write(report, serde_json::to_vec(&sessions).unwrap()).unwrap();
    true
}

fn stopped(report: &Path) -> PathBuf {
    report.with_extension("stop")
}

/// One SMTP session; what of it was taken and what was not.
fn session(
    kind: &str,
    name: &str,
    messages: usize,
    (pause, within): (Duration, Duration),
    stop: &AtomicBool,
) -> Value {
    let (mut taken, mut refused, mut slowest) = (Vec::new(), Vec::new(), Duration::ZERO);
    let came = Instant::now();
    let mut smtp = match Smtp::hello(25, "client.example.com") {
        Ok(smtp) => smtp,
        Err(error) => return json!({"kind": kind, "lost": error.to_string()}),
    };
    let mut lost = None;
    for number in 0..messages {
        if number > 0 && (!pause.is_zero() && stop.load(Ordering::Relaxed)) {
            break;
        }
        if number > 0 {
            std::thread::sleep(pause);
        }
        let case = format!("{name}-{number}");
        // The first one waits with its session.
        let begin = if number == 0 { came } else { Instant::now() };
        match message(&mut smtp, &case, within) {
            Ok(None) => taken.push(case),
            Ok(Some(reply)) => {
                let is_over = reply.contains(" 421 ");
                refused.push(reply);
                if is_over {
                    break;
                }
            }
            Err(error) => {
                lost = Some(error.to_string());
                break;
            }
        }
        slowest = slowest.max(begin.elapsed().saturating_sub(within));
    }
    drop(smtp.quit());
    let slowest = u64::try_from(slowest.as_millis()).unwrap_or(u64::MAX);
    json!({"kind": kind, "taken": taken, "refused": refused, "lost": lost, "slowest": slowest})
}

/// One message; the reply that refused it, with the command it was for.
fn message(smtp: &mut Smtp, case: &str, within: Duration) -> anyhow::Result<Option<String>> {
    let commands = ["MAIL FROM:<a@example.com>", "RCPT TO:<you@example.org>", "DATA"];
    for command in commands {
        let reply = smtp.command(command)?;
        if !reply.is_positive() {
            let said = format!("{} {reply}", &command[..4]);
            if reply.code != 421 {
                smtp.command("RSET")?;
            }
            return Ok(Some(said));
        }
    }
    smtp.write(&crlf(&format!("From: a@example.com\nSubject: {case}\nX-Case: {case}\n\nfirst\n")))?;
    std::thread::sleep(within);
    let reply = smtp.content(b"last\r\n")?;
    Ok((!reply.is_positive()).then(|| format!("dot {reply}")))
}

/// Traffic that flows.
pub(super) struct Traffic {
    sender: Child,
    report: PathBuf,
}

/// What became of it.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) sessions: usize,
    /// Messages that were answered with 250.
    pub(super) taken: Vec<String>,
    /// What sessions of a kind heard besides, a session each.
    pub(super) refused: BTreeMap<String, Vec<Vec<String>>>,
    /// Sessions that broke off.
    pub(super) lost: Vec<String>,
    /// The longest that a message took, from MAIL (the first of a session: from its connection) to its answer.
    pub(super) slowest: Duration,
}

impl Traffic {
    /// Begins it, from the test of this path in this program.
    pub(super) fn begin(machine: &Machine, test: &str, name: &str) -> Self {
        let report = machine.host().join(format!("{name}.json"));
        let mut sender = machine.beside(std::env::current_exe().unwrap());
        sender.args(["--exact", test, "--nocapture"]).env(SENDS, &report);
        Self { sender: sender.stdout(std::process::Stdio::null()).spawn().unwrap(), report }
    }

    /// Ends it when all sessions are at their end.
    pub(super) fn end(mut self) -> Told {
        std::fs::write(stopped(&self.report), "").unwrap();
        let ended = || Ok(self.sender.try_wait()?);
        let status = wait_until("the sender to end", 2 * PATIENCE, ended).unwrap();
        assert!(status.success());
        let sessions: Vec<Value> = serde_json::from_slice(&std::fs::read(&self.report).unwrap()).unwrap();
        let mut told = Told { sessions: sessions.len(), ..Told::default() };
        let strings = |value: &Value| -> Vec<String> {
            let all = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            all.map(ToOwned::to_owned).collect()
        };
        for session in sessions {
            told.taken.extend(strings(&session["taken"]));
            let refused = strings(&session["refused"]);
            if !refused.is_empty() {
                let kind = session["kind"].as_str().unwrap().to_owned();
                told.refused.entry(kind).or_default().push(refused);
            }
            told.lost.extend(session["lost"].as_str().map(ToOwned::to_owned));
            let slowest = Duration::from_millis(session["slowest"].as_u64().unwrap_or(0));
            told.slowest = told.slowest.max(slowest);
        }
        told
    }
}
