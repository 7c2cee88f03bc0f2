//! The scanners that ask others, before servers that answer with mutated replies: how they end is in the coverage, in time.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mailward::mail::{self, header};
use mailward::model::{ByteSize, Direction, Envelope, MailId, Outcome, Scanner, Session};
use mailward::scan::clamd::{self, Clamd};
use mailward::scan::rspamd::{self, Rspamd};
use mailward::scan::run::{Asked, Seen, run};
use mailward::scan::{Scan, ScanInput};
use mailward::telemetry::{Clock, Metrics};

use super::effort;
use super::mutation::Campaign;

/// How long a scanner has. A reply that says nothing is asked for again, within half of it.
const TIMEOUT: Duration = Duration::from_millis(400);

/// A server that reads what it is told up to its end and answers with what is set.
struct Server {
    _place: tempfile::TempDir,
    path: PathBuf,
    reply: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    fn start(is_whole: fn(&[u8]) -> bool) -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("server.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let reply = Arc::<Mutex<Vec<u8>>>::default();
        let current = Arc::clone(&reply);
        // Ends with the program: accept waits for ever.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let reply = current.lock().unwrap().clone();
                std::thread::spawn(move || answer(stream, is_whole, &reply));
            }
        });
        Self { _place: place, path, reply }
    }
}

fn answer(mut stream: UnixStream, is_whole: fn(&[u8]) -> bool, reply: &[u8]) {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (mut told, mut some) = (Vec::new(), [0; 4096]);
    while !is_whole(&told) {
        match stream.read(&mut some) {
            Ok(read @ 1..) => told.extend_from_slice(&some[..read]),
            _ => return,
        }
    }
    // Whoever has heard enough may have gone.
    drop(stream.write_all(reply));
}

fn input() -> Arc<ScanInput> {
    let message = header::parse(b"From: a@sender.example\r\nSubject: x\r\n\r\ntext\r\n".to_vec());
    let parts = mail::walk(&message, &mail::Limits::default());
    Arc::new(ScanInput {
        id: MailId::from_parts(1, 1),
        session: Arc::new(Session::default()),
        envelope: Envelope::default(),
        direction: Direction::Inbound,
        attachments: mail::attachments(&parts),
        message,
        parts,
        share: None,
    })
}

/// What comes of one question; the scanner is new each time, so that it remembers no failure.
async fn asked(scan: Arc<dyn Scan>, input: &Arc<ScanInput>) -> Seen {
    let all = [Asked { scan, timeout: TIMEOUT }];
    run(&all, input, Instant::now() + TIMEOUT, &Metrics::new()).await
}

fn assert_ended(seen: &Seen, scanner: Scanner) -> &Outcome {
    let outcome = &seen.coverage.0[&scanner];
    assert!(!matches!(outcome, Outcome::Failed(failure) if failure.label == "panic"), "{outcome:?}");
    assert!(seen.took[&scanner] < TIMEOUT * 8, "{:?}", seen.took);
    if let Outcome::Failed(failure) = outcome {
        assert!(!failure.detail.is_empty() && !failure.detail.contains(['\x1b', '\0', '\n']), "{failure:?}");
    }
    outcome
}

#[test]
fn a_clamd_that_answers_anything() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = Server::start(|told| told.starts_with(b"zINSTREAM\0") && told.ends_with(&[0; 4]));
    let settings = clamd::Settings {
        server: format!("unix:{}", server.path.display()).parse().unwrap(),
        connections: 4,
        pass_file: false,
        max_size: ByteSize(1 << 20),
    };
    let samples = [
        "stream: OK\0",
        "stream: Eicar FOUND\0",
        "INSTREAM size limit exceeded. ERROR\0",
        "stream: x ERROR\0",
    ];
    let samples = samples.map(|reply| reply.as_bytes().to_vec()).to_vec();
    let mut campaign =
        Campaign::new("a-clamd", effort(20, 1_500), samples).words(&["stream: ", "OK\0", " FOUND", "ERROR"]);
    (campaign.threads, campaign.bound) = (1, Duration::from_secs(5));
    let input = input();
    campaign.run(|reply| {
        reply.clone_into(&mut server.reply.lock().unwrap());
        let clamd = Clamd::new(settings.clone(), Clock::system(), Arc::new(Metrics::new()));
        let seen = runtime.block_on(asked(clamd, &input));
        let outcome = assert_ended(&seen, Scanner::Clamd);
        let first = reply.split(|byte| *byte == 0).next().unwrap();
        let says_so = first.ends_with(b": OK") || first.trim_ascii_end().ends_with(b": OK");
        assert!(*outcome != Outcome::Clean || says_so, "{outcome:?}");
    });
}

const JSON: &str = r#"{"is_skipped":false,"score":7.25,"required_score":15.0,"action":"add header","symbols":{"A":{"name":"A","score":4.0,"options":["x"]}},
"milter":{"add_headers":{"X-A":{"value":"b","order":1}},"remove_headers":{"X-B":0}},"messages":{"smtp_message":"no"},"subject":"x"}"#;

#[test]
fn an_rspamd_that_answers_anything() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = Server::start(|told| {
        let Some(end) = told.windows(4).position(|w| w == b"\r\n\r\n") else { return false };
        let head = String::from_utf8_lossy(&told[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        told.len() >= end + 4 + length.unwrap_or(0)
    });
    let url: mailward::config::HttpServer = format!("unix:{}", server.path.display()).parse().unwrap();
    let settings = rspamd::Settings {
        url: url.clone(),
        password: None,
        connections: 4,
        max_size: ByteSize(1 << 20),
        max_reply: ByteSize(64 << 10),
        controller: url,
        controller_password: None,
    };
    let length = JSON.len();
    let sized = format!("HTTP/1.1 200 OK\r\nServer: rspamd/3.8\r\nContent-Length: {length}\r\n\r\n{JSON}");
    let chunked =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{JSON}\r\n0\r\n\r\n");
    let samples = [sized, chunked].map(String::into_bytes).to_vec();
    let words = [
        "Content-Length: ",
        "no action",
        "reject",
        "null",
        "[",
        "{",
        "\"score\":",
        "chunked",
        "HTTP/1.1 500 x\r\n",
    ];
    let mut campaign = Campaign::new("an-rspamd", effort(20, 1_500), samples).words(&words);
    (campaign.threads, campaign.bound) = (1, Duration::from_secs(5));
    let input = input();
    campaign.run(|reply| {
        reply.clone_into(&mut server.reply.lock().unwrap());
        let rspamd = Rspamd::new(settings.clone(), Clock::system(), Arc::new(Metrics::new())).unwrap();
        let seen = runtime.block_on(asked(rspamd, &input));
        let outcome = assert_ended(&seen, Scanner::Rspamd);
        assert_eq!(seen.advice.is_none(), outcome.is_failure(), "{outcome:?}");
    });
}
