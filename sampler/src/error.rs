//! What can go wrong.

use crate::SourceKind;
use block_types::DevNo;
use std::io;
use std::path::PathBuf;

/// An error of opening or reading a source.
#[derive(Debug, thiserror::Error)]
pub enum SamplerError {
    /// No source of those asked for could be opened.
    #[error("no source of samples works here: {}", .tried.iter().map(|(kind, why)| format!("{kind}: {why}")).collect::<Vec<_>>().join("; "))]
    NoSource {
        /// What was tried, and why it failed.
        tried: Vec<(SourceKind, String)>,
    },
    /// A source of that kind cannot work here at all.
    #[error("{kind}: {why}")]
    Unavailable {
        /// Which kind.
        kind: SourceKind,
        /// Why not, for people.
        why: String,
    },
    /// A request that cannot be served.
    #[error("found {found}, expected {expected}")]
    BadRequest {
        /// What was asked.
        found: String,
        /// What can be asked.
        expected: &'static str,
    },
    /// A disk that the source was not opened for.
    #[error("found disk {disk}, expected one that the source was opened for")]
    UnknownDisk {
        /// Which disk.
        disk: DevNo,
    },
    /// A disk that has left the machine.
    #[error("disk {name} ({disk}) is no longer there")]
    Gone {
        /// Which disk.
        disk: DevNo,
        /// Its kernel name.
        name: String,
    },
    /// A file of the kernel's that could not be read or written.
    #[error("cannot {operation} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
    /// A disk's totals that could not be read.
    #[error(transparent)]
    Kernel(#[from] kernfs::Error),
    /// An operation on BPF objects that failed.
    #[error("BPF: cannot {operation}: {why}")]
    Bpf {
        /// What was tried.
        operation: String,
        /// What the kernel or the library answered.
        why: String,
    },
}
