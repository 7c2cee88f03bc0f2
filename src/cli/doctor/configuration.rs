//! The configuration: what check-config says of it, and who may read and change it.

use std::path::{Path, PathBuf};

use super::look::Look;
use super::names::{self, File, Who};
use super::permissions::SERVICE;
use super::sheet::{Level, Sheet};
use crate::config::{Config, Problem, Secret};

pub(super) fn look(sheet: &mut Sheet, look: &Look) {
    match &look.checked {
        Ok(warnings) if warnings.is_empty() => {
            let what = look.file.as_ref().map_or_else(
                || "there is no configuration file, and the defaults are in order".to_owned(),
                |file| format!("{} is in order", file.display()),
            );
            sheet.ok("check", what);
        }
        Ok(warnings) => warnings.iter().for_each(|problem| told(sheet, Level::Warning, problem)),
        Err(errors) => errors.problems().iter().for_each(|problem| {
            let level = match problem.level() {
                crate::config::Level::Error => Level::Error,
                crate::config::Level::Warning => Level::Warning,
            };
            told(sheet, level, problem);
        }),
    }
    let service = Who::named(SERVICE);
    if service.is_none() {
        sheet.unseen("readable", format!("there is no user {SERVICE} who would read it"));
    }
    let Some(config) = &look.config else { return };
    let mut files: Vec<PathBuf> = look.file.iter().cloned().collect();
    files.extend(config.policy.rules.as_ref().map(|rules| beside(look.file.as_deref(), rules)));
    for path in files {
        match File::of(&path) {
            Ok(file) => file_of_config(sheet, &path, &file, service.as_ref()),
            Err(error) => sheet.unseen("readable", format!("{}: {error}", path.display())),
        }
    }
    for (key, secret) in config.secrets() {
        match secret {
            Secret::File(path) => match File::of(path) {
                Ok(file) => secret_file(sheet, &key, path, &file, service.as_ref()),
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    sheet.unseen("secrets", format!("{key}: {}: {error}", path.display()));
                }
                Err(error) => {
                    let text = format!("{key} names {}: {error}", path.display());
                    let mend = format!("install -m 640 -g {SERVICE} /dev/stdin {}", names::path(path));
                    sheet.error("secrets", text, Some(mend));
                }
            },
            Secret::Env(_) | Secret::Credential(_) => {
                sheet.unseen("secrets", format!("{key}: only the daemon is given it"));
            }
        }
    }
}

/// For root, who may read everything: which of the files that the configuration names the daemon's user may not read. A
/// sentence for each, with the line that mends it.
pub(in crate::cli) fn closed_to_the_daemon(config: &Config, file: Option<&Path>) -> Vec<String> {
    if !Who::me().is_root() {
        return Vec::new();
    }
    // Whose state it is, runs it; before the first start the one that the unit names.
    let who = File::of(&config.state_dir).map_or_else(|_| Who::named(SERVICE), |dir| Who::numbered(dir.uid));
    let Some(who) = who else { return Vec::new() };
    let secrets = config.secrets().into_iter().filter_map(|(_, secret)| match secret {
        Secret::File(path) => Some(path.clone()),
        Secret::Env(_) | Secret::Credential(_) => None,
    });
    let mut files: Vec<PathBuf> = file.into_iter().map(Path::to_owned).collect();
    files.extend(config.policy.rules.as_ref().map(|rules| beside(file, rules)));
    files.extend(secrets);
    files.iter().filter_map(|path| closed(path, &who)).collect()
}

/// Why `who` may not read the file at `path`, and what mends that.
fn closed(path: &Path, who: &Who) -> Option<String> {
    let file = File::of(path).ok()?;
    // Every folder on the way there has to let it through.
    let folder = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    let shut = folder.filter_map(|folder| Some((folder, File::of(folder).ok()?)));
    let shut = shut.filter(|(_, folder)| !who.may(folder, 1)).last();
    let name = &who.name;
    if let Some((folder, of)) = shut {
        let as_path = names::path(folder);
        return Some(format!(
            "{} cannot be read by the user {name}, whom the daemon runs as: the folder {} is {}\n  = help: chgrp {name} {as_path} && chmod g+x {as_path}",
            path.display(),
            folder.display(),
            of.shown()
        ));
    }
    if who.may(&file, 4) {
        return None;
    }
    let as_path = names::path(path);
    Some(format!(
        "{} ({}) cannot be read by the user {name}, whom the daemon runs as\n  = help: chown root:{name} {as_path} && chmod 640 {as_path}",
        path.display(),
        file.shown()
    ))
}

/// A path in the configuration counts from its file's folder.
fn beside(file: Option<&Path>, path: &Path) -> PathBuf {
    let folder = file.and_then(Path::parent);
    folder.map_or_else(|| path.to_owned(), |folder| folder.join(path))
}

fn told(sheet: &mut Sheet, level: Level, problem: &Problem) {
    let mut text = problem.message().to_owned();
    if let (Some(file), Some(line)) = (problem.file(), problem.line()) {
        text = format!("{}:{line}: {text}", file.display());
    }
    let mend = Some(problem.helps().join("; ")).filter(|help| !help.is_empty());
    sheet.add("check", level, &text, mend);
}

