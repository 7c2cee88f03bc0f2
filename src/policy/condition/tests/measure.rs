//! What conditions cost. Meaningful in an optimised build only:
//! `CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo test --lib condition::tests::measure -- --ignored --nocapture`.

use std::io::Write as _;
use std::time::Instant;

use super::*;

/// Such as people write.
const RULES: [&str; 20] = [
    "inbound && proven_malware.applies",
    "inbound && suspected_malware.applies",
    "inbound && blocked.applies && !recipient.exempt",
    "inbound && fraud.applies",
    "inbound && dmarc.wants == reject",
    "inbound && dmarc.wants == quarantine",
    "inbound && score >= thresholds.reject",
    "inbound && score >= thresholds.quarantine",
    "gaps.applies",
    "rspamd.applies && rspamd.action != \"no action\"",
    "inbound && score >= thresholds.tag",
    "inbound && signal.applies",
    "found(\"PHISH_*\") && auth.dmarc != \"pass\"",
    "worst(phish) >= medium && urls.exists(u, domain_in(u.host, [\"bad.example\", \"worse.example\"]))",
    "attachments.exists(a, a.extension in [\"exe\", \"scr\", \"js\", \"vbs\", \"lnk\"])",
    "message.subject.lower().contains(\"invoice\") && !auth.aligned",
    "header(\"X-Mailer\").matches(\"(?i)^bulk\")",
    "ip_in(session.client_ip, [\"192.0.2.0/24\", \"198.51.100.0/24\"]) && !session.tls",
    "domain_in(envelope.sender_domain, [\"shop.example\"]) && recipient.domain == \"our.example\"",
    "time.hour < 6 && envelope.recipients.size() > 20",
];

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

#[test]
#[ignore = "a measurement"]
fn what_rules_cost() {
    let sample = Sample::new();
    for times in [1_usize, 50] {
        let begin = Instant::now();
        let all: Vec<_> = (0..times).flat_map(|_| RULES).map(compiled).collect();
        let compile = begin.elapsed();
        let rounds = 200;
        let begin = Instant::now();
        for _ in 0..rounds {
            sample.look(|view| {
                let mut fuel = Fuel::of_a_message();
                for rule in &all {
                    assert!(rule.holds(view, &mut fuel).is_ok());
                }
            });
        }
        let line =
            format!("{} rules: read in {compile:?}, {:?} a message", all.len(), begin.elapsed() / rounds);
        say(&line);
    }
}

#[test]
#[ignore = "a measurement"]
fn what_all_the_fuel_of_a_message_costs() {
    let mut sample = Sample::new();
    sample.urls =
        (0..1000).map(|n| url(&format!("https://h{n}.example/"), Judgement::Unknown, &[])).collect();
    sample.findings = (0..1000)
        .map(|n| finding(Scanner::Yara, &format!("S{n}"), Severity::Low, Category::Spam, 0.1))
        .collect();
    sample.session.helo = Some("ab".repeat(500_000));
    for text in [
        "findings.exists(f, urls.exists(u, u.host == f.symbol))",
        "findings.exists(f, urls.exists(u, u.host.contains(f.symbol)))",
        "findings.exists(f, urls.exists(u, domain_in(u.host, [\"a.example\"])))",
        "findings.exists(f, urls.exists(u, u.url.matches(\"(a|b)*c\")))",
        "findings.exists(f, urls.exists(u, (u.url + f.text).upper() == \"\"))",
        "findings.map(f, urls.map(u, u.host)).size() == 1",
        "findings.exists(f, header(\"Subject\") == f.symbol)",
        "findings.exists(f, session.helo.contains(\"abababc\"))",
        "findings.exists(f, session.helo.matches(\"(a|b|ab)*c\"))",
        "findings.exists(f, session.helo.matches(\"([ab]{1,20}){5}c\"))",
        "findings.exists(f, session.helo.lower() == f.symbol)",
        "findings.exists(f, session.helo.size() == 1)",
    ] {
        let rule = compiled(text);
        let begin = Instant::now();
        let result = sample.look(|view| {
            let mut fuel = Fuel::of_a_message();
            let result = rule.holds(view, &mut fuel);
            (result, fuel.left())
        });
        say(&format!("{:?} {result:?}: {text}", begin.elapsed()));
    }
}
