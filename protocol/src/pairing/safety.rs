//! Words by which two people find out whether they know each other by the right ids.

use super::words::word;
use crate::identity::PeerId;

/// How many words: 88 bits, of which an impostor has to meet every one.
const WORDS: usize = 8;

/// Words that follow from two ids, whichever is first: two people who read the same to each other know each other's ids.
pub fn safety_words(a: &PeerId, b: &PeerId) -> Vec<&'static str> {
    let mut hasher = blake3::Hasher::new_derive_key("hither v1 safety words");
    hasher.update(a.min(b).as_bytes()).update(a.max(b).as_bytes());
    let mut output = hasher.finalize_xof();
    (0..WORDS)
        .map(|_| {
            let mut bytes = [0; 2];
            output.fill(&mut bytes);
            // 2048 divides 65,536.
            word(u16::from_le_bytes(bytes))
        })
        .collect()
}
