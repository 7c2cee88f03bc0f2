//! Log lines: each is one object whatever a mail holds, the id joins everything that is known of a message, and how
//! much is written can be changed while the daemon runs.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::common::stdout;
use super::mta::{self, Daemon, Options, PATIENCE, Postfix, wait_until};

/// What terminals, line readers and people are led astray by: line ends, escapes, a priority, text from right to left.
const ODD: &str =
    "\u{1b}[31mred\u{7}\r\n{\"level\":\"ERROR\",\"id\":\"forged\"}\r\n<0>panic \u{202e}gnp.exe\u{2028}x\u{0}";

#[test]
fn one_id_joins_header_log_line_explanation_and_journal() {
    if !mta::not_run::postfix_ready("one_id_joins_header_log_line_explanation_and_journal") {
        return;
    }
    let daemon = Daemon::start("[log]\nformat = \"json\"\n").unwrap();
    let postfix = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
    let folded = ODD.replace("\r\n", "\r\n ");
    let mail = format!(
        "From: Anna <a@sender.example>\r\nTo: alice@example.org\r\nSubject: {folded}\r\nMessage-ID: <{}@sender.example>\r\n\
         \r\nhello\r\n",
        ODD.replace(['\r', '\n', '\0'], "")
    );
    let sent = mta::smtp::send(
        postfix.smtp_port(),
        "\"a\u{1b}]0;x\"@sender.example",
        &["alice@example.org"],
        mail.as_bytes(),
    );
    let sent = sent.unwrap();
    // Postfix may refuse such a sender; the mail matters.
    let sent = if sent.taken() {
        sent
    } else {
        mta::smtp::send(postfix.smtp_port(), "a@sender.example", &["alice@example.org"], mail.as_bytes())
            .unwrap()
    };
    assert!(sent.taken(), "{sent:?}");
    let delivered = || Ok(postfix.mailbox("alice@example.org")?.into_iter().next());
    let delivered = wait_until("the mail", PATIENCE, delivered).unwrap();
    let id = delivered.value("X-Mailward-Id").unwrap();

    daemon.wait_for_log("\"judged\"").unwrap();
    let log = daemon.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    for line in &lines {
        for key in ["timestamp", "level", "target", "message"] {
            assert!(line[key].is_string(), "{line} has no {key}");
        }
        let text = line.to_string();
        assert!(!text.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)), "{text}");
    }
    let judged: Vec<&Value> = lines.iter().filter(|line| line["message"] == "judged").collect();
    assert_eq!(judged.len(), 1, "{log}");
    let line = judged[0];
    assert_eq!(line["id"], id.as_str());
    assert_eq!(line["queue_id"], sent.end.as_ref().unwrap().queue_id().unwrap());
    assert!(line["score"].is_number() && line["ms"].is_number() && line["size"].is_number(), "{line}");

    let record: Value = serde_json::from_str(&stdout(&daemon, &["explain", &id, "--json"])).unwrap();
    assert_eq!(record["id"], id.as_str());
    for key in ["disposition", "verdict", "rule"] {
        assert_eq!(record[key], line[key], "{key}");
    }
    let journal = std::fs::read_dir(daemon.site().state_dir().join("audit")).unwrap();
    let journal = journal.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default());
    assert!(journal.collect::<String>().contains(&format!("\"{id}\"")));
}

