//! How rspamd is asked, and where it is.

use std::fmt;

use super::error::RspamdError;
use crate::model::{ByteSize, SecretText};
use crate::net::address::{HttpServer, Server};

/// How rspamd is asked. Two that are equal make the same scanner, so that a reload may keep the running one
/// with its connections and its breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The normal worker.
    pub url: HttpServer,
    /// What the normal worker asks for as `Password`.
    pub password: Option<SecretText>,
    /// How many messages ask at once; the others wait.
    pub connections: u32,
    /// A larger raw message is not sent.
    pub max_size: ByteSize,
    /// A larger reply is not read.
    pub max_reply: ByteSize,
    /// The controller, which is taught.
    pub controller: HttpServer,
    /// What the controller asks for as `Password`.
    pub controller_password: Option<SecretText>,
}

/// Where one of rspamd's workers is, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The socket or port.
    pub(super) server: Server,
    /// What goes into `Host`.
    pub(super) host: String,
    /// What stands before `/checkv2`: empty, or `/path` without a slash at its end.
    pub(super) path: String,
}

impl Endpoint {
    /// Takes an address apart.
    ///
    /// # Errors
    /// If it asks for TLS, or has a query or a fragment.
    pub fn new(address: &HttpServer) -> Result<Self, RspamdError> {
        let url = match address {
            HttpServer::Unix(path) => {
                let server = Server::Unix(path.clone());
                return Ok(Self { server, host: "localhost".to_owned(), path: String::new() });
            }
            HttpServer::Url(url) => url,
        };
        let wrong = |why| RspamdError::Address { url: url.to_string(), why };
        let read: reqwest::Url = url.as_str().parse().map_err(|_| wrong("it cannot be read"))?;
        if read.scheme() != "http" {
            return Err(RspamdError::Tls(url.to_string()));
        }
        if read.query().is_some() || read.fragment().is_some() {
            return Err(wrong("it has a query or a fragment, and rspamd is asked by path alone"));
        }
        let host = read.host_str().ok_or_else(|| wrong("it names no host"))?;
        let port = read.port_or_known_default().ok_or_else(|| wrong("it names no port"))?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        Ok(Self {
            server: Server::Tcp { host: bare.to_owned(), port },
            host: format!("{host}:{port}"),
            path: read.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Result<Endpoint, String> {
        Endpoint::new(&text.parse().unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn an_address_is_taken_apart() {
        let tcp = |host: &str, port| Server::Tcp { host: host.to_owned(), port };
        for (text, server, host, path) in [
            ("http://127.0.0.1:11333", tcp("127.0.0.1", 11333), "127.0.0.1:11333", ""),
            ("http://[::1]:11333/", tcp("::1", 11333), "[::1]:11333", ""),
            ("http://filter.example/rspamd/", tcp("filter.example", 80), "filter.example:80", "/rspamd"),
            ("unix:/run/rspamd/normal.sock", Server::Unix("/run/rspamd/normal.sock".into()), "localhost", ""),
        ] {
            let expected = Endpoint { server, host: host.to_owned(), path: path.to_owned() };
            assert_eq!(endpoint(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_this_client_does_not_speak_is_refused_by_name() {
        let error = endpoint("https://filter.example").unwrap_err();
        assert!(error.contains("https://filter.example") && error.contains("unix:/path"), "{error}");
        assert!(endpoint("http://filter.example/?a=b").unwrap_err().contains("query"));
    }
}
