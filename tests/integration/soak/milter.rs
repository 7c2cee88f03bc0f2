//! An MTA's side of the milter protocol that writes all of a message at once, as one does that has it in its queue.

use std::io::{BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::letters::{Got, Kind, Letter};

/// How long an answer may take.
const LONGEST: Duration = Duration::from_secs(120);
/// SMFIF_*: all actions and SETSYMLIST; SMFIP_*: as Postfix 3.7 offers them.
const OFFER: [u32; 3] = [6, 0x1ff, 0x1f_ffff];
/// CONNECT, HELO, DATA, header, end of header and body have no reply; values keep their leading space.
const AGREED: u32 = 0x1000 | 0x2000 | 0x1_0000 | 0x80 | 0x4_0000 | 0x8_0000 | 0x10_0000;

/// One connection.
pub struct Milter {
    stream: BufReader<UnixStream>,
    /// Not yet written.
    out: Vec<u8>,
}

impl Milter {
    pub fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(LONGEST)).unwrap();
        let mut client = Self { stream: BufReader::with_capacity(4096, stream), out: Vec::new() };
        let offer = OFFER.map(u32::to_be_bytes).concat();
        client.push(b'O', &[&offer]);
        let (kind, agreed) = client.reply();
        let protocol = u32::from_be_bytes(agreed[8..12].try_into().unwrap());
        assert_eq!((kind, protocol & AGREED), (b'O', AGREED), "{protocol:x}");
        client
    }

    /// The next SMTP client on this connection, who may have logged in.
    pub fn session(&mut self, number: u64, user: bool) {
        self.push(b'K', &[]);
        self.push(
            b'D',
            &[b"Cj\0mx.example.org\0{daemon_name}\0smtpd\0v\0Postfix 3.7\0{client_connections}\x001\0"],
        );
        let client = format!("192.0.2.{}\0", number % 250 + 1);
        let name = format!("mx{}.example\0", number % 1000);
        self.push(b'C', &[name.as_bytes(), b"4", &4711u16.to_be_bytes(), client.as_bytes()]);
        self.push(b'H', &[name.as_bytes()]);
        if user {
            self.push(
                b'D',
                &[b"M{auth_type}\0PLAIN\0{auth_authen}\0", format!("user{}\0", number % 300).as_bytes()],
            );
        }
    }

    /// Hands `letter` over and reads what is answered.
    pub fn judge(&mut self, letter: &Letter, user: bool) -> Got {
        let id = format!("i\x004S{:X}\0", letter.number);
        let login = format!("{{auth_type}}\0PLAIN\0{{auth_authen}}\0user{}\0", letter.number % 300);
        self.push(b'D', &[b"M", if user { login.as_bytes() } else { b"" }]);
        self.push(b'M', &[letter.from().as_bytes(), b"\0"]);
        self.push(b'D', &[b"R", id.as_bytes()]);
        self.push(b'R', &[letter.to().as_bytes(), b"\0"]);
        if letter.kind == Kind::Early {
            let (mail, rcpt) = (self.reply(), self.reply());
            self.push(b'A', &[]);
            return match (mail.0, rcpt.0) {
                (b'c', b'y') => Got::Early(text(&rcpt.1)),
                _ => Got::Other(format!("{mail:?} {rcpt:?}")),
            };
        }
        let (fields, body) = letter.content();
        self.push(b'T', &[]);
        for (name, value) in fields {
            self.push(b'L', &[name.as_bytes(), b"\0", value.as_bytes(), b"\0"]);
        }
        self.push(b'N', &[]);
        self.push(b'B', &[body.as_bytes()]);
        self.push(b'D', &[b"E", id.as_bytes()]);
        self.push(b'E', &[]);
        let (mail, rcpt) = (self.reply(), self.reply());
        if (mail.0, rcpt.0) != (b'c', b'c') {
            // What it says of the rest is read, so that the connection can go on.
            return Got::Other(format!("{mail:?} {rcpt:?} {:?}", self.end()));
        }
        self.end()
    }

    /// Edits, then the answer.
    fn end(&mut self) -> Got {
        let mut action = None;
        loop {
            let (kind, payload) = self.reply();
            match kind {
                b'a' | b'c' => return Got::Taken(action),
                b'd' => return Got::Discarded,
                b'y' if payload.first() == Some(&b'5') => return Got::Refused(text(&payload)),
                b'y' | b't' | b'r' => return Got::Other(text(&payload)),
                b'i' => {
                    let field = text(&payload[4..]);
                    if let Some(value) = field.strip_prefix("X-Mailward-Action\0") {
                        action = Some(value.trim().to_owned());
                    }
                }
                _ => {}
            }
        }
    }

    fn push(&mut self, kind: u8, payload: &[&[u8]]) {
        let length = 1 + payload.iter().map(|part| part.len()).sum::<usize>();
        self.out.extend(u32::try_from(length).unwrap().to_be_bytes());
        self.out.push(kind);
        payload.iter().for_each(|part| self.out.extend_from_slice(part));
    }

    /// Writes what is pushed, and reads the next packet.
    fn reply(&mut self) -> (u8, Vec<u8>) {
        if !self.out.is_empty() {
            self.stream.get_mut().write_all(&self.out).unwrap();
            self.out.clear();
        }
        let mut head = [0u8; 5];
        self.stream.read_exact(&mut head).unwrap();
        let mut payload = vec![0; u32::from_be_bytes(head[..4].try_into().unwrap()) as usize - 1];
        self.stream.read_exact(&mut payload).unwrap();
        (head[4], payload)
    }
}

/// As an MTA does it: what was pushed last, and that this is the end.
impl Drop for Milter {
    fn drop(&mut self) {
        self.push(b'Q', &[]);
        // The daemon may be gone.
        drop(self.stream.get_mut().write_all(&self.out));
    }
}

/// A payload as text, without the NUL at its end.
fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload.strip_suffix(b"\0").unwrap_or(payload)).into_owned()
}
