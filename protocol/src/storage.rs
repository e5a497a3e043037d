//! What the node asks of a disk, and what comes back. The node never touches one itself.
//!
//! [`Node::poll_storage`](crate::Node::poll_storage) gives requests, the runtime carries them out on whatever
//! threads it has, and hands each result to [`Node::handle_storage`](crate::Node::handle_storage). [`Work::Load`]
//! and [`Work::Commit`] are to be carried out one after the other, in the order given; all other work in any
//! order and at once, since nothing is asked for that rests on work still under way.
//!
//! Work that costs goes with the disk: reading hashes what it read, writing hashes before it writes
//! ([`transfer::hash`](crate::transfer::hash) has the pure function).

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::identity::PeerId;
use crate::transfer::hash::{ChunkValue, Root};
use crate::transfer::journal::{BadJournal, StoredChunk};
use crate::transfer::{BadPath, Entry, FileIdentity, LinkTarget, Manifest, Places, RelativePath, TransferId};

/// Most files, directories and symbolic links that one offer can hold: what an answer that skips any of them can say in one frame.
pub const MAX_ENTRIES: u32 = 500_000;
/// Most of them where a stranger offers.
pub const MAX_ENTRIES_OF_STRANGER: u32 = 20_000;

/// Names a request until its result comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorageId(pub u64);

/// One piece of work for a disk.
#[derive(Debug)]
pub struct StorageRequest {
    /// Goes back with the result.
    pub id: StorageId,
    /// What to do.
    pub work: Work,
}

