//! The LMTP side as its clients and the next server see it, through real sockets.
//!
//! The judge and the next server are scripted; everything else is what runs in the daemon.

mod ends;
mod malformed;
mod next;
mod stuck;
mod talk;
mod wild;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::config::{Config, Reject};
use super::{Service, Snapshot, Standing, Terms, serve};
use crate::intake::endpoint::Endpoint;
use crate::intake::{Listener, Running};
use crate::model::{
    Action, Also, Answer, ByteSize, Disposition, Envelope, HeaderValue, MailId, Plan, Recipient, Session,
    SmtpReply,
};
use crate::net::address::Server;
use crate::pipeline::transaction::Fault;
use crate::pipeline::{Budget, Decision, Judge, Received, Refusal, Stuck};
use crate::scan::BoxFuture;
use crate::telemetry::{Clock, Metrics};

use next::Next;

/// What the scripted judge does with the next message.
#[derive(Debug)]
enum Act {
    Plan(Box<Plan>),
    Slow(Duration),
    Panic,
}

/// What the judge saw of one message.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    session: Session,
    envelope: Envelope,
    raw: String,
    fault: Option<Fault>,
}

/// Accepts with a field on top, unless told otherwise.
#[derive(Debug, Default)]
struct Script {
    acts: Mutex<VecDeque<Act>>,
    seen: Mutex<Vec<Seen>>,
    /// Whether each answer reached the client; `None` where it was delivered to nobody.
    answered: Mutex<Vec<Option<bool>>>,
    /// What was answered where it was delivered to nobody.
    instead: Mutex<Vec<String>>,
    /// What was held because it could not be handed on: for whom, and why; and whether nothing can be.
    held: Mutex<Vec<(Vec<usize>, String)>>,
    is_full: Mutex<bool>,
    /// Who is refused before anything is sent.
    refused: Mutex<Option<String>>,
}

fn accept() -> Plan {
    let mark = Action::InsertHeader {
        index: 0,
        name: "X-Mark".to_owned(),
        value: HeaderValue::new("X-Mark", "seen"),
    };
    Plan {
        quarantine: None,
        actions: vec![mark],
        answer: Answer::Accept,
        refusals: BTreeMap::new(),
        recipients: vec![],
        banner: None,
        also: Also::default(),
    }
}

/// The plan for these dispositions, as the policy makes it where each recipient has an answer.
fn each(fates: &[Disposition]) -> Plan {
    Plan { recipients: fates.to_vec(), ..accept() }
}

impl Script {
    fn next(&self, act: Act) {
        self.acts.lock().unwrap().push_back(act);
    }

    fn plan(&self, plan: Plan) {
        self.next(Act::Plan(Box::new(plan)));
    }

    fn one(&self) -> Seen {
        let mut seen = std::mem::take(&mut *self.seen.lock().unwrap());
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    fn answered(&self) -> Vec<Option<bool>> {
        self.answered.lock().unwrap().clone()
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
                raw: String::from_utf8_lossy(received.message.raw()).into_owned(),
                fault: received.fault,
            });
            seen.len()
        };
        Box::pin(async move {
            let plan = match act {
                None => accept(),
                Some(Act::Plan(plan)) => *plan,
                Some(Act::Slow(time)) => {
                    tokio::time::sleep(time).await;
                    accept()
                }
                Some(Act::Panic) => panic!("the script says so"),
            };
            let count = received.envelope.recipients.len();
            let recipients = match plan.recipients.is_empty() {
                true => vec![Disposition::Accept; count],
                false => plan.recipients.clone(),
            };
            Decision {
                id: MailId::from_parts(number as u64, 0),
                plan: Plan { recipients, ..plan },
                is_known: false,
            }
        })
    }

    fn recipient(&self, _: &Session, _: &Envelope, to: &Recipient, _: Option<&Refusal>) -> Option<Refusal> {
        let refused = self.refused.lock().unwrap();
        let reply = SmtpReply::reject("not for him");
        refused.as_ref().filter(|who| *who == to.address()).map(|_| Refusal { id: None, reply })
    }

    fn hold(&self, stuck: Stuck) -> BoxFuture<'_, bool> {
        self.held.lock().unwrap().push((stuck.recipients, stuck.why));
        Box::pin(std::future::ready(!*self.is_full.lock().unwrap()))
    }

    fn answered(&self, _: MailId, reached: bool) {
        self.answered.lock().unwrap().push(Some(reached));
    }

    fn undelivered(&self, _: MailId, _: bool, said: &str) {
        self.instead.lock().unwrap().push(said.to_owned());
        self.answered.lock().unwrap().push(None);
    }
}

