//! What is said about content known by its root: who has what, what is asked for, and pieces with their proofs.

use std::net::{IpAddr, SocketAddr};

use hither_schema::share_capnp::{self as schema, bits, have, outline, piece, roots, run, share};

use super::{Malformed, encode, exact, read};
use crate::identity::PeerId;
use crate::transfer::hash::{ChunkValue, Root};
use crate::transfer::{MAX_PIECES, Manifest, is_dialable};

/// Runs in one message, and pieces in them of an ask.
pub(crate) const MAX_RUNS: usize = 2048;
pub(crate) const MAX_ASK: u32 = 4096;
/// Pieces of one `have`, listed one by one.
pub(crate) const MAX_LISTED: usize = 4096;
/// Bytes of bits of one `have`.
pub(crate) const MAX_BITS: usize = 32 * 1024;
/// Others named in one message, and addresses of each.
pub(crate) const MAX_OTHERS: usize = 16;
pub(crate) const MAX_OTHER_ADDRESSES: usize = 4;
/// Roots of one frame.
const ROOTS: usize = 1024;
/// Longest name of an outline, in bytes.
const MAX_NAME: usize = 255;
/// Longest proof, in bytes.
const MAX_PROOF: usize = 32 * crate::transfer::proof::MAX_PROOF;

/// One message about one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) root: Root,
    pub(crate) what: What,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Seek { outline: bool },
    Have(Have),
    Ask(Vec<Run>),
    Cancel(Vec<Run>),
    Lack(Vec<Run>),
    Changed(Vec<Run>),
    Others(Vec<Other>),
    Leave(Leaving),
}

/// What a peer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Have {
    All,
    /// From a piece on, a multiple of 8, one bit for each.
    Bits(u32, Vec<u8>),
    Pieces(Vec<u32>),
}

/// Pieces that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// Someone else who has or fetches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Other {
    pub(crate) peer: PeerId,
    pub(crate) addresses: Vec<SocketAddr>,
}

/// Why a peer is no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    Done,
    Unknown,
    Busy,
    Stopped,
}

/// What stands before the entries of an outline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutlineHead {
    pub(crate) root: Root,
    pub(crate) name: String,
    pub(crate) entries: u32,
    pub(crate) bytes: u64,
}

/// What stands before a piece's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PieceHead {
    pub(crate) piece: u32,
    pub(crate) length: u32,
    pub(crate) value: ChunkValue,
    pub(crate) proof: Vec<u8>,
}

/// Pieces, in order, as runs.
pub(crate) fn runs(pieces: impl IntoIterator<Item = u32>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for piece in pieces {
        match runs.last_mut() {
            Some(run) if run.first.checked_add(run.count) == Some(piece) => {
                run.count = run.count.saturating_add(1);
            }
            _ => runs.push(Run { first: piece, count: 1 }),
        }
    }
    runs
}

impl Run {
    /// Its pieces.
    pub(crate) fn pieces(self) -> impl Iterator<Item = u32> {
        self.first..self.first.saturating_add(self.count)
    }
}

impl Share {
    pub(super) fn fill(&self, mut root: share::Builder<'_>) {
        root.set_root(&self.root.0);
        match &self.what {
            What::Seek { outline } => root.init_seek().set_outline(*outline),
            What::Have(what) => fill_have(root.init_have(), what),
            What::Ask(runs) => fill_runs(root.init_ask(length(runs)), runs),
            What::Cancel(runs) => fill_runs(root.init_cancel(length(runs)), runs),
            What::Lack(runs) => fill_runs(root.init_lack(length(runs)), runs),
            What::Changed(runs) => fill_runs(root.init_changed(length(runs)), runs),
            What::Others(others) => {
                let mut list = root.init_others(length(others));
                for (index, other) in (0..).zip(others) {
                    let mut place = list.reborrow().get(index);
                    place.set_peer(other.peer.as_bytes());
                    let mut addresses = place.init_addresses(length(&other.addresses));
                    for (index, address) in (0..).zip(&other.addresses) {
                        addresses.set(index, &address_out(*address));
                    }
                }
            }
            What::Leave(why) => root.set_leave(match why {
                Leaving::Done => schema::Leaving::Done,
                Leaving::Unknown => schema::Leaving::Unknown,
                Leaving::Busy => schema::Leaving::Busy,
                Leaving::Stopped => schema::Leaving::Stopped,
            }),
        }
    }

