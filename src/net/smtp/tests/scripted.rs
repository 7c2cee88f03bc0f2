//! A mail server that does what a test tells it, faults included, over each kind of connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, UnixListener};

use super::super::{
    Delivery, Outcome, Outgoing, Protocol, Settings, SmtpError, Timeouts, Whom, transaction, wire,
};
use crate::model::{Recipient, ReversePath};
use crate::net::address::Server;

/// What the server does when it is its turn: at first, and after each command or message.
#[derive(Clone, Debug)]
pub(super) enum Turn {
    /// Says this, CRLF added.
    Say(String),
    /// Sends these bytes.
    Raw(Vec<u8>),
    /// Says this and hangs up.
    Last(String),
    /// Hangs up.
    Drop,
    /// Keeps the connection and says nothing.
    Silence,
    /// Sends lines of a reply that never ends, slowly.
    Endless,
}

pub(super) fn say(text: &str) -> Turn {
    Turn::Say(text.to_owned())
}

pub(super) fn last(text: &str) -> Turn {
    Turn::Last(text.to_owned())
}

/// What a server that likes everything does with one recipient, up to the dot.
pub(super) fn friendly() -> Vec<Turn> {
    let ehlo = "250-mx\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 1000";
    ["220 mx", ehlo, "250 sender", "250 recipient", "354 go on", "250 taken", "221 bye"].map(say).into()
}

/// The same with one turn changed and none after it.
pub(super) fn until(at: usize, turn: Turn) -> Vec<Turn> {
    let mut turns = friendly();
    turns.truncate(at);
    turns.push(turn);
    turns
}