#[test]
fn the_level_of_the_log_changes_for_a_while_and_is_on_record() {
    let daemon = Daemon::start("").unwrap();
    assert_eq!(stdout(&daemon, &["log", "level"]).trim(), "info, as configured");
    let wrong = daemon.cli(&["log", "level", "debgu"]).unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("\"debgu\" is no level"), "{wrong:?}");
    let held = daemon.cli(&["log", "level", "indymilter=trace"]).unwrap();
    assert!(String::from_utf8_lossy(&held.stderr).contains("mails or secrets whole"), "{held:?}");
    let long = daemon.cli(&["log", "level", "debug", "--for", "30d"]).unwrap();
    assert!(
        !long.status.success() && String::from_utf8_lossy(&long.stderr).contains("between 1s and 7d"),
        "{long:?}"
    );

    let told = stdout(&daemon, &["log", "level", "mailward::admin=debug", "--for", "2s"]);
    assert!(told.starts_with("info,mailward::admin=debug is written until "), "{told}");
    let status = daemon.cli(&["status"]).unwrap();
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("log         info,mailward::admin=debug until "), "{status}");
    daemon.wait_for_log("has ended; the configuration holds again").unwrap();
    assert_eq!(stdout(&daemon, &["log", "level"]).trim(), "info, as configured");

    stdout(&daemon, &["log", "level", "warn", "--for", "1h"]);
    assert_eq!(stdout(&daemon, &["log", "level", "--reset"]).trim(), "info is written, as configured");
    stdout(&daemon, &["log", "level", "warn", "--for", "1h"]);
    // A reload takes what the file says, another level among it.
    let config = std::fs::read_to_string(daemon.site().config()).unwrap();
    daemon.write_config(&format!("{config}\n[log]\nlevel = \"debug\"\n")).unwrap();
    let told = stdout(&daemon, &["reload"]);
    assert!(!told.contains("restart"), "{told}");
    assert_eq!(stdout(&daemon, &["log", "level"]).trim(), "debug, as configured");

    let journal = std::fs::read_dir(daemon.site().state_dir().join("audit")).unwrap();
    let journal: String =
        journal.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default()).collect();
    let noted: Vec<&str> = journal.lines().filter(|line| line.contains("\"log-level\"")).collect();
    let of = |text: &str| noted.iter().filter(|line| line.contains(text)).count();
    assert_eq!(
        (of("mailward::admin=debug until"), of("\"expiry\""), of("info, as configured")),
        (1, 1, 1),
        "{noted:#?}"
    );
}

/// The macros' fields in a source text: `key = …`, `%key`, `?key`, `key` in front of the message.
fn keys(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for level in ["error", "warn", "info"] {
        for (at, call) in source.match_indices(&format!("tracing::{level}!(")) {
            let (mut depth, mut quoted, mut escaped, mut part) = (1, false, false, String::new());
            for c in source[at + call.len()..].chars() {
                match c {
                    _ if escaped => escaped = false,
                    '\\' if quoted => escaped = true,
                    '"' => quoted = !quoted,
                    '(' | '[' | '{' if !quoted => depth += 1,
                    ')' | ']' | '}' if !quoted => depth -= 1,
                    _ => {}
                }
                if depth == 0 || (c == ',' && depth == 1 && !quoted) {
                    let field = part.trim().trim_start_matches(['%', '?']);
                    if field.starts_with('"') || depth == 0 {
                        break;
                    }
                    let key = field.split(['=', '.']).next().unwrap_or_default().trim();
                    found.insert(key.to_owned());
                    part.clear();
                    continue;
                }
                part.push(c);
            }
        }
    }
    found
}

fn sources(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, all);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = std::fs::read_to_string(&path).unwrap();
            all.push_str(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
        }
    }
}

#[test]
fn the_documentation_names_every_field_and_only_events_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_to_string(root.join("docs/logs.md")).unwrap();
    let mut source = String::new();
    sources(&root.join("src"), &mut source);
    let table = |heading: &str| {
        let part = docs.split(heading).nth(1).unwrap().split("\n## ").next().unwrap();
        let rows = part.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        rows.map(|(name, _)| name.to_owned()).collect::<BTreeSet<String>>()
    };
    let written = keys(&source);
    let missing: Vec<_> = written.difference(&table("## Fields")).cloned().collect();
    assert!(missing.is_empty(), "docs/logs.md, Fields, lacks {missing:?}");
    // The time and the level are the library's.
    let kept = ["timestamp", "level", "target", "message"].map(str::to_owned);
    let gone: Vec<_> =
        table("## Fields").into_iter().filter(|f| !written.contains(f) && !kept.contains(f)).collect();
    assert!(gone.is_empty(), "docs/logs.md, Fields, names {gone:?}, which no line has");
    for event in table("## Events") {
        assert!(source.contains(&event), "docs/logs.md names an event {event:?} that there is not");
    }
}
