//! Questions to servers: from the cache, from one that asks the same, or over the wire.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::cache::{Cache, Key};
use super::health::Health;
use super::resolver::Settings;
use super::servers::Servers;
use super::{DnsError, Found, Kind};
use crate::telemetry::Metrics;
use crate::telemetry::spawn::supervised;

/// The most questions that wait for servers, and so the most sockets. More wait for their turn, within their
/// message's time. The unit lets the service have 65536 files.
const MAX_IN_THE_AIR: usize = 1000;
/// Between two probes while the DNS is suspected or known not to answer.
const PROBE_EVERY: Duration = Duration::from_secs(10);

/// The servers to ask, or why there are none. Blocks for a moment.
pub(super) type List = dyn Fn() -> Result<Vec<SocketAddr>, String> + Send + Sync;

/// Questions to servers.
pub(super) struct Live {
    servers: ArcSwap<Servers>,
    list: Box<List>,
    timeout: Duration,
    attempts: u32,
    cache: Cache,
    /// What is asked now, and where its answer comes.
    asking: Mutex<HashMap<Key, watch::Receiver<Option<Found>>>>,
    room: Arc<Semaphore>,
    health: Health,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl Live {
    /// Asks the servers of `list`, which is read now and again while nothing answers.
    pub(super) fn new(settings: &Settings, list: Box<List>, metrics: Arc<Metrics>) -> Self {
        let servers = Servers::new(list(), settings.timeout, settings.attempts);
        Self {
            servers: ArcSwap::from_pointee(servers),
            list,
            timeout: settings.timeout,
            attempts: settings.attempts,
            cache: Cache::new(settings.cache),
            asking: Mutex::default(),
            room: Arc::new(Semaphore::new(MAX_IN_THE_AIR)),
            health: Health::default(),
            metrics,
        }
    }

    /// Whether these are the servers that are asked.
    pub(super) fn asks(&self, addresses: &[SocketAddr]) -> bool {
        self.servers.load().addresses().eq(addresses.iter().copied())
    }

    /// Why nothing is answered; `None` while something is, or nobody knows otherwise.
    pub(super) fn down(&self) -> Option<String> {
        let why = self.health.down()?;
        Some(format!("the DNS does not answer (asked {}): {why}", self.servers.load().names()))
    }

    /// Reads the list again: a machine that has just started, or came to another network, may name its servers
    /// only now.
    async fn renew(self: &Arc<Self>) {
        let live = Arc::clone(self);
        let read = move || {
            let listed = (live.list)();
            if listed.as_ref().is_ok_and(|addresses| !live.asks(addresses)) {
                let servers = Servers::new(listed, live.timeout, live.attempts);
                tracing::info!(servers = servers.names(), "the system names other DNS servers");
                live.servers.store(Arc::new(servers));
            }
        };
        // It cannot panic; if it did, the old list stays.
        drop(tokio::task::spawn_blocking(read).await);
    }

    pub(super) async fn answer(self: &Arc<Self>, key: Key) -> Found {
        let from = |place: &str| self.metrics.dns_answers_from.with_label_values(&[place]).inc();
        if let Some(found) = self.cache.get(&key, Instant::now()) {
            from("cache");
            return found;
        }
        let asked = self.asking().get(&key).cloned();
        let mut answer = match asked {
            Some(answer) => {
                from("shared");
                answer
            }
            None => {
                // Whoever asks waits for its turn, within its own time.
                let turn = Arc::clone(&self.room).acquire_owned().await;
                let turn = turn.map_err(|_| DnsError::Failed("it is asked no more".to_owned()))?;
                from("servers");
                self.ask(key, turn)
            }
        };
        let found = match answer.wait_for(Option::is_some).await {
            Ok(found) => (*found).clone(),
            Err(_) => None,
        };
        found.unwrap_or_else(|| Err(DnsError::Failed("asking was cut short".to_owned())))
    }

    fn asking(&self) -> std::sync::MutexGuard<'_, HashMap<Key, watch::Receiver<Option<Found>>>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks in a task of its own, so that an answer that comes too late for one message is there for the
    /// next. It takes as long as the servers may, and no longer.
    fn ask(self: &Arc<Self>, key: Key, turn: OwnedSemaphorePermit) -> watch::Receiver<Option<Found>> {
        let mut asking = self.asking();
        if let Some(answer) = asking.get(&key) {
            return answer.clone();
        }
        let (tell, answer) = watch::channel(None);
        asking.insert(key.clone(), answer.clone());
        drop(asking);
        let asked = Asked { live: Arc::clone(self), key };
        let task = async move {
            let found = asked.found().await;
            // Off the list first: who asks from now on looks into the cache, or asks again.
            drop((asked, turn));
            tell.send_replace(Some(found));
        };
        supervised("dns", &self.metrics, task);
        answer
    }

    /// A question failed: finds out whether it is the DNS, unless somebody does.
    pub(super) fn suspect(self: &Arc<Self>) {
        if self.health.suspect() {
            supervised("dns-probe", &self.metrics, watch_over(Arc::downgrade(self)));
        }
    }

    fn answered(&self) {
        if self.health.answered(Instant::now()) {
            tracing::info!(servers = self.servers.load().names(), "the DNS answers again");
        }
    }
}

/// Probes until something answers or the resolver is gone.
async fn watch_over(live: Weak<Live>) {
    loop {
        let begun = Instant::now();
        {
            let Some(live) = live.upgrade() else { return };
            live.renew().await;
            let servers = live.servers.load_full();
            match servers.probe().await {
                Ok(()) => live.answered(),
                Err(error) => {
                    if live.health.failed(&error, Instant::now()) {
                        tracing::error!(
                            "no DNS server answers (asked {}): {error}. SPF, DKIM, DMARC and ARC cannot be \
                             verified until one does; see that a resolver runs there and lets this host ask, or \
                             name others in dns.servers and reload",
                            servers.names()
                        );
                    }
                }
            }
        }
        tokio::time::sleep(PROBE_EVERY).await;
        let Some(live) = live.upgrade() else { return };
        if live.health.is_settled(begun) {
            return;
        }
    }
}

/// A question that is being asked; taken off the list however that ends.
struct Asked {
    live: Arc<Live>,
    key: Key,
}

impl Asked {
    async fn found(&self) -> Found {
        let begun = Instant::now();
        // By labels: read as text, a name with odd characters would be refused or taken apart.
        let labels = self.key.0.trim_end_matches('.').split('.').map(str::as_bytes);
        let mut name = Name::from_labels(labels).map_err(|_| DnsError::NotAName)?;
        name.set_fqdn(true);
        let answer = self.live.servers.load_full().ask(name, record_type(self.key.1)).await;
        let now = Instant::now();
        self.live.metrics.dns_seconds.observe(now.duration_since(begun).as_secs_f64());
        match answer {
            Ok(answer) => {
                self.live.answered();
                self.live.cache.put(self.key.clone(), &answer, now);
                answer.found
            }
            Err(error) => {
                self.live.suspect();
                Err(error)
            }
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.live.asking().remove(&self.key);
    }
}

const fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Mx => RecordType::MX,
        Kind::Ptr => RecordType::PTR,
        Kind::Txt => RecordType::TXT,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use hickory_resolver::proto::op::{Message, MessageType};
    use tokio::net::UdpSocket;

