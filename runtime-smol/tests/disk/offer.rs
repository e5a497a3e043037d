//! A transfer with a journal, as a node would receive it.

use crate::common::*;

/// When the offered files were modified.
pub(crate) const MODIFIED: i64 = 1_000_000_000_123;

/// Files that are offered, and the folder they go into.
pub(crate) struct Offer {
    pub(crate) place: TempDir,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) contents: Vec<Vec<u8>>,
    pub(crate) places: Places,
}

impl Offer {
    /// Files by name and size, in directories as their names say.
    pub(crate) fn new(files: &[(&str, usize)]) -> Self {
        Self::into(TempDir::new().unwrap(), files)
    }

    pub(crate) fn into(place: TempDir, files: &[(&str, usize)]) -> Self {
        let (mut entries, mut contents) = (Vec::<Entry>::new(), Vec::new());
        for (number, (name, size)) in files.iter().enumerate() {
            let mut above: Vec<_> =
                std::iter::successors(path(name).parent(), RelativePath::parent).collect();
            above.retain(|path| !entries.iter().any(|entry| entry.path == *path));
            for path in above.into_iter().rev() {
                entries.push(Entry { path, kind: EntryKind::Directory, modified: 0, executable: false });
                contents.push(Vec::new());
            }
            let kind = EntryKind::File(*size as u64);
            entries.push(Entry { path: path(name), kind, modified: MODIFIED, executable: false });
            contents.push(content(*size).into_iter().map(|byte| byte ^ number as u8).collect());
        }
        let manifest = Arc::new(Manifest::new("test".into(), entries).unwrap());
        Self { place, manifest, contents, places: Places::default() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.place.path()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// The number of a file.
    pub(crate) fn number(&self, name: &str) -> u32 {
        let position = self.manifest.entries().iter().position(|entry| entry.path.as_str() == name);
        position.unwrap() as u32
    }

    pub(crate) fn target(&self, name: &str) -> PartialFile {
        let file = self.number(name);
        let entry = self.manifest.entry(file).unwrap();
        PartialFile { file, identity: entry.identity(), path: self.places.of(&entry.path) }
    }

    /// Where a file's partial file is.
    pub(crate) fn partial(&self, name: &str) -> PathBuf {
        let target = self.target(name);
        self.at(target.path.as_str()).with_file_name(partial_name(TRANSFER, target.identity))
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.at(&journal_name(TRANSFER))
    }

    pub(crate) fn prepare(&self, disk: &Disk) -> Result<Vec<RelativePath>, StorageError> {
        let directories = self.manifest.entries().iter().filter(|entry| !entry.is_file());
        let work = Work::Prepare {
            transfer: TRANSFER,
            sender: sender(),
            into: self.folder().into(),
            directories: directories.map(|entry| self.places.of(&entry.path)).collect(),
            journal: true,
        };
        match disk.perform(work) {
            Done::Prepared(result) => result,
            other => panic!("{other:?}"),
        }
    }

    /// The writes of a file's chunks.
    pub(crate) fn chunks(&self, name: &str) -> Vec<WriteChunk> {
        let target = self.target(name);
        let data = &self.contents[target.file as usize];
        let mut chunks = chunks(self.folder(), 0, name, data);
        chunks.iter_mut().for_each(|chunk| chunk.target = target.clone());
        chunks
    }

    /// Writes some of a file's chunks.
    pub(crate) fn write(&self, disk: &Disk, name: &str, wanted: impl Fn(u64) -> bool) {
        let chunks = self.chunks(name).into_iter().filter(|chunk| wanted(chunk.offset / CHUNK)).collect();
        for result in write(disk, chunks) {
            assert_eq!(result, Ok(()), "{name}");
        }
    }

    /// A file's chunks as the journal notes them.
    pub(crate) fn stored(&self, name: &str) -> Vec<StoredChunk> {
        let stored = |chunk: WriteChunk| StoredChunk {
            file: chunk.target.identity,
            index: chunk.offset / CHUNK,
            value: chunk.expected,
        };
        self.chunks(name).into_iter().map(stored).collect()
    }

    /// Notes some of a file's chunks.
    pub(crate) fn note(
        &self,
        disk: &Disk,
        name: &str,
        wanted: impl Fn(u64) -> bool,
    ) -> Result<(), StorageError> {
        let work = Work::Checkpoint {
            transfer: TRANSFER,
            into: Arc::new(self.folder().into()),
            files: vec![self.target(name)],
            chunks: self.stored(name).into_iter().filter(|chunk| wanted(chunk.index)).collect(),
        };
        match disk.perform(work) {
            Done::Checkpointed(result) => result,
            other => panic!("{other:?}"),
        }
    }

    /// Writes some of a file's chunks and notes them.
    pub(crate) fn store(&self, disk: &Disk, name: &str, wanted: impl Fn(u64) -> bool) {
        self.write(disk, name, &wanted);
        assert_eq!(self.note(disk, name, wanted), Ok(()));
    }

    pub(crate) fn root(&self, name: &str) -> Root {
        Root(*blake3::hash(&self.contents[self.number(name) as usize]).as_bytes())
    }

    pub(crate) fn to_finish(&self, name: &str) -> FinishFile {
        FinishFile {
            target: self.target(name),
            root: self.root(name),
            modified: MODIFIED,
            ..to_finish(self.folder(), 0, name)
        }
    }

    pub(crate) fn finish(&self, disk: &Disk, names: &[&str]) -> Vec<Result<(), StorageError>> {
        finish(disk, names.iter().map(|name| self.to_finish(name)).collect())
    }

    pub(crate) fn recover_from(&self, disk: &Disk, sender: PeerId) -> Result<(), RecoverError> {
        let work = Work::Recover {
            transfer: TRANSFER,
            sender,
            into: self.folder().into(),
            manifest: self.manifest.clone(),
            places: self.places.clone(),
        };
        match disk.perform(work) {
            Done::Recovered(result) => result,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn recover(&self, disk: &Disk) -> Result<(), RecoverError> {
        self.recover_from(disk, sender())
    }

    /// Recovers, and checks everything; all that was found, in the order of files and chunks.
    pub(crate) fn check(&self, disk: &Disk) -> Checked {
        assert_eq!(self.recover(disk), Ok(()));
        let mut all = Checked::default();
        loop {
            let found = self.check_some(disk);
            all.chunks.extend(found.chunks);
            all.placed.extend(found.placed);
            all.lost += found.lost;
            all.changed += found.changed;
            if !found.more {
                all.chunks.sort();
                return all;
            }
        }
    }

    pub(crate) fn check_some(&self, disk: &Disk) -> Checked {
        match disk.perform(Work::Check { transfer: TRANSFER }) {
            Done::Checked(result) => result.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn close(&self, disk: &Disk, complete: bool) {
        let work = Work::Close { transfer: TRANSFER, into: self.folder().into(), complete };
        assert!(matches!(disk.perform(work), Done::Closed));
    }

    pub(crate) fn discard(&self, disk: &Disk) {
        discard(disk, self.folder(), vec![], vec![]);
    }

    /// Chunks of a file, as a check finds them.
    pub(crate) fn found(
        &self,
        name: &str,
        indexes: impl IntoIterator<Item = u64>,
    ) -> Vec<(u32, u64, ChunkValue)> {
        let stored = self.stored(name);
        indexes.into_iter().map(|index| (self.number(name), index, stored[index as usize].value)).collect()
    }

    /// Receives whatever a check has not found, and puts it in place.
    pub(crate) fn complete(&self, disk: &Disk, found: &Checked) {
        self.prepare(disk).unwrap();
        for (number, entry) in self.manifest.files() {
            let name = entry.path.as_str();
            if found.placed.iter().any(|(placed, _)| *placed == number) {
                continue;
            }
            let held = |index| found.chunks.iter().any(|(file, at, _)| (*file, *at) == (number, index));
            self.store(disk, name, |index| !held(index));
            assert_eq!(self.finish(disk, &[name]), [Ok(())], "{name}");
        }
        self.close(disk, true);
        self.assert_complete();
    }

    /// Whether everything is in place, and nothing else is left.
    pub(crate) fn assert_complete(&self) {
        for (number, entry) in self.manifest.files() {
            let at = self.at(self.places.of(&entry.path).as_str());
            assert!(fs::read(&at).unwrap() == self.contents[number as usize], "{at:?}");
        }
        assert_eq!(reserved(self.folder()), [""; 0]);
    }
}

/// Names of Hither's own files anywhere below a directory.
pub(crate) fn reserved(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in names(directory) {
        let at = directory.join(&name);
        if fs::symlink_metadata(&at).unwrap().is_dir() {
            found.extend(reserved(&at));
        } else if name.starts_with(".hither-") {
            found.push(name);
        }
    }
    found
}
