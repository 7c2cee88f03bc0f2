//! A policy on trial: recorded messages judged again, and what would change.
//!
//! **Contract.** [`Rehearsal::rehearse`] reads the journal on the caller's thread and judges on two more. Memory is bounded
//! by the batches under way and the number of kinds of change, not by the journal. The outcome does not depend on
//! which thread judged what.
//!
//! **Failures.** A line that cannot be used is counted and named; a file that cannot be read ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Serialize, Serializer};

use super::again::{NotAgain, Past, Terms};
use crate::audit::{Damaged, Raw, Read, ReadError, Reader, Record};
use crate::model::{Disposition, MailId, Timestamp};
use crate::policy::{Blind, Policy, decide_again, name};

/// Threads that judge.
const WORKERS: usize = 2;
/// Records and bytes that are handed over at once.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 2 << 20;
/// Batches that wait.
const WAITING: usize = 4;
/// The most kinds of change that are told apart.
const MAX_KINDS: usize = 1_000;
/// What stands among the rules that are not known where a group names people.
const GROUPS: &str = "groups that name addresses";
/// The most lines named that cannot be used.
const MAX_DAMAGED: usize = 20;

/// A disposition, and the rule that decided for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct By {
    /// What happens, in the order of strictness.
    #[serde(serialize_with = "as_word")]
    pub disposition: Strict,
    /// The rule.
    pub rule: String,
}

/// A disposition that sorts by strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strict(pub Disposition);

/// From what was recorded to what the policy on trial says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Turn {
    /// What was recorded.
    pub from: By,
    /// What it would be.
    pub to: By,
}

/// Messages that turn alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Turned {
    /// How many.
    pub messages: u64,
    /// Some of their ids, the newest.
    pub ids: BTreeSet<MailId>,
}

/// What came of a trial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Records of messages that were read.
    pub records: u64,
    /// The time of the first and of the last.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Messages of which something else would happen, to one recipient at least.
    pub changed: u64,
    /// Messages to which the same would happen by another rule.
    pub by_another_rule: u64,
    /// Messages for which nothing changes.
    pub unchanged: u64,
    /// Messages of which it is not known: a rule asks for what the record does not hold.
    pub unknown: u64,
    /// Those rules, each with the number of messages.
    pub unknown_rules: BTreeMap<String, u64>,
    /// Messages that cannot be judged again.
    pub not_again: BTreeMap<NotAgain, u64>,
    /// Messages whose record has pseudonyms in place of people.
    pub hidden: u64,
    /// Messages that were let through by `policy.dry_run`: for them what the policy in use would do counts as
    /// recorded.
    pub dry_run: u64,
    /// Messages that the policy in use would treat otherwise than was recorded.
    pub drifted: u64,
    /// Some of their ids, the newest.
    pub drifted_ids: BTreeSet<MailId>,
    /// What turns into what.
    pub turns: BTreeMap<Turn, Turned>,
    /// Messages that change in a way beyond those that are told apart.
    pub other_turns: u64,
    /// Lines that cannot be used.
    pub damaged: u64,
    /// The first of them.
    pub damaged_lines: Vec<Damaged>,
}

/// What is compared.
#[derive(Debug)]
pub struct Rehearsal {
    /// What is in use; its `on_failure` and lists hold for both.
    terms: Terms,
    /// What is on trial.
    new: Policy,
    blind: Blind,
    /// The most ids kept of each kind.
    ids: usize,
}

impl Rehearsal {
    /// `new` against what was recorded, and against `terms`, which are in use. Of each change so many ids are kept.
    #[must_use]
    pub fn new(terms: Terms, new: Policy, ids: usize) -> Self {
        let new = new.in_force();
        let blind = Blind::of(&new);
        Self { terms: Terms { policy: terms.policy.in_force(), ..terms }, new, blind, ids }
    }

    /// The rules on trial that look at what pseudonyms stand for.
    #[must_use]
    pub const fn blind(&self) -> &Blind {
        &self.blind
    }

