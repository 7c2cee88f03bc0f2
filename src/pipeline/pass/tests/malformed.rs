//! Mail with a Pass, mutated: it is judged again unless it is what was let through.

use futures_util::FutureExt as _;

use super::*;
use crate::mutation::Campaign;
use crate::testing::effort;

/// What a reader goes by.
const READ: [&str; 6] = ["From", "Subject", "To", "MIME-Version", "Content-Type", "X-Mailward-Verdict"];

#[tokio::test]
async fn mail_with_a_pass() {
    let (inbound, outbound) = (passed().await, going(Direction::Outbound).await);
    let originals = [inbound, outbound].map(|raw| header::parse(raw.into_bytes()));
    let samples = originals.iter().map(|message| message.raw().to_vec()).collect();
    let words = [
        "X-Mailward-Pass: v2;",
        "; to=",
        ",",
        "; own=",
        "; bh=",
        "From: x@y\r\n",
        "Subject : x\r\n",
        "Content-Type: text/html\r\n",
        "Received: from y by z\r\n",
        "Return-Path: <a@b>\r\n",
        "X-Mailward-Verdict: clean\r\n",
        "\r\n\r\n",
        "\r\n ",
        "Sender: x\r\n",
    ];
    // White space behind the colon is the MTA's matter.
    let value =
        |value: &[u8]| value[value.iter().take_while(|byte| b" \t".contains(byte)).count()..].to_vec();
    let read = |message: &Message| READ.map(|name| message.values(name).map(value).collect::<Vec<_>>());
    Campaign::new("pass", effort(1_500, 40_000), samples).words(&words).run(|input| {
        // Bodies of this size are hashed without another thread.
        let Some(known) = look(input.to_vec()).now_or_never() else { return };
        let message = header::parse(input.to_vec());
        match known {
            Ok(Known::Judged(_)) => {
                let body = |message: &Message| cover::body_hash(message.body());
                let same = |original: &&Message| {
                    read(original) == read(&message) && body(original) == body(&message)
                };
                assert!(originals.iter().any(|original| same(&original)), "another message is taken for it");
            }
            Ok(Known::Own) => {
                let author = |message: &Message| message.values("From").map(value).collect::<Vec<_>>();
                assert_eq!(author(&message), author(&originals[1]));
            }
            Ok(Known::Not) => assert_eq!(message.values(FIELD).count(), 0),
            Err(_) => assert!(message.values(FIELD).count() > 0),
        }
    });
}
