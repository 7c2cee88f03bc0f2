//! Numbers from a seed (SplitMix64): the same on every machine.

/// A generator.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// From a seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or_default()
    }

    /// Whether one of `n` came.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// A small number more often than a large one, at most `most`.
    pub(crate) fn size(&mut self, most: usize) -> usize {
        let bits = self.below(usize::try_from(most.max(1).ilog2()).unwrap_or_default() + 2);
        (self.below(1 << bits) + usize::from(bits > 0)).min(most)
    }

    /// The same, at most `usual`; one of `n` times at most `rare`.
    pub(crate) fn often(&mut self, usual: usize, n: usize, rare: usize) -> usize {
        let most = if self.one_in(n) { rare } else { usual };
        self.size(most)
    }
}
