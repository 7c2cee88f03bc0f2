//! Mail that the next server can never be handed: held, not refused, unless refusals may be.

use super::*;

/// The replies to a message with this content from this sender.
async fn sent(rig: &Rig, hello: &str, mail: &str, to: &[&str], content: &str, replies: usize) -> String {
    let mut client = rig.client().await;
    client.ask(&format!("{hello} mta.example.org\r\n"), 1).await;
    client.ask(&format!("MAIL FROM:{mail}\r\n"), 1).await;
    for to in to {
        client.ask(&format!("RCPT TO:<{to}>\r\n"), 1).await;
    }
    client.ask("DATA\r\n", 1).await;
    client.ask(&format!("{content}.\r\n"), replies).await
}

fn taken() -> String {
    format!("250 2.0.0 Ok (id {})\r\n", MailId::from_parts(1, 0))
}

/// Some servers end it in the middle.
const TWO_IN_ONE: &str = "Subject: s\r\n\r\nbody\r.\rMAIL FROM:<x@y>\r\n";

#[tokio::test]
async fn what_cannot_be_handed_on_is_held_and_not_refused() {
    for (mail, content, why) in [
        ("<a@b>", TWO_IN_ONE, "a dot follows a line break that is not CRLF"),
        ("<a@b> BODY=8BITMIME", "Subject: s\r\n\r\né\r\n", "does not offer 8BITMIME"),
        ("<é@b> SMTPUTF8", "Subject: s\r\n\r\nx\r\n", "does not offer SMTPUTF8"),
    ] {
        let rig = Rig::new().await;
        rig.next.says("LHLO", "250 next");
        let replies = sent(&rig, "LHLO", mail, &["b@x", "c@x"], content, 2).await;
        assert_eq!(replies, taken().repeat(2), "{mail}");
        let held = rig.script.held.lock().unwrap().clone();
        assert!(matches!(&held[..], [(to, said)] if *to == [0, 1] && said.contains(why)), "{held:?}");
        assert_eq!((rig.next.taken().len(), rig.script.answered()), (0, vec![Some(true)]));
    }
}

#[tokio::test]
async fn it_is_held_for_those_who_were_to_get_it() {
    let rig = Rig::new().await;
    rig.script.plan(each(&[Disposition::Quarantine, Disposition::Accept, Disposition::Discard]));
    let replies = sent(&rig, "LHLO", "<a@b>", &["b@x", "c@x", "d@x"], TWO_IN_ONE, 3).await;
    assert_eq!(replies, taken().repeat(3));
    assert_eq!(rig.script.held.lock().unwrap()[0].0, [1]);
    // One answer for all.
    let rig = Rig::new().await;
    let replies = sent(&rig, "EHLO", "<a@b>", &["b@x", "c@x"], TWO_IN_ONE, 1).await;
    assert_eq!((replies, rig.script.held.lock().unwrap()[0].0.clone()), (taken(), vec![0, 1]));
}

#[tokio::test]
async fn it_is_refused_only_where_refusals_may_be_and_put_off_where_it_cannot_be_held() {
    let rig = Rig::with(|config| config.reject = Reject::Reply).await;
    let reply = sent(&rig, "LHLO", "<a@b>", &["b@x"], TWO_IN_ONE, 1).await;
    assert!(reply.starts_with("554 5.6.0 ") && rig.script.held.lock().unwrap().is_empty(), "{reply}");
    // A bounce that is refused reaches nobody.
    let reply = sent(&rig, "LHLO", "<>", &["b@x"], TWO_IN_ONE, 1).await;
    assert!(reply.starts_with("250 2.0.0 Ok") && rig.script.held.lock().unwrap().len() == 1, "{reply}");
    let rig = Rig::new().await;
    *rig.script.is_full.lock().unwrap() = true;
    let reply = sent(&rig, "LHLO", "<a@b>", &["b@x"], TWO_IN_ONE, 1).await;
    assert!(reply.starts_with("451 4.7.1 it can neither be handed on nor held now"), "{reply}");
}

#[tokio::test]
async fn what_the_next_server_refuses_is_not_held() {
    let rig = Rig::new().await;
    rig.next.says("RCPT", "550 5.1.1 no such user");
    let reply = sent(&rig, "LHLO", "<a@b>", &["b@x"], "Subject: s\r\n\r\nx\r\n", 1).await;
    assert!(reply.starts_with("550 5.1.1 ") && rig.script.held.lock().unwrap().is_empty(), "{reply}");
}
