//! Whole LMTP and SMTP sessions, mutated: each line is answered in form, however the stream is cut, and nothing is held.

use super::wild::{converse, is_well_formed};
use crate::mutation::{Campaign, Dice};
use crate::testing::effort;

const SESSIONS: [&str; 6] = [
    "LHLO mta.example\r\nMAIL FROM:<a@b> SIZE=100 BODY=8BITMIME\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\ntext\r\n.\r\nQUIT\r\n",
    "EHLO mta\r\nXFORWARD NAME=mail.client.example ADDR=192.0.2.7 PORT=4711 PROTO=ESMTP HELO=a+2Bb IDENT=4F1 SOURCE=REMOTE\r\nMAIL FROM:<> SMTPUTF8\r\nRCPT TO:<c@d> NOTIFY=NEVER ORCPT=rfc822;c@d\r\nBDAT 5\r\nhelloBDAT 7 LAST\r\n\r\n.\r\nab",
    "LHLO a\r\nXCLIENT ADDR=IPV6:2001:db8::1 LOGIN=user NAME=[UNAVAILABLE] HELO=[TEMPUNAVAIL]\r\nLHLO b\r\nMAIL FROM:<\"a b\"@c> RET=HDRS ENVID=x+20y\r\nRCPT TO:<c@d>\r\nRSET\r\nNOOP x\r\nVRFY a\r\nHELP\r\nMAIL FROM:<x@y>\r\nDATA\r\n",
    "HELO x\r\nMAIL FROM:<@relay.example:a@b>\r\nRCPT TO:<Postmaster>\r\nDATA\r\nA: b\r\n\r\n.\r\n\r.\r\n..\r\n.\r\nQUIT\r\n",
    "LHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 0 LAST\r\nBDAT 3\r\nabcRSET\r\n",
    "LHLO a\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nx\n.\n.\r\n",
];

#[test]
fn sessions_of_lmtp() {
    let words = [
        "MAIL FROM:<a@b>\r\n",
        "RCPT TO:<c@d>\r\n",
        "DATA\r\n",
        "BDAT 5\r\n",
        "BDAT 18446744073709551615 LAST\r\n",
        "BDAT 1 LAST\r\nx",
        "RSET\r\n",
        "LHLO x\r\n",
        "EHLO x\r\n",
        "QUIT\r\n",
        "\r\n.\r\n",
        " SIZE=1",
        " BODY=BINARYMIME",
        "XFORWARD ADDR=",
        "XCLIENT LOGIN=",
        "+0A",
        "+ZZ",
        "<>",
        "<<",
        ">",
        "@",
        "\\\"",
        "AUTH=<>",
        "STARTTLS\r\n",
    ];
    let samples = SESSIONS.map(|session| session.as_bytes().to_vec()).to_vec();
    let mut campaign = Campaign::new("lmtp", effort(800, 60_000), samples).words(&words);
    campaign.largest = 16 << 10;
    campaign.run(|input| {
        let whole = converse(input, &[]);
        assert!(is_well_formed(&whole.0), "{}", whole.0);
        let mut dice = Dice::new(input.len() as u64);
        let cuts: Vec<usize> = (0..8).map(|_| dice.below(input.len() + 1)).collect();
        assert_eq!(converse(input, &cuts), whole, "it depends on how it is cut: {cuts:?}");
        for message in &whole.1 {
            // A bare CR stays, and is looked at again when the message is handed on (`net::smtp`); a bare LF would be
            // a line's end to some and not to others.
            let bare =
                (0..message.len()).any(|at| message[at] == b'\n' && (at == 0 || message[at - 1] != b'\r'));
            assert!(!bare, "a bare LF is handed on");
        }
    });
}
