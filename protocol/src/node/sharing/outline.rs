//! What a root stands for: its manifest and every file's root, sent to whoever asks and checked by whoever gets it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::consent::State;
use super::{Content, Node, Origin};
use crate::identity::PeerId;
use crate::link::{ChannelId, LinkKey, Links};
use crate::node::inflow::Stop;
use crate::storage::MAX_ENTRIES;
use crate::transfer::hash::{Root, collection_root};
use crate::transfer::pieces::Pieces;
use crate::transfer::proof::FileTree;
use crate::transfer::{Entry, Manifest, Shared, TransferId};
use crate::wire::{OutlineHead, encode_open_outline, encode_part, encode_roots, parse_part, parse_roots};
use crate::{DropReason, TransferFailure};

/// Bytes that an outline may take.
const MOST: usize = 256 * 1024 * 1024;

/// An outline on its way to someone who asked.
#[derive(Debug, Default)]
pub(super) struct OutlineOut {
    channel: Option<ChannelId>,
    /// Entries written, then roots.
    entries: usize,
    roots: usize,
}

impl OutlineOut {
    /// It is not wanted any more.
    pub(super) fn end(self, links: &mut Links, link: LinkKey) {
        if let Some(channel) = self.channel {
            links.reset(link, channel);
        }
    }
}

/// An outline that is arriving.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) from: PeerId,
    head: OutlineHead,
    entries: Vec<Entry>,
    roots: Vec<Root>,
    allowed: bool,
    bytes: usize,
}

impl Node {
    /// Writes as much of an outline as the link takes.
    pub(super) fn send_outline(&mut self, id: TransferId, peer: PeerId) {
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        let (Some(root), Some(content)) = (share.root, &share.content) else { return };
        let Some(asker) = share.askers.get_mut(&peer) else { return };
        let (link, Some(outline)) = (asker.link, &mut asker.outline) else { return };
        let Some(channel) = outline.channel.or_else(|| self.links.open(link)) else { return };
        if outline.channel.is_none() {
            outline.channel = Some(channel);
            self.links.write(link, channel, [Bytes::from(encode_open_outline(root, &content.manifest))]);
        }
        while self.links.is_writable(link, channel) {
            let entries = content.manifest.entries().get(outline.entries..).unwrap_or_default();
            let (frame, written) = if entries.is_empty() {
                let rest = content.roots.values().skip(outline.roots).take(1024).copied();
                let (frame, count) = encode_roots(&rest.collect::<Vec<_>>());
                (frame, (0, count))
            } else {
                let (frame, count) = encode_part(entries);
                (frame, (count, 0))
            };
            if written == (0, 0) {
                self.links.finish(link, channel);
                asker.outline = None;
                return;
            }
            outline.entries = outline.entries.saturating_add(written.0);
            outline.roots = outline.roots.saturating_add(written.1);
            self.links.write(link, channel, [Bytes::from(frame)]);
        }
    }

    /// An outline begins to arrive. Only those whom the ticket or the user named are believed.
    pub(super) fn outline_begins(&mut self, peer: PeerId, head: OutlineHead) -> Result<TransferId, Stop> {
        let id = self.sharing.by_root.get(&head.root).copied().ok_or(Stop::Unwanted)?;
        let fetch = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch()).ok_or(Stop::Unwanted)?;
        if !matches!(fetch.state, State::Seeking) || !fetch.may_outline(peer) {
            return Err(Stop::Unwanted);
        }
        let (entries, roots) = (Vec::new(), Vec::new());
        fetch.state = State::Listing(Listing { from: peer, head, entries, roots, allowed: true, bytes: 0 });
        Ok(id)
    }

    /// A frame of an outline.
    pub(super) fn outline_frame(&mut self, id: TransferId, peer: PeerId, frame: &[u8]) -> Result<(), Stop> {
        let fetch = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch()).ok_or(Stop::Unwanted)?;
        let State::Listing(listing) = &mut fetch.state else { return Err(Stop::Unwanted) };
        if listing.from != peer {
            return Err(Stop::Unwanted);
        }
        let announced = usize::try_from(listing.head.entries).unwrap_or(usize::MAX);
        if listing.entries.len() < announced && listing.allowed {
            match parse_part(frame)? {
                Some(part) => listing.entries.extend(part),
                None => listing.allowed = false,
            }
        } else if listing.allowed {
            listing.roots.extend(parse_roots(frame)?);
        }
        let memory = listing.entries.len().saturating_mul(size_of::<Entry>());
        let roots = listing.roots.len().saturating_mul(size_of::<Root>());
        listing.bytes = listing.bytes.saturating_add(frame.len());
        let size = listing.bytes.saturating_add(memory).saturating_add(roots);
        let many = listing.entries.len() > announced || listing.roots.len() > announced;
        if many || listing.head.entries > MAX_ENTRIES || size > MOST { Err(Stop::Violation) } else { Ok(()) }
    }

    /// An outline is whole, or its channel is gone.
    pub(super) fn outline_ended(&mut self, now: Instant, id: TransferId, peer: PeerId, whole: bool) {
        let Some(fetch) = self.sharing.shares.get_mut(&id).and_then(|share| share.fetch()) else { return };
        if !matches!(&fetch.state, State::Listing(listing) if listing.from == peer) {
            return;
        }
        let State::Listing(listing) = std::mem::replace(&mut fetch.state, State::Seeking) else { return };
        if !whole {
            // It is asked for again.
            fetch.sources.entry(peer).and_modify(|asked| *asked = None);
            return;
        }
        let Some((manifest, roots)) = listing.check(fetch.ticket.root, fetch.ticket.kind, fetch.ticket.bytes)
        else {
            return self.drop_source(now, id, peer, DropReason::WrongContent);
        };
        let pieces = Pieces::new(&manifest).filter(|pieces| self.sharing.has_room_for(pieces));
        let Some(pieces) = pieces else { return self.end_share(now, id, TransferFailure::TooLarge) };
        let trees = manifest
            .files()
            .filter_map(|(file, entry)| Some((file, FileTree::with_root(entry.size(), *roots.get(&file)?))));
        let trees = trees.collect();
        let Some(share) = self.sharing.shares.get_mut(&id) else { return };
        share.content = Some(Content {
            manifest: Arc::new(manifest),
            roots,
            pieces: Arc::new(pieces),
            trees,
            origin: Origin::Nowhere,
        });
        self.look_at_fetch(id);
    }
}

impl Listing {
    /// What it says, if that is what the root stands for.
    fn check(self, root: Root, kind: Shared, bytes: u64) -> Option<(Manifest, BTreeMap<u32, Root>)> {
        let name = self.head.name.chars().filter(|char| !char.is_control()).collect();
        let manifest = Manifest::new(name, self.entries).ok().filter(|_| self.allowed)?;
        let honest = manifest.bytes() == self.head.bytes
            && manifest.bytes() == bytes
            && u32::try_from(manifest.entries().len()) == Ok(self.head.entries);
        let single = matches!(manifest.entries(), [entry] if entry.is_file());
        let files: Vec<u32> = manifest.files().map(|(file, _)| file).collect();
        if !honest || single != (kind == Shared::File) || files.len() != self.roots.len() {
            return None;
        }
        let roots = files.into_iter().zip(self.roots).collect();
        (collection_root(&manifest, &roots) == root).then_some((manifest, roots))
    }
}
