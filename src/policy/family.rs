//! Families of findings: which say one and the same thing. Of a family the weightiest counts, the others nothing.
//!
//! A family is a fact: that SPF fails is one, whether mailward says so, rspamd, or both. `docs/policy.md` has the
//! table for admins; a test holds the two together.

use crate::model::{Category, Finding, Scanner, Severity};

macro_rules! families {
    ($($family:ident $name:literal $fact:literal)*) => {
        /// A fact that several findings may tell.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Family {
            $(#[doc = $fact] $family,)*
        }

        impl Family {
            /// All of them.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$family),*];

            /// What tables call it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$family => $name,)* }
            }

            /// What it is, in a few words.
            #[must_use]
            pub const fn fact(self) -> &'static str {
                match self { $(Self::$family => $fact,)* }
            }
        }
    };
}

families! {
    Arc "arc" "the chain of ARC is broken"
    Dbl "dbl" "Spamhaus lists the domain of a link"
    Dkim "dkim" "no signature passes"
    Dmarc "dmarc" "DMARC fails for the author's domain"
    Eicar "eicar" "the test file of virus scanners"
    Encrypted "encrypted" "an archive is encrypted"
    FromName "from-name" "the author's name shows another address"
    Gtube "gtube" "the test string of spam filters"
    HiddenText "hidden-text" "text is hidden"
    Homograph "homograph" "foreign letters in a domain look like others"
    LinkAddress "link-address" "a link leads to an address without a name"
    LinkText "link-text" "a link shows one domain and leads to another"
    Macros "macros" "a document has macros"
    Malware "malware" "strong evidence of malware, short of proof"
    NameDisguised "name-disguised" "a file's name hides what it is"
    Openphish "openphish" "OpenPhish lists a link"
    Phishtank "phishtank" "PhishTank lists a link"
    Rdns "rdns" "the client has no name that leads back to it"
    Smuggling "smuggling" "a page carries a file and saves it"
    Spf "spf" "SPF fails"
    Surbl "surbl" "SURBL lists the domain of a link"
    Uribl "uribl" "URIBL lists the domain of a link"
    Zen "zen" "Spamhaus lists the address of a link's host"
}

