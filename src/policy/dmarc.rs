//! `[policy.dmarc]`, and the rule of it: what it is worth that mail fails DMARC (RFC 9989).
//!
//! A domain that asks for reject says: this is not our mail. It cannot know by which ways its mail goes: a
//! forwarder breaks SPF and a mailing list breaks signatures as well, and their mail fails like a forged one.
//! RFC 9989 §7.4 therefore tells receivers not to reject for `p=reject` alone. So by default such mail is
//! held, from where it can be released, and its category is *suspicious*: that it is fraud was not shown.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::opinion::Opinion;
use super::view::View;
use super::{Facts, Policy, PolicyError};
use crate::model::authentication::Dmarc as Seen;
use crate::model::{
    AuthResult, Authentication, Author, Category, Disposition, DmarcPolicy, Outcome, Scanner, text,
};
use crate::net::cidr;

/// `[policy.dmarc]`: what it is worth that mail fails DMARC, and whose mail is excepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dmarc {
    /// Where the author's domain asks for reject. Not milder than `quarantine`.
    pub reject: DmarcWorth,
    /// Where it asks for quarantine; `honour` holds.
    pub quarantine: DmarcWorth,
    /// Where the From field may show a domain that could not be read, or shows more than are asked, and so
    /// nobody can be held to it. Not `honour`: there is nobody who asks for anything.
    pub unreadable: DmarcWorth,
    /// Clients that pass on the mail of others: what comes from them is excepted.
    #[serde(deserialize_with = "cidr::list")]
    pub forwarders: Vec<IpNet>,
    /// Domains of mailing lists and forwarders: what they signed, or sent with a MAIL FROM of theirs for
    /// which SPF passes, is excepted. Sub-domains are taken in.
    pub lists: Vec<String>,
}

/// What it is worth that mail fails DMARC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DmarcWorth {
    /// What the domain asks for.
    Honour,
    /// The mail is held.
    Quarantine,
    /// The mail is delivered with headers that mark it.
    Tag,
    /// Said in the explanation only.
    Ignore,
}

impl Default for Dmarc {
    fn default() -> Self {
        Self {
            reject: DmarcWorth::Quarantine,
            quarantine: DmarcWorth::Honour,
            unreadable: DmarcWorth::Quarantine,
            forwarders: Vec::new(),
            lists: Vec::new(),
        }
    }
}

impl DmarcWorth {
    /// The word in configuration and explanations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Honour => "honour",
            Self::Quarantine => "quarantine",
            Self::Tag => "tag",
            Self::Ignore => "ignore",
        }
    }

    const fn disposition(self, honoured: Disposition) -> Option<Disposition> {
        match self {
            Self::Honour => Some(honoured),
            Self::Quarantine => Some(Disposition::Quarantine),
            Self::Tag => Some(Disposition::Tag),
            Self::Ignore => None,
        }
    }
}

impl Dmarc {
    /// The key for what a domain asks for, what it says, and what comes of it; `None` where a domain asks
    /// for nothing.
    fn worth(&self, asked: DmarcPolicy) -> Option<(&'static str, DmarcWorth, Option<Disposition>)> {
        let (worth, honoured) = match asked {
            DmarcPolicy::None => return None,
            DmarcPolicy::Quarantine => (self.quarantine, Disposition::Quarantine),
            DmarcPolicy::Reject => (self.reject, Disposition::Reject),
        };
        Some((asked.name(), worth, worth.disposition(honoured)))
    }

    /// Everything in it that contradicts itself or has no meaning.
    pub(super) fn check(&self, errors: &mut Vec<PolicyError>) {
        let strictness = |asked| {
            let (.., disposition) = self.worth(asked)?;
            disposition.map(Disposition::strictness)
        };
        if strictness(DmarcPolicy::Reject) < strictness(DmarcPolicy::Quarantine) {
            errors.push(PolicyError::DmarcOrder { reject: self.reject, quarantine: self.quarantine });
        }
        if self.unreadable == DmarcWorth::Honour {
            errors.push(PolicyError::DmarcUnreadable);
        }
        for given in &self.lists {
            let shown = || text::line(given, 100);
            match mail_domain(given) {
                Ok(_) => {}
                Err(NoMailDomain::Name) => errors.push(PolicyError::DmarcList(shown())),
                Err(NoMailDomain::Public) => errors.push(PolicyError::DmarcListPublic(shown())),
            }
        }
    }

    /// The same with its domains in the form in which they are compared. Others are left out: the check
    /// has refused them.
    pub(super) fn ready(&self) -> Self {
        Self {
            lists: self.lists.iter().filter_map(|given| mail_domain(given).ok()).collect(),
            ..self.clone()
        }
    }

