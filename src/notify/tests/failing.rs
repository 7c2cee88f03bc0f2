//! Destinations that fail.

use std::time::Instant;

use super::receiver::{head, odd, say};
use super::*;

#[tokio::test]
async fn what_was_not_taken_is_sent_again_under_the_same_name() {
    let (bench, receiver) = (Bench::new(), Receiver::start(&[500, 503, 429]).await);
    bench.configure(webhook(&receiver.url()));
    bench.reject();
    let came = receiver.wait_for(4).await;
    let names: Vec<_> = came.iter().map(|came| came.header("x-mailward-delivery").to_owned()).collect();
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    bench.counted("webhook", "sent", 1).await;
    assert_eq!((bench.count("webhook", "failed"), bench.count("webhook", "given-up")), (3, 0));
    assert_eq!(bench.notifier.list()[0].failures, 0);
}

#[tokio::test]
async fn a_destination_that_says_no_is_not_asked_again_and_the_next_that_arrives_says_so() {
    let (bench, receiver) = (Bench::new(), Receiver::start(&[404]).await);
    bench.configure(webhook(&receiver.url()));
    bench.reject();
    bench.counted("webhook", "given-up", 1).await;
    assert_eq!(bench.metrics.notifications_waiting.get(), 0);
    bench.notifier.tell(alarm(Kind::EngineDown, false), None);
    let came = receiver.wait_for(3).await;
    let told: Vec<_> = came.iter().map(|came| came.json()).collect();
    let events: Vec<_> = told.iter().map(|told| told["event"].clone()).collect();
    assert_eq!(events, ["malware", "engine-down", "digest"]);
    assert_eq!(told[2]["digest"]["lost"], serde_json::json!([{"event": "malware", "count": 1}]));
    // The digest was not counted when it was made, and is not taken off.
    bench.counted("webhook", "sent", 2).await;
    assert_eq!(bench.metrics.notifications_waiting.get(), 0);
}

#[tokio::test]
async fn servers_that_misbehave_are_tried_again_and_given_up_in_the_end() {
    let silent = odd(|mut stream| async move {
        head(&mut stream).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    });
    let hangs_up = odd(|stream| async move { drop(stream) });
    let half = odd(|stream| say(stream, "HTTP/1.1 20"));
    let no_http = odd(|stream| say(stream, "220 mail.example ESMTP\r\n"));
    for (server, what) in [
        (silent.await, "did not answer within"),
        (hangs_up.await, "could not be told: "),
        (half.await, "could not be told: "),
        (no_http.await, "could not be told: "),
    ] {
        let bench = Bench::new();
        let mut settings = webhook(&format!("http://{}/", server.0));
        settings.channel.timeout = Duration::from_millis(150);
        settings.give_up = Duration::from_millis(600);
        bench.configure(settings);
        let begin = Instant::now();
        bench.reject();
        bench.counted("webhook", "given-up", 1).await;
        assert!(begin.elapsed() >= Duration::from_millis(600), "{what}");
        let came = *server.1.lock().unwrap();
        assert!((2..=60).contains(&came), "{what}: {came} attempts");
        let last = bench.notifier.list().remove(0).last.unwrap();
        assert!(!last.arrived && last.said.contains(what), "{}", last.said);
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read() {
    let (at, _) = odd(|mut stream| async move {
        use tokio::io::AsyncWriteExt as _;
        head(&mut stream).await;
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await);
        while stream.write_all(&[b'x'; 65536]).await.is_ok() {}
    })
    .await;
    let bench = Bench::new();
    bench.configure(webhook(&format!("http://{at}/")));
    let tested = bench.notifier.test("one").await.unwrap();
    assert!(tested.said.starts_with("200 OK: xxx") && tested.said.chars().count() < 230, "{}", tested.said);
}

#[tokio::test]
async fn other_settings_are_used_at_once_for_what_waits() {
    let slow = Pace { first: Duration::from_secs(600), longest: Duration::from_secs(600) };
    let (bench, broken, good) = (Bench::at(slow), Receiver::start(&[500]).await, Receiver::start(&[]).await);
    bench.configure(webhook(&broken.url()));
    bench.reject();
    bench.counted("webhook", "failed", 1).await;
    // What is to be tried again waits, for the gauge as for `notify list`.
    assert_eq!((bench.metrics.notifications_waiting.get(), bench.notifier.list()[0].waiting), (1, 1));
    bench.configure(webhook(&good.url()));
    let came = good.wait_for(1).await;
    bench.counted("webhook", "sent", 1).await;
    assert_eq!((bench.metrics.notifications_waiting.get(), bench.notifier.list()[0].waiting), (0, 0));
    assert_eq!(came[0].header("x-mailward-delivery"), broken.came()[0].header("x-mailward-delivery"));
}

#[tokio::test]
async fn the_stop_waits_for_what_is_on_its_way_and_not_for_the_dead() {
    let slow = Pace { first: Duration::from_secs(600), longest: Duration::from_secs(600) };
    let (bench, receiver) = (Bench::at(slow), Receiver::start(&[500]).await);
    let limited = Settings { most: 2, ..webhook(&receiver.url()) };
    bench.configure(limited);
    bench.reject();
    bench.counted("webhook", "failed", 1).await;
    bench.reject();
    bench.reject();
    bench.notifier.finish(Duration::from_secs(10)).await;
    let events: Vec<_> = receiver.came().iter().map(|came| came.json()["event"].clone()).collect();
    assert_eq!(events.len(), 4, "{events:?}");
    assert!(events.contains(&"digest".into()), "{events:?}");

    let (dead, _) = odd(|mut stream| async move {
        head(&mut stream).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    })
    .await;
    let bench = Bench::new();
    bench.configure(webhook(&format!("http://{dead}/")));
    bench.reject();
    let begin = Instant::now();
    bench.notifier.finish(Duration::from_millis(300)).await;
    assert!(begin.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn nobody_waits_for_a_destination_that_is_silent() {
    let (dead, _) = odd(|mut stream| async move {
        head(&mut stream).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    })
    .await;
    let bench = Bench::new();
    bench.configure(Settings { most: 1_000_000, ..webhook(&format!("http://{dead}/")) });
    for _ in 0..10_000 {
        bench.reject();
    }
    let standing = bench.notifier.list().remove(0);
    assert!(standing.waiting <= 257 && standing.waiting + standing.untold == 10_000, "{standing:?}");
    assert_eq!(bench.count("webhook", "dropped"), standing.untold);
}
