//! The operating system's errors in the words of the node.

use std::io::{Error, ErrorKind};

use hither_protocol::storage::StorageError;

/// What an error of the operating system means to the node.
pub(crate) fn storage_error(error: Error) -> StorageError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StorageError::Full,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StorageError::Denied,
        ErrorKind::NotFound => StorageError::Missing,
        ErrorKind::AlreadyExists => StorageError::Exists,
        _ => StorageError::Other(error.to_string()),
    }
}
