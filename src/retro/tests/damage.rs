//! What a crash leaves, what a disk spoils, and folders that cannot be used.

use std::fs;
use std::os::unix::fs::symlink;

use super::super::choice::MOST;
use super::super::segment::{self, MAX_LINE, SegmentError};
use super::super::segments::Segments;
use super::*;

fn one(n: u64) -> Accepted {
    accepted(n, 99, vec![link("https://x.test/", 0)])
}

/// Three messages in a segment that a process left behind, changed.
fn left(change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> (tempfile::TempDir, Segments) {
    let dir = tempfile::tempdir().unwrap();
    Segments::at(dir.path()).write(&[one(1), one(2), one(3)], one(1).time).unwrap();
    let file = dir.path().join(segment::name(one(1).time));
    fs::write(&file, change(fs::read(&file).unwrap())).unwrap();
    let segments = Segments::at(dir.path());
    segments.find().unwrap();
    segments.count_found(|| false);
    (dir, segments)
}

/// The numbers of the messages that can be read, how many cannot, and how many were counted.
fn read(segments: &Segments) -> (Vec<u64>, usize, u64) {
    let all: Vec<_> = segments.messages(one(1).time).collect();
    let read = all.iter().flatten().map(|message| message.id.unix_millis()).collect();
    (read, all.iter().filter(|message| message.is_err()).count(), segments.count())
}

/// Where the second line begins.
fn second(bytes: &[u8]) -> usize {
    bytes.iter().position(|b| *b == b'\n').unwrap() + 1
}

#[test]
fn a_line_that_a_crash_cut_off_is_passed_over_in_silence() {
    let mut line = Vec::new();
    segment::encode(&one(3), &mut line);
    for cut in 1..=line.len() {
        let (_dir, segments) = left(|bytes| bytes[..bytes.len() - cut].to_vec());
        assert_eq!(read(&segments), (vec![1, 2], 0, 2), "{cut}");
        segments.write(&[one(4)], one(4).time).unwrap();
        assert_eq!(read(&segments), (vec![1, 2, 4], 0, 3), "nothing is appended to what a crash left");
    }
}

#[test]
fn zeros_that_a_power_failure_left_are_passed_over_in_silence() {
    for zeros in [1, 4096, MAX_LINE, 5 * MAX_LINE] {
        let (_dir, segments) = left(|bytes| [bytes, vec![0; zeros]].concat());
        assert_eq!(read(&segments), (vec![1, 2, 3], 0, 3), "{zeros}");
    }
}

#[test]
fn any_bit_that_is_wrong_in_a_line_costs_that_message_and_no_other() {
    let mut line = Vec::new();
    segment::encode(&one(2), &mut line);
    for at in 0..line.len() - 1 {
        let (_dir, segments) = left(|mut bytes| {
            let begin = second(&bytes);
            bytes[begin + at] ^= 4;
            bytes
        });
        assert_eq!(read(&segments), (vec![1, 3], 1, 2), "{at}");
    }
}

#[test]
fn a_round_counts_what_is_damaged_and_looks_up_the_rest() {
    let bench = Bench::new();
    bench.write(&[one(1), one(2), one(3)]);
    let file = bench.files().remove(0);
    let mut bytes = fs::read(&file).unwrap();
    let begin = second(&bytes);
    bytes[begin + 30] = b'#';
    fs::write(&file, bytes).unwrap();
    let index = bench.index(Format::Urls, "https://x.test/\n");
    let kept = &bench.retro.kept;
    let all = kept.messages(Timestamp::from_millis(0));
    let round = look::round(kept, all, &index, &|_| Category::Phish, bench.retro.clock.now()).unwrap();
    assert_eq!((round.found.len(), round.damaged), (2, 1));
}

#[test]
fn a_line_without_end_costs_bounded_memory_and_is_one_damaged_message() {
    let (_dir, segments) = left(|bytes| {
        let (first, rest) = bytes.split_at(second(&bytes));
        [first, &vec![b'a'; 3 * MAX_LINE], b"\n", rest].concat()
    });
    assert_eq!(read(&segments), (vec![1, 2, 3], 1, 3));
}

#[test]
fn the_largest_message_that_is_kept_fits_into_a_line() {
    let (message, mut line) = (accepted(1, 99, vec![link(&"a".repeat(MOST), 3)]), Vec::new());
    segment::encode(&message, &mut line);
    assert!(line.len() < MAX_LINE / 2, "{}", line.len());
    let bench = Bench::new();
    bench.write(std::slice::from_ref(&message));
    let read = bench.retro.kept.messages(Timestamp::from_millis(0)).map(Result::unwrap);
    assert_eq!(read.collect::<Vec<_>>(), [message]);
}

#[test]
fn a_segment_that_cannot_be_read_does_not_stop_the_others() {
    let mut bench = Bench::new();
    for n in [1, 2, 3] {
        bench.write_apart(&[one(n)]);
    }
    let file = bench.files().remove(1);
    let elsewhere = bench.dir.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    bench.start_again();
    bench.retro.kept.count_found(|| false);
    assert_eq!((bench.read(), bench.retro.kept.count()), ((vec![1, 3], 1), 2), "no link is followed");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let index = bench.index(Format::Urls, "https://x.test/\n");
    assert_eq!(bench.round(&index).len(), 2);
    let all: Vec<_> = bench.retro.kept.messages(Timestamp::from_millis(0)).collect();
    let error = all.into_iter().find_map(Result::err).unwrap();
    assert_eq!(error.to_string(), format!("cannot read {}: it is no file", file.display()));
}

#[test]
fn a_folder_that_cannot_be_used_stops_nothing_and_is_used_when_it_can_be() {
    let dir = tempfile::tempdir().unwrap();
    let (path, elsewhere) = (dir.path().join("retro"), dir.path().join("elsewhere"));
    fs::create_dir(&elsewhere).unwrap();
    let refused = |segments: &Segments| {
        let found = segments.find().unwrap_err();
        let written = segments.write(&[one(1)], one(1).time).unwrap_err();
        assert!(matches!(&found, SegmentError::Io { path: at, .. } if *at == path), "{found}");
        assert_eq!(found.to_string(), written.to_string());
        assert_eq!((segments.count(), segments.messages(one(1).time).count()), (0, 0));
        found.to_string()
    };
    let segments = Segments::at(&path);
    fs::write(&path, "in the way").unwrap();
    refused(&segments);
    fs::remove_file(&path).unwrap();
    symlink(&elsewhere, &path).unwrap();
    let told = refused(&segments);
    assert!(told.ends_with("it is a symbolic link; put a directory here"), "{told}");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    fs::remove_file(&path).unwrap();
    segments.write(&[one(1)], one(1).time).unwrap();
    assert_eq!((segments.count(), segments.messages(one(1).time).count()), (1, 1));
}

#[test]
fn what_cannot_be_written_is_not_kept_and_the_next_goes_into_another_segment() {
    let dir = tempfile::tempdir().unwrap();
    let segments = Segments::at(dir.path());
    segments.write(&[one(1)], one(1).time).unwrap();
    segments.break_open();
    let error = segments.write(&[one(2)], one(2).time).unwrap_err().to_string();
    assert!(error.starts_with("cannot write to ") && error.contains(".kept: "), "{error}");
    assert_eq!(read(&segments), (vec![1], 0, 1));
    segments.write(&[one(3)], one(3).time).unwrap();
    assert_eq!(read(&segments), (vec![1, 3], 0, 2));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn other_files_in_the_folder_are_left_alone() {
    let mut bench = Bench::new();
    bench.write(&[one(1)]);
    let folder = bench.dir.path().join("retro");
    for name in ["notes.txt", "1.kept", "x.kept", ".kept", "+000000000001.kept"] {
        fs::write(folder.join(name), "mine\n").unwrap();
    }
    bench.start_again();
    bench.retro.kept.count_found(|| false);
    assert_eq!((bench.read(), bench.retro.kept.count()), ((vec![1], 0), 1));
    bench.retro.kept.trim(Timestamp::from_millis(200 * DAY), Duration::from_secs(1), most(1));
    assert_eq!(bench.files().len(), 5);
}
