//! A DNS that is dead, slow or mad: that is an outcome of its own, the mail goes by `on_failure`, and nothing is
//! judged as if it had been looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::common::{judge, mail, stdout};
use super::mta::dns::{Answer, Question, text};
use super::mta::samples::eicar;
use super::mta::{self, Daemon, Dns, Options, Postfix, Site};

/// Somebody signed it, so that every method has something to look up.
const SIGNATURE: &str = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.example; s=s1; h=from;\r\n\
     \tbh=eDCyaw7m810RhFf0TmGWGkTYiT/1GwL4/PCOGIr3ew4=; b=AAAA\r\n";

type Handler = fn(&Question) -> Answer;

/// Ways to be no use.
const WRECKS: [(&str, Handler); 7] = [
    ("silent", |_| Answer::Silence),
    ("SERVFAIL", |_| Answer::Fail),
    ("nonsense", |_| Answer::Raw(vec![0xff; 64])),
    ("an empty packet", |_| Answer::Raw(Vec::new())),
    ("under another id", |_| Answer::OtherId(Box::new(Answer::NoName))),
    ("truncated over UDP and silent over TCP", |question| {
        if question.over_tcp { Answer::Silence } else { Answer::Truncated }
    }),
    ("too slow", |_| {
        std::thread::sleep(Duration::from_millis(1500));
        Answer::NoName
    }),
];

fn config(dns: &Dns, auth: &str) -> String {
    let tight = "timeout = \"500ms\"\nattempts = 1\n[scanner.auth]\ntimeout = \"2s\"\n";
    format!("{}{tight}{auth}\n[limits]\ndeadline = \"20s\"\n", dns.section())
}

/// The newest record, and how it is told.
fn newest(daemon: &Daemon) -> (Value, String) {
    let listed = stdout(daemon, &["audit", "list", "--limit", "1"]);
    let id = listed.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    let object = serde_json::from_str(&stdout(daemon, &["explain", "--json", id])).unwrap();
    (object, stdout(daemon, &["explain", id]))
}

fn signed(subject: &str, body: &str) -> Vec<u8> {
    [SIGNATURE.as_bytes(), &mail(subject, body)].concat()
}

fn header(record: &Value, name: &str) -> String {
    let fields = record["plan"]["headers"].as_array().unwrap();
    let field = fields.iter().find(|field| field["name"] == name);
    field.unwrap_or_else(|| panic!("no {name}: {fields:#?}"))["value"].as_str().unwrap().to_owned()
}

/// Mail is judged on a DNS that is no use: in bounded time, with its own outcome, and by all else.
fn says_so(what: &str, dns: &Dns) {
    let daemon = Daemon::start(&config(dns, "")).unwrap();
    let begun = Instant::now();
    let answer = judge(&daemon, &signed("plain", "text"));
    assert!(begun.elapsed() < Duration::from_secs(15), "{what}: {:?}", begun.elapsed());
    assert_eq!(answer.word, "accept", "{what}: nobody failed, and on_failure is ignore");
    let (record, text) = newest(&daemon);
    let unknown = json!("temperror");
    assert_eq!(
        record["auth"],
        json!({"spf": unknown, "dkim": unknown, "dmarc": unknown, "arc": "none"}),
        "{what}: {text}"
    );
    assert_eq!(record["coverage"]["auth"], "failed(temperror)", "{what}: {text}");
    assert_eq!(record["findings"], json!([]), "{what}: {text}");
    let coverage = header(&record, "X-Mailward-Coverage");
    assert!(coverage.starts_with("auth=failed(temperror);"), "{what}: {coverage}");
    let field = header(&record, "Authentication-Results");
    for method in ["spf", "dkim", "dmarc", "iprev"] {
        assert!(field.contains(&format!("{method}=temperror")), "{what}: {method}: {field}");
    }
    assert!(!field.contains("=fail") && !field.contains("=pass"), "{what}: {field}");
    let line = daemon.wait_for_log("judged").unwrap();
    let told = "auth=\"spf=temperror dkim=temperror dmarc=temperror arc=none author=sender.example\"";
    assert!(line.contains(told) && line.contains("auth=failed(temperror);"), "{what}: {line}");
    assert!(daemon.get("/metrics").unwrap().1.contains("mailward_degraded_total 1"), "{what}");

    // What needs no DNS is found all the same.
    assert!(
        judge(&daemon, &signed("a virus", &eicar())).word.starts_with("550 5.7.1 refused as malware"),
        "{what}"
    );
}

#[test]
fn a_dns_that_is_no_use_is_an_outcome_of_its_own_and_hides_nothing_else() {
    std::thread::scope(|scope| {
        for (what, handler) in WRECKS {
            scope.spawn(move || says_so(what, &Dns::answering(handler).unwrap()));
        }
    });
}

