//! Servers that take mail from us, sick at each stage: the one that releases go to, the one that LMTP hands on to, the one
//! that notifications go through. What they did not take for certain is still here, and it is told.

use std::time::{Duration, Instant};

use crate::common::{judge, mail, quarantine, stdout, verify};
use crate::mta::samples::eicar;
use crate::mta::{self, Daemon, Dns, PATIENCE, Sick, Sickness, Smtp, Speaks, free_port, smtp, wait_until};
use crate::release;

/// Where it falls sick: see [`Speaks::Mail`].
const STAGES: [&str; 4] = ["", "MAIL", "DATA", "."];

/// What each gets in the configuration, and what it may cost then on a busy machine.
const TIMEOUT: &str = "2s";
const BOUND: Duration = Duration::from_secs(20);

/// The most that is read of an answer without end, and what the kernel holds of it.
const TAKEN: u64 = 12 << 20;

fn sick(sickness: Sickness, stage: &'static str) -> Sick {
    Sick::start(sickness, Speaks::Mail(stage)).unwrap()
}

fn server(sick: &Sick) -> String {
    format!("inet:{}", sick.address())
}

/// Each stage with each sickness; a server that refuses has no stages.
fn cells(stage: &'static str) -> impl Iterator<Item = Sickness> {
    Sickness::ALL.into_iter().filter(move |sickness| *sickness != Sickness::Refuses || stage.is_empty())
}

/// All stages, or the last, at which it is hardest.
fn stages() -> &'static [&'static str] {
    if mta::not_run::effort(0, 1) == 1 { &STAGES } else { &STAGES[3..] }
}

