//! Reading a request to its end, as rspamd and clamd would.

use std::io::{self, BufRead, Read};

use super::Plays;

/// More than any request of ours has in one piece.
const LONGEST: u64 = 64 * 1024 * 1024;

/// Reads one request and throws it away.
///
/// # Errors
/// If the peer closes before its end, or it is not in the form of the protocol.
pub(super) fn read_request(plays: Plays, input: &mut impl BufRead) -> io::Result<()> {
    match plays {
        Plays::Rspamd => http(input),
        Plays::Clamd => clamd(input),
    }
}

/// A head, and a body of a length that was announced, or in chunks.
fn http(input: &mut impl BufRead) -> io::Result<()> {
    let (mut length, mut chunked) = (0, false);
    loop {
        let line = line(input)?.to_ascii_lowercase();
        match line.split_once(':').map(|(name, value)| (name, value.trim())) {
            Some(("content-length", value)) => length = value.parse().map_err(io::Error::other)?,
            Some(("transfer-encoding", value)) => chunked = value == "chunked",
            Some(("expect", _)) => return Err(io::Error::other("no Expect: here")),
            _ => {}
        }
        if line.is_empty() {
            break;
        }
    }
    if !chunked {
        return skip(input, length);
    }
    loop {
        let size = u64::from_str_radix(&line(input)?, 16).map_err(io::Error::other)?;
        skip(input, size)?;
        line(input)?;
        if size == 0 {
            return Ok(());
        }
    }
}

/// `z` or `n` and a word; INSTREAM is followed by chunks.
fn clamd(input: &mut impl BufRead) -> io::Result<()> {
    let mut command = Vec::new();
    let end = if input.fill_buf()?.first() == Some(&b'z') { 0 } else { b'\n' };
    input.take(64).read_until(end, &mut command)?;
    match command.get(1..command.len().saturating_sub(1)) {
        Some(b"INSTREAM") => loop {
            let mut size = [0; 4];
            input.read_exact(&mut size)?;
            let size = u64::from(u32::from_be_bytes(size));
            if size == 0 {
                return Ok(());
            }
            skip(input, size)?;
        },
        // The byte that carries the file.
        Some(b"FILDES") => skip(input, 1),
        _ => Ok(()),
    }
}

fn line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if input.take(64 * 1024).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn skip(input: &mut impl BufRead, length: u64) -> io::Result<()> {
    if length > LONGEST {
        return Err(io::Error::other("longer than anything that is asked here"));
    }
    if io::copy(&mut input.take(length), &mut io::sink())? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
