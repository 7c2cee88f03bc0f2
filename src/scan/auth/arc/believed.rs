//! What a chain that passes tells, and whether that is believed.

use super::super::author;
use super::chain::{Chain, Set, split_results};
use crate::mail::results_read;
use crate::model::AuthResult;

/// The trusted sealer who says that the message passed DMARC for `author` when it came to him.
///
/// The sets are read from the last one down, as long as their sealers are trusted: what the last one
/// says counts, and where he only passed on what came broken from another trusted one – a list, and a
/// forwarder behind it – what that one says. A sealer who is not trusted ends it: nobody vouches for what
/// stands below him, as he could have taken a chain that was made for another message.
///
/// Said must be exactly one `dmarc=pass`, and of today's author: its `header.from` is the domain that people
/// see now. Else any message that ever passed a trusted list could be turned into one in anybody's name.
pub(super) fn believed(chain: &Chain<'_>, author: &str, trusted: &[String]) -> Option<String> {
    let trusted: Vec<String> = trusted.iter().filter_map(|name| author::a_label(name.trim())).collect();
    let vouched = chain.sets.iter().rev().take_while(|set| trusted.contains(&set.seal.domain));
    vouched.into_iter().find(|set| says_pass(set, author)).map(|set| set.seal.domain.clone())
}

/// Whether a set's results say `dmarc=pass` for `author`, and nothing else of DMARC.
fn says_pass(set: &Set<'_>, author: &str) -> bool {
    let told = split_results(set.results.value).and_then(|(_, results)| results_read::read(results));
    let Some(told) = told else { return false };
    let mut dmarc = told.of("dmarc");
    let (Some(said), None) = (dmarc.next(), dmarc.next()) else { return false };
    let from = said.property("header.from");
    // Some write the whole address.
    let domain = from.map(|from| from.rsplit_once('@').map_or(from, |(_, domain)| domain));
    said.result == Some(AuthResult::Pass) && domain.and_then(author::a_label).as_deref() == Some(author)
}
