//! Users move mail; rspamd learns, and mailward has it on record.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::common::{newest, stdout, verify};
use super::super::mta::dovecot::Options;
use super::super::mta::{PATIENCE, Rspamd, wait_until};
use super::*;

/// Enough words for rspamd to learn from.
const WORDS: &str = "Cheap watches for everybody, order them today without any delay, the offer of our shop ends at \
                     midnight and will never return; click here and win a journey to the moon";

fn mail(subject: &str, more: &str) -> Vec<u8> {
    let id = subject.replace(' ', "-");
    format!(
        "{more}From: Anna <a@sender.example>\r\nTo: alice@example.org\r\nSubject: {subject}\r\n\
         Message-ID: <{id}@sender.example>\r\n\r\n{WORDS} {subject}\r\n"
    )
    .into_bytes()
}

/// `[scanner.rspamd]` by which rspamd learns; what it would judge is left out.
fn only_taught(rspamd: &Rspamd) -> String {
    let nobody = format!("http://127.0.0.1:{}", mta::free_port().unwrap());
    format!("{}on_failure = \"ignore\"\n", rspamd.section(&nobody))
}

/// What rspamd has learned, as its Redis has it: spam, ham.
fn learned(rspamd: &Rspamd) -> (u64, u64) {
    let of = |count: &str| {
        let mut stream = UnixStream::connect(rspamd.redis_socket()).unwrap();
        stream.write_all(format!("HGET RS {count}\r\nQUIT\r\n").as_bytes()).unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).unwrap();
        told.lines().nth(1).and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    (of("learns_spam"), of("learns_ham"))
}

/// Waits until so many reports are on record; the newest.
fn reports(daemon: &Daemon, count: usize) -> Value {
    wait_until(&format!("{count} reports"), PATIENCE, || {
        let told = stdout(daemon, &["audit", "events", "--reports", "--json"]);
        let told: Value = serde_json::from_str(&told)?;
        let events = told["events"].as_array().cloned().unwrap_or_default();
        assert!(events.len() <= count, "{events:?}");
        Ok((events.len() == count).then(|| events[0]["reported"].clone()))
    })
    .unwrap()
}

