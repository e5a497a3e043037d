//! What the examples share: a fresh node, a disk for someone who only sends one file, and how that ends.
#![allow(clippy::disallowed_methods, reason = "a runtime brings the clock, the disk and the entropy")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use hither_protocol::entropy::{Entropy, Seed};
use hither_protocol::identity::{Identity, PeerAddress};
use hither_protocol::storage::{
    Done, HashedChunk, ReadChunk, RecoverError, ScanError, Scanned, StorageError, Work,
};
use hither_protocol::transfer::hash::{Root, chunk_value};
use hither_protocol::transfer::{Entry, EntryKind, RelativePath, TransferId};
use hither_protocol::{Config, Event, Node};

/// Whatever went wrong, in words.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// The command line: `send FILE hi1…@ADDRESS:PORT`.
pub(crate) fn parse(arguments: &[String]) -> Result<(PathBuf, PeerAddress), Failure> {
    match arguments {
        [send, file, to] if send == "send" => Ok((file.into(), to.parse()?)),
        _ => Err("say: send FILE hi1...@ADDRESS:PORT".into()),
    }
}

/// Where the peer is, and what to bind a socket to that can reach it.
pub(crate) fn addresses(to: PeerAddress) -> Result<(SocketAddr, SocketAddr), Failure> {
    let remote = to.address.ok_or("an address is needed too: hi1...@ADDRESS:PORT")?;
    let any = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    Ok((remote, SocketAddr::new(any, 0)))
}

/// A node that nobody has met before. A program that is to be recognised keeps its identity in a key file.
pub(crate) fn new_node() -> Result<Node, Failure> {
    let identity = Identity::generate(&mut Entropy::new(fresh_seed()?).stream("identity"));
    let unix_time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
    Ok(Node::new(Config::default(), identity, fresh_seed()?, Instant::now(), u64::try_from(unix_time)?))
}

fn fresh_seed() -> Result<Seed, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Seed::new(bytes))
}

/// How our transfer ended, if this event says so.
pub(crate) fn outcome(event: Event, ours: TransferId) -> Option<Result<Root, Failure>> {
    match event {
        Event::Finished { transfer, root, .. } if transfer == ours => Some(Ok(root)),
        Event::Failed { transfer, why, .. } if transfer == ours => {
            Some(Err(format!("the file was not sent: {why:?}").into()))
        }
        _ => None,
    }
}

/// Carries out one request. Records are not kept, so there are none to load, and nothing can be received.
pub(crate) fn perform(work: Work) -> Done {
    let no = StorageError::Unsupported;
    match work {
        Work::Load => Done::Loaded(Ok(Vec::new())),
        Work::Commit(changes) => Done::Committed(Ok(vec![true; changes.len()])),
        Work::Scan { paths, .. } => Done::Scanned(scan(&paths)),
        Work::Read(chunks) => Done::Read(chunks.iter().map(read).collect()),
        Work::ReadBack(chunks) => Done::Read(chunks.iter().map(|_| Err(no.clone())).collect()),
        Work::Examine { .. } => Done::Examined(Err(no)),
        Work::Prepare { .. } => Done::Prepared(Err(no)),
        Work::Write(chunks) => Done::Written(chunks.iter().map(|_| Err(no.clone())).collect()),
        Work::Finish(files) => Done::Finished(files.iter().map(|_| Err(no.clone())).collect()),
        Work::ReadStream { .. } => Done::StreamRead(Err(no)),
        Work::Output(chunks) => Done::Written(chunks.iter().map(|_| Err(no.clone())).collect()),
        Work::Seal { links, .. } => Done::Sealed(links.iter().map(|_| Err(no.clone())).collect()),
        Work::Checkpoint { .. } => Done::Checkpointed(Err(no)),
        Work::Recover { .. } => Done::Recovered(Err(RecoverError::Missing)),
        Work::Check { .. } => Done::Checked(Err(no)),
        Work::Close { .. } => Done::Closed,
        Work::Discard { .. } => Done::Discarded,
    }
}

/// Takes files; a directory would have to be walked.
fn scan(paths: &[PathBuf]) -> Result<Scanned, ScanError> {
    let mut scanned = Scanned { entries: Vec::new(), sources: Vec::new(), left_out: Vec::new() };
    for path in paths {
        let (size, modified) = look(path)
            .map_err(|error| ScanError::Unreadable(path.clone(), error))?
            .ok_or_else(|| ScanError::NotAFile(path.clone()))?;
        let name = path.file_name().unwrap_or_default().to_str();
        let name = name.ok_or_else(|| ScanError::NotUnicode(path.clone()))?;
        scanned.entries.push(Entry {
            path: RelativePath::new([name]).map_err(|why| ScanError::BadName(path.clone(), why))?,
            kind: EntryKind::File(size),
            modified,
            executable: false,
        });
        scanned.sources.push(path.clone());
    }
    Ok(scanned)
}

/// Reads and hashes one chunk of a file that must still be what the scan saw.
fn read(chunk: &ReadChunk) -> Result<HashedChunk, StorageError> {
    if look(&chunk.source)? != Some((chunk.size, chunk.modified)) {
        return Err(StorageError::Changed);
    }
    let mut data = vec![0; usize::try_from(chunk.length).map_err(|_| StorageError::Unsupported)?];
    let mut file = File::open(chunk.source.as_path()).map_err(other)?;
    file.seek(SeekFrom::Start(chunk.offset)).map_err(other)?;
    file.read_exact(&mut data).map_err(other)?;
    let value = chunk_value(chunk.size, chunk.offset, &data);
    Ok(HashedChunk { data: data.into(), value })
}

/// A file's size and modification time; `None` where it is no file.
fn look(path: &Path) -> Result<Option<(u64, i64)>, StorageError> {
    let metadata = fs::metadata(path).map_err(other)?;
    let modified = metadata.modified().map_err(other)?.duration_since(SystemTime::UNIX_EPOCH);
    let millis = modified.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    Ok(metadata.is_file().then_some((metadata.len(), millis)))
}

fn other(error: std::io::Error) -> StorageError {
    StorageError::Other(error.to_string())
}
