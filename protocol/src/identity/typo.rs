//! Where the mistyped characters of an id are.
//!
//! Over 58 symbols the bech32m code (BIP-350) has distance 5: any two wrong symbols can be told from all other
//! ways to be two symbols wrong. The checksum is linear, so the effect of each single error is computed once and
//! one error, or a pair, is found whose effects add up to what the checksum is off by.

use std::collections::BTreeMap;

use bech32::primitives::checksum::Engine;
use bech32::{Bech32m, Checksum, Fe32, Hrp};

/// One mistyped character of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Typo {
    /// Its place in the text, counted from 1.
    pub position: usize,
    /// What is written there.
    pub found: char,
    /// What the checksum says should be there.
    pub expected: char,
}

/// What the checksum says of an id's symbols. Indices count from 0 after the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Located {
    /// Nothing is wrong.
    Clean,
    /// This symbol is wrong, and should be that.
    One((usize, Fe32)),
    /// These two are wrong.
    Two((usize, Fe32), (usize, Fe32)),
    /// This symbol and the next have changed places.
    Swapped(usize),
    /// More are wrong than can be located.
    Many,
}

/// Whether the symbols, checksum included, are as they were written.
pub(crate) fn is_clean(hrp: Hrp, symbols: &[Fe32]) -> bool {
    residue(hrp, symbols) == Bech32m::TARGET_RESIDUE
}

/// Finds up to two wrong symbols. More than two may pass for one or two, about once in 700 times, so what this
/// says is a hint to look at and never a correction to apply.
pub(super) fn locate(hrp: Hrp, symbols: &[Fe32]) -> Located {
    let as_found = residue(hrp, symbols);
    let off_by = as_found ^ Bech32m::TARGET_RESIDUE;
    if off_by == 0 {
        return Located::Clean;
    }
    let effects = single_errors(hrp, symbols, as_found);
    if let Some(error) = effects.get(&off_by) {
        return Located::One(*error);
    }
    for (effect, first) in &effects {
        if let Some(second) = effects.get(&(effect ^ off_by)) {
            let (first, second) = if first.0 < second.0 { (*first, *second) } else { (*second, *first) };
            let swapped = second.0 == first.0.saturating_add(1)
                && symbols.get(first.0) == Some(&second.1)
                && symbols.get(second.0) == Some(&first.1);
            return if swapped { Located::Swapped(first.0) } else { Located::Two(first, second) };
        }
    }
    Located::Many
}

/// The one wrong symbol, and what it should be, where a single one explains it all. Good up to 1023 symbols.
pub(crate) fn locate_one(hrp: Hrp, symbols: &[Fe32]) -> Option<(usize, Fe32)> {
    let as_found = residue(hrp, symbols);
    single_errors(hrp, symbols, as_found).get(&(as_found ^ Bech32m::TARGET_RESIDUE)).copied()
}

/// By its effect on the residue, each way to change one symbol: its index and what it would become.
fn single_errors(hrp: Hrp, symbols: &[Fe32], as_found: u32) -> BTreeMap<u32, (usize, Fe32)> {
    let mut effects = BTreeMap::new();
    let mut changed = symbols.to_vec();
    for (index, found) in symbols.iter().enumerate() {
        for other in Fe32::iter_alpha().filter(|other| other != found) {
            if let Some(symbol) = changed.get_mut(index) {
                *symbol = other;
            }
            effects.insert(residue(hrp, &changed) ^ as_found, (index, other));
        }
        if let Some(symbol) = changed.get_mut(index) {
            *symbol = *found;
        }
    }
    effects
}

fn residue(hrp: Hrp, symbols: &[Fe32]) -> u32 {
    let mut engine = Engine::<Bech32m>::new();
    engine.input_hrp(hrp);
    symbols.iter().for_each(|symbol| engine.input_fe(*symbol));
    *engine.residue()
}
