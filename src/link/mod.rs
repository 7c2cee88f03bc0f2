//! What a link leads to: one normal form of URLs and hosts, for whoever finds links in mail and for whoever
//! reads lists of bad ones.
//!
//! **Contract.** [`Link::parse`] reads what a browser or mail program would open (the WHATWG URL standard), a
//! missing scheme included, and gives the normal form, in which two spellings of the same address are equal:
//! scheme and host in lower case, IDN as A-labels, odd notations of an IPv4 address resolved, an IPv4-mapped
//! IPv6 address as IPv4, the default port, one final dot of the host, user information and fragment gone, an
//! empty path `/`, an empty query gone, percent-encoding of unreserved characters undone and of all others in
//! upper case (RFC 3986 §6.2.2). Path and query keep their case. The normal form of a normal form is itself.
//! Pure; linear in the length of the text, which the caller bounds.
//!
//! **What belongs together.** [`registrable`] names the domain that somebody registered (public suffix list,
//! compiled in, its private section included: `a.github.io` and `b.github.io` have two owners). [`shared`]
//! knows the hosts on which strangers publish under one name, where only the whole address says something;
//! [`prominent`] those to which nearly all mail links, where the same holds for lists.
//!
//! **Failures.** [`NotALink`]: no browser would open it on the web. Nothing panics, whatever is in the text.
//!
//! Where to find what: the whole address here, its host [`host`], path and query `normal`, shared hosts
//! [`shared`], very large names [`prominent`].

pub mod host;
mod normal;
pub mod prominent;
pub mod shared;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use url::Url;

pub use host::{Host, Registry, is_public_suffix, public_suffix, registrable};
pub use prominent::is_prominent;
pub use shared::{Sharing, sharing};

/// Whether a list may name single addresses on `host` only: strangers share it, or nearly all mail links to it. In
/// normal form.
#[must_use]
pub fn is_whole_only(host: &str) -> bool {
    sharing(host).is_some() || is_prominent(host)
}

/// Why a text is no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotALink {
    /// Its scheme is none of http, https and ftp.
    #[error("its scheme does not lead to the web")]
    Scheme,
    /// It has no host, or one that cannot be a host's name.
    #[error("it has no host that could be asked for")]
    Host,
    /// It cannot be read as a URL.
    #[error("it cannot be read as a URL: {0}")]
    Unreadable(#[from] url::ParseError),
}

/// The address of something on the web, in normal form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// `scheme://host[:port]/path[?query]`, ASCII.
    text: String,
    /// Where the host begins and ends, the path begins, and the path ends.
    host: (usize, usize),
    path: (usize, usize),
    ip: Option<std::net::IpAddr>,
}

impl Link {
    /// Reads an address as a browser's address bar would. Without a scheme it is taken for http, if its host
    /// has a dot.
    ///
    /// # Errors
    /// If it leads nowhere on the web; see [`NotALink`].
    pub fn parse(text: &str) -> Result<Self, NotALink> {
        if let Some(plain) = normal::plain(text) {
            return Ok(plain);
        }
        Self::read(text)
    }

    /// Reads back what [`Self::as_str`] gave, at less cost than [`Self::parse`]. `None`: it cannot be that; of
    /// what is no normal form not everything is found out.
    #[must_use]
    pub fn from_normal(text: &str) -> Option<Self> {
        normal::read_back(text)
    }

    /// The long way of [`Self::parse`], which can read everything.
    fn read(text: &str) -> Result<Self, NotALink> {
        match Url::parse(text) {
            Ok(url) if is_web(&url) => Self::of(&url),
            // `example.org:8080/x` reads as a scheme; schemes with a dot are not in use.
            Ok(url) if url.scheme().contains('.') => Self::without_scheme(text),
            Ok(_) => Err(NotALink::Scheme),
            Err(url::ParseError::RelativeUrlWithoutBase) => Self::without_scheme(text),
            Err(error) => Err(error.into()),
        }
    }

    fn without_scheme(text: &str) -> Result<Self, NotALink> {
        let text = dropped_breaks(text);
        let text = text.trim_matches(|c: char| c <= ' ').trim_start_matches(['/', '\\']);
        let url = Url::parse(&format!("http://{text}"))?;
        let link = Self::of(&url)?;
        // `hello` is a word, and `12345` a number.
        let written = text.split(['/', '\\', '?', '#']).next().unwrap_or_default();
        let has_dot = |c: char| matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}' | ']');
        if link.host_text().contains(['.', ':']) && written.contains(has_dot) {
            Ok(link)
        } else {
            Err(NotALink::Host)
        }
    }

    fn of(url: &Url) -> Result<Self, NotALink> {
        let host = Host::of(url.host().ok_or(NotALink::Host)?)?;
        let mut text = String::with_capacity(url.as_str().len() + 8);
        text.push_str(url.scheme());
        text.push_str("://");
        let begin = text.len();
        host.write_in_url(&mut text);
        let end = text.len();
        if let Some(port) = url.port() {
            text.push(':');
            text.push_str(&port.to_string());
        }
        let path = text.len();
        normal::encoded(url.path(), &mut text);
        let path = (path, text.len());
        if let Some(query) = url.query().filter(|q| !q.is_empty()) {
            text.push('?');
            normal::encoded(query, &mut text);
        }
        let ip = match host {
            Host::Ip(ip) => Some(ip),
            Host::Name(_) => None,
        };
        Ok(Self { text, host: (begin, end), path, ip })
    }

    /// The normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `http`, `https` or `ftp`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.text.split(':').next().unwrap_or_default()
    }

    /// The host as it stands in the address: an IPv6 address in brackets.
    #[must_use]
    pub fn host_text(&self) -> &str {
        self.slice(self.host.0, self.host.1)
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> Host {
        self.ip.map_or_else(|| Host::Name(self.host_text().to_owned()), Host::Ip)
    }

    /// The host, if it is an address.
    #[must_use]
    pub const fn ip(&self) -> Option<std::net::IpAddr> {
        self.ip
    }

    /// The path; never empty.
    #[must_use]
    pub fn path(&self) -> &str {
        self.slice(self.path.0, self.path.1)
    }

    /// The query without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.path.1 + 1..)
    }

    /// `host[:port]/path[?query]`: two links that differ in the scheme alone lead to the same thing, as one
    /// server commonly answers both.
    #[must_use]
    pub fn exact(&self) -> &str {
        self.slice(self.host.0, self.text.len())
    }

    /// `host[:port]/path`.
    #[must_use]
    pub fn host_and_path(&self) -> &str {
        self.slice(self.host.0, self.path.1)
    }

    /// Whether the path is that of the site as a whole: `/`, or an `index.` file in the root.
    #[must_use]
    pub fn is_front_page(&self) -> bool {
        is_front_page(self.path())
    }

    fn slice(&self, begin: usize, end: usize) -> &str {
        self.text.get(begin..end).unwrap_or_default()
    }
}

/// `text` without what browsers drop wherever it stands in an address.
pub(crate) fn dropped_breaks(text: &str) -> Cow<'_, str> {
    const BREAKS: [char; 3] = ['\t', '\n', '\r'];
    match memchr::memchr3(b'\t', b'\n', b'\r', text.as_bytes()) {
        Some(_) => Cow::Owned(text.replace(BREAKS, "")),
        None => Cow::Borrowed(text),
    }
}

/// See [`Link::is_front_page`].
pub(crate) fn is_front_page(path: &str) -> bool {
    let page = path.strip_prefix('/').unwrap_or_default();
    page.is_empty() || page.starts_with("index.") && !page.contains('/')
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https" | "ftp")
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&self.text).finish()
    }
}
