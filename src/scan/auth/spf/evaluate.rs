//! `check_host()` (RFC 7208 §4).

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::future::join_all;

use super::macros::{DomainSpec, Letter};
use super::record::{Directive, Mechanism, Prefixes, Qualifier, Record, is_spf};
use super::trace::Trace;
use crate::dns::{DnsError, Inquiry};
use crate::model::AuthResult;
use crate::scan::BoxFuture;

/// §4.6.4: terms that ask the DNS, in the record and in all that it includes.
const MAX_LOOKUPS: u32 = 10;
/// §4.6.4: questions that find nothing.
const MAX_VOID: u32 = 2;
/// §4.6.4: hosts of one `mx`, names of one `ptr`.
const MAX_HOSTS: usize = 10;

/// One evaluation.
pub(super) struct Query<'a> {
    inquiry: &'a Inquiry,
    ip: IpAddr,
    local: &'a str,
    sender_domain: &'a str,
    helo: &'a str,
    lookups: u32,
    void: u32,
    over_budget: bool,
    trace: Trace,
}

/// Why an evaluation ends without a match.
enum Stop {
    Temporary(String),
    /// The message has asked as much as it may.
    OverBudget(String),
    Permanent(String),
}

type Outcome<T> = Result<T, Stop>;

impl<'a> Query<'a> {
    pub(super) fn new(
        inquiry: &'a Inquiry,
        ip: IpAddr,
        local: &'a str,
        domain: &'a str,
        helo: &'a str,
    ) -> Self {
        let trace = Trace::default();
        Self {
            inquiry,
            ip: ip.to_canonical(),
            local,
            sender_domain: domain,
            helo,
            lookups: 0,
            void: 0,
            over_budget: false,
            trace,
        }
    }

    /// The result for `domain` and what led to it, for people.
    pub(super) async fn check_host(&mut self, domain: &str) -> (AuthResult, Option<String>) {
        match self.evaluate(domain).await {
            Ok(found) => found,
            Err(Stop::Temporary(why)) => (AuthResult::TempError, Some(why)),
            Err(Stop::OverBudget(why)) => {
                self.over_budget = true;
                (AuthResult::TempError, Some(why))
            }
            Err(Stop::Permanent(why)) => (AuthResult::PermError, Some(why)),
        }
    }

    /// Whether it ended because the message has asked as much as it may.
    pub(super) const fn is_over_budget(&self) -> bool {
        self.over_budget
    }

    /// What was tried until it came to `result`; see [`crate::model::authentication::Spf::steps`].
    pub(super) fn steps(self, result: AuthResult) -> Vec<String> {
        self.trace.steps(result)
    }

    /// One record. On the heap, because records include records.
    fn evaluate<'s>(&'s mut self, domain: &'s str) -> BoxFuture<'s, Outcome<(AuthResult, Option<String>)>> {
        Box::pin(async move {
            let Some(record) = self.record(domain).await? else {
                return Ok((AuthResult::None, None));
            };
            for directive in &record.directives {
                let start = self.trace.len();
                let matches = self.matches(directive, domain).await;
                match &matches {
                    Ok(matches) => self.trace.tried(domain, directive, *matches, start),
                    Err(_) => self.trace.stopped(domain, &directive.text),
                }
                if matches? {
                    let result = match directive.qualifier {
                        Qualifier::Pass => AuthResult::Pass,
                        Qualifier::Fail => AuthResult::Fail,
                        Qualifier::SoftFail => AuthResult::SoftFail,
                        Qualifier::Neutral => AuthResult::Neutral,
                    };
                    return Ok((result, Some(format!("{} of {domain} matches", directive.text))));
                }
            }
            let Some(redirect) = &record.redirect else {
                // §4.7.
                return Ok((AuthResult::Neutral, Some(format!("nothing in the record of {domain} matches"))));
            };
            self.count_lookup()?;
            let target = self.expand(redirect, domain).await;
            self.trace.led_to(domain, &target);
            match self.evaluate(&target).await? {
                // §6.1.
                (AuthResult::None, _) => {
                    Err(Stop::Permanent(format!("redirect={target} leads to no SPF record")))
                }
                found => Ok(found),
            }
        })
    }

