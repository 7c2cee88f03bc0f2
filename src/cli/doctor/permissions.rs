//! Who may read and change what mailward keeps.

use std::path::Path;

use super::look::Look;
use super::names::{self, File, Who};
use super::sheet::Sheet;

/// The user that the daemon runs as.
pub(super) const SERVICE: &str = "mailward";

pub(super) fn look(sheet: &mut Sheet, look: &Look) {
    let config = look.config();
    let service = Who::named(SERVICE);
    let runs_as = look.status().ok().and_then(|status| status["process"]["user"].as_u64());
    let runs_as = runs_as.and_then(|uid| u32::try_from(uid).ok());
    user(sheet, service.as_ref(), runs_as);
    let owner = runs_as.or(service.map(|service| service.uid));
    folder(sheet, "state_dir", &config.state_dir, owner, 0o700);
    let held = &config.quarantine.path;
    let held_mode = if config.quarantine.group.is_empty() { 0o700 } else { 0o2750 };
    folder(sheet, "quarantine.path", held, owner, held_mode);
    keys(sheet, &config.state_dir.join("keys"), owner);
    if let Some(folder_of) = look.file.as_deref().and_then(Path::parent) {
        config_folder(sheet, folder_of, owner);
    }
    for listen in &config.admin.listen {
        if let Some(path) = listen.unix_path() {
            match File::of(path) {
                Ok(file) => admin_socket(sheet, path, &file),
                Err(error) => sheet.unseen("admin_socket", format!("{}: {error}", path.display())),
            }
        }
    }
}

fn user(sheet: &mut Sheet, service: Option<&Who>, runs_as: Option<u32>) {
    match (service, runs_as) {
        (_, Some(0)) => {
            let text = "the daemon runs as root: who breaks into it by a mail owns the machine";
            sheet.error(
                "user",
                text,
                Some("systemctl edit mailward, then in [Service]: User=mailward".to_owned()),
            );
        }
        (None, _) => {
            let text = format!("there is no user {SERVICE}, whom the service runs as");
            let mend = format!("adduser --system --group --no-create-home --home /nonexistent {SERVICE}");
            sheet.warning("user", text, Some(mend));
        }
        (Some(service), Some(uid)) if service.uid != uid => {
            let text = format!("the daemon runs as {}, not as {SERVICE}", names::user(uid));
            sheet.warning(
                "user",
                text,
                Some("systemctl edit mailward, then in [Service]: User=mailward".to_owned()),
            );
        }
        (Some(_), Some(_)) => sheet.ok("user", format!("the daemon runs as {SERVICE}")),
        (Some(_), None) => {
            sheet.ok("user", format!("the user {SERVICE} is there; as whom the daemon runs it does not say"))
        }
    }
}

/// A folder of mail or secrets: nobody else reads it.
fn folder(sheet: &mut Sheet, name: &str, path: &Path, owner: Option<u32>, mode: u32) {
    match File::of(path) {
        Ok(file) => folder_as(sheet, name, path, &file, owner, mode),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text =
                format!("{} ({name}) does not exist yet; the daemon or systemd makes it", path.display());
            sheet.note("folders", text, None);
        }
        Err(error) => sheet.unseen("folders", format!("{} ({name}): {error}", path.display())),
    }
}

fn folder_as(sheet: &mut Sheet, name: &str, path: &Path, file: &File, owner: Option<u32>, mode: u32) {
    let as_path = names::path(path);
    let shown = format!("{} ({name}, {})", path.display(), file.shown());
    if let Some(owner) = owner.filter(|owner| *owner != file.uid) {
        let owner = names::user(owner);
        let text =
            format!("{shown} does not belong to {owner}, whom the daemon runs as: it cannot write there");
        return sheet.error("folders", text, Some(format!("chown -R {owner} {as_path}")));
    }
    if file.mode & 0o007 != 0 {
        let text = format!("{shown} is open to everybody on this machine: mail and keys are in it");
        return sheet.error("folders", text, Some(format!("chmod {mode:o} {as_path}")));
    }
    sheet.ok("folders", format!("{shown} is closed to others"));
}

fn keys(sheet: &mut Sheet, folder: &Path, owner: Option<u32>) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return sheet.note(
                "keys",
                format!("{} is not there yet: the first start makes it", folder.display()),
                None,
            );
        }
        Err(error) => {
            return sheet.unseen("keys", format!("{}: {error}; run this as root", folder.display()));
        }
    };
    let mut count = 0;
    for entry in entries.take(1000).flatten() {
        let path = entry.path();
        let Ok(file) = File::of(&path) else { continue };
        count += 1;
        key(sheet, &path, &file, owner);
    }
    if sheet.checks.iter().all(|check| check.check != "keys") {
        sheet.ok("keys", format!("{count} keys, each read by the daemon alone"));
    }
}

