//! The form of backups: what was written is read, and what was cut or changed is not.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use super::archive::Archive;
use super::manifest::{FORMAT, Facts, Manifest, Part};
use super::reader::walk_within;
use super::{BackupError, STOP, Unnamed, check, held};
use crate::model::Timestamp;
use crate::store::SCHEMA;

fn manifest() -> Manifest {
    Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema: SCHEMA,
        flushed: 7,
        time: Timestamp::from_millis(1_795_176_000_000),
        host: "mx1.example.org".to_owned(),
        parts: vec![Part::Lists, Part::Audit],
        facts: Facts::default(),
    }
}

fn written(manifest: &Manifest) -> Vec<u8> {
    let mut archive = Archive::begin(Vec::new(), manifest).unwrap();
    archive.add("db/lists.jsonl", 5, &b"lists"[..]).unwrap();
    archive.add("audit/2026-11-20.log", 3000, vec![b'x'; 3000].as_slice()).unwrap();
    archive.finish().unwrap()
}

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("backup.tar");
        fs::write(&path, bytes).unwrap();
        path
    }
}

#[test]
fn a_backup_is_read_packed_or_not() {
    let bench = Bench::new();
    let bytes = written(&manifest());
    let checked = check(&bench.file(&bytes)).unwrap();
    assert_eq!((checked.manifest, checked.members, checked.bytes), (manifest(), 2, 3005));
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&bytes).unwrap();
    assert_eq!(check(&bench.file(&packer.finish().unwrap())).unwrap().members, 2);
}

#[test]
fn a_backup_that_was_cut_anywhere_or_changed_in_one_byte_is_refused() {
    let bench = Bench::new();
    let bytes = written(&manifest());
    // What follows the last member is padding of the format.
    let end = bytes.iter().rposition(|b| *b != 0).unwrap();
    for at in (0..end).step_by(97) {
        assert!(matches!(check(&bench.file(&bytes[..at])), Err(BackupError::Unusable { .. })), "cut at {at}");
    }
    let mut missed = 0;
    for at in (0..end).step_by(13) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x20;
        missed += usize::from(check(&bench.file(&changed)).is_ok());
    }
    // Padding between members is nobody's content.
    let padding = bytes.iter().step_by(13).filter(|b| **b == 0).count();
    assert!(missed <= padding, "{missed} changes of {padding} bytes of padding were missed");
    let good = check(&bench.file(&bytes)).unwrap();
    let mut changed = bytes.clone();
    let at = bytes.windows(5).position(|w| w == b"lists").unwrap();
    changed[at] ^= 1;
    assert_ne!(check(&bench.file(&changed)).ok(), Some(good));
}

#[test]
fn what_a_later_version_made_is_refused_by_name() {
    let bench = Bench::new();
    for newer in [
        Manifest { version: "99.0.0".to_owned(), ..manifest() },
        Manifest { format: FORMAT + 1, ..manifest() },
        Manifest { schema: SCHEMA + 1, ..manifest() },
    ] {
        let refused = check(&bench.file(&written(&newer)));
        assert!(matches!(refused, Err(BackupError::Newer { .. })), "{refused:?}");
    }
}

#[test]
fn a_member_that_leads_elsewhere_is_refused() {
    let bench = Bench::new();
    for name in ["../x", "mailward-backup/../../etc/passwd", "/etc/passwd", "other/x"] {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(1);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        tar.append(&header, &b"x"[..]).unwrap();
        assert!(check(&bench.file(&tar.into_inner().unwrap())).is_err(), "{name}");
    }
}

/// A tar of ours as far as its first members, and then a header of another kind, with what follows.
fn with_header(kind: tar::EntryType, size: u64) -> Vec<u8> {
    let mut bytes = Archive::begin(Vec::new(), &manifest()).unwrap().finish().unwrap();
    let at = bytes.windows(10).position(|w| w == b"SHA256SUMS").unwrap() - "mailward-backup/".len();
    bytes.truncate(at);
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..20].copy_from_slice(b"mailward-backup/db/x");
    header.set_size(size);
    header.set_entry_type(kind);
    header.set_cksum();
    bytes.extend(header.as_bytes());
    bytes
}

/// The most memory that this process has taken, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_header_that_announces_a_gigabyte_takes_no_memory() {
    let bench = Bench::new();
    for kind in [
        tar::EntryType::GNULongName,
        tar::EntryType::GNULongLink,
        tar::EntryType::XHeader,
        tar::EntryType::XGlobalHeader,
    ] {
        let path = bench.file(&with_header(kind, 1 << 30));
        // A hole, which costs no disk; packed it is a megabyte.
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len((1 << 30) + (1 << 20)).unwrap();
        let before = peak();
        let told = check(&path).unwrap_err().to_string();
        let grown = peak() - before;
        assert!(grown < 64 << 10, "{kind:?}: {grown} KiB, {told}");
        assert_eq!(told, format!("{} holds what no backup of mailward holds", path.display()), "{kind:?}");
    }
}

