//! Command lines (RFC 5321 §4.1.1, RFC 2033, RFC 3030), read strictly.

use crate::model::text;

/// Longest line, its end included: RFC 5321 §4.5.3.1.4 with the extensions' parameters, XFORWARD and long addresses.
pub(super) const MAX_LINE: usize = 4096;
/// Longest path. RFC 5321 §4.5.3.1.3 allows 256 octets; what is longer could not be handed on.
const MAX_PATH: usize = 1000;
/// Most parameters of a command.
const MAX_PARAMETERS: usize = 20;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// LHLO, EHLO or HELO, and the name that the client gives itself.
    Hello(Verb, &'a str),
    /// MAIL: the path with its brackets, and the parameters.
    Mail(&'a [u8], Vec<&'a str>),
    /// RCPT: the path with its brackets.
    Rcpt(&'a [u8]),
    /// DATA.
    Data,
    /// BDAT: how many bytes follow, and whether they are the last.
    Bdat(u64, bool),
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// VRFY.
    Vrfy,
    /// HELP.
    Help,
    /// QUIT.
    Quit,
    /// XFORWARD and its attributes.
    Xforward(&'a str),
    /// XCLIENT and its attributes.
    Xclient(&'a str),
}

/// How a client greets, and with that what it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// LMTP (RFC 2033).
    Lhlo,
    /// SMTP with extensions.
    Ehlo,
    /// SMTP without.
    Helo,
}

/// Why a line is no command: code and text of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: u16,
    pub(super) text: &'static str,
    /// It is not known how much follows that is no command: the connection must end.
    pub(super) fatal: bool,
}

pub(super) const fn fault(code: u16, text: &'static str) -> Fault {
    Fault { code, text, fatal: false }
}

const NO_PARAMETERS: Fault = fault(501, "5.5.4 this command takes no parameters");

/// The line was longer than [`MAX_LINE`].
pub(super) const TOO_LONG: Fault = fault(500, "5.5.6 line too long");

/// What is answered to a line that [`is_http`] tells of.
pub(super) const HTTP: Fault =
    Fault { code: 521, text: "5.5.1 this is HTTP, and LMTP and ESMTP are spoken here; closing", fatal: true };

/// Whether a line that is no command is the first of a request of HTTP, or a field of its header. What a web page has a
/// browser send to this port goes on with lines of the page's choice, which must not be taken for commands.
pub(super) fn is_http(line: &[u8]) -> bool {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let is_field = words.next().is_some_and(|first| first.ends_with(b":"));
    is_field || words.next_back().is_some_and(|last| last.starts_with(b"HTTP/"))
}

/// Reads a line, its end included.
///
/// # Errors
/// If it is no command of ours, or not as it must be.
pub(super) fn read(line: &[u8]) -> Result<Command<'_>, Fault> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.iter().any(|byte| matches!(byte, 0 | b'\r')) {
        return Err(fault(500, "5.5.2 a command cannot hold a NUL or a bare CR"));
    }
    let line = line.trim_ascii_end();
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (verb, rest) = line.split_at(end);
    let rest = rest.trim_ascii_start();
    let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
    let alone = |command| if rest.is_empty() { Ok(command) } else { Err(NO_PARAMETERS) };
    let attributes =
        || ascii(rest).filter(|text| !text.is_empty()).ok_or(fault(501, "5.5.4 attributes are missing"));
    match verb {
        _ if is("MAIL") => {
            let (path, parameters) = path(rest, b"FROM:", fault(501, "5.1.7 syntax: MAIL FROM:<address>"))?;
            Ok(Command::Mail(path, parameters))
        }
        _ if is("RCPT") => {
            let (path, parameters) = path(rest, b"TO:", fault(501, "5.1.3 syntax: RCPT TO:<address>"))?;
            match parameters.is_empty() {
                _ if path == b"<>" => Err(fault(501, "5.1.3 a recipient cannot be empty")),
                true => Ok(Command::Rcpt(path)),
                false => Err(fault(555, "5.5.4 unknown parameter of RCPT")),
            }
        }
        _ if is("DATA") => alone(Command::Data),
        _ if is("BDAT") => bdat(rest),
        _ if is("LHLO") => hello(Verb::Lhlo, rest),
        _ if is("EHLO") => hello(Verb::Ehlo, rest),
        _ if is("HELO") => hello(Verb::Helo, rest),
        _ if is("RSET") => alone(Command::Rset),
        _ if is("QUIT") => alone(Command::Quit),
        _ if is("NOOP") => Ok(Command::Noop),
        _ if is("HELP") => Ok(Command::Help),
        b"" => Err(fault(500, "5.5.2 an empty line is no command")),
        _ if is("VRFY") && rest.is_empty() => Err(fault(501, "5.5.4 syntax: VRFY address")),
        _ if is("VRFY") => Ok(Command::Vrfy),
        _ if is("XFORWARD") => Ok(Command::Xforward(attributes()?)),
        _ if is("XCLIENT") => Ok(Command::Xclient(attributes()?)),
        _ if ["EXPN", "AUTH", "STARTTLS", "ETRN", "TURN", "BURL"].iter().any(|known| is(known)) => {
            Err(fault(502, "5.5.1 not implemented here"))
        }
        _ => Err(fault(500, "5.5.2 unknown command")),
    }
}

