//! Segments of what was let through, mutated under checksums that fit.

use super::segment::{Reader, encode};
use super::*;
use crate::mutation::Campaign;
use crate::testing::effort;

#[test]
fn lines_of_segments() {
    let dir = tempfile::tempdir().unwrap();
    let mut things = Things::default();
    things.push_link("https://news.example/a?b=1", 0);
    things.push_link("http://evil.test/", 3);
    things.push_file("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0);
    let message = Accepted {
        id: MailId::from_parts(1_795_210_591_042, 7),
        time: Timestamp::from_millis(1_795_210_591_042),
        things,
    };
    let mut sample = Vec::new();
    encode(&message, &mut sample);
    encode(&message, &mut sample);
    let words =
        [" 0http://", " 3https://a.b/", " f0", " f", "  ", " 9", " x", "\n", "00000000 ", "019", "é", "\0"];
    let mut campaign = Campaign::new("segment", effort(500, 20_000), vec![sample]).words(&words);
    campaign.threads = 1;
    let path = dir.path().join("0000000000001.kept");
    campaign.run(|input| {
        // The first half as it is, then each line once more as if that had been written.
        let mut file = input.to_vec();
        for line in input.split(|byte| *byte == b'\n') {
            let covered = line.get(9..).unwrap_or_default();
            file.extend_from_slice(format!("\n{:08x} ", crc32fast::hash(covered)).as_bytes());
            file.extend_from_slice(covered);
            file.push(b'\n');
        }
        std::fs::write(&path, &file).unwrap();
        let mut reader = Reader::open(path.clone()).unwrap().unwrap();
        let lines = file.iter().filter(|byte| **byte == b'\n').count() + 1;
        for turn in 0.. {
            assert!(turn <= lines, "it goes on for ever");
            match reader.next(Timestamp::from_millis(0)) {
                Ok(Some(read)) => assert!(read.things.iter().count() <= read.things.size()),
                Ok(None) => break,
                Err(_) => {}
            }
        }
        Reader::open(path.clone()).unwrap().unwrap().count(Timestamp::from_millis(1)).unwrap();
    });
}
