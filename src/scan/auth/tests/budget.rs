//! Mail that makes the scanner ask much: what its sender chose does not keep the author's domain from an answer.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::scene::Scene;
use crate::model::{AuthResult, Authentication, Outcome};
use crate::scan::Report;

const BODY: &str = "To: b@example.org\r\nSubject: x\r\n\r\nbody\r\n";

/// The most that RFC 7208 §4.6.4 allows a record to ask: 111 questions and the record.
fn greedy(owner: &str) -> String {
    let mut zone = format!("{owner} TXT v=spf1");
    (0..10).for_each(|m| write!(zone, " mx:m{m}.{owner}").unwrap());
    zone.push_str(" -all\n");
    for m in 0..10 {
        for h in 0..10 {
            writeln!(zone, "m{m}.{owner} MX {h} h{h}.m{m}.{owner}\nh{h}.m{m}.{owner} A 198.51.100.9")
                .unwrap();
        }
    }
    zone
}

/// A bank whose SPF stands in four records, and a client with ten names.
fn before_the_bank(zone: &str) -> Scene {
    let mut all = "bank.example TXT v=spf1 include:i1.bank.example -all
        i1.bank.example TXT v=spf1 include:i2.bank.example -all
        i2.bank.example TXT v=spf1 include:i3.bank.example -all
        i3.bank.example TXT v=spf1 ip4:198.51.100.1 -all
        evil.example TXT v=spf1 ip4:192.0.2.66 -all
        _dmarc.bank.example TXT v=DMARC1; p=reject\n"
        .to_owned();
    (0..12).for_each(|n| writeln!(all, "66.2.0.192.in-addr.arpa PTR n{n}.evil.example").unwrap());
    Scene { zone: all + zone, mail_from: "<a@bank.example>".to_owned(), ..Scene::default() }
}

fn signature(domain: &str, selector: &str) -> String {
    format!(
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s={selector}; h=From; \
         bh=Ck5SoRNWUpSR4X0COv7R5ub2pUTtl6xz4dTFz++ji4M=; b=QUJD\r\n"
    )
}

fn chain(sets: usize) -> String {
    let mut fields = String::new();
    for i in (1..=sets).rev() {
        let cv = if i == 1 { "none" } else { "pass" };
        write!(
            fields,
            "ARC-Seal: i={i}; a=rsa-sha256; cv={cv}; d=k{i}.evil.example; s=s; b=QUJD\r\n\
             ARC-Message-Signature: i={i}; a=rsa-sha256; c=relaxed/relaxed; h=From; d=k{i}.evil.example; s=s; \
             bh=Ck5SoRNWUpSR4X0COv7R5ub2pUTtl6xz4dTFz++ji4M=; b=QUJD\r\n\
             ARC-Authentication-Results: i={i}; x; dmarc=pass\r\n"
        )
        .unwrap();
    }
    fields
}

fn seen(report: &Report) -> Authentication {
    Authentication::clone(report.authentication.as_deref().unwrap())
}

/// SPF of MAIL FROM, and DMARC.
fn results(seen: &Authentication) -> [AuthResult; 2] {
    [seen.mail_from.as_ref().unwrap().result, seen.dmarc.as_ref().unwrap().result]
}

#[tokio::test]
async fn a_greedy_record_of_the_helo_name_takes_nothing_from_the_author() {
    let scene = Scene { helo: "mail.evil.example", ..before_the_bank(&greedy("mail.evil.example")) };
    let report = scene.report(format!("From: a@bank.example\r\n{BODY}")).await;
    let seen = seen(&report);
    assert_eq!(results(&seen), [AuthResult::Fail; 2], "{seen:#?}");
    let helo = seen.helo.unwrap();
    assert_eq!((helo.result, helo.over_budget), (AuthResult::TempError, true));
    assert!(!matches!(report.outcome, Outcome::Failed { .. }), "{:?}", report.outcome);
}

#[tokio::test]
async fn a_message_that_asks_too_much_in_every_way_fails_dmarc_all_the_same() {
    let zone = greedy("mail.evil.example") + &greedy("greedy.evil.example");
    let others: String = (0..9).map(|n| signature(&format!("d{n}.evil.example"), "s")).collect();
    let raw = others + &chain(50) + &signature("bank.example", "zzz") + "From: a@bank.example\r\n" + BODY;
    for mail_from in ["<a@greedy.evil.example>", "<>", "<a@evil.example>", "<a@bank.example>"] {
        let scene =
            Scene { helo: "mail.evil.example", mail_from: mail_from.to_owned(), ..before_the_bank(&zone) };
        let report = scene.report(raw.clone()).await;
        let seen = seen(&report);
        let [spf, dmarc] = results(&seen);
        assert_eq!(dmarc, AuthResult::Fail, "{mail_from} {spf}: {:#?}", seen.dmarc);
        let forged = seen.dkim.last().unwrap();
        assert_eq!((&*forged.domain, forged.result), ("bank.example", AuthResult::PermError), "it was asked");
        assert!(seen.dkim.iter().all(|d| !d.over_budget), "{:#?}", seen.dkim);
        let told = report.outcome.to_string();
        assert_eq!(told, "failed(dns-budget)", "a chain of 50 is beyond it");
        assert_eq!(
            seen.mail_from.map(|spf| spf.over_budget),
            Some(mail_from == "<a@greedy.evil.example>" || mail_from == "<>"),
            "{mail_from}"
        );
    }
}

