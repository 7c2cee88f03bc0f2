//! A feed's body, fetched from its publisher into a file.
//!
//! Redirects are followed here and not by the client, each looked at: the key is for the origin that the
//! configuration names and goes nowhere else, nothing leads from https to http, and no other host than the one
//! configured may lie on a private address. A name is resolved once, and the addresses that were looked at are
//! the ones that are connected to.

mod error;
mod why;

use std::fs::File;
use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::copy::Validators;
use crate::model::{SecretText, causes, text};
use crate::named_file;
use crate::net::is_public;

pub use error::FetchError;

/// Redirects that are followed.
const MAX_HOPS: usize = 5;
/// Bytes that are gathered before they are written.
const PIECE: usize = 1 << 20;
/// The header that abuse.ch asks for.
const AUTH_KEY: &str = "Auth-Key";
/// Stands for the key in a URL.
pub const PLACEHOLDER: &str = "{key}";

/// What the publisher has.
#[derive(Debug)]
pub enum Answer {
    /// What we have.
    Same,
    /// Another body, and what to ask with next time.
    Body(File, Validators),
}

/// For how long a publisher is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until it accepts a connection, TLS included.
    pub(super) connect: Duration,
    /// Between two pieces of its answer.
    pub(super) silence: Duration,
    /// For all of it.
    pub(super) whole: Duration,
}

impl Patience {
    const USUAL: Self = Self {
        connect: Duration::from_secs(20),
        silence: Duration::from_secs(60),
        whole: Duration::from_secs(900),
    };
}

/// Fetches one feed.
#[derive(Debug)]
pub struct Fetcher {
    /// As in the configuration, without the key.
    written: String,
    url: Url,
    key: Option<SecretText>,
    /// The key stands in the URL.
    in_url: bool,
    client: Client,
    patience: Patience,
}

impl Fetcher {
    /// For the list at `url`, whose `{key}` stands for the key; without it the key goes into `Auth-Key`.
    ///
    /// # Errors
    /// If the URL cannot be used, or the client not be made.
    pub fn new(url: &str, key: Option<SecretText>) -> Result<Self, FetchError> {
        Self::patient(url, key, Patience::USUAL)
    }

    pub(super) fn patient(
        url: &str,
        key: Option<SecretText>,
        patience: Patience,
    ) -> Result<Self, FetchError> {
        let (in_url, written) = (url.contains(PLACEHOLDER), url.to_owned());
        let whole = match &key {
            Some(key) if in_url => url.replace(PLACEHOLDER, key.expose()),
            None if in_url => {
                return Err(FetchError::Url("it holds {key}, and there is no auth_key".to_owned()));
            }
            _ => url.to_owned(),
        };
        let url: Url = whole.parse().map_err(|error| FetchError::Url(format!("{error}")))?;
        let client = Client::builder()
            .user_agent(concat!("mailward/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(patience.connect)
            .read_timeout(patience.silence)
            .pool_max_idle_per_host(0)
            .dns_resolver(Looked { configured: url.host_str().unwrap_or_default().to_owned() })
            .build()
            .map_err(|error| FetchError::Client(causes(&error)))?;
        Ok(Self { written, url, key, in_url, client, patience })
    }

    /// Asks for the list, unless it is what the `validators` stand for, into `file`, which is empty. At most
    /// `max_size` bytes are written.
    ///
    /// # Errors
    /// If it cannot be had; what is in the file then is good for nothing.
    pub async fn fetch(
        &self,
        validators: &Validators,
        file: File,
        max_size: u64,
    ) -> Result<Answer, FetchError> {
        if self.url.scheme() == "file" {
            let path =
                self.url.to_file_path().map_err(|()| FetchError::Url("it names no path".to_owned()))?;
            let shown = if self.in_url { self.written.clone() } else { path.display().to_string() };
            let validators = validators.clone();
            return blocking(move || opened(&path, &validators))
                .await?
                .map_err(|source| FetchError::File { path: text::line(&shown, 200), source });
        }
        let host = host(&self.url);
        let whole = self.patience.whole;
        match tokio::time::timeout(whole, self.over_http(validators, file, max_size)).await {
            Ok(answer) => answer,
            Err(_) => Err(FetchError::TooSlow { host, within: whole }),
        }
    }

    async fn over_http(
        &self,
        validators: &Validators,
        file: File,
        max_size: u64,
    ) -> Result<Answer, FetchError> {
        let mut at = self.url.clone();
        for _ in 0..=MAX_HOPS {
            self.may_be_asked(&at)?;
            let response = self.asked(&at, validators).await?;
            let status = response.status();
            let host = host(&at);
            if status == StatusCode::OK {
                return self.body(response, &host, file, max_size).await;
            }
            at = match status {
                StatusCode::NOT_MODIFIED if *validators == Validators::default() => {
                    return Err(FetchError::NotAsked { host, status });
                }
                StatusCode::NOT_MODIFIED => return Ok(Answer::Same),
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => self.next(&at, &response)?,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    return Err(FetchError::Locked { host, status });
                }
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    let after =
                        named(response.headers(), &header::RETRY_AFTER).and_then(|s| s.trim().parse().ok());
                    return Err(FetchError::Later { host, status, after });
                }
                _ => return Err(FetchError::Status { host, status }),
            };
        }
        let why = format!("there were more than {MAX_HOPS} redirects");
        Err(FetchError::Redirect { host: host(&self.url), why })
    }

