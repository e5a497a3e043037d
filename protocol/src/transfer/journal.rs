//! What a transfer's journal says: which chunks and files of it are durably on the receiving disk.
//!
//! A journal is a file beside what is received, [`journal_name`], to which batches are only ever appended. Each
//! batch is a frame: its length, a check over it, and a message of `records.capnp`. A frame that a power failure
//! cut short, or that is damaged, ends what is read; what stood before it holds. Chunks are named by their file's
//! [`FileIdentity`], so a journal still fits when the offer has changed: what did not change is found again, what
//! did has another identity.
//!
//! Everything here is pure; disks read and write the bytes.

use std::collections::BTreeMap;

use hither_schema::records_capnp::{journal_batch, journal_head};

use super::hash::{ChunkValue, Root, chunk_count};
use super::{FileIdentity, Manifest, RelativePath, TransferId};
use crate::identity::PeerId;
use crate::wire::{Malformed, encode_bare, exact, read};

/// The version of the format; a journal of another version is not read.
const VERSION: u16 = 1;
/// Longest frame that is read, in bytes.
const MAX_FRAME: usize = 8 * 1024 * 1024;
/// Bytes before a frame's content: its length, and a check over it.
const PREFIX: usize = 12;
/// Most items of a batch in one frame.
const MAX_ITEMS: usize = 1024;
const CHECK: &str = "hither v1 journal frame";

/// The name of a transfer's journal, in the folder that it is received into.
pub fn journal_name(transfer: TransferId) -> String {
    format!(".hither-{transfer}.journal")
}

/// Things that are durable from now on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Directories that the transfer uses, and whether it makes them.
    pub directories: Vec<(RelativePath, bool)>,
    /// Chunks in partial files.
    pub chunks: Vec<StoredChunk>,
    /// Files about to take their names, whole.
    pub placed: Vec<(FileIdentity, Root)>,
}

/// A chunk that is durable in its partial file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredChunk {
    /// Which file.
    pub file: FileIdentity,
    /// The chunk's number in it.
    pub index: u64,
    /// Its hash.
    pub value: ChunkValue,
}

/// Why a journal cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadJournal {
    /// It does not begin as a journal does.
    Damaged,
    /// A version of Hither wrote it that this one does not know.
    OtherVersion,
    /// It is another transfer's, or another sender's.
    Foreign,
}

/// How a new journal begins.
pub fn encode_head(transfer: TransferId, sender: PeerId) -> Vec<u8> {
    frame(&encode_bare::<journal_head::Owned>(|mut root| {
        root.set_version(VERSION);
        root.set_transfer(&transfer.0);
        root.set_sender(sender.as_bytes());
    }))
}

/// What to append for a batch: one frame, or several where it is large.
pub fn encode_batch(batch: &Batch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let frames = [batch.directories.len(), batch.chunks.len(), batch.placed.len()]
        .map(|items| items.div_ceil(MAX_ITEMS))
        .into_iter()
        .max()
        .unwrap_or_default();
    for at in 0..frames {
        bytes.extend(frame(&encode_part(
            part(&batch.directories, at),
            part(&batch.chunks, at),
            part(&batch.placed, at),
        )));
    }
    bytes
}

fn part<T>(items: &[T], at: usize) -> &[T] {
    items.chunks(MAX_ITEMS).nth(at).unwrap_or_default()
}

fn encode_part(
    directories: &[(RelativePath, bool)],
    chunks: &[StoredChunk],
    placed: &[(FileIdentity, Root)],
) -> Vec<u8> {
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    encode_bare::<journal_batch::Owned>(|mut root| {
        let mut list = root.reborrow().init_directories(count(directories.len()));
        for (index, (path, made)) in (0..).zip(directories) {
            let mut directory = list.reborrow().get(index);
            directory.set_path(path.as_str());
            directory.set_made(*made);
        }
        let mut list = root.reborrow().init_chunks(count(chunks.len()));
        for (index, chunk) in (0..).zip(chunks) {
            let mut stored = list.reborrow().get(index);
            stored.set_file(&chunk.file.0);
            stored.set_index(chunk.index);
            stored.set_value(&chunk.value.0);
        }
        let mut list = root.init_placed(count(placed.len()));
        for (index, (file, hash)) in (0..).zip(placed) {
            let mut whole = list.reborrow().get(index);
            whole.set_file(&file.0);
            whole.set_root(&hash.0);
        }
    })
}

fn frame(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len().saturating_add(PREFIX));
    bytes.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&check(content));
    bytes.extend_from_slice(content);
    bytes
}

fn check(content: &[u8]) -> [u8; 8] {
    let mut short = [0; 8];
    blake3::Hasher::new_derive_key(CHECK).update(content).finalize_xof().fill(&mut short);
    short
}

