//! Mail that the milter judged and that comes again by LMTP, with a real Postfix between the two.

use super::common::{mail, stdout};
use super::mta::{self, Daemon, Dns, Options, Postfix, Service, Site, Smtp, delivered};

/// A daemon with both doors, the one for LMTP a unix socket beside that of the milter.
fn daemon(dns: &Dns, relay: &str) -> (Daemon, String) {
    let site = Site::new().unwrap();
    let socket = format!("unix:{}", site.path().join("spool/lmtp.sock").display());
    let toml = site.defaults(&format!(
        "[dns]\nservers = [\"{}\"]\n[lmtp]\nlisten = [\"{socket}\"]\nsocket_mode = \"0666\"\nsocket_group = \"\"\n\
         helo = \"mx.example.org\"\n{relay}",
        dns.address()
    ));
    (site.start(&toml).unwrap(), socket)
}

/// How often passes ended so.
fn passes(daemon: &Daemon, result: &str) -> String {
    let name = format!("mailward_passes_total{{result=\"{result}\"}} ");
    let metrics = daemon.get("/metrics").unwrap().1;
    metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or("-").to_owned()
}

fn judged(daemon: &Daemon) -> usize {
    stdout(daemon, &["audit", "export"]).lines().count()
}

/// A smtpd that takes mail back from the filter.
fn back() -> Service {
    Service::new(
        "back",
        &[
            ("content_filter", ""),
            ("smtpd_milters", ""),
            ("mynetworks", "127.0.0.0/8"),
            ("smtpd_relay_restrictions", "permit_mynetworks, reject"),
            (
                "receive_override_options",
                "no_milters,no_header_body_checks,no_unknown_recipient_checks,no_address_mappings",
            ),
            ("smtpd_authorized_xforward_hosts", "127.0.0.0/8"),
        ],
    )
}

/// Milter, queue, filter by LMTP, back, mailboxes. `staff` is an alias of bob's.
struct Chain {
    daemon: Daemon,
    postfix: Postfix,
}

impl Chain {
    fn start(dns: &Dns) -> Self {
        let back_port = mta::free_port().unwrap();
        let relay = format!("relay = \"inet:127.0.0.1:{back_port}\"\nrelay_protocol = \"smtp\"\n");
        let (daemon, socket) = daemon(dns, &relay);
        let mut options = Options::with_milter(daemon.endpoint())
            .set("lmtp_send_xforward_command", "yes")
            .set("smtputf8_enable", "yes")
            .set("virtual_alias_maps", "inline:{ staff@example.org=bob@example.org }");
        let filter = format!("lmtp:{socket}");
        for service in &mut options.services {
            service.options.push(("content_filter".into(), filter.clone()));
        }
        // Users on the road.
        options.services[1].options.push(("mynetworks".into(), "0.0.0.0/0".into()));
        options.master_cf.push("lmtp unix - - n - - lmtp".into());
        let service = back();
        let lines: String =
            service.options.iter().map(|(name, value)| format!("\n  -o {{ {name} = {value} }}")).collect();
        options.master_cf.push(format!("127.0.0.1:{back_port} inet n - n - - smtpd{lines}"));
        Self { daemon, postfix: Postfix::start(&options).unwrap() }
    }

    /// As somebody from 192.0.2.7; what arrives for `mailbox`, which has `count` messages then.
    fn send(
        &self,
        port: u16,
        from: &str,
        to: &str,
        raw: &[u8],
        mailbox: &str,
        count: usize,
    ) -> delivered::Delivered {
        let mut smtp = Smtp::hello(port, "test").unwrap();
        smtp.pretend("NAME=mail.sender.example ADDR=192.0.2.7", "mail.sender.example").unwrap();
        let sent = smtp.send(from, &[to], raw).unwrap();
        assert!(sent.taken(), "{:?}", smtp.transcript);
        self.postfix.wait_for_empty_queue().unwrap();
        let mail = self.postfix.wait_for_mail(mailbox, count).unwrap();
        assert_eq!(mail.len(), count);
        mail.into_iter().next_back().unwrap()
    }
}

fn dns() -> Dns {
    Dns::serving(
        "sender.example TXT v=spf1 ip4:192.0.2.7 -all\nexample.org TXT v=spf1 -all\n\
         _dmarc.example.org TXT v=DMARC1; p=reject\n",
    )
    .unwrap()
}

fn with_fields(fields: &str, body: &str) -> Vec<u8> {
    format!(
        "From: a@sender.example\r\nTo: alice@example.org\r\nDate: Sat, 21 Nov 2026 00:00:00 +0000\r\n\
         Message-ID: <1@sender.example>\r\nSubject: s\r\n{fields}\r\n{body}\r\n"
    )
    .into_bytes()
}

