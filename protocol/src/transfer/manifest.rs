//! What an offer holds: every file and directory, with its size, before a byte moves.

use std::collections::BTreeMap;

use super::path::RelativePath;

/// A manifest without contradictions: no path twice, every entry below an entry that is a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    name: String,
    entries: Vec<Entry>,
    bytes: u64,
}

/// One file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it goes, below the folder that the receiver chose.
    pub path: RelativePath,
    /// What it is.
    pub kind: EntryKind,
    /// When it was last modified: Unix milliseconds on the sender's clock.
    pub modified: i64,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory; listed before what is in it.
    Directory,
    /// A file of so many bytes.
    File(u64),
}

/// A file as it was offered: its path, size and modification time, hashed. A file that has changed has another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileIdentity(pub [u8; 16]);

impl std::fmt::Display for FileIdentity {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for FileIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// Outermost names that an offer's entries have on the receiving disk, where they are other ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(pub BTreeMap<String, String>);

impl Places {
    /// Where an entry goes, below the folder.
    pub fn of(&self, path: &RelativePath) -> RelativePath {
        let top = self.0.get(path.top());
        top.and_then(|top| path.with_top(top).ok()).unwrap_or_else(|| path.clone())
    }
}

/// Why a manifest is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadManifest {
    /// Nothing in it.
    Empty,
    /// The same path twice.
    Duplicate,
    /// An entry whose folder is not listed before it as a directory.
    Orphan,
    /// The sizes add up to more than a number can hold.
    TooLarge,
}

impl Manifest {
    /// Takes the entries, parents before children, and calls the whole `name`.
    pub fn new(name: String, entries: Vec<Entry>) -> Result<Self, BadManifest> {
        let mut seen = BTreeMap::new();
        let mut bytes = 0_u64;
        for entry in &entries {
            if let Some(parent) = entry.path.parent()
                && seen.get(parent.as_str()) != Some(&true)
            {
                return Err(BadManifest::Orphan);
            }
            if seen.insert(entry.path.as_str(), entry.kind == EntryKind::Directory).is_some() {
                return Err(BadManifest::Duplicate);
            }
            bytes = bytes.checked_add(entry.size()).ok_or(BadManifest::TooLarge)?;
        }
        drop(seen);
        if entries.is_empty() || u32::try_from(entries.len()).is_err() {
            return Err(BadManifest::Empty);
        }
        Ok(Self { name, entries, bytes })
    }

    /// What the whole is called: for people, not a path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every entry; an entry's index here is its number on the wire.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of a number.
    pub fn entry(&self, index: u32) -> Option<&Entry> {
        self.entries.get(usize::try_from(index).ok()?)
    }

    /// What stands for the whole manifest: two with the same digest offer the same.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("hither v1 manifest");
        for entry in &self.entries {
            hasher
                .update(&entry.identity().0)
                .update(&[u8::from(entry.is_file()), u8::from(entry.executable)]);
        }
        *hasher.finalize().as_bytes()
    }

    /// The files, with their numbers.
    pub fn files(&self) -> impl Iterator<Item = (u32, &Entry)> {
        (0_u32..).zip(&self.entries).filter(|(_, entry)| entry.is_file())
    }

    /// All sizes together, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The same under another outermost name, where there is just one and the name is allowed.
    pub fn with_top(&self, top: &str) -> Option<Self> {
        if self.tops().count() != 1 {
            return None;
        }
        let rename = |entry: &Entry| Some(Entry { path: entry.path.with_top(top).ok()?, ..entry.clone() });
        let entries = self.entries.iter().map(rename).collect::<Option<_>>()?;
        Some(Self { name: self.name.clone(), entries, bytes: self.bytes })
    }

    /// The outermost names, each once, in order.
    pub fn tops(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.path.parent().is_none())
    }
}

impl Entry {
    /// What tells it from a file that has changed.
    pub fn identity(&self) -> FileIdentity {
        let mut hasher = blake3::Hasher::new_derive_key("hither v1 file identity");
        hasher.update(&self.size().to_le_bytes()).update(&self.modified.to_le_bytes());
        hasher.update(self.path.as_str().as_bytes());
        let mut identity = [0; 16];
        hasher.finalize_xof().fill(&mut identity);
        FileIdentity(identity)
    }

    /// Bytes of content: 0 for a directory.
    pub fn size(&self) -> u64 {
        match self.kind {
            EntryKind::Directory => 0,
            EntryKind::File(size) => size,
        }
    }

    /// Whether it is a file.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, EntryKind::File(_))
    }
}
