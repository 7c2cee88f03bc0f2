//! Who really sent a message: SPF, DKIM, DMARC, ARC and iprev, verified here (RFC 7208, 6376, 9989,
//! 8617, 8601).
//!
//! **Contract.** Everything that can be asked is asked at once, under one budget of DNS questions and the
//! scanner's deadline. The result is an [`Authentication`], in the words of
//! RFC 8601; findings say what of it speaks against the message, and policy what that is worth. The client that SPF and iprev judge is
//! the one that connected, or behind a trusted relay the one that the relay names. Mail that goes out is
//! not looked at: there is nothing to verify about our own users here.
//!
//! **Failures.** What could not be looked up in time is `temperror`, never `fail` and never `none`; where that
//! may have changed the judgement the outcome is a failure, which `on_failure` weighs. Nothing in a message can make it cost more than its budget:
//! signatures, keys and questions are counted. That is divided, so that no check uses up what another needs, and what
//! a message keeps from an answer by asking too much does not keep DMARC from a failure.
//!
//! Where to find what: whom the From field names `author`, which client `client` (as `received` fields name
//! it), `spf`, `dmarc`, `iprev`, keys before they are needed `keys`, `dkim`, `arc`, both together `signed`,
//! the words of others `trusted`, how many questions each may ask `shares`.

mod arc;
pub mod author;
mod client;
mod dkim;
mod dmarc;
mod findings;
mod iprev;
mod keys;
mod received;
mod shares;
mod signed;
mod spf;
pub mod table;
#[cfg(test)]
mod tests;
mod trusted;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use ipnet::IpNet;

use self::client::Client;
use self::keys::Keys;
use self::shares::Shares;
use self::signed::{Claims, Names, Terms, Verified};
use self::trusted::Words;
use super::{BoxFuture, Health, Report, Scan, ScanInput};
use crate::dns::{Inquiry, Resolver};
use crate::model::authentication::{Dmarc, Iprev, Method, Spf};
use crate::model::{
    AuthResult, Authentication, AuthservId, Direction, Finding, Message, Outcome, OwnId, Scanner, Skip,
};
use crate::telemetry::Clock;

/// Messages up to this size are hashed on the thread that asks.
const HASH_IN_PLACE: usize = 128 * 1024;

/// The part of the time for which no answers are waited for, but what came is judged: one in so many, at
/// most [`LONGEST_MARGIN`].
const MARGIN: u32 = 10;
const LONGEST_MARGIN: Duration = Duration::from_secs(1);

/// How authentication is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most DKIM signatures of a message that are looked at, from the top.
    pub signatures: usize,
    /// The most DNS questions that one message may ask.
    pub questions: u32,
    /// Hosts whose topmost Received field names the client.
    pub trusted_relays: Vec<IpNet>,
    /// Sealers whose ARC chain is believed.
    pub trusted_sealers: Vec<String>,
    /// Hosts whose Authentication-Results are taken instead of verifying again.
    pub trusted_ids: Vec<AuthservId>,
    /// Our own name, which is never one of them.
    pub own_id: OwnId,
}