    /// Why a failure does not count, as the rest of a sentence.
    fn exception(&self, seen: &Authentication, session: Option<IpAddr>) -> Option<String> {
        let forwards = |ip: &IpAddr| self.forwarders.iter().any(|net| net.contains(ip));
        let mut clients = seen.client.into_iter().chain(session).map(|ip| ip.to_canonical());
        if let Some(ip) = clients.find(forwards) {
            return Some(format!("the client {ip} is one of policy.dmarc.forwarders"));
        }
        let listed = |domain: &str| self.lists.iter().find(|list| is_or_below(domain, list));
        let signed = seen.dkim.iter().filter(|signature| signature.result == AuthResult::Pass);
        if let Some(list) = signed.filter_map(|signature| listed(&signature.domain)).next() {
            return Some(format!("it is signed by {list}, one of policy.dmarc.lists"));
        }
        let sent = seen.mail_from.as_ref().filter(|spf| spf.result == AuthResult::Pass);
        if let Some(list) = sent.and_then(|spf| listed(&spf.domain)) {
            return Some(format!("SPF shows that it was sent by {list}, one of policy.dmarc.lists"));
        }
        let arc = seen.arc.as_ref().filter(|arc| arc.result == AuthResult::Pass)?;
        let sealer = text::line(arc.trusted.as_deref()?, 100);
        Some(format!("{sealer}, one of auth.trusted_sealers, says that it passed when it came there"))
    }
}

/// Why a text names no domain that signs, seals or sends mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMailDomain {
    /// It is no domain name.
    Name,
    /// Anybody can have a name below it: `com`, `co.uk`, `github.io`.
    Public,
}

/// A domain that signs, seals or sends mail, as it is compared: A-labels in lower case, no final dot.
///
/// # Errors
/// If it is none.
pub fn mail_domain(given: &str) -> Result<String, NoMailDomain> {
    let name =
        idna::domain_to_ascii(given.strip_suffix('.').unwrap_or(given)).map_err(|_| NoMailDomain::Name)?;
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    match plain && crate::dns::question(&name).is_ok() {
        true if crate::link::is_public_suffix(&name) => Err(NoMailDomain::Public),
        true => Ok(name),
        false => Err(NoMailDomain::Name),
    }
}

