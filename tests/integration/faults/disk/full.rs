//! No byte, or no inode, is left.

use super::super::super::mta::not_run;
use super::super::promises::metric;
use super::volume::entered;
use super::{Place, nothing_is_lost, under_load};

/// The rounds of full and room again.
fn rounds() -> usize {
    not_run::effort(1, 5)
}

#[test]
fn a_full_disk_of_the_state_puts_all_mail_off_until_there_is_room() {
    let test = "faults::disk::full::a_full_disk_of_the_state_puts_all_mail_off_until_there_is_room";
    if !not_run::postfix_ready(test) || !entered(test) {
        return;
    }
    let place = Place::new(true, true);
    let state = place.state.as_ref().unwrap();
    for _ in 0..rounds() {
        let traffic = under_load(&place, || {
            state.fill();
            place.comes_to("clean", false, 451);
            place.comes_to("to be held", true, 451);
            place.tells("audit");
            place.lists_refuse();
            place.tells("database");
            assert!(metric(&place.daemon, "mailward_audit_errors_total") > 0.0);
            assert!(metric(&place.daemon, "mailward_degraded_parts") >= 2.0);
            assert!(place.daemon.log().contains("the audit journal cannot be written"));
            // A piece of a record was written, and did not stay: the chain is looked at below.
            assert!(place.daemon.log().contains("bytes could be written; the disk is full"));
            state.make_room();
            place.is_well();
        });
        nothing_is_lost(&place, &traffic);
    }
}

#[test]
fn a_full_disk_of_the_quarantine_puts_off_what_must_be_held_and_nothing_else() {
    let test =
        "faults::disk::full::a_full_disk_of_the_quarantine_puts_off_what_must_be_held_and_nothing_else";
    if !not_run::postfix_ready(test) || !entered(test) {
        return;
    }
    let place = Place::new(false, true);
    let quarantine = place.quarantine.as_ref().unwrap();
    for _ in 0..rounds() {
        let traffic = under_load(&place, || {
            quarantine.fill();
            place.comes_to("to be held", true, 451);
            place.comes_to("clean", false, 250);
            place.tells("quarantine");
            assert!(metric(&place.daemon, "mailward_quarantine_errors_total") > 0.0);
            assert!(place.daemon.log().contains("a message could not be quarantined; it is put off"));
            quarantine.make_room();
            place.is_well();
        });
        nothing_is_lost(&place, &traffic);
    }
}

#[test]
fn a_full_disk_of_both_puts_all_mail_off_until_there_is_room() {
    let test = "faults::disk::full::a_full_disk_of_both_puts_all_mail_off_until_there_is_room";
    if !not_run::postfix_ready(test) || !entered(test) {
        return;
    }
    let place = Place::new(true, false);
    let state = place.state.as_ref().unwrap();
    for _ in 0..rounds() {
        let traffic = under_load(&place, || {
            state.fill();
            place.comes_to("clean", false, 451);
            place.comes_to("to be held", true, 451);
            place.tells("audit");
            place.tells("quarantine");
            state.make_room();
            place.is_well();
        });
        nothing_is_lost(&place, &traffic);
    }
}

#[test]
fn without_an_inode_held_mail_waits_and_other_mail_flows() {
    let test = "faults::disk::full::without_an_inode_held_mail_waits_and_other_mail_flows";
    if !not_run::postfix_ready(test) || !entered(test) {
        return;
    }
    let place = Place::new(true, false);
    let state = place.state.as_ref().unwrap();
    for _ in 0..rounds() {
        let traffic = under_load(&place, || {
            state.use_up_inodes();
            place.comes_to("to be held", true, 451);
            // The journal is a file that is there already.
            place.comes_to("clean", false, 250);
            place.tells("quarantine");
            assert!(place.daemon.log().contains("no inodes left"));
            state.make_room();
            place.is_well();
        });
        nothing_is_lost(&place, &traffic);
    }
}
