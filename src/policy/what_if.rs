//! What would have changed a verdict: the same facts, judged again with one thing less, or one thing known.
//!
//! At most [`MOST`] judgements, whatever is in the message. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::evidence::{Evidence, Points, symbol};
use super::group::Thresholds;
use super::{Facts, Policy, decide, judge_again, opinion};
use crate::model::{
    AuthResult, Authentication, Category, Coverage, Disposition, Finding, ListHits, Outcome, Scanner, Score,
    Severity, Verdict, text,
};

/// The most judgements for one message.
pub const MOST: usize = 40;
/// The most symbols that are taken away one by one.
const MAX_SYMBOLS: usize = 20;
/// The most entries of lists that are taken away one by one.
const MAX_HITS: usize = 4;

/// One thing that would have changed the verdict, and what it would have been then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What of the message is taken away: `FEED_URLHAUS (urls)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<String>,
    /// What is added or known instead: `score 0.9 higher`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// What happens to the mail then.
    pub disposition: Disposition,
    /// By which rule.
    pub rule: String,
}

impl Change {
    /// `without FEED_URLHAUS (urls): tag by spam-tag instead of quarantine by phish`.
    #[must_use]
    pub fn told(&self, disposition: Disposition, rule: &str) -> String {
        let how = match (&self.without, &self.with) {
            (Some(without), _) => format!("without {without}"),
            (None, with) => with.clone().unwrap_or_default(),
        };
        format!("{how}: {} by {} instead of {disposition} by {rule}", self.disposition, self.rule)
    }
}

/// The verdict for a recipient as it is now (for whom ever it is, without `position`), and what would have
/// changed it. With `policy.dry_run` it is what would be done without.
#[must_use]
pub fn what_if(policy: &Policy, facts: &Facts<'_>, position: Option<usize>) -> (Verdict, Vec<Change>) {
    let policy = &policy.clone().in_force();
    let verdict = judge_again(policy, facts, position).verdict;
    let mut trying = Trying { policy, position, left: MOST - 1, changes: Vec::new(), verdict };
    // What stands whatever is in the message.
    if facts.fault.is_none() && facts.released.is_none() {
        trying.findings(facts);
        trying.gaps(facts);
        trying.lists(facts);
        trying.others(facts);
        trying.scores(facts);
    }
    (trying.verdict, trying.changes)
}

struct Trying<'p> {
    policy: &'p Policy,
    position: Option<usize>,
    left: usize,
    changes: Vec<Change>,
    verdict: Verdict,
}

enum How {
    Without(String),
    With(String),
}