#[test]
fn a_dns_where_nobody_listens_is_an_outcome_of_its_own() {
    // The ports that one had who has gone.
    let (udp, tcp) = loop {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        if let Ok(udp) = std::net::UdpSocket::bind(tcp.local_addr().unwrap()) {
            break (udp, tcp);
        }
    };
    let section = format!("[dns]\nservers = [\"{}\"]\n", udp.local_addr().unwrap());
    drop((udp, tcp));
    let daemon = Daemon::start(&section).unwrap();
    assert_eq!(judge(&daemon, &signed("plain", "text")).word, "accept");
    let (record, text) = newest(&daemon);
    assert_eq!(record["coverage"]["auth"], "failed(temperror)", "{text}");
    assert_eq!(record["auth"]["dmarc"], "temperror", "{text}");
}

#[test]
fn a_dns_that_takes_its_time_is_waited_for() {
    let dns = Dns::answering(|question| {
        std::thread::sleep(Duration::from_millis(60));
        match question.text().as_str() {
            "sender.example TXT" => records(question, "v=spf1 ip4:192.0.2.7 -all"),
            "_dmarc.sender.example TXT" => records(question, "v=DMARC1; p=reject"),
            _ => Answer::NoName,
        }
    })
    .unwrap();
    let daemon = Daemon::start(&dns.section()).unwrap();
    judge(&daemon, &mail("slow", "text"));
    let (record, text) = newest(&daemon);
    assert_eq!(
        (&record["auth"]["spf"], &record["auth"]["dmarc"]),
        (&json!("pass"), &json!("pass")),
        "{text}"
    );
}

fn records(question: &Question, value: &str) -> Answer {
    Answer::Records(vec![(question.name.clone(), question.kind, text(value.as_bytes()))])
}

#[test]
fn on_failure_says_what_mail_is_worth_that_could_not_be_verified() {
    let dns = Dns::answering(|_| Answer::Fail).unwrap();
    let site = Site::new().unwrap();
    let toml = |word: &str| config(&dns, &format!("on_failure = \"{word}\"\n"));
    let with =
        |daemon: &Daemon, word: &str| daemon.write_config(&daemon.site().defaults(&toml(word))).unwrap();
    let first = site.defaults(&toml("ignore"));
    let daemon = site.start(&first).unwrap();
    for (word, answer, disposition, rule) in [
        ("ignore", "accept", "accept", "accept"),
        ("tag", "accept", "tag", "incomplete"),
        ("tempfail", "451 4.7.1 ", "tempfail", "incomplete"),
        ("quarantine", "discard", "quarantine", "incomplete"),
        ("reject", "550 5.7.1 ", "reject", "incomplete"),
    ] {
        with(&daemon, word);
        stdout(&daemon, &["reload"]);
        let said = judge(&daemon, &mail(&format!("unknown sender {word}"), "text")).word;
        assert!(said.starts_with(answer), "{word}: {said}");
        let (record, text) = newest(&daemon);
        assert_eq!(
            (&record["disposition"], &record["rule"], &record["coverage"]["auth"]),
            (&json!(disposition), &json!(rule), &json!("failed(temperror)")),
            "{word}: {text}"
        );
        // Nobody is accused: neither in the reply nor in the explanation is there a word of failing DMARC.
        assert!(!said.contains("DMARC") || said.contains("DNS"), "{word}: {said}");
        assert!(text.contains("the DNS gave no answer"), "{word}: {text}");
    }
}

#[test]
fn what_was_put_off_while_the_dns_was_dead_is_verified_when_it_comes_again() {
    if !mta::not_run::postfix_ready("what_was_put_off_while_the_dns_was_dead_is_verified_when_it_comes_again")
    {
        return;
    }
    let dead = Arc::new(AtomicBool::new(true));
    let is_dead = Arc::clone(&dead);
    let dns = Dns::answering(move |question| match question.text().as_str() {
        _ if is_dead.load(Ordering::Relaxed) => Answer::Fail,
        "sender.example TXT" => records(question, "v=spf1 ip4:127.0.0.1 -all"),
        "_dmarc.sender.example TXT" => records(question, "v=DMARC1; p=reject"),
        _ => Answer::NoName,
    })
    .unwrap();
    let daemon = Daemon::start(&config(&dns, "on_failure = \"tempfail\"\n")).unwrap();
    let postfix = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
    let send = || {
        let to = ["alice@example.org"];
        mta::smtp::send(postfix.smtp_port(), "a@sender.example", &to, &mail("patience", "text")).unwrap()
    };
    let put_off = send();
    let reply = put_off.last().to_string();
    assert!(reply.starts_with("451 4.7.1 "), "{reply}");
    assert!(postfix.mailbox("alice@example.org").unwrap().is_empty());

    dead.store(false, Ordering::Relaxed);
    assert!(send().taken());
    let mail = &postfix.wait_for_mail("alice@example.org", 1).unwrap()[0];
    let field = mail.value("Authentication-Results").unwrap();
    assert!(field.contains("spf=pass") && field.contains("dmarc=pass"), "{field}");
    assert!(mail.value("X-Mailward-Coverage").unwrap().starts_with("auth=ok;"), "{:#?}", mail.fields());
}
