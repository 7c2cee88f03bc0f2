//! What one mail makes us look up does not change what is found for the next (ADR 14).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::common;
use super::milter_client::{MilterClient, Peer};
use super::mta::{Daemon, Dns};

const ZONE: &str = "
_dmarc.victim.example TXT v=DMARC1; p=reject
s1._domainkey.victim.example TXT v=spf1 +all
";

fn send(daemon: &Daemon, from: &str, header: &str) -> Value {
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
    client.envelope(&format!("<{from}>"), &["<alice@example.org>".to_owned()]);
    let raw = format!("{header}To: alice@example.org\r\nSubject: x\r\n\r\ntext\r\n");
    client.message(raw.as_bytes());
    client.quit();
    let listed = common::stdout(daemon, &["audit", "list", "--limit", "1"]);
    let id = listed.lines().find(|line| line.contains("alice@example.org")).unwrap();
    let id = id.split_whitespace().next().unwrap().to_owned();
    serde_json::from_str(&common::stdout(daemon, &["explain", "--json", &id])).unwrap()
}

#[test]
fn a_name_that_is_asked_for_spf_first_still_holds_its_policy_and_its_key() {
    let dns = Dns::serving(ZONE).unwrap();
    let daemon = Daemon::start(&format!("{}[scanner.yara]\nenabled = false\n", dns.section())).unwrap();

    // The policy is no SPF record: none. The key's name is made to hold one.
    for local in ["_dmarc.victim.example", "s1._domainkey.victim.example"] {
        let first = send(&daemon, &format!("x@{local}"), "From: x@other.example\r\n");
        assert_eq!(first["authentication"]["mail_from"]["domain"], local);
    }
    let asked: Vec<String> = dns.asked().iter().map(super::mta::dns::Question::text).collect();
    assert!(asked.contains(&"_dmarc.victim.example TXT".to_owned()), "{asked:?}");

    let signed = "DKIM-Signature: v=1; a=rsa-sha256; d=victim.example; s=s1; h=From; bh=AAAA; b=AAAA\r\n";
    let forged = send(&daemon, "x@other.example", &format!("{signed}From: ceo@victim.example\r\n"));
    let dmarc = &forged["authentication"]["dmarc"];
    assert_eq!((&dmarc["result"], &dmarc["policy"]), (&json!("fail"), &json!("reject")), "{forged}");
    assert_ne!(forged["auth"]["dkim"], "pass", "{forged}");

    // Nothing is asked that these checks do not need.
    let asked: BTreeSet<String> = dns.asked().iter().map(super::mta::dns::Question::text).collect();
    let needed = [
        "_dmarc.victim.example TXT",
        "s1._domainkey.victim.example TXT",
        "_dmarc.other.example TXT",
        "_dmarc.example TXT",
        "other.example TXT",
        "mx.sender.example TXT",
        "7.2.0.192.in-addr.arpa PTR",
    ];
    let more: Vec<&String> = asked.iter().filter(|question| !needed.contains(&question.as_str())).collect();
    assert!(
        more.iter().all(|question| question.starts_with("localhost ") || question.starts_with(". ")),
        "{more:?}"
    );
}
