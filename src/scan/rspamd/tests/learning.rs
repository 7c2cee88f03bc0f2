//! Teaching, against a controller that answers as the real one was seen to.

use super::server::{Does, Server, response};
use super::*;
use crate::scan::rspamd::{Class, LearnError, Learned};

async fn learn(server: &Server, class: Class) -> (Result<Learned, LearnError>, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new());
    let rspamd = Rspamd::new(settings(&server.url()), clock(), Arc::clone(&metrics)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    (rspamd.learn(class, Bytes::from_static(b"Subject: x\r\n\r\nx\r\n"), deadline).await, metrics)
}

#[tokio::test]
async fn a_lesson_is_the_raw_message_with_the_password() {
    let server = Server::start(Does::Answer(response("200 OK", r#"{"success":true}"#))).await;
    let (learned, metrics) = learn(&server, Class::Spam).await;
    assert_eq!(learned, Ok(Learned::Learned));
    assert_eq!(metrics.learned.with_label_values(&["spam", "learned"]).get(), 1);
    let request = String::from_utf8(server.requests().remove(0)).unwrap();
    let host = server.url().replace("http://", "");
    let expected = format!(
        "POST /learnspam HTTP/1.1\r\nHost: {host}\r\nContent-Length: 17\r\nPassword: secret\r\nLearn-Type: bulk\r\n\r\n\
         Subject: x\r\n\r\nx\r\n"
    );
    assert_eq!(request, expected);
}

#[tokio::test]
async fn each_answer_of_the_controller_is_told_apart() {
    let known = "208 <x> has been already learned as ham, ignore it";
    let few = "204 <x> contains less tokens than required for bayes classifier: 9 < 11";
    for (status, body, expected, word) in [
        (known, r#"{"error":"x"}"#, "known", "known"),
        (few, r#"{"error":"less tokens"}"#, "rspamd does not learn it: less tokens", "failed"),
        (
            few,
            "",
            "rspamd does not learn it: <x> contains less tokens than required for bayes classifier: 9 < 11",
            "failed",
        ),
        ("200 OK", r#"{"success":false}"#, "rspamd does not learn it: OK", "failed"),
        (
            "401 Unauthorized",
            r#"{"error":"Unauthorized"}"#,
            "rspamd's controller at tcp:HOST refuses our password (Unauthorized); see controller_password in [scanner.rspamd]",
            "failed",
        ),
        ("404 x", r#"{"error":"no classifier"}"#, "rspamd at tcp:HOST answered 404 no classifier", "failed"),
        ("500 x", r#"{"error":"redis"}"#, "rspamd at tcp:HOST answered 500 redis", "failed"),
    ] {
        let server = Server::start(Does::Answer(response(status, body))).await;
        let (result, metrics) = learn(&server, Class::Ham).await;
        let told = result.map_or_else(|error| error.to_string(), |learned| learned.name().to_owned());
        assert_eq!(told.replace(&server.url().replace("http://", ""), "HOST"), expected);
        assert_eq!(metrics.learned.with_label_values(&["ham", word]).get(), 1);
    }
}

#[tokio::test]
async fn a_controller_that_hangs_is_not_waited_for() {
    let server = Server::start(Does::Hang).await;
    let rspamd = ask(&server);
    let soon = Instant::now() + Duration::from_millis(100);
    let error = rspamd.learn(Class::Spam, Bytes::from_static(b"x"), soon).await.unwrap_err();
    assert!(matches!(error, LearnError::Ask(crate::scan::rspamd::AskError::TimedOut { .. })), "{error}");
}
