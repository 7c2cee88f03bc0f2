//! Files beside the data are damaged, missing, or in somebody else's hands.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::super::mta::not_run::effort;
use super::super::random::Random;
use super::site::{Damaged, overwrite};

fn snapshot(db: &Path) -> PathBuf {
    let mut all: Vec<PathBuf> = fs::read_dir(db).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap."));
    all.sort();
    all.pop().unwrap()
}

#[test]
fn files_beside_the_data_that_are_damaged_or_lost_are_noticed_or_do_no_harm() {
    let mut site = Damaged::prepare(true);
    let mut random = Random::new(21);
    for round in 0..effort(1, 30) {
        site.restore();
        snapshot_is_cut_or_rotten(&site.db(), round % 2 == 0, &mut random);
        site.comes_up(&format!("a snapshot, seed 21, round {round}"), false);
    }
    let cases = ["other segments", "data", "cut", "empty", "bits", "snapshot in the making", "no settings"];
    let lost = ["blobs", "witness", "witness is garbage", "all but the settings"];
    for case in cases.into_iter().chain(lost).take(effort(2, cases.len() + lost.len())) {
        site.restore();
        harm(&site.db(), case);
        site.comes_up(case, matches!(case, "data" | "all but the settings"));
    }
}

fn snapshot_is_cut_or_rotten(db: &Path, cut: bool, random: &mut Random) {
    let path = snapshot(db);
    let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
    let at = random.place(length);
    if cut {
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(u64::try_from(at).unwrap()).unwrap();
    } else {
        overwrite(&path, at, &random.draw().to_le_bytes()[..(length - at).min(8)]);
    }
}

fn harm(db: &Path, case: &str) {
    let (conf, witness) = (db.join("conf"), db.with_extension("head"));
    let text = fs::read(&conf).unwrap();
    match case {
        "other segments" => {
            let other = String::from_utf8_lossy(&text).replace("segment_size: 524288", "segment_size: 65536");
            fs::write(&conf, other).unwrap();
        }
        "cut" => fs::write(&conf, &text[..text.len() / 2]).unwrap(),
        "empty" => fs::write(&conf, b"").unwrap(),
        "bits" => overwrite(&conf, text.len() / 3, &[text[text.len() / 3] ^ 0x20]),
        "no settings" => fs::remove_file(&conf).unwrap(),
        "snapshot in the making" => {
            // What a power cut leaves of it.
            let bytes = fs::read(snapshot(db)).unwrap();
            fs::write(db.join("snap.00000000ffffffff.generating"), &bytes[..bytes.len() / 2]).unwrap();
        }
        "blobs" => drop(fs::remove_dir_all(db.join("blobs"))),
        "witness" => fs::remove_file(witness).unwrap(),
        "witness is garbage" => fs::write(witness, [0xff; 27]).unwrap(),
        "data" => fs::remove_file(db.join("db")).unwrap(),
        "all but the settings" => {
            for entry in fs::read_dir(db).unwrap().map(|entry| entry.unwrap().path()) {
                match entry.file_name().unwrap().to_str().unwrap() {
                    "conf" => {}
                    _ if entry.is_dir() => fs::remove_dir_all(&entry).unwrap(),
                    _ => fs::remove_file(&entry).unwrap(),
                }
            }
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_database_that_another_process_has_is_left_alone_and_taken_when_it_is_free() {
    let mut site = Damaged::prepare(true);
    site.restore();
    let file = fs::File::open(site.db().join("db")).unwrap();
    file.try_lock().unwrap();
    let begin = Instant::now();
    let refused = site.daemon.start_again().unwrap_err().to_string();
    assert!(refused.contains("is in use by another process"), "{refused}");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    drop(file);
    site.comes_up("a lock that was left", false);
}
