//! The time of day leaps, ahead and back: mail flows, deadlines and breakers go by another clock, nothing is removed that
//! was not old, and the journal is whole.
//!
//! The daemon runs under libfaketime, which reads from a file how wrong the time of day is; the clock that only counts is
//! left alone, as the kernel leaves it alone.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use serde_json::Value;

use crate::common::{judge, mail, quarantine, rules, stdout, verify};
use crate::milter_client::{MilterClient, Peer};
use crate::mta::{self, Daemon, Fault, Faulty, Over, PATIENCE, Plays, Site, wait_until};
use crate::relay::Relay;

use super::descriptors::allow;

const HOLD: &str = r#"rule Hold { meta: severity = "medium" score = 7 category = "spam" strings: $a = "HOLD-THIS" condition: $a }"#;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Seconds from now to a moment.
fn until(moment: i64) -> i64 {
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    moment - i64::try_from(now).unwrap()
}

/// By how much the clock is wrong, one after the other, with its name.
fn leaps() -> Vec<(&'static str, i64)> {
    vec![
        ("an hour ahead", HOUR),
        ("an hour behind", -HOUR),
        ("two days ahead", 2 * DAY),
        ("two days behind", -2 * DAY),
        ("in 1970", until(60)),
        ("in 2038, before the end of 32 bits", until(2_147_483_640)),
        ("in 2038, after it", until(2_147_483_660)),
        ("in 2100", until(4_102_444_800)),
        ("right", 0),
    ]
}

/// Where Debian has it, on any machine.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
    folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file())
}

/// A place whose daemon goes by a clock that can be set.
struct Watch {
    file: PathBuf,
}

impl Watch {
    /// `None`, and it is told, where there is no libfaketime.
    fn at(test: &str, site: &mut Site) -> Option<Self> {
        let Some(library) = library() else {
            mta::not_run(test, "libfaketime is missing", "run tests/mta/install.sh as root");
            return None;
        };
        let watch = Self { file: site.path().join("clock") };
        watch.set(0);
        site.set_env("LD_PRELOAD", library);
        site.set_env("FAKETIME_TIMESTAMP_FILE", watch.file.clone());
        for name in
            ["FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"]
        {
            site.set_env(name, "1".into());
        }
        Some(watch)
    }

    /// The daemon's clock is wrong by so many seconds from now on.
    fn set(&self, seconds: i64) {
        // At once, or not at all.
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}\n")).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }
}

/// The daemon's own word on the time.
fn seen(daemon: &Daemon) -> f64 {
    let metrics = daemon.get("/metrics").unwrap().1;
    let clock = metrics.lines().find_map(|line| line.strip_prefix("mailward_clock_seconds "));
    clock.unwrap().parse().unwrap()
}

/// What is on record of the mail with this subject. The newest one is not the last, where the clock leaps.
fn record(daemon: &Daemon, subject: &str) -> Value {
    let export = stdout(daemon, &["audit", "export"]);
    let mut all = export.lines().rev().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = all.find(|record| record["message"]["subject"] == subject);
    let found = found.unwrap_or_else(|| panic!("nothing is on record of {subject}: {export}"));
    serde_json::from_str(&stdout(daemon, &["explain", "--json", found["id"].as_str().unwrap()])).unwrap()
}

fn journal(state: &Path) -> Vec<String> {
    let all = std::fs::read_dir(state.join("audit")).unwrap().flatten();
    let mut days: Vec<String> = all.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    days.retain(|name| name.ends_with(".log"));
    days.sort();
    days
}

