//! Messages of other projects, where the suites are at hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::mail::{Limits, attachments, header, strip, walk};
use crate::model::part::Defect;
use crate::model::{Action, Parts};
use crate::testing::suite;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { out.extend(files(&path)) } else { out.push(path) }
    }
    out.sort();
    out
}

fn walked(path: &Path) -> Parts {
    walk(&header::parse(std::fs::read(path).unwrap()), &Limits::default())
}

#[test]
fn forged_fields_go_and_the_others_stay() {
    let Some(folder) = suite("forged_fields_go_and_the_others_stay", "headers") else { return };
    let table = std::fs::read_to_string(folder.join("EXPECT.tsv")).unwrap();
    let mut seen = 0;
    for row in table.lines().skip(1) {
        let [file, field, copies, removed, _kept] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        let message = header::parse(std::fs::read(folder.join(file)).unwrap());
        let mut gone: Vec<u32> = strip::removals(&message, Some("mx.example.org"), &[])
            .into_iter()
            .filter_map(|action| match action {
                Action::DeleteHeader { name, index } if name.eq_ignore_ascii_case(field) => Some(index),
                _ => None,
            })
            .collect();
        assert!(gone.is_sorted_by(|a, b| a > b), "{row}");
        gone.reverse();
        let gone: Vec<String> = gone.iter().map(u32::to_string).collect();
        let gone = if gone.is_empty() { "-".to_owned() } else { gone.join(",") };
        assert_eq!(
            (message.values(field).count().to_string(), gone),
            (copies.into(), removed.into()),
            "{row}"
        );
        seen += 1;
    }
    assert_eq!(seen, 17);
}

#[test]
fn contradicting_fields_do_not_hide_a_file() {
    let Some(folder) = suite("contradicting_fields_do_not_hide_a_file", "headers") else { return };
    let parts = walked(&folder.join("14-content-type-twice.eml"));
    assert!(parts.list[0].defects.contains(&Defect::Ambiguous));
    assert_eq!(attachments(&parts)[0].name, "invoice.exe");
}

/// Base64 that is none, and is shown by no reader as anything but rubbish; pieces of messages.
const BROKEN: [(&str, &str); 5] = [
    ("mail-parser/thirdparty/002.eml", "undecodable"),
    ("mail-parser/thirdparty/009.eml", "fragment"),
    ("mimekit/partial/rfc2046.0.eml", "fragment undecodable"),
    ("mimekit/partial/rfc2046.1.eml", "fragment"),
    ("mimekit/partial/rfc2046.eml", "undecodable"),
];

/// Broken on purpose: several boundaries, and lines that look like delimiters in what is not closed.
const SEEN_OTHERWISE: [&str; 5] = [
    "mail-parser/malformed/016.eml",
    "mail-parser/malformed/019.eml",
    "mail-parser/malformed/020.eml",
    "mail-parser/malformed/021.eml",
    "ruby-mail/error_emails/multiple_content_types.eml",
];

/// What is not inspected in mail that people sent: nothing but what is broken on purpose.
#[test]
fn ordinary_mail_is_inspected_whole() {
    let Some(folder) = suite("ordinary_mail_is_inspected_whole", "mime") else { return };
    let mut not_inspected = BTreeMap::new();
    let mut seen_otherwise = Vec::new();
    let mut messages = 0;
    for path in files(&folder) {
        let is_message = path.extension().is_some_and(|e| e == "eml" || e == "msg")
            || path.parent().is_some_and(|p| p.ends_with("messages"))
            || path.components().any(|c| c.as_os_str() == "spam" || c.as_os_str() == "nice");
        if !is_message {
            continue;
        }
        messages += 1;
        let parts = walked(&path);
        assert!(attachments(&parts).len() <= parts.list.len());
        let name = path.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
        assert!(attachments(&parts).iter().all(|file| file.other_names.is_empty()), "{name}");
        if [Defect::Contradictory, Defect::StrayDelimiter].iter().any(|defect| super::has(&parts, *defect)) {
            seen_otherwise.push(name.clone());
        }
        if !parts.not_inspected.is_empty() {
            let labels: Vec<&str> = parts.not_inspected.iter().map(|n| n.label()).collect();
            not_inspected.insert(name, labels.join(" "));
        }
    }
    assert!(messages > 200, "{messages}");
    assert_eq!(seen_otherwise, SEEN_OTHERWISE);
    let broken = BROKEN.map(|(name, why)| (name.to_owned(), why.to_owned()));
    assert_eq!(not_inspected, BTreeMap::from(broken), "of {messages}");
}
