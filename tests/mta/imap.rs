//! Enough of IMAP (RFC 3501, RFC 6851) to be a user who looks at mail and moves it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context as _;

/// A connection.
#[derive(Debug)]
pub(crate) struct Imap {
    stream: BufReader<TcpStream>,
    tag: u32,
}

/// A message as a mail program sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Flags and keywords, but \Recent and \Seen, sorted.
    pub(crate) flags: Vec<String>,
    /// All of it.
    pub(crate) message: String,
}

impl Imap {
    /// Connects and reads the greeting.
    ///
    /// # Errors
    /// If nobody greets.
    pub(crate) fn connect(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut imap = Self { stream: BufReader::new(stream), tag: 0 };
        let greeting = imap.line()?;
        anyhow::ensure!(greeting.starts_with("* OK"), "greeted by {greeting}");
        Ok(imap)
    }

    /// LOGIN.
    ///
    /// # Errors
    /// If it is refused.
    pub(crate) fn log_in(&mut self, user: &str, password: &str) -> anyhow::Result<()> {
        self.command(&format!("LOGIN \"{user}\" \"{password}\"")).map(drop)
    }

    /// SELECT; how many messages there are.
    ///
    /// # Errors
    /// If there is no such mailbox.
    pub(crate) fn select(&mut self, mailbox: &str) -> anyhow::Result<usize> {
        let told = self.command(&format!("SELECT \"{mailbox}\""))?;
        let exists = told.lines().find_map(|line| line.strip_prefix("* ")?.strip_suffix(" EXISTS"));
        exists.context("no EXISTS")?.parse().context("EXISTS is no number")
    }

    /// The names of all mailboxes with their attributes, as LIST has them.
    ///
    /// # Errors
    /// If it is refused.
    pub(crate) fn list(&mut self) -> anyhow::Result<String> {
        self.command("LIST \"\" \"*\"")
    }

    /// UID MOVE of the message at this place, counted from 1.
    ///
    /// # Errors
    /// If it is refused.
    pub(crate) fn move_to(&mut self, number: usize, mailbox: &str) -> anyhow::Result<()> {
        self.command(&format!("MOVE {number} \"{mailbox}\"")).map(drop)
    }

    /// APPEND: puts any message into a mailbox.
    ///
    /// # Errors
    /// If it is refused.
    pub(crate) fn append(&mut self, mailbox: &str, message: &[u8]) -> anyhow::Result<()> {
        self.tag += 1;
        let head = format!("t{} APPEND \"{mailbox}\" {{{}}}\r\n", self.tag, message.len());
        self.stream.get_mut().write_all(head.as_bytes())?;
        let go_on = self.line()?;
        anyhow::ensure!(go_on.starts_with('+'), "APPEND: {go_on}");
        self.stream.get_mut().write_all(message)?;
        self.stream.get_mut().write_all(b"\r\n")?;
        self.answer("APPEND").map(drop)
    }

    /// The message at this place.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn fetch(&mut self, number: usize) -> anyhow::Result<Seen> {
        let told = self.command(&format!("FETCH {number} (FLAGS BODY.PEEK[])"))?;
        let flags =
            told.split_once("FLAGS (").and_then(|(_, rest)| rest.split_once(')')).context("no FLAGS")?.0;
        let mut flags: Vec<String> = flags
            .split_whitespace()
            .filter(|flag| !["\\Recent", "\\Seen"].contains(flag))
            .map(str::to_owned)
            .collect();
        flags.sort();
        let (_, rest) = told.split_once("BODY[] {").context("no body")?;
        let (length, rest) = rest.split_once("}\r\n").context("no literal")?;
        let message = rest.get(..length.parse()?).context("a short literal")?;
        Ok(Seen { flags, message: message.to_owned() })
    }

    /// Sends a command and gives all lines before its end.
    ///
    /// # Errors
    /// If the answer is not OK.
    fn command(&mut self, command: &str) -> anyhow::Result<String> {
        self.tag += 1;
        let line = format!("t{} {command}\r\n", self.tag);
        self.stream.get_mut().write_all(line.as_bytes())?;
        self.answer(command)
    }

    fn answer(&mut self, command: &str) -> anyhow::Result<String> {
        let tag = format!("t{} ", self.tag);
        let mut told = String::new();
        loop {
            let line = self.line()?;
            if let Some(end) = line.strip_prefix(&tag) {
                anyhow::ensure!(end.starts_with("OK"), "{command}: {end}");
                return Ok(told);
            }
            told.push_str(&line);
            told.push_str("\r\n");
            let literal = line.strip_suffix('}').and_then(|line| line.rsplit_once('{')?.1.parse().ok());
            if let Some(length) = literal {
                let mut bytes = vec![0; length];
                self.stream.read_exact(&mut bytes)?;
                told.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line)?;
        anyhow::ensure!(read > 0, "the IMAP server closed the connection");
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}
