//! Allow and block lists: who is refused before the message is sent, who is not, and what is known of it later.

use std::collections::BTreeSet;

use serde_json::Value;

use super::common::{mail, stdout, verify};
use super::milter_client::{MilterClient, Peer};
use super::mta::{self, Daemon, Dns, Options, PATIENCE, Postfix, Smtp, wait_until};

const ALICE: &str = "<alice@example.org>";

fn block(daemon: &Daemon, entries: &[&str]) {
    stdout(daemon, &[&["list", "block", "add"], entries].concat());
}

fn from(ip: &str) -> Peer {
    Peer { ip: ip.into(), ..Peer::default() }
}

/// The answers to MAIL and each RCPT.
fn envelope(daemon: &Daemon, peer: &Peer, from: &str, to: &[&str]) -> Vec<String> {
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), peer);
    let to: Vec<String> = to.iter().map(|t| (*t).to_owned()).collect();
    let words = client.envelope(from, &to);
    client.quit();
    words
}

/// The id in a refusal.
fn id(reply: &str) -> &str {
    let (_, rest) = reply.split_once("(id ").unwrap_or_else(|| panic!("no id in {reply:?}"));
    rest.split_once(')').unwrap().0
}

/// What `explain` says of an id, as soon as it is on record: refusals are recorded behind the answer.
fn explained(daemon: &Daemon, id: &str) -> String {
    wait_until("the record of a refusal", PATIENCE, || {
        let output = daemon.cli(&["explain", id])?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok((output.status.success() && text.contains("  answered")).then_some(text))
    })
    .unwrap()
}

/// How many records there are.
fn records(daemon: &Daemon) -> usize {
    stdout(daemon, &["audit", "list", "--limit", "10000"]).lines().count() - 1
}

