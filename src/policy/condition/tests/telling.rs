//! What is told of conditions.

use super::*;

#[test]
fn what_is_told_says_how_far_it_is_from_coming_out_otherwise() {
    let sample = Sample::new();
    for (text, told) in [
        ("score >= thresholds.reject", "score 7.5 is 7.5 short of thresholds.reject = 15.0"),
        ("score >= thresholds.tag", "score 7.5 reaches thresholds.tag = 3.0, 4.5 above it"),
        ("score >= 7.5", "score 7.5 reaches 7.5"),
        ("score > 7.5", "score 7.5 is exactly 7.5"),
        ("15.0 <= score", "score 7.5 is 7.5 short of 15.0"),
        ("score < 8.0", "score 7.5 is 0.5 below 8.0"),
        ("attempt >= 3", "attempt 2 is 1 short of 3"),
        ("size(urls) > 1", "size(urls) 3 reaches 1, 2 above it"),
        ("inbound && score >= 3.0", "score 7.5 reaches 3.0, 4.5 above it"),
        ("outbound && score >= 3.0", "outbound is false"),
        ("inbound && !local", "inbound is true; local is false"),
        ("inbound && score > 3.0 && auth.dmarc == \"fail\"", "auth.dmarc is \"pass\", not \"fail\""),
        ("outbound || auth.dmarc == \"pass\" || local", "auth.dmarc is \"pass\""),
        ("outbound || auth.dmarc == \"fail\"", "outbound is false; auth.dmarc is \"pass\", not \"fail\""),
        ("found(\"X*\")", "no finding X*"),
        ("found(\"X*\", \"yara\")", "no finding X* from yara"),
        ("found(\"ODD_*\")", "finding ODD_MACRO (yara)"),
        ("!found(\"ODD_*\")", "finding ODD_MACRO (yara)"),
        ("worst(malware) >= critical", "worst(malware) is high, below critical"),
        ("worst(malware) >= high", "worst(malware) is high"),
        ("rspamd.applies", "rspamd: add header, score 7.25 of 15.0: add_header = tag"),
        ("rspamd.wants in [reject, discard]", "rspamd: add header, score 7.25 of 15.0: add_header = tag"),
        ("dmarc.wants == reject", "DMARC of shop.example: pass, by SPF"),
        ("\"clamd\" in missing", "missing is [\"clamd\"], with \"clamd\""),
        ("session.helo in [\"a\", \"b\"]", "session.helo is \"mx.shop.example\", not in [\"a\", \"b\"]"),
        (
            "message.subject.contains(\"shop\")",
            "message.subject is \"Grüße from the shop\", contains \"shop\"",
        ),
        ("message.subject.matches(\"^x\")", "message.subject is \"Grüße from the shop\", does not match ^x"),
        ("ip_in(session.client_ip, [\"::1\"])", "session.client_ip is \"192.0.2.7\", none of those listed"),
        ("has_header(\"X-A\")", "there is no field X-A"),
        ("findings.exists(f, f.score > 3)", "findings: ODD_MACRO (yara) is so that f.score > 3"),
        ("findings.exists(f, f.score > 9)", "none of 3 findings so that f.score > 9"),
        ("findings.all(f, f.score > 3)", "findings: BAYES_SPAM (rspamd) is not so that f.score > 3"),
        ("urls[7].host == \"a\"", "a position beyond the end of a list"),
        ("true", "always so"),
    ] {
        assert_eq!(sample.tell(text), told, "{text}");
    }
}

#[test]
fn foreign_text_is_told_on_one_short_line() {
    let mut sample = Sample::new();
    sample.session.helo = Some(format!("a\r\n\u{202e}{}", "x".repeat(5000)));
    let told = sample.tell("session.helo == \"a\"");
    assert!(told.starts_with("session.helo is \"a  xxx") && told.chars().count() <= 300, "{told}");
}
