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
}

/// Whether a text is a DMARC record at all: the version first, exactly so, then the end of the tag.
fn is_dmarc(text: &str) -> bool {
    let Some((tag, value)) = text.split(';').next().and_then(|first| first.split_once('=')) else {
        return false;
    };
    tag.trim() == "v" && value.trim() == "DMARC1"
}

impl Record {
    /// The one record among the texts at a name. None, or several, are no record (§4.10).
    pub(super) fn of(texts: &[Vec<u8>]) -> Option<Self> {
        let mut records = texts.iter().filter_map(|t| std::str::from_utf8(t).ok()).filter(|t| is_dmarc(t));
        let text = records.next()?;
        records.next().is_none().then(|| Self::parse(text))
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
        };
        // A tag that is not understood, or has a value that is not, is passed over (§4.7).
        for (tag, value) in text.split(';').filter_map(|part| part.split_once('=')) {
            let value = value.trim();
            let is = |word: &str| value.eq_ignore_ascii_case(word);
            match tag.trim().to_ascii_lowercase().as_str() {
                "p" => record.policy = policy(value),
                "sp" => record.subdomains = policy(value),
                "np" => record.nonexistent = policy(value),
                "adkim" => record.strict_dkim = is("s"),
                "aspf" => record.strict_spf = is("s"),
                "t" => record.testing = is("y"),
                "psd" if is("y") => record.public_suffix = Some(true),
                "psd" if is("n") => record.public_suffix = Some(false),
                "rua" => record.has_reports = value.split(',').any(|uri| uri.trim().contains(':')),
                _ => {}
            }
        }
        record
    }

    /// What is wanted of mail in the name of the record's own domain; `None`: the record says nothing
    /// that counts. Without a valid `p`, it is a wish for reports alone (§4.10.1).
    pub(super) fn for_itself(&self) -> Option<DmarcPolicy> {
        self.policy.or(self.has_reports.then_some(DmarcPolicy::None)).map(|policy| self.eased(policy))
    }

    /// What is wanted of mail in the name of a domain below, that exists or does not.
    pub(super) fn for_below(&self, exists: bool) -> Option<DmarcPolicy> {
        self.for_itself()?;
        let fallback = self.subdomains.or(self.policy).unwrap_or_default();
        Some(self.eased(if exists { fallback } else { self.nonexistent.unwrap_or(fallback) }))
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
    }
}
