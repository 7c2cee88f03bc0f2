//! An LMTP client on a unix socket, and the server behind the daemon: Postfix' own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::mta::{PATIENCE, smtp, wait_until};

/// How long an answer may take.
const LONGEST: Duration = Duration::from_secs(120);

/// One session, greeted.
pub struct Lmtp {
    stream: BufReader<UnixStream>,
}

impl Lmtp {
    pub fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(LONGEST)).unwrap();
        // Small: there are ten thousand of these.
        let mut client = Self { stream: BufReader::with_capacity(512, stream) };
        assert!(client.reply().starts_with("220 "));
        client.write(b"LHLO mx.example.org\r\n");
        assert!(client.reply().starts_with("250 "));
        client
    }

    /// One message for one recipient; the last reply.
    pub fn deliver(&mut self, from: &str, to: &str, raw: &[u8]) -> String {
        self.write(format!("MAIL FROM:{from}\r\nRCPT TO:{to}\r\nDATA\r\n").as_bytes());
        let replies = [self.reply(), self.reply(), self.reply()];
        let codes = replies.each_ref().map(|reply| reply.get(..3).unwrap_or_default());
        assert_eq!(codes, ["250", "250", "354"], "{replies:?}");
        // What `dot_stuffed` gives ends with the dot.
        self.write(&smtp::dot_stuffed(raw));
        self.reply()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// The last line of the next reply.
    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.stream.read_line(&mut line).unwrap(), 0, "the session has ended");
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }
}

/// Takes everything and keeps nothing of it.
pub struct Sink {
    child: Child,
    folder: tempfile::TempDir,
}

impl Sink {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("sink");
        let mut command = Command::new("/usr/sbin/smtp-sink");
        if nix::unistd::Uid::effective().is_root() {
            command.args(["-u", "root"]);
        }
        let address = format!("unix:{}", socket.display());
        let child = command.args(["-L", &address, "1000"]).stdin(Stdio::null()).spawn().unwrap();
        wait_until("smtp-sink", PATIENCE, || Ok(UnixStream::connect(&socket).is_ok().then_some(()))).unwrap();
        Self { child, folder }
    }

    /// As `[lmtp] relay` names it.
    pub fn address(&self) -> String {
        format!("unix:{}/sink", self.folder.path().display())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
