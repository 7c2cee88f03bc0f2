//! Addresses within addresses: what other filters, search engines and networks wrapped, unwrapped without
//! asking anybody.
//!
//! Most carry the whole address in their query or path, escaped; those are found without knowing the service,
//! and so are the open redirects of sites that were never meant to be any. The table is for those that encode
//! it in a manner of their own or leave the scheme out: `table`, `services`.

mod services;
mod table;

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::escape::{base64, percent};
use crate::link::Link;
use services::{is_check_point, is_yahoo, special};

/// The end of an escaped colon, escaped once or more often.
static COLON: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("3A"));
/// The beginning of `http` in base64.
static BASE64: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("aHR0c"));

/// Most addresses taken out of one.
const MAX: usize = 8;

/// The addresses that `link` wraps, as written there; outermost first.
pub(super) fn unwrap(link: &Link) -> Vec<String> {
    let mut out = Vec::new();
    special(link, &mut out);
    // What its address carries has an end of its own, also in its query.
    if !(is_check_point(link.host_text()) && link.path().starts_with("/v2/")) {
        generic(link, &mut out);
    }
    out.truncate(MAX);
    out
}

fn push(out: &mut Vec<String>, address: String) {
    if out.len() < MAX && !address.is_empty() && !out.contains(&address) {
        out.push(address);
    }
}

/// Whether `text` begins as an address with its scheme.
fn is_address(text: &str) -> bool {
    ["http://", "https://", "ftp://"]
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)))
}

fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter_map(|pair| pair.split_once('='))
}

/// An absolute address in a parameter, in the query as a whole, or in the path.
fn generic(link: &Link, out: &mut Vec<String>) {
    let query = link.query().unwrap_or_default();
    // The address is in normal form: only these begin an address, or base64 of one.
    let may_wrap = |text: &str| {
        let bytes = text.as_bytes();
        let is_written = match memchr::memchr2(b':', b'%', bytes) {
            None => false,
            Some(at) => {
                bytes.get(at) == Some(&b':')
                    || memchr::memchr(b':', bytes).is_some()
                    || COLON.find(bytes).is_some()
            }
        };
        // A rare letter first: most addresses have none.
        is_written || memchr::memchr(b'H', bytes).is_some() && BASE64.find(bytes).is_some()
    };
    if !query.is_empty() && may_wrap(query) {
        for (at, (_, value)) in parameters(query).enumerate() {
            if at == 64 {
                break;
            }
            wrapped_value(value, out);
        }
        // `?https://…` and `?u=a&https://…`: no parameter at all.
        if is_address(query) {
            push(out, query.to_owned());
        }
        wrapped_value(query, out);
    }
    let path = link.path();
    // These have an end of their own.
    if path.starts_with("/v3/__") || is_yahoo(link.host_text()) {
        return;
    }
    if may_wrap(path) {
        for (at, _) in path.match_indices("http").take(32) {
            let rest = path.get(at..).unwrap_or_default();
            let with_query = || if query.is_empty() { rest.to_owned() } else { format!("{rest}?{query}") };
            if is_address(rest) {
                push(out, with_query());
            } else if rest
                .get(..7)
                .is_some_and(|b| b.eq_ignore_ascii_case("http%3A") || b.eq_ignore_ascii_case("https%3"))
            {
                push(out, percent(rest));
            } else if rest.starts_with("http:/") || rest.starts_with("https:/") {
                // Servers fold `//` in paths.
                push(out, with_query().replacen(":/", "://", 1));
            }
        }
    }
}

fn wrapped_value(value: &str, out: &mut Vec<String>) {
    let mut plain = percent(value);
    // Encoded twice on its way through two programs.
    for _ in 0..2 {
        if is_address(&plain) {
            push(out, plain);
            return;
        }
        plain = percent(&plain);
    }
    if let Some(at) = value.find("aHR0c").filter(|at| *at <= 2) {
        let encoded = percent(value.get(at..).unwrap_or_default());
        let end = encoded
            .find(|c: char| !c.is_ascii_alphanumeric() && !"+/-_".contains(c))
            .unwrap_or(encoded.len());
        if let Some(text) =
            encoded.get(..end).and_then(base64).and_then(|bytes| String::from_utf8(bytes).ok())
            && is_address(&text)
        {
            push(out, text);
        }
    }
}
