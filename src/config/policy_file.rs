//! `policy.toml`, the file that `[policy] rules` names: read like the configuration itself, every error at once.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::problem::{ConfigErrors, Problem, Problems};
use super::source::Source;
use super::{Config, document, read, symbols};
use crate::model::{system_says, text};
use crate::named_file;
use crate::policy::{Group, Policy, RuleFault, RuleFile, RuleText, Rules};

/// What came of reading the file.
pub(super) struct ReadRules {
    pub(super) rules: Rules,
    pub(super) warnings: Vec<Problem>,
}

/// Where the file is: a relative path begins at the directory of the configuration.
pub(super) fn path(config: &Config, config_file: &Path) -> Option<PathBuf> {
    let given = config.policy.rules.as_ref()?;
    Some(config_file.parent().unwrap_or(Path::new("")).join(given))
}

/// Why the file is not there to be read, in a sentence; `None` if it is.
pub(super) fn unreadable(path: &Path) -> Option<String> {
    let shown = || text::line(&path.to_string_lossy(), 300);
    let error = named_file::check(path).err()?;
    Some(format!("policy.rules names {}, which cannot be read: {}", shown(), system_says(&error)))
}

/// Reads the rules at `path`, and holds them against `config`.
pub(super) fn load(path: &Path, config: &Config) -> Result<ReadRules, ConfigErrors> {
    from_source(&Source::read(path)?, config)
}

/// The same of a file that somebody names on the command line.
pub(super) fn load_given(path: &Path, config: &Config) -> Result<ReadRules, ConfigErrors> {
    named_file::check(path).map_err(|error| {
        let message = format!("the rules cannot be read: {}", system_says(&error));
        ConfigErrors::of_file(path, &message, "give the path of a file of rules")
    })?;
    load(path, config)
}

/// The same of a text that is called `name`.
pub(super) fn from_source(source: &Source, config: &Config) -> Result<ReadRules, ConfigErrors> {
    let mut problems = Problems::new(source);
    let mut rules = Rules::default();
    if let Some(table) = document::parse(source, &mut problems) {
        let reference = toml::Table::try_from(reference()).unwrap_or_default();
        if let Some(read) = read::read::<RuleFile>(table, &reference, &mut problems) {
            let (made, mut faults) = Rules::new(&read.value, &source.text);
            // What contradicts other values is not said while those are at fault themselves.
            if let Ok(policy) = Policy::new(&config.policy) {
                faults.extend(made.check(&policy));
            }
            faults.extend(empty(&read.table));
            if let Some(known) = symbols::known(config) {
                faults.extend(made.unknown_symbols(&known));
            }
            let is_whole = faults.iter().all(|fault| !fault.is_error);
            for (rule, name) in made.notified().filter(|_| is_whole) {
                let unknown = match config.notify.get(name) {
                    None => "there is no [notify.NAME] of that name in the configuration",
                    Some(section) if !section.enabled => {
                        "that [notify.NAME] is turned off, so nobody is told"
                    }
                    Some(_) => continue,
                };
                let message = format!("{name:?}: {unknown}");
                let path = format!("rule.{rule}.notify");
                faults.push(match config.notify.contains_key(name) {
                    true => RuleFault::warning(path, message),
                    false => RuleFault::error(path, message),
                });
            }
            for fault in &faults {
                // An entry that was at fault was left out, and is not missing.
                if !read.lost.contains(&fault.path) {
                    tell(source, &read.table, fault, &mut problems);
                }
            }
            rules = made;
        }
    }
    Ok(ReadRules { rules, warnings: problems.finish()? })
}

