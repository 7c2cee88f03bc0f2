//! Literal lists and patterns, made ready at load.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::super::dmarc::{NoMailDomain, mail_domain};

/// Texts, for `in`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Texts {
    set: HashSet<Box<str>>,
}

impl Texts {
    pub(super) fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        Self { set: texts.map(Box::from).collect() }
    }

    pub(super) fn holds(&self, text: &str) -> bool {
        self.set.contains(text)
    }

    /// Sorted, for people.
    pub(super) fn some(&self, most: usize) -> Vec<&str> {
        let mut all: Vec<&str> = self.set.iter().map(AsRef::as_ref).collect();
        all.sort_unstable();
        all.truncate(most);
        all
    }

    pub(super) fn len(&self) -> usize {
        self.set.len()
    }
}

/// A name with `*` for any text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Glob {
    pub(super) text: String,
    pieces: Vec<String>,
}

impl Glob {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), pieces: text.split('*').map(str::to_owned).collect() }
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else { return false };
        let Some((last, middle)) = rest.split_last() else { return name == first };
        let Some(mut left) = name.strip_prefix(first.as_str()).and_then(|n| n.strip_suffix(last.as_str()))
        else {
            return false;
        };
        for piece in middle {
            let Some(at) = left.find(piece.as_str()) else { return false };
            left = left.get(at + piece.len()..).unwrap_or_default();
        }
        true
    }
}

/// Networks, by the length of their prefix.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Networks {
    four: Vec<(u8, HashSet<u32>)>,
    six: Vec<(u8, HashSet<u128>)>,
}

impl Networks {
    /// Adds a network or an address; what is wrong with it otherwise, as the end of a sentence.
    pub(super) fn add(&mut self, text: &str) -> Result<(), String> {
        let network = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
            (Ok(network), _) => network,
            (_, Ok(ip)) => IpNet::from(ip.to_canonical()),
            _ => return Err("is no network; write \"192.0.2.0/24\", \"2001:db8::/32\" or one address".into()),
        };
        if network.trunc() != network {
            return Err(format!(
                "names an address and a network at once; write \"{}\" for the network or \"{}\" for the address",
                network.trunc(),
                network.addr()
            ));
        }
        match network {
            IpNet::V4(n) => of(&mut self.four, n.prefix_len()).insert(n.network().to_bits()),
            IpNet::V6(n) => of(&mut self.six, n.prefix_len()).insert(n.network().to_bits()),
        };
        Ok(())
    }

    pub(super) fn holds(&self, ip: IpAddr) -> bool {
        match ip.to_canonical() {
            IpAddr::V4(ip) => self.four.iter().any(|(length, all)| {
                let mask = u32::MAX.checked_shl(32 - u32::from(*length)).unwrap_or(0);
                all.contains(&(ip.to_bits() & mask))
            }),
            IpAddr::V6(ip) => self.six.iter().any(|(length, all)| {
                let mask = u128::MAX.checked_shl(128 - u32::from(*length)).unwrap_or(0);
                all.contains(&(ip.to_bits() & mask))
            }),
        }
    }
}

fn of<T>(all: &mut Vec<(u8, HashSet<T>)>, length: u8) -> &mut HashSet<T> {
    let at = match all.iter().position(|(l, _)| *l == length) {
        Some(at) => at,
        None => {
            all.push((length, HashSet::new()));
            all.len() - 1
        }
    };
    &mut all[at].1
}

/// Domains, and with them all below.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Domains {
    set: HashSet<Box<str>>,
}

impl Domains {
    /// Adds a domain; what is wrong with it otherwise, as the end of a sentence.
    pub(super) fn add(&mut self, text: &str) -> Result<(), String> {
        let bare = text.trim_start_matches("*.").trim_start_matches(['.', '@']);
        if bare != text && mail_domain(bare).is_ok() {
            return Err(format!("stands for the names below it by itself; write \"{bare}\""));
        }
        let name = match mail_domain(text) {
            Ok(name) => name,
            // A whole top-level domain is a fair thing to ask for here.
            Err(NoMailDomain::Public) => domain(text).into_owned(),
            Err(NoMailDomain::Name) => return Err("is no domain; write one as in \"example.org\"".into()),
        };
        self.set.insert(name.into());
        Ok(())
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        let name = domain(name);
        let mut rest: &str = &name;
        loop {
            if self.set.contains(rest) {
                return true;
            }
            match rest.split_once('.') {
                Some((_, parent)) => rest = parent,
                None => return false,
            }
        }
    }
}

/// A domain as it is compared: A-labels in lower case, no final dot.
pub(super) fn domain(given: &str) -> Cow<'_, str> {
    let given = given.strip_suffix('.').unwrap_or(given);
    if !given.is_ascii() {
        if let Ok(name) = idna::domain_to_ascii(given) {
            return Cow::Owned(name);
        }
        return Cow::Owned(given.to_lowercase());
    }
    match given.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Cow::Owned(given.to_ascii_lowercase()),
        false => Cow::Borrowed(given),
    }
}
