//! What is not connected to.

use super::receiver::{odd, say};
use super::*;

fn public_only(url: &str) -> Settings {
    let mut settings = webhook(url);
    settings.channel.allow_private = false;
    settings
}

#[tokio::test]
async fn a_private_address_is_never_dialled_unless_it_is_allowed() {
    let (at, came) = odd(|stream| say(stream, "HTTP/1.1 204 No Content\r\n\r\n")).await;
    let port = at.port();
    let bench = Bench::new();
    for host in ["127.0.0.1", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "[::1]", "localhost", "LOCALHOST"]
    {
        let url = format!("http://{host}:{port}/");
        bench.configure(public_only(&url));
        let error = bench.notifier.test("one").await.unwrap_err();
        let TestError::Failed { error, .. } = error else { panic!("{error}") };
        assert!(matches!(error, SendError::Private { .. }) && error.is_for_good(), "{host}: {error}");
        assert!(error.to_string().contains("allow_private = true"), "{error}");
    }
    assert_eq!(*came.lock().unwrap(), 0);
    bench.configure(webhook(&format!("http://localhost:{port}/")));
    bench.notifier.test("one").await.unwrap();
    assert_eq!(*came.lock().unwrap(), 1);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (elsewhere, came) = odd(|stream| say(stream, "HTTP/1.1 204 No Content\r\n\r\n")).await;
    for status in [301, 302, 303, 307, 308] {
        let (at, _) = odd(move |stream| async move {
            let head =
                format!("HTTP/1.1 {status} Go\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n");
            say(stream, &head).await;
        })
        .await;
        let bench = Bench::new();
        bench.configure(webhook(&format!("http://{at}/")));
        let error = bench.notifier.test("one").await.unwrap_err();
        let expected = SendError::Redirect { host: at.to_string(), status };
        assert_eq!(error, TestError::Failed { name: "one".to_owned(), error: expected });
    }
    assert_eq!(*came.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_mail_of_ours_is_known_when_it_comes_by() {
    let (bench, receiver) = (Bench::new(), Receiver::start(&[]).await);
    bench.configure(webhook(&receiver.url()));
    bench.reject();
    let delivery = receiver.wait_for(1).await[0].header("x-mailward-delivery").to_owned();
    assert!(bench.notifier.is_own(&delivery));
    assert!(!bench.notifier.is_own("") && !bench.notifier.is_own("0123456789abcdef0123456789abcdef"));
}
