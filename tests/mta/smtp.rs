//! An SMTP client for tests: plain, blocking, byte-exact, remembers everything that was said.
//!
//! **Contract.** What is given is what is sent: a message is dot-stuffed and otherwise left alone, bare
//! CR and LF, NUL and lines of any length included. No reply is an error; a lost connection is.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;

/// One reply, all its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SmtpReply {
    /// The three digits; 0 where the first line had none.
    pub(crate) code: u16,
    /// Texts after the code, a line each.
    pub(crate) lines: Vec<String>,
}

impl SmtpReply {
    /// Whether it is 2xx or 3xx.
    pub(crate) fn is_positive(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// The lines as one.
    pub(crate) fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// The queue id in Postfix's "250 2.0.0 Ok: queued as …".
    pub(crate) fn queue_id(&self) -> Option<&str> {
        self.lines.iter().find_map(|line| line.split_once("queued as ")).map(|(_, id)| id.trim())
    }
}

impl std::fmt::Display for SmtpReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.text())
    }
}

/// All replies of one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transaction {
    /// Reply to MAIL.
    pub(crate) mail: SmtpReply,
    /// Replies to RCPT, in order.
    pub(crate) rcpt: Vec<SmtpReply>,
    /// Reply to DATA, if it was sent: only when a recipient was accepted.
    pub(crate) data: Option<SmtpReply>,
    /// Reply to the final dot, if it came that far.
    pub(crate) end: Option<SmtpReply>,
}

impl Transaction {
    /// The reply that decided: the last one given.
    pub(crate) fn last(&self) -> &SmtpReply {
        self.end.as_ref().or(self.data.as_ref()).or(self.rcpt.last()).unwrap_or(&self.mail)
    }

    /// Whether the message was taken.
    pub(crate) fn taken(&self) -> bool {
        self.end.as_ref().is_some_and(SmtpReply::is_positive)
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Smtp {
    stream: BufReader<TcpStream>,
    /// What was said: lines of ours begin with `>`, of theirs with `<`. Message content is left out.
    pub(crate) transcript: Vec<String>,
    /// The greeting.
    pub(crate) greeting: SmtpReply,
}

impl Smtp {
    /// Connects to a port on 127.0.0.1 and reads the greeting.
    ///
    /// # Errors
    /// If nobody answers.
    pub(crate) fn connect(port: u16) -> anyhow::Result<Self> {
        Self::connect_to((Ipv4Addr::LOCALHOST, port).into())
    }

    /// The same for any address.
    ///
    /// # Errors
    /// If nobody answers.
    pub(crate) fn connect_to(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        // Longer than any deadline of filter or server.
        stream.set_read_timeout(Some(Duration::from_mins(6)))?;
        let stream = BufReader::with_capacity(16 * 1024, stream);
        let mut client = Self { stream, transcript: Vec::new(), greeting: SmtpReply::default() };
        client.greeting = client.reply()?;
        Ok(client)
    }

    /// Connects, says EHLO.
    ///
    /// # Errors
    /// If nobody answers.
    pub(crate) fn hello(port: u16, name: &str) -> anyhow::Result<Self> {
        let mut client = Self::connect(port)?;
        client.command(&format!("EHLO {name}"))?;
        Ok(client)
    }

    /// Waits no longer than this for each reply from now on.
    ///
    /// # Errors
    /// If it is no time at all.
    pub(crate) fn set_patience(&self, limit: Duration) -> anyhow::Result<()> {
        self.stream.get_ref().set_read_timeout(Some(limit)).context("no such patience")
    }

    /// Sends a line and reads the reply.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) fn command(&mut self, line: &str) -> anyhow::Result<SmtpReply> {
        self.transcript.push(format!("> {line}"));
        self.write(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// Lets the server believe that somebody else connected (Postfix's XCLIENT); starts over with EHLO.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) fn pretend(&mut self, attributes: &str, hello: &str) -> anyhow::Result<SmtpReply> {
        let reply = self.command(&format!("XCLIENT {attributes}"))?;
        self.command(&format!("EHLO {hello}"))?;
        Ok(reply)
    }

    /// A whole transaction. RCPT is only sent when MAIL was accepted, DATA when a recipient was, else RSET.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) fn send(
        &mut self,
        from: &str,
        recipients: &[&str],
        message: &[u8],
    ) -> anyhow::Result<Transaction> {
        let mut transaction =
            Transaction { mail: self.command(&format!("MAIL FROM:<{from}>"))?, ..Transaction::default() };
        if !transaction.mail.is_positive() {
            return Ok(transaction);
        }
        for recipient in recipients {
            let reply = self.command(&format!("RCPT TO:<{recipient}>"))?;
            transaction.rcpt.push(reply);
        }
        if !transaction.rcpt.iter().any(SmtpReply::is_positive) {
            self.command("RSET")?;
            return Ok(transaction);
        }
        let go_ahead = self.command("DATA")?;
        let begun = go_ahead.code == 354;
        transaction.data = Some(go_ahead);
        if begun {
            transaction.end = Some(self.content(message)?);
        }
        Ok(transaction)
    }

    /// Sends a message after DATA's 354, dot-stuffed, with the final dot, and reads the reply.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) fn content(&mut self, message: &[u8]) -> anyhow::Result<SmtpReply> {
        self.transcript.push(format!("> ({} bytes of content)", message.len()));
        let stuffed = dot_stuffed(message);
        self.write(&stuffed)?;
        self.reply()
    }

    /// Sends bytes as they are and reads nothing.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.get_mut().write_all(bytes).context("the connection to the server is lost")
    }

    /// Reads one reply.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) fn reply(&mut self) -> anyhow::Result<SmtpReply> {
        let mut reply = SmtpReply::default();
        loop {
            let mut line = Vec::new();
            self.stream.read_until(b'\n', &mut line).context("no reply from the server")?;
            anyhow::ensure!(!line.is_empty(), "the server hung up: {:?}", self.transcript);
            let line = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
            self.transcript.push(format!("< {line}"));
            reply.code = line.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
            reply.lines.push(line.get(4..).unwrap_or_default().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(reply);
            }
        }
    }

    /// Says QUIT.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) fn quit(mut self) -> anyhow::Result<Vec<String>> {
        self.command("QUIT")?;
        Ok(self.transcript)
    }
}

/// One message to one port, with a connection of its own.
///
/// # Errors
/// If the connection is lost.
pub(crate) fn send(
    port: u16,
    from: &str,
    recipients: &[&str],
    message: &[u8],
) -> anyhow::Result<Transaction> {
    let mut client = Smtp::hello(port, "client.remote.example")?;
    let transaction = client.send(from, recipients, message)?;
    client.quit()?;
    Ok(transaction)
}

/// A message as it goes over the wire: a dot at the start of a line doubled (RFC 5321 §4.5.2), the final dot added.
pub(crate) fn dot_stuffed(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + message.len() / 64 + 8);
    let mut rest = message;
    let mut line_start = true;
    while !rest.is_empty() {
        if line_start && rest.first() == Some(&b'.') {
            wire.push(b'.');
        }
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        wire.extend_from_slice(line);
        line_start = line.ends_with(b"\r\n");
        rest = after;
    }
    if !wire.is_empty() && !wire.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// Text with CRLF at the end of each line, as mail has it.
pub(crate) fn crlf(text: &str) -> Vec<u8> {
    text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes()
}
