//! Mail that a relay of ours passes on: who handed it to the relay is judged, not the relay (two real Postfixes).

use serde_json::{Value, json};

use super::common::{quarantine, stdout};
use super::mta::smtp::crlf;
use super::mta::{self, Daemon, Delivered, Dns, Options, Postfix, Smtp};

/// Where the relay connects from.
const RELAY: &str = "127.0.0.3";
/// May send for sender.example.
const GOOD: &str = "ADDR=203.0.113.9 NAME=out.sender.example";
/// May not.
const EVIL: &str = "ADDR=203.0.113.66 NAME=evil.example";

const ZONE: &str = "
sender.example TXT v=spf1 ip4:203.0.113.9 -all
_dmarc.sender.example TXT v=DMARC1; p=reject
9.113.0.203.in-addr.arpa PTR out.sender.example
out.sender.example A 203.0.113.9";

/// A backup MX in front of ours.
struct Site {
    relay: Postfix,
    ours: Postfix,
    daemon: Daemon,
    _dns: Dns,
}

impl Site {
    fn build(trusted: &str) -> Self {
        let dns = Dns::serving(ZONE).unwrap();
        let config = format!("{}[network]\ntrusted_relays = [{trusted}]\n", dns.section());
        let daemon = Daemon::start(&config).unwrap();
        let ours = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
        let options = Options::default()
            .set("myhostname", "relay.example.org")
            .set("virtual_mailbox_domains", "")
            .set("relay_domains", "example.org")
            .set("relay_transport", format!("smtp:[127.0.0.1]:{}", ours.smtp_port()))
            .set("smtp_bind_address", RELAY);
        Self { relay: Postfix::start(&options).unwrap(), ours, daemon, _dns: dns }
    }

    /// Waits until the relay is rid of everything and ours has taken it.
    fn settle(&self) {
        self.relay.wait_for_empty_queue().unwrap();
        self.ours.wait_for_empty_queue().unwrap();
    }

    fn mail(&self, to: &str) -> Delivered {
        self.ours.wait_for_mail(to, 1).unwrap().remove(0)
    }

    /// The record of the one message that is for `to`.
    fn record(&self, to: &str) -> (Value, String) {
        let listed = stdout(&self.daemon, &["audit", "list"]);
        let row = listed.lines().find(|row| row.contains(to)).unwrap_or_else(|| panic!("{listed}"));
        let id = row.split_whitespace().next().unwrap();
        let object = serde_json::from_str(&stdout(&self.daemon, &["explain", "--json", id])).unwrap();
        (object, stdout(&self.daemon, &["explain", id]))
    }

    fn held_for(&self) -> Vec<String> {
        let held = quarantine(&self.daemon);
        let mut whom: Vec<String> = held.iter().map(|e| e["envelope"]["recipients"][0].to_string()).collect();
        whom.sort_unstable();
        whom
    }
}

/// A stranger hands mail to a server.
fn hand(port: u16, client: &str, helo: &str, to: &str, header: &str) {
    let mut smtp = Smtp::hello(port, helo).unwrap();
    let reply = smtp.pretend(client, helo).unwrap();
    assert!(reply.is_positive(), "{reply}");
    let mail = crlf(&format!("{header}From: Anna <a@sender.example>\nSubject: hello\n\ntext\n"));
    let sent = smtp.send("a@sender.example", &[to], &mail).unwrap();
    assert!(sent.taken(), "{sent:?}");
    smtp.quit().unwrap();
}

fn results(auth: &Value) -> [&Value; 3] {
    [&auth["spf"], &auth["dkim"], &auth["dmarc"]]
}

