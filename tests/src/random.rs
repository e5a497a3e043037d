//! A small seeded generator, the same on every platform: xoshiro256++ started by SplitMix64.
//!
//! Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2021). Not for secrets.

use std::time::Duration;

/// A generator. Equal seeds give equal sequences.
#[derive(Debug, Clone)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self { state: std::array::from_fn(|_| split_mix(&mut state)) }
    }

    /// A generator for one purpose among many under the same seed: `labels` name it.
    pub fn named(seed: u64, labels: &[u64]) -> Self {
        let mut state = seed;
        for label in labels {
            state = split_mix(&mut state) ^ label.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        Self::new(state)
    }

    /// A uniformly random number.
    pub fn number(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound`, or 0 where that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.number()) * u128::from(bound)) >> 64).expect("below a u64")
    }

    /// True with a probability of `p`, from 0 to 1. Draws once, whatever `p` is.
    pub fn chance(&mut self, p: f64) -> bool {
        // 53 bits are exact in an f64, so the result does not depend on the platform.
        const STEP: f64 = 1.0 / 9_007_199_254_740_992.0;
        ((self.number() >> 11) as f64) * STEP < p
    }

    /// A time from zero to `limit`.
    pub fn duration(&mut self, limit: Duration) -> Duration {
        let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.below(nanos.saturating_add(1)))
    }

    /// So many random bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
