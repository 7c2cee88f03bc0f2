//! Any bytes from the socket: the session answers or ends, and the daemon goes on.

use super::*;

/// A small generator with a seed, so that a failure can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below.max(1) as u64).unwrap()
    }
}

/// A session of two messages with each kind of packet in it.
pub(super) fn packets() -> Vec<Vec<u8>> {
    let offer = [6u32, 0x1ff, 0x001f_ffff].iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<_>>();
    let list: [(char, &[u8]); 25] = [
        ('O', &offer),
        ('D', b"Cj\0mx\0{daemon_name}\0smtpd\0v\0Postfix 3.7.11\0{client_connections}\x001\0"),
        ('C', b"mail.client.example\x004\x11\xd7192.0.2.7\0"),
        ('D', b"H{tls_version}\0TLSv1.3\0"),
        ('H', b"client.example\0"),
        ('D', b"M"),
        ('M', b"<a@client.example>\0SIZE=100\0"),
        ('R', b"<b@example.org>\0"),
        ('D', b"Ti\x004F1\0"),
        ('T', b""),
        ('D', b"Li\x004F1\0"),
        ('L', b"Subject\0 hello\n\tworld\0"),
        ('L', b"X\0\0"),
        ('U', b"BOGUS\0"),
        ('N', b""),
        ('B', b"text\r\n"),
        ('E', b"more\r\n"),
        ('A', b""),
        ('M', b"\0"),
        ('R', b"<c@example.org>\0"),
        ('E', b""),
        ('K', b""),
        ('C', b"unknown\0U"),
        ('M', b"<a@b>\0"),
        ('Q', b""),
    ];
    list.iter().map(|(command, payload)| bytes(*command, payload)).collect()
}

fn mutated(dice: &mut Dice, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut packets = packets.to_vec();
    for _ in 0..dice.roll(3) {
        let (a, b) = (dice.roll(packets.len()), dice.roll(packets.len()));
        match dice.roll(3) {
            0 => packets.swap(a, b),
            1 => packets.insert(a, packets[b].clone()),
            _ => drop(packets.remove(a)),
        }
    }
    let mut stream = packets.concat();
    for _ in 0..dice.roll(4) {
        let at = dice.roll(stream.len());
        match dice.roll(4) {
            0 => stream[at] ^= 1 << dice.roll(8),
            1 => stream[at] = [0, 0xff, b'A', 4][dice.roll(4)],
            2 => stream.insert(at, 0),
            _ => stream.truncate(at + 1),
        }
    }
    stream
}

/// Sends `stream`, and waits until the other end is done with it.
pub(super) async fn play(rig: &Rig, stream: &[u8]) {
    let Mta { stream: socket } = rig.silent_mta().await;
    let (mut from, mut to) = socket.into_split();
    let send = async {
        // The other end may close before it has taken all.
        if to.write_all(stream).await.is_ok() {
            to.shutdown().await.ok();
        }
    };
    let mut replies = Vec::new();
    let both = async { tokio::join!(send, from.read_to_end(&mut replies)) };
    let ended = tokio::time::timeout(Duration::from_secs(20), both).await;
    assert!(ended.is_ok(), "the session neither answers nor ends: {stream:?}");
}

#[tokio::test]
async fn twenty_thousand_mutated_sessions_end_without_a_panic() {
    let rig = Rig::new().await;
    let packets = packets();
    let mut dice = Dice(0x6d61_696c_7761_7264);
    for _ in 0..20_000 {
        play(&rig, &mutated(&mut dice, &packets)).await;
        rig.script.seen();
    }
    eventually(|| rig.metrics.milter_connections.get() == 0).await;
    assert_eq!(rig.metrics.panics.with_label_values(&["milter-session"]).get(), 0);
    assert_eq!(rig.metrics.panics.with_label_values(&["judge"]).get(), 0);
    assert_eq!((rig.budget.messages(), rig.budget.bytes()), (0, 0));
    for kind in ["length", "command", "malformed", "order", "truncated", "gone"] {
        assert!(rig.errors(kind) > 0, "no mutation led to {kind}");
    }
    assert_eq!(rig.mta().await.message().await, packet('a', b""));
}

#[tokio::test]
async fn another_protocol_on_our_socket_is_sent_away() {
    let rig = Rig::new().await;
    for hello in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), b"EHLO x\r\n", b"\x16\x03\x01\x02\0", b"\0\0\0\0\0"] {
        let mut mta = rig.silent_mta().await;
        mta.stream.write_all(hello).await.unwrap();
        assert!(mta.is_closed().await, "{hello:?}");
    }
    assert_eq!(rig.errors("length"), 4);
}
