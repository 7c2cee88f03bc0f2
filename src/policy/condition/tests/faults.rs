//! What is refused, where, and in which words.

use super::*;

/// What is told of each, with the place marked.
const REFUSED: &[&str] = &[
    "",
    "  ",
    "scroe > 1",
    "subject == \"a\"",
    "sessoin.helo == \"\"",
    "session.hello == \"\"",
    "session",
    "auth.x == 1",
    "found",
    "findings.symbol == \"A\"",
    "session.helo.size == 1",
    "session.helo.x",
    "score",
    "findings",
    "session.helo",
    "size(urls)",
    "urls",
    "score >",
    "score > > 1",
    "(score > 1",
    "score > 1)",
    "[1, 2",
    "score > 1]",
    "(score > 1]",
    "score = 1",
    "a & b",
    "a | b",
    "inbound and local",
    "inbound or local",
    "not inbound",
    "True",
    "null",
    "if inbound",
    "\"abc",
    "'abc\n'",
    "\"a\\qb\" == \"\"",
    "“abc” == \"\"",
    "inbound; local",
    "# all",
    "é == 1",
    "1 + 2 3 == 1",
    "inbound ? true",
    "99999999999999999999 > 1",
    "\"é\" == 99999999999999999999",
    "1u == 1",
    "b\"a\" == b\"a\"",
    "{\"a\": 1}",
    "X{a: 1} == 1",
    "worst(malware) == \"high\"",
    "\"hgih\" == worst(malware)",
    "dmarc.wants == \"reject\"",
    "dmarc.wants > tag",
    "high == malware",
    "high > 3",
    "auth.dmarc == pass",
    "session.helo == high",
    "auth.dmarc == \"passed\"",
    "auth.dmarc in [\"pass\", \"passed\"]",
    "outcome(\"clamd\") == \"fine\"",
    "outcome(\"clamav\") == \"ok\"",
    "\"clamav\" in missing",
    "urls.exists(u, u.judgement == \"Phish\")",
    "envelope.sender_domain == \"Example.org\"",
    "attachments.exists(a, a.extension in [\".exe\"])",
    "score == \"5\"",
    "score == true",
    "findings == findings",
    "score + \"a\" == \"b\"",
    "-session.helo == 1",
    "!score",
    "score && inbound",
    "inbound && size(urls)",
    "inbound + local == 1",
    "1.5 % 2.0 == 1.0",
    "inbound ? 1 : \"a\"",
    "\"a\" in \"abc\"",
    "1 in [\"a\"]",
    "high in [\"high\"]",
    "[1, \"a\"] == []",
    "score[0] == 1",
    "urls[\"a\"].host == \"\"",
    "urls[-1].host == \"\"",
    "urls.x == 1",
    "header(session.helo) == \"\"",
    "header(\"Subject:\") == \"\"",
    "header() == \"\"",
    "found(\"\")",
    "found(\"A\", \"clam\")",
    "listed(\"blok\")",
    "listed(\"block\", \"link\")",
    "lists.exists(l, l.on == \"From\")",
    "worst(\"phish\") == high",
    "worst(high) == high",
    "ip_in(session.client_ip, [\"192.0.2.1/24\", \"x\"])",
    "ip_in(session.client_ip, envelope.recipients)",
    "ip_in(score, [\"::1\"])",
    "domain_in(envelope.sender_domain, [\"*.example.org\", \"@example.org\", \"a b\"])",
    "session.helo.matches(\"(\")",
    "session.helo.matches(\"(?=a)\")",
    "session.helo.matches(\"((a{100}){100}){100}\")",
    "session.helo.matches(session.user)",
    "session.helo.startswith(\"a\")",
    "session.helo.foo()",
    "foo(1)",
    "len(urls) > 1",
    "session.helo.lower(1) == \"\"",
    "lower(session.helo) == \"\"",
    "envelope.recipients.contains(\"a\")",
    "score.contains(\"a\")",
    "urls.exists(score, true)",
    "urls.exists(u, u.hots == \"\")",
    "urls.exists(u.x, true)",
    "urls.exists(u, u.host)",
    "score.exists(u, true)",
    "urls.exists(u)",
    "urls.exists(u, v.host == \"\")",
    "urls.exists(a, urls.exists(b, urls.exists(c, urls.exists(d, true))))",
    "has(score)",
    "has(auth.x)",
    "1 / 0 == 1",
    "session.client_ip in [\"a\", 1]",
    "score > 1 &&\n  scroe > 2",
    "scroe > 1 && auht.dmarc == \"pass\"",
    ".score > 1",
    "score?.x",
    "a.b.c",
    "mailward.score > 1",
    "session[\"helo\"] == \"\"",
    "1 == 1.0 ? 1 : 2",
    "\"a\".size",
];

fn told() -> String {
    let mut out = String::new();
    for text in REFUSED {
        let shown = text.replace('\n', "⏎");
        out.push_str(&format!("{shown}\n"));
        let Err(faults) = Expression::compile(text, Kind::Bool) else {
            out.push_str("  accepted\n\n");
            continue;
        };
        for fault in faults {
            assert!(text.get(fault.at.clone()).is_some(), "{text}: {fault:?}");
            let before = text.get(..fault.at.start).unwrap_or_default().chars().count();
            let width = text.get(fault.at.clone()).unwrap_or_default().chars().count().max(1);
            out.push_str(&format!("{}{}\n  {}\n", " ".repeat(before), "^".repeat(width), fault.message));
        }
        out.push('\n');
    }
    out
}

#[test]
fn each_fault_is_told_at_its_place() {
    let golden = include_str!("golden/faults.txt");
    let told = told();
    if std::env::var_os("MAILWARD_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/policy/condition/tests/golden/faults.txt");
        std::fs::write(path, &told).unwrap();
        return;
    }
    assert!(!told.contains("  accepted"), "{told}");
    assert_eq!(told, golden);
}

#[test]
fn a_fault_in_a_template_has_its_place_in_the_whole_text() {
    let faults = |text: &str| match Template::compile(text) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|f| (f.at, f.message)).collect::<Vec<_>>(),
    };
    assert_eq!(
        faults("é {scroe} and {urls}"),
        [
            (4..9, "unknown name \"scroe\"; did you mean \"score\"?".to_owned()),
            (16..20, "a list of links cannot be shown; name a field of it".to_owned()),
        ]
    );
    assert_eq!(faults("a { b"), [(2..3, "this { is never closed; write {{ for the character".to_owned())]);
    assert_eq!(faults("a } b"), [(2..3, "this } closes nothing; write }} for the character".to_owned())]);
    assert_eq!(faults("{{a}} {\"}\"}"), []);
}
