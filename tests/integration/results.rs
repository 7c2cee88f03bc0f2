//! Authentication-Results and Received-SPF as they are on the wire: the order of what is added, the length of lines,
//! the names that an MTA may give itself, and what the log says of them.

use super::common::mail;
use super::milter_client::{Answer, MilterClient, Peer, edited};
use super::mta::{self, Daemon, Dns, Options, Postfix, Probe};

const ZONE: &str = "sender.example TXT v=spf1 ip4:192.0.2.7 -all";

fn start(dns: &Dns, more: &str) -> Daemon {
    Daemon::start(&format!("{more}\n{}", dns.section())).unwrap()
}

/// Judged as mail that came to an MTA of this name.
fn judge(daemon: &Daemon, mta: &str, raw: &[u8]) -> Answer {
    let peer = Peer { mta: mta.to_owned(), ..Peer::default() };
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &peer);
    client.envelope("<a@sender.example>", &["<alice@example.org>".to_owned()]);
    let answer = client.message(raw);
    client.quit();
    answer
}

fn results(raw: &[u8], answer: &Answer) -> Vec<String> {
    let fields = edited(raw, &answer.edits).into_iter();
    let results = fields.filter(|(name, _)| name.eq_ignore_ascii_case("Authentication-Results"));
    results.map(|(_, value)| value.replace("\n\t", " ").trim().to_owned()).collect()
}

fn with_results(value: &str) -> Vec<u8> {
    [format!("Authentication-Results: {value}\r\n").into_bytes(), mail("plain", "text")].concat()
}

#[test]
fn each_mx_speaks_in_its_own_name_and_removes_what_claims_it() {
    let dns = Dns::serving(ZONE).unwrap();
    let daemon = start(&dns, "");
    for (mta, name) in [
        ("mx1.example.org", "mx1.example.org"),
        ("MX2.Example.ORG", "mx2.example.org"),
        ("mx3.example.org.", "mx3.example.org"),
    ] {
        let forged = with_results(&format!("{}; dmarc=pass", name.to_uppercase()));
        let told = results(&forged, &judge(&daemon, mta, &forged));
        assert_eq!(told.len(), 1, "{mta}: {told:?}");
        assert!(
            told[0].starts_with(&format!("{name}; spf=pass smtp.mailfrom=a@sender.example; ")),
            "{told:?}"
        );
        let other = with_results("mx.other.example; dmarc=pass");
        let told = results(&other, &judge(&daemon, mta, &other));
        assert!(told.len() == 2 && told[1] == "mx.other.example; dmarc=pass", "{mta}: {told:?}");
    }
    let metrics = daemon.get("/metrics").unwrap().1;
    let counted = "mailward_forged_fields_removed_total{field=\"Authentication-Results\"} 3\n";
    assert!(metrics.contains(counted), "{metrics}");
    let log = daemon.log();
    let begin = "Authentication-Results are written under the MTA's own host name";
    let starts: Vec<&str> = log.lines().filter(|line| line.contains(begin)).collect();
    assert!(starts.len() == 1 && starts[0].contains("OpenDKIM and rspamd take it by default"), "{starts:?}");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("under our own name")).collect();
    assert_eq!(lines.len(), 1, "once an hour: {lines:?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("mx1.example.org"), "{lines:?}");
    assert!(lines[0].contains("OpenDKIM") && lines[0].contains("authserv_id in [auth]"), "{lines:?}");
}

#[test]
fn an_mta_without_a_name_gets_no_field_and_the_admin_is_told() {
    let dns = Dns::serving(ZONE).unwrap();
    let daemon = start(&dns, "");
    for mta in ["", "$j", "[192.0.2.1]"] {
        let forged = with_results("mx.example.org; dmarc=pass");
        assert_eq!(
            results(&forged, &judge(&daemon, mta, &forged)),
            ["mx.example.org; dmarc=pass"],
            "{mta:?}"
        );
    }
    assert_eq!(daemon.log().matches("the MTA gives no host name").count(), 1, "{}", daemon.log());
    // A name that is set needs none of the MTA's, and nothing is said.
    let daemon = start(&dns, "[auth]\nauthserv_id = \"mx.example.org\"");
    let forged = with_results("mx.example.org; dmarc=pass");
    let told = results(&forged, &judge(&daemon, "$j", &forged));
    assert!(told.len() == 1 && told[0].starts_with("mx.example.org; spf=pass "), "{told:?}");
    let untold = ["under our own name", "gives no host name", "the MTA's own host name"];
    assert!(untold.iter().all(|line| !daemon.log().contains(line)), "{}", daemon.log());
}

#[test]
fn a_trusted_name_that_the_mta_gives_itself_is_told_of_once() {
    let dns = Dns::serving(ZONE).unwrap();
    let daemon = start(&dns, "[auth]\ntrusted_ids = [\"mx.example.org\"]");
    for _ in 0..3 {
        let forged = with_results("mx.example.org; dmarc=pass header.from=sender.example");
        let told = results(&forged, &judge(&daemon, "mx.example.org", &forged));
        assert!(told.len() == 1 && told[0].contains("; dmarc=none header.from="), "{told:?}");
    }
    assert_eq!(daemon.log().matches("trusted_ids in [auth] names").count(), 1, "{}", daemon.log());
}

