//! The one-way channels' messages: manifests and chunks.

use hither_schema::transfer_capnp::{chunk, entry, open, part};

use super::share::{OutlineHead, fill_outline, parse_outline};
use super::{Malformed, encode, exact, read};
use crate::transfer::hash::{ChunkValue, Root};
use crate::transfer::{Entry, EntryKind, LinkTarget, Manifest, RelativePath, TransferId};

/// Most entries of a [`Part`](hither_schema::transfer_capnp::part): with the longest paths they still fit a frame
/// once cut by size, see [`encode_part`].
const PART_BYTES: usize = 32 * 1024;
/// Longest name of an offer, in bytes.
const MAX_NAME: usize = 255;

/// What a one-way channel carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChannelOpen {
    Manifest(OfferHead),
    Chunks(TransferId),
    Outline(OutlineHead),
    Pieces(Root),
}

/// An offer before its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfferHead {
    pub(crate) transfer: TransferId,
    pub(crate) name: String,
    pub(crate) entries: u32,
    pub(crate) bytes: u64,
}

/// What stands before a chunk's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) file: u32,
    pub(crate) length: u32,
    pub(crate) offset: u64,
    pub(crate) value: ChunkValue,
    /// Of a stream: whether no more comes.
    pub(crate) last: bool,
}

pub(crate) fn encode_offer(transfer: TransferId, manifest: &Manifest) -> Vec<u8> {
    encode::<open::Owned>(|root| {
        let mut offer = root.init_manifest();
        offer.set_transfer(&transfer.0);
        offer.set_name(manifest.name());
        offer.set_entries(u32::try_from(manifest.entries().len()).unwrap_or(u32::MAX));
        offer.set_bytes(manifest.bytes());
    })
}

pub(crate) fn encode_open_chunks(transfer: TransferId) -> Vec<u8> {
    encode::<open::Owned>(|mut root| root.set_chunks(&transfer.0))
}

pub(crate) fn encode_open_outline(of: Root, manifest: &Manifest) -> Vec<u8> {
    encode::<open::Owned>(|root| fill_outline(root.init_outline(), of, manifest))
}

pub(crate) fn encode_open_pieces(of: Root) -> Vec<u8> {
    encode::<open::Owned>(|mut root| root.set_pieces(&of.0))
}

/// Encodes entries from the front of `entries` as one frame, and says how many.
pub(crate) fn encode_part(entries: &[Entry]) -> (Vec<u8>, usize) {
    let mut bytes = 0_usize;
    let fitting = entries.iter().take_while(|entry| {
        let before = bytes;
        // An entry's words: its struct, its pointers, its path, rounded up component by component.
        let components = entry.path.components().count();
        let target = entry.target().map_or(0, |target| {
            target.as_str().len().saturating_add(target.names().count().saturating_add(2).saturating_mul(16))
        });
        bytes = before
            .saturating_add(target)
            .saturating_add(entry.path.as_str().len())
            .saturating_add(64)
            .saturating_add(components.saturating_mul(16));
        before < PART_BYTES
    });
    let count = fitting.count();
    let frame = encode::<part::Owned>(|root| {
        let mut list = root.init_entries(u32::try_from(count).unwrap_or(u32::MAX));
        for (index, entry) in (0..).zip(entries.iter().take(count)) {
            fill_entry(list.reborrow().get(index), entry);
        }
    });
    (frame, count)
}

fn fill_entry(mut root: entry::Builder<'_>, entry: &Entry) {
    root.set_modified(entry.modified);
    root.set_executable(entry.executable);
    match &entry.kind {
        EntryKind::Directory => root.set_directory(()),
        EntryKind::File(size) => root.set_file(*size),
        EntryKind::Stream => root.set_stream(()),
        EntryKind::Link(target) => {
            let mut link = root.reborrow().init_link();
            link.set_up(u16::try_from(target.up()).unwrap_or(u16::MAX));
            let mut names = link.init_names(u32::try_from(target.names().count()).unwrap_or(u32::MAX));
            for (index, name) in (0..).zip(target.names()) {
                names.set(index, name);
            }
        }
    }
    let depth = u32::try_from(entry.path.components().count()).unwrap_or(u32::MAX);
    let mut path = root.init_path(depth);
    for (index, component) in (0..).zip(entry.path.components()) {
        path.set(index, component);
    }
}

