//! Servers that are asked by HTTP, sick: publishers of feeds, receivers of webhooks, ntfy, and the admin's door as our own
//! command meets it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{judge, mail, newest, stdout, verify};
use crate::mta::samples::eicar;
use crate::mta::{self, Daemon, PATIENCE, Sick, Sickness, Site, Speaks, wait_until};
use crate::urls::html;

/// Far less than any time limit of ours.
const AT_ONCE: Duration = Duration::from_secs(5);
/// The most that is taken of an answer without end, and what the kernel holds of it.
const TAKEN: u64 = 12 << 20;

fn http(body: &str) -> Speaks {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    Speaks::Http((head + body).into_bytes())
}

/// The link of a mail is found in the feed, at once.
fn finds(daemon: &Daemon, cell: &str) {
    let begin = Instant::now();
    judge(daemon, &html(cell, "http://evil.test/x"));
    assert!(begin.elapsed() < AT_ONCE, "{cell}: {:?}", begin.elapsed());
    let record: Value =
        serde_json::from_str(&stdout(daemon, &["explain", "--json", &newest(daemon)])).unwrap();
    assert_eq!(record["coverage"]["urls"], "found", "{cell}: {record}");
    let findings = record["findings"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["symbol"] == "FEED_MINE"), "{cell}: {record}");
}

fn is_failing(daemon: &Daemon, cell: &str) {
    let list: Value = serde_json::from_str(&stdout(daemon, &["feed", "list", "--json"])).unwrap();
    let feed = &list["feeds"][0];
    assert_eq!(feed["entries"], 100, "{cell}: {feed}");
    assert_ne!(feed["failures"], 0, "{cell}: {feed}");
    let metrics = daemon.get("/metrics").unwrap().1;
    let good = |line: &&str| line.starts_with("mailward_feed_refreshes_total") && !line.contains("\"new\"");
    assert!(metrics.lines().any(|line| good(&line) && !line.ends_with(" 0")), "{cell}: {metrics}");
    assert!(daemon.log().contains("the feed was not refreshed"), "{cell}: {}", daemon.log());
}

#[test]
fn a_sick_publisher_costs_no_mail_any_time_and_what_was_known_stays_known() {
    let list: String = ["evil.test\n".to_owned()]
        .into_iter()
        .chain((1..100).map(|n| format!("host{n}.evil.example\n")))
        .collect();
    // One that hangs is waited for for a minute of silence, one that trickles for a quarter of an hour.
    let slow = [Sickness::Hangs, Sickness::Trickles];
    let is_long = mta::not_run::effort(0, 1) == 1;
    std::thread::scope(|scope| {
        for sickness in Sickness::ALL {
            let list = &list;
            scope.spawn(move || {
                let cell = format!("{sickness:?}");
                let publisher = Sick::start(Sickness::Well, http(list)).unwrap();
                let daemon = Daemon::start(&format!(
                    "[feed.mine]\nformat = \"domains\"\ncategory = \"phish\"\nmax_size = \"1MiB\"\nurl = \"http://{}/list\"\n",
                    publisher.address()
                ))
                .unwrap();
                assert_eq!(stdout(&daemon, &["feed", "refresh", "mine", "--force"]), "mine: 100 entries\n");
                finds(&daemon, &cell);
                let (publisher, visits) = if sickness == Sickness::Refuses {
                    drop(publisher);
                    // Its listener ends with it.
                    std::thread::sleep(Duration::from_millis(100));
                    (None, 0)
                } else {
                    publisher.turn(sickness);
                    let visits = publisher.visits();
                    (Some(publisher), visits)
                };
                let refreshed = std::thread::scope(|scope| {
                    let refreshing = (!slow.contains(&sickness) || is_long && sickness == Sickness::Hangs)
                        .then(|| scope.spawn(|| daemon.cli(&["feed", "refresh", "mine", "--force"]).unwrap()));
                    finds(&daemon, &cell);
                    refreshing.map(|refreshing| refreshing.join().unwrap())
                });
                if let Some(refreshed) = refreshed {
                    let told = String::from_utf8_lossy(&refreshed.stderr).into_owned();
                    assert!(!refreshed.status.success() && told.contains("mine"), "{cell}: {refreshed:?}");
                    is_failing(&daemon, &cell);
                    if let Some(publisher) = publisher {
                        assert!(publisher.visits() > visits, "{cell}: it was never asked");
                        assert!(publisher.sent() < TAKEN, "{cell}: {} bytes were taken", publisher.sent());
                    }
                }
                finds(&daemon, &cell);
                verify(&daemon);
            });
        }
    });
}

