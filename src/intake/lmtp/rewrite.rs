//! A plan's edits, carried out on the message itself: what an MTA does to its queue file for a milter.

use std::ops::Range;

use bytes::Bytes;

use crate::model::{Action, HeaderValue, Message};

/// The message with `on_top` above it and edited as the plan says, in pieces that one after the other are all of
/// it. `on_top` is our own Received, a whole field with its CRLF.
///
/// As Postfix and Sendmail carry such edits out: a field to be removed or changed is counted from 1 over the fields
/// of its name, case and white space before the colon aside, our own Received not among them; a place to insert at
/// is counted from 0 over all fields, our own Received among them. Where there is no field to be changed, one is
/// put below the others; where there is none to be removed, nothing is.
///
/// What is not edited is not copied: those pieces lie in the message's own bytes, the body among them. Who gets the
/// message is not told here ([`Action::AddRecipient`], [`Action::DeleteRecipient`], [`Action::Hold`]).
#[must_use]
pub(super) fn edited(message: &Message, on_top: &Bytes, actions: &[Action]) -> Vec<Bytes> {
    let mut header = Header::of(message, on_top);
    let mut body = message.raw().slice(message.body_offset()..);
    for action in actions {
        match action {
            Action::DeleteHeader { name, index } => {
                if let Some(at) = header.find(name, *index) {
                    header.fields.remove(at);
                }
            }
            Action::ChangeHeader { name, index, value } => match header.find(name, *index) {
                Some(at) => header.fields[at] = Field::ours(name, value),
                None => header.fields.push(Field::ours(name, value)),
            },
            Action::InsertHeader { index, name, value } => {
                let at = usize::try_from(*index).unwrap_or(usize::MAX).min(header.fields.len());
                header.fields.insert(at, Field::ours(name, value));
            }
            Action::ReplaceBody(other) => body = other.clone(),
            Action::AddRecipient(_) | Action::DeleteRecipient(_) | Action::Hold(_) => {}
        }
    }
    header.pieces(message.raw(), body)
}

const CRLF: &[u8] = b"\r\n";

/// The fields of a message while they are edited.
struct Header<'m> {
    fields: Vec<Field<'m>>,
}

enum Field<'m> {
    /// As it came: its name, and where it lies without its CRLF.
    Kept { name: &'m [u8], whole: Range<usize> },
    /// As a rule or we wrote it, with its CRLF.
    Written { name: String, whole: Bytes },
    /// Our own Received, which edits do not see.
    OnTop(Bytes),
}

impl<'m> Header<'m> {
    fn of(message: &'m Message, on_top: &Bytes) -> Self {
        let mut fields = Vec::with_capacity(message.field_count() + 16);
        fields.push(Field::OnTop(on_top.clone()));
        let kept = message.fields().zip(message.field_ranges());
        fields.extend(kept.map(|((name, _), whole)| Field::Kept { name: name.trim_ascii_end(), whole }));
        Self { fields }
    }

    /// Where the field number `index` called `name` is.
    fn find(&self, name: &str, index: u32) -> Option<usize> {
        let nth = usize::try_from(index.checked_sub(1)?).ok()?;
        let name = name.trim_ascii_end().as_bytes();
        let called = |(_, field): &(usize, &Field<'_>)| match field {
            Field::Kept { name: own, .. } => own.eq_ignore_ascii_case(name),
            Field::Written { name: own, .. } => own.as_bytes().eq_ignore_ascii_case(name),
            Field::OnTop(_) => false,
        };
        self.fields.iter().enumerate().filter(called).nth(nth).map(|(at, _)| at)
    }

    /// Header, empty line and body. Neighbouring fields that were left alone are one piece.
    fn pieces(self, raw: &Bytes, body: Bytes) -> Vec<Bytes> {
        let mut pieces: Vec<Bytes> = Vec::new();
        let mut run: Option<Range<usize>> = None;
        for field in self.fields {
            match field {
                Field::Kept { whole, .. } => {
                    let (start, end) = (whole.start.min(raw.len()), whole.end.min(raw.len()));
                    let is_ended = raw.get(end..).is_some_and(|rest| rest.starts_with(CRLF));
                    let end = if is_ended { end + CRLF.len() } else { end };
                    match &mut run {
                        Some(run) if run.end == start => run.end = end,
                        _ => {
                            pieces.extend(run.take().map(|run| raw.slice(run)));
                            run = Some(start..end);
                        }
                    }
                    if !is_ended {
                        pieces.extend(run.take().map(|run| raw.slice(run)));
                        pieces.push(Bytes::from_static(CRLF));
                    }
                }
                Field::Written { whole, .. } | Field::OnTop(whole) => {
                    pieces.extend(run.take().map(|run| raw.slice(run)));
                    pieces.push(whole);
                }
            }
        }
        pieces.extend(run.take().map(|run| raw.slice(run)));
        pieces.push(Bytes::from_static(CRLF));
        pieces.push(body);
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }
}

