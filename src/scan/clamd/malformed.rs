//! Replies of clamd, mutated: nothing but clamd's own words is clean.

use super::reply::{self, Said};
use super::version::Version;
use crate::mutation::Campaign;
use crate::testing::effort;

const REPLIES: [&str; 14] = [
    "stream: OK\0",
    "fd[12]: OK\0",
    "stream: Eicar-Test-Signature FOUND\0",
    "stream: Win.Test.EICAR_HDB-1(44d88612fea8a8f36de82e1278abb02f:68) FOUND\0",
    "fd[7]: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0",
    "INSTREAM size limit exceeded. ERROR\0",
    "INSTREAM: Can't allocate memory ERROR\0",
    "stream: Can't open file or directory ERROR\0",
    "COMMAND READ TIMED OUT\0",
    "UNKNOWN COMMAND\0",
    "ClamAV 1.0.7/27100/Thu Nov 19 09:32:00 2026\0",
    "ClamAV 1.4.3\0",
    "stream: one\nstream: two FOUND\0",
    "PONG\0",
];

/// What a clean reply is, written once more.
fn is_clean(said: &[u8]) -> bool {
    let text = std::str::from_utf8(said).unwrap_or_default().trim_end_matches(['\r', '\n']);
    let Some(subject) = text.strip_suffix(": OK") else { return false };
    let number = subject.strip_prefix("fd[").and_then(|rest| rest.strip_suffix(']'));
    subject == "stream" || number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

#[test]
fn replies_of_clamd() {
    let samples = REPLIES.map(|reply| reply.as_bytes().to_vec()).to_vec();
    let words =
        ["stream: ", "fd[", "]: ", " FOUND\0", "OK\0", " ERROR", ": ", "(", ")", "ClamAV ", "/", "Feb 30"];
    let mut campaign = Campaign::new("clamd", effort(2_000, 60_000), samples).words(&words);
    campaign.largest = 16 << 10;
    campaign.run(|input| {
        let mut stream = input;
        let read = futures_util::FutureExt::now_or_never(reply::read(&mut stream));
        let Some(Ok(said)) = read else { return assert!(read.is_some(), "it waits for more") };
        assert!(said.len() <= reply::MAX_REPLY && !said.contains(&0));
        let parsed = reply::parse(&said);
        assert_eq!(matches!(parsed, Ok(Said::Clean)), is_clean(&said), "{parsed:?}");
        if let Ok(Said::Found(name) | Said::Error(name)) = &parsed {
            assert!(!name.contains(['\n', '\r', '\0', '\x1b']), "{name:?}");
        }
        if let Some(version) = Version::parse(&said) {
            assert!(version.to_string().lines().count() <= 1, "{version}");
        }
    });
}
