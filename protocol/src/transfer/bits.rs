//! A set of numbers below a bound, one bit each.

/// The set. Numbers at or over its bound are never in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bits {
    words: Vec<u64>,
    bound: u32,
    count: u32,
}

impl Bits {
    /// The empty set of numbers below `bound`.
    pub(crate) fn new(bound: u32) -> Self {
        let words = usize::try_from(bound.div_ceil(64)).unwrap_or(0);
        Self { words: vec![0; words], bound, count: 0 }
    }

    /// Whether every number below the bound is in it.
    pub(crate) fn is_full(&self) -> bool {
        self.count == self.bound
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        let word = usize::try_from(number / 64).ok().and_then(|at| self.words.get(at));
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// Adds a number. Whether it is new, and below the bound.
    pub(crate) fn insert(&mut self, number: u32) -> bool {
        if number >= self.bound || self.contains(number) {
            return false;
        }
        if let Some(word) = usize::try_from(number / 64).ok().and_then(|at| self.words.get_mut(at)) {
            *word |= 1 << (number % 64);
            self.count = self.count.saturating_add(1);
        }
        true
    }

    /// Removes a number. Whether it was there.
    pub(crate) fn remove(&mut self, number: u32) -> bool {
        if !self.contains(number) {
            return false;
        }
        if let Some(word) = usize::try_from(number / 64).ok().and_then(|at| self.words.get_mut(at)) {
            *word &= !(1 << (number % 64));
            self.count = self.count.saturating_sub(1);
        }
        true
    }

    /// The numbers from `first`, a multiple of 8, on: bit i % 8 of byte i / 8, least significant first; at most
    /// `most` bytes.
    pub(crate) fn bytes(&self, first: u32, most: usize) -> Vec<u8> {
        let bytes = self.words.iter().flat_map(|word| word.to_le_bytes());
        let end = usize::try_from(self.bound.div_ceil(8)).unwrap_or(0);
        let skip = usize::try_from(first / 8).unwrap_or(usize::MAX);
        bytes.take(end).skip(skip).take(most).collect()
    }
}
