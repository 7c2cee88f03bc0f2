//! A client of the daemon's admin API, over its unix socket, or with a token over its TCP port.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde::Serialize;
use serde_json::Value;

use crate::config::Config;

/// Long enough for `audit verify` over months of records.
const PATIENCE: Duration = Duration::from_secs(600);

/// The most of an answer that is held in memory: some ten times the ten thousand rows that `audit list` can ask for. Who
/// listens in the daemon's place must not fill the memory of root.
const MOST: usize = 512 * 1024 * 1024;
/// The same where it is written out as it comes, and only a refusal is held.
const MOST_REFUSAL: usize = 1024 * 1024;

/// Speaks to the daemon that uses this configuration.
pub(super) struct Client {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    socket: PathBuf,
    /// The port and the token for it, where that is asked instead of the socket.
    port: Option<(SocketAddr, String)>,
    patience: Duration,
}

/// What speaks plain HTTP on this machine. It needs no certificates, and a machine without any has commands too.
fn plain() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}

impl Client {
    /// A client for the first unix socket among `admin.listen`.
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        Self::patient(config, PATIENCE)
    }

    /// The same that waits so long for an answer.
    pub(super) fn patient(config: &Config, patience: Duration) -> anyhow::Result<Self> {
        let socket = config.admin.listen.iter().find_map(crate::admin::Listen::unix_path).context(
            "admin.listen names no unix socket, and the commands reach the daemon through one; add \
             \"unix:/run/mailward/admin.sock\" there",
        )?;
        let socket = socket.to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let http = plain().unix_socket(socket.clone()).timeout(patience).build()?;
        Ok(Self { http, runtime, socket, port: None, patience })
    }

    /// A client for the TCP port, which must be on loopback: a token is not for the network.
    pub(super) fn over_tcp(address: SocketAddr, token: &str) -> anyhow::Result<Self> {
        anyhow::ensure!(
            address.ip().is_loopback(),
            "{address} is not on loopback; mailward listens nowhere else"
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let http = plain().timeout(PATIENCE).build()?;
        let port = Some((address, token.to_owned()));
        Ok(Self { http, runtime, socket: PathBuf::new(), port, patience: PATIENCE })
    }

    /// The same, for those who wait less long.
    pub(super) fn within(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// POST of a message with the fields of `query` as parameters, for JSON.
    pub(super) fn post_message(
        &self,
        path: &str,
        query: &impl Serialize,
        message: Vec<u8>,
    ) -> anyhow::Result<Value> {
        let url = url(path, query)?;
        let request = match &self.port {
            None => self.http.post(url),
            Some((address, token)) => {
                let path = url.strip_prefix(HOST).unwrap_or_default();
                self.http.post(format!("http://{address}{path}")).bearer_auth(token)
            }
        };
        let bytes = self.send(request.timeout(self.patience).body(message))?;
        serde_json::from_slice(&bytes).context("the daemon's answer is not JSON")
    }

    /// GET, with the fields of `query` as parameters, for JSON. `&()` is no parameters.
    pub(super) fn get(&self, path: &str, query: &impl Serialize) -> anyhow::Result<Value> {
        let bytes = self.send(self.http.get(url(path, query)?))?;
        serde_json::from_slice(&bytes).context("the daemon's answer is not JSON")
    }

    /// GET, with what comes written to `to` as it comes.
    pub(super) fn copy(&self, path: &str, query: &impl Serialize, to: &mut dyn Write) -> anyhow::Result<()> {
        let url = url(path, query)?;
        self.runtime.block_on(async {
            let request = self.http.get(url);
            let mut response = request.send().await.map_err(|error| self.unreachable(&error))?;
            if !response.status().is_success() {
                let (status, body) =
                    (response.status(), whole(response, MOST_REFUSAL).await.unwrap_or_default());
                return Err(refusal(status, &body));
            }
            while let Some(piece) = response.chunk().await.context("the daemon broke off its answer")? {
                match to.write_all(&piece) {
                    // A reader that has seen enough (`| head`) is no error.
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                    written => written?,
                }
            }
            Ok(())
        })
    }

    /// Whether a daemon is there.
    pub(super) fn is_answered(&self) -> bool {
        std::os::unix::net::UnixStream::connect(&self.socket).is_ok()
    }

    /// The socket that is asked.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// POST without a body, for JSON.
    pub(super) fn post(&self, path: &str) -> anyhow::Result<Value> {
        let bytes = self.send(self.http.post(url(path, &())?))?;
        serde_json::from_slice(&bytes).context("the daemon's answer is not JSON")
    }

    /// POST with a JSON body, for JSON.
    pub(super) fn post_json(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Value> {
        let bytes = self.send(self.http.post(url(path, &())?).json(body))?;
        serde_json::from_slice(&bytes).context("the daemon's answer is not JSON")
    }

    /// POST of a file. `Err` inside: it was refused, with all that the daemon says of it.
    pub(super) fn post_file(
        &self,
        path: &str,
        query: &impl Serialize,
        file: Vec<u8>,
    ) -> anyhow::Result<Result<Value, Value>> {
        let request = self.http.post(url(path, query)?).body(file);
        let (status, body) = self.runtime.block_on(async {
            let response = request.send().await.map_err(|error| self.unreachable(&error))?;
            let status = response.status();
            Ok::<_, anyhow::Error>((status, whole(response, MOST).await?))
        })?;
        match serde_json::from_slice::<Value>(&body) {
            Ok(told) if status.is_success() => Ok(Ok(told)),
            Ok(told) if told["faults"].is_array() => Ok(Err(told)),
            _ => Err(refusal(status, &body)),
        }
    }

    /// DELETE with parameters.
    pub(super) fn delete_one(&self, path: &str, query: &impl Serialize) -> anyhow::Result<Value> {
        let bytes = self.send(self.http.delete(url(path, query)?))?;
        serde_json::from_slice(&bytes).context("the daemon's answer is not JSON")
    }

    /// POST with bytes, for JSON.
    pub(super) fn post_bytes(&self, path: &str, body: Vec<u8>) -> anyhow::Result<Value> {
        let bytes = self.send(self.http.post(url(path, &())?).body(body))?;
        serde_json::from_slice(&bytes).context("the daemon's answer is not JSON")
    }

    /// DELETE.
    pub(super) fn delete(&self, path: &str) -> anyhow::Result<Value> {
        let bytes = self.send(self.http.delete(url(path, &())?))?;
        serde_json::from_slice(&bytes).context("the daemon's answer is not JSON")
    }

    fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Vec<u8>> {
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|error| self.unreachable(&error))?;
            let status = response.status();
            let body = whole(response, MOST).await?;
            if status.is_success() {
                return Ok(body);
            }
            Err(refusal(status, &body))
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let (how, sentence) = self.why_unreachable(error);
        anyhow!(Unreachable { how, sentence })
    }

    fn why_unreachable(&self, error: &reqwest::Error) -> (How, String) {
        if error.is_timeout() {
            return (How::Mute, format!("the daemon did not answer within {} s", self.patience.as_secs()));
        }
        if let Some((address, _)) = &self.port {
            let sentence = format!(
                "no daemon answers on {address}; is mailward running, with that address in admin.listen?"
            );
            return (How::Absent, sentence);
        }
        let socket = self.socket.display();
        let mut cause: &dyn std::error::Error = error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        match cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
            Some(std::io::ErrorKind::NotFound) => (
                How::Absent,
                format!(
                    "no daemon listens on {socket}; is mailward running (systemctl status mailward), with the same \
                     configuration?"
                ),
            ),
            Some(std::io::ErrorKind::ConnectionRefused) => (
                How::Absent,
                format!("nobody answers on {socket}: the daemon that made it is gone; start it again"),
            ),
            Some(std::io::ErrorKind::PermissionDenied) => (
                How::Forbidden,
                format!(
                    "you may not open {socket}; run this as root or as a member of the group that owns the socket"
                ),
            ),
            _ => (How::Mute, format!("the daemon on {socket} could not be asked: {cause}")),
        }
    }
}

