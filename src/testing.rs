//! For tests: what could not run is told and counted, never silently passed.
//!
//! **Contract.** [`not_run`] prints one line (which test, what is missing, how to get it) and appends it
//! to the file named by `MAILWARD_NOT_RUN`, if set. `make test` shows that file at its end; `.ci/run`
//! fails when it is not empty. Unit tests use it as `crate::testing`; the integration tests include
//! this file by path (`tests/mta/not_run.rs`), so that there is one wording.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

/// Says that `test` could not run because `missing`, and what to do (`remedy`).
#[expect(clippy::print_stderr, reason = "the line is for who runs the tests")]
pub(crate) fn not_run(test: &str, missing: &str, remedy: &str) {
    let line = format!("not run: {test}: {missing}; {remedy}\n");
    eprint!("{line}");
    if let Some(file) = std::env::var_os("MAILWARD_NOT_RUN") {
        let opened = OpenOptions::new().create(true).append(true).open(&file);
        if let Err(error) = opened.and_then(|mut file| file.write_all(line.as_bytes())) {
            eprintln!("cannot write {}: {error}", file.display());
        }
    }
}

/// How much of the same a test does: `few` in `make test`, `many` where `MAILWARD_THOROUGH` is set, as `make faults`,
/// `make soak` and `make malformed` do.
pub(crate) fn effort(few: usize, many: usize) -> usize {
    if std::env::var_os("MAILWARD_THOROUGH").is_some() { many } else { few }
}

/// `folder` of the third-party test data, or `None` after saying that it is missing.
///
/// # Panics
/// If `MAILWARD_SUITES` is there and lacks the folder: that is a failure and no excuse.
pub(crate) fn suite(test: &str, folder: &str) -> Option<PathBuf> {
    let remedy = "set MAILWARD_SUITES to the folder of test suites";
    let Some(root) = std::env::var_os("MAILWARD_SUITES").map(PathBuf::from) else {
        not_run(test, "MAILWARD_SUITES is not set", remedy);
        return None;
    };
    if !root.is_dir() {
        not_run(test, &format!("{} is no folder", root.display()), remedy);
        return None;
    }
    let path = root.join(folder);
    assert!(path.is_dir(), "MAILWARD_SUITES is set and has no folder {folder}");
    Some(path)
}
