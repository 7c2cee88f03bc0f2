//! The token by which a released mail is known when it comes back in-line.
//!
//! ```text
//! X-Mailward-Release: v2; id=01m7xn1s0d16n15np8; kid=6f1d2a90; exp=1795214191; mac=<64 hexadecimal digits>
//! ```
//!
//! The MAC covers the id, the body, the fields that say what the body is, both paths of the envelope, the time at which
//! it ends, and the key's own id. The rest of the header is not covered: MTAs add to it and rewrite addresses in it.

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::model::{MailId, Message, Recipient, ReversePath, Timestamp};
use crate::pipeline::pass::sent_hash;

/// The name of the field. It is of the family that is removed from every message ([`crate::mail::strip`]).
pub(super) const FIELD: &str = "X-Mailward-Release";
/// Longer values are no tokens of ours.
const MAX: usize = 256;
/// Before every use of the key, so that its MACs mean this and nothing else.
const DOMAIN: &[u8] = b"mailward release 2\0";

/// Signs and checks tokens.
pub struct TokenKey {
    keyed: Hmac<Sha256>,
    id: String,
}

/// What a token speaks of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    /// The quarantine entry.
    pub(super) id: MailId,
    /// SHA-256 of the body as it goes over the wire: [`body_hash`].
    pub(super) body: &'a [u8; 32],
    /// SHA-256 of what says how it is to be read: [`kind_hash`].
    pub(super) kind: &'a [u8; 32],
    /// MAIL FROM.
    pub(super) reverse_path: &'a ReversePath,
    /// The one RCPT TO.
    pub(super) recipient: &'a Recipient,
}

/// A token as it was read; nothing of it is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// The quarantine entry.
    pub(super) id: MailId,
    /// Seconds since 1970.
    pub(super) expires: u64,
    kid: String,
    mac: [u8; 32],
}

/// Why a token is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worthless {
    /// It is none.
    Malformed,
    /// Made under another key: of another installation, or before the key was replaced.
    OtherKey,
    /// Its time is over.
    Expired,
    /// Nothing is being released that it speaks of: forged, replayed, or left over.
    NotExpected,
    /// The message has not exactly one recipient, the one it was made for.
    OtherRecipient,
    /// Body, what says what the body is, sender or recipient are not those it was made for, or it is forged.
    Altered,
    /// The copy came by more often than a server tries again.
    UsedUp,
}

impl Worthless {
    /// For log lines and results.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Malformed => "it is no token of this version",
            Self::OtherKey => "it was made under another key",
            Self::Expired => "its time is over",
            Self::NotExpected => "nothing is being released that it speaks of",
            Self::OtherRecipient => "the message is not for the one recipient it was made for",
            Self::Altered => "body, sender or recipient were changed on the way, or it is forged",
            Self::UsedUp => "it was used too often",
        }
    }

    /// The label in metrics.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::OtherKey => "other-key",
            Self::Expired => "expired",
            Self::NotExpected => "not-expected",
            Self::OtherRecipient => "other-recipient",
            Self::Altered => "altered",
            Self::UsedUp => "used-up",
        }
    }
}