fn file_of_config(sheet: &mut Sheet, path: &Path, file: &File, service: Option<&Who>) {
    let shown = format!("{} ({})", path.display(), file.shown());
    let as_path = names::path(path);
    if file.mode & 0o002 != 0 {
        let text =
            format!("{shown} can be written by everybody: whoever is on this machine decides about mail");
        return sheet.error("writable", text, Some(format!("chmod o-w {as_path}")));
    }
    let Some(service) = service else { return };
    if !service.may(file, 4) {
        let text = format!("{shown} cannot be read by the user {SERVICE}: the daemon does not start with it");
        let mend = format!("chgrp {SERVICE} {as_path} && chmod 640 {as_path}");
        return sheet.error("readable", text, Some(mend));
    }
    if service.may(file, 2) {
        let text = format!(
            "{shown} can be written by the user {SERVICE}: who breaks into the daemon turns it off for good"
        );
        let mend = format!("chown root:{SERVICE} {as_path} && chmod 640 {as_path}");
        return sheet.warning("writable", text, Some(mend));
    }
    sheet.ok("readable", format!("{shown} can be read by {SERVICE}, and not changed"));
}

fn secret_file(sheet: &mut Sheet, key: &str, path: &Path, file: &File, service: Option<&Who>) {
    let as_path = names::path(path);
    let shown = format!("{} ({}), the secret of {key},", path.display(), file.shown());
    if file.mode & 0o006 != 0 {
        let text = format!("{shown} can be read by everybody on this machine");
        return sheet.error("secrets", text, Some(format!("chmod o-rwx {as_path}")));
    }
    if service.is_some_and(|service| !service.may(file, 4)) {
        let text = format!("{shown} cannot be read by the user {SERVICE}");
        let mend = format!("chgrp {SERVICE} {as_path} && chmod 640 {as_path}");
        return sheet.error("secrets", text, Some(mend));
    }
    sheet.ok("secrets", format!("{shown} is read by nobody else"));
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Topic;
    use super::*;

    fn service() -> Who {
        Who { name: SERVICE.to_owned(), uid: 4_000_000, groups: vec![4_000_001] }
    }

    fn config(uid: u32, gid: u32, mode: u32) -> Vec<String> {
        let mut sheet = Sheet::new(Topic::Configuration);
        file_of_config(&mut sheet, Path::new("/etc/m.toml"), &File { uid, gid, mode }, Some(&service()));
        sheet.told()
    }

    #[test]
    fn the_service_reads_its_configuration_and_cannot_change_it() {
        assert_eq!(
            config(0, 4_000_001, 0o640),
            ["ok readable: /etc/m.toml (0640 root:4000001) can be read by mailward, and not changed"]
        );
        assert_eq!(
            config(0, 0, 0o640),
            [
                "error readable: /etc/m.toml (0640 root:root) cannot be read by the user mailward: the daemon does not \
              start with it | chgrp mailward /etc/m.toml && chmod 640 /etc/m.toml"
            ]
        );
        assert_eq!(
            config(4_000_000, 0, 0o644),
            [
                "warning writable: /etc/m.toml (0644 4000000:root) can be written by the user mailward: who breaks into \
              the daemon turns it off for good | chown root:mailward /etc/m.toml && chmod 640 /etc/m.toml"
            ]
        );
        assert_eq!(
            config(0, 0, 0o666),
            [
                "error writable: /etc/m.toml (0666 root:root) can be written by everybody: whoever is on this machine \
              decides about mail | chmod o-w /etc/m.toml"
            ]
        );
    }

    #[test]
    fn what_the_daemon_may_not_read_is_told_with_the_line_that_mends_it() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let folder = dir.path().join("f");
        let path = folder.join("k");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&path, "k").unwrap();
        mode(dir.path(), 0o755);
        mode(&folder, 0o755);
        mode(&path, 0o644);
        assert_eq!(closed(&path, &service()), None);
        mode(&path, 0o600);
        let told = closed(&path, &service()).unwrap();
        let at = path.display();
        assert!(told.ends_with(&format!("chown root:mailward {at} && chmod 640 {at}")), "{told}");
        mode(&path, 0o644);
        mode(&folder, 0o700);
        let told = closed(&path, &service()).unwrap();
        assert!(told.ends_with(&format!("chmod g+x {}", folder.display())), "{told}");
    }

    #[test]
    fn a_secret_is_read_by_nobody_else() {
        let told = |gid, mode| {
            let mut sheet = Sheet::new(Topic::Configuration);
            let file = File { uid: 0, gid, mode };
            secret_file(&mut sheet, "feed.x.auth_key", Path::new("/etc/k"), &file, Some(&service()));
            sheet.told()
        };
        assert_eq!(
            told(4_000_001, 0o640),
            ["ok secrets: /etc/k (0640 root:4000001), the secret of feed.x.auth_key, is read by nobody else"]
        );
        assert_eq!(
            told(4_000_001, 0o644),
            [
                "error secrets: /etc/k (0644 root:4000001), the secret of feed.x.auth_key, can be read by everybody on \
              this machine | chmod o-rwx /etc/k"
            ]
        );
        assert_eq!(
            told(0, 0o600),
            [
                "error secrets: /etc/k (0600 root:root), the secret of feed.x.auth_key, cannot be read by the user \
              mailward | chgrp mailward /etc/k && chmod 640 /etc/k"
            ]
        );
    }
}
