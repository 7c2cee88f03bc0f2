//! Every case under `tests/cases`, through a milter client and through a real Postfix.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::Value;

use super::case::{Case, matches, neighbour};
use super::common::stdout;
use super::milter_client::{MilterClient, delivered, edited, recipients_left};
use super::mta::{self, Daemon, Dns, Faulty, Options, Postfix, Site, Smtp};

/// What cases share that need the same daemon.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Needs {
    config: String,
    neighbour: Option<String>,
    zone: String,
    feeds: Vec<(String, String)>,
}

type Groups = BTreeMap<Needs, Vec<Case>>;

/// Cases that need the same daemon share it.
fn by_config() -> Groups {
    let mut groups = Groups::new();
    for case in Case::all() {
        let needs = Needs {
            config: case.config.join("\n"),
            neighbour: case.neighbour.clone(),
            zone: case.dns.join("\n"),
            feeds: case.feeds.clone(),
        };
        groups.entry(needs).or_default().push(case);
    }
    groups
}

/// The daemon of a group, with its neighbour, its DNS and its feeds where it has them.
fn start(needs: &Needs) -> (Daemon, Option<Faulty>, Option<Dns>) {
    let neighbour = needs.neighbour.as_deref().map(neighbour);
    let address = neighbour.as_ref().map_or("", Faulty::address);
    let mut config = needs.config.replace("{{NEIGHBOUR}}", address);
    let dns = (!needs.zone.is_empty()).then(|| Dns::serving(&needs.zone).unwrap());
    if let Some(dns) = &dns {
        config = format!("{config}\n{}", dns.section());
    }
    let site = Site::new().unwrap();
    let mut feeds: BTreeMap<&str, String> = BTreeMap::new();
    for (format, line) in &needs.feeds {
        feeds.entry(format).or_default().push_str(&format!("{line}\n"));
    }
    for (format, body) in &feeds {
        let file = site.path().join(format!("{format}.feed"));
        std::fs::write(&file, body).unwrap();
        let url = format!("file://{}", file.display());
        config = format!("{config}\n[feed.{format}]\nformat = {format:?}\nurl = {url:?}\n");
    }
    let config = site.defaults(&config);
    let daemon = site.start(&config).unwrap();
    for name in feeds.keys() {
        stdout(&daemon, &["feed", "refresh", name, "--force"]);
    }
    (daemon, neighbour, dns)
}

/// What came of a case, however it was run.
struct Came {
    /// `accept`, `discard` or a reply.
    answer: String,
    /// The header of what was delivered.
    header: Vec<(String, String)>,
    /// The same as it was written, `name:value`.
    raw: Vec<String>,
    /// Who got it.
    delivered: Vec<String>,
    /// `mailward explain --json`.
    record: Value,
    /// `mailward explain`.
    explained: String,
}

/// What does not agree, each a line.
fn compare(case: &Case, came: &Came) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |ok: bool, line: String| {
        if !ok {
            wrong.push(line);
        }
    };
    for (key, wanted) in &case.expect {
        let field = |name: &str| came.record[name].as_str().unwrap_or("none").to_owned();
        match key.as_str() {
            "answer" => {
                check(matches(wanted, &came.answer), format!("answer: wanted {wanted}, came {}", came.answer))
            }
            "verdict" | "rule" | "disposition" => {
                let found = field(key);
                check(matches(wanted, &found), format!("{key}: wanted {wanted}, came {found}"));
            }
            "header" | "no-header" => {
                let found = came.header.iter().any(|(n, v)| matches(wanted, &format!("{n}: {v}")));
                check(
                    found == (key == "header"),
                    format!("{key}: {wanted}; the header is {:#?}", came.header),
                );
            }
            "raw-header" => {
                let wanted = wanted.replace("\\n", "\n").replace("\\t", "\t").replace("\\s", " ");
                check(
                    came.raw.contains(&wanted),
                    format!("{key}: {wanted:?}; the header is {:#?}", came.raw),
                );
            }
            "explain" | "no-explain" => {
                let found = came.explained.lines().any(|l| matches(wanted, l.trim()));
                check(found == (key == "explain"), format!("{key}: {wanted}; it says\n{}", came.explained));
            }
            "url" | "no-url" => {
                let text = |url: &Value, key: &str| url[key].as_str().unwrap_or_default().to_owned();
                let urls = came.record["urls"].as_array().map(Vec::as_slice).unwrap_or_default();
                let line = |url| ["judgement", "source", "url"].map(|key| text(url, key)).join(" ");
                let urls: Vec<String> = urls.iter().map(line).collect();
                let found = urls.iter().any(|url| matches(wanted, url));
                check(found == (key == "url"), format!("{key}: {wanted}; the links are {urls:#?}"));
            }
            "delivered" | "quarantined" => {}
            other => check(false, format!("{other:?} is no word of the case language")),
        }
    }
    let wanted = case.expected("delivered");
    if !wanted.is_empty() || came.answer != "accept" {
        check(wanted == came.delivered, format!("delivered: wanted {wanted:?}, came {:?}", came.delivered));
    }
    wrong
}

