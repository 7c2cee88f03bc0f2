//! What the `meta` of a rule makes of a match.
//!
//! | key | values | default |
//! |---|---|---|
//! | `severity` | `info` `low` `medium` `high` `critical` | `high` |
//! | `category` | `clean` `suspicious` `spam` `phish` `malware` | `malware` |
//! | `score` | a number | 8 |
//! | `description` | text | `rule NAME matched` |
//!
//! Design note: the defaults are for public rule sets, which carry none of these keys and whose
//! matches an admin expects to count: enough for quarantine, not a refusal for certain. Such sets also
//! use `score` up to 100, so in a rule with neither severity nor category it counts for 10 at most.

use std::collections::HashMap;
use std::sync::Arc;

use yara_x::MetaValue;

use crate::model::{Category, Score, Severity, text};

/// What a match of one rule says.
#[derive(Debug, PartialEq)]
pub(super) struct Fact {
    /// The rule's name.
    pub(super) symbol: String,
    /// Its file's namespace.
    pub(super) namespace: String,
    pub(super) severity: Severity,
    pub(super) category: Category,
    pub(super) score: Score,
    pub(super) text: String,
}

/// The facts of all rules, by namespace and name.
#[derive(Debug, Default)]
pub(super) struct Facts(HashMap<String, HashMap<String, Arc<Fact>>>);

/// More warnings than this are counted, not kept.
const MAX_WARNINGS: usize = 100;
const MAX_TEXT: usize = 300;
const DEFAULT_SCORE: f64 = 8.0;
const FOREIGN_SCORE: f64 = 10.0;

impl Facts {
    /// Reads the metas of all rules. What cannot be used is named in the warnings and has its default.
    pub(super) fn of<'r>(rules: impl Iterator<Item = yara_x::Rule<'r, 'r>>) -> (Self, Vec<String>) {
        let mut facts: HashMap<String, HashMap<String, Arc<Fact>>> = HashMap::new();
        let mut warnings = Vec::new();
        for rule in rules {
            let fact = fact(&rule, &mut warnings);
            facts.entry(fact.namespace.clone()).or_default().insert(fact.symbol.clone(), Arc::new(fact));
        }
        if warnings.len() > MAX_WARNINGS {
            let more = warnings.len() - MAX_WARNINGS;
            warnings.truncate(MAX_WARNINGS);
            warnings.push(format!("and {more} more like these"));
        }
        (Self(facts), warnings)
    }

    /// All of them, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Fact>> {
        self.0.values().flat_map(HashMap::values)
    }

    /// The fact of a rule that matched.
    pub(super) fn get(&self, namespace: &str, symbol: &str) -> Option<&Arc<Fact>> {
        self.0.get(namespace)?.get(symbol)
    }
}

