//! What a host that the configuration trusts verified before us, taken over instead of verifying again
//! (RFC 8601 §4, §5, §7.1).
//!
//! Where the configuration names relays, only mail that one of them hands in counts: a stranger who comes past
//! them has no gateway that takes away what he wrote. Where it names none, whoever is trusted is a filter on this
//! host that the MTA asks before us.
//!
//! A field counts only above the first Received field that is not our own relays': one below was there when the
//! mail came, so anybody could have written it. Above it stands what our relays and the filters in front of us
//! wrote – and what the sender put on top of his own message, which is why whoever is trusted has to take
//! fields in his name out of what comes in. The first field from the top counts, as that was written last. One
//! in our own name never does: what carries it is removed as forged.
//!
//! What is said of a method counts if it can be used as if it was found here: SPF with its domain, each signature
//! with its domain, DMARC of the author that we read. Everything else is verified here, also what was
//! `temperror` there, and ARC where sealers are trusted, because the field does not say what they sealed.

use std::time::Duration;

use super::{Settings, client};
use crate::mail::auth_results;
use crate::mail::results_read::{self, Statement, Told};
use crate::model::authentication::{ArcChain, Dkim, Dmarc, Iprev, Method, Spf};
use crate::model::{AuthResult, Authentication, DmarcPolicy, text};
use crate::scan::ScanInput;
use crate::telemetry::seldom::Seldom;

/// The longest value that is taken over.
const MAX_VALUE: usize = 320;
static OWN_ID: Seldom = Seldom::once_in(Duration::from_hours(1));

/// What somebody trusted says of a message; nothing where there is nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    by: String,
    helo: Option<Spf>,
    mail_from: Option<Spf>,
    /// Told, though there may be no signature.
    dkim: Option<Vec<Dkim>>,
    left_out: usize,
    arc: Option<ArcChain>,
    iprev: Option<Iprev>,
    dmarc: Option<(String, AuthResult, Option<DmarcPolicy>)>,
}

/// The words of the first trusted host that stand where only it can have written them.
pub(super) fn words(input: &ScanInput, settings: &Settings) -> Words {
    let relays = &settings.trusted_relays;
    if settings.trusted_ids.is_empty() || !relays.is_empty() && !client::is_handed_in(&input.session, relays)
    {
        return Words::default();
    }
    let own = settings.own_id.of(&input.session);
    let hops = client::hops(&input.session, &input.message, relays);
    let mut passed = 0;
    for (name, value) in input.message.fields() {
        let name = name.trim_ascii_end();
        if name.eq_ignore_ascii_case(b"Received") {
            passed += 1;
            if passed > hops {
                break;
            }
        }
        if !name.eq_ignore_ascii_case(b"Authentication-Results") {
            continue;
        }
        let Some(id) = auth_results::authserv_id(value) else { continue };
        let Some(by) = settings.trusted_ids.iter().find(|t| auth_results::is_same(t.as_str(), &id)) else {
            continue;
        };
        if own.as_ref() == Some(by) {
            if OWN_ID.may_tell().is_some() {
                tracing::warn!(
                    id = by.as_str(),
                    "trusted_ids in [auth] names the name that the MTA gives itself, which is ours: fields under it \
                     are removed and never believed. Set authserv_id in [auth] to a name of mailward's own"
                );
            }
            continue;
        }
        // One that cannot be read is no reason to believe an older one.
        let told =
            results_read::read(value).filter(|told| auth_results::is_same(by.as_str(), &told.authserv_id));
        return told.map(|told| Words::of(by.as_str(), &told, input, settings)).unwrap_or_default();
    }
    Words::default()
}

impl Words {
    fn of(by: &str, told: &Told, input: &ScanInput, settings: &Settings) -> Self {
        let reason = || Some(format!("as told by {by}"));
        let mut words = Self { by: by.to_owned(), ..Self::default() };
        let spf = |property: &str| {
            let statement = told.of("spf").find(|statement| statement.property(property).is_some())?;
            let identity = text::line(statement.property(property)?, MAX_VALUE);
            let (_, domain) = identity.rsplit_once('@').unwrap_or(("", &identity));
            let domain = self::domain(domain)?;
            let of_domain = Spf { domain, identity, ..Spf::default() };
            Some(Spf { result: known(statement)?, reason: reason(), ..of_domain })
        };
        // For the null reverse-path HELO stands in (RFC 7208 §2.4).
        let is_bounce = input.envelope.reverse_path.address().is_empty();
        words.helo = spf("smtp.helo");
        words.mail_from = spf("smtp.mailfrom").or_else(|| words.helo.clone().filter(|_| is_bounce));
        let signatures: Option<Vec<Option<Dkim>>> =
            told.of("dkim").map(|statement| signature(statement, reason())).collect();
        if let Some(signatures) = signatures.filter(|all| !all.is_empty()) {
            let mut dkim: Vec<Dkim> = signatures.into_iter().flatten().collect();
            words.left_out = dkim.len().saturating_sub(settings.signatures);
            dkim.truncate(settings.signatures);
            words.dkim = Some(dkim);
        }
        if settings.trusted_sealers.is_empty() {
            let arc = only(told, "arc").and_then(known);
            words.arc = arc.map(|result| ArcChain { result, reason: reason(), ..ArcChain::default() });
        }
        words.iprev = only(told, "iprev").and_then(known).map(|result| Iprev { result, ..Iprev::default() });
        words.dmarc = only(told, "dmarc").and_then(|statement| {
            let policy = statement.property("policy.dmarc").or_else(|| statement.property("polrec.p"));
            Some((
                domain(statement.property("header.from")?)?,
                known(statement)?,
                policy.and_then(self::policy),
            ))
        });
        words
    }

