//! What is in the Debian package.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::docs::{held, links};
use super::mta::guard::run;
use super::mta::{self, Machine, Package, Root};

/// The package of the binary under test.
pub(crate) fn package() -> Package {
    Package::built(env!("CARGO_BIN_EXE_mailward")).unwrap()
}

/// A machine of this root with the package as `/host/mailward_*.deb`.
pub(crate) fn machine(root: &str, packages: &[&str]) -> Machine {
    let deb = package();
    let machine = Machine::boot(&Root::debian(root, packages).unwrap()).unwrap();
    let name = deb.path().file_name().unwrap();
    std::fs::copy(deb.path(), machine.host().join(name)).unwrap();
    machine
}

#[test]
fn lintian_finds_neither_errors_nor_warnings() {
    if !mta::not_run::package_ready("lintian_finds_neither_errors_nor_warnings") {
        return;
    }
    let said = run(Command::new("lintian").arg("--allow-root").arg(package().path())).unwrap();
    assert_eq!(said, "");
}

#[test]
fn files_owners_and_modes_are_as_listed() {
    if !mta::not_run::package_ready("files_owners_and_modes_are_as_listed") {
        return;
    }
    let listed = run(Command::new("dpkg-deb").arg("-c").arg(package().path())).unwrap();
    let mut lines: Vec<String> = listed
        .lines()
        .map(|line| {
            let field: Vec<&str> = line.split_whitespace().collect();
            format!("{} {} {}\n", field[0], field[1], field[5..].join(" "))
        })
        // Each chapter of the documentation need not be named.
        .filter(|line| !line.contains("./usr/share/doc/mailward/docs/"))
        .collect();
    lines.sort_by_key(|line| line.rsplit(' ').next().map(str::to_owned));
    held("tests/golden/deb-files.txt", &lines.concat());
}

#[test]
fn the_version_and_the_date_are_those_of_the_changelog() {
    if !mta::not_run::package_ready("the_version_and_the_date_are_those_of_the_changelog") {
        return;
    }
    let changelog = |what: &str| {
        let mut ask = Command::new("dpkg-parsechangelog");
        ask.args(["--show-field", what]).current_dir(env!("CARGO_MANIFEST_DIR"));
        run(&mut ask).unwrap().trim().to_owned()
    };
    assert_eq!(changelog("Version"), env!("CARGO_PKG_VERSION"));
    // The same source gives the same times: none is later than the entry.
    let tree = mta::guard::Dir::new("times").unwrap();
    run(Command::new("dpkg-deb").arg("-x").args([package().path(), tree.path()])).unwrap();
    let newer = format!("@{}", changelog("Timestamp"));
    let later = run(Command::new("find").arg(tree.path().join("usr")).args(["-newermt", &newer])).unwrap();
    assert_eq!(later, "");
}

#[test]
fn what_the_admin_edits_is_a_conffile_and_nothing_else() {
    if !mta::not_run::package_ready("what_the_admin_edits_is_a_conffile_and_nothing_else") {
        return;
    }
    let mut ask = Command::new("dpkg-deb");
    let conffiles = run(ask.arg("--info").arg(package().path()).arg("conffiles")).unwrap();
    assert_eq!(conffiles, "/etc/mailward/mailward.toml\n");
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/policy.toml").exists());
}

/// The pages below a folder.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
}

#[test]
fn what_the_documentation_links_and_copies_is_in_the_package() {
    if !mta::not_run::package_ready("what_the_documentation_links_and_copies_is_in_the_package") {
        return;
    }
    let tree = mta::guard::Dir::new("docs").unwrap();
    run(Command::new("dpkg-deb").arg("-x").args([package().path(), tree.path()])).unwrap();
    let mut found = Vec::new();
    pages(&tree.path().join("usr/share/doc/mailward"), &mut found);
    pages(&tree.path().join("usr/share/mailward"), &mut found);
    assert!(found.len() > 15, "{found:?}");
    let mut broken = Vec::new();
    for page in found {
        let text = std::fs::read_to_string(&page).unwrap();
        let exists = |path: &str| match path.strip_prefix('/') {
            Some(inner) => tree.path().join(inner).exists(),
            None => page.parent().unwrap().join(path).exists(),
        };
        let linked = links(&text).map(|link| link.split('#').next().unwrap());
        // And what is copied out of it, by its whole path.
        let copied = text.lines().filter_map(|line| line.strip_prefix("cp ")?.split(' ').next());
        let missing = linked.chain(copied).filter(|path| !path.is_empty() && !exists(path));
        broken.extend(missing.map(|path| format!("{}: {path}", page.display())));
    }
    assert_eq!(broken, Vec::<String>::new());
}
