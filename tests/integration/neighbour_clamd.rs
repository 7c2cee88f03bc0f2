//! mailward beside the real clamd: every way to hand a message over, its limits, its restarts.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::common::{judge, mail, stdout};
use super::milter_client::{Answer, delivered};
use super::mta::clamd::{DAILY, DAILY_NAME, EICAR_NAME, MADE_UP, MADE_UP_NAME, Options};
use super::mta::samples::eicar;
use super::mta::{self, Clamd, Daemon};

/// clamd alone decides.
const NO_YARA: &str = "[scanner.yara]\nenabled = false\n";

/// A mail with this file attached, in base64.
fn with_attachment(subject: &str, file: &[u8]) -> Vec<u8> {
    let mut encoded = String::new();
    for line in data_encoding::BASE64.encode(file).as_bytes().chunks(76) {
        encoded.push_str(&String::from_utf8_lossy(line));
        encoded.push_str("\r\n");
    }
    format!(
        "From: Anna <a@sender.example>\r\nTo: alice@example.org\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nSee there.\r\n\
         --b\r\nContent-Type: application/octet-stream; name=\"a.bin\"\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"a.bin\"\r\n\r\n{encoded}\r\n--b--\r\n"
    )
    .into_bytes()
}

fn daemon(section: &str) -> Daemon {
    Daemon::start(&format!("{section}{NO_YARA}")).unwrap()
}

/// The coverage that mail which goes on carries.
fn coverage(raw: &[u8], answer: &Answer) -> String {
    let header = delivered(raw, &answer.edits);
    let field = header.iter().find(|(name, _)| name == "X-Mailward-Coverage");
    field.unwrap_or_else(|| panic!("no coverage: {answer:?}")).1.clone()
}

fn goes_on(answer: &Answer) -> bool {
    answer.word == "accept" || answer.word == "continue"
}

/// Something large that clamd has to read, and that cannot be told apart by its compression.
fn large(size: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    next.take(size).collect()
}

#[test]
fn malware_in_an_attachment_is_found_however_clamd_is_asked() {
    if !mta::not_run::clamd_ready("malware_in_an_attachment_is_found_however_clamd_is_asked") {
        return;
    }
    let clamd = Clamd::start(&Options::default()).unwrap();
    let over_tcp = format!("[scanner.clamd]\naddress = {:?}\n", clamd.tcp_address());
    for section in [clamd.section(""), over_tcp, clamd.section("pass_file = true")] {
        let daemon = daemon(&section);
        for size in [100, 3_000_000] {
            let plain = with_attachment("plain", &large(size));
            let answer = judge(&daemon, &plain);
            assert!(goes_on(&answer), "{section}{answer:?}");
            assert_eq!(coverage(&plain, &answer), "clamd=ok; mime=ok", "{section}");
        }
        // Signatures of one's own are no proof: held, not refused.
        assert_eq!(judge(&daemon, &with_attachment("bad", eicar().as_bytes())).word, "discard", "{section}");
        let told = stdout(&daemon, &["audit", "export"]);
        assert!(told.contains(&format!("clamd found {EICAR_NAME} (ClamAV ")), "{section}{told}");
        assert_eq!(daemon.get("/readyz").unwrap().1, "ready\n", "{section}");
    }
    // What was handed over as a file has no name that the machine knows.
    assert!(clamd.log().contains("/memfd:mailward-message (deleted): "), "{}", clamd.log());
}

#[test]
fn the_name_alone_is_told_where_clamd_adds_hash_and_size() {
    if !mta::not_run::clamd_ready("the_name_alone_is_told_where_clamd_adds_hash_and_size") {
        return;
    }
    let options = Options { more: "ExtendedDetectionInfo yes", ..Options::default() };
    let clamd = Clamd::start(&options).unwrap();
    let daemon = daemon(&clamd.section(""));
    assert_eq!(judge(&daemon, &mail("bad", MADE_UP)).word, "discard");
    let told = stdout(&daemon, &["audit", "export"]);
    assert!(told.contains(&format!("\"{MADE_UP_NAME}\"")), "{told}");
    assert!(clamd.log().contains(&format!("{MADE_UP_NAME}(")), "{}", clamd.log());
}

