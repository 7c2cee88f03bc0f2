//! Where short links lead, hop by hop.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;

use super::cache::{Answer, Cache};
use super::guard::Guard;
use super::web::{Web, WebError};
use super::{Asks, Settings, SetupError, Spared, Why};
use crate::dns::{Inquiry, Resolver};
use crate::link::{Link, Sharing, shared};
use crate::mail::links::{Found, Source};
use crate::net::{Breaker, Gate};
use crate::telemetry::{Clock, Metrics};

/// For one hop, whatever time is left.
const HOP: Duration = Duration::from_secs(2);
/// With less than this it is not tried: that it failed would say nothing of the shortener.
const LEAST: Duration = Duration::from_millis(200);
/// How many of all our messages' questions are under way at once.
const AT_ONCE: usize = 16;
/// The word in metrics.
const SERVICE: &str = "shortener";

/// Where short links lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Each step; where a target is a shortener again the next step begins there.
    pub steps: Vec<Step>,
    /// Short links of which it is not known where they lead, and why.
    pub unasked: Vec<NotFollowed>,
}

/// One redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The short link.
    pub from: Link,
    /// Where it leads.
    pub to: Link,
    /// The same as the shortener wrote it. Foreign text.
    pub written: String,
}

/// A short link that was not asked for, or in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFollowed {
    /// Which.
    pub link: Link,
    /// Why.
    pub why: Why,
}

