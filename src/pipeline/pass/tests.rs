mod malformed;

use proptest::prelude::*;

use super::*;
use crate::mail::{header, strip};

const OURS: &str = "mx.example.org";
const NOW: Timestamp = Timestamp::from_millis(1_795_210_591_042);

fn key() -> PassKey {
    PassKey::new(&[7; 32])
}

fn id() -> MailId {
    MailId::from_parts(NOW.millis(), 7)
}

fn by_lmtp() -> Session {
    Session { handover: Handover::Lmtp { refuses: false }, peer_is_trusted: true, ..Session::default() }
}

fn envelope(from: &str, to: &[&str]) -> Envelope {
    Envelope {
        reverse_path: crate::model::ReversePath(Recipient::new(from)),
        recipients: to.iter().map(|to| Recipient::new(*to)).collect(),
        ..Envelope::default()
    }
}

fn judged() -> Envelope {
    envelope("<m@remote.example>", &["<a@example.org>", "<b@example.org>"])
}

async fn give(direction: Direction, message: &Message, plan: &mut Plan) {
    add(&key(), Passed { id: id(), now: NOW, direction, envelope: &judged(), message }, plan).await;
}

fn insert(index: u32, name: &str, value: &str) -> Action {
    Action::InsertHeader { index, name: name.into(), value: HeaderValue::new(name, value) }
}

const RAW: &str = "X-Spam-Flag: NO\r\nFrom: =?utf-8?q?Mar?= <m@remote.example>\r\nSubject: a\r\n b\r\n\
    Authentication-Results: mx.example.org; spf=pass\r\nAuthentication-Results: other.example; spf=pass\r\n\
    To: a@b\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"a b\"\r\n\r\nbody\r\n";

/// What the milter decides about [`RAW`].
fn accepted(message: &Message) -> Plan {
    let mut plan = plan(&Envelope::default());
    plan.actions = strip::removals(message, Some(OURS), &[]);
    let value = HeaderValue::new("Subject", "[x] a b");
    plan.actions.push(Action::ChangeHeader { name: "Subject".into(), index: 1, value });
    plan.actions.extend([
        insert(
            0,
            "Authentication-Results",
            "mx.example.org; spf=fail smtp.mailfrom=a@b; dkim=none; dmarc=none",
        ),
        insert(1, "X-Mailward-Id", id().as_str()),
        insert(2, "X-Mailward-Verdict", "clean"),
    ]);
    plan
}

/// The message as an MTA delivers it.
fn delivered(message: &Message, plan: &Plan) -> Vec<u8> {
    let mut fields: Vec<(String, Vec<u8>)> = vec![("Received".into(), b" from x by y".to_vec())];
    fields.extend(message.fields().map(|(n, v)| (String::from_utf8_lossy(n).into_owned(), v.to_vec())));
    let mut body = message.body().to_vec();
    for action in &plan.actions {
        let find = |fields: &[(String, Vec<u8>)], name: &str, index: u32| {
            let called = fields.iter().enumerate().filter(|(_, f)| f.0.eq_ignore_ascii_case(name));
            called.map(|(at, _)| at).nth(index as usize - 1).unwrap()
        };
        match action {
            Action::DeleteHeader { name, index } => drop(fields.remove(find(&fields, name, *index))),
            Action::ChangeHeader { name, index, value } => {
                let at = find(&fields, name, *index);
                fields[at].1 = format!(" {}", value.as_str().replace('\n', "\r\n")).into();
            }
            Action::InsertHeader { index, name, value } => {
                let value = format!(" {}", value.as_str().replace('\n', "\r\n")).into();
                fields.insert((*index as usize).min(fields.len()), (name.clone(), value));
            }
            Action::ReplaceBody(other) => body = other.to_vec(),
            _ => {}
        }
    }
    let mut raw = Vec::new();
    for (name, value) in fields {
        raw.extend_from_slice(name.as_bytes());
        raw.push(b':');
        raw.extend_from_slice(&value);
        raw.extend_from_slice(b"\r\n");
    }
    [raw.as_slice(), b"\r\n", &body].concat()
}

/// [`RAW`] with its Pass, as it is delivered.
async fn passed() -> String {
    going(Direction::Inbound).await
}