/// Keys of rules that are written and name nothing.
fn empty(table: &DeTable<'_>) -> Vec<RuleFault> {
    let mut faults = Vec::new();
    let rules = table.get("rule").and_then(|rules| rules.get_ref().as_array());
    for (index, rule) in rules.into_iter().flatten().enumerate() {
        let Some(rule) = rule.get_ref().as_table() else { continue };
        for key in ["copy_to", "notify", "headers", "banner", "reply"] {
            let is_empty = match rule.get(key).map(|value| value.get_ref()) {
                Some(DeValue::Array(list)) => list.is_empty(),
                Some(DeValue::Table(fields)) => fields.is_empty(),
                Some(DeValue::String(text)) => text.trim().is_empty(),
                _ => false,
            };
            if is_empty {
                let message =
                    format!("`{key}` is empty and asks for nothing; leave it out, or say what is to be done");
                faults.push(RuleFault::warning(format!("rule.{index}.{key}"), message));
            }
        }
    }
    faults
}

/// Every section and key there is, for hints.
pub(super) fn reference() -> RuleFile {
    let rule = RuleText {
        category: Some(String::new()),
        reason: Some(String::new()),
        tell: Some(String::new()),
        reply: Some(String::new()),
        subject_prefix: Some(String::new()),
        redirect_to: Some(String::new()),
        banner: Some(String::new()),
        ..RuleText::default()
    };
    let group = [("name".to_owned(), Group::default())].into();
    RuleFile { rule: vec![rule], group, ..RuleFile::default() }
}

fn tell(source: &Source, table: &DeTable<'_>, fault: &RuleFault, problems: &mut Problems<'_>) {
    let place = place(source, table, fault);
    match fault.is_error {
        true => problems.error(place, &fault.message),
        false => problems.warning(place, &fault.message),
    };
}

/// Where in the file a fault is: in its value, or in what should have it.
fn place(source: &Source, table: &DeTable<'_>, fault: &RuleFault) -> Option<Range<usize>> {
    let mut here: Option<(Range<usize>, &DeValue<'_>)> = None;
    let mut steps = fault.path.split('.');
    let first = steps.next()?;
    let (key, value) = table.get_key_value(first)?;
    here.replace((value.span(), value.get_ref()));
    let mut whole = value.get_ref().as_table().map(|_| key.span());
    for step in steps {
        let inner = match here.as_ref()?.1 {
            DeValue::Table(table) => table.get_key_value(step).map(|(key, value)| (key.span(), value)),
            DeValue::Array(list) => {
                step.parse::<usize>().ok().and_then(|at| list.get(at)).map(|value| (value.span(), value))
            }
            _ => None,
        };
        // What is not in the file cannot be pointed at: the table that should have it is.
        let Some((key, value)) = inner else { return whole.or(here.map(|(span, _)| span)) };
        whole = value.get_ref().as_table().map(|_| key);
        here = Some((value.span(), value.get_ref()));
    }
    let (span, value) = here?;
    let within = fault.at.clone().zip(value.as_str());
    match within {
        Some((at, text)) => Some(in_string(source, span, text, at)),
        None if value.as_table().is_some() => whole.or(Some(span)),
        None => Some(span),
    }
}

/// The bytes of the file that are the bytes `at` of a string written at `span`. A string with escapes is pointed
/// at as a whole.
fn in_string(source: &Source, span: Range<usize>, value: &str, at: Range<usize>) -> Range<usize> {
    let raw = source.text.get(span.clone()).unwrap_or_default();
    let quotes = ["'''", "\"\"\"", "'", "\""].into_iter().find(|quotes| raw.starts_with(quotes));
    let Some(quotes) = quotes else { return span };
    let inner = raw.get(quotes.len()..).unwrap_or_default();
    // A line break right behind the quotes of a text of several lines does not belong to it.
    let skipped = match quotes.len() {
        3 if inner.starts_with("\r\n") => 2,
        3 if inner.starts_with('\n') => 1,
        _ => 0,
    };
    let start = span.start + quotes.len() + skipped;
    match source.text.get(start..start + value.len()) {
        Some(written) if written == value => start + at.start..start + at.end.max(at.start + 1),
        _ => span,
    }
}
