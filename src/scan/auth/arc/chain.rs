//! The sets of a chain, as they must be before anything is verified (RFC 8617 §4, §5.2 steps 1 to 3).

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::dkim::body::Canonical;
use super::super::dkim::signature::{self, Algorithm, MAX_HASH, MAX_SIGNATURE};
use super::super::dkim::tags::{Tags, trim};
use super::super::dkim::value::{base64, domain_name, items, number};
use super::{MAX_FIELD, MAX_SETS};
use crate::model::Message;

/// A chain of which the structure is as it must be.
#[derive(Debug)]
pub(super) struct Chain<'m> {
    /// First to last.
    pub(super) sets: Vec<Set<'m>>,
}

/// What one who passed the message on has put into it.
#[derive(Debug)]
pub(super) struct Set<'m> {
    pub(super) results: Field<'m>,
    pub(super) signature: MessageSignature<'m>,
    /// ARC-Seal.
    pub(super) seal: Signature<'m>,
}

/// A header field as it stands in the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'m> {
    /// The how manieth of all fields it is, from 0.
    pub(super) index: usize,
    /// Without the white space before the colon.
    pub(super) name: &'m [u8],
    pub(super) value: &'m [u8],
}

/// What ARC-Seal and ARC-Message-Signature have in common.
#[derive(Debug)]
pub(super) struct Signature<'m> {
    pub(super) field: Field<'m>,
    /// Where the value of `b=` lies in the field's.
    pub(super) emptied: Range<usize>,
    pub(super) algorithm: Algorithm,
    /// `d=`, as an A-label in lower case.
    pub(super) domain: String,
    pub(super) selector: String,
    /// `b=`.
    pub(super) bytes: Vec<u8>,
}

/// ARC-Message-Signature.
#[derive(Debug)]
pub(super) struct MessageSignature<'m> {
    pub(super) signature: Signature<'m>,
    pub(super) body_hash: Vec<u8>,
    /// Where the names of the signed fields lie in the field's value.
    pub(super) names: Range<usize>,
    pub(super) header: Canonical,
    pub(super) body: Canonical,
    /// Seconds since 1970.
    pub(super) time: Option<u64>,
    pub(super) expires: Option<u64>,
}

/// Why a chain fails before anything is verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("there are more than {MAX_SETS} sets")]
    TooLong,
    #[error("an {0} field cannot be read: {1}")]
    Unreadable(&'static str, &'static str),
    #[error("set {0} has more than one {1} field")]
    Twice(usize, &'static str),
    #[error("set {0} is not complete")]
    Incomplete(usize),
    #[error("the last sealer says that the chain fails")]
    SaidToFail,
    #[error("set {0} has a wrong cv=")]
    WrongStatus(usize),
}

impl Fault {
    /// What is said of the number of sets.
    pub(super) const fn sets(&self) -> usize {
        match self {
            Self::TooLong => MAX_SETS + 1,
            _ => 0,
        }
    }
}

/// `cv=` (§4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    None,
    Pass,
    Fail,
}

/// The fields of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Results,
    Signature,
    Seal,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Results, Self::Signature, Self::Seal];

    const fn name(self) -> &'static str {
        match self {
            Self::Results => "ARC-Authentication-Results",
            Self::Signature => "ARC-Message-Signature",
            Self::Seal => "ARC-Seal",
        }
    }

    /// The kind of a field with this name.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        let name = name.trim_ascii_end();
        Self::ALL.into_iter().find(|kind| name.eq_ignore_ascii_case(kind.name().as_bytes()))
    }
}

