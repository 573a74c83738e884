//! What can be wrong with the store.

use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};

/// Why the store could not be opened, read or written. Every kind names the path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The state directory does not exist and cannot be made, because its parent does not exist either.
    #[error("{}: there is no such directory, nor one to make it in", directory.display())]
    Missing {
        /// The state directory.
        directory: PathBuf,
    },
    /// The state directory is something else.
    #[error("{}: found a file, expected a directory", directory.display())]
    NotADirectory {
        /// The state directory.
        directory: PathBuf,
    },
    /// The file system is mounted read-only, or the file or directory may not be written.
    #[error("{}: the store cannot be written: {why}", path.display())]
    ReadOnly {
        /// The store.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// This user may not read it.
    #[error("{}: the store cannot be read: {why}", path.display())]
    Permission {
        /// The store.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// No space, or no quota, is left.
    #[error("{}: no space is left for the store", path.display())]
    Full {
        /// The store.
        path: PathBuf,
    },
    /// Another process has held the store for longer than one waits.
    #[error("{}: the store is busy: another process holds it", path.display())]
    Busy {
        /// The store.
        path: PathBuf,
    },
    /// A tunerd that searches keeps what it learned in memory, and would overwrite the change.
    #[error(
        "{}: a tunerd is searching with this store and would overwrite the change: stop it first (`tunerd status`)",
        path.display()
    )]
    Searching {
        /// The store.
        path: PathBuf,
    },
    /// It is no database, or a damaged one.
    #[error("{}: the store is damaged: {why}", path.display())]
    Corrupt {
        /// The store.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// A later version of tunerd wrote it.
    #[error("{}: found a store of version {found}, expected at most {expected}: a later tunerd wrote it", path.display())]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that this program knows.
        expected: i64,
    },
    /// It is a database, but none of tunerd's.
    #[error("{}: found a database of another program, expected a store of tunerd", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// There is no store yet.
    #[error("{}: there is no store: nothing has been learned in this state directory yet", path.display())]
    NoStore {
        /// Where it would be.
        path: PathBuf,
    },
    /// A damaged store could not be moved aside.
    #[error("{}: the damaged store cannot be moved aside: {source}", path.display())]
    MoveAside {
        /// The store.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file was moved or deleted while it was open.
    #[error("{}: the store was moved or deleted while it was in use", path.display())]
    Moved {
        /// Where it was.
        path: PathBuf,
    },
    /// A value in it is not what this program wrote.
    #[error("{}: {place}: {why}", path.display())]
    Value {
        /// The store.
        path: PathBuf,
        /// Table and key.
        place: String,
        /// What was found and expected.
        why: String,
    },
    /// A row contradicts the schema; writing it again would fail again.
    #[error("{}: {operation}: the row cannot be kept: {why}", path.display())]
    Refused {
        /// The store.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// What SQLite says.
        why: String,
    },
    /// Reading or writing failed for another reason.
    #[error("{}: {operation}: {why}", path.display())]
    Io {
        /// The store.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// What the system or SQLite says.
        why: String,
    },
}

impl StoreError {
    /// The error of a file operation.
    pub(super) fn file(path: &Path, operation: &'static str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let path = path.to_owned();
        match error.kind() {
            ErrorKind::NotFound => Self::Missing { directory: path },
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => Self::NotADirectory { directory: path },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path, why: error.to_string() }
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, operation, why: error.to_string() },
        }
    }

    /// The error of a database operation.
    pub(super) fn database(path: &Path, operation: &'static str, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        let why = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt { path, why },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path, why },
            Some(ErrorCode::PermissionDenied) => Self::Permission { path, why },
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
                Self::Refused { path, operation, why }
            }
            Some(ErrorCode::CannotOpen) => Self::cannot_open(path, why),
            _ => Self::Io { path, operation, why },
        }
    }

    /// SQLite says no more than that it cannot open a file; the system knows why.
    fn cannot_open(path: PathBuf, why: String) -> Self {
        match std::fs::File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::NoStore { path },
            Err(error) => Self::Permission { path, why: error.to_string() },
            Ok(_readable) => Self::ReadOnly { path, why },
        }
    }

    /// Whether the same write may succeed later: what is wrong is the disk or the file, not the row.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        !matches!(self, Self::Value { .. } | Self::Refused { .. } | Self::Newer { .. } | Self::NotOurs { .. })
    }

    /// Whether the store must be opened anew before it can be written again.
    #[must_use]
    pub const fn wants_reopening(&self) -> bool {
        matches!(
            self,
            Self::Corrupt { .. } | Self::Moved { .. } | Self::NoStore { .. } | Self::Missing { .. }
        )
    }
}
