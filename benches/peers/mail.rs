//! The mails: those of `benches/mails.rs`, each signed by the sender's domain, no two of them alike.
//!
//! Several of the filters remember what they have seen by a hash of a body or a part. So every message has a token of its
//! own in its text and in its attachment, and so a signature of its own, which is made before the clock starts.

use std::net::Ipv4Addr;

use anyhow::Context as _;
use memchr::memmem;

use super::super::auth::Key;
use super::super::mails::{Kind, Template};
use super::super::mta::{samples, smtp};

/// Who brings the mail: an address that nobody takes for local (RFC 5737).
pub(super) const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 25);
/// What it is called, in both directions.
pub(super) const CLIENT_NAME: &str = "mail.remote.example";
/// The reverse-path; its domain is that of From and of the signature.
pub(super) const SENDER: &str = "bench@remote.example";

/// Makes mail of one sender.
pub(super) struct Press {
    key: Key,
    templates: Vec<(Kind, Template)>,
}

impl Press {
    /// With a key of its own.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self { key: Key::new()?, templates: Kind::ALL.map(|kind| (kind, Template::new(kind))).into() })
    }

    /// What the DNS says of the sender.
    pub(super) fn zone(&self) -> String {
        format!(
            "remote.example TXT v=spf1 ip4:192.0.2.0/24 -all\nremote.example MX 10 {CLIENT_NAME}\n\
             {CLIENT_NAME} A {CLIENT}\n25.2.0.192.in-addr.arpa PTR {CLIENT_NAME}\n\
             _dmarc.remote.example TXT v=DMARC1; p=reject\nmx.example.org A 127.0.0.1\nexample.org MX 10 mx.example.org\n{}",
            self.key.record
        )
    }

    /// One signed message.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub(super) fn message(&self, kind: Kind, id: &str) -> anyhow::Result<Vec<u8>> {
        let template = self.templates.iter().find(|(one, _)| *one == kind).context("no such mail")?;
        let mut message = template.1.message(id);
        let token = token(id);
        mark(&mut message, kind, &token).with_context(|| format!("no place for a token in {kind:?}"))?;
        self.signed(&message)
    }

    /// A signed message with the anti-virus test text in its body.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub(super) fn infected(&self, id: &str) -> anyhow::Result<Vec<u8>> {
        let mut message = Template::new(Kind::Text).message(id);
        message.extend(format!("\r\n{}\r\n", samples::eicar()).into_bytes());
        self.signed(&message)
    }

    fn signed(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        Ok([self.key.field(message)?.as_bytes(), message].concat())
    }

    /// So many of them as they go over the wire.
    ///
    /// # Errors
    /// If one cannot be signed.
    pub(super) fn batch(&self, kind: Kind, label: &str, count: usize) -> anyhow::Result<Vec<Vec<u8>>> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let part = count.div_ceil(threads).max(1);
        let parts = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..count)
                .step_by(part)
                .map(|from| {
                    scope.spawn(move || {
                        (from..count.min(from + part))
                            .map(|number| {
                                Ok(smtp::dot_stuffed(&self.message(kind, &format!("{label}.{number}"))?))
                            })
                            .collect::<anyhow::Result<Vec<_>>>()
                    })
                })
                .collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, anyhow::Result<Vec<Vec<u8>>>>| {
                worker.join().map_err(|_| anyhow::anyhow!("the press panicked"))?
            };
            workers.into_iter().map(join).collect::<anyhow::Result<Vec<_>>>()
        })?;
        Ok(parts.into_iter().flatten().collect())
    }
}

/// Sixteen letters that stand for an id; base64 as well as text.
fn token(id: &str) -> String {
    use sha2::Digest as _;
    data_encoding::HEXLOWER.encode(sha2::Sha256::digest(id).get(..8).unwrap_or_default())
}

/// Writes the token over as many letters of the text, and of the attachment.
fn mark(message: &mut [u8], kind: Kind, token: &str) -> Option<()> {
    let body = memmem::find(message, b"\r\n\r\n")? + 4;
    match kind {
        Kind::Text => put(message, body, token),
        Kind::Html => {
            let title = memmem::find(message, b"News of the week")?;
            put(message, title, token)
        }
        Kind::Attachment => {
            // After the head of the letter, at its end, after the head of the attachment.
            let gaps: Vec<usize> = memmem::find_iter(message.get(body..)?, b"\r\n\r\n")
                .map(|at| body + at + 4)
                .take(3)
                .collect();
            [gaps.first()?, gaps.get(2)?].into_iter().try_for_each(|at| put(message, *at, token))
        }
    }
}

fn put(message: &mut [u8], at: usize, token: &str) -> Option<()> {
    let place = message.get_mut(at..at + token.len()).filter(|place| place.is_ascii())?;
    place.copy_from_slice(token.as_bytes());
    Some(())
}