fn ascii(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()))
}

fn hello(verb: Verb, rest: &[u8]) -> Result<Command<'_>, Fault> {
    let wrong = fault(501, "5.5.4 give one name, as in LHLO mail.example.org");
    let name = ascii(rest).filter(|name| !name.is_empty() && name.len() <= 255 && !name.contains(' '));
    Ok(Command::Hello(verb, name.ok_or(wrong)?))
}

fn bdat(rest: &[u8]) -> Result<Command<'_>, Fault> {
    // What follows cannot be told from commands.
    let wrong = Fault { code: 521, text: "5.5.4 syntax: BDAT size [LAST]; closing", fatal: true };
    let mut words = ascii(rest).ok_or(wrong)?.split_ascii_whitespace();
    let size = words.next().filter(|size| size.bytes().all(|b| b.is_ascii_digit()));
    let size = size.and_then(|size| size.parse().ok()).ok_or(wrong)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(wrong),
    };
    if words.next().is_some() { Err(wrong) } else { Ok(Command::Bdat(size, last)) }
}

/// A path with its brackets, and the parameters behind it.
fn path<'a>(rest: &'a [u8], keyword: &[u8], wrong: Fault) -> Result<(&'a [u8], Vec<&'a str>), Fault> {
    let (head, rest) = rest.split_at_checked(keyword.len()).ok_or(wrong)?;
    if !head.eq_ignore_ascii_case(keyword) {
        return Err(wrong);
    }
    let rest = rest.trim_ascii_start();
    let end = path_end(rest).ok_or(wrong)?;
    let (path, rest) = rest.split_at(end);
    if path.len() > MAX_PATH {
        return Err(Fault {
            text: if keyword == b"TO:" {
                "5.1.3 the address is too long"
            } else {
                "5.1.7 the address is too long"
            },
            ..wrong
        });
    }
    if std::str::from_utf8(path).is_err() {
        return Err(wrong);
    }
    if !rest.is_empty() && !rest.starts_with(b" ") {
        return Err(wrong);
    }
    let parameters: Vec<&str> =
        ascii(rest).ok_or(fault(501, "5.5.4 a parameter must be ASCII"))?.split_ascii_whitespace().collect();
    if parameters.len() > MAX_PARAMETERS {
        return Err(fault(501, "5.5.4 too many parameters"));
    }
    Ok((path, parameters))
}

/// Where the path that `text` begins with ends. Nothing in it can be read as more than one path when it is said again.
fn path_end(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'<') {
        return None;
    }
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if byte.is_ascii_control() => return None,
            _ if escaped => escaped = false,
            b'"' => quoted = !quoted,
            b'\\' if quoted => escaped = true,
            _ if quoted => {}
            b'>' => return Some(at + 1),
            b' ' | b'<' | b'\\' => return None,
            _ => {}
        }
    }
    None
}

