//! What a Pass covers: every field but those that an MTA writes on the way, byte for byte and in their order, and the
//! body as the MTA hands it over.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::FIELD;
use crate::model::{Action, Message};

/// Fields that say which way a message went. Whoever passes it on puts some on top.
const TRACE: [&str; 4] = ["Received", "Return-Path", "Delivered-To", "X-Original-To"];

/// The covered fields of a message, in their order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cover(pub(super) Vec<Vec<u8>>);

type Field<'m> = (Cow<'m, [u8]>, Cow<'m, [u8]>);

impl Cover {
    /// Of the message as it is after these edits, counted as a milter's MTA counts them: to be removed and changed
    /// without the Received field that it puts on top itself, to be inserted with it.
    pub(super) fn of(message: &Message, actions: &[Action]) -> Self {
        let mut fields: Vec<Option<Field<'_>>> = vec![None];
        fields.extend(message.fields().map(|(n, v)| Some((Cow::Borrowed(n), Cow::Borrowed(v)))));
        for action in actions {
            match action {
                Action::DeleteHeader { name, index } => {
                    if let Some(at) = find(&fields, name, *index) {
                        fields.remove(at);
                    }
                }
                Action::ChangeHeader { name, index, value } => {
                    let new = Some(written(name, value.as_str()));
                    match find(&fields, name, *index).and_then(|at| fields.get_mut(at)) {
                        Some(old) => *old = new,
                        None => fields.push(new),
                    }
                }
                Action::InsertHeader { index, name, value } => {
                    let at = usize::try_from(*index).unwrap_or(usize::MAX).min(fields.len());
                    fields.insert(at, Some(written(name, value.as_str())));
                }
                _ => {}
            }
        }
        let covered = fields.into_iter().flatten().filter(|(name, _)| !is_trace(name));
        Self(covered.map(|(name, value)| line(&name, &value)).collect())
    }

    /// Those of them that say who wrote the message and what its body is, however their names are written.
    pub(super) fn essence(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice).filter(|line| is_essential(line))
    }
}

/// Who wrote it and who is to be answered.
const AUTHOR: [&str; 3] = ["From", "Sender", "Reply-To"];
/// What its body is: these, and all that begin with `Content-`.
const BODY: &str = "MIME-Version";

fn is_essential(line: &[u8]) -> bool {
    let name = line.split(|b| *b == b':').next().unwrap_or_default();
    // Whoever reads such names does so with controls, spaces and whatever else left out.
    let name: Vec<u8> = name.iter().copied().filter(u8::is_ascii_graphic).collect();
    let is_content = name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"Content-"));
    is_content || AUTHOR.into_iter().chain([BODY]).any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
}

/// Whether the header is its fields and nothing else, so that all of it is covered.
pub(super) fn is_all_fields(message: &Message) -> bool {
    let is_line_end = |at: usize| message.raw().get(at..).is_some_and(|rest| rest.starts_with(b"\r\n"));
    let mut end = 0;
    for range in message.field_ranges() {
        if range.start != end || !is_line_end(range.end) {
            return false;
        }
        end = range.end + 2;
    }
    is_line_end(end) && message.body_offset() == end + 2
}

fn find(fields: &[Option<Field<'_>>], name: &str, index: u32) -> Option<usize> {
    let nth = usize::try_from(index.checked_sub(1)?).ok()?;
    let name = name.trim_ascii_end().as_bytes();
    let is_called = |field: &Option<Field<'_>>| {
        field.as_ref().is_some_and(|(own, _)| own.trim_ascii_end().eq_ignore_ascii_case(name))
    };
    fields.iter().enumerate().filter(|(_, field)| is_called(field)).nth(nth).map(|(at, _)| at)
}

fn written<'m>(name: &str, value: &str) -> Field<'m> {
    let value = value.replace('\n', "\r\n").into_bytes();
    (Cow::Owned(name.as_bytes().to_vec()), Cow::Owned(value))
}

fn is_trace(name: &[u8]) -> bool {
    let name = name.trim_ascii_end();
    TRACE.into_iter().chain([FIELD]).any(|trace| name.eq_ignore_ascii_case(trace.as_bytes()))
}

/// `name:value`. White space straight behind the colon is the MTA's matter; every other byte is as it is.
fn line(name: &[u8], value: &[u8]) -> Vec<u8> {
    let spaces = value.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    [name, b":", value.get(spaces..).unwrap_or_default()].concat()
}

/// The most bytes that Postfix writes into one line (`smtp_line_length_limit`, `lmtp_line_length_limit`).
const MOST: usize = 998;

/// SHA-256 of a body as Postfix hands it over: a line of more than 998 bytes is broken there, and the rest begins with
/// a space. A body that does not end with a line break gets one.
pub(in crate::pipeline) fn sent_hash(body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for line in body.split_inclusive(|b| *b == b'\n') {
        let end = if line.ends_with(b"\r\n") { line.len() - 2 } else { line.len() };
        let (mut text, rest) = line.split_at(end);
        let mut room = MOST;
        while text.len() > room {
            let (now, later) = text.split_at(room);
            hash.update(now);
            hash.update(b"\r\n ");
            (text, room) = (later, MOST - 1);
        }
        hash.update(text);
        hash.update(rest);
    }
    ended(hash, body)
}

/// SHA-256 of a body as it came.
pub(super) fn body_hash(body: &[u8]) -> [u8; 32] {
    ended(Sha256::new_with_prefix(body), body)
}

fn ended(mut hash: Sha256, body: &[u8]) -> [u8; 32] {
    if !body.is_empty() && !body.ends_with(b"\r\n") {
        hash.update(b"\r\n");
    }
    hash.finalize().into()
}
