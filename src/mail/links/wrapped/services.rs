//! Addresses wrapped by services that encode them in a manner of their own or leave the scheme out.

use super::super::escape::{base64, percent};
use super::table::{GOOGLE, OWNERS, PARAMETERS};
use super::{is_address, parameters, push};
use crate::link::{Link, host::is_below, registrable};

/// What is known of the service whose host this is.
pub(super) fn special(link: &Link, out: &mut Vec<String>) {
    let host = link.host_text();
    if !may_be_special(host) {
        return;
    }
    let path = link.path();
    let query = link.query().unwrap_or_default();
    let mut name = Some(host);
    while let Some(own) = name {
        let from = PARAMETERS.partition_point(|(known, ..)| *known < own);
        for (_, prefix, names) in PARAMETERS.iter().skip(from).take_while(|(known, ..)| *known == own) {
            if path.starts_with(prefix) {
                let values = parameters(query).take(64).filter(|(name, _)| names.contains(name));
                values.for_each(|(_, value)| named(value, out));
            }
        }
        name = own.split_once('.').map(|(_, above)| above);
    }
    if is_below(host, "urldefense.proofpoint.com") && path.starts_with("/v2/url") {
        let coded = parameters(query).find(|(name, _)| *name == "u").map(|(_, value)| value);
        // The normal form keeps `-` and `_` as they are.
        if let Some(coded) = coded {
            push(out, percent(&coded.replace('-', "%").replace('_', "/")));
        }
    }
    let is_third =
        ["urldefense.com", "urldefense.us", "urldefense.proofpoint.com"].iter().any(|n| is_below(host, n));
    if is_third && path.starts_with("/v3/") {
        // A question mark of the address begins a query of the wrapper.
        let whole = link.as_str().get(link.as_str().len() - link.exact().len()..).unwrap_or_default();
        if let Some(address) = proofpoint_v3(whole) {
            push(out, address);
        }
    }
    if is_check_point(host)
        && let Some(address) = check_point(link.as_str().get(link.scheme().len()..).unwrap_or_default())
    {
        push(out, address);
    }
    if is_google(host) {
        google(path, query, out);
    }
    if let Some(site) = host.strip_suffix(".translate.goog") {
        push(out, translated(site, path, query));
    }
    if is_below(host, "ampproject.org")
        && let Some(rest) =
            ["/c/s/", "/c/", "/v/s/", "/v/", "/i/s/", "/i/"].iter().find_map(|p| path.strip_prefix(p))
    {
        push(out, with_query(&format!("https://{rest}"), query));
    }
    if is_yahoo(host)
        && let Some((_, rest)) = path.split_once("/RU=")
    {
        push(out, percent(rest.split("/RK=").next().unwrap_or_default()));
    }
}

fn with_query(address: &str, query: &str) -> String {
    if query.is_empty() { address.to_owned() } else { format!("{address}?{query}") }
}

fn may_be_special(host: &str) -> bool {
    let bytes = host.as_bytes();
    let owner = memchr::memrchr_iter(b'.', bytes).nth(1).and_then(|at| host.get(at + 1..)).unwrap_or(host);
    OWNERS.binary_search(&owner).is_ok() || GOOGLE.iter().any(|begin| host.starts_with(begin))
}

/// The value of a parameter that is known to be an address.
fn named(value: &str, out: &mut Vec<String>) {
    let plain = percent(value);
    let looks_like_host = plain
        .split(['/', '?', ':', '#'])
        .next()
        .is_some_and(|host| host.contains('.') && registrable(&host.to_ascii_lowercase()).is_some());
    if is_address(&plain) || looks_like_host {
        push(out, plain);
    } else if let Some(text) =
        base64(plain.strip_prefix("a1").unwrap_or(&plain)).and_then(|b| String::from_utf8(b).ok())
        && is_address(&text)
    {
        push(out, text);
    }
}

pub(super) fn is_yahoo(host: &str) -> bool {
    is_below(host, "search.yahoo.com")
}

pub(super) fn is_check_point(host: &str) -> bool {
    is_below(host, "protect.checkpoint.com")
}

/// Check Point's second form: `/v2/___URL___.TRAILER`, with something before the address or not.
fn check_point(address: &str) -> Option<String> {
    let (_, rest) = address.split_once("/v2/")?;
    let (_, rest) = rest.split_once("___")?;
    let url = rest.rsplit_once("___.").map_or(rest, |(url, _)| url);
    // Servers fold `//` in paths, and some programs escape the address as a whole.
    let plain = if url.contains("://") || url.contains(":/") { url.to_owned() } else { percent(url) };
    let has_one_slash = plain.split_once(":/").is_some_and(|(_, rest)| !rest.starts_with('/'));
    Some(if has_one_slash { plain.replacen(":/", "://", 1) } else { plain })
}

fn is_google(host: &str) -> bool {
    GOOGLE.iter().any(|begin| host.starts_with(begin))
        && registrable(host).is_some_and(|own| own.starts_with("google."))
}

fn google(path: &str, query: &str, out: &mut Vec<String>) {
    if path.starts_with("/url") || path.starts_with("/aclk") || path.starts_with("/local_url") {
        for (name, value) in parameters(query).take(64) {
            if matches!(name, "q" | "url" | "adurl") {
                named(value, out);
            }
        }
    }
    if let Some(rest) = path.strip_prefix("/amp/s/").or_else(|| path.strip_prefix("/amp/")) {
        let rest = percent(rest);
        let address = if is_address(&rest) { rest } else { format!("https://{rest}") };
        push(out, with_query(&address, query));
    }
}

/// `evil--site-com.translate.goog` is a translation of `evil-site.com`.
fn translated(site: &str, path: &str, query: &str) -> String {
    let host = site.replace("--", "\u{0}").replace('-', ".").replace('\u{0}', "-");
    let own: Vec<&str> =
        query.split('&').filter(|pair| !pair.starts_with("_x_tr_") && !pair.is_empty()).collect();
    with_query(&format!("https://{host}{path}"), &own.join("&"))
}

/// Proofpoint's third form: `/v3/__URL__;BYTES!…`, where `*` in the URL stands for the next character of
/// what is encoded in the bytes, and `**` with a letter for so many of them.
fn proofpoint_v3(address: &str) -> Option<String> {
    const LENGTHS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (_, rest) = address.split_once("/v3/__")?;
    let (url, rest) = rest.rsplit_once("__;").or_else(|| rest.rsplit_once("__"))?;
    let coded = rest.split('!').next().unwrap_or_default();
    let bytes = base64(coded).unwrap_or_default();
    let replaced = String::from_utf8_lossy(&bytes);
    let mut replaced = replaced.chars();
    let source = percent(url);
    let mut text = String::with_capacity(source.len() + bytes.len());
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '*' {
            text.push(c);
            continue;
        }
        let mut length = 1;
        if chars.peek() == Some(&'*') {
            chars.next();
            let letter = chars.next()?;
            length = LENGTHS.chars().position(|l| l == letter)? + 2;
        }
        text.extend(replaced.by_ref().take(length));
    }
    let has_one_slash = |scheme: &str| text.strip_prefix(scheme).is_some_and(|rest| !rest.starts_with('/'));
    for scheme in ["https:/", "http:/"] {
        if has_one_slash(scheme) {
            return Some(text.replacen(":/", "://", 1));
        }
    }
    Some(text)
}
