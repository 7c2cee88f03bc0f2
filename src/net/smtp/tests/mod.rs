//! Against servers that go by a script, over unix sockets, TCP and a narrow pipe.

mod faults;
mod scripted;

use std::time::Duration;

use scripted::{BeforeDot, Case, IMPATIENT, LINKS, Link, friendly, say};

use super::{Outcome, Protocol, Timeouts, Whom};

#[tokio::test]
async fn a_message_is_handed_over_in_the_order_of_the_rfc() {
    for link in LINKS {
        let case =
            Case { parameters: vec!["BODY=8BITMIME".to_owned(), "SIZE=1".to_owned()], ..Case::default() };
        let run = case.run(link, friendly()).await;
        assert_eq!(run.brief(), ["delivered 250 taken"], "{link:?}");
        let expected = [
            "EHLO client.example\r\n",
            "MAIL FROM:<a@example.org> BODY=8BITMIME SIZE=20\r\n",
            "RCPT TO:<b@example.org>\r\n",
            "DATA\r\n",
            "Subject: x\r\n\r\n..dot\r\n.\r\n",
            "QUIT\r\n",
        ];
        assert_eq!(run.told, expected, "{link:?}");
    }
}

#[tokio::test]
async fn a_server_that_knows_no_ehlo_is_greeted_the_old_way() {
    let mut turns = friendly();
    turns.splice(1..2, [say("502-what\r\n502 is that"), say("250 mx")]);
    let run = Case::default().run(Link::Unix, turns.clone()).await;
    assert_eq!(run.brief(), ["delivered 250 taken"]);
    assert_eq!(run.told[1..3], ["HELO client.example\r\n", "MAIL FROM:<a@example.org>\r\n"]);
    // Then it has no extensions either.
    let eight_bit = Case { message: b"\xe9\r\n".to_vec(), ..Case::default() };
    eight_bit.everywhere(turns, &["not sent: no 8BITMIME"]).await;
    // 4xx is an answer, and LMTP has nothing to fall back to.
    let mut turns = friendly();
    turns[1] = say("450 later");
    Case::default().everywhere(turns.clone(), &["refused 450 at Hello"]).await;
    turns[1] = say("502 no");
    let lmtp = Case { protocol: Protocol::Lmtp, ..Case::default() };
    lmtp.everywhere(turns, &["refused 502 at Hello"]).await;
}

#[tokio::test]
async fn the_null_sender_an_empty_message_and_one_without_a_last_line_end_go_out() {
    let case = Case { from: "<>", message: Vec::new(), ..Case::default() };
    let run = case.run(Link::Tcp, friendly()).await;
    assert_eq!(run.brief(), ["delivered 250 taken"]);
    assert_eq!((run.told[1].as_str(), run.told[4].as_str()), ("MAIL FROM:<> SIZE=0\r\n", ".\r\n"));
    let case = Case { message: b"x".to_vec(), ..Case::default() };
    assert_eq!(case.run(Link::Tcp, friendly()).await.told[4], "x\r\n.\r\n");
}

#[tokio::test]
async fn each_recipient_has_its_own_end() {
    let case = Case { to: vec!["<b@x>", "<c@x>", "<d e@x>", "<f@x>"], ..Case::default() };
    let mut turns = friendly();
    turns.splice(3..4, [say("250 b"), say("550 no c"), say("452 f later")]);
    let expected = ["delivered 250 taken", "refused 550 at Rcpt", "not sent: path", "refused 452 at Rcpt"];
    case.everywhere(turns.clone(), &expected).await;
    let run = case.run(Link::Unix, turns).await;
    let good: Vec<bool> = run.delivery.outcomes.iter().map(Outcome::is_refused_for_good).collect();
    assert_eq!(good, [false, true, false, false]);
    // Nobody is left: no DATA.
    let nobody = Case { to: vec!["<b@x>", "<c@x>"], ..Case::default() };
    let mut turns = friendly();
    turns.splice(3.., [say("550 no b"), say("552 too many"), say("221 bye")]);
    nobody.everywhere(turns.clone(), &["refused 550 at Rcpt", "refused 552 at Rcpt"]).await;
    let run = nobody.run(Link::Unix, turns).await;
    assert_eq!(run.told.last().unwrap(), "QUIT\r\n");
    // Too many at once may be tried again (RFC 5321 §4.5.3.1.10).
    assert!(!run.delivery.outcomes[1].is_refused_for_good());
}

