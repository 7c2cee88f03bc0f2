//! Asking publishers, the well-behaved and the others.

use std::io::{Read as _, Seek as _};

use std::time::Duration;

use super::publisher::{Publisher, answer};
use super::*;
use crate::feed::fetch::Patience;
use crate::model::SecretText;

const BODY: &[u8] = b"http://evil.test/a\nhttp://evil.test/b\n";

fn tls() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

async fn fetched(
    url: &str,
    key: Option<&str>,
    validators: &Validators,
    max_size: u64,
) -> Result<(Vec<u8>, Validators), FetchError> {
    tls();
    let fetcher = Fetcher::new(url, key.map(SecretText::new))?;
    match fetcher.fetch(validators, tempfile::tempfile().unwrap(), max_size).await? {
        Answer::Same => Ok((b"same".to_vec(), validators.clone())),
        Answer::Body(mut file, validators) => {
            let mut body = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut body).unwrap();
            Ok((body, validators))
        }
    }
}

async fn refused(url: &str) -> String {
    fetched(url, None, &Validators::default(), 1 << 20).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_list_is_asked_for_again_only_if_it_has_changed() {
    let publisher = Publisher::start(|head| {
        let known =
            head.contains("if-none-match: \"v1\"") && head.contains("if-modified-since: Tue, 20 Oct 2026");
        match known {
            true => answer("304 Not Modified", &[], b""),
            false => {
                answer("200 OK", &["ETag: \"v1\"", "Last-Modified: Tue, 20 Oct 2026 23:00:00 GMT"], BODY)
            }
        }
    })
    .await;
    let (body, validators) =
        fetched(&publisher.url("/list"), None, &Validators::default(), 100).await.unwrap();
    assert_eq!(body, BODY);
    assert_eq!(validators.etag.as_deref(), Some("\"v1\""));
    assert_eq!(fetched(&publisher.url("/list"), None, &validators, 100).await.unwrap().0, b"same");
    let first = &publisher.asked()[0];
    assert!(first.contains(concat!("user-agent: mailward/", env!("CARGO_PKG_VERSION"))), "{first}");
    assert!(!first.to_ascii_lowercase().contains("accept-encoding"), "{first}");
}

#[tokio::test]
async fn the_key_goes_into_its_header_or_into_the_url_and_is_in_no_error() {
    let publisher = Publisher::start(|_| answer("403 Forbidden", &[], b"who are you")).await;
    let key = Some("s3cret");
    for url in [publisher.url("/list"), publisher.url("/data/{key}/list.csv")] {
        let error = fetched(&url, key, &Validators::default(), 100).await.unwrap_err().to_string();
        assert!(error.starts_with("127.0.0.1 does not let us in (403 Forbidden)"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    let asked = publisher.asked();
    assert!(asked[0].contains("auth-key: s3cret\r\n"), "{asked:?}");
    assert!(
        asked[1].starts_with("GET /data/s3cret/list.csv ") && !asked[1].contains("auth-key"),
        "{asked:?}"
    );
    assert!(refused(&publisher.url("/{key}")).await.contains("there is no auth_key"));
    // Nobody listens there.
    let error =
        fetched("http://127.0.0.1:9/s/{key}", key, &Validators::default(), 1).await.unwrap_err().to_string();
    assert!(error.starts_with("127.0.0.1 could not be asked: ") && !error.contains("s3cret"), "{error}");
}

#[tokio::test]
async fn redirects_lead_to_public_addresses_on_usual_ports_only() {
    let inner = Publisher::start(|_| answer("200 OK", &[], BODY)).await;
    let to = inner.port;
    let publisher = Publisher::start(move |head| {
        let path = head.split(' ').nth(1).unwrap();
        let location = match path {
            "/here" => "/there".to_owned(),
            "/there" => return answer("200 OK", &[], BODY),
            "/loop" => "/loop".to_owned(),
            "/port" => format!("http://127.0.0.1:{to}/"),
            "/name" => format!("http://localhost:{to}/"),
            "/local" => "http://localhost/".to_owned(),
            "/none" => return answer("302 Found", &[], b""),
            other => other.strip_prefix("/to?").unwrap().to_owned(),
        };
        answer("302 Found", &[&format!("Location: {location}")], b"")
    })
    .await;
    let key = Some("s3cret");
    let (body, _) = fetched(&publisher.url("/here"), key, &Validators::default(), 100).await.unwrap();
    assert_eq!(body, BODY);
    assert!(publisher.asked().iter().all(|head| head.contains("auth-key: s3cret")), "the same origin");
    for (path, expected) in [
        ("/loop", "there were more than 5 redirects"),
        ("/port", "it leads to an unusual port"),
        ("/name", "it leads to an unusual port"),
        ("/local", "it has no public address"),
        ("/none", "it does not say where"),
        ("/to?http://169.254.169.254/latest/meta-data/", "169.254.169.254 is no public address"),
        ("/to?http://2130706434/", "127.0.0.2 is no public address"),
        ("/to?http://[::1]/", "::1 is no public address"),
        ("/to?http://[::ffff:10.0.0.1]/", "::ffff:10.0.0.1 is no public address"),
        ("/to?http://[64:ff9b::10.0.0.1]/", "is no public address"),
        ("/to?ftp://feeds.example/", "it leads to neither http nor https"),
        ("/to?file:///etc/passwd", "it leads to neither http nor https"),
        ("/to?http://u:p@9.9.9.9/", "the address holds a password"),
    ] {
        let error = refused(&publisher.url(path)).await;
        assert!(error.contains(expected), "{path}: {error}");
    }
    assert_eq!(inner.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_body_of_300_mb_is_cut_at_the_limit() {
    let announced = |_: &str| b"HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n".to_vec();
    let publisher = Publisher::start(announced).await;
    assert_eq!(refused(&publisher.url("/")).await, "the body is larger than the 1MiB that max_size allows");
    // Without saying so beforehand.
    let publisher =
        Publisher::start(|_| [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 5 << 20]].concat()).await;
    assert_eq!(refused(&publisher.url("/")).await, "the body is larger than the 1MiB that max_size allows");
}

#[tokio::test]
async fn answers_that_hold_no_list_are_told_apart() {
    let publisher = Publisher::start(|head| match head.split(' ').nth(1).unwrap() {
        "/503" => answer("503 Service Unavailable", &[], b""),
        "/404" => answer("404 Not Found", &[], b"<html>"),
        "/304" => answer("304 Not Modified", &[], b""),
        "/empty" => b"".to_vec(),
        "/cut" => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhttp://evil.test/a\n".to_vec(),
        _ => b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(),
    })
    .await;
    for (path, expected) in [
        ("/503", "127.0.0.1 asks us to come later (503 Service Unavailable); is refresh too short?"),
        ("/404", "127.0.0.1 answered 404 Not Found"),
        (
            "/304",
            "127.0.0.1 answered 304 Not Modified, and was not asked whether anything has changed; the list itself \
             is needed",
        ),
        (
            "/empty",
            "127.0.0.1 could not be asked: there is no answer that can be read: connection closed before message \
             completed",
        ),
        (
            "/cut",
            "127.0.0.1 could not be asked: the answer broke off before its end: end of file before message length \
             reached",
        ),
        (
            "/ssh",
            "127.0.0.1 could not be asked: there is no answer that can be read: invalid HTTP version parsed",
        ),
    ] {
        assert_eq!(refused(&publisher.url(path)).await, expected, "{path}");
    }
    // More than is announced is not read.
    let publisher =
        Publisher::start(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345678".to_vec()).await;
    let (body, _) = fetched(&publisher.url("/"), None, &Validators::default(), 100).await.unwrap();
    assert_eq!(body, b"12345");
    let publisher =
        Publisher::start(|_| b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n12345678".to_vec()).await;
    assert_eq!(
        refused(&publisher.url("/")).await,
        "127.0.0.1 could not be asked: there is no answer that can be read: invalid content-length parsed"
    );
}

#[tokio::test]
async fn how_often_a_publisher_wants_to_be_asked_is_heard() {
    let publisher = Publisher::start(|_| answer("429 Too Many Requests", &["Retry-After: 7200"], b"")).await;
    let error = fetched(&publisher.url("/429"), None, &Validators::default(), 1).await.unwrap_err();
    assert!(matches!(error, FetchError::Later { after: Some(7200), .. }), "{error}");
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut_at_the_limit_and_a_slow_one_in_time() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n";
    let of =
        |piece: usize, pause: u64| Publisher::endless(head, vec![b'x'; piece], Duration::from_millis(pause));
    let flood = of(100_000, 0).await;
    assert_eq!(refused(&flood.url("/")).await, "the body is larger than the 1MiB that max_size allows");
    let patient = async |silence, whole, publisher: &Publisher| {
        tls();
        let [silence, whole] = [silence, whole].map(Duration::from_secs);
        let patience = Patience { connect: Duration::from_secs(5), silence, whole };
        let fetcher = Fetcher::patient(&publisher.url("/"), None, patience).unwrap();
        let file = tempfile::tempfile().unwrap();
        fetcher.fetch(&Validators::default(), file, 1 << 20).await.unwrap_err().to_string()
    };
    let drip = of(1, 100).await;
    assert_eq!(patient(30, 1, &drip).await, "127.0.0.1 did not send all of it within 1s");
    let mute = of(1, 600_000).await;
    assert_eq!(patient(1, 30, &mute).await, "127.0.0.1 could not be asked: nothing came for 1s");
}

#[tokio::test]
async fn a_file_of_this_machine_is_read_again_only_if_it_has_changed() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("list");
    let url = format!("file://{}", path.display());
    assert_eq!(
        refused(&url).await,
        format!("the file {} cannot be read: No such file or directory (os error 2)", path.display())
    );
    // The key is not told.
    let error =
        fetched("file:///nowhere/{key}/a", Some("s3cret"), &Validators::default(), 1).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the file file:///nowhere/{key}/a cannot be read: No such file or directory (os error 2)"
    );
    std::fs::write(&path, BODY).unwrap();
    let (body, validators) = fetched(&url, None, &Validators::default(), 100).await.unwrap();
    assert_eq!(body, BODY);
    assert_eq!(fetched(&url, None, &validators, 100).await.unwrap().0, b"same");
    std::fs::write(&path, b"http://evil.test/longer-than-before-by-far-and-so-of-another-size\n").unwrap();
    assert_ne!(fetched(&url, None, &validators, 100).await.unwrap().0, b"same");
    // Whoever opens a FIFO waits for its writer, and the kernel's log has no end.
    let fifo = place.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for odd in [place.path(), &fifo] {
        assert!(refused(&format!("file://{}", odd.display())).await.ends_with("it is no regular file"));
    }
    assert!(refused("file:///proc/self/status").await.contains("the kernel makes it up"));
}
