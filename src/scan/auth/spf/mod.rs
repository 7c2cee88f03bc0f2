//! SPF of the two identities of a session (RFC 7208).
//!
//! Evaluated here and not by a library: mail-auth does not count questions that find nothing, and viaspf
//! takes a prefix length of 0 for the longest one and lets macros pass that RFC 7208 §7.2 keeps for
//! explanations. Explanations (`exp=`) are checked and never fetched: their text is the sender's, and
//! nobody here shows it.

mod evaluate;
mod macros;
mod record;
mod trace;

use std::net::IpAddr;

use self::evaluate::Query;
use crate::dns::Inquiry;
use crate::model::authentication::Spf;
use crate::model::{AuthResult, text};

/// The longest identity and reason that are kept.
const MAX_TEXT: usize = 320;

/// SPF of the HELO name (RFC 7208 §2.3). `None` where it is no name that could be asked: an address
/// literal, a name of one label.
pub(super) async fn helo(inquiry: &Inquiry, ip: IpAddr, helo: &str) -> Option<Spf> {
    let domain = host_name(helo)?;
    // RFC 7208 §4.3: without a local part, "postmaster" stands there.
    let query = Query::new(inquiry, ip, "postmaster", &domain, helo);
    Some(check(query, &domain, helo).await)
}

/// SPF of MAIL FROM (RFC 7208 §2.4). For the null reverse-path the HELO name stands in; `None` if that is
/// no name that could be asked.
pub(super) async fn mail_from(inquiry: &Inquiry, ip: IpAddr, address: &str, helo: &str) -> Option<Spf> {
    if address.is_empty() {
        return self::helo(inquiry, ip, helo).await;
    }
    let (local, domain) = address.rsplit_once('@').unwrap_or(("", address));
    let Some(domain) = host_name(domain) else {
        // RFC 7208 §4.3: a malformed domain, or none, yields none.
        return Some(Spf {
            result: AuthResult::None,
            domain: String::new(),
            identity: text::line(address, MAX_TEXT),
            reason: Some("the address has no domain that could be asked".to_owned()),
            ..Spf::default()
        });
    };
    let local = if local.is_empty() { "postmaster" } else { local };
    let query = Query::new(inquiry, ip, local, &domain, helo);
    Some(check(query, &domain, address).await)
}

async fn check(mut query: Query<'_>, domain: &str, identity: &str) -> Spf {
    let (result, reason) = query.check_host(domain).await;
    Spf {
        result,
        domain: domain.to_owned(),
        identity: text::line(identity, MAX_TEXT),
        reason: reason.map(|reason| text::ascii_line(&reason, MAX_TEXT)),
        over_budget: query.is_over_budget(),
        steps: query.steps(result),
    }
}

/// A name of at least two labels as an A-label in lower case, without a final dot.
fn host_name(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let name = if name.is_ascii() { name.to_ascii_lowercase() } else { idna::domain_to_ascii(name).ok()? };
    // What the DNS could not be asked for is no domain; an address literal is none either.
    let fits =
        name.contains('.') && !name.contains(['[', ']', ':', ' ']) && crate::dns::question(&name).is_ok();
    (fits && name.parse::<IpAddr>().is_err()).then_some(name)
}
