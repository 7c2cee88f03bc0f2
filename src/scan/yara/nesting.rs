//! How deep the text of a rule file is nested, looked at before yara-x reads it.
//!
//! yara-x goes down a level for each bracket, each prefix (`not`, `-`, `~`, `defined`) and each comparison of a chain, when it
//! reads, compiles and forgets a condition. The end of the stack is the end of the process: it is no panic, and nothing
//! catches it. So whoever writes rules, or publishes them, could stop the filter with one file, again at each start.
//!
//! A call in a call takes it three times as long as the one alone: thirteen of `uint8(uint8(…))` took fourteen seconds, without
//! optimization, and a line of them would not end.
//!
//! What counts is bounded from above: tokens since the last `and`, `or` or comma, and those before each bracket that is still
//! open. Tokens are told as yara-x 1.22 tells them; what it would refuse counts as if it did not.

/// The most that may be nested, in tokens.
const MAX: usize = 300;
/// What a bracket counts.
const BRACKET: usize = 6;
/// The most calls in calls.
const MAX_CALLS: usize = 6;
/// Words before a bracket that make no call of it.
const NO_CALLS: [&[u8]; 14] = [
    b"and",
    b"or",
    b"not",
    b"in",
    b"of",
    b"at",
    b"defined",
    b"contains",
    b"icontains",
    b"startswith",
    b"istartswith",
    b"endswith",
    b"iendswith",
    b"matches",
];

/// A bracket that is open.
struct Open {
    kind: u8,
    /// The count before it.
    before: usize,
    /// The count at which its content, and what follows an `and` in it, begins.
    base: usize,
    /// It is a hexadecimal pattern, or in one: bytes do not count.
    is_hex: bool,
    /// Of how many calls this is an argument.
    calls: usize,
}

/// The line in which it is nested deeper than yara-x can be trusted with; `None`: nowhere.
pub(super) fn too_deep(text: &[u8]) -> Option<usize> {
    let mut open: Vec<Open> = Vec::new();
    let (mut at, mut count, mut last) = (0, 0, &b""[..]);
    while let Some(&first) = text.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        if first.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        if let Some(length) = comment(rest) {
            at += length;
            continue;
        }
        let length = token(rest);
        let word = rest.get(..length).unwrap_or_default();
        at += length;
        let (base, is_hex, in_jump) =
            open.last().map_or((0, false, false), |open| (open.base, open.is_hex, open.kind == b'['));
        let is_byte = is_hex
            && match word {
                b"-" => in_jump,
                b"~" => text.get(at).is_some_and(is_nibble),
                _ => word == b"|" || word.iter().all(is_nibble),
            };
        let in_rule = open.len() == 1;
        let before = std::mem::replace(&mut last, word);
        match word {
            b"(" | b"[" | b"{" => {
                // The braces of the rule itself.
                let own = if open.is_empty() { 0 } else { count + BRACKET };
                let is_hex = is_hex || (first == b'{' && before == b"=");
                let calls = open.last().map_or(0, |open| open.calls)
                    + usize::from(first == b'(' && is_called(before));
                if calls > MAX_CALLS {
                    return Some(line(text, at));
                }
                open.push(Open { kind: first, before: count, base: own, is_hex, calls });
                count = own;
            }
            b")" | b"]" | b"}" => {
                let fits = |open: &mut Open| {
                    matches!((open.kind, first), (b'(', b')') | (b'[', b']') | (b'{', b'}'))
                };
                if let Some(closed) = open.pop_if(fits) {
                    count = closed.before;
                }
            }
            b"and" | b"or" | b"," => count = base,
            b"=" | b":" if in_rule => count = base,
            _ if open.is_empty() || is_byte => {}
            _ => count += 1,
        }
        if count > MAX {
            return Some(line(text, at));
        }
    }
    None
}

/// The number of the line of this byte.
fn line(text: &[u8], at: usize) -> usize {
    1 + memchr::memchr_iter(b'\n', text.get(..at).unwrap_or_default()).count()
}

/// Whether a bracket behind this token makes a call of it.
fn is_called(token: &[u8]) -> bool {
    token.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') && !NO_CALLS.contains(&token)
}

/// The length of the comment that begins here.
fn comment(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'/', b'/', ..] => Some(memchr::memchr(b'\n', rest).unwrap_or(rest.len())),
        [b'/', b'*', inside @ ..] => memchr::memmem::find(inside, b"*/").map(|end| end + 4),
        _ => None,
    }
}

/// The length of the token that begins here; one byte where none does.
fn token(rest: &[u8]) -> usize {
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'#' | b'@' | b'?');
    match rest {
        [b'"', b'"', b'"', inside @ ..] => literal(inside, b'"', true)
            .filter(|end| inside.get(*end..).is_some_and(|end| end.starts_with(b"\"\"\"")))
            .map(|end| end + 6)
            .or(Some(2)),
        [b'"', inside @ ..] => literal(inside, b'"', false).map(|end| end + 2),
        // A comment that does not end.
        [b'/', b'*', ..] => None,
        [b'/', inside @ ..] => literal(inside, b'/', false).map(|end| end + 2),
        [b'=' | b'!' | b'<' | b'>', b'=', ..] | [b'<', b'<', ..] | [b'>', b'>', ..] => Some(2),
        [first, ..] if is_word(first) => Some(rest.iter().take_while(|b| is_word(b)).count()),
        _ => None,
    }
    .unwrap_or(1)
}

