//! Where a message leads: the addresses in its texts, pages, calendars, PDF and RTF files, subject and pictures, and in fields of its
//! header that programs make buttons of.
//!
//! **Contract.** [`find`] takes the decoded parts and the subject and returns [`Links`]: each address on the
//! web with its normal form, where it stood, the text that a person sees for it, and how it was written.
//! It reads as mail programs and browsers read: HTML after the WHATWG tokenizer, text with the addresses
//! that mail programs turn into links without being asked. Where two readers would see two things, both are
//! given. Addresses that other filters wrapped are unwrapped without a question to the net; the wrapper and
//! what was in it are both given. [`Seen`] holds what else a page showed of interest to a judgement, so that
//! nobody reads it a second time. Addresses that name no place on the web (mailto:, cid:, a relative one
//! without base) are not given; `hxxp` is text.
//!
//! Pure and blocking: for a thread that may compute. Linear in the size of the parts, whatever is in them,
//! and bounded by [`Limits`]. Pictures are another matter: [`find_but_in_pictures`] leaves them to whoever has
//! time for [`Pictures::look`], which costs what their bytes allow and ends when it is told to.
//!
//! **Failures.** None to the caller. What was not looked at is in [`Links::not_inspected`] and is never the
//! same as clean.
//!
//! Where to find what: which part is read how [`kind`]; what is found [`found`]; fields of the header
//! `header_fields`; text `text`; HTML `html`;
//! style sheets `style`; scripts `script`, the files in them `carried`; calendars `calendar`; PDF files `pdf`, RTF `rtf`, text with commands `enriched`; unwrapping `wrapped`;
//! pictures, which come last `pictures`; QR codes in them `qr`; counting, limits and doubles `collect`; addresses too long `long`; flowed text `flowed`.

mod calendar;
mod carried;
mod collect;
mod enriched;
mod escape;
mod flowed;
pub mod found;
mod header_fields;
mod html;
pub mod kind;
mod long;
mod pdf;
mod pictures;
mod qr;
mod rtf;
mod script;
mod style;
#[cfg(test)]
mod tests;
mod text;
mod wrapped;

pub use found::{Found, Hidden, Limits, Links, Place, Seen, Skipped, Source};
pub use header_fields::of_header;
pub use html::reference::resolved;
pub use pictures::{Pictures, Stop};

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use collect::Collector;
use kind::Kind;

use super::{charset, header, mime};
use crate::model::{Part, Parts};

/// Whether `bytes` are a PDF file that is encrypted. Some of these open without a password.
#[must_use]
pub fn is_encrypted_pdf(bytes: &[u8]) -> bool {
    pdf::is_pdf(bytes) && pdf::is_encrypted(bytes)
}

/// Finds the links of a message. `subject` decoded (RFC 2047).
#[must_use]
pub fn find(parts: &Parts, subject: &str, limits: &Limits) -> Links {
    let (mut links, pictures) = find_but_in_pictures(parts, subject, limits);
    if !pictures.is_empty() {
        links.add(pictures.look(&Stop::default()));
    }
    links
}

/// The same, the pictures left for later: what those cost, nobody knows before.
#[must_use]
pub fn find_but_in_pictures(parts: &Parts, subject: &str, limits: &Limits) -> (Links, Pictures) {
    let mut into = Collector::new(limits);
    into.enter(Place::Subject);
    if let Some(subject) = into.allow(subject) {
        text::find(subject, Source::Subject, &mut into);
    }
    for part in &parts.list {
        let Some(external) = &part.external else { continue };
        into.enter(Place::Part(part.index));
        for url in &external.urls {
            into.add(url, Source::External, "");
        }
    }
    let readings = parts.list.iter().flat_map(|part| Kind::of(part).map(move |kind| (part, kind)));
    for (part, kind) in readings.filter(|(_, kind)| kind.is_text() || !limits.only_texts) {
        into.enter(Place::Part(part.index));
        // No panic is known. Should one of the readers have one, the part is not inspected rather than the
        // message lost.
        if catch_unwind(AssertUnwindSafe(|| read(part, kind, &mut into))).is_err() {
            into.skip(Skipped::Unreadable);
        }
    }
    into.finish()
}

fn read(part: &Part, kind: Kind, into: &mut Collector<'_>) {
    match kind {
        Kind::Other => {}
        Kind::Picture => qr::note(&part.content, into),
        Kind::Message => {
            if let Some(subject) = mime::subject(part)
                && let Some(subject) = into.allow(&subject)
            {
                text::find(subject, Source::Subject, into);
            }
        }
        Kind::Archive => archive(part, into),
        Kind::Pdf => pdf::read(&part.content, into),
        Kind::Text | Kind::Enriched | Kind::Rtf | Kind::Html | Kind::Calendar | Kind::Shortcut => {
            let decoded = decoded(part);
            let Some(content) = into.allow(&decoded) else { return };
            match kind {
                Kind::Html => html::read(content, into),
                Kind::Calendar => calendar::read(content, into),
                Kind::Shortcut => html::shortcut(content, into),
                Kind::Rtf => rtf::read(content, into),
                _ => {
                    text::find(content, Source::Text, into);
                    if let Some(shown) = (kind == Kind::Enriched).then(|| enriched::shown(content)).flatten()
                    {
                        text::find(&shown, Source::Text, into);
                    }
                    if let Some(joined) = part.deletes_space.then(|| flowed::joined(content)).flatten() {
                        text::find(&joined, Source::Text, into);
                    }
                }
            }
        }
    }
}

/// The parts of a message in a file; all of them are in the part that the file is, unless the walk saw the message and
/// they are parts of their own.
fn archive(file: &Part, into: &mut Collector<'_>) {
    let message = header::parse(file.content.clone());
    for subject in message.values("Subject").take(4).map(header::decode_words) {
        if let Some(subject) = into.allow(&subject) {
            text::find(subject, Source::Subject, into);
        }
    }
    // It is no message, or one that says nothing of itself: some programs guess.
    if message.values("Content-Type").next().is_none() {
        let decoded = decoded(file);
        if let Some(content) = into.allow(&decoded) {
            html::read(content, into);
        }
    }
    if file.is_mail {
        return;
    }
    let parts = mime::walk(&message, &super::Limits::default());
    if !parts.not_inspected.is_empty() {
        into.skip(Skipped::TooDeep);
    }
    for part in &parts.list {
        for kind in Kind::of(part) {
            match kind {
                Kind::Archive if !part.is_mail => into.skip(Skipped::TooDeep),
                kind => read(part, kind, into),
            }
        }
    }
}

/// A part's text. Parts that people read are UTF-8 already; files have the bytes they came with.
fn decoded(part: &Part) -> Cow<'_, str> {
    match std::str::from_utf8(&part.content) {
        // NUL in ASCII: UTF-16 without its mark, if it is every other byte; browsers pass over others.
        Ok(text) if !is_wide(&part.content) => Cow::Borrowed(text),
        _ if is_wide(&part.content) => Cow::Owned(charset::text(&part.content, Some(order(&part.content)))),
        _ => Cow::Owned(charset::text(&part.content, None)),
    }
}

/// Whether text is UTF-16 without a mark: of its first bytes, half are NUL.
fn is_wide(content: &[u8]) -> bool {
    let begin = content.get(..content.len().min(64)).unwrap_or_default();
    begin.len() >= 4 && begin.iter().filter(|b| **b == 0).count() * 5 >= begin.len() * 2
}

/// In which order the bytes of such a text are.
fn order(content: &[u8]) -> &'static str {
    if content.first() == Some(&0) { "utf-16be" } else { "utf-16le" }
}
