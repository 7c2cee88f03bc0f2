//! Speaks as an MTA for one packet: is a mailward at the other end of a socket?

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long each step may take.
const LIMIT: Duration = Duration::from_secs(3);
/// Version 6, all edits, all of the protocol's options: what Postfix offers.
const OFFER: [u32; 3] = [6, 0x1ff, 0x001f_ffff];
/// Longest answer; ours has about a hundred bytes.
const MAX_ANSWER: u32 = 4096;
/// Nobody but mailward asks for this at CONNECT.
const OURS: &[u8] = b"{client_connections}";

/// Who is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Mailward,
    /// A milter of somebody else.
    OtherMilter,
    /// Not allowed.
    Denied,
    /// There is a socket and nobody behind it.
    Refused,
    Missing,
    /// It took the connection and did not speak milter.
    Silent,
}

impl Answer {
    const ALL: [Self; 6] =
        [Self::Mailward, Self::OtherMilter, Self::Denied, Self::Refused, Self::Missing, Self::Silent];

    /// One word for each.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Mailward => "mailward",
            Self::OtherMilter => "other-milter",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Missing => "missing",
            Self::Silent => "silent",
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|answer| answer.word() == word)
    }
}

/// Tries a unix socket. A relative path counts from where this runs, as Postfix's does.
pub(super) fn over_unix(path: &Path) -> Answer {
    match UnixStream::connect(path) {
        Ok(stream) => {
            let set = stream.set_read_timeout(Some(LIMIT)).and(stream.set_write_timeout(Some(LIMIT)));
            set.map_or(Answer::Silent, |()| ask(stream))
        }
        Err(error) => not_connected(&error),
    }
}

/// Tries a TCP port.
pub(super) fn over_tcp(address: SocketAddr) -> Answer {
    match TcpStream::connect_timeout(&address, LIMIT) {
        Ok(stream) => {
            let set = stream.set_read_timeout(Some(LIMIT)).and(stream.set_write_timeout(Some(LIMIT)));
            set.map_or(Answer::Silent, |()| ask(stream))
        }
        Err(error) => not_connected(&error),
    }
}

fn not_connected(error: &io::Error) -> Answer {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Answer::Denied,
        io::ErrorKind::NotFound => Answer::Missing,
        io::ErrorKind::ConnectionRefused => Answer::Refused,
        _ => Answer::Silent,
    }
}

fn ask(mut stream: impl Read + Write) -> Answer {
    let Ok(answer) = negotiate(&mut stream) else { return Answer::Silent };
    // QUIT; it need not arrive.
    stream.write_all(b"\0\0\0\x01Q").ok();
    match answer.split_first() {
        Some((b'O', rest)) if memchr::memmem::find(rest, OURS).is_some() => Answer::Mailward,
        Some((b'O', _)) => Answer::OtherMilter,
        _ => Answer::Silent,
    }
}

fn negotiate(stream: &mut (impl Read + Write)) -> io::Result<Vec<u8>> {
    let mut packet = vec![0, 0, 0, 13, b'O'];
    packet.extend(OFFER.iter().flat_map(|word| word.to_be_bytes()));
    stream.write_all(&packet)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length).min(MAX_ANSWER);
    let mut answer = vec![0; length as usize];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn answering(bytes: Vec<u8>) -> Answer {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 17]).unwrap();
            stream.write_all(&bytes).unwrap();
        });
        let answer = over_unix(&path);
        server.join().unwrap();
        answer
    }

    #[test]
    fn who_answers_is_told_apart() {
        let packet = |body: &[u8]| [&u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat();
        let terms = b"O\0\0\0\x06\0\0\x01\x3f\0\0\0\0";
        let ours = [terms.as_slice(), b"\0\0\0\0j {client_connections}\0"].concat();
        assert_eq!(answering(packet(&ours)), Answer::Mailward);
        assert_eq!(answering(packet(terms)), Answer::OtherMilter);
        assert_eq!(answering(b"220 mx ESMTP\r\n".to_vec()), Answer::Silent);
        assert_eq!(answering(Vec::new()), Answer::Silent);
    }

    #[test]
    fn nobody_there_is_told_apart_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        assert_eq!(over_unix(&path), Answer::Missing);
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(over_unix(&path), Answer::Refused);
        for answer in Answer::ALL {
            assert_eq!(Answer::of_word(answer.word()), Some(answer));
        }
        assert_eq!(Answer::of_word("x"), None);
    }
}
