//! Tricks of the trade, one by one; what an HTML parser sees; hostile input; QR codes.

mod costly;
mod damaged;
mod files;
mod hostile;
mod long;
pub(super) mod mutated;
mod pictures;
mod seen;
mod tricks;
mod wrappers;

use bytes::Bytes;

use super::{Limits, Links, find};
use crate::model::{Part, Parts};

/// A message of one part.
fn message(media_type: &str, content: impl Into<Bytes>) -> Parts {
    let part = Part { media_type: media_type.to_owned(), content: content.into(), ..Part::default() };
    Parts { list: vec![part], not_inspected: Vec::new() }
}

pub(super) fn links(media_type: &str, content: impl Into<Bytes>) -> Links {
    find(&message(media_type, content), "", &Limits::default())
}

/// `source url | shown` of each.
pub(super) fn told(links: &Links) -> Vec<String> {
    let tell = |found: &super::Found| {
        let shown = if found.shown.is_empty() { String::new() } else { format!(" | {}", found.shown) };
        format!("{} {}{shown}", found.source.label(), found.link)
    };
    links.list.iter().map(tell).collect()
}
