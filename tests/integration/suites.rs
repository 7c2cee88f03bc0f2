//! Mail of other projects through the binary, where the suites are at hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::mta;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn the_mail_of_other_projects_is_judged_and_nothing_is_left_out() {
    let Some(folder) =
        mta::not_run::suite("the_mail_of_other_projects_is_judged_and_nothing_is_left_out", "mime")
    else {
        return;
    };
    let mut mails = files(&folder);
    mails.retain(|path| path.extension().is_some_and(|e| e == "eml" || e == "msg"));
    assert!(mails.len() > 150, "only {} messages", mails.len());
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("none.toml");
    fs::write(&config, "").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mailward"))
        .args(["scan", "--json", "--config"])
        .arg(&config)
        .args(&mails)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let judged: Vec<Value> =
        serde_json::Deserializer::from_slice(&output.stdout).into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(judged.len(), mails.len());
    let mut spam = Vec::new();
    for (mail, object) in mails.iter().zip(&judged) {
        let yara = object["coverage"]["yara"].as_str().unwrap_or_default();
        assert!(yara == "ok" || yara == "found", "{}: yara={yara}", mail.display());
        let gtube = object["findings"].as_array().unwrap().iter().any(|f| f["symbol"] == "GTUBE");
        let refused = object["verdict"] == "spam" && object["disposition"] == "reject";
        assert_eq!(gtube, refused, "{}: {object}", mail.display());
        if gtube {
            spam.push(mail.file_name().unwrap().to_str().unwrap());
        }
    }
    // Those in which the text does not lie in a picture, a PDF or a document.
    assert_eq!(spam, ["gtube.eml", "gtube_b64_oct.eml", "gtube.eml", "gtubedcc.eml", "gtubedcc_crlf.eml"]);
}
