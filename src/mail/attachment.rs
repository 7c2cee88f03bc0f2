//! The files of a message, named and hashed.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::head::is_message;
use super::mime::subject;
use crate::model::{Attachment, Part, Parts};

/// Every file in the message in order: its names, its size, and the hash of its bytes as a person would
/// save them. The path names what it lies in, from the outside in: a nested message by its name, its
/// subject or its media type. Names are foreign text.
#[must_use]
pub fn attachments(parts: &Parts) -> Vec<Attachment> {
    // Once a container, not once a file in it: a message may hold a thousand files under a header of megabytes.
    let names: Vec<Option<String>> = parts.list.iter().map(name_of_message).collect();
    parts.list.iter().filter(|p| p.is_file()).map(|part| attachment(parts, part, &names)).collect()
}

/// What a nested message is called; `None` for what is none.
fn name_of_message(part: &Part) -> Option<String> {
    if !part.is_container || !is_message(&part.media_type) {
        return None;
    }
    let name = part.name.clone().or_else(|| subject(part));
    Some(name.unwrap_or_else(|| part.media_type.clone()))
}

fn attachment(parts: &Parts, part: &Part, names: &[Option<String>]) -> Attachment {
    Attachment {
        name: part.name.clone().unwrap_or_default(),
        media_type: part.media_type.clone(),
        size: u64::try_from(part.content.len()).unwrap_or(u64::MAX),
        sha256: HEXLOWER.encode(&Sha256::digest(&part.content)),
        path: path(parts, part, names),
    }
}

fn path(parts: &Parts, part: &Part, names: &[Option<String>]) -> Vec<String> {
    let mut path = vec![part.name.clone().unwrap_or_else(|| part.media_type.clone())];
    // A parent stands before its children, so this ends.
    let mut above = part.parent.and_then(|p| parts.list.get(p));
    while let Some(container) = above {
        path.extend(names.get(container.index).cloned().flatten());
        above = container.parent.and_then(|p| parts.list.get(p)).filter(|p| p.index < container.index);
    }
    path.reverse();
    path
}
