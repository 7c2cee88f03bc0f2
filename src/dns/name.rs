//! Names as they are asked.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{DnsError, Found, Kind, Record};

/// RFC 1035 §2.3.4, in the form with dots: 255 octets on the wire are 253 characters and the final dot.
const MAX_NAME: usize = 254;
const MAX_LABEL: usize = 63;

/// The name as it is asked: lower case, with its final dot. Non-ASCII and characters that no host name
/// has are let through as they are, because selectors and SPF macros make such names; what cannot be put
/// into a question is refused.
///
/// # Errors
/// [`DnsError::NotAName`] for an empty label, a label or name that is too long, a control
/// character, a backslash or what is no ASCII.
pub fn question(name: &str) -> Result<String, DnsError> {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let odd = |b: u8| b.is_ascii_control() || b == b'\\' || !b.is_ascii();
    let labels_fit = bare.split('.').all(|label| (1..=MAX_LABEL).contains(&label.len()));
    if !labels_fit || bare.len() + 1 > MAX_NAME || bare.bytes().any(odd) {
        return Err(DnsError::NotAName);
    }
    let mut question = String::with_capacity(bare.len() + 1);
    question.push_str(bare);
    question.make_ascii_lowercase();
    question.push('.');
    Ok(question)
}

/// What holds for names that no server should be asked about: `localhost` and loopback addresses
/// (RFC 6761 §6.3, RFC 6303 §4), `invalid` (RFC 6761 §6.4), `onion` (RFC 7686 §2). `None` for all others.
pub(super) fn known(question: &str, kind: Kind) -> Option<Found> {
    let below = |zone: &str| {
        question.strip_suffix(zone).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    if below("invalid.") || below("onion.") {
        return Some(Err(DnsError::NoName));
    }
    let loopback = below("127.in-addr.arpa.") || below(&format!("1.{}ip6.arpa.", "0.".repeat(31)));
    let record = match kind {
        Kind::A if below("localhost.") => Record::A(Ipv4Addr::LOCALHOST),
        Kind::Aaaa if below("localhost.") => Record::Aaaa(Ipv6Addr::LOCALHOST),
        Kind::Ptr if loopback => Record::Ptr("localhost.".to_owned()),
        _ if loopback || below("localhost.") => return Some(Err(DnsError::NoRecords)),
        _ => return None,
    };
    Some(Ok([record].into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn some_names_are_known_without_asking() {
        let ip = Record::A(Ipv4Addr::LOCALHOST);
        assert_eq!(known("localhost.", Kind::A), Some(Ok([ip.clone()].into())));
        assert_eq!(known("a.localhost.", Kind::A), Some(Ok([ip].into())));
        assert_eq!(known("localhost.", Kind::Txt), Some(Err(DnsError::NoRecords)));
        let localhost = || Some(Ok([Record::Ptr("localhost.".to_owned())].into()));
        assert_eq!(known("1.0.0.127.in-addr.arpa.", Kind::Ptr), localhost());
        assert_eq!(known(&format!("1.{}ip6.arpa.", "0.".repeat(31)), Kind::Ptr), localhost());
        assert_eq!(known("x.invalid.", Kind::Txt), Some(Err(DnsError::NoName)));
        for asked in ["notlocalhost.", "localhost.example.", "1.2.0.192.in-addr.arpa.", "xinvalid."] {
            assert_eq!(known(asked, Kind::Ptr), None, "{asked}");
        }
    }

    proptest! {
        /// What can be asked can be asked again, and comes out the same.
        #[test]
        fn a_question_stays_the_same(name in "[ -~]{0,70}(\\.[ -~]{0,70}){0,5}") {
            if let Ok(asked) = question(&name) {
                prop_assert_eq!(question(&asked), Ok(asked.clone()));
                let whole = if name.ends_with('.') { name } else { name + "." };
                prop_assert!(asked.eq_ignore_ascii_case(&whole));
            }
        }
    }

    #[test]
    fn a_name_is_asked_in_lower_case_and_whole() {
        assert_eq!(question("Sel._DomainKey.Example.ORG").as_deref(), Ok("sel._domainkey.example.org."));
        assert_eq!(question("example.org.").as_deref(), Ok("example.org."));
        let label = "a".repeat(63);
        let long = [&*label, &label, &label, &"b".repeat(61)].join(".");
        assert_eq!(long.len(), 253);
        assert!(question(&long).is_ok());
        for bad in [
            "",
            ".",
            "a..b",
            ".a",
            "a\tb",
            "a\0b",
            "a\\.b",
            "ä.example",
            &format!("{long}c"),
            &"a".repeat(64),
        ] {
            assert_eq!(question(bad), Err(DnsError::NotAName), "{bad:?}");
        }
    }
}
