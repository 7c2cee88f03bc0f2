//! What is handed over of whole messages, and what that costs.

use std::fmt::Write as _;
use std::sync::Arc;

use super::*;
use crate::mail::{self, links};
use crate::model::{Direction, Envelope, MailId, Session};
use crate::scan::ScanInput;
use crate::store::Store;
use crate::telemetry::{Clock, Metrics};

struct Bench {
    dir: tempfile::TempDir,
    retro: Arc<Retro>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(&dir.path().join("db"), &Default::default()).unwrap();
        let clock = Clock::held(Timestamp::from_millis(NOW));
        let retro = Retro::open(&store, &dir.path().join("retro"), clock, Arc::new(Metrics::new())).unwrap();
        retro.configure(crate::retro::Settings::default());
        Self { dir, retro }
    }

    /// Bytes of all segments.
    fn size(&self) -> u64 {
        let files = std::fs::read_dir(self.dir.path().join("retro")).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }
}

const NOW: u64 = 1_795_000_000_000; // 2026-11-18

fn looked(n: u64, raw: &[u8]) -> Looked {
    let message = mail::header::parse(raw.to_vec());
    let parts = mail::walk(&message, &mail::Limits::default());
    let found = links::find(&parts, "", &links::Limits::default());
    let urls = crate::scan::url::Seen { links: found.list, ..Default::default() };
    let input = ScanInput {
        id: MailId::from_parts(NOW, n),
        session: Arc::new(Session::default()),
        envelope: Envelope::default(),
        direction: Direction::Inbound,
        attachments: mail::attachments(&parts),
        message,
        parts,
        share: None,
    };
    Looked {
        time: Timestamp::default(),
        input: Arc::new(input),
        seen: crate::scan::run::Seen { urls: Some(Arc::new(urls)), ..Default::default() },
        lists: None,
        exempt: Vec::new(),
        released: None,
        auth_results: None,
        received_spf: None,
        fault: None,
        direction: Direction::Inbound,
    }
}

fn chosen(retro: &Retro, looked: &Looked, plan: &Plan) -> Chosen {
    choose(retro, Timestamp::from_millis(NOW), looked, plan).unwrap()
}

fn plan() -> Plan {
    Plan {
        quarantine: None,
        actions: Vec::new(),
        answer: Answer::Accept,
        recipients: vec![Disposition::Accept],
        refusals: Default::default(),
        banner: None,
        also: Default::default(),
    }
}

fn page(body: &str) -> Vec<u8> {
    format!("From: a@sender.example\nContent-Type: text/html\n\n<html>{body}</html>\n").into_bytes()
}

/// 80 kB with 250 links to 40 hosts, as in `benches/mails.rs`.
fn newsletter() -> Vec<u8> {
    let mut body = String::new();
    for n in 0..250_u64 {
        let (host, token) = (n * 7 % 40, n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let words = "Some words of a story. ".repeat(8);
        writeln!(
            body,
            "<tr><td style=\"padding:4px 8px\"><a class=\"link\" href=\"https://news{host}.remote.example/article/{n}\
             ?utm_source=letter&amp;id={token:x}\">{words}</a></td></tr>"
        )
        .unwrap();
    }
    page(&body)
}

/// A small mail of which each short link is a long one.
fn swollen() -> Vec<u8> {
    let links: String = (0..250).map(|n| format!("<a href={n}>")).collect();
    page(&format!("<base href=\"http://e1.test/{}/\">{links}", "q".repeat(470)))
}

#[test]
fn what_is_not_kept_whole_is_said_in_words_for_the_record() {
    let bench = Bench::new();
    let told = |raw: &[u8]| chosen(&bench.retro, &looked(1, raw), &plan()).left_out();
    assert_eq!(told(&newsletter()), None);
    let expected = "235 links and 0 files not kept whole for looking again";
    assert_eq!(told(&swollen()).as_deref(), Some(expected));
}

#[test]
fn a_small_mail_takes_little_room_whatever_its_links_become() {
    let bench = Bench::new();
    let looked = looked(1, &swollen());
    (0..100).for_each(|_| chosen(&bench.retro, &looked, &plan()).keep(&bench.retro));
    assert_eq!(bench.retro.write_waiting(), 100);
    assert!(bench.size() < 100 * 12_000, "{}", bench.size());
}

#[test]
fn links_that_somebody_opens_come_before_pictures() {
    let bench = Bench::new();
    let pictures: String = (0..300).map(|n| format!("<img src=http://pictures.test/{n}>")).collect();
    let last = page(&format!("{pictures}<a href=http://evil.test/a?b>x</a>"));
    chosen(&bench.retro, &looked(1, &last), &plan()).keep(&bench.retro);
    bench.retro.write_waiting();
    let file = std::fs::read_dir(bench.dir.path().join("retro")).unwrap().next().unwrap().unwrap();
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(text.split(' ').nth(3), Some("0http://evil.test/a?b"));
}

/// `cargo test --lib afterwards::tests::measure -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "a measurement is read by who runs it")]
fn measure() {
    const MAILS: u64 = 200;
    let cpu = || {
        let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_THREAD).unwrap();
        let micros = |t: nix::sys::time::TimeVal| t.tv_sec() * 1_000_000 + t.tv_usec();
        micros(usage.user_time()) + micros(usage.system_time())
    };
    for (name, raw) in [("newsletter", newsletter()), ("swollen", swollen())] {
        let (looked, plan) = (looked(1, &raw), plan());
        let mut best = (i64::MAX, i64::MAX, 0);
        for _ in 0..5 {
            let bench = Bench::new();
            let began = cpu();
            (0..MAILS).for_each(|_| chosen(&bench.retro, &looked, &plan).keep(&bench.retro));
            let kept = cpu();
            assert_eq!(bench.retro.write_waiting() as u64, MAILS);
            best = (best.0.min(kept - began), best.1.min(cpu() - kept), bench.size());
        }
        let (keep, write, size) = best;
        let mails = i64::try_from(MAILS).unwrap();
        eprintln!(
            "{name} of {} bytes: handed over in {} µs, written in {} µs, {} bytes each",
            raw.len(),
            keep / mails,
            write / mails,
            size / MAILS
        );
    }
}
