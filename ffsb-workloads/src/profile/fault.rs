//! What is wrong with a profile, and where.

use std::path::PathBuf;

/// The line of a profile, counted from 1.
pub type Line = u32;

/// What is wrong with a text, before it is known which file it came from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: found {found}, expected {expected}")]
pub struct Fault {
    /// Where.
    pub line: Line,
    /// What is there.
    pub found: String,
    /// What would be right.
    pub expected: String,
}

impl Fault {
    pub(crate) fn new(line: Line, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { line, found: found.into(), expected: expected.into() }
    }

    /// The same, with the file's name.
    #[must_use]
    pub fn in_file(self, file: impl Into<PathBuf>) -> ProfileError {
        ProfileError::Wrong { file: file.into(), fault: self }
    }
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file says something that a profile cannot say.
    #[error("{}:{}: found {}, expected {}", file.display(), fault.line, fault.found, fault.expected)]
    Wrong {
        /// The file.
        file: PathBuf,
        /// What is wrong in it.
        fault: Fault,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
