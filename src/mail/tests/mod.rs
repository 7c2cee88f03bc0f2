//! Whole messages through the walk.

mod evasion;
mod flood;
mod inside;
mod mutation;
mod structure;
mod suites;

use crate::mail::{Limits, header, walk};
use crate::model::part::Defect;
use crate::model::{Message, Parts};

/// A message from its text; lines end in LF here and in CRLF in the message.
fn message(text: &str) -> Message {
    header::parse(text.as_bytes().to_vec())
}

fn walked(text: &str) -> Parts {
    walk(&message(text), &Limits::default())
}

/// One line for each part: indented by depth, media type, name, defects, content.
fn outline(parts: &Parts) -> Vec<String> {
    parts.list.iter().map(line).collect()
}

fn line(part: &crate::model::Part) -> String {
    let indent = "  ".repeat(part.depth);
    let name = part.name.as_deref().map(|n| format!(" <{n}>")).unwrap_or_default();
    let defects = if part.defects.is_empty() { String::new() } else { format!(" {:?}", part.defects) };
    let content = String::from_utf8_lossy(&part.content);
    let content = if part.is_container { String::new() } else { format!(" {content:?}") };
    format!("{indent}{}{name}{defects}{content}", part.media_type)
}

/// Whether some leaf holds `needle`.
fn holds(parts: &Parts, needle: &[u8]) -> bool {
    parts.list.iter().any(|p| !p.is_container && memchr::memmem::find(&p.content, needle).is_some())
}

fn has(parts: &Parts, defect: Defect) -> bool {
    parts.list.iter().any(|p| p.defects.contains(&defect))
}
