//! One line of the journal: length, checksum, link to the line before, content.
//!
//! ```text
//! 000001a4 5f3c9a01 <64 hex digits> {"judged":{…}}\n
//! ^length  ^CRC-32  ^SHA-256        ^content
//! ```
//!
//! Numbers are lower-case hex of fixed width. The length counts the bytes of the content. The CRC
//! (IEEE) covers everything after its own space up to, not including, the line break. The SHA-256 is
//! that of the whole line before, its line break included, so that `sed -n 7p FILE | sha256sum` gives
//! what line 8 must say.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Bytes before the content.
pub(super) const HEADER: usize = 8 + 1 + 8 + 1 + 64 + 1;
/// Most bytes of content. [`super::Record::fit`] keeps records far below.
pub(super) const MAX_CONTENT: usize = 1 << 20;
/// Most bytes of a line, line break included.
pub(super) const MAX_LINE: usize = HEADER + MAX_CONTENT + 1;
/// How the content of a line begins that was erased on request; the hash of what stood there follows.
pub(super) const ERASED: &[u8] = b"{\"erased\":{\"hash\":\"";
/// Where the checksum begins, and where what it covers begins.
const CHECKSUM: usize = 9;
const COVERED: usize = 18;
const LINK: std::ops::Range<usize> = COVERED..COVERED + 64;

/// The SHA-256 of a line.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LineHash([u8; 32]);

impl LineHash {
    /// What the very first line of a journal links to.
    pub const NONE: Self = Self([0; 32]);

    /// Of a whole line, its line break included.
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        Self(Sha256::digest(line).into())
    }

    /// Adds it to a hash over many.
    pub(super) fn add_to(&self, digest: &mut Sha256) {
        digest.update(self.0);
    }

    /// The hash over many.
    pub(super) fn finish(digest: Sha256) -> Self {
        Self(digest.finalize().into())
    }

    /// In 43 characters, for where room is scarce: base64url.
    pub(super) fn short(&self) -> String {
        data_encoding::BASE64URL_NOPAD.encode(&self.0)
    }

    pub(super) fn from_short(text: &[u8]) -> Option<Self> {
        data_encoding::BASE64URL_NOPAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// Under which hash the chain knows this line, of which `content` is a part: its own, or, where its
    /// content was erased, that of the line that stood here before.
    pub(super) fn in_chain(line: &[u8], content: &[u8]) -> Self {
        let said = content.strip_prefix(ERASED).and_then(|rest| rest.get(..43)).and_then(Self::from_short);
        said.unwrap_or_else(|| Self::of(line))
    }

    fn from_hex(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        // HEXLOWER takes lower case only: one hash has one spelling.
        let n = data_encoding::HEXLOWER.decode_mut(text, bytes.get_mut(..text.len() / 2)?).ok()?;
        (n == 32).then_some(Self(bytes))
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LineHash {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::from_hex(text.as_bytes()).ok_or_else(|| "not 64 lower-case hex digits".to_owned())
    }
}

impl Serialize for LineHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LineHash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The hash of the line before.
    pub(super) link: LineHash,
    /// The content: JSON on one line.
    pub(super) content: &'a [u8],
}

/// Why bytes are no line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    #[error("it is cut off")]
    CutOff,
    #[error("it does not begin as a line of the journal does")]
    Header,
    #[error("it says that its content has {said} bytes and it has {is}")]
    Length { said: usize, is: usize },
    #[error("its checksum does not fit")]
    Checksum,
}