async fn going(direction: Direction) -> String {
    let message = header::parse(RAW.as_bytes().to_vec());
    let mut plan = accepted(&message);
    give(direction, &message, &mut plan).await;
    String::from_utf8(delivered(&message, &plan)).unwrap()
}

async fn look_for(
    raw: impl Into<Vec<u8>>,
    envelope: &Envelope,
    session: &Session,
    now: Timestamp,
) -> Result<Known, Worthless> {
    let message = &header::parse(raw.into());
    known(&key(), &Uses::default(), Carrier { session, envelope, message, now }).await
}

async fn look_at(raw: impl Into<Vec<u8>>, session: &Session, now: Timestamp) -> Result<Known, Worthless> {
    look_for(raw, &judged(), session, now).await
}

async fn look(raw: impl Into<Vec<u8>>) -> Result<Known, Worthless> {
    look_at(raw, &by_lmtp(), NOW).await
}

#[tokio::test]
async fn what_the_milter_let_through_is_known_by_lmtp() {
    let raw = passed().await;
    assert_eq!(look(raw.clone()).await, Ok(Known::Judged(id())));
    // What MTAs do on the way: fields on top.
    let top =
        format!("Return-Path: <m@remote.example>\r\nReceived: from y by z\r\nDelivered-To: a@b\r\n{raw}");
    assert_eq!(look(top).await, Ok(Known::Judged(id())));
    assert_eq!(look(RAW).await, Ok(Known::Not));
    let Plan { actions, .. } = plan(&Envelope::default());
    assert_eq!(actions, [Action::DeleteHeader { name: FIELD.into(), index: 1 }]);
}

#[tokio::test]
async fn whatever_was_changed_is_judged() {
    let raw = passed().await;
    for (from, to, why) in [
        ("\r\n\r\nbody", "\r\n\r\nbuddy", Worthless::Body),
        ("\r\n\r\nbody", "\r\n\r\nbo\r\n dy", Worthless::Body),
        ("\r\n\r\nbody", "\r\n\r\nbody\r\n ", Worthless::Body),
        ("Subject: [x] a b", "Subject: [x] a c", Worthless::Fields),
        ("Subject: [x] a b", "Subject: [x]\r\n a b", Worthless::Fields),
        ("boundary=\"a b\"", "boundary=\"a  b\"", Worthless::Fields),
        ("boundary=\"a b\"", "boundary=body", Worthless::Fields),
        ("multipart/mixed", "text/html", Worthless::Fields),
        ("MIME-Version: 1.0", "MIME-Version: 1.1", Worthless::Fields),
        ("To: a@b", "Content-Transfer-Encoding: base64\r\nTo: a@b", Worthless::Fields),
        ("To: a@b", "Content-Disposition: attachment; filename=a.exe\r\nTo: a@b", Worthless::Fields),
        ("To: a@b", "Reply-To: x@y\r\nTo: a@b", Worthless::Fields),
        ("To: a@b", "DKIM-Signature: v=1\r\nTo: a@b", Worthless::Fields),
        ("To: a@b\r\nMIME-Version: 1.0", "MIME-Version: 1.0\r\nTo: a@b", Worthless::Fields),
        ("To: a@b", "To: c@d", Worthless::Fields),
        ("m@remote.example", "m@other.example", Worthless::Fields),
        ("X-Mailward-Verdict: clean\r\n", "", Worthless::Fields),
        (
            "X-Mailward-Verdict: clean",
            "X-Mailward-Verdict: clean\r\nX-Mailward-Action: released",
            Worthless::Fields,
        ),
        ("To: a@b", "X-Spam-Flag: YES\r\nTo: a@b", Worthless::Fields),
        ("spf=fail smtp", "spf=pass smtp", Worthless::Fields),
        ("other.example; spf=pass", "other.example; spf=fail", Worthless::Fields),
        ("To: a@b", "From: second@x\r\nTo: a@b", Worthless::Fields),
        // A line that is no field ends the header for some, and not for others.
        ("To: a@b\r\n", "To: a@b\r\nno field\r\n", Worthless::Fields),
        ("; t=1795210591", "; t=1795210590", Worthless::Fields),
        ("X-Mailward-Pass: v2;", "X-Mailward-Pass: v1;", Worthless::Malformed),
        ("X-Mailward-Pass: v2;", "X-Mailward-Pass: ;", Worthless::Malformed),
        ("X-Mailward-Pass: v2;", "x-mailward-pass: v2\r\nX-Mailward-Pass: v2;", Worthless::Several),
    ] {
        assert!(raw.contains(from), "{from}");
        assert_eq!(look(raw.replacen(from, to, 1)).await, Err(why), "{from} {to}");
    }
    let milter = look_at(raw.clone(), &Session::default(), NOW).await;
    assert_eq!(milter, Err(Worthless::NotHere));
    let stranger = Session { peer_is_trusted: false, ..by_lmtp() };
    assert_eq!(look_at(raw.clone(), &stranger, NOW).await, Err(Worthless::Untrusted));
    let (session, envelope, message) = (by_lmtp(), judged(), header::parse(raw.into_bytes()));
    let carrier = Carrier { session: &session, envelope: &envelope, message: &message, now: NOW };
    let other = known(&PassKey::new(&[8; 32]), &Uses::default(), carrier).await;
    assert_eq!(other, Err(Worthless::OtherKey));
}

