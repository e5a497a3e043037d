//! Content to send, the same for the same seed, and the check of what arrived.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use blake3::{Hash, Hasher, OutputReader};

/// Bytes that are read or written at a time.
const STEP: usize = 1 << 20;

/// Random content.
pub(super) struct Content(OutputReader);

impl Content {
    pub(super) fn new(seed: u64) -> Self {
        Self(Hasher::new().update(&seed.to_le_bytes()).finalize_xof())
    }

    /// Writes the next `size` bytes to a new file.
    pub(super) fn write(&mut self, path: &Path, size: u64) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        let mut buffer = vec![0; usize::try_from(size).unwrap_or(STEP).min(STEP)];
        let mut left = size;
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(STEP).min(STEP);
            self.0.fill(&mut buffer[..part]);
            file.write_all(&buffer[..part])?;
            left -= part as u64;
        }
        file.into_inner()?;
        Ok(())
    }
}

/// Of a file its content's hash; of a directory the hash of its entries' names, kinds and hashes. Neither of what
/// else lies beside `path` nor of times.
pub(super) fn hash(path: &Path) -> io::Result<Hash> {
    let mut hasher = Hasher::new();
    if path.is_dir() {
        for entry in entries(path)? {
            let kind = if entry.is_dir() { "directory" } else { "file" };
            let name = entry.file_name().unwrap_or_default();
            for part in [kind.as_bytes(), name.as_encoded_bytes()] {
                hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
            }
            hasher.update(hash(&entry)?.as_bytes());
        }
    } else {
        each_part(path, |part| {
            hasher.update(part);
            Ok(())
        })?;
    }
    Ok(hasher.finalize())
}

/// Copies a file or a directory with its files, by reads and writes.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir(to)?;
        for entry in entries(from)? {
            copy(&entry, &to.join(entry.file_name().unwrap_or_default()))?;
        }
        return Ok(());
    }
    let mut file = File::create_new(to)?;
    each_part(from, |part| file.write_all(part))
}

/// What is in a directory, sorted.
fn entries(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths =
        fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

fn each_part(path: &Path, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut file = File::open(path)?;
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(STEP);
    let mut buffer = vec![0; size.clamp(1, STEP)];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            read => take(&buffer[..read])?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_hash_of_its_source_until_something_differs() {
        let directory = tempfile::tempdir().unwrap();
        let (source, there) = (directory.path().join("source"), directory.path().join("there"));
        fs::create_dir_all(source.join("deep")).unwrap();
        let mut content = Content::new(1);
        content.write(&source.join("deep/large"), (STEP as u64) + 1).unwrap();
        content.write(&source.join("small"), 3).unwrap();
        copy(&source, &there).unwrap();
        assert_eq!(fs::metadata(there.join("deep/large")).unwrap().len(), (STEP as u64) + 1);
        assert_eq!(hash(&source).unwrap(), hash(&there).unwrap());

        fs::rename(there.join("small"), there.join("smaller")).unwrap();
        assert_ne!(hash(&source).unwrap(), hash(&there).unwrap());
        fs::rename(there.join("smaller"), there.join("small")).unwrap();
        fs::write(there.join("deep/more"), "").unwrap();
        assert_ne!(hash(&source).unwrap(), hash(&there).unwrap());
    }

    #[test]
    fn the_hash_of_a_file_is_that_of_its_content() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "content").unwrap();
        assert_eq!(hash(&file).unwrap(), blake3::hash(b"content"));
    }
}
