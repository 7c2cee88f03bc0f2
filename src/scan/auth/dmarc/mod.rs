//! DMARC (RFC 9989): whether SPF or a signature speaks for the domain that people see.

mod record;
#[cfg(test)]
mod tests;

use futures_util::future::join_all;

use self::record::Record;
use crate::dns::{DnsError, Inquiry};
use crate::model::authentication::{Dkim, Dmarc, Spf};
use crate::model::{AuthResult, DmarcPolicy};

/// §4.10: a walk asks at most eight names.
const MAX_NAMES: usize = 8;
/// Domains below the author's organization whose place in the tree is looked up; more are taken as not
/// aligned. Those that have nothing to do with it are not asked about.
const MAX_WALKS: usize = 5;

/// What a walk from a domain up found: the names that have a record, longest first.
struct Walk {
    start: String,
    found: Vec<(String, Record)>,
    /// Why nothing is known of the names further up.
    broken: Option<DnsError>,
}

/// The author's side of alignment.
struct Side<'a> {
    domain: &'a str,
    walk: &'a Walk,
    /// Walks of other domains that may still be made.
    walks: usize,
    /// Something passed that may or may not be aligned, or would be aligned and may still pass; why.
    uncertain: Option<String>,
}

/// The result for the author's `domain`.
pub(super) async fn check(inquiry: &Inquiry, domain: &str, spf: Option<&Spf>, dkim: &[Dkim]) -> Dmarc {
    let mut dmarc = Dmarc { domain: domain.to_owned(), ..Dmarc::default() };
    let walk = walk(inquiry, domain).await;
    // Where the domain has a record of its own it applies, whatever is above (§4.10.1).
    if let Some(error) = walk.broken.as_ref().filter(|_| walk.own().is_none()) {
        dmarc.result = AuthResult::TempError;
        dmarc.reason = Some(format!("the policy of {domain} could not be looked up: {error}"));
        return dmarc;
    }
    let applied = walk.applied();
    dmarc.record = applied.map(|(name, _)| format!("_dmarc.{name}"));
    let mut side = Side { domain, walk: &walk, walks: MAX_WALKS, uncertain: None };
    let strict_spf = applied.is_some_and(|(_, record)| record.strict_spf);
    // What the message itself kept from an answer, by asking too much, does not make it uncertain.
    if let Some(spf) = spf.filter(|spf| !spf.over_budget) {
        let what = format!("SPF of {}", spf.domain);
        dmarc.spf_aligned = side.passes(inquiry, spf.result, &spf.domain, strict_spf, &what).await;
    }
    let strict_dkim = applied.is_some_and(|(_, record)| record.strict_dkim);
    // One that needs no question first.
    let (own, others): (Vec<&Dkim>, Vec<&Dkim>) =
        dkim.iter().filter(|s| !s.over_budget).partition(|s| s.domain == domain);
    for signature in own.into_iter().chain(others) {
        let what = format!("the key of {}", signature.domain);
        if side.passes(inquiry, signature.result, &signature.domain, strict_dkim, &what).await {
            dmarc.dkim_aligned = true;
            break;
        }
    }

    let mut unknown = None;
    if let Some((name, record)) = applied {
        (dmarc.policy, unknown) = wanted(inquiry, domain, name, record).await;
    }
    dmarc.policy_uncertain = unknown.is_some();
    (dmarc.result, dmarc.reason) = match dmarc.policy {
        None => (AuthResult::None, Some(format!("{domain} publishes no policy"))),
        Some(_) if dmarc.spf_aligned || dmarc.dkim_aligned => (AuthResult::Pass, None),
        Some(_) => match side.uncertain {
            Some(why) => (AuthResult::TempError, Some(why)),
            None => {
                let strict = match (strict_spf, strict_dkim) {
                    (true, true) => " itself (aspf=s, adkim=s)",
                    (true, false) => " (aspf=s: SPF for itself)",
                    (false, true) => " (adkim=s: a signature for itself)",
                    (false, false) => "",
                };
                let unknown = unknown.map(|error| {
                    format!("; the stricter of two policies, as it is not known whether it exists: {error}")
                });
                let unknown = unknown.unwrap_or_default();
                let why = format!("neither SPF nor a signature passes for {domain}{strict}{unknown}");
                (AuthResult::Fail, Some(why))
            }
        },
    };
    dmarc
}

impl Side<'_> {
    /// Whether a check for `other` passes and is aligned with the author's domain (§4.4).
    async fn passes(
        &mut self,
        inquiry: &Inquiry,
        result: AuthResult,
        other: &str,
        strict: bool,
        what: &str,
    ) -> bool {
        if !matches!(result, AuthResult::Pass | AuthResult::TempError) {
            return false;
        }
        match self.aligned(inquiry, other, strict).await {
            Ok(true) if result == AuthResult::Pass => return true,
            Ok(true) => self.uncertain = Some(format!("{what} could not be looked up")),
            Ok(false) | Err(DnsError::TooMany) => {}
            Err(error) => {
                self.uncertain = Some(format!("the place of {other} could not be looked up: {error}"));
            }
        }
        false
    }

    /// Whether `other` is aligned with the author's domain (§4.10.2).
    async fn aligned(&mut self, inquiry: &Inquiry, other: &str, strict: bool) -> Result<bool, DnsError> {
        if other == self.domain {
            return Ok(true);
        }
        if strict || other.is_empty() {
            return Ok(false);
        }
        let related = |organization: &str| {
            other.strip_suffix(organization).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        // Where it is not known how far up the organization reaches, it is not beyond the names seen.
        if let Some(error) = &self.walk.broken {
            let top = self.domain.rsplit_once('.').map_or(self.domain, |(_, top)| top);
            return if related(top) { Err(error.clone()) } else { Ok(false) };
        }
        let organization = self.walk.organization();
        if !related(organization) || self.walks == 0 {
            return Ok(false);
        }
        self.walks -= 1;
        let walk = walk(inquiry, other).await;
        match walk.broken.as_ref() {
            Some(error) => Err(error.clone()),
            None => Ok(walk.organization() == organization),
        }
    }
}