/// Reads a journal from whatever pieces its bytes come in, such as 64 KiB at a time.
#[derive(Debug)]
pub struct JournalReader {
    transfer: TransferId,
    sender: PeerId,
    held: Vec<u8>,
    begun: bool,
    /// Bytes of whole, sound frames so far.
    sound: u64,
}

impl JournalReader {
    /// Expects the journal of this transfer from this sender.
    pub fn new(transfer: TransferId, sender: PeerId) -> Self {
        Self { transfer, sender, held: Vec::new(), begun: false, sound: 0 }
    }

    /// Takes the next bytes of the file.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next whole batch. `Ok(None)`: more bytes are needed; where there are none, the rest was cut short.
    ///
    /// # Errors
    ///
    /// At a frame that is not sound. The first one says what kind of file it is; after it, everything from this
    /// frame on is to be cut off the file: [`JournalReader::sound`].
    pub fn next_batch(&mut self) -> Result<Option<Batch>, BadJournal> {
        if !self.begun {
            let Some(content) = self.next_frame()? else { return Ok(None) };
            self.head(&content)?;
            self.begun = true;
        }
        let before = self.sound;
        let Some(content) = self.next_frame()? else { return Ok(None) };
        let batch = parse_batch(&content).map_err(|_| {
            // What passes its check and is no batch is to be cut off too: nothing behind it would ever be read.
            self.sound = before;
            BadJournal::Damaged
        })?;
        Ok(Some(batch))
    }

    /// Whether the head was read, and is this transfer's.
    pub fn is_ours(&self) -> bool {
        self.begun
    }

    /// How many bytes of the file are sound; new batches go there.
    pub fn sound(&self) -> u64 {
        self.sound
    }

    fn next_frame(&mut self) -> Result<Option<Vec<u8>>, BadJournal> {
        let Some((length, rest)) = self.held.split_first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if length > MAX_FRAME {
            return Err(BadJournal::Damaged);
        }
        let Some((sum, rest)) = rest.split_first_chunk::<8>() else { return Ok(None) };
        let Some(content) = rest.get(..length) else { return Ok(None) };
        if check(content) != *sum {
            return Err(BadJournal::Damaged);
        }
        let content = content.to_vec();
        let whole = length.saturating_add(PREFIX);
        self.held.drain(..whole.min(self.held.len()));
        self.sound = self.sound.saturating_add(u64::try_from(whole).unwrap_or(u64::MAX));
        Ok(Some(content))
    }

    fn head(&self, content: &[u8]) -> Result<(), BadJournal> {
        let damaged = |_: Malformed| BadJournal::Damaged;
        let message = read::<journal_head::Owned>(content).map_err(damaged)?;
        let head = message.get().map_err(|_| BadJournal::Damaged)?;
        if head.get_version() != VERSION {
            return Err(BadJournal::OtherVersion);
        }
        let transfer = head.get_transfer().map_err(|_| BadJournal::Damaged)?;
        let sender = head.get_sender().map_err(|_| BadJournal::Damaged)?;
        if transfer == self.transfer.0 && sender == self.sender.as_bytes() {
            Ok(())
        } else {
            Err(BadJournal::Foreign)
        }
    }
}

fn parse_batch(content: &[u8]) -> Result<Batch, Malformed> {
    let message = read::<journal_batch::Owned>(content)?;
    let root = message.get()?;
    let mut batch = Batch::default();
    for directory in root.get_directories()? {
        let path = directory.get_path()?.to_str()?;
        let path = RelativePath::new(path.split('/')).map_err(|_| Malformed)?;
        batch.directories.push((path, directory.get_made()));
    }
    for chunk in root.get_chunks()? {
        batch.chunks.push(StoredChunk {
            file: FileIdentity(exact(chunk.get_file()?)?),
            index: chunk.get_index(),
            value: ChunkValue(exact(chunk.get_value()?)?),
        });
    }
    for whole in root.get_placed()? {
        batch.placed.push((FileIdentity(exact(whole.get_file()?)?), Root(exact(whole.get_root()?)?)));
    }
    Ok(batch)
}

/// Which files of a manifest a journal's names mean.
#[derive(Debug)]
pub struct Lookup(BTreeMap<FileIdentity, (u32, u64)>);

impl Lookup {
    /// For the files of a manifest.
    pub fn new(manifest: &Manifest) -> Self {
        Self(manifest.files().map(|(index, entry)| (entry.identity(), (index, entry.size()))).collect())
    }

    /// The number of the file, if the manifest still has it as it was.
    pub fn file(&self, identity: FileIdentity) -> Option<u32> {
        self.0.get(&identity).map(|(index, _)| *index)
    }

    /// The number of the file that has this chunk.
    pub fn chunk(&self, chunk: &StoredChunk) -> Option<u32> {
        let (index, size) = self.0.get(&chunk.file)?;
        (chunk.index < chunk_count(*size)).then_some(*index)
    }
}
