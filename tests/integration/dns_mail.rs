//! Mail judged on a DNS that lies, hangs, or is gone: nothing is poisoned, what came is kept, and it is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::common::{mail, stdout};
use super::milter_client::{MilterClient, Peer};
use super::mta::dns::{Answer, Question, Reply, text, wire};
use super::mta::{Daemon, Dns, Site, wait_until};

/// An RSA key of 1024 bits, of which nobody has the private half.
const KEY: &str = "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB";

/// Who a message says that it is from, where it may be looked up.
#[derive(Clone, Copy)]
struct Sender<'a> {
    helo: &'a str,
    from: &'a str,
    raw: &'a [u8],
}

/// What is on record of the message after it was judged.
fn judged(daemon: &Daemon, sender: Sender<'_>) -> Value {
    let peer = Peer { helo: sender.helo.to_owned(), ..Peer::default() };
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &peer);
    client.envelope(sender.from, &["<alice@example.org>".to_owned()]);
    client.message(sender.raw);
    client.quit();
    let listed = stdout(daemon, &["audit", "list", "--limit", "1"]);
    let id = listed.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    serde_json::from_str(&stdout(daemon, &["explain", &id, "--json"])).unwrap()
}

/// How authentication ended, as the header says it.
fn coverage(record: &Value) -> String {
    let headers = record["plan"]["headers"].as_array().unwrap();
    let field = headers.iter().find(|header| header["name"] == "X-Mailward-Coverage").unwrap();
    field["value"].as_str().unwrap().split(';').next().unwrap().to_owned()
}

/// Unsigned but for a signature that is false: with the key it fails, without it is permerror.
fn of_victim() -> Vec<u8> {
    let signature = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=victim.example; s=sel; h=from; bh=eDCyaw7m810RhFf0TmGWGkTYiT/1GwL4/PCOGIr3ew4=; b=AAAA\r\n";
    let mail = mail("from the victim", "text");
    let text = String::from_utf8(mail).unwrap().replace("a@sender.example", "a@victim.example");
    format!("{signature}{text}").into_bytes()
}

#[test]
fn what_one_mail_makes_us_look_up_does_not_change_another() {
    let zone = format!(
        "_dmarc.victim.example TXT v=DMARC1; p=reject\n\
         _dmarc.victim.example TXT v=spf1 ip4:192.0.2.7 -all\n\
         sel._domainkey.victim.example TXT {KEY}\n\
         victim.example TXT v=spf1 -all\n"
    );
    let raw = of_victim();
    let victim = Sender { helo: "mx.sender.example", from: "<a@victim.example>", raw: &raw };
    let plain = mail("plain", "text");
    // SPF asks for texts under the names of DMARC records and keys.
    let attacks = [
        Sender { helo: "mx.sender.example", from: "<x@_dmarc.victim.example>", raw: &plain },
        Sender { helo: "_dmarc.victim.example", from: "<>", raw: &plain },
        Sender { helo: "mx.sender.example", from: "<x@sel._domainkey.victim.example>", raw: &plain },
        Sender { helo: "sel._domainkey.victim.example", from: "<>", raw: &plain },
    ];
    let seen = |daemon: &Daemon, sender| judged(daemon, sender)["authentication"].clone();

    let dns = Dns::serving(&zone).unwrap();
    let daemon = Daemon::start(&dns.section()).unwrap();
    let before = seen(&daemon, victim);
    let result = |seen: &Value| {
        let word = |value: &Value| value["result"].as_str().unwrap_or("none").to_owned();
        [word(&seen["mail_from"]), word(&seen["dkim"][0]), word(&seen["dmarc"])]
    };
    assert_eq!(result(&before), ["fail", "fail", "fail"], "{before:#}");
    // After the victim's own mail: what is kept of it does not help or harm who asks for the same as SPF.
    let after = attacks.map(|attack| seen(&daemon, attack));
    assert_eq!(after[0]["mail_from"]["result"], "pass", "two records, and each is found by who needs it");
    assert_eq!(after[2]["mail_from"]["result"], "none", "a key is no SPF record");

    let dns = Dns::serving(&zone).unwrap();
    let fresh = Daemon::start(&dns.section()).unwrap();
    assert_eq!(attacks.map(|attack| seen(&fresh, attack)), after);
    assert_eq!(seen(&fresh, victim), before);
}

