//! A restore by root into folders that belong to mailward's user: nothing is done there with root's rights.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use super::backup::{HOLD, RULES, empty_site, offline, text};
use super::common::{judge, mail, rules, stdout};
use super::mta::{self, Site};

/// `nobody`, who owns nothing else.
const OWNER: u32 = 65534;

fn give(path: &Path) {
    chown(path, Some(OWNER), Some(OWNER)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path()));
    }
}

/// Everything in it that does not belong to its owner, or that others may use.
fn odd(path: &Path, found: &mut Vec<String>) {
    let meta = fs::symlink_metadata(path).unwrap();
    if meta.uid() != OWNER || (!meta.is_symlink() && meta.mode() & 0o027 != 0) {
        found.push(format!("{} {} {:o}", path.display(), meta.uid(), meta.mode()));
    }
    if meta.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| odd(&entry.unwrap().path(), found));
    }
}

#[test]
fn root_restores_with_the_rights_of_the_owner_and_follows_no_link() {
    let name = "root_restores_with_the_rights_of_the_owner_and_follows_no_link";
    if !nix::unistd::geteuid().is_root() {
        return mta::not_run(name, "root", "run it as root");
    }
    let site = Site::new().unwrap();
    let toml = site.defaults("") + &rules(&site, "hold.yar", HOLD);
    let daemon = site.start(&toml).unwrap();
    stdout(&daemon, &["list", "block", "add", "held.example"]);
    judge(&daemon, &mail("held", "HOLD-THIS"));
    let file = daemon.site().path().join("backup.tar");
    let file = file.to_str().unwrap();
    stdout(&daemon, &["backup", file, "--quarantine", "--keys"]);

    let site = empty_site(RULES);
    let (state, quarantine) = (site.state_dir(), site.quarantine());
    fs::set_permissions(site.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(&quarantine).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(&quarantine, fs::Permissions::from_mode(0o700)).unwrap();
    give(&state);
    give(&quarantine);
    let target = tempfile::tempdir().unwrap();
    for planted in ["new", "meta"] {
        symlink(target.path(), quarantine.join(planted)).unwrap();
        let refused = offline(&site, &["restore", file]);
        assert!(!refused.status.success() && text(&refused).contains("is no folder"), "{}", text(&refused));
        fs::remove_file(quarantine.join(planted)).unwrap();
    }
    assert!(!state.join("db").exists());
    for _ in 0..2 {
        let restored = offline(&site, &["restore", file]);
        assert!(restored.status.success(), "{}", text(&restored));
    }
    let mut found = Vec::new();
    odd(&state, &mut found);
    odd(&quarantine, &mut found);
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
    assert_eq!(fs::read_dir(quarantine.join("new")).unwrap().count(), 1);
}
