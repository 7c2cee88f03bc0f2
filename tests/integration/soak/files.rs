//! Descriptors: a file for each connection, here and in the daemon.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::mta::{self, Daemon, Site};

/// Descriptors for everything that is no connection of the test's: the daemon keeps some for what mail in work needs, and shares
/// the others out between milter and LMTP by what both may have at most.
const OTHERS: u64 = 4_000;

/// Has this process open `connections` files and some more; the daemon inherits it. Says so where it may not.
pub fn enough(test: &str, connections: usize) -> bool {
    let needed = connections as u64 + OTHERS;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if soft >= needed {
        return true;
    }
    // The hard limit is raised where this may be done.
    if setrlimit(Resource::RLIMIT_NOFILE, needed, hard.max(needed)).is_ok() {
        return true;
    }
    mta::not_run(
        test,
        &format!("a process may have {hard} files open here at most"),
        &format!("raise the hard limit on open files to {needed} (ulimit -Hn)"),
    );
    false
}

#[test]
fn the_daemon_takes_all_the_descriptors_that_it_may_have() {
    let mut site = Site::new().unwrap();
    site.limit_files(200, 700);
    let toml = site.defaults("");
    let daemon: Daemon = site.start(&toml).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let told: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(told, ["700", "700"], "{limits}");
}
