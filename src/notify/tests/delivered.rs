//! What arrives.

use hmac::Mac as _;

use super::*;

/// Computed here as docs/notifications.md tells a receiver to.
fn signed(seconds: &str, body: &[u8]) -> String {
    let mut mac =
        <hmac::Hmac<sha2::Sha256> as hmac::digest::KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(seconds.as_bytes());
    mac.update(b".");
    mac.update(body);
    data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
}

#[tokio::test]
async fn a_webhook_gets_a_signed_object_without_people() {
    let (bench, receiver) = (Bench::new(), Receiver::start(&[]).await);
    bench.configure(webhook(&receiver.url()));
    bench.reject();
    let came = receiver.wait_for(1).await.remove(0);
    assert_eq!((came.method.as_str(), came.path.as_str()), ("POST", "/hook?key=1"));
    assert_eq!(came.header("content-type"), "application/json");
    assert_eq!(came.header("x-mailward-event"), "malware");
    let signature = came.header("x-mailward-signature").to_owned();
    assert_eq!(signature, format!("t=1790000000,v1={}", signed("1790000000", &came.body)));
    let hidden = |address: &str| key().address(address);
    let told = came.json();
    assert_eq!(told["delivery"], came.header("x-mailward-delivery"));
    let expected = serde_json::json!({
        "version": 1,
        "event": "malware",
        "events": ["malware", "rejected"],
        "delivery": told["delivery"],
        "time": "2026-09-21T14:13:20.000Z",
        "host": "mx.example",
        "section": "one",
        "title": "Mail refused: malware by rule malware",
        "text": told["text"],
        "redacted": true,
        "message": {
            "id": mail(Disposition::Reject, Category::Malware).id,
            "held_as": null,
            "disposition": "reject",
            "verdict": "malware",
            "score": 12.5,
            "rule": "malware",
            "reason": format!("Eicar, for {}, at http://evil.test/…", hidden("joe@example.org")),
            "direction": "inbound",
            "client": "192.0.2.7",
            "sender": hidden("eve@sender.example"),
            "recipients": [hidden("joe@example.org")],
            "recipient_count": 3,
            "from": hidden("eve@sender.example"),
            "subject": null,
        },
    });
    assert_eq!(told, expected);
    let whole = String::from_utf8(came.body).unwrap();
    for person in ["joe@", "eve@", "Eve", "For Joe", "X-Evil"] {
        assert!(!whole.contains(person), "{person}: {whole}");
    }
    let text = told["text"].as_str().unwrap();
    assert!(text.contains("Why: mailward explain ") && text.contains(" and 2 more"), "{text}");
    bench.counted("webhook", "sent", 1).await;
    assert_eq!(bench.metrics.notifications_waiting.get(), 0);
}

#[tokio::test]
async fn people_are_told_where_that_is_asked_for_and_foreign_text_stays_one_line() {
    let (bench, receiver) = (Bench::new(), Receiver::start(&[]).await);
    bench.configure(Settings { redact: false, ..webhook(&receiver.url()) });
    bench.reject();
    let told = receiver.wait_for(1).await.remove(0).json();
    assert_eq!(told["message"]["sender"], "eve@sender.example");
    assert_eq!(told["message"]["subject"], "For Joe  X-Evil: 1");
    assert_eq!(told["message"]["reason"], "Eicar, for joe@example.org, at http://evil.test/joe");
    assert_eq!(told["redacted"], false);
}

#[tokio::test]
async fn ntfy_gets_text_for_its_topic_with_the_token() {
    let (bench, receiver) = (Bench::new(), Receiver::start(&[]).await);
    let url = format!("http://{}/", receiver.at);
    let token = Some(SecretText::new("tk_1"));
    bench.configure(settings(To::Ntfy { url, topic: "mail-1".to_owned(), token }));
    bench.notifier.tell(alarm(Kind::EngineDown, false), None);
    bench.notifier.tell(alarm(Kind::EngineUp, true), None);
    let came = receiver.wait_for(2).await;
    assert_eq!(came[0].path, "/mail-1");
    let fields = ["title", "priority", "tags", "authorization"].map(|name| came[0].header(name).to_owned());
    assert_eq!(fields, ["clamd does not work as it should", "5", "rotating_light", "Bearer tk_1"]);
    let text = String::from_utf8(came[0].body.clone()).unwrap();
    assert_eq!(
        text,
        "What: it is silent\nSince: 2026-09-21T13:56:40.000Z\nSee: mailward status\nHost: mx.example\nTime: 2026-09-21T14:13:20.000Z"
    );
    assert_eq!((came[1].header("title"), came[1].header("priority")), ("clamd works again", "3"));
}

