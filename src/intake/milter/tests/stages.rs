//! Which command may come when, and what it does.

use super::*;
use crate::model::session::Tls;
use crate::model::{Client, ClientAddr, Recipient, ReversePath};

#[tokio::test]
async fn a_message_reaches_the_judge_with_all_that_the_mta_said() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    mta.greet().await;
    mta.send('D', b"M{auth_type}\0PLAIN\0{auth_authen}\0eva\0").await;
    mta.ask('M', b"<a@client.example>\0SIZE=100\0BODY=8BITMIME\0").await;
    mta.ask('R', b"<b@example.org>\0").await;
    mta.ask('R', b"<\"c d\"@Example.ORG>\0NOTIFY=NEVER\0").await;
    mta.send('D', b"Ti\x004F1\0").await;
    mta.send('T', b"").await;
    mta.content().await;
    assert_eq!(mta.ask('E', b"").await, packet('a', b""));
    let expected = Seen {
        session: Session {
            client: Client {
                name: "mail.client.example".into(),
                addr: ClientAddr::Ip("192.0.2.7".parse().unwrap()),
            },
            helo: Some("client.example".into()),
            tls: Some(Tls { version: "TLSv1.3".into(), cipher: "TLS_AES_256_GCM_SHA384".into() }),
            user: Some("eva".into()),
            auth_method: Some("PLAIN".into()),
            mta: Some("mx.example.org".into()),
            daemon: Some("smtpd".into()),
            local_submission: false,
            handover: Default::default(),
            peer_is_trusted: false,
            abilities: Default::default(),
        },
        envelope: Envelope {
            reverse_path: ReversePath(Recipient::new(*b"<a@client.example>")),
            parameters: vec!["SIZE=100".into(), "BODY=8BITMIME".into()],
            recipients: vec![Recipient::new(*b"<b@example.org>"), Recipient::new(*b"<\"c d\"@Example.ORG>")],
            queue_id: Some("4F1".into()),
        },
        raw: b"Subject: hello\r\n\r\ntext\r\n".to_vec(),
        body: b"text\r\n".to_vec(),
        fault: None,
    };
    assert_eq!(rig.script.one(), expected);
    assert_eq!(rig.script.answered(), [true]);
}

#[tokio::test]
async fn many_messages_on_a_connection_are_kept_apart() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    mta.greet().await;
    for n in 0..5u8 {
        if n == 1 {
            mta.send('D', b"M{auth_authen}\0eva\0").await;
        } else {
            mta.send('D', b"M").await;
        }
        mta.ask('M', format!("<a{n}@client.example>\0").as_bytes()).await;
        mta.ask('R', format!("<b{n}@example.org>\0").as_bytes()).await;
        mta.send('T', b"").await;
        mta.send('L', format!("Subject\0 {n}\0").as_bytes()).await;
        mta.send('N', b"").await;
        assert_eq!(mta.ask('E', b"").await, packet('a', b""));
        let seen = rig.script.one();
        assert_eq!(seen.raw, format!("Subject: {n}\r\n\r\n").into_bytes());
        assert_eq!(seen.envelope.reverse_path.address(), format!("a{n}@client.example"));
        assert_eq!(seen.envelope.recipients, [Recipient::new(format!("<b{n}@example.org>"))]);
        assert_eq!(seen.session.user.as_deref(), (n == 1).then_some("eva"));
    }
}

#[tokio::test]
async fn abort_at_any_stage_leaves_nothing_behind() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    mta.greet().await;
    for stage in 0..7 {
        if stage > 0 {
            mta.ask('M', b"<old@client.example>\0").await;
        }
        if stage > 1 {
            mta.ask('R', b"<old@example.org>\0").await;
        }
        for (at, command, payload) in [
            (2, 'D', b"Ti\0OLD\0".as_slice()),
            (3, 'T', b""),
            (4, 'L', b"Old\0 1\0"),
            (5, 'N', b""),
            (6, 'B', b"old"),
        ] {
            if stage >= at {
                mta.send(command, payload).await;
            }
        }
        mta.send('A', b"").await;
        assert_eq!(mta.message().await, packet('a', b""), "after ABORT at stage {stage}");
        let seen = rig.script.one();
        assert_eq!(seen.raw, b"Subject: hello\r\n\r\ntext\r\n");
        assert_eq!(seen.envelope.recipients.len(), 1);
        assert_eq!(seen.envelope.queue_id.as_deref(), Some("4F1"));
        assert_eq!(seen.session.helo.as_deref(), Some("client.example"));
    }
    assert_eq!(rig.budget.messages(), 0);
}