#[tokio::test]
async fn a_pass_is_for_those_for_whom_the_mail_was_let_through_and_from_whom_it_came() {
    let raw = passed().await;
    let from = "<m@remote.example>";
    for (envelope, expected) in [
        (envelope("m@remote.example", &["<A@example.org>"]), Ok(Known::Judged(id()))),
        (envelope(from, &["<c@example.org>"]), Err(Worthless::Recipients)),
        (envelope(from, &["<a@example.org>", "<c@example.org>"]), Err(Worthless::Recipients)),
        (envelope("<srs0=m@example.org>", &["<a@example.org>"]), Err(Worthless::Fields)),
        (envelope("<>", &["<a@example.org>"]), Err(Worthless::Fields)),
    ] {
        assert_eq!(look_for(raw.clone(), &envelope, &by_lmtp(), NOW).await, expected, "{envelope:?}");
    }
    // A rule takes one away and sends a copy to another.
    let message = header::parse(RAW.as_bytes().to_vec());
    let mut plan = accepted(&message);
    plan.actions.push(Action::DeleteRecipient(b"<b@example.org>".to_vec()));
    plan.actions.push(Action::AddRecipient("copy@example.org".into()));
    give(Direction::Inbound, &message, &mut plan).await;
    let raw = delivered(&message, &plan);
    for (to, expected) in [
        ("<a@example.org>", Ok(Known::Judged(id()))),
        ("<copy@example.org>", Ok(Known::Judged(id()))),
        ("<b@example.org>", Err(Worthless::Recipients)),
    ] {
        assert_eq!(look_for(raw.clone(), &envelope(from, &[to]), &by_lmtp(), NOW).await, expected, "{to}");
    }
}

#[tokio::test]
async fn a_pass_is_used_up() {
    let (raw, uses, envelope, session) = (passed().await, Uses::default(), judged(), by_lmtp());
    let message = header::parse(raw.into_bytes());
    let carrier = Carrier { session: &session, envelope: &envelope, message: &message, now: NOW };
    let mut good = 0;
    while known(&key(), &uses, carrier).await == Ok(Known::Judged(id())) {
        good += 1;
        assert!(good < 100);
    }
    assert_eq!(known(&key(), &uses, carrier).await, Err(Worthless::UsedUp));
    assert_eq!(good, 22);
}

#[tokio::test]
async fn mail_of_an_own_user_that_was_changed_is_still_his() {
    let raw = going(Direction::Outbound).await;
    assert_eq!(look(raw.clone()).await, Ok(Known::Judged(id())));
    let signed = format!("DKIM-Signature: v=1; d=example.org\r\n{raw}");
    assert_eq!(look(signed.clone()).await, Ok(Known::Own));
    let alias = envelope("<m@remote.example>", &["<c@example.org>"]);
    assert_eq!(look_for(raw.clone(), &alias, &by_lmtp(), NOW).await, Ok(Known::Own));
    for (from, to, why) in [
        ("m@remote.example", "m@other.example", Worthless::Fields),
        ("To: a@b", "From: second@x\r\nTo: a@b", Worthless::Fields),
        ("\r\n\r\nbody", "\r\n\r\nbuddy", Worthless::Body),
        ("To: a@b", "From : second@x\r\nTo: a@b", Worthless::Fields),
        ("To: a@b", "FROM\t: second@x\r\nTo: a@b", Worthless::Fields),
        ("To: a@b", "Reply-To: x@y\r\nTo: a@b", Worthless::Fields),
        ("multipart/mixed", "text/html", Worthless::Fields),
        ("To: a@b", "Content-Transfer-Encoding: base64\r\nTo: a@b", Worthless::Fields),
        ("To: a@b", "content-disposition : attachment\r\nTo: a@b", Worthless::Fields),
    ] {
        assert_eq!(look(signed.replacen(from, to, 1)).await, Err(why), "{to}");
    }
    let stranger = Session { peer_is_trusted: false, ..by_lmtp() };
    assert_eq!(look_at(signed, &stranger, NOW).await, Err(Worthless::Untrusted));
}