/// The id of the newest message on record.
fn newest(daemon: &Daemon) -> String {
    let listed = daemon.cli(&["audit", "list", "--limit", "1"]).unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let row = text.lines().nth(1).unwrap_or_else(|| panic!("nothing on record: {text} {listed:?}"));
    row.split_whitespace().next().unwrap().to_owned()
}

fn explained(daemon: &Daemon) -> (Value, String) {
    let id = newest(daemon);
    let json = daemon.cli(&["explain", &id, "--json"]).unwrap();
    let text = daemon.cli(&["explain", &id]).unwrap();
    assert!(json.status.success() && text.status.success(), "{json:?} {text:?}");
    (serde_json::from_slice(&json.stdout).unwrap(), String::from_utf8_lossy(&text.stdout).into_owned())
}

/// For whom the message is held, and what is held, as the quarantine itself says.
fn held(daemon: &Daemon, record: &Value) -> Option<(Vec<String>, Vec<u8>)> {
    let id = record["quarantine"].as_str()?;
    let shown = daemon.cli(&["quarantine", "show", id]).unwrap();
    let meta: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let recipients = meta["envelope"]["recipients"].as_array().unwrap();
    let recipients = recipients.iter().map(|r| r.as_str().unwrap().to_owned()).collect();
    let raw = daemon.cli(&["quarantine", "show", "--raw", id]).unwrap();
    assert!(raw.status.success(), "{raw:?}");
    Some((recipients, raw.stdout))
}

fn report(
    case: &Case,
    way: &str,
    mut wrong: Vec<String>,
    daemon: &Daemon,
    record: &Value,
    failed: &mut Vec<String>,
) {
    let (held, stored) = held(daemon, record).unzip();
    let held = held.unwrap_or_default();
    if let Some(stored) = stored.filter(|stored| *stored != case.mail) {
        wrong.push(format!("held is not what was sent: {:?}", String::from_utf8_lossy(&stored)));
    }
    if case.expected("quarantined") != held {
        wrong.push(format!("quarantined: wanted {:?}, came {held:?}", case.expected("quarantined")));
    }
    if !wrong.is_empty() {
        failed.push(format!("{} ({way}):\n  {}", case.name(), wrong.join("\n  ")));
    }
}

/// Groups in work at once: most of a group's time is waiting for a Postfix to start and to deliver.
const AT_ONCE: usize = 4;

/// Runs all groups, some at once; what did not come out as it should.
fn all_groups(run: impl Fn(&Daemon, Vec<Case>) -> Vec<String> + Sync) -> String {
    let queue = Mutex::new(by_config().into_iter());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some((needs, cases)) = next else { return };
                    let (daemon, _neighbour, _dns) = start(&needs);
                    failed.lock().unwrap().extend(run(&daemon, cases));
                }
            });
        }
    });
    failed.into_inner().unwrap().join("\n")
}

