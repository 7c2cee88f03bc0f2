//! A text put in front of what a mail says, where nothing signed would break and nothing is unclear.
//!
//! The text goes into the first text that is shown; where that has alternatives, into the plain and the HTML one.
//! Only those parts are written anew, in their own transfer encoding and charset; every other byte of the body
//! stays. What comes out is read again and compared part by part before it is given out: a mail for which
//! that does not hold is left alone.
//!
//! It is a hint to people, not a control: who writes the page can hide what stands in it, and an MTA that lets
//! mail through when its filter breaks off may keep the old body.

use std::ops::Range;

use bytes::Bytes;

use super::limits::Limits;
use super::lines::at;
use super::prescan::{self, Budget, Found, Kind, Outline};
use super::transfer::Encoding;
use crate::model::Message;

mod html;
mod part;
mod words;

#[cfg(test)]
mod tests;

/// Larger messages are left alone.
const MAX_MESSAGE: usize = 10 << 20;

/// Why a mail is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unable {
    /// Over 10 MiB.
    #[error("the message is larger than 10 MiB")]
    TooLarge,
    /// DKIM, ARC, S/MIME, PGP.
    #[error("the message is signed or encrypted")]
    Signed,
    /// Nothing that people would read it in.
    #[error("the message shows no text")]
    NoText,
    /// Reports are read by machines.
    #[error("the message is a report or another kind of multipart that is not for reading")]
    Machines,
    /// Its parts could be read in two ways, or a message is nested in it.
    #[error("the message's parts are not clear, or hold another message")]
    Structure,
    /// The text itself cannot be read with certainty.
    #[error("the text's encoding or charset is not clear")]
    Encoding,
}

/// The body of `message` with `text` in front of what people read.
///
/// # Errors
/// Why the message is better left alone.
pub fn add(message: &Message, text: &str) -> Result<Bytes, Unable> {
    if message.raw().len() > MAX_MESSAGE {
        return Err(Unable::TooLarge);
    }
    if message.fields().any(|(name, _)| is_signature(name.trim_ascii_end())) {
        return Err(Unable::Signed);
    }
    let outline = outlined(message)?;
    outline.found.iter().try_for_each(fits)?;
    let chosen = chosen(&outline.found);
    if chosen.is_empty() {
        return Err(Unable::NoText);
    }
    let raw = message.raw();
    let mut changed: Vec<(usize, Vec<u8>)> = Vec::with_capacity(chosen.len());
    for position in chosen {
        let found = outline.found.get(position).ok_or(Unable::Structure)?;
        changed.push((position, part::with(at(raw, &found.body), &found.head, text)?));
    }
    let body = spliced(message, &outline, &changed)?;
    let written = message.with_body(&body);
    holds(message, &outline, &written, &changed)?;
    Ok(Bytes::from(body))
}

/// A field that signs the body.
fn is_signature(name: &[u8]) -> bool {
    [&b"DKIM-Signature"[..], b"DomainKey-Signature", b"ARC-Message-Signature", b"ARC-Seal", b"Content-MD5"]
        .iter()
        .any(|signature| name.eq_ignore_ascii_case(signature))
}

/// The parts, if nobody could see others.
fn outlined(message: &Message) -> Result<Outline, Unable> {
    let outline = prescan::message(message, &mut Budget::new(&Limits::default()));
    let is_clear =
        outline.not_inspected.is_empty() && outline.found.iter().all(|found| found.head.defects.is_empty());
    if is_clear { Ok(outline) } else { Err(Unable::Structure) }
}

