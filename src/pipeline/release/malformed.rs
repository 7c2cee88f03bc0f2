//! Release tokens, mutated: none but the one that was signed is worth anything.

use super::token::{Claim, Token, TokenKey, bare, body_hash};
use crate::model::{MailId, Recipient, ReversePath, Timestamp};
use crate::mutation::Campaign;
use crate::testing::effort;

#[test]
fn release_tokens() {
    let key = TokenKey::new(&[7; 32]);
    let body = body_hash(b"body\r\n");
    let (from, to) = (ReversePath(Recipient::new("<a@b>")), Recipient::new("<c@d>"));
    let claim = Claim {
        id: MailId::from_parts(1_795_210_591_042, 7),
        body: &body,
        kind: &body,
        reverse_path: &from,
        recipient: &to,
    };
    let expires = Timestamp::from_millis(1_795_210_691_000);
    let good = key.sign(&claim, expires);
    let words = ["v2; ", "; id=", "; kid=", "; exp=", "; mac=", "=", ";", " ", "\r\n\t", "A", "f", "٣"];
    Campaign::new("token", effort(3_000, 40_000), vec![good.clone().into_bytes()]).words(&words).run(
        |input| {
            assert!(input.len() >= bare(input).len());
            let Ok(token) = Token::read(input) else { return };
            let now = Timestamp::from_millis(1_795_210_600_000);
            if key
                .look(&token, now)
                .and_then(|()| key.verify(&token, &Claim { id: token.id, ..claim }))
                .is_ok()
            {
                // Spaces between its fields are all that may differ.
                let plain: Vec<u8> =
                    input.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
                assert_eq!(String::from_utf8_lossy(&plain), good.replace(' ', ""));
            }
        },
    );
}
