//! Every case under `tests/cases`, through a milter client and through a real Postfix.

use std::collections::BTreeMap;
use std::sync::Mutex;

use indymilter::message::reply::Reply;
use serde_json::Value;

use super::case::{Case, matches, neighbour};
use super::common::stdout;
use super::milter_client::{MilterClient, body, delivered, edited, recipients_left};
use super::mta::{self, Daemon, Dns, Faulty, Options, PATIENCE, Postfix, Site, Smtp, wait_until};

/// What cases share that need the same daemon.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Needs {
    config: String,
    policy: String,
    neighbour: Option<String>,
    zone: String,
    lists: Vec<String>,
    feeds: Vec<(String, String)>,
}

type Groups = BTreeMap<Needs, Vec<Case>>;

/// Cases that need the same daemon share it.
fn by_config() -> Groups {
    let mut groups = Groups::new();
    for case in Case::all() {
        let needs = Needs {
            config: case.config.join("\n"),
            policy: case.policy.join("\n"),
            neighbour: case.neighbour.clone(),
            zone: case.dns.join("\n"),
            lists: case.lists.clone(),
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
    if !needs.policy.is_empty() {
        let file = site.path().join("policy.toml");
        std::fs::write(&file, &needs.policy).unwrap();
        let line = format!("[policy]\nrules = {:?}\n", file.display().to_string());
        config = match config.contains("[policy]\n") {
            true => config.replacen("[policy]\n", &line, 1),
            false => format!("{config}\n{line}"),
        };
    }
    let config = site.defaults(&config);
    let daemon = site.start(&config).unwrap();
    for name in feeds.keys() {
        stdout(&daemon, &["feed", "refresh", name, "--force"]);
    }
    for entry in &needs.lists {
        let arguments: Vec<&str> = std::iter::once("list").chain(entry.split_whitespace()).collect();
        stdout(&daemon, &arguments);
    }
    (daemon, neighbour, dns)
}

/// What came of a case, however it was run.
#[derive(Default)]
struct Came {
    /// `accept`, `discard` or a reply.
    answer: String,
    /// The header of what was delivered.
    header: Vec<(String, String)>,
    /// The same as it was written, `name:value`.
    raw: Vec<String>,
    /// The body of it.
    body: String,
    /// Who got it; of mail that the MTA held, when it was let go.
    delivered: Vec<String>,
    /// It waited in the MTA's hold queue.
    held_by_mta: bool,
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
            "body" | "no-body" => {
                let found = came.body.lines().any(|l| matches(wanted, l.trim_end()));
                check(found == (key == "body"), format!("{key}: {wanted}; it is\n{}", came.body));
            }
            "url" | "no-url" => {
                let text = |url: &Value, key: &str| url[key].as_str().unwrap_or_default().to_owned();
                let urls = came.record["urls"].as_array().map(Vec::as_slice).unwrap_or_default();
                let line = |url| ["judgement", "source", "url"].map(|key| text(url, key)).join(" ");
                let urls: Vec<String> = urls.iter().map(line).collect();
                let found = urls.iter().any(|url| matches(wanted, url));
                check(found == (key == "url"), format!("{key}: {wanted}; the links are {urls:#?}"));
            }
            "delivered" | "quarantined" | "rcpt" | "held-by-mta" => {}
            other => check(false, format!("{other:?} is no word of the case language")),
        }
    }
    let wanted = case.getting(&came.answer);
    let mut got = came.delivered.clone();
    got.sort();
    check(wanted == got, format!("delivered: wanted {wanted:?}, came {got:?}"));
    let held = case.expected("held-by-mta") == ["yes"];
    check(held == came.held_by_mta, format!("held-by-mta: wanted {held}, came {}", came.held_by_mta));
    if came.answer != "none" {
        check(came.record["stage"] == "end", format!("the record is one of stage {}", came.record["stage"]));
    }
    // Of mail that was not collected there is none.
    let id = came.record["message"]["message_id"].as_str().map(|id| id.trim_matches(['<', '>']).to_owned());
    if let (Some(id), Some(sent)) = (id, case.message_id()) {
        check(id == sent, format!("the record is that of {id}"));
    }
    wrong
}

/// The id of the newest message on record, if there is one.
fn newest(daemon: &Daemon) -> Option<String> {
    let listed = stdout(daemon, &["audit", "list", "--limit", "1"]);
    listed.lines().nth(1).and_then(|row| row.split_whitespace().next()).map(str::to_owned)
}

