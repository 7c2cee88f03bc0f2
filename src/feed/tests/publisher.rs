//! A web server on loopback that answers as a test says, and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

type Says = dyn Fn(&str) -> Vec<u8> + Send + Sync;

pub(super) struct Publisher {
    pub(super) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Publisher {
    /// `says` gives the whole answer to the head of a request; the connection is closed behind it.
    pub(super) async fn start(says: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", says).await
    }

    #[expect(clippy::disallowed_methods, reason = "a server of the tests")]
    pub(super) async fn at(place: &str, says: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(place).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (heard, says): (_, Arc<Says>) = (Arc::clone(&asked), Arc::new(says));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (heard, says) = (Arc::clone(&heard), Arc::clone(&says));
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await?);
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    heard.lock().unwrap().push(head.clone());
                    stream.write_all(&says(&head)).await?;
                    stream.shutdown().await
                });
            }
        });
        Self { port, asked }
    }

    /// One that answers with `head` and then `piece` after `piece`, with pauses, as long as anybody listens.
    #[expect(clippy::disallowed_methods, reason = "a server of the tests")]
    pub(super) async fn endless(head: &'static [u8], piece: Vec<u8>, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    asked.push(stream.read_u8().await.unwrap());
                }
                stream.write_all(head).await.unwrap();
                while stream.write_all(&piece).await.is_ok() {
                    tokio::time::sleep(pause).await;
                }
            }
        });
        Self { port, asked: Arc::default() }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The heads of all requests until now.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// An answer with this status line, these header lines, this body.
pub(super) fn answer(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    for header in headers {
        answer.push_str(&format!("{header}\r\n"));
    }
    answer.push_str("\r\n");
    [answer.as_bytes(), body].concat()
}
