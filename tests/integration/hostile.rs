//! Mail that is made to cost: what it may cost is bounded.

use std::time::{Duration, Instant};

use super::common::{judge, stdout};
use super::mta::Daemon;

#[test]
fn a_long_header_over_many_small_parts_is_read_once() {
    let daemon = Daemon::start("").unwrap();
    let mut raw = b"Subject: outer\r\nContent-Type: message/rfc822\r\n\r\n".to_vec();
    raw.extend(b"X-Long: a\r\n".iter());
    raw.extend(b" folded\r\n".repeat(900_000));
    raw.extend(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    raw.extend(b"--b\r\nContent-Type: a/b\r\n\r\nx\r\n".repeat(990));
    raw.extend(b"--b--\r\n");
    let begin = Instant::now();
    let answer = judge(&daemon, &raw);
    // It took minutes once. The bound is generous: what counts is that it does not grow with the parts.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?} {answer:?}", begin.elapsed());
    assert!(stdout(&daemon, &["audit", "list"]).lines().count() == 2);
}

#[test]
fn a_small_mail_cannot_fill_the_journal() {
    let daemon = Daemon::start("").unwrap();
    let subject = "=F0=9F=98=80".repeat(200);
    let mut raw = b"Subject: outer\r\nContent-Type: message/rfc822\r\n\r\n".to_vec();
    raw.extend(format!("Subject: =?utf-8?Q?{subject}?=\r\n").bytes());
    raw.extend(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    raw.extend(b"--b\r\nContent-Type: a/b\r\n\r\nx\r\n".repeat(200));
    raw.extend(b"--b--\r\n");
    let journal = || -> u64 {
        let folder = daemon.site().state_dir().join("audit");
        let files = std::fs::read_dir(folder).unwrap();
        files
            .map(|f| f.unwrap())
            .filter(|f| f.path().extension().is_some_and(|e| e == "log"))
            .map(|f| f.metadata().unwrap().len())
            .sum()
    };
    let before = journal();
    judge(&daemon, &raw);
    let grown = journal() - before;
    assert!(
        grown < 2 * raw.len() as u64 + 32_768,
        "{grown} bytes of journal for {} bytes of mail",
        raw.len()
    );
    let exported = stdout(&daemon, &["audit", "export"]);
    assert!(exported.contains("left_out"), "what was left out is said: {exported}");
}

#[test]
fn thousands_of_forged_fields_are_refused_instead_of_edited() {
    let daemon = Daemon::start("").unwrap();
    let mut raw = b"X-Spam-Flag: NO\r\n".repeat(5000);
    raw.extend(b"Subject: forged\r\n\r\ntext\r\n");
    let answer = judge(&daemon, &raw);
    assert!(
        answer.word.starts_with("552 5.3.4 message carries too many forged filter header fields"),
        "{answer:?}"
    );
    assert!(answer.edits.is_empty());
    let few = [b"X-Spam-Flag: NO\r\n".repeat(50).as_slice(), b"Subject: forged\r\n\r\ntext\r\n"].concat();
    let answer = judge(&daemon, &few);
    assert!(answer.word == "accept" || answer.word == "continue", "{answer:?}");
    assert_eq!(answer.edits.iter().filter(|e| format!("{e:?}").contains("ChangeHeader")).count(), 50);
}
