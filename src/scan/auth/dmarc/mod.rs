//! DMARC (RFC 9989): whether SPF or a signature speaks for the domain that people see.

mod record;

use futures_util::future::join_all;

use self::record::Record;
use crate::dns::{DnsError, Inquiry};
use crate::model::authentication::{Dkim, Dmarc, Spf};
use crate::model::{AuthResult, DmarcPolicy};

/// §4.10: a walk asks at most eight names.
const MAX_NAMES: usize = 8;
/// Signing domains whose place in the tree is looked up; more are taken as not aligned.
const MAX_SIGNERS: usize = 5;

/// What a walk from a domain up found: the names that have a record, longest first.
struct Walk {
    start: String,
    found: Vec<(String, Record)>,
}

/// The result for the author's `domain`.
pub(super) async fn check(inquiry: &Inquiry, domain: &str, spf: Option<&Spf>, dkim: &[Dkim]) -> Dmarc {
    let mut dmarc = Dmarc { domain: domain.to_owned(), ..Dmarc::default() };
    let walk = match walk(inquiry, domain).await {
        Ok(walk) => walk,
        Err(error) => {
            dmarc.result = AuthResult::TempError;
            dmarc.reason = Some(format!("the policy of {domain} could not be looked up: {error}"));
            return dmarc;
        }
    };
    let organization = walk.organization();
    let applied = walk.applied(organization);
    dmarc.record = applied.map(|(name, _)| format!("_dmarc.{name}"));
    let mut uncertain = None;

    let relevant = |result: AuthResult| matches!(result, AuthResult::Pass | AuthResult::TempError);
    let strict_spf = applied.is_some_and(|(_, record)| record.strict_spf);
    if let Some(spf) = spf.filter(|spf| relevant(spf.result)) {
        match aligned(inquiry, &spf.domain, domain, organization, strict_spf).await {
            Ok(true) if spf.result == AuthResult::Pass => dmarc.spf_aligned = true,
            Ok(true) => uncertain = Some(format!("SPF of {} could not be looked up", spf.domain)),
            Ok(false) => {}
            Err(error) => uncertain = Some(format!("{} could not be looked up: {error}", spf.domain)),
        }
    }
    let strict_dkim = applied.is_some_and(|(_, record)| record.strict_dkim);
    let mut seen: Vec<&str> = Vec::new();
    for signature in dkim.iter().filter(|s| relevant(s.result)) {
        // A key under test says nothing (RFC 6376 §3.6.1), and several of one domain say it once.
        let known = seen.contains(&&*signature.domain) && signature.result != AuthResult::Pass;
        if known || !seen.contains(&&*signature.domain) && seen.len() == MAX_SIGNERS {
            continue;
        }
        seen.push(&signature.domain);
        match aligned(inquiry, &signature.domain, domain, organization, strict_dkim).await {
            Ok(true) if signature.result == AuthResult::Pass => {
                dmarc.dkim_aligned = true;
                break;
            }
            Ok(true) => uncertain = Some(format!("the key of {} could not be looked up", signature.domain)),
            Ok(false) => {}
            Err(error) => uncertain = Some(format!("{} could not be looked up: {error}", signature.domain)),
        }
    }

    let policy = match applied {
        Some((name, record)) => wanted(inquiry, domain, name, record).await,
        None => None,
    };
    dmarc.policy = policy;
    (dmarc.result, dmarc.reason) = match policy {
        None => (AuthResult::None, Some(format!("{domain} publishes no policy"))),
        Some(_) if dmarc.spf_aligned || dmarc.dkim_aligned => (AuthResult::Pass, None),
        Some(_) => match uncertain {
            Some(why) => (AuthResult::TempError, Some(why)),
            None => {
                let strict = match (strict_spf, strict_dkim) {
                    (true, true) => " itself (aspf=s, adkim=s)",
                    (true, false) => " (aspf=s: SPF for itself)",
                    (false, true) => " (adkim=s: a signature for itself)",
                    (false, false) => "",
                };
                (AuthResult::Fail, Some(format!("neither SPF nor a signature passes for {domain}{strict}")))
            }
        },
    };
    dmarc
}

