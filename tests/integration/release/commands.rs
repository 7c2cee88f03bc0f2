//! The commands: releasing, judging again, teaching; one and many.

use serde_json::Value;

use super::*;
use crate::common::judge;
use crate::relay::AtDot;

#[test]
fn malware_is_released_only_by_force() {
    let site = Site::new().unwrap();
    // Strong evidence and no proof: held, not refused.
    let suspected = HOLD.replace("\"medium\"", "\"high\"").replace("\"spam\"", "\"malware\"");
    let toml = site.defaults("") + &rules(&site, "hold.yar", &suspected);
    let daemon = site.start(&toml).unwrap();
    let relay = Relay::start();
    release_to(&daemon, &toml, &format!("relay = {:?}", relay.server()));
    let id = hold(&daemon, &["alice@example.org"], &mail("virus", "HOLD-THIS"));
    let output = daemon.cli(&["quarantine", "release", &id]).unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("--force"), "{told}");
    assert!(relay.taken().is_empty() && states(&daemon, &id) == ["held"]);
    let (ok, report, _) = release(&daemon, &id, &["--force"]);
    assert!(ok && relay.taken().len() == 1, "{report}");
}

#[test]
fn an_entry_judged_again_says_what_changed_and_is_never_released_by_it() {
    let site = Site::new().unwrap();
    let toml = site.defaults("") + &rules(&site, "hold.yar", HOLD);
    let daemon = site.start(&toml).unwrap();
    let id = hold(&daemon, &["alice@example.org"], &mail("rescan", "HOLD-THIS"));
    let same = stdout(&daemon, &["quarantine", "rescan", &id]);
    assert!(same.contains("was spam (7.0, spam-quarantine), is quarantine as spam"), "{same}");
    let worse = HOLD.replace("\"medium\"", "\"critical\"").replace("\"spam\"", "\"malware\"");
    rules(daemon.site(), "hold.yar", &worse);
    stdout(&daemon, &["reload"]);
    let told = stdout(&daemon, &["quarantine", "rescan", "--json", &id]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&told[0]["was"]["category"], &told[0]["now"]["category"]),
        (&"spam".into(), &"malware".into())
    );
    let entry = &quarantine(&daemon)[0];
    assert_eq!((&entry["category"], &entry["rescanned"]["rule"]), (&"malware".into(), &"malware".into()));
    // Milder today: that is told, and what it is kept as stands.
    rules(daemon.site(), "hold.yar", &HOLD.replace("HOLD-THIS", "nothing of the kind"));
    stdout(&daemon, &["reload"]);
    let told = stdout(&daemon, &["quarantine", "rescan", "--sender", "sender.example"]);
    assert!(told.contains("is accept as clean"), "{told}");
    let entry = &quarantine(&daemon)[0];
    assert_eq!((&entry["category"], &entry["rescanned"]["category"]), (&"malware".into(), &"clean".into()));
    assert_eq!(states(&daemon, &id), ["held"]);
    let events = stdout(&daemon, &["explain", "--json", &id]);
    assert!(events.contains("rescanned"), "{events}");
}

#[test]
fn many_are_released_by_a_search_with_a_limit() {
    let (daemon, toml) = holding();
    let relay = Relay::start();
    release_to(&daemon, &toml, &format!("relay = {:?}", relay.server()));
    for number in 0..104 {
        assert_eq!(judge(&daemon, &mail(&format!("n{number}"), "HOLD-THIS")).word, "discard");
    }
    let run = |arguments: &[&str]| {
        let output = daemon.cli(&[&["quarantine"], arguments].concat()).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let (ok, _, err) = run(&["release"]);
    assert!(!ok && err.contains("it is not said which"), "{err}");
    let (ok, out, err) = run(&["release", "--sender", "sender.example"]);
    assert!(!ok && out.is_empty() && err.contains("more than 100"), "{out} {err}");
    assert!(relay.taken().is_empty());
    let (ok, out, _) = run(&["release", "--text", "n10", "--dry-run"]);
    assert!(ok && out.lines().count() == 6 && relay.taken().is_empty(), "{out}");
    let (ok, out, err) = run(&["release", "--text", "n10"]);
    assert!(ok && out.lines().count() == 5 && err.contains("released 5 of 5"), "{out} {err}");
    // They are released now, so the same search finds none of them.
    let (ok, out, err) = run(&["release", "--text", "n10"]);
    assert!(ok && out.is_empty() && err.contains("nothing is found"), "{out} {err}");
    // One of three is refused: the others are released all the same, and the status says so.
    relay.at_dot(AtDot::Say("451 4.3.0 later"));
    let (ok, out, err) = run(&["release", "--sender", "sender.example", "--limit", "3", "--json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert!(!ok && told.as_array().unwrap().len() == 3 && err.contains("released 2 of 3"), "{told} {err}");
    let (ok, out, _) = run(&["delete", "--state", "released", "--limit", "1000"]);
    assert!(ok && out.lines().count() == 7, "{out}");
    assert_eq!(quarantine(&daemon).len(), 97);
    let (ok, _, err) = run(&["release", "00000000000000aaaa", "--sender", "x"]);
    assert!(!ok && err.contains("not both"), "{err}");
}

#[test]
fn a_file_that_somebody_changed_is_not_released() {
    let (daemon, toml) = holding();
    let relay = Relay::start();
    release_to(&daemon, &toml, &format!("relay = {:?}", relay.server()));
    let id = hold(&daemon, &["alice@example.org"], &mail("changed", "HOLD-THIS"));
    let file = daemon.site().quarantine().join("new").join(&id);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, String::from_utf8(bytes).unwrap().replace("HOLD-THIS", "HOLD-THAT")).unwrap();
    let output = daemon.cli(&["quarantine", "release", &id]).unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("is not the one that was judged"), "{told}");
    assert!(relay.taken().is_empty());
}

#[test]
fn without_rspamd_there_is_nobody_to_be_taught() {
    let (daemon, _) = holding();
    let id = hold(&daemon, &["alice@example.org"], &mail("learn", "HOLD-THIS"));
    let output = daemon.cli(&["learn", "ham", &id]).unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("[scanner.rspamd] is not set up"), "{told}");
    let output = daemon.cli(&["learn", "eggs", &id]).unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = daemon.cli(&["learn", "spam"]).unwrap();
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("empty"),
        "{output:?}"
    );
}
