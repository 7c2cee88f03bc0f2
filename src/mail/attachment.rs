//! The files of a message, named and hashed.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::head::is_message;
use super::mime::subject;
use crate::model::file_name::shortened;
use crate::model::{Attachment, Part, Parts};

/// Characters of one name in a path.
const LONGEST_NAME: usize = 200;
/// Bytes of one path, and of all paths of a message: every file names all containers that it lies in, so that a
/// thousand files in thirty containers have thirty thousand names.
const LONGEST_PATH: usize = 4 * 1024;
const ALL_PATHS: usize = 1024 * 1024;
/// Stands for the containers that are left out.
const LEFT_OUT: &str = "…";

/// Every file in the message in order: its names, its size, and the hash of its bytes as a person would
/// save them. The path names what it lies in, from the outside in: a nested message by its name, its
/// subject or its media type. Names are foreign text.
#[must_use]
pub fn attachments(parts: &Parts) -> Vec<Attachment> {
    // Once a container, not once a file in it: a message may hold a thousand files under a header of megabytes.
    let names: Vec<Option<String>> = parts.list.iter().map(name_of_container).collect();
    let mut left = ALL_PATHS;
    parts.list.iter().filter(|p| p.is_file()).map(|part| attachment(parts, part, &names, &mut left)).collect()
}

/// What a nested message is called, or a file that holds others; `None` for a multipart.
fn name_of_container(part: &Part) -> Option<String> {
    if part.is_container && !is_message(&part.media_type) {
        return None;
    }
    if !part.is_container {
        return part.name.as_deref().map(|name| shortened(name, LONGEST_NAME).into_owned());
    }
    let name = part.name.as_deref().map(Cow::Borrowed).or_else(|| subject(part).map(Cow::Owned));
    let name = name.unwrap_or(Cow::Borrowed(&part.media_type));
    Some(shortened(&name, LONGEST_NAME).into_owned())
}

fn attachment(parts: &Parts, part: &Part, names: &[Option<String>], left: &mut usize) -> Attachment {
    Attachment {
        name: part.name.clone().unwrap_or_default(),
        other_names: part.names_by_extension().skip(1).map(str::to_owned).collect(),
        media_type: part.media_type.clone(),
        size: u64::try_from(part.content.len()).unwrap_or(u64::MAX),
        sha256: HEXLOWER.encode(&Sha256::digest(&part.content)),
        path: path(parts, part, names, left),
    }
}

/// `left` is what all paths may still take.
fn path(parts: &Parts, part: &Part, names: &[Option<String>], left: &mut usize) -> Vec<String> {
    let own = part.name.as_deref().unwrap_or(&part.media_type);
    let mut path = vec![shortened(own, LONGEST_NAME).into_owned()];
    let mut budget = LONGEST_PATH.min(*left);
    // A parent stands before its children, so this ends.
    let mut above = part.parent.and_then(|p| parts.list.get(p));
    while let Some(container) = above {
        if let Some(Some(name)) = names.get(container.index) {
            let Some(rest) = budget.checked_sub(name.len() + size_of::<String>()) else {
                path.push(LEFT_OUT.to_owned());
                break;
            };
            *left = left.saturating_sub(budget - rest);
            budget = rest;
            path.push(name.clone());
        }
        above = container.parent.and_then(|p| parts.list.get(p)).filter(|p| p.index < container.index);
    }
    path.reverse();
    path
}
