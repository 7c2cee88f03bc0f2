//! What hashing a large body costs beside a plain SHA-256 of it: a message with one DKIM signature, verified as
//! every message is, in either form of RFC 6376 §3.4.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use data_encoding::BASE64;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::{Canonicalization, DkimSigner};
use mailward::dns::{Resolver, Zone};
use mailward::model::{AuthResult, OwnId};
use mailward::scan::auth::{Auth, Settings};
use mailward::scan::{Scan as _, ScanInput};
use mailward::telemetry::{Clock, Metrics};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use ring::digest::{SHA256, digest};

use super::auth;
use super::mails::Template;
use super::table::Spread;

/// Bytes of a body.
const BODY: usize = 25_000_000;
/// The key of RFC 8463 appendix A.2: nobody's secret, and checking its signature costs next to nothing.
const SEED: &[u8] = b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
const PUBLIC: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// Each form, and how many times the plain hash it may take.
const FORMS: [(&str, Canonicalization, f64); 2] =
    [("simple", Canonicalization::Simple, 1.3), ("relaxed", Canonicalization::Relaxed, 2.5)];

/// Each body in each form, beside the plain hash of the same round.
///
/// # Errors
/// If a message is not verified as it should be.
pub(crate) fn report(rounds: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let zone = format!(
        "remote.example TXT v=spf1 -all\n\
         s1._domainkey.remote.example TXT v=DKIM1; k=ed25519; p={PUBLIC}\n"
    );
    let resolver = Resolver::of_zone(Zone::parse(&zone)?, Arc::new(Metrics::new()));
    let settings = Settings {
        signatures: 10,
        questions: 100,
        trusted_relays: Vec::new(),
        trusted_sealers: Vec::new(),
        trusted_ids: Vec::new(),
        own_id: OwnId { set: None, verifies: true },
    };
    let verifier = Auth::new(settings, Arc::new(resolver), Clock::system());
    println!(
        "CPU of verifying one signature over {} MB, beside a plain SHA-256 of the body:\n",
        BODY / 1_000_000
    );
    println!("| body | form | plain ms | times the plain hash | wanted |\n|---|---|---|---|---|");
    for (name, template) in [("base64", Template::big(BODY)), ("prose", Template::prose(BODY))] {
        for (form, canonical, allowed) in FORMS {
            let input = Arc::new(signed(&template, canonical)?);
            let look = || {
                let deadline = Instant::now() + Duration::from_secs(60);
                runtime.block_on(verifier.scan(Arc::clone(&input), deadline))
            };
            let seen = look().authentication.context("nothing was verified")?;
            anyhow::ensure!(
                seen.dkim.iter().map(|dkim| dkim.result).eq([AuthResult::Pass]),
                "{name}, {form}: it should pass, and came to {:?}",
                seen.dkim
            );
            let (mut plain, mut times) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                let body = input.message.body();
                let alone = took(|| std::hint::black_box(digest(&SHA256, body)))?;
                let whole = took(look)?;
                plain.push(alone * 1e3);
                times.push(whole / alone);
            }
            let (plain, times) = (Spread::of(plain.into_iter()), Spread::of(times.into_iter()));
            println!("| {name} | {form} | {plain:.1} | {times:.2} | {allowed} |");
        }
    }
    Ok(())
}

/// The message with a signature on top.
fn signed(template: &Template, canonical: Canonicalization) -> anyhow::Result<ScanInput> {
    let (seed, public) = (BASE64.decode(SEED)?, BASE64.decode(PUBLIC.as_bytes())?);
    let key = Ed25519Key::from_seed_and_public_key(&seed, &public);
    let signer = DkimSigner::from_key(key.map_err(|error| anyhow::anyhow!("{error}"))?)
        .domain("remote.example")
        .selector("s1")
        .headers(["From", "To", "Subject", "Date"])
        .header_canonicalization(canonical)
        .body_canonicalization(canonical);
    let signature = signer.sign(&template.message("any")).map_err(|error| anyhow::anyhow!("{error}"))?;
    let signed = template.below(&signature.to_header());
    Ok(auth::input(&signed))
}

/// Seconds of a processor that this takes in all threads; the hash is computed on another one.
fn took<T>(work: impl FnOnce() -> T) -> anyhow::Result<f64> {
    let before = process_time()?;
    std::hint::black_box(work());
    Ok(process_time()?.saturating_sub(before).as_secs_f64())
}

fn process_time() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}
