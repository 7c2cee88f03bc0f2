//! The rules of a policy: the admin's and the shipped ones, made ready, with what is odd about them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use super::condition::{Uses, closest};
use super::group::Groups;
use super::lint::{groups_named, lint};
use super::rule::{Compiler, Rule, RuleFault};
use super::rule_file::{Decide, Mode, OnError, RuleFile};
use super::standing::Origin;
use super::unreachable::unreachable;
use super::{Policy, name};
use crate::model::{Disposition, Recipient, text};

/// The shipped rules as they are written.
pub const SHIPPED: &str = include_str!("../../conf/shipped-policy.toml");

/// The most rules of a file.
const MAX_RULES: usize = 2_000;

/// Rules that are tried together.
#[derive(Debug)]
pub(super) struct RuleSet {
    /// Which of those that apply decides.
    pub(super) decide: Decide,
    /// In their order.
    pub(super) rules: Vec<Rule>,
}

/// All rules of a policy. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rules(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    own: RuleSet,
    has_shipped: bool,
    modes: BTreeMap<String, Mode>,
    on_error: OnError,
    groups: Groups,
    uses: Uses,
    /// The text they were made of, for a fingerprint.
    text: String,
}

static SHIPPED_SET: LazyLock<RuleSet> = LazyLock::new(|| {
    // A test holds that the shipped rules are read without a fault.
    let file: RuleFile = toml::from_str(SHIPPED).unwrap_or_default();
    let mut faults = Vec::new();
    RuleSet { decide: file.decide, rules: compile(&file, &mut faults) }
});

impl Default for Rules {
    /// The shipped rules alone.
    fn default() -> Self {
        Self(Arc::new(Inner {
            own: RuleSet { decide: Decide::First, rules: Vec::new() },
            has_shipped: true,
            modes: BTreeMap::new(),
            on_error: OnError::default(),
            groups: Groups::default(),
            uses: SHIPPED_SET.rules.iter().fold(Uses::default(), |all, rule| all | rule.uses_in_all()),
            text: String::new(),
        }))
    }
}

impl Rules {
    /// Makes the rules of a file ready. What is wrong with them, and what is odd, is said by the faults; with an
    /// error among them the rules are those that are in order.
    #[must_use]
    pub fn new(file: &RuleFile, text: &str) -> (Self, Vec<RuleFault>) {
        let mut faults = Vec::new();
        if file.rule.len() > MAX_RULES {
            let message = format!("there are {} rules, and there may be {MAX_RULES}", file.rule.len());
            faults.push(RuleFault::error("rule", message));
        }
        let rules = compile(file, &mut faults);
        let groups = Groups::new(file.group.iter(), &mut faults);
        names(file, &mut faults);
        modes(file, &mut faults);
        groups_named(&rules, file, &groups, &mut faults);
        if file.decide == Decide::First {
            unreachable(&rules, file, &mut faults);
        }
        lint(&rules, file, &mut faults);
        let shipped = file.shipped.then(|| SHIPPED_SET.rules.iter()).into_iter().flatten();
        let uses = rules.iter().chain(shipped).fold(Uses::default(), |all, rule| all | rule.uses_in_all());
        let inner = Inner {
            own: RuleSet { decide: file.decide, rules },
            has_shipped: file.shipped,
            modes: file.mode.clone(),
            on_error: file.on_error,
            groups,
            uses,
            text: text.to_owned(),
        };
        (Self(Arc::new(inner)), faults)
    }

    /// What contradicts the settings of `policy`.
    #[must_use]
    pub fn check(&self, policy: &Policy) -> Vec<RuleFault> {
        let mut faults = Vec::new();
        self.0.groups.check(policy, &mut faults);
        faults
    }

    /// The text they were made of; empty where there is no file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The admin's rules, then the shipped ones, each with whether it is in force.
    pub fn list(&self) -> impl Iterator<Item = (&Rule, Mode)> {
        self.sets().flat_map(|set| &set.rules).map(|rule| (rule, self.mode(rule)))
    }

    /// How many of the rules are the admin's.
    #[must_use]
    pub fn own_count(&self) -> usize {
        self.0.own.rules.len()
    }

    /// The names of `[notify.NAME]` that rules use, each with the number of the rule in the file.
    pub fn notified(&self) -> impl Iterator<Item = (usize, &str)> {
        let rules = self.0.own.rules.iter().enumerate();
        rules.flat_map(|(at, rule)| rule.notified().map(move |name| (at, name)))
    }

