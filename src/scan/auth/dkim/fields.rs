//! The header fields that a signature covers, and their canonical form (RFC 6376 §3.4.1, §3.4.2, §3.7, §5.4.2).

use std::cmp::Ordering;
use std::ops::Range;

use super::body::Canonical;
use super::value::items;
use crate::model::Message;

/// Fields that stand in a message once (RFC 5322 §3.6, RFC 2045 §3), of which programs show or obey one, and not all
/// the same one.
const ONCE: [&str; 9] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Date",
    "Subject",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// The header of a message, sorted so that a signature's fields are found without looking at all of them.
#[derive(Debug)]
pub(in super::super) struct Fields<'m> {
    fields: Vec<Field<'m>>,
    /// Indexes of fields: by name, and of one name the lowest field first.
    sorted: Vec<usize>,
}

/// One field.
#[derive(Clone, Copy, Debug)]
struct Field<'m> {
    /// Without the white space before the colon.
    name: &'m [u8],
    value: &'m [u8],
    /// Everything from the name to the value, without the final line break.
    whole: &'m [u8],
}

impl<'m> Fields<'m> {
    /// The fields of a message.
    pub(in super::super) fn new(message: &'m Message) -> Self {
        let field =
            |((name, value), whole): ((&'m [u8], _), _)| Field { name: name.trim_ascii_end(), value, whole };
        let fields: Vec<Field<'_>> = message.fields().zip(message.whole_fields()).map(field).collect();
        let mut sorted: Vec<usize> = (0..fields.len()).rev().collect();
        let name = |index: usize| fields.get(index).map_or(&b""[..], |field| field.name);
        sorted.sort_by(|a, b| by_name(name(*a), name(*b)));
        Self { fields, sorted }
    }

    /// What is signed: the fields that the signature in field `own` names, and that field itself without
    /// its `b=`, in canonical form, into `out`.
    ///
    /// A name that stands there several times means as many fields, from the bottom up; beyond those that
    /// there are it means nothing (§5.4.2). A signature never means itself.
    pub(in super::super) fn signed(
        &self,
        own: usize,
        names: Range<usize>,
        emptied: Range<usize>,
        canonical: Canonical,
        out: &mut Vec<u8>,
    ) {
        out.clear();
        let Some(own_field) = self.fields.get(own) else { return };
        // How many fields of a name were taken, by where the name begins in `sorted`.
        let mut taken = vec![0_usize; self.sorted.len()];
        for name in items(own_field.value.get(names).unwrap_or_default()) {
            let first = self.sorted.partition_point(|index| self.compare(*index, name) == Ordering::Less);
            let candidate = |n: usize| {
                let index = self.sorted.get(first + n).copied()?;
                (self.compare(index, name) == Ordering::Equal).then_some(index)
            };
            let Some(count) = taken.get_mut(first).filter(|_| candidate(0).is_some()) else { continue };
            if candidate(*count) == Some(own) {
                *count += 1;
            }
            if let Some(field) = candidate(*count).and_then(|index| self.fields.get(index)) {
                *count += 1;
                match canonical {
                    Canonical::Simple => out.extend_from_slice(field.whole),
                    Canonical::Relaxed => relaxed(field.name, field.value, &[], out),
                }
                out.extend_from_slice(b"\r\n");
            }
        }
        // The signature's own field has no line break at its end (§3.7).
        let before = own_field.value.get(..emptied.start).unwrap_or_default();
        let after = own_field.value.get(emptied.end..).unwrap_or_default();
        match canonical {
            Canonical::Simple => {
                let prefix = own_field.whole.len() - own_field.value.len();
                out.extend_from_slice(own_field.whole.get(..prefix).unwrap_or_default());
                out.extend_from_slice(before);
                out.extend_from_slice(after);
            }
            Canonical::Relaxed => relaxed(own_field.name, before, after, out),
        }
    }

    /// The first of [`ONCE`] that is signed, and of which the message has more than are signed. The lowest are what is
    /// signed, so whoever adds one on top has it shown under somebody else's signature (RFC 6376 §8.15).
    pub(in super::super) fn beside(&self, own: usize, names: Range<usize>) -> Option<&'static str> {
        let names = self.fields.get(own)?.value.get(names)?;
        ONCE.into_iter().find(|once| {
            let once = once.as_bytes();
            let first = self.sorted.partition_point(|index| self.compare(*index, once) == Ordering::Less);
            let rest = self.sorted.get(first..).unwrap_or_default();
            let there = rest.partition_point(|index| self.compare(*index, once) == Ordering::Equal);
            let signed = || items(names).filter(|name| by_name(name, once) == Ordering::Equal).count();
            there > 1 && (1..there).contains(&signed())
        })
    }

    fn compare(&self, index: usize, name: &[u8]) -> Ordering {
        self.fields.get(index).map_or(Ordering::Greater, |field| by_name(field.name, name))
    }
}

/// Names are the same in any case.
fn by_name(a: &[u8], b: &[u8]) -> Ordering {
    a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
}

/// §3.4.2: the name in lower case, no white space around the colon, the value unfolded, runs of white space
/// one space, none at the end. The value comes in two pieces.
pub(in super::super) fn relaxed(name: &[u8], value: &[u8], more: &[u8], out: &mut Vec<u8>) {
    out.extend(name.iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let start = out.len();
    let mut space = false;
    for piece in [value, more] {
        let mut rest = piece;
        while let [first, after @ ..] = rest {
            rest = after;
            match (first, after) {
                // A fold. There is no other CRLF in a field.
                (b'\r', [b'\n', after @ ..]) => rest = after,
                (b' ' | b'\t', _) => space = true,
                (byte, _) => {
                    if space && out.len() > start {
                        out.push(b' ');
                    }
                    space = false;
                    out.push(*byte);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tags::Tags;
    use super::*;
    use crate::mail::header;

    /// What is signed of a message whose first field is the signature, `h=` and `b=` found in it.
    fn signed(raw: &str, canonical: Canonical) -> String {
        let message = header::parse(raw.to_owned());
        let (own, value) = message.fields().map(|(_, value)| value).enumerate().next().unwrap();
        let tags = Tags::parse(value).unwrap();
        let mut out = b"left over".to_vec();
        Fields::new(&message).signed(
            own,
            tags.range("h").unwrap(),
            tags.range("b").unwrap(),
            canonical,
            &mut out,
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_header_example_of_rfc_6376_3_4_5() {
        let raw = "S: h=a:b; b=x\r\nA: X\r\nB : Y\t\r\n\tZ  \r\n\r\n";
        assert_eq!(signed(raw, Canonical::Relaxed), "a:X\r\nb:Y Z\r\ns:h=a:b; b=");
        assert_eq!(signed(raw, Canonical::Simple), "A: X\r\nB : Y\t\r\n\tZ  \r\nS: h=a:b; b=");
    }

    #[test]
    fn a_name_that_is_repeated_goes_up_from_the_bottom_and_beyond_the_top_means_nothing() {
        let raw = "S: h=A:a:none:b:a:a; b=; z\r\na: 1\r\nA: 2\r\nb: 3\r\na : 4\r\nc: 5\r\n\r\n";
        let expected = "a:4\r\na:2\r\nb:3\r\na:1\r\ns:h=A:a:none:b:a:a; b=; z=";
        assert_eq!(signed(&raw.replace("; z", "; z="), Canonical::Relaxed), expected);
    }

    #[test]
    fn a_signature_does_not_sign_itself() {
        let raw = "S: h=s:s:s; b=x\r\nS: below\r\ns: bottom\r\n\r\n";
        assert_eq!(signed(raw, Canonical::Relaxed), "s:bottom\r\ns:below\r\ns:h=s:s:s; b=");
    }

    #[test]
    fn the_value_of_b_goes_with_the_white_space_around_it_and_nothing_else() {
        let raw = "S:  b = \r\n x\r\n\ty ;\r\n  h=a ;c=1 \r\nA:\r\n\r\n";
        assert_eq!(signed(raw, Canonical::Simple), "A:\r\nS:  b =;\r\n  h=a ;c=1 ");
        assert_eq!(signed(raw, Canonical::Relaxed), "a:\r\ns:b =; h=a ;c=1");
        let last = "S: h=a; b= x\r\n y \r\nA:no space\r\n\r\n";
        assert_eq!(signed(last, Canonical::Simple), "A:no space\r\nS: h=a; b=");
        assert_eq!(signed(last, Canonical::Relaxed), "a:no space\r\ns:h=a; b=");
    }

    #[test]
    fn white_space_is_space_and_tab_and_folds_and_no_other_character() {
        let raw = "S: h=a; b=\r\na: \r\n \r\n\t1\x0b2\x0c3\r4  \r\n\t \r\n\r\n";
        assert_eq!(signed(raw, Canonical::Relaxed), "a:1\x0b2\x0c3\r4\r\ns:h=a; b=");
    }

    /// The field of which one is not signed, of a message whose first field is the signature.
    fn beside(raw: &str) -> Option<&'static str> {
        let message = header::parse(raw.to_owned());
        let (own, value) = message.fields().map(|(_, value)| value).enumerate().next().unwrap();
        let names = Tags::parse(value).unwrap().range("h").unwrap();
        Fields::new(&message).beside(own, names)
    }

    #[test]
    fn a_second_field_that_is_not_signed_is_told_by_its_name() {
        let two = "Subject: 2\r\nFrom: a\r\nsubject : 1\r\n\r\n";
        for (names, expected) in [
            ("from:subject", Some("Subject")),
            ("SUBJECT", Some("Subject")),
            ("from:subject:subject", None),
            ("from: Subject : subject:subject", None),
            // What is not signed at all is said to be nobody's.
            ("from", None),
            ("from:subjects:sub ject", None),
        ] {
            assert_eq!(beside(&format!("S: h={names}; b=\r\n{two}")), expected, "{names}");
        }
        // Many fields may stand several times.
        let received = "Received: 2\r\nReceived: 1\r\nComments: 2\r\nComments: 1\r\n\r\n";
        assert_eq!(beside(&format!("S: h=received:comments; b=\r\n{received}")), None);
    }

    #[test]
    fn an_empty_name_means_nothing() {
        let raw = "S: h=:a: :; b=\r\na: 1\r\n\r\n";
        assert_eq!(signed(raw, Canonical::Relaxed), "a:1\r\ns:h=:a: :; b=");
    }
}
