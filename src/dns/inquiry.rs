//! The questions of one message, under one budget.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::Semaphore;

use super::cache::Key;
use super::{DnsError, Found, Kind, Record, Resolver, name};

/// The most questions of one message that wait for an answer at once, so that one with many signatures of
/// dead domains does not take all the room. A [`share`](Inquiry::share) has places of its own.
const AT_ONCE: usize = 20;

/// Asks for one message. Cheap to clone; clones share the budget.
///
/// A question is asked once: whoever asks the same again for the same message is told the same, and it costs
/// nothing.
#[derive(Clone)]
pub struct Inquiry {
    message: Arc<OfMessage>,
    share: Arc<Share>,
}

struct OfMessage {
    resolver: Arc<Resolver>,
    left: AtomicU32,
    allowed: u32,
    deadline: Instant,
    asked: Mutex<HashMap<Key, Asked>>,
}

/// What one part of the checks may take of it.
struct Share {
    left: AtomicU32,
    places: Semaphore,
}

type Asked = Shared<BoxFuture<'static, Found>>;

impl std::fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inquiry").field("spent", &self.spent()).finish_non_exhaustive()
    }
}

/// What a message has used of its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Different questions asked, those answered from the cache included.
    pub questions: u32,
    /// Questions that it may ask.
    pub allowed: u32,
}

impl Inquiry {
    /// At most `allowed` questions, all answered by `deadline`.
    ///
    /// Mail of a large provider – SPF in four records, two signatures, DMARC, iprev – asks 11; a
    /// test counts them.
    #[must_use]
    pub fn new(resolver: Arc<Resolver>, allowed: u32, deadline: Instant) -> Self {
        let asked = Mutex::default();
        let message = OfMessage { resolver, left: AtomicU32::new(allowed), allowed, deadline, asked };
        Self { message: Arc::new(message), share: Arc::new(Share::new(allowed, AT_ONCE)) }
    }

    /// The same message, of whose budget this takes `allowed` at the most, and waits for so many answers at once:
    /// it can neither use up what others need nor stand in their way.
    #[must_use]
    pub fn share(&self, allowed: u32, at_once: usize) -> Self {
        Self { message: Arc::clone(&self.message), share: Arc::new(Share::new(allowed, at_once)) }
    }

    /// What was used so far.
    #[must_use]
    pub fn spent(&self) -> Spent {
        let OfMessage { left, allowed, .. } = &*self.message;
        Spent { questions: allowed - left.load(Ordering::Relaxed), allowed: *allowed }
    }

    /// Until when answers are waited for.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.message.deadline
    }

    /// The texts at `name`, each with its strings joined.
    ///
    /// # Errors
    /// See [`DnsError`].
    pub async fn txt(&self, name: &str) -> Result<Vec<Vec<u8>>, DnsError> {
        let pick = |record: &Record| if let Record::Txt(text) = record { Some(text.clone()) } else { None };
        self.ask(name, Kind::Txt, pick).await
    }

    /// The IPv4 addresses of `name`.
    ///
    /// # Errors
    /// See [`DnsError`].
    pub async fn a(&self, name: &str) -> Result<Vec<Ipv4Addr>, DnsError> {
        self.ask(name, Kind::A, |record| if let Record::A(ip) = record { Some(*ip) } else { None }).await
    }

    /// The IPv6 addresses of `name`.
    ///
    /// # Errors
    /// See [`DnsError`].
    pub async fn aaaa(&self, name: &str) -> Result<Vec<Ipv6Addr>, DnsError> {
        self.ask(name, Kind::Aaaa, |record| if let Record::Aaaa(ip) = record { Some(*ip) } else { None })
            .await
    }

    /// The mail servers of `name`, the preferred first.
    ///
    /// # Errors
    /// See [`DnsError`].
    pub async fn mx(&self, name: &str) -> Result<Vec<String>, DnsError> {
        let pick = |record: &Record| match record {
            Record::Mx(preference, host) => Some((*preference, host.clone())),
            _ => None,
        };
        let mut found = self.ask(name, Kind::Mx, pick).await?;
        found.sort();
        Ok(found.into_iter().map(|(_, host)| host).collect())
    }

    /// The names of `ip` (RFC 1035 §3.5, RFC 3596 §2.5).
    ///
    /// # Errors
    /// See [`DnsError`].
    pub async fn ptr(&self, ip: IpAddr) -> Result<Vec<String>, DnsError> {
        let pick = |record: &Record| if let Record::Ptr(name) = record { Some(name.clone()) } else { None };
        self.ask(&reverse(ip), Kind::Ptr, pick).await
    }

    async fn ask<T>(
        &self,
        name: &str,
        kind: Kind,
        pick: impl Fn(&Record) -> Option<T>,
    ) -> Result<Vec<T>, DnsError> {
        let answer = self.answer((name::question(name)?, kind)).await?;
        Ok(answer.iter().filter_map(pick).collect())
    }

    /// The answer to a question, for which it waits in a place of its own: who asks the same elsewhere, and has
    /// to wait for a place there, holds nobody up here.
    async fn answer(&self, key: Key) -> Found {
        let asked = self.once(key)?;
        if let Some(found) = asked.peek() {
            return found.clone();
        }
        let turn = tokio::time::timeout_at(self.message.deadline.into(), self.share.places.acquire()).await;
        if turn.is_err() || Instant::now() >= self.message.deadline {
            self.message.resolver.count(Err(&DnsError::TimedOut));
            return Err(DnsError::TimedOut);
        }
        asked.await
    }

    /// The question, asked now or before.
    fn once(&self, key: Key) -> Result<Asked, DnsError> {
        let message = &self.message;
        let mut asked = message.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = asked.get(&key) {
            return Ok(answer.clone());
        }
        // Both change under the lock only.
        let left = [&self.share.left, &message.left];
        if left.iter().any(|left| left.load(Ordering::Relaxed) == 0) {
            message.resolver.count(Err(&DnsError::TooMany));
            return Err(DnsError::TooMany);
        }
        for left in left {
            left.fetch_sub(1, Ordering::Relaxed);
        }
        let (resolver, deadline, question) = (Arc::clone(&message.resolver), message.deadline, key.clone());
        let answer = async move {
            let found = tokio::time::timeout_at(deadline.into(), resolver.records(question)).await;
            let found = found.unwrap_or(Err(DnsError::TimedOut));
            resolver.count(found.as_ref().map(drop));
            found
        };
        let answer = answer.boxed().shared();
        asked.insert(key, answer.clone());
        Ok(answer)
    }
}

impl Share {
    fn new(allowed: u32, at_once: usize) -> Self {
        Self { left: AtomicU32::new(allowed), places: Semaphore::new(at_once) }
    }
}

/// The name under which the names of `ip` are found.
fn reverse(ip: IpAddr) -> String {
    let zone = if ip.to_canonical().is_ipv4() { "in-addr.arpa." } else { "ip6.arpa." };
    backwards(ip) + zone
}

/// `ip` as names below a zone have it, backwards and with a final dot: `1.2.0.192.`, or 32 digits (RFC 5782 §2.1, §2.4).
#[must_use]
pub fn backwards(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.")
        }
        IpAddr::V6(ip) => {
            let mut name = String::with_capacity(73);
            for byte in ip.octets().iter().rev() {
                for nibble in [byte & 0xf, byte >> 4] {
                    name.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
                    name.push('.');
                }
            }
            name
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
