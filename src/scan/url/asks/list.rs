//! The block lists: how each is asked, and what its answers mean.
//!
//! After what the publishers say: Spamhaus' "Available Zones" and its note on return codes of 2019-09-30, SURBL's
//! "Lists", URIBL's "Usage" and "Refused". An answer is one or more addresses in 127.0.0.0/8. Spamhaus gives each
//! meaning an address of its own; SURBL and URIBL add up bits in the last octet.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::dns::backwards;
use crate::link::registrable;
use crate::model::SecretText;

/// A longer host does not fit into a question together with the zone and a key (RFC 1035 §2.3.4).
const MAX_HOST: usize = 180;

/// A DNS block list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum List {
    /// Spamhaus' Domain Blocklist.
    Dbl,
    /// Spamhaus' SBL, DROP, BCL and XBL. CSS and PBL, in ZEN as well, say who should not send mail, which is
    /// little or nothing against a web server.
    Zen,
    /// SURBL's multi.
    Surbl,
    /// URIBL's multi.
    Uribl,
}

/// What something is listed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// In spam.
    Spam,
    /// Phishing.
    Phishing,
    /// Malware.
    Malware,
    /// The command of a botnet.
    Botnet,
    /// A network taken over or run by criminals (DROP).
    Hijacked,
    /// An infected or broken machine (XBL), or a cracked site that is abused.
    Cracked,
    /// An honest host that is abused for spam.
    Abused,
    /// Unasked bulk mail of honest companies (URIBL's grey), a listing by machine alone (its red, CSS), or for
    /// something bad that is not known here.
    Doubtful,
}

impl What {
    /// The name in records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Phishing => "phishing",
            Self::Malware => "malware",
            Self::Botnet => "botnet",
            Self::Hijacked => "hijacked",
            Self::Cracked => "cracked",
            Self::Abused => "abused",
            Self::Doubtful => "doubtful",
        }
    }
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Listed for these; nothing, if for what says nothing against a link.
    Listed(Vec<(What, Ipv4Addr)>),
    /// We may not ask, or not like this.
    Forbidden(Ipv4Addr),
    /// No list answers so.
    Nonsense(Ipv4Addr),
}

impl List {
    /// All that are known.
    pub const ALL: [Self; 4] = [Self::Dbl, Self::Zen, Self::Surbl, Self::Uribl];