/// Appends a line to `out` and returns its hash. `content` holds no line break.
pub(super) fn encode(link: LineHash, content: &[u8], out: &mut Vec<u8>) -> LineHash {
    let start = out.len();
    out.reserve(HEADER + content.len() + 1);
    push_hex(out, u32::try_from(content.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(b" 00000000 ");
    let mut hex = [0; 64];
    data_encoding::HEXLOWER.encode_mut(&link.0, &mut hex);
    out.extend_from_slice(&hex);
    out.push(b' ');
    out.extend_from_slice(content);
    let crc = crc32fast::hash(&out[start + COVERED..]);
    out[start + CHECKSUM..start + CHECKSUM + 8].copy_from_slice(&hex_digits(crc));
    out.push(b'\n');
    LineHash::of(&out[start..])
}

/// Reads one line, its line break included. Accepts exactly what [`encode`] writes.
pub(super) fn parse(line: &[u8]) -> Result<Line<'_>, Damage> {
    let text = line.strip_suffix(b"\n").ok_or(Damage::CutOff)?;
    let (header, content) = text.split_at_checked(HEADER).ok_or(Damage::Header)?;
    let spaces = header[8] == b' ' && header[17] == b' ' && header[82] == b' ';
    let said = hex_number(&header[..8]).filter(|_| spaces).ok_or(Damage::Header)?;
    let crc = hex_number(&header[CHECKSUM..CHECKSUM + 8]).ok_or(Damage::Header)?;
    let link = LineHash::from_hex(&header[LINK]).ok_or(Damage::Header)?;
    if said as usize != content.len() {
        return Err(Damage::Length { said: said as usize, is: content.len() });
    }
    if crc != crc32fast::hash(&text[COVERED..]) {
        return Err(Damage::Checksum);
    }
    Ok(Line { link, content })
}

fn hex_digits(n: u32) -> [u8; 8] {
    let mut digits = [0; 8];
    data_encoding::HEXLOWER.encode_mut(&n.to_be_bytes(), &mut digits);
    digits
}

fn push_hex(out: &mut Vec<u8>, n: u32) {
    out.extend_from_slice(&hex_digits(n));
}

fn hex_number(text: &[u8]) -> Option<u32> {
    let mut bytes = [0; 4];
    let n = data_encoding::HEXLOWER.decode_mut(text, bytes.get_mut(..text.len() / 2)?).ok()?;
    (n == 4).then(|| u32::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_looks_as_the_documentation_says() {
        let mut out = Vec::new();
        let hash = encode(LineHash::NONE, br#"{"a":1}"#, &mut out);
        let text = String::from_utf8(out.clone()).unwrap();
        assert_eq!(text, format!("00000007 0237c91d {} {{\"a\":1}}\n", "0".repeat(64)));
        assert_eq!(hash, LineHash::of(&out));
        assert_eq!(parse(b"\n"), Err(Damage::Header));
        assert_eq!(parse(b""), Err(Damage::CutOff));
        assert_eq!(parse(text.to_uppercase().as_bytes()), Err(Damage::Header));
    }

    fn content() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>().prop_map(|b| if b == b'\n' { b' ' } else { b }), 0..300)
    }

    proptest! {
        #[test]
        fn a_line_comes_back(link in any::<[u8; 32]>(), content in content(), before in content()) {
            let mut out = before.clone();
            let hash = encode(LineHash(link), &content, &mut out);
            let line = &out[before.len()..];
            prop_assert_eq!(parse(line), Ok(Line { link: LineHash(link), content: &content }));
            prop_assert_eq!(hash, LineHash::of(line));
            prop_assert_eq!(hash.to_string().parse(), Ok(hash));
        }

        #[test]
        fn damaged_bytes_are_never_accepted(content in content(), at in any::<prop::sample::Index>(), flip in 1u8.., cut in any::<prop::sample::Index>()) {
            let mut out = Vec::new();
            encode(LineHash::NONE, &content, &mut out);
            let at = at.index(out.len());
            out[at] ^= flip;
            prop_assert!(parse(&out).is_err());
            out[at] ^= flip;
            prop_assert!(parse(&out).is_ok());
            let cut = cut.index(out.len());
            prop_assert!(parse(&out[..cut]).is_err());
            out.insert(at, b'x');
            prop_assert!(parse(&out).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse(&bytes).is_err());
        }
    }
}
