//! Replacing people's addresses by keyed hashes, on request.
//!
//! `joe@example.org` becomes `p-x5k2m7qwan@example.org`: the local part is a keyed hash of the whole
//! address, the domain stays, because complaints, lists and statistics go by domain. The same address
//! always gives the same pseudonym, so a help desk that knows an address finds its mail. Without the
//! key a pseudonym cannot be computed, and so not tried out. **A domain that one person uses alone
//! still tells who it is.**
//!
//! Replaced are envelope addresses, From (its display name is dropped), the authenticated user, names
//! of files (the extension stays), the identities that SPF and DKIM verified, and whatever looks like an
//! address in texts, header fields and the reply. The subject is dropped. For authenticated or outbound mail also the client: name and HELO are
//! hashed, the address is cut to its /24 or /48. An inbound client is a server and stays, and so does
//! Message-ID, which other logs are searched by.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::record::Record;
use crate::model::{Answer, Authentication, ClientAddr, Direction, Recipient, SmtpReply};

/// Makes pseudonyms under one key.
#[derive(Clone)]
pub struct Pseudonyms {
    keyed: Hmac<Sha256>,
}

/// The key could not be had.
#[derive(Debug, thiserror::Error)]
#[error("the key for pseudonyms {path}: {what}; without it addresses cannot be hidden (log.pseudonymise)")]
pub struct KeyError {
    path: String,
    what: String,
}

/// Bytes of the key.
const KEY: usize = 32;
/// Characters of the hash: 50 bits.
const LEN: usize = 10;

