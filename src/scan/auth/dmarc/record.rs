//! A DMARC policy record (RFC 9989 §4.7, §4.8).

use crate::model::DmarcPolicy;

/// What a domain publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// For mail of the domain itself; `None` where no valid one is given.
    pub(super) policy: Option<DmarcPolicy>,
    /// For mail of domains below it that exist.
    pub(super) subdomains: Option<DmarcPolicy>,
    /// For mail of domains below it that do not exist.
    pub(super) nonexistent: Option<DmarcPolicy>,
    /// DKIM must have exactly the author's domain.
    pub(super) strict_dkim: bool,
    /// SPF must have exactly the author's domain.
    pub(super) strict_spf: bool,
    /// The policy is tried out: one level milder.
    pub(super) testing: bool,
    /// `Some(true)`: others register names below this one; `Some(false)`: it is an organizational domain.
    pub(super) public_suffix: Option<bool>,
    /// Reports are wanted somewhere.
    has_reports: bool,
    /// `p` is missing, or `p`, `sp` or `np` has a value that is none (§4.10.1).
    is_faulty: bool,
}

/// Whether a text is a DMARC record at all: the version first, exactly so, then the end of the tag.
fn is_dmarc(text: &str) -> bool {
    let Some((tag, value)) = text.split(';').next().and_then(|first| first.split_once('=')) else {
        return false;
    };
    // ABNF's "v" is in any case, the version is not (§4.8).
    trim(tag).eq_ignore_ascii_case("v") && trim(value) == "DMARC1"
}

/// Without white space (WSP of RFC 5234) on both sides.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

