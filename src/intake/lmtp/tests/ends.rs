//! How messages end: the judge's word, the next server's, and trouble on either side.

use super::*;
use crate::intake::lmtp::config::Protocol;
use crate::model::Span;
use crate::telemetry::spawn::supervised;

fn id(n: u64) -> MailId {
    MailId::from_parts(n, 0)
}

const TWO: [&str; 2] = ["b@x", "c@x"];

#[tokio::test]
async fn each_recipient_has_the_answer_that_is_his() {
    let rig = Rig::new().await;
    let fates = [Disposition::Quarantine, Disposition::Accept, Disposition::Reject, Disposition::Discard];
    let refusals = BTreeMap::from([(2, SmtpReply::reject("no"))]);
    rig.script.plan(Plan { refusals, ..each(&fates) });
    let replies = rig.message("LHLO", &["a@x", "b@x", "c@x", "d@x"]).await;
    let kept = format!("250 2.0.0 Ok (id {})", id(1));
    let expected = [kept.as_str(), &format!("250 2.6.0 taken 1 (id {})", id(1)), "550 5.7.1 no", &kept];
    assert_eq!(replies.lines().collect::<Vec<_>>(), expected);
    assert_eq!(rig.next.taken().len(), 1);
    assert!(rig.next.taken()[0].contains("RCPT TO:<b@x>\r\nDATA"), "{:?}", rig.next.taken());
}

#[tokio::test]
async fn nothing_is_handed_on_of_what_nobody_is_to_get() {
    let rig = Rig::new().await;
    let all =
        |answer| Plan { answer, actions: vec![], ..each(&[Disposition::Tempfail, Disposition::Tempfail]) };
    rig.script.plan(all(Answer::Tempfail(SmtpReply::tempfail("later"))));
    rig.script.plan(all(Answer::Discard));
    rig.script.next(Act::Panic);
    assert_eq!(rig.message("LHLO", &TWO).await, "451 4.7.1 later\r\n".repeat(2));
    assert_eq!(rig.message("LHLO", &TWO).await, format!("250 2.0.0 Ok (id {})\r\n", id(2)).repeat(2));
    let lost = "451 4.3.0 the mail filter failed on this message, try again later\r\n";
    assert_eq!(rig.message("LHLO", &TWO).await, lost.repeat(2));
    assert_eq!(rig.message("EHLO", &TWO).await, format!("250 2.6.0 taken 1 (id {})\r\n", id(4)));
    assert_eq!(rig.next.taken().len(), 1);
    assert_eq!(rig.script.answered(), [Some(true); 3]);
}

#[tokio::test]
async fn a_server_that_fails_half_of_the_recipients_is_quoted_for_each() {
    let rig = Rig::new().await;
    rig.next.says("RCPT TO:<b@x>", "550 5.1.1 no such user");
    assert_eq!(
        rig.message("LHLO", &TWO).await,
        format!("550 5.1.1 no such user (id {0})\r\n250 2.6.0 taken 1 (id {0})\r\n", id(1))
    );
    rig.next.says(". 1", "452 4.2.2 full");
    assert_eq!(
        rig.message("LHLO", &["c@x", "d@x", "b@x"]).await,
        format!(
            "452 4.2.2 full (id {0})\r\n250 2.6.0 taken 2 (id {0})\r\n550 5.1.1 no such user (id {0})\r\n",
            id(2)
        )
    );
    assert_eq!(rig.script.answered(), [Some(true), Some(true)]);
}

