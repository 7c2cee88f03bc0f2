//! What looking for codes in the pictures of a message may cost.
//!
//! Counted in steps of about the cost of reading one pixel, not in time: the same message comes out the same each
//! time. Few bytes can be many pixels, and many corners that belong to no code. So what a message may cost grows
//! with the bytes of its pictures, from a sum that does for a page with a code on it. Each picture has its share in
//! what those before it left, so that no number of decoys takes what the one with the code needs.

use super::TooMuch;
use crate::mail::links::pictures::Stop;

/// What the pictures of any message may cost: some ten million pixels, which is a page as it is printed.
const LEAST: u64 = 48_000_000;
/// And for each byte of them. Photographs have some three pixels for each, and take about fifteen steps for each
/// pixel; pictures of screens have twenty pixels for each, and take about seven.
const BYTE: u64 = 200;
/// No message may cost more.
const MOST: u64 = 800_000_000;

/// What is left of it.
pub(in crate::mail::links) struct Effort {
    left: u64,
    /// What the picture that is looked at may still cost.
    share: u64,
    stop: Stop,
}

impl Effort {
    /// All that a message may cost whose pictures have so many `bytes`.
    pub(in crate::mail::links) fn new(bytes: u64, stop: &Stop) -> Self {
        let left = bytes.saturating_mul(BYTE).saturating_add(LEAST).min(MOST);
        Self { left, share: left, stop: stop.clone() }
    }

    /// Takes `cost` off; not more than the share, and nothing once nobody waits for it.
    pub(super) fn take(&mut self, cost: u64) -> Result<(), TooMuch> {
        if self.stop.is_set() || cost > self.share {
            return Err(TooMuch);
        }
        self.spent(cost);
        Ok(())
    }

    /// Begins with a picture after which so many are still to come. Those come in the order of their size, so a
    /// share is too small for an honest picture only where the sum is too small for all of them.
    pub(super) const fn begin(&mut self, after: usize) {
        self.share = self.left / (after as u64 + 1);
    }

    /// What is left for the picture that is looked at.
    pub(super) const fn share(&self) -> u64 {
        self.share
    }

    /// Takes off what was spent without asking before.
    pub(super) const fn spent(&mut self, cost: u64) {
        self.share = self.share.saturating_sub(cost);
        self.left = self.left.saturating_sub(cost);
    }

    pub(super) const fn stop(&self) -> &Stop {
        &self.stop
    }
}
