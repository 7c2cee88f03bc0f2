//! The table `tricks.txt`.

use super::{links, told};
use crate::mail::links::{Limits, find};
use crate::model::Parts;

/// `\n`, `\t`, `\r`, `\0`, `\\`, `\u{…}`; other backslashes stand for themselves.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (c, used) = match rest.chars().next() {
            Some('n') => ('\n', 1),
            Some('t') => ('\t', 1),
            Some('r') => ('\r', 1),
            Some('0') => ('\0', 1),
            Some('\\') => ('\\', 1),
            Some('u') if rest.starts_with("u{") => {
                let end = rest.find('}').unwrap();
                (char::from_u32(u32::from_str_radix(&rest[2..end], 16).unwrap()).unwrap(), end + 1)
            }
            _ => ('\\', 0),
        };
        out.push(c);
        rest = &rest[used..];
    }
    out + rest
}

#[test]
fn each_trick_of_the_table_is_seen_through() {
    let table = include_str!("tricks.txt");
    let (mut count, mut wrong) = (0, Vec::new());
    for case in table.split("\n= ").skip(1) {
        let mut lines = case.lines();
        let title = lines.next().unwrap();
        let (kind, _) = title.split_once(':').unwrap_or_else(|| panic!("no kind: {title}"));
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with("# ")).collect();
        let (expected, input): (Vec<&str>, Vec<&str>) = lines.iter().partition(|line| line.starts_with("->"));
        let input = unescaped(&input.join("\n"));
        let found = match kind {
            "subject" => find(&Parts::default(), &input, &Limits::default()),
            "text" => links("text/plain", input.clone()),
            "html" => links("text/html", input.clone()),
            "svg" => links("image/svg+xml", input.clone()),
            "calendar" => links("text/calendar", input.clone()),
            other => panic!("{other}: {title}"),
        };
        let expected: Vec<String> = expected.iter().map(|line| unescaped(line[2..].trim())).collect();
        count += 1;
        if told(&found) != expected {
            wrong.push(format!(
                "{title}\n  input    {input:?}\n  expected {expected:#?}\n  found    {:#?}",
                told(&found)
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 150, "{count} tricks");
}
