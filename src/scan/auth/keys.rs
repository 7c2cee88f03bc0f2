//! The public keys that a message's signatures name, fetched before anything is verified.
//!
//! All are asked for at once, each once, in three groups that do not stand in each other's way: a message can name
//! any number of domains that are silent, and none of them keeps a key from an answer that may speak for the author.

use std::collections::HashMap;

use futures_util::future::join_all;

use super::dkim::key::{Key, KeyError};
use crate::dns::{DnsError, Inquiry};

/// RFC 6376 §3.6.2.2: several records are undefined, and §6.1.2 lets a verifier try them. More than this
/// are not tried.
const MAX_KEYS: usize = 3;

/// What was found under each name.
#[derive(Debug, Default)]
pub(super) struct Keys {
    found: HashMap<Box<str>, Result<Vec<Key>, KeyFault>>,
}

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyFault {
    #[error("the key could not be looked up: {0}")]
    Temporary(DnsError),
    #[error("there is no key under the signature's name: {0}")]
    Missing(DnsError),
    #[error("{0}")]
    Unusable(KeyError),
}

impl KeyFault {
    /// Whether it may be otherwise a little later.
    pub(super) const fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary(_))
    }

    /// Whether it was not looked up because the message asks too much.
    pub(super) const fn is_over_budget(&self) -> bool {
        matches!(self, Self::Temporary(DnsError::TooMany))
    }
}

/// The name under which a key is (RFC 6376 §3.6.2.1), as it is asked.
pub(super) fn name(selector: &str, domain: &str) -> String {
    let mut name = [selector, "._domainkey.", domain, "."].concat();
    name.make_ascii_lowercase();
    name
}

impl Keys {
    /// Fetches the keys under these names, all at once, each group by an inquiry of its own and in its order.
    pub(super) async fn fetch(groups: impl IntoIterator<Item = (&Inquiry, Vec<String>)>) -> Self {
        let names =
            groups.into_iter().flat_map(|(inquiry, names)| names.into_iter().map(move |n| (inquiry, n)));
        let asked = names.map(|(inquiry, name)| async move {
            let answer = inquiry.txt(&name).await;
            (name.into(), found(answer))
        });
        Self { found: join_all(asked).await.into_iter().collect() }
    }

    /// The keys under a name: at least one, or why there is none.
    pub(super) fn get(&self, name: &str) -> Result<&[Key], KeyFault> {
        // What was not fetched is not there.
        let found = self.found.get(name).ok_or(KeyFault::Missing(DnsError::NoName))?;
        found.as_deref().map_err(Clone::clone)
    }
}

fn found(answer: Result<Vec<Vec<u8>>, DnsError>) -> Result<Vec<Key>, KeyFault> {
    let texts = match answer {
        Ok(texts) => texts,
        Err(reason) if reason.is_temporary() => return Err(KeyFault::Temporary(reason)),
        Err(reason) => return Err(KeyFault::Missing(reason)),
    };
    let mut keys = Vec::with_capacity(1);
    let mut why = None;
    for text in &texts {
        match Key::parse(text) {
            Ok(key) => keys.push(key),
            // Other texts may stand beside a key; what is wrong with the key itself is told first.
            Err(error) if why.is_none() || why == Some(KeyError::NoKey) => why = Some(error),
            Err(_) => {}
        }
        if keys.len() == MAX_KEYS {
            break;
        }
    }
    if keys.is_empty() { Err(KeyFault::Unusable(why.unwrap_or(KeyError::NoKey))) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn of(texts: &[&str]) -> Result<usize, KeyFault> {
        found(Ok(texts.iter().map(|text| text.as_bytes().to_vec()).collect())).map(|keys| keys.len())
    }

    #[test]
    fn a_key_is_found_among_other_texts() {
        assert_eq!(of(&[KEY]), Ok(1));
        assert_eq!(of(&["v=spf1 -all", KEY, "p="]), Ok(1));
        assert_eq!(of(&[KEY; 9]), Ok(MAX_KEYS));
    }

    #[test]
    fn where_there_is_no_key_the_most_telling_reason_is_given() {
        assert_eq!(of(&[]), Err(KeyFault::Unusable(KeyError::NoKey)));
        assert_eq!(of(&["v=spf1 -all", "v=DKIM1; p="]), Err(KeyFault::Unusable(KeyError::Revoked)));
        assert_eq!(found(Err(DnsError::TimedOut)), Err(KeyFault::Temporary(DnsError::TimedOut)));
        assert_eq!(found(Err(DnsError::TooMany)), Err(KeyFault::Temporary(DnsError::TooMany)));
        assert_eq!(found(Err(DnsError::NoName)), Err(KeyFault::Missing(DnsError::NoName)));
        assert_eq!(found(Err(DnsError::NotAName)), Err(KeyFault::Missing(DnsError::NotAName)));
    }
}
