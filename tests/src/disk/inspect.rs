//! What tests put on a disk and find there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hither_protocol::storage::{Table, is_reserved};

use super::content::{File, Item};
use super::{Disk, Kind, ROOMY};

impl Disk {
    /// A file, durable, with a new modification time. Directories above it are made.
    pub fn put_file(&mut self, path: impl AsRef<Path>, content: impl Into<Vec<u8>>) {
        let file = File { content: Arc::new(content.into()), modified: self.next_time(), executable: false };
        self.put(path.as_ref(), Item::File(file));
    }

    /// A directory, durable.
    pub fn put_directory(&mut self, path: impl AsRef<Path>) {
        self.put(path.as_ref(), Item::Directory);
    }

    /// What the program is fed.
    pub fn set_input(&mut self, content: impl Into<Vec<u8>>) {
        self.input = content.into();
    }

    /// What the program has fed others.
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// A symbolic link, durable.
    pub fn put_link(&mut self, path: impl AsRef<Path>, target: &str) {
        self.put(path.as_ref(), Item::Link(target.to_owned()));
    }

    /// Something that is neither file nor directory, durable.
    pub fn put_special(&mut self, path: impl AsRef<Path>) {
        self.put(path.as_ref(), Item::Special);
    }

    /// Makes a file executable.
    pub fn set_executable(&mut self, path: impl AsRef<Path>) {
        let file = self.tree.file(path.as_ref()).expect("there is such a file").clone();
        self.put(path.as_ref(), Item::File(File { executable: true, ..file }));
    }

    /// Removes a file or a directory with all that is in it, durably.
    pub fn remove(&mut self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let gone: Vec<PathBuf> = self.tree.below(path).map(|(at, _)| at.to_path_buf()).collect();
        for path in gone.iter().rev().map(PathBuf::as_path).chain([path]) {
            self.tree.remove(path);
            self.tree.sync_path(path);
        }
    }

    /// A file.
    pub fn file(&self, path: impl AsRef<Path>) -> Option<&File> {
        self.tree.file(path.as_ref())
    }

    /// A file's content.
    pub fn content(&self, path: impl AsRef<Path>) -> Option<Arc<Vec<u8>>> {
        self.tree.file(path.as_ref()).map(|file| file.content.clone())
    }

    /// Everything below a directory, by its path from there.
    pub fn list(&self, directory: impl AsRef<Path>) -> BTreeMap<PathBuf, Item> {
        let directory = directory.as_ref();
        let below = self.tree.below(directory);
        below
            .map(|(at, item)| (at.strip_prefix(directory).unwrap_or(at).to_path_buf(), item.clone()))
            .collect()
    }

    /// Partial files, wherever they are.
    pub fn partials(&self) -> Vec<PathBuf> {
        self.called(".part")
    }

    /// Journals of transfers, wherever they are.
    pub fn journals(&self) -> Vec<PathBuf> {
        self.called(".journal")
    }

    fn called(&self, end: &str) -> Vec<PathBuf> {
        let files = self.tree.below(Path::new("/")).map(|(at, _)| at.to_path_buf());
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.filter(|path| is_reserved(&name(path)) && name(path).ends_with(end)).collect()
    }

    /// The records of a table: keys and values.
    pub fn records(&self, table: Table) -> impl Iterator<Item = (&[u8], &[u8])> {
        let of = move |((at, _), _): &(&(Table, Vec<u8>), &Vec<u8>)| *at == table;
        self.records.iter().filter(of).map(|((_, key), value)| (key.as_slice(), value.as_slice()))
    }

    /// Bytes free.
    pub fn free(&self) -> u64 {
        self.faults.capacity.unwrap_or(ROOMY).saturating_sub(self.tree.used())
    }

    /// Bytes of content in requests that are under way.
    pub fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// The most bytes of content that were ever under way at once.
    pub fn peak_outstanding(&self) -> u64 {
        self.peak_outstanding
    }

    /// How many requests of a kind were made.
    pub fn requests(&self, kind: Kind) -> u64 {
        self.requests.get(&kind).copied().unwrap_or_default()
    }

    /// How many requests were made.
    pub fn all_requests(&self) -> u64 {
        self.requests.values().sum()
    }

    pub(super) fn put(&mut self, path: &Path, item: Item) {
        let above: Vec<&Path> = path.ancestors().skip(1).collect();
        for folder in above.into_iter().rev() {
            if !self.tree.is_directory(folder) {
                self.tree.put(folder, Item::Directory);
            }
        }
        self.tree.put(path, item);
        self.tree.sync(path);
        self.tree.sync_path(path);
    }

    /// Each change of a file has a time of its own, so that every change shows.
    pub(super) fn next_time(&mut self) -> i64 {
        self.last_modified += 1000;
        self.last_modified
    }
}
