//! The bundled rules against their samples: `tests/samples/rules/<RULE>/{match,miss}-<file name>`.
//!
//! The part after the dash is the attachment's name (`%XX` stands for a byte that a file system or a
//! person might stumble over); `body…` is a part without a name; `.eml` is a raw message. A final
//! `.b64` is undone first: some samples would make virus scanners take the repository away.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::{BASE64, HEXUPPER};
use mail_parser::{MessageParser, MimeHeaders};

use super::compile::{self, Pass, RuleSet};
use super::scope::Scope;
use super::{bundled, look};
use crate::model::{Envelope, MailId, Message, Part, Parts};
use crate::scan::ScanInput;
use crate::testing::suite;

pub(super) fn input(raw: impl Into<Bytes>, parts: Vec<Part>) -> Arc<ScanInput> {
    let list = parts.into_iter().enumerate().map(|(index, p)| Part { index, ..p }).collect();
    Arc::new(ScanInput {
        id: MailId::from_parts(0, 0),
        session: Arc::default(),
        direction: crate::model::Direction::Inbound,
        envelope: Envelope::default(),
        message: Message::new(raw.into(), Vec::new(), 0),
        parts: Parts { list, not_inspected: Vec::new() },
        attachments: Vec::new(),
        share: None,
    })
}

pub(super) fn part(name: &str, media_type: &str, content: impl Into<Bytes>) -> Part {
    let name = Some(name.to_owned()).filter(|n| !n.is_empty());
    Part { name, media_type: media_type.to_owned(), content: content.into(), ..Part::default() }
}

/// The names of the rules that match anywhere.
fn matches(set: &RuleSet, input: &ScanInput) -> BTreeSet<String> {
    let mut scanners = look::scanners(set, 100);
    let mut names = BTreeSet::new();
    for buffer in look::buffers(input) {
        let limit = std::time::Duration::from_secs(60);
        look::scan(&mut scanners, &buffer, limit, |_, symbol| {
            names.insert(symbol.to_owned());
        })
        .unwrap();
    }
    names
}

fn media_type(name: &str) -> &'static str {
    match Path::new(name).extension().and_then(|e| e.to_str()).unwrap_or_default() {
        "html" | "htm" => "text/html",
        "svg" => "image/svg+xml",
        "xml" => "text/xml",
        "txt" => "text/plain",
        "csv" => "text/csv",
        "js" => "application/javascript",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "rtf" => "application/rtf",
        _ => "application/octet-stream",
    }
}

