//! The servers: which is asked, in which order, for how long, how often.
//!
//! They are asked in the order of the configuration, one after the other. One that is silent, cannot be
//! reached or sends no answer is asked again in the next round, `attempts` rounds in all; one that answers
//! with an error is not, as it would answer the same. A server that was silent a few times in a row is asked
//! last for a while, so that not every question waits for it.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};

use super::answer::{self, Answer, Read};
use super::transport::{self, Trouble};
use super::{DnsError, MAX_ALIASES};

/// Silent so often in a row, a server is asked last.
const MISSES: u32 = 3;
/// For so long; then one question finds out whether it answers again.
const REST: Duration = Duration::from_secs(30);
/// No question takes longer, however many servers and aliases there are.
const LONGEST: Duration = Duration::from_secs(30);

/// Whom we ask.
#[derive(Debug)]
pub(super) struct Servers {
    all: Vec<Server>,
    /// Why there are none.
    none: Option<String>,
    timeout: Duration,
    attempts: u32,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    standing: Mutex<Standing>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    misses: u32,
    rests_until: Option<Instant>,
}

impl Servers {
    /// `timeout` for each server and answer, TCP included.
    pub(super) fn new(listed: Result<Vec<SocketAddr>, String>, timeout: Duration, attempts: u32) -> Self {
        let server = |address| Server { address, standing: Mutex::default() };
        let (addresses, none) = match listed {
            Ok(addresses) => (addresses, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        Self { all: addresses.into_iter().map(server).collect(), none, timeout, attempts: attempts.max(1) }
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.all.iter().map(|server| server.address)
    }

    /// Their addresses, for people.
    pub(super) fn names(&self) -> String {
        match &*self.addresses().map(|address| address.to_string()).collect::<Vec<_>>() {
            [] => "nobody".to_owned(),
            addresses => addresses.join(", "),
        }
    }

    /// The answer to a question. An alias that a server did not follow is followed here.
    pub(super) async fn ask(&self, name: Name, kind: RecordType) -> Result<Answer, DnsError> {
        let asking = async {
            let (mut at, mut holds) = (name, u32::MAX);
            for _ in 0..=MAX_ALIASES {
                match self.one(&at, kind, holds).await? {
                    Read::Alias(next, seconds) => (at, holds) = (next, seconds),
                    Read::Answer(answer) => return Ok(answer),
                    Read::Useless(why) => return Err(DnsError::Failed(why)),
                }
            }
            Err(DnsError::Failed("the aliases go round, or on for too long".to_owned()))
        };
        tokio::time::timeout(LONGEST, asking).await.unwrap_or(Err(DnsError::TimedOut))
    }

    /// Whether some server looks names up at all: asks for the root's name servers, which every one that
    /// works has at hand. (A SOA would do as well, but some forwarders filter it; `localhost` they answer
    /// themselves.)
    pub(super) async fn probe(&self) -> Result<(), DnsError> {
        match self.one(&Name::root(), RecordType::NS, u32::MAX).await? {
            Read::Useless(why) => Err(DnsError::Failed(why)),
            Read::Answer(_) | Read::Alias(..) => Ok(()),
        }
    }

    /// [`Read::Useless`] if that is the best that any of them says.
    async fn one(&self, name: &Name, kind: RecordType, holds: u32) -> Result<Read, DnsError> {
        if let Some(why) = &self.none {
            return Err(DnsError::Failed(why.clone()));
        }
        let query = Query::query(name.clone(), kind);
        let mut waiting = self.in_order(Instant::now());
        let (mut useless, mut trouble) = (None, None);
        for _ in 0..self.attempts {
            let mut again = Vec::new();
            for server in waiting {
                let asked = tokio::time::timeout(self.timeout, transport::ask(server.address, &query));
                match asked.await {
                    Ok(Ok(reply)) => {
                        server.answered();
                        match answer::read(&reply, name, kind, holds) {
                            Read::Useless(why) => useless = Some(why),
                            read => return Ok(read),
                        }
                        continue;
                    }
                    Ok(Err(Trouble::Nonsense(what))) => trouble = Some(what.to_owned()),
                    Ok(Err(Trouble::Unreachable(what))) => trouble = Some(what),
                    Err(_) => {}
                }
                server.missed(Instant::now());
                again.push(server);
            }
            waiting = again;
        }
        match (useless, trouble) {
            (Some(why), _) => Ok(Read::Useless(why)),
            (None, Some(what)) => Err(DnsError::Failed(what)),
            (None, None) => Err(DnsError::TimedOut),
        }
    }

    /// Those that rest come last.
    fn in_order(&self, now: Instant) -> Vec<&Server> {
        let (mut first, last): (Vec<_>, Vec<_>) = self.all.iter().partition(|server| server.is_due(now));
        first.extend(last);
        first
    }
}

impl Server {
    fn standing(&self) -> std::sync::MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it keeps its place. The first who asks after its rest tries it for all.
    fn is_due(&self, now: Instant) -> bool {
        let mut standing = self.standing();
        let Some(until) = standing.rests_until else { return true };
        if now < until {
            return false;
        }
        standing.rests_until = Some(now + REST);
        true
    }

    fn answered(&self) {
        *self.standing() = Standing::default();
    }

    fn missed(&self, now: Instant) {
        let mut standing = self.standing();
        standing.misses = standing.misses.saturating_add(1);
        if standing.misses >= MISSES {
            standing.rests_until = Some(now + REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_silent_again_and_again_is_asked_last_and_tried_by_one() {
        let addresses: Vec<SocketAddr> =
            ["192.0.2.1:53", "192.0.2.2:53"].iter().map(|a| a.parse().unwrap()).collect();
        let servers = Servers::new(Ok(addresses.clone()), Duration::from_secs(1), 2);
        let begin = Instant::now();
        let first = |now| servers.in_order(now)[0].address;
        for _ in 0..MISSES {
            assert_eq!(first(begin), addresses[0]);
            servers.all[0].missed(begin);
        }
        assert_eq!(first(begin), addresses[1]);
        assert_eq!(first(begin + REST), addresses[0], "one tries it again");
        assert_eq!(first(begin + REST), addresses[1], "and the others do not wait for that");
        servers.all[0].answered();
        assert_eq!(first(begin + REST), addresses[0]);
    }
}
