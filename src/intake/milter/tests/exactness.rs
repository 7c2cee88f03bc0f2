//! The message arrives byte for byte, however it is cut into packets and writes.

use super::*;
use indymilter::MacroStage;
use indymilter_test::TestConnection;
use proptest::prelude::*;

/// Runs `test` on a runtime of its own, because proptest knows no async.
fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

#[tokio::test]
async fn an_independent_milter_client_and_we_understand_each_other() {
    let listener = Listener::bind(&"inet:127.0.0.1:0".parse().unwrap(), &config()).await.unwrap();
    let addr = listener.tcp_addr().unwrap();
    let script = Arc::new(Script::default());
    let service = Service {
        snapshots: Arc::new(ArcSwap::from_pointee(snapshot(&script))),
        budget: Budget::new(9, 1 << 20),
        metrics: Arc::new(Metrics::new()),
    };
    let _running = serve(vec![listener], &config(), service);
    let mut mta = TestConnection::configure().exact_leading_space(true).open_tcp(addr).await.unwrap();
    assert_eq!(mta.requested_macros()[&MacroStage::Mail].to_bytes(), b"i {auth_type} {auth_authen}");
    mta.macros(MacroStage::Connect, [("j", "mx"), ("{client_connections}", "1")]).await.unwrap();
    mta.connect("mail.client.example", "192.0.2.7:25".parse::<std::net::SocketAddr>().unwrap())
        .await
        .unwrap();
    mta.helo("client.example").await.unwrap();
    for n in 0..3 {
        mta.mail(["<a@client.example>"]).await.unwrap();
        mta.rcpt(["<b@example.org>"]).await.unwrap();
        mta.data().await.unwrap();
        mta.header("Subject", " one\n\ttwo").await.unwrap();
        mta.header("X-Odd", "no space").await.unwrap();
        mta.eoh().await.unwrap();
        mta.body(vec![b'x'; 200_000]).await.unwrap();
        mta.macros(MacroStage::Eom, [("i", format!("Q{n}"))]).await.unwrap();
        let (actions, status) = mta.eom().await.unwrap();
        assert_eq!((actions.actions.len(), status), (0, indymilter_test::Status::Accept));
        let seen = script.one();
        assert_eq!(seen.envelope.queue_id, Some(format!("Q{n}")));
        assert_eq!(seen.raw[..39], *b"Subject: one\r\n\ttwo\r\nX-Odd:no space\r\n\r\nx");
        assert_eq!(seen.body, vec![b'x'; 200_000]);
    }
    mta.close().await.unwrap();
}

#[tokio::test]
async fn odd_bytes_are_kept() {
    let rig = Rig::new().await;
    let mut mta = rig.mta().await;
    mta.envelope().await;
    mta.send('L', b"Subject\0   \xff\xfe three spaces \0").await;
    mta.send('L', b"X-Nul\0 a\0b\0").await;
    mta.send('L', b"X-Empty\0\0").await;
    mta.send('L', b"X-Fold\0\n one\n\ttwo\r\n three\0").await;
    mta.send('N', b"").await;
    mta.send('B', b"a\0b\r").await;
    mta.send('B', b"\n.\xff\n..").await;
    assert_eq!(mta.ask('E', b"no final newline").await, packet('a', b""));
    let seen = rig.script.one();
    let expected = [
        b"Subject:   \xff\xfe three spaces \r\n".as_slice(),
        b"X-Nul: a\0b\r\n",
        b"X-Empty:\r\n",
        b"X-Fold:\r\n one\r\n\ttwo\r\n three\r\n\r\n",
        b"a\0b\r\n.\xff\n..no final newline",
    ]
    .concat();
    assert_eq!(seen.raw, expected);
    assert_eq!(seen.body, b"a\0b\r\n.\xff\n..no final newline");
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(33u8..=126, 1..20).prop_map(|mut name| {
        name.retain(|c| *c != b':');
        name.push(b'X');
        name
    })
}

/// A value as an MTA with LEADING_SPACE sends it: any bytes, line breaks only as folds with LF.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| {
        let mut value = Vec::new();
        for byte in bytes {
            match byte {
                b'\r' => value.push(b' '),
                b'\n' => value.extend_from_slice(b"\n\t"),
                byte => value.push(byte),
            }
        }
        value
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cut_of_body_and_stream_gives_the_same_message(
        fields in prop::collection::vec((name(), value()), 0..8),
        body in prop::collection::vec(any::<u8>(), 0..5000),
        chunk in 1usize..4000,
        write in 1usize..3000,
        last in any::<bool>(),
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        stream.extend(bytes('M', b"<a@b>\0"));
        stream.extend(bytes('R', b"<c@d>\0"));
        for (name, value) in &fields {
            stream.extend(bytes('D', b"Li\0ABC\0"));
            stream.extend(bytes('L', &[name, b"\0".as_slice(), value, b"\0"].concat()));
            expected.extend_from_slice(name);
            expected.push(b':');
            for byte in value {
                if *byte == b'\n' {
                    expected.push(b'\r');
                }
                expected.push(*byte);
            }
            expected.extend_from_slice(b"\r\n");
        }
        stream.extend(bytes('N', b""));
        expected.extend_from_slice(b"\r\n");
        expected.extend_from_slice(&body);
        let mut chunks: Vec<_> = body.chunks(chunk).collect();
        let end = if last { chunks.pop().unwrap_or_default() } else { b"" };
        for chunk in chunks {
            stream.extend(bytes('B', chunk));
        }
        stream.extend(bytes('E', end));
        let seen = block_on(async {
            let rig = Rig::new().await;
            let mut mta = rig.mta().await;
            for piece in stream.chunks(write) {
                mta.stream.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            for reply in ['c', 'c', 'a'] {
                assert_eq!(mta.receive().await.0, reply);
            }
            rig.script.one()
        });
        prop_assert_eq!(seen.body, body);
        prop_assert_eq!(seen.raw, expected);
    }
}
