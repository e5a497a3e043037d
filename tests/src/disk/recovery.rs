//! Going on with a transfer that was interrupted: its journal is read, and what it says is looked at.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use hither_protocol::identity::PeerId;
use hither_protocol::storage::{Checked, PartialFile, RecoverError, StorageError};
use hither_protocol::transfer::hash::{CHUNK, ChunkValue, chunk_count, chunk_length, chunk_value};
use hither_protocol::transfer::{Entry, Manifest, Places, TransferId};

use super::Disk;
use super::content::Item;
use super::journal::{Said, journal_path};
use super::transfers::{Journal, Look, Open, Recovery, partial_path, place};

/// Most bytes that are hashed for one request: few, so that a transfer of some MiB takes several.
pub(super) const CHECK_BYTES: u64 = 4 * CHUNK;
/// Most files that are looked at for one request.
const CHECK_FILES: usize = 64;

impl Disk {
    pub(super) fn recover(
        &mut self,
        transfer: TransferId,
        sender: PeerId,
        into: &Path,
        manifest: &Manifest,
        places: &Places,
    ) -> Result<(), RecoverError> {
        let path = journal_path(into, transfer);
        if self.faults.is_in_use(&path) {
            return Err(RecoverError::InUse);
        }
        let said = self.read_journal(transfer, sender, &path)?;
        // A program that was killed may have left what only a power failure would lose. From here on it is relied on.
        self.tree.sync(&path);
        self.tree.sync_path(&path);
        let mut open = Open::new(sender, into);
        open.journal = Some(Journal { path, end: said.sound });
        open.add_directories(&said.directories);
        let fitting = targets(manifest, places).map(|(target, _)| partial_path(into, transfer, &target));
        let fitting = fitting.collect();
        let looks = looks(said, manifest, places);
        open.recovery = Some(Recovery { looks, fitting });
        self.open.insert(transfer, open);
        Ok(())
    }

    pub(super) fn check(&mut self, transfer: TransferId) -> Result<Checked, StorageError> {
        let mut open = self.open.remove(&transfer).expect("it was recovered");
        let checked = self.check_some(transfer, &mut open);
        self.open.insert(transfer, open);
        checked
    }

    fn check_some(&mut self, transfer: TransferId, open: &mut Open) -> Result<Checked, StorageError> {
        let journal = open.journal.clone().ok_or(StorageError::Missing)?;
        self.faults.check_readable(&journal.path)?;
        if self.tree.file(&journal.path).is_none() {
            return Err(StorageError::Missing);
        }
        let mut recovery = open.recovery.take().expect("there is more to look at");
        let mut checked = Checked::default();
        let mut bytes = CHECK_BYTES;
        for _ in 0..CHECK_FILES {
            let Some(mut look) = recovery.looks.pop_front() else { break };
            if self.look(transfer, open, &mut look, &mut bytes, &mut checked) {
                continue;
            }
            recovery.looks.push_front(look);
            break;
        }
        checked.more = !recovery.looks.is_empty();
        if checked.more {
            open.recovery = Some(recovery);
        } else {
            checked.changed = self.remove_unfitting(transfer, open, &recovery.fitting);
        }
        Ok(checked)
    }

    /// Looks at a file, as far as `bytes` go. Whether that was all of it.
    fn look(
        &mut self,
        transfer: TransferId,
        open: &mut Open,
        look: &mut Look,
        bytes: &mut u64,
        checked: &mut Checked,
    ) -> bool {
        let number = look.target.file;
        if let Some(root) = look.root
            && self.is_placed(&open.into, look)
        {
            self.tree.sync_path(&place(&open.into, &look.target));
            checked.placed.push((number, root));
            open.file(&look.target, look.size).placed = true;
            return true;
        }
        let path = partial_path(&open.into, transfer, &look.target);
        self.tree.sync_path(&path);
        while let Some((&index, &expected)) = look.chunks.first_key_value() {
            let length = length_of(look.size, index);
            if length > *bytes {
                return false;
            }
            *bytes -= length;
            look.chunks.remove(&index);
            match self.value_of(&path, look.size, index) {
                Some(value) if Some(value) == expected => {
                    checked.chunks.push((number, index, value));
                    open.file(&look.target, look.size).values.insert(index, value);
                }
                Some(value) if expected.is_none() => look.unsure.push((index, value)),
                _ => checked.lost += length,
            }
        }
        if !look.unsure.is_empty() {
            prove(open, look, checked);
        }
        true
    }