/// What to do. Each kind has one kind of [`Done`].
#[derive(Debug)]
pub enum Work {
    /// Read every record of every table. Result: [`Done::Loaded`].
    Load,
    /// Make all changes or none, durably. Result: [`Done::Committed`].
    Commit(Vec<Change>),
    /// Walk paths that are to be offered, following a symbolic link only where the path itself is one and `links` is
    /// not set. Result: [`Done::Scanned`].
    Scan {
        /// As the user named them.
        paths: Vec<PathBuf>,
        /// Whether symbolic links are entries. Those that are outermost, or lead out of their outermost entry, are
        /// left out.
        links: bool,
    },
    /// Read chunks and hash each with [`chunk_value`](crate::transfer::hash::chunk_value). Result: [`Done::Read`].
    Read(Vec<ReadChunk>),
    /// Read chunks that were written to partial files and hash each, as [`Work::Read`] does. Result:
    /// [`Done::Read`].
    ReadBack(Vec<ReadBack>),
    /// Look whether an offer would fit, writing nothing. Result: [`Done::Examined`].
    Examine {
        /// The folder it would go into. It need not exist.
        into: PathBuf,
        /// What would go there.
        manifest: Arc<Manifest>,
    },
    /// Make the folder, and in it the transfer's journal where it is to have one, then the offer's directories
    /// that do not exist. The journal lists the directories before they are made, durably. Where the transfer's
    /// journal is open, from [`Work::Recover`], it is added to. Result: [`Done::Prepared`].
    Prepare {
        /// The transfer.
        transfer: TransferId,
        /// Who sends it.
        sender: PeerId,
        /// The folder.
        into: PathBuf,
        /// Parents before children.
        directories: Vec<RelativePath>,
        /// Whether what is stored is to be found again after a crash. A new journal takes the place of an old one.
        journal: bool,
    },
    /// Hash each chunk with [`chunk_value`](crate::transfer::hash::chunk_value) and write it to its partial file
    /// if the value is the one given. Result: [`Done::Written`].
    Write(Vec<WriteChunk>),
    /// Read the next chunk of the stream that a transfer offers, and hash it: as many bytes as a chunk has, or what is
    /// left, once at least one more byte or the end has come. It takes as long as the stream does, and holds up nothing
    /// else. Result: [`Done::StreamRead`].
    ReadStream {
        /// The transfer.
        transfer: TransferId,
        /// Bytes that were read before.
        offset: u64,
    },
    /// Hash each chunk, and append it to the program's output if the value is the one given. Requests are carried out
    /// one after the other, in the order given. Result: [`Done::Written`].
    Output(Vec<WriteChunk>),
    /// Make chunks that were written durable, and note them in the transfer's journal. No two of one transfer are
    /// under way at once. Result: [`Done::Checkpointed`].
    Checkpoint {
        /// The transfer, which has a journal.
        transfer: TransferId,
        /// The folder.
        into: Arc<PathBuf>,
        /// The files that the chunks are in.
        files: Vec<PartialFile>,
        /// The chunks, in the order they were written.
        chunks: Vec<StoredChunk>,
    },
    /// Put whole files in place. Every partial file's content is durable, and noted in the journal if there is one,
    /// before any takes its name, and the names are durable before the result. Result: [`Done::Finished`].
    Finish(Vec<FinishFile>),
    /// Do what comes after the last file is in place: make symbolic links, durably, then give directories their
    /// modification times, which nothing waits for. Result: [`Done::Sealed`].
    Seal {
        /// The transfer.
        transfer: TransferId,
        /// The folder.
        into: PathBuf,
        /// The links.
        links: Vec<MakeLink>,
        /// Directories of the offer, parents before children, and their times: Unix milliseconds.
        directories: Vec<(RelativePath, i64)>,
        /// Whether a link may replace what is no directory.
        overwrite: bool,
    },
    /// Open the journal of a transfer that was interrupted. Result: [`Done::Recovered`]; what it holds is then
    /// checked with [`Work::Check`].
    Recover {
        /// The transfer.
        transfer: TransferId,
        /// Who sends it.
        sender: PeerId,
        /// The folder.
        into: PathBuf,
        /// What is offered now.
        manifest: Arc<Manifest>,
        /// Where its entries go.
        places: Places,
    },
    /// Look at some more of what a recovered journal says is there: hash chunks of partial files, look at files in
    /// place. After the last of it, partial files of this transfer that fit nothing in the manifest are removed, and
    /// the journal can be added to. Result: [`Done::Checked`].
    Check {
        /// The transfer.
        transfer: TransferId,
    },
    /// Let go of a transfer, and leave everything that it has on the disk. With `complete` its journal is removed.
    /// Result: [`Done::Closed`].
    Close {
        /// The transfer.
        transfer: TransferId,
        /// The folder.
        into: PathBuf,
        /// Whether everything is in place.
        complete: bool,
    },
    /// Give a transfer up: remove its partial files and its journal, and the directories it made that are empty:
    /// those listed here, and those its journal knows of. Nothing else. Result: [`Done::Discarded`].
    Discard {
        /// Whose handles can be closed.
        transfer: TransferId,
        /// Who sends it.
        sender: PeerId,
        /// The folder.
        into: PathBuf,
        /// The partial files; some may not exist.
        partials: Vec<PartialFile>,
        /// Directories that this transfer made, parents before children.
        directories: Vec<RelativePath>,
    },
}

/// A table of records, each a key and a value of some hundred bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Contacts, by peer.
    Contacts,
    /// Messages until their receipt, by message id.
    Outbox,
    /// Messages that arrived, by sender and message id. Not loaded at start: it only grows.
    Inbox,
    /// What was counted for each peer: sequence numbers, strangers who asked.
    Peers,
    /// Transfers that were begun and are not complete.
    Transfers,
    /// Codes that were made and are good, with their words and the attempts on them.
    Codes,
    /// Nodes of the table that answered, to begin with at the next start.
    Nodes,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its table.
    pub table: Table,
    /// At most 64 bytes.
    pub key: Vec<u8>,
    /// At most 1 MiB.
    pub value: Vec<u8>,
}

/// A change to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Write it, whether it exists or not.
    Put(Record),
    /// Write it unless the key exists; [`Done::Committed`] says which.
    PutNew(Record),
    /// Remove it if it exists.
    Remove {
        /// Its table.
        table: Table,
        /// Its key.
        key: Vec<u8>,
    },
}

