//! Backups: archives as they come, and members that were changed under sums that fit.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use mailward::backup::{Part, check, restore};
use sha2::{Digest as _, Sha256};

use super::super::common::{judge, mail, stdout};
use super::super::mta::samples::eicar;
use super::effort;
use super::mutation::{Campaign, Dice, Mutator};
use super::{Daemon, Site};

const WORDS: [&str; 24] = [
    "{\"key\":\"",
    "\",\"value\":",
    "}\n",
    "null",
    "[]",
    "\"version\":",
    "\"format\":",
    "\"parts\":",
    "ustar",
    "mailward-backup/",
    "../",
    "/etc/passwd",
    "0000644",
    "77777777777",
    "\0\0\0\0",
    "db/lists.jsonl",
    "keys/",
    "quarantine/new/",
    "audit/head",
    "audit/2026-11-21.log",
    "manifest.json",
    "SHA256SUMS",
    "2026-11-20T12:00:00.000Z",
    "AAAA",
];

/// A backup of everything, of a daemon that has held mail and an entry of a list.
fn backup(folder: &Path) -> Vec<u8> {
    let daemon = Daemon::start("\n[scanner.yara]\nenabled = true\n").unwrap();
    judge(&daemon, &mail("clean", "text"));
    judge(&daemon, &mail("held", &eicar()));
    stdout(&daemon, &["list", "block", "add", "evil.example"]);
    let file = folder.join("backup.tar");
    stdout(&daemon, &["backup", file.to_str().unwrap(), "--keys", "--quarantine"]);
    std::fs::read(file).unwrap()
}

/// Name and content of each member.
fn members(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut tar = tar::Archive::new(archive);
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (entry.path().unwrap().display().to_string(), content)
    };
    tar.entries().unwrap().map(read).collect()
}

/// An archive of these members, the last of which is made to be their sums.
fn archive(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut sums = String::new();
    let mut put = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_entry_type(tar::EntryType::Regular);
        tar.append_data(&mut header, name, content).is_ok()
    };
    let (last, others) = members.split_last().unwrap();
    for (name, content) in others {
        let plain = name.strip_prefix("mailward-backup/").unwrap_or(name);
        if put(name, content) {
            sums += &format!("{}  {plain}\n", data_encoding::HEXLOWER.encode(&Sha256::digest(content)));
        }
    }
    put(&last.0, sums.as_bytes());
    tar.into_inner().unwrap()
}

fn assert_told(told: &str) {
    assert!(!told.contains(['\x1b', '\0', '\n']), "{told:?}");
}

#[test]
fn archives_of_backups() {
    let place = tempfile::tempdir().unwrap();
    let whole = backup(place.path());
    assert_eq!(archive(&members(&whole)).len() % 512, 0);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&whole).unwrap();
    let samples = vec![whole.clone(), packed.finish().unwrap()];
    let mut campaign = Campaign::new("archives", effort(150, 10_000), samples).words(&WORDS);
    (campaign.largest, campaign.threads) = (256 << 10, 1);
    let path = place.path().join("changed.tar");
    campaign.run(|input| {
        std::fs::write(&path, input).unwrap();
        match check(&path) {
            Ok(checked) => assert!(checked.bytes <= whole.len() as u64),
            Err(error) => assert_told(&error.to_string()),
        }
    });
}

#[test]
fn members_of_backups_are_restored_or_refused() {
    let place = tempfile::tempdir().unwrap();
    let whole = members(&backup(place.path()));
    assert!(whole.len() > 6, "{whole:?}");
    let seeds = vec![vec![0; 8], vec![1; 8], vec![2; 8]];
    let words: Vec<Vec<u8>> = WORDS.iter().map(|word| word.as_bytes().to_vec()).collect();
    let mut campaign = Campaign::new("members", effort(8, 600), seeds);
    (campaign.threads, campaign.bound) = (1, std::time::Duration::from_secs(10));
    let path = place.path().join("changed.tar");
    campaign.run(|input| {
        // The input chooses which member is changed, and how.
        let seed = input.iter().fold(0u64, |sum, byte| sum.wrapping_mul(257).wrapping_add(u64::from(*byte)));
        let (mut dice, mut changed) = (Dice::new(seed), whole.clone());
        let at = dice.below(changed.len() - 1);
        let contents: Vec<Vec<u8>> = vec![changed[at].1.clone()];
        changed[at].1 = Mutator::new(&contents, &words, 256 << 10, seed).make();
        if dice.one_in(4) {
            let names: Vec<Vec<u8>> = changed.iter().map(|(name, _)| name.clone().into_bytes()).collect();
            let name = Mutator::new(&names, &words, 200, seed).make();
            changed[at].0 = String::from_utf8_lossy(&name).replace('\0', "");
        }
        std::fs::write(&path, archive(&changed)).unwrap();
        let site = Site::new().unwrap();
        let state = site.state_dir();
        let places = restore::Places {
            quarantine: site.quarantine(),
            exports: state.join("backup"),
            store: mailward::store::Config::default(),
            audit: mailward::audit::Config::default(),
            pseudonymise: false,
            state_dir: state,
        };
        let file = File::open(&path).unwrap();
        let file = (path.as_path(), &file);
        let planned = match restore::plan(file, &[]) {
            Ok((_, parts)) => parts,
            Err(error) => return assert_told(&error.to_string()),
        };
        let mut said = Vec::new();
        match restore::restore(&places, file, &planned, "a test", &mut |sentence| said.push(sentence)) {
            Ok(()) => assert!(!said.is_empty()),
            Err(error) => assert_told(&error.to_string()),
        }
        said.iter().for_each(|sentence| assert_told(sentence));
        let beyond = site.path().parent().unwrap().join("passwd");
        assert!(!beyond.exists() && planned.iter().all(|part| Part::ALL.contains(part)));
    });
}
