//! What asking clamd costs, on request:
//! `cargo test --release --test integration neighbour_clamd_figures -- --ignored --nocapture`.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailward::model::{ByteSize, Envelope, MailId, Message, Outcome, Parts, Session};
use mailward::scan::clamd::{Clamd as Scanner, Settings};
use mailward::scan::{Scan as _, ScanInput};
use mailward::telemetry::{Clock, Metrics};

use super::mta::{self, Clamd};

const ROUNDS: usize = 300;

#[expect(clippy::print_stderr, reason = "the figures are for who asked for them")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// Median and 95th percentile, in microseconds.
fn quantiles(mut all: Vec<Duration>) -> String {
    all.sort();
    let at = |part: usize| all[(all.len() - 1) * part / 100].as_secs_f64() * 1e6;
    format!("p50 {:6.0} µs   p95 {:6.0} µs", at(50), at(95))
}

/// The plainest client there is: blocking, one write.
fn directly(socket: &Path, raw: &[u8]) {
    let mut stream = UnixStream::connect(socket).unwrap();
    let length = u32::try_from(raw.len()).unwrap().to_be_bytes();
    stream.write_all(&[b"zINSTREAM\0".as_slice(), &length, raw, &[0; 4]].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "stream: OK\0");
}

/// The same within one session for all messages.
fn in_session(stream: &mut UnixStream, raw: &[u8]) {
    let length = u32::try_from(raw.len()).unwrap().to_be_bytes();
    stream.write_all(&[b"zINSTREAM\0".as_slice(), &length, raw, &[0; 4]].concat()).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while answer.last() != Some(&0) {
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.ends_with(b": stream: OK\0"));
}

fn input(raw: &[u8]) -> Arc<ScanInput> {
    Arc::new(ScanInput {
        id: MailId::from_parts(0, 0),
        session: Arc::new(Session::default()),
        direction: mailward::model::Direction::Inbound,
        envelope: Envelope::default(),
        message: Message::new(raw.to_vec().into(), Vec::new(), 0),
        parts: Parts::default(),
        attachments: Vec::new(),
        share: None,
    })
}

#[test]
#[ignore = "prints figures, takes some seconds"]
fn what_asking_clamd_costs() {
    if !mta::not_run::clamd_ready("what_asking_clamd_costs") {
        return;
    }
    let mut clamd = Clamd::start(&mta::clamd::Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let scanner = |pass_file| {
        let settings = Settings {
            server: clamd.address().parse().unwrap(),
            connections: 10,
            pass_file,
            max_size: ByteSize(25 << 20),
        };
        Scanner::new(settings, Clock::system(), Arc::new(Metrics::new()))
    };
    let (streams, passes) = (scanner(false), scanner(true));
    for size in [3_500, 2_000_000] {
        let mut raw = b"Subject: x\r\n\r\n".to_vec();
        raw.extend(b"Some words of a mail that says nothing.\r\n".iter().cycle().take(size));
        let input = input(&raw);
        let ask = |scanner: &Arc<Scanner>| {
            runtime.block_on(async {
                let report = scanner.scan(Arc::clone(&input), Instant::now() + Duration::from_secs(20)).await;
                assert_eq!(report.outcome, Outcome::Clean);
            });
        };
        let mut session = UnixStream::connect(clamd.socket()).unwrap();
        session.write_all(b"zIDSESSION\0").unwrap();
        let mut took = [const { Vec::new() }; 4];
        // In turns, so that what else the machine does hits all alike.
        for _ in 0..ROUNDS {
            for (way, took) in took.iter_mut().enumerate() {
                let begin = Instant::now();
                match way {
                    0 => directly(&clamd.socket(), &raw),
                    1 => in_session(&mut session, &raw),
                    2 => ask(&streams),
                    _ => ask(&passes),
                }
                took.push(begin.elapsed());
            }
        }
        for (name, took) in ["asked directly", "  in a session", "INSTREAM", "FILDES"].iter().zip(took) {
            say(&format!("{size:>8} bytes  {name:<15} {}", quantiles(took)));
        }
    }
    clamd.stop().unwrap();
    let input = input(b"Subject: x\r\n\r\n");
    let mut took = Vec::new();
    runtime.block_on(async {
        for _ in 0..5 {
            streams.scan(Arc::clone(&input), Instant::now() + Duration::from_millis(100)).await;
        }
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            let report = streams.scan(Arc::clone(&input), begin + Duration::from_secs(20)).await;
            took.push(begin.elapsed());
            assert_eq!(report.outcome.to_string(), "failed(left-alone)");
        }
    });
    say(&format!("left alone              {}", quantiles(took)));
}