impl Record {
    /// The one record among the texts at a name. None, or several, are no record (§4.10).
    pub(super) fn of(texts: &[Vec<u8>]) -> Option<Self> {
        // What is no ASCII can stand in a tag that is passed over, or in an address for reports.
        let texts = texts.iter().map(|text| String::from_utf8_lossy(text));
        let mut records = texts.filter(|text| is_dmarc(text));
        let text = records.next()?;
        records.next().is_none().then(|| Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut record = Self {
            policy: None,
            subdomains: None,
            nonexistent: None,
            strict_dkim: false,
            strict_spf: false,
            testing: false,
            public_suffix: None,
            has_reports: false,
            is_faulty: false,
        };
        // A tag that is not understood, or has a value that is not, is passed over; so is one that is there
        // already (§4.7).
        let mut seen: Vec<String> = Vec::new();
        for (tag, value) in text.split(';').filter_map(|part| part.split_once('=')) {
            let (tag, value) = (trim(tag).to_ascii_lowercase(), trim(value));
            if seen.contains(&tag) {
                continue;
            }
            let is = |word: &str| value.eq_ignore_ascii_case(word);
            match tag.as_str() {
                "p" => record.policy = policy(value),
                "sp" => {
                    record.subdomains = policy(value);
                    record.is_faulty |= record.subdomains.is_none();
                }
                "np" => {
                    record.nonexistent = policy(value);
                    record.is_faulty |= record.nonexistent.is_none();
                }
                "adkim" => record.strict_dkim = is("s"),
                "aspf" => record.strict_spf = is("s"),
                "t" => record.testing = is("y"),
                "psd" if is("y") => record.public_suffix = Some(true),
                "psd" if is("n") => record.public_suffix = Some(false),
                "rua" => record.has_reports = value.split(',').any(|uri| is_uri(trim(uri))),
                _ => continue,
            }
            seen.push(tag);
        }
        record.is_faulty |= record.policy.is_none();
        record
    }

    /// What is wanted of mail in the name of the record's own domain; `None`: the record says nothing
    /// that counts.
    pub(super) fn for_itself(&self) -> Option<DmarcPolicy> {
        if self.is_faulty {
            return self.where_faulty();
        }
        self.policy.map(|policy| self.eased(policy))
    }

    /// What is wanted of mail in the name of a domain below, that exists or does not.
    pub(super) fn for_below(&self, exists: bool) -> Option<DmarcPolicy> {
        if self.is_faulty {
            return self.where_faulty();
        }
        let fallback = self.subdomains.or(self.policy);
        let wanted = if exists { fallback } else { self.nonexistent.or(fallback) };
        wanted.map(|policy| self.eased(policy))
    }

    /// A record with a fault in what it wants done is a wish for reports alone, or nothing (§4.10.1).
    fn where_faulty(&self) -> Option<DmarcPolicy> {
        self.has_reports.then_some(DmarcPolicy::None)
    }

    /// Whether it makes a difference that a domain below does not exist.
    pub(super) fn tells_nonexistent_apart(&self) -> bool {
        self.for_below(true) != self.for_below(false)
    }

    /// One level milder while it is tried out (§4.7, `t`).
    const fn eased(&self, policy: DmarcPolicy) -> DmarcPolicy {
        match policy {
            DmarcPolicy::Reject if self.testing => DmarcPolicy::Quarantine,
            DmarcPolicy::Quarantine if self.testing => DmarcPolicy::None,
            policy => policy,
        }
    }
}

/// A scheme, and something after it (RFC 3986 §3).
fn is_uri(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    text.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
}

fn policy(value: &str) -> Option<DmarcPolicy> {
    let all = [DmarcPolicy::None, DmarcPolicy::Quarantine, DmarcPolicy::Reject];
    all.into_iter().find(|policy| policy.name().eq_ignore_ascii_case(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Option<Record> {
        Record::of(&texts.iter().map(|t| t.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn a_record_begins_with_its_version_and_there_is_one() {
        assert!(
            of(&["v=DMARC1; p=reject"]).is_some() && of(&["v = DMARC1 ;p=none", "v=spf1 -all"]).is_some()
        );
        // RFC 7405: only %s"" is in its case.
        assert!(of(&["V=DMARC1; p=reject"]).is_some());
        for bad in ["v=dmarc1; p=reject", "p=reject; v=DMARC1", "v=DMARC10; p=none", "DMARC1", ""] {
            assert_eq!(of(&[bad]), None, "{bad}");
        }
        assert_eq!(of(&["v=DMARC1; p=reject", "v=DMARC1; p=none"]), None);
    }

    #[test]
    fn each_domain_gets_the_policy_that_is_meant_for_it() {
        use DmarcPolicy::{None as Nothing, Quarantine, Reject};
        let wants = |text: &str| {
            let record = of(&[text]).unwrap();
            (record.for_itself(), record.for_below(true), record.for_below(false))
        };
        assert_eq!(wants("v=DMARC1; p=reject"), (Some(Reject), Some(Reject), Some(Reject)));
        assert_eq!(
            wants("v=DMARC1; p=none; sp=quarantine; np=reject"),
            (Some(Nothing), Some(Quarantine), Some(Reject))
        );
        assert_eq!(wants("v=DMARC1; P=Reject; SP=none;"), (Some(Reject), Some(Nothing), Some(Nothing)));
        assert_eq!(wants("v=DMARC1; p=reject; t=y"), (Some(Quarantine), Some(Quarantine), Some(Quarantine)));
        assert_eq!(
            wants("v=DMARC1; p=rejekt; rua=mailto:a@b.example"),
            (Some(Nothing), Some(Nothing), Some(Nothing))
        );
        assert_eq!(wants("v=DMARC1; p=rejekt"), (None, None, None));
        assert_eq!(wants("v=DMARC1"), (None, None, None));
        // §4.7: without np, sp is for those that do not exist as well; without both, p.
        assert_eq!(wants("v=DMARC1; p=none; sp=reject"), (Some(Nothing), Some(Reject), Some(Reject)));
        assert_eq!(wants("v=DMARC1; p=none; np=reject"), (Some(Nothing), Some(Nothing), Some(Reject)));
    }

    #[test]
    fn a_record_with_a_wish_that_is_none_wants_reports_or_nothing() {
        let nothing = (None, None, None);
        let reports = (Some(DmarcPolicy::None), Some(DmarcPolicy::None), Some(DmarcPolicy::None));
        let wants = |text: &str| {
            let record = of(&[text]).unwrap();
            (record.for_itself(), record.for_below(true), record.for_below(false))
        };
        for (text, expected) in [
            ("v=DMARC1; p=reject; sp=quarantin", nothing),
            ("v=DMARC1; p=reject; np=", nothing),
            ("v=DMARC1; sp=reject", nothing),
            ("v=DMARC1; p=reject; sp=quarantin; rua=mailto:a@b.example", reports),
            ("v=DMARC1; rua=mailto:a@b.example", reports),
            ("v=DMARC1; rua=nonsense, 1:x,mailto:", nothing),
            ("v=DMARC1; rua=nonsense , mailto:a@b.example!10m", reports),
        ] {
            assert_eq!(wants(text), expected, "{text}");
        }
    }

    #[test]
    fn faults_elsewhere_in_a_record_are_passed_over() {
        let good = of(&["v=DMARC1; p=reject"]);
        for odd in [
            "v=DMARC1;p=reject;adkim=x;aspf=;psd=u;t=maybe;pct=50;ri=1;x-y=z",
            "v=DMARC1; p=reject; p=none",
            "v=DMARC1;; ;p=reject; nonsense;",
            "V =\tDMARC1 ; P=REJECT ; PSD=u",
        ] {
            assert_eq!(of(&[odd]), good, "{odd}");
        }
        let bytes = b"v=DMARC1; p=reject; x=\xff".to_vec();
        assert_eq!(Record::of(&[bytes]), good);
    }

    #[test]
    fn testing_eases_every_policy_by_one_level() {
        use DmarcPolicy::{None as Nothing, Quarantine};
        let record = of(&["v=DMARC1; p=reject; sp=quarantine; np=none; t=Y"]).unwrap();
        let wants = (record.for_itself(), record.for_below(true), record.for_below(false));
        assert_eq!(wants, (Some(Quarantine), Some(Nothing), Some(Nothing)));
    }
}
