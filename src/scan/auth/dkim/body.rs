//! The hash of the body (RFC 6376 §3.4.3, §3.4.4): each canonical form at most once a message, however many
//! signatures ask for it.

use std::cell::OnceCell;

use ring::digest::{Context, SHA256};

/// A SHA-256 hash.
pub(in super::super) type Hash = [u8; 32];

/// How header or body are brought into a form that survives the way (RFC 6376 §3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) enum Canonical {
    /// As it is.
    #[default]
    Simple,
    /// White space is reduced.
    Relaxed,
}

/// The hashes of one body, computed when they are asked for.
#[derive(Debug)]
pub(in super::super) struct BodyHashes<'m> {
    body: &'m [u8],
    simple: OnceCell<Hash>,
    relaxed: OnceCell<Hash>,
}

impl<'m> BodyHashes<'m> {
    /// Nothing is computed yet.
    pub(in super::super) fn new(body: &'m [u8]) -> Self {
        Self { body, simple: OnceCell::new(), relaxed: OnceCell::new() }
    }

    /// The SHA-256 hash of the body in a canonical form.
    pub(in super::super) fn get(&self, canonical: Canonical) -> &Hash {
        match canonical {
            Canonical::Simple => self.simple.get_or_init(|| simple(self.body)),
            Canonical::Relaxed => self.relaxed.get_or_init(|| relaxed(self.body)),
        }
    }

    /// How many hashes were computed.
    #[cfg(test)]
    pub(in super::super) fn computed(&self) -> usize {
        usize::from(self.simple.get().is_some()) + usize::from(self.relaxed.get().is_some())
    }
}

fn finished(context: Context) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// §3.4.3: empty lines at the end are one CRLF, which is added where there is none. Only CRLF is a line end: a CR or LF
/// by itself is a byte like others.
fn simple(body: &[u8]) -> Hash {
    let mut kept = body;
    while let Some(shorter) = kept.strip_suffix(b"\r\n") {
        kept = shorter;
    }
    let mut context = Context::new(&SHA256);
    context.update(kept);
    context.update(b"\r\n");
    finished(context)
}

/// §3.4.4: white space at the end of lines goes, a run of it is one space, empty lines at the end go. Lines of
/// nothing but white space are empty lines by then.
fn relaxed(body: &[u8]) -> Hash {
    let mut kept = body;
    while let [rest @ .., b' ' | b'\t'] | [rest @ .., b'\r', b'\n'] = kept {
        kept = rest;
    }
    let mut context = Context::new(&SHA256);
    if !kept.is_empty() {
        reduce(kept, &mut context);
        context.update(b"\r\n");
    }
    finished(context)
}

/// What is judged and hashed at once: long enough that the compiler makes vector instructions of its loops.
const CHUNK: usize = 1_024;
/// What is moved at once where nothing of it goes.
const BLOCK: usize = 32;

/// Reduces the white space of `text`, which does not end in any, and hashes the rest.
///
/// Whether a byte stays depends on itself and the two that follow: white space goes if white space or CRLF follows
/// it. So a chunk is judged as a whole, without a state that is carried from byte to byte and without
/// branches that depend on the text; that keeps up with a processor that hashes in hardware.
fn reduce(text: &[u8], context: &mut Context) {
    let mut gone = [0_u8; CHUNK];
    let mut out = [0_u8; CHUNK];
    let mut rest = text;
    while let Some((chunk, after)) = rest.split_first_chunk::<CHUNK>() {
        let kept = if judge(chunk, after, &mut gone) {
            compact(chunk, &gone, &mut out)
        } else {
            straight(chunk, &mut out);
            CHUNK
        };
        context.update(out.get(..kept).unwrap_or_default());
        rest = after;
    }
    let next = |n: usize| rest.get(n).copied().unwrap_or_default();
    let mut kept = 0;
    for (n, byte) in rest.iter().enumerate() {
        if !goes(*byte, next(n + 1), next(n + 2))
            && let Some(to) = out.get_mut(kept)
        {
            *to = reduced(*byte);
            kept += 1;
        }
    }
    context.update(out.get(..kept).unwrap_or_default());
}

