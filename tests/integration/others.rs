//! What other users of the machine can do with what the daemon makes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::backup::HOLD;
use super::common::{judge, mail, rules, stdout};
use super::mta::{PATIENCE, Site};

/// Everything in it that others may use in any way, or the group change.
fn open_to_others(path: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let mode = meta.permissions().mode() & 0o7777;
        if mode & 0o027 != 0 {
            found.push(format!("{} {mode:o}", path.display()));
        }
        if meta.is_dir() {
            open_to_others(&path, found);
        }
    }
}

#[test]
fn started_without_a_umask_the_daemon_leaves_nothing_that_others_can_use() {
    let mut site = Site::new().unwrap();
    site.set_umask("000");
    // Made by an admin, as one makes folders.
    fs::set_permissions(site.state_dir(), fs::Permissions::from_mode(0o755)).unwrap();
    let toml = site.defaults("") + &rules(&site, "hold.yar", HOLD);
    let mut daemon = site.start(&toml).unwrap();
    judge(&daemon, &mail("clean", "text"));
    judge(&daemon, &mail("held", "HOLD-THIS"));
    stdout(&daemon, &["list", "block", "add", "held.example"]);
    stdout(&daemon, &["token", "create", "grafana", "--role", "viewer"]);
    daemon.signal("TERM").unwrap();
    daemon.wait_for_end(PATIENCE).unwrap();
    let mut found = Vec::new();
    open_to_others(&daemon.site().state_dir(), &mut found);
    assert_eq!(found, Vec::<String>::new());
    assert!(daemon.site().state_dir().join("db/db").is_file(), "the test looks in the wrong place");
}
