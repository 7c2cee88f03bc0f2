//! Mail that is made to cost: what it may cost is bounded.

use std::time::{Duration, Instant};

use super::common::{judge, rules, stdout, verify};
use super::milter_client::{MilterClient, Peer};
use super::mta::{Daemon, Site};

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

/// Acts on a terminal, or begins a line of its own.
fn acts(text: &str) -> Option<&str> {
    let bad = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{202e}' | '\u{200b}' | '\u{2028}')
    };
    text.lines().find(|line| line.contains(bad) || line.starts_with("<0>"))
}

#[test]
fn nothing_that_a_stranger_says_acts_on_the_terminal_of_who_asks_about_it() {
    const EVIL: &str = "\n<0>FORGED\r\n\u{1b}[31mX\u{7}\u{202e}Y\u{200b}\u{2028}Z\u{9b}2J\u{7f}%s\"'<b>&";
    let site = Site::new().unwrap();
    let rule = r#"rule Hold_This { meta: severity = "medium" score = 7 category = "spam" condition: true }"#;
    let toml =
        site.defaults("[log]\nlevel = \"debug\"\nformat = \"json\"\n") + &rules(&site, "hold.yar", rule);
    let daemon = site.start(&toml).unwrap();
    let with = |before: &str| format!("{before}{EVIL}");
    for user in [None, Some(with("user"))] {
        let (name, helo, mta) = (with("mx"), with("helo"), with("mx.example.org"));
        let peer = Peer { name, helo, mta, user, ..Peer::default() };
        let mut client = MilterClient::connect(&daemon.site().milter_socket(), &peer);
        client.envelope(
            &format!("<a{EVIL}@sender.example>\0SIZE={EVIL}"),
            &[format!("<alice{EVIL}@example.org>"), "<b@example.org>".to_owned()],
        );
        let encoded = data_encoding::BASE64.encode(EVIL.as_bytes());
        let odd = EVIL.replace(['\r', '\n'], "");
        let raw = format!(
            "From: \"=?utf-8?b?{encoded}?=\" <a@sender.example>\r\nSubject: =?utf-8?b?{encoded}?= {odd}\r\n\
             Message-ID: <{odd}@x>\r\nReceived: from {odd}\r\nList-Id: {odd}\r\nX-Spam-{odd}: x\r\n\
             Authentication-Results: mx.example.org; dkim=pass {odd}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/html; name=\"=?utf-8?b?{encoded}?=\"\r\n\r\n\
             <a href=\"http://evil.example/%0a%1b[31m{odd}\">http://bank.example{odd}</a>\r\n\
             --b\r\nContent-Disposition: attachment; filename*=utf-8''a%0a%3C0%3E%1b%5b31m%e2%80%ae.exe\r\n\r\nMZ\r\n--b--\r\n"
        );
        client.content(raw.as_bytes());
        client.macros(b'E', &[("i", &with("4ABC"))]);
        let answer = client.end();
        client.quit();
        for edit in answer.edits.iter().map(|edit| format!("{edit:?}")) {
            assert!(!edit.contains("\\r") && !edit.contains("\\u{1b}") && !edit.contains("\\n<0>"), "{edit}");
        }
    }
    let (listed, held) = (stdout(&daemon, &["audit", "list"]), stdout(&daemon, &["quarantine", "list"]));
    let mut told = vec![listed.clone(), held.clone()];
    for (list, ways) in [
        (&listed, vec![vec!["explain"], vec!["explain", "--json"], vec!["audit", "show"]]),
        (&held, vec![vec!["quarantine", "show"]]),
    ] {
        let ids: Vec<&str> = list.lines().skip(1).filter_map(|row| row.split_whitespace().next()).collect();
        assert!(!ids.is_empty(), "{list}");
        for id in ids {
            told.extend(ways.iter().map(|way| stdout(&daemon, &[way.as_slice(), &[id]].concat())));
        }
    }
    told.push(stdout(&daemon, &["audit", "export"]));
    told.push(stdout(&daemon, &["audit", "export", "--subject", "b@example.org"]));
    told.push(stdout(&daemon, &["audit", "events"]));
    told.push(daemon.log());
    for told in told {
        assert!(told.len() > 50, "{told}");
        assert_eq!(acts(&told), None, "{told}");
    }
    verify(&daemon);
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
