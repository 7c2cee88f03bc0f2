//! Against servers that misbehave on purpose. The good cases are tested against the real clamd
//! (`tests/integration/neighbour_clamd.rs`).

mod faulty;
mod patience;
mod watching;

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::model::{Envelope, MailId, Message, Parts, Session, Timestamp};

/// Noon of 2026-11-20.
const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_000);
const VERSION: &[u8] = b"ClamAV 1.4.6/27100/Thu Nov 19 09:32:00 2026\0";

/// A server of our own in a directory of its own, and the scanner that asks it.
struct Bench {
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    metrics: Arc<Metrics>,
    clock: Clock,
    settings: Settings,
    clamd: Option<Arc<Clamd>>,
    /// Connections that were taken.
    taken: Arc<AtomicUsize>,
}

impl Bench {
    /// Nobody listens yet.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings {
            server: Server::Unix(dir.path().join("clamd.sock")),
            connections: 10,
            pass_file: false,
            max_size: ByteSize(30 << 20),
        };
        Self {
            dir,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
            metrics: Arc::new(Metrics::new()),
            clock: Clock::held(NOW),
            settings,
            clamd: None,
            taken: Arc::default(),
        }
    }

    /// A server that does this with each connection, after it read the command.
    fn with(script: impl Fn(&mut UnixStream) + Send + Sync + 'static) -> Self {
        let bench = Self::new();
        bench.listen(move |stream, _| script(stream));
        bench
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("clamd.sock")
    }

    /// The script is told how many connections came before. `VERSION` is answered for it.
    fn listen(&self, script: impl Fn(&mut UnixStream, usize) + Send + Sync + 'static) {
        listen(self.path(), Arc::clone(&self.taken), script);
    }

    /// The scanner; it is made outside of the runtime, and so nobody asks for the version.
    fn clamd(&mut self) -> Arc<Clamd> {
        let Self { settings, clock, metrics, .. } = self;
        let made = || Clamd::new(settings.clone(), clock.clone(), Arc::clone(metrics));
        Arc::clone(self.clamd.get_or_insert_with(made))
    }

    /// Has a message of this many bytes looked at.
    fn scan(&mut self, size: usize, within: Duration) -> Report {
        let clamd = self.clamd();
        self.runtime.block_on(async { clamd.scan(input(size), Instant::now() + within).await })
    }

    fn outcome(&mut self, size: usize, within: Duration) -> String {
        self.scan(size, within).outcome.to_string()
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    fn health(&mut self) -> Health {
        self.clamd().health()
    }
}

fn listen(
    path: PathBuf,
    taken: Arc<AtomicUsize>,
    script: impl Fn(&mut UnixStream, usize) + Send + Sync + 'static,
) {
    let listener = UnixListener::bind(path).unwrap();
    let script = Arc::new(script);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, script, taken) = (stream.unwrap(), Arc::clone(&script), Arc::clone(&taken));
            std::thread::spawn(move || {
                if command(&mut stream) == b"zVERSION\0" {
                    stream.write_all(VERSION).ok();
                } else {
                    script(&mut stream, taken.fetch_add(1, Ordering::SeqCst));
                }
            });
        }
    });
}

/// Reads up to the NUL of the command.
fn command(stream: &mut UnixStream) -> Vec<u8> {
    let mut command = Vec::new();
    let mut byte = [0];
    while command.last() != Some(&0) && matches!(stream.read(&mut byte), Ok(1)) {
        command.push(byte[0]);
    }
    command
}

/// Reads the whole stream of chunks; its bytes.
fn whole(stream: &mut UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let length = u32::from_be_bytes(length) as usize;
        if length == 0 {
            return all;
        }
        let begin = all.len();
        all.resize(begin + length, 0);
        stream.read_exact(&mut all[begin..]).unwrap();
    }
}

fn input(size: usize) -> Arc<ScanInput> {
    let mut raw = b"Subject: x\r\n\r\n".to_vec();
    raw.resize(size, b'a');
    Arc::new(ScanInput {
        id: MailId::from_parts(0, 0),
        session: Arc::new(Session::default()),
        direction: crate::model::Direction::Inbound,
        envelope: Envelope::default(),
        message: Message::new(raw.into(), Vec::new(), 0),
        parts: Parts::default(),
        attachments: Vec::new(),
        share: None,
    })
}

const LONG: Duration = Duration::from_secs(20);
