//! What is on record about one person: read out, and erased.

use std::time::Duration;

use super::common::{mail, newest, stdout, verify};
use super::milter_client::{MilterClient, Peer};
use super::mta::{self, Daemon, wait_until};

const JOE: &str = "joe@example.net";

fn send(daemon: &Daemon, from: &str, to: &str, subject: &str) -> String {
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
    client.envelope(&format!("<{from}>"), &[format!("<{to}>")]);
    client.message(&mail(subject, "text"));
    client.quit();
    newest(daemon)
}

/// Every byte of the journal.
fn journal(daemon: &Daemon) -> String {
    let all = std::fs::read_dir(daemon.site().state_dir().join("audit")).unwrap();
    all.map(|e| String::from_utf8_lossy(&std::fs::read(e.unwrap().path()).unwrap()).to_lowercase()).collect()
}

#[test]
fn what_is_on_record_about_somebody_is_read_out_and_erased_while_mail_flows() {
    let daemon = Daemon::start("\n[scanner.yara]\nenabled = false\n").unwrap();
    let sent = send(&daemon, JOE, "alice@example.org", "one");
    let other = send(&daemon, "anna@example.com", "alice@example.org", "two");
    let received = send(&daemon, "anna@example.com", "Joe@Example.NET", "three");
    send(&daemon, "anna@example.com", "alice@example.org", "write to joe@example.net");
    stdout(&daemon, &["list", "block", "add", JOE]);

    let told = stdout(&daemon, &["audit", "export", "--subject", JOE]);
    assert!(told.contains(&sent) && told.contains(&received) && !told.contains(&other), "{told}");
    assert!(told.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{told}");
    assert!(told.contains("\"kind\":\"listed\""), "{told}");
    let rows = stdout(&daemon, &["audit", "export", "--subject", JOE, "--format", "csv"]);
    assert_eq!(rows.lines().count(), 4, "{rows}");

    let dry = stdout(&daemon, &["audit", "erase", JOE, "--dry-run"]);
    assert!(dry.contains("would be erased") && journal(&daemon).contains(JOE), "{dry}");
    let erased = stdout(&daemon, &["audit", "erase", "JOE@example.net"]);
    assert!(erased.contains("3 messages among them") && erased.contains("named on a list"), "{erased}");
    assert!(!journal(&daemon).contains(JOE));
    verify(&daemon);
    let told = stdout(&daemon, &["audit", "verify"]);
    assert!(told.contains("records were erased on") && told.contains("by admin socket"), "{told}");
    assert!(!stdout(&daemon, &["audit", "list", "--json"]).to_lowercase().contains(JOE));
    let gone = daemon.cli(&["explain", &sent]).unwrap();
    assert!(!gone.status.success());
    assert!(stdout(&daemon, &["explain", &other]).contains(&other));
    let nobody = daemon.cli(&["audit", "erase", "example.net"]).unwrap();
    assert!(!nobody.status.success());
    send(&daemon, "anna@example.com", "alice@example.org", "afterwards");
    verify(&daemon);
}

#[test]
fn a_daemon_killed_while_it_erases_has_erased_all_or_nothing_after_its_next_start() {
    let mut daemon = Daemon::start("\n[scanner.yara]\nenabled = false\n").unwrap();
    for wait in [0, 2, 5, 10, 20, 40] {
        for n in 0..12 {
            send(&daemon, JOE, "alice@example.org", &format!("{wait} {n}"));
        }
        std::thread::scope(|scope| {
            let erasing = scope.spawn(|| daemon.cli(&["audit", "erase", JOE]));
            std::thread::sleep(Duration::from_millis(10 + wait));
            daemon.signal("KILL").unwrap();
            drop(erasing.join());
        });
        daemon.wait_for_end(mta::PATIENCE).unwrap();
        daemon.start_again().unwrap();
        verify(&daemon);
        let left = journal(&daemon).matches("\"reverse_path\":\"<joe@example.net>\"").count();
        assert!(left.is_multiple_of(12), "{left} records are left of 12");
    }
    stdout(&daemon, &["audit", "erase", JOE]);
    verify(&daemon);
    wait_until("nothing to be left", mta::PATIENCE, || Ok((!journal(&daemon).contains(JOE)).then_some(())))
        .unwrap();
}
