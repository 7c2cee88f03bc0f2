//! What a server says that it can do: the reply to EHLO (RFC 5321 §4.1.1.1).

use super::reply::Answer;

/// The extensions we use. None after HELO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    /// RFC 6152.
    pub(super) eight_bit_mime: bool,
    /// RFC 6531.
    pub(super) smtp_utf8: bool,
    /// RFC 1870.
    pub(super) size: bool,
    /// RFC 3461.
    pub(super) dsn: bool,
    /// RFC 8689.
    pub(super) require_tls: bool,
}

impl Extensions {
    /// From the lines after the first.
    pub(super) fn read(answer: &Answer) -> Self {
        let mut read = Self::default();
        for line in answer.lines.iter().skip(1) {
            let keyword = line.split(|b| *b == b' ').next().unwrap_or_default();
            match keyword.to_ascii_uppercase().as_slice() {
                b"8BITMIME" => read.eight_bit_mime = true,
                b"SMTPUTF8" => read.smtp_utf8 = true,
                b"SIZE" => read.size = true,
                b"DSN" => read.dsn = true,
                b"REQUIRETLS" => read.require_tls = true,
                _ => {}
            }
        }
        read
    }
}
