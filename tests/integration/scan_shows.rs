//! `mailward scan` tells who sent a file as far as it can be verified: the whole text, held in
//! `tests/golden/scan/`. A case is a mail, the DNS that it meets, and what is said (`NAME.eml`, `.zone`, `.txt`);
//! the signatures were made with keys that are used for nothing else. `MAILWARD_BLESS=1` writes the texts anew.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::common;
use super::milter_client::{MilterClient, Peer};
use super::mta::{Daemon, Dns, Site};

/// Each case, and as whose mail it is judged.
const CASES: [(&str, &[&str]); 10] = [
    ("all-pass", &["--ip", "192.0.2.7", "--helo", "out.provider.example", "--from", "anna@sender.example"]),
    ("forged-from", &["--ip", "203.0.113.66", "--helo", "evil.example", "--from", "x@evil.example"]),
    ("dns-fails", &["--ip", "192.0.2.7", "--helo", "out.provider.example", "--from", "anna@sender.example"]),
    ("two-from", &["--ip", "192.0.2.7", "--helo", "[192.0.2.7]", "--from", "anna@sender.example"]),
    ("trusted-arc", &["--ip", "203.0.113.9", "--helo", "mail.lists.example", "--from", "list@lists.example"]),
    (
        "behind-a-relay",
        &["--ip", "198.18.0.1", "--helo", "backup.example.org", "--from", "anna@sender.example"],
    ),
    ("relay-names-nobody", &["--ip", "198.18.0.1", "--from", "anna@sender.example"]),
    (
        "told-by-a-gateway",
        &["--ip", "198.18.0.1", "--helo", "gw.example.org", "--from", "anna@sender.example"],
    ),
    ("no-client", &["--from", "anna@sender.example"]),
    ("bounce", &["--ip", "192.0.2.7", "--helo", "out.provider.example"]),
];

