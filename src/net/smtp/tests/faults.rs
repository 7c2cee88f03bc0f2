//! Servers that refuse, hang up, fall silent or talk nonsense, at each stage.

use std::time::{Duration, Instant};

use super::super::{Outcome, Protocol, Settings, SmtpError, dot, wire::Wire};
use super::scripted::{BeforeDot, Case, IMPATIENT, LINKS, Link, Turn, friendly, last, say, until};

/// Where the server's turns of [`friendly`] are, and what the stage is called.
const STAGES: [(usize, &str); 5] = [(0, "Greeting"), (1, "Hello"), (2, "Mail"), (3, "Rcpt"), (4, "Data")];

#[tokio::test]
async fn a_refusal_at_each_stage_is_told_with_its_code() {
    for (at, stage) in STAGES.into_iter().chain([(5, "Dot")]) {
        for code in [450, 550] {
            if (stage, code) == ("Hello", 550) {
                continue; // That is a server that knows no EHLO.
            }
            let mut turns = until(at, say(&format!("{code} no")));
            turns.push(say("221 bye"));
            Case::default().everywhere(turns, &[&format!("refused {code} at {stage}")]).await;
        }
    }
}

#[tokio::test]
async fn a_server_that_shuts_down_refuses_all_that_it_has_not_taken() {
    for (at, stage) in STAGES.into_iter().chain([(5, "Dot")]) {
        let turns = until(at, last("421 shutting down"));
        Case::default().everywhere(turns, &[&format!("refused 421 at {stage}")]).await;
    }
    // The first was accepted, the second refused, the third gets the 421, the fourth is never named.
    let case = Case { to: vec!["<a@x>", "<b@x>", "<c@x>", "<d@x>"], ..Case::default() };
    let mut turns = until(4, say("550 no"));
    turns.push(last("421 shutting down"));
    let down = "refused 421 at Rcpt";
    case.everywhere(turns, &[down, "refused 550 at Rcpt", down, down]).await;
}

