//! The rules of the allow and block list, and the proof that an entry of the allow list needs.
//!
//! Anybody can write any sender, any From and any header field. An entry of the allow list for one of them counts where SPF or
//! DKIM shows that the mail comes from there, and where it does not, the mail is judged as though the entry
//! were not there: a wider block then counts, from which it is the exception. Only where that could not be
//! looked up for now nobody is refused for good. A client's address proves itself. A field counts where the author's
//! domain is proven in alignment. A link or a file that is allowed lets nothing through by itself.

use super::dmarc::{self, is_or_below};
use super::opinion::Opinion;
use super::view::View;
use super::{Facts, Policy};
use crate::model::{
    AuthResult, Authentication, Category, Disposition, List, ListHit, ListHits, Matched, Scanner, Verdict,
    text,
};

/// Whether mail comes from where an entry of the allow list says, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Proof {
    Proven(String),
    /// It may be proven a little later.
    NotNow(String),
    Missing(String),
}

/// An entry that blocks, and the exception from it that is not proven.
pub(super) struct Blocked<'a> {
    hit: &'a ListHit,
    unproven: Option<(&'a ListHit, Proof)>,
}

/// What blocks the message.
pub(super) fn blocked<'a>(facts: &Facts<'a>) -> Option<Blocked<'a>> {
    let lists = facts.lists?;
    if let Some(hit) = lists.block() {
        return Some(Blocked { hit, unproven: None });
    }
    let mut not_now = None;
    for allow in lists.allows() {
        let Some(hit) = lists.excepted_by(allow) else { continue };
        match proof(facts, allow) {
            Proof::Proven(_) => {}
            missing @ Proof::Missing(_) => return Some(Blocked { hit, unproven: Some((allow, missing)) }),
            later @ Proof::NotNow(_) => {
                not_now.get_or_insert(Blocked { hit, unproven: Some((allow, later)) });
            }
        }
    }
    not_now
}

pub(super) fn block_list(view: &View<'_>) -> Opinion {
    if view.facts.lists.is_none() {
        return Opinion::nothing("the lists were not looked at");
    }
    let Some(Blocked { hit, unproven }) = blocked(view.facts) else {
        let excepted = view.facts.lists.is_some_and(|lists| lists.0.iter().any(|hit| hit.excepted));
        return Opinion::nothing(match excepted {
            true => "what is on the block list has an exception, which is proven",
            false => "nothing about it is on the block list",
        });
    };
    let mut saw = listed(hit);
    let mut disposition = view.policy.disposition.blocked;
    let mut reason = blocked_by(hit);
    match &unproven {
        None => {}
        Some((allow, Proof::NotNow(why))) => {
            saw = format!("{saw}; {}, but {why}", listed(allow));
            // What cannot be taken back is not done on a guess.
            if matches!(disposition, Disposition::Reject | Disposition::Discard) {
                disposition = Disposition::Tempfail;
                saw.push_str("; put off until it can");
                reason = format!("not verified: {}", text::line(&allow.to_string(), 120));
            }
        }
        Some((allow, Proof::Missing(why) | Proof::Proven(why))) => {
            saw = format!("{saw}; {} does not count: {why}", listed(allow));
        }
    }
    if view.exempt {
        return Opinion::nothing(format!("{saw}; this recipient takes such mail (lists.exempt_recipients)"));
    }
    Opinion::wants(saw, disposition, Category::Suspicious, reason)
}

fn blocked_by(hit: &ListHit) -> String {
    format!("blocked: {}", text::line(&hit.to_string(), 120))
}

/// Whether the verdict of the block list is about who sent the mail, not about what is in it.
pub(super) fn blocks_sender(facts: &Facts<'_>, verdict: &Verdict) -> bool {
    let blocks = |hit: &&ListHit| hit.list == List::Block && blocked_by(hit) == verdict.reason;
    let on = facts.lists.and_then(|lists| lists.0.iter().find(blocks)).map(|hit| hit.on);
    !matches!(on, Some(Matched::Header | Matched::Url | Matched::Attachment))
}

pub(super) fn allow_list(view: &View<'_>) -> Opinion {
    let Some(lists) = view.facts.lists else { return Opinion::nothing("the lists were not looked at") };
    if lists.allows().next().is_none() {
        let good = lists.0.iter().find(|hit| hit.list == List::Allow);
        return Opinion::nothing(good.map_or_else(
            || "nothing about it is on the allow list".to_owned(),
            |good| format!("{}, which lets no message through by itself", listed(good)),
        ));
    }
    if blocked(view.facts).is_some() {
        return Opinion::nothing("a block outweighs what is on the allow list");
    }
    let (hit, how) = match allowed(view.policy, view.facts, lists) {
        Ok(found) => found,
        Err(why) => return Opinion::nothing(why),
    };
    let how = if how.is_empty() { how } else { format!(", proven: {how}") };
    let told = format!("{}{how}", listed(hit));
    let reason = format!("allowed: {}", text::line(&hit.to_string(), 120));
    Opinion::wants(told, Disposition::Accept, Category::Clean, reason)
}

