//! The words of severities, categories and dispositions, and which word was meant.

use super::types::{Base, Type};
use super::value::Value;
use crate::model::{Category, Disposition, Severity};

/// The one of `known` that `word` was meant for.
pub(in super::super) fn closest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > 64 {
        return None;
    }
    let plain = |s: &str| s.to_lowercase().replace('-', "_");
    let word = plain(word);
    // A slip of the finger in a short word, some more in a long one.
    let allowed = (word.chars().count() / 3).max(1);
    known
        .map(|k| (strsim::damerau_levenshtein(&word, &plain(k)), k))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, k)| k)
}

/// The words that stand for a severity, a category or a disposition.
pub(super) static WORDS: &[(&str, Type)] = &[
    ("none", Type::SEVERITY),
    ("info", Type::SEVERITY),
    ("low", Type::SEVERITY),
    ("medium", Type::SEVERITY),
    ("high", Type::SEVERITY),
    ("critical", Type::SEVERITY),
    ("clean", Type::CATEGORY),
    ("suspicious", Type::CATEGORY),
    ("spam", Type::CATEGORY),
    ("phish", Type::CATEGORY),
    ("malware", Type::CATEGORY),
    ("nothing", Type::DISPOSITION),
    ("accept", Type::DISPOSITION),
    ("tag", Type::DISPOSITION),
    ("quarantine", Type::DISPOSITION),
    ("reject", Type::DISPOSITION),
    ("discard", Type::DISPOSITION),
    ("tempfail", Type::DISPOSITION),
];

/// What a word stands for.
pub(super) fn word(name: &str) -> Option<(Value<'static>, Type)> {
    let (_, ty) = WORDS.iter().find(|(word, _)| *word == name)?;
    let value = match ty.base {
        Base::Severity => Value::Severity(name.parse::<Severity>().ok()),
        Base::Category => Value::Category(name.parse::<Category>().ok()?),
        _ => Value::Disposition(Disposition::ALL.into_iter().find(|d| d.name() == name)),
    };
    Some((value, *ty))
}