    /// The name in configuration, records and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dbl => "dbl",
            Self::Zen => "zen",
            Self::Surbl => "surbl",
            Self::Uribl => "uribl",
        }
    }

    /// The zone that is asked, with a final dot.
    pub(super) fn zone(self, spamhaus_key: Option<&SecretText>) -> String {
        match (self, spamhaus_key) {
            (Self::Dbl, None) => "dbl.spamhaus.org.".to_owned(),
            (Self::Dbl, Some(key)) => format!("{}.dbl.dq.spamhaus.net.", key.expose()),
            (Self::Zen, None) => "zen.spamhaus.org.".to_owned(),
            (Self::Zen, Some(key)) => format!("{}.zen.dq.spamhaus.net.", key.expose()),
            (Self::Surbl, _) => "multi.surbl.org.".to_owned(),
            (Self::Uribl, _) => "multi.uribl.com.".to_owned(),
        }
    }

    /// The name that the list always has (RFC 5782 §5, and its own documents), with a final dot.
    #[must_use]
    pub fn test_point(self, spamhaus_key: Option<&SecretText>) -> String {
        let always = match self {
            Self::Dbl => "dbltest.com.",
            Self::Zen | Self::Surbl | Self::Uribl => "2.0.0.127.",
        };
        format!("{always}{}", self.zone(spamhaus_key))
    }

    /// The code among `answers` that says that we may not ask.
    #[must_use]
    pub fn refusal(self, answers: &[Ipv4Addr]) -> Option<Ipv4Addr> {
        answers.iter().copied().find(|code| self.forbids(*code))
    }

    /// What of `host` is asked for: DBL knows names below a listed one, unless they are too long to ask for, the
    /// others what somebody registered.
    pub(super) fn of_host(self, host: &str) -> Option<&str> {
        match self {
            Self::Dbl => registrable(host).map(|own| if host.len() > MAX_HOST { own } else { host }),
            Self::Surbl | Self::Uribl => registrable(host),
            Self::Zen => None,
        }
    }

    /// What is asked for `ip`, with a final dot. DBL must not be asked for addresses.
    pub(super) fn of_ip(self, ip: IpAddr) -> Option<String> {
        match self {
            Self::Dbl => None,
            Self::Zen => Some(backwards(ip)),
            Self::Surbl | Self::Uribl => ip.to_canonical().is_ipv4().then(|| backwards(ip)),
        }
    }

    /// What must never be listed (RFC 5782 §5).
    pub(super) const fn never_listed(self) -> &'static str {
        match self {
            Self::Zen => "1.0.0.127.",
            Self::Dbl | Self::Surbl | Self::Uribl => "invalid.",
        }
    }

    /// What `answers` mean, at least one. That we may not ask outweighs all else.
    pub(super) fn read(self, answers: &[Ipv4Addr]) -> Reading {
        if let Some(code) = answers.iter().find(|code| self.forbids(**code)) {
            return Reading::Forbidden(*code);
        }
        let mut listed = Vec::new();
        for code in answers {
            let Some(meanings) = self.meanings(*code) else { return Reading::Nonsense(*code) };
            listed.extend(meanings.iter().map(|what| (*what, *code)));
        }
        listed.sort();
        listed.dedup();
        Reading::Listed(listed)
    }

    /// What `code` lists for; `None` where it is no listing.
    pub(in crate::scan::url) fn listed(self, code: Ipv4Addr) -> Option<Vec<(What, Ipv4Addr)>> {
        match self.read(&[code]) {
            Reading::Listed(listed) => Some(listed),
            Reading::Forbidden(_) | Reading::Nonsense(_) => None,
        }
    }

    const fn forbids(self, code: Ipv4Addr) -> bool {
        match (self, code.octets()) {
            // 252 a zone that is none, 254 by way of a public resolver, 255 too many questions; others are errors.
            (_, [127, 255, 255, _]) => true,
            (Self::Dbl, [127, 0, 1, 255]) => true,
            // The lowest bit lists nothing.
            (Self::Surbl | Self::Uribl, [127, 0, 0, bits]) => bits & 1 != 0,
            _ => false,
        }
    }

    /// `None` for what is no code of the list; nothing for what does not count against a link.
    const fn meanings(self, code: Ipv4Addr) -> Option<&'static [What]> {
        use What::{Abused, Botnet, Cracked, Doubtful, Hijacked, Malware, Phishing, Spam};
        Some(match (self, code.octets()) {
            (Self::Dbl, [127, 0, 1, code]) => match code {
                2 => &[Spam],
                4 => &[Phishing],
                5 => &[Malware],
                6 => &[Botnet],
                102 => &[Abused],
                // A shortener that is abused by others.
                103 => &[],
                104 => &[Cracked, Phishing],
                105 => &[Cracked, Malware],
                106 => &[Cracked, Botnet],
                // What may come: below 100 what is bad by itself, above it what is abused.
                3 | 7..=99 => &[Doubtful],
                100..=199 => &[],
                _ => return None,
            },
            (Self::Zen, [127, 0, 0, code]) => match code {
                2 => &[Spam],
                // Who sends bulk mail, by machine alone; the address may be shared or another's by now.
                3 => &[Doubtful],
                4..=7 => &[Cracked],
                9 => &[Hijacked],
                10 | 11 => &[],
                30 => &[Botnet],
                _ => return None,
            },
            (Self::Surbl, [127, 0, 0, bits]) => match bits & (8 | 16 | 64 | 128) {
                // Disposable mail domains and click trackers.
                0 if bits != 0 => &[],
                8 => &[Phishing],
                16 => &[Malware],
                24 => &[Phishing, Malware],
                64 => &[Spam],
                72 => &[Spam, Phishing],
                80 => &[Spam, Malware],
                88 => &[Spam, Phishing, Malware],
                128 => &[Cracked],
                136 => &[Cracked, Phishing],
                144 => &[Cracked, Malware],
                152 => &[Cracked, Phishing, Malware],
                192 => &[Spam, Cracked],
                200 => &[Spam, Cracked, Phishing],
                208 => &[Spam, Cracked, Malware],
                216 => &[Spam, Cracked, Phishing, Malware],
                _ => return None,
            },
            (Self::Uribl, [127, 0, 0, bits]) => match bits & (2 | 4 | 8) {
                2 => &[Spam],
                4 | 8 | 12 => &[Doubtful],
                6 | 10 | 14 => &[Spam, Doubtful],
                _ => return None,
            },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::What::{Abused, Botnet, Cracked, Doubtful, Hijacked, Malware, Phishing, Spam};
    use super::*;

    fn read(list: List, answers: &[[u8; 4]]) -> Reading {
        list.read(&answers.iter().map(|octets| Ipv4Addr::from(*octets)).collect::<Vec<_>>())
    }

    #[test]
    fn every_code_means_what_its_publisher_says() {
        for (list, code, whats) in [
            (List::Dbl, [127, 0, 1, 2], vec![Spam]),
            (List::Dbl, [127, 0, 1, 4], vec![Phishing]),
            (List::Dbl, [127, 0, 1, 5], vec![Malware]),
            (List::Dbl, [127, 0, 1, 6], vec![Botnet]),
            (List::Dbl, [127, 0, 1, 102], vec![Abused]),
            (List::Dbl, [127, 0, 1, 103], vec![]),
            (List::Dbl, [127, 0, 1, 104], vec![Phishing, Cracked]),
            (List::Dbl, [127, 0, 1, 105], vec![Malware, Cracked]),
            (List::Dbl, [127, 0, 1, 106], vec![Botnet, Cracked]),
            (List::Dbl, [127, 0, 1, 77], vec![Doubtful]),
            (List::Dbl, [127, 0, 1, 177], vec![]),
            (List::Zen, [127, 0, 0, 2], vec![Spam]),
            (List::Zen, [127, 0, 0, 3], vec![Doubtful]),
            (List::Zen, [127, 0, 0, 4], vec![Cracked]),
            (List::Zen, [127, 0, 0, 9], vec![Hijacked]),
            (List::Zen, [127, 0, 0, 10], vec![]),
            (List::Zen, [127, 0, 0, 11], vec![]),
            (List::Zen, [127, 0, 0, 30], vec![Botnet]),
            (List::Surbl, [127, 0, 0, 8], vec![Phishing]),
            (List::Surbl, [127, 0, 0, 80], vec![Spam, Malware]),
            (List::Surbl, [127, 0, 0, 128], vec![Cracked]),
            (List::Surbl, [127, 0, 0, 4], vec![]),
            (List::Uribl, [127, 0, 0, 2], vec![Spam]),
            (List::Uribl, [127, 0, 0, 4], vec![Doubtful]),
            (List::Uribl, [127, 0, 0, 8], vec![Doubtful]),
            (List::Uribl, [127, 0, 0, 14], vec![Spam, Doubtful]),
        ] {
            let expected = whats.into_iter().map(|what| (what, code.into())).collect();
            assert_eq!(read(list, &[code]), Reading::Listed(expected), "{list:?} {code:?}");
        }
        let both = Reading::Listed(vec![(Spam, [127, 0, 0, 2].into()), (Hijacked, [127, 0, 0, 9].into())]);
        assert_eq!(read(List::Zen, &[[127, 0, 0, 9], [127, 0, 0, 2]]), both);
    }

    #[test]
    fn the_codes_that_say_we_may_not_ask_are_no_listing() {
        for (list, code) in [
            (List::Dbl, [127, 255, 255, 252]),
            (List::Dbl, [127, 255, 255, 254]),
            (List::Dbl, [127, 255, 255, 255]),
            (List::Dbl, [127, 0, 1, 255]),
            (List::Zen, [127, 255, 255, 254]),
            (List::Surbl, [127, 0, 0, 1]),
            (List::Uribl, [127, 0, 0, 1]),
            (List::Uribl, [127, 0, 0, 255]),
        ] {
            assert_eq!(read(list, &[code]), Reading::Forbidden(code.into()), "{list:?}");
        }
        let mixed = read(List::Dbl, &[[127, 0, 1, 2], [127, 255, 255, 254]]);
        assert_eq!(mixed, Reading::Forbidden([127, 255, 255, 254].into()));
    }

    #[test]
    fn what_is_no_code_of_the_list_is_no_listing() {
        for (list, code) in [
            (List::Dbl, [127, 0, 0, 2]),
            (List::Dbl, [127, 0, 1, 1]),
            (List::Dbl, [127, 0, 1, 200]),
            (List::Zen, [127, 0, 1, 2]),
            (List::Zen, [127, 0, 0, 1]),
            (List::Surbl, [127, 0, 0, 0]),
            (List::Uribl, [127, 0, 0, 16]),
            (List::Uribl, [198, 51, 100, 7]),
        ] {
            assert_eq!(read(list, &[code]), Reading::Nonsense(code.into()), "{list:?}");
        }
        // A resolver that sends what does not exist to its own page.
        let code = Ipv4Addr::new(198, 51, 100, 7);
        assert!(List::ALL.iter().all(|list| list.read(&[code]) == Reading::Nonsense(code)));
    }

    #[test]
    fn each_list_is_asked_in_its_own_way() {
        let host = "www.shop.example.co.uk";
        let of_host = |list: List| list.of_host(host);
        assert_eq!(List::ALL.map(of_host), [Some(host), None, Some("example.co.uk"), Some("example.co.uk")]);
        assert!(List::ALL.iter().all(|list| list.of_host("co.uk").is_none()));
        let long = format!("{}example.co.uk", "a.".repeat(100));
        assert_eq!(List::Dbl.of_host(&long), Some("example.co.uk"));
        let v4 = List::ALL.map(|list| list.of_ip([192, 0, 2, 1].into()));
        let asked = Some("1.2.0.192.".to_owned());
        assert_eq!(v4, [None, asked.clone(), asked.clone(), asked]);
        let v6 = List::Zen.of_ip("2001:db8::1".parse().unwrap()).unwrap();
        assert_eq!(v6, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.");
        let key = SecretText::new("abc");
        assert_eq!(List::Dbl.zone(Some(&key)), "abc.dbl.dq.spamhaus.net.");
        assert_eq!(List::Zen.zone(Some(&key)), "abc.zen.dq.spamhaus.net.");
        assert_eq!(List::Surbl.zone(Some(&key)), List::Surbl.zone(None));
    }

    proptest! {
        #[test]
        fn whatever_comes_only_a_code_of_the_list_is_a_listing(octets in any::<[u8; 4]>(), n in 0_usize..4) {
            let (list, code) = (List::ALL[n], Ipv4Addr::from(octets));
            if let Reading::Listed(listed) = list.read(&[code]) {
                prop_assert!(octets[..3] == [127, 0, u8::from(list == List::Dbl)]);
                prop_assert!(octets[3] != 255 && octets[3] != 1 && octets[3] != 0);
                prop_assert!(listed.iter().all(|(_, of)| *of == code));
            }
        }
    }
}