#[test]
fn what_is_no_plain_file_is_refused() {
    let bench = Bench::new();
    for kind in [
        tar::EntryType::Link,
        tar::EntryType::Symlink,
        tar::EntryType::Char,
        tar::EntryType::Block,
        tar::EntryType::Directory,
        tar::EntryType::Fifo,
        tar::EntryType::Continuous,
        tar::EntryType::GNUSparse,
    ] {
        let path = bench.file(&[with_header(kind, 0), vec![0; 1024]].concat());
        let told = check(&path).unwrap_err().to_string();
        assert_eq!(told, format!("{} holds what no backup of mailward holds", path.display()), "{kind:?}");
    }
}

#[test]
fn a_member_that_comes_twice_or_is_longer_than_it_says_is_refused() {
    let bench = Bench::new();
    let mut twice = Archive::begin(Vec::new(), &manifest()).unwrap();
    for _ in 0..2 {
        twice.add("db/lists.jsonl", 5, &b"lists"[..]).unwrap();
    }
    let path = bench.file(&twice.finish().unwrap());
    assert_eq!(
        check(&path).unwrap_err().to_string(),
        format!("{} holds db/lists.jsonl twice", path.display())
    );
    for size in [0, 1, 4, 513, u64::MAX / 2, u64::MAX] {
        let mut lies = with_header(tar::EntryType::Regular, size);
        lies.extend([&b"lists"[..], &[0; 507], &[0; 1024]].concat());
        let told = check(&bench.file(&lies)).unwrap_err().to_string();
        assert!(told.contains(" was cut"), "{size}: {told}");
    }
}

#[test]
fn a_backup_of_more_files_than_there_can_be_is_refused() {
    let bench = Bench::new();
    let path = bench.file(&written(&manifest()));
    let members = |most| {
        let file = fs::File::open(&path).unwrap();
        let walked = walk_within(most, &path, &file, |_, _, member| {
            std::io::copy(member, &mut std::io::sink()).unwrap();
            Ok(())
        });
        walked.map(|checked| checked.members).map_err(|error| error.to_string())
    };
    assert_eq!(members(2), Ok(2));
    assert_eq!(members(1), Err(format!("{} holds more than 1 files", path.display())));
}

#[test]
fn a_long_name_is_read_as_it_was_written() {
    let bench = Bench::new();
    let long = format!("config/{}.toml", "n".repeat(200));
    let mut archive = Archive::begin(Vec::new(), &manifest()).unwrap();
    archive.add(&long, 5, &b"lists"[..]).unwrap();
    let path = bench.file(&archive.finish().unwrap());
    let (file, mut seen) = (fs::File::open(&path).unwrap(), Vec::new());
    let walked = walk_within(9, &path, &file, |name, size, member| {
        std::io::copy(member, &mut std::io::sink()).unwrap();
        seen.push((name.to_owned(), size));
        Ok(())
    });
    assert!(walked.is_ok());
    assert_eq!(seen, [(long, 5)]);
}

#[test]
fn what_a_backup_says_of_itself_cannot_act_on_a_terminal() {
    let bench = Bench::new();
    let evil = "\u{1b}]0;owned\u{7}\n\u{202e}mx1";
    let of = |manifest: Manifest| check(&bench.file(&written(&manifest)));
    let checked =
        of(Manifest { host: evil.to_owned(), version: format!("0.0.1-{evil}"), ..manifest() }).unwrap();
    assert_eq!(
        (checked.manifest.host.as_str(), checked.manifest.version.as_str()),
        ("?]0;owned? mx1", "0.0.1-?]0;owned? mx1")
    );
    let newer = of(Manifest { version: format!("99.0.0-{evil}"), ..manifest() }).unwrap_err().to_string();
    let unknown = {
        let json = serde_json::to_string(&manifest()).unwrap().replace("\"lists\"", &format!("{evil:?}"));
        let json =
            json.replace("\\u{1b}", "\\u001b").replace("\\u{7}", "\\u0007").replace("\\u{202e}", "\\u202e");
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(json.len() as u64);
        tar.append_data(&mut header, "mailward-backup/manifest.json", json.as_bytes()).unwrap();
        check(&bench.file(&tar.into_inner().unwrap())).unwrap_err().to_string()
    };
    assert!(unknown.contains("is not understood") && unknown.contains("owned"), "{unknown}");
    for told in [newer, unknown] {
        assert!(!told.chars().any(|c| c.is_control() || c == '\u{202e}'), "{told:?}");
    }
}

#[test]
fn a_file_has_its_name_when_it_is_whole_and_takes_nobodys_place() {
    let bench = Bench::new();
    let path = bench.0.path().join("x");
    let mut half = Unnamed::begin(&path).unwrap();
    half.write_all(b"half").unwrap();
    drop(half);
    assert_eq!(fs::read_dir(bench.0.path()).unwrap().count(), 0);
    let mut file = Unnamed::begin(&path).unwrap();
    file.write_all(b"whole").unwrap();
    file.finish(false).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"whole");
    let mut second = Unnamed::begin(&path).unwrap();
    second.write_all(b"second").unwrap();
    assert!(second.finish(false).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"whole");
    let third = Unnamed::begin(&path).unwrap();
    third.finish(true).unwrap();
    assert_eq!((fs::read(&path).unwrap(), fs::read_dir(bench.0.path()).unwrap().count()), (vec![], 1));
}