    /// §4.4 and §4.5: the record of `domain`.
    async fn record(&self, domain: &str) -> Outcome<Option<Record>> {
        let texts = match self.inquiry.txt(domain).await {
            Ok(texts) => texts,
            Err(error) if error.is_temporary() => return Err(temporary(domain, &error)),
            Err(_) => return Ok(None),
        };
        let mut records = texts.iter().filter(|text| is_spf(text));
        let Some(text) = records.next() else { return Ok(None) };
        if records.next().is_some() {
            return Err(Stop::Permanent(format!("{domain} has more than one SPF record")));
        }
        let record = Record::parse(text);
        record
            .map(Some)
            .map_err(|term| Stop::Permanent(format!("the SPF record of {domain} cannot be read: {term}")))
    }

    async fn matches(&mut self, directive: &Directive, domain: &str) -> Outcome<bool> {
        match &directive.mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(net, length) => Ok(self.ip_in(IpAddr::V4(*net), Prefixes { v4: *length, v6: 0 })),
            Mechanism::Ip6(net, length) => Ok(self.ip_in(IpAddr::V6(*net), Prefixes { v4: 0, v6: *length })),
            Mechanism::Include(spec) => {
                self.count_lookup()?;
                let target = self.expand(spec, domain).await;
                let result = self.evaluate(&target).await?.0;
                self.trace.saw(result.name().to_owned());
                match result {
                    AuthResult::Pass => Ok(true),
                    // §5.2.
                    AuthResult::None => {
                        Err(Stop::Permanent(format!("include:{target} leads to no SPF record")))
                    }
                    _ => Ok(false),
                }
            }
            Mechanism::A(spec, prefixes) => {
                self.count_lookup()?;
                let host = self.target(spec.as_ref(), domain).await;
                let addresses = self.addresses(&host).await?;
                self.trace.saw_some(&addresses);
                Ok(addresses.into_iter().any(|ip| self.ip_in(ip, *prefixes)))
            }
            Mechanism::Mx(spec, prefixes) => {
                self.count_lookup()?;
                let name = self.target(spec.as_ref(), domain).await;
                self.mx(&name, *prefixes).await
            }
            Mechanism::Ptr(spec) => {
                self.count_lookup()?;
                let target = self.target(spec.as_ref(), domain).await;
                let names = self.validated().await;
                self.trace.saw_some(&names);
                Ok(names.iter().any(|name| is_within(name, &target)))
            }
            Mechanism::Exists(spec) => {
                self.count_lookup()?;
                let name = self.expand(spec, domain).await;
                // §5.7: an A record, also for an IPv6 client.
                let found = self.inquiry.a(&name).await;
                Ok(!self.found(&name, found)?.is_empty())
            }
        }
    }

    async fn mx(&mut self, name: &str, prefixes: Prefixes) -> Outcome<bool> {
        let found = self.inquiry.mx(name).await;
        let hosts = self.found(name, found)?;
        if hosts.len() > MAX_HOSTS {
            return Err(Stop::Permanent(format!("{name} has more than {MAX_HOSTS} mail servers")));
        }
        for host in hosts {
            let addresses = self.addresses(&host).await?;
            self.trace.saw_some(&addresses);
            if addresses.into_iter().any(|ip| self.ip_in(ip, prefixes)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The addresses of a host, of the client's family (§5).
    async fn addresses(&mut self, host: &str) -> Outcome<Vec<IpAddr>> {
        if self.ip.is_ipv4() {
            let found = self.inquiry.a(host).await;
            Ok(self.found(host, found)?.into_iter().map(IpAddr::V4).collect())
        } else {
            let found = self.inquiry.aaaa(host).await;
            Ok(self.found(host, found)?.into_iter().map(IpAddr::V6).collect())
        }
    }

    /// What was found; nothing where there is nothing, of which only so many are allowed.
    fn found<T>(&mut self, name: &str, found: Result<Vec<T>, DnsError>) -> Outcome<Vec<T>> {
        match found {
            Ok(found) => Ok(found),
            Err(error) if error.is_temporary() => Err(temporary(name, &error)),
            Err(_) => {
                self.void += 1;
                if self.void > MAX_VOID {
                    return Err(Stop::Permanent(format!("more than {MAX_VOID} questions find nothing")));
                }
                Ok(Vec::new())
            }
        }
    }

    fn count_lookup(&mut self) -> Outcome<()> {
        self.lookups += 1;
        match self.lookups > MAX_LOOKUPS {
            true => Err(Stop::Permanent(format!("the record asks for more than {MAX_LOOKUPS} look-ups"))),
            false => Ok(()),
        }
    }

    /// The client's names that lead back to it (§5.5). An error on the way is no name.
    async fn validated(&self) -> Vec<String> {
        let names = self.inquiry.ptr(self.ip).await.unwrap_or_default();
        // All at once: names of a domain that is silent would else take the time of all of them.
        let asked = names.into_iter().take(MAX_HOSTS).map(|name| async move {
            let leads_back = match self.ip {
                IpAddr::V4(ip) => self.inquiry.a(&name).await.is_ok_and(|found| found.contains(&ip)),
                IpAddr::V6(ip) => self.inquiry.aaaa(&name).await.is_ok_and(|found| found.contains(&ip)),
            };
            leads_back.then(|| name.trim_end_matches('.').to_owned())
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn target(&self, spec: Option<&DomainSpec>, domain: &str) -> String {
        match spec {
            Some(spec) => self.expand(spec, domain).await,
            None => domain.to_owned(),
        }
    }

    async fn expand(&self, spec: &DomainSpec, domain: &str) -> String {
        let validated = if spec.needs_validated() { self.validated_for(domain).await } else { String::new() };
        spec.expand(|letter| match letter {
            Letter::Sender => Cow::Owned(format!("{}@{}", self.local, self.sender_domain)),
            Letter::Local => Cow::Borrowed(self.local),
            Letter::SenderDomain => Cow::Borrowed(self.sender_domain),
            Letter::Domain => Cow::Owned(domain.to_owned()),
            Letter::Address => Cow::Owned(match self.ip {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => nibbles(ip),
            }),
            Letter::Validated => Cow::Owned(validated.clone()),
            Letter::Version => Cow::Borrowed(if self.ip.is_ipv4() { "in-addr" } else { "ip6" }),
            Letter::Helo => Cow::Borrowed(self.helo),
        })
    }

    /// `%{p}` (§7.3): the domain itself if the client has that name, else a name below it, else any.
    async fn validated_for(&self, domain: &str) -> String {
        let names = self.validated().await;
        let exact = names.iter().find(|name| name.eq_ignore_ascii_case(domain));
        let below = || names.iter().find(|name| is_within(name, domain));
        exact.or_else(below).or(names.first()).cloned().unwrap_or_else(|| "unknown".to_owned())
    }

    fn ip_in(&self, net: IpAddr, prefixes: Prefixes) -> bool {
        match (self.ip, net) {
            (IpAddr::V4(ip), IpAddr::V4(net)) => is_in_v4(ip, net, prefixes.v4),
            (IpAddr::V6(ip), IpAddr::V6(net)) => is_in_v6(ip, net, prefixes.v6),
            _ => false,
        }
    }
}

fn is_in_v4(ip: Ipv4Addr, net: Ipv4Addr, length: u8) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
    u32::from(ip) & mask == u32::from(net) & mask
}

fn is_in_v6(ip: Ipv6Addr, net: Ipv6Addr, length: u8) -> bool {
    let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
    u128::from(ip) & mask == u128::from(net) & mask
}

/// Whether `name` is `domain` or below it.
fn is_within(name: &str, domain: &str) -> bool {
    let (name, domain) = (name.trim_end_matches('.'), domain.trim_end_matches('.'));
    let Some(split) = name.len().checked_sub(domain.len()) else { return false };
    let Some((before, end)) = name.split_at_checked(split) else { return false };
    !domain.is_empty() && end.eq_ignore_ascii_case(domain) && (before.is_empty() || before.ends_with('.'))
}

/// An IPv6 address as 32 labels (§7.3).
fn nibbles(ip: Ipv6Addr) -> String {
    let digits: Vec<String> =
        ip.octets().iter().flat_map(|b| [b >> 4, b & 0xf]).map(|nibble| format!("{nibble:x}")).collect();
    digits.join(".")
}

fn temporary(name: &str, error: &DnsError) -> Stop {
    let why = format!("{name} could not be looked up: {error}");
    if *error == DnsError::TooMany { Stop::OverBudget(why) } else { Stop::Temporary(why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_of_length_zero_holds_every_address() {
        let (a, b) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(10, 0, 0, 1));
        assert!(is_in_v4(a, b, 0) && !is_in_v4(a, b, 1) && is_in_v4(a, a, 32));
        let (a, b) = (Ipv6Addr::LOCALHOST, Ipv6Addr::new(0x8000, 0, 0, 0, 0, 0, 0, 1));
        assert!(is_in_v6(a, b, 0) && !is_in_v6(a, b, 1) && is_in_v6(a, a, 128));
    }

    #[test]
    fn a_name_is_within_its_domain_by_whole_labels() {
        assert!(is_within("a.example.org", "Example.org.") && is_within("example.org.", "example.org"));
        assert!(!is_within("badexample.org", "example.org") && !is_within("org", "example.org"));
    }
}
