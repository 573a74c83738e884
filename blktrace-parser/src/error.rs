//! What can be wrong with a trace, and where.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where in its source something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Bytes from the start of the (uncompressed) stream.
    Byte(u64),
    /// Line of a text, counted from 1.
    Line(u64),
    /// The source as a whole.
    Whole,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(offset) => write!(f, "byte {offset}"),
            Self::Line(line) => write!(f, "line {line}"),
            Self::Whole => f.write_str("opening"),
        }
    }
}

/// An error of a trace: file (where one is known), place, what was found and what was expected there.
#[derive(Debug, thiserror::Error)]
#[error("{}{place}: {kind}", FileName(.file))]
pub struct Error {
    /// The file, where the source has a name.
    pub file: Option<PathBuf>,
    /// Where in it.
    pub place: Place,
    /// What is wrong.
    #[source]
    pub kind: Box<ErrorKind>,
}

struct FileName<'a>(&'a Option<PathBuf>);

impl fmt::Display for FileName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(path) => write!(f, "{}: ", path.display()),
            None => Ok(()),
        }
    }
}

/// What is wrong at the place that an [`Error`] names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The four bytes at the start of a record are not the magic number of blktrace in either byte order.
    #[error("found {found:#010x}, expected a blktrace record (magic 0x656174 and a version byte)")]
    BadMagic {
        /// The bytes, read as little-endian.
        found: u32,
    },
    /// A record of a version of the format that this crate does not know.
    #[error("found version {found} of the blktrace format, expected 7")]
    UnsupportedVersion {
        /// The version byte.
        found: u8,
    },
    /// A record whose byte order differs from that of the first one of its stream.
    #[error("found a record in {found} byte order, expected {expected} as in the records before it")]
    MixedByteOrder {
        /// The order of this record.
        found: crate::ByteOrder,
        /// The order of the stream.
        expected: crate::ByteOrder,
    },
    /// The source ends inside a record.
    #[error("found the end of the trace after {found} bytes of a record, expected {expected} bytes")]
    Truncated {
        /// Bytes of the record that are there.
        found: usize,
        /// Bytes that the record must have, as far as its bytes tell.
        expected: usize,
    },
    /// The payload is too short for the action that carries it.
    #[error("found a payload of {found} bytes, expected at least {expected} for {what}")]
    ShortPayload {
        /// Bytes of payload.
        found: usize,
        /// Bytes that this kind of payload has.
        expected: usize,
        /// What the payload was to hold.
        what: &'static str,
    },
    /// First sector plus length does not fit into 64 bits.
    #[error("found sector {sector} and a length of {sectors} sectors, expected an end below 2^64")]
    SectorOverflow {
        /// First sector.
        sector: u64,
        /// Length in sectors.
        sectors: u64,
    },
    /// A line of a text that is not what its format says.
    #[error("found {found:?}, expected {expected}")]
    BadLine {
        /// The field or line, cut to a readable length.
        found: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// A line longer than [`crate::text::MAX_LINE_BYTES`].
    #[error("found a line of more than {limit} bytes, expected a line of a text trace")]
    LongLine {
        /// The limit.
        limit: usize,
    },
    /// More bad lines than the caller allowed to skip.
    #[error("after {skipped} skipped lines: {last}")]
    TooManyBadLines {
        /// How many were skipped before this one.
        skipped: u64,
        /// What is wrong with this one.
        last: Box<ErrorKind>,
    },
    /// The source is empty, so that its format cannot be told.
    #[error("found an empty file, expected a trace (name its format to accept an empty one)")]
    Empty,
    /// No known format begins like this source.
    #[error("found {found:?} at the start, expected blktrace, blkparse, fio iolog or MSR-Cambridge CSV")]
    UnknownFormat {
        /// The first bytes, made readable.
        found: String,
    },
    /// The trace is compressed in a way that this build cannot undo.
    #[error("found data compressed with {found}, expected a build with the feature `{feature}`")]
    NoDecompressor {
        /// The compression.
        found: &'static str,
        /// The feature of this crate that reads it.
        feature: &'static str,
    },
    /// A directory where a file was expected.
    #[error("found a directory, expected a trace file or the base name of per-CPU files")]
    Directory,
    /// Neither the file nor per-CPU files of that base name exist.
    #[error("found no such file and no {base}.blktrace.N, expected a trace")]
    NotFound {
        /// The base name that was tried.
        base: String,
    },
    /// The operating system (or a decompressor) reports an error.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Error {
    pub(crate) fn at_byte(offset: u64, kind: ErrorKind) -> Self {
        Self { file: None, place: Place::Byte(offset), kind: Box::new(kind) }
    }

    pub(crate) fn at_line(line: u64, kind: ErrorKind) -> Self {
        Self { file: None, place: Place::Line(line), kind: Box::new(kind) }
    }

    pub(crate) fn opening(kind: ErrorKind) -> Self {
        Self { file: None, place: Place::Whole, kind: Box::new(kind) }
    }

    /// The same error with the name of the file, unless it has one already.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<PathBuf>) -> Self {
        if self.file.is_none() {
            self.file = Some(file.into());
        }
        self
    }
}

/// The result of reading a trace.
pub type Result<T, E = Error> = std::result::Result<T, E>;