#[tokio::test]
async fn mail_again_without_abort_starts_a_clean_envelope() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    mta.greet().await;
    mta.envelope().await;
    mta.send('L', b"Old\0 1\0").await;
    assert_eq!(mta.message().await, packet('a', b""));
    let seen = rig.script.one();
    assert_eq!((seen.envelope.recipients.len(), seen.raw.starts_with(b"Subject")), (1, true));
}

#[tokio::test]
async fn quit_nc_forgets_the_connection_and_takes_the_configuration_of_today() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    mta.greet().await;
    mta.envelope().await;
    let today = Arc::new(Script::default());
    rig.snapshots.store(Arc::new(snapshot(&today)));
    mta.send('K', b"").await;
    mta.send('D', b"Cj\0mx2\0").await;
    mta.send('C', b"unknown\0U").await;
    assert_eq!(mta.message().await, packet('a', b""));
    let expected = Session {
        client: Client { name: "unknown".into(), addr: ClientAddr::Unknown },
        mta: Some("mx2".into()),
        ..Session::default()
    };
    assert_eq!(today.one().session, expected);
    assert_eq!(rig.script.seen(), vec![]);
}

#[tokio::test]
async fn a_reload_is_for_connections_that_come_after_it() {
    let rig = Rig::new().await;
    let mut before = rig.mta().await;
    before.greet().await;
    let today = Arc::new(Script::default());
    rig.snapshots.store(Arc::new(snapshot(&today)));
    let mut after = rig.mta().await;
    before.message().await;
    before.message().await;
    after.message().await;
    assert_eq!((rig.script.seen().len(), today.seen().len()), (2, 1));
}

#[tokio::test]
async fn an_unknown_smtp_command_at_any_moment_changes_nothing() {
    let rig = Rig::new().await;
    let mut mta = rig.silent_mta().await;
    // Without NO_UNKNOWN on offer, and with no stage that goes without a reply.
    mta.negotiate(6, 0x1ff, 0x10_0000).await;
    let steps: [(char, &[u8]); 7] = [
        ('C', b"mx\x004\0\x19192.0.2.7\0"),
        ('H', b"client.example\0"),
        ('M', b"<a@client.example>\0"),
        ('R', b"<b@example.org>\0"),
        ('T', b""),
        ('L', b"Subject\0 hello\0"),
        ('N', b""),
    ];
    for (command, payload) in steps {
        assert_eq!(mta.ask('U', b"BOGUS\0").await, packet('c', b""), "before {command}");
        assert_eq!(mta.ask(command, payload).await, packet('c', b""), "{command}");
    }
    assert_eq!(mta.ask('U', b"BOGUS\0").await, packet('c', b""));
    assert_eq!(mta.ask('B', b"text\r\n").await, packet('c', b""));
    assert_eq!(mta.ask('U', b"BOGUS\0").await, packet('c', b""));
    assert_eq!(mta.ask('E', b"").await, packet('a', b""));
    assert_eq!(rig.script.one().raw, b"Subject: hello\r\n\r\ntext\r\n");
}

#[tokio::test]
async fn an_unknown_command_is_answered_even_where_none_was_to_come() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    mta.greet().await;
    mta.envelope().await;
    assert_eq!(mta.ask('U', b"BOGUS\0").await, packet('c', b""));
    mta.content().await;
    assert_eq!(mta.ask('E', b"").await, packet('a', b""));
    assert_eq!(rig.script.one().body, b"text\r\n");
}

