//! One key record (RFC 6376 §3.6.1, RFC 8301 §3.2, RFC 8463 §4).

use ring::digest::{SHA256, digest};
use ring::signature::{
    ED25519, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::signature::Algorithm;
use super::tags::{TagError, Tags};
use super::value::{base64, items};

/// RFC 8301 §3.2: shorter keys must not count.
const MIN_RSA_BITS: usize = 1_024;
/// RFC 8301 §3.2: keys up to this must be verified, and longer ones cost more than a message may.
const MAX_RSA_BITS: usize = 4_096;
/// The longest `p=` in bytes of text; a key of 8192 bits has 1,408.
const MAX_KEY: usize = 8_192;

/// A public key, and what may be signed with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Key {
    public: Public,
    /// `t=y`: the domain tries DKIM out.
    pub(in super::super) testing: bool,
    /// `t=s`: `i=` must have the domain of `d=` itself.
    pub(super) strict: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Public {
    /// Modulus and exponent, without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Ed25519(Vec<u8>),
}

/// Why a record is no key for mail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum KeyError {
    #[error("the key record cannot be read: {0}")]
    Tags(TagError),
    #[error("the text under the key's name is no DKIM key")]
    NoKey,
    #[error("the key is revoked (its p= is empty)")]
    Revoked,
    #[error("the key is of a kind that is not known (k=)")]
    Kind,
    #[error("the key is not for SHA-256 (h=)")]
    Hash,
    #[error("the key is not for mail (s=)")]
    Service,
    #[error("the key itself cannot be read (p=)")]
    Garbage,
}

/// Why a key does not verify a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Refusal {
    /// The key is for another algorithm.
    OtherAlgorithm,
    /// It has fewer bits than count.
    TooShort,
    /// It has more bits than are computed with.
    TooLong,
    /// The signature is not by this key over these bytes.
    Mismatch,
}

impl Key {
    /// Reads a record. Tags that are not known mean nothing, `g=` of RFC 4871 among them.
    pub(in super::super) fn parse(record: &[u8]) -> Result<Self, KeyError> {
        let tags = Tags::parse(record).map_err(KeyError::Tags)?;
        // The one value that ABNF spells in its case.
        if tags.get("v").is_some_and(|v| v != b"DKIM1") {
            return Err(KeyError::NoKey);
        }
        let has = |tag: &str, wanted: &[&[u8]]| {
            tags.get(tag)
                .map(|list| items(list).any(|item| wanted.iter().any(|w| item.eq_ignore_ascii_case(w))))
        };
        let p = tags.get("p").ok_or(KeyError::NoKey)?;
        if p.is_empty() {
            return Err(KeyError::Revoked);
        }
        if has("h", &[b"sha256"]) == Some(false) {
            return Err(KeyError::Hash);
        }
        if has("s", &[b"*", b"email"]) == Some(false) {
            return Err(KeyError::Service);
        }
        let bytes = base64(p, MAX_KEY).ok_or(KeyError::Garbage)?;
        let public = match tags.get("k").unwrap_or(b"rsa") {
            k if k.eq_ignore_ascii_case(b"rsa") => rsa(&bytes).ok_or(KeyError::Garbage)?,
            k if k.eq_ignore_ascii_case(b"ed25519") && bytes.len() == 32 => Public::Ed25519(bytes),
            k if k.eq_ignore_ascii_case(b"ed25519") => return Err(KeyError::Garbage),
            _ => return Err(KeyError::Kind),
        };
        let flag = |flag: &[u8]| has("t", &[flag]).unwrap_or_default();
        Ok(Self { public, testing: flag(b"y"), strict: flag(b"s") })
    }

    /// Whether this key may have made a signature at all; costs nothing.
    pub(in super::super) fn admits(&self, algorithm: Algorithm) -> Result<(), Refusal> {
        match (&self.public, algorithm) {
            (Public::Rsa { n, .. }, Algorithm::RsaSha256) => match bits(n) {
                ..MIN_RSA_BITS => Err(Refusal::TooShort),
                MIN_RSA_BITS..=MAX_RSA_BITS => Ok(()),
                _ => Err(Refusal::TooLong),
            },
            (Public::Ed25519(_), Algorithm::Ed25519Sha256) => Ok(()),
            _ => Err(Refusal::OtherAlgorithm),
        }
    }

