//! How much work conditions may be: counted in steps, so that the same message always fares the same.

use super::Failure;

/// What is left of the steps that may be taken for one message.
#[derive(Debug)]
pub(in super::super) struct Fuel {
    left: u64,
}

impl Fuel {
    /// For all the rules of one message and recipient. The worst condition stays below 20 ms with it.
    pub(in super::super) const MESSAGE: u64 = 400_000;

    /// As much as one message and recipient may cost.
    pub(in super::super) const fn of_a_message() -> Self {
        Self::new(Self::MESSAGE)
    }

    /// So many steps.
    pub(in super::super) const fn new(steps: u64) -> Self {
        Self { left: steps }
    }

    /// What is left.
    #[cfg(test)]
    pub(in super::super) const fn left(&self) -> u64 {
        self.left
    }

    /// Takes `steps`.
    #[inline]
    pub(super) const fn burn(&mut self, steps: u64) -> Result<(), Failure> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Failure::OutOfFuel)
            }
        }
    }

    /// Takes what it costs to look at a text once.
    #[inline]
    pub(super) const fn text(&mut self, bytes: usize) -> Result<(), Failure> {
        self.burn(bytes as u64 / 32)
    }
}