impl Trying<'_> {
    /// Judges `facts`; whether it comes out otherwise.
    fn judge(&mut self, facts: &Facts<'_>) -> Option<(Disposition, String)> {
        self.left = self.left.checked_sub(1)?;
        let Verdict { disposition, rule, .. } = judge_again(self.policy, facts, self.position).verdict;
        let same = disposition == self.verdict.disposition && rule == self.verdict.rule;
        (!same).then_some((disposition, rule))
    }

    fn hear(&mut self, facts: &Facts<'_>, how: How) -> bool {
        let Some((disposition, rule)) = self.judge(facts) else { return false };
        let (without, with) = match how {
            How::Without(what) => (Some(what), None),
            How::With(what) => (None, Some(what)),
        };
        self.changes.push(Change { without, with, disposition, rule });
        true
    }

    /// Each symbol alone, the heaviest first; then all that make it the kind of mail that it is.
    fn findings(&mut self, facts: &Facts<'_>) {
        let mut weights: BTreeMap<(Scanner, &str), (Severity, Points)> = BTreeMap::new();
        for finding in facts.findings {
            let weight = (finding.severity, Points::of(finding.score.value().abs()));
            let known = weights.entry((finding.scanner, &finding.symbol)).or_insert(weight);
            *known = (*known).max(weight);
        }
        let mut heaviest: Vec<_> = weights.into_iter().collect();
        heaviest.sort_by(|(a, wa), (b, wb)| wb.cmp(wa).then_with(|| a.cmp(b)));
        let several = heaviest.len() > 1;
        for ((scanner, name), _) in heaviest.into_iter().take(MAX_SYMBOLS) {
            let keeps = |f: &Finding| (f.scanner, f.symbol.as_str()) != (scanner, name);
            let left = keeping(facts.findings, keeps);
            let told = facts.findings.iter().find(|f| !keeps(f)).map(symbol).unwrap_or_default();
            self.hear(&Facts { findings: &left, ..*facts }, How::Without(format!("{told} ({scanner})")));
        }
        let category = self.verdict.category;
        let of_kind = facts.findings.iter().filter(|f| f.category == category).count();
        if several && of_kind > 1 && category > Category::Clean {
            let left = keeping(facts.findings, |f| f.category != category);
            self.hear(
                &Facts { findings: &left, ..*facts },
                How::Without(format!("all findings of {category}")),
            );
        }
    }

    /// Each scanner that did not look at all it should, as though it had and found nothing.
    fn gaps(&mut self, facts: &Facts<'_>) {
        let missing: Vec<Scanner> = opinion::missing(facts.coverage).map(|(scanner, _)| scanner).collect();
        for scanner in missing {
            let mut coverage: Coverage = facts.coverage.clone();
            coverage.0.insert(scanner, Outcome::Clean);
            let how = How::With(format!("had {scanner} looked and found nothing more"));
            self.hear(&Facts { coverage: &coverage, ..*facts }, how);
        }
    }

    /// Each entry of the admin's lists.
    fn lists(&mut self, facts: &Facts<'_>) {
        let Some(hits) = facts.lists else { return };
        let recipient = self.position.and_then(|position| facts.envelope.recipients.get(position));
        let hits = recipient.map_or_else(|| hits.clone(), |recipient| hits.for_recipient(recipient));
        for at in 0..hits.0.len().min(MAX_HITS) {
            let others = hits.0.iter().enumerate().filter(|(other, _)| *other != at);
            let left = ListHits(others.map(|(_, hit)| hit.clone()).collect());
            let told = hits.0.get(at).map(|hit| text::line(&hit.to_string(), 200)).unwrap_or_default();
            self.hear(&Facts { lists: Some(&left), ..*facts }, How::Without(told));
        }
    }

    /// rspamd's word, and that DMARC fails.
    fn others(&mut self, facts: &Facts<'_>) {
        if facts.advice.is_some() {
            let how = How::Without("what rspamd would do (its symbols aside)".to_owned());
            self.hear(&Facts { advice: None, ..*facts }, how);
        }
        let failed = |seen: &&Authentication| {
            seen.dmarc.iter().chain(&seen.shown).any(|dmarc| dmarc.result == AuthResult::Fail)
        };
        if let Some(seen) = facts.authentication.filter(failed) {
            let mut seen = seen.clone();
            for dmarc in seen.dmarc.iter_mut().chain(&mut seen.shown) {
                if dmarc.result == AuthResult::Fail {
                    dmarc.result = AuthResult::None;
                }
            }
            let how = How::Without("that DMARC fails (its findings aside)".to_owned());
            self.hear(&Facts { authentication: Some(&seen), ..*facts }, how);
        }
    }

    /// How far the score is from the next threshold either way that would make a difference.
    fn scores(&mut self, facts: &Facts<'_>) {
        let total = Evidence::new(facts.findings).total();
        let Thresholds { tag, quarantine, reject } = decide::thresholds(self.policy, facts, self.position);
        let thresholds = [tag, quarantine, reject];
        for reached in thresholds.into_iter().filter(|threshold| *threshold > total) {
            if self.score(facts, reached.distance(total), "higher") {
                break;
            }
        }
        // From the highest that is reached down: just below it.
        for reached in thresholds.into_iter().rev().filter(|threshold| *threshold <= total) {
            // Scores are counted in thousandths.
            let just_below = Points::of(total.distance(reached).score().value() + 0.001);
            if self.score(facts, just_below, "lower") {
                break;
            }
        }
    }

    fn score(&mut self, facts: &Facts<'_>, by: Points, way: &str) -> bool {
        let sign = if way == "higher" { 1.0 } else { -1.0 };
        let mut findings = facts.findings.to_vec();
        findings.push(Finding {
            scanner: Scanner::Mime,
            symbol: "SCORE_ON_TRIAL".to_owned(),
            severity: Severity::Info,
            category: Category::Clean,
            score: Score::new(by.score().value() * sign),
            text: String::new(),
            location: None,
        });
        self.hear(&Facts { findings: &findings, ..*facts }, How::With(format!("score {by} {way}")))
    }
}

fn keeping(findings: &[Finding], keeps: impl Fn(&Finding) -> bool) -> Cow<'static, [Finding]> {
    findings.iter().filter(|f| keeps(f)).cloned().collect()
}
