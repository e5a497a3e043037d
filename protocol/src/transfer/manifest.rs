//! What an offer holds: every file, directory and symbolic link, before a byte moves.

use std::collections::BTreeMap;

use super::link_target::LinkTarget;
use super::path::RelativePath;

/// A manifest without contradictions: no path twice, every entry below an entry that is a directory, no symbolic link
/// that leads out of the outermost entry it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    name: String,
    entries: Vec<Entry>,
    bytes: u64,
}

/// One file, directory or symbolic link.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory; listed before what is in it.
    Directory,
    /// A file of so many bytes.
    File(u64),
    /// A symbolic link; nothing is below it, and nothing is written through it.
    Link(LinkTarget),
    /// Content of a size that is not known before its end: the only entry of its offer. It becomes a file.
    Stream,
}

impl EntryKind {
    fn number(&self) -> u8 {
        match self {
            Self::Directory => 0,
            Self::File(_) => 1,
            Self::Link(_) => 2,
            Self::Stream => 3,
        }
    }
}

/// An entry as it was offered: its path, kind, size or target, and modification time, hashed. One that has changed has
/// another identity.
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

/// Names that an offer's entries have on the receiving disk, where they are other ones: by the path of the entry in the
/// offer, its last component here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(pub BTreeMap<String, String>);

impl Places {
    /// Where an entry goes, below the folder.
    pub fn of(&self, path: &RelativePath) -> RelativePath {
        if self.0.is_empty() {
            return path.clone();
        }
        let text = path.as_str();
        let ends = text.match_indices('/').map(|(at, _)| at).chain([text.len()]);
        let here = ends.zip(path.components()).map(|(end, name)| {
            let known = text.get(..end).and_then(|above| self.0.get(above));
            known.map_or(name, String::as_str)
        });
        RelativePath::new(here).unwrap_or_else(|_| path.clone())
    }

    /// The same, and what else has to go by another name on the system that this program runs on.
    pub(crate) fn on_this_system(self, manifest: &Manifest) -> Self {
        if !cfg!(windows) {
            return self;
        }
        let mut all = super::safe_names(manifest);
        all.0.extend(self.0);
        all
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
    /// A symbolic link that leads out of the outermost entry that it is in, or is outermost itself.
    Escape,
    /// A stream that is not alone.
    Stream,
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
            if seen.insert(entry.path.as_str(), entry.is_directory()).is_some() {
                return Err(BadManifest::Duplicate);
            }
            if entry.target().is_some_and(|target| target.leads(&entry.path).is_none()) {
                return Err(BadManifest::Escape);
            }
            if entry.kind == EntryKind::Stream && (entries.len() != 1 || entry.path.parent().is_some()) {
                return Err(BadManifest::Stream);
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
            hasher.update(&entry.identity().0).update(&[entry.kind.number(), u8::from(entry.executable)]);
        }
        *hasher.finalize().as_bytes()
    }

    /// The symbolic links, with their numbers and where they lead.
    pub fn links(&self) -> impl Iterator<Item = (u32, &Entry, &LinkTarget)> {
        (0_u32..).zip(&self.entries).filter_map(|(number, entry)| Some((number, entry, entry.target()?)))
    }

    /// Whether it is a stream.
    pub fn is_stream(&self) -> bool {
        matches!(self.entries.as_slice(), [entry] if entry.kind == EntryKind::Stream)
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

    /// The same under the names that its entries have here. `None`: two would have one, or one is none.
    pub fn with_places(&self, places: &Places) -> Option<Self> {
        let moved = |entry: &Entry| Entry { path: places.of(&entry.path), ..entry.clone() };
        Self::new(self.name.clone(), self.entries.iter().map(moved).collect()).ok()
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
        // No path holds a NUL, so what comes behind one is no part of it.
        match &self.kind {
            EntryKind::File(_) => {}
            EntryKind::Directory | EntryKind::Stream => drop(hasher.update(&[0, self.kind.number()])),
            EntryKind::Link(target) => {
                hasher.update(&[0, self.kind.number()]).update(target.as_str().as_bytes());
            }
        }
        let mut identity = [0; 16];
        hasher.finalize_xof().fill(&mut identity);
        FileIdentity(identity)
    }

    /// Bytes of content: 0 for a directory or a link, and for a stream, as nobody knows yet.
    pub fn size(&self) -> u64 {
        match self.kind {
            EntryKind::Directory | EntryKind::Link(_) | EntryKind::Stream => 0,
            EntryKind::File(size) => size,
        }
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == EntryKind::Directory
    }

    /// Where it leads, if it is a symbolic link.
    pub fn target(&self) -> Option<&LinkTarget> {
        match &self.kind {
            EntryKind::Link(target) => Some(target),
            EntryKind::Directory | EntryKind::File(_) | EntryKind::Stream => None,
        }
    }

    /// Whether it is a file, or becomes one: a stream.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, EntryKind::File(_) | EntryKind::Stream)
    }
}