    use super::*;

    #[tokio::test]
    async fn servers_that_the_system_names_later_are_asked_then() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        // Answers everything with an empty answer.
        let metrics = Arc::new(Metrics::new());
        let server = supervised("test", &metrics, async move {
            let mut buffer = [0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let mut message = Message::from_vec(&buffer[..length]).unwrap();
                message.metadata.message_type = MessageType::Response;
                socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
            }
        });
        let named = Arc::new(AtomicBool::new(false));
        let is_named = Arc::clone(&named);
        let list = move || match is_named.load(Ordering::Relaxed) {
            true => Ok(vec![address]),
            false => Err("nobody is named".to_owned()),
        };
        let settings =
            Settings { servers: Vec::new(), timeout: Duration::from_secs(20), attempts: 1, cache: 10 };
        let live = Arc::new(Live::new(&settings, Box::new(list), metrics));
        let key = || ("x.example.".to_owned(), Kind::Txt);
        live.renew().await;
        assert!(live.asks(&[]));
        assert_eq!(live.answer(key()).await, Err(DnsError::Failed("nobody is named".to_owned())));
        named.store(true, Ordering::Relaxed);
        live.renew().await;
        assert!(live.asks(&[address]));
        assert_eq!(live.answer(key()).await, Err(DnsError::NoRecords));
        named.store(false, Ordering::Relaxed);
        live.renew().await;
        assert!(live.asks(&[address]), "a list that cannot be read takes none away");
        server.abort();
    }
}
