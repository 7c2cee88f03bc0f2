//! Held mail that comes through after all: delivered exactly, once, and known when it comes by.

mod commands;
mod delivered;
mod failing;
mod learning;
mod results;
mod tokens;

use serde_json::Value;

use super::common::{mail, quarantine, rules, stdout, verify};
use super::milter_client::{Answer, MilterClient, Peer};
use super::mta::{self, Daemon, Delivered, Options, Postfix, Site};
use super::relay::Relay;

const HOLD: &str = r#"
rule Hold_This { meta: severity = "medium" score = 7 category = "spam" description = "asks to be held"
  strings: $a = "HOLD-THIS" condition: $a }
"#;

/// A daemon that holds what asks for it, and its configuration without [release].
pub(super) fn holding() -> (Daemon, String) {
    let site = Site::new().unwrap();
    let toml = site.defaults("") + &rules(&site, "hold.yar", HOLD);
    (site.start(&toml).unwrap(), toml)
}

/// Gives the daemon a [release] section, as an admin would.
pub(super) fn release_to(daemon: &Daemon, toml: &str, section: &str) {
    let before = daemon.log().matches("were read again").count();
    daemon.write_config(&format!("{toml}[release]\n{section}\n")).unwrap();
    daemon.signal("HUP").unwrap();
    mta::wait_until("the reload", mta::PATIENCE, || {
        Ok((daemon.log().matches("were read again").count() > before).then_some(()))
    })
    .unwrap();
}

/// The same with a Postfix in front of it.
fn with_postfix(options: impl FnOnce(Options) -> Options) -> (Daemon, String, Postfix) {
    let (daemon, toml) = holding();
    let postfix = Postfix::start(&options(Options::with_milter(daemon.endpoint()))).unwrap();
    release_to(&daemon, &toml, &format!("relay = \"inet:127.0.0.1:{}\"", postfix.smtp_port()));
    (daemon, toml, postfix)
}

/// Has a message held by way of the milter's socket; its id.
pub(super) fn hold(daemon: &Daemon, to: &[&str], raw: &[u8]) -> String {
    let before = ids(daemon);
    let answer = send(daemon, "<a@sender.example>", to, raw);
    assert_eq!(answer.word, "discard", "{answer:?}");
    new_id(daemon, &before)
}

fn send(daemon: &Daemon, from: &str, to: &[&str], raw: &[u8]) -> Answer {
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
    client.envelope(from, &to.iter().map(|to| format!("<{to}>")).collect::<Vec<_>>());
    let answer = client.message(raw);
    client.quit();
    answer
}

fn ids(daemon: &Daemon) -> Vec<String> {
    quarantine(daemon).iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

fn new_id(daemon: &Daemon, before: &[String]) -> String {
    let new: Vec<String> = ids(daemon).into_iter().filter(|id| !before.contains(id)).collect();
    let [id] = new.as_slice() else { panic!("not one new entry: {new:?}") };
    id.clone()
}

/// Runs `quarantine release --json` and gives the exit code, the one report, and standard error.
pub(super) fn release(daemon: &Daemon, id: &str, more: &[&str]) -> (bool, Value, String) {
    let output = daemon.cli(&[&["quarantine", "release", "--json", id], more].concat()).unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.success(), told[0].clone(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The results of a report, in order.
pub(super) fn results(report: &Value) -> Vec<String> {
    let copies = report["copies"].as_array().unwrap_or_else(|| panic!("{report}"));
    copies.iter().map(|copy| copy["result"].as_str().unwrap().to_owned()).collect()
}

/// The state of each copy, as the entry holds it.
pub(super) fn states(daemon: &Daemon, id: &str) -> Vec<String> {
    let entry: Value = serde_json::from_str(&stdout(daemon, &["quarantine", "show", id])).unwrap();
    let word = |state: &Value| match state {
        Value::String(word) => word.clone(),
        Value::Object(fields) => fields.keys().next().unwrap().clone(),
        other => panic!("{other}"),
    };
    entry["recipients"].as_object().unwrap().values().map(word).collect()
}

/// Delivered bytes in CRLF form, without what the MTA and we put on top.
fn as_sent(delivered: &Delivered, first: &str) -> Vec<u8> {
    let start = memchr::memmem::find(&delivered.bytes, first.as_bytes())
        .unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&delivered.bytes)));
    let mut crlf = Vec::new();
    for line in delivered.bytes[start..].split_inclusive(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        crlf.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        crlf.extend_from_slice(b"\r\n");
    }
    crlf
}

fn has_token(delivered: &Delivered) -> bool {
    memchr::memmem::find(&delivered.bytes.to_ascii_lowercase(), b"x-mailward-release").is_some()
}

/// Releases through a relay that waits, and gives the message with its token while the copy is under way.
fn under_way<T>(
    daemon: &Daemon,
    relay: &Relay,
    id: &str,
    reply: &'static str,
    meanwhile: impl FnOnce(&[u8]) -> T,
) -> (Value, T) {
    let tell = relay.wait_at_dot();
    let before = relay.taken().len();
    std::thread::scope(|scope| {
        let releasing = scope.spawn(|| release(daemon, id, &[]).1);
        let message = relay.wait_for(before + 1)[before].message.clone();
        let result = meanwhile(&message);
        tell.send(reply).unwrap();
        (releasing.join().unwrap(), result)
    })
}
