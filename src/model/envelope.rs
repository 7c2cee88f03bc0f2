//! One SMTP transaction: RFC 5321 §3.3.

use serde::{Deserialize, Serialize};

/// Reverse-path, recipients, parameters, queue id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Envelope {
    /// MAIL FROM.
    pub reverse_path: ReversePath,
    /// ESMTP parameters of MAIL, as the client wrote them (`SIZE=…`, `BODY=8BITMIME`, `SMTPUTF8`).
    pub parameters: Vec<String>,
    /// The accepted recipients in order.
    pub recipients: Vec<Recipient>,
    /// The MTA's queue id (macro `i`); Postfix knows it only after the first accepted RCPT.
    pub queue_id: Option<String>,
}

/// The argument of MAIL FROM; empty for bounces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReversePath(pub Recipient);

impl ReversePath {
    /// The address without angle brackets; empty for `<>`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.0.address()
    }

    /// `<>`: a bounce or another notice that must never be answered by mail.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0.address().is_empty()
    }
}

/// A path of the envelope, kept byte for byte as the MTA gave it, because DELRCPT must repeat it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Recipient {
    argument: Vec<u8>,
    address: String,
    mailbox: String,
}

impl Recipient {
    /// From the exact argument of the command, with or without angle brackets.
    #[must_use]
    pub fn new(argument: impl Into<Vec<u8>>) -> Self {
        let argument = argument.into();
        let text = String::from_utf8_lossy(&argument);
        let inner = text.trim();
        let inner = inner.strip_prefix('<').map_or(inner, |t| t.strip_suffix('>').unwrap_or(t));
        let address = behind_route(inner).to_owned();
        let mailbox = normal(&address);
        Self { argument, address, mailbox }
    }

    /// The same, whose mail goes to `address` as the MTA has worked it out (`{rcpt_addr}`): `a%b.example@mx` may be
    /// a mailbox of b.example. A record does not hold it.
    #[must_use]
    pub fn resolved(self, address: &str) -> Self {
        Self { mailbox: normal(behind_route(address)), ..self }
    }

    /// The mailbox in the one form in which mailboxes are compared: see [`mailbox`](super::mailbox). What is none
    /// is in lower case.
    #[must_use]
    pub fn mailbox(&self) -> &str {
        &self.mailbox
    }

    /// What DELRCPT has to say: the argument, byte for byte, but without a source route. Postfix ignores routes,
    /// as RFC 5321 §4.1.2 asks, and knows nobody by an address that has one.
    #[must_use]
    pub fn removal(&self) -> Vec<u8> {
        let inner = self.argument.trim_ascii();
        let (bracket, inner) = match inner.strip_prefix(b"<") {
            Some(inner) => (&b"<"[..], inner),
            None => (&b""[..], inner),
        };
        let route = memchr::memchr(b':', inner).filter(|_| inner.trim_ascii_start().starts_with(b"@"));
        match route.and_then(|colon| inner.get(colon + 1..)) {
            Some(rest) => [bracket, rest].concat(),
            None => self.argument.clone(),
        }
    }

    /// The exact bytes of the command's argument.
    #[must_use]
    pub fn argument(&self) -> &[u8] {
        &self.argument
    }

    /// The address without angle brackets, unknown bytes replaced.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The domain in lower case, if there is one.
    #[must_use]
    pub fn domain(&self) -> Option<String> {
        let (_, domain) = self.address.rsplit_once('@')?;
        (!domain.is_empty()).then(|| domain.to_ascii_lowercase())
    }
}

/// An address without its source route (RFC 5321 §4.1.2).
fn behind_route(address: &str) -> &str {
    let address = address.trim();
    match address.split_once(':') {
        Some((_, rest)) if address.starts_with('@') => rest,
        _ => address,
    }
}

fn normal(address: &str) -> String {
    match super::mailbox::taken_apart(address) {
        Some((Some(local), Some(domain))) => format!("{local}@{domain}"),
        _ => address.to_lowercase(),
    }
}

/// What a record begins with where the argument is no UTF-8 and stands in hexadecimal digits. Also used
/// where an argument begins like this by itself, so that the text always says which it is.
const HEX: &str = "hex:";

impl Recipient {
    /// The argument as text that gives every byte back: itself, or `hex:` and its bytes where it is no
    /// UTF-8.
    #[must_use]
    pub fn to_record(&self) -> String {
        match std::str::from_utf8(&self.argument) {
            Ok(text) if !text.starts_with(HEX) => text.to_owned(),
            _ => format!("{HEX}{}", data_encoding::HEXLOWER.encode(&self.argument)),
        }
    }

    /// From [`Self::to_record`].
    #[must_use]
    pub fn from_record(text: &str) -> Self {
        let bytes =
            text.strip_prefix(HEX).and_then(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).ok());
        Self::new(bytes.unwrap_or_else(|| text.as_bytes().to_vec()))
    }
}

impl Serialize for Recipient {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.to_record())
    }
}

impl<'de> Deserialize<'de> for Recipient {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self::from_record(&String::deserialize(d)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_keeps_its_bytes_and_knows_its_address() {
        let r = Recipient::new(b"<\"a b\"@Example.ORG>".to_vec());
        assert_eq!(r.argument(), b"<\"a b\"@Example.ORG>");
        assert_eq!(r.address(), "\"a b\"@Example.ORG");
        assert_eq!(r.domain().as_deref(), Some("example.org"));
        assert!(ReversePath(Recipient::new(*b"<>")).is_null());
    }

    #[test]
    fn one_mailbox_has_one_form_however_it_is_written() {
        for argument in [
            "<alice@example.org>",
            "<Alice@EXAMPLE.org.>",
            "<\"alice\"@example.org>",
            "<@a.b:alice@example.org>",
            "<@a.b,@c.d:alice@example.org>",
            " < alice@example.org > ",
        ] {
            assert_eq!(Recipient::new(argument).mailbox(), "alice@example.org", "{argument}");
        }
        assert_eq!(Recipient::new("<Postmaster>").mailbox(), "postmaster");
        let hacked = Recipient::new("<alice%example.org@mx>").resolved("Alice@example.org");
        assert_eq!((hacked.mailbox(), hacked.address()), ("alice@example.org", "alice%example.org@mx"));
    }

    #[test]
    fn a_recipient_is_removed_by_his_bytes_without_a_route() {
        for (argument, removal) in [
            ("<\"a b\"@Example.ORG>", "<\"a b\"@Example.ORG>"),
            ("<@a.b:alice@example.org>", "<alice@example.org>"),
            ("<@a.b,@c.d:alice@example.org>", "<alice@example.org>"),
            ("@a.b:alice@example.org", "alice@example.org"),
            ("<a:b@example.org>", "<a:b@example.org>"),
        ] {
            assert_eq!(Recipient::new(argument).removal(), argument_of(removal), "{argument}");
        }
    }

    fn argument_of(text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }

    #[test]
    fn a_record_gives_every_byte_of_a_path_back() {
        for argument in [&b"<a@x>"[..], b"<\xff\xfe@x>", b"hex:00", b"", "<é@x>".as_bytes(), b"hex:zz"] {
            let path = Recipient::new(argument);
            let json = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<Recipient>(&json).unwrap(), path, "{json}");
        }
        assert_eq!(Recipient::new(*b"<\xff@x>").to_record(), "hex:3cff40783e");
        // As it was written before there was such a form.
        assert_eq!(Recipient::from_record("hex:zz"), Recipient::new(*b"hex:zz"));
    }
}
