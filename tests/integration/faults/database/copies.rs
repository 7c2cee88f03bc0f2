//! Whole files of the database are of another time than the rest, as a half-done copy or a restored snapshot of a volume
//! leaves them.

use std::fs;
use std::path::PathBuf;

use super::super::super::common::verify;
use super::super::super::mta::not_run::effort;
use super::site::{Damaged, copy};

/// sled's snapshots in a database.
fn snapshots(db: PathBuf) -> Vec<PathBuf> {
    let all = fs::read_dir(db).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap.")).collect()
}

#[test]
fn files_of_two_times_are_noticed_or_do_no_harm() {
    let mut site = Damaged::prepare(true);
    let cases = ["older data", "older snapshots", "older database", "older data and no snapshots"];
    for case in &cases[..effort(2, cases.len())] {
        let case = *case;
        site.restore();
        let (db, older) = (site.db(), site.older.join("db"));
        match case {
            "older data" => drop(fs::copy(older.join("db"), db.join("db")).unwrap()),
            "older database" => {
                fs::remove_dir_all(&db).unwrap();
                copy(&older, &db);
            }
            "older snapshots" => {
                snapshots(db.clone()).iter().for_each(|path| fs::remove_file(path).unwrap());
                for path in snapshots(older) {
                    fs::copy(&path, db.join(path.file_name().unwrap())).unwrap();
                }
            }
            _ => {
                snapshots(db.clone()).iter().for_each(|path| fs::remove_file(path).unwrap());
                fs::copy(older.join("db"), db.join("db")).unwrap();
            }
        }
        // The witness beside it knows of a later change than the older data has.
        site.comes_up(case, case != "older snapshots");
    }
    // Lists and journal fit each other: nothing is damaged. That mail judged since is missing cannot be known.
    site.restore();
    let state = site.daemon.site().state_dir();
    for name in ["db", "db.head"] {
        let target = state.join(name);
        if target.is_dir() {
            fs::remove_dir_all(&target).unwrap();
        } else {
            fs::remove_file(&target).unwrap();
        }
        copy(&site.older.join(name), &target);
    }
    site.daemon.start_again().unwrap();
    assert!(!state.join("RECOVERED.txt").exists());
    verify(&site.daemon);
}
