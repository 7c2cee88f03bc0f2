//! Signed and sealed mail, mutated, and what the DNS says, mutated: nothing comes to speak for somebody who did not.

use super::attacks::{assert_not_bank, scene};
use super::scene::{Scene, Set, Signer};
use crate::dns::Zone;
use crate::model::{AuthResult, Outcome};
use crate::mutation::Campaign;
use crate::testing::effort;

const WORDS: [&str; 44] = [
    "From: a@bank.example\r\n",
    "From : <a@bank.example>\r\n",
    "From: a@evil.example, b@bank.example\r\n",
    "Sender: a@bank.example\r\n",
    "@bank.example",
    "bank.example",
    "d=bank.example;",
    "i=@bank.example;",
    "s=sel;",
    "s=sel._domainkey.bank.example.;",
    "h=from:from:to;",
    "h=",
    "bh=",
    "b=",
    "l=0;",
    "l=1;",
    "x=1;",
    "t=99999999999;",
    "v=1;",
    "v=2;",
    "a=rsa-sha1;",
    "a=ed25519-sha256;",
    "c=simple/simple;",
    "c=relaxed;",
    "q=dns/txt;",
    "; i=1; ",
    "; i=2; ",
    "; i=51; ",
    "cv=pass;",
    "DKIM-Signature: v=1; a=ed25519-sha256; d=bank.example; s=sel; h=from; bh=; b=\r\n",
    "ARC-Seal: i=1; cv=none;",
    "ARC-Message-Signature: i=1;",
    "ARC-Authentication-Results: i=1; bank.example; dmarc=pass header.from=bank.example\r\n",
    "Authentication-Results: mx.example.org; dmarc=pass\r\n",
    "Received: from x (bank.example [198.51.100.1])\r\n",
    "(",
    ")",
    "\"",
    "\\",
    "=?utf-8?q?a=40bank=2Eexample?=",
    "<",
    ">",
    ":;",
    "xn--",
];

fn samples() -> Vec<Vec<u8>> {
    let rest = "To: b@example.org\r\nSubject: x\r\n\r\nbody\r\n";
    let evil = Signer::new("evil.example");
    let plain = format!("From: Anna (x) <a@evil.example>\r\n{rest}");
    let signed = evil.dkim(&plain);
    let sealed = evil.seal(&signed, &Set::default());
    let twice = evil.seal(&sealed, &Set { instance: "2", status: "pass", ..Set::default() });
    [plain, signed, sealed, twice].map(String::into_bytes).to_vec()
}

#[test]
fn mail_of_an_attacker() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let scene = scene();
    Campaign::new("sender", effort(600, 40_000), samples()).words(&WORDS).run(|input| {
        let report = runtime.block_on(scene.report(input.to_vec()));
        let seen = report.authentication.unwrap();
        assert_not_bank(&seen, "mutated");
        assert_eq!(seen.mail_from.as_ref().unwrap().result, AuthResult::Pass);
        assert!(seen.dkim.len() <= 11, "{}", seen.dkim.len());
        assert!(!matches!(report.outcome, Outcome::Failed(_)), "{:?}", report.outcome);
    });
}

const ZONE: &str = "evil.example TXT v=spf1 include:a.example a:%{d}.b.example/24 mx ptr exists:%{ir}.%{v}._spf.%{d2} ip4:192.0.2.0/24 ip6:2001:db8::/32 redirect=c.example exp=e.example -all
a.example TXT v=spf1 ip4:192.0.2.66 ?all
c.example TXT v=spf1 include:c.example ~all
e.example TXT %{s} may not send from %{i} of %{p}, %{c} %{r} %{t}
evil.example MX 10 mx.evil.example
mx.evil.example A 192.0.2.66
mail.evil.example A 192.0.2.66
mail.evil.example CNAME mx.evil.example
66.2.0.192.in-addr.arpa PTR mail.evil.example
_dmarc.evil.example TXT v=DMARC1; p=quarantine; sp=reject; np=none; adkim=s; aspf=r; pct=50; psd=n; t=y; rua=mailto:a@evil.example!10m
_dmarc.example TXT v=DMARC1; psd=y; p=reject
slow.example TIMEOUT
broken.example FAIL
sel._domainkey.bank.example TXT v=DKIM1; h=sha256; k=rsa; s=email:*; t=y:s; n=x=20y; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDGMjj8MVaESl30KSPYdLaEreSYzvOVh15u9YKAmTLgk1ecr4BCRq3Vkg3Xa2QrEQWbIvQj9FNqBYOr3XIczzU8gkK5Kh42P4C3DgNiBvlNNk2BlA5ITN/EvVAn/ImjoGq5IrcO+hAj2iSAozYTEpJAKe0NTrj49CIkj5JI6ibyJwIDAQAB
";

#[test]
fn records_of_the_dns() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (evil, bank) = (Signer::new("evil.example"), Signer::new("bank.example"));
    let rest = "From: a@evil.example\r\nTo: b@example.org\r\nSubject: x\r\n\r\nbody\r\n";
    let raw = evil.seal(&bank.dkim(&evil.dkim(rest)), &Set::default());
    let words = [
        "include:",
        "redirect=",
        "exp=",
        "ip4:",
        "/0",
        "/33",
        "//128",
        "%{",
        "%{i999999999r.-+,/_=}",
        "%%",
        "%_",
        "%-",
        "all",
        "v=spf1 ",
        "v=DMARC1; ",
        "p=reject; ",
        "p=; ",
        "k=ed25519; ",
        "p=",
        "evil.example TXT ",
        " TIMEOUT\n",
        " FAIL\n",
        " MX 0 .\n",
        "*.",
        "..",
        "_dmarc.",
        "\"\" ",
        "CNAME evil.example\n",
        "psd=y;",
        "exists:%{l}.evil.example ",
    ];
    let samples = vec![(ZONE.to_owned() + &evil.record() + &bank.record()).into_bytes()];
    Campaign::new("zone", effort(600, 40_000), samples).words(&words).run(|input| {
        let Ok(zone) = std::str::from_utf8(input) else { return };
        if let Err(error) = Zone::parse(zone) {
            return assert!(!error.to_string().contains('\n'), "{error}");
        }
        let scene = Scene { zone: zone.to_owned(), ..Scene::default() };
        let report = runtime.block_on(scene.report(raw.clone()));
        let seen = report.authentication.unwrap();
        if seen.is_aligned() {
            let by_key = seen.dkim.iter().any(|dkim| dkim.result == AuthResult::Pass);
            let by_address =
                seen.mail_from.iter().chain(&seen.helo).any(|spf| spf.result == AuthResult::Pass);
            assert!(by_key || by_address, "{seen:?}");
        }
    });
}
