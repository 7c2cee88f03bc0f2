//! Milter packets on blocking streams, for programs that play a filter or an MTA.
//!
//! Included by path in `benches/floor.rs` too.

use std::collections::HashMap;
use std::io::Read;

use indymilter::message::Message;
use indymilter::message::reply::Reply;
use indymilter::{Actions, ProtoOpts};

/// The protocol options that mailward asks for (design decision 7).
pub(crate) const WANTED: ProtoOpts = ProtoOpts::NOREPLY_CONNECT
    .union(ProtoOpts::NOREPLY_HELO)
    .union(ProtoOpts::NOREPLY_DATA)
    .union(ProtoOpts::NOREPLY_HEADER)
    .union(ProtoOpts::NOREPLY_EOH)
    .union(ProtoOpts::NOREPLY_BODY)
    .union(ProtoOpts::NO_UNKNOWN)
    .union(ProtoOpts::LEADING_SPACE);

/// The answer to an MTA's offer: what mailward asks for, as far as it is offered.
pub(crate) fn negotiated(actions: Actions, options: ProtoOpts) -> Reply {
    Reply::OptNeg { version: 6, actions, opts: WANTED & options, macros: HashMap::new() }
}

/// A message as bytes: length of kind and payload, kind, payload.
///
/// # Errors
/// If it is longer than 4 GiB.
pub(crate) fn frame(message: Message) -> anyhow::Result<Vec<u8>> {
    let length = u32::try_from(message.buffer.len() + 1)?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.push(message.kind);
    bytes.extend_from_slice(&message.buffer);
    Ok(bytes)
}

/// The head of the next message: its kind and the length of its payload.
///
/// # Errors
/// At the end of the stream, and if a length is beyond what a milter packet may have.
pub(crate) fn head(input: &mut impl Read) -> anyhow::Result<(u8, usize)> {
    let mut head = [0; 5];
    input.read_exact(&mut head)?;
    let [a, b, c, d, kind] = head;
    let length = u32::from_be_bytes([a, b, c, d]).saturating_sub(1);
    anyhow::ensure!(length < 1024 * 1024, "a milter packet of {length} bytes");
    Ok((kind, usize::try_from(length)?))
}

/// The next message of a stream.
///
/// # Errors
/// As [`head`].
pub(crate) fn read(input: &mut impl Read) -> anyhow::Result<Message> {
    let (kind, length) = head(input)?;
    let mut payload = vec![0; length];
    input.read_exact(&mut payload)?;
    Ok(Message::new(kind, payload))
}
