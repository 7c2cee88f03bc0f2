//! `mailward policy …` from outside, and a policy on trial over the journal of a running daemon.

use std::path::PathBuf;

use serde_json::Value;

use super::common::{judge, mail, newest, stdout};
use super::mta::samples::eicar;
use super::mta::{Daemon, PATIENCE, Site, wait_until};

const STRICTER: &str = "[[rule]]\nname = \"invoices\"\nwhen = 'message.subject.contains(\"invoice\")'\n\
                        disposition = \"quarantine\"\n";

fn file(site: &Site, name: &str, text: &str) -> PathBuf {
    let path = site.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn exactly_the_mail_that_a_stricter_rule_touches_would_change() {
    let daemon = Daemon::start("").unwrap();
    let mut ids = Vec::new();
    for subject in ["hello", "an invoice", "another invoice", "good bye"] {
        judge(&daemon, &mail(subject, "text"));
        ids.push(newest(&daemon));
    }
    judge(&daemon, &mail("an invoice with a virus", &eicar()));
    let rules = file(daemon.site(), "new.toml", STRICTER);
    let rules = rules.to_str().unwrap();
    let told: Value =
        serde_json::from_str(&stdout(&daemon, &["policy", "test", "--policy", rules, "--json", "--ids"]))
            .unwrap();
    assert_eq!((told["records"].clone(), told["changed"].clone()), (5.into(), 2.into()), "{told}");
    assert_eq!((told["unchanged"].clone(), told["drifted"].clone()), (3.into(), 0.into()), "{told}");
    let change = &told["changes"][0];
    assert_eq!(change["ids"], serde_json::json!([ids[2], ids[1]]), "{told}");
    assert_eq!(change["from"], serde_json::json!({"disposition": "accept", "rule": "accept"}));
    assert_eq!(change["to"], serde_json::json!({"disposition": "quarantine", "rule": "invoices"}));

    let text = stdout(&daemon, &["policy", "test", "--policy", rules]);
    assert!(text.contains("would change  2 messages"), "{text}");
    assert!(text.contains("2  accept by accept -> quarantine by invoices"), "{text}");
    assert!(text.contains(&format!("{} {}", ids[2], ids[1])), "{text}");
    let one = stdout(&daemon, &["policy", "test", "--policy", rules, "--limit", "4", "--json"]);
    let one: Value = serde_json::from_str(&one).unwrap();
    assert_eq!(one["records"], 4, "{one}");
}

#[test]
fn explain_says_what_would_have_changed_it_and_by_which_policy() {
    let mut daemon = Daemon::start("").unwrap();
    judge(&daemon, &mail("a virus", &eicar()));
    let id = newest(&daemon);
    let text = stdout(&daemon, &["explain", &id]);
    assert!(!text.contains("under the policy of now"), "{text}");
    let changes: Vec<&str> = text.lines().filter(|line| line.starts_with("change    ")).collect();
    assert!(changes.iter().any(|line| line.contains(" instead of reject by malware")), "{text}");
    let object: Value = serde_json::from_str(&stdout(&daemon, &["explain", &id, "--json"])).unwrap();
    assert_eq!(object["judged_again"]["same_policy"], true, "{object}");
    assert_eq!(object["would_change"].as_array().map(Vec::len), Some(changes.len()));

    let toml = daemon.site().defaults("[policy.disposition]\nmalware = \"quarantine\"\n");
    daemon.write_config(&toml).unwrap();
    let text = stdout(&daemon, &["explain", &id]);
    assert!(text.contains("change    under the policy of now, which is not the one that judged:"), "{text}");
    assert!(text.contains("change    now: reject by spam-reject, where it was reject by malware"), "{text}");
    daemon.kill().unwrap();
}

#[test]
fn rules_that_break_leave_the_old_ones_in_force_and_everybody_is_told() {
    const REFUSED: &str = "the reload was refused, the old configuration stays";
    let site = Site::new().unwrap();
    let rules = file(&site, "policy.toml", STRICTER);
    let toml = site.defaults(&format!("[policy]\nrules = {:?}\n", rules.display().to_string()));
    let daemon = site.start(&toml).unwrap();
    let word = |subject: &str| judge(&daemon, &mail(subject, "text")).word;
    const DEGRADED: &str = "configuration: the last reload was refused, the old one is in use";
    assert_eq!(word("an invoice"), "discard");
    assert_eq!(daemon.get("/readyz").unwrap(), (200, "ready\n".to_owned()));

    std::fs::write(&rules, STRICTER.replace("message.subject", "message.subjekt")).unwrap();
    let refused = daemon.cli(&["reload"]).unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(78), "{told}");
    assert!(told.contains("message.subjekt") && told.contains("policy.toml:3:"), "{told}");
    // The daemon itself has refused it; by a signal it does so as well.
    assert!(daemon.get("/readyz").unwrap().1.contains(DEGRADED));
    daemon.signal("HUP").unwrap();
    let refusals = || Ok((daemon.log().matches(REFUSED).count() == 2).then_some(()));
    wait_until("the second refusal", PATIENCE, refusals).unwrap();
    assert!(daemon.log().contains("policy.toml:3:"), "{}", daemon.log());
    let (_, text) = daemon.get("/api/v1/status").unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    assert!(told["degraded"][0].as_str().is_some_and(|told| told.starts_with(DEGRADED)), "{text}");
    assert_eq!((told["ready"].clone(), told["config"]["reload"]["ok"].clone()), (true.into(), false.into()));
    let (code, text) = daemon.get("/readyz").unwrap();
    assert!(code == 200 && text.starts_with("ready, degraded\n") && text.contains(DEGRADED), "{text}");
    assert_eq!((word("an invoice").as_str(), word("a receipt").as_str()), ("discard", "accept"));

    std::fs::write(&rules, STRICTER.replace("invoice", "receipt")).unwrap();
    assert!(stdout(&daemon, &["reload"]).contains("read again"));
    assert_eq!((word("an invoice").as_str(), word("a receipt").as_str()), ("accept", "discard"));
    assert_eq!(daemon.get("/readyz").unwrap(), (200, "ready\n".to_owned()));
    let status = daemon.cli(&["status"]).unwrap();
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(!text.contains(DEGRADED) && text.contains(", read again at "), "{text}");
    let events = stdout(&daemon, &["audit", "events"]);
    assert_eq!(events.matches("reload-refused").count(), 2, "{events}");
}