pub(crate) fn encode_chunk(head: &Chunk) -> Vec<u8> {
    encode::<chunk::Owned>(|mut root| {
        root.set_file(head.file);
        root.set_length(head.length);
        root.set_offset(head.offset);
        root.set_value(&head.value.0);
        root.set_last(head.last);
    })
}

pub(crate) fn parse_open(bytes: &[u8]) -> Result<ChannelOpen, Malformed> {
    let message = read::<open::Owned>(bytes)?;
    Ok(match message.get()?.which()? {
        open::Manifest(offer) => {
            let offer = offer?;
            let name = offer.get_name()?.to_str()?;
            if name.len() > MAX_NAME {
                return Err(Malformed);
            }
            ChannelOpen::Manifest(OfferHead {
                transfer: TransferId(exact(offer.get_transfer()?)?),
                name: name.to_owned(),
                entries: offer.get_entries(),
                bytes: offer.get_bytes(),
            })
        }
        open::Chunks(transfer) => ChannelOpen::Chunks(TransferId(exact(transfer?)?)),
        open::Outline(outline) => ChannelOpen::Outline(parse_outline(outline?)?),
        open::Pieces(of) => ChannelOpen::Pieces(Root(exact(of?)?)),
    })
}

/// The entries of a part without symbolic links and streams, or `None` where one of their paths is not allowed: that is the fault
/// of what is offered, not of the peer's link.
pub(crate) fn parse_part(bytes: &[u8]) -> Result<Option<Vec<Entry>>, Malformed> {
    parse_entries(bytes, false)
}

/// The same where any may be among them, if the links' targets are allowed.
pub(crate) fn parse_part_of_offer(bytes: &[u8]) -> Result<Option<Vec<Entry>>, Malformed> {
    parse_entries(bytes, true)
}

fn parse_entries(bytes: &[u8], any: bool) -> Result<Option<Vec<Entry>>, Malformed> {
    let message = read::<part::Owned>(bytes)?;
    let mut entries = Vec::new();
    for entry in message.get()?.get_entries()? {
        let Ok(path) = RelativePath::new(texts(entry.get_path()?)?) else { return Ok(None) };
        let kind = match entry.which()? {
            entry::Directory(()) => EntryKind::Directory,
            entry::File(size) => EntryKind::File(size),
            entry::Stream(()) if any => EntryKind::Stream,
            entry::Stream(()) => return Ok(None),
            entry::Link(target) => {
                let target = target?;
                let names = texts(target.get_names()?)?;
                match LinkTarget::new(usize::from(target.get_up()), names) {
                    Ok(target) if any => EntryKind::Link(target),
                    _ => return Ok(None),
                }
            }
        };
        entries.push(Entry {
            path,
            kind,
            modified: entry.get_modified(),
            executable: entry.get_executable(),
        });
    }
    Ok(Some(entries))
}

fn texts(list: capnp::text_list::Reader<'_>) -> Result<Vec<&str>, Malformed> {
    list.iter().map(|text| Ok(text?.to_str()?)).collect()
}

pub(crate) fn parse_chunk(bytes: &[u8]) -> Result<Chunk, Malformed> {
    let message = read::<chunk::Owned>(bytes)?;
    let chunk = message.get()?;
    Ok(Chunk {
        file: chunk.get_file(),
        length: chunk.get_length(),
        offset: chunk.get_offset(),
        value: ChunkValue(exact(chunk.get_value()?)?),
        last: chunk.get_last(),
    })
}
