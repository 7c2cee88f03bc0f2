//! What an admin writes: mailward.toml, rules and their conditions, lists.

use std::path::Path;
use std::sync::Arc;

use mailward::config::Config;
use mailward::daemon::offline_terms;
use mailward::lists;
use mailward::mail::header;
use mailward::model::{Direction, Envelope, Recipient, ReversePath, Session, Timestamp};
use mailward::pipeline::Engine;
use mailward::pipeline::engine::{Looked, Subject};
use mailward::policy::Policy;
use mailward::telemetry::{Clock, Metrics};

use super::corpus;
use super::effort;
use super::judged;
use super::mutation::{Campaign, samples_in};

const NOW: Timestamp = Timestamp::from_millis(1_795_210_591_042);

/// A file in which the examples are in force.
fn uncommented(file: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(corpus::own(file)).unwrap();
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest.to_owned(),
        _ => line.to_owned(),
    };
    let lines: Vec<String> =
        text.lines().map(line).filter(|line| !line.is_empty() && !line.starts_with("# ")).collect();
    lines.join("\n").into_bytes()
}

/// What is said of a file's faults can be shown, and is not endless.
fn assert_told(told: &str) {
    assert!(!told.is_empty() && told.len() < 200_000, "{} bytes are told", told.len());
    assert!(!told.contains(['\x1b', '\0', '\u{202e}']), "{told:?}");
}

const TOML: [&str; 40] = [
    "[",
    "]",
    "[[rule]]\n",
    "[scanner.yara]\n",
    "[feed.x]\n",
    "[notify.x]\n",
    "[lmtp]\n",
    "[limits]\n",
    " = ",
    "\"",
    "\"\"\"",
    "'''",
    "#",
    "enabled = true\n",
    "on_failure = \"tempfail\"\n",
    "timeout = \"8s\"\n",
    "\"1d\"",
    "\"-1s\"",
    "\"99999999999999999d\"",
    "\"1 PiB\"",
    "\"18446744073709551615\"",
    "0",
    "-9223372036854775808",
    "1e400",
    "nan",
    "true",
    "[]",
    "{}",
    "{ a = {",
    "unix:/run/x",
    "inet:[::]:99999",
    "http://a:b@c/",
    "file:///dev/null",
    "10.0.0.0/8",
    "::/0",
    "\\u0000",
    "\\UFFFFFFFF",
    "a.b.c.d = 1\n",
    "1979-05-27T07:32:00Z",
    "state_dir = ",
];

#[test]
fn files_of_settings() {
    let mut samples = samples_in(&corpus::own("tests/golden/config"), 8 << 10);
    samples.push(uncommented("conf/mailward.toml"));
    let mut campaign = Campaign::new("settings", effort(150, 20_000), samples).words(&TOML);
    campaign.largest = 32 << 10;
    campaign.run(|input| match Config::parse(Path::new("mailward.toml"), input) {
        Ok(loaded) => {
            offline_terms(&loaded.config).unwrap();
            for warning in &loaded.warnings {
                assert_told(&warning.to_string());
            }
        }
        Err(errors) => assert_told(&errors.to_string()),
    });
}

const RULES: [&str; 58] = [
    "[[rule]]\nname = \"x\"\nwhen = 'true'\ndisposition = \"reject\"\n",
    "when = '",
    "disposition = \"accept\"\n",
    "even_malware = true\n",
    "adds = true\n",
    "early = true\n",
    "mode = \"shadow\"\n",
    "reply = \"{envelope.sender}\"\n",
    "decide = \"strictest\"\n",
    "shipped = false\n",
    "on_error = \"skip\"\n",
    "[mode]\n",
    "[group.x]\n",
    "recipients = [\"@a.example\"]\n",
    "score = { quarantine = nan }\n",
    "'",
    "\"",
    "&&",
    "||",
    "!",
    "!(",
    "? :",
    " ? true : false",
    "==",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    " in ",
    "[0]",
    "[-1]",
    ".size()",
    ".matches(\"(a*)*b\")",
    ".matches('[')",
    ".exists(x, x == x)",
    ".all(a, a.size() > 0)",
    ".map(x, x)",
    "timestamp(\"2026-01-01T00:00:00Z\")",
    "duration(\"1h\")",
    "9223372036854775807",
    "-9223372036854775808",
    "1.0/0.0",
    "0u",
    "b\"x\"",
    "r'\\'",
    "message.subject",
    "envelope.sender",
    "envelope.sender_domain",
    "recipient.groups",
    "recipient.address",
    "attachments",
    "urls",
    "findings",
    "score",
    "{score}",
];