#[tokio::test]
async fn a_section_is_told_what_it_asks_for_and_what_a_rule_names_it_for() {
    let (bench, receiver) = (Bench::new(), Receiver::start(&[]).await);
    let other = Receiver::start(&[]).await;
    let on = vec![Kind::Quarantined];
    bench.notifier.configure(BTreeMap::from([
        ("one".to_owned(), Settings { on: on.clone(), ..webhook(&receiver.url()) }),
        ("two".to_owned(), Settings { on, ..webhook(&other.url()) }),
    ]));
    let now = bench.clock.now();
    bench.reject();
    bench.notifier.judged(now, mail(Disposition::Tempfail, Category::Malware), true);
    bench.notifier.judged(now, mail(Disposition::Accept, Category::Clean), false);
    let named = Mail { named: vec!["two".into(), "three".into()], ..mail(Disposition::Tag, Category::Spam) };
    bench.notifier.judged(now, named, false);
    let held =
        Mail { held_as: Some(MailId::from_parts(3, 4)), ..mail(Disposition::Quarantine, Category::Phish) };
    bench.notifier.judged(now, held, false);
    let came: Vec<_> = other.wait_for(2).await.iter().map(|came| came.json()["events"].clone()).collect();
    assert_eq!(came, [serde_json::json!(["rule"]), serde_json::json!(["quarantined"])]);
    assert_eq!(receiver.wait_for(1).await[0].json()["title"], "Mail held: phish by rule malware");
    bench.notifier.finish(Duration::from_secs(5)).await;
    assert_eq!((receiver.came().len(), other.came().len()), (1, 2));
}

#[tokio::test]
async fn what_is_more_than_may_be_told_is_told_in_one() {
    let (bench, receiver) = (Bench::new(), Receiver::start(&[]).await);
    let within = Duration::from_millis(300);
    bench.configure(Settings { most: 2, within, ..webhook(&receiver.url()) });
    for _ in 0..314 {
        bench.reject();
    }
    let came = receiver.wait_for(3).await;
    let events: Vec<_> = came.iter().map(|came| came.json()["event"].clone()).collect();
    assert_eq!(events, ["malware", "malware", "digest"]);
    let digest = came[2].json();
    assert_eq!(digest["title"], "312 more were not told one by one");
    let counts = serde_json::json!({
        "since": "2026-09-21T14:13:20.000Z",
        "limited": [{"event": "malware", "count": 312}],
        "lost": [],
    });
    assert_eq!(digest["digest"], counts);
    assert_eq!(bench.count("webhook", "limited"), 312);
}

#[tokio::test]
async fn a_test_says_what_the_destination_answers() {
    let (bench, receiver) = (Bench::new(), Receiver::start(&[200, 403]).await);
    bench.configure(webhook(&receiver.url()));
    let tested = bench.notifier.test("one").await.unwrap();
    assert_eq!((tested.said.as_str(), tested.kind), ("200 OK: said ?[31mso", By::Webhook));
    assert_eq!(tested.to, format!("http://{}", receiver.at), "no path: it may be a secret");
    assert_eq!(receiver.came()[0].json()["event"], "test");
    let error = bench.notifier.test("one").await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("the test of [notify.one] did not arrive: {} answered 403: said ?[31mso", receiver.at)
    );
    assert_eq!(bench.notifier.test("two").await, Err(TestError::Unknown("two".to_owned())));
    let standing = bench.notifier.list().remove(0);
    assert_eq!((standing.failures, standing.last.unwrap().arrived), (1, false));
}

#[tokio::test]
async fn a_rule_that_cannot_be_evaluated_is_told_once_and_not_for_each_message() {
    let (bench, receiver) = (Bench::new(), Receiver::start(&[]).await);
    bench.configure(webhook(&receiver.url()));
    for rule in ["big", "big", "small", "big"] {
        bench.notifier.policy_error(bench.clock.now(), rule, "no such key: size");
    }
    let came = receiver.wait_for(2).await;
    let about: Vec<_> = came.iter().map(|came| came.json()["state"]["about"].clone()).collect();
    assert_eq!(about, ["big", "small"]);
    assert_eq!(came[0].json()["title"], "The rule big could not be evaluated");
    bench.notifier.finish(Duration::from_secs(5)).await;
    assert_eq!(receiver.came().len(), 2);
}
