//! A file tree in memory that knows what of it would survive a crash.
//!
//! As little is promised as POSIX promises: content survives once the file was synced, a name once the directory
//! that it is in was synced, and neither makes the other durable. Everything since may be there or not, each on its
//! own and in any order; only a rename never loses a file under both names.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use super::content::{File, Item, Stored};
use crate::random::Random;

/// Names an item, whatever it is called.
type Inode = u64;

/// The tree as programs see it, with what would be left of it after the power fails.
#[derive(Debug, Default)]
pub(super) struct Tree {
    names: BTreeMap<PathBuf, Inode>,
    durable: BTreeMap<PathBuf, Inode>,
    /// By directory: what became of names in it since it was last synced.
    unsynced: BTreeMap<PathBuf, Vec<Renaming>>,
    items: BTreeMap<Inode, Stored>,
    next: Inode,
    used: u64,
    /// How many changes more are made; those after it are not. `None`: all of them.
    fuse: Option<u64>,
}

#[derive(Debug)]
enum Renaming {
    /// A name leads there now, or nowhere.
    Set(PathBuf, Option<Inode>),
    /// One name is given up for another in the same directory.
    Move(PathBuf, PathBuf, Inode),
}

impl Tree {
    pub(super) fn get(&self, path: &Path) -> Option<&Item> {
        self.names.get(path).and_then(|inode| self.items.get(inode)).map(Stored::item)
    }

    pub(super) fn file(&self, path: &Path) -> Option<&File> {
        match self.get(path) {
            Some(Item::File(file)) => Some(file),
            _ => None,
        }
    }

    pub(super) fn is_directory(&self, path: &Path) -> bool {
        path.parent().is_none() || self.get(path) == Some(&Item::Directory)
    }

    /// Everything below `path`, parents before children, siblings in name order.
    pub(super) fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = (&'a Path, &'a Item)> {
        // Paths are ordered by component, so whatever is below a directory directly follows it.
        self.names
            .range::<Path, _>((Bound::Included(path), Bound::Unbounded))
            .take_while(move |(at, _)| at.starts_with(path))
            .filter(move |(at, _)| at.as_path() != path)
            .filter_map(|(at, inode)| Some((at.as_path(), self.items.get(inode)?.item())))
    }

    /// Bytes of content in all files.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// Makes so many changes more; a write that comes right after them is made in part.
    pub(super) fn arm(&mut self, changes: u64) {
        self.fuse = Some(changes);
    }

    /// Whether no change is made any more.
    pub(super) fn has_stopped(&self) -> bool {
        self.fuse == Some(0)
    }

    /// Makes changes again.
    pub(super) fn disarm(&mut self) {
        self.fuse = None;
    }

    /// Something new, in place of what has the name.
    pub(super) fn put(&mut self, path: &Path, item: Item) {
        if !self.may_change() {
            return;
        }
        let stored = Stored::new(item);
        self.used += stored.size();
        self.items.insert(self.next, stored);
        self.set(path, Some(self.next));
        self.next += 1;
    }

    pub(super) fn remove(&mut self, path: &Path) {
        if self.names.contains_key(path) && self.may_change() {
            self.set(path, None);
        }
    }

    /// Writes into a file that is there, with zeros up to `offset` where it is shorter.
    pub(super) fn write(&mut self, path: &Path, offset: usize, data: &[u8], modified: i64) {
        let data = match self.fuse {
            Some(0) => return,
            Some(1) => &data[..data.len() / 2],
            _ => data,
        };
        self.change(path, |stored| {
            stored.write(offset, data);
            stored.touch(modified);
        });
    }

    /// Cuts a file off.
    pub(super) fn truncate(&mut self, path: &Path, length: usize) {
        self.change(path, |stored| stored.truncate(length));
    }

    /// Says when a file was modified, and whether it may be executed.
    pub(super) fn describe(&mut self, path: &Path, modified: i64, executable: bool) {
        self.change(path, |stored| stored.describe(modified, executable));
    }

