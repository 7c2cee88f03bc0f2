//! The shipped rules, in their order. Each looks and says what it saw and what it asks for.

use super::evidence::{Evidence, Points, describe, symbol};
use super::listed::{allow_list, block_list};
use super::{Facts, Fault, Policy, Worth, dmarc};
use crate::model::{
    Category, Coverage, Direction, Disposition, Finding, Outcome, Scanner, Severity, Skip, Span, text,
};

/// The names of the rules as verdicts, records and metrics carry them.
pub mod name {
    /// The message could not be collected.
    pub const NOT_COLLECTED: &str = "not-collected";
    /// Proven malware.
    pub const MALWARE: &str = "malware";
    /// The score refuses.
    pub const SPAM_REJECT: &str = "spam-reject";
    /// Somebody is on the block list.
    pub const BLOCK_LIST: &str = "block-list";
    /// Strong evidence of malware.
    pub const MALWARE_SUSPECTED: &str = "malware-suspected";
    /// Strong evidence of fraud.
    pub const PHISH: &str = "phish";
    /// The author's domain asks for something to be done with mail that fails DMARC.
    pub const DMARC: &str = "dmarc";
    /// The score holds.
    pub const SPAM_QUARANTINE: &str = "spam-quarantine";
    /// Something was not looked at.
    pub const INCOMPLETE: &str = "incomplete";
    /// What rspamd would do.
    pub const RSPAMD: &str = "rspamd";
    /// Somebody is on the allow list.
    pub const ALLOW_LIST: &str = "allow-list";
    /// The same failure too often: whoever sees this rule in a verdict should raise an alarm.
    pub const REPEAT: &str = "repeat";
    /// The score marks.
    pub const SPAM_TAG: &str = "spam-tag";
    /// A weak signal marks.
    pub const SUSPICIOUS: &str = "suspicious";
    /// Mail going out carries no mark.
    pub const OUTBOUND: &str = "outbound";
    /// Mail from sendmail(1) is not refused.
    pub const LOCAL_SUBMISSION: &str = "local-submission";
    /// A person let it out of quarantine.
    pub const RELEASED: &str = "released";
    /// Nothing speaks against it.
    pub const ACCEPT: &str = "accept";

    /// Whether `rule`, where it puts mail off, does so because something failed: that is not to go on for
    /// days.
    #[must_use]
    pub fn is_for_a_failure(rule: &str) -> bool {
        matches!(rule, INCOMPLETE | BLOCK_LIST)
    }
}

/// One rule of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name in explanations, records and metrics.
    pub name: &'static str,
    /// For mail going out it only says what it saw.
    pub(super) inbound_only: bool,
    /// An allow entry does not outweigh it.
    pub(super) firm: bool,
    pub(super) look: fn(&View<'_>, &Standing) -> Sight,
}

/// What a rule may look at.
pub(super) struct View<'a> {
    pub(super) policy: &'a Policy,
    pub(super) facts: &'a Facts<'a>,
    pub(super) evidence: &'a Evidence<'a>,
    /// The recipient takes mail from blocked senders.
    pub(super) exempt: bool,
}

/// What the rules before this one came to.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The strictest wish so far, and the step that made it.
    pub(super) wish: Option<(usize, Wish)>,
    /// The strictest wish of the firm rules among them.
    pub(super) firm: Option<(usize, Wish)>,
    /// The reason of the first wish that was only recorded.
    pub(super) recorded: Option<String>,
}

/// What one rule saw and asks for.
pub(super) struct Sight {
    pub(super) saw: String,
    pub(super) effect: Effect,
}

pub(super) enum Effect {
    /// It does not apply.
    Nothing,
    /// Heard beside the other wishes: the strictest wins.
    Wants(Wish),
    /// Takes the place of what stands.
    Instead(Wish),
    /// Leaves of what stands only what firm rules asked for; if that is nothing, this.
    Outweighs(Wish),
    /// Takes the place of everything, and what the rules before saw is no reason any more.
    Overrules(Wish),
}

#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) disposition: Disposition,
    pub(super) category: Category,
    pub(super) reason: String,
}

const fn rule(name: &'static str, inbound_only: bool, look: fn(&View<'_>, &Standing) -> Sight) -> Rule {
    Rule { name, inbound_only, firm: false, look }
}

const fn firm(name: &'static str, look: fn(&View<'_>, &Standing) -> Sight) -> Rule {
    Rule { name, inbound_only: false, firm: true, look }
}

