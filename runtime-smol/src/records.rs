//! Records: a node's few tables in one database file, every commit durable before it is reported.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use hither_protocol::storage::{Change, Done, Record, RecoverError, StorageError, Table, Work};
use redb::{Database, ReadOnlyDatabase, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use crate::disk::storage_error;
use crate::lock::Locked;

/// The file's name in the home directory.
pub const FILE_NAME: &str = "records.redb";
/// Beside it: whoever has this locked has the records.
const LOCK_NAME: &str = "records.lock";

const TABLES: [Table; 7] = [
    Table::Contacts,
    Table::Outbox,
    Table::Inbox,
    Table::Peers,
    Table::Transfers,
    Table::Codes,
    Table::Nodes,
];

/// The records of one home directory. Opened at the first use, and anew after an error; for writing only once there is
/// something to write, since that alone costs seven flushes of the disk between start and end.
#[derive(Debug)]
pub struct Records {
    home: PathBuf,
    lock: Option<Locked>,
    database: Option<Database>,
}

impl Records {
    /// The records in `home`, which is made if it does not exist.
    pub fn new(home: PathBuf) -> Self {
        Self { home, lock: None, database: None }
    }

    /// Does one piece of work. File work is not for the records: its results are
    /// [`StorageError::Unsupported`], where it can have errors.
    pub fn perform(&mut self, work: Work) -> Done {
        match work {
            Work::Load => Done::Loaded(self.load()),
            Work::Commit(changes) => {
                Done::Committed(self.commit(&[changes]).map(|mut results| results.pop().unwrap_or_default()))
            }
            Work::Scan { .. } => Done::Scanned(Err(hither_protocol::storage::ScanError::Unreadable(
                self.home.clone(),
                StorageError::Unsupported,
            ))),
            Work::Read(chunks) => Done::Read(chunks.iter().map(|_| Err(StorageError::Unsupported)).collect()),
            Work::ReadBack(chunks) => {
                Done::Read(chunks.iter().map(|_| Err(StorageError::Unsupported)).collect())
            }
            Work::Examine { .. } => Done::Examined(Err(StorageError::Unsupported)),
            Work::Prepare { .. } => Done::Prepared(Err(StorageError::Unsupported)),
            Work::Write(chunks) => {
                Done::Written(chunks.iter().map(|_| Err(StorageError::Unsupported)).collect())
            }
            Work::Finish(files) => {
                Done::Finished(files.iter().map(|_| Err(StorageError::Unsupported)).collect())
            }
            Work::ReadStream { .. } => Done::StreamRead(Err(StorageError::Unsupported)),
            Work::Output(chunks) => {
                Done::Written(chunks.iter().map(|_| Err(StorageError::Unsupported)).collect())
            }
            Work::Seal { links, .. } => {
                Done::Sealed(links.iter().map(|_| Err(StorageError::Unsupported)).collect())
            }
            Work::Checkpoint { .. } => Done::Checkpointed(Err(StorageError::Unsupported)),
            Work::Recover { .. } => Done::Recovered(Err(RecoverError::Disk(StorageError::Unsupported))),
            Work::Check { .. } => Done::Checked(Err(StorageError::Unsupported)),
            Work::Close { .. } => Done::Closed,
            Work::Discard { .. } => Done::Discarded,
        }
    }

    /// Every record of every table but [`Table::Inbox`].
    pub fn load(&mut self) -> Result<Vec<Record>, StorageError> {
        if self.database.is_none() {
            self.take()?;
            // Not there yet, or not closed in order: then it is made, or mended, which takes writing.
            if let Ok(database) = ReadOnlyDatabase::open(self.path()) {
                return all(&database).map_err(error);
            }
        }
        self.with_database(all)
    }

    /// Makes the changes of several commits in one transaction: all are made, in order, or none. One sync of the
    /// disk serves them all; each sees what those before it did.
    pub fn commit(&mut self, commits: &[Vec<Change>]) -> Result<Vec<Vec<bool>>, StorageError> {
        self.with_database(|database| {
            // redb's default: the commit is on the disk when `commit` returns.
            let transaction = database.begin_write()?;
            let results = commits
                .iter()
                .map(|changes| changes.iter().map(|change| apply(&transaction, change)).collect())
                .collect::<Result<Vec<Vec<bool>>, redb::Error>>()?;
            transaction.commit()?;
            Ok(results)
        })
    }

    fn with_database<T>(
        &mut self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StorageError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => self.open()?,
        };
        // After an I/O error redb refuses everything: then it is dropped here, and opened anew the next time.
        let result = work(&database).map_err(error)?;
        self.database = Some(database);
        Ok(result)
    }

    fn open(&mut self) -> Result<Database, StorageError> {
        self.take()?;
        let path = self.path();
        make_private(&path).map_err(storage_error)?;
        Database::create(&path).map_err(|error| self::error(error.into()))
    }

    /// Keeps the records to this process.
    fn take(&mut self) -> Result<(), StorageError> {
        if self.lock.is_some() {
            return Ok(());
        }
        make_home(&self.home).map_err(storage_error)?;
        let lock = make_private(&self.home.join(LOCK_NAME)).map_err(storage_error)?;
        let Some(lock) = Locked::new(lock).map_err(storage_error)? else {
            return Err(StorageError::Other("another running hither uses this home directory".into()));
        };
        self.lock = Some(lock);
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.home.join(FILE_NAME)
    }
}

fn all(database: &impl ReadableDatabase) -> Result<Vec<Record>, redb::Error> {
    let transaction = database.begin_read()?;
    let mut records = Vec::new();
    for table in TABLES.into_iter().filter(|table| *table != Table::Inbox) {
        let rows = match transaction.open_table(definition(table)) {
            Ok(rows) => rows,
            Err(redb::TableError::TableDoesNotExist(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        for row in rows.iter()? {
            let (key, value) = row?;
            records.push(Record { table, key: key.value().to_vec(), value: value.value().to_vec() });
        }
    }
    Ok(records)
}

fn apply(transaction: &WriteTransaction, change: &Change) -> Result<bool, redb::Error> {
    match change {
        Change::Put(record) => {
            let mut table = transaction.open_table(definition(record.table))?;
            table.insert(record.key.as_slice(), record.value.as_slice())?;
            Ok(true)
        }
        Change::PutNew(record) => {
            let mut table = transaction.open_table(definition(record.table))?;
            if table.get(record.key.as_slice())?.is_some() {
                return Ok(false);
            }
            table.insert(record.key.as_slice(), record.value.as_slice())?;
            Ok(true)
        }
        Change::Remove { table, key } => {
            transaction.open_table(definition(*table))?.remove(key.as_slice())?;
            Ok(true)
        }
    }
}

fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(match table {
        Table::Contacts => "contacts",
        Table::Outbox => "outbox",
        Table::Inbox => "inbox",
        Table::Peers => "peers",
        Table::Transfers => "transfers",
        Table::Codes => "codes",
        Table::Nodes => "nodes",
    })
}

/// Makes the home directory, for its owner only.
fn make_home(home: &std::path::Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(home)
}

/// Makes the file, if it does not exist, so that only its owner can read it.
fn make_private(path: &std::path::Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn error(error: redb::Error) -> StorageError {
    match error {
        redb::Error::Io(error) => storage_error(error),
        redb::Error::Corrupted(what) => StorageError::Other(format!("the records are damaged: {what}")),
        other => StorageError::Other(other.to_string()),
    }
}
