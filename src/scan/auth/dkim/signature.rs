//! One DKIM-Signature field (RFC 6376 §3.5).

use std::ops::Range;

use super::body::Canonical;
use super::tags::{TagError, Tags};
use super::value::{base64, domain_name, items, number, quoted_printable};
use crate::model::AuthResult;
use crate::model::authentication::Dkim;
use crate::model::text;

#[cfg(test)]
mod tests;

/// The longest `b=` in bytes of text: an RSA signature of 8192 bits has 1,368, and folds.
pub(in super::super) const MAX_SIGNATURE: usize = 4_096;
/// The longest `bh=` in bytes of text: a hash has 44.
pub(in super::super) const MAX_HASH: usize = 256;

/// What a signature was made with (RFC 6376 §3.3, RFC 8463 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Algorithm {
    /// Historic (RFC 8301 §3.1).
    RsaSha1,
    RsaSha256,
    Ed25519Sha256,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::RsaSha1, Self::RsaSha256, Self::Ed25519Sha256];

    /// The word in `a=`.
    pub(in super::super) const fn name(self) -> &'static str {
        match self {
            Self::RsaSha1 => "rsa-sha1",
            Self::RsaSha256 => "rsa-sha256",
            Self::Ed25519Sha256 => "ed25519-sha256",
        }
    }
}

/// What a signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) algorithm: Algorithm,
    pub(super) header: Canonical,
    pub(super) body: Canonical,
    /// `d=`, an A-label in lower case.
    pub(super) domain: String,
    /// `s=`, an A-label in lower case.
    pub(super) selector: String,
    /// The domain of `i=`, where it is given.
    pub(super) identity_domain: Option<String>,
    /// Where the names of `h=` lie in the value of the field.
    pub(super) names: Range<usize>,
    /// Where the value of `b=` lies, the white space around it included.
    pub(super) signature_at: Range<usize>,
    /// `b=`.
    pub(super) signature: Vec<u8>,
    /// `bh=`.
    pub(super) body_hash: Vec<u8>,
    /// `l=` is there.
    pub(super) is_partial: bool,
    /// `h=` names From.
    pub(super) signs_from: bool,
    /// `t=`, in seconds since 1970.
    pub(super) signed_at: Option<u64>,
    /// `x=`, in seconds since 1970.
    pub(super) expires: Option<u64>,
}

