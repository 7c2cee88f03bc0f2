//! The judgement: what ships, and nothing set: bundled rules, built-in policy, no neighbours, no feeds, no net.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use data_encoding::BASE64;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::{Canonicalization, DkimSigner};
use mailward::config::Config;
use mailward::dns::Zone;
use mailward::mail::header;
use mailward::model::{Disposition, Severity};
use mailward::pipeline::{Engine, Trial};
use mailward::telemetry::{Clock, Metrics};

use super::mail::{Mail, Proof};

/// A key that is used for nothing else.
const SEED: &[u8] = b"nothing but tests is signed so..";

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub disposition: Disposition,
    pub rule: String,
    pub reason: String,
    /// The findings that are more than a fact on record, and where a limit was reached, by symbol.
    pub findings: BTreeSet<String>,
}

/// An engine and the DNS that it asks.
pub struct Judge {
    engine: Engine,
    runtime: tokio::runtime::Runtime,
}

impl Judge {
    /// By what ships. `zone` is all that the DNS knows.
    pub fn shipped(zone: &str) -> Self {
        let config = Config::default();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let entered = runtime.enter();
        let (known, _) = mailward::daemon::offline_feeds(&config);
        let zone = Zone::parse(zone).unwrap();
        let engine =
            mailward::daemon::offline_engine(&config, &Arc::new(Metrics::new()), Some(zone), known).unwrap();
        drop(entered);
        Self { engine, runtime }
    }

    pub fn judge(&self, raw: &[u8], ip: &str, helo: &str, from: &str) -> Judged {
        let trial = Trial {
            ip: Some(ip.parse::<IpAddr>().unwrap()),
            helo: Some(helo.to_owned()),
            from: from.to_owned(),
            rcpt: vec!["alice@recipient.example".to_owned()],
        };
        let clock = Clock::system();
        let message = header::parse(raw.to_vec());
        let look = trial.judge(&self.engine, clock.mail_id().unwrap(), clock.now(), message, None, None);
        let record = self.runtime.block_on(look);
        let verdict = &record.verdicts[0].verdict;
        let kept = record.findings.iter().filter(|f| f.severity >= Severity::Low);
        Judged {
            disposition: verdict.disposition,
            rule: verdict.rule.clone(),
            reason: verdict.reason.clone(),
            findings: kept.map(|f| f.symbol.clone()).collect(),
        }
    }

    /// As it was sent.
    pub fn sent(&self, mail: &Mail) -> Judged {
        let ip = if mail.proof == Proof::Forwarded { "198.51.100.7" } else { "192.0.2.9" };
        match mail.proof {
            Proof::Own | Proof::Service | Proof::Forwarded => {
                self.judge(&signed(mail), ip, "out.mail-service.example", &mail.from)
            }
            Proof::List | Proof::Nothing => self.judge(&mail.raw, ip, "out.mail-service.example", &mail.from),
        }
    }

    /// As an attacker sends it: from a server of his own that passes SPF.
    pub fn as_mallory(&self, raw: &[u8]) -> Judged {
        self.judge(raw, "198.51.100.99", "mail.attacker.example", "mallory@attacker.example")
    }

    /// As `domain` sends it, which has SPF.
    pub fn as_domain(&self, raw: &[u8], domain: &str) -> Judged {
        self.judge(raw, "192.0.2.9", "out.mail-service.example", &format!("x@{domain}"))
    }

    /// As if nobody published or signed anything.
    pub fn unproven(&self, mail: &Mail) -> Judged {
        self.judge(&mail.raw, "192.0.2.9", "out.mail-service.example", &mail.from)
    }
}

/// What the DNS knows of who sends these, and of hosts that prove who they are: each of `domains` sends from our
/// usual address, the attacker from his own.
pub fn zone(mails: &[Mail], domains: &[String]) -> String {
    let mut lines = BTreeSet::from(
        [
            "9.2.0.192.in-addr.arpa PTR out.mail-service.example",
            "out.mail-service.example A 192.0.2.9",
            "out.mail-service.example TXT v=spf1 ip4:192.0.2.9 -all",
            "7.100.51.198.in-addr.arpa PTR relay.forwarder.example",
            "relay.forwarder.example A 198.51.100.7",
            "99.100.51.198.in-addr.arpa PTR mail.attacker.example",
            "mail.attacker.example A 198.51.100.99",
            "attacker.example TXT v=spf1 ip4:198.51.100.99 -all",
        ]
        .map(str::to_owned),
    );
    lines.extend(domains.iter().map(|domain| format!("{domain} TXT v=spf1 ip4:192.0.2.9 -all")));
    for (domain, asks) in
        [("dmarc1", "none"), ("dmarc2", "quarantine"), ("dmarc3", "reject"), ("dmarc4", "reject")]
    {
        lines.insert(format!("_dmarc.{domain}.spamassassin.org TXT v=DMARC1; p={asks}"));
    }
    for mail in mails.iter().filter(|mail| mail.proof != Proof::Nothing) {
        let envelope = mail.from.rsplit('@').next().filter(|domain| !domain.is_empty());
        for domain in envelope.into_iter().chain([mail.author.as_str()]) {
            lines.insert(format!("{domain} TXT v=spf1 ip4:192.0.2.9 -all"));
        }
        let asks = if mail.proof == Proof::List { "none" } else { "reject" };
        lines.insert(format!("_dmarc.{} TXT v=DMARC1; p={asks}", mail.author));
        let public = BASE64.encode(&public());
        lines.insert(format!("s1._domainkey.{} TXT v=DKIM1; k=ed25519; p={public}", mail.author));
    }
    lines.into_iter().fold(String::new(), |zone, line| zone + &line + "\n")
}

fn key() -> Ed25519Key {
    Ed25519Key::from_seed_and_public_key(SEED, &public()).unwrap()
}

/// The public half of [`SEED`].
fn public() -> Vec<u8> {
    use ring::signature::KeyPair as _;
    let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(SEED).unwrap();
    pair.public_key().as_ref().to_vec()
}

fn signed(mail: &Mail) -> Vec<u8> {
    let signer = DkimSigner::from_key(key())
        .domain(mail.author.as_str())
        .selector("s1")
        .headers(["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"])
        .header_canonicalization(Canonicalization::Relaxed)
        .body_canonicalization(Canonicalization::Relaxed);
    let mut out = signer.sign(&mail.raw).unwrap().to_header().into_bytes();
    out.extend(&mail.raw);
    out
}
