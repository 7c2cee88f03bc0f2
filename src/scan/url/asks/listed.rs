//! Asking block lists.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;

use super::list::{List, Reading, What};
use super::{Asks, Settings, Why};
use crate::dns::{DnsError, Inquiry, Resolver};
use crate::link::sharing;
use crate::model::Timestamp;
use crate::net::{Breaker, Standing, is_public};
use crate::telemetry::{Clock, Metrics};

/// How many questions of one message are under way at once.
const AT_ONCE: usize = 20;
/// How long a list is left alone that does not let us ask, or cannot be believed.
const REST: Duration = Duration::from_mins(30);

/// What block lists say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// What is listed, in the order in which it was given.
    pub listings: Vec<Listing>,
    /// Domains and addresses that some list answers it does not have.
    pub unlisted: BTreeSet<String>,
    /// What was not asked, or in vain.
    pub unasked: Vec<NotAsked>,
}

/// One thing on one list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Which list.
    pub list: List,
    /// The domain or address that is listed.
    pub name: String,
    /// What for.
    pub what: What,
    /// The list's answer.
    pub code: Ipv4Addr,
}

/// A question that was not asked, or in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAsked {
    /// The list; `None` for what no list is asked about.
    pub list: Option<List>,
    /// The domain or address.
    pub name: String,
    /// Why.
    pub why: Why,
}

impl Asks {
    /// Asks the lists about `hosts`, in normal form and without addresses, and about `ips`, by `deadline`; the first
    /// in the order first. A host that strangers share is not asked about. Nothing if no list is configured.
    pub async fn listed(&self, hosts: &[String], ips: &[IpAddr], deadline: Instant) -> Listed {
        self.publishers.listed(hosts, ips, deadline).await
    }
}

/// All lists that are asked.
#[derive(Debug)]
pub(super) struct Publishers {
    list: Vec<Publisher>,
    questions: usize,
    timeout: Duration,
    resolver: Arc<Resolver>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// One of them, and how it does.
#[derive(Debug)]
struct Publisher {
    list: List,
    zone: String,
    /// What no error may show.
    key: Option<String>,
    breaker: Breaker,
    /// Since when it is left alone, and why.
    closed: Mutex<Option<(Timestamp, Why, String)>>,
}

/// What is asked of whom.
struct Question<'a> {
    publisher: &'a Publisher,
    /// What people call it.
    name: String,
    /// With the zone.
    asked: String,
}

impl Publishers {
    pub(super) fn new(
        settings: &Settings,
        resolver: Arc<Resolver>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        let lists: BTreeSet<List> = settings.lists.iter().copied().collect();
        let publisher = |list: List| Publisher {
            list,
            zone: list.zone(settings.spamhaus_key.as_ref()),
            key: settings.spamhaus_key.as_ref().map(|key| key.expose().to_owned()),
            breaker: Breaker::new(list.name(), Arc::clone(&metrics)),
            closed: Mutex::default(),
        };
        let list = lists.into_iter().map(publisher).collect();
        let (questions, timeout) = (settings.questions, settings.timeout);
        Self { list, questions, timeout, resolver, metrics, clock }
    }

    /// What is wrong with them, a sentence each.
    pub(super) fn complaints(&self) -> Vec<String> {
        let complaint = |publisher: &Publisher| {
            if crate::dns::question(&publisher.zone).is_err() {
                let name = publisher.list.name();
                return Some(format!("{name} cannot be asked: spamhaus_key holds what no domain name can"));
            }
            if let Some((_, sentence)) = publisher.closed(self.clock.now()) {
                return Some(sentence);
            }
            match publisher.breaker.standing() {
                Standing::LeftAlone(open) => Some(format!("{} is {open}", publisher.list.name())),
                Standing::Good | Standing::Failing(_) => None,
            }
        };
        self.list.iter().filter_map(complaint).collect()
    }

    async fn listed(&self, hosts: &[String], ips: &[IpAddr], deadline: Instant) -> Listed {
        let mut found = Listed::default();
        if self.list.is_empty() {
            return found;
        }
        let deadline = deadline.min(Instant::now() + self.timeout);
        let mut questions = self.questions(hosts, ips, &mut found);
        for beyond in questions.drain(self.questions.min(questions.len())..) {
            found.unasked.push(beyond.not_asked(Why::Budget));
        }
        // One more for each list: what must never be listed.
        let allowed = u32::try_from(questions.len() + self.list.len()).unwrap_or(u32::MAX);
        let inquiry = Inquiry::new(Arc::clone(&self.resolver), allowed, deadline);
        let checked: Vec<_> = self.list.iter().map(|_| tokio::sync::OnceCell::new()).collect();
        // Collected first: the compiler cannot show that a stream which maps borrowed questions may change threads.
        let asking: Vec<_> = questions
            .into_iter()
            .map(|question| async {
                let at = self.list.iter().position(|p| p.list == question.publisher.list).unwrap_or_default();
                let answer = match checked.get(at) {
                    Some(checked) => self.ask(&question, &inquiry, checked).await,
                    None => Err(Why::NoTime),
                };
                (question, answer)
            })
            .collect();
        let answers: Vec<_> = futures_util::stream::iter(asking).buffered(AT_ONCE).collect().await;
        for (question, answer) in answers {
            match answer {
                Ok(listed) if listed.is_empty() => {
                    found.unlisted.insert(question.name);
                }
                Ok(listed) => found.listings.extend(listed.into_iter().map(|(what, code)| Listing {
                    list: question.publisher.list,
                    name: question.name.clone(),
                    what,
                    code,
                })),
                Err(why) => found.unasked.push(question.not_asked(why)),
            }
        }
        for NotAsked { list, why, .. } in &found.unasked {
            if let Some(list) = list {
                self.count(*list, why.label());
            }
        }
        found
    }

