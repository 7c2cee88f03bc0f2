//! The DNS, faulty, with each `on_failure`: for authentication and for block lists. One that refuses is in `auth_outage`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{judge, mail, newest, quarantine, stdout, verify};
use crate::mta::dns::{Answer, Question};
use crate::mta::{self, Daemon, Dns};
use crate::urls::html;

type Handler = fn(&Question) -> Answer;

/// The faults that a server can have.
const FAULTS: [(&str, Handler); 6] = [
    ("hangs", |_| Answer::Silence),
    ("SERVFAIL", |_| Answer::Fail),
    ("trickles", |question| over_tcp(question, Answer::Trickle(Box::new(Answer::NoName)))),
    ("garbage", |_| Answer::Raw(vec![0xff; 512])),
    ("half-closed", |question| over_tcp(question, Answer::Closed)),
    // As much as there can be, announced and not all sent.
    ("huge", |question| over_tcp(question, Answer::Announced(u16::MAX, 60_000))),
];

const WORTHS: [(&str, &str, &str); 5] = [
    ("ignore", "accept", "accept"),
    ("tag", "accept", "tag"),
    ("tempfail", "451 4.7.1 ", "tempfail"),
    ("quarantine", "discard", "quarantine"),
    ("reject", "550 5.7.1 ", "reject"),
];

/// UDP sends who asks to TCP, where the fault is.
fn over_tcp(question: &Question, then: Answer) -> Answer {
    if question.over_tcp { then } else { Answer::Truncated }
}

fn record(daemon: &Daemon) -> Value {
    serde_json::from_str(&stdout(daemon, &["explain", "--json", &newest(daemon)])).unwrap()
}

/// All faults for one `on_failure`, each behind one message for which the DNS is well.
fn through_all(
    config: &(dyn Fn(&Dns, &str) -> String + Sync),
    raw: &(dyn Fn(&str) -> Vec<u8> + Sync),
    look: &(dyn Fn(&Value, &str, bool) + Sync),
    worth: (&str, &str, &str),
) {
    let (word, answer, disposition) = worth;
    let fault: Arc<Mutex<Option<Handler>>> = Arc::default();
    let now = Arc::clone(&fault);
    let dns = Dns::answering(move |question| {
        let handler = *now.lock().unwrap();
        handler.map_or(Answer::NoName, |handler| handler(question))
    })
    .unwrap();
    let daemon = Daemon::start(&config(&dns, word)).unwrap();
    let faults = if mta::not_run::effort(0, 1) == 1 { &FAULTS[..] } else { &FAULTS[..2] };
    let mut held = 0;
    for (name, handler) in faults {
        let cell = format!("{name} {word}");
        *fault.lock().unwrap() = Some(*handler);
        let begin = Instant::now();
        let said = judge(&daemon, &raw(&cell)).word;
        assert!(begin.elapsed() < Duration::from_secs(15), "{cell}: {:?}", begin.elapsed());
        assert!(said.starts_with(answer), "{cell}: {said}: {}", daemon.log());
        let found = record(&daemon);
        assert_eq!(found["disposition"], disposition, "{cell}: {found}");
        look(&found, &cell, true);
        held += usize::from(word == "quarantine");
        assert_eq!(quarantine(&daemon).len(), held, "{cell}");
        let ready = daemon.get("/readyz").unwrap();
        assert_eq!(ready.0, 200, "{cell}");
        *fault.lock().unwrap() = None;
        // A server that was silent is asked last for a while; it is the only one.
        let said = judge(&daemon, &raw(&format!("{cell} then well"))).word;
        assert_eq!(said, "accept", "{cell}: {}", daemon.log());
        look(&record(&daemon), &format!("{cell}, then well"), false);
    }
    // What was accepted although it could not be looked at whole is counted; what was not accepted is not.
    let degraded = if answer == "accept" { faults.len() } else { 0 };
    let metrics = daemon.get("/metrics").unwrap().1;
    assert!(metrics.contains(&format!("mailward_degraded_total {degraded}\n")), "{word}: {metrics}");
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    verify(&daemon);
}

fn matrix(
    config: impl Fn(&Dns, &str) -> String + Sync,
    raw: impl Fn(&str) -> Vec<u8> + Sync,
    look: impl Fn(&Value, &str, bool) + Sync,
) {
    std::thread::scope(|scope| {
        for worth in WORTHS {
            let (config, raw, look) = (&config, &raw, &look);
            scope.spawn(move || through_all(config, raw, look, worth));
        }
    });
}

const TIGHT: &str = "timeout = \"500ms\"\nattempts = 1\ncache = 0\n";

#[test]
fn whatever_the_dns_does_to_authentication_the_answer_is_what_is_configured() {
    let config = |dns: &Dns, word: &str| {
        format!("{}{TIGHT}[scanner.auth]\ntimeout = \"3s\"\non_failure = \"{word}\"\n", dns.section())
    };
    let raw = |cell: &str| {
        // A domain for each, so that nothing is known of it.
        let text = String::from_utf8(mail(cell, "text")).unwrap();
        text.replace(
            "sender.example",
            &format!("{}.sender.example", cell.to_ascii_lowercase().replace(' ', "-")),
        )
        .into_bytes()
    };
    matrix(config, raw, |record, cell, is_faulty| {
        // A DNS that knows no name at all is well: the client has none then, which is told.
        let wanted = if is_faulty { json!("failed(temperror)") } else { json!("found") };
        assert_eq!(record["coverage"]["auth"], wanted, "{cell}: {record}");
        let symbols: Vec<&Value> =
            record["findings"].as_array().unwrap().iter().map(|finding| &finding["symbol"]).collect();
        assert_eq!(symbols.contains(&&json!("IPREV_FAIL")), !is_faulty, "{cell}: {record}");
        let dmarc = if is_faulty { "temperror" } else { "none" };
        assert_eq!(record["auth"]["dmarc"], dmarc, "{cell}: {record}");
    });
}

#[test]
fn whatever_the_dns_does_to_block_lists_the_answer_is_what_is_configured() {
    let config = |dns: &Dns, word: &str| {
        format!(
            "{}{TIGHT}[scanner.auth]\nenabled = false\n[policy]\non_skipped = \"{word}\"\n[scanner.urls]\non_failure = \"{word}\"\n\
             [scanner.urls.lookups]\nblocklists = [\"dbl\"]\ntimeout = \"2s\"\n",
            dns.section()
        )
    };
    let raw = |cell: &str| {
        html(
            &cell.replace([' ', ','], "-"),
            &format!("http://{}.test/x", cell.to_ascii_lowercase().replace([' ', ','], "-")),
        )
    };
    matrix(config, raw, |record, cell, is_faulty| {
        let coverage = record["coverage"]["urls"].as_str().unwrap();
        // What could not be asked is never as good as asked.
        assert_eq!(coverage != "ok", is_faulty, "{cell}: {record}");
    });
}