#[test]
fn behind_a_relay_the_host_that_it_took_the_mail_from_is_judged() {
    if !mta::not_run::postfix_ready("behind_a_relay_the_host_that_it_took_the_mail_from_is_judged") {
        return;
    }
    let site = Site::build(&format!("\"{RELAY}\""));
    let good =
        "Received: from out.sender.example (out.sender.example [203.0.113.9])\n by relay.example.org\n";
    hand(site.relay.smtp_port(), GOOD, "out.sender.example", "alice@example.org", "");
    // Neither what he calls himself nor what he writes into the mail makes another of him.
    hand(site.relay.smtp_port(), EVIL, "[203.0.113.9]", "bob@example.org", good);
    // A stranger who comes to us writes no Received that counts.
    hand(site.ours.smtp_port(), EVIL, "relay.example.org", "carol@example.org", good);
    site.settle();

    let field = site.mail("alice@example.org").value("Authentication-Results").unwrap();
    for told in ["spf=pass", "iprev=pass", "dmarc=pass"] {
        assert!(field.contains(told), "{told}: {field}");
    }
    assert!(field.contains("policy.iprev=203.0.113.9"), "{field}");
    let (_, text) = site.record("alice@example.org");
    let judged = format!("203.0.113.9, as the trusted relay {RELAY} says in its Received field");
    assert!(text.contains(&judged), "{text}");

    assert_eq!(site.held_for(), ["\"<bob@example.org>\"", "\"<carol@example.org>\""]);
    for to in ["bob@example.org", "carol@example.org"] {
        let (record, text) = site.record(to);
        assert_eq!(record["authentication"]["client"], "203.0.113.66", "{text}");
        assert_eq!(results(&record["auth"]), [&json!("fail"), &json!("none"), &json!("fail")], "{text}");
    }
    let (record, text) = site.record("bob@example.org");
    assert_eq!(
        record["authentication"]["helo"]["domain"],
        Value::Null,
        "HELO is the client's, no name: {text}"
    );
}

#[test]
fn where_a_relay_names_nobody_nothing_is_held_against_the_mail() {
    if !mta::not_run::postfix_ready("where_a_relay_names_nobody_nothing_is_held_against_the_mail") {
        return;
    }
    let site = Site::build(&format!("\"{RELAY}\""));
    // From a program on the relay: `Received: by relay.example.org (Postfix, from userid 0)`.
    let mail = |to: &str| format!("From: Anna <a@sender.example>\nTo: {to}\nSubject: hello\n\ntext\n");
    let by_program = mail("alice@example.org");
    site.relay.sendmail("a@sender.example", &["alice@example.org"], by_program.as_bytes()).unwrap();
    // From the relay to itself, as a content filter hands mail back; what stands below may be invented.
    let invented = "Received: from out.sender.example (out.sender.example [203.0.113.9]) by x\n";
    hand(site.relay.smtp_port(), "ADDR=127.0.0.1 NAME=localhost", "localhost", "bob@example.org", invented);
    site.settle();

    for to in ["alice@example.org", "bob@example.org"] {
        let mail = site.mail(to);
        let coverage = mail.value("X-Mailward-Coverage").unwrap();
        assert!(coverage.starts_with("auth=skipped(relay);"), "{coverage}");
        let field = mail.value("Authentication-Results").unwrap();
        assert!(!field.contains("fail") && !field.contains("spf="), "{field}");
        let (record, text) = site.record(to);
        assert_eq!(results(&record["auth"]), [&Value::Null, &json!("none"), &Value::Null], "{text}");
        assert_eq!(record["disposition"], "accept", "{text}");
        assert_eq!(record["reason"], "nothing found; not fully inspected: auth=skipped(relay)", "{text}");
        let why =
            format!("not known: {RELAY} is a trusted relay, and its Received field names no host outside");
        assert!(text.contains(&why), "{text}");
        let asks = "sender.example asks for reject (_dmarc.sender.example): the client is not known";
        assert!(text.contains(asks), "{text}");
    }
    let log = site.daemon.log();
    let told =
        log.lines().filter(|line| line.contains("its Received field names no client")).collect::<Vec<_>>();
    assert!(told.len() == 1 && told[0].contains(RELAY), "{told:#?}");
}

#[test]
fn a_relay_with_a_filter_of_its_own_is_looked_behind_where_its_loopback_is_trusted() {
    let name = "a_relay_with_a_filter_of_its_own_is_looked_behind_where_its_loopback_is_trusted";
    if !mta::not_run::postfix_ready(name) {
        return;
    }
    let site = Site::build(&format!("\"{RELAY}\", \"127.0.0.1\""));
    let first = "Received: from out.sender.example (out.sender.example [203.0.113.9])\n\tby relay.example.org (Postfix)\n";
    hand(site.relay.smtp_port(), "ADDR=127.0.0.1 NAME=localhost", "localhost", "alice@example.org", first);
    site.settle();
    let (record, text) = site.record("alice@example.org");
    assert_eq!(record["authentication"]["client"], "203.0.113.9", "{text}");
    assert_eq!(results(&record["auth"]), [&json!("pass"), &json!("none"), &json!("pass")], "{text}");
}
