//! One question to clamd, and asking again while it restarts.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use tokio::io::AsyncWriteExt as _;

use super::error::AskError;
use super::reply::{self, Said};
use super::version::Version;
use super::{Clamd, file};
use crate::model::Span;
use crate::net::address::Server;
use crate::net::{Stream, connect};
use crate::scan::ScanInput;

/// The longest that one message waits for a clamd that restarts; a full set of signatures takes longer to
/// load, and then the sender tries again.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first pause before asking again; each is twice the one before.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The chunk of no bytes that ends the stream.
const END: &[u8] = &[0; 4];
/// How often a message is sent again to a clamd that hung up on it or did not take it: it may be the message
/// that brings clamd down.
const SENT_AGAIN: u32 = 2;

impl Clamd {
    /// Has the message looked at. While clamd seems to restart it is asked again, for half of the time that
    /// is left, [`PATIENCE`] at most. `on_trial`: it kept failing before, and this message tries whether
    /// it answers again; it waits for nothing.
    ///
    /// # Errors
    /// Why there is no answer: of the last attempt.
    pub(super) async fn ask(
        &self,
        input: &Arc<ScanInput>,
        file: Option<&File>,
        on_trial: bool,
        deadline: Instant,
    ) -> Result<Said, AskError> {
        let began = Instant::now();
        let patience = (deadline.saturating_duration_since(began) / 2).min(PATIENCE);
        let give_up = if on_trial { began } else { began + patience };
        let (mut pause, mut sent) = (PAUSE, 0);
        loop {
            let error = match self.ask_once(input, file, deadline).await {
                Ok(said) => return Ok(said),
                Err(error) => error,
            };
            sent += u32::from(error.after_sending());
            let has_time = Instant::now() + pause < give_up;
            // Others may have found out meanwhile that this is no short restart.
            if !error.may_pass() || sent > SENT_AGAIN || !has_time || self.breaker.resting().is_some() {
                return Err(error);
            }
            self.metrics.clamd_retries.inc();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn ask_once(
        &self,
        input: &ScanInput,
        file: Option<&File>,
        deadline: Instant,
    ) -> Result<Said, AskError> {
        match (self.connect(deadline).await?, file) {
            (Stream::Unix(mut stream), Some(file)) => {
                let sent = file::pass(&stream, file).await;
                // Refused or not: clamd may have said why.
                judged(&reply::read(&mut stream).await?, sent.is_ok())
            }
            (stream, _) => in_stream(stream, input.message.raw().clone()).await,
        }
    }

    /// Sends a command without data and reads the answer.
    pub(super) async fn command(&self, command: &[u8], deadline: Instant) -> Result<Vec<u8>, AskError> {
        let mut stream = self.connect(deadline).await?;
        // Whatever becomes of the writing, the answer tells.
        stream.write_all(command).await.ok();
        reply::read(&mut stream).await
    }

    async fn connect(&self, deadline: Instant) -> Result<Stream, AskError> {
        let server = &self.settings.server;
        // Past the deadline it is the caller who stops waiting, and says so.
        connect(server, deadline + PATIENCE).await.map_err(|error| AskError::connecting(server, error))
    }
}

/// Which program and signatures `server` has: for who wants to know without a scanner.
///
/// # Errors
/// Why it does not say so by `deadline`, as a sentence.
pub async fn version_of(server: &Server, deadline: Instant) -> Result<Version, String> {
    let asking = async {
        let mut stream =
            connect(server, deadline).await.map_err(|error| AskError::connecting(server, error))?;
        // Whatever becomes of the writing, the answer tells.
        stream.write_all(b"zVERSION\0").await.ok();
        let reply = reply::read(&mut stream).await?;
        Version::parse(&reply).ok_or_else(|| AskError::Unknown(reply::shown(&reply)))
    };
    let given = deadline.saturating_duration_since(Instant::now());
    let answer = tokio::time::timeout_at(deadline.into(), asking).await;
    answer.unwrap_or(Err(AskError::Silent(Span(given)))).map_err(|error| error.to_string())
}

/// Sends the message as one chunk (clamd(8), INSTREAM) and reads the answer meanwhile: clamd says at once
/// that it takes less, and hangs up.
async fn in_stream(stream: Stream, raw: Bytes) -> Result<Said, AskError> {
    let Ok(length) = u32::try_from(raw.len()) else { return Ok(Said::TooLarge) };
    let mut head = Vec::with_capacity(14);
    head.extend_from_slice(b"zINSTREAM\0");
    // A chunk of no bytes would end the stream.
    if length > 0 {
        head.extend_from_slice(&length.to_be_bytes());
    }
    let mut all = Bytes::from(head).chain(raw).chain(END);

    let (mut reader, mut writer) = tokio::io::split(stream);
    let reading = reply::read(&mut reader);
    let writing = writer.write_all_buf(&mut all);
    tokio::pin!(reading, writing);
    let (reply, is_whole) = tokio::select! {
        biased;
        reply = &mut reading => (reply, false),
        // An error here is no answer yet: clamd may have said why it hung up.
        written = &mut writing => (reading.await, written.is_ok()),
    };
    judged(&reply?, is_whole)
}

/// An answer to a message of which `is_whole` says whether clamd had it all.
fn judged(reply: &[u8], is_whole: bool) -> Result<Said, AskError> {
    match reply::parse(reply)? {
        Said::Clean if !is_whole => Err(AskError::Early),
        said => Ok(said),
    }
}