/// The shipped rules in the order in which they are tried.
pub static RULES: [Rule; 18] = [
    firm(name::NOT_COLLECTED, not_collected),
    firm(name::MALWARE, malware),
    rule(name::BLOCK_LIST, true, block_list),
    rule(name::SPAM_REJECT, true, |v, _| by_score(v, "reject", v.policy.reject, Disposition::Reject)),
    firm(name::MALWARE_SUSPECTED, malware_suspected),
    rule(name::PHISH, true, phish),
    rule(name::DMARC, true, dmarc::look),
    rule(name::SPAM_QUARANTINE, true, |v, _| {
        by_score(v, "quarantine", v.policy.quarantine, Disposition::Quarantine)
    }),
    firm(name::INCOMPLETE, incomplete),
    rule(name::RSPAMD, false, rspamd),
    rule(name::SPAM_TAG, true, |v, _| by_score(v, "tag", v.policy.tag, Disposition::Tag)),
    rule(name::SUSPICIOUS, true, suspicious),
    rule(name::ALLOW_LIST, true, allow_list),
    rule(name::REPEAT, false, repeat),
    rule(name::OUTBOUND, false, outbound),
    rule(name::LOCAL_SUBMISSION, false, local_submission),
    rule(name::RELEASED, false, released),
    rule(name::ACCEPT, false, accept),
];

impl Sight {
    pub(super) fn nothing(saw: impl Into<String>) -> Self {
        Self { saw: saw.into(), effect: Effect::Nothing }
    }

    pub(super) fn wants(saw: String, disposition: Disposition, category: Category, reason: String) -> Self {
        Self { saw, effect: Effect::Wants(Wish { disposition, category, reason }) }
    }
}

fn not_collected(view: &View<'_>, _: &Standing) -> Sight {
    let (disposition, what) = match view.facts.fault {
        None => return Sight::nothing("the message is here whole"),
        Some(Fault::TooLarge(limit)) => (Disposition::Reject, format!("larger than {limit}")),
        Some(Fault::TooManyFields(limit)) => {
            (Disposition::Reject, format!("more than {limit} header fields"))
        }
        Some(Fault::Forged(n)) => (Disposition::Reject, format!("{n} forged copies of our header fields")),
        Some(Fault::NoMemory) => (Disposition::Tempfail, "no memory left for it".to_owned()),
    };
    Sight::wants(format!("the message is not here: {what}"), disposition, Category::Suspicious, what)
}

fn malware(view: &View<'_>, _: &Standing) -> Sight {
    by_category(view, Category::Malware, Severity::Critical, malware_disposition(view))
}

