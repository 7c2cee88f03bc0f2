//! The parameters of MAIL: what of the first transaction goes along into the second.
//!
//! | parameter | what happens to it |
//! |---|---|
//! | `BODY` | by content: 8-bit needs 8BITMIME and says so; else `BODY=8BITMIME` goes along where offered. `BINARYMIME` would need BDAT: the message came by DATA and goes by it |
//! | `SMTPUTF8` | goes along. Not offered: dropped where addresses and message are ASCII, else an error |
//! | `SIZE` | the size we send, where offered (RFC 1870 §3: without doubled dots and the final one) |
//! | `RET`, `ENVID` | go along where DSN is offered (RFC 3461 §5.2.1) |
//! | `REQUIRETLS` | goes along where offered, else an error: dropped, the mail could go on in the clear (RFC 8689 §4.2) |
//! | `AUTH` | dropped: who is not authenticated has no say about it (RFC 4954 §5) |
//! | others | dropped: `BY`, `HOLDFOR`, `MT-PRIORITY` and their like speak of a time that is over |

use super::content::Survey;
use super::extensions::Extensions;
use super::{Outgoing, SmtpError};

/// Longest value that goes along: RFC 3461 allows 100 characters for ENVID before encoding.
const MAX_VALUE: usize = 400;

/// Everything after the reverse-path, each parameter with a space before it.
///
/// # Errors
/// [`SmtpError::Lacks`], with `server` in it.
pub(super) fn of_mail(
    server: &str,
    outgoing: &Outgoing<'_>,
    survey: &Survey,
    offered: Extensions,
) -> Result<String, SmtpError> {
    let lacks = |extension, why| SmtpError::Lacks { server: server.to_owned(), extension, why };
    let mut line = String::new();
    if survey.eight_bit && !offered.eight_bit_mime {
        return Err(lacks("8BITMIME", "the message holds 8-bit characters"));
    }
    if offered.eight_bit_mime && (survey.eight_bit || asks_for_eight_bit(outgoing)) {
        line.push_str(" BODY=8BITMIME");
    }
    let foreign_sender = !outgoing.reverse_path.0.argument().is_ascii();
    let declared = has(outgoing, "SMTPUTF8");
    let foreign = foreign_sender || outgoing.recipients.iter().any(|r| !r.argument().is_ascii());
    if offered.smtp_utf8 && (declared || foreign) {
        line.push_str(" SMTPUTF8");
    } else if foreign_sender {
        return Err(lacks("SMTPUTF8", "the sender's address is not ASCII"));
    } else if declared && survey.eight_bit {
        return Err(lacks("SMTPUTF8", "the message was declared to need it"));
    }
    if offered.size {
        line.push_str(&format!(" SIZE={}", survey.size));
    }
    for name in ["RET", "ENVID"] {
        if let Some(value) = value(outgoing, name).filter(|v| offered.dsn && is_value(v)) {
            line.push_str(&format!(" {name}={value}"));
        }
    }
    if has(outgoing, "REQUIRETLS") {
        if !offered.require_tls {
            return Err(lacks("REQUIRETLS", "the sender wants the message to travel encrypted only"));
        }
        line.push_str(" REQUIRETLS");
    }
    Ok(line)
}

fn has(outgoing: &Outgoing<'_>, keyword: &str) -> bool {
    outgoing.parameters.iter().any(|p| p.eq_ignore_ascii_case(keyword))
}

fn value<'a>(outgoing: &Outgoing<'a>, keyword: &str) -> Option<&'a str> {
    let pairs = outgoing.parameters.iter().filter_map(|p| p.split_once('='));
    pairs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(keyword)).map(|(_, value)| value)
}

fn asks_for_eight_bit(outgoing: &Outgoing<'_>) -> bool {
    value(outgoing, "BODY")
        .is_some_and(|v| v.eq_ignore_ascii_case("8BITMIME") || v.eq_ignore_ascii_case("BINARYMIME"))
}

