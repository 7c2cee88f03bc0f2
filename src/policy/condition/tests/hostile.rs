//! Conditions and messages that mean harm.

use super::*;

#[test]
fn deep_and_long_texts_are_refused_without_a_stack_that_runs_over() {
    let refused = |text: &str, wanted: &str| {
        let Err(faults) = Expression::compile(text, Kind::Bool) else {
            panic!("{}… was accepted", &text[..20]);
        };
        assert!(faults[0].message.contains(wanted), "{faults:?}");
    };
    refused(&format!("{}true{}", "(".repeat(5000), ")".repeat(5000)), "brackets stand more than 64 deep");
    refused(&"[".repeat(5000), "brackets stand more than 64 deep");
    refused(&format!("true{}", " == true".repeat(1900)), "too long");
    refused(&format!("1{} == 1", " + 1".repeat(390)), "more than 64 deep");
    refused(&format!("{}true", "true ? true : ".repeat(1000)), "too long");
    refused(&format!("session{}", ".a".repeat(7000)), "too long");
    refused(&format!("\"{}\" == \"\"", "a".repeat(20_000)), "at most 16384");
    // Two of them are nothing, also for the parser.
    compiled(&format!("{}true", "!".repeat(15_000)));
}

#[test]
fn what_is_just_allowed_is_read() {
    compiled(&format!("{}inbound{}", "(".repeat(64), ")".repeat(64)));
    compiled(&vec!["inbound"; 1000].join(" || "));
    let list: Vec<_> = (0..1500).map(|n| format!("\"d{n}.a\"")).collect();
    compiled(&format!("envelope.sender_domain in [{}]", list.join(", ")));
}

#[test]
fn a_loop_in_a_loop_over_much_runs_out_of_fuel() {
    let mut sample = Sample::new();
    sample.urls =
        (0..1000).map(|n| url(&format!("https://h{n}.example/"), Judgement::Unknown, &[])).collect();
    sample.findings = (0..1000)
        .map(|n| finding(Scanner::Yara, &format!("S{n}"), Severity::Low, Category::Spam, 0.1))
        .collect();
    let text = "findings.exists(f, urls.exists(u, u.host.contains(f.symbol) && f.text.contains(u.url)))";
    assert_eq!(sample.holds(text), Err(Failure::OutOfFuel));
    assert_eq!(sample.holds("findings.all(f, f.category == spam) && urls.size() == 1000"), Ok(true));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    #[test]
    fn any_text_made_of_the_languages_words_is_read_or_refused(
        words in proptest::collection::vec(proptest::sample::select(&[
            "score", "inbound", "urls", "findings", ".", "exists", "(", ")", "u", ",", "==", "&&", "||", "!", "\"a\"", "1",
            "1.5", "[", "]", "in", "?", ":", "size", "+", "-", "/", "%", "host", "auth", "dmarc", "high", "found", "é", "'", "\\", "{", "}", " ",
            "matches", "has", "message", "subject", "true",
        ][..]), 0..25)
    ) {
        let text = words.join(" ");
        if let Err(faults) = Expression::compile(&text, Kind::Bool) {
            proptest::prop_assert!(!faults.is_empty());
            for fault in faults {
                proptest::prop_assert!(text.get(fault.at.clone()).is_some(), "{} {:?}", text, fault);
            }
        }
        drop(Template::compile(&text));
    }
}