    /// Whether `signature` is by this key over `signed`.
    pub(in super::super) fn verify(
        &self,
        algorithm: Algorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        self.admits(algorithm)?;
        let verified = match &self.public {
            Public::Rsa { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
                signed,
                signature,
            ),
            // RFC 8463 §3: what is signed is the hash.
            Public::Ed25519(key) => {
                UnparsedPublicKey::new(&ED25519, key).verify(digest(&SHA256, signed).as_ref(), signature)
            }
        };
        verified.map_err(|_| Refusal::Mismatch)
    }
}

/// The bits of a number without leading zeros.
fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |first| first.leading_zeros());
    (number.len() * 8).saturating_sub(unused as usize)
}

/// An RSA key in DER: RSAPublicKey, as RFC 6376 §3.6.1 says, or SubjectPublicKeyInfo, as everybody publishes.
fn rsa(der: &[u8]) -> Option<Public> {
    let (outer, _) = der_value(der, 0x30)?;
    let numbers = match der_value(outer, 0x30) {
        // AlgorithmIdentifier, then a bit string with the key in it.
        Some((_, after)) => der_value(der_value(after, 0x03)?.0.strip_prefix(&[0])?, 0x30)?.0,
        None => outer,
    };
    let (n, after) = der_value(numbers, 0x02)?;
    let (e, _) = der_value(after, 0x02)?;
    let number = |mut bytes: &[u8]| {
        while let Some(rest) = bytes.strip_prefix(&[0]) {
            bytes = rest;
        }
        (!bytes.is_empty()).then(|| bytes.to_vec())
    };
    Some(Public::Rsa { n: number(n)?, e: number(e)? })
}