#[test]
fn what_is_too_large_for_clamd_goes_on_and_everybody_is_told() {
    if !mta::not_run::clamd_ready("what_is_too_large_for_clamd_goes_on_and_everybody_is_told") {
        return;
    }
    let options = Options { stream_max: "1M", ..Options::default() };
    let clamd = Clamd::start(&options).unwrap();
    let (small, big) = (mail("small", "text"), with_attachment("big", &large(15 << 20)));
    let over_tcp = format!("[scanner.clamd]\naddress = {:?}\n", clamd.tcp_address());
    for section in [clamd.section(""), over_tcp] {
        let daemon = daemon(&section);
        assert_eq!(coverage(&small, &judge(&daemon, &small)), "clamd=ok; mime=ok");
        let answer = judge(&daemon, &big);
        assert!(goes_on(&answer), "{answer:?}");
        assert_eq!(coverage(&big, &answer), "clamd=skipped(too-large); mime=ok");
        let told = daemon.get("/readyz").unwrap().1;
        assert!(told.contains("its StreamMaxLength is lower than scanner.clamd.max_size, 25MiB"), "{told}");
        assert!(stdout(&daemon, &["audit", "export"]).contains("CLAMD_TOO_LARGE"));
    }
    // The limit is that of streams.
    let daemon = daemon(&clamd.section("pass_file = true"));
    assert_eq!(coverage(&big, &judge(&daemon, &big)), "clamd=ok; mime=ok");
}

#[test]
fn what_clamd_did_not_look_at_whole_is_a_gap() {
    if !mta::not_run::clamd_ready("what_clamd_did_not_look_at_whole_is_a_gap") {
        return;
    }
    let options = Options { more: "MaxFileSize 1M", ..Options::default() };
    let clamd = Clamd::start(&options).unwrap();
    let daemon = daemon(&clamd.section(""));
    let raw = with_attachment("big", &large(2 << 20));
    let answer = judge(&daemon, &raw);
    assert!(goes_on(&answer), "{answer:?}");
    assert_eq!(coverage(&raw, &answer), "clamd=ok(degraded); mime=ok");
    let told = stdout(&daemon, &["audit", "export"]);
    assert!(
        told.contains("clamd did not look at all of it: Heuristics.Limits.Exceeded.MaxFileSize"),
        "{told}"
    );
}

