//! What can go wrong, with the path, what was tried and what came back.

use block_types::Knob;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// The error numbers that attributes answer with. The numbers are the same on every platform this builds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Errno {
    /// `EPERM` 1.
    #[error("EPERM")]
    NotPermitted,
    /// `ENOENT` 2: no such file.
    #[error("ENOENT")]
    NoEntry,
    /// `EIO` 5.
    #[error("EIO")]
    Io,
    /// `ENXIO` 6: no such device or address.
    #[error("ENXIO")]
    NoAddress,
    /// `EACCES` 13.
    #[error("EACCES")]
    Access,
    /// `EBUSY` 16.
    #[error("EBUSY")]
    Busy,
    /// `ENODEV` 19: the device behind an open attribute has gone.
    #[error("ENODEV")]
    NoDevice,
    /// `ENOTDIR` 20.
    #[error("ENOTDIR")]
    NotDirectory,
    /// `EINVAL` 22.
    #[error("EINVAL")]
    Invalid,
    /// `EROFS` 30: the file system is mounted read-only.
    #[error("EROFS")]
    ReadOnlyFs,
    /// `ERANGE` 34.
    #[error("ERANGE")]
    Range,
}

impl Errno {
    const ALL: [Self; 11] = [
        Self::NotPermitted,
        Self::NoEntry,
        Self::Io,
        Self::NoAddress,
        Self::Access,
        Self::Busy,
        Self::NoDevice,
        Self::NotDirectory,
        Self::Invalid,
        Self::ReadOnlyFs,
        Self::Range,
    ];

    /// The number.
    #[must_use]
    pub const fn raw(self) -> i32 {
        match self {
            Self::NotPermitted => 1,
            Self::NoEntry => 2,
            Self::Io => 5,
            Self::NoAddress => 6,
            Self::Access => 13,
            Self::Busy => 16,
            Self::NoDevice => 19,
            Self::NotDirectory => 20,
            Self::Invalid => 22,
            Self::ReadOnlyFs => 30,
            Self::Range => 34,
        }
    }

    /// The number in an error, if it is one of these.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        let raw = error.raw_os_error()?;
        Self::ALL.into_iter().find(|errno| errno.raw() == raw)
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.raw())
    }
}

/// What was being done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reading it.
    Read,
    /// Writing it.
    Write,
    /// Listing a directory.
    List,
    /// Reading a symbolic link.
    ReadLink,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::List => "list",
            Self::ReadLink => "read the link",
        })
    }
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was being done.
        operation: Operation,
        /// To which file.
        path: PathBuf,
        /// How it failed.
        source: io::Error,
    },
    /// A text was not of its form.
    #[error("{}: found {found:?}, expected {expected}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What stood there (cut at 80 characters).
        found: String,
        /// What should have stood there.
        expected: &'static str,
    },
    /// There is no disk (or no longer one) of that name.
    #[error("there is no block device {name:?} in {}", root.display())]
    NoSuchDisk {
        /// The name that was asked for.
        name: String,
        /// Where it was looked for.
        root: PathBuf,
    },
}

impl Error {
    /// Whether the disk has gone, so that asking again is of no use.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::NoSuchDisk { .. })
    }
}

/// What a refused write means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnobErrorKind {
    /// The queue has no such knob now (another scheduler is in force, or this kernel has none).
    Absent,
    /// The disk has gone.
    Gone,
    /// The kernel refuses the value (`EINVAL`, `ERANGE`).
    Refused,
    /// The knob, or all of sysfs, cannot be written by this process (`EACCES`, `EPERM`, `EROFS`).
    ReadOnly,
    /// The queue is busy (`EBUSY`); a later attempt may succeed.
    Busy,
    /// Anything else.
    Other,
}

impl fmt::Display for KnobErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "there is no such knob now",
            Self::Gone => "the disk has gone",
            Self::Refused => "the kernel refuses the value",
            Self::ReadOnly => "it cannot be written",
            Self::Busy => "the queue is busy",
            Self::Other => "the write failed",
        })
    }
}

/// Why a knob could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {tried:?} to {}: {kind} ({source})", path.display())]
pub struct KnobError {
    /// Which file.
    pub path: PathBuf,
    /// Which knob.
    pub knob: Knob,
    /// The text that was written.
    pub tried: String,
    /// What the refusal means.
    pub kind: KnobErrorKind,
    /// The system call's own error.
    pub source: io::Error,
}

/// The beginning of a text that was not understood, short enough for a message.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().chars().take(80).collect()
}