/// The content of a DER value of this kind, and what follows it.
fn der_value(der: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (usize::from(*rest.first()?) << 8 | usize::from(*rest.get(1)?), rest.get(2..)?),
        _ => return None,
    };
    (*first == kind).then_some(())?;
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use proptest::prelude::*;

    use super::*;

    /// RFC 8463 appendix A.
    const ED25519_KEY: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    /// RSAPublicKey of so many bits; 65537 is its exponent.
    fn rsa_der(bits: usize) -> Vec<u8> {
        let mut modulus = vec![0_u8];
        modulus.resize(1 + bits.div_ceil(8), 0xff);
        if !bits.is_multiple_of(8) {
            modulus[1] = 0xff >> (8 - bits % 8);
            modulus.remove(0);
        }
        let integer = |bytes: &[u8]| der(0x02, bytes);
        der(0x30, &[integer(&modulus), integer(&[1, 0, 1])].concat())
    }

    fn der(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[kind, 0x82][..], &length, content].concat()
    }

    fn record(rest: &str) -> Result<Key, KeyError> {
        Key::parse(format!("v=DKIM1; p={}{rest}", BASE64.encode(&rsa_der(2048))).as_bytes())
    }

    fn refusal(bits: usize) -> Refusal {
        let key = Key::parse(format!("p={}", BASE64.encode(&rsa_der(bits))).as_bytes()).unwrap();
        key.verify(Algorithm::RsaSha256, b"", &vec![1; bits / 8]).unwrap_err()
    }

    #[test]
    fn a_record_is_read_with_its_flags() {
        let plain = record("").unwrap();
        assert_eq!((plain.testing, plain.strict), (false, false));
        let flags = record("; t=y:s; s=email; h=sha1:sha256; n=a note; x=what").unwrap();
        assert_eq!((flags.testing, flags.strict), (true, true));
        let odd = record("; t= s : later ;; s = web:* ;h=sha256").unwrap();
        assert_eq!((odd.testing, odd.strict), (false, true));
        assert_eq!(record("; g=; k=RSA"), Ok(plain));
        let folded = format!("k=ed25519;p={}\t {}", &ED25519_KEY[..9], &ED25519_KEY[9..]);
        assert!(Key::parse(folded.as_bytes()).is_ok());
    }

    #[test]
    fn a_record_that_is_no_key_for_mail_says_why() {
        assert_eq!(record("; h=sha1"), Err(KeyError::Hash));
        assert_eq!(record("; h=bad"), Err(KeyError::Hash));
        assert_eq!(record("; s=chat"), Err(KeyError::Service));
        assert_eq!(record("; k=foobar"), Err(KeyError::Kind));
        assert_eq!(record("; t"), Err(KeyError::Tags(TagError::NoTag)));
        assert_eq!(record("; p=AAAA"), Err(KeyError::Tags(TagError::Twice("p".into()))));
        for (text, error) in [
            ("", KeyError::NoKey),
            ("v=DKIM1", KeyError::NoKey),
            ("v=DKIM3; p=AAAA", KeyError::NoKey),
            ("v=dkim1; p=AAAA", KeyError::NoKey),
            ("v=spf1 -all", KeyError::NoKey),
            ("v=DKIM1; p=", KeyError::Revoked),
            ("v=DKIM1; p= ; h=bad", KeyError::Revoked),
            ("p=AAAA", KeyError::Garbage),
            ("p=*", KeyError::Garbage),
            ("k=ed25519; p=AAAA", KeyError::Garbage),
            ("k=ed25519; p=MCowBQYDK2VwAyEA3SUqa9UbfciWkk7tlcJ9P1VD5pXAasg0JUn/OgjVbKE=", KeyError::Garbage),
        ] {
            assert_eq!(Key::parse(text.as_bytes()), Err(error), "{text}");
        }
    }

    #[test]
    fn rsa_keys_count_from_1024_to_4096_bits_and_others_are_not_computed_with() {
        for (bits, expected) in [
            (8, Refusal::TooShort),
            (512, Refusal::TooShort),
            (1016, Refusal::TooShort),
            (1023, Refusal::TooShort),
            (1024, Refusal::Mismatch),
            (4096, Refusal::Mismatch),
            (4097, Refusal::TooLong),
            (8192, Refusal::TooLong),
            (40_000, Refusal::TooLong),
        ] {
            assert_eq!(refusal(bits), expected, "{bits}");
        }
    }

    #[test]
    fn both_ways_to_write_an_rsa_key_are_the_same_key() {
        let bare = rsa_der(1024);
        let identifier =
            der(0x30, &[&der(0x06, b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01")[..], &[5, 0]].concat());
        let wrapped = der(0x30, &[identifier, der(0x03, &[&[0][..], &bare].concat())].concat());
        assert!(rsa(&bare).is_some());
        assert_eq!(rsa(&bare), rsa(&wrapped));
    }

    #[test]
    fn a_key_verifies_its_own_algorithm_only() {
        let rsa = record("").unwrap();
        let ed25519 = Key::parse(format!("k=ed25519; p={ED25519_KEY}").as_bytes()).unwrap();
        assert_eq!(rsa.verify(Algorithm::Ed25519Sha256, b"", b""), Err(Refusal::OtherAlgorithm));
        assert_eq!(rsa.verify(Algorithm::RsaSha1, b"", b""), Err(Refusal::OtherAlgorithm));
        assert_eq!(ed25519.verify(Algorithm::RsaSha256, b"", b""), Err(Refusal::OtherAlgorithm));
        assert_eq!(ed25519.verify(Algorithm::Ed25519Sha256, b"", &[0; 64]), Err(Refusal::Mismatch));
        assert_eq!(ed25519.verify(Algorithm::Ed25519Sha256, b"", &[0; 63]), Err(Refusal::Mismatch));
    }

    proptest! {
        #[test]
        fn no_key_makes_it_panic(p in prop::collection::vec(any::<u8>(), 0..80), at in 0..270_usize, with: u8) {
            prop_assert!(rsa(&p).is_none() || p.len() > 5);
            let mut der = rsa_der(1024);
            if let Some(byte) = der.get_mut(at) {
                *byte = with;
            }
            let record = format!("p={}", BASE64.encode(&der));
            if let Ok(key) = Key::parse(record.as_bytes()) {
                prop_assert!(key.verify(Algorithm::RsaSha256, b"x", &[1; 128]).is_err());
            }
        }
    }
}