fn notified(kind: &str) {
    std::thread::scope(|scope| {
        for sickness in Sickness::ALL {
            scope.spawn(move || {
                let cell = format!("{kind} {sickness:?}");
                let receiver = Sick::start(sickness, http("{}")).unwrap();
                let topic = if kind == "ntfy" { "topic = \"mail\"\n" } else { "" };
                let daemon = Daemon::start(&format!(
                    "[notify.admin]\nkind = \"{kind}\"\nurl = \"http://{}/\"\n{topic}allow_private = true\n\
                     timeout = \"1s\"\non = [\"malware\"]\n",
                    receiver.address()
                ))
                .unwrap();
                let begin = Instant::now();
                let word = judge(&daemon, &mail(&cell, &eicar())).word;
                assert!(word.starts_with("550 5.7.1 refused as malware"), "{cell}: {word}");
                assert!(begin.elapsed() < AT_ONCE, "{cell}: {:?}", begin.elapsed());
                // Whoever tries it out is told, in bounded time.
                let begin = Instant::now();
                let tried = daemon.cli(&["notify", "test", "admin"]).unwrap();
                assert!(begin.elapsed() < Duration::from_secs(15), "{cell}: {:?}", begin.elapsed());
                assert!(receiver.sent() < TAKEN, "{cell}: {} bytes were taken", receiver.sent());
                // Its head said 200: that it goes on for ever is no matter of ours.
                if sickness == Sickness::Endless {
                    assert!(tried.status.success(), "{cell}: {tried:?}");
                } else {
                    assert!(!tried.status.success() && !tried.stderr.is_empty(), "{cell}: {tried:?}");
                    wait_until("the notification to wait", PATIENCE, || {
                        let metrics = daemon.get("/metrics")?.1;
                        Ok((metrics.contains("mailward_notifications_waiting 1\n")).then_some(()))
                    })
                    .unwrap();
                }
                if ![Sickness::Endless, Sickness::Refuses].contains(&sickness) {
                    let before = receiver.visits();
                    receiver.turn(Sickness::Well);
                    // Whoever tries it out with success hurries what waits.
                    stdout(&daemon, &["notify", "test", "admin"]);
                    wait_until("the notification", PATIENCE, || {
                        let metrics = daemon.get("/metrics")?.1;
                        Ok(metrics.contains("mailward_notifications_waiting 0\n").then_some(()))
                    })
                    .unwrap();
                    assert!(receiver.visits() > before + 1, "{cell}: {}", receiver.visits());
                }
                verify(&daemon);
            });
        }
    });
}

#[test]
fn a_sick_webhook_costs_no_mail_any_time_and_is_told_of_later() {
    notified("webhook");
}

#[test]
fn a_sick_ntfy_costs_no_mail_any_time_and_is_told_of_later() {
    notified("ntfy");
}

#[test]
fn a_command_that_meets_a_sick_admins_door_fails_with_a_sentence() {
    for sickness in [Sickness::Refuses, Sickness::Garbage, Sickness::HalfCloses, Sickness::Endless] {
        let door = Sick::start(sickness, http("{\"version\": \"0\"}")).unwrap();
        let site = Site::new().unwrap();
        // The command speaks to the socket that the configuration names; between it and the door stands a relay of bytes.
        let listener = std::os::unix::net::UnixListener::bind(site.admin_socket()).unwrap();
        let to = door.address();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // Refused: nobody is behind the socket either.
                let Ok(far) = std::net::TcpStream::connect(to) else { continue };
                std::thread::spawn(move || drop(join(&near, &far)));
            }
        });
        std::fs::write(site.config(), site.defaults("")).unwrap();
        let begin = Instant::now();
        let mut command = std::process::Command::new(mta::daemon::binary().unwrap());
        let output = command.arg("status").arg("--config").arg(site.config()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && !told.trim().is_empty(), "{sickness:?}: {output:?}");
        assert!(!told.contains("panicked"), "{sickness:?}: {told}");
        assert!(begin.elapsed() < Duration::from_secs(60), "{sickness:?}: {:?}", begin.elapsed());
    }
}

/// Copies both ways until the far side has no more.
fn join(near: &std::os::unix::net::UnixStream, far: &std::net::TcpStream) -> std::io::Result<()> {
    let (mut from_near, mut to_far) = (near.try_clone()?, far.try_clone()?);
    std::thread::spawn(move || drop(std::io::copy(&mut from_near, &mut to_far)));
    let (mut from_far, mut to_near) = (far.try_clone()?, near.try_clone()?);
    std::io::copy(&mut from_far, &mut to_near)?;
    near.shutdown(std::net::Shutdown::Write)
}
