//! Who really sent a message: SPF, DKIM, DMARC, ARC and iprev, verified here (RFC 7208, 6376, 9989,
//! 8617, 8601).
//!
//! **Contract.** Everything that can be asked is asked at once, under one budget of DNS questions and the
//! scanner's deadline. The result is an [`Authentication`](crate::model::Authentication), in the words of
//! RFC 8601; findings say what of it speaks against the message, and policy what that is worth. The client that SPF and iprev judge is
//! the one that connected, or behind a trusted relay the one that the relay names. Mail that goes out is
//! not looked at: there is nothing to verify about our own users here.
//!
//! **Failures.** What could not be looked up in time is `temperror`, never `fail` and never `none`; where that
//! may have changed the judgement the outcome is a failure, which `on_failure` weighs. Nothing in a message can make it cost more than its budget:
//! signatures, keys and questions are counted.
//!
//! Where to find what: whom the From field names `author`, which client `client` (as `received` fields name
//! it), [`spf`], [`dmarc`], `iprev`, keys before they are needed `keys`, [`dkim`], [`arc`], both together `signed`,
//! the words of others `trusted`.

mod arc;
pub mod author;
mod client;
mod dkim;
mod dmarc;
mod findings;
mod iprev;
mod keys;
mod received;
mod signed;
mod spf;
#[cfg(test)]
mod tests;
mod trusted;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use self::client::Client;
use self::keys::Keys;
use self::signed::{Terms, Verified};
use self::trusted::Words;
use super::{BoxFuture, Health, Report, Scan, ScanInput};
use crate::dns::{Inquiry, Resolver};
use crate::model::authentication::Method;
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
        let mut seen = Authentication { author: author::author(&input.message), ..Authentication::default() };
        let client = client::client(&input.session, &input.message, &self.settings.trusted_relays);
        seen.no_client = client.as_ref().err().copied();
        seen.client = client.as_ref().ok().map(|client| client.ip);
        let client = client.ok();

        let words = trusted::words(&input, &self.settings);
        // What DMARC needs first is asked first, so that neither a dead domain elsewhere in the message nor the
        // budget keeps it from an answer; it is told again when DMARC asks.
        let ahead = async {
            if let Some(domain) = seen.author.domain() {
                dmarc::ask_ahead(&inquiry, domain).await;
            }
        };
        let sender = self.sender(&inquiry, &input, client.as_ref(), &words);
        let signed = self.signed(&inquiry, &input, seen.author.domain(), &words);
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
            let mut dmarc = dmarc::check(&inquiry, domain, spf, &seen.dkim).await;
            if seen.no_client.is_some() && dmarc.result == AuthResult::Fail {
                // SPF could not speak for it, so nobody knows.
                dmarc.result = AuthResult::None;
                dmarc.reason = Some("the client is not known, so SPF could not be looked at".to_owned());
            }
            seen.dmarc = Some(words.dmarc(dmarc, &mut seen));
        }
        let findings = findings(&seen, &input.message);
        let outcome = findings::outcome(&seen, inquiry.spent(), &findings);
        Report { findings, authentication: Some(Arc::new(seen)), ..Report::new(outcome) }
    }

    /// What is asked about the client.
    async fn sender(
        &self,
        inquiry: &Inquiry,
        input: &ScanInput,
        client: Option<&Client>,
        words: &Words,
    ) -> (
        Option<crate::model::authentication::Spf>,
        Option<crate::model::authentication::Spf>,
        Option<crate::model::authentication::Iprev>,
    ) {
        let Some(Client { ip, helo }) = client else { return (None, None, None) };
        let reverse_path = input.envelope.reverse_path.address();
        let spf = async {
            if words.tell(Method::Spf) {
                return (None, None);
            }
            let mail_from = spf::mail_from(inquiry, *ip, reverse_path, helo);
            futures_util::join!(spf::helo(inquiry, *ip, helo), mail_from)
        };
        let iprev =
            async { if words.tell(Method::Iprev) { None } else { Some(iprev::check(inquiry, *ip).await) } };
        let ((helo, mail_from), iprev) = futures_util::join!(spf, iprev);
        (helo, mail_from, iprev)
    }

    /// DKIM and ARC.
    async fn signed(
        &self,
        inquiry: &Inquiry,
        input: &Arc<ScanInput>,
        author: Option<&str>,
        words: &Words,
    ) -> Result<Verified, Outcome> {
        let all_told = words.tell(Method::Dkim) && words.tell(Method::Arc);
        if all_told {
            return Ok(Verified::default());
        }
        let signatures = if words.tell(Method::Dkim) { 0 } else { self.settings.signatures };
        let terms = Terms {
            signatures,
            trusted_sealers: self.settings.trusted_sealers.clone(),
            author: author.map(str::to_owned),
            now: self.clock.now().seconds(),
        };
        let Some(claims) = signed::read(&input.message, &terms) else { return Ok(Verified::default()) };
        let keys = Keys::fetch(inquiry, claims.key_names(&input.message)).await;
        if input.message.raw().len() <= HASH_IN_PLACE {
            return Ok(claims.verify(&input.message, &keys, &terms));
        }
        let input = Arc::clone(input);
        let verifying = tokio::task::spawn_blocking(move || claims.verify(&input.message, &keys, &terms));
        verifying
            .await
            .map_err(|error| Outcome::failed("panic", format!("verifying signatures panicked: {error}")))
    }
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
