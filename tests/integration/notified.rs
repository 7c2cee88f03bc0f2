//! Who is told of what happens, through the real daemon: webhooks on loopback, mail through a real Postfix.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::common::{judge, mail, names, newest, rules, stdout};
use super::mta::samples::eicar;
use super::mta::{self, Clamd, Daemon, Options, PATIENCE, Postfix, Site, wait_until};

/// Takes what is posted, and answers 204.
struct Hook {
    at: SocketAddr,
    came: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (at, came) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let taken = Arc::clone(&came);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                taken.lock().unwrap().extend(take(stream));
            }
        });
        Self { at, came }
    }

    fn section(&self, name: &str, more: &str) -> String {
        format!(
            "[notify.{name}]\nkind = \"webhook\"\nurl = \"http://{}/secret-path\"\nallow_private = true\n{more}\n",
            self.at
        )
    }

    fn came(&self) -> Vec<Value> {
        self.came.lock().unwrap().clone()
    }

    fn events(&self) -> Vec<String> {
        self.came().iter().map(|told| told["event"].as_str().unwrap().to_owned()).collect()
    }

    fn wait_for(&self, count: usize) -> Vec<Value> {
        let came = || Ok(Some(self.came()).filter(|came| came.len() >= count));
        wait_until("a notification", PATIENCE * 2, came).unwrap()
    }
}

fn take(mut stream: TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").ok()?;
    serde_json::from_slice(&body).ok()
}

fn goes_on(daemon: &Daemon, subject: &str) {
    let answer = judge(daemon, &mail(subject, "text"));
    assert!(matches!(answer.word.as_str(), "accept" | "continue"), "{answer:?}");
}

#[test]
fn a_refused_message_is_told_of_with_the_id_of_its_record_and_without_people() {
    let (hook, other) = (Hook::start(), Hook::start());
    let sections = hook.section("hook", "")
        + &other.section("all", "on = [\"rejected\", \"quarantined\"]\nredact = false");
    let mut daemon = Daemon::start(&sections).unwrap();
    goes_on(&daemon, "harmless");
    judge(&daemon, &mail("bad", &eicar()));
    let (told, whole) = (hook.wait_for(1).remove(0), other.wait_for(1).remove(0));
    let id = newest(&daemon);
    assert_eq!((&told["message"]["id"], &told["events"][0]), (&id.clone().into(), &"malware".into()));
    assert_eq!(told["message"]["rule"], whole["message"]["rule"]);
    assert!(stdout(&daemon, &["explain", &id]).contains(told["message"]["rule"].as_str().unwrap()));
    let text = told.to_string();
    assert!(!names(&text, "a@sender.example") && !names(&text, "alice@"), "{told}");
    assert_eq!(
        (&whole["message"]["sender"], &whole["message"]["subject"]),
        (&"a@sender.example".into(), &"bad".into())
    );

    let listed = stdout(&daemon, &["notify", "list"]);
    assert!(
        listed.contains("hook") && listed.contains(" good ") && !listed.contains("secret-path"),
        "{listed}"
    );
    assert!(!daemon.log().contains("secret-path"));
    let tested = stdout(&daemon, &["notify", "test", "hook"]);
    assert!(tested.starts_with(&format!("hook: http://{} took it in ", hook.at)), "{tested}");
    assert!(tested.ends_with(": 204 No Content\n"), "{tested}");
    let unknown = daemon.cli(&["notify", "test", "nobody"]).unwrap();
    assert!(
        String::from_utf8_lossy(&unknown.stderr).contains("there is no section [notify.nobody]"),
        "{unknown:?}"
    );
    let (_, metrics) = daemon.get("/metrics").unwrap();
    assert!(
        metrics.contains("mailward_notifications_total{kind=\"webhook\",result=\"sent\"} 2"),
        "{metrics}"
    );

    // A reload takes one away and brings another; the stop delivers what waits.
    let third = Hook::start();
    let config = daemon.site().defaults(&third.section("third", "on = [\"malware\"]"));
    daemon.write_config(&config).unwrap();
    stdout(&daemon, &["reload"]);
    judge(&daemon, &mail("bad again", &eicar()));
    daemon.signal("TERM").unwrap();
    daemon.wait_for_end(PATIENCE).unwrap();
    assert_eq!(
        (third.events(), hook.events()),
        (vec!["malware".to_owned()], vec!["malware".into(), "test".into()])
    );
    assert_eq!(other.events().len(), 1);
}

#[test]
fn a_destination_on_a_private_address_is_not_connected_to_unless_that_is_allowed() {
    let hook = Hook::start();
    let section =
        hook.section("hook", "").replace("allow_private = true\n", "").replace("127.0.0.1", "localhost");
    let daemon = Daemon::start(&section).unwrap();
    let refused = daemon.cli(&["notify", "test", "hook"]).unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && told.contains("which is not public; write `allow_private = true`"),
        "{told}"
    );
    judge(&daemon, &mail("bad", &eicar()));
    daemon.wait_for_log("a notification is given up").unwrap();
    assert_eq!(hook.events(), Vec::<String>::new());
}