/// Where the end of a text or regular expression is, after its first character; `None` where it does not end.
fn literal(inside: &[u8], end: u8, over_lines: bool) -> Option<usize> {
    let mut at = 0;
    loop {
        match inside.get(at)? {
            b'\\' if inside.get(at + 1) != Some(&b'\n') => at += 2,
            b'\\' => return None,
            b'\n' if !over_lines => return None,
            byte if *byte == end => return Some(at),
            _ => at += 1,
        }
    }
}

/// Half a byte of a hexadecimal pattern.
const fn is_nibble(byte: &u8) -> bool {
    byte.is_ascii_hexdigit() || *byte == b'?'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn condition(text: &str) -> String {
        format!("rule r {{ condition: {text} }}")
    }

    #[test]
    fn what_people_write_is_not_too_deep() {
        let many = |text: &str, between: &str| vec![text; 5_000].join(between);
        for text in [
            condition(&many("true", " and ")),
            condition(&many("not uint16(0) == 0x5a4d", " or ")),
            condition(&format!("any of ({})", many("$a*", ", "))),
            condition(&many("for any i in (1..#a) : ( @a[i] + 4 < filesize and not $b at @a[i] )", " and ")),
            condition(
                "uint32(uint32(uint32(uint32(0x3c) + 4) + 8) + 12) == 1 and math.entropy(0, uint32(4)) > 7",
            ),
            condition("((((((((((true and (1 + 2) * 3 == 9) or false) and true))))))))"),
            format!(
                "rule r {{ strings: {} condition: all of them }}",
                many("$ = \"eval((((\" ascii wide nocase", "\n")
            ),
            format!(
                "rule r {{ strings: {} condition: all of them }}",
                many("$ = /eval\\((a|b[(/]{{1,2}})/ is", "\n")
            ),
            format!(
                "rule r {{ strings: $a = {{ {} }} condition: $a }}",
                many("4D ~5A [4-6] ( 0? | AABB ) /* } */", " ")
            ),
            format!("rule r {{ meta: {} condition: true }}", many("k = \"a \\\" b\" x = -1 y = true", " ")),
            many("import \"pe\"\nprivate rule a : b c d { condition: true } // ((((((", "\n"),
            "rule r { meta: d = \"\"\"(((\n(((\"\"\" condition: true }".to_owned(),
        ] {
            assert_eq!(too_deep(text.as_bytes()), None, "{}", &text[..80]);
        }
    }

    /// Each of them ends a process that has yara-x read it.
    fn deep(times: usize) -> Vec<String> {
        let around = |open: &str, inside: &str, close: &str| {
            condition(&(open.repeat(times) + inside + &close.repeat(times)))
        };
        let hex = |text: String| format!("rule r {{ strings: $a = {{ 01 {text} }} condition: $a }}");
        vec![
            around("(", "true", ")"),
            around("( ", "", ""),
            around("not ", "true", ""),
            around("not (", "true", ")"),
            around("defined ", "true", ""),
            around("- ", "1 == 1", ""),
            around("~", "1 == 1", ""),
            around("-(~(not ", "1 == 1", "))"),
            around("a[", "1", "]"),
            around("a[uint8(", "1", ")]"),
            around("1 == ", "1", ""),
            around("1 << ", "1 == 1", ""),
            around("\"a\" contains ", "\"a\"", ""),
            around("uint8(", "0", ") == 0"),
            around("for all i in (1..2) : (", "true", ")"),
            around("with a = 1 : (", "true", ")"),
            around("true and (", "true", ")"),
            around("\"\" /* { */ // \"\n(", "true", ")"),
            around("/a\"/ (", "true", ")"),
            around("\" (", "true", ""),
            hex("( 02 | ".repeat(times) + "03" + &" )".repeat(times)),
            hex("( ".repeat(times)),
            hex(format!("zz condition: {} true", "not ".repeat(times))),
            hex(format!("zz condition: {}1 == 1", "~".repeat(times))),
            hex(format!("zz condition: {}1 == 1", "- ".repeat(times))),
            format!("rule r {{ strings: $a = {{ 01 /* }} */ }} condition: {} true }}", "not ".repeat(times)),
        ]
    }

    #[test]
    fn what_would_end_the_process_is_told_by_its_line() {
        for text in deep(100_000) {
            assert!(too_deep(text.as_bytes()).is_some(), "{}", &text[..80]);
        }
        for (times, told) in [(6, None), (7, Some(1))] {
            let text = condition(&("uint8 (".repeat(times) + "0" + &")".repeat(times)));
            assert_eq!(too_deep(text.as_bytes()), told, "{times}");
        }
        let text = condition(&("\n\n".to_owned() + &"(".repeat(99)));
        assert_eq!(too_deep(text.as_bytes()), Some(3));
    }

    #[test]
    fn what_is_let_through_does_not_end_the_process() {
        for times in [6, 10, 45, 49, 70, 95, 140, 280] {
            for text in deep(times).into_iter().filter(|text| too_deep(text.as_bytes()).is_none()) {
                // Whether it is a rule is another matter.
                drop(yara_x::compile(text.as_str()));
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text in prop::collection::vec(prop_oneof![
            Just(b"(".to_vec()), Just(b"]".to_vec()), Just(b"{".to_vec()), Just(b"\"".to_vec()), Just(b"\\".to_vec()),
            Just(b"/".to_vec()), Just(b"*".to_vec()), Just(b"= ".to_vec()), Just(b"\n".to_vec()), Just(b"not ".to_vec()),
            prop::collection::vec(any::<u8>(), 0..4),
        ], 0..200)) {
            let text = text.concat();
            prop_assert!(too_deep(&text).is_none_or(|line| line <= 1 + text.len()));
        }
    }
}