const TERMS: &str = "
[scanner.yara]
enabled = false
[network]
trusted_relays = [\"198.18.0.0/15\"]
[auth]
authserv_id = \"mx.example.org\"
trusted_ids = [\"gw.example.org\"]
trusted_sealers = [\"lists.example\"]
";

fn file(case: &str, kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/scan").join(format!("{case}.{kind}"))
}

fn site() -> Site {
    let site = Site::new().unwrap();
    std::fs::write(site.config(), site.defaults(&format!("[scanner.auth]\n{TERMS}"))).unwrap();
    site
}

fn scan(site: &Site, zone: &Path, arguments: &[&str], mail: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailward"));
    command.env_remove("MAILWARD_CONFIG").stdin(Stdio::null()).arg("scan").args(arguments);
    command.arg("--dns-zone").arg(zone).arg(mail).arg("--config").arg(site.config()).output().unwrap()
}

fn scan_case(site: &Site, case: &str, arguments: &[&str]) -> String {
    let output = scan(site, &file(case, "zone"), arguments, &file(case, "eml"));
    assert!(output.status.success(), "{case}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Without the id, which is another one each time.
fn without_id(text: &str) -> String {
    let id = text.lines().find_map(|line| line.strip_prefix("message   ")).unwrap_or("no id").to_owned();
    text.replace(&id, "ID")
}

#[test]
fn each_mail_is_told_as_it_was() {
    let site = site();
    for (case, arguments) in CASES {
        let text = without_id(&scan_case(&site, case, arguments));
        let golden = file(case, "txt");
        if std::env::var_os("MAILWARD_BLESS").is_some() {
            std::fs::write(&golden, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(text, expected, "{}", golden.display());
    }
}

#[test]
fn results_are_null_where_nobody_looked_and_none_where_there_is_nothing() {
    let site = site();
    let auth = |case: &str| {
        let (_, arguments) = CASES.into_iter().find(|(name, _)| *name == case).unwrap();
        let object: Value =
            serde_json::from_str(&scan_case(&site, case, &[arguments, &["--json"]].concat())).unwrap();
        object["auth"].clone()
    };
    assert_eq!(auth("all-pass"), json!({"spf": "pass", "dkim": "pass", "dmarc": "pass", "arc": "none"}));
    assert_eq!(auth("two-from"), json!({"spf": "pass", "dkim": "none", "dmarc": "permerror", "arc": "none"}));
    assert_eq!(auth("no-client"), json!({"spf": null, "dkim": "pass", "dmarc": "pass", "arc": "none"}));
    assert_eq!(
        auth("relay-names-nobody"),
        json!({"spf": null, "dkim": "none", "dmarc": null, "arc": "none"})
    );

    std::fs::write(
        site.config(),
        site.defaults("[scanner.auth]\nenabled = false\n[scanner.yara]\nenabled = false\n"),
    )
    .unwrap();
    let output = scan(&site, &file("all-pass", "zone"), &["--json"], &file("all-pass", "eml"));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["auth"], json!({"spf": null, "dkim": null, "dmarc": null, "arc": null}));
    assert_eq!(object["authentication"], Value::Null);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("scanner.auth is off, so nothing asks the DNS"), "{told}");
}

#[test]
fn a_zone_that_cannot_be_used_is_told_with_its_line() {
    let site = site();
    let zone = site.path().join("zone.txt");
    let told = |path: &Path| {
        let output = scan(&site, path, &[], &file("all-pass", "eml"));
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
        String::from_utf8(output.stderr).unwrap()
    };
    let of = |content: &[u8]| {
        std::fs::write(&zone, content).unwrap();
        told(&zone)
    };
    let name = zone.display();
    let wrong = of(b"# records\nsender.example TXT v=spf1 -all\nsender.example A 192.0.2.300\n");
    assert!(wrong.contains(&format!("{name}: line 3: \"192.0.2.300\" is no IPv4 address")), "{wrong}");
    let latin = of(b"sender.example TXT v=spf1 -all\nsender.example TXT caf\xe9\n");
    assert!(latin.contains(&format!("{name}: line 2: this is no UTF-8")), "{latin}");
    let large = of(&b"#\n".repeat(8 * 1024 * 1024 + 1));
    assert!(large.contains("is larger than a zone file may be (16777216 bytes)"), "{large}");
    assert!(told(site.path()).contains("is a directory; --dns-zone takes a file"));
    assert!(told(Path::new("/nowhere.zone")).contains("/nowhere.zone cannot be opened"));
}

#[test]
fn a_scan_without_a_client_says_so_once() {
    let site = site();
    let (zone, mail) = (file("no-client", "zone"), file("no-client", "eml"));
    let twice = scan(&site, &zone, &[mail.to_str().unwrap()], &mail);
    let told = String::from_utf8(twice.stderr).unwrap();
    assert_eq!(told.matches("no client is given, so SPF and iprev were not looked at").count(), 1, "{told}");
    assert_eq!(String::from_utf8_lossy(&scan(&site, &zone, &["--json"], &mail).stderr), "");
}

/// Mail of the past, a message sent to the admin's door and a file are explained alike.
#[test]
fn what_was_verified_is_told_alike_whoever_asks() {
    let zone = std::fs::read_to_string(file("forged-from", "zone")).unwrap();
    let raw = std::fs::read(file("forged-from", "eml")).unwrap();
    let dns = Dns::serving(&zone).unwrap();
    let daemon = Daemon::start(&format!("{}{TERMS}", dns.section())).unwrap();
    let peer = Peer { ip: "203.0.113.66".to_owned(), helo: "evil.example".to_owned(), ..Peer::default() };
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &peer);
    client.envelope("<x@evil.example>", &["<alice@example.org>".to_owned()]);
    client.message(&raw);
    client.quit();
    let listed = common::stdout(&daemon, &["audit", "list"]);
    let id = listed.lines().find(|line| line.contains("x@evil.example")).unwrap();
    let id = id.split_whitespace().next().unwrap().to_owned();

    let of_file = scan_case(&site(), "forged-from", &[CASES[1].1, &["--json"]].concat());
    let of_file: Value = serde_json::from_str(&of_file).unwrap();
    let of_past: Value = serde_json::from_str(&common::stdout(&daemon, &["explain", "--json", &id])).unwrap();
    assert_eq!(of_past["authentication"], of_file["authentication"]);
    assert_eq!(of_past["auth"], of_file["auth"]);
    assert_eq!(of_past["auth"], json!({"spf": "pass", "dkim": "pass", "dmarc": "fail", "arc": "none"}));

    let text = common::stdout(&daemon, &["explain", &id]);
    let block = |text: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|line| *line != "authentication");
        lines.take_while(|line| !line.starts_with("findings")).map(str::to_owned).collect()
    };
    let golden = std::fs::read_to_string(file("forged-from", "txt")).unwrap();
    assert_eq!(block(&text), block(&golden));
    assert!(block(&golden).len() > 5, "{golden}");
    let status = common::stdout(&daemon, &["status"]);
    assert!(status.contains("\nscanner     auth: up\n"), "{status}");
}

/// The pattern of the Sieve script, against what is written into the mail.
#[test]
fn the_sieve_script_finds_a_failure_in_the_field_that_is_added() {
    let script = include_str!("../../dovecot-sieve/mailward.sieve");
    let line = script.lines().find(|line| line.contains("\"Authentication-Results\"")).unwrap();
    let pattern = line.split('"').nth(3).unwrap();
    let site = Site::new().unwrap();
    // Mail that is held gets no fields, and would show none here.
    let told = site.defaults(&format!(
        "[scanner.auth]\n{TERMS}[policy.dmarc]\nreject = \"tag\"\nquarantine = \"tag\"\n"
    ));
    std::fs::write(site.config(), told).unwrap();
    let field = |case: &str, arguments: &[&str]| -> String {
        let object: Value =
            serde_json::from_str(&scan_case(&site, case, &[arguments, &["--json"]].concat())).unwrap();
        let headers = object["plan"]["headers"].as_array().unwrap().clone();
        let field = headers.into_iter().find(|header| header["name"] == "Authentication-Results").unwrap();
        field["value"].as_str().unwrap().trim().to_owned()
    };
    for (case, arguments) in CASES {
        let field = field(case, arguments);
        let failed = ["forged-from", "trusted-arc"].contains(&case);
        assert_eq!(matches(pattern, &field), failed, "{case}: {field}");
    }
    assert!(!matches(pattern, "other.example; spf=none; dmarc=fail header.from=a.example"));
}

/// `:matches` of Sieve (RFC 5228 section 2.7.1), with stars only.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| matches(rest, &text[at..]))
        }),
    }
}