const fn is_space(byte: u8) -> bool {
    (byte == b' ') | (byte == b'\t')
}

/// Whether a byte goes, by the two that follow it.
const fn goes(byte: u8, next: u8, after: u8) -> bool {
    is_space(byte) & (is_space(next) | ((next == b'\r') & (after == b'\n')))
}

/// What stands for a byte that stays.
const fn reduced(byte: u8) -> u8 {
    if byte == b'\t' { b' ' } else { byte }
}

/// Marks what goes of a chunk with 1 and what stays with 0; whether anything goes.
fn judge(chunk: &[u8; CHUNK], after: &[u8], gone: &mut [u8; CHUNK]) -> bool {
    let mut any = 0;
    let mut mark = |gone: &mut u8, byte: u8, next: u8, after: u8| {
        *gone = u8::from(goes(byte, next, after));
        any |= *gone;
    };
    let next = chunk.iter().skip(1).zip(chunk.iter().skip(2));
    for ((gone, byte), (next, after)) in gone.iter_mut().zip(chunk).zip(next) {
        mark(gone, *byte, *next, *after);
    }
    let beyond = |n: usize| after.get(n).copied().unwrap_or_default();
    let ([.., byte, last], [.., gone, last_gone]) = (chunk, gone);
    mark(gone, *byte, *last, beyond(0));
    mark(last_gone, *last, beyond(0), beyond(1));
    any != 0
}

/// Reduces bytes of which none goes.
fn straight(bytes: &[u8], out: &mut [u8]) {
    for (to, byte) in out.iter_mut().zip(bytes) {
        *to = reduced(*byte);
    }
}

/// Reduces a chunk of which something goes; how many bytes of it are left.
fn compact(chunk: &[u8; CHUNK], gone: &[u8; CHUNK], out: &mut [u8; CHUNK]) -> usize {
    let mut left = 0;
    for (bytes, gone) in chunk.as_chunks::<BLOCK>().0.iter().zip(gone.as_chunks::<BLOCK>().0) {
        // What is left is never more than what was looked at, so there is always room.
        let Some(to) = out.get_mut(left..).and_then(|to| to.first_chunk_mut::<BLOCK>()) else { break };
        left += if *gone == [0; BLOCK] {
            straight(bytes, to);
            BLOCK
        } else {
            squeeze(bytes, gone, to)
        };
    }
    left
}

