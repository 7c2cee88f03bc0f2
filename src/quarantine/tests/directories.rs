//! What is refused or mended when a quarantine is opened.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use nix::unistd::{Gid, Group, getegid, geteuid};

use super::*;

fn refusal(fixture: &Fixture) -> String {
    fixture.try_open().unwrap_err().to_string()
}

#[test]
fn a_symbolic_link_is_refused_wherever_it_is() {
    for name in ["", "tmp", "new", "cur", "meta"] {
        let fixture = Fixture::new();
        drop(fixture.open());
        let (path, aside) = (fixture.path(name), fixture.dir.path().join("aside"));
        let path = path.components().as_path();
        fs::rename(path, &aside).unwrap();
        symlink(&aside, path).unwrap();
        let text = refusal(&fixture);
        assert!(text.contains("it is a symbolic link") && text.contains(path.to_str().unwrap()), "{text}");
    }
}

#[test]
fn a_file_in_place_of_a_directory_is_refused() {
    let fixture = Fixture::new();
    fs::write(&fixture.config.path, "").unwrap();
    let text = refusal(&fixture);
    assert_eq!(
        text,
        format!(
            "the quarantine {} cannot be used: it is not a directory; move it away",
            fixture.config.path.display()
        )
    );
}

#[test]
fn a_missing_parent_is_refused() {
    let mut fixture = Fixture::new();
    fixture.config.path = fixture.dir.path().join("typo/quarantine");
    assert!(refusal(&fixture).contains("the directory above it does not exist"));
}

#[test]
fn a_senseless_configuration_is_refused() {
    let mut fixture = Fixture::new();
    fixture.config.path = "relative".into();
    assert!(refusal(&fixture).contains("must start with a slash"));
}

#[test]
fn that_others_can_put_another_directory_in_its_place_is_noted() {
    let mut fixture = Fixture::new();
    let above = fixture.dir.path().join("above");
    fs::create_dir(&above).unwrap();
    fixture.config.path = above.join("quarantine");
    for (mode, is_noted) in [(0o755, false), (0o1777, false), (0o777, true)] {
        fs::set_permissions(&above, fs::Permissions::from_mode(mode)).unwrap();
        let (quarantine, notes) = fixture.try_open().unwrap();
        drop(quarantine);
        let note = format!(
            "anybody may write to {}, and so put another directory in place of the quarantine; chmod o-w it",
            above.display()
        );
        assert_eq!(notes, if is_noted { vec![note] } else { Vec::new() }, "{mode:o}");
    }
}

#[test]
fn a_directory_that_anybody_may_write_is_refused_and_one_to_look_into_is_noted() {
    let fixture = Fixture::new();
    drop(fixture.open());
    let new = fixture.path("new");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    let (_, notes) = fixture.try_open().unwrap();
    assert_eq!(notes, [format!("anybody may look into {}; chmod o-rwx it", new.display())]);
    fs::set_permissions(&new, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(refusal(&fixture).contains("anybody may write to it"));
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    if !geteuid().is_root() {
        // Only root can give a directory away.
        return;
    }
    let fixture = Fixture::new();
    drop(fixture.open());
    std::os::unix::fs::chown(fixture.path("meta"), Some(1), None).unwrap();
    assert!(refusal(&fixture).contains("it belongs to user id 1, and mailward runs as user id 0"));
}

#[test]
fn one_process_owns_a_quarantine() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    assert!(matches!(fixture.try_open(), Err(QuarantineError::InUse { .. })));
    drop(quarantine);
    fixture.open();
}

#[test]
fn a_group_may_read_what_is_held() {
    let mut fixture = Fixture::new();
    // Root may use any group; others have their own.
    let gid = if geteuid().is_root() { Gid::from_raw(1) } else { getegid() };
    fixture.config.group = Group::from_gid(gid).unwrap().unwrap().name;
    let quarantine = fixture.open();
    let id = fixture.mail("one").hold(&quarantine);
    let seen = |name: &str| {
        let meta = fs::metadata(fixture.path(name)).unwrap();
        (meta.mode() & 0o777, meta.gid())
    };
    assert_eq!(["", "tmp", "new", "cur", "meta"].map(seen), [(0o750, gid.as_raw()); 5]);
    let files = [format!("new/{id}"), format!("meta/{id}.json")];
    assert_eq!(files.map(|name| seen(&name)), [(0o640, gid.as_raw()); 2]);
}

#[test]
fn a_group_that_does_not_exist_is_refused() {
    let mut fixture = Fixture::new();
    fixture.config.group = "no-such-group-here".to_owned();
    assert!(refusal(&fixture).contains("there is no such group"));
}