#[test]
fn one_domain_that_never_answers_costs_only_what_hangs_on_it() {
    let zone = "sender.example TXT v=spf1 include:dead.example -all\n\
                dead.example TIMEOUT\n\
                _dmarc.sender.example TXT v=DMARC1; p=none\n\
                mx.sender.example A 192.0.2.7\n\
                7.2.0.192.in-addr.arpa PTR mx.sender.example\n";
    let dns = Dns::serving(zone).unwrap();
    let config = format!("{}timeout = \"60s\"\n[scanner.auth]\ntimeout = \"2s\"\n", dns.section());
    let daemon = Daemon::start(&config).unwrap();
    let raw = mail("half", "text");
    let begun = Instant::now();
    let record = judged(&daemon, Sender { helo: "mx.sender.example", from: "<a@sender.example>", raw: &raw });
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(coverage(&record), "auth=failed(temperror)");
    let seen = &record["authentication"];
    let results = ["mail_from", "iprev", "dmarc"].map(|check| seen[check]["result"].as_str().unwrap());
    assert_eq!(results, ["temperror", "pass", "temperror"], "{seen:#}");
    assert_eq!(seen["dmarc"]["policy"], "none", "the policy was found");
    assert!(daemon.get("/readyz").unwrap().1.starts_with("ready"), "a dead domain is not a dead DNS");
}

/// What hostile servers answer about a sender that is named after what they do.
fn hostile(question: &Question) -> Answer {
    let does = |what: &str| question.name.ends_with(&format!("{what}.example"));
    let whole = |answers| Answer::Reply(Reply { answers, ..Reply::default() });
    let record = |kind: u16, rdata: Vec<u8>| (question.name.clone(), kind, 60, rdata);
    if !question.over_tcp && ["many", "closes", "garbage"].iter().any(|what| does(what)) {
        return Answer::Truncated;
    }
    match () {
        () if does("goes-round") => whole(vec![record(5, wire(&question.name))]),
        () if does("goes-on") => whole(vec![record(5, wire(&format!("x{}", question.name)))]),
        () if does("many") => whole((0..2000).map(|_| record(16, text(b"v=spf1 +all"))).collect()),
        () if does("closes") => Answer::Closed,
        () if does("garbage") => Answer::Raw(vec![0x84; 40_000]),
        () if does("refers") => {
            let authorities = vec![(String::new(), 2, 60, wire("ns.elsewhere.example"))];
            Answer::Reply(Reply { authorities, ..Reply::default() })
        }
        () if does("says-other") => Answer::Reply(Reply {
            instead: Some("other.example".to_owned()),
            answers: vec![record(16, text(b"v=spf1 +all"))],
            ..Reply::default()
        }),
        () => Answer::NoName,
    }
}

#[test]
fn a_sender_with_hostile_servers_gets_no_pass_and_no_quiet_none() {
    let dns = Dns::answering(hostile).unwrap();
    let daemon = Daemon::start(&format!("{}timeout = \"300ms\"\n", dns.section())).unwrap();
    for (what, spf, dmarc) in [
        ("goes-round", "temperror", "temperror"),
        ("goes-on", "temperror", "temperror"),
        // It has answered, and what it says is no policy (RFC 7208 §4.5, RFC 9989 §4.7).
        ("many", "permerror", "none"),
        ("closes", "temperror", "temperror"),
        ("garbage", "temperror", "temperror"),
        ("refers", "temperror", "temperror"),
        ("says-other", "temperror", "temperror"),
    ] {
        let domain = format!("{what}.example");
        let raw = String::from_utf8(of_victim()).unwrap().replace("victim.example", &domain);
        let from = format!("<a@{domain}>");
        let record = judged(&daemon, Sender { helo: "mx.sender.example", from: &from, raw: raw.as_bytes() });
        let seen = &record["authentication"];
        let results = ["mail_from", "dmarc"].map(|check| seen[check]["result"].as_str().unwrap_or("none"));
        assert_eq!(results, [spf, dmarc], "{what}: {seen:#}");
        assert_ne!(seen["dkim"][0]["result"], "pass", "{what}");
    }
    assert!(daemon.get("/readyz").unwrap().1.starts_with("ready"), "such domains are not a dead DNS");
}

