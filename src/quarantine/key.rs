//! When two messages are the same: design, "Quarantine is idempotent".

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::model::{Recipient, ReversePath};

/// HMAC-SHA256 over raw bytes, reverse-path and the diverted recipients. Keyed, so that a meta file
/// does not tell whether somebody else got a certain message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

/// Makes keys from one secret.
pub(super) struct Keyer(Hmac<Sha256>);

impl Keyer {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        // RFC 2104 §2: a key shorter than the block of 64 bytes is filled up with zeros.
        let mut block = [0; 64];
        block[..32].copy_from_slice(secret);
        Self(<Hmac<Sha256> as hmac::digest::KeyInit>::new((&block).into()))
    }

    /// The key of a copy for a second look. Another one than [`Self::key`], so that mail to be held never joins
    /// a copy that nobody will deliver.
    pub(super) fn copy_key<'a>(
        &self,
        raw: &[u8],
        reverse_path: &ReversePath,
        delivered: impl Iterator<Item = &'a Recipient>,
    ) -> Key {
        self.of(b"mailward second look 1\0", raw, reverse_path, delivered)
    }

    /// The key of a message. The order of the recipients and repeated ones do not count; each piece
    /// goes in behind its length, so that no two triples read the same.
    pub(super) fn key<'a>(
        &self,
        raw: &[u8],
        reverse_path: &ReversePath,
        diverted: impl Iterator<Item = &'a Recipient>,
    ) -> Key {
        self.of(b"mailward quarantine 1\0", raw, reverse_path, diverted)
    }

    fn of<'a>(
        &self,
        purpose: &[u8],
        raw: &[u8],
        reverse_path: &ReversePath,
        recipients: impl Iterator<Item = &'a Recipient>,
    ) -> Key {
        let mut recipients: Vec<&[u8]> = recipients.map(Recipient::argument).collect();
        recipients.sort_unstable();
        recipients.dedup();
        let mut mac = self.0.clone();
        mac.update(purpose);
        let mut piece = |bytes: &[u8]| {
            mac.update(&(bytes.len() as u64).to_be_bytes());
            mac.update(bytes);
        };
        piece(raw);
        piece(reverse_path.0.argument());
        recipients.into_iter().for_each(piece);
        Key(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Keyer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyer")
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|b| b.try_into().ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("a key has 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Triple = (Vec<u8>, Vec<u8>, Vec<Vec<u8>>);

    fn key(secret: u8, (raw, from, to): &Triple) -> Key {
        let to: Vec<Recipient> = to.iter().map(|r| Recipient::new(r.clone())).collect();
        Keyer::new(&[secret; 32]).key(raw, &ReversePath(Recipient::new(from.clone())), to.iter())
    }

    fn copy_key((raw, from, to): &Triple) -> Key {
        let to: Vec<Recipient> = to.iter().map(|r| Recipient::new(r.clone())).collect();
        Keyer::new(&[1; 32]).copy_key(raw, &ReversePath(Recipient::new(from.clone())), to.iter())
    }

    fn same((raw, from, to): &Triple, other: &Triple) -> bool {
        let set = |v: &[Vec<u8>]| v.iter().cloned().collect::<BTreeSet<_>>();
        *raw == other.0 && *from == other.1 && set(to) == set(&other.2)
    }

    /// Few letters and short, so that equal pieces and pieces that run into each other are common.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(vec![b'a', b'b', 0]), 0..3)
    }

    fn triple() -> impl Strategy<Value = Triple> {
        (piece(), piece(), prop::collection::vec(piece(), 0..4))
    }

    proptest! {
        #[test]
        fn keys_are_equal_exactly_if_the_triples_are(one in triple(), other in triple()) {
            prop_assert_eq!(key(1, &one) == key(1, &other), same(&one, &other));
            prop_assert_ne!(key(1, &one), key(2, &one));
            prop_assert_ne!(key(1, &one), copy_key(&one));
        }

        #[test]
        fn order_and_repetition_of_recipients_do_not_count(one in triple(), by in 0usize..4) {
            let mut other = one.clone();
            other.2.extend(one.2.first().cloned());
            if !other.2.is_empty() {
                let by = by % other.2.len();
                other.2.rotate_left(by);
            }
            prop_assert_eq!(key(1, &one), key(1, &other));
        }
    }

    #[test]
    fn a_key_is_rfc_2104_and_comes_back_from_json() {
        let triple = (b"raw".to_vec(), b"<a@b>".to_vec(), vec![b"<c@d>".to_vec()]);
        let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
        mac.update(b"mailward quarantine 1\0");
        mac.update(b"\0\0\0\0\0\0\0\x03raw\0\0\0\0\0\0\0\x05<a@b>\0\0\0\0\0\0\0\x05<c@d>");
        let expected = Key(mac.finalize().into_bytes().into());
        assert_eq!(key(7, &triple), expected);
        let json = serde_json::to_string(&expected).unwrap();
        assert_eq!(serde_json::from_str::<Key>(&json).unwrap(), expected);
        assert!(serde_json::from_str::<Key>("\"abc\"").is_err());
    }
}
