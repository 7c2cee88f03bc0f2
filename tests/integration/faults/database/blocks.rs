//! Bytes of the data file are not what was written: cut off, flipped, zeroed, or of another time.

use std::fs;
use std::path::Path;

use super::super::super::mta::not_run::effort;
use super::super::random::Random;
use super::site::{Damaged, overwrite, used};

/// What a disk writes at once.
const BLOCK: usize = 4096;
const SEED: u64 = 11;

/// A way to harm a data file, of which an older copy is there, too.
type Harm = fn(&Path, &Path, &mut Random);

const HARMS: [(&str, Harm); 5] = [
    ("cut", cut),
    ("flipped bits", flip),
    ("empty blocks", empty),
    ("an end that never reached the disk", empty_end),
    ("blocks of an older time", mix),
];

fn cut(file: &Path, _: &Path, random: &mut Random) {
    let end = u64::try_from(random.place(used(file).len())).unwrap();
    fs::OpenOptions::new().write(true).open(file).unwrap().set_len(end).unwrap();
}

/// From a single bit to a rotten disk.
fn flip(file: &Path, _: &Path, random: &mut Random) {
    let bytes = used(file);
    for _ in 0..1 << random.below(9) {
        let at = random.place(bytes.len());
        overwrite(file, at, &[bytes[at] ^ 1 << random.below(8)]);
    }
}

fn empty(file: &Path, _: &Path, random: &mut Random) {
    let blocks = used(file).len().div_ceil(BLOCK);
    for _ in 0..=random.below(8) {
        overwrite(file, random.place(blocks) * BLOCK, &[0; BLOCK]);
    }
}

fn empty_end(file: &Path, _: &Path, random: &mut Random) {
    let length = used(file).len();
    let from = random.place(length);
    overwrite(file, from, &vec![0; length - from]);
}

fn mix(file: &Path, older: &Path, random: &mut Random) {
    let older = used(older);
    let blocks = older.len() / BLOCK;
    for _ in 0..=random.below(30) {
        let at = random.place(blocks) * BLOCK;
        overwrite(file, at, &older[at..at + BLOCK]);
    }
}

/// Each harm in turn, to fresh copies.
fn rounds(clean: bool, count: usize) {
    let mut site = Damaged::prepare(clean);
    let mut random = Random::new(SEED);
    for round in 0..count {
        let (what, harm) = HARMS[round % HARMS.len()];
        site.restore();
        harm(&site.db().join("db"), &site.older.join("db/db"), &mut random);
        site.comes_up(&format!("{what}, seed {SEED}, round {round}"), false);
    }
}

#[test]
fn bytes_that_are_not_what_was_written_are_noticed_or_do_no_harm() {
    rounds(true, effort(5, 80));
}

#[test]
fn the_same_after_a_kill_is_noticed_or_does_no_harm() {
    rounds(false, effort(2, 80));
}
