//! What the settings make of each kind of evidence: what was seen, and what they ask for.
//!
//! Conditions of rules see these by name: `dmarc.wants`, `gaps.told`. They are made where a rule first asks.

use super::evidence::Points;
use super::evidence::{describe, symbol};
use super::listed::{allow_list, block_list};
use super::view::View;
use super::{Worth, dmarc};
use crate::model::Span;
use crate::model::{
    Category, Coverage, Direction, Disposition, Finding, Outcome, Scanner, Severity, Skip, text,
};

/// What settings make of one kind of evidence: what was seen, in a sentence, and what the settings ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opinion {
    /// What was seen.
    pub(super) told: String,
    /// What the settings ask for; `None`: nothing.
    pub(super) wants: Option<Disposition>,
    /// Of what kind the mail is for it.
    pub(super) category: Category,
    /// Why, in a few words; empty where nothing is asked for.
    pub(super) reason: String,
}

impl Opinion {
    pub(super) fn nothing(told: impl Into<String>) -> Self {
        Self { told: told.into(), wants: None, category: Category::Clean, reason: String::new() }
    }

    pub(super) const fn wants(
        told: String,
        disposition: Disposition,
        category: Category,
        reason: String,
    ) -> Self {
        Self { told, wants: Some(disposition), category, reason }
    }
}

/// What there is an opinion on. The names of these stand in conditions: `dmarc.wants == reject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// Findings of category malware and severity critical: `disposition.malware`.
    Malware,
    /// The same of severity high.
    Suspect,
    /// Findings of category phish and severity high: `disposition.phish`.
    Fraud,
    /// Anything of severity medium: `disposition.suspicious`.
    Signal,
    /// Mail that fails DMARC: `[policy.dmarc]`.
    Dmarc,
    /// What was not looked at: `on_failure`, `on_skipped`.
    Gaps,
    /// What rspamd would do: `[policy.rspamd]`.
    Rspamd,
    /// Entries of the block list that count: `disposition.blocked`.
    Blocked,
    /// Entries of the allow list that count: accept.
    Allowed,
}

impl Topic {
    /// All of them.
    pub(super) const ALL: [Self; 9] = [
        Self::Malware,
        Self::Suspect,
        Self::Fraud,
        Self::Signal,
        Self::Dmarc,
        Self::Gaps,
        Self::Rspamd,
        Self::Blocked,
        Self::Allowed,
    ];

    /// The name in conditions.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Malware => "proven_malware",
            Self::Suspect => "suspected_malware",
            Self::Fraud => "fraud",
            Self::Signal => "signal",
            Self::Dmarc => "dmarc",
            Self::Gaps => "gaps",
            Self::Rspamd => "rspamd",
            Self::Blocked => "blocked",
            Self::Allowed => "allowed",
        }
    }
}

/// What the settings make of `topic`.
pub(super) fn of(view: &View<'_>, topic: Topic) -> Opinion {
    match topic {
        Topic::Malware => malware(view),
        Topic::Suspect => malware_suspected(view),
        Topic::Fraud => phish(view),
        Topic::Signal => suspicious(view),
        Topic::Dmarc => dmarc::look(view),
        Topic::Gaps => incomplete(view),
        Topic::Rspamd => rspamd(view),
        Topic::Blocked => block_list(view),
        Topic::Allowed => allow_list(view),
    }
}

fn malware(view: &View<'_>) -> Opinion {
    by_category(view, Category::Malware, Severity::Critical, malware_disposition(view))
}

fn malware_suspected(view: &View<'_>) -> Opinion {
    // Strong evidence is not proof: never beyond quarantine, from where it can be released.
    let capped = match malware_disposition(view) {
        Disposition::Tag => Disposition::Tag,
        _ => Disposition::Quarantine,
    };
    by_category(view, Category::Malware, Severity::High, capped)
}

/// Mail going out carries no mark, and malware must not leave without one: there it is held.
fn malware_disposition(view: &View<'_>) -> Disposition {
    match (view.policy.disposition.malware, view.facts.direction) {
        (Disposition::Tag, Direction::Outbound) => Disposition::Quarantine,
        (wanted, _) => wanted,
    }
}

fn phish(view: &View<'_>) -> Opinion {
    by_category(view, Category::Phish, Severity::High, view.policy.disposition.phish)
}

