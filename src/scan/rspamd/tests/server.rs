//! A server that answers as it is told, and writes down what it was told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::telemetry::Metrics;
use crate::telemetry::spawn::supervised;

/// What it does with a connection.
#[derive(Clone, Debug)]
pub(super) enum Does {
    /// Reads the request, writes these bytes; then the next request.
    Answer(Vec<u8>),
    /// Reads the request, writes these bytes, closes.
    AnswerAndClose(Vec<u8>),
    /// Answers one request on each connection, and closes it when a second one begins.
    AnswerOnceAndCloseLate(Vec<u8>),
    /// Closes at once.
    Close,
    /// Writes these bytes and closes, without having read anything.
    AnswerUnread(Vec<u8>),
    /// Reads the request and says nothing.
    Hang,
    /// Reads nothing and says nothing.
    Deaf,
    /// Writes one byte of these after the other.
    Trickle(Vec<u8>, Duration),
    /// Writes these bytes, and then `x` without end.
    Flood(Vec<u8>),
}

pub(super) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    connections: Arc<Mutex<usize>>,
    task: tokio::task::JoinHandle<Option<()>>,
}

impl Server {
    pub(super) async fn start(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let connections = Arc::<Mutex<usize>>::default();
        let (seen, count) = (Arc::clone(&requests), Arc::clone(&connections));
        let metrics = Metrics::new();
        let task = supervised("test-server", &metrics, async move {
            let metrics = Metrics::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                *count.lock().unwrap() += 1;
                let (does, seen) = (does.clone(), Arc::clone(&seen));
                drop(supervised("test-connection", &metrics, async move {
                    serve(stream, does, &seen).await;
                }));
            }
        });
        Self { address, requests, connections, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, whole.
    pub(super) fn requests(&self) -> Vec<Vec<u8>> {
        self.requests.lock().unwrap().clone()
    }

    /// How many connections were made.
    pub(super) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A response with this body.
pub(super) fn response(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nServer: rspamd/3.4\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

async fn serve(mut stream: TcpStream, does: Does, seen: &Mutex<Vec<Vec<u8>>>) {
    // Who asks may hang up: that is part of what is tested.
    drop(answer(&mut stream, does, seen).await);
}

async fn answer(stream: &mut TcpStream, does: Does, seen: &Mutex<Vec<Vec<u8>>>) -> std::io::Result<()> {
    match does {
        Does::Answer(bytes) => loop {
            let request = request(stream).await?;
            seen.lock().unwrap().push(request);
            stream.write_all(&bytes).await?;
        },
        Does::AnswerAndClose(bytes) => {
            let request = request(stream).await?;
            seen.lock().unwrap().push(request);
            stream.write_all(&bytes).await
        }
        Does::AnswerOnceAndCloseLate(bytes) => {
            let request = request(stream).await?;
            seen.lock().unwrap().push(request);
            stream.write_all(&bytes).await?;
            stream.read_u8().await.map(drop)
        }
        Does::Close => Ok(()),
        Does::AnswerUnread(bytes) => stream.write_all(&bytes).await,
        Does::Hang => {
            request(stream).await?;
            std::future::pending().await
        }
        Does::Deaf => std::future::pending().await,
        Does::Trickle(bytes, pause) => {
            request(stream).await?;
            for byte in bytes {
                stream.write_u8(byte).await?;
                tokio::time::sleep(pause).await;
            }
            std::future::pending().await
        }
        Does::Flood(bytes) => {
            request(stream).await?;
            stream.write_all(&bytes).await?;
            let more = vec![b'x'; 64 << 10];
            loop {
                stream.write_all(&more).await?;
            }
        }
    }
}

/// One request, by its Content-Length.
async fn request(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if bytes.len() >= at + 4 + length.parse::<usize>().unwrap() {
                return Ok(bytes);
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}
