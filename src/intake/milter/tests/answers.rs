//! What the MTA is told at the end of a message.

use super::*;
use crate::model::{HeaderValue, SmtpReply};

#[tokio::test]
async fn edits_and_reply_come_as_one_batch_in_order() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    let actions = vec![
        Action::DeleteHeader { name: "X-Mailward-Id".into(), index: 2 },
        Action::DeleteHeader { name: "X-Mailward-Id".into(), index: 1 },
        Action::InsertHeader {
            index: 1,
            name: "X-Mailward-Id".into(),
            value: HeaderValue::new("X-Mailward-Id", "000000000000000000"),
        },
        Action::DeleteRecipient(b"<b@example.org>".to_vec()),
    ];
    rig.script.next(Act::Plan(actions, Answer::Accept));
    mta.envelope().await;
    mta.content().await;
    mta.send('E', b"").await;
    let expected: Vec<u8> = [
        bytes('m', b"\0\0\0\x02X-Mailward-Id\0\0"),
        bytes('m', b"\0\0\0\x01X-Mailward-Id\0\0"),
        bytes('i', b"\0\0\0\x01X-Mailward-Id\0 000000000000000000\0"),
        bytes('-', b"<b@example.org>\0"),
        bytes('a', b""),
    ]
    .concat();
    // One read takes it all, because one write sent it.
    let mut got = vec![0; 4096];
    let n = mta.stream.read(&mut got).await.unwrap();
    assert_eq!(got[..n], expected);
    assert_eq!(rig.script.answered(), [true]);
}

#[tokio::test]
async fn each_answer_has_its_packet() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    let cases = [
        (Answer::Discard, packet('d', b"")),
        (Answer::Reject(SmtpReply::reject("100% no")), packet('y', b"550 5.7.1 100%% no\0")),
        (Answer::Tempfail(SmtpReply::tempfail("later")), packet('y', b"451 4.7.1 later\0")),
        (Answer::Accept, packet('a', b"")),
    ];
    for (answer, expected) in cases {
        rig.script.next(Act::Plan(vec![], answer));
        assert_eq!(mta.message().await, expected);
    }
    assert_eq!(rig.script.answered(), [true; 4]);
}

#[tokio::test]
async fn the_mta_hears_of_progress_while_a_message_is_looked_at() {
    let rig = Rig::with(Config { progress: seconds(1), ..config() }, Budget::new(9, 1 << 20), |_| {}).await;
    let mut mta = rig.mta().await;
    rig.script.next(Act::Slow(Duration::from_millis(2500)));
    assert_eq!(mta.message().await, packet('p', b""));
    assert_eq!(mta.receive().await, packet('p', b""));
    assert_eq!(mta.receive().await, packet('a', b""));
    rig.script.answered_soon(&[true]).await;
}

#[tokio::test]
async fn a_judge_that_panics_tempfails_its_message_and_no_other() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    rig.script.next(Act::Panic);
    assert!(is_tempfail(&mta.message().await));
    assert_eq!(mta.message().await, packet('a', b""));
    assert_eq!(rig.metrics.panics.with_label_values(&["judge"]).get(), 1);
    assert_eq!(rig.budget.messages(), 0);
}

#[tokio::test]
async fn a_judge_that_hangs_tempfails_its_message_and_no_other() {
    let rig =
        Rig::with(config(), Budget::new(9, 1 << 20), |s| s.hung_after = Duration::from_millis(100)).await;
    let mut mta = rig.mta().await;
    rig.script.next(Act::Hang);
    assert!(is_tempfail(&mta.message().await));
    rig.script.next(Act::Slow(Duration::from_millis(400)));
    assert!(is_tempfail(&mta.message().await));
    assert_eq!(mta.message().await, packet('a', b""));
    // The one that came to an end after all was told that nobody heard it.
    eventually(|| rig.script.answered().len() == 2).await;
    let mut answered = rig.script.answered();
    answered.sort_unstable();
    assert_eq!((answered, rig.errors("hung")), (vec![false, true], 2));
}

