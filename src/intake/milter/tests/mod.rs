//! The milter side as an MTA sees it, through real sockets.
//!
//! The judge is scripted; everything else is what runs in the daemon.

mod answers;
mod exactness;
mod garbage;
mod malformed;
mod parsing;
mod serving;
mod stages;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::config::{Config, Endpoint};
use super::serve;
use crate::intake::{Listener, Running, Service, Snapshot};
use crate::model::{Action, Answer, ByteSize, Envelope, MailId, Plan, Session, Span};
use crate::pipeline::transaction::Fault;
use crate::pipeline::{Budget, Decision, Judge, Received};
use crate::scan::BoxFuture;
use crate::telemetry::Metrics;

/// What the scripted judge does with the next message.
#[derive(Debug)]
enum Act {
    Plan(Vec<Action>, Answer),
    Slow(Duration),
    Hang,
    Panic,
}

/// What the judge saw of one message.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    session: Session,
    envelope: Envelope,
    raw: Vec<u8>,
    body: Vec<u8>,
    fault: Option<Fault>,
}

/// Accepts, unless told otherwise.
#[derive(Debug, Default)]
struct Script {
    acts: Mutex<VecDeque<Act>>,
    seen: Mutex<Vec<Seen>>,
    answered: Mutex<Vec<(MailId, bool)>>,
}

impl Script {
    fn next(&self, act: Act) {
        self.acts.lock().unwrap().push_back(act);
    }

    fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    fn one(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    /// Whether each message's answer reached the MTA, in order.
    fn answered(&self) -> Vec<bool> {
        self.answered.lock().unwrap().iter().map(|(_, reached)| *reached).collect()
    }

    async fn answered_soon(&self, expected: &[bool]) {
        eventually(|| self.answered() == expected).await;
    }
}

impl Judge for Script {
    fn judge(&self, received: Received) -> BoxFuture<'_, Decision> {
        let act = self.acts.lock().unwrap().pop_front();
        let number = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(Seen {
                session: Session::clone(&received.session),
                envelope: received.envelope.clone(),
                raw: received.message.raw().to_vec(),
                body: received.message.body().to_vec(),
                fault: received.fault,
            });
            seen.len()
        };
        Box::pin(async move {
            let (actions, answer) = match act {
                None => (vec![], Answer::Accept),
                Some(Act::Plan(actions, answer)) => (actions, answer),
                Some(Act::Slow(time)) => {
                    tokio::time::sleep(time).await;
                    (vec![], Answer::Accept)
                }
                Some(Act::Hang) => std::future::pending().await,
                Some(Act::Panic) => panic!("the script says so"),
            };
            let recipients = vec![crate::model::Disposition::Accept; received.envelope.recipients.len()];
            let id = MailId::from_parts(number as u64, 0);
            Decision {
                id,
                plan: Plan {
                    quarantine: None,
                    actions,
                    answer,
                    recipients,
                    refusals: Default::default(),
                    banner: None,
                    also: Default::default(),
                },
                is_known: false,
            }
        })
    }

    fn answered(&self, id: MailId, reached: bool) {
        self.answered.lock().unwrap().push((id, reached));
    }
}

/// A milter side on a unix socket in a folder of its own.
struct Rig {
    script: Arc<Script>,
    snapshots: Arc<ArcSwap<Snapshot>>,
    budget: Arc<Budget>,
    metrics: Arc<Metrics>,
    path: PathBuf,
    running: Running,
    _folder: tempfile::TempDir,
}

fn config() -> Config {
    Config { socket_group: String::new(), ..Config::default() }
}

fn snapshot(script: &Arc<Script>) -> Snapshot {
    let judge: Arc<dyn Judge> = Arc::<Script>::clone(script);
    Snapshot { judge, max_message: ByteSize(10_000_000), hung_after: Duration::from_secs(60) }
}

impl Rig {
    async fn new() -> Self {
        Self::with(config(), Budget::new(1000, 1 << 30), |_| {}).await
    }

