//! `docs/threats.md` is held to the sources: what it names as an answer exists.

use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../../docs/threats.md");

/// The names in backticks that are a test or a case.
fn named(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).filter(|name| name.contains(".rs::") || name.ends_with(".case"))
}

/// Why `name` is no test, or nothing.
fn missing(name: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some((file, test)) = name.split_once("::") else {
        return (!root.join(name).is_file()).then(|| format!("{name}: there is no such case"));
    };
    let Ok(source) = fs::read_to_string(root.join(file)) else {
        return Some(format!("{name}: there is no such file"));
    };
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let Some(at) = lines
        .iter()
        .position(|line| line.split("fn ").nth(1).is_some_and(|f| f.starts_with(&format!("{test}("))))
    else {
        return Some(format!("{name}: there is no such function"));
    };
    // Up to the end of what stands before: attributes, comments, and in a property the test above it.
    let mut before = lines[..at].iter().rev().take_while(|line| **line != "}");
    let is_test = before.any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"));
    (!is_test).then(|| format!("{name}: is no test"))
}

#[test]
fn every_weakness_names_tests_that_exist_or_says_why_there_is_none() {
    let (_, weaknesses) = PAGE.split_once("\n## Known weaknesses of the field\n").unwrap();
    let entries: Vec<&str> = weaknesses.split("\n#### ").skip(1).collect();
    assert!(entries.len() > 70, "only {} entries are read", entries.len());
    let mut wrong = Vec::new();
    for entry in entries {
        let entry = entry.split("\n### ").next().unwrap();
        let title = entry.lines().next().unwrap();
        let answered = entry.lines().filter_map(|line| line.strip_prefix("Tests: "));
        let answers = answered.flat_map(named).count();
        let unanswered =
            entry.lines().filter_map(|line| line.strip_prefix("Not answered: ")).any(|why| why.len() > 20);
        if (answers > 0) == unanswered {
            wrong.push(format!("{title}: tests, or why there are none"));
        }
    }
    wrong.extend(PAGE.lines().flat_map(named).filter_map(missing));
    assert_eq!(wrong, Vec::<String>::new());
}
