//! How often a code may be tried.

/// Wrong codes that may be tried on one that was made.
pub(crate) const MAX_ATTEMPTS: u8 = 3;
/// Proofs that are given for one that was typed: each lets whoever gets it try one guess.
pub(crate) const MAX_PROOFS: u32 = 32;

/// The attempts on a code that was made. One is taken before anything is said that a guess could be checked with, and
/// given back only when the code was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Attempts {
    taken: u8,
}

impl Attempts {
    /// As they were stored.
    pub(crate) fn stored(taken: u8) -> Self {
        Self { taken: taken.min(MAX_ATTEMPTS) }
    }

    /// How many are under way or lost.
    pub(crate) fn taken(self) -> u8 {
        self.taken
    }

    /// How many are left.
    pub(crate) fn left(self) -> u8 {
        MAX_ATTEMPTS.saturating_sub(self.taken)
    }

    /// Takes one. `false`: there is none.
    #[must_use]
    pub(crate) fn take(&mut self) -> bool {
        let left = self.left() > 0;
        if left {
            self.taken = self.taken.saturating_add(1);
        }
        left
    }

    /// The one under way has proven the code.
    pub(crate) fn give_back(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }
}
