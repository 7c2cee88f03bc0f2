//! The test bed on trial, and what mailward relies on in Postfix, against a milter that writes down.
//!
//! The settings of `postfix/` are taken from the files themselves.

use std::ffi::CString;

use indymilter::message::reply::Reply;

use super::not_run::postfix_ready;
use super::smtp::{crlf, send};
use super::{Options, Postfix, Probe, Smtp, guard};

const SENDER: &str = "martha@remote.example";
const ALICE: &str = "alice@example.org";

fn repository_file(name: &str) -> String {
    format!("{}/postfix/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The settings of `postfix/main.cf.mailward` and the first two entries of `postfix/master.cf.mailward`, with
/// the places of this test.
fn shipped(endpoint: &str) -> Options {
    let read = |name: &str| {
        std::fs::read_to_string(repository_file(name))
            .unwrap()
            .replace("unix:mailward/milter.sock", endpoint)
            .replace("/etc/postfix/mailward_header_checks", &repository_file("header_checks"))
    };
    let pair = |line: &str| {
        let (name, value) = line.split_once('=').unwrap();
        (name.trim().to_owned(), value.trim().to_owned())
    };
    let main_cf = read("main.cf.mailward");
    let main_cf: Vec<_> =
        main_cf.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(pair).collect();
    assert_eq!(main_cf.len(), 3, "{main_cf:?}");
    let master_cf = read("master.cf.mailward");
    let entry = |name: &str| -> Vec<String> {
        let mut lines = master_cf.lines().skip_while(|line| !line.starts_with(name));
        let first = lines.next().unwrap().replace("  y  ", "  n  ");
        let rest = lines.take_while(|line| line.starts_with("  -o ")).map(str::to_owned);
        std::iter::once(first).chain(rest).collect()
    };
    let mut options = Options { main_cf, master_cf: entry("cleanup-inbound"), ..Options::default() };
    let overrides = entry("smtp ");
    options.services[0].options = overrides[1..].iter().map(|line| pair(&line[5..])).collect();
    assert_eq!((overrides.len(), options.master_cf.len()), (2, 4));
    options
}

fn insert(name: &str, value: &str) -> Reply {
    Reply::InsertHeader {
        index: 0,
        name: CString::new(name).unwrap(),
        value: CString::new(format!(" {value}")).unwrap(),
    }
}

fn delete(name: &str, index: i32) -> Reply {
    Reply::ChangeHeader { name: CString::new(name).unwrap(), index, value: c"".into() }
}

/// Names of the fields that say something about filtering, with their values, in order.
fn filter_fields(fields: &[String]) -> Vec<String> {
    let ours = |field: &&String| field.to_ascii_lowercase().starts_with("x-");
    fields.iter().filter(ours).filter(|field| !field.starts_with("X-Original-To")).cloned().collect()
}

const FORGED: &str = "From: Martha <martha@remote.example>\n\
    To: alice@example.org\n\
    X-Mailward-Verdict: clean\n\
    X-Note: one\n\
    x-mailward-id :\n\tforged\n\
    X-Spam-Flag: NO\n\
    X-Note: two\n\
    X-Spam-Status : No,\n score=-100\n\
    X-Virus-Status: Clean\n\
    X-Spam-Level: *\n\
    Subject: forged\n\
    X-Note: three\n\
    \n\
    X-Mailward-Verdict: this line is body\n";

#[test]
fn a_message_arrives_byte_for_byte_and_everything_is_gone_afterwards() {
    if !postfix_ready("a_message_arrives_byte_for_byte_and_everything_is_gone_afterwards") {
        return;
    }
    let postfix = Postfix::start(&Options::default()).unwrap();
    let body = "Grüße\n.\n..two dots\n. a dot\n\ttab  \n\nlast line\n";
    let message = crlf(&format!("From: {SENDER}\nTo: {ALICE}\nSubject:  two spaces\n\n{body}"));
    let transaction = send(postfix.smtp_port(), SENDER, &[ALICE, "nobody@example.org"], &message).unwrap();
    let codes = (transaction.mail.code, transaction.rcpt.iter().map(|reply| reply.code).collect::<Vec<_>>());
    assert_eq!(codes, (250, vec![250, 550]));
    assert!(transaction.taken(), "{transaction:?}");
    assert!(transaction.last().queue_id().is_some());
    let mail = postfix.wait_for_mail(ALICE, 1).unwrap();
    assert_eq!(mail[0].body(), body.as_bytes());
    assert_eq!(mail[0].values("Subject"), [" two spaces"]);
    postfix.wait_for_empty_queue().unwrap();
    assert_eq!(postfix.queue().unwrap(), []);
    let (pid, dir) = (postfix.pid(), postfix.dir().to_owned());
    drop(postfix);
    assert_eq!((guard::alive(pid), dir.exists()), (false, false));
}

#[test]
fn a_bounce_is_delivered_inside_and_never_leaves() {
    if !postfix_ready("a_bounce_is_delivered_inside_and_never_leaves") {
        return;
    }
    let postfix = Postfix::start(&Options::default()).unwrap();
    let message = crlf("From: martha@remote.example\nSubject: to nowhere\n\nhello\n");
    let transaction =
        send(postfix.port("submission").unwrap(), SENDER, &["x@elsewhere.example"], &message).unwrap();
    assert!(transaction.taken(), "{transaction:?}");
    let bounce = postfix.wait_for_mail("@remote.example", 1).unwrap();
    assert_eq!(bounce[0].values("Return-Path"), ["<>"]);
    postfix.wait_for_empty_queue().unwrap();
}

#[test]
fn the_milter_is_told_the_client_that_xclient_names() {
    if !postfix_ready("the_milter_is_told_the_client_that_xclient_names") {
        return;
    }
    let probe = Probe::start(vec![Reply::Accept]).unwrap();
    let postfix = Postfix::start(&Options::with_milter(probe.endpoint())).unwrap();
    let mut client = Smtp::hello(postfix.smtp_port(), "localhost").unwrap();
    let client_is = "NAME=mx.remote.example ADDR=192.0.2.77 LOGIN=carol";
    client.pretend(client_is, "hello.remote.example").unwrap();
    let transaction = client.send(SENDER, &[ALICE], b"Subject: x\r\n\r\nx\r\n").unwrap();
    assert!(transaction.taken(), "{transaction:?}");
    let expected = ("mx.remote.example".to_owned(), "192.0.2.77".to_owned());
    assert!(probe.clients().contains(&expected), "{:?}", probe.clients());
    assert_eq!(probe.macro_values("{auth_authen}"), ["carol"]);
}

#[test]
fn submission_is_announced_as_originating_and_port_25_is_not() {
    if !postfix_ready("submission_is_announced_as_originating_and_port_25_is_not") {
        return;
    }
    let probe = Probe::start(vec![Reply::Accept]).unwrap();
    let postfix = Postfix::start(&Options::with_milter(probe.endpoint())).unwrap();
    let message = b"Subject: x\r\n\r\nx\r\n";
    for (service, name) in [("smtp", "mx.example.org"), ("submission", "ORIGINATING")] {
        send(postfix.port(service).unwrap(), SENDER, &[ALICE], message).unwrap();
        assert_eq!(probe.macro_values("{daemon_name}").last().map(String::as_str), Some(name));
    }
}

#[test]
fn mail_from_sendmail_passes_the_milter_as_localhost() {
    if !postfix_ready("mail_from_sendmail_passes_the_milter_as_localhost") {
        return;
    }
    let probe = Probe::start(vec![insert("X-Mailward-Id", "1"), Reply::Accept]).unwrap();
    let postfix = Postfix::start(&Options::with_milter(probe.endpoint())).unwrap();
    postfix.sendmail(SENDER, &[ALICE], b"Subject: local\n\nhello\n").unwrap();
    let mail = postfix.wait_for_mail(ALICE, 1).unwrap();
    assert_eq!(mail[0].values("X-Mailward-Id"), ["1"]);
    let local = ("localhost".to_owned(), "127.0.0.1".to_owned());
    assert!(probe.clients().contains(&local), "{:?}", probe.clients());
}

#[test]
fn a_milter_that_is_down_means_the_default_action() {
    if !postfix_ready("a_milter_that_is_down_means_the_default_action") {
        return;
    }
    let postfix = Postfix::start(&Options::with_milter("unix:/nowhere/milter.sock")).unwrap();
    let answer = |action: &str| {
        postfix.reconfigure(&[("milter_default_action", action)]).unwrap();
        let mut client = Smtp::connect(postfix.smtp_port()).unwrap();
        client.command("EHLO client.remote.example").unwrap();
        client.send(SENDER, &[ALICE], b"Subject: x\r\n\r\nx\r\n").unwrap().last().code
    };
    assert_eq!([answer("tempfail"), answer("reject"), answer("accept")], [451, 550, 250]);
    postfix.wait_for_mail(ALICE, 1).unwrap();
    assert_eq!(answer("quarantine"), 250);
    let queue = postfix.queue().unwrap();
    assert_eq!(queue.iter().map(|entry| entry.queue.as_str()).collect::<Vec<_>>(), ["hold"]);
    // Freed, it is delivered and not filtered again.
    postfix.postsuper(&["-H", "ALL"]).unwrap();
    postfix.wait_for_mail(ALICE, 2).unwrap();
}

#[test]
fn header_checks_drop_forged_fields_before_the_milter_sees_them_and_keep_what_it_adds() {
    if !postfix_ready("header_checks_drop_forged_fields_before_the_milter_sees_them_and_keep_what_it_adds") {
        return;
    }
    // The second X-Note is deleted by its index as the milter counts: the drop must not have shifted it.
    let answer = vec![
        delete("X-Note", 2),
        insert("X-Spam-Flag", "YES"),
        insert("X-Mailward-Verdict", "spam"),
        Reply::Accept,
    ];
    let probe = Probe::start(answer).unwrap();
    let postfix = Postfix::start(&shipped(&probe.endpoint())).unwrap();
    let transaction = send(postfix.smtp_port(), SENDER, &[ALICE], &crlf(FORGED)).unwrap();
    assert!(transaction.taken(), "{transaction:?}");
    let told = probe.headers();
    let told_names: Vec<_> = told.iter().filter_map(|field| Some(field.split_once(':')?.0)).collect();
    assert_eq!(told_names, ["From", "To", "X-Note", "X-Note", "X-Spam-Level", "Subject", "X-Note"]);
    let mail = postfix.wait_for_mail(ALICE, 1).unwrap();
    assert_eq!(
        filter_fields(&mail[0].fields()),
        ["X-Mailward-Verdict: spam", "X-Spam-Flag: YES", "X-Note: one", "X-Spam-Level: *", "X-Note: three"]
    );
    assert_eq!(mail[0].body(), b"X-Mailward-Verdict: this line is body\n");
}

#[test]
fn header_checks_drop_forged_fields_while_the_milter_is_down() {
    if !postfix_ready("header_checks_drop_forged_fields_while_the_milter_is_down") {
        return;
    }
    let mut options = shipped("unix:/nowhere/milter.sock");
    for (_, value) in &mut options.main_cf {
        *value = value.replace("default_action=tempfail", "default_action=accept");
    }
    let postfix = Postfix::start(&options).unwrap();
    let transaction = send(postfix.smtp_port(), SENDER, &[ALICE], &crlf(FORGED)).unwrap();
    assert!(transaction.taken(), "{transaction:?}");
    let mail = postfix.wait_for_mail(ALICE, 1).unwrap();
    assert_eq!(
        filter_fields(&mail[0].fields()),
        ["X-Note: one", "X-Note: two", "X-Spam-Level: *", "X-Note: three"]
    );
}

#[test]
fn header_checks_leave_attached_messages_alone() {
    if !postfix_ready("header_checks_leave_attached_messages_alone") {
        return;
    }
    let probe = Probe::start(vec![Reply::Accept]).unwrap();
    let body = "--b\nContent-Type: message/rfc822\nX-Mailward-Verdict: on the part\n\n\
        X-Mailward-Verdict: in the attached message\nSubject: inner\n\ninner\n--b--\n";
    let message = crlf(&format!(
        "Subject: outer\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n{body}"
    ));
    let postfix = Postfix::start(&shipped(&probe.endpoint())).unwrap();
    send(postfix.smtp_port(), SENDER, &[ALICE], &message).unwrap();
    assert_eq!(postfix.wait_for_mail(ALICE, 1).unwrap()[0].body(), body.as_bytes());
}

#[test]
fn requeued_mail_is_not_filtered_again_and_keeps_its_verdict() {
    // postsuper(1): a requeued message is not subjected to the milters again.
    if !postfix_ready("requeued_mail_is_not_filtered_again_and_keeps_its_verdict") {
        return;
    }
    let held = Reply::Quarantine { reason: c"held".into() };
    let probe = Probe::start(vec![insert("X-Mailward-Verdict", "spam"), held, Reply::Accept]).unwrap();
    let postfix = Postfix::start(&shipped(&probe.endpoint())).unwrap();
    let transaction = send(postfix.smtp_port(), SENDER, &[ALICE], &crlf(FORGED)).unwrap();
    assert!(transaction.taken(), "{transaction:?}");
    let queue = postfix.queue().unwrap();
    assert_eq!(queue.iter().map(|entry| entry.queue.as_str()).collect::<Vec<_>>(), ["hold"]);
    probe.forget();
    postfix.postsuper(&["-r", "ALL"]).unwrap();
    let mail = postfix.wait_for_mail(ALICE, 1).unwrap();
    assert_eq!(mail[0].values("X-Mailward-Verdict"), ["spam"]);
    assert_eq!(probe.headers(), [] as [String; 0]);
}

#[test]
fn header_checks_in_main_cf_would_do_harm() {
    // Why they stand in master.cf, for mail from strangers alone: in main.cf they take the verdict from
    // requeued mail, and edit attached messages, whose signatures break.
    if !postfix_ready("header_checks_in_main_cf_would_do_harm") {
        return;
    }
    let body = "--b\nContent-Type: message/rfc822\n\nX-Mailward-Verdict: x\nSubject: inner\n\ninner\n--b--\n";
    let message = crlf(&format!(
        "Subject: outer\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n{body}"
    ));
    let held = Reply::Quarantine { reason: c"held".into() };
    let probe = Probe::start(vec![insert("X-Mailward-Verdict", "spam"), held, Reply::Accept]).unwrap();
    let options = Options::with_milter(probe.endpoint())
        .set("header_checks", format!("regexp:{}", repository_file("header_checks")));
    let postfix = Postfix::start(&options).unwrap();
    send(postfix.smtp_port(), SENDER, &[ALICE], &message).unwrap();
    postfix.postsuper(&["-r", "ALL"]).unwrap();
    let arrived = postfix.wait_for_mail(ALICE, 1).unwrap();
    assert_eq!(arrived[0].values("X-Mailward-Verdict"), [] as [String; 0]);
    let damaged = body.replace("X-Mailward-Verdict: x\n", "");
    assert_eq!(String::from_utf8_lossy(arrived[0].body()), damaged);
}

#[test]
fn the_shipped_master_cf_is_understood_by_postfix() {
    if !postfix_ready("the_shipped_master_cf_is_understood_by_postfix") {
        return;
    }
    let dir = guard::Dir::new("mastercf").unwrap();
    std::fs::write(dir.path().join("main.cf"), "compatibility_level = 3.6\n").unwrap();
    std::fs::copy(repository_file("master.cf.mailward"), dir.path().join("master.cf")).unwrap();
    let services = guard::run(guard::privileged("postconf").arg("-c").arg(dir.path()).arg("-M")).unwrap();
    assert_eq!(services.lines().filter(|line| !line.starts_with(' ')).count(), 5, "{services}");
    let settings = guard::run(guard::privileged("postconf").arg("-c").arg(dir.path()).arg("-P")).unwrap();
    for expected in [
        "smtp/inet/cleanup_service_name = cleanup-inbound",
        "submission/inet/milter_macro_daemon_name = ORIGINATING",
        "submissions/inet/milter_macro_daemon_name = ORIGINATING",
    ] {
        assert!(settings.contains(expected), "{settings}");
    }
}

#[test]
fn postfix_announces_macros_in_ways_a_milter_must_bear() {
    // Packets without macros, and stages that libmilter does not know; the queue id only after RCPT.
    if !postfix_ready("postfix_announces_macros_in_ways_a_milter_must_bear") {
        return;
    }
    let probe = Probe::start(vec![Reply::Accept]).unwrap();
    let postfix = Postfix::start(&Options::with_milter(probe.endpoint())).unwrap();
    let transaction = send(postfix.smtp_port(), SENDER, &[ALICE], b"Subject: x\r\n\r\nx\r\n").unwrap();
    let queue_id = transaction.last().queue_id().unwrap().to_owned();
    assert_eq!(probe.macro_values("i"), [queue_id]);
    let mut stages: Vec<char> =
        probe.macros().iter().filter(|one| one.name == "i").map(|one| one.stage).collect();
    stages.dedup();
    // DATA, each header field, end of header, body, end of message: not MAIL, and not the first RCPT.
    assert_eq!(stages, ['T', 'L', 'N', 'B', 'E'], "{:?}", probe.macros());
}