    /// An address in the URL does not go through the resolver, so it is looked at here.
    fn may_be_asked(&self, at: &Url) -> Result<(), FetchError> {
        let ip = match at.host() {
            Some(url::Host::Ipv4(ip)) => Some(ip.into()),
            Some(url::Host::Ipv6(ip)) => Some(ip.into()),
            _ => None,
        };
        match ip {
            Some(ip) if at.host() != self.url.host() && !is_public(ip) => {
                Err(FetchError::Redirect { host: host(&self.url), why: format!("{ip} is no public address") })
            }
            _ => Ok(()),
        }
    }

    async fn asked(&self, at: &Url, validators: &Validators) -> Result<Response, FetchError> {
        let mut request = self.client.get(at.clone());
        if let Some(etag) = &validators.etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(when) = &validators.last_modified {
            request = request.header(header::IF_MODIFIED_SINCE, when);
        }
        if let Some(key) = self.key.as_ref().filter(|_| !self.in_url && at.origin() == self.url.origin()) {
            let mut value = HeaderValue::from_str(key.expose())
                .map_err(|_| FetchError::Url("auth_key has characters that no header can hold".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(AUTH_KEY, value);
        }
        request.send().await.map_err(|error| self.net(&host(at), error))
    }

    /// Where a redirect leads, if that may be followed.
    fn next(&self, at: &Url, response: &Response) -> Result<Url, FetchError> {
        let refused = |why: &str| FetchError::Redirect { host: host(at), why: why.to_owned() };
        let location =
            named(response.headers(), &header::LOCATION).ok_or_else(|| refused("it does not say where"))?;
        let next = at.join(location).map_err(|_| refused("the address cannot be read"))?;
        if !matches!(next.scheme(), "http" | "https") || !next.has_host() {
            return Err(refused("it leads to neither http nor https"));
        }
        if at.scheme() == "https" && next.scheme() == "http" {
            return Err(refused("it leads from https to http"));
        }
        let same_host = next.host() == self.url.host()
            && next.port_or_known_default() == self.url.port_or_known_default();
        if !same_host && !matches!(next.port_or_known_default(), Some(80 | 443)) {
            return Err(refused("it leads to an unusual port"));
        }
        if !next.username().is_empty() || next.password().is_some() {
            return Err(refused("the address holds a password"));
        }
        Ok(next)
    }

    /// Writes the body down, a megabyte at a time, off the runtime's threads.
    async fn body(
        &self,
        mut response: Response,
        host: &str,
        mut file: File,
        max_size: u64,
    ) -> Result<Answer, FetchError> {
        let too_large = || FetchError::TooLarge { limit: max_size };
        if response.content_length().is_some_and(|size| size > max_size) {
            return Err(too_large());
        }
        let header = |name| named(response.headers(), &name).filter(|v| v.len() <= 1024).map(str::to_owned);
        let validators =
            Validators { etag: header(header::ETAG), last_modified: header(header::LAST_MODIFIED) };
        let (mut size, mut gathered) = (0_u64, Vec::new());
        loop {
            let piece = response.chunk().await.map_err(|error| self.net(host, error))?;
            let at_end = piece.is_none();
            let piece = piece.unwrap_or_default();
            size += piece.len() as u64;
            if size > max_size {
                return Err(too_large());
            }
            gathered.extend_from_slice(&piece);
            if gathered.len() >= PIECE || at_end {
                let full = std::mem::take(&mut gathered);
                file = blocking(move || file.write_all(&full).map(|()| file))
                    .await?
                    .map_err(FetchError::Write)?;
            }
            if at_end {
                return Ok(Answer::Body(file, validators));
            }
        }
    }

    fn net(&self, host: &str, error: reqwest::Error) -> FetchError {
        FetchError::Net { host: host.to_owned(), why: why::why(&error.without_url(), self.patience) }
    }
}

/// Resolves with the machine's own means; what is not public is left out unless the configuration names the host.
struct Looked {
    configured: String,
}

impl Resolve for Looked {
    fn resolve(&self, name: Name) -> Resolving {
        let trusted = name.as_str().eq_ignore_ascii_case(&self.configured);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let may = |address: &SocketAddr| trusted || is_public(address.ip());
            let left: Vec<_> = found.into_iter().filter(may).collect();
            if left.is_empty() {
                return Err("it has no public address".into());
            }
            Ok(Box::new(left.into_iter()) as Addrs)
        })
    }
}

/// A file of this machine; when it was changed stands for what is in it.
fn opened(path: &std::path::Path, before: &Validators) -> io::Result<Answer> {
    use std::os::unix::fs::MetadataExt;
    let file = named_file::open(path)?;
    let meta = file.metadata()?;
    let etag = format!("{}.{:09}-{}-{}", meta.mtime(), meta.mtime_nsec(), meta.size(), meta.ino());
    let validators = Validators { etag: Some(etag), last_modified: None };
    Ok(if validators == *before { Answer::Same } else { Answer::Body(file, validators) })
}

fn named<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or("this machine").to_owned()
}

fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T, FetchError>> {
    let task = tokio::task::spawn_blocking(work);
    async { task.await.map_err(|error| FetchError::Write(io::Error::other(error))) }
}
