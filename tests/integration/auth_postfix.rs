//! Mail that one Postfix signs with Debian's opendkim and another has verified here.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::common::{quarantine, stdout};
use super::mta::opendkim::{self, Algorithm};
use super::mta::smtp::crlf;
use super::mta::{self, Daemon, Delivered, Dns, Opendkim, Options, Postfix, Service, Smtp};

/// From the sender's server to ours: all parts are real.
struct Road {
    sender: Postfix,
    receiver: Postfix,
    daemon: Daemon,
    _dns: Dns,
}

/// What the sender's domain publishes besides its key.
const ZONE: &str = "
sender.example TXT v=spf1 ip4:127.0.0.1 -all
out.sender.example TXT v=spf1 ip4:127.0.0.1 -all
_dmarc.sender.example TXT v=DMARC1; p=reject
1.0.0.127.in-addr.arpa PTR out.sender.example
out.sender.example A 127.0.0.1";

impl Road {
    /// A port for each signer at the sender's; at the receiver's `more` lines of main.cf.
    fn build(signers: &[(&str, &Opendkim)], more: &[(&str, &str)]) -> Self {
        let keys: String = signers.iter().map(|(_, signer)| signer.record()).collect();
        let dns = Dns::serving(&format!("{keys}{ZONE}")).unwrap();
        let daemon = Daemon::start(&dns.section()).unwrap();
        let mut options = Options::with_milter(daemon.endpoint());
        options.main_cf.extend(more.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let receiver = Postfix::start(&options).unwrap();
        let sender = sender(signers, &format!("[127.0.0.1]:{}", receiver.smtp_port()));
        Self { sender, receiver, daemon, _dns: dns }
    }

    /// Has the sender's server take a mail, signed by the named signer.
    fn send(&self, signer: &str, to: &[&str], message: &[u8]) {
        let port = self.sender.port(signer).unwrap();
        let sent = mta::smtp::send(port, "a@sender.example", to, message).unwrap();
        assert!(sent.taken(), "{sent:?}");
    }

    /// The mails that `to` has, once there are so many.
    fn mails(&self, to: &str, count: usize) -> Vec<Delivered> {
        self.receiver.wait_for_mail(to, count).unwrap()
    }
}

/// A server that signs and sends all mail to `next`. To dave it goes from another address; from there to bob
/// as well with another body, to carol with another subject.
fn sender(signers: &[(&str, &Opendkim)], next: &str) -> Postfix {
    let services = signers.iter().map(|(name, signer)| {
        let options: &[(&str, &str)] = &[
            ("mynetworks", "127.0.0.0/8"),
            ("smtpd_relay_restrictions", "permit_mynetworks, reject"),
            ("local_header_rewrite_clients", "permit_mynetworks"),
            ("smtpd_milters", &signer.endpoint()),
        ];
        Service::new(name, options)
    });
    let by_recipient = format!(
        "inline:{{bob@example.org=body:{next}, carol@example.org=header:{next}, dave@example.org=elsewhere:{next}}}"
    );
    let mut options = Options { services: services.collect(), ..Options::default() }
        .set("myhostname", "out.sender.example")
        .set("virtual_mailbox_domains", "")
        .set("smtp_line_length_limit", "0")
        .set("transport_maps", by_recipient)
        .set("default_transport", format!("smtp:{next}"));
    options.master_cf = vec![
        "body unix - - n - - smtp".into(),
        "  -o smtp_bind_address=127.0.0.2".into(),
        "  -o { smtp_body_checks = regexp:{{/^Pay 100/ REPLACE Pay 900.}} }".into(),
        "header unix - - n - - smtp".into(),
        "  -o smtp_bind_address=127.0.0.2".into(),
        "  -o { smtp_header_checks = regexp:{{/^Subject:/ REPLACE Subject: last invoice}} }".into(),
        "elsewhere unix - - n - - smtp".into(),
        "  -o smtp_bind_address=127.0.0.2".into(),
    ];
    Postfix::start(&options).unwrap()
}

/// What is said of SPF of the reverse-path, DKIM and DMARC, in the order of the field.
fn results(mail: &Delivered) -> String {
    let field = mail.value("Authentication-Results").unwrap_or_else(|| panic!("{:#?}", mail.fields()));
    let told = field.split(';').map(str::trim).filter(|told| !told.contains("smtp.helo="));
    let words = told.filter_map(|told| told.split_whitespace().next());
    let of = |word: &&str| ["spf=", "dkim=", "dmarc="].iter().any(|method| word.starts_with(method));
    words.filter(of).collect::<Vec<_>>().join(" ")
}

const INVOICE: &str = "From: Anna <a@sender.example>\nTo: alice@example.org\nSubject: invoice\n\
                       Message-ID: <invoice@sender.example>\nDate: Sat, 21 Nov 2026 10:00:00 +0000\n\n\
                       Pay 100.\n";

#[test]
fn what_opendkim_signs_passes_and_what_is_changed_on_the_way_fails() {
    if !mta::not_run::opendkim_ready("what_opendkim_signs_passes_and_what_is_changed_on_the_way_fails") {
        return;
    }
    let signer = Opendkim::start(&opendkim::Options::default()).unwrap();
    let road = Road::build(&[("signs", &signer)], &[]);
    road.send("signs", &["alice@example.org", "dave@example.org"], &crlf(INVOICE));

    let mail = &road.mails("alice@example.org", 1)[0];
    assert_eq!(results(mail), "spf=pass dkim=pass dmarc=pass", "{:#?}", mail.fields());
    let fields = mail.fields();
    let place = |name: &str| fields.iter().position(|field| field.starts_with(name)).unwrap();
    assert!(place("Authentication-Results: mx.example.org;") < place("Received:"), "{fields:#?}");
    let other = &road.mails("dave@example.org", 1)[0];
    assert_eq!(results(other), "spf=fail dkim=pass dmarc=pass", "{:#?}", other.fields());

    // Changed on the way, and from elsewhere: nobody signed these, whatever their header says.
    road.send("signs", &["bob@example.org"], &crlf(INVOICE));
    road.send("signs", &["carol@example.org"], &crlf(INVOICE));
    road.sender.wait_for_empty_queue().unwrap();
    road.receiver.wait_for_empty_queue().unwrap();
    let held = quarantine(&road.daemon);
    let mut whom: Vec<&str> =
        held.iter().map(|e| e["envelope"]["recipients"][0].as_str().unwrap_or_default()).collect();
    whom.sort_unstable();
    assert_eq!(whom, ["<bob@example.org>", "<carol@example.org>"], "{held:#?}");
    for entry in &held {
        let raw = stdout(&road.daemon, &["explain", "--json", entry["id"].as_str().unwrap()]);
        let record: Value = serde_json::from_str(&raw).unwrap();
        let auth = &record["auth"];
        assert_eq!(
            (&auth["spf"], &auth["dkim"], &auth["dmarc"]),
            (&json!("fail"), &json!("fail"), &json!("fail")),
            "{auth}"
        );
    }
    let why = |to: &str| {
        let entry = held.iter().find(|e| e["envelope"]["recipients"][0] == to).unwrap();
        stdout(&road.daemon, &["explain", entry["id"].as_str().unwrap()])
    };
    assert!(
        why("<bob@example.org>").contains("the body hash does not match the body: it was changed on the way"),
        "{}",
        why("<bob@example.org>")
    );
}

/// What Postfix may have reason to touch: each verifies where it is taken as it was sent.
fn oddities() -> Vec<(&'static str, Vec<u8>)> {
    const HEAD: &str = "From: Anna <a@sender.example>\nTo: alice@example.org\nSubject:";
    let long = "0123456789 ".repeat(90);
    let longer = "0123456789 ".repeat(900);
    let texts = [
        ("no Date and no Message-ID", format!("{HEAD} x\n\ntext\n")),
        ("no body", format!("{HEAD} x\n\n")),
        ("empty lines at the end", format!("{HEAD} x\n\ntext\n\n\n\n")),
        ("lines of white space at the end", format!("{HEAD} x\n\ntext\n \n\t\n")),
        ("white space at ends of lines", format!("{HEAD}  two  blanks \n\ntext  \n\ttab\t\n text\n")),
        ("dots", format!("{HEAD} x\n\n.\n..\n.text\n...text\n")),
        ("a From line", format!("{HEAD} x\n\nFrom here on\n>From there\n")),
        ("folds", format!("{HEAD} one\n\ttwo\n  three\nReferences: <a@b>\n\t<c@d>\n <e@f>\n\ntext\n")),
        ("an empty fold", format!("{HEAD} one\n \n two\n\ntext\n")),
        (
            "8 bit in the body",
            format!(
                "{HEAD} x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGrüße – ✓\n"
            ),
        ),
        ("8 bit in the header", format!("{HEAD} Grüße\n\ntext\n")),
        ("long lines", format!("{HEAD} {long}\n\n{long}\n{long}\n")),
        ("a line longer than a record of Postfix's queue", format!("{HEAD} x\n\n{longer}\n")),
        (
            "fields that Postfix drops",
            format!(
                "Bcc: dora@example.org\nContent-Length: 7\nReturn-Path: <x@y.example>\n{HEAD} x\n\ntext\n"
            ),
        ),
        (
            "repeated fields",
            format!(
                "Reply-To: x@sender.example\n{HEAD} x\nReply-To: y@sender.example\nX-A: 1\nX-A: 2\n\ntext\n"
            ),
        ),
        (
            "an address that is rewritten",
            "From: a@sender.example (Anna)\nTo: alice, bob@example.org\nSubject: x\n\ntext\n".to_owned(),
        ),
        ("name and colon apart", format!("{HEAD} x\nKeywords : one\nComments:no blank\n\ntext\n")),
    ];
    let mut mails: Vec<_> = texts.into_iter().map(|(what, text)| (what, crlf(&text))).collect();
    mails.push(("no final line end", crlf(&format!("{HEAD} x\n\ntext")).to_vec()));
    mails.push(("bare LF", b"From: a@sender.example\r\nSubject: x\r\n\r\none\ntwo\r\n".to_vec()));
    mails.push(("bare CR", b"From: a@sender.example\r\nSubject: x\r\n\r\none\rtwo\r\n".to_vec()));
    mails.push(("NUL", b"From: a@sender.example\r\nSubject: x\r\n\r\none\0two\r\n".to_vec()));
    mails
}

#[test]
fn what_two_postfixes_do_to_a_mail_breaks_no_signature() {
    if !mta::not_run::opendkim_ready("what_two_postfixes_do_to_a_mail_breaks_no_signature") {
        return;
    }
    let start = |selector, canonicalization, algorithm| {
        let options =
            opendkim::Options { selector, canonicalization, algorithm, ..opendkim::Options::default() };
        (selector, Opendkim::start(&options).unwrap())
    };
    let signers = [
        start("simple-simple", "simple/simple", Algorithm::Rsa),
        start("simple-relaxed", "simple/relaxed", Algorithm::Rsa),
        start("relaxed-simple", "relaxed/simple", Algorithm::Rsa),
        start("relaxed-relaxed", "relaxed/relaxed", Algorithm::Rsa),
        start("ed25519-simple", "relaxed/simple", Algorithm::Ed25519),
        start("ed25519-relaxed", "relaxed/relaxed", Algorithm::Ed25519),
    ];
    let road = Road::build(&signers.each_ref().map(|(name, signer)| (*name, signer)), &[]);
    let mails = oddities();
    let mut sent = BTreeMap::new();
    for (signer, _) in &signers {
        for (what, mail) in &mails {
            let number = sent.len().to_string();
            road.send(
                signer,
                &["alice@example.org"],
                &[format!("X-Case: {number}\r\n").as_bytes(), mail].concat(),
            );
            sent.insert(number, format!("{signer}, {what}"));
        }
    }
    let failed: Vec<String> = road
        .mails("alice@example.org", sent.len())
        .iter()
        .filter(|mail| results(mail) != "spf=pass dkim=pass dmarc=pass")
        .map(|mail| format!("{}: {:#?}", sent[&mail.value("X-Case").unwrap()], mail.fields()))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn what_a_server_makes_of_a_mail_after_it_has_signed_it_is_not_what_was_signed() {
    let name = "what_a_server_makes_of_a_mail_after_it_has_signed_it_is_not_what_was_signed";
    if !mta::not_run::opendkim_ready(name) {
        return;
    }
    let signer = Opendkim::start(&opendkim::Options::default()).unwrap();
    // Told that nobody takes 8 bit, Postfix sends quoted-printable instead.
    let road = Road::build(&[("signs", &signer)], &[("smtpd_discard_ehlo_keywords", "8bitmime, smtputf8")]);
    let mails = oddities();
    let (_, mail) = mails.iter().find(|(what, _)| *what == "8 bit in the body").unwrap();
    let mut smtp = Smtp::hello(road.sender.port("signs").unwrap(), "client.sender.example").unwrap();
    for line in ["MAIL FROM:<a@sender.example> BODY=8BITMIME", "RCPT TO:<alice@example.org>", "DATA"] {
        let reply = smtp.command(line).unwrap();
        assert!(reply.is_positive(), "{line}: {reply}");
    }
    let reply = smtp.content(mail).unwrap();
    assert!(reply.is_positive(), "{reply}");
    let mail = &road.mails("alice@example.org", 1)[0];
    assert_eq!(mail.value("Content-Transfer-Encoding").as_deref(), Some("quoted-printable"));
    assert_eq!(results(mail), "spf=pass dkim=fail dmarc=pass", "{:#?}", mail.fields());
}
