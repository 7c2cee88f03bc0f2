//! A start on a full disk: it damages nothing, says why it fails, and succeeds when there is room.

use super::super::super::common::{judge, mail, stdout, verify};
use super::super::super::mta::{Site, not_run};
use super::super::promises::{self, body};
use super::super::random::Random;
use super::configuration;
use super::volume::{Volume, entered};

#[test]
fn a_start_on_a_full_disk_fails_with_a_reason_and_damages_nothing() {
    let test = "faults::disk::start::a_start_on_a_full_disk_fails_with_a_reason_and_damages_nothing";
    if !entered(test) {
        return;
    }
    let site = Site::new().unwrap();
    let state = Volume::memory(&site.state_dir(), "40m");
    let toml = configuration(&site, "");
    let mut daemon = site.start(&toml).unwrap();
    let mut random = Random::new(41);
    for round in 0..not_run::effort(3, 20) {
        for number in 0..1 + random.below(20) {
            judge(&daemon, &mail(&format!("round {round} judged {number}"), "text"));
        }
        let held = format!("round {round}");
        judge(&daemon, &mail(&held, &body(&held, true)));
        stdout(&daemon, &["list", "block", "add", &format!("round{round}.example")]);
        let listed = stdout(&daemon, &["list", "block", "export"]);
        state.fill();
        if round % 2 == 0 {
            daemon.kill().unwrap();
        } else {
            daemon.signal("TERM").unwrap();
            daemon.wait_for_end(promises::LONG).unwrap();
        }
        // What the end made room for is taken, too.
        state.fill();
        // What little it needs may still fit; what it must not do is to take a full disk for damage.
        if let Err(refused) = daemon.start_again() {
            let told = refused.to_string();
            assert!(
                told.contains("No space left") || told.contains("the disk is full"),
                "round {round}: {told}"
            );
        } else {
            daemon.kill().unwrap();
        }
        state.make_room();
        daemon.start_again().unwrap();
        assert!(!daemon.site().state_dir().join("RECOVERED.txt").exists(), "round {round}");
        assert_eq!(stdout(&daemon, &["list", "block", "export"]), listed, "round {round}");
        assert_eq!(promises::held(&daemon.site().quarantine()).len(), round + 1);
        verify(&daemon);
    }
}
