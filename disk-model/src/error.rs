//! What a model refuses.

use std::path::PathBuf;

/// Parameters that make no disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// A file is no TOML, has a key that the kind does not know, or a value of the wrong type.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file, as the caller named it.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What was found and what was expected, with the key.
        message: String,
    },
    /// A value in a file is out of its range.
    #[error("{}:{line}: {key}: found {found}, expected {expected}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key.
        key: String,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// A file leaves out a key that only a `base` would make up for.
    #[error("{}: {key}: found nothing, expected {expected}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What is allowed.
        expected: String,
    },
    /// A value that did not come from a file is out of its range.
    #[error("{key}: found {found}, expected {expected}")]
    OutOfRange {
        /// The field, by its key in a file.
        key: String,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: String,
    },
}