/// What a scan found.
#[derive(Debug, Clone)]
pub struct Scanned {
    /// Every file and directory, and every symbolic link that was asked for: parents before children, siblings in name
    /// order.
    pub entries: Vec<Entry>,
    /// Where each entry is on this disk; for files to read.
    pub sources: Vec<PathBuf>,
    /// Symbolic links, sockets, devices and the like that were left out.
    pub left_out: Vec<PathBuf>,
}

/// A chunk to read. The file must still be as it was scanned.
#[derive(Debug, Clone)]
pub struct ReadChunk {
    /// The transfer it is for; handles may be kept open by transfer and file.
    pub transfer: TransferId,
    /// The entry's number.
    pub file: u32,
    /// Where the file is.
    pub source: Arc<PathBuf>,
    /// The size it had when it was scanned, in bytes.
    pub size: u64,
    /// The modification time it had: Unix milliseconds.
    pub modified: i64,
    /// Where the chunk begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub length: u32,
}

/// A chunk that was read, with its hash.
#[derive(Debug, Clone)]
pub struct HashedChunk {
    /// The bytes, as many as were asked for.
    pub data: Bytes,
    /// Their value.
    pub value: ChunkValue,
}

/// The next chunk of a stream, with its hash.
#[derive(Debug, Clone)]
pub struct StreamChunk {
    /// The bytes: as many as a chunk has, or fewer at the end.
    pub data: Bytes,
    /// Their value, for a file of the size that [`stream_size`](crate::transfer::stream_size) gives.
    pub value: ChunkValue,
    /// Whether no more comes.
    pub last: bool,
}

/// A file that is being received. While it is not whole it stands beside its final name, called [`partial_name`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialFile {
    /// The entry's number; handles may be kept open by transfer and file.
    pub file: u32,
    /// What it is called by.
    pub identity: FileIdentity,
    /// Where the file will be, below the folder.
    pub path: RelativePath,
}

/// A chunk to write into its partial file.
#[derive(Debug, Clone)]
pub struct WriteChunk {
    /// The transfer it belongs to.
    pub transfer: TransferId,
    /// The folder of the transfer.
    pub into: Arc<PathBuf>,
    /// The file.
    pub target: PartialFile,
    /// The whole file's size, in bytes; of a stream, what [`stream_size`](crate::transfer::stream_size) gives.
    pub size: u64,
    /// Where the chunk begins, in bytes.
    pub offset: u64,
    /// The content.
    pub data: Bytes,
    /// What its hash must be.
    pub expected: ChunkValue,
}

/// A chunk to read from the partial file that it was written to.
#[derive(Debug, Clone)]
pub struct ReadBack {
    /// The transfer it belongs to; handles may be kept open by transfer and file.
    pub transfer: TransferId,
    /// The folder of the transfer.
    pub into: Arc<PathBuf>,
    /// The file.
    pub target: PartialFile,
    /// The whole file's size, in bytes.
    pub size: u64,
    /// Where the chunk begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub length: u32,
}

/// A whole file to put in place.
#[derive(Debug, Clone)]
pub struct FinishFile {
    /// The transfer.
    pub transfer: TransferId,
    /// The folder.
    pub into: Arc<PathBuf>,
    /// The file, and where it goes.
    pub target: PartialFile,
    /// Its hash, for the journal.
    pub root: Root,
    /// Modification time to give it: Unix milliseconds.
    pub modified: i64,
    /// Whether to make it executable.
    pub executable: bool,
    /// Whether it may replace a file of that name.
    pub overwrite: bool,
}

/// A symbolic link to make, unless there is one that leads to the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeLink {
    /// Where, below the folder.
    pub path: RelativePath,
    /// What it is called by while it waits to replace another: see [`partial_name`].
    pub identity: FileIdentity,
    /// Where it leads.
    pub target: LinkTarget,
    /// Modification time to give it: Unix milliseconds.
    pub modified: i64,
}

