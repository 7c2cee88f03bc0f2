//! Mail that was delivered although a scanner failed, scanned again: what is kept, told, and never delivered.

use serde_json::Value;

use super::common::{judge, mail, newest, quarantine, stdout, verify};
use super::milter_client::Answer;
use super::mta::clamd::{MADE_UP, MADE_UP_NAME, Options};
use super::mta::{self, Clamd, Daemon, PATIENCE, wait_until};

/// clamd alone looks, and mail goes on without it.
fn config(clamd: &Clamd, more: &str) -> String {
    let section = clamd.section("on_failure = \"tag\"\ntimeout = \"2s\"");
    format!("{section}[scanner.yara]\nenabled = false\n{more}")
}

const OFTEN: &str = "[second_look]\nretry = \"1s\"\n";

fn goes_on(answer: &Answer) -> bool {
    answer.word == "accept" || answer.word == "continue"
}

/// The entries in this state.
fn copies(daemon: &Daemon, state: &str) -> Vec<Value> {
    let listed = stdout(daemon, &["quarantine", "list", "--state", state, "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    listed["entries"].as_array().unwrap().clone()
}

fn caught(daemon: &Daemon) -> Vec<Value> {
    let listed: Value = serde_json::from_str(&stdout(daemon, &["retro", "list", "--json"])).unwrap();
    listed["caught"].as_array().unwrap().clone()
}

fn metric(daemon: &Daemon, line: &str) -> bool {
    daemon.get("/metrics").unwrap().1.lines().any(|told| told == line)
}

fn nothing_waits(daemon: &Daemon) {
    wait_until("the second looks", PATIENCE, || Ok(copies(daemon, "second-look").is_empty().then_some(())))
        .unwrap();
}

/// Until the event is in what is said of the message.
fn explained(daemon: &Daemon, id: &str, event: &str) -> String {
    wait_until(event, PATIENCE, || {
        let told = stdout(daemon, &["explain", id]);
        Ok(told.contains(event).then_some(told))
    })
    .unwrap()
}

#[test]
fn what_clamd_missed_is_caught_when_it_is_back_and_what_is_clean_goes() {
    let name = "what_clamd_missed_is_caught_when_it_is_back_and_what_is_clean_goes";
    if !mta::not_run::clamd_ready(name) {
        return;
    }
    let mut clamd = Clamd::start(&Options::default()).unwrap();
    let mut daemon = Daemon::start(&config(&clamd, OFTEN)).unwrap();
    assert!(goes_on(&judge(&daemon, &mail("before", "text"))));
    clamd.stop().unwrap();

    assert!(goes_on(&judge(&daemon, &mail("bad", MADE_UP))));
    let bad = newest(&daemon);
    // A sender who tries again: one copy.
    assert!(goes_on(&judge(&daemon, &mail("bad", MADE_UP))));
    assert!(goes_on(&judge(&daemon, &mail("fine", "text"))));
    let fine = newest(&daemon);
    let waiting = copies(&daemon, "second-look");
    let ids: Vec<&str> = waiting.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [fine.as_str(), bad.as_str()]);
    assert_eq!(waiting[1]["attempts"]["count"], 2);
    assert_eq!(waiting[1]["second_look"]["missed"], serde_json::json!(["clamd"]));
    // No held mail: neither listed nor counted, and never delivered.
    assert_eq!(quarantine(&daemon), Vec::<Value>::new());
    assert!(
        metric(&daemon, "mailward_quarantine_entries 0") && metric(&daemon, "mailward_quarantine_bytes 0")
    );
    assert!(metric(&daemon, "mailward_second_look_waiting 2"));
    assert!(metric(&daemon, "mailward_second_look_kept_total{what=\"message\"} 2"));
    for arguments in
        [&["quarantine", "release", &bad][..], &["quarantine", "release", &bad, "--force", "--again"]]
    {
        let refused = daemon.cli(arguments).unwrap();
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && told.contains("it is never delivered again"), "{told}");
    }
    let (_, ready) = daemon.get("/readyz").unwrap();
    // That mail waits is no trouble while it does not wait for hours.
    assert!(!ready.contains("second look"), "{ready}");
    let status = String::from_utf8(daemon.cli(&["status"]).unwrap().stdout).unwrap();
    assert!(status.contains("second look 2 delivered and waiting to be scanned again since 20"), "{status}");
    let told = explained(&daemon, &bad, "second-look-kept");
    assert!(told.contains("clamd did not look"), "{told}");

    // A restart in between: the queue is what the quarantine holds.
    daemon.signal("TERM").unwrap();
    daemon.wait_for_end(PATIENCE).unwrap();
    daemon.start_again().unwrap();
    assert_eq!(copies(&daemon, "second-look").len(), 2);
    clamd.start_again().unwrap();
    nothing_waits(&daemon);

    let told =
        wait_until("the catch", PATIENCE, || Ok(Some(caught(&daemon)).filter(|c| !c.is_empty()))).unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    let of = |key: &str| told[0][key].as_str().unwrap_or_default().to_owned();
    assert_eq!((of("id"), of("by"), of("feed")), (bad.clone(), "second-look".to_owned(), "clamd".to_owned()));
    assert!(
        of("what").contains("Test.MadeUp") || told[0]["findings"].to_string().contains(MADE_UP_NAME),
        "{told:?}"
    );
    let shown = stdout(&daemon, &["retro", "list"]);
    assert!(shown.contains("second look: clamd") && shown.contains(bad.as_str()), "{shown}");
    let told = explained(&daemon, &bad, "caught afterwards by second look");
    assert_eq!(told.matches("caught afterwards").count(), 1, "{told}");
    explained(&daemon, &fine, "second-look-clean by mailward");
    let evidence = copies(&daemon, "caught");
    assert_eq!(evidence.len(), 1, "{evidence:?}");
    assert_eq!(evidence[0]["id"], bad.as_str());
    let refused = daemon.cli(&["quarantine", "release", &bad, "--force"]).unwrap();
    assert!(!refused.status.success(), "{refused:?}");
    assert!(metric(&daemon, "mailward_second_look_total{result=\"bad\"} 1"));
    assert!(metric(&daemon, "mailward_second_look_total{result=\"clean\"} 1"));
    assert!(metric(&daemon, "mailward_second_look_waiting 0"));
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("the second look found it bad")).unwrap();
    assert!(line.contains("WARN") && line.contains(bad.as_str()), "{line}");
    // Nothing counts as new mail: that is all since the restart.
    assert!(
        daemon
            .get("/metrics")
            .unwrap()
            .1
            .lines()
            .all(|line| !line.starts_with("mailward_messages_total{") || line.ends_with(" 0"))
    );
    assert_eq!(daemon.get("/readyz").unwrap().1, "ready\n");
    let raw = stdout(&daemon, &["quarantine", "show", &bad, "--raw"]);
    assert!(raw.contains(MADE_UP), "{raw}");
    stdout(&daemon, &["quarantine", "delete", &bad]);
    assert_eq!(copies(&daemon, "caught"), Vec::<Value>::new());
    verify(&daemon);
}