#[tokio::test]
async fn to_all_or_to_nobody() {
    let all = |to| Case { whom: Whom::All, to, ..Case::default() };
    let two = || {
        let mut turns = friendly();
        turns.splice(3..4, [say("250 b"), say("250 c")]);
        turns
    };
    all(vec!["<b@x>", "<c@x>"]).everywhere(two(), &["delivered 250 taken", "delivered 250 taken"]).await;
    for (refusal, brief) in [("550 no c", "refused 550 at Rcpt"), ("452 later", "refused 452 at Rcpt")] {
        let mut turns = two();
        turns.splice(4.., [say(refusal), say("221 bye")]);
        let case = all(vec!["<b@x>", "<c@x>"]);
        case.everywhere(turns.clone(), &["not sent: not for all", brief]).await;
        // No DATA: there is nothing that the server could have taken.
        assert_eq!(case.run(Link::Unix, turns).await.told.last().unwrap(), "QUIT\r\n");
    }
    // All are named, so that each gets his own answer.
    let mut turns = two();
    turns.splice(3.., [say("550 no b"), say("250 c"), say("221 bye")]);
    let case = all(vec!["<b@x>", "<c@x>"]);
    case.everywhere(turns, &["refused 550 at Rcpt", "not sent: not for all"]).await;
    // Nobody is asked where one cannot be.
    let run = all(vec!["<b@x>", "<c d@x>"]).run(Link::Tcp, Vec::new()).await;
    assert_eq!(run.brief(), ["not sent: not for all", "not sent: path"]);
    let mut turns = friendly();
    turns[1] = say("250 mx");
    let foreign = all(vec!["<b@x>", "<pelé@x>"]);
    foreign.everywhere(turns, &["not sent: not for all", "not sent: no SMTPUTF8"]).await;
}

#[tokio::test]
async fn with_lmtp_each_accepted_recipient_has_its_own_reply_to_the_dot() {
    let case = Case { protocol: Protocol::Lmtp, to: vec!["<b@x>", "<c@x>", "<d@x>"], ..Case::default() };
    let mut turns = friendly();
    turns.splice(3..4, [say("250 b"), say("550 no c"), say("250 d")]);
    turns[7] = say("250 b has it\r\n452 d is full");
    let expected = ["delivered 250 b has it", "refused 550 at Rcpt", "refused 452 at Dot"];
    case.everywhere(turns.clone(), &expected).await;
    assert_eq!(case.run(Link::Unix, turns.clone()).await.told[0], "LHLO client.example\r\n");
    // Only the first reply came.
    turns[7] = scripted::last("250 b has it");
    let expected = ["delivered 250 b has it", "refused 550 at Rcpt", "uncertain: lost at Dot"];
    case.everywhere(turns, &expected).await;
}

#[tokio::test]
async fn an_address_that_is_not_ascii_needs_smtputf8() {
    let case = Case { to: vec!["<pelé@x>", "<b@x>"], ..Case::default() };
    let mut turns = friendly();
    turns.insert(3, say("250 pelé"));
    let run = case.run(Link::Unix, turns).await;
    assert_eq!(run.brief(), ["delivered 250 taken", "delivered 250 taken"]);
    assert_eq!(
        run.told[1..3],
        ["MAIL FROM:<a@example.org> SMTPUTF8 SIZE=20\r\n".to_owned(), "RCPT TO:<pelé@x>\r\n".to_owned()]
    );
    // Without it the other one is served, and a foreign sender none.
    let mut turns = friendly();
    turns[1] = say("250 mx");
    case.everywhere(turns.clone(), &["not sent: no SMTPUTF8", "delivered 250 taken"]).await;
    let alone = Case { to: vec!["<pelé@x>"], ..Case::default() };
    alone.everywhere(turns.clone(), &["not sent: no SMTPUTF8"]).await;
    let sender = Case { from: "<pelé@x>", ..Case::default() };
    sender.everywhere(turns, &["not sent: no SMTPUTF8"]).await;
}