/// Verifies messages.
pub struct Auth {
    settings: Settings,
    resolver: Arc<Resolver>,
    clock: Clock,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Auth {
    /// A verifier that asks `resolver`.
    #[must_use]
    pub fn new(settings: Settings, resolver: Arc<Resolver>, clock: Clock) -> Self {
        Self { settings, resolver, clock }
    }

    async fn look(&self, input: Arc<ScanInput>, deadline: Instant) -> Report {
        if input.direction == Direction::Outbound {
            return Report::new(Outcome::Skipped(Skip::Exempt));
        }
        let inquiry =
            Inquiry::new(Arc::clone(&self.resolver), self.settings.questions, answers_until(deadline));
        let reading = author::read(&input.message);
        let mut seen = Authentication {
            author: reading.author,
            shown_in_part: reading.in_part,
            ..Authentication::default()
        };
        let client = client::client(&input.session, &input.message, &self.settings.trusted_relays);
        seen.no_client = client.as_ref().err().copied();
        seen.client = client.as_ref().ok().map(|client| client.ip);
        let client = client.ok();

        let words = trusted::words(&input, &self.settings);
        let terms = self.terms(seen.author.domain(), &words);
        // Whoever may be the author.
        let domains: Vec<&str> =
            seen.author.domain().into_iter().chain(reading.shown.iter().map(String::as_str)).collect();
        let claims = self.claims(&input, &terms, &words, &domains);
        let names = claims.as_ref().map(|claims| claims.names.clone()).unwrap_or_default();
        let shares = Shares::of(inquiry.clone(), &domains, &names);
        // What DMARC needs first is asked first, so that neither a dead domain elsewhere in the message nor the
        // budget keeps it from an answer; it is told again when DMARC asks.
        let ahead = async {
            join_all(domains.iter().map(|domain| dmarc::ask_ahead(&shares.author, domain))).await;
        };
        let sender = sender(&shares, &input, client.as_ref(), &words);
        let signed = signed(&shares, &input, claims, terms);
        let ((), (helo, mail_from, iprev), signed) = futures_util::join!(ahead, sender, signed);
        (seen.helo, seen.mail_from, seen.iprev) = (helo, mail_from, iprev);
        let verified = match signed {
            Ok(verified) => verified,
            Err(outcome) => return Report::new(outcome),
        };
        (seen.dkim, seen.dkim_left_out, seen.arc) = (verified.dkim, verified.left_out, verified.arc);
        words.take_over(&mut seen);
        if let Some(domain) = seen.author.domain() {
            let spf = seen.mail_from.as_ref();
            let dmarc = dmarc::check(&inquiry, domain, spf, &seen.dkim).await;
            seen.dmarc = Some(words.dmarc(as_far_as_known(dmarc, seen.no_client), &mut seen));
        }
        for domain in &reading.shown {
            let dmarc = dmarc::check_shown(&inquiry, domain, seen.mail_from.as_ref(), &seen.dkim).await;
            seen.shown.push(as_far_as_known(dmarc, seen.no_client));
        }
        let mut findings = findings(&seen, &input.message);
        findings.extend(reading.odd.map(findings::of_odd));
        let outcome = findings::outcome(&seen, inquiry.spent(), &findings);
        Report { findings, authentication: Some(Arc::new(seen)), ..Report::new(outcome) }
    }

    fn terms(&self, author: Option<&str>, words: &Words) -> Terms {
        Terms {
            signatures: if words.tell(Method::Dkim) { 0 } else { self.settings.signatures },
            trusted_sealers: self.settings.trusted_sealers.clone(),
            author: author.map(str::to_owned),
            now: self.clock.now().seconds(),
        }
    }

    /// What claims to be signed, as far as nobody told of it.
    fn claims(&self, input: &ScanInput, terms: &Terms, words: &Words, authors: &[&str]) -> Option<Claims> {
        let all_told = words.tell(Method::Dkim) && words.tell(Method::Arc);
        if all_told { None } else { signed::read(&input.message, terms, authors) }
    }
}

/// What is asked about the client: SPF of HELO and of MAIL FROM, and its name.
async fn sender(
    shares: &Shares,
    input: &ScanInput,
    client: Option<&Client>,
    words: &Words,
) -> (Option<Spf>, Option<Spf>, Option<Iprev>) {
    let Some(Client { ip, helo }) = client else { return (None, None, None) };
    let reverse_path = input.envelope.reverse_path.address();
    let spf = async {
        if words.tell(Method::Spf) {
            return (None, None);
        }
        let mail_from = spf::mail_from(&shares.mail_from, *ip, reverse_path, helo);
        if reverse_path.is_empty() {
            // Both are the same identity then (RFC 7208 §2.4).
            let both = mail_from.await;
            return (both.clone(), both);
        }
        futures_util::join!(spf::helo(&shares.helo, *ip, helo), mail_from)
    };
    let iprev =
        async { if words.tell(Method::Iprev) { None } else { Some(iprev::check(&shares.iprev, *ip).await) } };
    let ((helo, mail_from), iprev) = futures_util::join!(spf, iprev);
    (helo, mail_from, iprev)
}

/// DKIM and ARC.
async fn signed(
    shares: &Shares,
    input: &Arc<ScanInput>,
    claims: Option<Claims>,
    terms: Terms,
) -> Result<Verified, Outcome> {
    let Some(claims) = claims else { return Ok(Verified::default()) };
    let Names { near, others, arc } = claims.names.clone();
    let keys = Keys::fetch([(&shares.author, near), (&shares.keys, others), (&shares.arc, arc)]).await;
    if input.message.raw().len() <= HASH_IN_PLACE {
        return Ok(claims.verify(&input.message, &keys, &terms));
    }
    let input = Arc::clone(input);
    let verifying = tokio::task::spawn_blocking(move || claims.verify(&input.message, &keys, &terms));
    verifying
        .await
        .map_err(|error| Outcome::failed("panic", format!("verifying signatures panicked: {error}")))
}

/// Without a client SPF could not speak for the mail, so nobody knows whether it fails.
fn as_far_as_known(dmarc: Dmarc, no_client: Option<Skip>) -> Dmarc {
    if no_client.is_none() || dmarc.result != AuthResult::Fail {
        return dmarc;
    }
    let reason = Some("the client is not known, so SPF could not be looked at".to_owned());
    Dmarc { result: AuthResult::None, reason, ..dmarc }
}

/// Until when answers are waited for, so that what came can be judged and handed over by `deadline`.
fn answers_until(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline.checked_sub((left / MARGIN).min(LONGEST_MARGIN)).unwrap_or(deadline)
}

/// What of the results, and of the From field itself, speaks against a message.
fn findings(seen: &Authentication, message: &Message) -> Vec<Finding> {
    let mut findings = findings::of(seen);
    findings::tell_fields(&mut findings, &author::shown(message));
    if let Some(author) = seen.author.domain()
        && let Some(named) = author::named(message, author)
    {
        findings.push(findings::of_name(author, &named));
    }
    findings
}

impl Scan for Auth {
    fn scanner(&self) -> Scanner {
        Scanner::Auth
    }

    fn scan(&self, input: Arc<ScanInput>, deadline: Instant) -> BoxFuture<'_, Report> {
        Box::pin(self.look(input, deadline))
    }

    fn health(&self) -> Health {
        self.resolver.down().map_or(Health::Up, Health::Degraded)
    }
}
