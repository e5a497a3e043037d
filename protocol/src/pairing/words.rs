//! The words that codes are made of: which there are, what a few letters can become, what a mistyped one may have been.
//!
//! The list is that of BIP-39 in English: 2048 words, so 11 bits each, in order, no two alike in their first four
//! letters. It is in the public domain (CC0 as the `bip39` crate gives it; the BIP itself is under the MIT licence).

use std::sync::LazyLock;

/// Bits that a word stands for.
pub(crate) const BITS: u32 = 11;
/// How many there are.
pub(crate) const COUNT: u16 = 1 << BITS;
/// So many letters name a word.
const ENOUGH: usize = 4;
/// Letters of what is looked at when a word is looked for; none has more than eight.
const LONGEST: usize = 16;

static LIST: LazyLock<Vec<&'static str>> = LazyLock::new(|| include_str!("words.txt").lines().collect());

/// The word of a number. Numbers go round at 2048.
pub(crate) fn word(number: u16) -> &'static str {
    LIST.get(usize::from(number % COUNT)).copied().unwrap_or_default()
}

/// The number of a word, whatever its case. Its first four letters are enough.
pub(crate) fn find(typed: &str) -> Option<u16> {
    let typed = typed.to_ascii_lowercase();
    let place = match LIST.binary_search(&typed.as_str()) {
        Ok(place) => place,
        // No two have the same four letters, so there is one at most.
        Err(place) if typed.len() >= ENOUGH && LIST.get(place)?.starts_with(&typed) => place,
        Err(_) => return None,
    };
    u16::try_from(place).ok()
}

/// The words that begin with these letters, in order: for completion by a key. No letters give all words.
pub fn complete(prefix: &str) -> Vec<&'static str> {
    let prefix = prefix.to_ascii_lowercase();
    let from = LIST.partition_point(|word| *word < prefix.as_str());
    LIST.iter().skip(from).take_while(|word| word.starts_with(&prefix)).copied().collect()
}

/// The word of the list that is most like what was typed: by the letters that would have to be put in, left out,
/// replaced, or made to change places with the next one. Of several, one that begins alike.
pub fn nearest(typed: &str) -> &'static str {
    let typed: Vec<u8> = typed.to_ascii_lowercase().bytes().take(LONGEST).collect();
    let unlike = |word: &&&str| (distance(&typed, word.as_bytes()), typed.first() != word.as_bytes().first());
    LIST.iter().min_by_key(unlike).copied().unwrap_or_default()
}

/// The optimal string alignment distance, with one row for each of `a`'s letters.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let at = |row: &[usize], place: usize| row.get(place).copied().unwrap_or(usize::MAX);
    for (i, letter) in a.iter().enumerate() {
        let mut row = vec![i.saturating_add(1)];
        for (j, other) in b.iter().enumerate() {
            let replaced = at(&last, j).saturating_add(usize::from(letter != other));
            let left_out = at(&last, j.saturating_add(1)).saturating_add(1);
            let put_in = at(&row, j).saturating_add(1);
            let mut least = replaced.min(left_out).min(put_in);
            if let (Some(i), Some(j)) = (i.checked_sub(1), j.checked_sub(1))
                && (a.get(i), b.get(j)) == (Some(other), Some(letter))
            {
                least = least.min(at(&before, j).saturating_add(1));
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    at(&last, b.len())
}