#[test]
fn every_case_comes_out_through_a_milter_client() {
    let failed = all_groups(|daemon, cases| {
        let mut failed = Vec::new();
        for case in cases {
            let mut client = MilterClient::connect(&daemon.site().milter_socket(), &case.peer);
            let words = client.envelope(&case.from, &case.to);
            assert!(words.iter().all(|w| w == "continue"), "{}: {words:?}", case.name());
            let answer = client.message(&case.mail);
            client.quit();
            let (record, explained) = explained(daemon);
            let accepted = answer.word == "accept" || answer.word == "continue";
            let came = Came {
                answer: if accepted { "accept".into() } else { answer.word.replace("%%", "%") },
                header: delivered(&case.mail, &answer.edits),
                raw: edited(&case.mail, &answer.edits).iter().map(|(n, v)| format!("{n}:{v}")).collect(),
                delivered: if accepted { recipients_left(&case.to, &answer.edits) } else { Vec::new() },
                record: record.clone(),
                explained,
            };
            report(&case, "milter client", compare(&case, &came), daemon, &record, &mut failed);
        }
        failed
    });
    assert!(failed.is_empty(), "{failed}");
}

#[test]
fn every_case_comes_out_through_postfix() {
    if !mta::not_run::postfix_ready("every_case_comes_out_through_postfix") {
        return;
    }
    let failed = all_groups(|daemon, cases| {
        let options = Options::with_milter(daemon.endpoint())
            .set("smtpd_authorized_xclient_hosts", "127.0.0.1")
            .set("smtpd_discard_ehlo_keywords", "")
            .set("always_add_missing_headers", "no");
        let postfix = Postfix::start(&options).unwrap();
        let mut failed = Vec::new();
        for case in cases {
            through_postfix(&case, daemon, &postfix, &mut failed);
        }
        failed
    });
    assert!(failed.is_empty(), "{failed}");
}

fn through_postfix(case: &Case, daemon: &Daemon, postfix: &Postfix, failed: &mut Vec<String>) {
    let before: Vec<usize> = case.to.iter().map(|to| mailbox(postfix, to).len()).collect();
    let mut smtp = Smtp::hello(postfix.smtp_port(), "localhost").unwrap();
    let user = case.peer.user.as_ref().map(|u| format!(" LOGIN={u}")).unwrap_or_default();
    let attributes = format!("NAME={} ADDR={} HELO={}{user}", case.peer.name, case.peer.ip, case.peer.helo);
    let granted = smtp.pretend(&attributes, &case.peer.helo).unwrap();
    assert!(granted.is_positive(), "XCLIENT: {}", granted.text());
    let to: Vec<&str> = case.to.iter().map(|t| t.trim_matches(['<', '>'])).collect();
    let sent = smtp.send(case.from.trim_matches(['<', '>']), &to, &case.mail).unwrap();
    let last = sent.last().clone();
    smtp.quit().unwrap();
    postfix.wait_for_empty_queue().unwrap();
    let (record, explained) = explained(daemon);
    let (mut header, mut raw) = (Vec::new(), Vec::new());
    let mut got = Vec::new();
    for (to, before) in case.to.iter().zip(before) {
        if let Some(mail) = mailbox(postfix, to).get(before) {
            got.push(to.clone());
            raw = mail.fields();
            header = raw.iter().filter_map(|f| named(f)).collect();
        }
    }
    let came = Came {
        answer: match (last.is_positive(), got.is_empty()) {
            (true, false) => "accept".into(),
            (true, true) => "discard".into(),
            (false, _) => format!("{} {}", last.code, last.text()),
        },
        header,
        raw,
        delivered: got,
        record: record.clone(),
        explained,
    };
    report(case, "Postfix", compare(case, &came), daemon, &record, failed);
}

fn mailbox(postfix: &Postfix, to: &str) -> Vec<mta::Delivered> {
    postfix.mailbox(to.trim_matches(['<', '>'])).unwrap()
}

/// Name and value of a field, on one line.
fn named(field: &str) -> Option<(String, String)> {
    let (name, value) = field.split_once(':')?;
    let value: Vec<&str> = value.split_whitespace().collect();
    Some((name.to_owned(), value.join(" ")))
}
