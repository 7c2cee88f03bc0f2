//! What a token opens, and what it does not.

use super::*;
use crate::milter_client;

#[test]
fn a_token_opens_for_one_message_to_one_recipient_while_it_is_under_way() {
    let (daemon, toml) = holding();
    let relay = Relay::start();
    release_to(&daemon, &toml, &format!("relay = {:?}", relay.server()));
    let raw = mail("token", "HOLD-THIS");
    let id = hold(&daemon, &["alice@example.org"], &raw);
    let other = hold(&daemon, &["alice@example.org"], &mail("other", "HOLD-THIS and that"));
    let to = ["alice@example.org"];
    let word = |from: &str, to: &[&str], raw: &[u8]| send(&daemon, from, to, raw).word;
    let replaced = |raw: &[u8], from: &str, to: &str| {
        let text = String::from_utf8(raw.to_vec()).unwrap();
        assert!(text.contains(from), "{text}");
        text.replacen(from, to, 1).into_bytes()
    };

    // It went to a server that asks nobody: the token is used up with its 250.
    let (ok, report, _) = release(&daemon, &id, &[]);
    assert!(ok && report["copies"][0]["warning"].is_string(), "{report}");
    let token = relay.taken()[0].message.clone();
    assert!(token.starts_with(b"X-Mailward-Release: v2; id="), "{}", String::from_utf8_lossy(&token));
    assert!(token.ends_with(&raw));
    assert_eq!(word("<a@sender.example>", &to, &token), "discard", "a token opened twice");

    let (report, ()) = under_way(&daemon, &relay, &other, "250 2.0.0 Ok", |message| {
        let forged = |id: &str| {
            let token = format!("v2; id={id}; kid=00000000; exp=4102444800; mac={}", "0".repeat(64));
            [format!("X-Mailward-Release: {token}\r\n").as_bytes(), &mail("forged", "HOLD-THIS")].concat()
        };
        assert_eq!(word("<a@sender.example>", &to, &forged(&other)), "discard", "a forged token");
        let mac = String::from_utf8_lossy(message).split("mac=").nth(1).unwrap()[..64].to_owned();
        let wrong = replaced(message, &mac, &"0".repeat(64));
        assert_eq!(word("<a@sender.example>", &to, &wrong), "discard", "a forged MAC");
        assert_eq!(
            word("<a@sender.example>", &to, &replaced(message, &other, &id)),
            "discard",
            "the token of another entry"
        );
        assert_eq!(
            word("<a@sender.example>", &to, &replaced(message, "and that", "and HOLD")),
            "discard",
            "another body"
        );
        // The same bytes, to be read in another way: what the text was is not shown, and what was hidden is.
        let kind = replaced(message, "Subject: ", "Content-Type: text/html\r\nSubject: ");
        assert_eq!(word("<a@sender.example>", &to, &kind), "discard", "another kind of body");
        assert_eq!(word("<a@sender.example>", &["bob@example.org"], message), "discard", "another recipient");
        let two = ["alice@example.org", "bob@example.org"];
        assert_eq!(word("<a@sender.example>", &two, message), "discard", "one recipient more");
        assert_eq!(word("<b@sender.example>", &to, message), "discard", "another sender");
        // The true one, wherever the field stands, and however often.
        let answer = send(&daemon, "<a@sender.example>", &to, message);
        assert!(answer.word == "accept" || answer.word == "continue", "{answer:?}\n{}", daemon.log());
        let header = milter_client::delivered(message, &answer.edits);
        assert!(
            !header.iter().any(|(name, _)| name.eq_ignore_ascii_case("X-Mailward-Release")),
            "{header:?}"
        );
        let again = [forged(&other).split_inclusive(|b| *b == b'\n').next().unwrap(), message].concat();
        let answer = send(&daemon, "<a@sender.example>", &to, &again);
        assert!(answer.word == "accept" || answer.word == "continue", "{answer:?}");
    });
    assert_eq!(results(&report), ["released"], "{report}");
    assert!(report["copies"][0]["warning"].is_null(), "{report}");
    let (_, metrics) = daemon.get("/metrics").unwrap();
    for (result, count) in [("good", 2), ("altered", 4), ("other-key", 1), ("other-recipient", 2)] {
        let line = format!("mailward_release_tokens_total{{result=\"{result}\"}} {count}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    assert!(daemon.log().contains("a release token that is worth nothing"), "{}", daemon.log());
}

#[test]
fn a_token_whose_time_is_over_opens_nothing() {
    let (daemon, toml) = holding();
    let relay = Relay::start();
    release_to(&daemon, &toml, &format!("relay = {:?}\nvalid = \"1s\"", relay.server()));
    let id = hold(&daemon, &["alice@example.org"], &mail("late", "HOLD-THIS"));
    let (report, word) = under_way(&daemon, &relay, &id, "250 2.0.0 Ok", |message| {
        std::thread::sleep(std::time::Duration::from_millis(2100));
        send(&daemon, "<a@sender.example>", &["alice@example.org"], message).word
    });
    assert_eq!(word, "discard");
    assert_eq!(results(&report), ["released"]);
    assert_eq!(states(&daemon, &id), ["released"]);
}

#[test]
fn what_was_changed_on_the_way_is_judged_and_the_admin_is_told() {
    let (daemon, toml) = holding();
    let relay = Relay::start();
    release_to(&daemon, &toml, &format!("relay = {:?}", relay.server()));
    let id = hold(&daemon, &["alice@example.org"], &mail("footer", "HOLD-THIS"));
    let (report, word) = under_way(&daemon, &relay, &id, "250 2.0.0 Ok", |message| {
        let with_footer = [message, b"a footer\r\n"].concat();
        send(&daemon, "<a@sender.example>", &["alice@example.org"], &with_footer).word
    });
    assert_eq!((word.as_str(), results(&report)), ("discard", vec!["uncertain".to_owned()]));
    let why = report["copies"][0]["why"].as_str().unwrap();
    assert!(why.contains("it was judged like any other mail, as "), "{why}");
    assert_eq!(states(&daemon, &id), ["uncertain"]);
}