#[tokio::test]
async fn that_an_own_user_sent_it_is_believed_so_often_and_no_more() {
    let raw = format!("Subject: again\r\n{}", going(Direction::Outbound).await);
    let (uses, envelope, session) = (Uses::default(), judged(), by_lmtp());
    let message = header::parse(raw.into_bytes());
    let carrier = Carrier { session: &session, envelope: &envelope, message: &message, now: NOW };
    let mut good = 0;
    while known(&key(), &uses, carrier).await == Ok(Known::Own) {
        good += 1;
        assert!(good < 1000);
    }
    assert_eq!((good, known(&key(), &uses, carrier).await), (200, Err(Worthless::UsedUp)));
}

#[tokio::test]
async fn nobody_sees_for_how_many_the_mail_is() {
    for (recipients, marks) in [(1, 8), (2, 8), (8, 8), (9, 16), (33, 64), (MOST_RECIPIENTS, 64)] {
        let to: Vec<Recipient> =
            (0..recipients).map(|n| Recipient::new(format!("<u{n}@example.org>"))).collect();
        let made = key().marks(id(), &to);
        assert!(made.len() == marks && made.is_sorted(), "{recipients}: {made:?}");
        assert!(to.iter().all(|one| made.contains(&key().mark(id(), one))));
        let passing = Passing { cover: &Cover(Vec::new()), reverse_path: b"" };
        let stamp = key().make((id(), 1), made, [0; 32], passing, true);
        assert_eq!(key().count(&stamp), recipients);
        assert_eq!(Stamp::read(stamp.to_string().as_bytes()), Some(stamp));
    }
}

#[tokio::test]
async fn a_long_line_is_known_as_postfix_breaks_it_and_in_no_other_way() {
    let line = "0123456789".repeat(250);
    let message = header::parse(RAW.replace("\r\n\r\nbody", &format!("\r\n\r\n{line}")).into_bytes());
    let mut plan = accepted(&message);
    give(Direction::Inbound, &message, &mut plan).await;
    let raw = String::from_utf8(delivered(&message, &plan)).unwrap();
    let broken = |a: usize, b: usize| {
        let pieces = [&line[..a], &line[a..b], &line[b..]];
        look(raw.replace(&line, &pieces.join("\r\n ")))
    };
    assert_eq!(broken(998, 998 + 997).await, Ok(Known::Judged(id())));
    assert_eq!(broken(998, 998 + 998).await, Err(Worthless::Body));
    assert_eq!(broken(997, 998 + 997).await, Err(Worthless::Body));
    assert_eq!(look(raw.clone()).await, Err(Worthless::Body), "who does not break it has it judged again");
}

#[tokio::test]
async fn a_pass_is_good_for_a_day() {
    let raw = passed().await;
    let at = |seconds: i64| {
        let millis = NOW.millis().saturating_add_signed(seconds * 1000);
        look_at(raw.clone(), Box::leak(Box::new(by_lmtp())), Timestamp::from_millis(millis))
    };
    assert_eq!(at(86_400 - 1).await, Ok(Known::Judged(id())));
    assert_eq!(at(86_400 + 1).await, Err(Worthless::TooOld));
    assert_eq!(at(-299).await, Ok(Known::Judged(id())));
    assert_eq!(at(-302).await, Err(Worthless::Future));
}

