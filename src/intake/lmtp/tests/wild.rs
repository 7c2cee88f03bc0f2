//! Any bytes, cut anywhere: the same replies, each well-formed.

use proptest::prelude::*;

use super::*;
use crate::intake::accept::Origin;
use crate::intake::listener::Peer;
use crate::intake::lmtp::dialogue::{Dialogue, Step};
use crate::intake::lmtp::reply::Replies;
use crate::intake::lmtp::serve::Shared;

/// All that is said to `wire`, read in these pieces, and the messages that came to an end.
pub(super) fn converse(wire: &[u8], cuts: &[usize]) -> (String, Vec<Vec<u8>>) {
    let config = Config::default();
    let (budget, metrics) = (Budget::new(9, 1 << 20), Arc::new(Metrics::new()));
    let shared = Arc::new(Shared::new(&config, service(&Arc::default(), &config, &budget, &metrics)));
    let origin = Origin { endpoint: "unix:x".into(), peer: Peer::Unix };
    let mut dialogue = Dialogue::new(shared, &origin);
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (wire.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(wire.len());
    let (mut held, mut out, mut messages, mut from) = (Vec::new(), Replies::default(), Vec::new(), 0);
    'all: for to in cuts {
        held.extend_from_slice(&wire[from..to]);
        from = to;
        loop {
            let (used, step) = dialogue.take(&held, &mut out);
            held.drain(..used);
            match step {
                Step::More if used == 0 => break,
                Step::More => {}
                Step::Judge(arrived) => {
                    out.say(250, "2.0.0 judged");
                    messages.push(arrived.received.message.raw().to_vec());
                }
                Step::End | Step::Faults => break 'all,
            }
        }
        assert!(held.len() <= crate::intake::lmtp::command::MAX_LINE, "{} bytes are held", held.len());
    }
    drop(dialogue);
    assert_eq!((budget.messages(), budget.bytes()), (0, 0));
    (String::from_utf8(out.0).unwrap(), messages)
}

pub(super) fn is_well_formed(replies: &str) -> bool {
    let lines = |line: &str| {
        let bytes = line.as_bytes();
        bytes.len() > 4
            && bytes[..3].iter().all(u8::is_ascii_digit)
            && b"2345".contains(&bytes[0])
            && b" -".contains(&bytes[3])
            && line.is_ascii()
    };
    replies.is_empty() || replies.ends_with("\r\n") && replies.split_terminator("\r\n").all(lines)
}

/// What a client might say, in order or not.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "LHLO mta\r\n",
        "EHLO mta\n",
        "MAIL FROM:<a@b>\r\n",
        "MAIL FROM:<a@b> SIZE=5 BODY=8BITMIME SMTPUTF8\r\n",
        "RCPT TO:<c@d>\r\n",
        "DATA\r\n",
        "DATA\r\nSubject: x\r\n\r\n..text\r\n.\r\n",
        ".\r\n",
        "BDAT 5\r\nhello",
        "BDAT 0\r\n",
        "BDAT 7 LAST\r\n\r\n.\r\nab",
        "RSET\r\n",
        "NOOP\r\n",
        "XFORWARD NAME=a ADDR=192.0.2.1 HELO=+41\r\n",
        "XCLIENT LOGIN=a\r\n",
        "QUIT\r\n",
        "\r\n",
        "\n.\n",
        "\r\n.\n",
    ];
    prop_oneof![
        8 => prop::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => (4000usize..9000).prop_map(|n| vec![b'x'; n]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn however_the_stream_is_cut_the_replies_are_the_same(
        fragments in prop::collection::vec(fragment(), 0..14),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
        greeted in any::<bool>(),
    ) {
        let mut wire = if greeted { b"LHLO mta\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n".to_vec() } else { vec![] };
        wire.extend(fragments.concat());
        let whole = converse(&wire, &[]);
        prop_assert!(is_well_formed(&whole.0), "{}", whole.0);
        prop_assert_eq!(&converse(&wire, &cuts), &whole);
        let each: Vec<usize> = (0..wire.len()).collect();
        if wire.len() < 2000 {
            prop_assert_eq!(&converse(&wire, &each), &whole);
        }
    }

    #[test]
    fn any_bytes_are_answered(wire in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(is_well_formed(&converse(&wire, &[]).0));
    }
}

#[test]
fn a_message_is_not_ended_by_what_only_looks_like_its_end() {
    for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r\n\0.\r\n"] {
        let wire = format!(
            "LHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx{end}MAIL FROM:<evil@b>\r\n.\r\nNOOP\r\n"
        );
        let (replies, messages) = converse(wire.as_bytes(), &[]);
        assert_eq!(messages.len(), 1, "{end:?}: {replies}");
        assert!(String::from_utf8_lossy(&messages[0]).contains("MAIL FROM:<evil@b>"), "{end:?}");
    }
}