    /// Gives a file another name in the same directory, in place of what has it.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) {
        assert_eq!(from.parent(), to.parent(), "a file stays in its directory");
        let Some(inode) = self.names.get(from).copied().filter(|_| self.may_change()) else { return };
        self.names.remove(from);
        if let Some(old) = self.names.insert(to.to_path_buf(), inode) {
            self.used -= self.items.get(&old).map_or(0, Stored::size);
        }
        self.unsynced(from).push(Renaming::Move(from.to_path_buf(), to.to_path_buf(), inode));
    }

    /// Makes a file's content and times durable, under whatever name it has.
    pub(super) fn sync(&mut self, path: &Path) {
        self.change(path, Stored::sync);
    }

    /// Makes the names in a directory durable.
    pub(super) fn sync_names(&mut self, directory: &Path) {
        if !self.unsynced.contains_key(directory) || !self.may_change() {
            return;
        }
        for renaming in self.unsynced.remove(directory).unwrap_or_default() {
            match renaming {
                Renaming::Set(path, to) => {
                    self.settle(&path);
                    if to.is_none() {
                        self.forget_below(&path);
                    }
                }
                Renaming::Move(from, to, _) => [from, to].iter().for_each(|path| self.settle(path)),
            }
        }
    }

    /// Makes a name durable, and that of every directory above it.
    pub(super) fn sync_path(&mut self, path: &Path) {
        path.ancestors().skip(1).for_each(|directory| self.sync_names(directory));
    }

    /// The power fails: of what is not durable, chance decides what is kept, lost or kept in part.
    pub(super) fn crash(&mut self, random: &mut Random) {
        // Mostly lost, mostly kept, or anything between.
        let kept = [0.0, 0.1, 0.5, 0.9, 1.0][usize::try_from(random.below(5)).expect("small")];
        let mut names = std::mem::take(&mut self.durable);
        for renaming in std::mem::take(&mut self.unsynced).into_values().flatten() {
            match renaming {
                _ if !random.chance(kept) => {}
                Renaming::Set(path, Some(inode)) => drop(names.insert(path, inode)),
                Renaming::Set(path, None) => drop(names.remove(&path)),
                Renaming::Move(from, to, inode) => {
                    names.insert(to, inode);
                    if random.chance(0.75) {
                        names.remove(&from);
                    }
                }
            }
        }
        let items = std::mem::take(&mut self.items);
        let items: BTreeMap<Inode, Stored> =
            items.into_iter().map(|(inode, stored)| (inode, stored.crash(random, kept))).collect();
        *self = Self { next: self.next, ..Self::default() };
        for (path, inode) in names {
            // What is in a directory goes with it; a file with two names is two files from now on.
            if let Some(stored) = items.get(&inode)
                && path.parent().is_none_or(|parent| self.is_directory(parent))
            {
                self.used += stored.size();
                self.items.insert(self.next, stored.clone());
                self.names.insert(path, self.next);
                self.next += 1;
            }
        }
        self.durable = self.names.clone();
    }

    fn may_change(&mut self) -> bool {
        match &mut self.fuse {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    fn change(&mut self, path: &Path, change: impl FnOnce(&mut Stored)) {
        let Some(inode) = self.names.get(path).copied().filter(|_| self.may_change()) else { return };
        if let Some(stored) = self.items.get_mut(&inode) {
            let before = stored.size();
            change(stored);
            self.used = self.used - before + stored.size();
        }
    }

    fn set(&mut self, path: &Path, to: Option<Inode>) {
        let old = match to {
            Some(inode) => self.names.insert(path.to_path_buf(), inode),
            None => self.names.remove(path),
        };
        self.used -= old.and_then(|old| self.items.get(&old)).map_or(0, Stored::size);
        self.unsynced(path).push(Renaming::Set(path.to_path_buf(), to));
    }

    fn unsynced(&mut self, path: &Path) -> &mut Vec<Renaming> {
        self.unsynced.entry(path.parent().unwrap_or(path).to_path_buf()).or_default()
    }

    /// Makes what a name leads to now durable.
    fn settle(&mut self, path: &Path) {
        match self.names.get(path) {
            Some(inode) => drop(self.durable.insert(path.to_path_buf(), *inode)),
            None => drop(self.durable.remove(path)),
        }
    }

    /// What was in a directory that was removed cannot come back.
    fn forget_below(&mut self, path: &Path) {
        let below = self.durable.range::<Path, _>((Bound::Excluded(path), Bound::Unbounded));
        let below = below.take_while(|(at, _)| at.starts_with(path));
        let gone = below.filter(|(at, inode)| self.names.get(*at) != Some(inode));
        let gone: Vec<PathBuf> = gone.map(|(at, _)| at.clone()).collect();
        for path in gone {
            self.durable.remove(&path);
        }
    }
}
