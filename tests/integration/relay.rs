//! A mail server that answers as a test tells it, and writes down what it is sent.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::mta;

/// What it does where the message ends.
pub enum AtDot {
    /// Answers at once.
    Say(&'static str),
    /// Answers when it is told to, or hangs up when nobody can tell it any more.
    Wait(Receiver<&'static str>),
}

/// How it behaves.
#[derive(Default)]
struct Script {
    /// Before the answer to DATA.
    data: VecDeque<Receiver<&'static str>>,
    /// One for each message; 250 for more.
    dots: VecDeque<AtDot>,
}

/// One message that was sent whole.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The line of MAIL, and those of RCPT.
    pub envelope: Vec<String>,
    /// The message, without the doubled dots.
    pub message: Vec<u8>,
}

/// A running one, until the program ends.
pub struct Relay {
    port: u16,
    script: Arc<Mutex<Script>>,
    taken: Arc<Mutex<Vec<Taken>>>,
}

impl Relay {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (script, taken) = (Arc::<Mutex<Script>>::default(), Arc::<Mutex<Vec<Taken>>>::default());
        let (acts, notes) = (Arc::clone(&script), Arc::clone(&taken));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (acts, notes) = (Arc::clone(&acts), Arc::clone(&notes));
                // Whoever hangs up ends his own connection alone.
                std::thread::spawn(move || drop(session(stream, &acts, &notes)));
            }
        });
        Self { port, script, taken }
    }

    /// `relay` of [release].
    pub fn server(&self) -> String {
        format!("inet:127.0.0.1:{}", self.port)
    }

    /// What it does at the end of the next message.
    pub fn at_dot(&self, act: AtDot) {
        self.script.lock().unwrap().dots.push_back(act);
    }

    /// Lets it wait at the end of the next message.
    pub fn wait_at_dot(&self) -> Sender<&'static str> {
        let (tell, told) = channel();
        self.at_dot(AtDot::Wait(told));
        tell
    }

    /// Lets it wait at the next DATA.
    pub fn wait_at_data(&self) -> Sender<&'static str> {
        let (tell, told) = channel();
        self.script.lock().unwrap().data.push_back(told);
        tell
    }

    /// Waits until the wait asked for by [`Relay::wait_at_data`] has begun.
    pub fn wait_until_at_data(&self) {
        mta::wait_until("a DATA at the relay", mta::PATIENCE, || {
            Ok(self.script.lock().unwrap().data.is_empty().then_some(()))
        })
        .unwrap();
    }

    /// What was sent whole so far.
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }

    /// Waits until so many messages were sent whole.
    pub fn wait_for(&self, count: usize) -> Vec<Taken> {
        mta::wait_until(&format!("{count} messages at the relay"), mta::PATIENCE, || {
            let taken = self.taken();
            Ok((taken.len() >= count).then_some(taken))
        })
        .unwrap()
    }
}

fn session(stream: TcpStream, script: &Mutex<Script>, taken: &Mutex<Vec<Taken>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    let mut say = |text: &str| writer.write_all(format!("{text}\r\n").as_bytes());
    say("220 relay.example.org ESMTP")?;
    let mut now = Taken::default();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => say("250-relay.example.org\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 100000000")?,
            "MAIL" => {
                now = Taken { envelope: vec![line], ..Taken::default() };
                say("250 2.1.0 Ok")?;
            }
            "RCPT" => {
                now.envelope.push(line);
                say("250 2.1.5 Ok")?;
            }
            "DATA" => {
                let wait = script.lock().unwrap().data.pop_front();
                match wait.map(|told| told.recv()) {
                    Some(Err(_)) => return Ok(()),
                    Some(Ok(reply)) => say(reply)?,
                    None => say("354 go on")?,
                }
                now.message = message(&mut reader)?;
                let act = script.lock().unwrap().dots.pop_front();
                taken.lock().unwrap().push(now.clone());
                match act {
                    None => say("250 2.0.0 Ok: queued as RELAYED")?,
                    Some(AtDot::Say(reply)) => say(reply)?,
                    Some(AtDot::Wait(told)) => match told.recv() {
                        Ok(reply) => say(reply)?,
                        Err(_) => return Ok(()),
                    },
                }
            }
            "QUIT" => return say("221 2.0.0 Bye"),
            "RSET" | "NOOP" => say("250 2.0.0 Ok")?,
            _ => say("502 5.5.2 what?")?,
        }
    }
}

/// Up to the dot, which must come: a connection that ends before it has sent no message.
fn message(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(message);
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
