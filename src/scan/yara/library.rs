//! The rule files: loaded, checked, reloaded, suspended.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::compile::{self, RuleSet};
use super::error::{BrokenFile, YaraError};
use super::meta::Fact;
use super::source::{self, Source};
use super::trust::Trust;
use super::{Config, bundled};
use crate::model::Scanner;
use crate::scan::weight::Weight;
use crate::telemetry::Metrics;

/// Time-outs after which a rule file is suspended.
pub(super) const MAX_TIME_OUTS: u32 = 3;

/// What was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Rules that can give a finding.
    pub rules: usize,
    /// Files in use.
    pub files: usize,
    /// Files left out because they are broken; only at start.
    pub broken: Vec<BrokenFile>,
    /// Files left out because they took too long three times.
    pub suspended: Vec<String>,
    /// Meta values that could not be used.
    pub warnings: Vec<String>,
}

/// Which files there are and which of them are in use.
pub(super) struct Library {
    roots: Vec<PathBuf>,
    uses_bundled: bool,
    trust: Trust,
    /// All files that should be in use, suspended ones included.
    sources: Vec<Arc<Source>>,
    broken: Vec<BrokenFile>,
    suspended: Vec<Arc<Source>>,
    time_outs: BTreeMap<String, u32>,
    /// Rules in use that can give a finding.
    rules: usize,
    /// What the folders looked like when they were last read.
    fingerprint: u64,
    /// Why the newest files are not in use.
    stale: Option<String>,
}

impl Library {
    pub(super) fn new(config: &Config, trust: Trust) -> Self {
        Self {
            roots: config.rules.clone(),
            uses_bundled: config.uses_bundled(),
            trust,
            sources: Vec::new(),
            broken: Vec::new(),
            suspended: Vec::new(),
            time_outs: BTreeMap::new(),
            rules: 0,
            fingerprint: 0,
            stale: None,
        }
    }

    /// Reads and compiles at start: a broken file is left out.
    pub(super) fn load(&mut self) -> Result<RuleSet, YaraError> {
        let sources = self.read()?;
        let (mut set, broken) = compile::good(&sources)?;
        for file in &broken {
            tracing::error!(
                file = file.origin,
                report = file.report,
                "a YARA rule file is broken and left out"
            );
        }
        self.sources.clone_from(&set.sources);
        self.broken = broken;
        self.put_to_use(&mut set);
        Ok(set)
    }

    /// Reads and compiles anew: all or nothing. A suspended file stays so until its text changes.
    pub(super) fn reload(&mut self) -> Result<RuleSet, YaraError> {
        let result = self.read().and_then(|sources| {
            let suspended: Vec<_> = self.suspended.iter().filter(|s| sources.contains(s)).cloned().collect();
            let used: Vec<_> = sources.iter().filter(|s| !suspended.contains(s)).cloned().collect();
            // The suspended are not compiled again: they were sound, only slow.
            let set = compile::all(&used)?;
            // A folder emptied by mistake, or just being filled, must not put off all mail.
            let is_loss = set.count == 0 && suspended.is_empty() && self.rules > 0;
            if is_loss { Err(YaraError::NoRules) } else { Ok((set, sources, suspended)) }
        });
        match result {
            Ok((mut set, sources, suspended)) => {
                self.time_outs.retain(|name, _| {
                    let text = |list: &[Arc<Source>]| list.iter().find(|s| s.name == *name).cloned();
                    text(&self.sources) == text(&sources)
                });
                self.sources = sources;
                self.suspended = suspended;
                self.broken.clear();
                self.stale = None;
                self.put_to_use(&mut set);
                Ok(set)
            }
            Err(error) => {
                self.stale = Some(format!("the rules in use are older than the files: {error}"));
                Err(error)
            }
        }
    }

    /// Counts a time-out against a file. Returns a set without it if that was one too many.
    pub(super) fn timed_out(&mut self, source: &Arc<Source>) -> Option<Result<RuleSet, YaraError>> {
        if !self.sources.contains(source) || self.suspended.contains(source) {
            return None;
        }
        let count = self.time_outs.entry(source.name.clone()).or_default();
        *count += 1;
        tracing::warn!(file = source.origin, count = *count, "a YARA rule file took too long on a message");
        if *count < MAX_TIME_OUTS {
            return None;
        }
        tracing::error!(
            file = source.origin,
            "a YARA rule file timed out {MAX_TIME_OUTS} times and is suspended until it is changed"
        );
        self.suspended.push(Arc::clone(source));
        let used: Vec<_> = self.sources.iter().filter(|s| !self.suspended.contains(s)).cloned().collect();
        Some(compile::all(&used).map(|mut set| {
            self.put_to_use(&mut set);
            set
        }))
    }

    /// `set` is the one in use from now on: it is told what it lacks.
    fn put_to_use(&mut self, set: &mut RuleSet) {
        self.rules = set.count;
        set.missing = self.missing();
    }

    /// How often a file has timed out.
    pub(super) fn time_outs(&self, source: &Source) -> u32 {
        self.time_outs.get(&source.name).copied().unwrap_or_default()
    }

    /// The file of this name.
    #[cfg(test)]
    pub(super) fn source(&self, name: &str) -> Option<Arc<Source>> {
        self.sources.iter().find(|s| s.name == name).cloned()
    }