    async fn with(config: Config, budget: Arc<Budget>, change: impl FnOnce(&mut Snapshot)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("milter.sock");
        let script = Arc::new(Script::default());
        let mut snapshot = snapshot(&script);
        change(&mut snapshot);
        let snapshots = Arc::new(ArcSwap::from_pointee(snapshot));
        let metrics = Arc::new(Metrics::new());
        let listener = Listener::bind(&Endpoint::Unix(path.clone()), &config).await.unwrap();
        let service = Service {
            snapshots: Arc::clone(&snapshots),
            budget: Arc::clone(&budget),
            metrics: Arc::clone(&metrics),
        };
        let running = serve(vec![listener], &config, service);
        Self { script, snapshots, budget, metrics, path, running, _folder: folder }
    }

    async fn mta(&self) -> Mta {
        let mut mta = self.silent_mta().await;
        mta.negotiate(6, 0x1ff, 0x001f_ffff).await;
        mta
    }

    async fn silent_mta(&self) -> Mta {
        Mta { stream: UnixStream::connect(&self.path).await.unwrap() }
    }

    fn errors(&self, kind: &str) -> u64 {
        self.metrics.milter_errors.with_label_values(&[kind]).get()
    }
}

/// The MTA's end of a connection, packet by packet.
struct Mta {
    stream: UnixStream,
}

type Packet = (char, Vec<u8>);

fn bytes(command: char, payload: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(payload.len() + 1).unwrap().to_be_bytes().to_vec();
    out.push(command as u8);
    out.extend_from_slice(payload);
    out
}

fn packet(command: char, payload: &[u8]) -> Packet {
    (command, payload.to_vec())
}

impl Mta {
    async fn send(&mut self, command: char, payload: &[u8]) {
        self.stream.write_all(&bytes(command, payload)).await.unwrap();
    }

    async fn receive(&mut self) -> Packet {
        let read = async {
            let length = self.stream.read_u32().await.unwrap();
            let mut packet = vec![0; length as usize];
            self.stream.read_exact(&mut packet).await.unwrap();
            (char::from(packet[0]), packet[1..].to_vec())
        };
        tokio::time::timeout(Duration::from_secs(30), read).await.expect("a reply comes")
    }

    async fn ask(&mut self, command: char, payload: &[u8]) -> Packet {
        self.send(command, payload).await;
        self.receive().await
    }

    async fn negotiate(&mut self, version: u32, actions: u32, opts: u32) -> Packet {
        let offer: Vec<u8> = [version, actions, opts].iter().flat_map(|n| n.to_be_bytes()).collect();
        self.ask('O', &offer).await
    }

    /// CONNECT and HELO as Postfix sends them.
    async fn greet(&mut self) {
        self.send(
            'D',
            b"Cj\0mx.example.org\0{daemon_name}\0smtpd\0v\0Postfix 3.7.11\0{client_connections}\x001\0",
        )
        .await;
        self.send('C', b"mail.client.example\x004\x11\xd7192.0.2.7\0").await;
        self.send('D', b"H{tls_version}\0TLSv1.3\0{cipher}\0TLS_AES_256_GCM_SHA384\0").await;
        self.send('H', b"client.example\0").await;
    }

    async fn envelope(&mut self) {
        self.send('D', b"M").await;
        assert_eq!(self.ask('M', b"<a@client.example>\0SIZE=100\0").await, packet('c', b""));
        self.send('D', b"R{rcpt_mailer}\0smtp\0").await;
        assert_eq!(self.ask('R', b"<b@example.org>\0").await, packet('c', b""));
        self.send('D', b"Ti\x004F1\0").await;
        self.send('T', b"").await;
    }

    async fn content(&mut self) {
        self.send('L', b"Subject\0 hello\0").await;
        self.send('N', b"").await;
        self.send('B', b"text\r\n").await;
        self.send('D', b"Ei\x004F1\0").await;
    }

    /// A whole message; what comes back at its end.
    async fn message(&mut self) -> Packet {
        self.envelope().await;
        self.content().await;
        self.ask('E', b"").await
    }

    async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), self.stream.read_to_end(&mut rest)).await;
        read.is_ok_and(|end| end.is_err() || rest.is_empty())
    }
}

/// Waits until `done`, up to a generous time.
async fn eventually(done: impl Fn() -> bool) {
    for _ in 0..2000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to be");
}

fn is_tempfail(reply: &Packet) -> bool {
    reply.0 == 'y' && reply.1.starts_with(b"4")
}

fn seconds(n: u64) -> Span {
    Span::seconds(n)
}
