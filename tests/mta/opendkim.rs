//! A private opendkim that signs: Debian's program on a unix socket, with a key that is made here.
//!
//! **Contract.** [`Opendkim::start`] makes the key – RSA by opendkim-genkey, as an admin would; Ed25519 by
//! openssl, because opendkim-genkey 2.11 knows RSA only – and returns when the socket takes a milter's
//! greeting. Mail with a From of its domain is signed, from whatever client. It runs as whoever runs the tests
//! and ends when the handle is dropped.
//!
//! **Failures.** With what opendkim wrote in the text.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use indymilter::message::Message;
use indymilter::message::reply::Reply;

use super::guard::{self, Dir, run};
use super::{PATIENCE, delivered, packet, wait_until};

/// SMFIC_OPTNEG of milter protocol 6, with every action and no step left out.
const GREETING: [u8; 17] = [0, 0, 0, 13, b'O', 0, 0, 0, 6, 0, 0, 1, 0xff, 0, 0, 0, 0];
/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410 §4).
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0];

/// What a key is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// rsa-sha256 with 2048 bits.
    #[default]
    Rsa,
    /// ed25519-sha256 (RFC 8463).
    Ed25519,
}

/// How it signs.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// `d=`.
    pub(crate) domain: &'static str,
    /// `s=`.
    pub(crate) selector: &'static str,
    /// `c=`: of the header and of the body, `simple` or `relaxed`.
    pub(crate) canonicalization: &'static str,
    /// `a=`. With Ed25519 and `simple` for the header opendkim 2.11 makes signatures that nobody verifies, itself
    /// included.
    pub(crate) algorithm: Algorithm,
    /// More lines of opendkim.conf.
    pub(crate) more: &'static str,
}

impl Default for Options {
    /// As Debian's opendkim.conf has it: relaxed/simple, and From signed once more than it is there.
    fn default() -> Self {
        Self {
            domain: "sender.example",
            selector: "s1",
            canonicalization: "relaxed/simple",
            algorithm: Algorithm::Rsa,
            more: "",
        }
    }
}

/// A running opendkim.
#[derive(Debug)]
pub(crate) struct Opendkim {
    dir: Dir,
    child: Child,
    record: String,
}

/// What is missing to start one; `None` if nothing is.
pub(crate) fn missing() -> Option<String> {
    let lacks = |program: &&str| !guard::installed(program);
    let program = ["opendkim", "opendkim-genkey", "openssl"].into_iter().find(lacks)?;
    Some(format!("{program} is not installed (Debian: opendkim opendkim-tools)"))
}

