//! An independent MTA side: OpenDKIM's `miltertest` speaks to the daemon, by the scripts in `tests/miltertest`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::common::{stdout, verify};
use super::mta::{self, Daemon, guard, samples};

/// The scripts, by name; `session.lua` is what they share.
fn scripts() -> (PathBuf, Vec<PathBuf>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/miltertest");
    let shared = folder.join("session.lua");
    let mut found: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| *path != shared);
    found.sort();
    (shared, found)
}

/// Subject and answer of each message on record, by subject.
fn answers(daemon: &Daemon) -> Vec<String> {
    let export = stdout(daemon, &["audit", "export"]);
    let told = export.lines().map(|line| {
        let record: Value = serde_json::from_str(line).unwrap();
        let (subject, answer) = (&record["message"]["subject"], &record["plan"]["answer"]);
        let refused = answer["reject"]["text"].as_str().and_then(|text| text.split(" (id ").next());
        format!("{}: {}", subject.as_str().unwrap(), refused.or(answer.as_str()).unwrap())
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    told
}

#[test]
fn an_independent_milter_client_is_served_as_its_scripts_expect() {
    if !guard::installed("miltertest") {
        return mta::not_run(
            "an_independent_milter_client_is_served_as_its_scripts_expect",
            "miltertest is not installed",
            "run tests/mta/install.sh as root",
        );
    }
    let (shared, scripts) = scripts();
    let names: Vec<_> = scripts.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["accepts_and_marks", "refuses_malware", "says_what_it_wants"]);
    let daemon = Daemon::start("").unwrap();
    for script in &scripts {
        // miltertest takes one script.
        let whole = daemon.site().path().join("script.lua");
        fs::write(&whole, [fs::read(&shared).unwrap(), fs::read(script).unwrap()].concat()).unwrap();
        let mut run = Command::new("miltertest");
        // libmilter's way to say unix: is local:.
        run.arg("-D").arg(format!("SOCKET=local:{}", daemon.site().milter_socket().display()));
        run.arg("-D").arg(format!("EICAR={}", samples::eicar())).arg("-s").arg(&whole);
        let told = guard::run(&mut run);
        assert!(told.is_ok(), "{}: {:#}\n{}", script.display(), told.unwrap_err(), daemon.log());
    }
    let expected = [
        "a clean mail: accept",
        "a mail after an abort: accept",
        "a mail after it: accept",
        "a virus: refused as malware: EICAR_TEST_FILE",
    ];
    assert_eq!(answers(&daemon), expected);
    verify(&daemon);
}
