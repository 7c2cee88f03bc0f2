//! One question to a shortener.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, HeaderMap};
use reqwest::{Client, Method, Response, StatusCode, redirect};
use url::Url;

use super::cache::Answer;
use super::guard::{Guard, Refused};
use crate::dns::{DnsError, Inquiry};
use crate::link::Link;
use crate::model::{causes, text};

/// What a server gets to accept a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(2);
/// Most bytes of an address that is redirected to.
const MAX_LOCATION: usize = 8_192;
/// Most addresses of a name that are connected to.
const MAX_ADDRESSES: usize = 8;

/// Why a shortener gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// It must not be asked.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Its name has no address, or the DNS does not say.
    #[error("{host} could not be resolved: {why}")]
    Dns {
        /// Whom.
        host: String,
        /// Why not.
        why: DnsError,
    },
    /// No connection, or a broken one.
    #[error("{host} could not be asked: {why}")]
    Net {
        /// Whom.
        host: String,
        /// Why not.
        why: String,
    },
    /// It is not able to answer, or does not want to now.
    #[error("{host} answered {status}")]
    Status {
        /// Who.
        host: String,
        /// Its answer.
        status: u16,
    },
    /// A redirect to what is no address on the web.
    #[error("{host} redirects to nothing on the web: {why}")]
    Location {
        /// Who.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// No answer in time.
    #[error("{host} did not answer in time")]
    TooSlow {
        /// Who.
        host: String,
    },
}

impl WebError {
    /// The bounded word for metrics.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Refused(_) => "guarded",
            Self::TooSlow { .. } => "timeout",
            Self::Location { .. } => "no-redirect",
            Self::Dns { .. } | Self::Net { .. } | Self::Status { .. } => "failed",
        }
    }

    /// Whether the link is to blame and not the shortener: a mail must not be able to have one left alone.
    pub(super) const fn is_of_link(&self) -> bool {
        match self {
            Self::Location { .. } => true,
            Self::Refused(refused) => !matches!(refused, Refused::Address { .. }),
            Self::Dns { why, .. } => why.is_void(),
            Self::Net { .. } | Self::Status { .. } | Self::TooSlow { .. } => false,
        }
    }
}

/// Asks shorteners. It has no resolver of its own: it connects to addresses that [`Web::ask`] has looked at, and
/// to nothing else.
#[derive(Debug)]
pub(super) struct Web {
    client: Client,
    pins: Arc<Pins>,
    guard: Guard,
}