#[test]
fn a_message_that_asks_too_much_has_failed_dmarc_and_it_is_said_why_it_is_not_all_known() {
    let mut zone =
        "sender.example TXT v=spf1 include:i0.example -all\n_dmarc.sender.example TXT v=DMARC1; p=reject\n"
            .to_owned();
    for n in 0..9 {
        zone.push_str(&format!("i{n}.example TXT v=spf1 include:i{}.example -all\n", n + 1));
    }
    let dns = Dns::serving(&zone).unwrap();
    let config = format!(
        "{}[scanner.auth]\nquestions = 12\n[policy.dmarc]\nreject = \"tag\"\nquarantine = \"tag\"\n",
        dns.section()
    );
    let daemon = Daemon::start(&config).unwrap();
    let signatures: String = (0..10)
        .map(|n| format!("DKIM-Signature: v=1; a=rsa-sha256; d=sender.example; s=s{n}; h=from; bh=eDCyaw7m810RhFf0TmGWGkTYiT/1GwL4/PCOGIr3ew4=; b=AAAA\r\n"))
        .collect();
    let raw = [signatures.as_bytes(), &mail("greedy", "text")].concat();
    let record = judged(&daemon, Sender { helo: "mx.sender.example", from: "<a@sender.example>", raw: &raw });
    assert_eq!(dns.asked().len(), 12, "{:?}", dns.asked());
    assert_eq!(coverage(&record), "auth=failed(dns-budget)");
    let seen = &record["authentication"];
    let results = ["mail_from", "dmarc"].map(|check| seen[check]["result"].as_str().unwrap());
    assert_eq!(results, ["temperror", "fail"], "{seen:#}");
    assert_eq!(seen["mail_from"]["over_budget"], true, "{seen:#}");
    assert!(!seen["dkim"].to_string().contains("\"fail\""), "{seen:#}");
    let metrics = daemon.get("/metrics").unwrap().1;
    assert!(metrics.contains("mailward_dns_questions_total{answer=\"budget\"}"), "{metrics}");
}

#[test]
fn silent_domains_do_not_keep_the_author_from_an_answer() {
    // Ten signatures, a chain of fifty sets, the client's names and HELO, all of them of a domain that is silent.
    let mut zone = "_dmarc.bank.example TXT v=DMARC1; p=reject\n\
                    attacker.example TXT v=spf1 ip4:192.0.2.7 -all\n\
                    mx.attacker.example TXT v=spf1 ptr -all\n"
        .to_owned();
    (0..10).for_each(|n| zone.push_str(&format!("7.2.0.192.in-addr.arpa PTR p{n}.dead.example\n")));
    let of_zone = Dns::zone(&zone).unwrap();
    let dns = Dns::answering(move |question| match question.name.ends_with("dead.example") {
        true => Answer::Silence,
        false => of_zone(question),
    });
    let dns = dns.unwrap();
    let config = format!("{}[policy.dmarc]\nreject = \"honour\"\n", dns.section());
    let daemon = Daemon::start(&config).unwrap();
    let hash = "bh=eDCyaw7m810RhFf0TmGWGkTYiT/1GwL4/PCOGIr3ew4=; b=QUJD";
    let signature = |domain: &str, selector: &str| {
        format!(
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s={selector}; h=from; {hash}\r\n"
        )
    };
    let mut raw: String =
        (0..9).map(|n| signature(&format!("d{n}.dead.example"), &format!("b{n}"))).collect();
    for n in (1..=50).rev() {
        let (cv, of) = (if n == 1 { "none" } else { "pass" }, format!("d=k{n}.dead.example; s=a{n}"));
        raw.push_str(&format!(
            "ARC-Seal: i={n}; a=rsa-sha256; cv={cv}; {of}; b=QUJD\r\n\
             ARC-Message-Signature: i={n}; a=rsa-sha256; c=relaxed/relaxed; h=from; {of}; {hash}\r\n\
             ARC-Authentication-Results: i={n}; x; dmarc=pass\r\n"
        ));
    }
    raw.push_str(&signature("bank.example", "zzz"));
    let forged =
        String::from_utf8(mail("forged", "text")).unwrap().replace("a@sender.example", "a@bank.example");
    raw.push_str(&forged);
    for helo in ["mx.attacker.example", "mx.dead.example"] {
        let sender = Sender { helo, from: "<a@attacker.example>", raw: raw.as_bytes() };
        let record = judged(&daemon, sender);
        let seen = &record["authentication"];
        assert_eq!(
            seen["dkim"][9]["result"], "permerror",
            "{helo}: there is no such key: {:#}",
            seen["dkim"]
        );
        assert_eq!(seen["mail_from"]["result"], "pass", "{helo}: {:#}", seen["mail_from"]);
        assert_eq!(seen["dmarc"]["result"], "fail", "{helo}: {:#}", seen["dmarc"]);
        assert_eq!(record["plan"]["dispositions"][0], "reject", "{helo}: {:#}", record["plan"]);
    }
}

