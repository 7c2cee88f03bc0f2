//! A message before the whole scanner, and those who sign and seal it: written apart from what verifies.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use data_encoding::BASE64;
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::super::{Auth, Settings};
use crate::dns::{Resolver, Zone};
use crate::mail::header;
use crate::model::{
    Authentication, Client, ClientAddr, Direction, Envelope, MailId, Message, OwnId, Parts, Recipient,
    ReversePath, Session, Timestamp,
};
use crate::scan::{Report, Scan, ScanInput};
use crate::telemetry::{Clock, Metrics};

/// Now, in the tests: seconds since 1970.
pub(super) const NOW: u64 = 1_800_000_000;

/// Who sends, and what the DNS says.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) zone: String,
    /// Empty: not known.
    pub(super) ip: &'static str,
    pub(super) helo: &'static str,
    pub(super) mail_from: String,
    pub(super) settings: Settings,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            zone: String::new(),
            ip: "192.0.2.66",
            helo: "mail.evil.example",
            mail_from: "<a@evil.example>".to_owned(),
            settings: Settings {
                signatures: 10,
                questions: 100,
                trusted_relays: Vec::new(),
                trusted_sealers: Vec::new(),
                trusted_ids: Vec::new(),
                own_id: OwnId { set: None, verifies: true },
            },
        }
    }
}

impl Scene {
    /// What the scanner says of a message in the bytes of a file.
    pub(super) async fn report(&self, raw: impl Into<Bytes>) -> Report {
        self.report_of(header::parse(raw)).await
    }

    /// What the scanner says of a message.
    pub(super) async fn report_of(&self, message: Message) -> Report {
        let zone = Zone::parse(&self.zone).unwrap();
        let resolver = Resolver::of_zone(zone, Arc::new(Metrics::new()));
        let clock = Clock::held(Timestamp::from_millis(NOW * 1000));
        let auth = Auth::new(self.settings.clone(), Arc::new(resolver), clock);
        let addr = match self.ip {
            "" => ClientAddr::Unknown,
            ip => ClientAddr::Ip(ip.parse().unwrap()),
        };
        let client = Client { name: "unknown".into(), addr };
        let input = ScanInput {
            id: MailId::from_parts(0, 0),
            session: Arc::new(Session { client, helo: Some(self.helo.into()), ..Session::default() }),
            direction: Direction::Inbound,
            envelope: Envelope {
                reverse_path: ReversePath(Recipient::new(self.mail_from.as_bytes())),
                ..Envelope::default()
            },
            message,
            parts: Parts::default(),
            attachments: Vec::new(),
            share: None,
        };
        auth.scan(Arc::new(input), Instant::now() + Duration::from_secs(60)).await
    }

    /// What was verified of a message in the bytes of a file.
    pub(super) async fn seen(&self, raw: impl Into<Bytes>) -> Authentication {
        Authentication::clone(&*self.report(raw).await.authentication.unwrap())
    }
}

/// One who signs and seals with an Ed25519 key of his own.
pub(super) struct Signer {
    domain: String,
    pair: Ed25519KeyPair,
}

/// One ARC set as its maker wants it. The default is a proper one.
#[derive(Clone, Debug)]
pub(super) struct Set<'a> {
    pub(super) instance: &'a str,
    pub(super) status: &'a str,
    pub(super) results: &'a str,
    pub(super) algorithm: &'a str,
    pub(super) names: &'a str,
    pub(super) forms: &'a str,
    /// More tags of the message signature, and of the seal.
    pub(super) more: [&'a str; 2],
}

impl Default for Set<'_> {
    fn default() -> Self {
        Self {
            instance: "1",
            status: "none",
            results: "mx.example; dmarc=pass header.from=bank.example",
            algorithm: "ed25519-sha256",
            names: "from:to:subject",
            forms: "relaxed/relaxed",
            more: ["", ""],
        }
    }
}

