//! Proofs against the standard hash.
#![allow(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::string_slice,
    reason = "tests, of numbers and texts that are known"
)]

use proptest::prelude::*;

use super::*;
use crate::transfer::hash::{CHUNK, chunk_count, chunk_length, chunk_value};

fn content(size: usize) -> Vec<u8> {
    let mut content = vec![0; size];
    blake3::Hasher::new().update(&size.to_le_bytes()).finalize_xof().fill(&mut content);
    content
}

fn chunk(content: &[u8], number: u64) -> &[u8] {
    let offset = number * CHUNK;
    let length = chunk_length(content.len() as u64, offset).unwrap();
    &content[offset as usize..offset as usize + length as usize]
}

fn value(content: &[u8], number: u64) -> ChunkValue {
    chunk_value(content.len() as u64, number * CHUNK, chunk(content, number))
}

/// The tree of someone who has all of it.
fn holder(content: &[u8]) -> FileTree {
    let mut tree = FileTree::new(content.len() as u64);
    for number in 0..chunk_count(content.len() as u64) {
        assert_eq!(tree.root(), None);
        tree.insert(number, value(content, number));
    }
    tree
}

fn root(content: &[u8]) -> Root {
    Root(*blake3::hash(content).as_bytes())
}

#[test]
fn every_chunk_is_proven_to_the_standard_hash_around_every_power_of_two() {
    for chunks in 0..=17_usize {
        for more in [0, 1, 1025] {
            let content = content(chunks * CHUNK as usize + more);
            let holder = holder(&content);
            assert_eq!(holder.root(), Some(root(&content)));
            let size = content.len() as u64;
            for number in 0..chunk_count(size) {
                let mut getter = FileTree::with_root(size, root(&content));
                let proof = holder.proof(number).unwrap();
                assert_eq!(getter.verify(number, value(&content, number), &proof), Ok(Settled::default()));
                assert_eq!(getter.value(number), holder.value(number));
                assert_eq!(getter.proof(number), Some(proof), "who was shown it can show it");
            }
            assert_eq!(holder.proof(chunk_count(size)), None);
        }
    }
}

#[test]
fn the_root_is_the_same_in_whatever_order_values_come() {
    let content = content(13 * CHUNK as usize + 5);
    for step in [1, 3, 5, 9, 11, 13] {
        let mut tree = FileTree::new(content.len() as u64);
        for number in (0..14).map(|number| number * step % 14) {
            tree.insert(number, value(&content, number));
        }
        assert_eq!(tree.root(), Some(root(&content)));
    }
}

#[test]
fn nothing_is_proven_of_a_file_whose_root_is_not_known() {
    let content = content(2 * CHUNK as usize);
    let proof = holder(&content).proof(0).unwrap();
    assert_eq!(FileTree::new(2 * CHUNK).verify(0, value(&content, 0), &proof), Err(BadProof));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is changed about a proof, it is refused, and the tree stays as it was.
    #[test]
    fn a_wrong_proof_is_refused(
        size in 0..9 * CHUNK,
        number in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
        other_size in 0..9 * CHUNK,
    ) {
        let content = content(size as usize);
        let chunks = chunk_count(size);
        let number = number.index(chunks as usize) as u64;
        let (value, proof) = (value(&content, number), holder(&content).proof(number).unwrap());
        let mut getter = FileTree::with_root(size, root(&content));
        let mut wrong = value;
        wrong.0[at.index(32)] ^= flip;
        prop_assert_eq!(getter.verify(number, wrong, &proof), Err(BadProof));
        if !proof.is_empty() {
            let mut wrong = proof.clone();
            wrong[at.index(proof.len())] ^= flip;
            prop_assert_eq!(getter.verify(number, value, &wrong), Err(BadProof));
            prop_assert_eq!(getter.verify(number, value, &proof[..proof.len() - 1]), Err(BadProof));
            prop_assert_eq!(getter.verify(number, value, &proof[..proof.len() - 32]), Err(BadProof));
        }
        for more in [1, 32, 32 * MAX_PROOF] {
            let longer = [&proof[..], &vec![flip; more][..]].concat();
            prop_assert_eq!(getter.verify(number, value, &longer), Err(BadProof));
        }
        for other in (0..=chunks).filter(|other| *other != number) {
            prop_assert_eq!(getter.verify(other, value, &proof), Err(BadProof), "at another place");
        }
        prop_assert_eq!(getter.verify(u64::MAX, value, &proof), Err(BadProof));
        if other_size != size {
            // Under another size the file never becomes whole: its last chunk is no part of it, or has another length.
            let last = chunk_count(other_size) - 1;
            let mut getter = FileTree::with_root(other_size, root(&content));
            let length = |size| chunk_length(size, last * CHUNK);
            let fits = last < chunks && length(size) == length(other_size) && {
                let proof = holder(&content).proof(last).unwrap();
                getter.verify(last, self::value(&content, last), &proof).is_ok()
            };
            prop_assert!(!fits);
        }
        prop_assert!(getter.rows.0.is_empty(), "nothing of it was kept");
        prop_assert_eq!(getter.verify(number, value, &proof), Ok(Settled::default()));
    }
}

proptest! {
    #[test]
    fn what_is_claimed_is_proven_by_the_rest_or_refuted(
        chunks in 1_u64..20,
        more in 0_u64..2,
        claimed in any::<u32>(),
        order in any::<u64>(),
        wrong in proptest::option::of(0_u64..20),
    ) {
        let content = content((chunks * CHUNK - more) as usize);
        let (size, holder) = (content.len() as u64, holder(&content));
        let mut tree = FileTree::with_root(size, root(&content));
        let is_claimed = |chunk: &u64| claimed & (1 << chunk) != 0;
        let wrong = wrong.filter(|wrong| *wrong < chunks && is_claimed(wrong));
        let (mut proven, mut refuted) = (std::collections::BTreeSet::new(), false);
        for chunk in (0..chunks).filter(is_claimed) {
            let value = if wrong == Some(chunk) { ChunkValue([9; 32]) } else { value(&content, chunk) };
            match tree.claim(chunk, value) {
                Claim::Open => {}
                Claim::Proven => proven.extend(0..chunks),
                Claim::Refuted => refuted = true,
            }
        }
        let mut rest: Vec<u64> = (0..chunks).filter(|chunk| !is_claimed(chunk)).collect();
        rest.sort_by_key(|chunk| (chunk + 1).wrapping_mul(order | 1));
        for chunk in rest {
            let settled = tree.verify(chunk, value(&content, chunk), &holder.proof(chunk).unwrap()).unwrap();
            refuted |= settled.refuted;
            proven.extend(settled.proven.into_iter().flatten());
            proven.insert(chunk);
            for chunk in &proven {
                prop_assert_eq!(tree.value(*chunk), Some(value(&content, *chunk)));
                let proof = tree.proof(*chunk).unwrap();
                let mut other = FileTree::with_root(size, root(&content));
                prop_assert!(other.verify(*chunk, value(&content, *chunk), &proof).is_ok());
            }
        }
        prop_assert_eq!(refuted, wrong.is_some());
        if !refuted {
            prop_assert_eq!(proven.len() as u64, chunks, "by the time all is there, all is proven");
        }
    }
}