#[test]
fn a_silent_scanner_is_told_of_once_and_once_when_it_is_back() {
    if !mta::not_run::clamd_ready("a_silent_scanner_is_told_of_once_and_once_when_it_is_back") {
        return;
    }
    let hook = Hook::start();
    let mut clamd = Clamd::start(&mta::clamd::Options::default()).unwrap();
    let daemon = Daemon::start(&(clamd.section("") + &hook.section("hook", ""))).unwrap();
    goes_on(&daemon, "plain");
    clamd.stop().unwrap();
    for n in 0..3 {
        let answer = judge(&daemon, &mail(&format!("plain {n}"), "text"));
        assert!(answer.word.starts_with("451 "), "{answer:?}");
    }
    let down = hook.wait_for(1).remove(0);
    assert_eq!((&down["event"], &down["state"]["about"]), (&"engine-down".into(), &"clamd".into()));
    assert_eq!(down["title"], "clamd does not work as it should");
    clamd.start_again().unwrap();
    // What was left alone is known to answer when a message has been there.
    let answers = || {
        let answer = judge(&daemon, &mail("again", "text"));
        Ok(matches!(answer.word.as_str(), "accept" | "continue").then_some(()))
    };
    wait_until("clamd to be asked again", PATIENCE, answers).unwrap();
    let up = hook.wait_for(2).remove(1);
    assert_eq!((&up["event"], &up["state"]["over"]), (&"engine-up".into(), &true.into()));
    assert_eq!(up["state"]["since"], down["state"]["since"]);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(
        hook.events(),
        ["engine-down", "engine-up"],
        "nothing of mail that was put off, nothing twice"
    );
}

const HOLD: &str = r#"
rule Hold_This { meta: severity = "medium" score = 7 category = "spam" description = "asks to be held"
  strings: $a = "HOLD-THIS" $b = "mailward explain" condition: any of them }
"#;

#[test]
fn mail_to_the_admin_comes_through_postfix_and_leads_to_no_other() {
    if !mta::not_run::postfix_ready("mail_to_the_admin_comes_through_postfix_and_leads_to_no_other") {
        return;
    }
    let site = Site::new().unwrap();
    let toml = site.defaults("[auth]\nauthserv_id = \"mx.example.org\"\n") + &rules(&site, "hold.yar", HOLD);
    let daemon = site.start(&toml).unwrap();
    let postfix = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
    let to = |who: &str| {
        format!(
            "{toml}[notify.admin]\nkind = \"mail\"\nto = [{who}]\nserver = \"inet:127.0.0.1:{}\"\non = [\"malware\", \"quarantined\"]\n",
            postfix.smtp_port()
        )
    };
    daemon.write_config(&to("\"postmaster@example.org\", \"bob@example.org\"")).unwrap();
    stdout(&daemon, &["reload"]);
    let tested = stdout(&daemon, &["notify", "test", "admin"]);
    assert!(tested.contains("delivered: 250"), "{tested}");
    let mails = postfix.wait_for_mail("postmaster@example.org", 1).unwrap();
    let field = |name: &str| mails[0].value(name).unwrap().trim().to_owned();
    assert_eq!(field("Subject"), "A test of [notify.admin]");
    assert_eq!(field("From"), "mailward <mailward@mx.example.org>");
    assert_eq!(field("Auto-Submitted"), "auto-generated");
    assert_eq!(field("Return-Path"), "<>");
    assert!(field("Message-ID").ends_with("@mx.example.org>"));
    assert!(field("Date").ends_with("+0000"), "{}", field("Date"));
    let body = String::from_utf8_lossy(mails[0].body()).into_owned();
    assert!(body.contains("nothing happened; an admin tries out"), "{body}");
    assert_eq!(postfix.wait_for_mail("bob@example.org", 1).unwrap().len(), 1);

    // What tells of the held message is itself held by the rule above, and nobody is told of that.
    mta::smtp::send(
        postfix.smtp_port(),
        "a@sender.example",
        &["alice@example.org"],
        &mail("hold", "HOLD-THIS"),
    )
    .unwrap();
    let held = || Ok(Some(super::common::quarantine(&daemon)).filter(|held| held.len() >= 2));
    let held = wait_until("the notification in quarantine", PATIENCE, held).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(super::common::quarantine(&daemon).len(), 2, "{held:#?}");
    let (_, metrics) = daemon.get("/metrics").unwrap();
    assert!(metrics.contains("mailward_notifications_total{kind=\"mail\",result=\"sent\"} 1"), "{metrics}");

    // A server that refuses the address for good says why.
    daemon.write_config(&to("\"nobody@example.org\"")).unwrap();
    stdout(&daemon, &["reload"]);
    let refused = daemon.cli(&["notify", "test", "admin"]).unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("did not arrive: refused, answering RCPT: 550"), "{told}");
}

#[test]
fn a_rule_that_cannot_be_evaluated_is_told_of_each_for_itself() {
    let hook = Hook::start();
    let site = Site::new().unwrap();
    let rule = |name: &str| {
        format!(
            "[[rule]]\nname = \"{name}\"\nwhen = 'headers(\"Subject\")[3] == \"x\"'\ndisposition = \"tag\"\n"
        )
    };
    let path = site.path().join("policy.toml");
    std::fs::write(&path, rule("fails-a") + &rule("fails-b")).unwrap();
    let section = hook.section("hook", "on = [\"policy-error\"]");
    let toml = site.defaults(&format!("{section}\n[policy]\nrules = {path:?}\n"));
    let daemon = site.start(&toml).unwrap();
    for _ in 0..2 {
        judge(&daemon, &mail("", "text"));
    }
    let told = hook.wait_for(2);
    assert_eq!(told.len(), 2, "{told:?}");
    for (told, name) in told.iter().zip(["fails-a", "fails-b"]) {
        assert_eq!(told["event"], "policy-error", "{told}");
        assert!(told.to_string().contains(&format!("The rule {name} could not be evaluated")), "{told}");
    }
    let log = daemon.log();
    for name in ["fails-a", "fails-b"] {
        let lines = log
            .lines()
            .filter(|line| line.contains("could not be evaluated; `mailward") && line.contains(name));
        assert_eq!(lines.count(), 1, "{log}");
    }
}