#[test]
fn mail_flows_through_every_leap_and_each_is_answered_recorded_and_explained() {
    let test = "mail_flows_through_every_leap_and_each_is_answered_recorded_and_explained";
    let mut site = Site::new().unwrap();
    let Some(watch) = Watch::at(test, &mut site) else { return };
    // As systemd would watch it.
    let socket = site.path().join("notify");
    let notified = UnixDatagram::bind(&socket).unwrap();
    notified.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    site.set_env("NOTIFY_SOCKET", socket);
    site.set_env("WATCHDOG_USEC", "1000000".into());
    let toml = site.defaults("") + &rules(&site, "hold.yar", HOLD);
    let daemon = site.start(&toml).unwrap();
    let mut held = 0;
    for (name, seconds) in leaps() {
        // In the middle of a message, and of a session that goes on.
        let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
        client.envelope("<a@sender.example>", &["<alice@example.org>".to_owned()]);
        client.content(&mail(&format!("across {name}"), "text"));
        watch.set(seconds);
        let begin = Instant::now();
        assert_eq!(client.end().word, "accept", "{name}: {}", daemon.log());
        let off = seen(&daemon) + until(0) as f64 - seconds as f64;
        assert!(off.abs() < 30.0, "{name}: the daemon's clock is off by {off} s");
        for subject in ["one", "two"] {
            let subject = format!("{subject} {name}");
            assert_eq!(judge(&daemon, &mail(&subject, "text")).word, "accept", "{name}");
            let record = record(&daemon, &subject);
            assert_eq!(
                record["coverage"],
                serde_json::json!({"mime": "ok", "yara": "ok"}),
                "{name}: {record}"
            );
        }
        assert_eq!(judge(&daemon, &mail(&format!("held {name}"), "HOLD-THIS")).word, "discard", "{name}");
        held += 1;
        assert_eq!(quarantine(&daemon).len(), held, "{name}");
        assert!(begin.elapsed() < Duration::from_secs(20), "{name}: {:?}", begin.elapsed());
        assert_eq!(daemon.get("/readyz").unwrap().0, 200, "{name}");
        // The watchdog is fed all the while: what came while we did not look, and then the next.
        let mut word = [0; 256];
        notified.set_nonblocking(true).unwrap();
        while notified.recv(&mut word).is_ok() {}
        notified.set_nonblocking(false).unwrap();
        let length =
            notified.recv(&mut word).unwrap_or_else(|error| panic!("{name}: {error}: {}", daemon.log()));
        assert!(String::from_utf8_lossy(&word[..length]).contains("WATCHDOG=1"), "{name}");
        verify(&daemon);
    }
    assert_eq!(daemon.get("/readyz").unwrap().1, "ready\n");
    let export = stdout(&daemon, &["audit", "export"]);
    assert_eq!(export.lines().count(), 4 * leaps().len(), "{export}");
    // A leap ahead begins no day: all that comes after it would be in the file of 2100.
    assert!(
        journal(&daemon.site().state_dir()).iter().all(|day| day < &"2038".to_owned()),
        "{:?}",
        journal(&daemon.site().state_dir())
    );
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

#[test]
fn a_leap_ahead_removes_nothing_and_is_told_while_the_daemon_runs_and_when_it_starts() {
    let test = "a_leap_ahead_removes_nothing_and_is_told_while_the_daemon_runs_and_when_it_starts";
    let mut site = Site::new().unwrap();
    let Some(watch) = Watch::at(test, &mut site) else { return };
    let more = "[audit]\nretention = \"30d\"\n[quarantine.keep]\nspam = \"7d\"\n";
    let toml = site.defaults(more) + &rules(&site, "hold.yar", HOLD);
    let mut daemon = site.start(&toml).unwrap();
    assert_eq!(judge(&daemon, &mail("held", "HOLD-THIS")).word, "discard");
    stdout(&daemon, &["list", "block", "add", "bad@sender.example", "--expires", "10d"]);
    let days = journal(&daemon.site().state_dir());
    watch.set(400 * DAY);
    assert_eq!(judge(&daemon, &mail("in a year", "text")).word, "accept");
    let told = "degraded: clock: it leapt ahead by about 400 days, or mailward did not run for so long; nothing is removed for its age for 24 hours more, or until it is right again";
    let ready = daemon.get("/readyz").unwrap().1;
    assert!(ready.contains(told), "{ready}");
    assert_eq!(daemon.log().matches("the clock leapt ahead").count(), 1, "{}", daemon.log());
    // Dead before somebody sets it right, and started again under the wrong time: what is too old goes at a start.
    daemon.kill().unwrap();
    daemon.start_again().unwrap();
    assert_eq!(judge(&daemon, &mail("and again", "text")).word, "accept");
    // The first round of upkeep begins with the daemon.
    std::thread::sleep(Duration::from_secs(3));
    assert!(daemon.get("/readyz").unwrap().1.contains("degraded: clock: it leapt ahead"), "{}", daemon.log());
    assert_eq!(quarantine(&daemon).len(), 1, "{}", daemon.log());
    assert_eq!(journal(&daemon.site().state_dir()), days);
    watch.set(0);
    wait_until(
        "readiness to be well",
        PATIENCE,
        || Ok((daemon.get("/readyz")?.1 == "ready\n").then_some(())),
    )
    .unwrap();
    assert!(
        stdout(&daemon, &["list", "block", "show", "bad@sender.example"]).contains("bad@sender.example"),
        "{}",
        daemon.log()
    );
    assert_eq!(quarantine(&daemon).len(), 1);
    verify(&daemon);
}

#[test]
fn deadlines_and_the_breaker_do_not_go_by_the_time_of_day() {
    let test = "deadlines_and_the_breaker_do_not_go_by_the_time_of_day";
    let mut site = Site::new().unwrap();
    let Some(watch) = Watch::at(test, &mut site) else { return };
    let mut rspamd = Faulty::start(Plays::Rspamd, Over::Unix).unwrap();
    rspamd.turn(Fault::Hangs).unwrap();
    let toml = site.defaults(&Plays::Rspamd.section(rspamd.address(), "2s", "tag"));
    let daemon = site.start(&toml).unwrap();
    for (name, seconds) in
        [("ahead", 2 * DAY), ("behind", -2 * DAY), ("in 1970", until(60)), ("in 2100", until(4_102_444_800))]
    {
        let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
        client.envelope("<a@sender.example>", &["<alice@example.org>".to_owned()]);
        client.content(&mail(name, "text"));
        let begin = Instant::now();
        let answer = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(700));
                watch.set(seconds);
            });
            client.end()
        });
        let took = begin.elapsed();
        assert_eq!(answer.word, "accept", "{name}");
        assert!(took > Duration::from_millis(1500) && took < Duration::from_secs(10), "{name}: {took:?}");
        assert_eq!(record(&daemon, name)["coverage"]["rspamd"], "timeout", "{name}");
    }
    // The fifth in a row: left alone, and no leap ends that, nor makes it last.
    judge(&daemon, &mail("the fifth", "text"));
    watch.set(10 * DAY);
    judge(&daemon, &mail("left alone", "text"));
    assert_eq!(record(&daemon, "left alone")["coverage"]["rspamd"], "failed(left-alone)", "{}", daemon.log());
    watch.set(-10 * DAY);
    rspamd.turn(Fault::Well).unwrap();
    let mut number = 0;
    wait_until("rspamd to be asked again", Duration::from_secs(90), || {
        number += 1;
        let subject = format!("again {number}");
        judge(&daemon, &mail(&subject, "text"));
        std::thread::sleep(Duration::from_millis(200));
        Ok((record(&daemon, &subject)["coverage"]["rspamd"] == "ok").then_some(()))
    })
    .unwrap();
    verify(&daemon);
}