/// A finding of `category` that is at least as severe as `asked`.
fn by_category(view: &View<'_>, category: Category, asked: Severity, disposition: Disposition) -> Opinion {
    let Some(worst) = view.evidence.worst_of(category) else {
        return Opinion::nothing(format!("no {category} finding"));
    };
    let severity = worst.severity;
    if severity < asked {
        let saw = format!("{}: {category} of severity {severity}, short of {asked}", describe(worst));
        return Opinion::nothing(saw);
    }
    let more = match view.evidence.count(category, asked) {
        0 | 1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let saw = format!("{}: {category} of severity {severity}{more}", describe(worst));
    let reason = format!("{category}: {} ({}){more}", symbol(worst), worst.scanner);
    Opinion::wants(saw, disposition, category, reason)
}

fn incomplete(view: &View<'_>) -> Opinion {
    let coverage = view.facts.coverage;
    let gaps: Vec<_> = missing(coverage).collect();
    if gaps.is_empty() {
        let saw = match (coverage.0.is_empty(), view.facts.fault) {
            (false, _) => "every scanner looked at what it should",
            (true, None) => "no scanner was asked",
            (true, Some(_)) => "no scanner could be asked",
        };
        return Opinion::nothing(saw);
    }
    let mut saw = Vec::with_capacity(gaps.len());
    let mut strictest: Option<Disposition> = None;
    let mut named = Vec::new();
    for (scanner, outcome) in gaps {
        if let Outcome::Skipped(Skip::Relay) = outcome {
            let told = "a trusted relay names no client, which is not held against the mail";
            saw.push(format!("{scanner} {}: {told}", how(outcome)));
            continue;
        }
        let (key, worth) = worth(view, scanner, outcome);
        saw.push(format!("{scanner} {}: {key} = {}", how(outcome), worth.name()));
        if let Some(wanted) = worth.disposition() {
            strictest = Some(strictest.map_or(wanted, |s| s.stricter(wanted)));
            named.push((scanner, outcome));
        }
    }
    let saw = saw.join("; ");
    match strictest {
        None => Opinion::nothing(saw),
        Some(wanted) => {
            let reason = format!("not fully inspected: {}", list(named.into_iter()));
            Opinion::wants(saw, wanted, Category::Suspicious, reason)
        }
    }
}

/// What a gap is worth, and the key that says so.
fn worth(view: &View<'_>, scanner: Scanner, outcome: &Outcome) -> (&'static str, Worth) {
    if outcome.is_failure() {
        let set = view.facts.on_failure.get(&scanner).copied();
        ("on_failure", set.unwrap_or_else(|| Worth::default_for(scanner)))
    } else {
        ("on_skipped", view.policy.on_skipped)
    }
}

/// The scanners that did not look at all they should.
pub(super) fn missing(coverage: &Coverage) -> impl Iterator<Item = (Scanner, &Outcome)> {
    coverage.gaps().filter(|(_, outcome)| !in_order(outcome))
}

/// Left out because the admin or the mail's way here wants it so: recorded, worth nothing. A relay that names no
/// client is not in order, though worth nothing as well: somebody should look at that relay.
const fn in_order(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Skipped(Skip::Exempt | Skip::NoClient | Skip::Decided))
}

/// How a scanner ended, for a sentence that begins with its name.
fn how(outcome: &Outcome) -> String {
    if let Outcome::TimedOut(after) = outcome {
        return format!("ran out of time after {}", Span(*after));
    }
    let outcome_word = text::line(&outcome.to_string(), 60);
    if let Outcome::Failed(failure) = outcome {
        return format!("{outcome_word}, {}", text::line(&failure.detail, 120));
    }
    if let Outcome::Partial { missing, .. } = outcome {
        return format!("{outcome_word}, {}", text::line(missing, 120));
    }
    outcome_word
}

/// `clamd=timeout; mime=failed(limit-parts)`.
pub(super) fn list<'a>(gaps: impl Iterator<Item = (Scanner, &'a Outcome)>) -> String {
    let words: Vec<_> = gaps.map(|(s, o)| format!("{s}={}", text::line(&o.to_string(), 60))).collect();
    words.join("; ")
}

fn rspamd(view: &View<'_>) -> Opinion {
    let Some(advice) = view.facts.advice else { return Opinion::nothing("rspamd said nothing") };
    let (score, required) = (Points::of(advice.score), Points::of(advice.required));
    let action = advice.action;
    let Some((key, worth)) = view.policy.rspamd.worth(action) else {
        return Opinion::nothing(format!("rspamd: {action}, score {score} of {required}"));
    };
    let saw = format!("rspamd: {action}, score {score} of {required}: {key} = {}", worth.name());
    let Some(wanted) = worth.disposition() else { return Opinion::nothing(saw) };
    // Put off, it is not yet called spam.
    let category = if wanted == Disposition::Tempfail { Category::Suspicious } else { Category::Spam };
    Opinion::wants(saw, wanted, category, format!("rspamd: {action}, score {score}"))
}

fn suspicious(view: &View<'_>) -> Opinion {
    let signal = |f: &Finding| f.category > Category::Clean && f.severity >= Severity::Medium;
    let Some(worst) = view.evidence.worst(signal) else {
        return Opinion::nothing("no finding of severity medium or above");
    };
    let Finding { category, severity, scanner, .. } = worst;
    let saw = format!("{}: {category} of severity {severity}", describe(worst));
    let reason = format!("{category}: {} ({scanner})", symbol(worst));
    Opinion::wants(saw, view.policy.disposition.suspicious, *category, reason)
}