impl Field<'_> {
    /// A field of this name and value; folds, which are bare LFs, as CRLF.
    fn ours(name: &str, value: &HeaderValue) -> Self {
        let whole = format!("{name}: {}\r\n", value.as_str().replace('\n', "\r\n"));
        Self::Written { name: name.trim_ascii_end().to_owned(), whole: Bytes::from(whole) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::header;

    const RECEIVED: &str = "Received: from x by us\r\n";

    fn on_top() -> Bytes {
        Bytes::from_static(RECEIVED.as_bytes())
    }

    fn value(text: &str) -> HeaderValue {
        HeaderValue::new("X", text)
    }

    fn insert(index: u32, name: &str, text: &str) -> Action {
        Action::InsertHeader { index, name: name.into(), value: value(text) }
    }

    fn delete(name: &str, index: u32) -> Action {
        Action::DeleteHeader { name: name.into(), index }
    }

    fn change(name: &str, index: u32, text: &str) -> Action {
        Action::ChangeHeader { name: name.into(), index, value: value(text) }
    }

    fn after(raw: &str, actions: &[Action]) -> String {
        let pieces = edited(&header::parse(raw.as_bytes().to_vec()), &on_top(), actions);
        String::from_utf8(pieces.concat()).unwrap().replace("\r\n", "\n")
    }

    #[test]
    fn a_message_without_edits_is_itself_below_our_received_and_is_not_copied() {
        let message = header::parse(&b"Received: a\r\nX : 1\r\n\t2\r\n\r\nbody\r\n"[..]);
        let pieces = edited(&message, &on_top(), &[]);
        assert_eq!(pieces.concat(), [RECEIVED.as_bytes(), message.raw()].concat());
        let lies_in = |piece: &Bytes| message.raw().as_ptr_range().contains(&piece.as_ptr());
        assert_eq!(pieces.iter().map(lies_in).collect::<Vec<_>>(), [false, true, false, true]);
    }

    #[test]
    fn fields_are_counted_as_postfix_counts_them() {
        let raw = "Received: a\nX-A: 1\nSubject: s\nx-a : 2\nX-B: 3\n\nbody\n";
        let actions = [
            delete("X-A", 2),
            delete("x-a", 1),
            delete("X-A", 1),
            delete("Received", 2),
            change("SUBJECT", 1, "[x] s"),
            insert(0, "X-New", "one"),
            insert(1, "X-New", "two"),
            insert(3, "X-Below", &"word ".repeat(20)),
            insert(99, "X-Last", ""),
            change("X-New", 2, "zwei"),
            Action::AddRecipient("a@b".into()),
            Action::DeleteRecipient(b"<a@b>".to_vec()),
            Action::Hold("no".into()),
        ];
        let words = value(&"word ".repeat(20));
        let expected = format!(
            "X-New: one\nX-New: zwei\nReceived: from x by us\nX-Below: {}\nReceived: a\nSUBJECT: [x] s\nX-B: 3\n\
             X-Last: \n\nbody\n",
            words.as_str()
        );
        assert_eq!(after(raw, &actions), expected);
        assert_eq!(after("X-A: 1\n\n", &[change("Subject", 1, "s")]).lines().last(), Some(""));
        assert_eq!(
            after("X-A: 1\n\n", &[change("Subject", 1, "s")]),
            "Received: from x by us\nX-A: 1\nSubject: s\n\n"
        );
        assert_eq!(after("X-A: 1\n\n", &[delete("X-A", 0)]), "Received: from x by us\nX-A: 1\n\n");
    }

    #[test]
    fn the_body_is_replaced_whole_and_a_header_always_ends() {
        let other = Action::ReplaceBody(Bytes::from_static(b"new\r\n"));
        assert_eq!(
            after("X-A: 1\n\nold\n", std::slice::from_ref(&other)),
            "Received: from x by us\nX-A: 1\n\nnew\n"
        );
        assert_eq!(after("X-A: 1", &[other]), "Received: from x by us\nX-A: 1\n\nnew\n");
        assert_eq!(after("X-A: 1", &[]), "Received: from x by us\nX-A: 1\n\n");
        assert_eq!(after("", &[]), "Received: from x by us\n\n");
        assert_eq!(after("no field\n", &[]), "Received: from x by us\n\nno field\n");
        let empty = Action::ReplaceBody(Bytes::new());
        assert_eq!(after("X-A: 1\n\nold\n", &[empty]), "Received: from x by us\nX-A: 1\n\n");
    }

    #[derive(Clone, Debug)]
    enum Edit {
        Delete(usize, u32),
        Change(usize, u32, String),
        Insert(u32, usize, String),
    }

    const NAMES: [&str; 5] = ["Subject", "X-A", "x-a", "From", "Received"];

    fn edits() -> impl Strategy<Value = Vec<Edit>> {
        let text = "[ -~]{0,90}";
        prop::collection::vec(
            prop_oneof![
                (0..5_usize, 0..4_u32).prop_map(|(name, index)| Edit::Delete(name, index)),
                (0..5_usize, 0..4_u32, text).prop_map(|(name, index, text)| Edit::Change(name, index, text)),
                (0..12_u32, 0..5_usize, text).prop_map(|(index, name, text)| Edit::Insert(index, name, text)),
            ],
            0..8,
        )
    }

    proptest! {
        /// Against the plainest list of fields there is.
        #[test]
        fn edits_do_what_they_say_and_touch_nothing_else(
            picks in prop::collection::vec((0..5_usize, "[ -~]{0,20}(\r\n\t[!-~]{1,9})?"), 0..10),
            body in prop::collection::vec(any::<u8>(), 0..60),
            edits in edits(),
        ) {
            let mut raw = Vec::new();
            let mut expected: Vec<(bool, String, String)> = vec![(true, "Received".into(), " from x by us".into())];
            for (name, text) in &picks {
                raw.extend_from_slice(format!("{}:{text}\r\n", NAMES[*name]).as_bytes());
                expected.push((false, NAMES[*name].into(), text.clone()));
            }
            raw.extend_from_slice(b"\r\n");
            let start = raw.len();
            raw.extend_from_slice(&body);
            let fields = header::parse(raw[..start].to_vec());
            let fields: Vec<_> = fields.fields().map(|(name, text)| {
                let place = |piece: &[u8], of: &Message| {
                    let at = u32::try_from(piece.as_ptr() as usize - of.raw().as_ptr() as usize).unwrap();
                    at..at + u32::try_from(piece.len()).unwrap()
                };
                crate::model::Field { name: place(name, &fields), value: place(text, &fields) }
            }).collect();
            let message = Message::new(raw.clone().into(), fields, start);
            let mut actions = Vec::new();
            for edit in &edits {
                let find = |expected: &[(bool, String, String)], name: usize, index: u32| {
                    let called = expected.iter().enumerate().filter(|(_, f)| !f.0 && f.1.eq_ignore_ascii_case(NAMES[name]));
                    called.map(|(at, _)| at).nth(index.checked_sub(1)? as usize)
                };
                match edit {
                    Edit::Delete(name, index) => {
                        actions.push(delete(NAMES[*name], *index));
                        if let Some(at) = find(&expected, *name, *index) { expected.remove(at); }
                    }
                    Edit::Change(name, index, text) => {
                        actions.push(change(NAMES[*name], *index, text));
                        let new = (false, NAMES[*name].into(), format!(" {}", value(text).as_str().replace('\n', "\r\n")));
                        match find(&expected, *name, *index) {
                            Some(at) => expected[at] = new,
                            None => expected.push(new),
                        }
                    }
                    Edit::Insert(index, name, text) => {
                        actions.push(insert(*index, NAMES[*name], text));
                        let new = (false, NAMES[*name].into(), format!(" {}", value(text).as_str().replace('\n', "\r\n")));
                        expected.insert((*index as usize).min(expected.len()), new);
                    }
                }
            }
            let out = edited(&message, &on_top(), &actions).concat();
            let mut wanted: Vec<u8> = expected.iter().map(|(_, n, v)| format!("{n}:{v}\r\n")).collect::<String>().into();
            wanted.extend_from_slice(b"\r\n");
            wanted.extend_from_slice(&body);
            prop_assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&wanted));
        }
    }
}
