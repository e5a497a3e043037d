//! Numbers in runs: memory for as many as there are gaps, not for as many as there are numbers.

use std::collections::BTreeMap;

/// A set of numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs {
    /// First of each run, and the first after it. No two touch.
    runs: BTreeMap<u64, u64>,
}

impl Runs {
    /// Every number below `end`.
    pub(super) fn all(end: u64) -> Self {
        Self { runs: BTreeMap::from([(0, end)]) }
    }

    /// Adds a number.
    pub(super) fn insert(&mut self, number: u64) {
        if self.contains(number) {
            return;
        }
        let after = number.saturating_add(1);
        let end = self.runs.remove(&after).unwrap_or(after);
        match self.runs.range_mut(..=number).next_back() {
            Some((_, before)) if *before == number => *before = end,
            _ => drop(self.runs.insert(number, end)),
        }
    }

    /// Whether a number is in it.
    pub(super) fn contains(&self, number: u64) -> bool {
        self.runs.range(..=number).next_back().is_some_and(|(_, end)| number < *end)
    }

    /// How many numbers are in it.
    pub(super) fn count(&self) -> u64 {
        self.runs.iter().map(|(first, end)| end - first).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Runs;

    #[test]
    fn numbers_in_any_order_make_few_runs() {
        let mut runs = Runs::default();
        for number in [5, 1, 3, 5, 2, 0, 9, 4] {
            runs.insert(number);
        }
        assert_eq!(runs.runs.into_iter().collect::<Vec<_>>(), [(0, 6), (9, 10)]);
    }

    #[test]
    fn what_is_in_it_counts_once() {
        let mut runs = Runs::default();
        for number in [7, 8, 7, 20] {
            runs.insert(number);
        }
        assert_eq!(runs.count(), 3);
        assert!([7, 8, 20].into_iter().all(|number| runs.contains(number)));
        assert!(![6, 9, 19, 21].into_iter().any(|number| runs.contains(number)));
    }
}
