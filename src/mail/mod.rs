//! The reading of a message: its header, its MIME parts, its files.
//!
//! **Contract.** [`walk`] takes the bytes as they came and returns [`Parts`](crate::model::Parts): every part, decoded, in
//! order of appearance, nested messages included. It reads as mail programs read, not as the RFC wishes
//! mail to be: a fault that some reader would get past does not hide content from us. [`attachments`]
//! names and hashes the files. [`strip::removals`] says which inbound fields must go because mailward
//! adds fields of that name. [`header::parse`] reads a message from a file.
//!
//! Nothing here allocates more than a small multiple of the message, whatever is in it: one linear
//! pass finds the structure under [`Limits`] (fields, parts, depth) before anything is decoded, and
//! decoding stops at `decoded` bytes. Content that needs no decoding is a slice of the message, not a
//! copy.
//!
//! **Failures.** None to the caller. What could not be looked at is in [`not_inspected`](crate::model::Parts::not_inspected) and is
//! never the same as clean; [`describe`] says it in a sentence. What was looked at and is odd is a
//! [`Defect`](crate::model::part::Defect) of its part. Where two readers could see two things, the part
//! says `Ambiguous` and we take the reading that shows more.
//!
//! Design note: the MIME structure is read here and not by mail-parser 0.11.9. That one has no limit on
//! parts, matches a delimiter in the middle of a line, does not end an inner multipart at the outer
//! delimiter, and gives base64 up at the first odd byte, so that content hides behind faults that mail
//! programs forgive; `tests/evasion.rs` holds a message for each. Its readers of single values
//! (encoded words, addresses, charsets) are good and are used.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod attachment;
pub mod auth_results;
pub mod banner;
mod charset;
pub mod compound;
pub mod cut;
mod encoded;
mod head;
pub mod header;
mod inside;
mod limits;
mod lines;
pub mod links;
mod mime;
mod parameter;
mod prescan;
pub mod received_spf;
pub mod results;
pub mod results_read;
pub mod strip;
mod transfer;
mod words;
pub mod zip_names;

#[cfg(test)]
mod tests;

pub use attachment::attachments;
pub use limits::{Limits, describe};
pub use mime::walk;
