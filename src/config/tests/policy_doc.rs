//! `docs/policy.md` is held to the code: each example is in order, each key and each name stands in it.

use super::super::policy_file;
use super::super::source::Source;
use super::*;
use crate::policy::{RuleFile, vocabulary};

const DOCUMENT: &str = "docs/policy.md";
const BEGIN: &str = "<!-- names: made from the code, `make bless` writes them anew -->\n";
const END: &str = "<!-- end of names -->\n";

fn document() -> String {
    std::fs::read_to_string(in_tree(DOCUMENT)).unwrap()
}

#[test]
fn every_example_of_the_document_is_in_order() {
    let document = document();
    let examples: Vec<&str> =
        document.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 4, "only {} examples were found", examples.len());
    for example in examples {
        let source = Source::from_bytes(Path::new(DOCUMENT), example.as_bytes()).unwrap();
        let read = policy_file::from_source(&source, &Config::default());
        let read = read.unwrap_or_else(|errors| panic!("{errors}\n{example}"));
        assert_eq!(read.warnings, [], "{example}");
    }
}

#[test]
fn every_key_of_a_file_of_rules_is_explained() {
    let document = document();
    let file = toml::Table::try_from(RuleFile::default()).unwrap();
    let rule = toml::Table::try_from(policy_file::reference().rule.remove(0)).unwrap();
    let named =
        |key: &String| document.contains(&format!("| `{key}` |")) || document.contains(&format!("`[{key}"));
    let missing: Vec<&String> =
        file.keys().chain(rule.keys()).filter(|key| *key != "rule").filter(|key| !named(key)).collect();
    assert!(missing.is_empty(), "{DOCUMENT} does not explain {missing:?}");
}

#[test]
fn the_names_and_functions_are_those_of_the_code() {
    let document = document();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let mut made = String::from("| name | kind | what it is |\n|---|---|---|\n");
    for word in vocabulary() {
        let written = word.written.replace('|', "\\|");
        made.push_str(&format!("| `{written}` | {} | {} |\n", word.kind, word.says));
    }
    let expected = format!("{before}{BEGIN}{made}{END}{after}");
    if std::env::var_os("MAILWARD_BLESS").is_some() {
        std::fs::write(in_tree(DOCUMENT), &expected).unwrap();
    } else {
        assert!(document == expected, "{DOCUMENT} is not what the code says; `make bless` writes it anew");
    }
}
