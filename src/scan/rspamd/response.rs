//! Reads an HTTP/1.1 response piece by piece (RFC 9112), into bounded memory.

use crate::model::text;

/// Most bytes of a status line and header fields.
pub(super) const MAX_HEAD: usize = 16 << 10;
/// Most bytes of a chunk's size line, and of the fields after the last chunk together.
const MAX_LINE: usize = 4 << 10;

/// A response that is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status code.
    pub(super) status: u16,
    /// The text behind it, made safe: rspamd says there what is wrong.
    pub(super) reason: String,
    /// `Server`, made safe.
    pub(super) server: Option<String>,
    /// The body.
    pub(super) body: Vec<u8>,
    /// Whether the server leaves the connection open.
    pub(super) stays_open: bool,
}

/// What is wrong with a response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResponseError {
    /// It is no HTTP.
    #[error("{0}")]
    Malformed(&'static str),
    /// The body is larger than was allowed.
    #[error("the reply is too large")]
    TooLarge,
    /// The connection ended before the response did.
    #[error("the connection was closed before the reply was whole")]
    Cut,
}

use ResponseError::Malformed;

/// Takes in the bytes of one response.
#[derive(Debug)]
pub(super) struct Reader {
    limit: usize,
    answer: Answer,
    state: State,
    /// Bytes of the head, or of a line between chunks, that are not yet whole.
    line: Vec<u8>,
    began: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Head,
    /// So many bytes of the body are missing.
    Sized(usize),
    /// The body ends with the connection.
    Endless,
    /// At the line with the size of a chunk.
    Chunk,
    /// So many bytes of a chunk are missing, its line end included.
    InChunk(usize),
    /// Behind the last chunk; bytes seen there.
    Trailer(usize),
    Whole,
}