#[test]
fn a_check_that_does_not_end_is_no_none() {
    let dns = Dns::serving("sender.example TIMEOUT").unwrap();
    let silent = "[scanner.auth]\ntimeout = \"300ms\"\non_failure = \"tag\"";
    let daemon = start(&dns, silent);
    let raw = mail("late", "text");
    let told = results(&raw, &judge(&daemon, "mx.example.org", &raw));
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("mx.example.org; spf=temperror "), "{told:?}");
}

#[test]
fn through_postfix_our_fields_stand_on_top_in_their_order_and_no_line_is_long() {
    if !mta::not_run::postfix_ready(
        "through_postfix_our_fields_stand_on_top_in_their_order_and_no_line_is_long",
    ) {
        return;
    }
    let dns = Dns::empty().unwrap();
    let daemon = start(&dns, "[auth]\nreceived_spf = true");
    let postfix = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
    let label = |n: usize| format!("{n}{}", "x".repeat(59));
    let signature = |n: usize| {
        let (d, s) = (format!("{}.{}.{}.example", label(n), label(1), label(2)), label(n));
        format!(
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; h=From;\r\n d={d};\r\n s={s};\r\n i=@{d};\r\n bh=AAAA;\r\n b=QUJDREVGR0g=\r\n"
        )
    };
    let signatures: String = (0..12).map(signature).collect();
    let raw = [signatures.into_bytes(), with_results("MX.example.org; dmarc=pass")].concat();
    let from = format!("{}@sender.example", "l".repeat(64));
    let sent = mta::smtp::send(postfix.smtp_port(), &from, &["alice@example.org"], &raw).unwrap();
    assert!(sent.taken(), "{sent:?}");
    let arrived = &postfix.wait_for_mail("alice@example.org", 1).unwrap()[0];
    let fields = arrived.fields();
    let names: Vec<&str> = fields.iter().map(|field| field.split(':').next().unwrap()).collect();
    let top = names.iter().position(|name| *name == "Authentication-Results").unwrap();
    let expected = ["Authentication-Results", "Received-SPF", "X-Mailward-Id", "X-Mailward-Verdict"];
    assert_eq!(names[top..top + 4], expected, "{names:?}");
    assert!(
        names[..top].iter().all(|n| ["Return-Path", "X-Original-To", "Delivered-To"].contains(n)),
        "{names:?}"
    );
    let received = names.iter().position(|name| *name == "Received").unwrap();
    assert!(names[top + 4..received].iter().all(|name| name.starts_with("X-")), "{names:?}");
    assert_eq!(arrived.values("Authentication-Results").len(), 1);
    let field = &fields[top];
    assert!(field.lines().all(|line| line.len() <= 320), "{field}");
    assert!(field.contains("header.d=0xxx") && field.ends_with("policy.iprev=127.0.0.1"), "{field}");
    let told = field.matches("dkim=").count();
    assert!((2..=10).contains(&told), "{field}");
    let more = format!("(and {} more)", 12 - told);
    assert!(field.replace("\n\t", " ").contains(&more), "{more}: {field}");
    assert!(field.matches('"').count().is_multiple_of(2), "{field}");
}

#[test]
fn the_words_of_a_filter_in_front_of_us_on_the_same_host_are_taken() {
    if !mta::not_run::postfix_ready("the_words_of_a_filter_in_front_of_us_on_the_same_host_are_taken") {
        return;
    }
    let dns = Dns::serving("sender.example TXT v=spf1 -all").unwrap();
    let daemon = start(&dns, "[auth]\ntrusted_ids = [\"dkim.example.org\"]");
    // As OpenDKIM and rspamd insert it: below the MTA's Received.
    let front = Probe::start(vec![
        indymilter::message::reply::Reply::InsertHeader {
            index: 1,
            name: c"Authentication-Results".into(),
            value: c" dkim.example.org;\n\tdkim=pass header.d=sender.example header.s=s".into(),
        },
        indymilter::message::reply::Reply::Accept,
    ])
    .unwrap();
    let both = format!("{}, {}", front.endpoint(), daemon.endpoint());
    let postfix = Postfix::start(&Options::with_milter(both)).unwrap();
    let raw = mail("front", "text");
    let sent =
        mta::smtp::send(postfix.smtp_port(), "a@sender.example", &["alice@example.org"], &raw).unwrap();
    assert!(sent.taken(), "{sent:?}");
    let arrived = &postfix.wait_for_mail("alice@example.org", 1).unwrap()[0];
    let values = arrived.values("Authentication-Results");
    let told: Vec<String> =
        values.iter().map(|value| value.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    let ours = "mx.example.org; spf=fail reason=\"-all of sender.example matches\" smtp.mailfrom=a@sender.example; \
                dkim=pass (as told by dkim.example.org) header.d=sender.example header.s=s; dmarc=none ";
    assert!(told[0].starts_with(ours), "{told:?}");
}