#[test]
fn moving_mail_into_junk_and_out_of_it_teaches_rspamd_and_is_on_record() {
    let test = "moving_mail_into_junk_and_out_of_it_teaches_rspamd_and_is_on_record";
    if !ready(test) || !mta::not_run::rspamd_ready(test) {
        return;
    }
    let rspamd = Rspamd::start().unwrap();
    let chain = Chain::start(&only_taught(&rspamd), &Options::default());
    let before = learned(&rspamd);
    chain.send("alice", &mail("an offer", ""));
    let id = newest(&chain.daemon);
    let mut imap = chain.dovecot.wait_for_mail("alice", "INBOX", 1).unwrap();
    imap.move_to(1, "Junk").unwrap();
    let report = reports(&chain.daemon, 1);
    let said = |report: &Value, key: &str| report[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        ["kind", "id", "user", "mailbox", "by", "detail"].map(|key| said(&report, key)),
        ["spam", &id, "alice@example.org", "Junk", "token dovecot", "learned as spam"]
    );
    assert_eq!(learned(&rspamd), (before.0 + 1, before.1));
    let told = stdout(&chain.daemon, &["explain", &id]);
    let line = told.lines().find(|line| line.contains("reported-spam")).unwrap_or_else(|| panic!("{told}"));
    assert!(line.ends_with("by alice@example.org (token dovecot): moved to Junk; learned as spam"), "{line}");

    // It was none.
    imap.select("Junk").unwrap();
    imap.move_to(1, "INBOX").unwrap();
    let report = reports(&chain.daemon, 2);
    assert_eq!((said(&report, "kind"), said(&report, "mailbox")), ("ham".to_owned(), "INBOX".to_owned()));
    assert_eq!(said(&report, "detail"), "learned as ham");
    let after = learned(&rspamd);
    assert_eq!(after.1, before.1 + 1);

    // Who throws spam away says nothing of it; nor does a move among other folders.
    imap.select("INBOX").unwrap();
    imap.move_to(1, "Trash").unwrap();
    chain.send("alice", &mail("spam", ""));
    let mut imap = chain.dovecot.wait_for_mail("alice", "Junk", 1).unwrap();
    imap.move_to(1, "Trash").unwrap();

    // Any message can be put into a mailbox, with any field; one that mailward knows better is not believed.
    imap.append("INBOX", &mail("forged", &format!("X-Mailward-Id: {id}\r\n"))).unwrap();
    imap.select("INBOX").unwrap();
    imap.move_to(1, "Junk").unwrap();
    let report = reports(&chain.daemon, 3);
    assert_eq!(
        (report["id"].as_str(), report["message_id"].as_str()),
        (None, Some("<forged@sender.example>"))
    );
    let detail = said(&report, "detail");
    assert!(detail.starts_with(&format!("rspamd was not taught: it claims to be {id}, and")), "{detail}");
    assert_eq!(stdout(&chain.daemon, &["explain", &id]).matches("reported-").count(), 2);
    assert_eq!(learned(&rspamd), after);
    let metrics = chain.daemon.get("/metrics").unwrap().1;
    for line in [
        "mailward_reports_total{kind=\"spam\",result=\"learned\"} 1",
        "mailward_reports_total{kind=\"ham\",result=\"learned\"} 1",
        "mailward_reports_total{kind=\"spam\",result=\"not-taught\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    assert!(!chain.dovecot.log().contains("Error"), "{}", chain.dovecot.log());
    verify(&chain.daemon);
}

#[test]
fn whatever_becomes_of_a_report_the_mail_is_moved() {
    if !ready("whatever_becomes_of_a_report_the_mail_is_moved") {
        return;
    }
    let mut chain = Chain::start("[report]\nper_user = 2\n", &Options::default());
    for n in 1..=5 {
        chain.send("alice", &mail(&format!("number {n}"), ""));
        chain.dovecot.wait_for_mail("alice", "INBOX", n).unwrap();
    }
    let mut imap = chain.dovecot.log_in("alice").unwrap();
    imap.select("INBOX").unwrap();
    for _ in 0..4 {
        imap.move_to(1, "Junk").unwrap();
    }
    // Two are on record, without an rspamd to be taught; those beyond are counted.
    let report = reports(&chain.daemon, 2);
    assert!(report["detail"].as_str().unwrap().contains("[scanner.rspamd] is not set up"), "{report}");
    let metrics = chain.daemon.get("/metrics").unwrap().1;
    assert!(metrics.contains("mailward_reports_total{kind=\"spam\",result=\"limited\"} 2"), "{metrics}");
    chain.dovecot_says("too many reports of alice@example.org in the last hour");

    // The daemon is gone.
    chain.daemon.kill().unwrap();
    let begin = Instant::now();
    imap.move_to(1, "Junk").unwrap();
    assert!(begin.elapsed() < Duration::from_secs(20), "a mail program waited {:?}", begin.elapsed());
    assert_eq!((imap.select("INBOX").unwrap(), imap.select("Junk").unwrap()), (0, 5));
    chain.dovecot_says(&format!("no daemon answers on 127.0.0.1:{}", chain.port));
    chain.daemon.start_again().unwrap();

    // It hangs: nobody waits for it longer than a few seconds.
    chain.daemon.signal("STOP").unwrap();
    let begin = Instant::now();
    imap.move_to(1, "INBOX").unwrap();
    let waited = begin.elapsed();
    chain.daemon.signal("CONT").unwrap();
    assert!(waited < Duration::from_secs(20), "a mail program waited {waited:?}");
    chain.dovecot_says("the daemon did not answer within 5 s");
}

impl Chain {
    /// Waits for a line in Dovecot's log.
    fn dovecot_says(&self, text: &str) {
        let said = wait_until(text, PATIENCE, || Ok(self.dovecot.log().contains(text).then_some(())));
        said.unwrap_or_else(|error| panic!("{error}: {}", self.dovecot.log()));
    }
}
