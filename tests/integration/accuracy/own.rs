//! What the project holds itself: cases, the demo, the samples of the bundled rules.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, BASE64_MIME};

use super::super::case::Case;
use super::super::mta::samples::{eicar, gtube};
use super::Sample;

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Cases that say nothing of configuration, lists, feeds, DNS or neighbours: those expected to be let through as clean,
/// and those expected to be held or refused.
pub fn cases() -> (Vec<Sample>, Vec<Sample>) {
    let (mut ham, mut bad) = (Vec::new(), Vec::new());
    for case in Case::all() {
        let plain = case.config.is_empty()
            && case.policy.is_empty()
            && case.lists.is_empty()
            && case.feeds.is_empty()
            && case.dns.is_empty()
            && case.neighbour.is_none()
            && case.peer.user.is_none();
        if !plain {
            continue;
        }
        let expects = |key: &str, values: &[&str]| case.expected(key).iter().any(|v| values.contains(v));
        let name = format!("tests/cases/{}", case.name());
        let sample = |kind| Sample { kind, name: name.clone(), raw: case.mail.clone() };
        if expects("disposition", &["quarantine", "reject", "discard"]) {
            bad.push(sample("cases"));
        } else if expects("disposition", &["accept"]) || expects("verdict", &["clean"]) {
            ham.push(sample("cases"));
        }
    }
    (ham, bad)
}

/// The mails of `make demo`: the clean one, and those that need neither feed nor DNS.
pub fn demo() -> (Vec<Sample>, Vec<Sample>) {
    let read = |name: &str| {
        let raw = fs::read_to_string(folder("tests/samples/demo").join(name)).unwrap();
        let raw = raw
            .replace("@EICAR_BASE64@", &BASE64.encode(eicar().as_bytes()))
            .replace("@GTUBE@", &gtube())
            .replace("@ID@", "demo@remote.example")
            .replace("@DATE@", "Tue, 17 Nov 2026 09:12:00 +0100");
        Sample { kind: "demo", name: format!("tests/samples/demo/{name}"), raw: raw.into_bytes() }
    };
    (vec![read("1-clean.eml")], vec![read("2-eicar.eml"), read("3-gtube.eml"), read("4-phish.eml")])
}

/// What each bundled rule has to match, as it would come by mail from a sender who proves who he is.
pub fn rules() -> Vec<Sample> {
    let mut all = Vec::new();
    let mut rules: Vec<_> =
        fs::read_dir(folder("tests/samples/rules")).unwrap().map(|e| e.unwrap().path()).collect();
    rules.sort();
    for rule in rules {
        let mut files: Vec<_> = fs::read_dir(&rule).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            let Some(shown) = name.strip_prefix("match-") else { continue };
            let mut content = fs::read(&file).unwrap();
            let shown = match shown.strip_suffix(".b64") {
                Some(shown) => {
                    content.retain(|b| !b.is_ascii_whitespace());
                    content = BASE64.decode(&content).unwrap();
                    shown
                }
                None => shown,
            };
            let rule = rule.file_name().unwrap().to_str().unwrap();
            let raw = if shown.ends_with(".eml") { content } else { attached(shown, &content) };
            all.push(Sample {
                kind: "samples of the rules",
                name: format!("tests/samples/rules/{rule}/{name}"),
                raw,
            });
        }
    }
    all
}

/// A mail with a file. `body…` is the text of the mail itself; `%` in a name stands before two digits.
pub fn attached(name: &str, content: &[u8]) -> Vec<u8> {
    let kind = match name.rsplit('.').next().unwrap_or_default() {
        "html" | "htm" | "shtml" => "text/html",
        "svg" => "image/svg+xml",
        "txt" => "text/plain",
        "csv" => "text/csv",
        "xml" => "text/xml",
        "js" => "application/javascript",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "rtf" => "application/rtf",
        _ => "application/octet-stream",
    };
    let head = "From: Mallory <mallory@attacker.example>\r\nTo: alice@recipient.example\r\nSubject: your document\r\n\
                Date: Tue, 17 Nov 2026 09:12:00 +0100\r\nMessage-ID: <1@attacker.example>\r\nMIME-Version: 1.0\r\n";
    let coded = BASE64_MIME.encode(content);
    if name.starts_with("body") {
        return format!("{head}Content-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{coded}\r\n").into();
    }
    format!(
        "{head}Content-Type: multipart/mixed; boundary=b0und\r\n\r\n--b0und\r\nContent-Type: text/plain\r\n\r\nPlease see the file.\r\n\
         --b0und\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n \
         filename*=utf-8''{}\r\n\r\n{coded}\r\n--b0und--\r\n",
        name.replace(' ', "%20")
    )
    .into()
}
