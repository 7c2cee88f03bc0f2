//! The public keys that a message's signatures name, fetched before anything is verified.
//!
//! mail-auth looks keys up itself, one after the other, without a budget, and its cache of texts is keyed
//! by name alone, so that what SPF looked up could answer for a key. Here all keys are fetched at once
//! under the message's budget, and mail-auth is given these answers and nothing else: it never asks.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Instant;

use futures_util::future::join_all;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::{ResolverCache, Txt};

use crate::dns::{DnsError, Inquiry};

/// RFC 8301 §3.2.
const MIN_RSA_BITS: usize = 1024;

/// What was found for each name.
#[derive(Default)]
pub(super) struct Keys {
    found: HashMap<Box<str>, Found>,
}

/// What was found under one name.
struct Found {
    answer: Txt,
    /// `t=y`: the key is tried out.
    testing: bool,
    /// RSA with fewer bits than count.
    short: bool,
}

/// The name under which a key is (RFC 6376 §3.6.2.1), as it is asked.
pub(super) fn name(selector: &str, domain: &str) -> String {
    let mut name = format!("{selector}._domainkey.{domain}.");
    name.make_ascii_lowercase();
    name
}

impl Keys {
    /// Fetches the keys under these names, each once, all at once.
    pub(super) async fn fetch(inquiry: &Inquiry, mut names: Vec<String>) -> Self {
        names.sort();
        names.dedup();
        let asked = names.iter().map(|name| inquiry.txt(name));
        let answers = join_all(asked).await;
        Self {
            found: names
                .into_iter()
                .zip(answers)
                .map(|(name, answer)| (name.into(), found(answer)))
                .collect(),
        }
    }

    /// The key is tried out: that a signature with it fails, or passes, should not count.
    pub(super) fn is_testing(&self, name: &str) -> bool {
        self.found.get(name).is_some_and(|found| found.testing)
    }

    /// The key is shorter than any that counts.
    pub(super) fn is_short(&self, name: &str) -> bool {
        self.found.get(name).is_some_and(|found| found.short)
    }
}

fn found(answer: Result<Vec<Vec<u8>>, DnsError>) -> Found {
    let error =
        |error| Found { answer: Txt::Error(mail_auth::Error::Dns(error)), testing: false, short: false };
    let texts = match answer {
        Ok(texts) => texts,
        Err(reason) if reason.is_temporary() => {
            return error(mail_auth::DnsError::Resolver(reason.to_string()));
        }
        Err(_) => {
            let code = hickory_resolver::proto::op::ResponseCode::NXDomain;
            return error(mail_auth::DnsError::RecordNotFound(code));
        }
    };
    // RFC 6376 §3.6.2.2: several records are undefined; the first that is a key is taken.
    let mut last = mail_auth::Error::Dns(mail_auth::DnsError::InvalidRecordType);
    for text in &texts {
        match DomainKey::parse(text) {
            Ok(key) => {
                let tags = String::from_utf8_lossy(text);
                let short = rsa_bits(&tags).is_some_and(|bits| bits < MIN_RSA_BITS);
                return Found { answer: Txt::DomainKey(key.into()), testing: has_flag(&tags, 'y'), short };
            }
            Err(error) => last = error,
        }
    }
    Found { answer: Txt::Error(last), testing: false, short: false }
}

/// The value of a tag, without the white space that may stand anywhere in it.
fn tag(tags: &str, wanted: &str) -> Option<String> {
    let (_, value) =
        tags.split(';').filter_map(|t| t.split_once('=')).find(|(tag, _)| tag.trim() == wanted)?;
    Some(value.chars().filter(|c| !c.is_ascii_whitespace()).collect())
}

fn has_flag(tags: &str, flag: char) -> bool {
    tag(tags, "t").is_some_and(|flags| flags.split(':').any(|f| f.chars().eq([flag])))
}

/// The bits of an RSA modulus: DER of SubjectPublicKeyInfo or RSAPublicKey. `None` for other keys and
/// what cannot be read; the library refuses those by itself.
fn rsa_bits(tags: &str) -> Option<usize> {
    if tag(tags, "k").is_some_and(|kind| !kind.eq_ignore_ascii_case("rsa")) {
        return None;
    }
    let der = data_encoding::BASE64.decode(tag(tags, "p")?.as_bytes()).ok()?;
    let (_, outer) = der_value(&der, 0x30)?;
    let inner = match der_value(outer, 0x30) {
        // AlgorithmIdentifier, then a bit string with the key in it.
        Some((after, _)) => {
            let (_, bits) = der_value(after, 0x03)?;
            der_value(bits.get(1..)?, 0x30)?.1
        }
        None => outer,
    };
    let (_, modulus) = der_value(inner, 0x02)?;
    let significant = modulus.iter().skip_while(|b| **b == 0).count();
    Some(significant * 8)
}

/// What follows a DER value of this kind, and its content.
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
    let (content, after) = rest.split_at_checked(length)?;
    Some((after, content))
}

impl ResolverCache<Box<str>, Txt> for Keys {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // What was not fetched is not there: the library never asks by itself.
        let nothing = || {
            let code = hickory_resolver::proto::op::ResponseCode::NXDomain;
            Txt::Error(mail_auth::Error::Dns(mail_auth::DnsError::RecordNotFound(code)))
        };
        Some(self.found.get(name).map_or_else(nothing, |found| found.answer.clone()))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}