/// What came of the work.
#[derive(Debug)]
pub enum Done {
    /// Every record, but for [`Table::Inbox`].
    Loaded(Result<Vec<Record>, StorageError>),
    /// For each change in order: whether it was made. Only a [`Change::PutNew`] whose key exists is not.
    Committed(Result<Vec<bool>, StorageError>),
    /// What there is to offer.
    Scanned(Result<Scanned, ScanError>),
    /// For each chunk in order.
    Read(Vec<Result<HashedChunk, StorageError>>),
    /// How the offer fits.
    Examined(Result<Examined, StorageError>),
    /// The directories that were made, parents before children.
    Prepared(Result<Vec<RelativePath>, StorageError>),
    /// For each chunk in order.
    Written(Vec<Result<(), StorageError>>),
    /// Whether the chunks are durable.
    Checkpointed(Result<(), StorageError>),
    /// For each file in order.
    Finished(Vec<Result<(), StorageError>>),
    /// What came of the stream.
    StreamRead(Result<StreamChunk, StorageError>),
    /// For each link in order: whether it is there. `false`: this disk, or this user's rights, allow none.
    Sealed(Vec<Result<bool, StorageError>>),
    /// Whether there is a journal to go on from.
    Recovered(Result<(), RecoverError>),
    /// What was found.
    Checked(Result<Checked, StorageError>),
    /// The transfer's handles are closed.
    Closed,
    /// Gone, as far as it could be.
    Discarded,
}

/// What a look at an interrupted transfer found, piece by piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Chunks that are there and have the value that the journal says: file, number of the chunk, value.
    pub chunks: Vec<(u32, u64, ChunkValue)>,
    /// Files that are in place, with the size and time of the manifest.
    pub placed: Vec<(u32, Root)>,
    /// Bytes that the journal promised and that were not there.
    pub lost: u64,
    /// Partial files that were removed, since what they were begun from has changed.
    pub changed: u32,
    /// Whether there is more to look at.
    pub more: bool,
}

/// Why an interrupted transfer begins from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoverError {
    /// Folder or journal are gone.
    Missing,
    /// The journal is not to be used.
    Journal(BadJournal),
    /// Another program is receiving this very transfer into the folder.
    InUse,
    /// The disk cannot be read.
    Disk(StorageError),
}

/// How an offer would fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Bytes free where it would go.
    pub free: u64,
    /// The numbers of the files and symbolic links whose names are taken; not of links that are there as they are.
    pub existing: Vec<u32>,
    /// For every outermost name that is taken, one like it that is free, such as `photos (1)`.
    pub alternatives: Vec<(String, String)>,
}

/// What went wrong with a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageError {
    /// No space left, or over a quota.
    Full,
    /// May not be written or read, or is on a read-only disk.
    Denied,
    /// Not there (any more).
    Missing,
    /// The name is taken.
    Exists,
    /// The file is not what it was when it was scanned.
    Changed,
    /// The content does not have the expected value; nothing was written.
    Mismatch,
    /// Whoever read the program's output has gone away.
    Closed,
    /// This runtime's disk cannot do that kind of work.
    Unsupported,
    /// Anything else, in the operating system's words.
    Other(String),
}

/// Why paths cannot be offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanError {
    /// One of them cannot be read.
    Unreadable(PathBuf, StorageError),
    /// A name that is not Unicode.
    NotUnicode(PathBuf),
    /// A name that cannot be sent.
    BadName(PathBuf, BadPath),
    /// Two of the paths end in the same name.
    Duplicate(PathBuf),
    /// Neither a file nor a directory.
    NotAFile(PathBuf),
    /// A symbolic link, where links are asked for, and nothing else is named.
    OnlyALink(PathBuf),
    /// More than [`MAX_ENTRIES`].
    TooMany,
}

/// The name of a file of a transfer that is not whole. It stands beside the file's final name.
pub fn partial_name(transfer: TransferId, file: FileIdentity) -> String {
    format!(".hither-{transfer}-{file}.part")
}

/// Whether a name is one that Hither gives to its own files: nobody else's go by such a name.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with(".hither-") && (name.ends_with(".part") || name.ends_with(".journal"))
}
