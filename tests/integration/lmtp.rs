//! The daemon behind a real Postfix: by LMTP in front of the mailboxes, and by SMTP as a filter behind the queue.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::mta::samples::eicar;
use super::mta::{self, Daemon, Dns, Options, PATIENCE, Postfix, Service, Smtp, free_port, wait_until};

/// Postfix' own LMTP server that takes everything, as the one that delivers.
pub struct Sink {
    child: Child,
    folder: tempfile::TempDir,
}

impl Sink {
    pub fn start(port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dump = format!("{}/%M.", folder.path().display());
        // smtp-sink wants to be told whose files it writes when it is started as root.
        let mut command = Command::new("/usr/sbin/smtp-sink");
        if nix::unistd::Uid::effective().is_root() {
            command.args(["-u", "root"]);
        }
        let address = format!("inet:127.0.0.1:{port}");
        let child = command.args(["-L", "-d", &dump, &address, "10"]).stdin(Stdio::null()).spawn().unwrap();
        wait_until("smtp-sink", PATIENCE, || Ok(Smtp::connect(port).is_ok().then_some(()))).unwrap();
        Self { child, folder }
    }

    /// What was taken to its end.
    pub fn taken(&self) -> Vec<String> {
        let files: Vec<PathBuf> =
            std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
        let read = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
        read.filter(|text| text.contains("Subject:")).collect()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn message(subject: &str, body: &str) -> Vec<u8> {
    format!(
        "From: a@sender.example\r\nTo: alice@example.org\r\nDate: Sat, 21 Nov 2026 00:00:00 +0000\r\n\
         Message-ID: <{subject}@sender.example>\r\nSubject: {subject}\r\n\r\n{body}\r\n"
    )
    .into_bytes()
}

/// As a stranger from 192.0.2.7.
fn hand_in(postfix: &Postfix, to: &[&str], message: &[u8]) {
    let mut smtp = Smtp::hello(postfix.smtp_port(), "test").unwrap();
    smtp.pretend("NAME=mail.sender.example ADDR=192.0.2.7", "mail.sender.example").unwrap();
    let sent = smtp.send("a@sender.example", to, message).unwrap();
    assert!(sent.taken(), "{:?}", smtp.transcript);
}

fn dns() -> Dns {
    Dns::serving("sender.example TXT v=spf1 ip4:192.0.2.7 -all\n").unwrap()
}

fn daemon(port: u16, dns: &Dns, lmtp: &str) -> Daemon {
    Daemon::start(&format!(
        "[dns]\nservers = [\"{}\"]\n[lmtp]\nlisten = [\"inet:127.0.0.1:{port}\"]\n\
         trusted = [\"127.0.0.1\"]\nhelo = \"mx.example.org\"\n{lmtp}",
        dns.address()
    ))
    .unwrap()
}

#[test]
fn mail_for_mailboxes_passes_by_lmtp_with_the_client_that_postfix_knows() {
    if !mta::not_run::postfix_ready("mail_for_mailboxes_passes_by_lmtp_with_the_client_that_postfix_knows") {
        return;
    }
    let (port, next, dns) = (free_port().unwrap(), free_port().unwrap(), dns());
    let sink = Sink::start(next);
    let daemon = daemon(port, &dns, &format!("relay = \"inet:127.0.0.1:{next}\"\n"));
    let mut options = Options::default()
        .set("virtual_transport", format!("lmtp:inet:127.0.0.1:{port}"))
        .set("lmtp_send_xforward_command", "yes");
    options.master_cf.push("lmtp unix - - n - - lmtp".into());
    let postfix = Postfix::start(&options).unwrap();
    hand_in(&postfix, &["alice@example.org", "bob@example.org"], &message("hello", ".\r\n..two"));
    postfix.wait_for_empty_queue().unwrap();
    let taken = sink.taken();
    assert_eq!(taken.len(), 1, "{taken:?}");
    for expected in [
        "X-Rcpt-Args: <alice@example.org>",
        "X-Mailward-Verdict: clean",
        "Authentication-Results: mx.example.org;",
        "spf=pass",
        "by mx.example.org with LMTP id ",
        "\n.\n..two\n",
    ] {
        assert!(taken[0].contains(expected), "{expected}: {}", taken[0]);
    }
    // Postfix quotes what the next server said, and the id under which all of it is on record.
    let line = postfix.wait_for_log("status=sent (250 ").unwrap();
    assert!(line.contains("(id "), "{line}");
    // What is held is no bounce.
    hand_in(&postfix, &["alice@example.org"], &message("virus", &eicar()));
    postfix.wait_for_empty_queue().unwrap();
    assert_eq!(sink.taken().len(), 1);
    let held = daemon.cli(&["quarantine", "list"]).unwrap();
    assert!(String::from_utf8_lossy(&held.stdout).contains("alice@example.org"), "{held:?}");
    // Down: it waits in the queue, and is delivered once when the server is back.
    drop(sink);
    hand_in(&postfix, &["alice@example.org"], &message("later", "text"));
    let line = postfix.wait_for_log("status=deferred").unwrap();
    assert!(line.contains("451 4.4.1 the next mail server cannot be reached"), "{line}");
    let sink = Sink::start(next);
    postfix.flush().unwrap();
    postfix.wait_for_empty_queue().unwrap();
    assert_eq!(sink.taken().len(), 1);
}

#[test]
fn a_filter_behind_the_queue_hands_mail_back_once() {
    if !mta::not_run::postfix_ready("a_filter_behind_the_queue_hands_mail_back_once") {
        return;
    }
    let (port, dns) = (free_port().unwrap(), dns());
    let mut options = Options::default().set("smtp_send_xforward_command", "yes");
    let filter = format!("smtp:[127.0.0.1]:{port}");
    options.services[0].options.push(("content_filter".into(), filter));
    options.services.push(Service::new(
        "back",
        &[
            ("content_filter", ""),
            ("smtpd_milters", ""),
            ("mynetworks", "127.0.0.0/8"),
            ("smtpd_relay_restrictions", "permit_mynetworks, reject"),
            ("receive_override_options", "no_milters,no_header_body_checks,no_unknown_recipient_checks"),
            ("smtpd_authorized_xforward_hosts", "127.0.0.0/8"),
        ],
    ));
    let postfix = Postfix::start(&options).unwrap();
    let back = postfix.port("back").unwrap();
    let relay = format!("relay = \"inet:127.0.0.1:{back}\"\nrelay_protocol = \"smtp\"\n");
    let daemon = daemon(port, &dns, &relay);
    hand_in(&postfix, &["alice@example.org", "bob@example.org"], &message("hello", ".\r\n..two"));
    let delivered = postfix.wait_for_mail("alice@example.org", 1).unwrap();
    postfix.wait_for_mail("bob@example.org", 1).unwrap();
    postfix.wait_for_empty_queue().unwrap();
    let text = String::from_utf8_lossy(&delivered[0].bytes).into_owned();
    assert!(text.contains("with ESMTP id ") && text.ends_with("\n.\n..two\n"), "{text}");
    assert_eq!(delivered[0].value("X-Mailward-Verdict").as_deref(), Some("clean"));
    assert!(delivered[0].value("Authentication-Results").is_some_and(|r| r.contains("spf=pass")), "{text}");
    hand_in(&postfix, &["alice@example.org"], &message("virus", &eicar()));
    postfix.wait_for_empty_queue().unwrap();
    assert_eq!(postfix.mailbox("alice@example.org").unwrap().len(), 1);
    let held = daemon.cli(&["quarantine", "list"]).unwrap();
    assert!(String::from_utf8_lossy(&held.stdout).contains("alice@example.org"), "{held:?}");
    assert_eq!(postfix.mailbox("bob@example.org").unwrap().len(), 1);
}

#[test]
fn without_word_of_the_client_nothing_is_judged_by_one() {
    if !mta::not_run::postfix_ready("without_word_of_the_client_nothing_is_judged_by_one") {
        return;
    }
    let (port, next, dns) = (free_port().unwrap(), free_port().unwrap(), dns());
    let sink = Sink::start(next);
    let _daemon = daemon(port, &dns, &format!("relay = \"inet:127.0.0.1:{next}\"\n"));
    let mut client = Smtp::connect(port).unwrap();
    for line in ["LHLO mx.example.org", "MAIL FROM:<a@sender.example>", "RCPT TO:<alice@example.org>"] {
        assert_eq!(client.command(line).unwrap().code, 250, "{line}");
    }
    assert_eq!(client.command("DATA").unwrap().code, 354);
    assert_eq!(client.content(&message("hello", "text")).unwrap().code, 250);
    let taken = sink.taken();
    assert!(taken[0].contains("auth=skipped(no-client)"), "{}", taken[0]);
    // What would be judged by a client is not named, and nobody is accused.
    let results: Vec<String> = mta::delivered::fields(taken[0].as_bytes())
        .into_iter()
        .filter(|field| field.starts_with("Authentication-Results:"))
        .collect();
    assert_eq!(
        results,
        ["Authentication-Results: mx.example.org; dkim=none; dmarc=none\n\theader.from=sender.example"]
    );
}

#[test]
fn whoever_comes_by_tcp_speaks_for_nobody_unless_he_is_named() {
    let (port, named, dns) = (free_port().unwrap(), free_port().unwrap(), dns());
    let nobody = Daemon::start(&format!("[lmtp]\nlisten = [\"inet:127.0.0.1:{port}\"]\n")).unwrap();
    let somebody = daemon(named, &dns, "");
    for (daemon, port, believed) in [(&nobody, port, false), (&somebody, named, true)] {
        let mut client = Smtp::connect(port).unwrap();
        let offered = client.command("LHLO mx.example.org").unwrap().text();
        assert_eq!((offered.contains("XFORWARD"), offered.contains("XCLIENT")), (believed, believed));
        let code = if believed { 250 } else { 550 };
        assert_eq!(client.command("XFORWARD ADDR=[UNAVAILABLE] SOURCE=LOCAL").unwrap().code, code);
        let code = if believed { 220 } else { 550 };
        assert_eq!(client.command("XCLIENT LOGIN=alice").unwrap().code, code);
        let told = if believed { "names this machine" } else { "nobody who comes by TCP is believed" };
        assert!(daemon.log().contains(told), "{}", daemon.log());
    }
}

/// What a client hears that says these lines one after the other.
fn heard(port: u16, said: &[&str]) -> Vec<String> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
    stream.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reply = |say: &str| {
        stream.get_mut().write_all(say.as_bytes()).unwrap();
        let mut line = String::from("250-");
        while line.as_bytes().get(3) == Some(&b'-') {
            line.clear();
            assert!(stream.read_line(&mut line).unwrap() > 0, "hung up after {say}");
        }
        line
    };
    [""].iter().chain(said).map(|say| reply(say)).collect()
}

#[test]
fn what_no_server_can_be_handed_is_held_and_its_record_says_why() {
    let (port, next, dns) = (free_port().unwrap(), free_port().unwrap(), dns());
    let daemon = daemon(port, &dns, &format!("relay = \"inet:127.0.0.1:{next}\"\n"));
    // Some servers end a message at a dot between two bare CR, and take the rest for commands.
    let content = String::from_utf8(message("two-in-one", "body\r.\rMAIL FROM:<x@y.example>")).unwrap();
    let send = || {
        let (mail, rcpt) = ("MAIL FROM:<a@sender.example>\r\n", "RCPT TO:<alice@example.org>\r\n");
        let heard =
            heard(port, &["LHLO mta.example.org\r\n", mail, rcpt, "DATA\r\n", &format!("{content}.\r\n")]);
        heard.last().unwrap().clone()
    };
    let reply = send();
    let id =
        reply.strip_prefix("250 2.0.0 Ok (id ").and_then(|rest| rest.split(')').next()).unwrap().to_owned();
    let out = |arguments: &[&str]| String::from_utf8(daemon.cli(arguments).unwrap().stdout).unwrap();
    let listed = out(&["quarantine", "list"]);
    assert!(listed.contains(&id) && listed.contains("alice@example.org"), "{listed}");
    let explained = out(&["explain", &id]);
    let why = "held by mailward: it cannot be handed on: a dot follows a line break that is not CRLF";
    assert!(explained.contains(why), "{explained}");
    // The client did not hear it, and sends it again: it is held once.
    assert!(send().starts_with("250 2.0.0 Ok (id "));
    assert_eq!(out(&["quarantine", "list"]).matches("alice@example.org").count(), 1);
}
