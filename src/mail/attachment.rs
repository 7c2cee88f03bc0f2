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
    parts.list.iter().filter(|p| p.is_file()).map(|part| attachment(parts, part)).collect()
}

fn attachment(parts: &Parts, part: &Part) -> Attachment {
    Attachment {
        name: part.name.clone().unwrap_or_default(),
        media_type: part.media_type.clone(),
        size: u64::try_from(part.content.len()).unwrap_or(u64::MAX),
        sha256: HEXLOWER.encode(&Sha256::digest(&part.content)),
        path: path(parts, part),
    }
}

fn path(parts: &Parts, part: &Part) -> Vec<String> {
    let mut path = vec![part.name.clone().unwrap_or_else(|| part.media_type.clone())];
    // A parent stands before its children, so this ends.
    let mut above = part.parent.and_then(|p| parts.list.get(p));
    while let Some(container) = above {
        if is_message(&container.media_type) {
            let name = container.name.clone().or_else(|| subject(container));
            path.push(name.unwrap_or_else(|| container.media_type.clone()));
        }
        above = container.parent.and_then(|p| parts.list.get(p)).filter(|p| p.index < container.index);
    }
    path.reverse();
    path
}
