//! A web server on loopback that answers as a test says, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

type Says = dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync;

/// A running server, until the test's runtime ends.
pub(super) struct Shortener {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Shortener {
    /// `says` gives the whole answer to the head of a request, or says nothing and keeps the connection.
    #[expect(clippy::disallowed_methods, reason = "a server of the tests")]
    pub(super) async fn start(says: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (heard, says): (_, Arc<Says>) = (Arc::clone(&asked), Arc::new(says));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (heard, says) = (Arc::clone(&heard), Arc::clone(&says));
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    // A TLS client is no HTTP: remembered by its first byte.
                    while !head.ends_with(b"\r\n\r\n") && head.first() != Some(&0x16) {
                        head.push(stream.read_u8().await?);
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    heard.lock().unwrap().push(head.clone());
                    match says(&head) {
                        Some(answer) => {
                            stream.write_all(&answer).await?;
                            stream.shutdown().await
                        }
                        None => std::future::pending().await,
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// Redirects each path as the table says; 404 to others.
    pub(super) async fn redirecting(table: &'static [(&'static str, &'static str)]) -> Self {
        Self::start(move |head| {
            let path = head.split(' ').nth(1).unwrap_or_default();
            let to = table.iter().find(|(from, _)| *from == path);
            Some(to.map_or_else(|| answer("404 Not Found", &[]), |(_, to)| moved(to)))
        })
        .await
    }

    /// The first lines of all requests until now.
    pub(super) fn asked(&self) -> Vec<String> {
        let first = |head: &String| head.lines().next().unwrap_or_default().to_owned();
        self.asked.lock().unwrap().iter().map(first).collect()
    }

    /// The heads of all requests until now.
    pub(super) fn heads(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// An answer with this status line and these header lines, and no body.
pub(super) fn answer(status: &str, headers: &[&str]) -> Vec<u8> {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n").into_bytes()
}

pub(super) fn moved(to: &str) -> Vec<u8> {
    answer("301 Moved Permanently", &[&format!("Location: {to}")])
}
