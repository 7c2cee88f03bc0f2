//! What asking costs us: `cargo test --release --lib rspamd::tests::measure -- --ignored --nocapture`.
#![expect(clippy::print_stdout, reason = "figures for people")]

use super::server::{Does, Server, response};
use super::*;

/// Processor time of this thread; the server runs on it too.
fn cpu() -> Duration {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    let micros = |t: nix::sys::time::TimeVal| t.tv_sec() as u64 * 1_000_000 + t.tv_usec() as u64;
    Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time()))
}

async fn measured(name: &str, count: u32, mut once: impl AsyncFnMut()) {
    for _ in 0..count / 10 {
        once().await;
    }
    let mut took = Vec::new();
    let before = cpu();
    for _ in 0..count {
        let began = Instant::now();
        once().await;
        took.push(began.elapsed());
    }
    let spent = (cpu() - before) / count;
    took.sort();
    println!(
        "{name:40} p50 {:>9.1?}  p99 {:>9.1?}  cpu {spent:>9.1?}",
        took[took.len() / 2],
        took[took.len() * 99 / 100]
    );
}

#[tokio::test]
#[ignore = "a measurement, not a test"]
async fn what_a_message_costs() {
    let body = ORDINARY.to_owned();
    for (name, does) in [
        ("kept open", Does::Answer(response("200 OK", &body))),
        ("closed each time", Does::AnswerAndClose(response("200 OK\r\nConnection: close", &body))),
    ] {
        let server = Server::start(does).await;
        let rspamd = ask(&server);
        measured(&format!("ours, {name}"), 5000, async || {
            assert!(look(&rspamd).await.advice.is_some());
        })
        .await;
        let plain = request_bytes();
        measured(&format!("floor (write, read), {name}"), 5000, async || floor(&server, &plain).await).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = server.url() + "/checkv2";
        measured(&format!("reqwest, {name}"), 5000, async || {
            let stream = futures_util::stream::iter(
                [Bytes::from_static(b"Received: x\r\n"), Bytes::from_static(MAIL.as_bytes())]
                    .map(Ok::<_, std::io::Error>),
            );
            let length = MAIL.len() + 13;
            let mut request =
                client.post(&url).header("Content-Length", length).body(reqwest::Body::wrap_stream(stream));
            for name in [
                "IP",
                "Helo",
                "Hostname",
                "From",
                "Rcpt",
                "Deliver-To",
                "Queue-Id",
                "MTA-Name",
                "MTA-Tag",
                "TLS-Version",
                "TLS-Cipher",
            ] {
                request = request.header(name, "some value of it");
            }
            let answer = request.send().await.unwrap().bytes().await.unwrap();
            let value: serde_json::Value = serde_json::from_slice(&answer).unwrap();
            assert!(value["action"].is_string());
        })
        .await;
    }
    let server = Server::start(Does::Close).await;
    let rspamd = ask(&server);
    for _ in 0..5 {
        look(&rspamd).await;
    }
    measured("open breaker", 100_000, async || assert!(look(&rspamd).await.advice.is_none())).await;
}

fn request_bytes() -> Vec<u8> {
    let endpoint = crate::scan::rspamd::Endpoint::new(&"http://127.0.0.1:1".parse().unwrap()).unwrap();
    crate::scan::rspamd::request::check(&endpoint, None, &ordinary(), clock().now()).concat()
}

/// The least that asking can cost: a fresh connection, one write, one read.
async fn floor(server: &Server, request: &[u8]) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = server.url().replace("http://", "");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut buffer = vec![0; 4096];
    assert!(stream.read(&mut buffer).await.unwrap() > 0);
}