fn unescape(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' && tail.len() >= 2 {
            bytes.extend(HEXUPPER.decode(&tail[..2]).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// The input that a sample stands for, and whether the rule must match it.
fn sample(path: &Path) -> (bool, Arc<ScanInput>) {
    let file = path.file_name().unwrap().to_str().unwrap();
    let (verdict, name) = file.split_once('-').unwrap();
    let must_match = match verdict {
        "match" => true,
        "miss" => false,
        other => panic!("{}: {other} is neither match nor miss", path.display()),
    };
    let mut content = std::fs::read(path).unwrap();
    let mut name = unescape(name);
    if let Some(inner) = name.strip_suffix(".b64") {
        content.retain(|b| !b.is_ascii_whitespace());
        content = BASE64.decode(&content).unwrap();
        name = inner.to_owned();
    }
    if name.ends_with(".eml") {
        return (must_match, input(content, vec![]));
    }
    let media_type = media_type(&name);
    let name = if name.starts_with("body") { "" } else { name.as_str() };
    (must_match, input("", vec![part(name, media_type, content)]))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn bundled_rules() -> RuleSet {
    compile::all(&bundled::sources()).unwrap()
}

#[test]
fn every_bundled_rule_matches_its_samples_and_misses_the_others() {
    let set = bundled_rules();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/rules");
    let names: BTreeSet<&str> = set.rules().map(|r| r.identifier()).collect();
    let folders: BTreeSet<String> =
        std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, folders.iter().map(String::as_str).collect(), "rules and folders of samples");

    let mut faults = Vec::new();
    for rule in &names {
        let mut kinds = BTreeSet::new();
        for path in files_below(&folder.join(rule)) {
            let (must_match, input) = sample(&path);
            kinds.insert(must_match);
            let found = matches(&set, &input);
            if found.contains(*rule) != must_match {
                faults.push(format!("{} gave {found:?}", path.display()));
            }
        }
        if kinds.len() != 2 {
            faults.push(format!("{rule} has no samples of both kinds"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_bundled_rule_says_what_it_means() {
    let set = bundled_rules();
    assert_eq!(set.warnings, Vec::<String>::new());
    for rule in set.rules() {
        let keys: BTreeSet<&str> = rule.metadata().map(|(key, _)| key).collect();
        let wanted = BTreeSet::from(["author", "category", "description", "reference", "score", "severity"]);
        assert_eq!(keys, wanted, "{}", rule.identifier());
    }
    let critical: Vec<&str> = set
        .rules()
        .filter(|r| {
            set.facts.get(r.namespace(), r.identifier()).unwrap().severity == crate::model::Severity::Critical
        })
        .map(|r| r.identifier())
        .collect();
    assert_eq!(critical, ["EICAR_TEST_FILE"], "only what is certain may refuse mail by itself");
}

#[test]
fn no_pattern_of_the_bundled_rules_slows_every_scan() {
    for rule in bundled_rules().rules() {
        for pattern in rule.patterns() {
            let short = pattern.atoms().find(|a| a.as_slice().len() < 3);
            assert!(short.is_none(), "{} {}: {short:?}", rule.identifier(), pattern.identifier());
        }
    }
}

/// yara-x has a search that is ten times as fast for so many beginnings of patterns at most.
const QUICK: usize = 64;

#[test]
fn what_every_message_is_searched_for_is_searched_quickly() {
    let set = bundled_rules();
    let rule = |pass: &Pass, name: &str| pass.rules.iter().any(|rule| rule.identifier() == name);
    let wanted = ["ARCHIVE_PASSWORD_GIVEN", "EICAR_TEST_FILE", "HTA_APPLICATION"];
    for name in wanted {
        let pass = set.passes.iter().find(|pass| rule(pass, name)).unwrap();
        let patterns =
            pass.rules.iter().flat_map(|rule| rule.patterns().map(|p| p.atoms().count()).collect::<Vec<_>>());
        let atoms: usize = patterns.sum();
        assert!(atoms <= QUICK, "{name}: {atoms}");
    }
    let scopes: Vec<Scope> = set.passes.iter().map(|pass| pass.scope).collect();
    assert_eq!(scopes.iter().filter(|scope| **scope == Scope::Raw).count(), 1);
    assert_eq!(scopes.iter().filter(|scope| **scope == Scope::Any).count(), 1);
    assert_eq!(scopes.len(), 7);
}

#[test]
fn a_scope_leaves_nothing_out_that_could_match() {
    let apart = bundled_rules();
    // The same rules, none of which is known to be for one of the two.
    let together: Vec<_> = bundled::sources()
        .into_iter()
        .map(|source| {
            let text = [&source.text[..], b"\nrule ANY { condition: false and is_raw or false }\n"].concat();
            Arc::new(super::source::Source { name: source.name.clone(), origin: source.origin.clone(), text })
        })
        .collect();
    let together = compile::all(&together).unwrap();
    assert_eq!(together.passes.len(), 1);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/rules");
    for path in files_below(&folder) {
        let (_, input) = sample(&path);
        assert_eq!(matches(&apart, &input), matches(&together, &input), "{}", path.display());
    }
}

/// A message of the suites with the parts that the MIME library sees.
fn mail(raw: &[u8]) -> Arc<ScanInput> {
    let parsed = MessageParser::default().parse(raw);
    let mut parts = Vec::new();
    for p in parsed.iter().flat_map(|m| &m.parts).filter(|p| !p.is_multipart()) {
        let kind = p.content_type().map_or("text/plain".to_owned(), |c| {
            format!("{}/{}", c.ctype(), c.subtype().unwrap_or_default()).to_ascii_lowercase()
        });
        parts.push(part(p.attachment_name().unwrap_or_default(), &kind, p.contents().to_vec()));
    }
    input(raw.to_vec(), parts)
}

#[test]
fn the_messages_of_the_suites_give_what_is_in_them_and_nothing_else() {
    let test = "the_messages_of_the_suites_give_what_is_in_them_and_nothing_else";
    let Some(folder) = suite(test, "mime") else { return };
    let set = bundled_rules();
    let mut found = Vec::new();
    let mut seen = 0;
    for path in files_below(&folder) {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if ["json", "tsv", "md"].contains(&extension) {
            continue;
        }
        seen += 1;
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        let names: Vec<String> = matches(&set, &mail(&std::fs::read(&path).unwrap())).into_iter().collect();
        if !names.is_empty() {
            found.push(format!("{name}: {}", names.join(" ")));
        }
    }
    assert!(seen > 250, "only {seen} messages");
    let expected: Vec<&str> = EXPECTED_IN_MAIL.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    assert_eq!(found, expected);
}

/// What the rules find in the suites' messages: no ham among them.
const EXPECTED_IN_MAIL: &str = "
    rspamd/bad_ext.dotted_file_name.eml: EXECUTABLE_ATTACHMENT
    rspamd/exe_attm.eml: EXECUTABLE_ATTACHMENT
    rspamd/gtube.eml: GTUBE
    rspamd/next2last-digits_in_brackets.eml: EXECUTABLE_ATTACHMENT
    rspamd/next2last-digits_in_parens.eml: EXECUTABLE_ATTACHMENT
    rspamd/zip-doublebad.eml: ARCHIVE_PROGRAM
    rspamd/zip.eml: ARCHIVE_PROGRAM
    spamassassin/spam/014: GTUBE
    spamassassin/spam/018: GTUBE
    spamassassin/spam/extracttext/gtube_b64_oct.eml: GTUBE
    spamassassin/spam/gtube.eml: GTUBE
    spamassassin/spam/gtubedcc.eml: GTUBE
    spamassassin/spam/gtubedcc_crlf.eml: GTUBE
    spamassassin/spam/olevbmacro/macro.eml: MACRO_DOCUMENT
    spamassassin/spam/olevbmacro/malicemacro.eml: MACRO_DOCUMENT
    spamassassin/spam/olevbmacro/renamedmacro.eml: MACRO_DISGUISED MACRO_DOCUMENT
    spamassassin/spam/pyzor: GTUBE
";

#[test]
fn the_documents_and_archives_of_the_suites_are_told_apart() {
    let set = bundled_rules();
    let mut found = Vec::new();
    for folder in ["macros", "archives/eicar"] {
        let test = "the_documents_and_archives_of_the_suites_are_told_apart";
        let Some(folder) = suite(test, folder) else { return };
        for path in files_below(&folder) {
            let file = path.file_name().unwrap().to_str().unwrap();
            let mut content = std::fs::read(&path).unwrap();
            let name = match file.strip_suffix(".b64") {
                Some(name) => {
                    content.retain(|b| !b.is_ascii_whitespace());
                    content = BASE64.decode(&content).unwrap();
                    name
                }
                None => file,
            };
            if name.ends_with(".md") || name.ends_with(".tsv") {
                continue;
            }
            let input = input("", vec![part(name, media_type(name), content)]);
            let names: Vec<String> = matches(&set, &input).into_iter().collect();
            found.push(format!("{name}: {}", names.join(" ")).trim_end().to_owned());
        }
    }
    let expected: Vec<&str> = EXPECTED_IN_FILES.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    assert_eq!(found, expected);
}

/// What the rules find in the suites' files as they are. What lies compressed inside is found once
/// archives are unpacked.
const EXPECTED_IN_FILES: &str = "
    autostart-encrypt-standardpassword.xls: MACRO_AUTOEXEC
    autostart-encrypt-standardpassword.xlsm:
    dde-test.docx:
    dde-test.xlsx:
    encrypted.doc:
    encrypted.docx:
    excel4_sample_macro.slk: MACRO_EXCEL4
    excel4_sample_macro.xls: MACRO_EXCEL4
    excel4_sample_macro.xlsb: MACRO_EXCEL4
    harmless-clean.doc:
    harmless-clean.docm:
    harmless-clean.docx:
    oleform-PR314.docm: MACRO_DOCUMENT
    sample_with_external_link_to_doc.docx:
    sample_with_vba.ppt:
    bomb-100m.zip:
    bomb-nested-500m.zip:
    eicar-aes-infected.zip:
    eicar-infected-headers.7z:
    eicar-nested13.zip:
    eicar-nested3.zip:
    eicar-second-entry.zip:
    eicar-stored.zip: EICAR_TEST_FILE
    eicar-truncated.zip: EICAR_TEST_FILE
    eicar-zipcrypto-infected.zip:
    eicar.7z: EICAR_TEST_FILE
    eicar.com: EICAR_TEST_FILE
    eicar.com.gz:
    eicar.iso.gz:
    eicar.tar.bz2:
    eicar.tar.gz:
    eicar.tar.xz:
    eicar.zip:
";