impl Opendkim {
    /// Starts one.
    ///
    /// # Errors
    /// If there is no key, or it does not answer; with what it wrote.
    pub(crate) fn start(options: &Options) -> anyhow::Result<Self> {
        let dir = Dir::new("opendkim")?;
        dir.make_for_socket("spool")?;
        let keys = dir.make("keys", 0o700)?;
        let value = match options.algorithm {
            Algorithm::Rsa => rsa(&keys, options)?,
            Algorithm::Ed25519 => ed25519(&keys, options)?,
        };
        let record = format!("{}._domainkey.{} TXT {value}\n", options.selector, options.domain);
        let file = dir.path().join("opendkim.conf");
        std::fs::write(&file, configuration(dir.path(), options))?;
        let log = std::fs::File::create(dir.path().join("opendkim.log"))?;
        let child = Command::new("opendkim")
            .env("PATH", guard::search_path())
            .args(["-f", "-x"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start opendkim")?;
        guard::watch(child.id(), dir.path())?;
        let mut opendkim = Self { dir, child, record };
        opendkim.wait_until_ready()?;
        Ok(opendkim)
    }

    /// As `smtpd_milters` names it.
    pub(crate) fn endpoint(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// Its key, as a line of a zone.
    pub(crate) fn record(&self) -> &str {
        &self.record
    }

    /// What it wrote so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("opendkim.log")).unwrap_or_default()
    }

    /// A message with its signature on top, as an MTA would send it on.
    ///
    /// # Errors
    /// If opendkim does not speak the protocol, or does not sign this.
    pub(crate) fn signed(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let value = self.signature(message);
        let value =
            value.map_err(|error| anyhow::anyhow!("{error:#}\n--- opendkim's log ---\n{}", self.log()))?;
        let folded = value.replace("\r\n", "\n").replace('\n', "\r\n");
        Ok([format!("DKIM-Signature: {folded}\r\n").as_bytes(), message].concat())
    }

    /// Hands a message over as an MTA does, and takes the field that it wants inserted.
    fn signature(&self, message: &[u8]) -> anyhow::Result<String> {
        let at = memchr::memmem::find(message, b"\r\n\r\n").context("a message without an empty line")?;
        let body = message.get(at + 4..).unwrap_or_default();
        let mut stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&GREETING)?;
        anyhow::ensure!(packet::read(&mut stream)?.kind == b'O', "it does not negotiate");
        let mut say = |kind: u8, payload: Vec<u8>| -> anyhow::Result<Message> {
            stream.write_all(&packet::frame(Message::new(kind, payload))?)?;
            packet::read(&mut stream)
        };
        let before = [
            (b'C', "localhost\x004\0\x19127.0.0.1\0"),
            (b'H', "localhost\0"),
            (b'M', "<>\0"),
            (b'R', "<>\0"),
        ];
        for (kind, payload) in before {
            say(kind, payload.into())?;
        }
        for field in delivered::fields(message) {
            let (name, value) = field.split_once(':').context("a field without a colon")?;
            say(b'L', format!("{name}\0{}\0", value.strip_prefix(' ').unwrap_or(value)).into())?;
        }
        say(b'N', Vec::new())?;
        say(b'B', body.to_vec())?;
        let mut reply = say(b'E', Vec::new())?;
        loop {
            match Reply::parse_reply(reply)? {
                Reply::InsertHeader { value, .. } => return Ok(value.into_string()?),
                Reply::AddHeader { .. } | Reply::Progress => {}
                other => anyhow::bail!("it signs nothing and says {other:?}"),
            }
            reply = packet::read(&mut stream)?;
        }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("spool/opendkim.sock")
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let (socket, child) = (self.socket(), &mut self.child);
        let ready = wait_until("opendkim to answer", PATIENCE, || {
            if let Some(status) = child.try_wait()? {
                anyhow::bail!("opendkim ended at start with {status}");
            }
            Ok(greets(&socket).ok())
        });
        ready.map_err(|error| anyhow::anyhow!("{error:#}\n--- opendkim's log ---\n{}", self.log()))
    }
}

impl Drop for Opendkim {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // It leaves nothing behind that a clean end would have to take away.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Asks it what it can do, and goes away.
fn greets(socket: &Path) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(&GREETING)?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    stream.write_all(b"\0\0\0\x01Q")
}

fn configuration(dir: &Path, options: &Options) -> String {
    let Options { domain, selector, canonicalization, algorithm, more } = options;
    let algorithm = match algorithm {
        Algorithm::Rsa => "rsa-sha256",
        Algorithm::Ed25519 => "ed25519-sha256",
    };
    let dir = dir.display();
    // Signing asks no name server. The directory is a temporary one, which opendkim by itself does not trust.
    format!(
        "Socket local:{dir}/spool/opendkim.sock\nMode s\nSyslog no\nBackground no\nUMask 007\n\
         Domain {domain}\nSelector {selector}\nKeyFile {dir}/keys/{selector}.private\nRequireSafeKeys no\n\
         Canonicalization {canonicalization}\nSignatureAlgorithm {algorithm}\nOversignHeaders From\n\
         InternalHosts 0.0.0.0/0\nNameservers 127.0.0.1\nTemporaryDirectory {dir}\n{more}\n"
    )
}

/// A pair of keys; the public one as its record has it.
fn rsa(keys: &Path, options: &Options) -> anyhow::Result<String> {
    let Options { domain, selector, .. } = options;
    let mut genkey = Command::new("opendkim-genkey");
    genkey.env("PATH", guard::search_path()).args(["-b", "2048", "-s", selector, "-d", domain, "-D"]);
    run(genkey.arg(keys))?;
    let zone = std::fs::read_to_string(keys.join(format!("{selector}.txt")))?;
    // A zone file's: several strings in quotation marks, between parentheses.
    let strings = zone.split('"').skip(1).step_by(2);
    let value = strings.collect::<String>();
    anyhow::ensure!(value.contains("p="), "opendkim-genkey wrote no key: {zone}");
    Ok(value)
}

fn ed25519(keys: &Path, options: &Options) -> anyhow::Result<String> {
    let private = keys.join(format!("{}.private", options.selector));
    run(Command::new("openssl").args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(&private))?;
    let pem = run(Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&private))?;
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = data_encoding::BASE64.decode(base64.as_bytes()).context("openssl's key is not in base64")?;
    let key = der.strip_prefix(&ED25519_PREFIX[..]).context("openssl wrote another kind of key")?;
    Ok(format!("v=DKIM1; k=ed25519; p={}", data_encoding::BASE64.encode(key)))
}
