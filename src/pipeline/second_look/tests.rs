//! Which copy is next.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::task::{LONGEST, Tries};
use crate::model::{MailId, Scanner, Timestamp};
use crate::quarantine::Waiting;

const RETRY: Duration = Duration::from_secs(60);

fn waiting(missed: &[&[Scanner]]) -> Vec<Waiting> {
    let one = |(n, missed): (usize, &&[Scanner])| {
        let id = MailId::from_parts(1, n as u64);
        Waiting { id, of: id, time: Timestamp::default(), missed: missed.to_vec() }
    };
    missed.iter().enumerate().map(one).collect()
}

fn next(tries: &Tries, all: &[Waiting], now: Instant) -> Option<usize> {
    let next = tries.next(all, now)?;
    all.iter().position(|one| one == next)
}

#[test]
fn while_a_scanner_fails_it_is_asked_once_a_while_and_others_do_not_wait_for_it() {
    let all = waiting(&[&[Scanner::Clamd], &[Scanner::Clamd], &[Scanner::Rspamd]]);
    let (mut tries, start) = (Tries::default(), Instant::now());
    assert_eq!(next(&tries, &all, start), Some(0));
    tries.in_vain(&all[0], &[Scanner::Clamd], start, RETRY);
    assert_eq!(next(&tries, &all, start), Some(2));
    tries.in_vain(&all[2], &[Scanner::Rspamd], start, RETRY);
    assert_eq!(next(&tries, &all, start + RETRY / 2), None);
    // The oldest first.
    assert_eq!(next(&tries, &all, start + RETRY), Some(0));
    tries.in_vain(&all[0], &[Scanner::Clamd], start + RETRY, RETRY);
    assert_eq!(next(&tries, &all, start + RETRY), Some(2));
    assert_eq!(
        next(&tries, &all, start + 2 * RETRY),
        Some(1),
        "the pause of the oldest is twice as long now"
    );
}

#[test]
fn a_scanner_that_answers_ends_all_pauses() {
    let all = waiting(&[&[Scanner::Clamd], &[Scanner::Clamd], &[Scanner::Rspamd]]);
    let (mut tries, start) = (Tries::default(), Instant::now());
    for one in &all {
        tries.in_vain(one, &one.missed, start, RETRY);
    }
    assert_eq!(next(&tries, &all, start), None);
    tries.answered(&[Scanner::Clamd], &all[1..], start);
    assert_eq!(next(&tries, &all[1..], start), Some(0));
    tries.in_vain(&all[2], &[Scanner::Rspamd], start, RETRY);
    tries.well(BTreeSet::from([Scanner::Rspamd]), &all[2..], start);
    assert_eq!(next(&tries, &all[2..], start), Some(0));
    // It says that it is well, and does not look at this one: its being well is no news any more.
    tries.in_vain(&all[2], &[Scanner::Rspamd], start, RETRY);
    tries.well(BTreeSet::from([Scanner::Rspamd]), &all[2..], start);
    assert_eq!(next(&tries, &all[2..], start), None);
}

#[test]
fn the_pause_of_a_message_doubles_up_to_a_bound() {
    let all = waiting(&[&[Scanner::Yara]]);
    let (mut tries, mut now) = (Tries::default(), Instant::now());
    let mut pauses = Vec::new();
    for _ in 0..40 {
        tries.in_vain(&all[0], &[], now, RETRY);
        let pause = (1..=15).map(|n| n * RETRY).find(|pause| next(&tries, &all, now + *pause).is_some());
        pauses.extend(pause);
        now += LONGEST;
    }
    assert_eq!(&pauses[..5], [RETRY, 2 * RETRY, 4 * RETRY, 8 * RETRY, LONGEST]);
    assert!(pauses.len() == 40 && pauses[5..].iter().all(|pause| *pause == LONGEST), "{pauses:?}");
}