#[test]
fn what_nobody_looked_at_in_time_is_told_and_what_a_reload_says_holds() {
    let name = "what_nobody_looked_at_in_time_is_told_and_what_a_reload_says_holds";
    if !mta::not_run::clamd_ready(name) {
        return;
    }
    let mut clamd = Clamd::start(&Options::default()).unwrap();
    let with = |keep: &str, more: &str| {
        config(&clamd, &format!("[second_look]\nkeep = \"{keep}\"\nretry = \"1s\"\n{more}"))
    };
    let off = with("off", "");
    let keys = with("keys", "[scanner.urls]\n");
    let short = with("message", "[quarantine.keep]\nsecond_look = \"1s\"\n");
    let daemon = Daemon::start(&off).unwrap();
    clamd.stop().unwrap();
    assert!(goes_on(&judge(&daemon, &mail("off", "text"))));
    assert!(!stdout(&daemon, &["explain", &newest(&daemon)]).contains("second-look"));

    daemon.write_config(&daemon.site().defaults(&keys)).unwrap();
    stdout(&daemon, &["reload"]);
    assert!(goes_on(&judge(&daemon, &mail("keys", "text"))));
    let told = explained(&daemon, &newest(&daemon), "second-look-kept");
    assert!(told.contains("clamd did not look, and will not"), "{told}");
    assert!(metric(&daemon, "mailward_second_look_kept_total{what=\"keys\"} 1"));
    assert_eq!(copies(&daemon, "second-look"), Vec::<Value>::new());

    daemon.write_config(&daemon.site().defaults(&short)).unwrap();
    stdout(&daemon, &["reload"]);
    assert!(goes_on(&judge(&daemon, &mail("short", "text"))));
    let told = explained(&daemon, &newest(&daemon), "second-look-expired");
    assert!(told.contains("clamd never looked: its time was over"), "{told}");
    assert!(metric(&daemon, "mailward_second_look_total{result=\"expired\"} 1"));
    assert_eq!(copies(&daemon, "second-look"), Vec::<Value>::new());
    verify(&daemon);
}

#[test]
fn mail_goes_on_where_no_copy_can_be_kept_and_everybody_is_told() {
    let name = "mail_goes_on_where_no_copy_can_be_kept_and_everybody_is_told";
    if !mta::not_run::clamd_ready(name) {
        return;
    }
    let mut clamd = Clamd::start(&Options::default()).unwrap();
    let daemon = Daemon::start(&config(&clamd, OFTEN)).unwrap();
    clamd.stop().unwrap();
    // A file in the place of the folder: not even root can write there.
    let tmp = daemon.site().quarantine().join("tmp");
    std::fs::remove_dir(&tmp).unwrap();
    std::fs::write(&tmp, "in the way").unwrap();
    assert!(goes_on(&judge(&daemon, &mail("lost", "text"))));
    let export = stdout(&daemon, &["audit", "export"]);
    assert!(export.contains("no copy for a second look by clamd: writing the message"), "{export}");
    assert!(metric(&daemon, "mailward_second_look_kept_total{what=\"nothing\"} 1"));
    let (_, ready) = daemon.get("/readyz").unwrap();
    assert!(ready.contains("degraded: second look: no copies can be kept: "), "{ready}");
    daemon.wait_for_log("no copy could be kept for a second look").unwrap();
    // Nothing half is left behind, and it works again.
    std::fs::remove_file(&tmp).unwrap();
    std::fs::create_dir(&tmp).unwrap();
    let metas = std::fs::read_dir(daemon.site().quarantine().join("meta")).unwrap();
    let metas: Vec<_> = metas.map(|file| file.unwrap().file_name()).collect();
    assert!(metas.iter().all(|name| !name.to_string_lossy().ends_with(".json")), "{metas:?}");
    assert!(goes_on(&judge(&daemon, &mail("kept", "text"))));
    assert_eq!(copies(&daemon, "second-look").len(), 1);
    clamd.start_again().unwrap();
    nothing_waits(&daemon);
    verify(&daemon);
}
