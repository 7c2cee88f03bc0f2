//! What becomes of what rspamd says.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::{Advice, AdvisedAction, FieldWish, Outcome, RemovalWish, Skip};
use crate::scan::rspamd::reply::{Reply, ReplyError, parse};

fn read(json: &serde_json::Value) -> Reply {
    parse(json.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error:?}: {json}"))
}

/// A reply with this `milter`, as text: the order of what is in it counts.
fn milter(milter: &str) -> Advice {
    let body = format!(r#"{{"score": 1, "required_score": 15, "action": "reject", "milter": {milter}}}"#);
    parse(body.as_bytes()).unwrap_or_else(|error| panic!("{error:?}: {body}")).advice
}

fn added(advice: &Advice) -> Vec<String> {
    advice.add.iter().map(|FieldWish { name, value }| format!("{name}: {value}")).collect()
}

#[test]
fn action_scores_and_message_are_taken_over() {
    let reply = read(&json!({
        "is_skipped": false, "score": 7.3, "required_score": 15.0, "action": "soft reject",
        "messages": {"smtp_message": "Try again later\r\n", "other": 5},
        "symbols": {"A_SYMBOL": {"name": "A_SYMBOL", "score": 7.3, "options": ["x", 5, "y"]}},
        "urls": ["a.example"], "message-id": "x",
    }));
    let advice = Advice {
        action: AdvisedAction::SoftReject,
        score: 7.3,
        required: 15.0,
        reply: Some("Try again later".into()),
        add: vec![],
        remove: vec![],
    };
    assert_eq!(reply.advice, advice);
    assert_eq!((reply.symbols[0].name.as_str(), reply.symbols[0].score), ("A_SYMBOL", 7.3));
    assert_eq!(reply.symbols[0].options, ["x", "y"]);
    for action in AdvisedAction::ALL {
        let reply = read(&json!({"score": 0, "action": action.name()}));
        assert_eq!((reply.advice.action, reply.advice.required), (action, 0.0));
    }
}

#[test]
fn fields_to_add_are_understood_in_every_form_and_come_in_the_milters_order() {
    for (wishes, expected) in [
        (r#"{}"#, vec![]),
        (r#"[]"#, vec![]),
        (r#"null"#, vec![]),
        (r#"{"add_headers": []}"#, vec![]),
        (r#"{"add_headers": {"X-Z": "1", "X-A": "2"}}"#, vec!["X-Z: 1", "X-A: 2"]),
        (r#"{"add_headers": {"X-A": {"value": "1", "order": 1}}}"#, vec!["X-A: 1"]),
        (r#"{"add_headers": {"X-A": {"value": "1", "index": 0}}}"#, vec!["X-A: 1"]),
        (r#"{"add_headers": {"X-A": {"value": "1"}}}"#, vec!["X-A: 1"]),
        (
            r#"{"add_headers": {"X-A": ["1", {"value": "2", "order": 0}, "3"]}}"#,
            vec!["X-A: 2", "X-A: 1", "X-A: 3"],
        ),
        (r#"{"add_headers": [{"X-B": "1"}, {"X-A": "2"}]}"#, vec!["X-B: 1", "X-A: 2"]),
        (
            r#"{"add_headers": {
                "X-End": "e", "X-Last": {"value": "l", "order": -1}, "X-2": {"value": "2", "order": 2},
                "X-0": {"value": "0", "order": 0}, "X-Before": {"value": "b", "order": -3},
                "X-2b": {"value": "on top of 2", "order": 2.0}, "X-Odd": {"value": "o", "order": "x"}}}"#,
            vec!["X-0: 0", "X-2b: on top of 2", "X-2: 2", "X-Before: b", "X-End: e", "X-Last: l", "X-Odd: o"],
        ),
        (
            r#"{"add_headers": {"X-A": 5, "X-B": true, "X-C": null, "X-D": [[]], "X-E": {"x": 1}}}"#,
            vec!["X-A: 5", "X-B: true"],
        ),
        (
            r#"{"add_headers": {"X-A": "a long\r\n\tfolded\n value\r\nX-Evil: x\u0000"}}"#,
            vec!["X-A: a long folded value X-Evil: x?"],
        ),
        (
            r#"{"add_headers": {"Authentication-Results": "x", "ARC-Seal": "x", "arc-message-signature": "x", "X-MAILWARD-Id": "x",
                "X-Spam-Flag": "x", "": "x", "a b": "x", "a:b": "x", "ä": "x", "X-Spamd-Bar": "+"}}"#,
            vec!["X-Spamd-Bar: +"],
        ),
    ] {
        assert_eq!(added(&milter(wishes)), expected, "{wishes}");
    }
}

#[test]
fn fields_to_remove_are_understood_in_every_form() {
    let wish = |name: &str, index| RemovalWish { name: name.to_owned(), index };
    for (wishes, expected) in [
        (r#"{"remove_headers": {"X-Spam": 0}}"#, vec![wish("X-Spam", 0)]),
        (r#"{"remove_headers": {"X-B": -1, "X-A": 2.0}}"#, vec![wish("X-B", -1), wish("X-A", 2)]),
        (r#"{"remove_headers": {"X-A": [1, 3]}}"#, vec![wish("X-A", 1), wish("X-A", 3)]),
        (r#"{"remove_headers": ["X-A", "X-B"]}"#, vec![wish("X-A", 0), wish("X-B", 0)]),
        (r#"{"remove_headers": [{"X-A": 1}]}"#, vec![wish("X-A", 1)]),
        (
            r#"{"remove_headers": {"X-A": "1", "X-B": 1.5, "X-C": 99999999999, "Authentication-Results": 0, "arc-seal": 1}}"#,
            vec![],
        ),
    ] {
        assert_eq!(milter(wishes).remove, expected, "{wishes}");
    }
}

#[test]
fn what_plugins_make_of_the_action_is_followed() {
    assert_eq!(milter(r#"{"reject": "discard"}"#).action, AdvisedAction::Discard);
    assert_eq!(milter(r#"{"reject": "quarantine"}"#).action, AdvisedAction::Quarantine);
    assert_eq!(milter(r#"{"reject": "x"}"#).action, AdvisedAction::Reject);
    assert_eq!(milter(r#"{"no_action": true}"#).action, AdvisedAction::NoAction);
    let reply =
        read(&json!({"score": 6, "action": "add header", "milter": {"spam_header": {"X-Junk": "Yes"}}}));
    assert_eq!(added(&reply.advice), ["X-Junk: Yes"]);
    assert_eq!(reply.advice.remove, [RemovalWish { name: "X-Junk".into(), index: 0 }]);
}

#[test]
fn signatures_come_first_and_whole_or_not_at_all() {
    let signed = |value: serde_json::Value| {
        let add = json!({"X-A": {"value": "1", "order": 0}});
        let reply = json!({"score": 0, "action": "no action", "dkim-signature": value, "milter": {"add_headers": add}});
        added(&read(&reply).advice)
    };
    assert_eq!(signed(json!("a=rsa-sha256;\r\n\tb=x")), ["DKIM-Signature: a=rsa-sha256; b=x", "X-A: 1"]);
    assert_eq!(signed(json!(["1", "2"])), ["DKIM-Signature: 1", "DKIM-Signature: 2", "X-A: 1"]);
    assert_eq!(signed(json!("x".repeat(5000))), ["X-A: 1"]);
}

#[test]
fn fields_are_bounded_in_number_and_length() {
    let many: serde_json::Map<_, _> = (0..100).map(|n| (format!("X-{n}"), json!("é".repeat(4000)))).collect();
    let gone: serde_json::Map<_, _> = (0..100).map(|n| (format!("X-{n}"), json!(0))).collect();
    let reply = read(
        &json!({"score": 0, "action": "reject", "milter": {"add_headers": many, "remove_headers": gone}}),
    );
    assert_eq!((reply.advice.add.len(), reply.advice.remove.len()), (32, 32));
    assert_eq!(reply.advice.add[0].value.len(), 4096);
}

#[test]
fn a_reply_that_does_not_say_what_matters_is_none() {
    for (body, expected) in [
        ("", "its reply cannot be read: "),
        ("pong\r\n", "its reply cannot be read: "),
        ("[]", "its reply cannot be read: "),
        ("{}", "its reply has no score"),
        (r#"{"error": "x"}"#, "its reply has no score"),
        (r#"{"score": [], "action": "reject"}"#, "its reply has no score"),
        (r#"{"score": "nan", "action": "reject"}"#, "its reply has no score"),
        (r#"{"score": 1}"#, "its reply has no action"),
        (r#"{"score": 1, "action": 5}"#, "its reply has no action"),
        (r#"{"score": 1, "action": "reject", "symbols": 5}"#, "its reply cannot be read: "),
        (r#"{"score": 1, "action": "reject", "symbols": ["A"]}"#, "its reply cannot be read: "),
        (
            r#"{"score": 1, "action": "reject", "symbols": {"A": 5}}"#,
            "the symbol A of its reply is no object",
        ),
        (
            r#"{"score": 1, "action": "reject", "symbols": {"A": {"score": {}}}}"#,
            "the symbol A of its reply has a score that is no number",
        ),
        (r#"{"score": 1, "action": "reject", "milter": "x"}"#, "its reply cannot be read: "),
    ] {
        match parse(body.as_bytes()) {
            Err(ReplyError::Malformed(error)) => assert!(error.starts_with(expected), "{body}: {error}"),
            other => panic!("{body}: {other:?}"),
        }
    }
    let own = r#"{"score": 1, "action": "my own"}"#;
    let expected =
        ReplyError::Action("it asks for the action \"my own\", which cannot be followed here".into());
    assert_eq!(parse(own.as_bytes()), Err(expected));
    let many = format!("[{}1]", "1,".repeat(200_000));
    assert!(matches!(parse(many.as_bytes()), Err(ReplyError::TooMany(error)) if error.contains("100000")));
    // Commas in what the sender wrote are no values.
    let id = format!(r#"{{"message-id":"\\\"{}","score":1,"action":"no action"}}"#, ",".repeat(200_000));
    assert_eq!(parse(id.as_bytes()).map(|reply| reply.advice.score), Ok(1.0));
}

#[test]
fn a_byte_that_is_no_text_spoils_no_reply() {
    let body = b"{\"score\": 1, \"action\": \"reject\", \"symbols\": {\"A\": {\"score\": 1, \"options\": [\"\xff\"]}}}";
    assert_eq!(parse(body).unwrap().symbols[0].options, ["\u{fffd}"]);
}

#[tokio::test]
async fn outcome_findings_and_version_follow_the_reply() {
    use super::server::{Does, Server, response};
    let spam =
        r#"{"score": 7, "required_score": 15, "action": "no action", "symbols": {"BAD": {"score": 7}}}"#;
    let partial = r#"{"score": 0, "action": "no action", "symbols": {"CLAM_VIRUS_FAIL": {"score": 0, "options": ["x"]}}}"#;
    for (body, outcome, findings) in [
        (ORDINARY, "ok", 1),
        (spam, "found", 1),
        (r#"{"score": 0, "action": "greylist"}"#, "found", 0),
        (r#"{"score": 0, "action": "no action"}"#, "ok", 0),
        (r#"{"score": 0, "action": "no action", "is_skipped": true}"#, "skipped(exempt)", 0),
        (r#"{"score": 0, "action": "reject", "is_skipped": true}"#, "found", 0),
        (partial, "ok(degraded)", 1),
        (r#"{"score": 0, "action": "my own"}"#, "failed(protocol)", 0),
    ] {
        let server = Server::start(Does::Answer(response("200 OK", body))).await;
        let rspamd = ask(&server);
        let report = look(&rspamd).await;
        assert_eq!(
            (report.outcome.to_string().as_str(), report.findings.len()),
            (outcome, findings),
            "{body}"
        );
        assert_eq!(report.advice.is_some(), !matches!(report.outcome, Outcome::Failed(_)), "{body}");
        assert_eq!(rspamd.version(), "rspamd/3.4");
        assert_eq!(rspamd.health(), crate::scan::Health::Up, "{body}");
    }
    let server = Server::start(Does::Close).await;
    let large = input(session(), envelope(), vec![b'x'; (1 << 20) + 1]);
    let report = ask(&server).scan(large, Instant::now() + Duration::from_secs(30)).await;
    assert_eq!((report.outcome, server.connections()), (Outcome::Skipped(Skip::TooLarge), 0));
}

/// Any JSON; now and then with the words that a reply is made of.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        any::<String>().prop_map(|s| json!(s)),
        Just(json!("reject")),
    ];
    let names = "score|action|symbols|milter|add_headers|remove_headers|spam_header|value|order|options|messages|\
                 smtp_message|dkim-signature|X-A|[a-z]{0,3}";
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..6);
        let object = proptest::collection::vec((names, inner), 0..8);
        prop_oneof![
            list.prop_map(|l| json!(l)),
            object.prop_map(|o| serde_json::Value::Object(o.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_panics_and_what_is_taken_over_is_safe(mut json in any_json(), whole in any::<bool>()) {
        if let (true, Some(object)) = (whole, json.as_object_mut()) {
            object.insert("score".into(), json!(5));
            object.insert("action".into(), json!("add header"));
        }
        if let Ok(reply) = parse(json.to_string().as_bytes()) {
            prop_assert!(reply.advice.score.is_finite());
            for wish in &reply.advice.add {
                prop_assert!(wish.name.bytes().all(|b| b.is_ascii_graphic() && b != b':'));
                prop_assert!(wish.value.len() <= 4096 && !wish.value.contains(|c: char| c.is_control()));
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(parse(&bytes));
    }
}
