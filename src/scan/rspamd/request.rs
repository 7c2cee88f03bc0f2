//! The head of a `/checkv2` request: what rspamd is told about a message besides its bytes.
//!
//! rspamd takes header values as they are, without any decoding (rspamd `src/libserver/protocol.c`). It splits
//! `Rcpt` at commas outside quotes, and an address that it cannot read – an empty recipient, one that is not
//! ASCII – makes it add `BROKEN_HEADERS` with a score of 8: so what SMTPUTF8 allows is written so that it can be
//! read. Its HTTP parser takes 80 KB of headers and hangs up beyond.
//!
//! Not sent, on purpose: `Message-Length` (rspamd would take the body for a control block and a message),
//! `Pass: all` (rspamd's own admin decides when it has seen enough), `File`, `Path` and `Shm`.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;

use super::received;
use super::settings::Endpoint;
use crate::model::{ClientAddr, Session, Timestamp};
use crate::scan::ScanInput;

/// Longest value of a header.
const MAX_VALUE: usize = 1000;
/// Most bytes that recipients take together.
const MAX_RECIPIENTS: usize = 32 << 10;

/// The bytes of a request to judge `input`: the head with our `Received`, then the message itself, not copied.
pub(super) fn check(
    endpoint: &Endpoint,
    password: Option<&str>,
    input: &ScanInput,
    now: Timestamp,
) -> [Bytes; 2] {
    let received = received::field(&input.session, &input.envelope, now);
    let raw = input.message.raw();
    let mut head = Head::new(endpoint, "/checkv2", received.len() + raw.len());
    let session = &*input.session;
    if let Some(ip) = client_ip(session) {
        head.field("IP", &ip.to_string());
    }
    head.some("Helo", session.helo.as_deref());
    head.some("Hostname", client_name(session));
    head.field("From", &format!("<{}>", path(input.envelope.reverse_path.address())));
    recipients(&mut head, input);
    head.some("User", session.user.as_deref());
    head.some("Queue-Id", input.envelope.queue_id.as_deref());
    head.some("MTA-Name", session.mta.as_deref());
    head.some("MTA-Tag", session.daemon.as_deref());
    if let Some(tls) = &session.tls {
        head.some("TLS-Version", Some(&tls.version));
        head.some("TLS-Cipher", Some(&tls.cipher));
    }
    head.some("Password", password);
    [head.end(&received), raw.clone()]
}

fn recipients(head: &mut Head, input: &ScanInput) {
    let all = &input.envelope.recipients;
    let mut room = MAX_RECIPIENTS;
    for recipient in all.iter().filter(|r| !r.address().is_empty()) {
        let value = format!("<{}>", path(recipient.address()));
        let Some(left) = room.checked_sub(value.len()) else { break };
        room = left;
        head.field("Rcpt", &value);
    }
    // Whose settings and statistics count: clear only where there is one.
    if let [one] = all.as_slice() {
        head.some("Deliver-To", Some(&path(one.address())));
    }
}

/// The bytes of a request to learn `message`.
pub(super) fn learn(endpoint: &Endpoint, target: &str, password: Option<&str>, message: Bytes) -> [Bytes; 2] {
    let mut head = Head::new(endpoint, target, message.len());
    head.some("Password", password);
    // A person has decided. Without it rspamd refuses where its own opinion is strong (lua_bayes_learn.lua).
    head.field("Learn-Type", "bulk");
    [head.end(&[]), message]
}

/// The bytes of a question whether rspamd is there.
pub(super) fn ping(endpoint: &Endpoint) -> Bytes {
    let Endpoint { host, path, .. } = endpoint;
    Bytes::from(format!("GET {path}/ping HTTP/1.1\r\nHost: {host}\r\n\r\n"))
}

/// The bytes of a question to the controller whether it takes this password; changes nothing.
pub(super) fn auth(endpoint: &Endpoint, password: Option<&str>) -> Bytes {
    let Endpoint { host, path, .. } = endpoint;
    let mut head = Head(format!("GET {path}/auth HTTP/1.1\r\nHost: {host}\r\n").into_bytes());
    head.some("Password", password);
    head.end(&[])
}

/// The client's address as rspamd needs it. Who came over a socket of this machine is this machine: without any
/// address rspamd would count that against the mail (`HFILTER_HOSTNAME_UNKNOWN`).
pub(super) fn client_ip(session: &Session) -> Option<IpAddr> {
    match session.client.addr {
        ClientAddr::Unix(_) => Some(Ipv4Addr::LOCALHOST.into()),
        _ => session.client.addr.ip(),
    }
}

/// The client's verified name; not what an MTA writes where it has none.
pub(super) fn client_name(session: &Session) -> Option<&str> {
    let name = session.client.name.as_str();
    let is_none = name.is_empty() || name.eq_ignore_ascii_case("unknown") || name.starts_with('[');
    (!is_none && name.parse::<IpAddr>().is_err()).then_some(name)
}

/// An address that rspamd can read: a domain that is not ASCII in its ASCII form, other such characters as `?`, a
/// local part with a comma in quotes.
pub(super) fn path(address: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii() && !c.is_ascii_control();
    let needs_quotes = |local: &str| local.contains(',') && !local.starts_with('"');
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    if address.chars().all(plain) && !needs_quotes(local) {
        return Cow::Borrowed(address);
    }
    let safe = |text: &str| text.chars().map(|c| if plain(c) { c } else { '?' }).collect::<String>();
    let mut out = safe(local);
    if needs_quotes(&out) {
        out = format!("\"{}\"", out.replace(['"', '\\'], "?"));
    }
    if !domain.is_empty() {
        out.push('@');
        out.push_str(&ascii_domain(domain).unwrap_or_else(|| safe(domain)));
    }
    Cow::Owned(out)
}

/// The ASCII form (RFC 5891) of a domain, where it has one.
fn ascii_domain(domain: &str) -> Option<String> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.');
    if domain.is_ascii() || !domain.chars().all(plain) {
        return None;
    }
    // The URL parser that we have does it as browsers do.
    let url: reqwest::Url = format!("http://{domain}/").parse().ok()?;
    Some(url.host_str()?.to_owned())
}

/// The head of a request, being written.
struct Head(Vec<u8>);

impl Head {
    fn new(endpoint: &Endpoint, target: &str, length: usize) -> Self {
        let Endpoint { host, path, .. } = endpoint;
        let start = format!("POST {path}{target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n");
        let mut head = Vec::with_capacity(1024);
        head.extend_from_slice(start.as_bytes());
        Self(head)
    }

    fn some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
            self.field(name, value);
        }
    }

    /// Adds a field. Control characters would end it or the head: they become `?`. Beyond [`MAX_VALUE`] it is cut.
    fn field(&mut self, name: &str, value: &str) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b": ");
        let mut left = MAX_VALUE;
        for c in value.trim().chars().map(|c| if c.is_control() { '?' } else { c }) {
            let Some(rest) = left.checked_sub(c.len_utf8()) else { break };
            left = rest;
            self.0.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self.0.extend_from_slice(b"\r\n");
    }

    fn end(mut self, then: &[u8]) -> Bytes {
        self.0.extend_from_slice(b"\r\n");
        self.0.extend_from_slice(then);
        self.0.into()
    }
}
