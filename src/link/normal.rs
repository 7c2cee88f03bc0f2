//! Path and query in normal form, and the short way for addresses that are in normal form already.

use std::net::{IpAddr, Ipv4Addr};

use super::{Link, host};

/// RFC 3986 §2.3.
const fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

/// What stands for itself in a path or query besides (RFC 3986 §3.3, §3.4). Encoded, it may mean something
/// else, so it is left as it was written.
const fn is_delimiter(b: u8) -> bool {
    matches!(
        b,
        b'!' | b'$'
            | b'&'
            | b'\''
            | b'('
            | b')'
            | b'*'
            | b'+'
            | b','
            | b';'
            | b'='
            | b':'
            | b'@'
            | b'/'
            | b'?'
    )
}

/// What a byte of a path or query is to whoever reads it. Most bytes of most links are asked about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Byte {
    /// It stands for itself.
    Itself,
    /// It does, and means something in some places: `.`, `?`, `'`.
    Marked,
    /// It does not.
    Other,
}

const BYTES: [Byte; 256] = {
    let mut bytes = [Byte::Other; 256];
    let mut b = 0_u8;
    while b < 128 {
        if matches!(b, b'.' | b'?' | b'\'') {
            bytes[b as usize] = Byte::Marked;
        } else if is_unreserved(b) || is_delimiter(b) {
            bytes[b as usize] = Byte::Itself;
        }
        b += 1;
    }
    bytes
};

fn kind(b: u8) -> Byte {
    BYTES.get(usize::from(b)).copied().unwrap_or(Byte::Other)
}

/// Appends a path or query in the one spelling: unreserved characters plain, everything that must be encoded
/// encoded with upper-case digits. Browsers differ in whether they encode `|` or `^`; a `%` that encodes
/// nothing is encoded itself, so that nothing new comes about by decoding.
pub(super) fn encoded(text: &str, out: &mut String) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        at += 1;
        if b == b'%' {
            let digit = |at: usize| bytes.get(at).and_then(|d| char::from(*d).to_digit(16));
            match (digit(at), digit(at + 1)) {
                (Some(high), Some(low)) => {
                    at += 2;
                    let value = u8::try_from(high * 16 + low).unwrap_or_default();
                    if is_unreserved(value) { out.push(char::from(value)) } else { escape(value, out) }
                }
                _ => escape(b'%', out),
            }
        } else if kind(b) != Byte::Other {
            out.push(char::from(b));
        } else {
            escape(b, out);
        }
    }
}

fn escape(b: u8, out: &mut String) {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    out.push('%');
    for nibble in [b >> 4, b & 15] {
        out.push(char::from(DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0')));
    }
}

/// The link, where `text` is plain enough to be its own normal form but for the fragment: no escapes, dot
/// segments, user information, ports, capitals in the host. Most links are; it takes a tenth of the time.
/// `None`: it has to be parsed.
pub(super) fn plain(text: &str) -> Option<Link> {
    let after = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let begin = text.len() - after.len();
    let rest = after.as_bytes();
    let slash = memchr::memchr(b'/', rest)?;
    if !is_plain_name(rest.get(..slash)?) {
        return None;
    }
    let (mut end, mut query) = (rest.len(), None);
    let mut at = slash + 1;
    loop {
        at += rest.get(at..)?.iter().take_while(|b| kind(**b) == Byte::Itself).count();
        match rest.get(at) {
            None => break,
            Some(b'#') => {
                end = at;
                break;
            }
            Some(b'?') => query = query.or(Some(at)),
            Some(b'.') if query.is_none() && rest.get(at - 1) == Some(&b'/') => return None,
            Some(b'\'') if query.is_some() => return None,
            Some(b'.' | b'\'') => {}
            Some(_) => return None,
        }
        at += 1;
    }
    // White space behind the fragment is cut by the parser, and so is all of the fragment.
    let query = query.filter(|at| {
        let empty = at + 1 == end;
        end -= usize::from(empty);
        !empty
    });
    let text = text.get(..begin + end)?.to_owned();
    let path = (begin + slash, begin + query.unwrap_or(end));
    Some(Link { text, host: (begin, begin + slash), path, ip: None::<IpAddr> })
}

/// The parts of a link in normal form: it has a scheme of ours, a host and a path, and nothing that would be
/// written otherwise at first sight.
pub(super) fn read_back(text: &str) -> Option<Link> {
    let (scheme, rest) = text.split_once("://").filter(|(s, _)| matches!(*s, "http" | "https" | "ftp"))?;
    let begin = scheme.len() + 3;
    let authority = rest.get(..rest.find('/')?)?;
    let host = match authority.strip_prefix('[') {
        Some(rest) => authority.get(..rest.find(']')? + 2)?,
        None => authority.split(':').next()?,
    };
    let is_plain = |b: u8| b.is_ascii_graphic() && !b.is_ascii_uppercase();
    let ip = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => Some(IpAddr::V6(v6.parse().ok()?)),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    };
    let path = begin + authority.len();
    let (tail, end) = (text.get(path..)?, text.len());
    let fits = !host.is_empty()
        && host.bytes().all(is_plain)
        && tail.bytes().all(|b| is_unreserved(b) || is_delimiter(b) || b == b'%');
    let query = tail.find('?').map(|at| path + at);
    if !fits || query.is_some_and(|at| at + 1 == end) {
        return None;
    }
    let host = (begin, begin + host.len());
    Some(Link { text: text.to_owned(), host, path: (path, query.unwrap_or(end)), ip })
}

/// A name that every reader takes as it stands. The last label begins with a letter: otherwise it may be an
/// address. Labels with `--` in third place may be IDN and are checked by the parser.
fn is_plain_name(name: &[u8]) -> bool {
    let (mut begin, mut last) = (0, 0);
    for end in memchr::memchr_iter(b'.', name).chain(std::iter::once(name.len())) {
        let label = name.get(begin..end).unwrap_or_default();
        let is_name =
            label.iter().fold(true, |is, b| is & (host::is_name_byte(*b) && !b.is_ascii_uppercase()));
        if !is_name || !(1..=63).contains(&label.len()) || label.get(2..4) == Some(b"--") {
            return false;
        }
        last = label.first().copied().unwrap_or_default();
        begin = end + 1;
    }
    last.is_ascii_lowercase() && name.len() <= 253
}