/// The first entry that counts and what proves it, or why none does.
fn allowed<'a>(
    policy: &Policy,
    facts: &Facts<'_>,
    lists: &'a ListHits,
) -> Result<(&'a ListHit, String), String> {
    let mut why_not = Vec::new();
    for hit in lists.allows() {
        match proof(facts, hit) {
            Proof::Proven(how) => match dmarc::stands(policy, facts).filter(|_| hit.on == Matched::Sender) {
                None => return Ok((hit, how)),
                // The sender is who he says. People see the author, and he is not.
                Some(failed) => why_not.push(format!(
                    "{} does not count, though {how}: DMARC of {}, the author's domain, fails; mailing lists and \
                     forwarders are for policy.dmarc.lists",
                    listed(hit),
                    text::line(&failed.domain, 100)
                )),
            },
            Proof::NotNow(why) | Proof::Missing(why) => {
                why_not.push(format!("{} does not count: {why}", listed(hit)));
            }
        }
    }
    Err(why_not.join("; "))
}

fn listed(hit: &ListHit) -> String {
    let hit_text = text::line(&hit.to_string(), 200);
    match &hit.comment {
        Some(comment) => format!("{hit_text} ({})", text::line(comment, 100)),
        None => hit_text,
    }
}

fn proof(facts: &Facts<'_>, hit: &ListHit) -> Proof {
    debug_assert_eq!(hit.list, List::Allow);
    if hit.on == Matched::Client {
        return Proof::Proven(String::new());
    }
    let Some(seen) = facts.authentication else { return unseen(facts) };
    let domain = hit.domain.as_deref().unwrap_or_default();
    match hit.on {
        Matched::Client | Matched::Sender => sender(seen, domain),
        Matched::From => author(seen, domain),
        Matched::Header => field(seen),
        // They are what they are; nobody asks for a proof.
        Matched::Url | Matched::Attachment => Proof::Proven(String::new()),
    }
}

/// Nobody looked.
fn unseen(facts: &Facts<'_>) -> Proof {
    let why = dmarc::not_verified(facts);
    let outcome = facts.coverage.0.get(&Scanner::Auth);
    if facts.fault.is_some() || outcome.is_some_and(crate::model::Outcome::is_failure) {
        return Proof::NotNow(why);
    }
    Proof::Missing(match outcome {
        None => format!("{why}; turn it on, or allow the address of the client instead"),
        Some(_) => format!("{why}; allow the address of the client instead"),
    })
}

/// Whether the mail comes from the domain of its MAIL FROM.
fn sender(seen: &Authentication, domain: &str) -> Proof {
    let shown = text::line(domain, 100);
    if seen.mail_from.as_ref().is_some_and(|spf| spf.result == AuthResult::Pass && spf.domain == domain) {
        return Proof::Proven(format!("SPF passes for {shown}"));
    }
    // A signature of the domain or of one above it: whoever has the zone above has this one too. The other
    // way round it would not do, because names below some domains are given to strangers.
    let signed = |d: &&crate::model::authentication::Dkim| {
        d.result == AuthResult::Pass && !d.domain.is_empty() && is_or_below(domain, &d.domain)
    };
    if let Some(signature) = seen.dkim.iter().find(signed) {
        return Proof::Proven(format!("a signature of {} passes", text::line(&signature.domain, 100)));
    }
    // Where the author has the same domain, DMARC has looked up what is aligned with it.
    let same = |dmarc: &&crate::model::authentication::Dmarc| dmarc.domain == domain;
    if seen.is_aligned() && seen.dmarc.as_ref().filter(same).is_some() {
        return Proof::Proven(format!("what passes is aligned with {shown}"));
    }
    missing(seen, domain, "passes for")
}

/// Whether the one author's domain passes in alignment.
fn author(seen: &Authentication, domain: &str) -> Proof {
    let shown = text::line(domain, 100);
    let of_it = seen.author.domain() == Some(domain);
    if !of_it || seen.dmarc.as_ref().is_none_or(|dmarc| dmarc.domain != domain) {
        return Proof::Missing(format!("the mail does not have exactly one author's domain, {shown}"));
    }
    if seen.is_aligned() {
        return Proof::Proven(format!("what passes is aligned with {shown}"));
    }
    missing(seen, domain, "passes in alignment with")
}

/// Whether a field was written by whom the mail shows as its author: his domain passes in alignment.
fn field(seen: &Authentication) -> Proof {
    match seen.author.domain() {
        Some(domain) => match author(seen, domain) {
            Proof::Missing(why) => Proof::Missing(format!("anybody can write a field, and {why}")),
            proof => proof,
        },
        None => Proof::Missing(
            "anybody can write a field, and the mail does not have exactly one author's domain".to_owned(),
        ),
    }
}

/// Nothing proves it: for now, or at all.
fn missing(seen: &Authentication, domain: &str, how: &str) -> Proof {
    let temporary = |result: AuthResult| result == AuthResult::TempError;
    let related = |other: &str| is_or_below(domain, other) || is_or_below(other, domain);
    let not_now = seen.mail_from.as_ref().is_some_and(|spf| temporary(spf.result) && related(&spf.domain))
        || seen.dkim.iter().any(|d| temporary(d.result) && related(&d.domain))
        || seen.dmarc.as_ref().is_some_and(|dmarc| temporary(dmarc.result) && dmarc.domain == domain);
    let shown = text::line(domain, 100);
    if not_now {
        return Proof::NotNow(format!("the DNS did not say now whether SPF or a signature {how} {shown}"));
    }
    Proof::Missing(match seen.client {
        Some(_) => format!("neither SPF nor a signature {how} {shown}"),
        None => format!("the client is not known, and no signature {how} {shown}"),
    })
}
