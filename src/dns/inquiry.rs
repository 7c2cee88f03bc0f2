//! The questions of one message, under one budget.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::{DnsError, Kind, Record, Resolver, name};

/// Asks for one message. Cheap to clone; clones share the budget.
#[derive(Clone, Debug)]
pub struct Inquiry {
    resolver: Arc<Resolver>,
    left: Arc<AtomicU32>,
    allowed: u32,
    deadline: Instant,
}

/// What a message has used of its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Questions asked, those answered from the cache included.
    pub questions: u32,
    /// Questions that it may ask.
    pub allowed: u32,
}

impl Inquiry {
    /// At most `allowed` questions, all answered by `deadline`.
    #[must_use]
    pub fn new(resolver: Arc<Resolver>, allowed: u32, deadline: Instant) -> Self {
        Self { resolver, left: Arc::new(AtomicU32::new(allowed)), allowed, deadline }
    }

    /// What was used so far.
    #[must_use]
    pub fn spent(&self) -> Spent {
        Spent { questions: self.allowed - self.left.load(Ordering::Relaxed), allowed: self.allowed }
    }

    /// Until when answers are waited for.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The texts at `name`, each with its strings joined.
    ///
    /// # Errors
    /// See [`DnsError`].
    pub async fn txt(&self, name: &str) -> Result<Vec<Vec<u8>>, DnsError> {
        let pick = |record| if let Record::Txt(text) = record { Some(text) } else { None };
        self.ask(name, Kind::Txt, pick).await
    }

    /// The IPv4 addresses of `name`.
    ///
    /// # Errors
    /// See [`DnsError`].
    pub async fn a(&self, name: &str) -> Result<Vec<Ipv4Addr>, DnsError> {
        self.ask(name, Kind::A, |record| if let Record::A(ip) = record { Some(ip) } else { None }).await
    }

    /// The IPv6 addresses of `name`.
    ///
    /// # Errors
    /// See [`DnsError`].
    pub async fn aaaa(&self, name: &str) -> Result<Vec<Ipv6Addr>, DnsError> {
        self.ask(name, Kind::Aaaa, |record| if let Record::Aaaa(ip) = record { Some(ip) } else { None }).await
    }

    /// The mail servers of `name`, the preferred first.
    ///
    /// # Errors
    /// See [`DnsError`].
    pub async fn mx(&self, name: &str) -> Result<Vec<String>, DnsError> {
        let pick =
            |record| if let Record::Mx(preference, host) = record { Some((preference, host)) } else { None };
        let mut found = self.ask(name, Kind::Mx, pick).await?;
        found.sort();
        Ok(found.into_iter().map(|(_, host)| host).collect())
    }

    /// The names of `ip` (RFC 1035 §3.5, RFC 3596 §2.5).
    ///
    /// # Errors
    /// See [`DnsError`].
    pub async fn ptr(&self, ip: IpAddr) -> Result<Vec<String>, DnsError> {
        let pick = |record| if let Record::Ptr(name) = record { Some(name) } else { None };
        self.ask(&reverse(ip), Kind::Ptr, pick).await
    }

    async fn ask<T>(
        &self,
        name: &str,
        kind: Kind,
        pick: impl Fn(Record) -> Option<T>,
    ) -> Result<Vec<T>, DnsError> {
        let question = name::question(name)?;
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if taken.is_err() {
            self.resolver.count(Err(&DnsError::TooMany));
            return Err(DnsError::TooMany);
        }
        let asked = tokio::time::timeout_at(self.deadline.into(), self.resolver.records(&question, kind));
        let answer = asked.await.unwrap_or(Err(DnsError::TimedOut));
        let found = answer.and_then(|records| {
            let found: Vec<T> = records.into_iter().filter_map(pick).collect();
            // A CNAME that leads to nothing of this type.
            if found.is_empty() { Err(DnsError::NoRecords) } else { Ok(found) }
        });
        self.resolver.count(found.as_ref().map(drop));
        found
    }
}

/// The name under which the names of `ip` are found.
fn reverse(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(ip) => {
            let mut name = String::with_capacity(73);
            for byte in ip.octets().iter().rev() {
                for nibble in [byte & 0xf, byte >> 4] {
                    name.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
                    name.push('.');
                }
            }
            name + "ip6.arpa."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_asked_backwards() {
        assert_eq!(reverse([192, 0, 2, 1].into()), "1.2.0.192.in-addr.arpa.");
        assert_eq!(reverse("::ffff:192.0.2.1".parse().unwrap()), "1.2.0.192.in-addr.arpa.");
        let expected = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
        assert_eq!(reverse("2001:db8::1".parse().unwrap()), expected);
    }
}
