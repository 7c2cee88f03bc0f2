//! What is odd about rules that can be used all the same.

use super::again::names;
use super::condition::closest;
use super::group::Groups;
use super::opinion::Topic;
use super::rule::{Rule, RuleFault};
use super::rule_file::{Decide, Mode, RuleFile};
use crate::model::{Disposition, text};

/// The rules that were compiled, each with its place in the file.
pub(super) fn placed<'r>(rules: &'r [Rule], file: &RuleFile) -> Vec<(usize, &'r Rule)> {
    let mut written = file.rule.iter().enumerate();
    // Names may be there twice, which is a fault of its own; the order is that of the file.
    let place = |rule: &'r Rule| Some((written.find(|(_, text)| text.name == rule.name)?.0, rule));
    rules.iter().filter_map(place).collect()
}

/// Groups that conditions name and that the file does not have.
pub(super) fn groups_named(rules: &[Rule], file: &RuleFile, groups: &Groups, faults: &mut Vec<RuleFault>) {
    for (index, rule) in placed(rules, file) {
        for (name, at) in rule.when.groups().into_iter().filter(|(name, _)| !groups.has(name)) {
            let hint = match closest(name, groups.all()) {
                Some(close) => format!("; did you mean {close:?}?"),
                None => format!("; write [group.{}] with its recipients", text::line(name, 40)),
            };
            let message = format!("there is no group {:?}{hint}", text::line(name, 40));
            let path = format!("rule.{index}.when");
            faults.push(RuleFault { at: Some(at), ..RuleFault::error(path, message) });
        }
    }
}

/// What a condition can name that tells good mail from bad, or whom the admin trusts.
const SETS_APART: [&str; 16] = [
    "session.client_ip",
    "session.client_name",
    "session.user",
    "envelope.sender",
    "envelope.sender_domain",
    "envelope.sender_local",
    "envelope.null_sender",
    "auth",
    "message.from",
    "message.from_domain",
    "score",
    "findings",
    "found",
    "worst",
    "count",
    "supported",
];
/// Mail of the house, or that a person has looked at: the shipped rules ask little of it.
const OF_OURS: [&str; 3] = ["outbound", "local", "released"];

/// Whether a condition looks at who sent the mail, or at what is thought of it.
fn sets_apart(condition: &str) -> bool {
    let of_users =
        condition.contains("session.authenticated") && !condition.contains("!session.authenticated");
    of_users
        || names(condition).any(|word| {
            let record = word.split('.').next().unwrap_or_default();
            SETS_APART.contains(&word)
                || SETS_APART.contains(&record)
                || OF_OURS.contains(&word)
                || Topic::ALL.iter().any(|topic| topic.name() == record)
        })
}

/// Looks at all rules of a file that were compiled.
pub(super) fn lint(rules: &[Rule], file: &RuleFile, faults: &mut Vec<RuleFault>) {
    // The first rule in force that lets mail through and is not tried at RCPT.
    let mut lets_through: Option<&Rule> = None;
    let in_force = |(_, rule): &(usize, &Rule)| rule.mode == Mode::Enforce && !rule.adds;
    for (index, rule) in placed(rules, file).into_iter().filter(in_force) {
        if let Some(before) = lets_through.filter(|_| rule.early && file.decide == Decide::First) {
            let message = format!(
                "at RCPT only `early` rules are tried, so this one refuses there what {:?} before it would let \
                 through; write the exception into this condition as well, or leave out `early`",
                before.name
            );
            faults.push(RuleFault::warning(format!("rule.{index}.early"), message));
        }
        let accepts = matches!(rule.fixed, Some(Disposition::Accept | Disposition::Tag));
        if accepts && !rule.early {
            lets_through = lets_through.or(Some(rule));
        }
        let condition = file.rule.get(index).map(|written| written.when.as_str()).unwrap_or_default();
        if accepts && file.decide == Decide::First && !rule.even_malware && !sets_apart(condition) {
            let message = "mail to which this rule applies is judged by no rule behind it: the block list, DMARC, \
                           phishing and the score no longer decide; name in the condition whom you trust, or write \
                           `adds = true` in place of the disposition, and the rule only adds";
            faults.push(RuleFault::warning(format!("rule.{index}.disposition"), message));
        }
        if rule.even_malware && file.decide == Decide::Strictest {
            let message = "without effect: with `decide = \"strictest\"` the strictest rule decides, and this one does \
                           not outweigh it";
            faults.push(RuleFault::warning(format!("rule.{index}.even_malware"), message));
        } else if rule.even_malware && accepts {
            let message = "with `even_malware` this rule lets through what is proven to be malware, and what no \
                           scanner looked at; be sure that nobody but the one you mean can send mail for which the \
                           condition holds";
            faults.push(RuleFault::warning(format!("rule.{index}.even_malware"), message));
        }
    }
}