fn malware_suspected(view: &View<'_>, _: &Standing) -> Sight {
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

fn phish(view: &View<'_>, _: &Standing) -> Sight {
    by_category(view, Category::Phish, Severity::High, view.policy.disposition.phish)
}

/// A finding of `category` that is at least as severe as `asked`.
fn by_category(view: &View<'_>, category: Category, asked: Severity, disposition: Disposition) -> Sight {
    let Some(worst) = view.evidence.worst_of(category) else {
        return Sight::nothing(format!("no {category} finding"));
    };
    let severity = worst.severity;
    if severity < asked {
        let saw = format!("{}: {category} of severity {severity}, short of {asked}", describe(worst));
        return Sight::nothing(saw);
    }
    let more = match view.evidence.count(category, asked) {
        0 | 1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let saw = format!("{}: {category} of severity {severity}{more}", describe(worst));
    let reason = format!("{category}: {} ({}){more}", symbol(worst), worst.scanner);
    Sight::wants(saw, disposition, category, reason)
}

fn by_score(view: &View<'_>, key: &str, threshold: Points, disposition: Disposition) -> Sight {
    let score = view.evidence.total();
    let distance = score.distance(threshold);
    if score < threshold {
        return Sight::nothing(format!("score {score} is {distance} short of {key} = {threshold}"));
    }
    let category = view.evidence.supported(threshold);
    let above = if score > threshold { format!(", {distance} above it") } else { String::new() };
    let saw = format!("score {score} reaches {key} = {threshold}{above}");
    let reason = format!("{category}: score {score} reaches {threshold}");
    Sight::wants(saw, disposition, category, reason)
}

fn incomplete(view: &View<'_>, _: &Standing) -> Sight {
    let coverage = view.facts.coverage;
    let gaps: Vec<_> = missing(coverage).collect();
    if gaps.is_empty() {
        let saw = match (coverage.0.is_empty(), view.facts.fault) {
            (false, _) => "every scanner looked at what it should",
            (true, None) => "no scanner was asked",
            (true, Some(_)) => "no scanner could be asked",
        };
        return Sight::nothing(saw);
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
        None => Sight::nothing(saw),
        Some(wanted) => {
            let reason = format!("not fully inspected: {}", list(named.into_iter()));
            Sight::wants(saw, wanted, Category::Suspicious, reason)
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
fn missing(coverage: &Coverage) -> impl Iterator<Item = (Scanner, &Outcome)> {
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
fn list<'a>(gaps: impl Iterator<Item = (Scanner, &'a Outcome)>) -> String {
    let words: Vec<_> = gaps.map(|(s, o)| format!("{s}={}", text::line(&o.to_string(), 60))).collect();
    words.join("; ")
}

fn rspamd(view: &View<'_>, _: &Standing) -> Sight {
    let Some(advice) = view.facts.advice else { return Sight::nothing("rspamd said nothing") };
    let (score, required) = (Points::of(advice.score), Points::of(advice.required));
    let action = advice.action;
    let Some((key, worth)) = view.policy.rspamd.worth(action) else {
        return Sight::nothing(format!("rspamd: {action}, score {score} of {required}"));
    };
    let saw = format!("rspamd: {action}, score {score} of {required}: {key} = {}", worth.name());
    let Some(wanted) = worth.disposition() else { return Sight::nothing(saw) };
    // Put off, it is not yet called spam.
    let category = if wanted == Disposition::Tempfail { Category::Suspicious } else { Category::Spam };
    Sight::wants(saw, wanted, category, format!("rspamd: {action}, score {score}"))
}

fn released(view: &View<'_>, _: &Standing) -> Sight {
    let Some(id) = view.facts.released else { return Sight::nothing("it does not come from quarantine") };
    let saw = format!("a copy released from quarantine, entry {id}");
    let reason = format!("released from quarantine, entry {id}");
    let wish = Wish { disposition: Disposition::Accept, category: Category::Clean, reason };
    Sight { saw, effect: Effect::Overrules(wish) }
}

fn repeat(view: &View<'_>, standing: &Standing) -> Sight {
    let put_off = standing.wish.as_ref().filter(|(_, w)| w.disposition == Disposition::Tempfail);
    let Some((index, wish)) = put_off else { return Sight::nothing("nothing asks to put it off") };
    // A rate limit or greylisting is meant to be tried again; only what failed is not to fail for days.
    if RULES.get(*index).is_none_or(|rule| !name::is_for_a_failure(rule.name)) {
        return Sight::nothing("it is put off, but nothing failed");
    }
    if view.facts.fault.is_some() {
        return Sight::nothing("there is no message to hold instead");
    }
    let (attempt, limit) = (view.facts.failures.saturating_add(1), view.policy.repeat_limit);
    if attempt < limit {
        return Sight::nothing(format!("attempt {attempt} that fails like this; held at attempt {limit}"));
    }
    let saw =
        format!("attempt {attempt} that fails like this, repeat_limit = {limit}: held, not put off again");
    let reason = format!("{}, attempt {attempt}", wish.reason);
    let instead = Wish { disposition: Disposition::Quarantine, category: wish.category, reason };
    Sight { saw, effect: Effect::Instead(instead) }
}

fn suspicious(view: &View<'_>, _: &Standing) -> Sight {
    let signal = |f: &Finding| f.category > Category::Clean && f.severity >= Severity::Medium;
    let Some(worst) = view.evidence.worst(signal) else {
        return Sight::nothing("no finding of severity medium or above");
    };
    let Finding { category, severity, scanner, .. } = worst;
    let saw = format!("{}: {category} of severity {severity}", describe(worst));
    let reason = format!("{category}: {} ({scanner})", symbol(worst));
    Sight::wants(saw, view.policy.disposition.suspicious, *category, reason)
}

fn outbound(view: &View<'_>, standing: &Standing) -> Sight {
    if view.facts.direction == Direction::Inbound {
        return Sight::nothing("the mail is coming in");
    }
    match &standing.wish {
        Some((_, wish)) if wish.disposition == Disposition::Tag => {
            let reason = format!("recorded only: {}", wish.reason);
            let instead = Wish { disposition: Disposition::Accept, category: wish.category, reason };
            let saw = "the mail is going out and carries no mark".to_owned();
            Sight { saw, effect: Effect::Instead(instead) }
        }
        _ => Sight::nothing("the mail is going out; it would carry no mark"),
    }
}

fn local_submission(view: &View<'_>, standing: &Standing) -> Sight {
    if !view.facts.session.local_submission {
        return Sight::nothing("the mail came by SMTP");
    }
    let refused = standing.wish.as_ref().filter(|(_, w)| w.disposition == Disposition::Reject);
    let Some((_, wish)) = refused else {
        return Sight::nothing("the mail did not come by SMTP; nothing asks to refuse it");
    };
    // Without the message there is nothing to hold; the MTA's queue keeps it until it can be.
    let (disposition, instead) = match view.facts.fault {
        None => (Disposition::Quarantine, "held"),
        Some(_) => (Disposition::Tempfail, "put off"),
    };
    let saw = format!("the mail did not come by SMTP: {instead}, not refused");
    Sight { saw, effect: Effect::Instead(Wish { disposition, ..wish.clone() }) }
}

fn accept(view: &View<'_>, standing: &Standing) -> Sight {
    let saw = match &standing.wish {
        Some(_) => "another rule decided",
        None => "no rule asks for more",
    };
    let mut missing = missing(view.facts.coverage).peekable();
    let mut reason = match (&standing.recorded, view.evidence.iter().next()) {
        (Some(reason), _) => format!("recorded only: {reason}"),
        (None, Some(_)) => "nothing that weighs enough".to_owned(),
        (None, None) => "nothing found".to_owned(),
    };
    if missing.peek().is_some() {
        reason = format!("{reason}; not fully inspected: {}", list(missing));
    }
    Sight::wants(saw.to_owned(), Disposition::Accept, Category::Clean, reason)
}
