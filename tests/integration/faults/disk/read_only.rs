//! The file system may not be written, by order or after an error of the disk.

use super::super::super::mta::{Options, PATIENCE, Postfix, Site, not_run, wait_until};
use super::super::promises::{self, metric, ready, tail};
use super::volume::{ReadOnly, Volume, entered};
use super::{Place, configuration, nothing_is_lost, under_load};

#[test]
fn a_quarantine_mounted_read_only_puts_off_what_must_be_held_and_nothing_else() {
    let test =
        "faults::disk::read_only::a_quarantine_mounted_read_only_puts_off_what_must_be_held_and_nothing_else";
    if !not_run::postfix_ready(test) || !entered(test) {
        return;
    }
    let place = Place::new(false, true);
    let folder = place.daemon.site().quarantine();
    for _ in 0..not_run::effort(1, 5) {
        let traffic = under_load(&place, || {
            let mounted = ReadOnly::new(&folder);
            place.comes_to("to be held", true, 451);
            place.comes_to("clean", false, 250);
            place.tells("quarantine");
            assert!(ready(&place.daemon).contains("read-only"), "{}", ready(&place.daemon));
            assert!(metric(&place.daemon, "mailward_quarantine_errors_total") > 0.0);
            drop(mounted);
            place.is_well();
        });
        nothing_is_lost(&place, &traffic);
    }
}

#[test]
fn a_state_whose_disk_fails_puts_all_mail_off_and_is_whole_on_the_next_start() {
    let test =
        "faults::disk::read_only::a_state_whose_disk_fails_puts_all_mail_off_and_is_whole_on_the_next_start";
    if !not_run::postfix_ready(test) || !entered(test) {
        return;
    }
    for own_quarantine in [true, false] {
        let site = Site::new().unwrap();
        let image = |name: &str| site.path().join(name);
        let state = Volume::ext4(&site.state_dir(), image("state.image"), 64);
        let quarantine =
            own_quarantine.then(|| Volume::ext4(&site.quarantine(), image("quarantine.image"), 64));
        // What was not synced yet goes with the disk; so that it is nothing, each record is synced.
        let toml = configuration(&site, "[audit]\nsync = \"always\"\n");
        let daemon = site.start(&toml).unwrap();
        let postfix = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
        let mut place = Place { state: Some(state), quarantine, daemon, postfix };
        let traffic = under_load(&place, || {
            place.state.as_ref().unwrap().abort();
            place.comes_to("clean", false, 451);
            place.comes_to("to be held", true, 451);
            place.tells("audit");
            assert!(metric(&place.daemon, "mailward_audit_errors_total") > 0.0);
        });
        // Nothing can be written at the end, and that is no reason to hang or to crash.
        place.daemon.signal("TERM").unwrap();
        let ended = place.daemon.wait_for_end(PATIENCE).unwrap();
        assert!(ended.code().is_some(), "{ended}\n{}", tail(&place.daemon));
        let refused = place.daemon.start_again().unwrap_err().to_string();
        assert!(refused.contains("Read-only file system"), "{refused}");
        // What the admin does: check the disk, mount it again, start.
        if let Some(quarantine) = &place.quarantine {
            quarantine.unmount();
        }
        let state = place.state.as_ref().unwrap();
        state.unmount();
        state.mount();
        if let Some(quarantine) = &place.quarantine {
            quarantine.mount();
        }
        place.daemon.start_again().unwrap();
        wait_until("the daemon to be well", PATIENCE, || {
            Ok((ready(&place.daemon) == "ready\n").then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error:#}\n{}\n{}", ready(&place.daemon), tail(&place.daemon)));
        place.is_well();
        // A meta file whose message could not be written, and that could not be taken back, is swept later.
        promises::are_kept(&traffic, &place.daemon, &place.postfix);
    }
}