fn fact(rule: &yara_x::Rule<'_, '_>, warnings: &mut Vec<String>) -> Fact {
    let (symbol, namespace) = (rule.identifier().to_owned(), rule.namespace().to_owned());
    let (mut severity, mut category, mut score, mut description) = (None, None, None, None);
    let mut wrong = |key: &str, why: &str| {
        warnings.push(format!("rule {symbol} in {namespace}: meta {key} is not used: {why}"));
    };
    for (key, value) in rule.metadata() {
        match (key, value) {
            ("severity", MetaValue::String(word)) => match word.parse::<Severity>() {
                Ok(found) => severity = Some(found),
                Err(e) => wrong(key, &text::line(&e.to_string(), MAX_TEXT)),
            },
            ("category", MetaValue::String(word)) => match word.parse::<Category>() {
                Ok(found) => category = Some(found),
                Err(e) => wrong(key, &text::line(&e.to_string(), MAX_TEXT)),
            },
            ("score", MetaValue::Integer(number)) => score = Some(number as f64),
            ("score", MetaValue::Float(number)) if number.is_finite() => score = Some(number),
            ("description", MetaValue::String(sentence)) => {
                description = Some(text::line(sentence, MAX_TEXT)).filter(|d| !d.trim().is_empty());
            }
            ("severity" | "category" | "description", _) => wrong(key, "it is no text"),
            ("score", _) => wrong(key, "it is no number"),
            _ => {}
        }
    }
    if severity.is_none() && category.is_none() {
        score = score.map(|s: f64| s.min(FOREIGN_SCORE));
    }
    let text = description.unwrap_or_else(|| format!("rule {symbol} matched"));
    Fact {
        severity: severity.unwrap_or(Severity::High),
        category: category.unwrap_or(Category::Malware),
        score: Score::new(score.unwrap_or(DEFAULT_SCORE)),
        text,
        symbol,
        namespace,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts(meta: &str) -> (Fact, Vec<String>) {
        let source = format!("rule r {{ {meta} condition: true }}");
        let mut compiler = yara_x::Compiler::new();
        compiler.new_namespace("a.yar").add_source(source.as_str()).unwrap();
        let (facts, warnings) = Facts::of(compiler.build().iter());
        let fact = Arc::into_inner(facts.0.into_iter().next().unwrap().1.remove("r").unwrap()).unwrap();
        (fact, warnings)
    }

    fn expected(severity: Severity, category: Category, score: f64, text: &str) -> Fact {
        Fact {
            symbol: "r".into(),
            namespace: "a.yar".into(),
            severity,
            category,
            score: Score::new(score),
            text: text.into(),
        }
    }

    #[test]
    fn a_rule_without_meta_counts_as_malware() {
        let want = expected(Severity::High, Category::Malware, 8.0, "rule r matched");
        assert_eq!(facts(""), (want, vec![]));
    }

    #[test]
    fn meta_becomes_the_finding() {
        let meta = r#"meta: severity = "low" category = "Spam" score = 2.5 description = "a sign""#;
        assert_eq!(facts(meta), (expected(Severity::Low, Category::Spam, 2.5, "a sign"), vec![]));
    }

    #[test]
    fn the_scores_of_public_sets_are_cut() {
        assert_eq!(facts("meta: score = 75").0.score, Score::new(10.0));
        assert_eq!(facts("meta: score = 4").0.score, Score::new(4.0));
        assert_eq!(facts(r#"meta: score = 75 category = "spam""#).0.score, Score::new(75.0));
    }

    #[test]
    fn values_that_cannot_be_used_are_named_and_replaced() {
        let (fact, warnings) = facts(r#"meta: severity = "awful" category = 3 score = "9" description = """#);
        assert_eq!(fact, expected(Severity::High, Category::Malware, 8.0, "rule r matched"));
        assert_eq!(
            warnings,
            [
                "rule r in a.yar: meta severity is not used: \"awful\" is not one of info, low, medium, high, critical",
                "rule r in a.yar: meta category is not used: it is no text",
                "rule r in a.yar: meta score is not used: it is no number",
            ]
        );
    }

    /// A value as YARA writes it, and keys that mean something mixed with others.
    fn entry() -> impl Strategy<Value = String> {
        let key = prop_oneof!["(severity|category|score|description)", "[a-z_]{1,8}x"];
        let value = prop_oneof![
            "\"(high|LOW|Spam|phish|malware|critical|-?[0-9]{1,3})\"",
            "\"[^\"\\\\\\x00-\\x1f]{0,200}\"",
            "\"(\\\\x[0-9a-f]{2}|\\\\n|\\\\t|\\\\\"|[ -!#-\\[]){0,600}\"",
            any::<i64>().prop_map(|n| n.to_string()),
            "-?[0-9]{1,12}\\.[0-9]{1,6}",
            "true|false",
        ];
        (key, value).prop_map(|(key, value)| format!("{key} = {value}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn whatever_the_meta_says_the_finding_can_be_used(entries in proptest::collection::vec(entry(), 0..8)) {
            let meta = if entries.is_empty() { String::new() } else { format!("meta: {}", entries.join("\n")) };
            let source = format!("rule r {{ {meta}\ncondition: true }}");
            let mut compiler = yara_x::Compiler::new();
            // What yara-x refuses is a broken file, and no concern of this module.
            prop_assume!(compiler.new_namespace("a.yar").add_source(source.as_str()).is_ok());
            let (facts, warnings) = Facts::of(compiler.build().iter());
            let fact = facts.get("a.yar", "r").unwrap();
            prop_assert!(fact.score.value().abs() <= 10_000.0, "{fact:?}");
            let shown = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
            prop_assert!(shown(&fact.text) && fact.text.chars().count() <= MAX_TEXT, "{fact:?}");
            prop_assert!(warnings.iter().all(|w| shown(w)), "{warnings:?}");
            let says = |key: &str| entries.iter().any(|e| e.starts_with(&format!("{key} =")));
            if !says("severity") && !says("category") {
                prop_assert_eq!((fact.severity, fact.category), (Severity::High, Category::Malware));
                prop_assert!(fact.score.value() <= FOREIGN_SCORE);
            }
        }
    }
}
