//! What of its links and pages speaks against a message, without asking anybody.
//!
//! **Contract.** [`of`] reads what [`links::find`](crate::mail::links::find) found and gives at most one
//! finding for each sign of the table, in the order of the table. What each is worth and where it begins stands
//! in [`table`] alone. Where short links lead is among the links, once it is known. Pure: the same links in
//! another order give the same findings. Time grows with the number of links and not with that of protected
//! domains; what a host's name says is read once for each host.
//!
//! **What is spared.** Newsletters: links through the services that count their clicks, through the author's
//! own domain, within one organisation; addresses wrapped by other filters count as what they wrap; previews of
//! a few hundred hidden characters; text that is there twice for two sizes of screen. A single weak sign stays
//! below what marks mail, and so do all weak signs that honest mail has at once.
//!
//! **Failures.** None. A name that cannot be read has no sign.
//!
//! Where to find what: weights [`table`]; the text shown for a link `shown`; protected domains and what looks
//! like them [`protected`], letters that look alike `glyphs`; addresses as such `address`; forms, hidden text
//! and scripts `page`; known services `services`; from signs to findings `tally`.

mod address;
mod glyphs;
mod page;
pub mod protected;
mod services;
mod shown;
pub mod table;
mod tally;
#[cfg(test)]
mod tests;

pub use protected::Protected;

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;

use crate::link::{Sharing, registrable, sharing};
use crate::mail::links::{Found, Links, Place, Source};
use crate::model::{Finding, Message};
use tally::Tally;

/// What the signs are weighed by besides the links.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The domain of the From field, if there is one; in normal form.
    pub author: Option<&'a str>,
    /// The message comes from our own users, so that its author imitates nobody.
    pub is_ours: bool,
    /// The domains of the recipients, as far as they are our own; in normal form. They are protected as well.
    pub recipients: &'a [&'a str],
    /// The domains that nobody may imitate, from the configuration.
    pub protected: &'a Protected,
    /// The message [says that it goes to many](goes_to_many). Anybody can write that; so it only spares what
    /// newsletters do.
    pub is_newsletter: bool,
}

/// Whether a message says that it goes to many (RFC 2369, RFC 2919, `Precedence`).
#[must_use]
pub fn goes_to_many(message: &Message) -> bool {
    message.fields().any(|(name, value)| {
        let name = name.trim_ascii_end();
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let says = |word: &str| value.trim_ascii().eq_ignore_ascii_case(word.as_bytes());
        is("List-Unsubscribe") || is("List-Id") || is("Precedence") && (says("bulk") || says("list"))
    })
}

/// Everything that speaks against a message.
#[must_use]
pub fn of(links: &Links, context: &Context<'_>) -> Vec<Finding> {
    let mut tally = Tally::default();
    let own: BTreeSet<&str> = context.recipients.iter().copied().collect();
    let own = Protected::new(own);
    let protected = [context.protected, &own];
    let hosts = opened(links);
    shown::look(links, context, protected, &mut tally);
    protected::look(&hosts, context, protected, &mut tally);
    address::look(links, &hosts, context, &mut tally);
    page::look(links, context, protected, &mut tally);
    if let Some(place) = links.costly {
        tally.add(&table::PICTURE_COSTLY, place, "");
    }
    tally.findings()
}

/// Whether a link is one that somebody opens, or that opens by itself; pictures and styles are loaded, and what
/// stands in the header is a button of the mail program, behind which honest lists have hosts of any kind.
#[must_use]
pub const fn is_opened(found: &Found) -> bool {
    !matches!(
        found.source,
        Source::Src | Source::Srcset | Source::Style | Source::Background | Source::Base | Source::Header
    )
}

/// The hosts, addresses aside, of all links that somebody opens, each with the first place of such a link.
fn opened(links: &Links) -> HashMap<&str, Place> {
    let mut hosts: HashMap<&str, Place> = HashMap::new();
    let mut before = None;
    for found in links.list.iter().filter(|found| is_opened(found) && found.link.ip().is_none()) {
        let (host, place) = (found.link.host_text(), found.place);
        // One is often like the one before.
        if before.replace((host, place)) == Some((host, place)) {
            continue;
        }
        let first = hosts.entry(host).or_insert(place);
        *first = place.min(*first);
    }
    hosts
}

/// The domain that somebody registered, or the host if nobody did.
fn owner(host: &str) -> &str {
    match host.parse::<Ipv4Addr>() {
        Ok(_) => host,
        Err(_) => registrable(host).unwrap_or(host),
    }
}

/// Whether the author's domain and that of `host` have one owner. Where strangers keep documents nothing is
/// the author's because he has his mail there too; where they have pages, what is under the very name is.
fn is_of_author(context: &Context<'_>, host: &str) -> bool {
    let Some(author) = context.author.and_then(registrable) else { return false };
    match sharing(host) {
        None => services::is_same_organisation(author, owner(host)),
        Some(Sharing::Hosting) => author == owner(host),
        Some(Sharing::Documents | Sharing::Shortener) => false,
    }
}
