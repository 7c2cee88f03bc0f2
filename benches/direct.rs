//! rspamd and clamd asked without mailward, by the least that a client can do. This is what their answer costs
//! whoever asks.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::Context as _;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to either.
trait Stream: Read + Write + Send {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

/// Connects to an address as mailward's configuration writes it.
fn connect(address: &str) -> anyhow::Result<Box<dyn Stream>> {
    if let Some(path) = address.strip_prefix("unix:") {
        let stream = UnixStream::connect(path).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        return Ok(Box::new(stream));
    }
    let host = ["http://", "tcp:", "inet:"].iter().find_map(|head| address.strip_prefix(head));
    let host = host.with_context(|| format!("{address} is no address that is known here"))?;
    let stream = TcpStream::connect(host.trim_end_matches('/'))
        .with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(Box::new(stream))
}

/// Has rspamd look at a message, over a connection of its own: rspamd closes each after its reply. The JSON that it says.
///
/// # Errors
/// If nobody is there, or the answer is not 200.
pub(crate) fn rspamd(address: &str, message: &[u8]) -> anyhow::Result<Vec<u8>> {
    let head = format!(
        "POST /checkv2 HTTP/1.1\r\nHost: rspamd\r\nContent-Length: {}\r\nIP: 192.0.2.7\r\n\
         Helo: bench.remote.example\r\nHostname: bench.remote.example\r\n\
         From: bench@remote.example\r\nRcpt: alice@example.org\r\nQueue-Id: 4ABCDE\r\n\r\n",
        message.len()
    );
    let mut stream = connect(address)?;
    stream.write_all(&[head.as_bytes(), message].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    anyhow::ensure!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "rspamd says {:?}",
        String::from_utf8_lossy(answer.get(..80).unwrap_or(&answer))
    );
    Ok(answer)
}

/// Has clamd look at a message, over a connection of its own, as it wants it; its answer.
///
/// # Errors
/// If nobody is there.
pub(crate) fn clamd(address: &str, message: &[u8]) -> anyhow::Result<String> {
    let mut stream = connect(address)?;
    let length = u32::try_from(message.len())?.to_be_bytes();
    stream.write_all(&[b"zINSTREAM\0", &length[..], message, &[0; 4]].concat())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    anyhow::ensure!(answer.starts_with("stream: "), "clamd says {answer:?}");
    Ok(answer)
}