/// A mail as it is after all scanners have looked, to be judged by any rules.
fn looked(engine: &Engine) -> Looked {
    let files = [
        ("invoice.exe", "application/octet-stream", b"MZ\x90\0".as_slice()),
        ("a.html", "text/html", b"<a href='http://evil.test/'>x</a>".as_slice()),
    ];
    let subject = Subject {
        id: Clock::system().mail_id().unwrap(),
        time: NOW,
        session: Arc::new(Session { helo: Some("mail.sender.example".into()), ..Session::default() }),
        envelope: Envelope {
            reverse_path: ReversePath(Recipient::new("<a@sender.example>")),
            recipients: vec![Recipient::new("<alice@example.org>"), Recipient::new("<sales@example.org>")],
            ..Envelope::default()
        },
        message: header::parse(corpus::carrying(&files)),
        fault: None,
        direction: Direction::Inbound,
        exempt: vec![false, false],
        released: None,
        auth_results: None,
        share: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(engine.look(subject))
}

#[test]
fn files_of_rules() {
    let place = tempfile::tempdir().unwrap();
    let settings = place.path().join("mailward.toml");
    std::fs::write(&settings, "").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let entered = runtime.enter();
    let (engine, _state) = judged::engine();
    drop(entered);
    let looked = looked(&engine);
    let mut samples = samples_in(&corpus::own("tests/golden/policy"), 8 << 10);
    samples.push(uncommented("conf/policy.toml"));
    samples.extend(samples_in(&corpus::own("tests/cases/rules"), 8 << 10).into_iter().filter_map(|case| {
        let text = String::from_utf8(case).ok()?;
        let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("policy: ")).collect();
        (!lines.is_empty()).then(|| lines.join("\n").into_bytes())
    }));
    let metrics = Arc::new(Metrics::new());
    let mut campaign = Campaign::new("rules", effort(250, 40_000), samples).words(&RULES);
    campaign.largest = 16 << 10;
    campaign.threads = 1;
    campaign.run(|input| {
        let rules = place.path().join("policy.toml");
        std::fs::write(&rules, input).unwrap();
        let config = match Config::load_with_rules(Some(&settings), Some(&rules)) {
            Ok(loaded) => loaded.config,
            Err(errors) => return assert_told(&errors.to_string()),
        };
        let policy = Policy::new(&config.policy).unwrap().with_rules(config.rules);
        let engine = Engine::new(engine.settings().clone(), Vec::new(), policy, Arc::clone(&metrics));
        let judged = engine.judge(&looked, 0);
        assert_eq!(judged.verdicts.len(), 2);
        assert_eq!(judged, engine.judge(&looked, 0), "the same mail is judged in two ways");
        for verdict in &judged.verdicts {
            assert!(!verdict.rule.is_empty() && verdict.score.value().is_finite(), "{verdict:?}");
        }
    });
}

#[test]
fn files_of_lists() {
    let full = "#mailward-list 1\tentry\texpires\tby\tcreated\thits\tlast_hit\tcomment\n\
        block\tsender:a@evil.test\t2027-01-01T00:00:00Z\troot\t2026-01-01T00:00:00Z\t3\t2026-02-01T00:00:00Z\tx\n\
        evil.test\t\troot\t2026-01-01T00:00:00Z\t0\t\t\n";
    let plain = "a@sender.example # why\n@sender.example\n*.sender.example\n192.0.2.0/24\n2001:db8::/32\nhttp://evil.test/a?b=c\n\
        subject:*win*\nalice@example.org: a@b.example\nexample.org: client:192.0.2.7\nmünchen.example\n";
    let samples = [full, plain].map(|text| text.as_bytes().to_vec()).to_vec();
    let words = [
        "\t",
        "\n",
        "#mailward-list 1\t",
        "#mailward-list 9\n",
        " # ",
        "sender:",
        "client:",
        "helo:",
        "url:",
        "subject:",
        "file:",
        "*",
        "**",
        "@",
        ": ",
        "/0",
        "/129",
        "xn--",
        "ß",
        "İ",
        "\u{feff}",
        "2027-01-01T00:00:00Z",
        "9999999999999999999",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ];
    Campaign::new("lists", effort(1_000, 40_000), samples).words(&words).run(|input| {
        match lists::read(input, NOW) {
            Ok(lines) => assert!(lines.len() <= input.iter().filter(|byte| **byte == b'\n').count() + 1),
            Err(unreadable) => {
                assert!(unreadable.count >= unreadable.faults.len() && !unreadable.faults.is_empty());
                unreadable.faults.iter().for_each(|fault| assert_told(&fault.what));
            }
        }
    });
}