#[test]
fn a_greedy_record_of_the_helo_name_does_not_save_forged_mail() {
    let mut zone = "bank.example TXT v=spf1 include:i.bank.example -all\n\
                    i.bank.example TXT v=spf1 ip4:198.51.100.1 -all\n\
                    _dmarc.bank.example TXT v=DMARC1; p=reject\n\
                    mx.evil.example TXT v=spf1"
        .to_owned();
    (0..10).for_each(|m| zone.push_str(&format!(" mx:m{m}.evil.example")));
    zone.push_str(" -all\n");
    for m in 0..10 {
        for h in 0..10 {
            zone.push_str(&format!(
                "m{m}.evil.example MX {h} h{h}m{m}.evil.example\nh{h}m{m}.evil.example A 198.51.100.9\n"
            ));
        }
    }
    let dns = Dns::serving(&zone).unwrap();
    let config = format!("{}[policy.dmarc]\nreject = \"honour\"\n", dns.section());
    let daemon = Daemon::start(&config).unwrap();
    let raw =
        String::from_utf8(mail("forged", "text")).unwrap().replace("a@sender.example", "a@bank.example");
    // The second time the greedy record is in the cache and asks all in a moment, and the bank's is not.
    for from in ["<>", "<a@bank.example>"] {
        let record = judged(&daemon, Sender { helo: "mx.evil.example", from, raw: raw.as_bytes() });
        let seen = &record["authentication"];
        assert_eq!(seen["dmarc"]["result"], "fail", "{from}: {seen:#}");
        assert_eq!(record["plan"]["dispositions"][0], "reject", "{from}: {:#}", record["plan"]);
    }
}

#[test]
fn honest_mail_asks_about_a_dozen_questions() {
    // As a large provider sends it: SPF in four records, a signature of its own and one of the customer.
    let zone = format!(
        "customer.example TXT v=spf1 include:_spf.provider.example ~all\n\
         _spf.provider.example TXT v=spf1 include:_a.provider.example include:_b.provider.example ~all\n\
         _a.provider.example TXT v=spf1 ip4:198.51.100.0/24 ~all\n\
         _b.provider.example TXT v=spf1 ip4:192.0.2.0/24 ~all\n\
         _dmarc.customer.example TXT v=DMARC1; p=reject\n\
         sel._domainkey.customer.example TXT {KEY}\n\
         sel._domainkey.provider.example TXT {KEY}\n\
         mx.provider.example A 192.0.2.7\n\
         7.2.0.192.in-addr.arpa PTR mx.provider.example\n"
    );
    let dns = Dns::serving(&zone).unwrap();
    let daemon = Daemon::start(&dns.section()).unwrap();
    let of = |domain: &str| String::from_utf8(of_victim()).unwrap().replace("victim.example", domain);
    let raw = of("customer.example");
    let signature = of("provider.example").lines().next().unwrap().to_owned();
    let raw = format!("{signature}\r\n{raw}");
    let sender = Sender { helo: "mx.provider.example", from: "<a@customer.example>", raw: raw.as_bytes() };
    let record = judged(&daemon, sender);
    assert_eq!(record["authentication"]["dmarc"]["result"], "pass", "{record:#}");
    assert_eq!(dns.asked().len(), 11, "{:#?}", dns.asked());
}