#[tokio::test]
async fn a_server_that_is_down_slow_or_talks_nonsense_is_451_for_each() {
    for (line, reply) in [
        ("LHLO", "hang up"),
        ("LHLO", "550 who are you"),
        ("MAIL", "nonsense"),
        ("RCPT TO:<c", "hang up"),
        ("DATA", "hang up"),
        (". 1", "hang up"),
        (". 1", "hang"),
        ("MAIL", "hang"),
    ] {
        let rig = Rig::with(|config| config.relay_timeout = Span::seconds(1)).await;
        rig.next.says(line, reply);
        let replies = rig.message("LHLO", &TWO).await;
        assert_eq!(
            replies.lines().filter(|line| line.starts_with("451 4.")).count(),
            2,
            "{line} {reply}: {replies}"
        );
        assert_eq!(rig.script.answered(), [None], "{line} {reply}");
    }
    let nobody = Rig::with(|config| config.relay = Server::Unix("/nowhere/lmtp".into())).await;
    let replies = nobody.message("LHLO", &["b@x"]).await;
    assert_eq!(replies, format!("451 4.4.1 the next mail server cannot be reached (id {})\r\n", id(1)));
    assert_eq!(nobody.metrics.lmtp_handed_on.with_label_values(&["not-sent"]).get(), 1);
    // The record has what was said, and the daemon knows since when.
    assert_eq!(*nobody.script.instead.lock().unwrap(), [replies.trim_end()]);
    let trouble = nobody.standing.trouble("unix:/nowhere/lmtp").unwrap();
    assert!(trouble.starts_with("unix:/nowhere/lmtp has not taken mail since "), "{trouble}");
}

#[tokio::test]
async fn a_server_that_takes_mail_again_is_no_trouble_any_more() {
    let rig = Rig::new().await;
    let server = Server::Unix(rig.path.with_file_name("next.sock")).to_string();
    rig.next.says("MAIL", "hang up");
    rig.message("LHLO", &["b@x"]).await;
    assert!(rig.standing.trouble(&server).is_some());
    rig.next.says("MAIL", "250 ok");
    rig.message("LHLO", &["b@x"]).await;
    assert_eq!(rig.standing.trouble(&server), None);
}

/// Accepts, with a copy.
fn copied() -> Plan {
    let copy = Action::AddRecipient("archive@x".to_owned());
    Plan { actions: vec![copy], ..accept() }
}

#[tokio::test]
async fn a_copy_is_handed_on_once_and_only_of_what_somebody_has() {
    let rig = Rig::new().await;
    let copies = || rig.next.taken().iter().filter(|taken| taken.contains("<archive@x>")).count();
    for full in 0..2 {
        rig.next.says("RCPT TO:<b@x>", "452 4.2.2 full");
        rig.script.plan(copied());
        assert!(rig.message("LHLO", &["b@x"]).await.starts_with("452 "), "{full}");
        assert_eq!(copies(), 0);
    }
    rig.script.plan(copied());
    let replies = rig.message("LHLO", &TWO).await;
    assert_eq!((replies.lines().count(), copies()), (2, 1), "{replies}");
    rig.next.says("RCPT TO:<b@x>", "250 ok");
    rig.script.plan(copied());
    assert!(rig.message("LHLO", &["b@x"]).await.starts_with("250 "));
    assert_eq!(copies(), 1);
    rig.script.plan(copied());
    let mut client = rig.client().await;
    client.ask("LHLO mta\r\n", 1).await;
    client.envelope(&TWO).await;
    client.ask("another\r\n.\r\n", 2).await;
    assert_eq!(copies(), 2);
}

