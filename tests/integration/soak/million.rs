//! A million letters, and everything changes meanwhile.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::changes::{self, Done};
use super::figures::{FOLDERS, Figures, HEAD, counted, median, metrics};
use super::letters::{BLOCKED, By, RULES};
use super::lmtp::Sink;
use super::sending::{Sending, Sent};
use super::{KB, MIB};
use crate::common::{rules, stdout, verify};
use crate::mta::dns::{Answer, text};
use crate::mta::not_run::{effort, postfix_ready};
use crate::mta::{Daemon, Dns, PATIENCE, Site, wait_until};

/// Sessions at once, by the way that they take.
const SESSIONS: [By; 8] =
    [By::Stranger, By::Stranger, By::Stranger, By::Stranger, By::Stranger, By::User, By::User, By::Lmtp];
/// How often it is measured while they are sent.
const SAMPLES: u64 = 100;
/// What a record that is kept may take of memory, in bytes: its pages in the database are known, wherever they are.
const OF_A_RECORD: u64 = 100;
/// Of the million, what is sent to the daemon that starts again.
const AGAIN: u64 = 5;
/// What the quarantine and the kept links may hold: little, so that both are full long before the end.
const HELD: u64 = 300;
const KEPT: u64 = 2_000;

struct Place {
    daemon: Daemon,
    config: String,
    feed: PathBuf,
    lmtp: PathBuf,
    _dns: Dns,
    _sink: Sink,
    _folder: tempfile::TempDir,
}

fn place() -> Place {
    // Who sends from here may: SPF passes. Nothing else is known of anybody.
    let dns = Dns::answering(|question| {
        let name = question.name.as_str();
        let sends = name.ends_with(".example") && !name.starts_with('_') && question.kind == 16;
        if sends {
            Answer::Records(vec![(name.to_owned(), 16, text(b"v=spf1 ip4:192.0.2.0/24 -all"))])
        } else {
            Answer::NoName
        }
    })
    .unwrap();
    let (sink, folder) = (Sink::start(), tempfile::tempdir().unwrap());
    let lmtp = folder.path().join("lmtp.sock");
    let site = Site::new().unwrap();
    let yara = rules(&site, "soak.yar", RULES);
    let (feed, feeds) = changes::feed(site.path());
    let more = format!(
        "max_entries = {HELD}\nmin_age = \"1s\"\nmin_free = \"1MiB\"\n\
         {yara}[scanner.urls]\nenabled = true\n{feeds}[retro]\nmax_messages = {KEPT}\nmax_size = \"16MiB\"\n\
         {}cache = 1000\n[lmtp]\nlisten = [\"unix:{}\"]\nrelay = \"{}\"\n[policy]\n[log]\nlevel = \"warn\"\n",
        dns.section(),
        lmtp.display(),
        sink.address()
    );
    let config = site.defaults(&more);
    let daemon = site.start(&config).unwrap();
    stdout(&daemon, &["list", "block", "add", BLOCKED]);
    stdout(&daemon, &["feed", "refresh", "soak", "--force"]);
    Place { daemon, config, feed, lmtp, _dns: dns, _sink: sink, _folder: folder }
}