#[tokio::test]
async fn only_what_is_let_through_gets_one_and_a_new_body_is_its_body() {
    let message = header::parse(RAW.as_bytes().to_vec());
    for answer in [Answer::Discard, Answer::Reject(crate::model::SmtpReply::reject("no"))] {
        let mut plan = Plan { answer, ..accepted(&message) };
        let before = plan.clone();
        give(Direction::Inbound, &message, &mut plan).await;
        assert_eq!(plan, before);
    }
    let mut held = accepted(&message);
    held.also.held_by_mta = true;
    give(Direction::Inbound, &message, &mut held).await;
    assert!(!held.actions.iter().any(|a| matches!(a, Action::InsertHeader { name, .. } if name == FIELD)));
    let mut banner = accepted(&message);
    let new = Bytes::from(b"banner\r\n".repeat(40_000));
    banner.actions.push(Action::ReplaceBody(new));
    give(Direction::Inbound, &message, &mut banner).await;
    let raw = delivered(&message, &banner);
    assert_eq!(look(raw.clone()).await, Ok(Known::Judged(id())));
    let old = [header::parse(raw).header(), b"body\r\n"].concat();
    assert_eq!(look(old).await, Err(Worthless::Body));
}

#[tokio::test]
async fn a_message_for_very_many_gets_none() {
    let message = header::parse(RAW.as_bytes().to_vec());
    for (count, has) in [(MOST_RECIPIENTS, true), (MOST_RECIPIENTS + 1, false)] {
        let mut envelope = judged();
        envelope.recipients = (0..count).map(|n| Recipient::new(format!("<u{n}@example.org>"))).collect();
        let mut plan = accepted(&message);
        let direction = Direction::Outbound;
        add(
            &key(),
            Passed { id: id(), now: NOW, direction, envelope: &envelope, message: &message },
            &mut plan,
        )
        .await;
        let raw = delivered(&message, &plan);
        let seen = look_for(raw, &envelope, &by_lmtp(), NOW).await;
        assert_eq!(seen, Ok(if has { Known::Judged(id()) } else { Known::Not }));
    }
}

#[test]
fn several_hosts_know_each_other_by_the_same_secret() {
    let cover = Cover(vec![b"From:a".to_vec()]);
    let passing = Passing { cover: &cover, reverse_path: b"a@b" };
    let one = PassKey::shared("one secret");
    let marks = vec![one.mark(id(), &Recipient::new("<a@b>")), [1; 8]];
    let stamp = one.make((id(), 1), marks, [1; 32], passing, true);
    assert!(one.is_good(&stamp, passing) && one.is_own(&stamp, &cover));
    let other = PassKey::shared("another");
    assert!(!other.is_good(&stamp, passing) && !other.is_own(&stamp, &cover));
    assert!(!format!("{one:?}").contains("secret"));
    assert_eq!(Stamp::read(stamp.to_string().as_bytes()), Some(stamp));
}

proptest! {
    #[test]
    fn no_value_is_read_but_what_was_written(text in "v2; id=[0-9a-z]{0,20}; t=[0-9+ -]{0,22}; kid=[a-f0-9;= ]{0,9}; to=[0-9a-f]{16}(, [0-9a-f]{15,16}){0,2}; bh=[0-9a-f]{0,66}; mac=[0-9a-f]{62,66}(; own=[0-9a-f]{63,64})?.{0,3}") {
        if let Some(stamp) = Stamp::read(text.as_bytes()) {
            prop_assert_eq!(Stamp::read(stamp.to_string().as_bytes()), Some(stamp));
        }
    }

    /// What is sent has no line that is too long, is itself when it is sent on, and is the same but for the breaks.
    #[test]
    fn a_body_is_known_as_it_is_sent_and_as_nothing_else(body in "([a \r\n]{0,9}|a{990,1010}|[ b]{1990,2000}){0,6}") {
        let mut sent = Vec::new();
        for line in body.as_bytes().split_inclusive(|b| *b == b'\n') {
            let text = line.strip_suffix(b"\r\n").unwrap_or(line);
            let first = text.len().min(998);
            sent.extend_from_slice(&text[..first]);
            text[first..].chunks(997).for_each(|piece| sent.extend([b"\r\n ", piece].concat()));
            sent.extend_from_slice(&line[text.len()..]);
        }
        prop_assert_eq!(sent_hash(body.as_bytes()), cover::body_hash(&sent));
        prop_assert_eq!(sent_hash(body.as_bytes()) == cover::body_hash(body.as_bytes()), sent == body.as_bytes());
    }
}
