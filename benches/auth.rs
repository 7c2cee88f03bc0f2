//! What it costs to verify who sent a message: SPF, DKIM, DMARC and iprev of 3.5 kB with one rsa-2048 signature, all
//! answers of the DNS in the cache. By itself, and as a part of the whole way through Postfix.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mail_auth::common::crypto::{RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::{Canonicalization, DkimSigner, Done};
use mailward::dns::{self, Resolver};
use mailward::mail::header;
use mailward::model::{
    Client, ClientAddr, Direction, Envelope, MailId, Outcome, OwnId, Parts, Recipient, ReversePath, Session,
};
use mailward::scan::auth::{Auth, Settings};
use mailward::scan::{Scan as _, ScanInput};
use mailward::telemetry::{Clock, Metrics};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::mails::{Kind, Template};
use super::mta::{Daemon, Dns, guard};
use super::process::thread_time;
use super::table::Spread;

/// What all methods together may take of a processor, in milliseconds.
const ALLOWED: f64 = 0.15;
/// Messages of one round.
const MESSAGES: u32 = 2_000;

/// A DNS that knows the sender, and a mail that he signed.
pub(crate) struct Sender {
    dns: Dns,
    pub(crate) mail: Template,
}

impl Sender {
    /// Makes a key, its zone and a signed mail.
    ///
    /// # Errors
    /// If there is no openssl(1) to make the key.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let key = Key::new()?;
        let zone = format!(
            "remote.example TXT v=spf1 mx ip4:192.0.2.0/24 ip4:127.0.0.1 -all\n\
             remote.example MX 10 mail.remote.example\n\
             mail.remote.example A 127.0.0.1\n\
             1.0.0.127.in-addr.arpa PTR mail.remote.example\n\
             _dmarc.remote.example TXT v=DMARC1; p=reject; rua=mailto:dmarc@remote.example\n\
             {}",
            key.record
        );
        let plain = Template::new(Kind::Text);
        let field = key.field(&plain.message("any"))?;
        Ok(Self { dns: Dns::serving(&zone)?, mail: plain.below(&field) })
    }

    /// A daemon that asks this DNS.
    ///
    /// # Errors
    /// If it does not start.
    pub(crate) fn daemon(&self) -> anyhow::Result<Daemon> {
        Daemon::start(&self.dns.section())
    }
}

/// Signs for remote.example with rsa-2048.
pub(crate) struct Key {
    signer: DkimSigner<RsaKey<Sha256>, Done>,
    /// The public key as a line of a zone.
    pub(crate) record: String,
}

impl Key {
    /// Makes one.
    ///
    /// # Errors
    /// If there is no openssl(1) to make it.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let dir = guard::Dir::new("key")?;
        let file = dir.path().join("rsa.pem");
        let mut make = std::process::Command::new("openssl");
        make.args(["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"]);
        guard::run(make.arg(&file))?;
        let der = PrivateKeyDer::from_pem_file(&file).map_err(|error| anyhow::anyhow!("{error}"))?;
        let key = RsaKey::<Sha256>::from_key_der(der).map_err(|error| anyhow::anyhow!("{error}"))?;
        // A SubjectPublicKeyInfo, as every zone has it; the bare key that RFC 6376 also allows is unknown to others.
        let pem =
            guard::run(std::process::Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&file))?;
        let public: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let record = format!("s1._domainkey.remote.example TXT v=DKIM1; k=rsa; p={public}\n");
        let signer = DkimSigner::from_key(key)
            .domain("remote.example")
            .selector("s1")
            .headers(["From", "To", "Subject", "Date", "MIME-Version", "Content-Type"])
            .header_canonicalization(Canonicalization::Relaxed)
            .body_canonicalization(Canonicalization::Relaxed);
        Ok(Self { signer, record })
    }

    /// The field that signs a message, with its line end.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub(crate) fn field(&self, message: &[u8]) -> anyhow::Result<String> {
        let signature = self.signer.sign(message).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(signature.to_header())
    }
}

/// The scanner by itself, in this thread.
///
/// # Errors
/// If a message is not verified as it should be.
pub(crate) fn report(sender: &Sender, rounds: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let settings = dns::Settings {
        servers: vec![sender.dns.address()],
        timeout: Duration::from_secs(2),
        attempts: 2,
        cache: 10_000,
    };
    let resolver = runtime.block_on(async { Arc::new(Resolver::new(&settings, Arc::new(Metrics::new()))) });
    let settings = Settings {
        signatures: 10,
        questions: 100,
        trusted_relays: Vec::new(),
        trusted_sealers: Vec::new(),
        trusted_ids: Vec::new(),
        own_id: OwnId { set: None, verifies: true },
    };
    let auth = Auth::new(settings, resolver, Clock::system());
    let input = Arc::new(input(&sender.mail));
    let look = || {
        let deadline = Instant::now() + Duration::from_secs(10);
        runtime.block_on(auth.scan(Arc::clone(&input), deadline))
    };
    let first = look();
    let seen = first.authentication.context("nothing was verified")?;
    let told =
        seen.summary().map(|(method, result)| format!("{method}={}", result.unwrap_or_default())).join(" ");
    anyhow::ensure!(
        first.outcome == Outcome::Clean && told == "spf=pass dkim=pass dmarc=pass arc=none",
        "it should pass, and came to {:?}: {told}",
        first.outcome
    );
    let mut each = Vec::new();
    for round in 0..=rounds {
        let before = thread_time()?;
        for _ in 0..MESSAGES {
            look();
        }
        let took = thread_time()?.saturating_sub(before).as_secs_f64() * 1e3 / f64::from(MESSAGES);
        if round > 0 {
            each.push(took);
        }
    }
    println!(
        "SPF, DKIM (rsa-2048), DMARC and iprev of {} bytes, DNS answers in the cache: {:.3} ms CPU a message, at \
         most {ALLOWED} wanted.",
        sender.mail.len(),
        Spread::of(each.into_iter())
    );
    Ok(())
}

/// What the scanner is given of a mail that the sender's own host brings.
pub(crate) fn input(mail: &Template) -> ScanInput {
    let addr = ClientAddr::Ip([127, 0, 0, 1].into());
    let session = Session {
        client: Client { name: "mail.remote.example".to_owned(), addr },
        helo: Some("mail.remote.example".to_owned()),
        ..Session::default()
    };
    let envelope = Envelope {
        reverse_path: ReversePath(Recipient::new("<bench@remote.example>")),
        recipients: vec![Recipient::new("<alice@example.org>")],
        ..Envelope::default()
    };
    ScanInput {
        id: MailId::from_parts(0, 0),
        session: Arc::new(session),
        envelope,
        direction: Direction::Inbound,
        message: header::parse(mail.message("any")),
        parts: Parts { list: Vec::new(), not_inspected: Vec::new() },
        attachments: Vec::new(),
        share: None,
    }
}