/// A server on a unix socket in a folder of its own, and the next one behind it.
struct Rig {
    script: Arc<Script>,
    next: Next,
    budget: Arc<Budget>,
    metrics: Arc<Metrics>,
    standing: Arc<Standing>,
    path: PathBuf,
    running: Running,
    _folder: tempfile::TempDir,
}

impl Rig {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lmtp.sock");
        let next = Next::start(&folder.path().join("next.sock"));
        let mut config = Config {
            relay: Server::Unix(folder.path().join("next.sock")),
            socket_group: String::new(),
            helo: Some("mx.example.org".to_owned()),
            ..Config::default()
        };
        change(&mut config);
        let script = Arc::new(Script::default());
        let (budget, metrics) = (Budget::new(100, 1 << 24), Arc::new(Metrics::new()));
        let service = service(&script, &config, &budget, &metrics);
        let listener = Listener::bind(&Endpoint::Unix(path.clone()), &config).await.unwrap();
        let standing = Arc::clone(&service.standing);
        let running = serve(vec![listener], &config, service);
        Self { script, next, budget, metrics, standing, path, running, _folder: folder }
    }

    async fn client(&self) -> Client {
        let mut client = self.silent().await;
        assert_eq!(client.replies(1).await, "220 mailward.mx.example.org LMTP and ESMTP, mailward\r\n");
        client
    }

    async fn silent(&self) -> Client {
        Client(UnixStream::connect(&self.path).await.unwrap())
    }

    /// One client that greets with `hello`, sends one message to these and hears the answers.
    async fn message(&self, hello: &str, to: &[&str]) -> String {
        let mut client = self.client().await;
        client.ask(&format!("{hello} mta.example.org\r\n"), 1).await;
        client.message(to).await
    }
}

fn service(script: &Arc<Script>, config: &Config, budget: &Arc<Budget>, metrics: &Arc<Metrics>) -> Service {
    let judge: Arc<dyn Judge> = Arc::<Script>::clone(script);
    let intake = crate::intake::Snapshot {
        judge,
        max_message: ByteSize(1_000_000),
        hung_after: Duration::from_secs(60),
    };
    let snapshot = Snapshot { intake: Arc::new(intake), terms: Terms::new(config, "host.example.org") };
    Service {
        snapshots: Arc::new(ArcSwap::from_pointee(snapshot)),
        budget: Arc::clone(budget),
        metrics: Arc::clone(metrics),
        clock: Clock::system(),
        standing: Arc::default(),
    }
}

/// The other end of a connection.
struct Client(UnixStream);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next `n` replies, of any number of lines.
    async fn replies(&mut self, n: usize) -> String {
        let read = async {
            let (mut text, mut left) = (String::new(), n);
            let mut line = String::new();
            while left > 0 {
                let byte = self.0.read_u8().await.unwrap_or_else(|e| panic!("{e} after {text}{line}"));
                line.push(char::from(byte));
                if byte == b'\n' {
                    left -= usize::from(line.as_bytes()[3] == b' ');
                    text.push_str(&std::mem::take(&mut line));
                }
            }
            text
        };
        tokio::time::timeout(Duration::from_secs(30), read).await.expect("a reply comes")
    }

    async fn ask(&mut self, text: &str, replies: usize) -> String {
        self.send(text).await;
        self.replies(replies).await
    }

    async fn envelope(&mut self, to: &[&str]) {
        self.ask("MAIL FROM:<a@client.example>\r\n", 1).await;
        for to in to {
            assert_eq!(self.ask(&format!("RCPT TO:<{to}>\r\n"), 1).await, "250 2.1.5 Ok\r\n");
        }
        assert!(self.ask("DATA\r\n", 1).await.starts_with("354 "));
    }

    /// A whole message; the replies up to that of a NOOP behind it.
    async fn message(&mut self, to: &[&str]) -> String {
        self.envelope(to).await;
        self.send("Subject: hello\r\n\r\ntext\r\n.\r\nNOOP\r\n").await;
        let mut all = String::new();
        loop {
            let reply = self.replies(1).await;
            if reply == "250 2.0.0 Ok\r\n" {
                return all;
            }
            all.push_str(&reply);
        }
    }

    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(30), self.0.read_to_end(&mut rest)).await;
        read.expect("it is closed").unwrap();
        String::from_utf8(rest).unwrap()
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