/// Writes each byte where it belongs if it stays, and lets the next one take its place if it goes.
#[expect(clippy::indexing_slicing, reason = "every index is below the length of the arrays")]
fn squeeze(bytes: &[u8; BLOCK], gone: &[u8; BLOCK], to: &mut [u8; BLOCK]) -> usize {
    let mut left = 0;
    for (byte, gone) in bytes.iter().zip(gone) {
        to[left % BLOCK] = reduced(*byte);
        left += usize::from(gone ^ 1);
    }
    left
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::digest::digest;

    use super::super::super::tests::dkim::signer::{Form, canonical_body};
    use super::*;

    /// The relaxed form as one makes it who goes line by line.
    fn by_the_book(body: &[u8]) -> Vec<u8> {
        canonical_body(Form::Relaxed, body)
    }

    fn sha256(bytes: &[u8]) -> Hash {
        digest(&SHA256, bytes).as_ref().try_into().unwrap()
    }

    #[test]
    fn the_relaxed_example_of_rfc_6376_3_4_5() {
        assert_eq!(relaxed(b" C \r\nD \t E\r\n\r\n\r\n"), sha256(b" C\r\nD E\r\n"));
    }

    #[test]
    fn the_simple_example_of_rfc_6376_3_4_5() {
        assert_eq!(simple(b" C \r\nD \t E\r\n\r\n\r\n"), sha256(b" C \r\nD \t E\r\n"));
    }

    #[test]
    fn the_hashes_of_an_empty_body_are_those_of_rfc_6376_3_4_3_and_3_4_4() {
        let shown = |hash: Hash| data_encoding::BASE64.encode(&hash);
        for nothing in [&b""[..], b"\r\n", b"\r\n\r\n\r\n"] {
            assert_eq!(shown(simple(nothing)), "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
            assert_eq!(shown(relaxed(nothing)), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        }
        // §3.4.4: white space is reduced before empty lines are ignored.
        for nothing in [&b" "[..], b" \t", b" \r\n\t\r\n  ", b"\r\n \r\n"] {
            assert_eq!(relaxed(nothing), sha256(b""), "{nothing:?}");
            assert_ne!(simple(nothing), sha256(b"\r\n"), "{nothing:?}");
        }
    }

    #[test]
    fn the_end_of_a_body_is_made_one_crlf() {
        for end in ["", "\r\n", "\r\n\r\n", "\r\n\r\n\r\n\r\n"] {
            assert_eq!(simple(format!("a{end}").as_bytes()), sha256(b"a\r\n"));
            assert_eq!(relaxed(format!("a{end}").as_bytes()), sha256(b"a\r\n"));
        }
        for end in [" ", "\t", " \r\n \r\n\t\t", "\r\n \r\n", "\r\n\r\n  "] {
            assert_eq!(relaxed(format!("a{end}").as_bytes()), sha256(b"a\r\n"), "{end:?}");
        }
    }

    #[test]
    fn a_cr_or_lf_by_itself_is_content() {
        for odd in ["a\rb", "a\nb", "a\r", "a\n", "a \r\r\n", "a \n", "\r", "\n", " \r", "a\n\n\r\n"] {
            let odd = odd.as_bytes();
            let kept = odd.strip_suffix(b"\r\n").unwrap_or(odd);
            assert_eq!(simple(odd), sha256(&[kept, b"\r\n"].concat()), "{odd:?}");
            assert_eq!(relaxed(odd), sha256(&[kept, b"\r\n"].concat()), "{odd:?}");
        }
    }

    #[test]
    fn a_hash_is_computed_once_and_only_when_it_is_needed() {
        let hashes = BodyHashes::new(b"a  b\r\n");
        assert_eq!(hashes.computed(), 0);
        let first: *const Hash = hashes.get(Canonical::Relaxed);
        let again: *const Hash = hashes.get(Canonical::Relaxed);
        assert_eq!((first, hashes.computed()), (again, 1));
        assert_ne!(hashes.get(Canonical::Simple), hashes.get(Canonical::Relaxed));
        assert_eq!(hashes.computed(), 2);
    }

    #[test]
    fn white_space_where_two_blocks_or_chunks_meet_is_reduced() {
        for length in (0..3 * BLOCK).chain(CHUNK - 2 * BLOCK..CHUNK + BLOCK) {
            for run in 1..=BLOCK + 3 {
                for end in ["x", "\r\ny", "\rz", "\r\n\r\n \t"] {
                    let body = ["a".repeat(length), " \t".repeat(run), end.to_owned()].concat();
                    let expected = by_the_book(body.as_bytes());
                    assert_eq!(relaxed(body.as_bytes()), sha256(&expected), "{length} {run} {end:?}");
                }
            }
        }
        let long = "x y".repeat(2 * CHUNK) + &" ".repeat(3 * CHUNK) + "\r\nz  z\r\n";
        assert_eq!(relaxed(long.as_bytes()), sha256(&by_the_book(long.as_bytes())));
    }

    proptest! {
        #[test]
        fn every_body_is_reduced_by_the_book(
            pieces in prop::collection::vec(
                prop_oneof![
                    4 => Just(" "), 2 => Just("\t"), 3 => Just("\r\n"), 1 => Just("\r"), 1 => Just("\n"),
                    3 => Just("a"), 1 => Just("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"),
                    1 => Just("\u{e9}"), 1 => Just("\0"),
                ],
                0..120,
            )
        ) {
            let body = pieces.concat();
            prop_assert_eq!(relaxed(body.as_bytes()), sha256(&by_the_book(body.as_bytes())));
        }
    }
}