#[test]
fn rules_are_checked_and_shown_and_tried_on_a_mail() {
    let daemon = Daemon::start("").unwrap();
    let site = daemon.site();
    let good = file(site, "good.toml", STRICTER);
    let bad = file(site, "bad.toml", &STRICTER.replace("message.subject", "message.subjekt"));
    let eml = site.path().join("mail.eml");
    std::fs::write(&eml, mail("an invoice", "text")).unwrap();
    let (good, bad, eml) = (good.to_str().unwrap(), bad.to_str().unwrap(), eml.to_str().unwrap());

    assert_eq!(stdout(&daemon, &["policy", "check", good]), format!("{good} is in order: 1 rule\n"));
    let refused = daemon.cli(&["policy", "check", bad]).unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(78), "{told}");
    assert!(told.contains("message.subjekt") && told.contains("bad.toml:3:") && told.contains('^'), "{told}");
    let refused = daemon.cli(&["policy", "check", bad, "--json"]).unwrap();
    let object: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!((refused.status.code(), object["usable"].clone()), (Some(78), false.into()));
    let problem = &object["problems"][0];
    assert_eq!((problem["level"].clone(), problem["line"].clone()), ("error".into(), 3.into()), "{object}");
    let nowhere = daemon.cli(&["policy", "check", "/nowhere/policy.toml"]).unwrap();
    assert_eq!(nowhere.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("the rules cannot be read"), "{nowhere:?}");

    let shown = stdout(&daemon, &["policy", "show", "--policy", good]);
    assert!(shown.contains("   1  invoices            quarantine\n"), "{shown}");
    assert!(shown.contains("      when message.subject.contains(\"invoice\")"), "{shown}");
    assert!(shown.contains("malware             proven_malware.wants  (firm)"), "{shown}");
    let names = stdout(&daemon, &["policy", "names"]);
    assert!(names.contains("envelope.sender_domain") && names.contains("found("), "{names}");

    let tried = stdout(&daemon, &["policy", "eval", eml, "--policy", good, "--rcpt", "alice@example.org"]);
    assert!(tried.starts_with("for       alice@example.org\nverdict   quarantine by invoices\n"), "{tried}");
    assert!(tried.contains("> invoices            holds   quarantine"), "{tried}");
    assert!(tried.contains("  malware             -"), "{tried}");
    let object = stdout(&daemon, &["policy", "eval", eml, "--policy", good, "--json"]);
    let object: Value = serde_json::from_str(&object).unwrap();
    assert_eq!(
        (object[0]["rule"].clone(), object[0]["rules"][0]["holds"].clone()),
        ("invoices".into(), true.into())
    );
}

