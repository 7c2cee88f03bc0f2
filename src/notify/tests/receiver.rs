//! What notifications are sent to: HTTP on loopback.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Came {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A real HTTP server that notes what it is sent, and answers with the next of `statuses`, then with 204.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    pub(super) at: SocketAddr,
    came: Arc<Mutex<Vec<Came>>>,
    statuses: Arc<Mutex<Vec<u16>>>,
}

impl Receiver {
    pub(super) async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let statuses = Arc::new(Mutex::new(statuses.iter().rev().copied().collect()));
        let receiver = Self { at, came: Arc::default(), statuses };
        let router = Router::new().fallback(take).with_state(receiver.clone());
        spawn(async move { axum::serve(listener, router).await.unwrap() });
        receiver
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook?key=1", self.at)
    }

    pub(super) fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    /// The first so many, when they are there.
    pub(super) async fn wait_for(&self, count: usize) -> Vec<Came> {
        for _ in 0..1500 {
            let came = self.came();
            if came.len() >= count {
                return came;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} came and not {count}: {:#?}", self.came().len(), self.came());
    }
}

async fn take(
    State(receiver): State<Receiver>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let status = receiver.statuses.lock().unwrap().pop().unwrap_or(204);
    let path = uri.path_and_query().unwrap().to_string();
    receiver.came.lock().unwrap().push(Came { method, path, headers, body: body.to_vec() });
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("location", "http://127.0.0.1:9/elsewhere"), ("retry-after", "0")], "said \u{1b}[31mso")
        .into_response()
}

/// A server that does what `with` does to each connection; the number of those that came so far.
pub(super) async fn odd<F>(
    with: impl Fn(TcpStream) -> F + Send + Sync + 'static,
) -> (SocketAddr, Arc<Mutex<u32>>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, came) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(0)));
    let counted = Arc::clone(&came);
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            *counted.lock().unwrap() += 1;
            spawn(with(stream));
        }
    });
    (at, came)
}

/// Reads the head of a request and some of its body.
pub(super) async fn head(stream: &mut TcpStream) {
    let mut buffer = vec![0; 16384];
    drop(stream.read(&mut buffer).await);
}

/// Says this and hangs up.
pub(super) async fn say(mut stream: TcpStream, what: &str) {
    head(&mut stream).await;
    drop(stream.write_all(what.as_bytes()).await);
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    crate::telemetry::spawn::supervised("test", &crate::telemetry::Metrics::new(), task);
}