/// The newest record behind the one that was the newest `before`; of the end of the message, where there was one.
/// Refusals at RCPT are recorded behind their answers, and may have been made in the same millisecond.
fn explained(daemon: &Daemon, before: Option<&str>, at_end: bool) -> (Value, String) {
    let of_this = || {
        let listed = stdout(daemon, &["audit", "list", "--limit", "20"]);
        let ids = listed.lines().skip(1).filter_map(|row| row.split_whitespace().next());
        let fresh = ids.take_while(|id| Some(*id) != before).map(|id| {
            let json = daemon.cli(&["explain", id, "--json"]).unwrap();
            assert!(json.status.success(), "{json:?}");
            (id.to_owned(), serde_json::from_slice::<Value>(&json.stdout).unwrap())
        });
        Ok(fresh.into_iter().find(|(_, record)| !at_end || record["stage"] == "end"))
    };
    let (id, record) = wait_until("a record of this mail", PATIENCE, of_this).unwrap();
    let text = daemon.cli(&["explain", &id]).unwrap();
    assert!(text.status.success(), "{text:?}");
    (record, String::from_utf8_lossy(&text.stdout).into_owned())
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
            let before = newest(daemon);
            let mut client = MilterClient::connect(&daemon.site().milter_socket(), &case.peer);
            let words = client.envelope(&case.from, &case.to);
            let mut taken = Vec::new();
            assert_eq!(words[0], "continue", "{}", case.name());
            for (to, word) in case.to.iter().zip(&words[1..]) {
                match case.refused(to) {
                    None => assert_eq!(word, "continue", "{}: {to}", case.name()),
                    Some(reply) => {
                        let word = word.replace("%%", "%");
                        assert!(matches(reply, &word), "{}: {to} was answered {word}", case.name());
                    }
                }
                if word == "continue" {
                    taken.push(to.clone());
                }
            }
            if taken.is_empty() {
                client.quit();
                let (record, explained) = explained(daemon, before.as_deref(), false);
                let came =
                    Came { answer: "none".into(), record: record.clone(), explained, ..Came::default() };
                report(&case, "milter client", compare(&case, &came), daemon, &record, &mut failed);
                continue;
            }
            let answer = client.message(&case.mail);
            client.quit();
            let (record, explained) = explained(daemon, before.as_deref(), true);
            let accepted = answer.word == "accept" || answer.word == "continue";
            let came = Came {
                answer: if accepted { "accept".into() } else { answer.word.replace("%%", "%") },
                header: delivered(&case.mail, &answer.edits),
                raw: edited(&case.mail, &answer.edits).iter().map(|(n, v)| format!("{n}:{v}")).collect(),
                body: body(&case.mail, &answer.edits),
                held_by_mta: answer.edits.iter().any(|edit| matches!(edit, Reply::Quarantine { .. })),
                delivered: if accepted { recipients_left(&taken, &answer.edits) } else { Vec::new() },
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
        let mut options = Options::with_milter(daemon.endpoint())
            .set("smtpd_authorized_xclient_hosts", "127.0.0.1")
            .set("smtpd_discard_ehlo_keywords", "")
            .set("always_add_missing_headers", "no");
        // Whom rules treat by their names.
        let named = ["marked", "held", "refused", "later", "dropped"];
        options.mailboxes.extend(named.map(|name| format!("{name}@example.org")));
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
    let watched = watched(case);
    let before: Vec<usize> = watched.iter().map(|to| mailbox(postfix, to).len()).collect();
    let known = newest(daemon);
    let mut smtp = Smtp::hello(postfix.smtp_port(), "localhost").unwrap();
    let user = case.peer.user.as_ref().map(|u| format!(" LOGIN={u}")).unwrap_or_default();
    let attributes = format!("NAME={} ADDR={} HELO={}{user}", case.peer.name, case.peer.ip, case.peer.helo);
    let granted = smtp.pretend(&attributes, &case.peer.helo).unwrap();
    assert!(granted.is_positive(), "XCLIENT: {}", granted.text());
    let to: Vec<&str> = case.to.iter().map(|t| t.trim_matches(['<', '>'])).collect();
    let sent = smtp.send(case.from.trim_matches(['<', '>']), &to, &case.mail).unwrap();
    let last = sent.last().clone();
    let mut wrong = Vec::new();
    for (to, reply) in case.to.iter().zip(&sent.rcpt) {
        let told = format!("{} {}", reply.code, reply.text());
        let agrees = case.refused(to).map_or(reply.is_positive(), |wanted| matches(wanted, &told));
        if !agrees {
            wrong.push(format!("rcpt {to}: came {told}"));
        }
    }
    smtp.quit().unwrap();
    let held_by_mta = !case.expected("held-by-mta").is_empty() && let_go(postfix);
    postfix.wait_for_empty_queue().unwrap();
    let (record, explained) = explained(daemon, known.as_deref(), sent.data.is_some());
    let (mut header, mut raw, mut body) = (Vec::new(), Vec::new(), String::new());
    let mut got = Vec::new();
    for (to, before) in watched.iter().zip(before) {
        if let Some(mail) = mailbox(postfix, to).get(before) {
            got.push(to.clone());
            body = String::from_utf8_lossy(mail.body()).into_owned();
            raw = mail.fields();
            header = raw.iter().filter_map(|f| named(f)).collect();
        }
    }
    let came = Came {
        answer: match (last.is_positive(), got.is_empty()) {
            _ if sent.data.is_none() => "none".into(),
            (true, false) => "accept".into(),
            (true, true) => "discard".into(),
            (false, _) => format!("{} {}", last.code, last.text()),
        },
        header,
        raw,
        body,
        held_by_mta,
        delivered: got,
        record: record.clone(),
        explained,
    };
    wrong.extend(compare(case, &came));
    report(case, "Postfix", wrong, daemon, &record, failed);
}

/// Everybody who might get it: its recipients, and whom rules of these cases add.
fn watched(case: &Case) -> Vec<String> {
    let mut all = case.to.clone();
    all.extend(case.expected("delivered").into_iter().map(str::to_owned));
    all.extend(["alice", "bob", "carol", "dave"].map(|name| format!("<{name}@example.org>")));
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|address| seen.insert(address.clone()));
    all
}

/// Waits for a mail in Postfix's hold queue and lets it go.
fn let_go(postfix: &Postfix) -> bool {
    let held = || Ok(postfix.queue()?.into_iter().find(|mail| mail.queue == "hold"));
    let Ok(held) = wait_until("the mail in hold", PATIENCE, held) else { return false };
    postfix.postsuper(&["-H", &held.id]).unwrap();
    true
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
