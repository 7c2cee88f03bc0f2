//! What an admin or a timer does while the disk is full: nothing is half done, and nothing that worked is lost.

use super::super::super::common::{rules, stdout};
use super::super::super::mta::{Options, Postfix, Site, not_run};
use super::super::promises::HOLDS;
use super::volume::{Volume, entered};
use super::{Place, SIZE, configuration, nothing_is_lost, under_load};

#[test]
fn reload_rules_feeds_backup_and_lists_on_a_full_disk_leave_nothing_half_done() {
    let test =
        "faults::disk::meanwhile::reload_rules_feeds_backup_and_lists_on_a_full_disk_leave_nothing_half_done";
    if !not_run::postfix_ready(test) || !entered(test) {
        return;
    }
    let site = Site::new().unwrap();
    let feed = site.path().join("list.txt");
    let entries = |count: usize| (0..count).map(|n| format!("http://evil.test/{n}\n")).collect::<String>();
    std::fs::write(&feed, entries(50)).unwrap();
    let state = Volume::memory(&site.state_dir(), SIZE);
    let section = format!("[feed.mine]\nformat = \"urls\"\nurl = \"file://{}\"\n", feed.display());
    let toml = configuration(&site, &section);
    let daemon = site.start(&toml).unwrap();
    let postfix = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
    let place = Place { state: Some(state), quarantine: None, daemon, postfix };
    let daemon = &place.daemon;
    stdout(daemon, &["feed", "refresh", "mine", "--force"]);
    stdout(daemon, &["list", "block", "add", "before.example"]);
    let known = |url: &str| daemon.cli(&["feed", "lookup", url]).unwrap().status.success();
    let traffic = under_load(&place, || {
        let state = place.state.as_ref().unwrap();
        state.fill();
        place.comes_to("clean", false, 451);
        // A feed that cannot be kept is not used: after a restart nobody would know of it.
        std::fs::write(&feed, entries(5000)).unwrap();
        // What was removed meanwhile, as old snapshots of the database are, has left room.
        state.fill();
        let refused = daemon.cli(&["feed", "refresh", "mine"]).unwrap();
        assert!(!refused.status.success(), "{refused:?}");
        assert!(known("http://evil.test/7") && !known("http://evil.test/4999"));
        // A backup onto the same disk leaves nothing under its name.
        let backup = daemon.site().state_dir().join("backup.tar");
        state.fill();
        let refused = daemon.cli(&["backup", backup.to_str().unwrap()]).unwrap();
        assert!(!refused.status.success() && !backup.exists(), "{refused:?}");
        // Rules and configuration are read, not written.
        rules(
            daemon.site(),
            "more.yar",
            &HOLDS.replace("Hold_This", "Hold_That").replace("HOLD-THIS", "HOLD-THAT"),
        );
        daemon.signal("HUP").unwrap();
        daemon.wait_for_log("were read again").unwrap();
        place.tells("audit");
        // What is told to have failed is not there later.
        let (refused, kept) = place.lists_refuse();
        place.tells("database");
        state.make_room();
        place.is_well();
        let listed = stdout(daemon, &["list", "block", "export"]);
        assert!(listed.contains("before.example"), "{listed}");
        assert!(refused.iter().all(|entry| !listed.contains(entry)), "{refused:?}: {listed}");
        assert!(kept.iter().all(|entry| listed.contains(entry)), "{kept:?}: {listed}");
        stdout(daemon, &["feed", "refresh", "mine"]);
        assert!(known("http://evil.test/4999"));
    });
    nothing_is_lost(&place, &traffic);
    // The same after a start: memory and disk say the same.
    let before = stdout(daemon, &["list", "block", "export"]);
    let mut place = place;
    place.daemon.kill().unwrap();
    place.daemon.start_again().unwrap();
    assert_eq!(stdout(&place.daemon, &["list", "block", "export"]), before);
    nothing_is_lost(&place, &traffic);
}