#[test]
fn an_entry_of_a_list_ends_at_its_time_and_is_there_again_when_the_clock_is() {
    let test = "an_entry_of_a_list_ends_at_its_time_and_is_there_again_when_the_clock_is";
    let mut site = Site::new().unwrap();
    let Some(watch) = Watch::at(test, &mut site) else { return };
    let toml = site.defaults("");
    let daemon = site.start(&toml).unwrap();
    stdout(&daemon, &["list", "block", "add", "192.0.2.7", "--expires", "1d"]);
    let word = || {
        let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
        client.envelope("<a@sender.example>", &["<alice@example.org>".to_owned()])[1].clone()
    };
    let refused = |word: String| word.starts_with("550 5.7.1 ");
    assert!(refused(word()), "{}", daemon.log());
    watch.set(2 * DAY);
    assert!(!refused(word()));
    watch.set(-2 * DAY);
    assert!(refused(word()));
    watch.set(0);
    assert!(refused(word()));
    verify(&daemon);
}

#[test]
fn a_released_copy_whose_token_a_leap_made_too_old_is_held_again_and_not_lost() {
    let test = "a_released_copy_whose_token_a_leap_made_too_old_is_held_again_and_not_lost";
    let mut site = Site::new().unwrap();
    let Some(watch) = Watch::at(test, &mut site) else { return };
    let relay = Relay::start();
    let more = format!("[release]\nrelay = {:?}\n", relay.server());
    let toml = site.defaults(&more) + &rules(&site, "hold.yar", HOLD);
    let daemon = site.start(&toml).unwrap();
    assert_eq!(judge(&daemon, &mail("held", "HOLD-THIS")).word, "discard");
    let id = quarantine(&daemon)[0]["id"].as_str().unwrap().to_owned();
    // Back: the token is good for longer. Ahead by less than its hour: it is good.
    let tell = relay.wait_at_dot();
    std::thread::scope(|scope| {
        let releasing = scope.spawn(|| daemon.cli(&["quarantine", "release", &id]).unwrap());
        let copy = relay.wait_for(1)[0].message.clone();
        for (seconds, word) in
            [(2 * HOUR, "discard"), (-2 * DAY, "accept"), (HOUR / 2, "accept"), (2 * DAY, "discard")]
        {
            watch.set(seconds);
            assert_eq!(judge(&daemon, &copy).word, word, "{seconds} s: {}", daemon.log());
        }
        watch.set(0);
        tell.send("451 4.3.0 later").unwrap();
        assert!(!releasing.join().unwrap().status.success());
    });
    assert!(!quarantine(&daemon).is_empty());
    verify(&daemon);
}