#[tokio::test]
async fn hanging_up_is_certain_before_the_dot_and_uncertain_after_it() {
    for (at, stage) in STAGES {
        Case::default().everywhere(until(at, Turn::Drop), &[&format!("not sent: lost at {stage}")]).await;
    }
    Case::default().everywhere(until(5, Turn::Drop), &["uncertain: lost at Dot"]).await;
    // Half a reply is none.
    for half in ["250", "250 taken", "250 taken\r", "250-taken\r\n"] {
        let mut turns = until(5, Turn::Raw(half.into()));
        turns.push(Turn::Drop);
        let run = Case { timeouts: IMPATIENT, ..Case::default() }.run(Link::Unix, turns).await;
        assert_eq!(run.brief(), ["uncertain: silent at Dot"], "{half:?}");
        let turns = until(5, last(half.trim_end()));
        let expected = if half.contains('-') { "uncertain: lost at Dot" } else { "delivered" };
        for link in LINKS {
            let run = Case::default().run(link, turns.clone()).await;
            assert!(run.brief()[0].starts_with(expected), "{link:?} {half:?} {run:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_in_the_message_has_not_taken_it() {
    // It said why, or not; both are known before the dot is sent.
    let case = Case { before_dot: BeforeDot::WaitsForServer, ..Case::default() };
    for link in [Link::Unix, Link::Narrow] {
        let run = case.run(link, until(4, last("354 go on"))).await;
        assert_eq!(run.brief(), ["not sent: lost at Content"], "{link:?}");
    }
    let large = Case { message: b"text\r\n".repeat(200_000), ..Case::default() };
    large.everywhere(until(4, last("354 go on")), &["not sent: lost at Content"]).await;
}

#[tokio::test]
async fn what_the_server_says_in_the_middle_of_the_message_counts() {
    let case = Case { before_dot: BeforeDot::WaitsForServer, ..Case::default() };
    // The scripted server takes the message for a command: it stops after the first line.
    let early = |text: &str| {
        let mut turns = until(4, say("300 go on"));
        turns.push(last(text));
        turns
    };
    for link in [Link::Unix, Link::Tcp] {
        let run = case.run(link, early("552 too much")).await;
        assert_eq!(run.brief(), ["refused 552 at Content"], "{link:?}");
        // A yes before it was asked: it may have taken something.
        let run = case.run(link, early("250 taken")).await;
        assert_eq!(run.brief(), ["uncertain: garbage at Content"], "{link:?}");
    }
    // In the narrow pipe it has no room to say so until we stop.
    let case = Case { timeouts: IMPATIENT, ..Case::default() };
    let run = case.run(Link::Narrow, early("552 too much")).await;
    assert_eq!(run.brief(), ["refused 552 at Content"]);
}

#[tokio::test]
async fn the_dot_counts_from_the_first_byte_that_the_system_took() {
    let server = "unix:/nowhere".parse().unwrap();
    let soon = Duration::from_millis(50);
    let dot = async |room: usize, hangs_up: bool| {
        let (ours, theirs) = tokio::io::duplex(room);
        let end = Instant::now() + Duration::from_secs(20);
        let mut wire = Wire::new(ours, &server, end, end);
        wire.content(b"x\r\n", soon).await.unwrap();
        wire.end_block(soon).await.unwrap();
        let held = (!hangs_up).then_some(theirs);
        let result = wire.dot(soon).await.map_err(|(begun, _)| begun);
        drop(held);
        result
    };
    // Nobody reads: there is room for so much of it.
    assert_eq!(dot(3, false).await, Err(false));
    assert_eq!(dot(4, false).await, Err(true));
    assert_eq!(dot(5, false).await, Err(true));
    assert_eq!(dot(6, false).await, Ok(()));
    assert_eq!(dot(6, true).await, Err(false));
}

#[tokio::test]
async fn a_dot_that_is_perhaps_on_its_way_leaves_everybody_uncertain() {
    let settings = Settings {
        server: "unix:/nowhere".parse().unwrap(),
        helo: "client.example".to_owned(),
        protocol: Protocol::Smtp,
        timeouts: IMPATIENT,
    };
    for (room, uncertain) in [(3, false), (4, true), (5, true)] {
        let (ours, _theirs) = tokio::io::duplex(room);
        let end = Instant::now() + Duration::from_secs(20);
        let mut wire = Wire::new(ours, &settings.server, end, end);
        wire.content(b"x\r\n", IMPATIENT.data).await.unwrap();
        wire.end_block(IMPATIENT.data).await.unwrap();
        let mut ledger = vec![None, None];
        assert!(!dot::send(&mut wire, &settings, &mut ledger).await);
        let is_as_it_should = |outcome: &Option<Outcome>| match outcome {
            Some(Outcome::Uncertain(SmtpError::Silent { .. })) => uncertain,
            Some(Outcome::NotSent(SmtpError::Silent { .. })) => !uncertain,
            _ => false,
        };
        assert!(ledger.iter().all(is_as_it_should), "{room}: {ledger:?}");
    }
}

#[tokio::test]
async fn silence_is_certain_before_the_dot_and_uncertain_after_it() {
    let case = Case { timeouts: IMPATIENT, ..Case::default() };
    for turn in [Turn::Silence, Turn::Endless] {
        for (at, stage) in STAGES {
            // An endless reply is cut short by its time or by its length, whichever is first.
            let run = case.run(Link::Unix, until(at, turn.clone())).await;
            let brief = run.brief()[0].clone();
            let expected = [format!("not sent: silent at {stage}"), format!("not sent: garbage at {stage}")];
            assert!(expected.contains(&brief), "{stage} {turn:?}: {brief}");
        }
        let run = case.run(Link::Tcp, until(5, turn.clone())).await;
        assert!(run.brief()[0].starts_with("uncertain: "), "{turn:?}: {run:?}");
    }
    case.everywhere(until(5, Turn::Silence), &["uncertain: silent at Dot"]).await;
}

#[tokio::test]
async fn a_server_that_does_not_take_the_message_is_given_up() {
    // More than any socket buffers.
    let message = b"text\r\n".repeat(2_000_000);
    let case = Case { timeouts: IMPATIENT, message, ..Case::default() };
    // Reads one line of the message and never again.
    let mut turns = until(4, say("300 go on"));
    turns.push(Turn::Silence);
    case.everywhere(turns, &["not sent: silent at Content"]).await;
}

#[tokio::test]
async fn all_together_has_its_time_too() {
    let mut timeouts = Case::default().timeouts;
    timeouts.total = Duration::from_secs(1);
    let case = Case { timeouts, ..Case::default() };
    case.everywhere(until(2, Turn::Silence), &["not sent: silent at Mail"]).await;
    case.everywhere(until(5, Turn::Silence), &["uncertain: silent at Dot"]).await;
}

#[tokio::test]
async fn garbage_is_no_answer() {
    let garbage: [&[u8]; 7] = [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"250 a\0b\r\n",
        b"250 a\n",
        b"250-a\r\n550 b\r\n",
        b"\x16\x03\x01\x00\n",
        &[b'2'; 9000],
        b"101 x\r\n",
    ];
    for bytes in garbage {
        let turn = Turn::Raw(bytes.to_vec());
        for (at, stage) in STAGES {
            let run = Case::default().run(Link::Unix, until(at, turn.clone())).await;
            assert_eq!(run.brief(), [format!("not sent: garbage at {stage}")], "{}", bytes.escape_ascii());
        }
        Case::default().everywhere(until(5, turn), &["uncertain: garbage at Dot"]).await;
    }
    // Replies of the wrong class.
    Case::default().everywhere(until(2, say("354 go on")), &["not sent: garbage at Mail"]).await;
    Case::default().everywhere(until(4, say("250 ok")), &["not sent: garbage at Data"]).await;
    Case::default().everywhere(until(5, say("354 more")), &["uncertain: garbage at Dot"]).await;
}

#[tokio::test]
async fn an_answer_too_many_is_not_taken_for_the_next_one() {
    for (at, stage) in [(0, "Hello"), (1, "Mail"), (2, "Rcpt"), (3, "Data"), (4, "Data")] {
        let mut turns = friendly();
        let Turn::Say(text) = &turns[at] else { panic!("{turns:?}") };
        turns[at] = Turn::Raw(format!("{text}\r\n250 and more\r\n").into_bytes());
        let run = Case::default().run(Link::Unix, turns).await;
        assert_eq!(run.brief(), [format!("not sent: garbage at {stage}")]);
    }
}

#[tokio::test]
async fn with_lmtp_a_lost_connection_leaves_uncertain_only_who_had_no_answer() {
    let case = Case { protocol: Protocol::Lmtp, to: vec!["<b@x>", "<c@x>", "<d@x>"], ..Case::default() };
    let mut turns = friendly();
    turns.splice(3..4, [say("250 b"), say("250 c"), say("250 d")]);
    turns.truncate(8);
    turns[7] = Turn::Raw(b"250 b has it\r\n250 c\0\r\n250 d has it\r\n".to_vec());
    let unknown = "uncertain: garbage at Dot";
    case.everywhere(turns, &["delivered 250 b has it", unknown, unknown]).await;
}