/// A name that a client gave itself, as it may be shown.
pub(super) fn shown(name: &str) -> String {
    text::line(name, 255)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(line: &[u8]) -> u16 {
        read(line).map_or_else(|fault| fault.code, |command| panic!("{command:?}"))
    }

    #[test]
    fn commands_are_read_in_any_case() {
        assert_eq!(read(b"lhlo mx.example.org\r\n"), Ok(Command::Hello(Verb::Lhlo, "mx.example.org")));
        assert_eq!(read(b"EHLO [127.0.0.1]\r\n"), Ok(Command::Hello(Verb::Ehlo, "[127.0.0.1]")));
        assert_eq!(read(b"Data\n"), Ok(Command::Data));
        assert_eq!(read(b"BDAT 0 last\r\n"), Ok(Command::Bdat(0, true)));
        assert_eq!(read(b"BDAT 17\r\n"), Ok(Command::Bdat(17, false)));
        assert_eq!(read(b"NOOP whatever\r\n"), Ok(Command::Noop));
        assert_eq!(read(b"XFORWARD NAME=a ADDR=b\r\n"), Ok(Command::Xforward("NAME=a ADDR=b")));
        assert_eq!(
            read(b"mail from: <> SIZE=5  BODY=8BITMIME\r\n"),
            Ok(Command::Mail(b"<>", vec!["SIZE=5", "BODY=8BITMIME"]))
        );
        assert_eq!(
            read("RCPT TO:<pelé@example.org>\r\n".as_bytes()),
            Ok(Command::Rcpt("<pelé@example.org>".as_bytes()))
        );
        assert_eq!(read(b"RCPT TO:<\"a b>\\\"\"@x> \r\n"), Ok(Command::Rcpt(b"<\"a b>\\\"\"@x>")));
    }

    #[test]
    fn what_is_no_command_is_told_apart() {
        for line in [
            &b"\r\n"[..],
            b"FOO\r\n",
            b"MAILFROM:<a@b>\r\n",
            b"DA\0TA\r\n",
            b"RSET\rQUIT\r\n",
            b"\xff\xfe\r\n",
        ] {
            assert_eq!(code(line), 500, "{}", line.escape_ascii());
        }
        let wrong: [&[u8]; 16] = [
            b"MAIL\r\n",
            b"MAIL FROM\r\n",
            b"MAIL FROM:a@b\r\n",
            b"MAIL FROM:<a@b\r\n",
            b"MAIL FROM:<a@b>SIZE=1\r\n",
            b"MAIL FROM:<a b@c>\r\n",
            b"MAIL FROM:<a<b@c>\r\n",
            b"MAIL FROM:<\xff@b>\r\n",
            b"MAIL TO:<a@b>\r\n",
            b"RCPT TO:<>\r\n",
            b"RCPT TO:<a\t@b>\r\n",
            b"LHLO\r\n",
            b"EHLO a b\r\n",
            b"RSET now\r\n",
            b"XFORWARD\r\n",
            b"VRFY\r\n",
        ];
        for line in wrong {
            assert_eq!(code(line), 501, "{}", line.escape_ascii());
        }
        assert_eq!(code(b"RCPT TO:<a@b> NOTIFY=NEVER\r\n"), 555);
        assert_eq!(code(b"STARTTLS\r\n"), 502);
        assert_eq!(code(&[b"RCPT TO:<".as_slice(), &[b'a'; 1200], b">\r\n"].concat()), 501);
        for line in [
            &b"BDAT\r\n"[..],
            b"BDAT x\r\n",
            b"BDAT -1\r\n",
            b"BDAT 1 FIRST\r\n",
            b"BDAT 1 LAST x\r\n",
            b"BDAT 99999999999999999999\r\n",
        ] {
            assert!(read(line).unwrap_err().fatal, "{}", line.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_command_or_a_fault(line in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Err(fault) = read(&line) {
                prop_assert!((500..600).contains(&fault.code) && fault.text.starts_with("5."));
            }
        }

        #[test]
        fn a_path_that_is_taken_can_be_handed_on(inner in "[<>a@\" \\\\é.]{0,12}") {
            let line = format!("RCPT TO:<{inner}>\r\n");
            if let Ok(Command::Rcpt(path)) = read(line.as_bytes()) {
                prop_assert!(path.starts_with(b"<") && path.ends_with(b">"));
                prop_assert!(crate::net::smtp::is_path(path), "{}", path.escape_ascii());
            }
        }
    }
}
