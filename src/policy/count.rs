//! What findings are worth together, none counted twice.
//!
//! Of what speaks against the mail, the weightiest of each family counts; what speaks for it likewise, beside it.
//! Strong evidence of malware (severity high) counts once, whatever was found where, and lesser signs of malware
//! are part of it, unless they weigh more together: it is not proof, so it holds mail and shall not refuse it by
//! adding up. Proof (severity critical) is outside of this.
//!
//! So the sum is that of the weightiest choice of findings with at most one of each family, and either one strong
//! piece of evidence of malware or any lesser signs. A choice that was possible stays so when a finding is added:
//! one more never lowers the sum. It takes one pass without allocation.

use super::evidence::{Points, points};
use super::family::Family;
use crate::model::{Category, Finding, Severity};

const FAMILIES: usize = Family::ALL.len();

/// How a finding may be chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Beside all others.
    Plain,
    /// A lesser sign of malware: not beside strong evidence.
    Sign,
    /// Strong evidence of malware: one at most.
    Strong,
}

impl Kind {
    fn of(finding: &Finding) -> Self {
        match (finding.category, finding.severity) {
            (Category::Malware, Severity::Critical) => Self::Plain,
            (Category::Malware, Severity::High) => Self::Strong,
            (Category::Malware, _) => Self::Sign,
            _ => Self::Plain,
        }
    }
}

/// What speaks against the mail and belongs together by kind: the sum of those that are in no family, and the
/// weightiest of each. Of strong evidence the weightiest alone.
#[derive(Clone, Copy)]
struct Heap {
    loose: i64,
    of: [i64; FAMILIES],
}

impl Heap {
    const EMPTY: Self = Self { loose: 0, of: [0; FAMILIES] };

    fn of(&self, family: Family) -> i64 {
        self.of.get(family as usize).copied().unwrap_or_default()
    }

    fn slot(&mut self, family: Family) -> &mut i64 {
        let Some(slot) = self.of.get_mut(family as usize) else {
            unreachable!("there is a place for each family")
        };
        slot
    }
}

/// All of them.
struct Heaps {
    plain: Heap,
    signs: Heap,
    strong: Heap,
    /// What speaks for the mail: below zero.
    good: Heap,
}

impl Heaps {
    fn of<'f>(findings: impl Iterator<Item = &'f Finding>) -> Self {
        let empty = Heap::EMPTY;
        let mut heaps = Self { plain: empty, signs: empty, strong: empty, good: empty };
        for finding in findings {
            let score = points(finding).0;
            let family = Family::of(finding);
            if score <= 0 {
                match family {
                    None => heaps.good.loose = heaps.good.loose.saturating_add(score),
                    Some(family) => {
                        let slot = heaps.good.slot(family);
                        *slot = score.min(*slot);
                    }
                }
                continue;
            }
            let kind = Kind::of(finding);
            let heap = match kind {
                Kind::Plain => &mut heaps.plain,
                Kind::Sign => &mut heaps.signs,
                Kind::Strong => &mut heaps.strong,
            };
            match (family, kind) {
                (Some(family), _) => {
                    let slot = heap.slot(family.within());
                    *slot = score.max(*slot);
                }
                (None, Kind::Strong) => heap.loose = score.max(heap.loose),
                (None, _) => heap.loose = heap.loose.saturating_add(score),
            }
        }
        heaps
    }

    /// What the signs add to what is plain.
    fn by_signs(&self) -> i64 {
        let more = self.plain.of.iter().zip(&self.signs.of).map(|(plain, sign)| (sign - plain).max(0));
        more.fold(self.signs.loose, i64::saturating_add)
    }

    /// What the weightiest piece of strong evidence adds to what is plain.
    fn by_strong(&self) -> i64 {
        let more = self.plain.of.iter().zip(&self.strong.of).map(|(plain, strong)| strong - plain);
        more.fold(self.strong.loose, i64::max)
    }

    /// Whether the strong evidence is chosen, and not the signs.
    fn is_strong(&self) -> bool {
        self.by_strong() >= self.by_signs()
    }

    fn total(&self) -> i64 {
        let plain = self.plain.of.iter().copied().fold(self.plain.loose, i64::saturating_add);
        let good = self.good.of.iter().copied().fold(self.good.loose, i64::saturating_add);
        plain.saturating_add(self.by_strong().max(self.by_signs())).saturating_add(good)
    }
}

/// What they are worth together, in whatever order.
pub(super) fn total<'f>(findings: impl Iterator<Item = &'f Finding>) -> Points {
    Points(Heaps::of(findings).total())
}

/// Who speaks for each finding that does not count; `None` for those that do, and for those that weigh nothing. The
/// scores of those that count add up to [`total`].
pub(super) fn speakers<'f>(findings: &[&'f Finding]) -> Vec<Option<&'f Finding>> {
    let heaps = Heaps::of(findings.iter().copied());
    let gain = |finding: &Finding| {
        let beside = Family::of(finding).map_or(0, |family| heaps.plain.of(family.within()));
        points(finding).0 - beside
    };
    let kind = |at: usize| findings.get(at).map_or(Kind::Plain, |finding| Kind::of(finding));
    let is_strong = heaps.is_strong();
    let first_with_most = |which: &dyn Fn(usize, &Finding) -> Option<i64>| {
        let mut most: Option<(usize, i64)> = None;
        for (at, finding) in findings.iter().enumerate() {
            if let Some(weight) = which(at, finding).filter(|weight| most.is_none_or(|(_, m)| *weight > m)) {
                most = Some((at, weight));
            }
        }
        most.map(|(at, _)| at)
    };
    // Whoever speaks for malware that does not count otherwise.
    let chosen = first_with_most(&|at, finding| match (kind(at), is_strong) {
        (Kind::Strong, true) | (Kind::Sign, false) => Some(gain(finding)).filter(|gain| *gain > 0),
        _ => None,
    });
    let may_count = |at: usize| match kind(at) {
        Kind::Plain => true,
        Kind::Sign => !is_strong,
        Kind::Strong => is_strong && chosen == Some(at),
    };
    let speaker = |at: usize, finding: &Finding| -> Option<usize> {
        let score = points(finding).0;
        let family = Family::of(finding);
        if score <= 0 {
            let family = family?;
            let best = |_: usize, other: &Finding| {
                (Family::of(other) == Some(family)).then(|| -points(other).0).filter(|weight| *weight > 0)
            };
            return first_with_most(&best).filter(|best| *best != at);
        }
        let told = family.and_then(|family| {
            first_with_most(&|other, finding: &Finding| {
                let same = Family::of(finding).is_some_and(|of| of.within() == family.within());
                (same && may_count(other)).then(|| points(finding).0).filter(|weight| *weight > 0)
            })
        });
        match told {
            Some(told) if told == at => None,
            Some(told) if may_count(at) => Some(told),
            None if may_count(at) => None,
            Some(told) if findings.get(told).is_some_and(|told| points(told).0 >= score) => Some(told),
            told => chosen.or(told),
        }
    };
    let of =
        |(at, finding): (usize, &&'f Finding)| speaker(at, finding).and_then(|at| findings.get(at).copied());
    findings.iter().enumerate().map(of).collect()
}
