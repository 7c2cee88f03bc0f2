//! mailward beside Debian's Sendmail: what docs/sendmail.md says, held by the real one.

use super::common::stdout;
use super::mta::smtp::crlf;
use super::mta::{self, Daemon, Delivered, PATIENCE, Sendmail, Smtp, Transaction, wait_until};
use super::netns;

/// A rule for each name that a recipient may have.
const BY_NAME: &str = r#"
[[rule]]
name = "held"
when = 'recipient.local == "held"'
disposition = "quarantine"

[[rule]]
name = "refused"
when = 'recipient.local == "refused"'
disposition = "reject"
reply = "100% not wanted, 50 %s of it"

[[rule]]
name = "later"
when = 'recipient.local == "later"'
disposition = "tempfail"
reply = "come back at 5 %"
"#;

/// Whether this is the process with a loopback of its own; else the test has run in such a one, or could not.
fn entered(test: &str) -> bool {
    if !mta::not_run::machine_ready(test) {
        return false;
    }
    // Out here, where the packages can be had; within it is there already.
    Sendmail::root().unwrap();
    netns::entered(&format!("sendmail::{test}"), &["192.0.2.7"], &[])
}

/// A Sendmail whose milter is a daemon out here, with these lines of configuration.
fn pair(config: &str, policy: &str) -> (Sendmail, Daemon) {
    let site = mta::Site::new().unwrap();
    let mut config = config.to_owned();
    if !policy.is_empty() {
        let file = site.path().join("policy.toml");
        std::fs::write(&file, policy).unwrap();
        config.push_str(&format!("\n[policy]\nrules = {:?}\n", file.display().to_string()));
    }
    let config = site.defaults(&config);
    let daemon = site.start(&config).unwrap();
    let sendmail = Sendmail::start(Some("/host/milter.sock"), "192.0.2.7 mx.sender.example\n", "").unwrap();
    sendmail.use_milter(&daemon.site().milter_socket()).unwrap();
    (sendmail, daemon)
}

fn send(to: &[&str], message: &str) -> Transaction {
    let mut smtp = Smtp::connect_to("192.0.2.7:25".parse().unwrap()).unwrap();
    smtp.command("EHLO mx.sender.example").unwrap();
    let sent = smtp.send("a@sender.example", to, &crlf(message)).unwrap();
    smtp.quit().unwrap();
    sent
}

/// The one mail that somebody got.
fn got(sendmail: &Sendmail, user: &str) -> Delivered {
    let first = || Ok(sendmail.mailbox(user)?.into_iter().next());
    wait_until(&format!("mail for {user}"), PATIENCE, first).unwrap()
}

const MAIL: &str = "From: Anna <a@sender.example>\nTo: alice@example.org\nSubject: lunch\nMessage-ID: <1@sender.example>\n\nHello\n";

