//! Rules of which the first decides, and that never do.

use super::lint::placed;
use super::rule::{Rule, RuleFault};
use super::rule_file::{Mode, Outgoing, RuleFile};
use crate::model::Disposition;

/// Says of each rule that cannot decide why, as far as the conditions tell.
pub(super) fn unreachable(rules: &[Rule], file: &RuleFile, faults: &mut Vec<RuleFault>) {
    let mut before: Vec<&Rule> = Vec::new();
    for (index, rule) in placed(rules, file) {
        let path = format!("rule.{index}.when");
        if rule.when.constant() == Some(false) {
            faults.push(RuleFault::warning(path, "this condition is never true, so the rule never applies"));
            continue;
        }
        if rule.adds {
            // It neither decides nor is kept from anything by one that does.
            continue;
        }
        if let Some(first) = before.iter().find(|first| hides(first, rule)) {
            let why = if first.when.constant() == Some(true) {
                "applies to every message"
            } else if first.when.is_same(&rule.when) {
                "has the same condition"
            } else {
                "applies wherever this one does"
            };
            let message = format!("this rule is never reached: {:?} before it {why}", first.name);
            faults.push(RuleFault::warning(path, message));
        }
        // What it asks for may be nothing, where that depends.
        if rule.mode == Mode::Enforce && rule.fixed.is_some() {
            before.push(rule);
        }
        if rule.even_malware && !matches!(rule.fixed, None | Some(Disposition::Accept | Disposition::Tag)) {
            let path = format!("rule.{index}.even_malware");
            faults.push(RuleFault::warning(
                path,
                "without effect: a rule that asks for this much is not outweighed by what it names",
            ));
        }
    }
}

/// Whether `first` decides wherever `rule`, behind it, applies.
fn hides(first: &Rule, rule: &Rule) -> bool {
    // For mail going out it may say only what it saw.
    let is_for_all = first.outbound == Outgoing::Enforce || rule.outbound == Outgoing::Record;
    // At RCPT only early rules are tried.
    let is_early = first.early || !rule.early;
    // A firm rule is heard although another one decided.
    let is_always = first.when.constant() == Some(true);
    is_for_all && is_early && !rule.firm && (is_always || first.when.covers(&rule.when))
}
