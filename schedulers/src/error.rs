//! What can go wrong between deciding a setting and having it in force.

use std::io;
use std::path::PathBuf;

/// Why a guard cannot be taken, or can no longer be used.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Another tunerd has the device.
    #[error("{device} is held by another tunerd, process {}", pid.map_or("unknown".to_owned(), |pid| pid.to_string()))]
    HeldBy {
        /// The device.
        device: String,
        /// That process, if its lock says so.
        pid: Option<u32>,
    },
    /// A file of ours could not be used. Without a journal nothing is written to the device.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A journal of an earlier run is still there: its settings must be put back first.
    #[error("{}: an earlier run has left settings behind; run `tunerd restore` first", path.display())]
    LeftBehind {
        /// The journal.
        path: PathBuf,
    },
    /// The device has gone.
    #[error("{device} has gone")]
    Vanished {
        /// The device.
        device: String,
    },
    /// Its queue cannot be read.
    #[error(transparent)]
    Kernel(kernfs::Error),
}

impl GuardError {
    pub(crate) fn io(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source }
    }
}

impl From<kernfs::Error> for GuardError {
    fn from(error: kernfs::Error) -> Self {
        match error {
            kernfs::Error::NoSuchDisk { name, .. } => Self::Vanished { device: name },
            other => Self::Kernel(other),
        }
    }
}

/// Why the journals cannot be listed.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct RestoreError {
    /// The directory.
    pub path: PathBuf,
    /// What the system answered.
    pub source: io::Error,
}