/// Who says it, and how; `*` at the end stands for any. Sorted; no name begins like one with a `*`.
pub(super) const SAYINGS: &[(Scanner, &str, Family)] = &[
    (Scanner::Auth, "DKIM_FAIL", Family::Dkim),
    (Scanner::Auth, "DKIM_NOT_ACCEPTED", Family::Dkim),
    (Scanner::Auth, "DKIM_PERMERROR", Family::Dkim),
    (Scanner::Auth, "DMARC_FAIL_*", Family::Dmarc),
    (Scanner::Auth, "FROM_NAME_OF_OTHER", Family::FromName),
    (Scanner::Auth, "IPREV_FAIL", Family::Rdns),
    (Scanner::Auth, "SPF_*", Family::Spf),
    (Scanner::Clamd, "EICAR*", Family::Eicar),
    (Scanner::Clamd, "Eicar*", Family::Eicar),
    (Scanner::Clamd, "Heuristics.Encrypted.*", Family::Encrypted),
    (Scanner::Clamd, "Heuristics.OLE2.ContainsMacros*", Family::Macros),
    (Scanner::Clamd, "Heuristics.Phishing.Email.*", Family::LinkText),
    (Scanner::Clamd, "Win.Test.EICAR*", Family::Eicar),
    (Scanner::Rspamd, "ABUSE_SURBL", Family::Surbl),
    (Scanner::Rspamd, "ARC_*", Family::Arc),
    (Scanner::Rspamd, "CRACKED_SURBL", Family::Surbl),
    (Scanner::Rspamd, "DBL_*", Family::Dbl),
    (Scanner::Rspamd, "DMARC_POLICY_*", Family::Dmarc),
    (Scanner::Rspamd, "GTUBE", Family::Gtube),
    (Scanner::Rspamd, "HFILTER_HOSTNAME_*", Family::Rdns),
    (Scanner::Rspamd, "HTTP_TO_IP", Family::LinkAddress),
    (Scanner::Rspamd, "MANY_INVISIBLE_PARTS", Family::HiddenText),
    (Scanner::Rspamd, "MIME_BAD_UNICODE", Family::NameDisguised),
    (Scanner::Rspamd, "MIME_DOUBLE_BAD_EXTENSION", Family::NameDisguised),
    (Scanner::Rspamd, "MIME_ENCRYPTED_ARCHIVE", Family::Encrypted),
    (Scanner::Rspamd, "MW_SURBL_MULTI", Family::Surbl),
    (Scanner::Rspamd, "OMOGRAPH_URL", Family::Homograph),
    (Scanner::Rspamd, "PHISHED_OPENPHISH", Family::Openphish),
    (Scanner::Rspamd, "PHISHED_PHISHTANK", Family::Phishtank),
    (Scanner::Rspamd, "PHISHING", Family::LinkText),
    (Scanner::Rspamd, "PH_SURBL_MULTI", Family::Surbl),
    (Scanner::Rspamd, "RDNS_*", Family::Rdns),
    (Scanner::Rspamd, "R_DKIM_*", Family::Dkim),
    (Scanner::Rspamd, "R_SPF_*", Family::Spf),
    (Scanner::Rspamd, "SPOOF_DISPLAY_NAME", Family::FromName),
    (Scanner::Rspamd, "URIBL_BLACK", Family::Uribl),
    (Scanner::Rspamd, "URIBL_DROP", Family::Zen),
    (Scanner::Rspamd, "URIBL_GREY", Family::Uribl),
    (Scanner::Rspamd, "URIBL_MULTI", Family::Uribl),
    (Scanner::Rspamd, "URIBL_PBL", Family::Zen),
    (Scanner::Rspamd, "URIBL_RED", Family::Uribl),
    (Scanner::Rspamd, "URIBL_SBL*", Family::Zen),
    (Scanner::Rspamd, "URIBL_XBL", Family::Zen),
    (Scanner::Rspamd, "ZERO_FONT", Family::HiddenText),
    (Scanner::Urls, "DNSBL_DBL", Family::Dbl),
    (Scanner::Urls, "DNSBL_SURBL", Family::Surbl),
    (Scanner::Urls, "DNSBL_URIBL", Family::Uribl),
    (Scanner::Urls, "DNSBL_ZEN", Family::Zen),
    (Scanner::Urls, "FEED_DROP", Family::Zen),
    (Scanner::Urls, "FEED_OPENPHISH*", Family::Openphish),
    (Scanner::Urls, "FEED_PHISHTANK*", Family::Phishtank),
    (Scanner::Urls, "FEED_SPAMHAUS*", Family::Zen),
    (Scanner::Urls, "HIDDEN_FONT", Family::HiddenText),
    (Scanner::Urls, "HIDDEN_TEXT", Family::HiddenText),
    (Scanner::Urls, "HTML_SMUGGLING", Family::Smuggling),
    (Scanner::Urls, "LINK_IDN_DISGUISED", Family::Homograph),
    (Scanner::Urls, "LINK_IDN_MIXED", Family::Homograph),
    (Scanner::Urls, "LINK_IP", Family::LinkAddress),
    (Scanner::Urls, "LINK_IP_DISGUISED", Family::LinkAddress),
    (Scanner::Urls, "LINK_TEXT_*", Family::LinkText),
    (Scanner::Urls, "LOOKALIKE_HOMOGRAPH", Family::Homograph),
    (Scanner::Urls, "SCRIPT_BUILDS_FILE", Family::Smuggling),
    (Scanner::Yara, "ARCHIVE_PASSWORD_GIVEN", Family::Encrypted),
    (Scanner::Yara, "EICAR_TEST_FILE", Family::Eicar),
    (Scanner::Yara, "GTUBE", Family::Gtube),
    (Scanner::Yara, "HTML_SMUGGLING", Family::Smuggling),
    (Scanner::Yara, "MACRO_AUTOEXEC", Family::Macros),
    (Scanner::Yara, "MACRO_DOCUMENT", Family::Macros),
    (Scanner::Yara, "NAME_DISGUISED", Family::NameDisguised),
];

impl Family {
    /// The family whose weightiest member speaks for this one as well: that SPF fails is a part of why DMARC does.
    pub(super) const fn within(self) -> Self {
        match self {
            Self::Spf => Self::Dmarc,
            other => other,
        }
    }

