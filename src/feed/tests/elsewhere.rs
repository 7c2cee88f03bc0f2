//! A key stays with the publisher that it is for, wherever he sends us.
//!
//! A redirect is followed to a public address on a usual port alone, so this runs in a network namespace of its
//! own that has one on its loopback interface, and no route out.

use std::process::Command;

use super::publisher::{Publisher, answer};
use super::*;
use crate::model::SecretText;
use crate::testing::not_run;

const TEST: &str = "feed::tests::elsewhere::a_key_never_follows_a_redirect_to_another_host_or_port";
/// Set inside of the namespace.
const INSIDE: &str = "MAILWARD_TEST_IN_NAMESPACE";
/// Makes the namespace's only interface usable, and runs what follows.
const SET_UP: &str = "ip link set lo up && ip addr add 9.9.9.9/32 dev lo && exec \"$0\" \"$@\"";
const KEY: &str = "s3cret";

#[test]
fn a_key_never_follows_a_redirect_to_another_host_or_port() {
    if std::env::var_os(INSIDE).is_some() {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(inside());
        return;
    }
    let unshared = |more: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--net", "--map-root-user", "sh", "-c"]).args(more).env(INSIDE, "1");
        command.output()
    };
    if !unshared(&[SET_UP, "true"]).is_ok_and(|output| output.status.success()) {
        not_run(
            TEST,
            "no network namespace can be made",
            "run the tests as root, with util-linux and iproute2",
        );
        return;
    }
    let program = std::env::current_exe().unwrap();
    let output = unshared(&[SET_UP, program.to_str().unwrap(), "--exact", TEST, "--nocapture"]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}

async fn inside() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let list = answer("200 OK", &[], b"http://evil.test/a\n");
    let said = list.clone();
    let elsewhere = Publisher::at("9.9.9.9:80", move |head| match head.starts_with("GET /back ") {
        true => answer("302 Found", &["Location: http://127.0.0.1:8080/there"], b""),
        false => said.clone(),
    })
    .await;
    let said = list.clone();
    let other_port = Publisher::at("127.0.0.1:80", move |_| said.clone()).await;
    let publisher = Publisher::at("127.0.0.1:8080", move |head| {
        let to = match head.split(' ').nth(1).unwrap().rsplit('/').next().unwrap() {
            "there" => return list.clone(),
            "back" => "http://9.9.9.9/back",
            "port" => "http://127.0.0.1/list",
            _ => "http://9.9.9.9/list",
        };
        answer("302 Found", &[&format!("Location: {to}"), "Set-Cookie: id=s3cret"], b"")
    })
    .await;
    for path in ["list", "{key}/list", "list?auth-key={key}", "port", "{key}/port", "back"] {
        let url = format!("http://127.0.0.1:8080/{path}");
        let fetcher = Fetcher::new(&url, Some(SecretText::new(KEY))).unwrap();
        let got = fetcher.fetch(&Validators::default(), tempfile::tempfile().unwrap(), 100).await;
        assert!(matches!(got, Ok(Answer::Body(..))), "{path}: {got:?}");
    }
    assert!(publisher.asked().iter().all(|head| head.contains(KEY)), "{:?}", publisher.asked());
    assert_eq!((publisher.asked().len(), elsewhere.asked().len(), other_port.asked().len()), (7, 4, 2));
    for head in elsewhere.asked().iter().chain(&other_port.asked()) {
        let head = head.to_ascii_lowercase();
        for never in [KEY, "auth-key", "referer", "cookie", "8080"] {
            assert!(!head.contains(never), "{never}: {head}");
        }
    }
}