impl Reader {
    /// For a response whose body has at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, answer: Answer::default(), state: State::Head, line: Vec::new(), began: false }
    }

    /// Whether anything was read.
    pub(super) const fn has_begun(&self) -> bool {
        self.began
    }

    /// Takes more bytes in; true when the response is whole. What comes after it is an error: nothing was
    /// asked for.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<bool, ResponseError> {
        self.began |= !bytes.is_empty();
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Head => self.head(bytes)?,
                State::Sized(left) => {
                    let (body, rest) = bytes.split_at(left.min(bytes.len()));
                    self.body(body)?;
                    self.state = State::of_length(left - body.len());
                    rest
                }
                State::Endless => {
                    self.body(bytes)?;
                    &[]
                }
                State::Chunk => self.chunk(bytes)?,
                State::InChunk(left) => {
                    let (data, rest) = bytes.split_at(left.min(bytes.len()));
                    // The last two bytes are the chunk's line end.
                    let body = left.saturating_sub(2).min(data.len());
                    self.body(data.get(..body).unwrap_or_default())?;
                    self.state = match left - data.len() {
                        0 => State::Chunk,
                        left => State::InChunk(left),
                    };
                    rest
                }
                State::Trailer(seen) => self.trailer(bytes, seen)?,
                State::Whole => return Err(Malformed("more bytes than one reply")),
            };
        }
        Ok(self.state == State::Whole)
    }

    /// The connection has ended.
    pub(super) fn end(mut self) -> Result<Answer, ResponseError> {
        match self.state {
            State::Whole => Ok(self.answer),
            State::Endless => {
                self.answer.stays_open = false;
                Ok(self.answer)
            }
            _ => Err(ResponseError::Cut),
        }
    }

    /// The response, if it is whole.
    pub(super) fn into_answer(self) -> Answer {
        self.answer
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), ResponseError> {
        if self.answer.body.len() + bytes.len() > self.limit {
            return Err(ResponseError::TooLarge);
        }
        self.answer.body.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes bytes up to the empty line; returns the rest.
    fn head<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], ResponseError> {
        let before = self.line.len();
        let taken = bytes.get(..MAX_HEAD.saturating_sub(before).min(bytes.len())).unwrap_or_default();
        self.line.extend_from_slice(taken);
        // The end may lie across the border of two pieces.
        let from = before.saturating_sub(3);
        let found = memchr::memmem::find(self.line.get(from..).unwrap_or_default(), b"\r\n\r\n");
        let Some(at) = found.map(|at| from + at) else {
            if self.line.len() >= MAX_HEAD {
                return Err(Malformed("the header of the reply does not end"));
            }
            return Ok(&[]);
        };
        let head = std::mem::take(&mut self.line);
        self.parse(head.get(..at).unwrap_or_default())?;
        Ok(bytes.get(at + 4 - before..).unwrap_or_default())
    }

    fn parse(&mut self, head: &[u8]) -> Result<(), ResponseError> {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let (minor, status, reason) = status_line(lines.next().unwrap_or_default())?;
        if (100..200).contains(&status) {
            // RFC 9110 §15.2: the real one follows.
            return Ok(());
        }
        let (mut length, mut chunked, mut keeps) = (None, false, minor >= 1);
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(Malformed("a header field has no colon"))?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                let new: usize = match value.parse() {
                    Ok(new) if is_number => new,
                    _ if is_number => return Err(ResponseError::TooLarge),
                    _ => return Err(Malformed("Content-Length is no number")),
                };
                if length.is_some_and(|old| old != new) {
                    return Err(Malformed("two different Content-Lengths"));
                }
                length = Some(new);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                if !value.eq_ignore_ascii_case("chunked") {
                    return Err(Malformed("a transfer coding other than chunked"));
                }
                chunked = true;
            } else if name.eq_ignore_ascii_case("connection") {
                let says = |word| value.split(',').any(|w| w.trim().eq_ignore_ascii_case(word));
                keeps = (keeps || says("keep-alive")) && !says("close");
            } else if name.eq_ignore_ascii_case("server") {
                self.answer.server = Some(text::ascii_line(value, 40));
            }
        }
        self.answer.status = status;
        self.answer.reason = text::ascii_line(reason.trim(), 200);
        self.answer.stays_open = keeps;
        self.state = match (chunked, length) {
            (true, Some(_)) => return Err(Malformed("both a Content-Length and chunks")),
            (true, None) => State::Chunk,
            (false, Some(length)) if length > self.limit => return Err(ResponseError::TooLarge),
            // rspamd sends a body with 204, and says its length: what it says is what comes.
            (false, Some(length)) => State::of_length(length),
            (false, None) if matches!(status, 204 | 304) => State::Whole,
            (false, None) => State::Endless,
        };
        Ok(())
    }

    /// Takes a line of at most [`MAX_LINE`]; `None` if it is not whole.
    fn take_line<'b>(&mut self, bytes: &'b [u8]) -> Result<(Option<Vec<u8>>, &'b [u8]), ResponseError> {
        let at = memchr::memchr(b'\n', bytes);
        let (line, rest) = bytes.split_at(at.map_or(bytes.len(), |at| at + 1));
        if self.line.len() + line.len() > MAX_LINE {
            return Err(Malformed("a line between chunks does not end"));
        }
        self.line.extend_from_slice(line);
        Ok((at.map(|_| std::mem::take(&mut self.line)), rest))
    }

    fn chunk<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], ResponseError> {
        let (line, rest) = self.take_line(bytes)?;
        let Some(line) = line else { return Ok(rest) };
        let size = line.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        let size = std::str::from_utf8(size).ok().filter(|s| s.bytes().all(|b| b.is_ascii_hexdigit()));
        let size = size.filter(|s| !s.is_empty()).ok_or(Malformed("the size of a chunk is no number"))?;
        // What is no number by now has too many digits.
        let size = usize::from_str_radix(size, 16).map_err(|_| ResponseError::TooLarge)?;
        if size > self.limit - self.answer.body.len() {
            return Err(ResponseError::TooLarge);
        }
        self.state = if size == 0 { State::Trailer(0) } else { State::InChunk(size.saturating_add(2)) };
        Ok(rest)
    }

    fn trailer<'b>(&mut self, bytes: &'b [u8], seen: usize) -> Result<&'b [u8], ResponseError> {
        let (line, rest) = self.take_line(bytes)?;
        let seen = seen + bytes.len() - rest.len();
        if seen > MAX_LINE {
            return Err(Malformed("the fields after the last chunk do not end"));
        }
        let is_last = line.is_some_and(|line| line.trim_ascii().is_empty());
        self.state = if is_last { State::Whole } else { State::Trailer(seen) };
        Ok(rest)
    }
}

impl State {
    const fn of_length(left: usize) -> Self {
        if left == 0 { Self::Whole } else { Self::Sized(left) }
    }
}

/// `HTTP/1.1 200 OK`: minor version, status, text.
fn status_line(line: &str) -> Result<(u8, u16, &str), ResponseError> {
    let rest = line.strip_prefix("HTTP/1.").ok_or(Malformed("the reply does not begin with HTTP/1"))?;
    let (minor, rest) = rest.split_once(' ').ok_or(Malformed("the reply has no status"))?;
    let minor = minor.parse().map_err(|_| Malformed("the reply has an odd version of HTTP"))?;
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_status = status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit());
    match status.parse() {
        Ok(status) if is_status && status >= 100 => Ok((minor, status, reason)),
        _ => Err(Malformed("the reply has no status")),
    }
}