impl<'m> Chain<'m> {
    /// The chain of a message; `None` where it has no ARC field.
    pub(super) fn read(message: &'m Message) -> Option<Result<Self, Fault>> {
        let mut found: [Vec<Field<'m>>; 3] = Default::default();
        for (index, (name, value)) in message.fields().enumerate() {
            let Some(kind) = Kind::of(name) else { continue };
            let fields = found.get_mut(kind as usize)?;
            if fields.len() == MAX_SETS {
                return Some(Err(Fault::TooLong));
            }
            fields.push(Field { index, name: name.trim_ascii_end(), value });
        }
        if found.iter().all(Vec::is_empty) {
            return None;
        }
        Some(Self::of(found))
    }

    fn of([results, signatures, seals]: [Vec<Field<'m>>; 3]) -> Result<Self, Fault> {
        let mut results = by_instance(results, Kind::Results, |field| {
            Ok((instance_of_results(field.value).ok_or("it has no instance")?, field))
        })?;
        let mut seals = by_instance(seals, Kind::Seal, seal)?;
        let mut signatures = by_instance(signatures, Kind::Signature, message_signature)?;
        let ends = [results.keys().last(), seals.keys().last(), signatures.keys().last()];
        let count = ends.into_iter().flatten().max().copied().unwrap_or_default();
        let mut sets = Vec::with_capacity(count);
        let mut statuses = Vec::with_capacity(count);
        for instance in 1..=count {
            let set = (results.remove(&instance), signatures.remove(&instance), seals.remove(&instance));
            let (Some(results), Some(signature), Some((status, seal))) = set else {
                return Err(Fault::Incomplete(instance));
            };
            sets.push(Set { results, signature, seal });
            statuses.push(status);
        }
        if statuses.last() == Some(&Status::Fail) {
            return Err(Fault::SaidToFail);
        }
        let wanted = std::iter::once(Status::None).chain(std::iter::repeat(Status::Pass));
        if let Some(wrong) = statuses.into_iter().zip(wanted).position(|(said, wanted)| said != wanted) {
            return Err(Fault::WrongStatus(wrong + 1));
        }
        Ok(Self { sets })
    }
}

/// All fields of a kind by their instance, each of which there is once.
fn by_instance<'m, T>(
    fields: Vec<Field<'m>>,
    kind: Kind,
    read: impl Fn(Field<'m>) -> Result<(usize, T), &'static str>,
) -> Result<BTreeMap<usize, T>, Fault> {
    let kind = kind.name();
    let mut found = BTreeMap::new();
    for field in fields {
        if field.value.len() > MAX_FIELD {
            return Err(Fault::Unreadable(kind, "it is too long"));
        }
        let (instance, read) = read(field).map_err(|why| Fault::Unreadable(kind, why))?;
        if found.insert(instance, read).is_some() {
            return Err(Fault::Twice(instance, kind));
        }
    }
    Ok(found)
}

/// `i=` (§4.2.1): 1 to 50.
fn instance(digits: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(digits).ok()?;
    let well_formed = (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let number: usize = well_formed.then(|| digits.parse().ok())??;
    (1..=MAX_SETS).contains(&number).then_some(number)
}

/// The instance that ARC-Authentication-Results begins with (§4.1.1).
fn instance_of_results(value: &[u8]) -> Option<usize> {
    let (first, _) = split_results(value)?;
    let (name, digits) = first.split_at(memchr::memchr(b'=', first)?);
    (trim(name) == b"i").then(|| instance(trim(digits.get(1..)?)))?
}

/// ARC-Authentication-Results: what stands before the first semicolon, and the results after it.
pub(super) fn split_results(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = value.split_at(memchr::memchr(b';', value)?);
    Some((first, rest.get(1..)?))
}

/// What both kinds of signature have, and their tags.
fn signature(field: Field<'_>) -> Result<(usize, Signature<'_>, Tags<'_>), &'static str> {
    let tags = Tags::parse(field.value).map_err(|_| "it is no list of tags")?;
    let instance = tags.get("i").and_then(instance).ok_or("it has no instance")?;
    let algorithm = signature::algorithm(tags.get("a").ok_or("it has no algorithm")?);
    let algorithm = match algorithm.ok_or("its algorithm is not known")? {
        Algorithm::RsaSha1 => return Err("rsa-sha1 proves nothing any more (RFC 8301)"),
        algorithm => algorithm,
    };
    let domain = tags.get("d").and_then(domain_name).filter(|d| d.contains('.'));
    let domain = domain.ok_or("its d= is no domain name")?;
    let selector = tags.get("s").and_then(domain_name).ok_or("its s= is no selector")?;
    let bytes = bytes(&tags, "b", MAX_SIGNATURE).ok_or("its b= is no signature")?;
    let emptied = tags.range("b").unwrap_or_default();
    Ok((instance, Signature { field, emptied, algorithm, domain, selector, bytes }, tags))
}

/// What a tag holds in base64; not nothing.
fn bytes(tags: &Tags<'_>, tag: &str, max: usize) -> Option<Vec<u8>> {
    base64(tags.get(tag)?, max).filter(|bytes| !bytes.is_empty())
}

fn seal(field: Field<'_>) -> Result<(usize, (Status, Signature<'_>)), &'static str> {
    let (instance, signature, tags) = signature(field)?;
    // §4.1.3: a seal has no h=, or it must be taken as failed.
    if tags.get("h").is_some() {
        return Err("a seal has no h=");
    }
    let status = match tags.get("cv").ok_or("it has no cv=")? {
        cv if cv.eq_ignore_ascii_case(b"none") => Status::None,
        cv if cv.eq_ignore_ascii_case(b"pass") => Status::Pass,
        cv if cv.eq_ignore_ascii_case(b"fail") => Status::Fail,
        _ => return Err("its cv= is not known"),
    };
    Ok((instance, (status, signature)))
}

fn message_signature(field: Field<'_>) -> Result<(usize, MessageSignature<'_>), &'static str> {
    let (instance, signature, tags) = signature(field)?;
    let forms = tags.get("c").map_or(Some(Default::default()), signature::canonical);
    let (header, body) = forms.ok_or("its c= is not known")?;
    let names = tags.get("h").ok_or("it has no h=")?;
    let signs = |wanted: &str| items(names).any(|name| name.eq_ignore_ascii_case(wanted.as_bytes()));
    // §4.1.2: seals are signed by seals alone.
    if signs(Kind::Seal.name()) {
        return Err("it signs ARC-Seal");
    }
    // RFC 6376 §5.4.
    if !signs("From") {
        return Err("it leaves out From");
    }
    if tags.get("l").is_some() {
        return Err("it covers a part of the body only (l=)");
    }
    let time = |tag: &str| tags.get(tag).map(|n| number(n).ok_or("a time in it is no number")).transpose();
    Ok((
        instance,
        MessageSignature {
            body_hash: bytes(&tags, "bh", MAX_HASH).ok_or("its bh= is no hash")?,
            names: tags.range("h").unwrap_or_default(),
            header,
            body,
            time: time("t")?,
            expires: time("x")?,
            signature,
        },
    ))
}