#[test]
fn a_new_day_whose_journal_cannot_be_opened_puts_mail_off_until_it_can() {
    let test = "a_new_day_whose_journal_cannot_be_opened_puts_mail_off_until_it_can";
    let Some(library) = library() else {
        return mta::not_run(test, "libfaketime is missing", "run tests/mta/install.sh as root");
    };
    // The daemon's day is over twelve seconds after its start.
    let into_day = -until(0) % DAY;
    let offset = (DAY - 12 - into_day).rem_euclid(DAY);
    let mut site = Site::new().unwrap();
    site.set_env("LD_PRELOAD", library);
    site.set_env("FAKETIME", format!("+{offset}").into());
    for name in ["FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"] {
        site.set_env(name, "1".into());
    }
    let toml = site.defaults("");
    let daemon = site.start(&toml).unwrap();
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
    let mut send = |subject: &str| {
        client.envelope("<a@sender.example>", &["<alice@example.org>".to_owned()]);
        client.message(&mail(subject, "text")).word
    };
    assert_eq!(send("today"), "accept");
    assert_eq!(journal(&daemon.site().state_dir()).len(), 1, "{}", daemon.log());
    let left = seen(&daemon).rem_euclid(DAY as f64);
    allow(&daemon, 3);
    std::thread::sleep(Duration::from_secs_f64(DAY as f64 - left + 0.5));
    let word = send("tomorrow");
    assert!(word.starts_with("451 4."), "{word}: {}", daemon.log());
    allow(&daemon, 20_000);
    assert!(daemon.get("/readyz").unwrap().1.contains("degraded: audit: "), "{}", daemon.log());
    assert_eq!(send("tomorrow, again"), "accept", "{}", daemon.log());
    assert_eq!(daemon.get("/readyz").unwrap().1, "ready\n");
    assert_eq!(journal(&daemon.site().state_dir()).len(), 2);
    verify(&daemon);
}
