//! What can go wrong with a record, with the file, what was found and what was expected.

use crate::chart::ChartError;
use std::io;
use std::path::PathBuf;

/// Why a record could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A name that cannot be part of a path, or is taken by a file of the record itself.
    #[error(
        "{name:?} names no run, table or chart: expected lower-case letters, digits, '-', '_' and '.', the first a \
         letter or digit, and none of the record's own files"
    )]
    Name {
        /// What was given.
        name: String,
    },
    /// A run of that date and name is there already, and is never overwritten.
    #[error("{}: there is a run of that date and name already", path.display())]
    Exists {
        /// Its directory.
        path: PathBuf,
    },
    /// Another process records it at this time.
    #[error("{}: another process records this run; wait for it, or stop it", path.display())]
    Busy {
        /// Its rows.
        path: PathBuf,
    },
    /// A file cannot be read or written. What was written before is still there.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A run recorded by an older or newer version.
    #[error("{}: a record of schema {found}, expected {expected}: {}", path.display(), advice(*found, *expected))]
    Schema {
        /// The manifest.
        path: PathBuf,
        /// The schema it names.
        found: u64,
        /// The schema this version reads and writes.
        expected: u64,
    },
    /// A manifest that is none.
    #[error("{}: {source}, expected the manifest of a run", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it, and where.
        source: serde_json::Error,
    },
    /// A row that is none, or not of the type asked for.
    #[error("{}, line {line}: {source}", path.display())]
    Row {
        /// The file of rows.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A value that JSON cannot hold.
    #[error("row {row}: {source}")]
    Unwritable {
        /// Which row of the run it would have been, from 1.
        row: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// A row of a table with too few or too many cells.
    #[error("table {stem}, row {row}: {found} cells, expected {expected}")]
    Cells {
        /// The table.
        stem: String,
        /// From 1.
        row: usize,
        /// How many cells it has.
        found: usize,
        /// How many columns there are.
        expected: usize,
    },
    /// A table that cannot be written as, or read from, CSV.
    #[error("{}: {source}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: csv::Error,
    },
    /// A chart that cannot be drawn or written.
    #[error(transparent)]
    Chart(#[from] ChartError),
}

fn advice(found: u64, expected: u64) -> &'static str {
    if found > expected {
        "a newer version made it; use that one"
    } else {
        "an older version made it; read its README.md, or use that version"
    }
}

impl RecordError {
    /// What maps an error of the system about `path`.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
