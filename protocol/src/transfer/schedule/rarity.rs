//! The pieces nobody is asked for yet, by how few peers have them: finds the rarest that a peer has in a bounded
//! number of steps, however many pieces there are.
//!
//! Pieces are counted by blocks: for each peer, how many free pieces of each rarity it has in each block. A search
//! looks at those counts and then into one block, at most 1024 steps each for a million pieces; a change of one piece
//! costs a step for each peer that has it. Peers that have everything need no bits and no counts of their own.

use crate::transfer::bits::Bits;

/// Peers at most: a piece's holders are the bits of one word.
pub(super) const MAX_PEERS: u32 = 64;
/// Pieces of a block.
const BLOCK: u32 = 1024;
/// Rarities told apart. What more peers have than the last of them is common enough.
const LEVELS: usize = 8;

/// Free pieces of a block by rarity.
type Counts = [u16; LEVELS];

/// What peers have, and which pieces are free to be asked for.
#[derive(Debug)]
pub(super) struct Rarity {
    count: u32,
    /// For each piece, the peers that announced it one by one.
    holders: Vec<u64>,
    free: Bits,
    /// The free pieces of everyone together.
    all: Table,
    /// The free pieces of each peer that announced any.
    peers: Vec<Option<Table>>,
}

/// Counts for each block and together.
#[derive(Debug)]
struct Table {
    blocks: Vec<Counts>,
    together: [u32; LEVELS],
    /// For each block, how many pieces were announced, free or not.
    announced: Vec<u16>,
}

impl Table {
    fn new(count: u32) -> Self {
        let blocks = usize::try_from(count.div_ceil(BLOCK)).unwrap_or(0);
        Self { blocks: vec![[0; LEVELS]; blocks], together: [0; LEVELS], announced: vec![0; blocks] }
    }

    fn add(&mut self, block: usize, level: usize) {
        if let Some(count) = self.blocks.get_mut(block).and_then(|counts| counts.get_mut(level)) {
            *count = count.saturating_add(1);
        }
        if let Some(count) = self.together.get_mut(level) {
            *count = count.saturating_add(1);
        }
    }

    fn remove(&mut self, block: usize, level: usize) {
        if let Some(count) = self.blocks.get_mut(block).and_then(|counts| counts.get_mut(level)) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.together.get_mut(level) {
            *count = count.saturating_sub(1);
        }
    }

    fn count(&self, block: usize, level: usize) -> u16 {
        self.blocks.get(block).and_then(|counts| counts.get(level)).copied().unwrap_or(0)
    }
}

/// Whose pieces are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// A peer that has everything.
    Full,
    /// What this peer has announced.
    Peer(u32),
}

impl Rarity {
    /// `count` pieces, all free, which nobody has.
    pub(super) fn new(count: u32) -> Self {
        let mut rarity = Self {
            count,
            holders: vec![0; usize::try_from(count).unwrap_or(0)],
            free: Bits::new(count),
            all: Table::new(count),
            peers: (0..MAX_PEERS).map(|_| None).collect(),
        };
        for piece in 0..count {
            rarity.set_free(piece, true);
        }
        rarity
    }

    /// Whether a piece may be asked for.
    pub(super) fn is_free(&self, piece: u32) -> bool {
        self.free.contains(piece)
    }

    /// A piece may be asked for, or not any more.
    pub(super) fn set_free(&mut self, piece: u32, free: bool) {
        let changed = if free { self.free.insert(piece) } else { self.free.remove(piece) };
        if !changed {
            return;
        }
        let (block, level, holders) = (block_of(piece), self.level(piece), self.holders(piece));
        for table in tables(&mut self.all, &mut self.peers, holders) {
            if free {
                table.add(block, level);
            } else {
                table.remove(block, level);
            }
        }
    }

    /// Whether a peer announced this piece by itself.
    pub(super) fn has(&self, peer: u32, piece: u32) -> bool {
        self.holders(piece) & bit(peer) != 0
    }

    /// Whether a peer announced anything.
    pub(super) fn has_any(&self, peer: u32) -> bool {
        self.table(peer).is_some_and(|table| table.announced.iter().any(|announced| *announced > 0))
    }

    /// A peer has a piece.
    pub(super) fn add(&mut self, peer: u32, piece: u32) {
        if piece < self.count && !self.has(peer, piece) {
            self.change(peer, piece, self.holders(piece) | bit(peer));
        }
    }

    /// A peer does not have a piece any more.
    pub(super) fn remove(&mut self, peer: u32, piece: u32) {
        if self.has(peer, piece) {
            self.change(peer, piece, self.holders(piece) & !bit(peer));
        }
    }