/// Why a field is no signature that can be verified (RFC 6376 §6.1.1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SignatureError {
    #[error("the signature cannot be read: {0}")]
    Tags(#[from] TagError),
    #[error("the signature lacks {0}=")]
    Missing(&'static str),
    #[error("the signature's {0}= cannot be read")]
    Value(&'static str),
    #[error("the signature's {0}= is of a kind that is not known")]
    Unknown(&'static str),
    #[error("the signature's i= is not within its d=")]
    Identity,
    #[error("the signature's x= is not later than its t=")]
    Times,
}

/// Reads a field. What it says of itself comes back even where it is no good, as far as it can be read.
pub(super) fn read(value: &[u8]) -> (Dkim, Result<Signature, SignatureError>) {
    match Tags::parse(value) {
        Ok(tags) => (described(&tags), signature(&tags)),
        Err(error) => {
            (Dkim { result: AuthResult::PermError, ..Dkim::default() }, Err(SignatureError::Tags(error)))
        }
    }
}

/// What a signature says of itself.
fn described(tags: &Tags<'_>) -> Dkim {
    let name = |tag| tags.get(tag).and_then(domain_name).unwrap_or_default();
    let algorithm = tags.get("a").and_then(algorithm);
    let short: Vec<u8> =
        tags.get("b").unwrap_or_default().iter().copied().filter(u8::is_ascii_graphic).take(8).collect();
    Dkim {
        result: AuthResult::None,
        domain: name("d"),
        selector: name("s"),
        algorithm: algorithm.map(|a| a.name().to_owned()).unwrap_or_default(),
        identity: tags.get("i").and_then(quoted_printable).map(|i| text::line(&i, 320)),
        signature: String::from_utf8(short).unwrap_or_default(),
        ..Dkim::default()
    }
}

fn signature(tags: &Tags<'_>) -> Result<Signature, SignatureError> {
    use SignatureError::{Identity, Missing, Times, Unknown, Value};

    let required = |tag: &'static str| tags.get(tag).ok_or(Missing(tag));
    if required("v")? != b"1" {
        return Err(Unknown("v"));
    }
    let algorithm = algorithm(required("a")?).ok_or(Unknown("a"))?;
    let domain = domain_name(required("d")?).filter(|d| d.contains('.')).ok_or(Value("d"))?;
    let selector = domain_name(required("s")?).ok_or(Value("s"))?;
    let signature = base64(required("b")?, MAX_SIGNATURE).filter(|b| !b.is_empty()).ok_or(Value("b"))?;
    let body_hash = base64(required("bh")?, MAX_HASH).filter(|b| !b.is_empty()).ok_or(Value("bh"))?;
    let names = required("h")?;
    if names.is_empty() || names.iter().any(|b| !b.is_ascii()) {
        return Err(Value("h"));
    }
    let (header, body) = tags.get("c").map_or(Some(Default::default()), canonical).ok_or(Unknown("c"))?;
    // RFC 4870 called the same method dns.
    let is_dns =
        |method: &[u8]| method.eq_ignore_ascii_case(b"dns/txt") || method.eq_ignore_ascii_case(b"dns");
    if tags.get("q").is_some_and(|methods| !items(methods).any(is_dns)) {
        return Err(Unknown("q"));
    }
    let number = |tag: &'static str| tags.get(tag).map(|n| number(n).ok_or(Value(tag))).transpose();
    let (signed_at, expires) = (number("t")?, number("x")?);
    if signed_at.zip(expires).is_some_and(|(t, x)| x <= t) {
        return Err(Times);
    }
    let identity_domain = match tags.get("i") {
        None => None,
        Some(identity) => Some(identity_domain(identity).ok_or(Value("i"))?),
    };
    if identity_domain.as_ref().is_some_and(|i| !is_within(i, &domain)) {
        return Err(Identity);
    }
    Ok(Signature {
        algorithm,
        header,
        body,
        domain,
        selector,
        identity_domain,
        signs_from: items(names).any(|name| name.eq_ignore_ascii_case(b"From")),
        names: tags.range("h").unwrap_or_default(),
        signature_at: tags.range("b").unwrap_or_default(),
        signature,
        body_hash,
        is_partial: number("l")?.is_some(),
        signed_at,
        expires,
    })
}

/// The words of `a=`; ABNF's literals are in any case.
pub(in super::super) fn algorithm(value: &[u8]) -> Option<Algorithm> {
    Algorithm::ALL.into_iter().find(|a| value.eq_ignore_ascii_case(a.name().as_bytes()))
}

/// `header` or `header/body`; simple where one is not named.
pub(in super::super) fn canonical(value: &[u8]) -> Option<(Canonical, Canonical)> {
    let one = |word: &[u8]| match word {
        w if w.eq_ignore_ascii_case(b"simple") => Some(Canonical::Simple),
        w if w.eq_ignore_ascii_case(b"relaxed") => Some(Canonical::Relaxed),
        _ => None,
    };
    match memchr::memchr(b'/', value).and_then(|slash| value.split_at_checked(slash)) {
        Some((header, body)) => Some((one(header)?, one(body.get(1..)?)?)),
        None => Some((one(value)?, Canonical::Simple)),
    }
}

/// The domain of `i=`: what follows the last `@`.
fn identity_domain(value: &[u8]) -> Option<String> {
    let identity = quoted_printable(value)?;
    domain_name(identity.rsplit_once('@')?.1.as_bytes())
}

/// Whether a domain is another, or below it.
fn is_within(domain: &str, other: &str) -> bool {
    domain.strip_suffix(other).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
