//! What can go wrong with an emulated disk.

use std::path::Path;

/// Why there is no emulated disk, or why it did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This machine or this user cannot have one: no root, no FUSE, no loop driver.
    #[error("{0}")]
    Unavailable(String),
    /// What was asked for makes no sense, such as a size that is no multiple of 4096.
    #[error("{0}")]
    Invalid(String),
    /// The kernel refused something that it should have granted.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Something else failed, such as the process that serves the disk.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    pub(crate) fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable(why.into())
    }

    pub(crate) fn invalid(why: impl Into<String>) -> Self {
        Self::Invalid(why.into())
    }

    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }

    pub(crate) fn system(action: impl Into<String>, source: impl Into<std::io::Error>) -> Self {
        Self::System { action: action.into(), source: source.into() }
    }

    pub(crate) fn path(verb: &str, path: &Path, source: impl Into<std::io::Error>) -> Self {
        Self::system(format!("{verb} {}", path.display()), source)
    }
}
