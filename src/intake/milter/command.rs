//! Payloads that the codec reads more strictly, or loses more of, than we can afford.
//!
//! The codec refuses `IPv6:::1` (Sendmail writes it so) and cuts a header value at an embedded NUL.

use std::net::IpAddr;

use super::macros::{c_string, lossy};
use crate::model::{Client, ClientAddr};

/// Longest host name or path kept of a CONNECT or HELO.
pub(super) const MAX_NAME: usize = 1024;

/// SMFIC_CONNECT: the client and its port. An address that cannot be read is unknown.
///
/// # Errors
/// If there is no host name or no address family, as the end of a sentence.
pub(super) fn connect(payload: &[u8]) -> Result<(Client, u16), &'static str> {
    let (name, rest) = c_string(payload).ok_or("whose host name does not end")?;
    let (family, rest) = rest.split_first().ok_or("without an address family")?;
    let name = lossy(name, MAX_NAME);
    let Some((port, rest)) = rest.split_first_chunk::<2>() else {
        return match family {
            b'U' => Ok((Client { name, addr: ClientAddr::Unknown }, 0)),
            _ => Err("without a port"),
        };
    };
    let port = u16::from_be_bytes(*port);
    let (address, _) = c_string(rest).unwrap_or((rest, &[]));
    let addr = match family {
        b'4' | b'6' => ip(address).map_or(ClientAddr::Unknown, ClientAddr::Ip),
        b'L' => ClientAddr::Unix(lossy(address, MAX_NAME)),
        b'U' => ClientAddr::Unknown,
        _ => return Err("of an unknown address family"),
    };
    Ok((Client { name, addr }, port))
}

/// An address as MTAs write it: `192.0.2.1`, `2001:db8::1`, `IPv6:2001:db8::1`, `fe80::1%eth0`.
fn ip(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = match text.split_at_checked(5) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("IPv6:") => rest,
        _ => text,
    };
    let bare = bare.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(bare);
    bare.split_once('%').map_or(bare, |(address, _zone)| address).parse().ok()
}

/// SMFIC_HEADER: name and value. The value goes up to the packet's last NUL, those inside kept.
///
/// # Errors
/// If there are not two strings, as the end of a sentence.
pub(super) fn header(payload: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let (name, rest) = c_string(payload).ok_or("whose name does not end")?;
    if name.is_empty() {
        return Err("without a name");
    }
    let value = rest.strip_suffix(b"\0").ok_or("whose value does not end")?;
    Ok((name, value))
}

/// SMFIC_MAIL, SMFIC_RCPT: the path and its parameters.
///
/// # Errors
/// If there is no string, or the last one does not end, as the end of a sentence.
pub(super) fn path(payload: &[u8]) -> Result<(&[u8], impl Iterator<Item = &[u8]>), &'static str> {
    let strings = payload.strip_suffix(b"\0").ok_or("whose argument does not end")?;
    let mut strings = strings.split(|byte| *byte == 0);
    // Splitting gives at least one piece: the null reverse-path of Postfix' bounces is one NUL.
    let path = strings.next().unwrap_or_default();
    Ok((path, strings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str, addr: ClientAddr) -> Client {
        Client { name: name.into(), addr }
    }

    #[test]
    fn clients_of_every_family_are_read() {
        let v4 = ClientAddr::Ip("192.0.2.1".parse().unwrap());
        assert_eq!(connect(b"mx.example\x004\x11\xd7192.0.2.1\0"), Ok((client("mx.example", v4), 4567)));
        let v6 = || ClientAddr::Ip("::1".parse().unwrap());
        assert_eq!(connect(b"[::1]\x006\0\x19IPv6:::1\0"), Ok((client("[::1]", v6()), 25)));
        assert_eq!(connect(b"[::1]\x006\0\x19::1\0"), Ok((client("[::1]", v6()), 25)));
        assert_eq!(connect(b"x\x006\0\x19ipv6:fe80::1%eth0\0").unwrap().0.addr.ip(), "fe80::1".parse().ok());
        let unix = ClientAddr::Unix("/run/x".into());
        assert_eq!(connect(b"localhost\0L\0\0/run/x\0"), Ok((client("localhost", unix), 0)));
        assert_eq!(connect(b"unknown\0U"), Ok((client("unknown", ClientAddr::Unknown), 0)));
        assert_eq!(connect(b"odd\x004\0\x19nonsense\0"), Ok((client("odd", ClientAddr::Unknown), 25)));
    }

    #[test]
    fn a_connect_that_is_cut_short_is_refused() {
        for payload in [b"".as_slice(), b"mx", b"mx\0", b"mx\x004", b"mx\x004\0", b"mx\0X\0\x19y\0"] {
            assert!(connect(payload).is_err(), "{payload:?}");
        }
    }

    #[test]
    fn a_header_value_keeps_its_bytes_up_to_the_last_nul() {
        assert_eq!(header(b"Subject\0 a\0b\0"), Ok((b"Subject".as_slice(), b" a\0b".as_slice())));
        assert_eq!(header(b"X-Empty\0\0"), Ok((b"X-Empty".as_slice(), b"".as_slice())));
        assert!(header(b"X-None\0").is_err());
        assert!(header(b"X-Cut\0 val").is_err());
        assert!(header(b"\0 val\0").is_err());
        assert!(header(b"").is_err());
    }

    #[test]
    fn a_path_keeps_its_bytes_and_its_parameters() {
        let read = |payload: &'static [u8]| path(payload).map(|(p, rest)| (p, rest.collect::<Vec<_>>()));
        assert_eq!(
            read(b"<a@b>\0SIZE=1\0BODY=8BITMIME\0"),
            Ok((b"<a@b>".as_slice(), vec![b"SIZE=1".as_slice(), b"BODY=8BITMIME"]))
        );
        assert_eq!(read(b"\0"), Ok((b"".as_slice(), vec![])));
        assert!(read(b"").is_err());
        assert!(read(b"<a@b>").is_err());
    }
}
