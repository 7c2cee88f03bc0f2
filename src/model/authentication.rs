//! Who really sent a message, as far as it can be verified: SPF, DKIM, DMARC, ARC, iprev.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Skip;

/// The result of one check, in the words of RFC 8601 §2.7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthResult {
    /// There is nothing to verify.
    #[default]
    None,
    /// Verified.
    Pass,
    /// Verified to be false.
    Fail,
    /// The domain says that this is probably not its mail (SPF).
    SoftFail,
    /// The domain says nothing, or it cannot be said.
    Neutral,
    /// Verified, but not in a way that this host accepts.
    Policy,
    /// It may be otherwise a little later.
    TempError,
    /// What was published or sent cannot be understood.
    PermError,
}

impl AuthResult {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Pass,
        Self::Fail,
        Self::SoftFail,
        Self::Neutral,
        Self::Policy,
        Self::TempError,
        Self::PermError,
    ];

    /// The word in Authentication-Results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

impl fmt::Display for AuthResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// All that was verified of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Authentication {
    /// The client that was judged: the one that connected, or the one that a trusted relay named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// Why nothing that needs a client was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_client: Option<Skip>,
    /// SPF of HELO.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helo: Option<Spf>,
    /// SPF of MAIL FROM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_from: Option<Spf>,
    /// Each signature that was looked at, in the order of the message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dkim: Vec<Dkim>,
    /// Signatures beyond the number that is looked at.
    #[serde(skip_serializing_if = "is_zero")]
    pub dkim_left_out: usize,
    /// ARC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arc: Option<ArcChain>,
    /// DMARC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dmarc: Option<Dmarc>,
    /// DMARC of each domain that some program could show as the author's, where there is not exactly one
    /// author's domain. None of them passes: what would is `policy`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<Dmarc>,
    /// There may be more such domains: too many of them, or text that could not be read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shown_in_part: bool,
    /// Whether the client's name leads back to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iprev: Option<Iprev>,
    /// Whom the From field names.
    pub author: Author,
    /// Whose word was taken instead of verifying: the authserv-id of somebody whom the configuration trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told_by: Option<String>,
    /// For which methods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Method>,
}

/// A way to verify (RFC 8601 §2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// RFC 7208.
    Spf,
    /// RFC 6376.
    Dkim,
    /// RFC 9989.
    Dmarc,
    /// RFC 8617.
    Arc,
    /// RFC 8601 §3.
    Iprev,
}

impl Method {
    /// The word in Authentication-Results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spf => "spf",
            Self::Dkim => "dkim",
            Self::Dmarc => "dmarc",
            Self::Arc => "arc",
            Self::Iprev => "iprev",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// SPF of one identity (RFC 7208 §2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spf {
    /// How it ended.
    pub result: AuthResult,
    /// The domain that was asked, as an A-label in lower case.
    pub domain: String,
    /// The identity as it was given: the address of MAIL FROM, or the name of HELO.
    pub identity: String,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// It ended so because the message asks more DNS questions than one may: that is its own doing, and no
    /// failure of the DNS.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub over_budget: bool,
    /// What was tried on the way and what came of it, in order, for people: few dozen short lines at most.
    /// Of a pass only what matched; nothing where the reason says it all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
}

/// One DKIM signature (RFC 6376).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dkim {
    /// How it ended. `Policy`: right or not, it is not accepted, for the reason that stands beside.
    pub result: AuthResult,
    /// `d=`, as an A-label in lower case; empty if the signature cannot be read.
    pub domain: String,
    /// `s=`.
    pub selector: String,
    /// `a=`.
    pub algorithm: String,
    /// `i=`, where it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The first eight characters of `b=` (RFC 6008).
    pub signature: String,
    /// The key is published as a test (`t=y`): a failure is no reason to treat the mail otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub testing: bool,
    /// It ended so because the message asks more DNS questions than one may: that is its own doing, and no
    /// failure of the DNS.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub over_budget: bool,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The chain of those who passed the message on (RFC 8617).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArcChain {
    /// How it ended.
    pub result: AuthResult,
    /// How many sets there are.
    pub sets: usize,
    /// The domains of the seals, first to last.
    pub sealers: Vec<String>,
    /// A sealer that the configuration trusts, as it does all after him, who says that the message passed
    /// DMARC for the author of today when it came to him.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted: Option<String>,
    /// It ended so because the message asks more DNS questions than one may: that is its own doing, and no
    /// failure of the DNS.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub over_budget: bool,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// DMARC (RFC 9989).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dmarc {
    /// How it ended.
    pub result: AuthResult,
    /// The author's domain, as an A-label in lower case.
    pub domain: String,
    /// What the domain wants done with mail that fails; `None` where nothing is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<DmarcPolicy>,
    /// Another policy is published for domains that do not exist, and whether this one does could not be
    /// looked up: `policy` is the stricter one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub policy_uncertain: bool,
    /// The name of the record that applies, `_dmarc.example.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// SPF passed for a domain that is aligned with the author's.
    pub spf_aligned: bool,
    /// A signature passed whose domain is aligned with the author's.
    pub dkim_aligned: bool,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a domain wants done with mail in its name that fails (RFC 9989 §4.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DmarcPolicy {
    /// Nothing.
    #[default]
    None,
    /// Treat it with suspicion.
    Quarantine,
    /// Refuse it.
    Reject,
}

impl DmarcPolicy {
    /// The word in records and in `policy.dmarc`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

/// Whether the client's address has a name that leads back to it (RFC 8601 §3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Iprev {
    /// How it ended.
    pub result: AuthResult,
    /// The name that leads back, or the first that does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Whom the From field names. DMARC is about exactly one domain; everything else is a fact of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Author {
    /// There is no From field.
    #[default]
    Missing,
    /// Exactly one domain, as an A-label in lower case.
    Domain(String),
    /// More than one From field (RFC 5322 §3.6 allows one).
    SeveralFields(usize),
    /// One field with addresses of several domains.
    SeveralDomains(Vec<String>),
    /// It cannot be read as one address without doubt; why, for people.
    Unreadable(String),
}

impl Author {
    /// The domain, where there is exactly one.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        match self {
            Self::Domain(domain) => Some(domain),
            _ => None,
        }
    }
}

