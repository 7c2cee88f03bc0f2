//! What a configuration names on this machine: for `check-config`, which may take its time and is run where
//! the daemon will run.

use std::ops::Range;
use std::path::{Path, PathBuf};

use nix::unistd::Group;

use super::check::Checks;
use super::{Config, Lmtp};
use crate::intake::endpoint::Endpoint;
use crate::scan::yara::{self, YaraError};

/// Compiles the rules and looks for folders and groups.
pub(super) fn look(checks: &mut Checks<'_, '_>, config: &Config) {
    rules(checks, config);
    sockets(checks, config);
    groups(checks, config);
    // Where systemd starts mailward.
    if Path::new("/run/systemd/system").is_dir() {
        passing(checks, config);
    }
}

/// Folders in the /tmp that the unit has for itself.
fn passing(checks: &mut Checks<'_, '_>, config: &Config) {
    let folders = [
        ("state_dir", &config.state_dir),
        ("quarantine.path", &config.quarantine.path),
        ("backup.path", &config.backup.path),
    ];
    for (key, folder) in folders {
        if ["/tmp", "/var/tmp"].iter().any(|tmp| folder.starts_with(tmp)) && !checks.is_lost(key) {
            let place = checks.place(key);
            let message =
                format!("`{key}` is below /tmp: under mailward.service it would be emptied at each stop");
            checks
                .problems
                .warning(place, message)
                .help("the unit refuses it (PrivateTmp=yes); choose a path outside /tmp and /var/tmp");
        }
    }
}

fn rules(checks: &mut Checks<'_, '_>, config: &Config) {
    const KEY: &str = "scanner.yara.rules";
    if [KEY, "scanner.yara.enabled", "scanner.yara.bundled"].iter().any(|key| checks.is_lost(key)) {
        return;
    }
    for error in yara::check(&config.scanner.yara) {
        let at =
            |checks: &Checks<'_, '_>, path: &Path| root(checks, config, path).or_else(|| checks.place(KEY));
        match &error {
            // Said with the rest of the section.
            YaraError::Setting(_) => {}
            YaraError::Broken(files) => {
                for file in files {
                    let place = at(checks, Path::new(&file.origin));
                    let message = format!("the rule file {} is broken", file.origin);
                    checks.problems.error(place, message).detail(&file.report);
                }
            }
            YaraError::Unreadable { path, .. }
            | YaraError::Writable { path, .. }
            | YaraError::TooMuch { path, .. } => {
                let place = at(checks, path);
                checks.problems.error(place, error.to_string());
            }
            other => {
                let place = checks.place(KEY);
                checks.problems.error(place, other.to_string());
            }
        }
    }
}

/// The entry of `rules` that `path` was found below.
fn root(checks: &Checks<'_, '_>, config: &Config, path: &Path) -> Option<Range<usize>> {
    let index = config.scanner.yara.rules.iter().position(|root| path.starts_with(root))?;
    checks.element("scanner.yara.rules", index)
}

fn sockets(checks: &mut Checks<'_, '_>, config: &Config) {
    let milter: Vec<Endpoint> = config.milter.listen.clone();
    let lmtp: Vec<Endpoint> = lmtp(config).into_iter().flat_map(Lmtp::endpoints).collect();
    for (section, listen) in [("milter", milter), ("lmtp", lmtp)] {
        folders(checks, section, &listen);
    }
}

/// `[lmtp]`, unless it is off.
fn lmtp(config: &Config) -> Option<&Lmtp> {
    config.lmtp.as_ref().filter(|lmtp| lmtp.enabled)
}

fn folders(checks: &mut Checks<'_, '_>, section: &str, listen: &[Endpoint]) {
    let key = format!("{section}.listen");
    if checks.is_lost(&key) {
        return;
    }
    let folders: Vec<(usize, PathBuf)> = (listen.iter().enumerate())
        .filter_map(|(index, endpoint)| Some((index, endpoint.path()?.parent()?.to_owned())))
        .collect();
    for (index, folder) in folders {
        // What we may not look at may well be there.
        let missing = match std::fs::metadata(&folder) {
            Ok(found) => !found.is_dir(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if missing {
            let place = checks.element(&key, index).or_else(|| checks.place(&key));
            let folder = folder.display();
            checks
                .problems
                .warning(place, format!("the folder {folder} of a socket in [{section}] does not exist"))
                .help(format!("mailward.service makes the usual one; else: install -d -o mailward -g postfix -m 2750 {folder}"));
        }
    }
}

fn groups(checks: &mut Checks<'_, '_>, config: &Config) {
    let unknown = |name: &str| !name.is_empty() && matches!(Group::from_name(name), Ok(None));
    let milter = (&config.milter.socket_group, config.milter.listen.iter().any(|e| e.path().is_some()));
    let lmtp = lmtp(config).map(|lmtp| (&lmtp.socket_group, lmtp.endpoints().any(|e| e.path().is_some())));
    for (section, (group, has_socket)) in
        [("milter", Some(milter)), ("lmtp", lmtp)].into_iter().filter_map(|(n, s)| Some((n, s?)))
    {
        let key = format!("{section}.socket_group");
        if has_socket && !checks.is_lost(&key) && unknown(group) {
            let place = checks.place(&key);
            let message = format!("`socket_group` in [{section}]: there is no group {group:?} here");
            checks
                .problems
                .warning(place, message)
                .help("the MTA may not be able to connect; is it installed?");
        }
    }
    let held = &config.quarantine.group;
    if !checks.is_lost("quarantine.group") && unknown(held) {
        let place = checks.place("quarantine.group");
        let message = format!("`group` in [quarantine]: there is no group {held:?} here");
        checks.problems.error(place, message).help("make it with groupadd, or leave the key out");
    }
}
