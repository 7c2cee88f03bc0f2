//! An installation of the version that knew nothing of authentication: its configuration starts, what it wrote
//! is read. `tests/samples/upgrade` holds both: every key that its `conf/mailward.toml` showed, with the default,
//! and the state that its binary left behind, of one mail that was let through and one that was held.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::common::{judge, mail, quarantine, stdout, verify};
use super::mta::{Dns, Site, guard};

const LET_THROUGH: &str = "01m7ydyg9q0kkg038c";
const HELD: &str = "01m7ydyg9v2585hp44";

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/upgrade").join(name)
}

/// The configuration with the places of this site, and with the servers that are not there turned off.
fn moved(site: &Site, dns: &Dns) -> String {
    let path = |path: &Path| path.display().to_string();
    let mut text = std::fs::read_to_string(sample("mailward.toml")).unwrap();
    for (old, new) in [
        ("/var/spool/postfix/mailward/milter.sock", &*path(&site.milter_socket())),
        ("/run/mailward/admin.sock\", \"127.0.0.1:8890\"", &format!("{}\"", path(&site.admin_socket()))),
        ("/var/lib/mailward", &path(&site.state_dir())),
        ("socket_group = \"postfix\"", "socket_group = \"\""),
        ("servers = []", &format!("servers = [\"{}\"]", dns.address())),
        ("[lmtp]\nenabled = true", "[lmtp]\nenabled = false"),
        ("[scanner.rspamd]\nenabled = true", "[scanner.rspamd]\nenabled = false"),
        ("[scanner.clamd]\nenabled = true", "[scanner.clamd]\nenabled = false"),
        ("[feed.urlhaus]\nenabled = true", "[feed.urlhaus]\nenabled = false"),
        // The samples do not grow old.
        ("retention = \"90d\"", "retention = \"36500d\""),
        ("phish = \"30d\"", "phish = \"36500d\""),
    ] {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    text
}

#[test]
fn a_configuration_of_the_version_before_starts_and_now_verifies() {
    let dns = Dns::serving("sender.example TXT v=spf1 ip4:192.0.2.7 -all\n").unwrap();
    let site = Site::new().unwrap();
    let toml = moved(&site, &dns);
    let daemon = site.start(&toml).unwrap();
    let checked = daemon.cli(&["check-config"]).unwrap();
    let told = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success(), "{checked:?}");
    assert!(!told.contains("[dns]") && !told.contains("scanner.auth"), "it warns of what works now: {told}");

    judge(&daemon, &mail("after the upgrade", "text"));
    let listed = stdout(&daemon, &["audit", "list"]);
    let id = listed.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    let record: Value = serde_json::from_str(&stdout(&daemon, &["explain", "--json", id])).unwrap();
    assert_eq!(record["auth"], json!({"spf": "pass", "dkim": "none", "dmarc": "none", "arc": "none"}));
}

#[test]
fn what_the_version_before_wrote_is_read_and_claims_no_authentication() {
    let dns = Dns::empty().unwrap();
    let site = Site::new().unwrap();
    for folder in ["audit", "quarantine"] {
        guard::run(Command::new("cp").arg("-r").arg(sample(folder)).arg(site.state_dir())).unwrap();
        guard::run(Command::new("chmod").args(["-R", "u=rwX,go="]).arg(site.state_dir().join(folder)))
            .unwrap();
    }
    let toml = moved(&site, &dns);
    let daemon = site.start(&toml).unwrap();
    verify(&daemon);
    for (id, disposition) in [(LET_THROUGH, "accept"), (HELD, "quarantine")] {
        let record: Value = serde_json::from_str(&stdout(&daemon, &["explain", "--json", id])).unwrap();
        assert_eq!(record["disposition"], disposition);
        assert_eq!(record["auth"], json!({"spf": null, "dkim": null, "dmarc": null, "arc": null}));
        assert_eq!(record["authentication"], Value::Null);
        let text = stdout(&daemon, &["explain", id]);
        assert!(!text.contains("authentication"), "{text}");
    }
    let held = quarantine(&daemon);
    let held: Vec<&Value> = held.iter().map(|entry| &entry["id"]).collect();
    assert_eq!(held, [HELD]);
    // Judged again, with what is verified now.
    let again = stdout(&daemon, &["quarantine", "rescan", HELD]);
    assert!(again.contains("phish"), "{again}");

    judge(&daemon, &mail("after the upgrade", "text"));
    verify(&daemon);
    let listed = stdout(&daemon, &["audit", "list"]);
    assert!(listed.contains(LET_THROUGH) && listed.contains(HELD) && listed.lines().count() == 4, "{listed}");
}