    /// Each question once, those about one host side by side.
    fn questions(&self, hosts: &[String], ips: &[IpAddr], found: &mut Listed) -> Vec<Question<'_>> {
        let mut questions: Vec<Question<'_>> = Vec::new();
        let mut seen = BTreeSet::new();
        let none = |name: String, why| NotAsked { list: None, name, why };
        for host in hosts {
            if sharing(host).is_some() {
                found.unasked.push(none(host.clone(), Why::Shared));
                continue;
            }
            for publisher in &self.list {
                if let Some(name) = publisher.list.of_host(host)
                    && seen.insert((publisher.list, name.to_owned()))
                {
                    let asked = format!("{name}.{}", publisher.zone);
                    questions.push(Question { publisher, name: name.to_owned(), asked });
                }
            }
        }
        for ip in ips {
            if !is_public(*ip) {
                found.unasked.push(none(ip.to_string(), Why::NotPublic));
                continue;
            }
            for publisher in &self.list {
                if let Some(name) = publisher.list.of_ip(*ip)
                    && seen.insert((publisher.list, name.clone()))
                {
                    let asked = format!("{name}{}", publisher.zone);
                    questions.push(Question { publisher, name: ip.to_canonical().to_string(), asked });
                }
            }
        }
        questions
    }

    /// What the list says: nothing if it does not list it.
    async fn ask(
        &self,
        question: &Question<'_>,
        inquiry: &Inquiry,
        checked: &tokio::sync::OnceCell<Result<(), Why>>,
    ) -> Result<Vec<(What, Ipv4Addr)>, Why> {
        let publisher = question.publisher;
        let listed = self.answer(publisher, &question.asked, inquiry).await?;
        if listed.is_empty() {
            self.count(publisher.list, "not-listed");
            return Ok(listed);
        }
        checked.get_or_init(|| self.check(publisher, inquiry)).await.clone()?;
        self.count(publisher.list, "listed");
        Ok(listed)
    }

    /// Whether a list can be believed that lists something.
    async fn check(&self, publisher: &Publisher, inquiry: &Inquiry) -> Result<(), Why> {
        let asked = format!("{}{}", publisher.list.never_listed(), publisher.zone);
        if self.answer(publisher, &asked, inquiry).await?.is_empty() {
            return Ok(());
        }
        let name = publisher.list.name();
        self.close(
            publisher,
            &Why::ListsAll,
            format!("{name} lists what must never be listed and is not believed"),
        );
        Err(Why::ListsAll)
    }

    async fn answer(
        &self,
        publisher: &Publisher,
        asked: &str,
        inquiry: &Inquiry,
    ) -> Result<Vec<(What, Ipv4Addr)>, Why> {
        if let Some((why, _)) = publisher.closed(self.clock.now()) {
            return Err(why);
        }
        let pass = publisher.breaker.pass()?;
        let answers = match inquiry.a(asked).await {
            Ok(answers) => answers,
            Err(error) if error.is_void() => {
                pass.good();
                return Ok(Vec::new());
            }
            Err(error @ DnsError::NotAName) => {
                pass.good();
                return Err(Why::Dns(error));
            }
            Err(error) => {
                let error = publisher.without_key(error);
                pass.bad(&error.to_string());
                return Err(Why::Dns(error));
            }
        };
        match publisher.list.read(&answers) {
            Reading::Listed(listed) => {
                pass.good();
                Ok(listed)
            }
            Reading::Forbidden(code) => {
                pass.good();
                let name = publisher.list.name();
                let help = "let [dns] servers name a resolver of your own, or get a key from its publisher";
                self.close(
                    publisher,
                    &Why::Forbidden,
                    format!("{name} does not let us ask ({code}): {help}"),
                );
                Err(Why::Forbidden)
            }
            Reading::Nonsense(code) => {
                let why = Why::Nonsense(code);
                pass.bad(&why.to_string());
                Err(why)
            }
        }
    }

    /// Leaves a list alone for a while.
    fn close(&self, publisher: &Publisher, why: &Why, sentence: String) {
        let now = self.clock.now();
        let mut closed = publisher.lock();
        let is_closed = closed.as_ref().is_some_and(|(since, ..)| rests(*since, now));
        if !is_closed {
            tracing::error!(list = publisher.list.name(), minutes = REST.as_secs() / 60, "{sentence}");
            *closed = Some((now, why.clone(), sentence));
        }
    }

    fn count(&self, list: List, result: &str) {
        self.metrics.url_lookups.with_label_values(&[list.name(), result]).inc();
    }
}

impl Question<'_> {
    fn not_asked(self, why: Why) -> NotAsked {
        NotAsked { list: Some(self.publisher.list), name: self.name, why }
    }
}

impl Publisher {
    /// Why it is left alone at `now`, also as a sentence.
    fn closed(&self, now: Timestamp) -> Option<(Why, String)> {
        let closed = self.lock();
        let (_, why, sentence) = closed.as_ref().filter(|(since, ..)| rests(*since, now))?;
        Some((why.clone(), sentence.clone()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Timestamp, Why, String)>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the resolver says may hold the name that was asked.
    fn without_key(&self, error: DnsError) -> DnsError {
        match (error, &self.key) {
            (DnsError::Failed(what), Some(key)) => DnsError::Failed(what.replace(key.as_str(), "KEY")),
            (error, _) => error,
        }
    }
}

fn rests(since: Timestamp, now: Timestamp) -> bool {
    since <= now && now.since(since) < REST
}