#[tokio::test]
async fn a_judge_finishes_though_the_mta_is_gone_and_learns_of_it() {
    let rig = Rig::with(Config { progress: seconds(1), ..config() }, Budget::new(9, 1 << 20), |_| {}).await;
    for (nth, wait) in [(1, Duration::from_millis(300)), (2, Duration::from_millis(1500))] {
        let mut mta = rig.mta().await;
        mta.envelope().await;
        mta.content().await;
        rig.script.next(Act::Slow(wait));
        mta.send('E', b"").await;
        eventually(|| rig.script.seen.lock().unwrap().len() == nth).await;
        drop(mta);
    }
    rig.script.answered_soon(&[false, false]).await;
    eventually(|| rig.errors("io") == 2).await;
    eventually(|| rig.budget.messages() == 0).await;
}

#[tokio::test]
async fn no_room_for_a_message_is_told_at_mail() {
    let rig = Rig::with(config(), Budget::new(1, 1 << 20), |_| {}).await;
    let (mut first, mut second) = (rig.mta().await, rig.mta().await);
    first.envelope().await;
    let refused = second.ask('M', b"<a@client.example>\0").await;
    assert_eq!((refused.0, &refused.1[..10]), ('y', b"452 4.3.1 ".as_slice()));
    assert!(is_tempfail(&second.ask('R', b"<b@example.org>\0").await));
    first.content().await;
    assert_eq!(first.ask('E', b"").await, packet('a', b""));
    eventually(|| rig.budget.messages() == 0).await;
    assert_eq!(second.message().await, packet('a', b""));
    assert_eq!(rig.metrics.overload.with_label_values(&["messages"]).get(), 1);
}

#[tokio::test]
async fn a_message_over_the_limit_is_judged_as_one_that_is_not_here() {
    let rig = Rig::with(config(), Budget::new(9, 1 << 20), |s| s.max_message = ByteSize(1000)).await;
    let mut mta = rig.mta().await;
    mta.envelope().await;
    // A flood of header bytes counts like any others.
    for _ in 0..100 {
        mta.send('L', b"X-Flood\0 0123456789\0").await;
    }
    assert_eq!(mta.ask('E', b"text").await, packet('a', b""));
    let seen = rig.script.one();
    assert_eq!((seen.fault, seen.raw.len()), (Some(Fault::TooLarge(1000)), 0));
    // Recipients too, but those one by one.
    mta.ask('M', b"<a@client.example>\0").await;
    let long = [&[b'x'; 400], b"\0".as_slice()].concat();
    assert_eq!(mta.ask('R', &long).await, packet('c', b""));
    let refused = mta.ask('R', &long).await;
    assert_eq!(refused.1[..10], *b"452 4.5.3 ");
    assert_eq!(mta.ask('E', b"text").await, packet('a', b""));
    assert_eq!(rig.script.one().envelope.recipients.len(), 1);
}

#[tokio::test]
async fn a_plan_that_the_mta_cannot_carry_out_becomes_a_tempfail() {
    let rig = Rig::new().await;
    let mut mta = rig.silent_mta().await;
    mta.negotiate(6, 0x1, 0x001f_ffff).await;
    rig.script.next(Act::Plan(vec![Action::DeleteRecipient(b"<b@example.org>".to_vec())], Answer::Accept));
    assert!(is_tempfail(&mta.message().await));
    assert_eq!(mta.message().await, packet('a', b""));
    assert_eq!(rig.script.answered(), [false, true]);
}

/// What is logged while it is held, on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn begin(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || log.clone()).finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn line(&self, with: &str) -> String {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().find(|line| line.contains(with)).unwrap_or_else(|| panic!("{with}: {text}")).to_owned()
    }
}

#[tokio::test]
async fn the_log_names_the_message_that_failed() {
    let log = Log::default();
    let _held = log.begin();
    let rig =
        Rig::with(config(), Budget::new(9, 1 << 20), |s| s.hung_after = Duration::from_millis(100)).await;
    let mut mta = rig.mta().await;
    mta.greet().await;
    for act in [Act::Panic, Act::Hang] {
        rig.script.next(act);
        assert!(is_tempfail(&mta.message().await));
    }
    mta.send('X', b"").await;
    assert!(is_tempfail(&mta.receive().await));
    let message = r#"queue_id="4F1" from="a@client.example" client="mail.client.example[192.0.2.7]""#;
    let socket =
        format!(r#"endpoint=unix:{} peer=unix client="mail.client.example[192.0.2.7]""#, rig.path.display());
    for (line, names) in [("panicked", message), ("hangs", message), ("unknown command 'X'", &socket)] {
        assert!(log.line(line).contains(names), "{}", log.line(line));
    }
}