    /// Judges everything that `reader` gives, without the first `skip` records. `progress` is told now and then
    /// how many were read.
    ///
    /// # Errors
    /// If a file of the journal cannot be read.
    pub fn rehearse(
        &self,
        mut reader: Reader,
        skip: u64,
        mut progress: impl FnMut(u64),
    ) -> Result<Outcome, ReadError> {
        let (sender, receiver) = sync_channel::<Vec<Raw>>(WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        std::thread::scope(|scope| {
            // Only the workers hold the receiver: without them sending fails, and does not wait.
            let workers: Vec<_> =
                std::iter::repeat_n(receiver, WORKERS).map(|r| scope.spawn(move || self.work(&r))).collect();
            let mut outcome = Outcome::default();
            let (mut batch, mut bytes, mut read) = (Vec::with_capacity(BATCH), 0, 0_u64);
            let reading = loop {
                match reader.next_read() {
                    Err(error) => break Err(error),
                    Ok(None) => break Ok(()),
                    Ok(Some(Read::Damaged(damaged))) => outcome.damaged(damaged),
                    Ok(Some(Read::Judged(raw))) => {
                        read += 1;
                        if read <= skip {
                            continue;
                        }
                        bytes += raw.len();
                        batch.push(raw);
                        if batch.len() >= BATCH || bytes >= BATCH_BYTES {
                            progress(read - skip);
                            bytes = 0;
                            // Nobody takes it where a worker panicked, which is told below.
                            if sender.send(std::mem::take(&mut batch)).is_err() {
                                break Ok(());
                            }
                        }
                    }
                }
            };
            sender.send(batch).ok();
            drop(sender);
            for worker in workers {
                match worker.join() {
                    Ok(part) => outcome.add(part, self.ids),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            reading.map(|()| outcome)
        })
    }

    fn work(&self, batches: &Mutex<Receiver<Vec<Raw>>>) -> Outcome {
        let mut outcome = Outcome::default();
        loop {
            let next = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(batch) = next else { return outcome };
            for raw in &batch {
                match raw.record() {
                    Ok(record) => self.judge(&record, &mut outcome),
                    Err(damaged) => outcome.damaged(damaged),
                }
            }
        }
    }

    /// Judges one record again.
    fn judge(&self, record: &Record, outcome: &mut Outcome) {
        outcome.records += 1;
        let time = record.time;
        let span = outcome.span.map_or((time, time), |(first, last)| (first.min(time), last.max(time)));
        outcome.span = Some(span);
        let past = match Past::of(record, &self.terms.lists) {
            Ok(past) => past,
            Err(why) => {
                *outcome.not_again.entry(why).or_default() += 1;
                return;
            }
        };
        let facts = past.facts(&self.terms.on_failure, None);
        let lacks = past.lacks();
        let new = decide_again(&self.new, &facts);
        let now = decide_again(&self.terms.policy, &facts);
        let mut unknown: BTreeSet<&str> = BTreeSet::new();
        let mut turns: BTreeSet<Turn> = BTreeSet::new();
        let (mut drifted, mut dry_run) = (false, false);
        for shared in &record.verdicts {
            for position in &shared.recipients {
                let (Some(new), Some(now)) = (new.get(*position), now.get(*position)) else { continue };
                unknown.extend(new.unknown.iter().map(String::as_str));
                unknown.extend(self.blind.to(lacks, &new.verdict.rule));
                unknown.extend((lacks.people && self.blind.has_groups_of_people()).then_some(GROUPS));
                let now_by = By::new(now.verdict.disposition, &now.verdict.rule);
                let recorded = match shared.verdict.rule.as_str() {
                    name::DRY_RUN => {
                        dry_run = true;
                        now_by
                    }
                    rule => {
                        let recorded = By::new(shared.verdict.disposition, rule);
                        drifted |= recorded != now_by && now.unknown.is_empty();
                        recorded
                    }
                };
                let to = By::new(new.verdict.disposition, &new.verdict.rule);
                if recorded != to {
                    turns.insert(Turn { from: recorded, to });
                }
            }
        }
        outcome.hidden += u64::from(lacks.people);
        outcome.dry_run += u64::from(dry_run);
        if drifted {
            outcome.drifted += 1;
            keep(&mut outcome.drifted_ids, record.id, self.ids);
        }
        if !unknown.is_empty() {
            outcome.unknown += 1;
            for rule in unknown {
                *outcome.unknown_rules.entry(rule.to_owned()).or_default() += 1;
            }
            return;
        }
        match turns.iter().any(|turn| turn.from.disposition != turn.to.disposition) {
            true => outcome.changed += 1,
            false if turns.is_empty() => outcome.unchanged += 1,
            false => outcome.by_another_rule += 1,
        }
        for turn in turns {
            outcome.turn(turn, 1, [record.id], self.ids);
        }
    }
}

impl Outcome {
    fn damaged(&mut self, damaged: Damaged) {
        self.damaged += 1;
        self.damaged_lines.push(damaged);
        self.tidy();
    }

    fn tidy(&mut self) {
        self.damaged_lines.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        self.damaged_lines.truncate(MAX_DAMAGED);
    }

    fn turn(&mut self, turn: Turn, messages: u64, ids: impl IntoIterator<Item = MailId>, most: usize) {
        if self.turns.len() >= MAX_KINDS && !self.turns.contains_key(&turn) {
            self.other_turns += messages;
            return;
        }
        let turned = self.turns.entry(turn).or_default();
        turned.messages += messages;
        ids.into_iter().for_each(|id| keep(&mut turned.ids, id, most));
    }

    fn add(&mut self, other: Self, most: usize) {
        self.records += other.records;
        self.span = match (self.span, other.span) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, None) | (None, one) => one,
        };
        self.changed += other.changed;
        self.by_another_rule += other.by_another_rule;
        self.unchanged += other.unchanged;
        self.unknown += other.unknown;
        for (rule, messages) in other.unknown_rules {
            *self.unknown_rules.entry(rule).or_default() += messages;
        }
        for (why, messages) in other.not_again {
            *self.not_again.entry(why).or_default() += messages;
        }
        self.hidden += other.hidden;
        self.dry_run += other.dry_run;
        self.drifted += other.drifted;
        other.drifted_ids.into_iter().for_each(|id| keep(&mut self.drifted_ids, id, most));
        for (turn, turned) in other.turns {
            self.turn(turn, turned.messages, turned.ids, most);
        }
        self.other_turns += other.other_turns;
        self.damaged += other.damaged;
        self.damaged_lines.extend(other.damaged_lines);
        self.tidy();
    }
}

/// Keeps the newest ids.
fn keep(ids: &mut BTreeSet<MailId>, id: MailId, most: usize) {
    ids.insert(id);
    if ids.len() > most {
        ids.pop_first();
    }
}

impl By {
    fn new(disposition: Disposition, rule: &str) -> Self {
        Self { disposition: Strict(disposition), rule: rule.to_owned() }
    }
}

impl std::fmt::Display for By {
    /// `quarantine by phish`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} by {}", self.disposition.0, self.rule)
    }
}

impl PartialOrd for Strict {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Strict {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.strictness().cmp(&other.0.strictness())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn as_word<S: Serializer>(strict: &Strict, serializer: S) -> Result<S::Ok, S::Error> {
    strict.0.serialize(serializer)
}

#[cfg(test)]
mod tests;