impl Asks {
    /// Asks shorteners where those of `found` lead that a person may follow, by `deadline`. Links of other hosts
    /// are not touched. Nothing if it is off.
    pub async fn follow(&self, found: &[Found], spared: &Spared, deadline: Instant) -> Followed {
        match &self.follower {
            Some(follower) => follower.follow(found, spared, deadline).await,
            None => Followed::default(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Follower {
    links: usize,
    hops: usize,
    timeout: Duration,
    web: Web,
    cache: Cache,
    gate: Gate,
    /// By the shortener's name in the table, so that there are never more than that has.
    breakers: Mutex<HashMap<&'static str, Breaker>>,
    resolver: Arc<Resolver>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl Follower {
    pub(super) fn new(
        settings: &Settings,
        resolver: Arc<Resolver>,
        metrics: Arc<Metrics>,
        clock: Clock,
        guard: Guard,
    ) -> Result<Self, SetupError> {
        Ok(Self {
            links: settings.links,
            hops: settings.hops,
            timeout: settings.timeout,
            web: Web::new(guard).map_err(SetupError)?,
            cache: Cache::default(),
            gate: Gate::new(AT_ONCE),
            breakers: Mutex::default(),
            resolver,
            metrics,
            clock,
        })
    }

    async fn follow(&self, found: &[Found], spared: &Spared, deadline: Instant) -> Followed {
        let deadline = deadline.min(Instant::now() + self.timeout);
        let mut followed = Followed::default();
        let mut links = Vec::new();
        for (link, spared) in short(found, spared) {
            match spared {
                Some(why) => followed.unasked.push(NotFollowed { link, why }),
                None if links.len() < self.links => links.push(link),
                None => followed.unasked.push(NotFollowed { link, why: Why::Budget }),
            }
        }
        // Two for each hop: either family.
        let questions = u32::try_from(2 * self.hops * links.len()).unwrap_or(u32::MAX);
        let inquiry = Inquiry::new(Arc::clone(&self.resolver), questions, deadline);
        let all_at_once = links.len().max(1);
        let trails = futures_util::stream::iter(links)
            .map(|link| self.trail(link, spared, &inquiry))
            .buffered(all_at_once);
        let trails: Vec<_> = trails.collect().await;
        for (steps, end) in trails {
            let new = steps.into_iter().filter(|step| !followed.steps.contains(step)).collect::<Vec<_>>();
            followed.steps.extend(new);
            followed.unasked.extend(end.filter(|end| !followed.unasked.contains(end)));
        }
        for end in &followed.unasked {
            self.count(end.why.label());
        }
        followed
    }

    /// The way from one link, and what it ends with where that is not its target.
    async fn trail(
        &self,
        first: Link,
        spared: &Spared,
        inquiry: &Inquiry,
    ) -> (Vec<Step>, Option<NotFollowed>) {
        let mut steps: Vec<Step> = Vec::new();
        let mut at = first;
        for _ in 0..self.hops {
            let answer = match shortener(&at) {
                Some(name) => self.ask(name, &at, inquiry).await,
                None => return (steps, None),
            };
            let (to, written) = match answer {
                Ok(Answer::To { link, written }) => (link, written),
                Ok(Answer::Nowhere(status)) => {
                    return (steps, Some(NotFollowed { link: at, why: Why::NoRedirect(status) }));
                }
                Err(why) => return (steps, Some(NotFollowed { link: at, why })),
            };
            let circle = to == at || steps.iter().any(|step| step.from == to);
            steps.push(Step { from: at, to: to.clone(), written });
            let end = if circle { Some(Why::Circle) } else { spared.why(&to, "") };
            if let Some(why) = end {
                let is_short = shortener(&to).is_some();
                return (steps, is_short.then_some(NotFollowed { link: to, why }));
            }
            at = to;
        }
        let left = shortener(&at).is_some();
        (steps, left.then_some(NotFollowed { link: at, why: Why::Hops }))
    }

    /// Asks the shortener called `name`, unless the answer is known.
    async fn ask(&self, name: &'static str, link: &Link, inquiry: &Inquiry) -> Result<Answer, Why> {
        if let Some(answer) = self.cache.get(link, self.clock.now()) {
            self.count("cached");
            return Ok(answer);
        }
        let _place = self.gate.enter(inquiry.deadline()).await.ok_or(Why::NoTime)?;
        // Whoever was in there before may have asked for the same.
        if let Some(answer) = self.cache.get(link, self.clock.now()) {
            self.count("cached");
            return Ok(answer);
        }
        let left = inquiry.deadline().saturating_duration_since(Instant::now());
        if left < LEAST {
            return Err(Why::NoTime);
        }
        let pass = self.breaker(name).pass()?;
        let asked = tokio::time::timeout(left.min(HOP), self.web.ask(link, inquiry)).await;
        let asked = asked.unwrap_or_else(|_| Err(WebError::TooSlow { host: link.host_text().to_owned() }));
        match asked {
            Ok(answer) => {
                pass.good();
                self.count("answered");
                self.cache.put(link, &answer, self.clock.now());
                Ok(answer)
            }
            Err(error) => {
                if error.is_of_link() {
                    pass.good()
                } else {
                    pass.bad(&error.to_string())
                }
                Err(match error {
                    WebError::Refused(refused) => Why::Refused(refused),
                    error => Why::Web(error),
                })
            }
        }
    }

    fn breaker(&self, name: &'static str) -> Breaker {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        breakers.entry(name).or_insert_with(|| Breaker::new(name, Arc::clone(&self.metrics))).clone()
    }

    fn count(&self, result: &str) {
        self.metrics.url_lookups.with_label_values(&[SERVICE, result]).inc();
    }
}

/// The short links, each once in order of appearance, with the reason why one must not be asked for: wherever it
/// appears, the text shown for it counts.
fn short(found: &[Found], spared: &Spared) -> Vec<(Link, Option<Why>)> {
    let mut order: BTreeMap<&Link, usize> = BTreeMap::new();
    let mut short: Vec<(Link, Option<Why>)> = Vec::new();
    for found in found.iter().filter(|found| is_followed(found.source) && shortener(&found.link).is_some()) {
        let at = *order.entry(&found.link).or_insert(short.len());
        if at == short.len() {
            short.push((found.link.clone(), None));
        }
        if let Some((_, why)) = short.get_mut(at)
            && why.is_none()
        {
            *why = spared.why(&found.link, &found.shown);
        }
    }
    short
}

/// What is loaded with a page is not followed: whoever asks for a picture says that the mail was opened. Nor are
/// the fields of lists: whoever asks for those unsubscribes.
pub(super) const fn is_followed(source: Source) -> bool {
    !matches!(source, Source::Src | Source::Srcset | Source::Style | Source::Background | Source::Header)
}

/// The shortener whose link it is; its front page is none.
pub(super) fn shortener(link: &Link) -> Option<&'static str> {
    let is_short = !link.is_front_page() || link.query().is_some();
    match shared::entry(link.host_text()) {
        Some((name, Sharing::Shortener)) if is_short && link.scheme() != "ftp" => Some(name),
        _ => None,
    }
}