    pub(super) fn parse(message: share::Reader<'_>) -> Result<Self, Malformed> {
        let root = Root(exact(message.get_root()?)?);
        let what = match message.which()? {
            share::Seek(seek) => What::Seek { outline: seek?.get_outline() },
            share::Have(what) => What::Have(parse_have(what?)?),
            share::Ask(runs) => {
                let runs = parse_runs(runs?)?;
                if pieces_in(&runs) > MAX_ASK {
                    return Err(Malformed);
                }
                What::Ask(runs)
            }
            share::Cancel(runs) => What::Cancel(parse_runs(runs?)?),
            share::Lack(runs) => {
                let runs = parse_runs(runs?)?;
                if pieces_in(&runs) > 2 * MAX_ASK {
                    return Err(Malformed);
                }
                What::Lack(runs)
            }
            share::Changed(runs) => What::Changed(parse_runs(runs?)?),
            share::Others(others) => What::Others(parse_others(others?)?),
            share::Leave(why) => What::Leave(match why? {
                schema::Leaving::Done => Leaving::Done,
                schema::Leaving::Unknown => Leaving::Unknown,
                schema::Leaving::Busy => Leaving::Busy,
                schema::Leaving::Stopped => Leaving::Stopped,
            }),
        };
        Ok(Self { root, what })
    }
}

fn length<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}

fn fill_have(mut root: have::Builder<'_>, what: &Have) {
    match what {
        Have::All => root.set_all(()),
        Have::Bits(first, bytes) => {
            let mut bits: bits::Builder<'_> = root.init_bits();
            bits.set_first(*first);
            bits.set_bits(bytes);
        }
        Have::Pieces(pieces) => {
            let mut list = root.init_pieces(length(pieces));
            for (index, piece) in (0..).zip(pieces) {
                list.set(index, *piece);
            }
        }
    }
}

fn parse_have(what: have::Reader<'_>) -> Result<Have, Malformed> {
    Ok(match what.which()? {
        have::All(()) => Have::All,
        have::Bits(bits) => {
            let bits = bits?;
            let (first, bytes) = (bits.get_first(), bits.get_bits()?);
            if first >= MAX_PIECES || !first.is_multiple_of(8) || bytes.len() > MAX_BITS {
                return Err(Malformed);
            }
            Have::Bits(first, bytes.to_vec())
        }
        have::Pieces(pieces) => {
            let pieces: Vec<u32> = pieces?.iter().collect();
            if pieces.len() > MAX_LISTED || pieces.iter().any(|piece| *piece >= MAX_PIECES) {
                return Err(Malformed);
            }
            Have::Pieces(pieces)
        }
    })
}

fn fill_runs(mut list: capnp::struct_list::Builder<'_, run::Owned>, runs: &[Run]) {
    for (index, run) in (0..).zip(runs) {
        let mut place = list.reborrow().get(index);
        place.set_first(run.first);
        place.set_count(run.count);
    }
}

fn pieces_in(runs: &[Run]) -> u32 {
    runs.iter().map(|run| run.count).fold(0, u32::saturating_add)
}

fn parse_runs(list: capnp::struct_list::Reader<'_, run::Owned>) -> Result<Vec<Run>, Malformed> {
    let mut runs = Vec::new();
    for run in list {
        let run = Run { first: run.get_first(), count: run.get_count() };
        let end = run.first.checked_add(run.count).ok_or(Malformed)?;
        if run.count == 0 || end > MAX_PIECES || runs.len() >= MAX_RUNS {
            return Err(Malformed);
        }
        runs.push(run);
    }
    Ok(runs)
}