impl TokenKey {
    /// From the secret of this installation.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        // RFC 2104 §2: a key shorter than the block of 64 bytes is filled up with zeros.
        let mut block = [0; 64];
        block[..32].copy_from_slice(secret);
        let keyed = <Hmac<Sha256> as hmac::digest::KeyInit>::new((&block).into());
        let mut id = keyed.clone();
        id.update(b"mailward release key id");
        let id = HEXLOWER.encode(&id.finalize().into_bytes()[..4]);
        Self { keyed, id }
    }

    /// The value of the field, for a token that is good until `expires`.
    pub(super) fn sign(&self, claim: &Claim<'_>, expires: Timestamp) -> String {
        let exp = expires.seconds();
        let mac = HEXLOWER.encode(&self.mac(claim, exp).finalize().into_bytes());
        format!("v2; id={}; kid={}; exp={exp}; mac={mac}", claim.id, self.id)
    }

    /// What can be told of a token without the message.
    pub(super) fn look(&self, token: &Token, now: Timestamp) -> Result<(), Worthless> {
        if token.kid != self.id {
            return Err(Worthless::OtherKey);
        }
        if token.expires < now.seconds() {
            return Err(Worthless::Expired);
        }
        Ok(())
    }

    /// Whether it was made for this; in constant time.
    pub(super) fn verify(&self, token: &Token, claim: &Claim<'_>) -> Result<(), Worthless> {
        self.mac(claim, token.expires).verify_slice(&token.mac).map_err(|_| Worthless::Altered)
    }

    fn mac(&self, claim: &Claim<'_>, exp: u64) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(DOMAIN);
        // Each piece behind its length, so that no two claims read the same.
        let mut piece = |bytes: &[u8]| {
            mac.update(&(bytes.len() as u64).to_be_bytes());
            mac.update(bytes);
        };
        piece(claim.id.as_str().as_bytes());
        piece(claim.body);
        piece(claim.kind);
        piece(bare(claim.reverse_path.0.argument()));
        piece(bare(claim.recipient.argument()));
        piece(&exp.to_be_bytes());
        piece(self.id.as_bytes());
        mac
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Token {
    /// Reads the value of a field.
    pub(super) fn read(value: &[u8]) -> Result<Self, Worthless> {
        Self::parse(value).ok_or(Worthless::Malformed)
    }

    /// Strict: what we wrote has one form; folds are the only thing that a server on the way may change.
    fn parse(value: &[u8]) -> Option<Self> {
        if value.len() > MAX {
            return None;
        }
        let text = std::str::from_utf8(value).ok()?;
        let mut parts = text.split(';').map(str::trim);
        if parts.next()? != "v2" {
            return None;
        }
        let mut field = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix('=');
        let (id, kid, exp, mac) = (field("id")?, field("kid")?, field("exp")?, field("mac")?);
        if parts.next().is_some() || !exp.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let parsed: MailId = id.parse().ok()?;
        Some(Self {
            id: (parsed.as_str() == id).then_some(parsed)?,
            expires: exp.parse().ok()?,
            kid: kid.to_owned(),
            mac: HEXLOWER.decode(mac.as_bytes()).ok()?.try_into().ok()?,
        })
    }
}

/// SHA-256 of a body as every server will see it: one that does not end with a line break gets one, because
/// the dot that ends it stands on a line of its own (RFC 5321 §4.1.1.4), and lines are broken where Postfix breaks them
/// when it hands mail on, so that the copy is the same before its queue and behind it.
pub(super) fn body_hash(body: &[u8]) -> [u8; 32] {
    sent_hash(body)
}

/// SHA-256 of the fields that say what the body is, byte for byte and in their order: with another `Content-Type` the
/// same bytes can show what nobody has looked at. White space straight behind the colon is the MTA's matter.
pub(super) fn kind_hash(message: &Message) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (name, value) in message.fields().filter(|(name, _)| says_what_it_is(name)) {
        let spaces = value.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        for piece in [name, value.get(spaces..).unwrap_or_default()] {
            hash.update((piece.len() as u64).to_be_bytes());
            hash.update(piece);
        }
    }
    hash.finalize().into()
}

/// `Content-…` and `MIME-Version`, however the name is written. Content-Length is for mailboxes, and Postfix drops it.
fn says_what_it_is(name: &[u8]) -> bool {
    // Whoever reads such names does so with controls, spaces and whatever else left out.
    let name: Vec<u8> = name.iter().copied().filter(u8::is_ascii_graphic).collect();
    let is_content = name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"Content-"));
    (is_content && !name.eq_ignore_ascii_case(b"Content-Length"))
        || name.eq_ignore_ascii_case(b"MIME-Version")
}