/// `esmtp-value` of RFC 5321 §4.1.2: printable ASCII without `=` and space.
fn is_value(value: &str) -> bool {
    !value.is_empty() && value.len() <= MAX_VALUE && value.bytes().all(|b| b.is_ascii_graphic() && b != b'=')
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt as _;

    use super::*;
    use crate::model::{Recipient, ReversePath};

    const ALL: Extensions =
        Extensions { eight_bit_mime: true, smtp_utf8: true, size: true, dsn: true, require_tls: true };
    const NONE: Extensions =
        Extensions { eight_bit_mime: false, smtp_utf8: false, size: false, dsn: false, require_tls: false };

    fn line(
        from: &str,
        parameters: &[&str],
        message: &[u8],
        offered: Extensions,
    ) -> Result<String, &'static str> {
        let parameters: Vec<String> = parameters.iter().map(|p| (*p).to_owned()).collect();
        let pieces = [Bytes::copy_from_slice(message)];
        let survey = Survey::of(&pieces).now_or_never().unwrap().unwrap();
        let outgoing = Outgoing {
            reverse_path: &ReversePath(Recipient::new(from)),
            parameters: &parameters,
            recipients: &[Recipient::new("<b@example.org>")],
            pieces: &pieces,
        };
        of_mail("tcp:mx:25", &outgoing, &survey, offered).map_err(|error| match error {
            SmtpError::Lacks { extension, .. } => extension,
            other => panic!("{other}"),
        })
    }

    #[test]
    fn each_parameter_goes_along_where_it_is_offered_and_still_true() {
        let given = [
            "size=7",
            "body=8BITMIME",
            "SMTPUTF8",
            "RET=HDRS",
            "ENVID=a+20b",
            "AUTH=<>",
            "BY=120;R",
            "MT-PRIORITY=3",
            "X",
        ];
        let all = line("<a@b>", &given, b"x\r\n", ALL);
        assert_eq!(all.as_deref(), Ok(" BODY=8BITMIME SMTPUTF8 SIZE=3 RET=HDRS ENVID=a+20b"));
        assert_eq!(line("<a@b>", &given, b"x\r\n", NONE).as_deref(), Ok(""));
        // The CRLF that we add counts.
        assert_eq!(line("<>", &[], b"x", ALL).as_deref(), Ok(" SIZE=3"));
        assert_eq!(line("<>", &["BODY=BINARYMIME"], b"", ALL).as_deref(), Ok(" BODY=8BITMIME SIZE=0"));
        assert_eq!(line("<>", &["REQUIRETLS"], b"", ALL).as_deref(), Ok(" SIZE=0 REQUIRETLS"));
        // Undeclared 8-bit bytes in the header are no reason to declare SMTPUTF8.
        let raw = line("<a@b>", &[], b"Subject: \xe9\r\n\r\n", ALL);
        assert_eq!(raw.as_deref(), Ok(" BODY=8BITMIME SIZE=14"));
    }

    #[test]
    fn what_would_have_to_be_converted_is_an_error() {
        assert_eq!(line("<a@b>", &[], b"\xe9\r\n", NONE), Err("8BITMIME"));
        assert_eq!(line("<é@b>", &[], b"x\r\n", NONE), Err("SMTPUTF8"));
        let eight_bit = Extensions { eight_bit_mime: true, ..NONE };
        assert_eq!(line("<a@b>", &["smtputf8"], "é\r\n".as_bytes(), eight_bit), Err("SMTPUTF8"));
        assert_eq!(line("<a@b>", &["REQUIRETLS"], b"x\r\n", eight_bit), Err("REQUIRETLS"));
    }

    #[test]
    fn a_value_cannot_bring_a_second_parameter() {
        for envid in ["ENVID=", "ENVID=a b", "ENVID=a\r\nRSET", "ENVID=é", "ENVID=a=b"] {
            assert_eq!(line("<>", &[envid], b"", ALL).as_deref(), Ok(" SIZE=0"), "{envid}");
        }
    }
}