    fn is_placed(&self, into: &Path, look: &Look) -> bool {
        let there = self.tree.file(&place(into, &look.target));
        there.is_some_and(|file| (file.content.len() as u64, file.modified) == (look.size, look.modified))
    }

    /// The value of a chunk of a partial file, if all of it is there.
    fn value_of(&self, path: &Path, size: u64, index: u64) -> Option<ChunkValue> {
        self.faults.check_readable(path).ok()?;
        let from = usize::try_from(index * CHUNK).ok()?;
        let to = from + usize::try_from(length_of(size, index)).ok()?;
        let data = self.tree.file(path)?.content.get(from..to)?;
        Some(chunk_value(size, index * CHUNK, data))
    }

    /// Removes partial files of the transfer that nothing will go on from, and says how many were begun from what
    /// has changed.
    fn remove_unfitting(&mut self, transfer: TransferId, open: &Open, fitting: &[PathBuf]) -> u32 {
        let placed = open.files.iter().filter(|(_, known)| known.placed);
        let placed = placed.map(|(identity, known)| {
            let target = PartialFile { file: 0, identity: *identity, path: known.path.clone() };
            partial_path(&open.into, transfer, &target)
        });
        let placed: Vec<PathBuf> = placed.collect();
        let mut changed = 0;
        for path in self.partials_of(transfer, open) {
            let fits = fitting.contains(&path);
            if !fits || placed.contains(&path) {
                changed += u32::from(!fits);
                self.discard(&path);
                self.tree.sync_path(&path);
            }
        }
        changed
    }

    /// Every partial file of a transfer in the directories that it uses.
    pub(super) fn partials_of(&self, transfer: TransferId, open: &Open) -> Vec<PathBuf> {
        let begin = format!(".hither-{transfer}-");
        let directories = open.directories.keys().map(|path| open.into.join(path.as_str()));
        let mut found = Vec::new();
        for directory in directories.chain([open.into.clone()]) {
            for (path, item) in self.tree.below(&directory) {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let own = name.starts_with(&begin) && name.ends_with(".part");
                let here = path.parent() == Some(&directory);
                if own && here && matches!(item, Item::File(_)) {
                    found.push(path.to_path_buf());
                }
            }
        }
        found
    }
}

/// Chunks that the journal has no values of are right if together with the others they make the root.
fn prove(open: &mut Open, look: &mut Look, checked: &mut Checked) {
    let known = open.file(&look.target, look.size);
    let mut all = known.clone();
    all.values.extend(look.unsure.iter().copied());
    let proved = all.root().is_some() && all.root() == look.root;
    for (index, value) in look.unsure.drain(..) {
        if proved {
            checked.chunks.push((look.target.file, index, value));
            known.values.insert(index, value);
        } else {
            checked.lost += length_of(look.size, index);
        }
    }
}

/// The files of a manifest, as they are called here.
fn targets<'a>(manifest: &'a Manifest, places: &'a Places) -> impl Iterator<Item = (PartialFile, &'a Entry)> {
    manifest.files().map(|(file, entry)| {
        (PartialFile { file, identity: entry.identity(), path: places.of(&entry.path) }, entry)
    })
}

/// What to look at, in the order of the manifest. What it does not have any more is left out.
fn looks(mut said: Said, manifest: &Manifest, places: &Places) -> VecDeque<Look> {
    let looks = targets(manifest, places).filter_map(|(target, entry)| {
        let root = said.placed.remove(&target.identity);
        let noted = said.chunks.remove(&target.identity).unwrap_or_default().into_iter();
        let noted = noted.filter(|(index, _)| *index < chunk_count(entry.size()));
        let mut chunks: BTreeMap<_, _> = noted.map(|(index, value)| (index, Some(value))).collect();
        if root.is_some() {
            for index in 0..chunk_count(entry.size()) {
                chunks.entry(index).or_insert(None);
            }
        }
        let (size, modified, unsure) = (entry.size(), entry.modified, Vec::new());
        (!chunks.is_empty()).then_some(Look { target, size, modified, root, chunks, unsure })
    });
    looks.collect()
}

fn length_of(size: u64, index: u64) -> u64 {
    chunk_length(size, index * CHUNK).map_or(0, u64::from)
}
