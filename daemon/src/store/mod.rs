//! What tunerd remembers: one SQLite database in the state directory.
//!
//! Every evaluation is appended when it happens, so a crash costs at most the slice that ran. The write-ahead
//! log is not synced at each row: a process that dies loses nothing, a machine that loses power may lose its last
//! seconds, and the disk that is being measured is spared a flush every slice.
//!
//! A [`Store`] is one connection, used by one thread; [`Recorder`] puts one on a thread of its own and keeps
//! tuning going where the disk is full. A damaged database is moved aside, never deleted.

mod append;
mod claim;
mod confirmed;
mod error;
mod history;
mod learned;
mod recorder;
mod rows;
mod schema;

pub use claim::Claim;
pub use confirmed::{ConfirmedRow, Dated, Finding, FindingRow};
pub use error::StoreError;
pub use learned::{TopFilter, TopRow};
pub use recorder::{Health, Recorder};
pub use rows::{ChangeRow, EvaluationRow, GenerationRow, Row, RunRow};
pub use schema::VERSION;

use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The database's name in the state directory.
pub const FILE_NAME: &str = "tunerd.db";

/// How long one waits for another process's write.
const PATIENCE: Duration = Duration::from_secs(2);

/// A damaged database that was moved out of the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedAside {
    /// Where it was.
    pub from: PathBuf,
    /// Where it is now.
    pub to: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl std::fmt::Display for MovedAside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: the store is damaged ({}): it was moved to {}, and an empty one is in its place",
            self.from.display(),
            self.why,
            self.to.display()
        )
    }
}

/// One connection to the database.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    connection: Connection,
    run: Option<i64>,
    /// Device and inode of the file that is open, to notice that it was moved or deleted.
    #[cfg(unix)]
    file: (u64, u64),
}

impl Store {
    /// Opens the store of a state directory for writing, and makes both where they do not exist yet.
    ///
    /// A damaged database is moved to `tunerd.db.corrupt-<n>` and reported in the second value.
    ///
    /// # Errors
    /// Where the directory cannot be made or written, the disk is full, or the database was written by a later
    /// version or another program: those are left as they are.
    pub fn open(state_dir: &Path) -> Result<(Self, Option<MovedAside>), StoreError> {
        make_directory(state_dir)?;
        let path = state_dir.join(FILE_NAME);
        // One process at a time looks whether the database is whole: two that both found it damaged would move
        // each other's new one aside.
        let _lock = lock(&path)?;
        match Self::open_file(&path) {
            Err(StoreError::Corrupt { why, .. }) => {
                let moved = move_aside(&path, why)?;
                Ok((Self::open_file(&path)?, Some(moved)))
            }
            other => Ok((other?, None)),
        }
    }

    /// Opens the store of a state directory for reading; needs no right to write, and makes nothing.
    ///
    /// # Errors
    /// Where there is no store, it may not be read, is damaged, or was written by a later version.
    pub fn open_read_only(state_dir: &Path) -> Result<Self, StoreError> {
        let path = state_dir.join(FILE_NAME);
        if !path.exists() {
            return Err(StoreError::NoStore { path });
        }
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let error = |error| StoreError::database(&path, "open", &error);
        let mut connection = Connection::open_with_flags(&path, flags).map_err(error)?;
        let log = path.with_file_name(format!("{FILE_NAME}-wal"));
        let first = schema::version(&connection, &path);
        if first.is_err() && !log.exists() {
            // Without a log nobody writes, and whoever may not make the log's index can read the file alone.
            let uri = format!("file:{}?immutable=1", uri_path(&path));
            connection = Connection::open_with_flags(uri, flags).map_err(error)?;
        }
        connection.busy_timeout(PATIENCE).map_err(error)?;
        let found = schema::version(&connection, &path)?;
        if found != VERSION {
            let why =
                format!("found version {found}, expected {VERSION}; a tunerd that may write brings it up");
            return Err(StoreError::Value { path, place: "user_version".to_owned(), why });
        }
        Self::of(connection, path)
    }

    fn open_file(path: &Path) -> Result<Self, StoreError> {
        let error = |operation| move |error| StoreError::database(path, operation, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(error("open"))?;
        connection.busy_timeout(PATIENCE).map_err(error("open"))?;
        // What a later version or another program wrote is refused before anything in it is changed.
        schema::version(&connection, path)?;
        let check: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(error("check"))?;
        if check != "ok" {
            return Err(StoreError::Corrupt { path: path.to_owned(), why: check });
        }
        connection
            .pragma_update(None, "journal_mode", "wal")
            .map_err(error("switch to a write-ahead log"))?;
        connection.pragma_update(None, "synchronous", "normal").map_err(error("set up"))?;
        connection.pragma_update(None, "foreign_keys", true).map_err(error("set up"))?;
        // 1 MiB of cache: rows are appended and hardly read.
        connection.pragma_update(None, "cache_size", -1024).map_err(error("set up"))?;
        schema::migrate(&mut connection, path)?;
        let store = Self::of(connection, path.to_owned())?;
        store.prune()?;
        Ok(store)
    }

    fn of(connection: Connection, path: PathBuf) -> Result<Self, StoreError> {
        #[cfg(unix)]
        let file = identity(&path)?;
        Ok(Self {
            path,
            connection,
            run: None,
            #[cfg(unix)]
            file,
        })
    }

    /// The database's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state directory.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Refuses where the path no longer leads to the open file: what is written would be lost with it.
    fn in_place(&self) -> Result<(), StoreError> {
        #[cfg(unix)]
        if identity(&self.path).ok() != Some(self.file) {
            return Err(StoreError::Moved { path: self.path.clone() });
        }
        Ok(())
    }

    fn error(&self, operation: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError + '_ {
        move |error| StoreError::database(&self.path, operation, &error)
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> Result<(u64, u64), StoreError> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path).map_err(|error| StoreError::file(path, "look at", &error))?;
    Ok((file.dev(), file.ino()))
}

/// Makes the state directory, but not the way to it: a path that was mistyped, or whose file system is not
/// mounted, is an error and no new tree.
fn make_directory(directory: &Path) -> Result<(), StoreError> {
    match std::fs::metadata(directory) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => {
            return Err(StoreError::NotADirectory { directory: directory.to_owned() });
        }
        Err(_) => {}
    }
    match std::fs::create_dir(directory) {
        // Somebody was faster.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        other => other.map_err(|error| StoreError::file(directory, "make", &error)),
    }
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let path = path.with_file_name(format!("{FILE_NAME}.lock"));
    let error = |error| StoreError::file(&path, "lock", &error);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(error)?;
    file.lock().map_err(error)?;
    Ok(file)
}

/// Moves the database and its log to the first free `.corrupt-<n>`.
fn move_aside(path: &Path, why: String) -> Result<MovedAside, StoreError> {
    let aside =
        |number: u32, suffix: &str| path.with_file_name(format!("{FILE_NAME}.corrupt-{number}{suffix}"));
    let number = (1..u32::MAX).find(|&number| !aside(number, "").exists()).unwrap_or(u32::MAX);
    // The log and its index first: a new database must never meet an old log.
    for suffix in ["-wal", "-shm", ""] {
        let from = path.with_file_name(format!("{FILE_NAME}{suffix}"));
        match std::fs::rename(&from, aside(number, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::MoveAside { path: path.to_owned(), source: error });
            }
            _ => {}
        }
    }
    Ok(MovedAside { from: path.to_owned(), to: aside(number, ""), why })
}

/// A path in SQLite's URI form: what would end or escape it is escaped.
fn uri_path(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

#[cfg(test)]
mod tests;