#[tokio::test]
async fn a_message_that_servers_would_read_differently_is_not_sent() {
    let case = Case { message: b"x\r\n\n.\r\nMAIL FROM:<e@vil>\r\n".to_vec(), ..Case::default() };
    case.everywhere(friendly(), &["not sent: hazard"]).await;
    let settings = super::Settings {
        server: "unix:/nowhere".parse().unwrap(),
        helo: "a b".to_owned(),
        protocol: Protocol::Smtp,
        timeouts: Timeouts::default(),
    };
    let outgoing = super::Outgoing {
        reverse_path: &crate::model::ReversePath::default(),
        parameters: &[],
        recipients: &[crate::model::Recipient::new("<b@x>")],
        pieces: &[],
    };
    let deliver = async |settings| super::deliver(settings, &outgoing, async || Ok(())).await.outcomes;
    assert_eq!(
        deliver(&settings).await,
        [Outcome::NotSent(super::SmtpError::Helo { name: "a b".to_owned() })]
    );
    let nobody_there = super::Settings { helo: "mx".to_owned(), ..settings.clone() };
    assert_eq!(
        deliver(&nobody_there).await[0].to_string(),
        "not sent: no connection to the mail server unix:/nowhere: No such file or directory (os error 2); \
         see that it runs and listens there"
    );
}

#[tokio::test]
async fn without_the_callers_word_the_dot_is_not_sent() {
    for link in LINKS {
        let case = Case { before_dot: BeforeDot::Refuses, ..Case::default() };
        let run = case.run(link, friendly()).await;
        assert_eq!(run.brief(), ["not sent: withdrawn"], "{link:?}");
        // All but the dot had been sent, and nothing came after it.
        assert_eq!(run.told.last().unwrap(), "Subject: x\r\n\r\n..dot\r\n", "{link:?}");
    }
}

#[tokio::test]
async fn the_dot_is_not_sent_when_no_time_is_left_to_wait_for_its_reply() {
    let timeouts = Timeouts { total: Duration::from_millis(800), ..Case::default().timeouts };
    for link in LINKS {
        let before_dot = BeforeDot::Takes(Duration::from_millis(700));
        let run = Case { timeouts, before_dot, ..Case::default() }.run(link, friendly()).await;
        assert_eq!(run.brief(), ["not sent: late"], "{link:?}");
        assert_eq!(run.told.last().unwrap(), "Subject: x\r\n\r\n..dot\r\n", "{link:?}");
    }
}

#[tokio::test]
async fn a_large_message_goes_through_a_narrow_pipe() {
    let message = b"..\r\n.text of some length\r\n".repeat(20_000);
    let case = Case { message: message.clone(), ..Case::default() };
    for link in LINKS {
        let run = case.run(link, friendly()).await;
        assert_eq!(run.brief(), ["delivered 250 taken"], "{link:?}");
        let expected = b"...\r\n..text of some length\r\n".repeat(20_000);
        assert!(run.told[4].as_bytes() == [expected.as_slice(), b".\r\n"].concat(), "{link:?}");
    }
}

#[tokio::test]
async fn a_server_that_ignores_quit_is_not_waited_for_long() {
    let mut turns = friendly();
    turns[6] = scripted::Turn::Silence;
    let begin = std::time::Instant::now();
    Case { timeouts: IMPATIENT, ..Case::default() }.everywhere(turns, &["delivered 250 taken"]).await;
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}

#[test]
fn a_delivery_can_be_a_task_of_its_own() {
    fn is_send<T: Send>(_: T) {}
    let settings = super::Settings {
        server: "unix:/nowhere".parse().unwrap(),
        helo: "mx".to_owned(),
        protocol: Protocol::Smtp,
        timeouts: Timeouts::within(Duration::from_secs(60)),
    };
    is_send(async move {
        let from = crate::model::ReversePath::default();
        let outgoing = super::Outgoing { reverse_path: &from, parameters: &[], recipients: &[], pieces: &[] };
        let note = "sending".to_owned();
        super::deliver(&settings, &outgoing, async || {
            tokio::task::yield_now().await;
            Err(note.clone())
        })
        .await
    });
    assert_eq!(Timeouts::within(Duration::from_secs(60)).dot, Duration::from_secs(60));
}
