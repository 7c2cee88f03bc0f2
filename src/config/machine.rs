//! What a configuration names on this machine: for `check-config`, which may take its time and is run where
//! the daemon will run.

use std::ops::Range;
use std::path::{Path, PathBuf};

use nix::unistd::Group;

use super::Config;
use super::check::Checks;
use crate::scan::yara::{self, YaraError};

/// Compiles the rules and looks for folders and groups.
pub(super) fn look(checks: &mut Checks<'_, '_>, config: &Config) {
    rules(checks, config);
    sockets(checks, config);
    groups(checks, config);
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
    if checks.is_lost("milter.listen") {
        return;
    }
    let folders: Vec<(usize, PathBuf)> = (config.milter.listen.iter().enumerate())
        .filter_map(|(index, endpoint)| Some((index, endpoint.path()?.parent()?.to_owned())))
        .collect();
    for (index, folder) in folders {
        // What we may not look at may well be there.
        let missing = match std::fs::metadata(&folder) {
            Ok(found) => !found.is_dir(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if missing {
            let place = checks.element("milter.listen", index).or_else(|| checks.place("milter.listen"));
            let folder = folder.display();
            checks
                .problems
                .warning(place, format!("the folder {folder} of a socket in [milter] does not exist"))
                .help(format!("mailward.service makes the usual one; else: install -d -o mailward -g postfix -m 2750 {folder}"));
        }
    }
}

fn groups(checks: &mut Checks<'_, '_>, config: &Config) {
    let unknown = |name: &str| !name.is_empty() && matches!(Group::from_name(name), Ok(None));
    let milter = &config.milter;
    let has_socket = milter.listen.iter().any(|endpoint| endpoint.path().is_some());
    if has_socket && !checks.is_lost("milter.socket_group") && unknown(&milter.socket_group) {
        let place = checks.place("milter.socket_group");
        let message = format!("`socket_group` in [milter]: there is no group {:?} here", milter.socket_group);
        checks.problems.warning(place, message).help("the MTA may not be able to connect; is it installed?");
    }
    let held = &config.quarantine.group;
    if !checks.is_lost("quarantine.group") && unknown(held) {
        let place = checks.place("quarantine.group");
        let message = format!("`group` in [quarantine]: there is no group {held:?} here");
        checks.problems.error(place, message).help("make it with groupadd, or leave the key out");
    }
}