/// What the server was told: commands, and messages as they came over the wire, in order.
pub(super) type Told = Arc<Mutex<Vec<Vec<u8>>>>;

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, turns: Vec<Turn>, told: Told) {
    let mut stream = BufReader::new(stream);
    let mut content = false;
    for (n, turn) in turns.into_iter().enumerate() {
        if n > 0 {
            let mut heard = Vec::new();
            loop {
                match stream.read_until(b'\n', &mut heard).await {
                    Ok(0) | Err(_) => return told.lock().unwrap().push(heard),
                    Ok(_) if !content || heard.ends_with(b"\r\n.\r\n") || heard == b".\r\n" => break,
                    Ok(_) => {}
                }
            }
            told.lock().unwrap().push(heard);
        }
        let bytes = match turn {
            Turn::Say(text) => format!("{text}\r\n").into_bytes(),
            Turn::Raw(bytes) => bytes,
            Turn::Last(text) => {
                drop(stream.write_all(format!("{text}\r\n").as_bytes()).await);
                return;
            }
            Turn::Drop => return,
            Turn::Silence => return std::future::pending().await,
            Turn::Endless => loop {
                if stream.write_all(b"250-more\r\n").await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            },
        };
        content = bytes.starts_with(b"354");
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// How client and server are connected.
#[derive(Clone, Copy, Debug)]
pub(super) enum Link {
    Unix,
    Tcp,
    /// In memory, with room for a few bytes only: each write has to wait for the reader.
    Narrow,
}

pub(super) const LINKS: [Link; 3] = [Link::Unix, Link::Tcp, Link::Narrow];

/// One delivery to a scripted server.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) protocol: Protocol,
    pub(super) timeouts: Timeouts,
    pub(super) from: &'static str,
    pub(super) parameters: Vec<String>,
    pub(super) to: Vec<&'static str>,
    pub(super) message: Vec<u8>,
    /// What `before_dot` does.
    pub(super) before_dot: BeforeDot,
    pub(super) whom: Whom,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum BeforeDot {
    Agrees,
    Refuses,
    /// Waits until the server is done with its script.
    WaitsForServer,
    /// Takes this long.
    Takes(Duration),
}

impl Default for Case {
    fn default() -> Self {
        let patience = Duration::from_secs(20);
        Self {
            protocol: Protocol::Smtp,
            timeouts: Timeouts {
                connect: patience,
                command: patience,
                data: patience,
                dot: patience,
                total: 2 * patience,
            },
            from: "<a@example.org>",
            parameters: Vec::new(),
            to: vec!["<b@example.org>"],
            message: b"Subject: x\r\n\r\n.dot\r\n".to_vec(),
            before_dot: BeforeDot::Agrees,
            whom: Whom::Any,
        }
    }
}

/// Short, for servers that do not answer.
pub(super) const IMPATIENT: Timeouts = Timeouts {
    connect: Duration::from_millis(400),
    command: Duration::from_millis(400),
    data: Duration::from_millis(400),
    dot: Duration::from_millis(400),
    total: Duration::from_secs(20),
};

/// How it ended, and what the server was told.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) delivery: Delivery,
    pub(super) told: Vec<String>,
}

impl Run {
    /// The outcomes in a few words that are the same for each kind of connection.
    pub(super) fn brief(&self) -> Vec<String> {
        self.delivery.outcomes.iter().map(brief).collect()
    }
}

fn brief(outcome: &Outcome) -> String {
    let error = |error: &SmtpError| match error {
        SmtpError::Lost { stage, .. } => format!("lost at {stage:?}"),
        SmtpError::Silent { stage, .. } => format!("silent at {stage:?}"),
        SmtpError::Garbage { stage, .. } => format!("garbage at {stage:?}"),
        SmtpError::Lacks { extension, .. } => format!("no {extension}"),
        SmtpError::Path { .. } => "path".to_owned(),
        SmtpError::Hazard { .. } => "hazard".to_owned(),
        SmtpError::Withdrawn(_) => "withdrawn".to_owned(),
        SmtpError::NotForAll => "not for all".to_owned(),
        SmtpError::Late => "late".to_owned(),
        SmtpError::Connect { .. } => "no connection".to_owned(),
        SmtpError::Helo { .. } => "helo".to_owned(),
    };
    match outcome {
        Outcome::Delivered(reply) => format!("delivered {reply}"),
        Outcome::Refused { reply, stage } => format!("refused {} at {stage:?}", reply.code()),
        Outcome::NotSent(e) => format!("not sent: {}", error(e)),
        Outcome::Uncertain(e) => format!("uncertain: {}", error(e)),
    }
}

impl Case {
    /// Runs it over one kind of connection.
    pub(super) async fn run(&self, link: Link, turns: Vec<Turn>) -> Run {
        let told = Told::default();
        let heard = Arc::clone(&told);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let settings = |server| Settings {
            server,
            helo: "client.example".to_owned(),
            protocol: self.protocol,
            timeouts: self.timeouts,
        };
        let (done, mut finished) = tokio::sync::watch::channel(false);
        let before = self.before_dot;
        let before_dot = async move || match before {
            BeforeDot::Agrees => Ok(()),
            BeforeDot::Refuses => Err("the disk is full".to_owned()),
            BeforeDot::WaitsForServer => {
                finished.wait_for(|f| *f).await.map(|_| ()).map_err(|e| e.to_string())
            }
            BeforeDot::Takes(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
        };
        let from = ReversePath(Recipient::new(self.from));
        let to: Vec<Recipient> = self.to.iter().map(|to| Recipient::new(*to)).collect();
        let pieces: Vec<Bytes> = self.message.chunks(5).map(Bytes::copy_from_slice).collect();
        let outgoing =
            Outgoing { reverse_path: &from, parameters: &self.parameters, recipients: &to, pieces: &pieces };
        let server = |stream: Box<dyn Both>| async move {
            serve(stream, turns, heard).await;
            done.send_replace(true);
        };
        let client = async |server, before_dot| {
            super::super::hand_over(&settings(server), &outgoing, self.whom, before_dot).await
        };
        let delivery = match link {
            Link::Unix => {
                let listener = UnixListener::bind(&path).unwrap();
                let serving = async { server(Box::new(listener.accept().await.unwrap().0)).await };
                together(serving, client(Server::Unix(path), before_dot)).await
            }
            Link::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let port = listener.local_addr().unwrap().port();
                let serving = async { server(Box::new(listener.accept().await.unwrap().0)).await };
                together(serving, client(Server::Tcp { host: "127.0.0.1".to_owned(), port }, before_dot))
                    .await
            }
            Link::Narrow => {
                let (ours, theirs) = tokio::io::duplex(7);
                let settings = settings(Server::Unix("/none".into()));
                let (until, end) = settings.timeouts.ends();
                match transaction::Plan::new(&settings, &outgoing, self.whom).await {
                    Ok(plan) => {
                        let wire = wire::Wire::new(ours, &settings.server, until, end);
                        together(server(Box::new(theirs)), plan.run(wire, before_dot)).await
                    }
                    Err(error) => Delivery::all(to.len(), &Outcome::NotSent(error)),
                }
            }
        };
        let told = told.lock().unwrap();
        let told = told.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        Run { delivery, told }
    }

    /// Runs it over each kind of connection; it must end alike everywhere.
    pub(super) async fn everywhere(&self, turns: Vec<Turn>, expected: &[&str]) {
        for link in LINKS {
            let run = self.run(link, turns.clone()).await;
            assert_eq!(run.brief(), expected, "{link:?}, {turns:?}, {:?}", run.delivery);
        }
    }
}

/// Any byte stream.
trait Both: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Both for S {}

/// The client's result; then the server has a moment to hear the last words.
async fn together<T>(server: impl Future<Output = ()>, client: impl Future<Output = T>) -> T {
    let mut server = std::pin::pin!(server);
    let mut client = std::pin::pin!(client);
    let mut serving = true;
    let result = loop {
        tokio::select! {
            () = &mut server, if serving => serving = false,
            result = &mut client => break result,
        }
    };
    if serving {
        drop(tokio::time::timeout(Duration::from_millis(50), server).await);
    }
    result
}