    /// Says of the symbols that the admin's conditions look for which are none of `known`, where that seems a slip.
    #[must_use]
    pub fn unknown_symbols(&self, known: &BTreeSet<String>) -> Vec<RuleFault> {
        let mut faults = Vec::new();
        for (index, rule) in self.0.own.rules.iter().enumerate() {
            for (symbol, at) in rule.when.symbols().into_iter().filter(|(symbol, _)| !known.contains(*symbol))
            {
                let hint = closest(symbol, known.iter().map(String::as_str))
                    .map(|close| format!("; did you mean {close:?}?"))
                    .unwrap_or_default();
                let message = format!("no scanner that is on finds {:?}{hint}", text::line(symbol, 60));
                let path = format!("rule.{index}.when");
                faults.push(RuleFault { at: Some(at), ..RuleFault::warning(path, message) });
            }
        }
        faults
    }

    /// The groups that a recipient is in.
    #[must_use]
    pub fn groups_of(&self, recipient: &Recipient) -> Vec<String> {
        self.0.groups.names(&self.0.groups.of(recipient))
    }

    pub(super) fn sets(&self) -> impl Iterator<Item = &RuleSet> {
        let shipped: Option<&RuleSet> = self.0.has_shipped.then(|| &*SHIPPED_SET);
        std::iter::once(&self.0.own).chain(shipped)
    }

    pub(super) fn mode(&self, rule: &Rule) -> Mode {
        match self.0.modes.get(&rule.name) {
            Some(mode) if *mode != Mode::Enforce => *mode,
            _ => rule.mode,
        }
    }

    /// Those of the admin's rules in force that are judged at RCPT.
    pub(super) fn early(&self) -> impl Iterator<Item = (usize, &Rule)> {
        let rules = self.0.own.rules.iter().enumerate();
        rules.filter(|(_, rule)| rule.early && self.mode(rule) == Mode::Enforce)
    }

    pub(super) fn rule(&self, origin: Origin) -> Option<&Rule> {
        self.sets().nth(origin.set)?.rules.get(origin.rule)
    }

    pub(super) fn groups(&self) -> &Groups {
        &self.0.groups
    }

    pub(super) fn on_error(&self) -> OnError {
        self.0.on_error
    }

    /// What any rule looks at, its texts as well.
    pub(super) fn uses(&self) -> Uses {
        self.0.uses
    }
}

fn compile(file: &RuleFile, faults: &mut Vec<RuleFault>) -> Vec<Rule> {
    let mut rules = Vec::with_capacity(file.rule.len().min(MAX_RULES));
    for (index, written) in file.rule.iter().enumerate().take(MAX_RULES) {
        let mut compiler = Compiler { path: format!("rule.{index}"), faults };
        rules.extend(Rule::new(written, &mut compiler));
    }
    rules
}

/// Each name once, and none of a shipped rule beside it.
fn names(file: &RuleFile, faults: &mut Vec<RuleFault>) {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for (index, rule) in file.rule.iter().enumerate() {
        let path = format!("rule.{index}.name");
        let is_shipped = file.shipped && SHIPPED_SET.rules.iter().any(|shipped| shipped.name == rule.name);
        if is_shipped {
            let message = format!(
                "{:?} is the name of a shipped rule; choose another, or write `shipped = false` at the top to do \
                 without all of those",
                rule.name
            );
            faults.push(RuleFault::error(path, message));
        } else if !rule.name.is_empty() && !known.insert(&rule.name) {
            let message =
                format!("there is a rule {:?} already; records and metrics know rules by name", rule.name);
            faults.push(RuleFault::error(path, message));
        }
    }
}

/// Only shipped rules are turned off from outside.
fn modes(file: &RuleFile, faults: &mut Vec<RuleFault>) {
    for (rule, mode) in &file.mode {
        let path = format!("mode.{rule}");
        let shipped = SHIPPED_SET.rules.iter().find(|shipped| shipped.name == *rule);
        match shipped {
            None => {
                let names: Vec<&str> = SHIPPED_SET.rules.iter().map(|rule| rule.name.as_str()).collect();
                let message = format!(
                    "there is no shipped rule of that name; [mode] is for {}, and a rule of your own has a `mode` of \
                     its own",
                    names.join(", ")
                );
                faults.push(RuleFault::error(path, message));
            }
            Some(shipped) if shipped.firm && *mode != Mode::Enforce => {
                let what = match shipped.name.as_str() {
                    name::INCOMPLETE => "mail that was not looked at is let through as though it were clean",
                    _ => "malware is let through unless another rule holds it",
                };
                faults.push(RuleFault::warning(path, format!("without this rule {what}")));
            }
            Some(_) => {}
        }
    }
}

impl OnError {
    /// What a rule that could not be evaluated asks for instead of `wanted`.
    pub(super) fn instead_of(self, wanted: Option<Disposition>) -> Option<Disposition> {
        if wanted == Some(Disposition::Accept) {
            return None;
        }
        match self {
            Self::Skip => None,
            Self::Tag => Some(Disposition::Tag),
            Self::Quarantine if wanted == Some(Disposition::Tag) => Some(Disposition::Tag),
            Self::Quarantine => Some(Disposition::Quarantine),
            Self::Tempfail => Some(Disposition::Tempfail),
        }
    }
}
