//! Groups of recipients, and the thresholds that hold for them.

use std::collections::HashMap;

use super::config::check_order;
use super::evidence::Points;
use super::rule::RuleFault;
use super::rule_file::{Group, GroupScore};
use super::{Policy, mail_domain};
use crate::model::{Recipient, text};

/// The most groups.
const MAX_GROUPS: usize = 1_000;
/// The most addresses and domains in all groups.
const MAX_MEMBERS: usize = 100_000;

/// The three scores at which something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Thresholds {
    pub(super) tag: Points,
    pub(super) quarantine: Points,
    pub(super) reject: Points,
}

/// All groups, ready to be asked.
#[derive(Debug, Default)]
pub(super) struct Groups {
    names: Vec<String>,
    scores: Vec<GroupScore>,
    /// By address, and by domain behind an at sign: the groups, in the order of their names.
    members: HashMap<String, Vec<usize>>,
}

impl Groups {
    /// Makes groups ready; what is wrong with them goes to `faults`.
    pub(super) fn new<'g>(
        written: impl Iterator<Item = (&'g String, &'g Group)>,
        faults: &mut Vec<RuleFault>,
    ) -> Self {
        let mut groups = Self::default();
        let mut count = 0_usize;
        for (index, (name, group)) in written.enumerate() {
            count += group.recipients.len();
            if index >= MAX_GROUPS || count > MAX_MEMBERS {
                let most = format!("{MAX_GROUPS} groups with {MAX_MEMBERS} addresses and domains in all");
                faults.push(RuleFault::error(format!("group.{name}"), format!("there may be {most}")));
                break;
            }
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
            if name.is_empty() || name.len() > 40 || !name.bytes().all(plain) {
                let message =
                    "a group is named by 1 to 40 lower-case letters, digits, hyphens and underscores";
                faults.push(RuleFault::error(format!("group.{}", text::line(name, 60)), message));
            }
            for (at, member) in group.recipients.iter().enumerate() {
                match key(member) {
                    Some(key) => {
                        let of = groups.members.entry(key).or_default();
                        if of.last() != Some(&index) {
                            of.push(index);
                        }
                    }
                    None => faults.push(RuleFault::error(
                        format!("group.{name}.recipients.{at}"),
                        format!(
                            "{:?} is neither an address such as \"alice@example.org\" nor a domain such as \
                             \"@example.org\"",
                            text::line(member, 100)
                        ),
                    )),
                }
            }
            groups.names.push(name.clone());
            groups.scores.push(group.score);
        }
        groups
    }

    /// Their names.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether there is one of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.all().any(|known| known == name)
    }

    /// Whether any names a person, not a domain.
    pub(super) fn has_people(&self) -> bool {
        self.members.keys().any(|member| !member.starts_with('@'))
    }

    /// The groups that a recipient is in, by position.
    pub(super) fn of(&self, recipient: &Recipient) -> Vec<usize> {
        if self.members.is_empty() {
            return Vec::new();
        }
        let Some((local, domain)) = parts(recipient.mailbox()) else { return Vec::new() };
        let mut found: Vec<usize> = Vec::new();
        // What stands behind a plus is the mailbox's own affair (RFC 5233).
        let plain = local.split_once('+').map_or(local.as_str(), |(plain, _)| plain);
        for key in [format!("{local}@{domain}"), format!("{plain}@{domain}"), format!("@{domain}")] {
            found.extend(self.members.get(&key).into_iter().flatten());
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Their names.
    pub(super) fn names(&self, groups: &[usize]) -> Vec<String> {
        groups.iter().filter_map(|group| self.names.get(*group).cloned()).collect()
    }

    /// The thresholds of the first of these groups that has any, over those of the policy.
    pub(super) fn thresholds(&self, groups: &[usize], policy: &Policy) -> Thresholds {
        let usual = Thresholds { tag: policy.tag, quarantine: policy.quarantine, reject: policy.reject };
        let scores = groups.iter().filter_map(|group| self.scores.get(*group));
        let own = scores.into_iter().find(|score| **score != GroupScore::default());
        own.map_or(usual, |score| over(usual, *score))
    }

    /// Thresholds that contradict one another, with those of the policy for what is left out.
    pub(super) fn check(&self, policy: &Policy, faults: &mut Vec<RuleFault>) {
        let usual = Thresholds { tag: policy.tag, quarantine: policy.quarantine, reject: policy.reject };
        for (name, score) in self.names.iter().zip(&self.scores) {
            if *score == GroupScore::default() {
                continue;
            }
            for (key, given) in
                [("tag", score.tag), ("quarantine", score.quarantine), ("reject", score.reject)]
            {
                let is_usable =
                    |given: f64| given.is_finite() && given <= 10_000.0 && Points::of(given) > Points::ZERO;
                if let Some(given) = given.filter(|given| !is_usable(*given)) {
                    let message = format!("{given} is no threshold; give a number between 0 and 10000");
                    faults.push(RuleFault::error(format!("group.{name}.score.{key}"), message));
                }
            }
            if let Some(message) = check_order(over(usual, *score)) {
                faults.push(RuleFault::error(format!("group.{name}.score"), message));
            }
        }
    }
}

fn over(usual: Thresholds, score: GroupScore) -> Thresholds {
    let or = |own: Option<f64>, usual| own.map_or(usual, Points::of);
    Thresholds {
        tag: or(score.tag, usual.tag),
        quarantine: or(score.quarantine, usual.quarantine),
        reject: or(score.reject, usual.reject),
    }
}

/// An address taken apart, as it is compared: in lower case, the domain as A-labels.
pub(super) fn parts(address: &str) -> Option<(String, String)> {
    let (local, domain) = address.rsplit_once('@')?;
    let plain: String = local.chars().filter(|c| !matches!(c, '"' | '\\')).collect();
    let domain = match domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')) {
        true => domain.trim_end_matches('.').to_ascii_lowercase(),
        false => mail_domain(domain).unwrap_or_else(|_| domain.to_lowercase()),
    };
    Some((plain.to_lowercase(), domain))
}

/// `alice@example.org` or `@example.org` as it is compared; `None` if it is neither.
fn key(member: &str) -> Option<String> {
    let member = member.trim();
    let (local, domain) = member.rsplit_once('@')?;
    if member.len() > 320 || local.contains(char::is_whitespace) {
        return None;
    }
    let domain = match mail_domain(domain) {
        Ok(domain) => domain,
        // One's own may well be below a public suffix that somebody else calls so.
        Err(super::NoMailDomain::Public) => domain.to_ascii_lowercase(),
        Err(super::NoMailDomain::Name) => return None,
    };
    let (local, _) = parts(&format!("{local}@x"))?;
    Some(format!("{local}@{domain}"))
}