#[tokio::test]
async fn the_end_of_message_may_carry_a_chunk() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    mta.envelope().await;
    mta.content().await;
    assert_eq!(mta.ask('E', b"the rest\r\n").await, packet('a', b""));
    assert_eq!(rig.script.one().body, b"text\r\nthe rest\r\n");
    // And may be all there is.
    mta.envelope().await;
    assert_eq!(mta.ask('E', b"alone").await, packet('a', b""));
    assert_eq!(rig.script.one().raw, b"\r\nalone");
}

#[tokio::test]
async fn an_mta_that_agrees_to_nothing_gets_a_reply_at_every_stage() {
    let rig = Rig::new().await;
    let mut mta = rig.silent_mta().await;
    assert_eq!(mta.negotiate(2, 0x1f, 0x7f).await.1[..12], [0, 0, 0, 2, 0, 0, 0, 0x1f, 0, 0, 0, 0]);
    let steps: [(char, &[u8]); 8] = [
        ('C', b"mx\x006\0\x19IPv6:2001:db8::1\0"),
        ('H', b"client.example\0"),
        ('M', b"<a@client.example>\0"),
        ('R', b"<b@example.org>\0"),
        ('L', b"Subject\0hello\0"),
        ('L', b"X-Tab\0\thello\0"),
        ('N', b""),
        ('B', b"text"),
    ];
    for (command, payload) in steps {
        assert_eq!(mta.ask(command, payload).await, packet('c', b""), "{command}");
    }
    assert_eq!(mta.ask('E', b"").await, packet('a', b""));
    let seen = rig.script.one();
    // The space that such an MTA takes off is put back.
    assert_eq!(seen.raw, b"Subject: hello\r\nX-Tab:\thello\r\n\r\ntext");
    assert_eq!(seen.session.client.addr.ip(), "2001:db8::1".parse().ok());
}

#[tokio::test]
async fn mail_from_the_sendmail_command_and_bounces_are_recognised() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    // What cleanup of Postfix 3.7 sends for a bounce.
    mta.send('D', b"Cj\0mx\0{daemon_name}\0mx\0{daemon_addr}\x00127.0.0.1\0v\0Postfix 3.7.11\0").await;
    mta.send('C', b"localhost\x004\0\x00127.0.0.1\0").await;
    mta.send('D', b"H").await;
    mta.send('H', b"localhost\0").await;
    mta.send('D', b"Mi\x00886D598C075\0").await;
    mta.ask('M', b"\0").await;
    mta.ask('R', b"a@x.example\0").await;
    mta.send('T', b"").await;
    mta.content().await;
    mta.ask('E', b"").await;
    let seen = rig.script.one();
    assert!(seen.session.local_submission && seen.envelope.reverse_path.is_null());
    assert_eq!(seen.envelope.recipients[0].argument(), b"a@x.example");
}

#[tokio::test]
async fn a_recipient_that_the_mta_refuses_itself_is_not_taken() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    mta.ask('M', b"<a@client.example>\0").await;
    mta.send('D', b"R{rcpt_mailer}\0error\0").await;
    assert_eq!(mta.ask('R', b"<nobody@example.org>\0").await, packet('c', b""));
    mta.send('D', b"R{rcpt_mailer}\0local\0").await;
    assert_eq!(mta.ask('R', b"<b@example.org>\0").await, packet('c', b""));
    mta.content().await;
    mta.ask('E', b"").await;
    assert_eq!(rig.script.one().envelope.recipients, [Recipient::new(*b"<b@example.org>")]);
}

#[tokio::test]
async fn commands_without_a_message_are_tempfailed_and_the_session_goes_on() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    mta.greet().await;
    assert!(is_tempfail(&mta.ask('R', b"<b@example.org>\0").await));
    mta.send('L', b"Subject\0 stray\0").await;
    mta.send('N', b"").await;
    mta.send('B', b"stray").await;
    assert!(is_tempfail(&mta.ask('E', b"").await));
    assert_eq!(rig.errors("order"), 5);
    assert_eq!(mta.message().await, packet('a', b""));
    assert_eq!(rig.script.one().raw, b"Subject: hello\r\n\r\ntext\r\n");
}

