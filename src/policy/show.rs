//! The rules of a policy as they hold, for people: what `mailward policy show` prints.

use std::collections::BTreeMap;

use serde::Serialize;

use super::guards::{BEFORE, BEHIND};
use super::rule_file::{Decide, GroupScore, Mode, OnError, RuleFile, RuleText};
use super::rules::SHIPPED;
use super::{Policy, name};

/// A policy, laid open.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// Which of the admin's rules that apply decides.
    pub decide: Decide,
    /// Whether the shipped rules are tried behind them.
    pub shipped: bool,
    /// What it is worth that a condition cannot be evaluated.
    pub on_error: OnError,
    /// Nothing is done, whatever comes of a judgement.
    pub dry_run: bool,
    /// All rules in the order in which they are tried.
    pub rules: Vec<ShownRule>,
    /// The groups of recipients.
    pub groups: Vec<ShownGroup>,
    /// What comes before and behind the rules, whatever they say.
    pub circumstances: Vec<Circumstance>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShownRule {
    /// Its place, counted from 1.
    pub number: usize,
    /// Its name.
    pub name: String,
    /// It is the admin's, not a shipped one.
    pub own: bool,
    /// Whether it is in force.
    pub mode: Mode,
    /// What it asks for; `-` of one that only adds.
    pub disposition: String,
    /// Its condition, on one line.
    pub when: String,
    /// What else is set: `adds`, `early`, `firm`, `outweighs`, `even_malware`, `outbound = "record"`.
    pub marks: Vec<&'static str>,
}

/// One group of recipients.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShownGroup {
    /// Its name.
    pub name: String,
    /// Its addresses and domains.
    pub recipients: Vec<String>,
    /// The thresholds that hold for them, those of `[policy.score]` where the group has none of its own.
    pub score: GroupScore,
}

/// What no rule of a file can judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Circumstance {
    /// Its name in verdicts and records.
    pub name: &'static str,
    /// It comes before the rules; else behind them.
    pub before: bool,
    /// What it does, in a sentence.
    pub does: &'static str,
}

/// Everything that `policy` holds, in order.
#[must_use]
pub fn shown(policy: &Policy) -> Shown {
    let rules = policy.rules();
    // What is in force was read without a fault once.
    let own: RuleFile = toml::from_str(rules.text()).unwrap_or_default();
    let shipped: RuleFile = toml::from_str(SHIPPED).unwrap_or_default();
    let mut texts: BTreeMap<&str, (&RuleText, bool)> = BTreeMap::new();
    for (text, is_own) in own.rule.iter().map(|t| (t, true)).chain(shipped.rule.iter().map(|t| (t, false))) {
        // With `shipped = false` a rule of the admin's may have the name of a shipped one.
        texts.entry(&text.name).or_insert((text, is_own));
    }
    let one = |(at, (rule, mode)): (usize, (&super::Rule, Mode))| {
        let (text, own) = texts.get(rule.name.as_str())?;
        Some(ShownRule {
            number: at + 1,
            name: rule.name.clone(),
            own: *own,
            mode,
            disposition: if text.adds { "-".to_owned() } else { one_line(&text.disposition) },
            when: one_line(&text.when),
            marks: marks(text),
        })
    };
    let usual = GroupScore {
        tag: Some(policy.tag.score().value()),
        quarantine: Some(policy.quarantine.score().value()),
        reject: Some(policy.reject.score().value()),
    };
    let groups = own.group.iter().map(|(name, group)| ShownGroup {
        name: name.clone(),
        recipients: group.recipients.clone(),
        score: GroupScore {
            tag: group.score.tag.or(usual.tag),
            quarantine: group.score.quarantine.or(usual.quarantine),
            reject: group.score.reject.or(usual.reject),
        },
    });
    Shown {
        decide: own.decide,
        shipped: own.shipped,
        on_error: own.on_error,
        dry_run: policy.is_dry_run(),
        rules: rules.list().enumerate().filter_map(one).collect(),
        groups: groups.collect(),
        circumstances: circumstances(policy.is_dry_run()),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn marks(text: &RuleText) -> Vec<&'static str> {
    let all = [
        ("adds", text.adds),
        ("early", text.early),
        ("firm", text.firm),
        ("outweighs", text.outweighs),
        ("even_malware", text.even_malware),
        ("outbound = \"record\"", text.outbound == super::rule_file::Outgoing::Record),
        ("hold", text.hold),
    ];
    all.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect()
}

/// What comes before and behind the rules.
fn circumstances(dry_run: bool) -> Vec<Circumstance> {
    let all = BEFORE.iter().map(|guard| (guard.name, true)).chain(BEHIND.iter().map(|g| (g.name, false)));
    all.filter(|(name, _)| dry_run || *name != name::DRY_RUN)
        .map(|(name, before)| Circumstance { name, before, does: does(name) })
        .collect()
}

fn does(name: &str) -> &'static str {
    match name {
        name::NOT_COLLECTED => {
            "mail that is too large is refused, and put off where there is no memory for it"
        }
        name::REPEAT => "what failed too often is held, not put off again (policy.repeat_limit)",
        name::OUTBOUND => "mail going out carries no mark: accept in place of tag",
        name::LOCAL_SUBMISSION => "mail from sendmail(1) is held where it would be refused",
        name::BEHIND_QUEUE => "mail by LMTP is held where it would be refused, unless lmtp.reject is \"5xx\"",
        name::RELEASED => "a copy that a person let out of quarantine is let through",
        name::ACCEPT => "what no rule asks more of is let through",
        name::DRY_RUN => "policy.dry_run is on: everything is let through",
        _ => "",
    }
}