#[test]
fn what_the_milter_judged_is_known_after_the_queue_whatever_form_it_has() {
    let test = "what_the_milter_judged_is_known_after_the_queue_whatever_form_it_has";
    if !mta::not_run::postfix_ready(test) {
        return;
    }
    let dns = dns();
    let chain = Chain::start(&dns);
    let port = chain.postfix.smtp_port();
    let long = |length: usize| "0123456789".repeat(length / 10 + 1)[..length].to_owned();
    let lengths = [997, 998, 999, 1995, 1996, 2048, 2049, 3000, 9000];
    let lines: String = lengths.map(|length| format!("{}\r\n.{}\r\n", long(length), long(length))).concat();
    let multipart = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary=\"a  b\"\r\n";
    let parts = "preamble\r\n--a  b\r\nContent-Type: text/plain\r\n\r\none\r\n--a  b\r\nContent-Type:\r\n \
                 text/html\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<b>zw\u{f6}lf</b>\r\n \r\n--a  b--\r\n";
    let eight =
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
    let mut count = 0;
    for (what, raw) in [
        ("plain", with_fields("", ".\r\n..two\r\n\r\n\r\n")),
        ("eight bits", with_fields(eight, "gr\u{fc}n \u{20ac}")),
        ("eight bits that nothing announces", with_fields("X-A: gr\u{fc}n\r\n", "gr\u{fc}n")),
        (
            "folds",
            with_fields(
                "X-A: a\r\n\tb  c \r\n   d\r\nX-B:\r\n x\r\nX-C:no space\r\nX-D: \r\nReceived: x\r\n",
                "t",
            ),
        ),
        ("multipart", with_fields(multipart, parts)),
        ("long lines", with_fields("", &lines)),
        ("no body", with_fields("", "")),
    ] {
        count += 1;
        let mail =
            chain.send(port, "a@sender.example", "alice@example.org", &raw, "alice@example.org", count);
        let text = String::from_utf8_lossy(&mail.bytes).into_owned();
        assert_eq!(
            passes(&chain.daemon, "good"),
            count.to_string(),
            "{what}: {}\n{text}",
            chain.daemon.log()
        );
        assert_eq!(judged(&chain.daemon), count, "{what}: judged once");
        assert_eq!(mail.values("X-Mailward-Verdict"), ["clean"], "{what}");
        assert_eq!(mail.values("X-Mailward-Pass"), [""; 0], "{what}");
        assert!(mail.value("Authentication-Results").is_some_and(|r| r.contains("spf=pass")), "{text}");
    }
    // A field with a line that Postfix breaks is no longer as it was: judged again, and delivered.
    let field = format!("X-Long: {}\r\n", long(1500));
    let mail = chain.send(
        port,
        "a@sender.example",
        "alice@example.org",
        &with_fields(&field, "t"),
        "alice@example.org",
        count + 1,
    );
    assert_eq!(
        (passes(&chain.daemon, "good"), passes(&chain.daemon, "fields")),
        (count.to_string(), "1".into())
    );
    assert_eq!(mail.values("X-Mailward-Verdict"), ["clean"]);
    // So is mail for somebody else than he for whom it was judged.
    let mail =
        chain.send(port, "a@sender.example", "staff@example.org", &mail_to_staff(), "bob@example.org", 1);
    assert_eq!(
        (passes(&chain.daemon, "good"), passes(&chain.daemon, "recipients")),
        (count.to_string(), "1".into())
    );
    assert_eq!((mail.values("X-Mailward-Verdict"), judged(&chain.daemon)), (vec!["clean".into()], count + 4));
    assert!(mail.value("Authentication-Results").is_some_and(|r| r.contains("spf=pass")));
}

fn mail_to_staff() -> Vec<u8> {
    with_fields("", "text")
}

#[test]
fn mail_of_own_users_passes_the_filter_as_their_own() {
    if !mta::not_run::postfix_ready("mail_of_own_users_passes_the_filter_as_their_own") {
        return;
    }
    let dns = dns();
    let chain = Chain::start(&dns);
    let port = chain.postfix.port("submission").unwrap();
    let raw = String::from_utf8(mail("hello", "text")).unwrap();
    let from = raw.lines().find(|line| line.starts_with("From:")).unwrap().to_owned();
    let raw = raw.replace(&from, "From: alice@example.org").into_bytes();
    for (count, to, result) in [(1, "bob@example.org", "good"), (2, "staff@example.org", "own")] {
        let mail = chain.send(port, "alice@example.org", to, &raw, "bob@example.org", count);
        assert_eq!(passes(&chain.daemon, result), "1", "{to}: {}", chain.daemon.log());
        let ours: Vec<String> = mail.fields().into_iter().filter(|f| f.starts_with("X-Mailward-")).collect();
        assert!(ours.len() == 1 && ours[0].starts_with("X-Mailward-Id:"), "{to}: {ours:?}");
    }
    let records = stdout(&chain.daemon, &["audit", "export"]);
    let outbound = records.lines().filter(|line| line.contains("\"direction\":\"outbound\"")).count();
    assert_eq!((outbound, records.lines().count()), (3, 3), "{records}");
}