/// What the record at `name` wants of mail in the name of `domain` (§4.10.1). Where it depends on whether the
/// domain exists and that could not be looked up, the stricter one, and why: else who keeps us from looking
/// would choose the milder one.
async fn wanted(
    inquiry: &Inquiry,
    domain: &str,
    name: &str,
    record: &Record,
) -> (Option<DmarcPolicy>, Option<DnsError>) {
    if name == domain {
        return (record.for_itself(), None);
    }
    if !record.tells_nonexistent_apart() {
        return (record.for_below(true), None);
    }
    // RFC 8020: a name that does not exist has no record of any type.
    match inquiry.a(domain).await {
        Err(DnsError::NoName) => (record.for_below(false), None),
        Err(error) if error.is_temporary() => {
            (record.for_below(true).max(record.for_below(false)), Some(error))
        }
        _ => (record.for_below(true), None),
    }
}

/// Asks what [`check`] will ask about the author's domain.
pub(super) async fn ask_ahead(inquiry: &Inquiry, domain: &str) {
    let walk = walk(inquiry, domain).await;
    if let Some((name, record)) = walk.applied() {
        wanted(inquiry, domain, name, record).await;
    }
}

/// The result for a `domain` that only some programs show as the author's. It never passes: what it would be
/// is told, and that it is not accepted.
pub(super) async fn check_shown(inquiry: &Inquiry, domain: &str, spf: Option<&Spf>, dkim: &[Dkim]) -> Dmarc {
    let mut dmarc = check(inquiry, domain, spf, dkim).await;
    if dmarc.result == AuthResult::Pass {
        dmarc.result = AuthResult::Policy;
        dmarc.reason = Some(format!("it would pass, if {domain} were the only author's domain"));
    }
    dmarc
}

/// Asks all names of the walk at once. It would nearly always ask them one by one to the end.
async fn walk(inquiry: &Inquiry, start: &str) -> Walk {
    let names = names(start);
    let asked = names.iter().map(|name| async move { inquiry.txt(&format!("_dmarc.{name}")).await });
    let mut walk = Walk { start: start.to_owned(), found: Vec::new(), broken: None };
    for (name, answer) in names.iter().zip(join_all(asked).await) {
        let record = match answer {
            Ok(texts) => Record::of(&texts),
            Err(error) if error.is_temporary() => {
                walk.broken = Some(error);
                break;
            }
            Err(_) => None,
        };
        let Some(record) = record else { continue };
        // §4.10: the walk ends where somebody says what kind of name it is.
        let ends = record.public_suffix.is_some();
        walk.found.push(((*name).to_owned(), record));
        if ends {
            break;
        }
    }
    walk
}

/// The names of a walk: the domain, then – seven labels long at most – each above it.
fn names(domain: &str) -> Vec<&str> {
    let mut names = vec![domain];
    let mut rest = domain;
    while let Some((_, above)) = rest.split_once('.') {
        rest = above;
        if rest.split('.').count() < MAX_NAMES {
            names.push(rest);
        }
    }
    names.truncate(MAX_NAMES);
    names
}

impl Walk {
    /// The organizational domain of where the walk began (§4.10.2).
    fn organization(&self) -> &str {
        for (name, record) in &self.found {
            match record.public_suffix {
                Some(false) => return name,
                Some(true) if *name != self.start => return self.one_below(name),
                _ => {}
            }
        }
        self.found.last().map_or(&*self.start, |(name, _)| name)
    }

    /// The name one label longer than `name` on the way to where the walk began.
    fn one_below(&self, name: &str) -> &str {
        let labels = name.split('.').count() + 1;
        let surplus = self.start.split('.').count().saturating_sub(labels);
        let mut below = &*self.start;
        for _ in 0..surplus {
            below = below.split_once('.').map_or(below, |(_, rest)| rest);
        }
        below
    }

    /// The record of the domain where the walk began.
    fn own(&self) -> Option<&Record> {
        self.found.first().filter(|(name, _)| *name == self.start).map(|(_, record)| record)
    }

    /// The record that applies: the author's own, else the organization's, else the public suffix's
    /// (§4.10.1).
    fn applied(&self) -> Option<(&str, &Record)> {
        if let Some(record) = self.own() {
            return Some((&self.start, record));
        }
        let organization = self.organization();
        let record = self.found.iter().find(|(name, _)| name == organization).or_else(|| self.found.last());
        record.map(|(name, record)| (&**name, record))
    }
}