/// Whether `domain` is `of` or below it.
pub(super) fn is_or_below(domain: &str, of: &str) -> bool {
    domain.strip_suffix(of).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// What the rule `dmarc` says. It is not firm: an entry of the allow list for a client outweighs it, because the admin knows that
/// client. An entry for an author never meets it: it counts only where his domain passes in alignment, which
/// is what DMARC asks. An entry for a sender (MAIL FROM) could, where From names somebody else; the rule
/// `allow-list` therefore lets such an entry count only where no failure [`stands`].
pub(super) fn look(view: &View<'_>) -> Opinion {
    let facts = view.facts;
    let Some(seen) = facts.authentication else { return Opinion::nothing(not_verified(facts)) };
    match &seen.dmarc {
        Some(dmarc) => of_domain(view, seen, dmarc),
        None => of_shown(view, seen),
    }
}

/// What DMARC of a domain is worth.
fn of_domain(view: &View<'_>, seen: &Authentication, dmarc: &Seen) -> Opinion {
    let name = text::line(&dmarc.domain, 100);
    let why = dmarc.reason.as_deref().map(|reason| text::line(reason, 160));
    let told = |end: &str| match &why {
        Some(why) => format!("DMARC of {name}: {}{end}: {why}", dmarc.result),
        None => format!("DMARC of {name}: {}{end}", dmarc.result),
    };
    match dmarc.result {
        AuthResult::Pass => return Opinion::nothing(told(aligned(dmarc))),
        AuthResult::Fail => {}
        AuthResult::TempError => {
            let end = "; that is no failure, and on_failure of [scanner.auth] says what it is worth";
            return Opinion::nothing(format!("{}{end}", told("")));
        }
        _ => return Opinion::nothing(told("")),
    }
    let asked = dmarc.policy.unwrap_or_default();
    let Some((key, worth, disposition)) = view.policy.dmarc.worth(asked) else {
        return Opinion::nothing(told(", and the domain asks for nothing"));
    };
    let failed = told(&format!(", and the domain asks for {key}"));
    if let Some(exception) = view.policy.dmarc.exception(seen, view.facts.session.client.addr.ip()) {
        return Opinion::nothing(format!("{failed}; but {exception}"));
    }
    let saw = format!("{failed}; policy.dmarc.{key} = {}", worth.name());
    let Some(disposition) = disposition else { return Opinion::nothing(saw) };
    let reason = format!("DMARC of {name} fails, and it asks for {key}");
    Opinion::wants(saw, disposition, Category::Suspicious, reason)
}

/// Without one author's domain: the strictest that is wanted for one of those that could be shown, and what it
/// is worth that some are not known.
fn of_shown(view: &View<'_>, seen: &Authentication) -> Opinion {
    let mut told = no_author(&seen.author);
    let mut strictest: Option<Opinion> = None;
    let strictness = |opinion: &Opinion| opinion.wants.map(Disposition::strictness);
    let mut hear = |opinion: Opinion| {
        told.push_str("; ");
        told.push_str(&opinion.told);
        if opinion.wants.is_some() && strictest.as_ref().is_none_or(|s| strictness(&opinion) > strictness(s))
        {
            strictest = Some(opinion);
        }
    };
    seen.shown.iter().for_each(|dmarc| hear(of_domain(view, seen, dmarc)));
    if is_unreadable(seen) {
        hear(unreadable(view, seen));
    }
    match strictest {
        Some(opinion) => Opinion { told, ..opinion },
        None => Opinion::nothing(told),
    }
}

/// Some domain that could be shown, or all, could not be asked about. A field without any, as `root`, shows
/// nobody's, and where there is none nobody is shown.
fn is_unreadable(seen: &Authentication) -> bool {
    !matches!(seen.author, Author::Missing | Author::Domain(_)) && seen.shown_in_part
}

fn unreadable(view: &View<'_>, seen: &Authentication) -> Opinion {
    let what = match seen.shown.is_empty() {
        true => "From may show a domain that cannot be read",
        false => "From may show more domains than were asked",
    };
    if let Some(exception) = view.policy.dmarc.exception(seen, view.facts.session.client.addr.ip()) {
        return Opinion::nothing(format!("{what}; but {exception}"));
    }
    let worth = view.policy.dmarc.unreadable;
    let saw = format!("{what}; policy.dmarc.unreadable = {}", worth.name());
    // The check has refused `honour`.
    match worth.disposition(Disposition::Quarantine) {
        Some(disposition) => Opinion::wants(saw, disposition, Category::Suspicious, what.to_owned()),
        None => Opinion::nothing(saw),
    }
}

/// The failure that the rule asks something for; of several the strictest.
pub(super) fn stands<'a>(policy: &Policy, facts: &Facts<'a>) -> Option<&'a Seen> {
    let seen = facts.authentication?;
    let wanted = |dmarc: &&Seen| {
        let (.., disposition) = policy.dmarc.worth(dmarc.policy.unwrap_or_default())?;
        disposition.map(Disposition::strictness)
    };
    let failed = seen.dmarc.iter().chain(&seen.shown).filter(|dmarc| dmarc.result == AuthResult::Fail);
    let strictest = failed.filter(|dmarc| wanted(dmarc).is_some()).max_by_key(wanted)?;
    let excepted = policy.dmarc.exception(seen, facts.session.client.addr.ip()).is_some();
    (!excepted).then_some(strictest)
}

const fn aligned(dmarc: &Seen) -> &'static str {
    match (dmarc.spf_aligned, dmarc.dkim_aligned) {
        (true, true) => ", by SPF and by a signature",
        (true, false) => ", by SPF",
        (false, true) => ", by a signature",
        (false, false) => "",
    }
}

/// Why nothing is known of who sent it.
pub(super) fn not_verified(facts: &Facts<'_>) -> String {
    match (facts.fault, facts.coverage.0.get(&Scanner::Auth)) {
        (Some(_), _) => "the message is not here, so nobody verified who sent it".to_owned(),
        (None, None) => "nobody verified who sent it: [scanner.auth] is off".to_owned(),
        (None, Some(outcome)) => format!("nobody verified who sent it: auth={}", shown(outcome)),
    }
}

fn shown(outcome: &Outcome) -> String {
    text::line(&outcome.to_string(), 60)
}

fn no_author(author: &Author) -> String {
    let why = match author {
        Author::Domain(domain) => format!("that of {} was not looked at", text::line(domain, 100)),
        Author::Missing => "there is no From field".to_owned(),
        Author::SeveralFields(n) => format!("there are {n} From fields"),
        Author::SeveralDomains(domains) => format!("From names {} domains", domains.len()),
        Author::Unreadable(why) => format!("From cannot be read without doubt, {}", text::line(why, 100)),
    };
    format!("no DMARC, which is about one author's domain: {why}")
}