#[test]
fn what_the_documentation_says_is_enough_for_mail_to_be_judged() {
    if !entered("what_the_documentation_says_is_enough_for_mail_to_be_judged") {
        return;
    }
    let sendmail = Sendmail::start(None, "192.0.2.7 mx.sender.example\n", "").unwrap();
    // Nothing listens yet: F=T.
    let sent = send(&["alice@example.org"], MAIL);
    assert_eq!((sent.mail.code, sent.taken()), (451, false), "{sent:?}");

    std::fs::copy(mta::daemon::binary().unwrap(), sendmail.host().join("mailward")).unwrap();
    let config = "state_dir = \"/var/lib/mailward\"\n[milter]\nlisten = [\"unix:/run/mailward/milter.sock\"]\nsocket_group = \"\"\n\
        [scanner.auth]\nenabled = false\n[scanner.urls]\nenabled = false\n[log]\nformat = \"json\"\n";
    std::fs::write(sendmail.host().join("mailward.toml"), config).unwrap();
    // What the unit does: its own user, RuntimeDirectory, StateDirectory.
    let begin = "set -e\ncd /\nuseradd --system mailward\ncp /host/mailward /usr/bin/mailward\nmkdir -p /etc/mailward\n\
        cp /host/mailward.toml /etc/mailward/\ninstall -d -o mailward -g mailward -m 0755 /run/mailward\n\
        install -d -o mailward -g mailward -m 0700 /var/lib/mailward\n\
        setsid setpriv --reuid mailward --regid mailward --clear-groups mailward serve >/host/mailward.log 2>&1 </dev/null &\n\
        for i in $(seq 300); do [ -S /run/mailward/milter.sock ] && exit 0; sleep 0.1; done; cat /host/mailward.log; exit 1";
    sendmail.told(begin).unwrap();
    let forged = MAIL.replace("Subject", "X-Mailward-Verdict: phish\nx-mailward-id: mine\nSubject");
    let sent = send(&["alice@example.org"], &forged);
    assert!(sent.taken(), "{sent:?}");
    let mail = got(&sendmail, "alice");
    let names: Vec<String> =
        mail.fields().iter().map(|f| f.split(':').next().unwrap_or_default().to_owned()).collect();
    let ours =
        ["Return-Path", "X-Mailward-Id", "X-Mailward-Verdict", "X-Mailward-Action", "X-Mailward-Score"];
    assert_eq!(names[..5], ours, "{names:?}");
    assert_eq!(names[6..], ["Received", "Date", "From", "To", "Subject", "Message-ID"], "{names:?}");
    assert_eq!(mail.values("X-Mailward-Verdict"), ["clean"], "the forged one is gone");

    // Header, log and journal say the same of it.
    let id = mail.value("X-Mailward-Id").unwrap();
    let text = sendmail.told(&format!("mailward audit show {id}")).unwrap();
    assert!(text.contains("192.0.2.7") && text.contains("mx.sender.example"), "{text}");
    let log = std::fs::read_to_string(sendmail.host().join("mailward.log")).unwrap();
    let line = log.lines().find(|line| line.contains("\"judged\"")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["id"], id.as_str());
    let queue_id = sent.end.unwrap().lines[0].split_whitespace().nth(1).unwrap().to_owned();
    assert_eq!(line["queue_id"], queue_id.as_str(), "the id that Sendmail told the sender");

    // sendmail(1): through the queue of the submission program to the MTA, a client on loopback.
    sendmail
        .told("printf 'To: bob@example.org\\nSubject: own\\n\\ntext\\n' | sendmail -t -f root@example.org")
        .unwrap();
    let mail = got(&sendmail, "bob");
    assert_eq!(mail.values("X-Mailward-Id").len(), 1, "{:?}", mail.fields());

    // A socket that others could replace is not asked.
    sendmail.told("chmod 0777 /run/mailward").unwrap();
    assert_eq!(send(&["alice@example.org"], MAIL).mail.code, 451);
    sendmail.told("chmod 0750 /run/mailward").unwrap();
    assert!(send(&["alice@example.org"], MAIL).taken(), "Sendmail runs as root and needs no group");
}

