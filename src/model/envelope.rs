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
}

impl Recipient {
    /// From the exact argument of the command, with or without angle brackets.
    #[must_use]
    pub fn new(argument: impl Into<Vec<u8>>) -> Self {
        let argument = argument.into();
        let text = String::from_utf8_lossy(&argument);
        let inner = text.trim();
        let inner = inner.strip_prefix('<').map_or(inner, |t| t.strip_suffix('>').unwrap_or(t));
        let address = inner.to_owned();
        Self { argument, address }
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

impl Serialize for Recipient {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        // An argument that is not UTF-8 loses its odd bytes in records; the wire never goes through here.
        s.serialize_str(&String::from_utf8_lossy(&self.argument))
    }
}

impl<'de> Deserialize<'de> for Recipient {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self::new(String::deserialize(d)?))
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
}
