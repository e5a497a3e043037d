//! A file tree in memory that knows what of it would survive a crash.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::random::Random;

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A directory.
    Directory,
    /// A file.
    File(File),
    /// What is neither: a symbolic link, a socket, a device.
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

type Items = BTreeMap<PathBuf, Item>;

/// The tree as programs see it, and as it would be after the power fails.
#[derive(Debug, Default)]
pub(super) struct Tree {
    live: Items,
    durable: Items,
    used: u64,
}

impl Tree {
    pub(super) fn get(&self, path: &Path) -> Option<&Item> {
        self.live.get(path)
    }

    pub(super) fn file(&self, path: &Path) -> Option<&File> {
        match self.live.get(path) {
            Some(Item::File(file)) => Some(file),
            _ => None,
        }
    }

    pub(super) fn is_directory(&self, path: &Path) -> bool {
        path.parent().is_none() || self.live.get(path) == Some(&Item::Directory)
    }

    /// Everything below `path`, parents before children, siblings in name order.
    pub(super) fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = (&'a Path, &'a Item)> {
        // Paths are ordered by component, so whatever is below a directory directly follows it.
        self.live
            .range::<Path, _>((Bound::Included(path), Bound::Unbounded))
            .take_while(move |(at, _)| at.starts_with(path))
            .filter(move |(at, _)| at.as_path() != path)
            .map(|(at, item)| (at.as_path(), item))
    }

    /// Bytes of content in all files.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    pub(super) fn put(&mut self, path: PathBuf, item: Item) {
        self.used += size(&item);
        if let Some(old) = self.live.insert(path, item) {
            self.used -= size(&old);
        }
    }

    pub(super) fn remove(&mut self, path: &Path) -> Option<Item> {
        let item = self.live.remove(path)?;
        self.used -= size(&item);
        Some(item)
    }

    /// Writes into a file, which is made where there is none, and filled with zeros up to `offset`.
    pub(super) fn write(&mut self, path: &Path, offset: usize, data: &[u8], modified: i64) {
        let new = || Item::File(File { content: Arc::default(), modified, executable: false });
        let Item::File(file) = self.live.entry(path.to_path_buf()).or_insert_with(new) else { return };
        let content = Arc::make_mut(&mut file.content);
        let (before, end) = (content.len(), offset + data.len());
        content.resize(before.max(end), 0);
        content[offset..end].copy_from_slice(data);
        file.modified = modified;
        self.used += (content.len() - before) as u64;
    }

    /// Gives a file another name, in place of what has it.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) {
        if let Some(item) = self.remove(from) {
            self.put(to.to_path_buf(), item);
        }
    }

    /// Makes what `path` is now, even where that is nothing, and every directory above it durable.
    pub(super) fn sync(&mut self, path: &Path) {
        for at in path.ancestors() {
            match self.live.get(at) {
                Some(item) => drop(self.durable.insert(at.to_path_buf(), item.clone())),
                None => drop(self.durable.remove(at)),
            }
        }
    }

    /// The power fails: of what is not durable, chance decides what is kept, lost or kept in part.
    pub(super) fn crash(&mut self, random: &mut Random) {
        let live = std::mem::take(&mut self.live);
        let durable = std::mem::take(&mut self.durable);
        let mut paths: Vec<&PathBuf> = live.keys().chain(durable.keys()).collect();
        paths.sort();
        paths.dedup();
        for path in paths {
            let kept = match (live.get(path), durable.get(path)) {
                // Changed or not: what was durable is there. Removed, but not durably: it may come back.
                (Some(_), Some(item)) => Some(item.clone()),
                (None, Some(item)) => random.chance(0.5).then(|| item.clone()),
                (Some(item), None) => leftover(item, random),
                (None, None) => None,
            };
            if let Some(item) = kept
                && path.parent().is_none_or(|parent| self.is_directory(parent))
            {
                self.live.insert(path.clone(), item);
            }
        }
        self.durable = self.live.clone();
        self.used = self.live.values().map(size).sum();
    }
}

/// What may be left of an item that was never made durable.
fn leftover(item: &Item, random: &mut Random) -> Option<Item> {
    match (random.below(3), item) {
        (0, _) => None,
        (1, Item::File(file)) => {
            let mut content = file.content.as_ref().clone();
            let whole = usize::try_from(random.below(content.len() as u64 + 1)).expect("below a length");
            content.truncate(whole);
            Some(Item::File(File { content: Arc::new(content), ..file.clone() }))
        }
        _ => Some(item.clone()),
    }
}

fn size(item: &Item) -> u64 {
    match item {
        Item::File(file) => file.content.len() as u64,
        _ => 0,
    }
}
