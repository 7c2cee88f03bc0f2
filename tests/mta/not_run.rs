//! Tests that could not run are counted, never silently passed.
//!
//! **Contract.** [`not_run`] prints one line (which test, what is missing, how to get it) and appends it
//! to the file named by `MAILWARD_NOT_RUN`, if set. `make test` shows that file at its end; `.ci/run`
//! fails when it is not empty.

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

/// Whether Postfix is installed and may be started from here; says what is missing where not.
///
/// Use as the first line of a test: `if !mta::not_run::postfix_ready("name_of_test") { return; }`.
pub(crate) fn postfix_ready(test: &str) -> bool {
    if let Some(missing) = super::postfix::missing() {
        not_run(test, &missing, "run tests/mta/install.sh as root");
        return false;
    }
    true
}

/// The folder of third-party test data, or `None` after saying that it is missing.
pub(crate) fn suites(test: &str) -> Option<PathBuf> {
    let remedy = "set MAILWARD_SUITES to the folder of test suites";
    let Some(folder) = std::env::var_os("MAILWARD_SUITES").map(PathBuf::from) else {
        not_run(test, "MAILWARD_SUITES is not set", remedy);
        return None;
    };
    if !folder.is_dir() {
        not_run(test, &format!("{} is no folder", folder.display()), remedy);
        return None;
    }
    Some(folder)
}
