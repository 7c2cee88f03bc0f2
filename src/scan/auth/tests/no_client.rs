//! Mail of which it is not known who sent it: by LMTP, from a queue that does not say for whom it speaks.

use super::scene::{Scene, Signer};
use crate::mail::results::authentication_results;
use crate::model::{AuthResult, Outcome, Skip};

#[tokio::test]
async fn without_a_client_a_signature_speaks_for_the_author_and_nothing_speaks_against_him() {
    let signer = Signer::new("bank.example");
    let zone = format!(
        "{}_dmarc.bank.example TXT v=DMARC1; p=reject\nbank.example TXT v=spf1 -all\nevil.example TXT v=spf1 -all\n",
        signer.record()
    );
    let nobody = Scene { zone, ip: "", helo: "localhost", ..Scene::default() };
    // What stands on top says nothing: who wrote it is not known either.
    let raw = "Received: from x (x [127.0.0.1]) by y\r\nFrom: a@bank.example\r\nTo: b@c\r\nSubject: x\r\n\r\nbody\r\n";
    let signed = nobody.report(signer.dkim(raw)).await;
    let seen = signed.authentication.unwrap();
    assert_eq!(signed.outcome, Outcome::Skipped(Skip::NoClient));
    assert_eq!((&seen.helo, &seen.mail_from, &seen.iprev, seen.client), (&None, &None, &None, None));
    assert_eq!(
        (seen.dkim[0].result, seen.dmarc.as_ref().unwrap().result),
        (AuthResult::Pass, AuthResult::Pass)
    );
    let told = authentication_results("mx.example.org", &seen);
    assert!(told.starts_with("mx.example.org; dkim=pass ") && told.contains("; dmarc=pass "), "{told}");

    let bare = nobody.report(raw).await;
    assert_eq!((bare.outcome, bare.findings.len()), (Outcome::Skipped(Skip::NoClient), 0));
    let told = authentication_results("mx.example.org", &bare.authentication.unwrap());
    assert_eq!(
        told,
        "mx.example.org; dkim=none; dmarc=none reason=\"the client is not known, so SPF could not be looked at\" \
         header.from=bank.example policy.dmarc=reject"
    );
}