impl Web {
    pub(super) fn new(guard: Guard) -> Result<Self, String> {
        let pins = Arc::new(Pins::default());
        let client = Client::builder()
            .user_agent(concat!("mailward/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .http1_only()
            .connect_timeout(CONNECT)
            // A connection that is kept would outlive the addresses it was made under.
            .pool_max_idle_per_host(0)
            .dns_resolver(Resolver(Arc::clone(&pins)))
            .build()
            .map_err(|error| causes(&error))?;
        Ok(Self { client, pins, guard })
    }

    /// Where `link` leads, by HEAD. The name is resolved once, by way of `inquiry`. The caller bounds the time.
    pub(super) async fn ask(&self, link: &Link, inquiry: &Inquiry) -> Result<Answer, WebError> {
        let url = Url::parse(link.as_str()).map_err(|_| Refused::NoName)?;
        let host = self.guard.host(&url)?;
        let addresses = self.guard.addresses(&host, &resolved(&host, inquiry).await?)?;
        let _pin = self.pins.pin(&host, addresses);
        let mut response = self.send(Method::HEAD, &url, &host).await?;
        // Who says that he knows no HEAD (RFC 9110 §15.5.6, §15.6.2) is asked for the page, of which only the head
        // is read. Who refuses for another reason is not asked twice.
        if matches!(response.status(), StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED) {
            response = self.send(Method::GET, &url, &host).await?;
        }
        answer(&url, &host, &response)
    }

    async fn send(&self, method: Method, url: &Url, host: &str) -> Result<Response, WebError> {
        let sent = self.client.request(method, url.clone()).header(header::ACCEPT, "*/*").send().await;
        sent.map_err(|error| WebError::Net {
            host: host.to_owned(),
            why: text::line(&causes(&error.without_url()), 200),
        })
    }
}

/// All addresses of a name; an answer for one family is enough.
async fn resolved(host: &str, inquiry: &Inquiry) -> Result<Vec<IpAddr>, WebError> {
    let (v4, v6) = futures_util::join!(inquiry.a(host), inquiry.aaaa(host));
    let error = match (&v4, &v6) {
        (Err(v4), Err(v6)) if v4.is_temporary() || !v6.is_temporary() => Some(v4.clone()),
        (Err(_), Err(v6)) => Some(v6.clone()),
        _ => None,
    };
    if let Some(why) = error {
        return Err(WebError::Dns { host: host.to_owned(), why });
    }
    let v4 = v4.unwrap_or_default().into_iter().map(IpAddr::V4);
    let v6 = v6.unwrap_or_default().into_iter().map(IpAddr::V6);
    // All are looked at by the guard, few are connected to.
    Ok(v4.chain(v6).collect())
}

fn answer(url: &Url, host: &str, response: &Response) -> Result<Answer, WebError> {
    let status = response.status();
    let location = match status {
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => named(response.headers(), &header::LOCATION),
        StatusCode::TOO_MANY_REQUESTS => None,
        // Browsers follow it with any status.
        _ => named(response.headers(), &header::REFRESH).and_then(|value| refresh(&value)),
    };
    let Some(location) = location else {
        let status = status.as_u16();
        return match status {
            429 | 500.. => Err(WebError::Status { host: host.to_owned(), status }),
            _ => Ok(Answer::Nowhere(status)),
        };
    };
    let wrong = |why: &str| WebError::Location { host: host.to_owned(), why: why.to_owned() };
    if location.len() > MAX_LOCATION {
        return Err(wrong("the address is too long"));
    }
    let to = url.join(&location).map_err(|_| wrong("the address cannot be read"))?;
    let link = Link::parse(to.as_str()).map_err(|error| wrong(&error.to_string()))?;
    Ok(Answer::To { link, written: written(location, url, &to) })
}

/// A shortener's `location` with its scheme, as it wrote it: `to` has lost the user's name and odd notations.
fn written(location: String, from: &Url, to: &Url) -> String {
    match Url::parse(&location) {
        Ok(_) => location,
        Err(_) if location.starts_with("//") => format!("{}:{location}", from.scheme()),
        Err(_) => to.to_string(),
    }
}

/// A field's value. Beyond ASCII it is read as browsers do.
fn named(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
}

/// The address in `0; url=https://…`.
fn refresh(value: &str) -> Option<String> {
    let (_, rest) = value.split_once([';', ','])?;
    let (name, address) = rest.split_once('=')?;
    let address = address.trim().trim_matches(['"', '\'']);
    (name.trim().eq_ignore_ascii_case("url") && !address.is_empty()).then(|| address.to_owned())
}

/// Which addresses each name has, while somebody asks it. All of them were let through by the guard.
#[derive(Debug, Default)]
struct Pins(Mutex<HashMap<String, Pinned>>);

#[derive(Debug)]
struct Pinned {
    addresses: Vec<SocketAddr>,
    askers: usize,
}

/// Holds a name's addresses until it is dropped.
struct Pin {
    pins: Arc<Pins>,
    host: String,
}

impl Pins {
    /// Where several ask one name at once, the last who resolved it is right.
    fn pin(self: &Arc<Self>, host: &str, mut addresses: Vec<SocketAddr>) -> Pin {
        addresses.truncate(MAX_ADDRESSES);
        let mut pins = self.lock();
        let pinned = pins.entry(host.to_owned()).or_insert(Pinned { addresses: Vec::new(), askers: 0 });
        pinned.addresses = addresses;
        pinned.askers += 1;
        Pin { pins: Arc::clone(self), host: host.to_owned() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Pinned>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.pins.lock();
        let Some(pinned) = pins.get_mut(&self.host) else { return };
        pinned.askers = pinned.askers.saturating_sub(1);
        if pinned.askers == 0 {
            pins.remove(&self.host);
        }
    }
}

/// What the client takes for its resolver: knows what is pinned and asks nobody.
struct Resolver(Arc<Pins>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let addresses = self.0.lock().get(name.as_str()).map(|pinned| pinned.addresses.clone());
        Box::pin(async move {
            let addresses = addresses.ok_or("its addresses were not looked at")?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_client_knows_no_name_but_those_that_are_pinned() {
        let pins = Arc::new(Pins::default());
        let address: SocketAddr = "9.9.9.9:0".parse().unwrap();
        let resolver = Resolver(Arc::clone(&pins));
        let resolve =
            async |name: &str| Some(resolver.resolve(name.parse().unwrap()).await.ok()?.collect::<Vec<_>>());
        assert_eq!(resolve("localhost").await, None);
        let (first, second) = (pins.pin("bit.ly", vec![]), pins.pin("bit.ly", vec![address]));
        assert_eq!(resolve("bit.ly").await, Some(vec![address]));
        assert_eq!(resolve("localhost").await, None);
        drop(first);
        assert_eq!(resolve("bit.ly").await, Some(vec![address]));
        drop(second);
        assert_eq!(resolve("bit.ly").await, None);
    }

    #[test]
    fn a_refresh_names_an_address() {
        for (value, expected) in [
            ("0; url=https://a.example/", Some("https://a.example/")),
            ("0;URL='/x?a=b'", Some("/x?a=b")),
            ("3, url = \"x\"", Some("x")),
            ("0", None),
            ("0; url=", None),
            ("0; uri=x", None),
        ] {
            assert_eq!(refresh(value).as_deref(), expected, "{value}");
        }
    }
}
