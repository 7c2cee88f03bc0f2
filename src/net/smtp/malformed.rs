//! What the next server answers, mutated, and in pieces.

use super::reply::{Answer, Reader};
use crate::mutation::{Campaign, Dice};
use crate::testing::effort;

const REPLIES: [&str; 6] = [
    "220 mx.example ESMTP ready\r\n",
    "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8\r\n",
    "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550 5.1.1 no such user\r\n354 go on\r\n250 2.0.0 Ok: queued as 4XYZ\r\n221 bye\r\n",
    "421 4.3.2 shutting down\r\n",
    "550-one\r\n550-two\r\n550 three\r\n",
    "250\r\n",
];

/// All replies in it, until something is wrong; and whether something is.
fn read(pieces: &[&[u8]]) -> (Vec<Answer>, bool) {
    let (mut reader, mut held, mut answers) = (Reader::default(), Vec::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            match reader.take(&mut held) {
                Ok(Some(answer)) => {
                    answers.push(answer);
                    reader = Reader::default();
                }
                Ok(None) => break,
                Err(_) => return (answers, true),
            }
        }
        assert!(held.len() <= 8 * 1024, "{} bytes are held", held.len());
    }
    (answers, false)
}

#[test]
fn replies_of_the_next_server() {
    let words = [
        "250-",
        "250 ",
        "250\r\n",
        "550 5.7.1 ",
        "354 ",
        "2500 ",
        "99 ",
        "\r\n",
        "\n",
        "199 x\r\n",
        "600 x\r\n",
        "250_",
        "\x1b[31m",
    ];
    let samples = REPLIES.map(|reply| reply.as_bytes().to_vec()).to_vec();
    let mut campaign = Campaign::new("next", effort(2_000, 40_000), samples).words(&words);
    campaign.largest = 32 << 10;
    campaign.run(|input| {
        let whole = read(&[input]);
        let mut dice = Dice::new(input.len() as u64);
        let (first, second) = input.split_at(dice.below(input.len() + 1));
        assert_eq!(read(&[first, second]), whole, "it depends on how it is cut");
        for answer in &whole.0 {
            assert!((200..600).contains(&answer.code), "{}", answer.code);
            let shown = answer.to_reply().to_string();
            assert!(!shown.contains(['\r', '\n', '\0', '\x1b']), "{shown:?}");
        }
    });
}