/// A path without its angle brackets: some servers take one without them and hand it on with them.
pub(super) fn bare(argument: &[u8]) -> &[u8] {
    let trimmed = argument.trim_ascii();
    trimmed.strip_prefix(b"<").and_then(|inner| inner.strip_suffix(b">")).unwrap_or(trimmed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::header;

    /// A second.
    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn key(secret: u8) -> TokenKey {
        TokenKey::new(&[secret; 32])
    }

    /// Everything that a token covers, owned.
    #[derive(Clone, Debug, PartialEq)]
    struct Covered {
        id: MailId,
        body: Vec<u8>,
        kind: Vec<u8>,
        from: Vec<u8>,
        to: Vec<u8>,
    }

    fn covered() -> impl Strategy<Value = Covered> {
        // Few letters and short, so that pieces that run into each other are common.
        let piece = || prop::collection::vec(prop::sample::select(vec![b'a', b'b', b'@', 0, 0xff]), 0..4);
        let kind = prop::sample::select(vec!["", "Content-Type: a\r\n\r\n", "Content-Type: b\r\n\r\n"]);
        (any::<u32>(), piece(), kind, piece(), piece()).prop_map(|(id, body, kind, from, to)| Covered {
            id: MailId::from_parts(id.into(), 0),
            body,
            kind: kind.into(),
            from,
            to,
        })
    }

    fn claim<T>(covered: &Covered, then: impl FnOnce(&Claim<'_>) -> T) -> T {
        let body = body_hash(&covered.body);
        let reverse_path = ReversePath(Recipient::new(covered.from.clone()));
        let recipient = Recipient::new(covered.to.clone());
        let kind = kind_hash(&header::parse(covered.kind.clone()));
        let (reverse_path, recipient) = (&reverse_path, &recipient);
        then(&Claim { id: covered.id, body: &body, kind: &kind, reverse_path, recipient })
    }

    fn holds(key: &TokenKey, value: &[u8], covered: &Covered, now: Timestamp) -> Result<(), Worthless> {
        let token = Token::read(value)?;
        key.look(&token, now)?;
        claim(covered, |claim| {
            if token.id != claim.id {
                return Err(Worthless::NotExpected);
            }
            key.verify(&token, claim)
        })
    }

    proptest! {
        #[test]
        fn a_token_holds_for_what_it_was_made_for_and_for_nothing_else(one in covered(), other in covered()) {
            let value = claim(&one, |claim| key(1).sign(claim, at(1000)));
            prop_assert_eq!(holds(&key(1), value.as_bytes(), &one, at(1000)), Ok(()));
            // The same body with and without its last line break is the same on the wire.
            let wire = |c: &Covered| (c.id, body_hash(&c.body), c.kind.clone(), c.from.trim_ascii().to_vec(), c.to.trim_ascii().to_vec());
            let same = wire(&one) == wire(&other);
            prop_assert_eq!(holds(&key(1), value.as_bytes(), &other, at(1000)).is_ok(), same);
            prop_assert_eq!(holds(&key(2), value.as_bytes(), &one, at(1000)), Err(Worthless::OtherKey));
            prop_assert_eq!(holds(&key(1), value.as_bytes(), &one, at(1001)), Err(Worthless::Expired));
        }

        #[test]
        fn a_token_with_any_bit_changed_holds_for_nothing(one in covered(), at_byte in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let mut value = claim(&one, |claim| key(1).sign(claim, at(1000))).into_bytes();
            let position = at_byte.index(value.len());
            value[position] ^= 1 << bit;
            // White space between the parts says nothing, and a server may fold there.
            let is_space = |b: u8| b.is_ascii_whitespace();
            prop_assume!(!is_space(value[position]) || !is_space(value[position] ^ (1 << bit)));
            prop_assert!(holds(&key(1), &value, &one, at(900)).is_err(), "{:?}", String::from_utf8_lossy(&value));
        }

        #[test]
        fn anything_at_all_may_stand_in_the_field(value in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(Token::read(&value).is_err());
        }
    }

    #[test]
    fn the_form_of_a_token_is_fixed() {
        let one = Covered {
            id: MailId::from_parts(1_795_210_591_042, 7),
            body: b"text\r\n".to_vec(),
            kind: b"Subject: x\r\nMIME-Version: 1.0\r\n\r\n".to_vec(),
            from: b"<a@sender.example>".to_vec(),
            to: b"<alice@example.org>".to_vec(),
        };
        let value = claim(&one, |claim| key(7).sign(claim, at(1_795_214_191)));
        let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
        let mut id = mac.clone();
        id.update(b"mailward release key id");
        let kid = HEXLOWER.encode(&id.finalize().into_bytes()[..4]);
        mac.update(DOMAIN);
        for piece in [
            one.id.as_str().as_bytes(),
            &Sha256::digest(b"text\r\n"),
            &Sha256::digest(b"\0\0\0\0\0\0\0\x0cMIME-Version\0\0\0\0\0\0\0\x031.0"),
            b"a@sender.example",
            b"alice@example.org",
            &1_795_214_191_u64.to_be_bytes(),
            kid.as_bytes(),
        ] {
            mac.update(&(piece.len() as u64).to_be_bytes());
            mac.update(piece);
        }
        let mac = HEXLOWER.encode(&mac.finalize().into_bytes());
        assert_eq!(value, format!("v2; id={}; kid={kid}; exp=1795214191; mac={mac}", one.id));
        assert!(value.len() < MAX);
        // As a server may fold it.
        let folded = format!(" {}", value.replace("; mac", ";\r\n\tmac"));
        assert_eq!(holds(&key(7), folded.as_bytes(), &one, at(0)), Ok(()));
        // A path without its brackets is the same path.
        let without = Covered { to: b"alice@example.org".to_vec(), ..one };
        assert_eq!(holds(&key(7), value.as_bytes(), &without, at(0)), Ok(()));
    }

    #[test]
    fn what_the_body_is_said_to_be_is_covered_and_what_an_mta_writes_is_not() {
        let hash = |header: &str| kind_hash(&header::parse(format!("{header}\r\n\r\nbody\r\n").into_bytes()));
        let header = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=a";
        for same in [
            format!("Received: from x\r\nX-Mailward-Release: v2\r\n{header}"),
            header.replace("Subject: x", "Subject: [released] x\r\nContent-Length: 6"),
            header.replace("Version: ", "Version:  "),
        ] {
            assert_eq!(hash(&same), hash(header), "{same}");
        }
        for other in [
            header.replace("=a", "=b"),
            header.replace("boundary", "  boundary"),
            header.replace("multipart/mixed;\r\n boundary=a", "text/html"),
            header.replace("MIME-Version: 1.0\r\n", ""),
            header.replace("Subject: x", "content-type : text/html"),
            header.replace("Subject: x", "Content-Transfer-Encoding: base64"),
            header.replace("Subject: x", "Content-\u{b}Type: text/html"),
            format!("{header}\r\nContent-Type: text/html"),
            "Subject: x".to_owned(),
        ] {
            assert_ne!(hash(&other), hash(header), "{other}");
        }
    }

    #[test]
    fn a_copy_is_the_same_before_and_behind_a_queue_that_breaks_its_long_lines() {
        let line = "0123456789".repeat(250);
        let broken = [&line[..998], &line[998..998 + 997], &line[998 + 997..]].join("\r\n ");
        let body = |line: &str| body_hash(format!("before\r\n{line}\r\nafter\r\n").as_bytes());
        assert_eq!(body(&broken), body(&line));
        assert_ne!(body(&line.replacen('9', "8", 1)), body(&line));
        let elsewhere = [&line[..997], &line[997..998 + 997], &line[998 + 997..]].join("\r\n ");
        assert_ne!(body(&elsewhere), body(&line));
    }
}
