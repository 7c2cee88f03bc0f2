//! What somebody types to be looked up.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::entry::{Asked, FileHash};
use crate::link::{Host, Link};
use crate::model::text;

/// A link, a host, an address or the hash of a file, told apart by how it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// It has a path, or a scheme.
    Link(Link),
    /// A name alone.
    Host(Host),
    /// An address alone.
    Ip(IpAddr),
    /// As many hexadecimal digits as a hash has.
    File(FileHash),
}

impl Question {
    /// As the index is asked.
    #[must_use]
    pub const fn asked(&self) -> Asked<'_> {
        match self {
            Self::Link(link) => Asked::Link(link),
            Self::Host(host) => Asked::Host(host),
            Self::Ip(ip) => Asked::Ip(*ip),
            Self::File(hash) => Asked::File(hash),
        }
    }
}

impl FromStr for Question {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        let typed = &*refanged(typed.trim());
        let hash = match typed.len() {
            64 => FileHash::parse("sha256", typed),
            40 => FileHash::parse("sha1", typed),
            32 => FileHash::parse("md5", typed),
            _ => None,
        };
        if let Some(hash) = hash {
            return Ok(Self::File(hash));
        }
        // No list has a name without a dot, so this was meant to be a hash.
        if typed.len() >= 8 && typed.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(format!(
                "{:?} has {} hexadecimal digits, and a SHA-256 has 64, a SHA-1 40, an MD5 32",
                text::line(typed, 200),
                typed.len()
            ));
        }
        if let Ok(ip) = typed.parse::<IpAddr>() {
            return Ok(Self::Ip(ip.to_canonical()));
        }
        if let Ok(Host::Name(name)) = Host::parse(typed) {
            return Ok(Self::Host(Host::Name(name)));
        }
        let link = Link::parse(typed).map_err(|why| {
            format!("{:?} is no link, host, address or hash of a file: {why}", text::line(typed, 200))
        })?;
        Ok(Self::Link(link))
    }
}

/// A link as it was, of one made harmless for a report: `hxxp://evil[.]example[:]8080/`. What stands in its path
/// is left alone.
fn refanged(typed: &str) -> Cow<'_, str> {
    let is_scheme = |word: &str| word.len() <= 5 && word.bytes().all(|b| b.is_ascii_alphabetic());
    let split = ["[://]", "[:]//", "://"].iter().find_map(|sign| typed.split_once(sign));
    let (scheme, rest) = match split.filter(|(scheme, _)| is_scheme(scheme)) {
        Some((scheme, rest)) => {
            (scheme.to_ascii_lowercase().replace("hxxp", "http").replace("fxp", "ftp") + "://", rest)
        }
        None => (String::new(), typed),
    };
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let signs = [("[.]", "."), ("(.)", "."), ("{.}", "."), ("[dot]", "."), ("(dot)", "."), ("[:]", ":")];
    let host = signs.iter().fold(host.to_owned(), |host, (sign, meant)| host.replace(sign, meant));
    Cow::Owned(scheme + &host + path)
}

/// In normal form.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(link) => link.fmt(f),
            Self::Host(host) => host.fmt(f),
            Self::Ip(ip) => ip.fmt(f),
            Self::File(hash) => hash.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_told_apart_by_how_it_looks() {
        for (typed, expected) in [
            ("HTTP://Evil.test", "Link http://evil.test/"),
            ("evil.test/a", "Link http://evil.test/a"),
            ("evil.test:8080", "Link http://evil.test:8080/"),
            ("Evil.Test.", "Host evil.test"),
            ("hxxp://evil[.]example/", "Link http://evil.example/"),
            (
                "hXXps[:]//www[dot]evil(.)example[:]8443/a[.]b?u=hxxp://c[.]d",
                "Link https://www.evil.example:8443/a%5B.%5Db?u=hxxp://c%5B.%5Dd",
            ),
            ("evil[.]example", "Host evil.example"),
            ("192[.]0[.]2[.]1", "Ip 192.0.2.1"),
            ("http://[2001:db8::1]/x", "Link http://[2001:db8::1]/x"),
            ("münchen.example", "Host xn--mnchen-3ya.example"),
            ("::ffff:192.0.2.1", "Ip 192.0.2.1"),
            ("2001:db8::1", "Ip 2001:db8::1"),
            ("114D6A415B3D04DB792CA7C0DA0C7A55", "File 114d6a415b3d04db792ca7c0da0c7a55"),
        ] {
            let read: Question = typed.parse().unwrap();
            let kind = format!("{read:?}");
            assert_eq!(format!("{} {read}", kind.split('(').next().unwrap()), expected, "{typed}");
        }
        for typed in ["", "a b", "mailto:a@example.org", "/x"] {
            assert!(typed.parse::<Question>().is_err(), "{typed:?}");
        }
        assert_eq!(
            "114d6a415b".parse::<Question>().unwrap_err(),
            "\"114d6a415b\" has 10 hexadecimal digits, and a SHA-256 has 64, a SHA-1 40, an MD5 32"
        );
    }
}