#[tokio::test]
async fn what_the_author_asks_too_much_is_no_doubt_either() {
    let scene = Scene {
        mail_from: "<a@wide.example>".to_owned(),
        ..before_the_bank(&(greedy("wide.example") + "_dmarc.wide.example TXT v=DMARC1; p=reject\n"))
    };
    let report = scene.report(format!("From: a@wide.example\r\n{BODY}")).await;
    let seen = seen(&report);
    assert_eq!(results(&seen), [AuthResult::TempError, AuthResult::Fail]);
    assert_eq!(report.outcome.to_string(), "failed(dns-budget)");

    // A DNS that fails is a doubt.
    let scene = Scene {
        mail_from: "<a@down.example>".to_owned(),
        ..before_the_bank("down.example FAIL TXT\n_dmarc.down.example TXT v=DMARC1; p=reject\n")
    };
    let report = scene.report(format!("From: a@down.example\r\n{BODY}")).await;
    assert_eq!(results(&self::seen(&report)), [AuthResult::TempError; 2]);
    assert_eq!(report.outcome.to_string(), "failed(temperror)");
}

#[tokio::test]
async fn of_a_small_budget_the_author_has_the_first_part() {
    // Two names of the walk, and the key.
    for (questions, forged) in [(3, AuthResult::PermError), (2, AuthResult::TempError)] {
        let mut scene = before_the_bank(&greedy("mail.evil.example"));
        scene.settings.questions = questions;
        let raw = signature("other.example", "s") + &signature("bank.example", "s");
        let seen = scene.seen(format!("{raw}From: a@bank.example\r\n{BODY}")).await;
        assert_eq!(results(&seen), [AuthResult::TempError, AuthResult::Fail], "{questions}");
        let keys = [&seen.dkim[0], &seen.dkim[1]].map(|d| (d.result, d.over_budget));
        let over = forged == AuthResult::TempError;
        assert_eq!(keys, [(AuthResult::TempError, true), (forged, over)], "{questions}");
    }
}

#[tokio::test]
async fn hostile_headers_are_read_in_bounded_time() {
    let relays = vec!["192.0.2.0/24".parse().unwrap()];
    let many = |count: usize, line: &str| line.repeat(count);
    let received = "Received: from 192.0.2.66 (x [192.0.2.66]) by y (Postfix)\r\n";
    let folded = format!("Received: from {}", "(((( [192.0.2.9\r\n\t".repeat(60_000));
    let from_list = format!("Received: from a (x [192.0.2.66]) by y ({}\r\n", "(".repeat(1 << 20));
    let long_b = format!(
        "DKIM-Signature: v=1; a=rsa-sha256; d=bank.example; s=s; h=from; bh=eDCyaw7m810RhFf0TmGWGkTYiT/1GwL4/PCOGIr3ew4=; b={}\r\n",
        "QUJD\r\n ".repeat(1 << 17)
    );
    let long_h = format!(
        "DKIM-Signature: v=1; a=rsa-sha256; d=bank.example; s=s; h={}from; bh=eDCyaw7m810RhFf0TmGWGkTYiT/1GwL4/PCOGIr3ew4=; b=QUJD\r\n",
        "from:x:".repeat(150_000)
    );
    let signatures: String = (0..10_000).map(|n| signature("bank.example", &format!("s{n}"))).collect();
    let arc = "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=evil.example; s=s; b=QUJD\r\n";
    for (what, header) in [
        ("Received fields", many(100_000, received)),
        ("one long Received field", folded),
        ("a comment in a comment", from_list),
        ("signatures", signatures),
        ("a signature of a megabyte", long_b),
        ("a list of fields of a megabyte", long_h),
        ("seals", many(100_000, arc)),
        ("From fields", many(100_000, "From: a@bank.example\r\n")),
        (
            "results",
            many(100_000, "Authentication-Results: gw.example; dmarc=pass header.from=bank.example\r\n"),
        ),
        (
            "all of them",
            many(20_000, received) + &many(10_000, arc) + &signature("bank.example", "s").repeat(10_000),
        ),
    ] {
        let mut scene = before_the_bank("");
        scene.settings.trusted_relays.clone_from(&relays);
        scene.settings.trusted_ids = vec!["gw.example".parse().unwrap()];
        let begun = Instant::now();
        let report = scene.report(format!("{header}From: a@bank.example\r\n{BODY}")).await;
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(20), "{what}: {took:?}");
        let seen = seen(&report);
        // Nobody can be named, so nobody passes.
        assert_eq!((seen.client, seen.is_aligned()), (None, false), "{what}: {:?}", seen.client);
        assert!(seen.dkim.len() <= scene.settings.signatures, "{what}");
    }
}