#[test]
fn another_file_is_no_backup_and_nothing_of_it_is_shown() {
    let bench = Bench::new();
    let lines = "root:x:0:0:root:/root:/bin/bash\n".repeat(40);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(lines.as_bytes()).unwrap();
    for bytes in [lines.into_bytes(), packer.finish().unwrap(), b"short".to_vec(), vec![0; 2048], Vec::new()]
    {
        let path = bench.file(&bytes);
        let told = check(&path).unwrap_err().to_string();
        assert_eq!(told, format!("{} is no backup of mailward", path.display()));
    }
    assert!(check(bench.0.path()).unwrap_err().to_string().ends_with("is no backup of mailward"));
}

#[test]
fn what_is_written_has_a_name_that_nobody_can_know_before() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let path = bench.0.path().join("keys.tar");
    let (one, other) = (Unnamed::begin(&path).unwrap(), Unnamed::begin(&path).unwrap());
    let parts: Vec<_> = fs::read_dir(bench.0.path()).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(parts.len(), 2);
    for part in parts {
        assert_eq!(fs::metadata(part).unwrap().permissions().mode() & 0o777, 0o600);
    }
    drop((one, other));
}

/// A quarantine with these files, each holding its own name.
fn quarantine(root: &std::path::Path, files: &[&str]) {
    for folder in ["new", "cur", "meta", "tmp"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for file in files {
        fs::write(root.join(file), file).unwrap();
    }
}

const IDS: [&str; 4] =
    ["00000000000000000a", "00000000000000000b", "00000000000000000c", "00000000000000000d"];

#[test]
fn only_held_mail_goes_into_a_backup_each_message_once_and_with_what_is_known_of_it() {
    let bench = Bench::new();
    let [a, b, c, d] = IDS;
    let root = bench.0.path().join("q");
    let files: [&str; 10] = [
        &format!("new/{a}"),
        &format!("meta/{a}.json"),
        &format!("cur/{b}:2,S"),
        &format!("meta/{b}.json"),
        &format!("meta/{c}.json"),
        &format!("new/{d}"),
        "new/ld.so.preload",
        "cur/evil.sh",
        "meta/.lock",
        "meta/other.json",
    ];
    quarantine(&root, &files);
    let mut archive = Archive::begin(Vec::new(), &manifest()).unwrap();
    held::copy(&mut archive, &root).unwrap();
    let path = bench.file(&archive.finish().unwrap());
    let mut names = Vec::new();
    super::reader::walk(&path, &fs::File::open(&path).unwrap(), |name, _, member| {
        names.push(name.to_owned());
        std::io::copy(member, &mut std::io::sink())
            .map(drop)
            .map_err(|e| super::reader::Stop::Garbled(e.to_string()))
    })
    .unwrap();
    let expected = [
        format!("quarantine/new/{a}"),
        format!("quarantine/new/{d}"),
        format!("quarantine/cur/{b}:2,S"),
        format!("quarantine/meta/{a}.json"),
        format!("quarantine/meta/{b}.json"),
    ];
    assert_eq!(names, expected);
}

#[test]
fn held_mail_is_put_beside_what_is_held_and_only_where_it_is_known() {
    let bench = Bench::new();
    let [a, b, c, d] = IDS;
    let (root, beside) = (bench.0.path().join("q"), bench.0.path().join("q/tmp/restoring"));
    quarantine(&root, &[&format!("cur/{a}:2,S"), &format!("meta/{a}.json"), &format!("meta/{d}.json")]);
    let files: [&str; 6] = [
        &format!("new/{a}"),
        &format!("meta/{a}.json"),
        &format!("new/{b}"),
        &format!("meta/{b}.json"),
        &format!("cur/{c}:2,"),
        &format!("new/{d}"),
    ];
    quarantine(&beside, &files);
    let put = held::put(&beside, &root).unwrap();
    assert_eq!(put, held::Put { added: 2, there: 1, unknown: 1 });
    let found = |path: String| root.join(path).exists();
    assert!(found(format!("new/{b}")) && found(format!("meta/{b}.json")) && found(format!("new/{d}")));
    assert!(!found(format!("new/{a}")) && !found(format!("cur/{c}:2,")) && !beside.exists());
}

#[test]
fn the_command_that_stops_mailward_is_the_one_of_the_unit_and_of_the_document() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["docs/backup.md", "systemd/mailward-milter.socket"] {
        assert!(fs::read_to_string(root.join(file)).unwrap().contains(STOP), "{file}");
    }
    assert!(BackupError::Running(PathBuf::from("/var/lib/mailward")).to_string().contains(STOP));
}

#[test]
fn a_folder_that_may_not_be_written_names_the_unit() {
    let error = super::at(std::path::Path::new("/srv/backup"), "making it")(
        std::io::ErrorKind::ReadOnlyFilesystem.into(),
    );
    assert!(error.to_string().ends_with("[Service] ReadWritePaths=/srv/backup"), "{error}");
}
