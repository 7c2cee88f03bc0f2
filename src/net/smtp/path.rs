//! Paths as arguments of MAIL and RCPT (RFC 5321 §4.1.2): nothing in them may end the argument early.

use std::borrow::Cow;

use super::SmtpError;
use crate::model::text;

/// Longest path. RFC 5321 §4.5.3.1.3 allows 256 octets; servers take more, a command line has its end.
const MAX: usize = 1000;

/// The argument as it is sent: the exact bytes, angle brackets put around them where there were none.
///
/// # Errors
/// If a server could read it as anything else than one path.
pub(super) fn checked(argument: &[u8]) -> Result<Cow<'_, [u8]>, SmtpError> {
    let wrong = |why| SmtpError::Path { address: text::line(&String::from_utf8_lossy(argument), 120), why };
    let inner = match (argument.strip_prefix(b"<"), argument.strip_suffix(b">")) {
        (Some(_), Some(_)) => argument.get(1..argument.len() - 1).unwrap_or_default(),
        (None, None) => argument,
        _ => return Err(wrong("an angle bracket is missing")),
    };
    if inner.len() > MAX {
        return Err(wrong("it is too long"));
    }
    if !inner.is_ascii() && std::str::from_utf8(inner).is_err() {
        return Err(wrong("it is neither ASCII nor UTF-8"));
    }
    let (mut quoted, mut escaped) = (false, false);
    for &byte in inner {
        match byte {
            _ if byte.is_ascii_control() => return Err(wrong("it holds a control character")),
            _ if escaped => escaped = false,
            b'"' => quoted = !quoted,
            b'\\' if quoted => escaped = true,
            _ if quoted => {}
            b' ' => return Err(wrong("it holds a space outside quotes")),
            b'<' | b'>' => return Err(wrong("it holds an angle bracket")),
            b'\\' => return Err(wrong("it holds a backslash outside quotes")),
            _ => {}
        }
    }
    if quoted {
        return Err(wrong("a quote is left open"));
    }
    if inner.len() < argument.len() {
        return Ok(Cow::Borrowed(argument));
    }
    Ok(Cow::Owned([b"<", inner, b">"].concat()))
}

/// The same for a recipient, which cannot be empty.
///
/// # Errors
/// Also if it is empty.
pub(super) fn checked_recipient(argument: &[u8]) -> Result<Cow<'_, [u8]>, SmtpError> {
    let path = checked(argument)?;
    if path.as_ref() == b"<>" {
        return Err(SmtpError::Path { address: String::new(), why: "a recipient cannot be empty" });
    }
    Ok(path)
}

/// Whether `argument` can be sent as it is.
#[cfg(test)]
pub(crate) fn is_path(argument: &[u8]) -> bool {
    matches!(checked(argument), Ok(Cow::Borrowed(_)))
}

/// Whether `name` can stand in EHLO: a host name or an address literal.
#[must_use]
pub fn is_helo(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    !name.is_empty() && name.len() <= 255 && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_goes_out_byte_for_byte() {
        let exact: [&[u8]; 8] = [
            b"<>",
            b"<postmaster>",
            b"<\"a b\\\"<c>\"@Example.ORG>",
            b"<a@[IPv6:::1]>",
            b"<@one,@two:a@b>",
            "<pelé@example.org>".as_bytes(),
            b"<a=b!c%d@x>",
            b"<\"\"@x>",
        ];
        for path in exact {
            assert_eq!(checked(path).unwrap().as_ref(), path, "{}", path.escape_ascii());
        }
        assert_eq!(checked(b"a@b").unwrap().as_ref(), b"<a@b>");
        assert_eq!(checked(b"").unwrap().as_ref(), b"<>");
    }

    #[test]
    fn what_could_be_read_as_more_than_a_path_is_refused() {
        let long = [b"<".as_slice(), &[b'a'; 1001], b">"].concat();
        let wrong: [&[u8]; 19] = [
            b"<a@b>\r\nRCPT TO:<c@d>",
            b"<a@b\r\nDATA\r\n>",
            b"<a@b\n>",
            b"<\"a\r\nb\"@c>",
            b"<\"a\\\r\nb\"@c>",
            b"<a@b\0>",
            b"<a@b> SIZE=1",
            b"<a b@c>",
            b"<a@b> <c@d>",
            b"<a@b><c@d>",
            b"<a@b",
            b"a@b>",
            b"a@b>SIZE=1",
            b"<\"a@b>",
            b"<a\\\"b c\"@d>",
            b"<\"a\\\"@d>",
            b"<",
            b"<\xff@b>",
            &long,
        ];
        for path in wrong {
            assert!(checked(path).is_err(), "{}", path.escape_ascii());
        }
        assert!(checked_recipient(b"<>").is_err() && checked_recipient(b"").is_err());
        assert_eq!(
            checked(b"<a b@c>\x1b[2J").unwrap_err().to_string(),
            "the address \"<a b@c>?[2J\" cannot be put into an SMTP command: an angle bracket is missing"
        );
    }

    #[test]
    fn our_name_is_a_host_name_or_a_literal() {
        assert!(["mx.example.org", "localhost", "[127.0.0.1]", "[IPv6:::1]"].iter().all(|n| is_helo(n)));
        assert!(!["", "a b", "a\r\nMAIL", "é"].iter().any(|n| is_helo(n)));
    }

    proptest! {
        #[test]
        fn a_path_that_is_let_through_is_one_argument(bytes in "[<>a@\" \\\\\r\n\0é.]{0,12}") {
            if let Ok(path) = checked(bytes.as_bytes()) {
                prop_assert!(path.starts_with(b"<") && path.ends_with(b">"));
                // As a server reads it: spaces and brackets outside quotes end it.
                let (mut quoted, mut escaped, mut depth) = (false, false, 0);
                for (at, &b) in path.iter().enumerate() {
                    prop_assert!(!b.is_ascii_control());
                    match b {
                        _ if escaped => escaped = false,
                        b'\\' => escaped = true,
                        b'"' => quoted = !quoted,
                        b'<' if !quoted => depth += 1,
                        b'>' if !quoted => {
                            depth -= 1;
                            prop_assert_eq!(at, path.len() - 1);
                        }
                        b' ' => prop_assert!(quoted),
                        _ => {}
                    }
                    prop_assert!(depth <= 1);
                }
                prop_assert_eq!((quoted, escaped, depth), (false, false, 0));
            }
        }
    }
}
