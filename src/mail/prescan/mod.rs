//! The pre-scan: one linear pass over the raw bytes that finds the MIME structure, under limits.
//!
//! It decodes nothing and allocates in proportion to the parts it finds, which are limited, and to
//! nothing else. When a limit is reached it stops and says so; what was found until then stands.
//!
//! What is a delimiter (RFC 2046 §5.1): a line that begins with `--` and a boundary that is open at any
//! level – an outer delimiter ends all inner parts, §5.1.2. A line that goes on after the boundary counts
//! too, §5.1.1, but an exact one at another level goes first, and its part is `Ambiguous`, because some
//! readers want the exact line. A multipart whose delimiters never come is tried with the first line that
//! looks like one: some readers guess.

use std::ops::Range;

mod pass;
mod reading;

use pass::Pass;

use super::head::{Gathered, Head};
use super::limits::Limits;
use crate::model::Message;
use crate::model::part::NotInspected;

/// What may still be read of one message, over all its nested messages.
#[derive(Debug)]
pub(super) struct Budget {
    fields: u32,
    parts: u32,
    depth: u32,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { fields: limits.fields, parts: limits.parts, depth: limits.depth() }
    }

    /// How many parts there may still be.
    pub(super) fn parts_left(&self) -> usize {
        usize::try_from(self.parts).unwrap_or(usize::MAX)
    }

    /// Counts one part more; `false` if there are too many.
    pub(super) fn take_part(&mut self) -> bool {
        let left = self.parts.checked_sub(1);
        self.parts = left.unwrap_or_default();
        left.is_some()
    }

    /// Whether a part may stand at `depth`.
    pub(super) fn allows(&self, depth: u32) -> bool {
        depth <= self.depth
    }
}

/// What a part turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Content.
    Leaf,
    /// A multipart or a nested message, whose content is in the parts that follow.
    Container,
    /// A nested message that has to be decoded before it can be read.
    EncodedMessage,
    /// A container at the deepest level that is allowed: not entered.
    TooDeep,
}

/// One part as it lies in the bytes.
#[derive(Debug)]
pub(super) struct Found {
    /// Position in [`Outline::found`].
    pub(super) parent: Option<usize>,
    pub(super) depth: u32,
    pub(super) kind: Kind,
    pub(super) head: Head,
    /// The content, still encoded. Of a nested message that was entered: its header.
    pub(super) body: Range<usize>,
}

/// What the pass found.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// In order of appearance.
    pub(super) found: Vec<Found>,
    /// The limit that ended the pass early, and others that were met.
    pub(super) not_inspected: Vec<NotInspected>,
}

/// The structure of a whole message. Its header was taken apart by whoever received it.
pub(super) fn message(message: &Message, budget: &mut Budget) -> Outline {
    let mut pass = Pass::new(message.raw(), budget);
    let allowed = usize::try_from(pass.budget.fields).unwrap_or(usize::MAX);
    if message.field_count() > allowed {
        pass.note(NotInspected::TooManyFields);
    }
    let mut gathered = Gathered::default();
    for (name, value) in message.fields().take(allowed) {
        gathered.field(name, value);
    }
    pass.budget.fields =
        pass.budget.fields.saturating_sub(u32::try_from(message.field_count()).unwrap_or(u32::MAX));
    pass.run(gathered.head(TEXT), message.body_offset(), 0)
}

/// The structure of a nested message that was decoded into `data`, and the range of its header. `depth`
/// is that of its own part.
pub(super) fn embedded(data: &[u8], depth: u32, budget: &mut Budget) -> (Outline, Range<usize>) {
    let mut pass = Pass::new(data, budget);
    match pass.read_message_head(0) {
        Some((head, body)) => (pass.run(head, body, depth), 0..body),
        None => (pass.outline, 0..0),
    }
}

/// The media type where none is given (RFC 2045 §5.2).
const TEXT: &str = "text/plain";
