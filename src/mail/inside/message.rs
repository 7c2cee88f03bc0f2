//! Mail that is attached under another type than `message/rfc822`.

use crate::mail::header::is_envelope_line;
use crate::mail::lines::{self, at};
use crate::model::Part;
use crate::model::file_name::extension;

/// Endings of files that mail programs open as mail: mail itself, news, and pages saved with what belongs to them.
const ENDINGS: [&str; 6] = ["eml", "emlx", "nws", "mht", "mhtml", "mim"];
/// Types that people invent for mail.
const TYPES: [&str; 5] =
    ["application/eml", "application/x-eml", "application/email", "text/rfc822", "application/rfc822"];
/// How many lines are looked past in front of the header.
const LOOK_AHEAD: usize = 16;

/// Where the message begins that a part is, if by its name or type somebody opens it as one.
pub(super) fn start(part: &Part) -> Option<usize> {
    let mut names = part.name.iter().chain(&part.other_names);
    let is_named = names.any(|name| ENDINGS.contains(&&*extension(name)));
    if !is_named && !TYPES.contains(&part.media_type.as_str()) {
        return None;
    }
    begin(&part.content)
}

/// Where a message begins: behind a byte order mark and the number of bytes in front of Apple's mails. `None` if no
/// field stands there.
pub(super) fn begin(content: &[u8]) -> Option<usize> {
    let start = if content.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let (first, next) = lines::line(content, start);
    let text = at(content, &first).trim_ascii();
    let is_count = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let start = if is_count { next } else { start };
    let mut from = start;
    for _ in 0..LOOK_AHEAD {
        let (line, next) = lines::line(content, from);
        let text = at(content, &line);
        if lines::field_name(text).is_some() {
            return Some(start);
        }
        if next == from || !(text.is_empty() || is_envelope_line(text)) {
            return None;
        }
        from = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_begins_with_a_field() {
        for (content, expected) in [
            ("From: a@b.example\n\nx", Some(0)),
            ("\u{feff}Subject: x\n\n", Some(3)),
            ("\r\n\r\nSubject : x\r\n", Some(0)),
            ("From a@b.example Mon Jan  1\nSubject: x\n", Some(0)),
            ("1234      \nSubject: x\n", Some(11)),
            ("", None),
            ("PK\u{3}\u{4}", None),
            ("no field: as its name has a space\n", None),
            ("<html>\nSubject: x\n", None),
        ] {
            assert_eq!(begin(content.as_bytes()), expected, "{content:?}");
        }
    }

    #[test]
    fn only_what_is_called_a_mail_is_one() {
        let of = |name: Option<&str>, other: Option<&str>, media_type: &str| {
            start(&Part {
                name: name.map(str::to_owned),
                other_names: other.map(str::to_owned).into_iter().collect(),
                media_type: media_type.to_owned(),
                content: "Subject: x\n\ny".into(),
                ..Part::default()
            })
        };
        assert_eq!(of(Some("a.EML"), None, "application/octet-stream"), Some(0));
        assert_eq!(of(Some("a.txt"), Some("a.eml"), "text/plain"), Some(0));
        assert_eq!(of(None, None, "text/rfc822"), Some(0));
        assert_eq!(of(Some("a.txt"), None, "text/plain"), None);
        assert_eq!(of(None, None, "text/plain"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_beginning_within_them_or_none(
            content in prop::collection::vec(prop::sample::select(&b"a: \r\n1F\xef\xbb\xbf"[..]), 0..60)
        ) {
            prop_assert!(begin(&content).is_none_or(|start| start < content.len()));
        }
    }
}
