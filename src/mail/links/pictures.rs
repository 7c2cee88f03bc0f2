//! Pictures wait until everything else was read. What looking for codes costs must not keep anybody from the
//! links of texts and pages, so whoever reads a message can judge those first and look at its pictures elsewhere.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;

use super::collect::{Collector, Spent};
use super::found::{Limits, Links, Place, Skipped};
use super::qr::{self, Effort, Size};

/// Tells whoever looks at pictures that nobody waits for it any more. Copies share what they tell.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// No more is wanted; what was found by now is.
    pub fn set(&self) {
        self.0.store(true, Relaxed);
    }

    /// Whether no more is wanted.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// A picture that may hold a code.
pub(super) struct Waiting {
    pub(super) place: Place,
    pub(super) bytes: Bytes,
    pub(super) size: Size,
}

/// The pictures of a message, not looked at yet.
pub struct Pictures {
    limits: Limits,
    waiting: Vec<Waiting>,
    spent: Spent,
}

impl Pictures {
    pub(super) const fn new(limits: Limits, waiting: Vec<Waiting>, spent: Spent) -> Self {
        Self { limits, waiting, spent }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Looks for codes in the pictures, small ones first: what large ones cost must not keep others from being
    /// seen. All of them together may cost what their bytes allow; what was not looked at is told.
    #[must_use]
    pub fn look(mut self, stop: &Stop) -> Links {
        self.waiting.sort_by_key(|picture| (picture.size.pixels(), picture.bytes.len()));
        let bytes = self.waiting.iter().map(|picture| picture.bytes.len() as u64).sum();
        let mut effort = Effort::new(bytes, stop);
        let mut into = Collector::resumed(&self.limits, self.spent);
        for (at, picture) in self.waiting.iter().enumerate() {
            into.enter(picture.place);
            let after = self.waiting.len() - at - 1;
            // No panic is known. Should looking have one, the picture is not inspected rather than the message
            // lost.
            let look = AssertUnwindSafe(|| qr::read(picture, after, &mut effort, &mut into));
            if catch_unwind(look).is_err() {
                into.skip(Skipped::Unreadable);
            }
            if stop.is_set() {
                into.skip(Skipped::Late);
                break;
            }
        }
        into.finish().0
    }
}

impl std::fmt::Debug for Pictures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pictures").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

impl Links {
    /// Adds what was found in the pictures, or in the header, of the same message.
    pub fn add(&mut self, codes: Self) {
        self.list.extend(codes.list);
        self.list.sort_by_key(|found| found.place);
        self.costly = self.costly.into_iter().chain(codes.costly).min();
        self.not_inspected.extend(codes.not_inspected);
        self.not_inspected.sort_unstable();
        self.not_inspected.dedup();
    }
}