#[tokio::test]
async fn commands_out_of_order_spoil_their_message_and_no_other() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    for late in [('L', b"Late\0 1\0".as_slice()), ('R', b"<late@example.org>\0")] {
        mta.envelope().await;
        mta.content().await;
        mta.send(late.0, late.1).await;
        if late.0 == 'R' {
            assert!(is_tempfail(&mta.receive().await));
        }
        assert!(is_tempfail(&mta.ask('E', b"").await), "{late:?}");
    }
    assert_eq!(mta.message().await, packet('a', b""));
    assert_eq!((rig.script.seen().len(), rig.errors("order"), rig.budget.messages()), (1, 2, 0));
}

#[tokio::test]
async fn a_header_packet_that_cannot_be_read_tempfails_its_message() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    for odd in [b"Subject".as_slice(), b"Subject\0 no end", b"\0 no name\0", b""] {
        mta.envelope().await;
        mta.send('L', odd).await;
        mta.content().await;
        assert!(is_tempfail(&mta.ask('E', b"").await), "{odd:?}");
    }
    assert_eq!(mta.message().await, packet('a', b""));
    assert_eq!((rig.script.seen().len(), rig.errors("malformed"), rig.budget.messages()), (1, 4, 0));
}

#[tokio::test]
async fn an_envelope_command_that_cannot_be_read_is_tempfailed_at_once() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    assert!(is_tempfail(&mta.ask('M', b"<a@client.example>").await));
    mta.ask('M', b"<a@client.example>\0").await;
    assert!(is_tempfail(&mta.ask('R', b"<cut@example.org>").await));
    mta.ask('R', b"<b@example.org>\0").await;
    mta.content().await;
    assert_eq!(mta.ask('E', b"").await, packet('a', b""));
    assert_eq!(rig.script.one().envelope.recipients, [Recipient::new(*b"<b@example.org>")]);
}

#[tokio::test]
async fn nothing_but_an_offer_may_come_first() {
    let rig = Rig::new().await;
    for first in [('M', b"<a@b>\0".as_slice()), ('C', b"mx\0U"), ('E', b""), ('D', b"C")] {
        let mut mta = rig.silent_mta().await;
        mta.send(first.0, first.1).await;
        assert!(mta.is_closed().await, "{first:?}");
    }
    let mut old = rig.silent_mta().await;
    old.send('O', &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]).await;
    assert!(old.is_closed().await);
    assert_eq!((rig.errors("order"), rig.errors("version")), (4, 1));
    assert_eq!(rig.mta().await.message().await, packet('a', b""));
}

#[tokio::test]
async fn an_unknown_packet_inside_a_message_tempfails_it_even_if_the_mta_reads_late() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    mta.envelope().await;
    mta.send('X', b"what").await;
    // The MTA is in the middle of sending and does not look at replies yet.
    tokio::time::sleep(Duration::from_millis(50)).await;
    for _ in 0..20 {
        mta.send('B', &[b'x'; 65_535]).await;
    }
    assert!(is_tempfail(&mta.ask('E', b"").await));
    assert!(mta.is_closed().await);
    assert_eq!((rig.script.seen().len(), rig.errors("command")), (0, 1));
}

#[tokio::test]
async fn an_oversized_packet_inside_a_message_tempfails_it() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    mta.envelope().await;
    mta.send('L', &[b"X-Long\0".as_slice(), &[b'x'; 2_000_000], b"\0"].concat()).await;
    mta.content().await;
    assert!(is_tempfail(&mta.ask('E', b"").await));
    assert!(mta.is_closed().await);
    assert_eq!((rig.script.seen().len(), rig.errors("length"), rig.budget.messages()), (0, 1, 0));
    assert_eq!(rig.mta().await.message().await, packet('a', b""));
}
