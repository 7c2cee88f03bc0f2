//! What each check may take of a message's budget of DNS questions, so that none uses up what another needs.
//!
//! In the order of what hangs on them: the author's policy and the keys that may speak for the author, SPF of MAIL
//! FROM, other keys, the client's name, SPF of HELO, the keys of a chain. The first have what they need. SPF of MAIL
//! FROM, which asks whatever a sender's record says, has at least half of the rest; the others, of which it is known
//! how much they can ask, have theirs out of the other half, as far as it goes, and what they do not need is for SPF
//! as well. What all leave over is there for DMARC at the end.

use super::signed::Names;
use crate::dns::Inquiry;

/// The most names of a walk (RFC 9989 §4.10).
const WALK: usize = 8;
/// The client's address, and each of ten names.
const IPREV: u32 = 11;
/// RFC 7208 §4.6.4 allows 112. What host names publish is `v=spf1 a -all` or little more.
const HELO: u32 = 10;

/// The most answers that a check waits for at once.
const PLACES: usize = 10;
/// For those on which the least hangs.
const FEW_PLACES: usize = 4;

/// An inquiry for each check. The author's is the message's own.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    pub(super) author: Inquiry,
    pub(super) mail_from: Inquiry,
    pub(super) keys: Inquiry,
    pub(super) iprev: Inquiry,
    pub(super) helo: Inquiry,
    pub(super) arc: Inquiry,
}

impl Shares {
    /// Divides the budget of a message that needs the keys of these `names`; `authors` are the domains that may be
    /// the author's.
    pub(super) fn of(author: Inquiry, authors: &[&str], names: &Names) -> Self {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let many = |names: &Vec<String>| number(names.len());
        // A walk, and whether the domain exists.
        let walks: usize = authors.iter().map(|author| author.split('.').count().min(WALK) + 1).sum();
        let left = author.spent().allowed.saturating_sub(number(walks).saturating_add(many(&names.near)));
        let mut half = left / 2;
        let mut take = |wanted: u32| {
            let taken = wanted.min(half);
            half -= taken;
            taken
        };
        let (keys, iprev, helo) = (take(many(&names.others)), take(IPREV), take(HELO));
        // A chain of which one key is missing tells nothing, so then none is asked for.
        let arc = Some(take(many(&names.arc))).filter(|taken| *taken == many(&names.arc)).unwrap_or_default();
        let mail_from = left - keys - iprev - helo - arc;
        Self {
            mail_from: author.share(mail_from, PLACES),
            keys: author.share(keys, PLACES),
            iprev: author.share(iprev, PLACES),
            helo: author.share(helo, FEW_PLACES),
            arc: author.share(arc, FEW_PLACES),
            author,
        }
    }
}