impl Signer {
    pub(super) fn new(domain: &str) -> Self {
        let seed = digest(&SHA256, domain.as_bytes());
        Self { domain: domain.to_owned(), pair: Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).unwrap() }
    }

    /// The line of a zone file with the key.
    pub(super) fn record(&self) -> String {
        let key = BASE64.encode(self.pair.public_key().as_ref());
        format!("sel._domainkey.{} TXT v=DKIM1; k=ed25519; p={key}\n", self.domain)
    }

    fn sign(&self, input: &str) -> String {
        BASE64.encode(self.pair.sign(digest(&SHA256, input.as_bytes()).as_ref()).as_ref())
    }

    /// The message with a DKIM signature on top; `domain` and `selector` as they should be written.
    pub(super) fn dkim_as(&self, raw: &str, names: &str, domain: &str, selector: &str) -> String {
        let hash = body_hash(raw);
        let value = format!(
            " v=1; a=ed25519-sha256; c=relaxed/relaxed; d={domain}; s={selector}; h={names}; bh={hash}; b="
        );
        let input = covered(raw, names) + &relaxed("DKIM-Signature", &value);
        format!("DKIM-Signature:{value}{}\r\n{raw}", self.sign(&input))
    }

    /// The message with a DKIM signature on top.
    pub(super) fn dkim(&self, raw: &str) -> String {
        self.dkim_as(raw, "from:to:subject", &self.domain, "sel")
    }

    /// The message with an ARC set on top.
    pub(super) fn seal(&self, raw: &str, set: &Set<'_>) -> String {
        let Set { instance, status, results, algorithm, names, forms, more: [more, more_seal] } = set;
        let domain = &self.domain;
        let results = format!("ARC-Authentication-Results: i={instance}; {results}\r\n");
        let raw = results + raw;
        let hash = body_hash(&raw);
        let value = format!(
            " i={instance}; a={algorithm}; c={forms}; d={domain}; s=sel; {more}h={names}; bh={hash}; b="
        );
        let own = format!("ARC-Message-Signature:{value}");
        let input = match forms.starts_with("relaxed") {
            true => covered(&raw, names) + &relaxed("ARC-Message-Signature", &value),
            false => {
                let all = fields(&raw);
                let whole = |name: &str| all.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
                let lines = names.split(':').filter_map(whole).map(|(n, v)| format!("{n}:{v}\r\n"));
                lines.collect::<String>() + &own
            }
        };
        let raw = format!("{own}{}\r\n{raw}", self.sign(&input));
        let value = format!(" i={instance}; a={algorithm}; cv={status}; d={domain}; s=sel; {more_seal}b=");
        let all = fields(&raw);
        let mut input = String::new();
        for n in 1..=instance.parse::<usize>().unwrap_or(1).min(60) {
            let prefix = format!(" i={n};");
            for name in ["ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"] {
                let is_it = |(n, v): &&(String, String)| n == name && v.starts_with(&prefix);
                if let Some((name, value)) = all.iter().find(is_it) {
                    input += &relaxed(name, value);
                    input += "\r\n";
                }
            }
        }
        input += &relaxed("ARC-Seal", &value);
        format!("ARC-Seal:{value}{}\r\n{raw}", self.sign(&input))
    }
}

/// Name and value of each field, folds kept.
fn fields(raw: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in raw.split("\r\n").take_while(|line| !line.is_empty()) {
        match fields.last_mut() {
            Some((_, value)) if line.starts_with([' ', '\t']) => value.push_str(&format!("\r\n{line}")),
            _ => {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                fields.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    fields
}

fn relaxed(name: &str, value: &str) -> String {
    let words: Vec<&str> = value.split([' ', '\t', '\r', '\n']).filter(|w| !w.is_empty()).collect();
    format!("{}:{}", name.trim().to_lowercase(), words.join(" "))
}

/// The relaxed form of the fields that are named, each with its line end; the lowest of a name first.
fn covered(raw: &str, names: &str) -> String {
    let mut left = fields(raw);
    let mut out = String::new();
    for name in names.split(':') {
        let name = name.trim();
        if let Some(at) = left.iter().rposition(|(n, _)| n.trim().eq_ignore_ascii_case(name)) {
            let (name, value) = left.remove(at);
            out += &relaxed(&name, &value);
            out += "\r\n";
        }
    }
    out
}

/// Of a body that no canonical form changes.
fn body_hash(raw: &str) -> String {
    let (_, body) = raw.split_once("\r\n\r\n").unwrap();
    BASE64.encode(digest(&SHA256, body.as_bytes()).as_ref())
}