/// What the record at `name` wants of mail in the name of `domain` (§4.10.1).
async fn wanted(inquiry: &Inquiry, domain: &str, name: &str, record: &Record) -> Option<DmarcPolicy> {
    if name == domain {
        return record.for_itself();
    }
    // RFC 8020: a name that does not exist has no record of any type. Where that is not known, it exists.
    let exists = !record.tells_nonexistent_apart() || inquiry.a(domain).await != Err(DnsError::NoName);
    record.for_below(exists)
}

/// Whether `other` is aligned with the author's `domain` (§4.10.2).
async fn aligned(
    inquiry: &Inquiry,
    other: &str,
    domain: &str,
    organization: &str,
    strict: bool,
) -> Result<bool, DnsError> {
    if other == domain {
        return Ok(true);
    }
    let related = other == organization || other.strip_suffix(organization).is_some_and(|p| p.ends_with('.'));
    if strict || !related {
        return Ok(false);
    }
    Ok(walk(inquiry, other).await?.organization() == organization)
}

/// Asks what [`check`] will ask about the author's domain.
pub(super) async fn ask_ahead(inquiry: &Inquiry, domain: &str) {
    drop(walk(inquiry, domain).await);
}

/// Asks all names of the walk at once. It would nearly always ask them one by one to the end.
async fn walk(inquiry: &Inquiry, start: &str) -> Result<Walk, DnsError> {
    let names = names(start);
    let asked = names.iter().map(|name| async move { inquiry.txt(&format!("_dmarc.{name}")).await });
    let mut found = Vec::new();
    for (name, answer) in names.iter().zip(join_all(asked).await) {
        let record = match answer {
            Ok(texts) => Record::of(&texts),
            Err(error) if error.is_temporary() => return Err(error),
            Err(_) => None,
        };
        let Some(record) = record else { continue };
        // §4.10: the walk ends where somebody says what kind of name it is.
        let ends = record.public_suffix.is_some();
        found.push(((*name).to_owned(), record));
        if ends {
            break;
        }
    }
    Ok(Walk { start: start.to_owned(), found })
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

    /// The record that applies: the author's own, else the organization's, else the public suffix's.
    fn applied(&self, organization: &str) -> Option<(&str, &Record)> {
        let at = |wanted: &str| self.found.iter().find(|(name, _)| name == wanted);
        let record = at(&self.start).or_else(|| at(organization)).or_else(|| self.found.last());
        record.map(|(name, record)| (&**name, record))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::dns::{Resolver, Zone};
    use crate::telemetry::Metrics;

    fn inquiry(zone: &str) -> Inquiry {
        let resolver = Resolver::of_zone(Zone::parse(zone).unwrap(), Arc::new(Metrics::new()));
        Inquiry::new(Arc::new(resolver), 100, Instant::now() + Duration::from_secs(5))
    }

    fn spf(result: AuthResult, domain: &str) -> Spf {
        Spf { result, domain: domain.to_owned(), ..Spf::default() }
    }

    fn dkim(result: AuthResult, domain: &str) -> Dkim {
        Dkim { result, domain: domain.to_owned(), ..Dkim::default() }
    }

    /// Result and policy.
    async fn of(
        zone: &str,
        domain: &str,
        spf: Option<Spf>,
        dkim: &[Dkim],
    ) -> (AuthResult, Option<DmarcPolicy>) {
        let found = check(&inquiry(zone), domain, spf.as_ref(), dkim).await;
        (found.result, found.policy)
    }

    const ZONE: &str = "
        _dmarc.example.com       TXT v=DMARC1; p=reject; sp=quarantine; np=reject
        mail.example.com         A   192.0.2.1
        _dmarc.strict.example    TXT v=DMARC1; p=reject; adkim=s; aspf=s
        _dmarc.gov.example       TXT v=DMARC1; p=none; np=reject; psd=y
        dept.gov.example         A   192.0.2.2
        _dmarc.own.corp.example  TXT v=DMARC1; p=reject; psd=n
        _dmarc.corp.example      TXT v=DMARC1; p=none
        _dmarc.down.example      FAIL
    ";

    #[test]
    fn a_walk_asks_the_domain_and_then_at_most_seven_labels_up() {
        assert_eq!(names("a.b.example"), ["a.b.example", "b.example", "example"]);
        let long = "a.b.c.d.e.f.g.h.i.j.example.com";
        assert_eq!(
            names(long),
            [
                long,
                "f.g.h.i.j.example.com",
                "g.h.i.j.example.com",
                "h.i.j.example.com",
                "i.j.example.com",
                "j.example.com",
                "example.com",
                "com"
            ]
        );
    }

    #[tokio::test]
    async fn one_aligned_pass_is_enough() {
        use AuthResult::{Fail, None as Nothing, Pass};
        let reject = Some(DmarcPolicy::Reject);
        assert_eq!(of(ZONE, "example.com", Some(spf(Pass, "bounce.example.com")), &[]).await, (Pass, reject));
        assert_eq!(of(ZONE, "example.com", None, &[dkim(Pass, "example.com")]).await, (Pass, reject));
        let others =
            [dkim(Pass, "other.example"), dkim(Fail, "example.com"), dkim(AuthResult::Policy, "example.com")];
        assert_eq!(of(ZONE, "example.com", Some(spf(Pass, "notexample.com")), &others).await, (Fail, reject));
        assert_eq!(of(ZONE, "none.example", Some(spf(Pass, "none.example")), &[]).await, (Nothing, None));
    }

    #[tokio::test]
    async fn strict_alignment_takes_the_very_domain_only() {
        use AuthResult::{Fail, Pass};
        let reject = Some(DmarcPolicy::Reject);
        assert_eq!(
            of(ZONE, "strict.example", Some(spf(Pass, "a.strict.example")), &[]).await,
            (Fail, reject)
        );
        assert_eq!(of(ZONE, "strict.example", Some(spf(Pass, "strict.example")), &[]).await, (Pass, reject));
    }

    #[tokio::test]
    async fn a_domain_below_gets_the_policy_for_those_that_exist_or_do_not() {
        let fails = |policy| (AuthResult::Fail, Some(policy));
        assert_eq!(of(ZONE, "mail.example.com", None, &[]).await, fails(DmarcPolicy::Quarantine));
        assert_eq!(of(ZONE, "made-up.example.com", None, &[]).await, fails(DmarcPolicy::Reject));
        // Below a public suffix each name is an organization of its own.
        assert_eq!(of(ZONE, "dept.gov.example", None, &[]).await, fails(DmarcPolicy::None));
        assert_eq!(of(ZONE, "made-up.gov.example", None, &[]).await, fails(DmarcPolicy::Reject));
        let other = Some(spf(AuthResult::Pass, "other.gov.example"));
        assert_eq!(of(ZONE, "dept.gov.example", other, &[]).await, fails(DmarcPolicy::None));
    }

    #[tokio::test]
    async fn who_says_that_it_is_an_organization_is_one() {
        let pass = spf(AuthResult::Pass, "corp.example");
        let found = of(ZONE, "own.corp.example", Some(pass), &[]).await;
        assert_eq!(found, (AuthResult::Fail, Some(DmarcPolicy::Reject)));
        let pass = spf(AuthResult::Pass, "own.corp.example");
        let found = of(ZONE, "mail.own.corp.example", Some(pass), &[]).await;
        assert_eq!(found.0, AuthResult::Pass);
    }

    #[tokio::test]
    async fn what_could_not_be_looked_up_is_neither_pass_nor_fail() {
        let nothing = (AuthResult::TempError, None);
        assert_eq!(of(ZONE, "down.example", Some(spf(AuthResult::Pass, "down.example")), &[]).await, nothing);
        let temp = [dkim(AuthResult::TempError, "example.com")];
        let uncertain = (AuthResult::TempError, Some(DmarcPolicy::Reject));
        assert_eq!(of(ZONE, "example.com", None, &temp).await, uncertain);
        let aligned = Some(spf(AuthResult::Pass, "example.com"));
        assert_eq!(of(ZONE, "example.com", aligned, &temp).await.0, AuthResult::Pass);
    }
}