/// Whether a message with this part may be touched.
fn fits(found: &Found) -> Result<(), Unable> {
    let media_type = found.head.media_type.as_str();
    let is_sealed = ["multipart/signed", "multipart/encrypted", "application/pgp-", "application/pkcs7-"]
        .into_iter()
        .chain(["application/x-pkcs7-", "application/pgp"])
        .any(|sealed| media_type.starts_with(sealed));
    match found.kind {
        _ if is_sealed => Err(Unable::Signed),
        Kind::Leaf => Ok(()),
        Kind::Container if found.head.encoding != Encoding::Identity => Err(Unable::Structure),
        Kind::Container => match media_type {
            "multipart/mixed" | "multipart/alternative" | "multipart/related" => Ok(()),
            other if other.starts_with("multipart/") => Err(Unable::Machines),
            _ => Err(Unable::Structure),
        },
        Kind::EncodedMessage | Kind::TooDeep => Err(Unable::Structure),
    }
}

/// The first text that is shown, or where that has alternatives, its plain and its HTML form.
fn chosen(found: &[Found]) -> Vec<usize> {
    let is_text = |one: &Found, media_type: &str| {
        one.kind == Kind::Leaf
            && one.head.media_type == media_type
            && !one.head.is_attachment
            && one.head.names.is_empty()
    };
    let is_shown = |one: &Found| is_text(one, PLAIN) || is_text(one, HTML);
    let Some(first) = found.iter().position(is_shown) else { return Vec::new() };
    let Some(choice) = above(found, first)
        .filter(|i| found.get(*i).is_some_and(|f| f.head.media_type == ALTERNATIVE))
        .last()
    else {
        return vec![first];
    };
    let below = |media_type: &str| {
        (0..found.len()).find(|i| {
            found.get(*i).is_some_and(|one| is_text(one, media_type)) && above(found, *i).any(|a| a == choice)
        })
    };
    let mut chosen: Vec<usize> = [below(PLAIN), below(HTML)].into_iter().flatten().collect();
    chosen.sort_unstable();
    chosen
}

const PLAIN: &str = "text/plain";
const HTML: &str = "text/html";
const ALTERNATIVE: &str = "multipart/alternative";

/// The containers of a part, from the innermost out.
fn above(found: &[Found], part: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(found.get(part).and_then(|f| f.parent), |i| found.get(*i).and_then(|f| f.parent))
}

/// The body with the changed parts in their places. `changed` is in the order of the parts.
fn spliced(message: &Message, outline: &Outline, changed: &[(usize, Vec<u8>)]) -> Result<Vec<u8>, Unable> {
    let raw = message.raw();
    let more: usize = changed.iter().map(|(_, new)| new.len()).sum();
    let mut body = Vec::with_capacity(message.body().len() + more);
    let mut from = message.body_offset();
    for (position, new) in changed {
        let Range { start, end } = outline.found.get(*position).map(|f| f.body.clone()).unwrap_or_default();
        body.extend_from_slice(raw.get(from..start).ok_or(Unable::Structure)?);
        body.extend_from_slice(new);
        from = end;
    }
    body.extend_from_slice(raw.get(from..).ok_or(Unable::Structure)?);
    Ok(body)
}

/// Whether what was written is read as the same parts, with the same content where nothing was changed.
fn holds(
    before: &Message,
    outline: &Outline,
    after: &Message,
    changed: &[(usize, Vec<u8>)],
) -> Result<(), Unable> {
    let now = outlined(after)?;
    let same_head = |old: &Found, new: &Found| {
        (old.parent, old.depth, old.kind) == (new.parent, new.depth, new.kind) && old.head == new.head
    };
    let same_body = |position: usize, old: &Found, new: &Found| {
        let written = changed.iter().find(|(at, _)| *at == position).map(|(_, new)| new.as_slice());
        at(after.raw(), &new.body) == written.unwrap_or_else(|| at(before.raw(), &old.body))
    };
    let mut pairs = outline.found.iter().zip(&now.found).enumerate();
    let is_same = outline.found.len() == now.found.len()
        && pairs.all(|(position, (old, new))| same_head(old, new) && same_body(position, old, new));
    if is_same { Ok(()) } else { Err(Unable::Structure) }
}