#[test]
fn that_the_dns_is_gone_is_said_from_the_start_and_until_it_is_back() {
    let gone = Arc::new(AtomicBool::new(true));
    let is_gone = Arc::clone(&gone);
    let dns = Dns::answering(move |_| match is_gone.load(Ordering::Relaxed) {
        true => Answer::Fail,
        false => Answer::NoName,
    });
    let dns = dns.unwrap();
    let daemon = Daemon::start(&dns.section()).unwrap();
    let line = daemon.wait_for_log("no DNS server answers").unwrap();
    assert!(line.contains("ERROR") || line.contains("error"), "{line}");
    let (status, text) = daemon.get("/readyz").unwrap();
    assert_eq!(status, 200, "mail is judged by all else");
    let told = format!("degraded: auth: the DNS does not answer (asked {}): ", dns.address());
    assert!(text.contains(&told), "{text}");
    let status = daemon.cli(&["status"]).unwrap();
    assert!(
        String::from_utf8_lossy(&status.stdout)
            .contains("scanner     auth: degraded: the DNS does not answer")
    );
    assert!(daemon.get("/metrics").unwrap().1.contains("mailward_scanner_up{scanner=\"auth\"} 0"));

    gone.store(false, Ordering::Relaxed);
    let raw = mail("again", "text");
    judged(&daemon, Sender { helo: "mx.sender.example", from: "<a@sender.example>", raw: &raw });
    daemon.wait_for_log("the DNS answers again").unwrap();
    assert_eq!(daemon.get("/readyz").unwrap().1, "ready\n");
    let told = daemon.log().matches("no DNS server answers").count();
    assert_eq!(told, 1, "it is said once");
}

#[test]
fn a_reload_keeps_what_is_known_and_asks_others_when_it_is_told_to() {
    let (first, second) = (Dns::empty().unwrap(), Dns::empty().unwrap());
    let site = Site::new().unwrap();
    let config = site.defaults(&first.section());
    let other = site.defaults(&second.section());
    let daemon = site.start(&config).unwrap();
    let raw = mail("known", "text");
    let sender = Sender { helo: "mx.sender.example", from: "<a@sender.example>", raw: &raw };
    judged(&daemon, sender);
    let asked = first.asked().len();
    // Each answer is asked for once: `explain` counts what an honest mail without signatures asks.
    assert!((1..15).contains(&asked), "{:?}", first.asked());
    stdout(&daemon, &["reload"]);
    judged(&daemon, sender);
    assert_eq!(first.asked().len(), asked, "it is known still");
    daemon.write_config(&other).unwrap();
    stdout(&daemon, &["reload"]);
    judged(&daemon, sender);
    assert_eq!((first.asked().len(), second.asked().len()), (asked, asked));
}

#[test]
fn a_name_of_odd_bytes_breaks_neither_header_nor_log() {
    let dns = Dns::answering(|question| match question.kind {
        12 => {
            Answer::Records(vec![(question.name.clone(), 12, [&[8_u8][..], b"A b\r\n.;\xff", &[0]].concat())])
        }
        _ => Answer::NoName,
    });
    let dns = dns.unwrap();
    let daemon = Daemon::start(&dns.section()).unwrap();
    let raw = mail("odd", "text");
    let record = judged(&daemon, Sender { helo: "mx.sender.example", from: "<a@sender.example>", raw: &raw });
    let name = record["authentication"]["iprev"]["name"].as_str().unwrap();
    assert!(name.bytes().all(|b| b.is_ascii_graphic()), "{name}");
    let value = record["plan"]["headers"][0]["value"].as_str().unwrap();
    // The name stands in a comment, and cannot end it.
    assert!(value.ends_with("iprev=fail (a?040b?015?012?.???377) policy.iprev=192.0.2.7"), "{value}");
    wait_until("a line about the message", Duration::from_secs(10), || {
        Ok(daemon.log().contains("judged").then_some(()))
    })
    .unwrap();
    assert!(daemon.log().lines().all(|line| line.is_ascii() && !line.contains('\r')));
}