fn each_stage(run: impl Fn(&'static str) + Sync) {
    std::thread::scope(|scope| {
        for stage in stages() {
            let run = &run;
            scope.spawn(move || run(stage));
        }
    });
}

#[test]
fn a_release_to_a_sick_server_leaves_it_held_and_says_what_is_known() {
    each_stage(|stage| {
        let (daemon, toml) = release::holding();
        for sickness in cells(stage) {
            let cell = format!("{sickness:?} at {stage:?}");
            let id = release::hold(&daemon, &["alice@example.org"], &mail(&cell, "HOLD-THIS"));
            let relay = sick(sickness, stage);
            release::release_to(
                &daemon,
                &toml,
                &format!("timeout = {TIMEOUT:?}\nrelay = {:?}", server(&relay)),
            );
            let begin = Instant::now();
            let (ok, report, _) = release::release(&daemon, &id, &[]);
            assert!(begin.elapsed() < BOUND, "{cell}: {:?}", begin.elapsed());
            assert!(relay.sent() < TAKEN, "{cell}: {} bytes were taken", relay.sent());
            assert!(!ok, "{cell}: {report}");
            // Behind the end of the message nobody knows; before it, it is certainly not there.
            let (result, state) =
                if stage == "." { ("uncertain", "uncertain") } else { ("not-sent", "held") };
            assert_eq!(release::results(&report), [result], "{cell}: {report}");
            assert_eq!(release::states(&daemon, &id), [state], "{cell}");
            assert_eq!(quarantine(&daemon).len(), 1, "{cell}");
            // Well again: it goes out, once.
            let well = sick(Sickness::Well, "");
            release::release_to(&daemon, &toml, &format!("relay = {:?}", server(&well)));
            let again: &[&str] = if stage == "." { &["--again"] } else { &[] };
            let (ok, report, _) = release::release(&daemon, &id, again);
            assert!(ok, "{cell}: {report}");
            assert_eq!(well.read().len(), 1, "{cell}");
            stdout(&daemon, &["quarantine", "delete", &id]);
        }
        let metrics = daemon.get("/metrics").unwrap().1;
        assert!(metrics.contains("mailward_releases_total{result="), "{metrics}");
        assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
        verify(&daemon);
    });
}

/// A daemon that hands on to `next`, and where it listens.
fn handing_on(next: &str, dns: &Dns) -> (Daemon, u16, impl Fn(&str) -> String + use<>) {
    let port = free_port().unwrap();
    let servers = dns.section();
    let config = move |next: &str| {
        format!(
            "{servers}[lmtp]\nlisten = [\"inet:127.0.0.1:{port}\"]\ntrusted = [\"127.0.0.1\"]\nhelo = \"mx.example.org\"\n\
             relay_timeout = {TIMEOUT:?}\nrelay = \"{next}\"\n"
        )
    };
    (Daemon::start(&config(next)).unwrap(), port, config)
}

#[test]
fn mail_for_a_sick_next_server_stays_with_its_sender_and_readiness_tells() {
    each_stage(|stage| {
        let dns = Dns::empty().unwrap();
        let well = sick(Sickness::Well, "");
        let (daemon, port, config) = handing_on(&server(&well), &dns);
        let next = |server: &str| {
            daemon.write_config(&daemon.site().defaults(&config(server))).unwrap();
            stdout(&daemon, &["reload"]);
        };
        for (number, sickness) in cells(stage).enumerate() {
            let cell = format!("{sickness:?} at {stage:?}");
            let is_sick = sick(sickness, stage);
            next(&server(&is_sick));
            let begin = Instant::now();
            let send = || {
                smtp::send(port, "a@sender.example", &["alice@example.org"], &mail(&cell, "text")).unwrap()
            };
            let answer = send();
            assert!(begin.elapsed() < BOUND, "{cell}: {:?}", begin.elapsed());
            assert!(is_sick.sent() < TAKEN, "{cell}: {} bytes were taken", is_sick.sent());
            let reply = answer.last().to_string();
            assert!(!answer.taken() && reply.starts_with("451 4."), "{cell}: {reply}");
            let ready = daemon.get("/readyz").unwrap().1;
            assert!(
                ready.contains(&format!(
                    "degraded: relay: tcp:{} has not taken mail since",
                    is_sick.address()
                )),
                "{cell}: {ready}"
            );
            // What is bad is held or refused as ever: that needs nobody.
            assert_eq!(quarantine(&daemon).len(), 0, "{cell}");
            // Well again, the sender comes again.
            next(&server(&well));
            assert!(send().taken(), "{cell}: {}", daemon.log());
            assert_eq!(well.read().len(), number + 1, "{cell}");
            assert_eq!(daemon.get("/readyz").unwrap().1, "ready\n", "{cell}");
        }
        let export = stdout(&daemon, &["audit", "export"]);
        assert_eq!(export.lines().count(), 2 * cells(stage).count(), "{export}");
        assert!(Smtp::connect(port).is_ok());
        verify(&daemon);
    });
}

#[test]
fn mail_is_judged_while_notifications_wait_for_a_sick_server_and_they_come_when_it_is_well() {
    // Before the end of the message and behind it: what may have arrived is not sent again.
    let stages = if stages().len() > 1 { &STAGES } else { &STAGES[2..] };
    std::thread::scope(|scope| {
        for stage in stages {
            for sickness in cells(stage).filter(|sickness| *sickness != Sickness::Refuses) {
                scope.spawn(move || notified(sickness, stage));
            }
        }
    });
}

fn waiting(daemon: &Daemon, count: usize) {
    wait_until("so many notifications to wait", PATIENCE, || {
        let metrics = daemon.get("/metrics")?.1;
        Ok(metrics.contains(&format!("mailward_notifications_waiting {count}\n")).then_some(()))
    })
    .unwrap();
}

fn notified(sickness: Sickness, stage: &'static str) {
    let cell = format!("{sickness:?} at {stage:?}");
    let server = sick(sickness, stage);
    let daemon = Daemon::start(&format!(
        "[notify.admin]\nkind = \"mail\"\nto = [\"postmaster@example.org\"]\nserver = \"tcp:{}\"\n\
         timeout = \"1s\"\non = [\"malware\"]\n",
        server.address()
    ))
    .unwrap();
    let begin = Instant::now();
    let word = judge(&daemon, &mail(&cell, &eicar())).word;
    assert!(word.starts_with("550 5.7.1 refused as malware"), "{cell}: {word}");
    assert!(begin.elapsed() < Duration::from_secs(5), "{cell}: {:?}", begin.elapsed());
    daemon.wait_for_log("a notification does not arrive").unwrap();
    assert!(server.visits() > 0, "{cell}");
    assert!(server.sent() < TAKEN, "{cell}: {} bytes were taken", server.sent());
    let arrives = |count: usize| {
        wait_until("a notification", Duration::from_secs(60), || {
            Ok((server.read().len() >= count).then_some(()))
        })
        .unwrap();
    };
    if stage == "." {
        // It was read to its end, and the answer is not known: it is told as lost, and not sent a second time.
        daemon.wait_for_log("a notification is given up").unwrap();
        waiting(&daemon, 0);
        server.turn(Sickness::Well);
        judge(&daemon, &mail("another", &eicar()));
        arrives(2);
        let ids = server.read().iter().map(|read| id(read)).collect::<Vec<_>>();
        assert!(ids.len() == 2 && ids[0] != ids[1], "{cell}: {ids:?}");
        let listed = stdout(&daemon, &["notify", "list", "--json"]);
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed["sections"][0]["untold"], 1, "{cell}: {listed}");
    } else {
        waiting(&daemon, 1);
        server.turn(Sickness::Well);
        arrives(1);
        assert_eq!(server.read().len(), 1, "{cell}");
    }
    waiting(&daemon, 0);
    verify(&daemon);
}

/// By what a notification is known.
fn id(read: &[u8]) -> String {
    let text = String::from_utf8_lossy(read).into_owned();
    text.lines().find_map(|line| line.strip_prefix("X-Mailward-Notification: ")).unwrap().to_owned()
}