/// All of an answer, if that is no more than `most` bytes.
async fn whole(mut response: reqwest::Response, most: usize) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.context("the daemon broke off its answer")? {
        if body.len().saturating_add(piece.len()) > most {
            bail!("the daemon's answer is larger than {} MiB and was not read to its end", most >> 20);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Nobody answers.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub(super) struct Unreachable {
    /// Why.
    pub(super) how: How,
    sentence: String,
}

/// Why nobody answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Nobody is there.
    Absent,
    /// The socket may not be opened.
    Forbidden,
    /// Somebody is there and says nothing that could be read.
    Mute,
}

fn refusal(status: reqwest::StatusCode, body: &[u8]) -> anyhow::Error {
    let told = serde_json::from_slice::<Value>(body).ok();
    match told.as_ref().and_then(|v| v["error"].as_str()) {
        Some(sentence) => anyhow!("{sentence}"),
        None => anyhow!("the daemon answered {status}"),
    }
}

const HOST: &str = "http://mailward";

/// The host is not used: the socket decides who answers.
fn url(path: &str, query: &impl Serialize) -> anyhow::Result<String> {
    let mut url = format!("{HOST}{path}");
    let mut separator = '?';
    for (key, value) in parameters(query)? {
        url.push(separator);
        url.push_str(&key);
        url.push('=');
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    url.push(char::from(byte))
                }
                other => url.push_str(&format!("%{other:02X}")),
            }
        }
        separator = '&';
    }
    Ok(url)
}

/// The fields of `query` that are set.
fn parameters(query: &impl Serialize) -> anyhow::Result<Vec<(String, String)>> {
    let fields = match serde_json::to_value(query)? {
        Value::Null => return Ok(Vec::new()),
        Value::Object(fields) => fields,
        other => bail!("{other} is no query"),
    };
    let set = fields.into_iter().filter_map(|(key, value)| match value {
        Value::Null => None,
        Value::String(text) => Some((key, text)),
        other => Some((key, other.to_string())),
    });
    Ok(set.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_cannot_break_out_of_its_value() {
        let query = serde_json::json!({"sender": "a&b=c é", "since": null});
        assert_eq!(url("/x", &query).unwrap(), "http://mailward/x?sender=a%26b%3Dc%20%C3%A9");
        assert_eq!(url("/x", &serde_json::json!({"limit": 5})).unwrap(), "http://mailward/x?limit=5");
        assert_eq!(url("/x", &()).unwrap(), "http://mailward/x");
        assert!(url("/x", &["list"]).is_err());
    }

    #[tokio::test]
    async fn who_listens_in_the_daemons_place_cannot_fill_our_memory() {
        let answer = || reqwest::Response::from(axum::http::Response::new(vec![b'x'; 2 << 20]));
        assert_eq!(whole(answer(), 2 << 20).await.unwrap().len(), 2 << 20);
        let error = whole(answer(), (2 << 20) - 1).await.unwrap_err().to_string();
        assert_eq!(error, "the daemon's answer is larger than 1 MiB and was not read to its end");
    }
}
