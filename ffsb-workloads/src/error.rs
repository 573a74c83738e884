//! Why a run did not begin, or did not end well.

use crate::fileset::DirectProblem;
use crate::home::HomeError;
use crate::profile::ProfileError;
use crate::size::Human;
use std::io;
use std::path::{Path, PathBuf};

/// Why a run did not begin, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The profile is wrong.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The location cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Something that is not ours lies in a file set.
    #[error("{} is not ours and in the way: remove it, or give another location", path.display())]
    Foreign {
        /// What.
        path: PathBuf,
    },
    /// The file set is larger than what is free.
    #[error(
        "no room in {}: the file set needs {}, {} are available; let --fit make it smaller",
        path.display(), Human(*wanted_bytes as f64), Human(*available_bytes as f64)
    )]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// The set's size.
        wanted_bytes: u64,
        /// What is free.
        available_bytes: u64,
    },
    /// The file set cannot be made as small as asked for.
    #[error("the file set of {what} cannot be fitted into {}: {why}", Human(*target_bytes as f64))]
    CannotFit {
        /// Which one.
        what: String,
        /// The size asked for.
        target_bytes: u64,
        /// Why not.
        why: &'static str,
    },
    /// Direct I/O is asked for where there is none.
    #[error("no direct I/O in {}: {why}; take another location or --buffered", path.display())]
    NoDirect {
        /// Where.
        path: PathBuf,
        /// Why.
        why: DirectProblem,
    },
    /// The profile wants to run a command.
    #[error("the profile runs a command before it starts (callout): {0}; allow it with --allow-callout")]
    CalloutNotAllowed(String),
    /// The command failed.
    #[error("the callout `{command}` {how}")]
    Callout {
        /// The command.
        command: String,
        /// How it ended.
        how: String,
    },
    /// Ageing does not get there.
    #[error("aging {} does not reach {:.1} % (it is at {:.1} %): {why}", path.display(), until * 100.0, at * 100.0)]
    Aging {
        /// Where.
        path: PathBuf,
        /// The share that is wanted.
        until: f64,
        /// The share that was reached.
        at: f64,
        /// Why not.
        why: String,
    },
    /// The system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The threads' buffers are larger than memory.
    #[error(
        "the blocks of all threads of {phase} together are {}, and {} of memory are available: smaller blocks or fewer --threads",
        Human(*wanted_bytes as f64), Human(*available_bytes as f64)
    )]
    NoMemory {
        /// Of which phase.
        phase: String,
        /// What the buffers need.
        wanted_bytes: u64,
        /// What there is.
        available_bytes: u64,
    },
    /// The system gives no more threads.
    #[error("cannot start thread {} of {wanted}: {source}", started + 1)]
    Threads {
        /// How many were started.
        started: usize,
        /// How many there should be.
        wanted: usize,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody asked to end before there was anything to report.
    #[error("interrupted while the files were made")]
    Interrupted,
}

impl RunError {
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }

    /// Whether the run cannot take place here, rather than having failed.
    #[must_use]
    pub const fn is_about_the_place(&self) -> bool {
        matches!(
            self,
            Self::Home(_)
                | Self::Foreign { .. }
                | Self::NoRoom { .. }
                | Self::CannotFit { .. }
                | Self::NoDirect { .. }
                | Self::NoMemory { .. }
                | Self::CalloutNotAllowed(_)
        )
    }
}