#[test]
fn reloads_and_restarts_of_clamd_in_the_middle_of_traffic_lose_and_delay_nothing() {
    let name = "reloads_and_restarts_of_clamd_in_the_middle_of_traffic_lose_and_delay_nothing";
    if !mta::not_run::clamd_ready(name) {
        return;
    }
    for options in [
        Options::default(),
        Options { more: "ConcurrentDatabaseReload no\nIdleTimeout 1", ..Options::default() },
    ] {
        let mut clamd = Clamd::start(&options).unwrap();
        let daemon = daemon(&clamd.section(""));
        let (stop, judged) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for sender in 0..4 {
                let (daemon, stop, judged) = (&daemon, &stop, &judged);
                scope.spawn(move || {
                    for number in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let subject = format!("s{sender} n{number}");
                        if number % 3 == 0 {
                            let answer = judge(daemon, &mail(&subject, MADE_UP));
                            assert_eq!(answer.word, "discard", "{subject}\n{}", daemon.log());
                        } else {
                            let raw = with_attachment(&subject, &large(100_000));
                            let answer = judge(daemon, &raw);
                            assert!(goes_on(&answer), "{subject}: {answer:?}\n{}", daemon.log());
                            assert_eq!(coverage(&raw, &answer), "clamd=ok; mime=ok", "{subject}");
                        }
                        judged.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            // Ends the senders also where something here fails.
            let _stopping = Stopping(&stop);
            for round in 0..6 {
                std::thread::sleep(Duration::from_millis(150));
                if round % 2 == 0 {
                    clamd
                        .learn(&format!("Test.New{round}"), &format!("brand-new-{round}-signature"))
                        .unwrap();
                    clamd.reload().unwrap();
                } else {
                    clamd.stop().unwrap();
                    std::thread::sleep(Duration::from_millis(100));
                    clamd.start_again().unwrap();
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        });
        assert!(judged.load(Ordering::Relaxed) > 30, "hardly any traffic");
        assert_eq!(judge(&daemon, &mail("new", "a brand-new-4-signature")).word, "discard");
        let metrics = daemon.get("/metrics").unwrap().1;
        assert!(
            !metrics.contains("scanner=\"clamd\",outcome=\"failed\"")
                && !metrics.contains("mailward_clamd_retries_total 0"),
            "{metrics}"
        );
    }
}

struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_clamd_that_is_gone_stands_in_coverage_and_soon_nobody_waits_for_it() {
    if !mta::not_run::clamd_ready("a_clamd_that_is_gone_stands_in_coverage_and_soon_nobody_waits_for_it") {
        return;
    }
    let mut clamd = Clamd::start(&Options::default()).unwrap();
    let section = clamd.section("timeout = \"600ms\"\non_failure = \"tag\"");
    let daemon = daemon(&section);
    assert!(goes_on(&judge(&daemon, &mail("before", "text"))));
    clamd.stop().unwrap();
    let covered = |subject: &str| {
        let raw = mail(subject, "text");
        coverage(&raw, &judge(&daemon, &raw))
    };
    for number in 0..5 {
        assert_eq!(covered(&format!("waits {number}")), "clamd=failed(refused); mime=ok");
    }
    assert_eq!(covered("does not wait"), "clamd=failed(left-alone); mime=ok");
    let told = daemon.get("/readyz").unwrap().1;
    assert!(told.contains("degraded: clamd: left alone after 5 failures in a row"), "{told}");
    // A reload of ours that changes nothing there changes nothing here; other settings begin anew.
    let open = |expected: &str| {
        let metrics = daemon.get("/metrics").unwrap().1;
        assert!(
            metrics.contains(&format!("mailward_breaker_open{{remote=\"clamd\"}} {expected}")),
            "{metrics}"
        );
    };
    open("1");
    daemon.signal("HUP").unwrap();
    daemon.wait_for_log("were read again").unwrap();
    open("1");
    assert_eq!(covered("after the reload"), "clamd=failed(left-alone); mime=ok");
    let new = daemon.site().defaults(&format!("{section}connections = 2\n{NO_YARA}"));
    daemon.write_config(&new).unwrap();
    daemon.signal("HUP").unwrap();
    mta::wait_until("the second reload", mta::PATIENCE, || {
        Ok((daemon.log().matches("were read again").count() == 2).then_some(()))
    })
    .unwrap();
    open("0");
    clamd.start_again().unwrap();
    assert_eq!(covered("again"), "clamd=ok; mime=ok");
    assert_eq!(daemon.get("/readyz").unwrap().1, "ready\n");
}

#[test]
fn old_signatures_are_told_by_their_date() {
    if !mta::not_run::clamd_ready("old_signatures_are_told_by_their_date") {
        return;
    }
    let options = Options { daily: Some((27100, 1_605_774_720)), ..Options::default() };
    let clamd = Clamd::start(&options).unwrap();
    let daemon = daemon(&clamd.section(""));
    daemon.wait_for_log("signatures are old").unwrap();
    let told = daemon.get("/readyz").unwrap().1;
    assert!(told.contains("degraded: clamd: its database 27100 of 2020-11-19 is "), "{told}");
    assert!(told.contains(" days old; does freshclam run?"), "{told}");
    let metrics = daemon.get("/metrics").unwrap().1;
    let age = metrics.lines().find_map(|line| line.strip_prefix("mailward_clamd_database_age_seconds "));
    let age: f64 = age.unwrap().parse().unwrap();
    assert!(age > 7.0 * 86_400.0, "{age}");
    assert_eq!(judge(&daemon, &mail("bad", DAILY)).word, "discard");
    let told = stdout(&daemon, &["audit", "export"]);
    assert!(told.contains(&format!("clamd found {DAILY_NAME} (database 27100 of 2020-11-19)")), "{told}");
}