fn key(sheet: &mut Sheet, path: &Path, file: &File, owner: Option<u32>) {
    let as_path = names::path(path);
    if file.mode & 0o077 != 0 {
        let text = format!(
            "the key {} is {}: who reads it releases held mail, and the daemon does not start with it",
            path.display(),
            file.shown()
        );
        return sheet.error("keys", text, Some(format!("chmod 600 {as_path}")));
    }
    if let Some(owner) = owner.filter(|owner| *owner != file.uid) {
        let owner = names::user(owner);
        let text = format!(
            "the key {} is {}: {owner}, whom the daemon runs as, cannot read it",
            path.display(),
            file.shown()
        );
        sheet.error("keys", text, Some(format!("chown {owner} {as_path}")));
    }
}

fn config_folder(sheet: &mut Sheet, path: &Path, owner: Option<u32>) {
    let Ok(file) = File::of(path) else { return };
    let as_path = names::path(path);
    let shown = format!("{} ({})", path.display(), file.shown());
    if file.mode & 0o002 != 0 && file.mode & 0o1000 == 0 {
        let text = format!(
            "{shown}, where the configuration is, can be written by everybody: whoever is on this machine replaces it"
        );
        return sheet.error("config_folder", text, Some(format!("chmod o-w {as_path}")));
    }
    if owner.is_some_and(|owner| owner == file.uid && owner != 0) {
        let text = format!(
            "{shown}, where the configuration is, belongs to the daemon's user: who breaks into it turns it off for good"
        );
        return sheet.warning("config_folder", text, Some(format!("chown root {as_path}")));
    }
    sheet.ok("config_folder", format!("{shown} is changed by root alone"));
}

fn admin_socket(sheet: &mut Sheet, path: &Path, file: &File) {
    let shown = format!("the admin socket {} ({})", path.display(), file.shown());
    if file.mode & 0o002 != 0 {
        let text =
            format!("{shown} can be opened by everybody on this machine, and who opens it may do everything");
        let mend = "in [admin]: socket_mode = \"0660\"";
        return sheet.error("admin_socket", text, Some(mend.to_owned()));
    }
    sheet.ok("admin_socket", format!("{shown} is for its group"));
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Topic;
    use super::*;

    fn told(work: impl FnOnce(&mut Sheet)) -> Vec<String> {
        let mut sheet = Sheet::new(Topic::Permissions);
        work(&mut sheet);
        sheet.told()
    }

    fn file(uid: u32, mode: u32) -> File {
        File { uid, gid: 0, mode }
    }

    #[test]
    fn the_daemon_runs_as_its_own_user() {
        let service = Who { name: SERVICE.to_owned(), uid: 4_000_000, groups: vec![] };
        let of = |service: Option<&Who>, runs_as| told(|sheet| user(sheet, service, runs_as)).remove(0);
        assert_eq!(of(Some(&service), Some(4_000_000)), "ok user: the daemon runs as mailward");
        assert!(of(Some(&service), Some(0)).starts_with("error user: the daemon runs as root"));
        assert!(of(Some(&service), Some(4_000_001)).starts_with("warning user: the daemon runs as 4000001"));
        assert!(of(Some(&service), None).starts_with("ok user: "));
        assert!(
            of(None, None)
                .ends_with("| adduser --system --group --no-create-home --home /nonexistent mailward")
        );
    }

    #[test]
    fn what_holds_mail_is_closed_and_the_daemons() {
        let of = |file: File| {
            let path = Path::new("/var/lib/m");
            told(|sheet| folder_as(sheet, "state_dir", path, &file, Some(4_000_000), 0o700)).remove(0)
        };
        assert_eq!(
            of(file(4_000_000, 0o40700)),
            "ok folders: /var/lib/m (state_dir, 0700 4000000:root) is closed to others"
        );
        assert!(of(file(4_000_000, 0o40755)).ends_with("| chmod 700 /var/lib/m"));
        assert!(of(file(0, 0o40700)).ends_with("| chown -R 4000000 /var/lib/m"));
    }

    #[test]
    fn keys_sockets_and_the_folder_of_the_configuration() {
        let at = Path::new("/k/release.key");
        assert_eq!(told(|sheet| key(sheet, at, &file(7, 0o600), Some(7))), Vec::<String>::new());
        assert!(
            told(|sheet| key(sheet, at, &file(7, 0o640), Some(7)))[0].ends_with("| chmod 600 /k/release.key")
        );
        assert!(
            told(|sheet| key(sheet, at, &file(0, 0o600), Some(4_000_000)))[0]
                .ends_with("| chown 4000000 /k/release.key")
        );
        let socket = Path::new("/run/a.sock");
        assert!(
            told(|sheet| admin_socket(sheet, socket, &file(7, 0o660)))[0].starts_with("ok admin_socket: ")
        );
        assert!(
            told(|sheet| admin_socket(sheet, socket, &file(7, 0o666)))[0].starts_with("error admin_socket: ")
        );
    }
}