impl Authentication {
    /// The author's domain passed DMARC, or would have if it had published a policy: SPF or a signature
    /// passed for a domain in alignment. What an allow entry for a sender needs.
    #[must_use]
    pub fn is_aligned(&self) -> bool {
        self.dmarc.as_ref().is_some_and(|dmarc| dmarc.spf_aligned || dmarc.dkim_aligned)
    }

    /// The results by method as `spf`, `dkim`, `dmarc`, `arc`, for a quick look: the best signature
    /// stands for DKIM. `None` is a method that was not looked at, because there was no client to judge;
    /// that there was nothing to verify is [`AuthResult::None`]. Without exactly one author's domain DMARC is
    /// [`AuthResult::PermError`].
    #[must_use]
    pub fn summary(&self) -> [(&'static str, Option<AuthResult>); 4] {
        let rank = |result: &AuthResult| match result {
            AuthResult::Pass => 0,
            AuthResult::Policy => 1,
            AuthResult::TempError => 2,
            AuthResult::Fail => 3,
            AuthResult::SoftFail | AuthResult::Neutral => 4,
            AuthResult::PermError => 5,
            AuthResult::None => 6,
        };
        let dkim = self.dkim.iter().map(|d| d.result).min_by_key(rank).unwrap_or_default();
        let spf = self.mail_from.as_ref().or(self.helo.as_ref()).map(|s| s.result);
        let dmarc = match &self.dmarc {
            Some(dmarc) => Some(dmarc.result).filter(|_| !self.is_undecided(dmarc)),
            None => self.author.domain().is_none().then_some(AuthResult::PermError),
        };
        [
            ("spf", spf.or_else(|| self.client.map(|_| AuthResult::None))),
            ("dkim", Some(dkim)),
            ("dmarc", dmarc),
            ("arc", Some(self.arc.as_ref().map(|a| a.result).unwrap_or_default())),
        ]
    }

    /// There is a policy, and without a client nobody can say whether SPF would have passed.
    fn is_undecided(&self, dmarc: &Dmarc) -> bool {
        self.no_client.is_some() && dmarc.policy.is_some() && dmarc.result == AuthResult::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_signature_speaks_for_all() {
        let dkim = |result| Dkim { result, ..Dkim::default() };
        let seen = Authentication {
            dkim: vec![dkim(AuthResult::Fail), dkim(AuthResult::Pass), dkim(AuthResult::TempError)],
            ..Authentication::default()
        };
        let looked_at =
            |seen: &Authentication| seen.summary().map(|(_, result)| result.map(AuthResult::name));
        assert_eq!(looked_at(&seen), [None, Some("pass"), Some("permerror"), Some("none")]);
        assert!(!seen.is_aligned());
    }

    #[test]
    fn what_was_not_looked_at_is_not_told_as_nothing_to_verify() {
        let result = |seen: &Authentication, method: &str| {
            seen.summary().into_iter().find(|(m, _)| *m == method).and_then(|(_, result)| result)
        };
        let mut seen = Authentication {
            client: Some([192, 0, 2, 1].into()),
            dmarc: Some(Dmarc::default()),
            ..Authentication::default()
        };
        assert_eq!(result(&seen, "spf"), Some(AuthResult::None), "neither HELO nor MAIL FROM has a domain");
        assert_eq!(result(&seen, "dmarc"), Some(AuthResult::None), "no policy is published");
        (seen.client, seen.no_client) = (None, Some(Skip::Relay));
        assert_eq!(result(&seen, "spf"), None);
        seen.dmarc = Some(Dmarc { policy: Some(DmarcPolicy::Reject), ..Dmarc::default() });
        assert_eq!(result(&seen, "dmarc"), None);
        seen.dmarc = Some(Dmarc { result: AuthResult::Pass, ..seen.dmarc.unwrap_or_default() });
        assert_eq!(result(&seen, "dmarc"), Some(AuthResult::Pass), "a signature is enough");
        seen.dmarc = None;
        for author in [Author::Missing, Author::SeveralFields(2), Author::Unreadable("odd".to_owned())] {
            seen.author = author;
            assert_eq!(result(&seen, "dmarc"), Some(AuthResult::PermError), "as the header field says");
        }
        seen.author = Author::Domain("a.example".to_owned());
        assert_eq!(result(&seen, "dmarc"), None);
    }

    #[test]
    fn a_record_holds_only_what_was_seen() {
        let json = serde_json::to_string(&Authentication::default()).unwrap();
        assert_eq!(json, r#"{"author":"missing"}"#);
        assert_eq!(serde_json::from_str::<Authentication>(&json).unwrap(), Authentication::default());
    }
}