    /// The fact that a finding tells, if others tell it too. It depends on the finding alone.
    #[must_use]
    pub fn of(finding: &Finding) -> Option<Self> {
        Self::told(finding.scanner, &finding.symbol, finding.category, finding.severity)
    }

    /// Likewise, without a message.
    #[must_use]
    pub fn told(scanner: Scanner, symbol: &str, category: Category, severity: Severity) -> Option<Self> {
        // The last that is not behind the symbol: what it begins with stands directly before it.
        let behind = SAYINGS.partition_point(|(by, name, _)| (*by, stem(name)) <= (scanner, symbol));
        let near = behind.checked_sub(1).and_then(|at| SAYINGS.get(at));
        if let Some((by, name, family)) = near
            && *by == scanner
            && name.strip_suffix('*').map_or(*name == symbol, |stem| symbol.starts_with(stem))
        {
            return Some(*family);
        }
        match (category, severity) {
            (Category::Malware, Severity::High) => Some(Self::Malware),
            (Category::Malware, Severity::Info | Severity::Low | Severity::Medium)
                if scanner == Scanner::Yara =>
            {
                Some(Self::Malware)
            }
            _ => None,
        }
    }
}

fn stem(name: &str) -> &str {
    name.strip_suffix('*').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_table_is_sorted_and_no_name_is_hidden_by_another() {
        assert!(SAYINGS.is_sorted_by_key(|(scanner, name, _)| (*scanner, stem(name))));
        for (scanner, name, _) in SAYINGS {
            let begins_alike = SAYINGS.iter().filter(|(by, other, _)| {
                by == scanner
                    && other != name
                    && other.strip_suffix('*').is_some_and(|stem| name.starts_with(stem))
            });
            assert_eq!(begins_alike.count(), 0, "{name}");
        }
    }

    #[test]
    fn every_name_of_the_table_is_found_and_its_neighbours_are_not() {
        let told = |scanner, symbol: &str| Family::told(scanner, symbol, Category::Spam, Severity::Low);
        for (scanner, name, family) in SAYINGS {
            assert_eq!(told(*scanner, stem(name)), Some(*family), "{name}");
            let longer = format!("{}X", stem(name));
            assert_eq!(told(*scanner, &longer), name.ends_with('*').then_some(*family), "{longer}");
        }
        assert_eq!(told(Scanner::Rspamd, "DBL"), None);
        assert_eq!(told(Scanner::Rspamd, "SPF_FAIL"), None);
        assert_eq!(told(Scanner::Auth, ""), None);
        assert_eq!(told(Scanner::Yara, "ZZZ"), None);
    }

    #[test]
    fn malware_short_of_proof_is_one_family() {
        use Severity::{Critical, High, Medium};
        let of = |scanner, severity| Family::told(scanner, "X", Category::Malware, severity);
        assert_eq!(of(Scanner::Yara, High), Some(Family::Malware));
        assert_eq!(of(Scanner::Clamd, High), Some(Family::Malware));
        assert_eq!(of(Scanner::Yara, Medium), Some(Family::Malware));
        assert_eq!(of(Scanner::Urls, Medium), None);
        assert_eq!(of(Scanner::Yara, Critical), None);
    }

    #[test]
    fn the_table_in_the_documentation_is_that_of_the_code() {
        let mut made: BTreeMap<&str, (String, String)> = BTreeMap::new();
        for family in Family::ALL {
            let sayings = SAYINGS.iter().filter(|(.., of)| *of == family);
            let sayings: Vec<String> = sayings.map(|(by, name, _)| format!("{by} `{name}`")).collect();
            if !sayings.is_empty() {
                made.insert(family.name(), (family.fact().to_owned(), sayings.join(", ")));
            }
        }
        let (_, rest) =
            include_str!("../../docs/policy.md").split_once("\n## Families of findings\n").unwrap();
        let told: BTreeMap<&str, (String, String)> = rest
            .lines()
            .take_while(|line| !line.starts_with("## "))
            .filter_map(|line| {
                let mut cells =
                    line.strip_prefix("| `")?.split(" | ").map(|cell| cell.trim_end_matches(" |"));
                let mut cell = || cells.next().unwrap_or_default();
                Some((cell().trim_end_matches('`'), (cell().to_owned(), cell().to_owned())))
            })
            .collect();
        assert_eq!(told, made);
    }
}