    /// Whether this method need not be looked at here.
    pub(super) fn tell(&self, method: Method) -> bool {
        match method {
            Method::Spf => self.mail_from.is_some(),
            Method::Dkim => self.dkim.is_some(),
            Method::Dmarc => self.dmarc.is_some(),
            Method::Arc => self.arc.is_some(),
            Method::Iprev => self.iprev.is_some(),
        }
    }

    /// Puts all but DMARC into what was seen here.
    pub(super) fn take_over(&self, seen: &mut Authentication) {
        for method in [Method::Spf, Method::Dkim, Method::Arc, Method::Iprev] {
            if self.tell(method) {
                seen.told_by = Some(self.by.clone());
                seen.told.push(method);
            }
        }
        if self.tell(Method::Spf) {
            (seen.helo, seen.mail_from, seen.no_client) = (self.helo.clone(), self.mail_from.clone(), None);
        }
        if let Some(dkim) = &self.dkim {
            (seen.dkim, seen.dkim_left_out) = (dkim.clone(), self.left_out);
        }
        seen.arc = self.arc.clone().or(seen.arc.take());
        seen.iprev = self.iprev.clone().or(seen.iprev.take());
    }

    /// Puts in DMARC as it was told, if that is about the author whom we read. `found` is what follows here from
    /// SPF and signatures, ours or told; of it the policy stays, and which of them is aligned, unless that
    /// contradicts what was told.
    pub(super) fn dmarc(&self, found: Dmarc, seen: &mut Authentication) -> Dmarc {
        let about = self.dmarc.as_ref().filter(|(from, ..)| *from == found.domain);
        let Some((_, result, policy)) = about else { return found };
        seen.told_by = Some(self.by.clone());
        seen.told.push(Method::Dmarc);
        let may_align = matches!(result, AuthResult::Pass | AuthResult::None);
        Dmarc {
            result: *result,
            policy: found.policy.or(*policy).filter(|_| *result != AuthResult::None),
            spf_aligned: found.spf_aligned && may_align,
            dkim_aligned: found.dkim_aligned && may_align,
            reason: Some(format!("as told by {}", self.by)),
            ..found
        }
    }
}

/// The statement of a method that there is one of.
fn only<'t>(told: &'t Told, method: &'t str) -> Option<&'t Statement> {
    let mut statements = told.of(method);
    statements.next().filter(|_| statements.next().is_none())
}

/// A result that settles something.
fn known(statement: &Statement) -> Option<AuthResult> {
    statement.result.filter(|result| *result != AuthResult::TempError)
}

/// A signature as it was told; `Some(None)`: that there is none; `None`: it cannot be used.
fn signature(statement: &Statement, reason: Option<String>) -> Option<Option<Dkim>> {
    let result = known(statement)?;
    let property = |name: &str| statement.property(name).map(|value| text::line(value, MAX_VALUE));
    let Some(domain) = statement.property("header.d").and_then(domain) else {
        return (result == AuthResult::None).then_some(None);
    };
    Some(Some(Dkim {
        result,
        domain,
        selector: property("header.s").unwrap_or_default(),
        algorithm: property("header.a").unwrap_or_default(),
        identity: property("header.i"),
        signature: property("header.b").unwrap_or_default().chars().take(8).collect(),
        reason,
        ..Dkim::default()
    }))
}

fn policy(word: &str) -> Option<DmarcPolicy> {
    let all = [DmarcPolicy::None, DmarcPolicy::Quarantine, DmarcPolicy::Reject];
    all.into_iter().find(|policy| policy.name().eq_ignore_ascii_case(word))
}

/// A domain as it is asked: an A-label in lower case, without a final dot.
fn domain(told: &str) -> Option<String> {
    let told = told.strip_suffix('.').unwrap_or(told);
    let name = if told.is_ascii() { told.to_ascii_lowercase() } else { idna::domain_to_ascii(told).ok()? };
    let label = |l: &str| l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    (name.contains('.') && name.split('.').all(label) && crate::dns::question(&name).is_ok()).then_some(name)
}
