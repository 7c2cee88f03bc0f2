//! POST to a destination of the configuration, and to nothing else.
//!
//! Redirects are not followed and no proxy is asked. Unless private addresses are allowed, a name is resolved
//! once, each of its addresses must be public, and those that were looked at are the ones connected to; an
//! address in place of a name is looked at before anything is sent.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, Url, redirect};

use super::SendError;
use crate::model::{SecretText, causes, text};
use crate::net::is_public;

/// More of an answer is not read.
const MAX_ANSWER: usize = 4096;
/// The most characters of it that are told.
const MAX_SAID: usize = 200;
/// What a destination gets to accept a connection, TLS included; less where an attempt has less.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest that a destination can have itself left alone.
const LONGEST_AFTER: Duration = Duration::from_secs(900);

/// A client for one section.
#[derive(Clone, Debug)]
pub(in crate::notify) struct Http {
    client: Client,
    allow_private: bool,
}

impl Http {
    pub(in crate::notify) fn new(allow_private: bool) -> Result<Self, String> {
        let client = Client::builder()
            .user_agent(concat!("mailward/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .http1_only()
            .connect_timeout(CONNECT)
            // A connection that is kept would outlive the addresses it was made under.
            .pool_max_idle_per_host(0)
            .dns_resolver(Looked { allow_private })
            .build()
            .map_err(|error| causes(&error))?;
        Ok(Self { client, allow_private })
    }

    /// What the destination said, made safe, if it took it.
    pub(super) async fn post(
        &self,
        url: &str,
        headers: Vec<(&'static str, String)>,
        token: Option<&SecretText>,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<String, SendError> {
        let url: Url =
            url.parse().map_err(|error| SendError::Unusable(format!("the url cannot be used: {error}")))?;
        let host = host(&url);
        self.may_be_told(&url, &host)?;
        let mut fields = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_str(&value)
                .map_err(|_| SendError::Unusable(format!("{name} has characters that no header can hold")))?;
            fields.insert(HeaderName::from_static(name), value);
        }
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| {
                SendError::Unusable("the token has characters that no header can hold".to_owned())
            })?;
            value.set_sensitive(true);
            fields.insert(header::AUTHORIZATION, value);
        }
        let asking = async {
            let sent = self.client.post(url).headers(fields).body(body).send().await;
            let mut response = sent.map_err(|error| failed(&host, error))?;
            let said = answer(&mut response).await;
            judged(&host, &response, said)
        };
        match tokio::time::timeout(timeout, asking).await {
            Ok(result) => result,
            Err(_) => Err(SendError::TooSlow { host: host.clone(), within: timeout }),
        }
    }

    /// An address in the URL does not go through the resolver, so it is looked at here.
    fn may_be_told(&self, url: &Url, host: &str) -> Result<(), SendError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(SendError::Unusable(format!("{}: is no way to tell anybody", url.scheme())));
        }
        let ip: Option<IpAddr> = match url.host() {
            Some(url::Host::Ipv4(ip)) => Some(ip.into()),
            Some(url::Host::Ipv6(ip)) => Some(ip.into()),
            _ => None,
        };
        match ip.filter(|ip| !self.allow_private && !is_public(*ip)) {
            Some(ip) => Err(SendError::Private { host: host.to_owned(), ip }),
            None => Ok(()),
        }
    }
}

/// For people: without path and query, which are often secrets.
fn host(url: &Url) -> String {
    let host = text::line(url.host_str().unwrap_or("no host"), 100);
    url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
}

fn failed(host: &str, error: reqwest::Error) -> SendError {
    let error = error.without_url();
    let mut root: &dyn std::error::Error = &error;
    let mut next = Some(root);
    while let Some(cause) = next {
        root = cause;
        if let Some(NotPublic(ip)) = cause.downcast_ref() {
            return SendError::Private { host: host.to_owned(), ip: *ip };
        }
        next = cause.source();
    }
    // Those before the last say only whom it passed.
    let said = root.to_string();
    let said = said.split(" (os error").next().unwrap_or_default();
    SendError::Net { host: host.to_owned(), why: text::line(said, MAX_SAID) }
}

/// The first line of an answer. What is wrong with the rest of it changes nothing: it was taken, or it was not.
async fn answer(response: &mut Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        bytes.extend_from_slice(&piece);
        if bytes.len() >= MAX_ANSWER {
            bytes.truncate(MAX_ANSWER);
            break;
        }
    }
    text::line(String::from_utf8_lossy(&bytes).trim(), MAX_SAID)
}

fn judged(host: &str, response: &Response, said: String) -> Result<String, SendError> {
    let (host, status) = (host.to_owned(), response.status());
    if status.is_success() {
        return Ok(format!("{status}{}{said}", if said.is_empty() { "" } else { ": " }));
    }
    let status = status.as_u16();
    if (300..400).contains(&status) {
        return Err(SendError::Redirect { host, status });
    }
    let after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = after.and_then(|seconds| seconds.trim().parse().ok());
    let after = after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_AFTER));
    Err(SendError::Status { host, status, said, after })
}

/// Resolves with the machine's own means, and looks at what comes of it.
struct Looked {
    allow_private: bool,
}

/// One of the addresses of a name.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not public")]
struct NotPublic(IpAddr);

impl Resolve for Looked {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // Who mixes public and private ones wants something.
            let private = found.iter().map(SocketAddr::ip).find(|ip| !is_public(*ip));
            match private.filter(|_| !allow_private) {
                Some(ip) => Err(NotPublic(ip).into()),
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}
