//! What a name in the tree leads to, and which changes of it would survive a crash.

use std::sync::Arc;

use crate::random::Random;

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A directory.
    Directory,
    /// A file.
    File(File),
    /// A symbolic link, and what it holds.
    Link(String),
    /// What is none of these: a socket, a device.
    Special,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What is in it.
    pub content: Arc<Vec<u8>>,
    /// When it was last modified: Unix milliseconds.
    pub modified: i64,
    /// Whether it may be executed.
    pub executable: bool,
}

/// Bytes that a disk writes as a whole, or not at all.
const SECTOR: usize = 512;

/// An item, with what it takes to go back to what was last made durable of it.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    item: Item,
    /// In the order they were made, since the last sync.
    changes: Vec<Change>,
    /// Time and whether executable, as of the last sync.
    durable: (i64, bool),
}

/// A change of content, with what it takes to undo it.
#[derive(Debug, Clone)]
enum Change {
    /// So many bytes were written, over these, into a file that was so long.
    Write { offset: usize, length: usize, over: Vec<u8>, before: usize },
    /// This was cut off the end.
    Truncate { cut: Vec<u8> },
}

/// A change to be made once more.
enum Again {
    Write { offset: usize, data: Vec<u8> },
    Truncate { length: usize },
}

impl Stored {
    /// Something new: an empty file, where it is one.
    pub(super) fn new(item: Item) -> Self {
        let Item::File(file) = item else { return Self { item, changes: Vec::new(), durable: (0, false) } };
        let content = Arc::default();
        let durable = (file.modified, file.executable);
        let mut stored = Self { item: Item::File(File { content, ..file }), changes: Vec::new(), durable };
        if !file.content.is_empty() {
            stored.write(0, &file.content);
        }
        stored
    }

    pub(super) fn item(&self) -> &Item {
        &self.item
    }

    /// Bytes of content.
    pub(super) fn size(&self) -> u64 {
        match &self.item {
            Item::File(file) => file.content.len() as u64,
            _ => 0,
        }
    }

    /// Writes into a file, with zeros up to `offset` where it is shorter.
    pub(super) fn write(&mut self, offset: usize, data: &[u8]) {
        let Item::File(file) = &mut self.item else { return };
        let content = Arc::make_mut(&mut file.content);
        let (before, end) = (content.len(), offset + data.len());
        let over = content.get(offset.min(before)..end.min(before)).unwrap_or_default().to_vec();
        put(content, offset, data);
        self.changes.push(Change::Write { offset, length: data.len(), over, before });
    }

    /// Cuts a file off, where it is longer.
    pub(super) fn truncate(&mut self, length: usize) {
        let Item::File(file) = &mut self.item else { return };
        if length < file.content.len() {
            let cut = Arc::make_mut(&mut file.content).split_off(length);
            self.changes.push(Change::Truncate { cut });
        }
    }

    pub(super) fn touch(&mut self, modified: i64) {
        if let Item::File(file) = &mut self.item {
            file.modified = modified;
        }
    }

    pub(super) fn describe(&mut self, modified: i64, executable: bool) {
        if let Item::File(file) = &mut self.item {
            (file.modified, file.executable) = (modified, executable);
        }
    }

    /// Makes it durable as it is.
    pub(super) fn sync(&mut self) {
        self.changes.clear();
        if let Item::File(file) = &self.item {
            self.durable = (file.modified, file.executable);
        }
    }

    /// What a crash leaves: of all changes since the last sync each may be there, in whole or in pieces, whatever
    /// became of the ones before it. `kept` is how likely each is.
    pub(super) fn crash(mut self, random: &mut Random, kept: f64) -> Self {
        let Item::File(file) = &mut self.item else { return self };
        if random.chance(1.0 - kept) {
            (file.modified, file.executable) = self.durable;
        }
        let content = Arc::make_mut(&mut file.content);
        let longest = content.len();
        let mut again = Vec::new();
        for change in std::mem::take(&mut self.changes).into_iter().rev() {
            again.push(undo(content, change));
        }
        let changed = !again.is_empty();
        for change in again.into_iter().rev() {
            match change {
                Again::Write { offset, data } => put_some(content, offset, &data, random, kept),
                Again::Truncate { length } if random.chance(kept) => content.truncate(length),
                Again::Truncate { .. } => {}
            }
        }
        // A file's length may be durable where its bytes are not.
        if changed && content.len() < longest && random.chance(kept / 2.0) {
            content.resize(longest, 0);
        }
        self.sync();
        self
    }
}

fn undo(content: &mut Vec<u8>, change: Change) -> Again {
    match change {
        Change::Write { offset, length, over, before } => {
            let data = content[offset..offset + length].to_vec();
            content[offset..offset + over.len()].copy_from_slice(&over);
            content.truncate(before);
            Again::Write { offset, data }
        }
        Change::Truncate { cut } => {
            let length = content.len();
            content.extend(cut);
            Again::Truncate { length }
        }
    }
}

fn put(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    content.resize(content.len().max(end), 0);
    content[offset..end].copy_from_slice(data);
}

/// Writes all of it, nothing, the beginning, or any of its sectors.
fn put_some(content: &mut Vec<u8>, offset: usize, data: &[u8], random: &mut Random, kept: f64) {
    if random.chance(kept) {
        return put(content, offset, data);
    }
    match random.below(3) {
        0 => {}
        1 => {
            let some = usize::try_from(random.below(data.len() as u64 + 1)).expect("below a length");
            put(content, offset, &data[..some]);
        }
        _ => {
            for (at, sector) in (offset..).step_by(SECTOR).zip(data.chunks(SECTOR)) {
                if random.chance(kept) {
                    put(content, at, sector);
                }
            }
        }
    }
}
