//! Tests that could not run are counted, never silently passed: see `src/testing.rs`.

#[path = "../../src/testing.rs"]
mod testing;

pub(crate) use testing::{effort, not_run, suite};

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

/// Whether rspamd is installed, and Redis; says what is missing where not. Use as [`postfix_ready`].
pub(crate) fn rspamd_ready(test: &str) -> bool {
    if let Some(missing) = super::rspamd::missing() {
        not_run(test, &missing, "run tests/mta/install.sh as root");
        return false;
    }
    true
}

/// Whether clamd is installed; says what is missing where not. Use as [`postfix_ready`].
pub(crate) fn clamd_ready(test: &str) -> bool {
    if let Some(missing) = super::clamd::missing() {
        not_run(test, &missing, "run tests/mta/install.sh as root");
        return false;
    }
    true
}

/// Whether Postfix and opendkim are installed; says what is missing where not. Use as [`postfix_ready`].
pub(crate) fn opendkim_ready(test: &str) -> bool {
    if let Some(missing) = super::opendkim::missing() {
        not_run(test, &missing, "run tests/mta/install.sh as root");
        return false;
    }
    postfix_ready(test)
}

/// Whether a Debian machine of its own can be made; says what is missing where not. Use as [`postfix_ready`].
pub(crate) fn machine_ready(test: &str) -> bool {
    if let Some(missing) = super::machine::missing() {
        not_run(test, &missing, "run tests/mta/install.sh as root, and the tests too");
        return false;
    }
    true
}

/// Whether the Debian package can be made and tried in a machine; says what is missing where not. Use as [`postfix_ready`].
pub(crate) fn package_ready(test: &str) -> bool {
    if let Some(missing) = super::package::missing() {
        not_run(test, &missing, "run tests/mta/install.sh as root");
        return false;
    }
    machine_ready(test)
}