#[tokio::test]
async fn what_is_too_large_is_refused_where_that_is_no_bounce_and_put_off_behind_a_queue() {
    for (reject, early, late) in [
        (Reject::Reply, "552 5.3.4 more than 1000000 bytes are not taken", "552 5.3.4 "),
        (Reject::Quarantine, "452 4.3.4 more than 1000000 bytes are not taken", "452 4.3.4 "),
    ] {
        let rig = Rig::with(|config| config.reject = reject).await;
        let mut client = rig.client().await;
        client.ask("LHLO mta\r\n", 1).await;
        assert_eq!(client.ask("MAIL FROM:<a@b> SIZE=1000001\r\n", 1).await, format!("{early}\r\n"));
        // A plan that takes it all the same: there is nothing that could be.
        client.envelope(&["b@x"]).await;
        let reply = client.ask(&format!("{}.\r\n", "x\r\n".repeat(400_000)), 1).await;
        assert!(reply.starts_with(late), "{reply}");
        // What was decided is what is said.
        let decided = SmtpReply::new(452, (4, 3, 4), "as decided").unwrap();
        rig.script.plan(Plan {
            answer: Answer::Tempfail(decided),
            actions: vec![],
            ..each(&[Disposition::Tempfail])
        });
        client.envelope(&["b@x"]).await;
        let reply = client.ask(&format!("{}.\r\n", "x\r\n".repeat(400_000)), 1).await;
        assert_eq!(reply, "452 4.3.4 as decided\r\n");
        eventually(|| rig.script.answered() == [None, Some(true)]).await;
        assert_eq!(rig.next.taken(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn with_smtp_it_goes_to_all_or_to_nobody() {
    let smtp = |config: &mut Config| config.relay_protocol = Protocol::Smtp;
    let rig = Rig::with(smtp).await;
    assert_eq!(rig.message("EHLO", &TWO).await, format!("250 2.6.0 taken 1 (id {})\r\n", id(1)));
    assert!(rig.next.taken()[0].contains("with ESMTP"), "{:?}", rig.next.taken());
    rig.next.says("RCPT TO:<c@x>", "550 5.1.1 no such user");
    let replies = rig.message("EHLO", &TWO).await;
    assert!(replies.starts_with("451 4.5.3 ") && replies.lines().count() == 1, "{replies}");
    rig.next.says("RCPT TO:<b@x>", "550 5.1.1 nor this one");
    assert_eq!(rig.message("EHLO", &TWO).await, format!("550 5.1.1 nor this one (id {})\r\n", id(3)));
    assert_eq!(rig.next.taken().len(), 1);
    assert_eq!(rig.script.answered(), [Some(true), None, None]);
}

#[tokio::test]
async fn whoever_hangs_up_before_the_end_gets_nothing_delivered() {
    let rig = Rig::new().await;
    rig.script.next(Act::Slow(Duration::from_millis(300)));
    let mut client = rig.client().await;
    client.ask("LHLO mta\r\n", 1).await;
    client.envelope(&["b@x"]).await;
    client.send("x\r\n.\r\n").await;
    eventually(|| rig.script.seen.lock().unwrap().len() == 1).await;
    drop(client);
    eventually(|| rig.script.answered() == [None]).await;
    let mut inside = rig.client().await;
    inside.ask("LHLO mta\r\n", 1).await;
    inside.envelope(&["b@x"]).await;
    inside.send("x\r\n").await;
    drop(inside);
    eventually(|| rig.metrics.lmtp_errors.with_label_values(&["gone"]).get() == 1).await;
    assert_eq!((rig.next.taken(), rig.budget.messages()), (vec![], 0));
}

#[tokio::test]
async fn a_message_holds_its_room_until_it_is_handed_on() {
    let rig = Rig::new().await;
    rig.next.says("LHLO", "hang");
    let mut client = rig.client().await;
    client.ask("LHLO mta\r\n", 1).await;
    client.envelope(&["b@x"]).await;
    client.send(&format!("{}\r\n.\r\n", "x".repeat(500))).await;
    eventually(|| rig.script.seen.lock().unwrap().len() == 1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(rig.budget.messages(), 1);
    assert!((500..2000).contains(&rig.budget.bytes()), "{}", rig.budget.bytes());
}

#[tokio::test]
async fn mail_that_goes_in_circles_is_put_off() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask("LHLO mta\r\n", 1).await;
    client.envelope(&TWO).await;
    let replies = client.ask(&format!("{}\r\nx\r\n.\r\n", "Received: by x\r\n".repeat(100)), 2).await;
    assert_eq!(replies.matches("451 4.4.6 mail goes in circles").count(), 2, "{replies}");
    assert!(rig.script.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_client_that_is_silent_is_let_go() {
    let rig = Rig::with(|config| {
        config.command_timeout = Span::seconds(1);
        config.data_timeout = Span::seconds(1);
    })
    .await;
    let mut idle = rig.client().await;
    let mut half = rig.client().await;
    half.send("LHLO mt").await;
    let mut inside = rig.client().await;
    inside.ask("LHLO mta\r\n", 1).await;
    inside.envelope(&["b@x"]).await;
    for client in [&mut idle, &mut half, &mut inside] {
        assert_eq!(client.rest().await, "421 4.4.2 waited too long, closing\r\n");
    }
    assert_eq!(rig.metrics.lmtp_errors.with_label_values(&["timeout"]).get(), 3);
}

#[tokio::test]
async fn a_drain_finishes_messages_that_have_begun_and_closes_the_rest() {
    let rig = Rig::new().await;
    let (mut idle, mut between, mut inside, mut judged) =
        (rig.client().await, rig.client().await, rig.client().await, rig.client().await);
    for client in [&mut between, &mut inside, &mut judged] {
        client.ask("LHLO mta\r\n", 1).await;
    }
    between.ask("MAIL FROM:<a@b>\r\n", 1).await;
    rig.script.next(Act::Slow(Duration::from_millis(400)));
    judged.envelope(&["b@x"]).await;
    judged.send("x\r\n.\r\n").await;
    eventually(|| rig.script.seen.lock().unwrap().len() == 1).await;
    inside.envelope(&["b@x"]).await;
    let drain = supervised("drain", &rig.metrics, rig.running.drain(Duration::from_secs(20)));
    let stopped = "421 4.3.2 mailward is being stopped, try again later\r\n";
    assert_eq!(idle.rest().await, stopped);
    for (line, reply) in [("RCPT TO:<b@x>\r\n", "250 2.1.5 Ok\r\n"), ("DATA\r\n", "354 ")] {
        assert!(between.ask(line, 1).await.starts_with(reply));
    }
    assert_eq!(judged.rest().await, format!("250 2.6.0 taken 1 (id {})\r\n{stopped}", id(1)));
    inside.send("x\r\n.\r\n").await;
    assert_eq!(inside.rest().await, format!("250 2.6.0 taken 1 (id {})\r\n{stopped}", id(2)));
    between.send("x\r\n.\r\n").await;
    assert_eq!(between.rest().await, format!("250 2.6.0 taken 1 (id {})\r\n{stopped}", id(3)));
    assert_eq!(drain.await.unwrap().unwrap().cut, 0);
}

#[tokio::test]
async fn connections_that_wind_down_may_still_begin_messages() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask("LHLO mta\r\n", 1).await;
    rig.running.wind_down(Duration::from_millis(50)).await;
    assert!(client.message(&["b@x"]).await.starts_with("250 "));
    let drain = supervised("drain", &rig.metrics, rig.running.drain(Duration::from_secs(20)));
    assert_eq!(client.rest().await, "421 4.3.2 mailward is being stopped, try again later\r\n");
    assert_eq!(drain.await.unwrap().unwrap().cut, 0);
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let rig = Rig::new().await;
    rig.next.says("LHLO", "hang");
    let (mut inside, mut handed) = (rig.client().await, rig.client().await);
    for client in [&mut inside, &mut handed] {
        client.ask("LHLO mta\r\n", 1).await;
        client.envelope(&["b@x"]).await;
    }
    handed.send("x\r\n.\r\n").await;
    eventually(|| rig.script.seen.lock().unwrap().len() == 1).await;
    let drain = supervised("drain", &rig.metrics, rig.running.drain(Duration::from_millis(300)));
    assert!(handed.rest().await.starts_with("451 4.4.2 "));
    assert!(inside.rest().await.starts_with("421 4.3.2 "));
    assert_eq!(drain.await.unwrap().unwrap().cut, 2);
}

#[tokio::test]
async fn idle_connections_leave_room_for_mail() {
    let rig = Rig::with(|config| config.max_connections = 301).await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        let mut client = rig.client().await;
        client.ask("LHLO mta\r\n", 1).await;
        idle.push(client);
    }
    assert_eq!(rig.metrics.lmtp_connections.get(), 300);
    assert!(rig.message("LHLO", &["b@x"]).await.starts_with("250 "));
}