    /// A peer is gone: costs as much as it announced.
    pub(super) fn remove_peer(&mut self, peer: u32) {
        let blocks = self.table(peer).map(|table| table.announced.clone()).unwrap_or_default();
        for (block, announced) in (0_u32..).zip(blocks) {
            if announced > 0 {
                let first = block.saturating_mul(BLOCK);
                for piece in first..first.saturating_add(BLOCK).min(self.count) {
                    self.remove(peer, piece);
                }
            }
        }
        if let Some(table) = usize::try_from(peer).ok().and_then(|at| self.peers.get_mut(at)) {
            *table = None;
        }
    }

    /// A free piece that is among the rarest of those of `of`: the first of them from `from` on, blocks and the
    /// pieces in them counted around. `but` are left out.
    pub(super) fn rarest(&self, of: Of, from: u32, but: impl Fn(u32) -> bool) -> Option<u32> {
        let table = self.table_of(of)?;
        let blocks = self.count.div_ceil(BLOCK);
        let start = from.checked_div(BLOCK)?.checked_rem(blocks)?;
        for (level, together) in table.together.iter().enumerate() {
            if *together == 0 {
                continue;
            }
            for block in (start..blocks).chain(0..start) {
                let at = usize::try_from(block).unwrap_or(usize::MAX);
                if table.count(at, level) == 0 {
                    continue;
                }
                let first = block.saturating_mul(BLOCK);
                let pieces = (0..BLOCK).map(|step| first.saturating_add(from.wrapping_add(step) % BLOCK));
                let fits = |piece: &u32| self.offers(of, *piece) && self.level(*piece) == level;
                if let Some(piece) = pieces.filter(fits).find(|piece| !but(*piece)) {
                    return Some(piece);
                }
            }
        }
        None
    }

    /// Whether a piece is as good a choice for `of` as [`Rarity::rarest`] would make.
    pub(super) fn is_rarest(&self, of: Of, piece: u32) -> bool {
        let first = self.table_of(of).and_then(|table| table.together.iter().position(|count| *count > 0));
        self.offers(of, piece) && first == Some(self.level(piece))
    }

    fn offers(&self, of: Of, piece: u32) -> bool {
        let has = match of {
            Of::Full => true,
            Of::Peer(peer) => self.has(peer, piece),
        };
        has && self.is_free(piece)
    }

    fn change(&mut self, peer: u32, piece: u32, holders: u64) {
        let (block, before) = (block_of(piece), self.level(piece));
        let old = self.holders(piece);
        if let Some(word) = usize::try_from(piece).ok().and_then(|at| self.holders.get_mut(at)) {
            *word = holders;
        }
        let after = self.level(piece);
        let joined = holders & bit(peer) != 0;
        let count = self.count;
        let Some(slot) = usize::try_from(peer).ok().and_then(|at| self.peers.get_mut(at)) else { return };
        let own = slot.get_or_insert_with(|| Table::new(count));
        if let Some(announced) = own.announced.get_mut(block) {
            *announced = if joined { announced.saturating_add(1) } else { announced.saturating_sub(1) };
        }
        if !self.free.contains(piece) {
            return;
        }
        if joined {
            own.add(block, after);
        } else {
            own.remove(block, before);
        }
        // Above the last level nothing changes for the others, so this touches few of them.
        if before != after {
            for table in tables(&mut self.all, &mut self.peers, old & holders) {
                table.remove(block, before);
                table.add(block, after);
            }
        }
    }

    fn holders(&self, piece: u32) -> u64 {
        usize::try_from(piece).ok().and_then(|at| self.holders.get(at)).copied().unwrap_or(0)
    }

    /// How rare a piece is among those who do not have everything: 0 is rarest.
    fn level(&self, piece: u32) -> usize {
        let holders = usize::try_from(self.holders(piece).count_ones()).unwrap_or(LEVELS);
        holders.min(LEVELS - 1)
    }

    fn table(&self, peer: u32) -> Option<&Table> {
        self.peers.get(usize::try_from(peer).ok()?)?.as_ref()
    }

    fn table_of(&self, of: Of) -> Option<&Table> {
        match of {
            Of::Full => Some(&self.all),
            Of::Peer(peer) => self.table(peer),
        }
    }
}

/// The table of everyone and those of the peers whose bits are set.
fn tables<'a>(
    all: &'a mut Table,
    peers: &'a mut [Option<Table>],
    mut holders: u64,
) -> impl Iterator<Item = &'a mut Table> {
    let theirs = peers.iter_mut().filter_map(move |table| {
        let set = holders & 1 != 0;
        holders >>= 1;
        table.as_mut().filter(|_| set)
    });
    std::iter::once(all).chain(theirs)
}

fn bit(peer: u32) -> u64 {
    1_u64.checked_shl(peer).unwrap_or(0)
}

fn block_of(piece: u32) -> usize {
    usize::try_from(piece / BLOCK).unwrap_or(usize::MAX)
}