/// What the sessions sent, what was changed meanwhile, and what it took.
fn send_all(place: &Place, sending: &Sending) -> (Sent, Done, Vec<Figures>) {
    let Place { daemon, config, feed, .. } = place;
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let sessions: Vec<_> = SESSIONS.map(|by| scope.spawn(move || sending.session(by))).into();
        let changing = scope.spawn(move || changes::go_on(daemon, sending, config, feed));
        let mut figures = vec![Figures::of(daemon, begin, 0)];
        while !sending.is_over() {
            let messages = sending.done.load(Relaxed);
            if messages >= figures.len() as u64 * sending.whole / SAMPLES {
                figures.push(Figures::of(daemon, begin, messages));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut sent = Sent::new();
        let mut wrong = Vec::new();
        for session in sessions {
            match session.join().unwrap() {
                Ok(more) => {
                    more.into_iter().for_each(|(kind, count)| *sent.entry(kind).or_default() += count)
                }
                Err(error) => wrong.push(error),
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}\n{}", tail(&daemon.log()));
        (sent, changing.join().unwrap(), figures)
    })
}

/// The end of a log.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.contains(" INFO ")).collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// How many of these were sent.
fn of(sent: &Sent, kinds: &[&str]) -> u64 {
    sent.iter().filter(|(kind, _)| kinds.iter().any(|k| kind.contains(k))).map(|(_, count)| count).sum()
}

/// The counts of the daemon are what was sent.
fn add_up(daemon: &Daemon, sent: &Sent) {
    let all = of(sent, &[""]);
    let early = of(sent, &["Early"]);
    let held = of(sent, &["Held", "Listed"]);
    wait_until("the index to keep up", 4 * PATIENCE, || {
        Ok((counted(&metrics(daemon), "mailward_audit_index_lag", &[]) == 0).then_some(()))
    })
    .unwrap();
    let told = metrics(daemon);
    let count = |name: &str, labels: &[&str]| counted(&told, name, labels);
    let judged =
        |disposition: &str| count("mailward_messages_total", &[&format!("disposition=\"{disposition}\"")]);
    let came = [
        ("judged", count("mailward_messages_total", &[]), all - early),
        ("tagged", judged("tag"), of(sent, &["Tagged"])),
        ("held", judged("quarantine"), held),
        ("refused", judged("reject"), of(sent, &["Refused"])),
        ("accepted", judged("accept"), of(sent, &["Clean", "Links", "Stranger Stranger"])),
        ("refused early", count("mailward_early_refusals_total", &[]), early),
        ("put into quarantine", count("mailward_quarantined_total", &[]), held),
        ("over LMTP", count("mailward_lmtp_messages_total", &[]), of(sent, &["Lmtp"])),
        (
            "handed on",
            count("mailward_lmtp_handed_on_total", &[]),
            of(sent, &["Lmtp"]) - of(sent, &["Lmtp Held"]),
        ),
        // No client is known there, or it is one of ours: nobody asks whether it may send. What is held does not go on.
        (
            "went on without SPF",
            count("mailward_degraded_total", &[]),
            of(sent, &["User", "Lmtp"]) - of(sent, &["Lmtp Held"]),
        ),
        ("in work", count("mailward_messages_in_work", &[]), 0),
        ("bytes held", count("mailward_message_bytes_held", &[]), 0),
    ];
    assert!(came.iter().all(|(_, counted, sent)| counted == sent), "{came:#?}");
    for name in [
        "mailward_panics_total",
        "mailward_overload_total",
        "mailward_audit_errors_total",
        "mailward_quarantine_errors_total",
        "mailward_answers_lost_total",
        "mailward_milter_errors_total",
        "mailward_lmtp_errors_total",
        "mailward_accept_errors_total",
        "mailward_config_reload_refused",
        "mailward_yara_workers_replaced_total",
    ] {
        let series: Vec<&str> = told.lines().filter(|line| line.starts_with(name)).collect();
        assert_eq!(count(name, &[]), 0, "{series:#?}");
    }
    // Room is made behind the answer.
    assert!(count("mailward_quarantine_entries", &[]) <= HELD + SESSIONS.len() as u64, "{told}");
    assert!(count("mailward_audit_records_total", &[]) >= all, "{told}");
}

/// What may differ besides, in bytes. A short run is over before all caches are full.
fn spare() -> u64 {
    effort(32, 8) as u64 * MIB
}

/// A daemon that starts with the same records, and has had a part of the work only, takes as much memory: what
/// grew is of what is kept, and nothing is left of messages that are over.
fn takes_as_much_again(place: &mut Place, whole: u64, figures: &[Figures]) {
    place.daemon.signal("TERM").unwrap();
    assert!(place.daemon.wait_for_end(PATIENCE).unwrap().success(), "{}", tail(&place.daemon.log()));
    place.daemon.start_again().unwrap();
    let more = Sending::new(place.daemon.site().milter_socket(), place.lmtp.clone(), whole, whole / AGAIN);
    let (_, _, again) = send_all(place, &more);
    let last = |figures: &[Figures]| {
        let tenth = (figures.len() / 10).max(1);
        median(figures[figures.len() - tenth..].iter().map(|f| f.rss).collect())
    };
    let (end, again) = (last(figures), last(&again));
    println!("memory: {} kB in the end, {} kB of a daemon that started with the same", end / KB, again / KB);
    assert!(end <= again + again / 20 + spare(), "{end} bytes, of which {again} are of what is kept");
}

/// Nothing grew once it was warm, but for what knows the records.
fn hold(figures: &[Figures]) {
    println!("{HEAD}");
    figures.iter().for_each(|sample| println!("{sample}"));
    let tenth = figures.len() / 10;
    let of = |part: &[Figures], what: fn(&Figures) -> u64| median(part.iter().map(what).collect());
    let (warm, end) = (&figures[2 * tenth..3 * tenth], &figures[figures.len() - tenth..]);
    let (before, after) = (of(warm, |f| f.rss), of(end, |f| f.rss));
    let records = end[end.len() - 1].messages - warm[0].messages;
    println!(
        "memory: {} kB after the second tenth, {} kB in the last, {} bytes a record",
        before / KB,
        after / KB,
        after.saturating_sub(before) / records
    );
    let most = before + before / 20 + spare() + records * OF_A_RECORD;
    assert!(after <= most, "memory grew from {before} to {after} bytes by {records} records");
    let (before, after) = (of(warm, |f| f.files as u64), of(end, |f| f.files as u64));
    assert!(after <= before + 8, "{before} files were open, and then {after}");
    let (before, after) = (of(warm, |f| f.threads as u64), of(end, |f| f.threads as u64));
    assert!(after <= before + 8, "there were {before} threads, and then {after}");
    let most = [u64::MAX, u64::MAX, 2 * HELD * 64 * KB, 24 * MIB];
    for (at, (folder, most)) in FOLDERS.iter().zip(most).enumerate() {
        let size = figures.iter().map(|f| f.disk[at]).max().unwrap();
        assert!(size <= most, "{folder} took {size} bytes, {most} are allowed");
    }
}

#[test]
fn a_million_messages_are_answered_rightly_and_nothing_grows_while_all_changes() {
    if !postfix_ready("a_million_messages_are_answered_rightly_and_nothing_grows_while_all_changes") {
        return;
    }
    let wanted = std::env::var("MAILWARD_SOAK_MESSAGES").ok().map(|number| number.parse().unwrap());
    let whole = wanted.unwrap_or_else(|| effort(3_000, 1_000_000) as u64);
    let mut place = place();
    let sending = Sending::new(place.daemon.site().milter_socket(), place.lmtp.clone(), 0, whole);
    let begin = Instant::now();
    let (sent, done, figures) = send_all(&place, &sending);
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{whole} messages in {seconds:.0} s, {:.0} a second; {sent:#?} {done:#?}",
        whole as f64 / seconds
    );
    assert_eq!(of(&sent, &[""]), whole);
    hold(&figures);
    add_up(&place.daemon, &sent);
    verify(&place.daemon);
    takes_as_much_again(&mut place, whole, &figures);
}
