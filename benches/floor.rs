//! The floor: a milter that does nothing.
//!
//! Most of what a milter costs is Postfix's own work: it talks to a second program for each stage and sends
//! the whole message once more. This program is the least that any milter can cost: it negotiates what
//! mailward negotiates, reads everything through one buffer per connection, looks at nothing, and inserts
//! one header at the end of each message. A thread per connection with blocking reads is the cheapest way
//! to do that. `make bench` measures mailward against it.
//!
//! ```text
//! cargo run --example floor -- unix:/path/to/milter.sock
//! cargo run --example floor -- inet:127.0.0.1:8899
//! ```
#![cfg_attr(not(test), allow(dead_code, reason = "benches/postfix.rs includes this file as a module"))]

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use anyhow::Context as _;
use indymilter::message::Message;
use indymilter::message::command::Command;
use indymilter::message::reply::Reply;
use indymilter::{Actions, ProtoOpts};

/// Bytes read at once: one body chunk of 64 KiB with its frame fits.
const BUFFER: usize = 66 * 1024;

fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).context("usage: floor unix:PATH | inet:HOST:PORT")?;
    serve(&address)
}

/// Listens on `unix:PATH` or `inet:HOST:PORT` until killed.
///
/// # Errors
/// If it cannot listen there.
pub(crate) fn serve(address: &str) -> anyhow::Result<()> {
    if let Some(path) = address.strip_prefix("unix:") {
        let listener = UnixListener::bind(path).with_context(|| format!("cannot listen on {path}"))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || drop(session(&stream, &stream)));
        }
    } else {
        let address = address.strip_prefix("inet:").unwrap_or(address);
        let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                drop(stream.set_nodelay(true));
                drop(session(&stream, &stream));
            });
        }
    }
    Ok(())
}

fn session(input: impl Read, mut output: impl Write) -> anyhow::Result<()> {
    let mut input = BufReader::with_capacity(BUFFER, input);
    let go_on = frame(Reply::Continue)?;
    let header = Reply::InsertHeader { index: 0, name: c"X-Floor".into(), value: c" 1".into() };
    let end = [frame(header)?, frame(Reply::Accept)?].concat();
    loop {
        let mut head = [0; 5];
        if let Err(error) = input.read_exact(&mut head) {
            return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(()) } else { Err(error.into()) };
        }
        let [a, b, c, d, kind] = head;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d]).saturating_sub(1))?;
        match kind {
            b'O' => {
                let mut payload = vec![0; length];
                input.read_exact(&mut payload)?;
                output.write_all(&negotiate(payload)?)?;
            }
            // MAIL and RCPT are the stages that wait for a reply.
            b'M' | b'R' => {
                skip(&mut input, length)?;
                output.write_all(&go_on)?;
            }
            b'E' => {
                skip(&mut input, length)?;
                output.write_all(&end)?;
            }
            b'Q' => return Ok(()),
            _ => skip(&mut input, length)?,
        }
    }
}

fn skip(input: &mut impl BufRead, mut length: usize) -> io::Result<()> {
    while length > 0 {
        let part = input.fill_buf()?.len().min(length);
        if part == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        input.consume(part);
        length -= part;
    }
    Ok(())
}

/// The options of design decision 7, as far as they are offered.
fn negotiate(payload: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let Command::OptNeg(offer) = Command::parse_command(Message::new(b'O', payload))? else {
        anyhow::bail!("no option negotiation");
    };
    let wanted = ProtoOpts::NOREPLY_CONNECT
        | ProtoOpts::NOREPLY_HELO
        | ProtoOpts::NOREPLY_DATA
        | ProtoOpts::NOREPLY_HEADER
        | ProtoOpts::NOREPLY_EOH
        | ProtoOpts::NOREPLY_BODY
        | ProtoOpts::NO_UNKNOWN
        | ProtoOpts::LEADING_SPACE;
    anyhow::ensure!(offer.opts.contains(wanted), "this MTA does not offer what the floor relies on");
    let actions = Actions::ADD_HEADER & offer.actions;
    frame(Reply::OptNeg { version: offer.version.min(6), actions, opts: wanted, macros: HashMap::new() })
}

fn frame(reply: Reply) -> anyhow::Result<Vec<u8>> {
    let message = reply.into_message();
    let length = u32::try_from(message.buffer.len() + 1)?;
    Ok([length.to_be_bytes().as_slice(), &[message.kind], &message.buffer].concat())
}
