//! What is compared, and which version of it.

use std::path::Path;

use super::super::mta::daemon;
use super::super::mta::guard::run;

const PACKAGES: [&str; 9] = [
    "postfix",
    "rspamd",
    "redis-server",
    "clamav-daemon",
    "opendkim",
    "opendmarc",
    "clamav-milter",
    "amavisd-new",
    "mimedefang",
];

/// One line on each; of the machine's own log, too, because half of the filters write to it.
pub(super) fn list() -> String {
    let mailward = daemon::binary()
        .and_then(|binary| run(std::process::Command::new(binary).arg("--version")))
        .unwrap_or_else(|_| "mailward of unknown version".to_owned());
    let mut all = vec![mailward.lines().next().unwrap_or_default().to_owned()];
    for package in PACKAGES {
        let mut query = std::process::Command::new("dpkg-query");
        let version = run(query.args(["-W", "-f", "${Version}", package])).unwrap_or_default();
        all.push(format!("{package} {}", if version.is_empty() { "not installed" } else { &version }));
    }
    let syslog = if Path::new("/dev/log").exists() {
        "There is a system log here."
    } else {
        "There is no system log here: what filters would write to it costs them nothing."
    };
    format!("{}. {syslog}", all.join(", "))
}