    /// Whether the folders changed since they were last read; and how they look now.
    pub(super) fn changed(&self, now: u64) -> bool {
        now != self.fingerprint
    }

    /// How to take the fingerprint of the folders without holding the library.
    pub(super) fn watched(&self) -> (Vec<PathBuf>, Trust) {
        (self.roots.clone(), self.trust.clone())
    }

    /// A summary of what is in use.
    pub(super) fn loaded(&self, set: &RuleSet) -> Loaded {
        Loaded {
            rules: set.count,
            files: set.sources.len(),
            broken: self.broken.clone(),
            suspended: self.suspended.iter().map(|s| s.origin.clone()).collect(),
            warnings: set.warnings.clone(),
        }
    }

    /// Why the newest files are not in use, if so.
    pub(super) fn stale(&self) -> Option<&String> {
        self.stale.as_ref()
    }

    /// Tells the metrics.
    pub(super) fn count(&self, set: &RuleSet, metrics: &Metrics) {
        let int = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        metrics.yara_rules.set(int(set.count));
        metrics.yara_files_out.with_label_values(&["broken"]).set(int(self.broken.len()));
        metrics.yara_files_out.with_label_values(&["suspended"]).set(int(self.suspended.len()));
    }

    fn read(&mut self) -> Result<Vec<Arc<Source>>, YaraError> {
        // Before the reading: what changes meanwhile is seen by the next look.
        self.fingerprint = source::fingerprint(&self.roots, &self.trust);
        let mut sources = if self.uses_bundled { bundled::sources() } else { Vec::new() };
        sources.extend(source::read(&self.roots, &self.trust)?);
        Ok(sources)
    }

    /// What should be in use and is not, as a sentence.
    fn missing(&self) -> Option<Arc<str>> {
        let list = |files: Vec<&str>| match files.as_slice() {
            [one] => format!("rule file {one}"),
            [first, rest @ ..] => format!("rule file {first} and {} more", rest.len()),
            [] => String::new(),
        };
        let mut reasons = Vec::new();
        if !self.broken.is_empty() {
            let files = list(self.broken.iter().map(|b| b.origin.as_str()).collect());
            reasons.push(format!("{files} left out as broken"));
        }
        if !self.suspended.is_empty() {
            let files = list(self.suspended.iter().map(|s| s.origin.as_str()).collect());
            reasons.push(format!("{files} suspended after {MAX_TIME_OUTS} time-outs"));
        }
        if self.rules == 0 {
            let why = match (self.sources.is_empty(), self.broken.is_empty()) {
                (true, true) => ": there is no .yar or .yara file in the configured folders",
                _ => "",
            };
            reasons.push(format!("no YARA rule is in use{why}"));
        }
        (!reasons.is_empty()).then(|| reasons.join("; ").into())
    }
}

/// What each rule weighs that can give a finding, by name; broken files are left out.
pub(super) fn weights(config: &Config, trust: Trust) -> Result<Vec<Weight>, YaraError> {
    let sources = Library::new(config, trust).read()?;
    let (set, _) = compile::good(&sources)?;
    let private: BTreeSet<(&str, &str)> =
        set.rules().filter(|r| r.is_private()).map(|r| (r.namespace(), r.identifier())).collect();
    let facts = set.facts.all().filter(|fact| !private.contains(&(&*fact.namespace, &*fact.symbol)));
    let weight = |fact: &Arc<Fact>| Weight {
        scanner: Scanner::Yara,
        symbol: fact.symbol.clone(),
        case: None,
        severity: fact.severity,
        category: fact.category,
        score: fact.score,
        set_in: sources.iter().find(|s| s.name == fact.namespace).map(|s| s.origin.clone()),
    };
    let mut weights: Vec<Weight> = facts.map(weight).collect();
    weights.sort_by(|a, b| (&a.symbol, &a.set_in).cmp(&(&b.symbol, &b.set_in)));
    Ok(weights)
}

/// Everything that is wrong with the configured rules, for `check-config`.
pub(super) fn check(config: &Config, trust: Trust) -> Vec<YaraError> {
    let mut errors: Vec<YaraError> = config.faults().into_iter().map(YaraError::Setting).collect();
    let mut sources = if config.uses_bundled() { bundled::sources() } else { Vec::new() };
    for root in &config.rules {
        match source::read(std::slice::from_ref(root), &trust) {
            Ok(found) => sources.extend(found),
            Err(error) => errors.push(error),
        }
    }
    // Read one by one, so that each root gives its error; names may repeat and only matter here.
    for (n, source) in sources.iter_mut().enumerate() {
        let Source { origin, text, .. } = &**source;
        *source = Arc::new(Source { name: format!("{n}"), origin: origin.clone(), text: text.clone() });
    }
    match compile::good(&sources) {
        Ok((set, broken)) => {
            errors.extend(broken.into_iter().map(|b| YaraError::Broken(vec![b])));
            // Where something else is wrong, that is why there is none.
            if set.count == 0 && errors.is_empty() {
                errors.push(YaraError::NoRules);
            }
        }
        Err(error) => errors.push(error),
    }
    errors
}