fn parse_others(list: capnp::struct_list::Reader<'_, schema::other::Owned>) -> Result<Vec<Other>, Malformed> {
    let mut others = Vec::new();
    for other in list {
        let peer = PeerId::from_bytes(other.get_peer()?).map_err(|_| Malformed)?;
        let mut addresses = Vec::new();
        for address in other.get_addresses()? {
            // What cannot be dialled is no reason to distrust the rest.
            addresses.extend(address_in(address?)?.filter(|address| is_dialable(*address)));
            if addresses.len() > MAX_OTHER_ADDRESSES {
                return Err(Malformed);
            }
        }
        others.push(Other { peer, addresses });
        if others.len() > MAX_OTHERS {
            return Err(Malformed);
        }
    }
    Ok(others)
}

fn address_out(address: SocketAddr) -> Vec<u8> {
    let mut bytes = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    bytes.extend_from_slice(&address.port().to_be_bytes());
    bytes
}

fn address_in(bytes: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
    let (ip, port) = bytes.split_last_chunk::<2>().ok_or(Malformed)?;
    let ip = match ip.len() {
        4 => IpAddr::from(exact::<4>(ip)?),
        16 => IpAddr::from(exact::<16>(ip)?),
        _ => return Err(Malformed),
    };
    Ok(Some(SocketAddr::new(ip, u16::from_be_bytes(*port))))
}

pub(super) fn fill_outline(mut root: outline::Builder<'_>, of: Root, manifest: &Manifest) {
    root.set_root(&of.0);
    root.set_name(manifest.name());
    root.set_entries(length(manifest.entries()));
    root.set_bytes(manifest.bytes());
}

pub(super) fn parse_outline(outline: outline::Reader<'_>) -> Result<OutlineHead, Malformed> {
    let name = outline.get_name()?.to_str()?;
    if name.len() > MAX_NAME {
        return Err(Malformed);
    }
    Ok(OutlineHead {
        root: Root(exact(outline.get_root()?)?),
        name: name.to_owned(),
        entries: outline.get_entries(),
        bytes: outline.get_bytes(),
    })
}

/// Encodes roots from the front of `roots` as one frame, and says how many.
pub(crate) fn encode_roots(list: &[Root]) -> (Vec<u8>, usize) {
    let taken = list.get(..ROOTS.min(list.len())).unwrap_or_default();
    let bytes: Vec<u8> = taken.iter().flat_map(|root| root.0).collect();
    (encode::<roots::Owned>(|mut root| root.set_roots(&bytes)), taken.len())
}

pub(crate) fn parse_roots(bytes: &[u8]) -> Result<Vec<Root>, Malformed> {
    let message = read::<roots::Owned>(bytes)?;
    let bytes = message.get()?.get_roots()?;
    if bytes.is_empty() {
        return Err(Malformed);
    }
    bytes.chunks(32).map(|root| Ok(Root(exact(root)?))).collect()
}

pub(crate) fn encode_piece(head: &PieceHead) -> Vec<u8> {
    encode::<piece::Owned>(|mut root| {
        root.set_piece(head.piece);
        root.set_length(head.length);
        root.set_value(&head.value.0);
        root.set_proof(&head.proof);
    })
}

pub(crate) fn parse_piece(bytes: &[u8]) -> Result<PieceHead, Malformed> {
    let message = read::<piece::Owned>(bytes)?;
    let head = message.get()?;
    let proof = head.get_proof()?;
    if proof.len() > MAX_PROOF || !proof.len().is_multiple_of(32) {
        return Err(Malformed);
    }
    Ok(PieceHead {
        piece: head.get_piece(),
        length: head.get_length(),
        value: ChunkValue(exact(head.get_value()?)?),
        proof: proof.to_vec(),
    })
}

#[cfg(test)]
mod tests;
