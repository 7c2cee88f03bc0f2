//! Signs in an address itself.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::table::{
    LINK_FREE_HOST, LINK_IDN_DISGUISED, LINK_IDN_MIXED, LINK_IP, LINK_IP_DISGUISED, LINK_SHORTENER,
    LINK_USERINFO,
};
use super::tally::Tally;
use super::{Context, glyphs, is_of_author, is_opened, owner, services};
use crate::link::{Host, Sharing, public_suffix, registrable, sharing};
use crate::mail::links::{Found, Links, Place};
use crate::net::is_public;

/// Where names in a script that is not Latin are at home although the ending is.
const NATIVE: [&str; 22] = [
    "am", "ba", "bg", "by", "cy", "eu", "ge", "gr", "kg", "kz", "md", "me", "mk", "mn", "net", "org", "rs",
    "ru", "su", "tj", "ua", "uz",
];

/// Looks at all addresses that somebody opens.
pub(super) fn look(links: &Links, hosts: &HashMap<&str, Place>, context: &Context<'_>, tally: &mut Tally) {
    for found in links.list.iter().filter(|found| is_opened(found)) {
        let (link, place) = (&found.link, found.place);
        let host = link.host_text();
        // Most have no `@` anywhere.
        let has_user = memchr::memchr(b'@', found.written.as_bytes()).is_some();
        if has_user
            && let Some((user, _)) = authority(found).and_then(|authority| authority.rsplit_once('@'))
            && let Some(domain) = domain_of_user(user)
            && domain != owner(host)
        {
            tally.add(&LINK_USERINFO, place, &format!("{domain} leads to {host}"));
        }
        if let Some(ip) = link.ip() {
            // Devices in the house have no names and write mail.
            if is_public(ip) {
                let sign = if is_disguised(found) { &LINK_IP_DISGUISED } else { &LINK_IP };
                tally.add(sign, place, &ip.to_string());
            }
        }
    }
    for (&host, &place) in hosts {
        if host.contains("xn--") {
            idn(host, place, tally);
        }
        if sharing(host) == Some(Sharing::Shortener) {
            if !services::is_tracker(owner(host)) {
                tally.add(&LINK_SHORTENER, place, host);
            }
        } else if services::is_free(host) && !is_of_author(context, host) {
            tally.add(&LINK_FREE_HOST, place, host);
        }
    }
}

/// Names in other scripts.
fn idn(host: &str, place: Place, tally: &mut Tally) {
    let (unicode, _) = idna::domain_to_unicode(host);
    let tld = host.rsplit('.').next().unwrap_or_default();
    for label in unicode.split('.') {
        if glyphs::is_mixed(label) {
            tally.add(&LINK_IDN_MIXED, place, &format!("{unicode} ({host})"));
        } else if !tld.starts_with("xn--")
            && !NATIVE.contains(&tld)
            && public_suffix(host).is_some()
            && let Some(plain) = glyphs::reads_as(label)
        {
            tally.add(&LINK_IDN_DISGUISED, place, &format!("{host} reads as {plain}"));
        }
    }
}

/// What stands between the slashes of an address as written; `None` where there is no scheme.
fn authority(found: &Found) -> Option<&str> {
    let (scheme, rest) = found.written.split_once("//")?;
    let is_web = ["http:", "https:"].iter().any(|known| scheme.trim().eq_ignore_ascii_case(known));
    is_web.then(|| rest.split(['/', '?', '#', '\\']).next()).flatten()
}

/// The domain that a user's name shows.
fn domain_of_user(user: &str) -> Option<String> {
    let name = user.split([':', '%', '@']).next().unwrap_or_default();
    let Ok(Host::Name(name)) = Host::parse(name) else { return None };
    if !name.contains('.') || public_suffix(&name).is_none() {
        return None;
    }
    registrable(&name).map(str::to_owned)
}

/// Whether an IPv4 address is written otherwise than with four decimal numbers.
fn is_disguised(found: &Found) -> bool {
    let Some(authority) = authority(found) else { return false };
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.starts_with('[') {
        return false;
    }
    let host = host.split(':').next().unwrap_or_default();
    host.trim_end_matches('.').parse::<Ipv4Addr>().is_err()
}
