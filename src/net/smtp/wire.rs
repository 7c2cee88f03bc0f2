//! The connection: whole commands out, whole replies in, each by its deadline.

use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout_at;

use super::reply::{Answer, Reader};
use super::{SmtpError, Stage};
use crate::net::address::Server;

/// How long we wait for what a server says that is ending the conversation, and for the reply to QUIT.
const PARTING: Duration = Duration::from_secs(1);
/// Smaller runs of the message are gathered into blocks of this size.
const BLOCK: usize = 64 * 1024;
/// Room for one read.
const READ: usize = 2 * 1024;
/// How the message ends; it ended in CRLF before.
const DOT: &[u8] = b".\r\n";

/// A connection to a mail server.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    server: String,
    /// When what we do now must be over.
    until: Instant,
    /// When all must be over.
    end: Instant,
    /// What came in and was not asked for yet.
    input: Vec<u8>,
    /// Content that waits for its block to be full.
    block: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// `until` is when the dot must be on its way, `end` when all must be over.
    pub(super) fn new(stream: S, server: &Server, until: Instant, end: Instant) -> Self {
        Self { stream, server: server.to_string(), until, end, input: Vec::new(), block: Vec::new() }
    }

    /// The server's address, for errors.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Sends one line, CRLF added, and reads the reply.
    ///
    /// # Errors
    /// Silence, a lost connection, what is no reply, and words nobody asked for: taken for the next reply,
    /// each later one would be read as the answer to another command.
    pub(super) async fn command(
        &mut self,
        stage: Stage,
        line: &[u8],
        within: Duration,
    ) -> Result<Answer, SmtpError> {
        self.nothing_unasked(stage)?;
        let line = [line, b"\r\n"].concat();
        if let Err(error) = self.write(stage, &line, within).await {
            // It may have said why it hung up.
            return match self.parting(stage).await {
                Some(answer) if answer.class() >= 4 => Ok(answer),
                _ => Err(error),
            };
        }
        self.reply(stage, within).await
    }

    /// Reads one reply.
    ///
    /// # Errors
    /// Silence, a lost connection, what is no reply.
    pub(super) async fn reply(&mut self, stage: Stage, within: Duration) -> Result<Answer, SmtpError> {
        let begin = Instant::now();
        let until = self.by(begin, within);
        let mut reader = Reader::default();
        loop {
            let taken = reader.take(&mut self.input);
            if let Some(answer) = taken.map_err(|what| self.garbage(stage, what))? {
                tracing::debug!(server = self.server, %stage, reply = %answer.to_reply(), "a mail server answered");
                return Ok(answer);
            }
            self.input.reserve(READ);
            match timeout_at(until.into(), self.stream.read_buf(&mut self.input)).await {
                Ok(Ok(0)) => return Err(self.lost(stage, "it closed the connection")),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(self.lost(stage, &error.to_string())),
                Err(_) => return Err(self.silent(stage, begin)),
            }
        }
    }

    /// What a server said that would not listen any more, if it did.
    pub(super) async fn parting(&mut self, stage: Stage) -> Option<Answer> {
        self.reply(stage, PARTING).await.ok()
    }

    /// Whatever the server said already without waiting for the dot.
    ///
    /// # Errors
    /// If it hung up, or what it said is no reply.
    pub(super) async fn early(&mut self, within: Duration) -> Result<Option<Answer>, SmtpError> {
        if self.input.is_empty() {
            self.input.reserve(READ);
            // So that the runtime asks the system what came in meanwhile.
            tokio::task::yield_now().await;
            match self.stream.read_buf(&mut self.input).now_or_never() {
                None => return Ok(None),
                Some(Ok(0)) => return Err(self.lost(Stage::Content, "it closed the connection")),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(self.lost(Stage::Content, &error.to_string())),
            }
        }
        self.reply(Stage::Content, within).await.map(Some)
    }

    /// Sends a run of the message; small ones wait for more. `within` is for each block.
    ///
    /// # Errors
    /// Silence, a lost connection.
    pub(super) async fn content(&mut self, run: &[u8], within: Duration) -> Result<(), SmtpError> {
        if self.block.len() + run.len() <= BLOCK {
            self.block.extend_from_slice(run);
            return Ok(());
        }
        self.end_block(within).await?;
        let mut blocks = run.chunks_exact(BLOCK);
        for block in &mut blocks {
            self.write(Stage::Content, block, within).await?;
        }
        self.block.extend_from_slice(blocks.remainder());
        Ok(())
    }

    /// Sends what still waits.
    ///
    /// # Errors
    /// Silence, a lost connection.
    pub(super) async fn end_block(&mut self, within: Duration) -> Result<(), SmtpError> {
        let mut block = std::mem::take(&mut self.block);
        let written = self.write(Stage::Content, &block, within).await;
        block.clear();
        self.block = block;
        written
    }

    /// Sends the dot.
    ///
    /// # Errors
    /// With whether any of it may be on its way.
    pub(super) async fn dot(&mut self, within: Duration) -> Result<(), (bool, SmtpError)> {
        let begin = Instant::now();
        if begin >= self.until {
            return Err((false, SmtpError::Late));
        }
        self.until = self.end;
        let until = self.by(begin, within);
        // Outside of what the deadline cuts short, so that it is known then too.
        let mut left = DOT;
        let writing = async {
            while !left.is_empty() {
                match self.stream.write(left).await? {
                    0 => return Err(std::io::ErrorKind::WriteZero.into()),
                    n => left = left.get(n..).unwrap_or_default(),
                }
            }
            self.stream.flush().await
        };
        let error = match timeout_at(until.into(), writing).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => self.lost(Stage::Dot, &error.to_string()),
            Err(_) => self.silent(Stage::Dot, begin),
        };
        Err((left.len() < DOT.len(), error))
    }

    /// Takes leave, as far as the server goes along quickly.
    pub(super) async fn quit(mut self) {
        let until = Instant::now() + PARTING;
        let leave = async {
            self.stream.write_all(b"QUIT\r\n").await?;
            self.stream.flush().await?;
            self.stream.read_buf(&mut self.input).await
        };
        // Everything is settled: whatever happens here changes nothing.
        drop(timeout_at(until.into(), leave).await);
    }

    /// That nothing came in which no command asked for.
    ///
    /// # Errors
    /// If something did.
    pub(super) fn nothing_unasked(&self, stage: Stage) -> Result<(), SmtpError> {
        if self.input.is_empty() {
            return Ok(());
        }
        Err(self.garbage(stage, "it said more than it was asked".to_owned()))
    }

    async fn write(&mut self, stage: Stage, bytes: &[u8], within: Duration) -> Result<(), SmtpError> {
        let begin = Instant::now();
        let until = self.by(begin, within);
        let writing = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout_at(until.into(), writing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.lost(stage, &error.to_string())),
            Err(_) => Err(self.silent(stage, begin)),
        }
    }

    fn by(&self, begin: Instant, within: Duration) -> Instant {
        begin.checked_add(within).map_or(self.until, |at| at.min(self.until))
    }

    pub(super) fn garbage(&self, stage: Stage, what: String) -> SmtpError {
        SmtpError::Garbage { server: self.server.clone(), stage, what }
    }

    fn lost(&self, stage: Stage, error: &str) -> SmtpError {
        SmtpError::Lost { server: self.server.clone(), stage, error: error.to_owned() }
    }

    fn silent(&self, stage: Stage, begin: Instant) -> SmtpError {
        SmtpError::Silent { server: self.server.clone(), stage, seconds: begin.elapsed().as_secs() }
    }
}