#[test]
fn answers_and_edits_reach_sendmail_as_they_were_meant() {
    if !entered("answers_and_edits_reach_sendmail_as_they_were_meant") {
        return;
    }
    let (sendmail, daemon) = pair("", BY_NAME);
    let refused = send(&["refused@example.org"], MAIL);
    assert_eq!(refused.last().code, 550, "{refused:?}");
    assert!(refused.last().text().contains("5.7.1 100% not wanted, 50 %s of it"), "{refused:?}");
    let later = send(&["later@example.org"], MAIL);
    assert_eq!(later.last().code, 451, "{later:?}");
    assert!(later.last().text().contains("come back at 5 %"), "{later:?}");
    assert!(send(&["held@example.org"], MAIL).taken());
    assert_eq!(stdout(&daemon, &["quarantine", "list"]).lines().count(), 2);

    // DELRCPT names a recipient as the client wrote it, and Sendmail finds it however that was.
    let forms = [
        "held@example.org",
        "HELD@EXAMPLE.ORG",
        "\"held\"@example.org",
        "@relay.example,@other.example:held@example.org",
        "held@[127.0.0.1]",
    ];
    for (n, form) in forms.iter().enumerate() {
        let mail = MAIL.replace("<1@", &format!("<form{n}@"));
        let sent = send(&["alice@example.org", form], &mail);
        assert!(sent.taken(), "{form}: {sent:?}");
        sendmail.wait_for_empty_queue().unwrap();
        assert_eq!(sendmail.mailbox("alice").unwrap().len(), n + 1, "{form}");
        for name in ["held", "HELD"] {
            assert_eq!(sendmail.mailbox(name).unwrap().len(), 0, "{form} was held and must not be delivered");
        }
    }
    // An alias is not expanded before the filter has had its say.
    sendmail.told("echo 'held: carol, dave' >>/etc/mail/aliases && newaliases").unwrap();
    assert!(send(&["alice@example.org", "held@example.org"], MAIL).taken());
    sendmail.wait_for_empty_queue().unwrap();
    let others = ["carol", "dave"].map(|name| sendmail.mailbox(name).unwrap().len());
    assert_eq!(others, [0, 0]);
    // A session of several messages, one refused in the midst.
    let mut smtp = Smtp::connect_to("192.0.2.7:25".parse().unwrap()).unwrap();
    smtp.command("EHLO mx.sender.example").unwrap();
    let message = crlf(MAIL);
    let codes = ["eve@example.org", "refused@example.org", "eve@example.org"]
        .map(|to| smtp.send("a@sender.example", &[to], &message).unwrap().last().code);
    assert_eq!(codes, [250, 550, 250]);
    smtp.quit().unwrap();
    sendmail.wait_for_empty_queue().unwrap();
    assert_eq!(sendmail.mailbox("eve").unwrap().len(), 2);
    let errors = daemon.get("/metrics").unwrap().1;
    let bad = errors.lines().filter(|l| l.starts_with("mailward_milter_errors_total") && !l.ends_with(" 0"));
    assert_eq!(bad.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn what_sendmail_tells_and_offers_is_all_that_mailward_needs() {
    if !entered("what_sendmail_tells_and_offers_is_all_that_mailward_needs") {
        return;
    }
    let (sendmail, daemon) = pair("[log]\nlevel = \"debug\"\n", "");
    let long = "x".repeat(900);
    let mail = MAIL.replace(
        "Subject: lunch",
        &format!("Subject:  two spaces\nX-Long: {long}\nX-Fold: a\n\tb\nX-Eight: Gr\u{fc}\u{df}e"),
    );
    assert!(send(&["alice@example.org"], &mail).taken());
    let delivered = got(&sendmail, "alice");
    assert_eq!(delivered.value("X-Long").as_deref(), Some(long.as_str()));
    assert_eq!(delivered.value("X-Fold").as_deref(), Some("a\n\tb"));
    assert_eq!(delivered.value("X-Eight").as_deref(), Some("Gr\u{fc}\u{df}e"));
    assert_eq!(delivered.value("Subject").as_deref(), Some(" two spaces"), "{:?}", delivered.fields());
    let id = delivered.value("X-Mailward-Id").unwrap();
    let record = stdout(&daemon, &["audit", "show", &id]);
    for told in ["192.0.2.7", "mx.sender.example", "mx.example.org", "MTA-v4"] {
        assert!(record.contains(&format!("\"{told}")), "{told}: {record}");
    }
    let log = daemon.wait_for_log("judged").unwrap();
    assert!(log.contains("queue_id=\""), "{log}");

    // mailward ends: what comes is put off.
    drop(daemon);
    let down = send(&["alice@example.org"], MAIL);
    assert_eq!(down.last().code, 451, "{down:?}");
}
