//! What holds for every value of the vocabulary: its text comes back, no text makes it panic, and what
//! is made safe is safe.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Texts as they come from mail, and those that are hard on whoever cuts or folds them.
fn foreign() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<String>(),
        2 => "[ -~]{0,200}",
        2 => "(?s)[\\x00-\\x1f a\u{202e}\u{200b}\u{e0041}é…%]{0,100}",
        1 => vec(prop_oneof!["[a-z]{0,1500}", " {0,1500}", "\\PC{0,80}"], 0..6).prop_map(|words| words.join(" ")),
    ]
}

fn is_printable_ascii(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

proptest! {
    #[test]
    fn a_header_value_stays_one_field(name in "[!-9;-~]{1,60}", text in foreign()) {
        let value = HeaderValue::new(&name, &text);
        let lines: Vec<&str> = value.as_str().split('\n').collect();
        for (number, line) in lines.iter().enumerate() {
            let content = if number == 0 { Some(*line) } else { line.strip_prefix('\t') };
            prop_assert!(content.is_some_and(is_printable_ascii), "{line:?}");
            let length = line.len() + if number == 0 { name.len() + 2 } else { 0 };
            prop_assert!(length <= 998, "a line of {length}");
            // A line of white space alone would end the header for some readers.
            prop_assert!(number == 0 || !line.trim().is_empty(), "{:?}", value.as_str());
        }
        // Nothing but white space is added or taken away.
        let bare = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
        prop_assert_eq!(bare(&value.unfolded()), bare(&text::ascii_line(&text, 4096)));
    }

    #[test]
    fn a_line_made_safe_is_one_line_that_stays_as_it_is(text in foreign(), max in 1usize..300) {
        let line = text::line(&text, max);
        prop_assert!(line.chars().count() <= max);
        prop_assert!(!line.chars().any(char::is_control));
        let hidden = ['\u{202e}', '\u{200b}', '\u{2028}', '\u{e0041}'];
        prop_assert!(!line.contains(hidden));
        prop_assert_eq!(text::line(&line, max), line);
        let ascii = text::ascii_line(&text, max);
        prop_assert!(ascii.len() <= max && is_printable_ascii(&ascii), "{ascii:?}");
        let csv = text::csv_field(&text, max);
        let inner = csv.strip_prefix('"').and_then(|c| c.strip_suffix('"')).unwrap();
        prop_assert!(!inner.replace("\"\"", "").contains(['"', '\n', '\r']));
        prop_assert!(!inner.starts_with(['=', '+', '-', '@']));
    }

    #[test]
    fn a_reply_is_one_line_of_smtp_or_none_at_all(
        code in 0u16..700, enhanced in (0u8..7, 0u16..1100, 0u16..1100), text in foreign(),
    ) {
        let reply = SmtpReply::new(code, enhanced, &text);
        let agrees = u16::from(enhanced.0) == code / 100 && enhanced.1 < 1000 && enhanced.2 < 1000;
        prop_assert_eq!(reply.is_ok(), (400..600).contains(&code) && agrees);
        for reply in reply.into_iter().chain([SmtpReply::reject(&text), SmtpReply::tempfail(&text), SmtpReply::overloaded(&text)]) {
            let line = reply.to_string();
            prop_assert!(is_printable_ascii(&line) && line.len() <= 510, "{line:?}");
            prop_assert_eq!(reply.is_temporary(), line.starts_with('4'));
            let json = serde_json::to_string(&reply).unwrap();
            prop_assert_eq!(serde_json::from_str::<SmtpReply>(&json).unwrap(), reply);
        }
    }

    #[test]
    fn an_id_comes_back_from_its_text(millis in 0u64..1 << 50, random in any::<u64>(), text in foreign()) {
        let id = MailId::from_parts(millis, random);
        prop_assert_eq!(id.unix_millis(), millis);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        prop_assert!(id.as_str().bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
        // What is taken for an id is safe in a path.
        if let Ok(read) = text.parse::<MailId>() {
            prop_assert_eq!(read.to_string(), text.trim().to_ascii_lowercase());
        }
    }

    #[test]
    fn ids_sort_as_their_times_do(a in 0u64..1 << 50, b in 0u64..1 << 50, random in any::<(u64, u64)>()) {
        let (one, other) = (MailId::from_parts(a, random.0), MailId::from_parts(b, random.1));
        prop_assert!(a == b || (one < other) == (a < b));
    }

    #[test]
    fn a_size_comes_back_from_its_text(bytes in any::<u64>(), shift in 0u32..64, text in "[ 0-9]{0,22}[ kKmMgGiIbB]{0,5}") {
        for size in [ByteSize(bytes), ByteSize(bytes >> shift), ByteSize(1 << shift)] {
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
        if let Ok(size) = text.parse::<ByteSize>() {
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }

    #[test]
    fn a_span_comes_back_from_its_text(millis in any::<u64>(), shift in 0u32..64, text in "[ 0-9]{0,22}[ msHhd]{0,4}") {
        for span in [Span::millis(millis), Span::millis(millis >> shift)] {
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }
        if let Ok(span) = text.parse::<Span>() {
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }
    }

    #[test]
    fn a_time_comes_back_from_its_text(millis in 0u64..253_402_300_800_000, any in any::<u64>(), text in foreign()) {
        let time = Timestamp::from_millis(millis);
        prop_assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
        prop_assert!(time.to_string().starts_with(&time.day()));
        // Times that no calendar has are shown all the same.
        let odd = Timestamp::from_millis(any);
        prop_assert!(!odd.to_string().is_empty() && odd.day().len() == 10);
        prop_assert_eq!(odd.before(Duration::MAX), Timestamp::default());
        prop_assert!(Timestamp::parse(&text).is_none_or(|read| Timestamp::parse(&read.to_string()) == Some(read)));
    }

    #[test]
    fn text_that_is_no_size_span_or_id_is_refused_in_a_sentence(text in foreign()) {
        for error in [text.parse::<ByteSize>().err(), text.parse::<Span>().err()].into_iter().flatten() {
            prop_assert!(!error.is_empty());
        }
        if let Err(error) = text.parse::<MailId>() {
            prop_assert!(error.to_string().len() < 400);
        }
    }
}