#[test]
fn with_broken_rules_every_command_still_reaches_the_daemon_and_it_refuses_them() {
    let site = Site::new().unwrap();
    let rules = file(&site, "policy.toml", STRICTER);
    let toml = site.defaults(&format!("[policy]\nrules = {rules:?}\n"));
    let daemon = site.start(&toml).unwrap();
    judge(&daemon, &mail("hello", "text"));
    let id = newest(&daemon);
    std::fs::write(&rules, STRICTER.replace("message.subject", "message.subjekt")).unwrap();
    for arguments in [
        &["status"][..],
        &["quarantine", "list"],
        &["audit", "list"],
        &["list", "block", "list"],
        &["feed", "list"],
    ] {
        stdout(&daemon, arguments);
    }
    let explained = daemon.cli(&["explain", &id]).unwrap();
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        explained.status.success() && told(&explained.stdout).contains("verdict   accept"),
        "{explained:?}"
    );
    assert!(told(&explained.stderr).contains("message.subjekt"), "{explained:?}");

    let refused = daemon.cli(&["reload"]).unwrap();
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    assert!(told(&refused.stderr).contains("policy.toml:3:"), "{refused:?}");
    assert!(daemon.log().contains("the reload was refused"), "{}", daemon.log());
    let status = daemon.cli(&["status"]).unwrap();
    assert!(
        told(&status.stdout).contains("degraded    configuration: the last reload was refused"),
        "{status:?}"
    );
    let (_, ready) = daemon.get("/readyz").unwrap();
    assert!(ready.contains("the last reload was refused"), "{ready}");
    std::fs::write(&rules, STRICTER).unwrap();
    stdout(&daemon, &["reload"]);
    stdout(&daemon, &["status"]);
}

#[test]
fn a_dry_run_is_said_wherever_one_looks() {
    let daemon = Daemon::start("[policy]\ndry_run = true\n").unwrap();
    let line = "policy.dry_run is on: nothing is refused, held or marked";
    assert!(daemon.log().contains(line), "{}", daemon.log());
    assert!(daemon.get("/readyz").unwrap().1.contains(line));
    let said = |arguments: &[&str]| {
        let output = daemon.cli(arguments).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, status, _) = said(&["status"]);
    assert!(code == Some(1) && status.contains(&format!("degraded    {line}")), "{status}");
    let (code, _, warned) = said(&["check-config"]);
    assert!(code == Some(0) && warned.contains(line), "{warned}");
    stdout(&daemon, &["reload"]);
    assert_eq!(daemon.log().matches(line).count(), 2, "{}", daemon.log());
}