impl Pseudonyms {
    /// With this key.
    #[must_use]
    pub fn new(key: &[u8; KEY]) -> Self {
        // HMAC's block is longer than the key: it is padded, never refused.
        let mut block = [0; 64];
        block[..KEY].copy_from_slice(key);
        let keyed = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into());
        Self { keyed }
    }

    /// With the key in `path`, which is made if it is not there. Losing the key means that old records
    /// are no longer found by address.
    ///
    /// # Errors
    /// If it can be neither read nor made, or is not a key.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let failed = |what: String| KeyError { path: path.display().to_string(), what };
        let io = |e: std::io::Error| failed(e.to_string());
        match fs::read(path) {
            Ok(bytes) => {
                let key = bytes
                    .as_slice()
                    .try_into()
                    .map_err(|_| failed(format!("it has {} bytes and must have {KEY}", bytes.len())))?;
                Ok(Self::new(key))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let mut key = [0; KEY];
                getrandom::fill(&mut key).map_err(|e| failed(format!("no random numbers: {e}")))?;
                let new = path.with_extension("new");
                let mut file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&new)
                    .map_err(io)?;
                file.write_all(&key).and_then(|()| file.sync_all()).map_err(io)?;
                fs::rename(&new, path).map_err(io)?;
                Ok(Self::new(&key))
            }
            Err(e) => Err(io(e)),
        }
    }

    /// The pseudonym of any word: `p-` and ten letters or digits. Upper and lower case are the same.
    #[must_use]
    pub fn word(&self, word: &str) -> String {
        let mut mac = self.keyed.clone();
        mac.update(word.to_lowercase().as_bytes());
        let text = data_encoding::BASE32_NOPAD.encode(&mac.finalize().into_bytes());
        format!("p-{}", text.get(..LEN).unwrap_or(&text).to_ascii_lowercase())
    }

    /// The pseudonym of an address, its domain kept. The empty reverse-path stays empty.
    #[must_use]
    pub fn address(&self, address: &str) -> String {
        match address.rsplit_once('@') {
            _ if address.is_empty() => String::new(),
            Some((_, domain)) if !domain.is_empty() => {
                format!("{}@{}", self.word(address), domain.to_lowercase())
            }
            _ => self.word(address),
        }
    }

    /// Text with everything in it that looks like an address replaced. Quoted local parts are seen
    /// from their last word on only.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('@') {
            let (before, after) = (&rest[..at], &rest[at + 1..]);
            let local_at =
                before.char_indices().rev().take_while(|(_, c)| is_local(*c)).last().map_or(at, |(i, _)| i);
            let domain_len = after.find(|c: char| !is_domain(c)).unwrap_or(after.len());
            let domain = after[..domain_len].trim_end_matches('.');
            out.push_str(&before[..local_at]);
            if local_at == at || domain.is_empty() {
                out.push_str(&before[local_at..]);
                out.push('@');
                rest = after;
            } else {
                out.push_str(&self.address(&rest[local_at..at + 1 + domain.len()]));
                rest = &after[domain.len()..];
            }
        }
        out.push_str(rest);
        out
    }

    /// Hides the people in a record.
    pub fn record(&self, record: &mut Record) {
        let hide = |s: &mut String| *s = self.text(s);
        let envelope = &mut record.envelope;
        for path in std::iter::once(&mut envelope.reverse_path.0).chain(&mut envelope.recipients) {
            let hidden = self.address(path.address());
            *path = Recipient::new(format!("<{hidden}>"));
        }
        envelope.parameters.iter_mut().for_each(hide);

        let session = &mut record.session;
        if session.user.is_some() || record.direction == Direction::Outbound {
            session.client.name = self.word(&session.client.name);
            session.client.addr = coarse(&session.client.addr);
            session.helo.iter_mut().for_each(|s| *s = self.word(s));
        }
        session.user.iter_mut().for_each(|s| *s = self.address(s));

        record.message.subject = None;
        record.message.from = record.message.from.as_deref().map(|from| self.addresses(from));
        for file in &mut record.attachments {
            file.name = self.file_name(&file.name);
            file.other_names.iter_mut().for_each(|s| *s = self.file_name(s));
            file.path.iter_mut().for_each(|s| *s = self.file_name(s));
        }
        for seen in &mut record.urls {
            hide(&mut seen.url);
            hide(&mut seen.shown);
        }
        for finding in &mut record.findings {
            hide(&mut finding.text);
            finding.location.iter_mut().for_each(hide);
        }
        if let Some(seen) = &mut record.authentication {
            self.authentication(seen);
        }
        for hit in &mut record.lists.0 {
            hide(&mut hit.entry);
            hit.comment.iter_mut().chain(&mut hit.scope).chain(&mut hit.beside).for_each(hide);
        }
        for shared in &mut record.verdicts {
            hide(&mut shared.verdict.reason);
            Arc::make_mut(&mut shared.verdict.explanation.0).iter_mut().for_each(|step| hide(&mut step.saw));
        }
        record.plan.headers.iter_mut().for_each(|header| hide(&mut header.value));
        if let Answer::Reject(reply) | Answer::Tempfail(reply) = &mut record.plan.answer {
            *reply = self.reply(reply);
        }
    }

    fn authentication(&self, seen: &mut Authentication) {
        let hide = |s: &mut String| *s = self.text(s);
        for spf in seen.mail_from.iter_mut().chain(&mut seen.helo) {
            let identity = std::mem::take(&mut spf.identity);
            if let Some((local, _)) = identity.rsplit_once('@') {
                // A record may ask for names that are made of it (RFC 7208 §7.2).
                let texts = spf.reason.iter_mut().chain(&mut spf.steps);
                texts.for_each(|s| *s = self.without(&self.text(s), local));
                spf.identity = self.address(&identity);
            } else {
                spf.identity = identity;
            }
        }
        for signature in &mut seen.dkim {
            let identity = signature.identity.take();
            signature.identity = identity.map(|i| if i.starts_with('@') { i } else { self.address(&i) });
            signature.reason.iter_mut().for_each(hide);
        }
        seen.arc.iter_mut().filter_map(|chain| chain.reason.as_mut()).for_each(hide);
        seen.dmarc.iter_mut().chain(&mut seen.shown).filter_map(|dmarc| dmarc.reason.as_mut()).for_each(hide);
    }

    /// Text in which no word is a local part, nor a longer piece of one.
    fn without(&self, text: &str, local: &str) -> String {
        let pieces: Vec<&str> = local.split(|c: char| !c.is_alphanumeric()).collect();
        let is_of_it = |word: &str| {
            let same = |piece: &&str| piece.eq_ignore_ascii_case(word);
            pieces.iter().filter(|piece| pieces.len() == 1 || piece.len() > 2).any(same)
        };
        let hidden = |word: &str| if is_of_it(word) { self.word(word) } else { word.to_owned() };
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| !c.is_alphanumeric()) {
            let (word, after) = rest.split_at(at);
            out.push_str(&hidden(word));
            let end = after.find(char::is_alphanumeric).unwrap_or(after.len());
            out.push_str(&after[..end]);
            rest = &after[end..];
        }
        out + &hidden(rest)
    }

    /// The addresses in a From field, and nothing else of it.
    fn addresses(&self, field: &str) -> String {
        let words =
            field.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '"' | '(' | ')'));
        let found: Vec<String> = words.filter(|w| w.contains('@')).map(|w| self.address(w)).collect();
        found.join(", ")
    }

    fn file_name(&self, name: &str) -> String {
        match name.rsplit_once('.') {
            _ if name.is_empty() => String::new(),
            Some((_, extension)) if extension.len() <= 8 && extension.chars().all(char::is_alphanumeric) => {
                format!("{}.{extension}", self.word(name))
            }
            _ => self.word(name),
        }
    }

    fn reply(&self, reply: &SmtpReply) -> SmtpReply {
        let mut class = reply.enhanced().split('.').map(|n| n.parse().unwrap_or(0)).collect::<Vec<u16>>();
        class.resize(3, 0);
        let enhanced = (u8::try_from(class[0]).unwrap_or(0), class[1], class[2]);
        SmtpReply::new(reply.code(), enhanced, &self.text(reply.text())).unwrap_or_else(|_| reply.clone())
    }
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonyms")
    }
}

