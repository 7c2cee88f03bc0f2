//! Whole milter sessions, mutated: each ends, nothing is held, and what reaches the judge is a message.

use super::garbage::{packets, play};
use super::*;
use crate::mutation::Campaign;
use crate::testing::effort;

#[test]
fn sessions_of_the_milter() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let rig = runtime.block_on(Rig::new());
    let offer = |version: u32| {
        let offer: Vec<u8> = [version, 0x1ff, 0x001f_ffff].iter().flat_map(|n| n.to_be_bytes()).collect();
        bytes('O', &offer)
    };
    let old = [vec![offer(2)], packets()[1..].to_vec()].concat();
    let two = [packets()[..17].to_vec(), packets()[5..17].to_vec(), vec![bytes('Q', b"")]].concat();
    let samples = [packets(), old, two].map(|packets| packets.concat()).to_vec();
    let words: [&[u8]; 22] = [
        b"\0\0\0\x01A",
        b"\0\0\0\x01E",
        b"\0\0\0\x01N",
        b"\0\0\0\x01T",
        b"\0\0\0\x01K",
        b"\0\0\0\x01Q",
        b"\0\x10\0\0B",
        b"\0\x10\0\x01B",
        b"\xff\xff\xff\xff",
        b"\0\0\0\x05L\0\0\0\0",
        b"\0\0\0\x03LX\0",
        b"\0\0\0\x06M<a>\0",
        b"\0\0\0\x06R<a>\0",
        b"\0\0\0\x02DM",
        b"\0\0\0\x02BX",
        b"{auth_authen}\0",
        b"\0\0\0\x09Cx\x004\0\x19a\0",
        b"\0\0\0\x05Cx\0U",
        b"\0\0\0\x0dO\0\0\0\x06\0\0\0\0\0\0\0\0",
        b"\0\0\0\x04U\0\0\0",
        b"\r\n",
        b"Content-Type\0",
    ];
    let mut campaign = Campaign::new("milter", effort(800, 60_000), samples).words(&words);
    campaign.threads = 1;
    campaign.run(|input| {
        runtime.block_on(play(&rig, input));
        for seen in rig.script.seen() {
            assert!(seen.raw.ends_with(&seen.body), "{seen:?}");
        }
        rig.script.answered.lock().unwrap().clear();
    });
    runtime.block_on(async {
        eventually(|| rig.metrics.milter_connections.get() == 0).await;
        assert_eq!(rig.metrics.panics.with_label_values(&["milter-session"]).get(), 0);
        assert_eq!((rig.budget.messages(), rig.budget.bytes()), (0, 0));
        assert_eq!(rig.mta().await.message().await, packet('a', b""));
    });
}
