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

#[path = "../tests/mta/packet.rs"]
#[allow(
    dead_code,
    clippy::duplicate_mod,
    reason = "a part of it is for programs that play an MTA; benches/postfix.rs includes it with the test bed too"
)]
mod packet;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use anyhow::Context as _;
use indymilter::Actions;
use indymilter::message::Message;
use indymilter::message::command::Command;
use indymilter::message::reply::Reply;
use packet::{WANTED, frame, head, negotiated};

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
    let go_on = frame(Reply::Continue.into_message())?;
    let header = Reply::InsertHeader { index: 0, name: c"X-Floor".into(), value: c" 1".into() };
    let end = [frame(header.into_message())?, frame(Reply::Accept.into_message())?].concat();
    loop {
        // Whatever ends the stream, there is nobody to tell.
        let Ok((kind, length)) = head(&mut input) else { return Ok(()) };
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
    anyhow::ensure!(
        offer.version >= 6 && offer.opts.contains(WANTED),
        "this MTA does not offer what the floor relies on"
    );
    frame(negotiated(Actions::ADD_HEADER & offer.actions, offer.opts).into_message())
}
