//! What no rule of a file can judge: circumstances of a message that put something else in the place of what
//! the rules ask for.

use super::opinion::{list, missing};
use super::standing::{Effect, Held, Sight, Standing, Wish};
use super::view::View;
use super::{Facts, Fault, name};
use crate::model::{Category, Direction, Disposition, Handover};

/// One circumstance.
pub(super) struct Guard {
    /// Its name in explanations, records and metrics.
    pub(super) name: &'static str,
    /// What it asks for holds whatever is allowed.
    pub(super) firm: bool,
    pub(super) look: fn(&View<'_>, &Standing) -> Sight,
}

/// Those that come before the rules.
pub(super) static BEFORE: [Guard; 1] = [Guard { name: name::NOT_COLLECTED, firm: true, look: not_collected }];

/// Those that come behind the rules.
pub(super) static BEHIND: [Guard; 7] = [
    Guard { name: name::REPEAT, firm: false, look: repeat },
    Guard { name: name::OUTBOUND, firm: false, look: outbound },
    Guard { name: name::LOCAL_SUBMISSION, firm: false, look: local_submission },
    Guard { name: name::BEHIND_QUEUE, firm: false, look: behind_queue },
    Guard { name: name::RELEASED, firm: false, look: released },
    Guard { name: name::ACCEPT, firm: false, look: accept },
    Guard { name: name::DRY_RUN, firm: false, look: dry_run },
];

impl Guard {
    /// Whether this circumstance is possible at all; if not nothing is told of it.
    pub(super) fn is_possible(&self, view: &View<'_>) -> bool {
        match self.name {
            name::DRY_RUN => view.policy.dry_run,
            name::BEHIND_QUEUE => view.facts.session.handover != Handover::Milter,
            _ => true,
        }
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

fn released(view: &View<'_>, _: &Standing) -> Sight {
    let Some(id) = view.facts.released else { return Sight::nothing("it does not come from quarantine") };
    let saw = format!("a copy released from quarantine, entry {id}");
    let reason = format!("released from quarantine, entry {id}");
    let wish = Wish::new(Disposition::Accept, Category::Clean, reason);
    Sight { saw, effect: Effect::Overrules(wish) }
}

fn repeat(view: &View<'_>, standing: &Standing) -> Sight {
    let put_off = standing.wish.as_ref().filter(|held| held.wish.disposition == Disposition::Tempfail);
    let Some(held) = put_off else { return Sight::nothing("nothing asks to put it off") };
    // A rate limit or greylisting is meant to be tried again; only what failed is not to fail for days.
    if !name::is_for_a_failure(&held.rule) {
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
    let reason = format!("{}, attempt {attempt}", held.wish.reason);
    Sight {
        saw,
        effect: Effect::Instead(Wish { disposition: Disposition::Quarantine, reason, ..held.wish.clone() }),
    }
}

fn outbound(view: &View<'_>, standing: &Standing) -> Sight {
    if view.facts.direction == Direction::Inbound {
        return Sight::nothing("the mail is coming in");
    }
    match &standing.wish {
        Some(Held { wish, .. }) if wish.disposition == Disposition::Tag => {
            let reason = format!("recorded only: {}", wish.reason);
            let instead = Wish::new(Disposition::Accept, wish.category, reason);
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
    not_refused(view, standing, "the mail did not come by SMTP")
}

fn behind_queue(view: &View<'_>, standing: &Standing) -> Sight {
    let Facts { session, envelope, .. } = view.facts;
    let why = match (session.handover, envelope.reverse_path.is_null()) {
        (Handover::Milter, _) => return Sight::nothing("a refusal reaches who sends the mail"),
        (Handover::Lmtp { refuses: false } | Handover::Smtp { refuses: false }, _) => {
            "the mail comes out of a queue"
        }
        // What could be told of it would be told to nobody.
        (Handover::Lmtp { refuses: true } | Handover::Smtp { refuses: true }, true) => "the mail is a bounce",
        (Handover::Lmtp { refuses: true } | Handover::Smtp { refuses: true }, false) => {
            return Sight::nothing("lmtp.reject: the mail may be refused");
        }
    };
    not_refused(view, standing, why)
}

/// Holds what somebody asks to refuse.
fn not_refused(view: &View<'_>, standing: &Standing, why: &str) -> Sight {
    let refused = standing.wish.as_ref().filter(|held| held.wish.disposition == Disposition::Reject);
    let Some(Held { wish, .. }) = refused else {
        return Sight::nothing(format!("{why}; nothing asks to refuse it"));
    };
    // Without the message there is nothing to hold; the MTA's queue keeps it until it can be.
    let (disposition, instead) = match view.facts.fault {
        None => (Disposition::Quarantine, "held"),
        Some(_) => (Disposition::Tempfail, "put off"),
    };
    let saw = format!("{why}: {instead}, not refused");
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

fn dry_run(view: &View<'_>, standing: &Standing) -> Sight {
    if !view.policy.dry_run {
        return Sight::nothing("policy.dry_run is off");
    }
    let Some(held) = standing.wish.as_ref().filter(|held| held.wish.disposition != Disposition::Accept)
    else {
        return Sight::nothing("policy.dry_run is on; the mail is let through anyway");
    };
    let would = held.wish.disposition;
    let saw = format!("policy.dry_run is on: the mail is let through, by {} it would be {would}", held.rule);
    let reason = format!("dry run, would be {would}: {}", held.wish.reason);
    Sight { saw, effect: Effect::Overrules(Wish::new(Disposition::Accept, held.wish.category, reason)) }
}