fn is_local(c: char) -> bool {
    // RFC 5322 §3.2.3 atext and the dot; RFC 6531 §3.3 adds everything beyond ASCII.
    c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c) || (!c.is_ascii() && !c.is_whitespace())
}

fn is_domain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_') || (!c.is_ascii() && !c.is_whitespace())
}

/// The network an address is in.
fn coarse(addr: &ClientAddr) -> ClientAddr {
    match addr.ip() {
        Some(IpAddr::V4(ip)) => ClientAddr::Ip(IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & 0xffff_ff00))),
        Some(IpAddr::V6(ip)) => {
            ClientAddr::Ip(IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 80))))
        }
        None => addr.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pseudonyms() -> Pseudonyms {
        Pseudonyms::new(&[7; KEY])
    }

    #[test]
    fn an_address_keeps_its_domain_and_loses_its_person() {
        let p = pseudonyms();
        let hidden = p.address("Joe.Doe@Example.org");
        assert_eq!(hidden, p.address("joe.doe@example.ORG"));
        assert_ne!(hidden, p.address("joe.doe@example.net"));
        assert_ne!(hidden, Pseudonyms::new(&[8; KEY]).address("joe.doe@example.org"));
        let (local, domain) = hidden.split_once('@').unwrap();
        assert_eq!((local.len(), domain), (2 + LEN, "example.org"));
        assert_eq!(p.address(""), "");
        assert!(!p.address("postmaster").contains("postmaster"));
    }

    #[test]
    fn addresses_in_text_are_found() {
        let p = pseudonyms();
        let joe = p.address("joe@example.org");
        assert_eq!(p.text("to <joe@example.org>, and joe@example.org."), format!("to <{joe}>, and {joe}."));
        assert_eq!(p.text("no @ here @, a@ @b"), "no @ here @, a@ @b");
        assert_eq!(p.text("jürgen@exämple.de!"), format!("{}!", p.address("jürgen@exämple.de")));
        assert_eq!(p.addresses("\"Joe Doe\" <joe@example.org>, x"), joe);
        assert_eq!(p.file_name("CV Joe Doe.pdf").len(), 2 + LEN + 4);
    }

    #[test]
    fn whom_spf_and_dkim_verified_is_hidden() {
        use crate::model::authentication::{Dkim, Spf};
        let p = pseudonyms();
        let mut seen = Authentication {
            mail_from: Some(Spf {
                domain: "example.org".into(),
                identity: "Joe.Doe@example.org".into(),
                reason: Some("joe.doe._spf.example.org could not be looked up".into()),
                steps: vec![
                    "example.org: exists:%{l-}._spf does not match".into(),
                    "doe.joe.l.example.org: mx matches".into(),
                ],
                ..Spf::default()
            }),
            dkim: vec![
                Dkim { identity: Some("joe.doe@example.org".into()), ..Dkim::default() },
                Dkim { identity: Some("@example.org".into()), ..Dkim::default() },
            ],
            ..Authentication::default()
        };
        p.authentication(&mut seen);
        let text = serde_json::to_string(&seen).unwrap().to_lowercase();
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
        assert!(!words.contains(&"joe") && !words.contains(&"doe"), "{text}");
        let spf = seen.mail_from.unwrap();
        assert_eq!(spf.identity, p.address("joe.doe@example.org"));
        assert_eq!(spf.steps[0], "example.org: exists:%{l-}._spf does not match");
        assert!(spf.reason.is_some_and(|s| s.ends_with("._spf.example.org could not be looked up")));
        assert_eq!(seen.dkim[1].identity.as_deref(), Some("@example.org"));
    }

    #[test]
    fn the_key_is_made_once_and_kept_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pseudonym.key");
        let first = Pseudonyms::open(&path).unwrap().word("x");
        assert_eq!(Pseudonyms::open(&path).unwrap().word("x"), first);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, b"short").unwrap();
        assert!(Pseudonyms::open(&path).is_err());
    }
}