#[test]
fn who_is_blocked_is_refused_at_rcpt_and_the_refusal_is_explained() {
    let daemon = Daemon::start("").unwrap();
    stdout(&daemon, &["list", "block", "add", "192.0.2.0/24", "--comment", "throws spam at us"]);
    block(&daemon, &["bad.example", "joe@half.example"]);
    let stranger = from("198.51.100.7");
    let refused = [
        (&from("192.0.2.9"), "<a@good.example>", "client", "192.0.2.0/24"),
        (&stranger, "<x@Bad.Example>", "sender", "bad.example"),
        (&stranger, "<x@sub.bad.example>", "sender", "bad.example"),
        (&stranger, "<JOE@half.example>", "sender", "joe@half.example"),
    ];
    for (peer, sender, on, entry) in refused {
        let words = envelope(&daemon, peer, sender, &[ALICE, "<bob@example.org>"]);
        assert_eq!(words[0], "continue", "{words:?}");
        let start = format!("550 5.7.1 refused: the {on} is on the block list (id ");
        assert!(words[1].starts_with(&start) && words[1].ends_with("; contact your postmaster"), "{words:?}");
        assert_eq!(words[1], words[2], "one transaction, one id");
        let text = explained(&daemon, id(&words[1]));
        for line in [
            "refused   at RCPT, before the message was sent; further recipients may have been refused",
            &format!("listed    {on} {entry} on the block list"),
            &format!("answer    {}", words[1]),
            "verdict   reject: suspicious, score 0.0, by rule block-list",
            "for       alice@example.org",
        ] {
            assert!(text.lines().any(|l| l.starts_with(line)), "{line:?} is not in\n{text}");
        }
        assert_eq!(text.contains("throws spam at us"), on == "client", "{text}");
        let logged = daemon.wait_for_log(id(&words[1])).unwrap();
        assert!(logged.contains(entry) && logged.contains("refused before the message was sent"), "{logged}");
        assert_eq!(daemon.log().matches(id(&words[1])).count(), 1 + 1, "once as id and once in the reply");
    }
    for (peer, sender) in
        [(&stranger, "<ann@half.example>"), (&stranger, "<>"), (&stranger, "<x@notbad.example>")]
    {
        assert_eq!(envelope(&daemon, peer, sender, &[ALICE]), ["continue", "continue"], "{sender}");
    }
    assert_eq!(records(&daemon), refused.len());
    let shown = stdout(&daemon, &["list", "block", "show", "bad.example"]);
    assert!(shown.contains("hits      2, last "), "{shown}");
    let metrics = daemon.get("/metrics").unwrap().1;
    for line in [
        "mailward_early_refusals_total{command=\"rcpt\"} 8",
        "mailward_list_hits_total{list=\"block\",on=\"client\"} 1",
        "mailward_list_hits_total{list=\"block\",on=\"sender\"} 3",
        "mailward_list_entries{list=\"block\"} 3",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    verify(&daemon);
}

#[test]
fn each_transaction_of_a_connection_has_a_refusal_of_its_own() {
    let daemon = Daemon::start("").unwrap();
    block(&daemon, &["bad.example"]);
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
    let to = [ALICE.to_owned()];
    let first = client.envelope("<a@bad.example>", &to);
    client.send(b'A', b"");
    let second = client.envelope("<a@bad.example>", &to);
    assert_ne!(id(&first[1]), id(&second[1]));
    client.send(b'A', b"");
    assert_eq!(client.envelope("<a@good.example>", &to), ["continue", "continue"]);
    explained(&daemon, id(&first[1]));
    explained(&daemon, id(&second[1]));
}

#[test]
fn postmaster_is_reached_by_whom_we_block_and_the_others_are_not() {
    let daemon =
        Daemon::start("[lists]\nexempt_recipients = [\"postmaster\", \"help@example.org\"]\n").unwrap();
    block(&daemon, &["192.0.2.7"]);
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
    let to = [
        "<Postmaster@Example.ORG>",
        "<help@example.org>",
        "<help@example.net>",
        "<Postmaster>",
        "<abuse@example.org>",
    ];
    let words = client.envelope("<a@good.example>", &to.map(str::to_owned));
    let refused: Vec<bool> = words.iter().skip(1).map(|w| w.starts_with("550 ")).collect();
    assert_eq!(refused, [false, false, true, false, true], "{words:?}");
    // The message still goes to those who were taken, and its record says what the lists said.
    client.message(&mail("help", "why am I blocked?"));
    let line = daemon.wait_for_log("judged").unwrap();
    assert!(line.contains("recipients=3"), "{line}");
    let newest = stdout(&daemon, &["audit", "export"]);
    assert!(
        newest.contains("\"lists\":[{\"list\":\"block\",\"on\":\"client\",\"entry\":\"192.0.2.7\"}]"),
        "{newest}"
    );
}

#[test]
fn users_and_own_networks_are_never_refused_by_a_list() {
    let daemon = Daemon::start("[network]\nown = [\"10.0.0.0/8\"]\n").unwrap();
    block(&daemon, &["192.0.2.7", "10.0.0.0/8", "sender.example"]);
    let passes = |peer: &Peer| {
        assert_eq!(
            envelope(&daemon, peer, "<a@sender.example>", &[ALICE]),
            ["continue", "continue"],
            "{peer:?}"
        );
    };
    passes(&Peer { user: Some("alice".into()), ..Peer::default() });
    passes(&from("10.1.2.3"));
    assert!(envelope(&daemon, &Peer::default(), "<a@sender.example>", &[ALICE])[1].starts_with("550 "));
}

#[test]
fn where_it_is_answered_is_the_admins_and_changes_by_a_reload() {
    let daemon = Daemon::start("[lists]\nearly = \"mail\"\n").unwrap();
    block(&daemon, &["bad.example"]);
    let words = envelope(&daemon, &Peer::default(), "<a@bad.example>", &["<postmaster@example.org>"]);
    assert!(words[0].starts_with("550 5.7.1 refused: the sender is on the block list (id "), "{words:?}");
    assert_eq!(words[0], words[1], "who goes on all the same is refused under the same id");
    let text = explained(&daemon, id(&words[0]));
    assert!(text.contains("refused   at MAIL, before recipients and message were sent"), "{text}");
    assert_eq!(records(&daemon), 1);

    daemon.write_config(&daemon.site().defaults("[lists]\nearly = \"off\"\n")).unwrap();
    stdout(&daemon, &["reload"]);
    assert_eq!(envelope(&daemon, &Peer::default(), "<a@bad.example>", &[ALICE]), ["continue", "continue"]);

    daemon.write_config(&daemon.site().defaults("[lists]\nexempt_recipients = [\"alice\"]\n")).unwrap();
    stdout(&daemon, &["reload"]);
    let words = envelope(&daemon, &Peer::default(), "<a@bad.example>", &[ALICE, "<postmaster@example.org>"]);
    assert_eq!((words[0].as_str(), words[1].as_str()), ("continue", "continue"));
    assert!(words[2].starts_with("550 "), "{words:?}");
}

#[test]
fn no_way_to_write_an_address_gets_mail_past_the_quarantine() {
    if !mta::not_run::postfix_ready("no_way_to_write_an_address_gets_mail_past_the_quarantine") {
        return;
    }
    let site = mta::Site::new().unwrap();
    let rules = site.path().join("policy.toml");
    let text = "[group.closed]\nrecipients = [\"bob@example.org\"]\n[[rule]]\nname = \"closed\"\n\
                when = '\"closed\" in recipient.groups'\ndisposition = \"quarantine\"\n";
    std::fs::write(&rules, text).unwrap();
    let config = site.defaults(&format!("[policy]\nrules = {:?}\n", rules.display().to_string()));
    let daemon = site.start(&config).unwrap();
    let postfix = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
    let raw = mail("hello", "text");
    let spellings = [
        "bob@example.org",
        "Bob@EXAMPLE.org",
        "\"bob\"@example.org",
        "@a.example:bob@example.org",
        "@a.example,@b.example:bob@example.org",
        "bob%example.org@localhost",
        "@a.example:bob%example.org@localhost",
    ];
    for (sent, spelling) in spellings.iter().enumerate() {
        let mut smtp = Smtp::hello(postfix.smtp_port(), "localhost").unwrap();
        let granted = smtp.pretend("NAME=mx.remote.example ADDR=203.0.113.7", "mx.remote.example").unwrap();
        assert!(granted.is_positive(), "{granted}");
        let taken = smtp.send("a@remote.example", &["alice@example.org", spelling], &raw).unwrap();
        assert!(taken.taken(), "{spelling}: {taken:?}");
        smtp.quit().unwrap();
        postfix.wait_for_mail("alice@example.org", sent + 1).unwrap();
        postfix.wait_for_empty_queue().unwrap();
        assert_eq!(postfix.mailbox("bob@example.org").unwrap().len(), 0, "{spelling}");
    }
}

#[test]
fn through_postfix_the_blocked_are_refused_and_their_mail_to_postmaster_arrives() {
    if !mta::not_run::postfix_ready(
        "through_postfix_the_blocked_are_refused_and_their_mail_to_postmaster_arrives",
    ) {
        return;
    }
    let daemon = Daemon::start("").unwrap();
    block(&daemon, &["198.51.100.0/24", "bad.example"]);
    let postfix = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
    let as_client = |attributes: &str| {
        let mut smtp = Smtp::hello(postfix.smtp_port(), "localhost").unwrap();
        let granted = smtp.pretend(attributes, "mx.remote.example").unwrap();
        assert!(granted.is_positive(), "{granted}");
        smtp
    };
    let raw = mail("hello", "text");
    for (attributes, sender) in [
        ("NAME=mx.remote.example ADDR=198.51.100.7", "a@remote.example"),
        ("NAME=mx.remote.example ADDR=203.0.113.7", "a@sub.bad.example"),
    ] {
        let mut smtp = as_client(attributes);
        let sent = smtp.send(sender, &["alice@example.org", "bob@example.org"], &raw).unwrap();
        assert!(sent.mail.is_positive() && !sent.taken(), "{sent:?}");
        let told = sent.rcpt[0].to_string();
        assert!(told.starts_with("550 5.7.1 ") && told.contains("is on the block list (id "), "{told}");
        assert_eq!(id(&told), id(&sent.rcpt[1].to_string()));
        let text = explained(&daemon, id(&told));
        assert!(text.contains(&format!("from      <{sender}>")), "{text}");
        // The same connection goes on, and postmaster is reached.
        let sent = smtp.send(sender, &["postmaster@example.org"], &raw).unwrap();
        assert!(sent.rcpt[0].is_positive(), "{sent:?}");
        smtp.quit().unwrap();
    }
    // A user who logged in may come from anywhere.
    let mut smtp = as_client("NAME=mx.remote.example ADDR=198.51.100.7 LOGIN=alice");
    let sent = smtp.send("alice@example.org", &["bob@example.org"], &raw).unwrap();
    assert!(sent.taken(), "{sent:?}");
    smtp.quit().unwrap();
    postfix.wait_for_mail("bob@example.org", 1).unwrap();

    daemon.write_config(&daemon.site().defaults("[lists]\nearly = \"mail\"\n")).unwrap();
    stdout(&daemon, &["reload"]);
    // Postfix asks with the connection that it has; a new one has the new configuration.
    let mut smtp = as_client("NAME=mx.remote.example ADDR=198.51.100.7");
    let sent = smtp.send("a@remote.example", &["postmaster@example.org"], &raw).unwrap();
    assert!(
        sent.mail.to_string().starts_with("550 5.7.1 refused: the client is on the block list"),
        "{sent:?}"
    );
    explained(&daemon, id(&sent.mail.to_string()));
}

#[test]
fn what_was_added_survives_a_kill_and_expires_when_it_should() {
    let mut daemon = Daemon::start("").unwrap();
    stdout(
        &daemon,
        &["list", "block", "add", "bad.example", "192.0.2.0/24", "--comment", "why", "--expires", "30d"],
    );
    stdout(&daemon, &["list", "allow", "add", "good.example", "--expires", "1s"]);
    daemon.kill().unwrap();
    daemon.start_again().unwrap();
    let shown = stdout(&daemon, &["list", "block", "show", "bad.example"]);
    assert!(shown.contains("comment   why") && shown.contains("by        admin socket, 20"), "{shown}");
    assert!(envelope(&daemon, &from("192.0.2.200"), "<a@x.example>", &[ALICE])[1].starts_with("550 "));
    // The first round of the upkeep comes with the start; the entry may be over before or after it.
    let over = wait_until("the end of an entry", PATIENCE, || {
        daemon.kill()?;
        daemon.start_again()?;
        std::thread::sleep(std::time::Duration::from_millis(300));
        Ok(journal(&daemon).contains("\"what\":\"list-expired\"").then_some(()))
    });
    over.unwrap();
    let listed = daemon.cli(&["list", "allow", "show", "good.example"]).unwrap();
    assert!(!listed.status.success(), "{listed:?}");
    verify(&daemon);
}

/// The whole journal.
fn journal(daemon: &Daemon) -> String {
    let mut text = String::new();
    for file in std::fs::read_dir(daemon.site().state_dir().join("audit")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|e| e == "log") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    text
}

#[test]
fn a_list_is_kept_from_the_command_line_and_every_change_is_on_record() {
    let daemon = Daemon::start("").unwrap();
    let told = |arguments: &[&str]| {
        let output = daemon.cli(arguments).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let ok = |text: &str| (0, format!("{text}\n"), String::new());
    assert_eq!(
        told(&["list", "block", "add", "Bücher.example"]),
        ok("xn--bcher-kva.example is on the block list now")
    );
    assert_eq!(
        told(&["list", "block", "add", "bücher.example", "--comment", "spam", "--expires", "2999-01-01"]),
        ok(
            "xn--bcher-kva.example was on the block list already and is changed, until 2999-01-01T00:00:00.000Z"
        )
    );
    let (code, out, err) = told(&["list", "allow", "add", "a@bücher.example"]);
    assert_eq!((code, out.as_str()), (0, "a@xn--bcher-kva.example is on the allow list now\n"));
    assert_eq!(
        err,
        "note: xn--bcher-kva.example is on the block list; a@xn--bcher-kva.example is now an exception from it, for mail that SPF or DKIM proves\n"
    );
    let (_, _, err) = told(&["list", "allow", "add", "bücher.example"]);
    assert!(err.contains("is on the block list too, and of two the same the block wins"), "{err}");
    let (code, _, err) = told(&["list", "block", "add", "192.0.2.7/24"]);
    assert!(code == 2 && err.contains("write 192.0.2.7 or 192.0.2.0/24"), "{err}");
    let (code, _, err) = told(&["list", "block", "add", "x.example", "--expires", "yesterday"]);
    assert!(code == 1 && err.contains("\"yesterday\" is no end; write how long from now"), "{err}");
    let (code, _, err) = told(&["list", "block", "remove", "x.example"]);
    assert_eq!((code, err.as_str()), (1, "mailward: x.example is not on the block list\n"));
    assert_eq!(told(&["list", "block", "add", "for:bob@example.org y.example"]).0, 0);
    let (code, _, err) = told(&["list", "block", "remove", "y.example"]);
    let refusal = "mailward: y.example is not on the block list; for:bob@example.org y.example is\n";
    assert_eq!((code, err.as_str()), (1, refusal));
    assert_eq!(told(&["list", "block", "remove", "for:bob@example.org y.example"]).0, 0);

    let (_, table, err) = told(&["list", "block", "list"]);
    assert!(
        table.starts_with("ENTRY ") && table.contains("xn--bcher-kva.example (bücher.example)  0"),
        "{table}"
    );
    assert_eq!(err, "1 entry on the block list\n");
    let json: Value = serde_json::from_str(&told(&["list", "block", "list", "--json"]).1).unwrap();
    assert_eq!(json["entries"][0]["comment"], "spam");

    let (_, full, _) = told(&["list", "block", "export"]);
    assert_eq!(told(&["list", "block", "remove", "bücher.example"]).0, 0);
    assert_eq!(told(&["list", "block", "list"]).2, "0 entries on the block list\n");
    let import = |arguments: &[&str], file: &str| {
        let arguments = [&["list", "block", "import", "-"], arguments].concat();
        let output = daemon.cli_with(&arguments, file.as_bytes()).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(import(&[], &full), ok("block list: 1 added, 0 changed, 0 as before, 0 removed"));
    assert_eq!(told(&["list", "block", "export"]).1, full, "nothing is lost");
    let (code, out, err) = import(&["--replace"], "one.example\nno entry\n10.0.0.1/8 # net\n");
    assert_eq!((code, out.as_str()), (1, ""));
    let lines: Vec<&str> = err.lines().collect();
    assert!(lines[0].starts_with("-:2: \"no entry\" is no domain") && lines[1].starts_with("-:3: "), "{err}");
    assert_eq!(lines[2], "mailward: 2 lines of the file cannot be read, so nothing was changed");
    assert_eq!(told(&["list", "block", "export"]).1, full, "nothing was changed");
    let file = "one.example\none.example # twice\ntwo.example\n";
    let (_, out, err) = import(&["--replace", "--dry-run"], file);
    assert_eq!(
        out,
        "block list: nothing is changed; it would be: 2 added, 0 changed, 0 as before, 1 removed\n"
    );
    assert_eq!(err, "note: line 2 repeats one.example of line 1; the last one counts\n");
    assert_eq!(import(&["--replace"], file).1, "block list: 2 added, 0 changed, 0 as before, 1 removed\n");
    assert_eq!(
        told(&["list", "block", "export", "--format", "plain"]).1,
        "one.example # twice\ntwo.example\n"
    );
    assert_eq!(import(&["--replace"], file).1, "block list: 0 added, 0 changed, 2 as before, 0 removed\n");

    let journal = journal(&daemon);
    let count = |what: &str| journal.matches(&format!("\"what\":\"{what}\",\"by\":\"admin socket\"")).count();
    assert_eq!([count("list-added"), count("list-removed"), count("list-imported")], [5, 2, 2]);
    assert!(journal.contains("block list: xn--bcher-kva.example (spam; expires 2999-01-01T00:00:00.000Z)"));
    verify(&daemon);
}

#[test]
fn the_api_answers_every_mistake_with_a_sentence() {
    let daemon = Daemon::start("").unwrap();
    for (path, status, told) in [
        ("/api/v1/lists/grey", 404, "there is no list \\\"grey\\\", only allow and block"),
        ("/api/v1/lists/block/entry", 400, "missing field `entry`"),
        ("/api/v1/lists/block/entry?entry=a%20b", 400, "is no domain"),
        ("/api/v1/lists/block/entry?entry=a.example", 404, "a.example is not on the block list"),
        ("/api/v1/lists/block?kind=town", 400, "unknown variant"),
        ("/api/v1/lists/block?what=1", 400, "unknown field"),
        ("/api/v1/lists/block/export?format=odt", 400, "unknown variant"),
        ("/api/v1/lists/block/import", 405, "takes no GET"),
    ] {
        let (code, body) = daemon.get(path).unwrap();
        assert!(code == status && body.contains(told), "{path}: {code} {body}");
    }
    let large = vec![b'#'; (32 << 20) + 10];
    let output = daemon.cli_with(&["list", "block", "import", "-"], &large);
    // The command stops reading where the most is reached.
    if let Ok(output) = output {
        assert!(String::from_utf8_lossy(&output.stderr).contains("larger than 32 MiB"), "{output:?}");
    }
    assert_eq!(daemon.get("/api/v1/lists/block").unwrap().0, 200);
}

#[test]
fn a_flood_of_refusals_is_recorded_or_put_off_and_nothing_breaks() {
    const CLIENTS: usize = 8;
    const EACH: usize = 500;
    let daemon = Daemon::start("").unwrap();
    block(&daemon, &["bad.example"]);
    let socket = daemon.site().milter_socket();
    let told: Vec<String> = std::thread::scope(|scope| {
        let flood = || {
            let mut client = MilterClient::connect(&socket, &Peer::default());
            let mut told = Vec::new();
            for _ in 0..EACH {
                told.push(client.envelope("<a@bad.example>", &[ALICE.to_owned()]).remove(1));
                client.send(b'A', b"");
            }
            told
        };
        let floods: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(flood)).collect();
        floods.into_iter().flat_map(|f| f.join().unwrap()).collect()
    });
    let refused: BTreeSet<&str> = told.iter().filter(|t| t.starts_with("550 ")).map(|t| id(t)).collect();
    let put_off = told.iter().filter(|t| t.starts_with("451 4.7.1 too much mail is being refused")).count();
    assert_eq!(refused.len() + put_off, CLIENTS * EACH, "{:?}", told.iter().find(|t| !t.starts_with("5")));
    assert!(!refused.is_empty());
    wait_until("all records", PATIENCE, || Ok((records(&daemon) == refused.len()).then_some(()))).unwrap();
    let listed = stdout(&daemon, &["audit", "list", "--limit", "10000"]);
    let listed: BTreeSet<&str> = listed.lines().skip(1).filter_map(|l| l.split_whitespace().next()).collect();
    assert_eq!(listed, refused, "every id that somebody was told is on record");
    let metrics = daemon.get("/metrics").unwrap().1;
    assert!(
        metrics.contains(&format!("mailward_overload_total{{limit=\"refusals\"}} {put_off}")),
        "{metrics}"
    );
    verify(&daemon);
}

#[test]
fn nothing_that_waits_to_be_recorded_is_lost_at_a_stop() {
    let mut daemon = Daemon::start("").unwrap();
    block(&daemon, &["bad.example"]);
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
    let mut last = String::new();
    for _ in 0..200 {
        last = client.envelope("<a@bad.example>", &[ALICE.to_owned()]).remove(1);
        client.send(b'A', b"");
    }
    client.quit();
    daemon.signal("TERM").unwrap();
    assert!(daemon.wait_for_end(PATIENCE).unwrap().success());
    assert!(journal(&daemon).trim_end().ends_with("}}"), "the journal was closed");
    assert!(journal(&daemon).lines().last().unwrap().contains("\"stopped\""));
    daemon.start_again().unwrap();
    explained(&daemon, id(&last));
    assert_eq!(records(&daemon), 200);
    let shown = stdout(&daemon, &["list", "block", "show", "bad.example"]);
    assert!(shown.contains("hits      200, last "), "{shown}");
}

const ZONE: &str = "
    good.example           TXT v=spf1 ip4:192.0.2.1 -all
    _dmarc.good.example    TXT v=DMARC1; p=reject
    half.example           TXT v=spf1 ip4:192.0.2.1 -all
    down.example           FAIL
";

/// A daemon that verifies, asking a DNS of its own.
fn verifying(more: &str) -> (Daemon, Dns) {
    let dns = Dns::serving(ZONE).unwrap();
    let config = format!("[dns]\nservers = [\"{}\"]\ntimeout = \"1s\"\nattempts = 1\n{more}", dns.address());
    (Daemon::start(&config).unwrap(), dns)
}

/// Sends a message that scores enough to be refused; the answer and what is said of it.
fn sent(daemon: &Daemon, ip: &str, sender: &str, author: &str, body: &str) -> (String, String) {
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &from(ip));
    assert_eq!(client.envelope(sender, &[ALICE.to_owned()]), ["continue", "continue"], "{sender} at RCPT");
    let raw = format!("From: {author}\r\nTo: alice@example.org\r\nSubject: hello\r\n\r\n{body}\r\n");
    let answer = client.message(raw.as_bytes()).word;
    client.quit();
    // By its sender: the record of a refusal just before may be written after this one's.
    let sender = sender.trim_matches(['<', '>']);
    let newest = stdout(daemon, &["audit", "list", "--limit", "1", "--sender", sender]);
    let id = newest.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    (answer, stdout(daemon, &["explain", &id]))
}

#[test]
fn an_allowed_address_counts_where_it_is_proven_and_never_lets_malware_through() {
    let (daemon, _dns) = verifying("");
    stdout(&daemon, &["list", "allow", "add", "a@good.example"]);
    let gtube = mta::samples::gtube();
    let (home, elsewhere) = ("192.0.2.1", "198.51.100.7");
    let by = |ip: &str, sender: &str, author: &str, body: &str| sent(&daemon, ip, sender, author, body);
    let has = |told: &(String, String), answer: &str, line: &str| {
        assert!(told.0.starts_with(answer), "{told:?}");
        assert!(told.1.lines().any(|l| l.contains(line)), "{line:?} is not in\n{}", told.1);
    };
    let proven =
        "> allow-list         accept      sender a@good.example on the allow list, proven: SPF passes for";
    has(&by(home, "<a@good.example>", "a@good.example", &gtube), "accept", proven);
    let forged = "sender a@good.example on the allow list does not count: neither SPF nor a signature passes";
    has(&by(elsewhere, "<a@good.example>", "x@other.example", &gtube), "550 ", forged);
    // By From, where his domain passes in alignment; sent with another address of the same domain.
    let author = "From a@good.example on the allow list, proven: what passes is aligned with good.example";
    has(&by(home, "<bounce@good.example>", "Anna <a@good.example>", &gtube), "accept", author);
    let forged = "From a@good.example on the allow list does not count: neither SPF nor a signature passes";
    has(&by(elsewhere, "<x@other.example>", "Anna <a@good.example>", &gtube), "550 ", forged);
    let other = by(home, "<bounce@good.example>", "\"a@good.example\" <b@good.example>", &gtube);
    has(&other, "550 ", "nothing about it is on the allow list");
    let eicar = mta::samples::eicar();
    has(&by(home, "<a@good.example>", "a@good.example", &eicar), "550 ", "that does not outweigh malware");
    verify(&daemon);
}

#[test]
fn a_forged_exception_is_refused_at_the_end_of_the_message() {
    let (daemon, _dns) = verifying("");
    block(&daemon, &["half.example", "down.example"]);
    stdout(&daemon, &["list", "allow", "add", "alice@half.example", "alice@down.example"]);
    let stranger = from("198.51.100.7");
    assert!(envelope(&daemon, &stranger, "<bob@half.example>", &[ALICE])[1].starts_with("550 "));
    let plain = |ip: &str, sender: &str| sent(&daemon, ip, sender, "x@other.example", "text");
    let (answer, told) = plain("192.0.2.1", "<alice@half.example>");
    assert!(answer == "accept" && told.contains("by rule allow-list"), "{answer} {told}");
    let (answer, told) = plain("198.51.100.7", "<alice@half.example>");
    assert!(answer.starts_with("550 5.7.1 refused because its sender is blocked here"), "{answer}");
    assert!(
        told.contains("sender half.example on the block list, with an exception; sender alice@half"),
        "{told}"
    );
    let (answer, told) = plain("198.51.100.7", "<alice@down.example>");
    assert!(answer.starts_with("451 "), "{answer}");
    assert!(told.contains("the DNS did not say now whether SPF or a signature passes for"), "{told}");
    verify(&daemon);
}

#[test]
fn where_nobody_verifies_a_client_can_be_allowed_and_an_address_cannot() {
    let daemon = Daemon::start("").unwrap();
    stdout(&daemon, &["list", "allow", "add", "a@good.example", "192.0.2.1"]);
    let gtube = mta::samples::gtube();
    let (answer, told) = sent(&daemon, "198.51.100.7", "<a@good.example>", "a@good.example", &gtube);
    assert!(answer.starts_with("550 "), "{answer}");
    let what_to_do = "sender a@good.example on the allow list does not count: nobody verified who sent it: \
                      [scanner.auth] is off; turn it on, or allow the address of the client instead";
    assert!(told.contains(what_to_do), "{told}");
    let (answer, told) = sent(&daemon, "192.0.2.1", "<x@other.example>", "x@other.example", &gtube);
    assert!(answer == "accept" && told.contains("client 192.0.2.1 on the allow list"), "{answer} {told}");
}
