//! A checked profile: what to do, with every value in its own type.
//!
//! Text becomes [`raw::Section`]s, which know lines and words; [`check`](mod@check) turns those into a
//! [`Profile`], which knows neither. Printing one gives a text that reads back as the same profile.

pub mod check;
pub mod fault;
mod print;
pub mod raw;
pub mod vocabulary;

pub use check::Overrides;
pub use fault::{Fault, ProfileError};
pub use vocabulary::{Op, Syscall};

use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes that direct I/O is aligned to, and random offsets under `alignio`.
pub const ALIGNMENT: u64 = 4096;
/// `create_blocksize` and `age_blocksize` where a profile names none, in bytes.
pub const DEFAULT_BLOCK: NonZeroU32 = NonZeroU32::new(4096).unwrap();

/// What one run does.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// How long the threads work; zero only makes the files.
    pub time: Duration,
    /// Whether operations bypass the page cache. The file set is always made through it.
    pub direct: bool,
    /// Whether random offsets are multiples of [`ALIGNMENT`]; direct I/O implies it.
    pub aligned: bool,
    /// `bufferio` and `verbose`: accepted for the sake of old profiles, without effect.
    pub without_effect: WithoutEffect,
    /// A shell command to be run before the start.
    pub callout: Option<String>,
    /// Where files are.
    pub filesystems: Vec<Filesystem>,
    /// Who works on them.
    pub threadgroups: Vec<Threadgroup>,
}

/// Keywords that FFSB reads and does not heed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WithoutEffect {
    /// `bufferio`.
    pub bufferio: bool,
    /// `verbose`.
    pub verbose: bool,
}

/// A directory and the files in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Filesystem {
    /// The directory that the profile names.
    pub location: PathBuf,
    /// How many files there are at the start.
    pub files: u32,
    /// Over how many directories they are spread; with none they lie side by side.
    pub dirs: u32,
    /// How large a new file is; `None` where nothing makes one.
    pub sizes: Option<SizeRule>,
    /// How far files are added at the start where `files` is zero.
    pub growth: Option<Growth>,
    /// Bytes per write while the file set is made.
    pub create_block: NonZeroU32,
    /// Bytes per write while the file system is aged.
    pub age_block: NonZeroU32,
    /// Whether a matching file set of an earlier run is taken, and this one's is kept.
    pub reuse: bool,
    /// How the file system is worn in first.
    pub aging: Option<Aging>,
}

/// How the size of a new file is drawn, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SizeRule {
    /// Any size from `min` to `max`, equally likely.
    Uniform {
        /// The smallest.
        min: u64,
        /// The largest; not below `min`.
        max: u64,
    },
    /// One of these, as likely as its weight; at least one weight is above zero.
    Weighted(Vec<SizeWeight>),
}

/// A size and how often it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SizeWeight {
    /// In bytes.
    pub size: u64,
    /// Relative to the others.
    pub weight: u32,
}

/// How far a file set grows that has no number of files.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Growth {
    /// Until it holds this many bytes.
    Size(u64),
    /// Until this share of the file system is used.
    Utilization(f64),
}

/// Wear before the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Aging {
    /// Who does it; it creates files.
    pub threads: Threadgroup,
    /// Which share of the file system is used in the end: above 0, at most 1.
    pub until_used: f64,
}

/// Threads that do the same kind of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Threadgroup {
    /// How many.
    pub threads: NonZeroU32,
    /// The place in [`Profile::filesystems`] of the only one they use; `None` for any of them, drawn each time.
    pub bound_to: Option<usize>,
    /// Think time between operations.
    pub delay: Duration,
    /// Bytes that a read takes.
    pub read_size: Option<NonZeroU64>,
    /// Bytes per read call.
    pub read_block: Option<NonZeroU32>,
    /// Bytes that a write or an append gives.
    pub write_size: Option<NonZeroU64>,
    /// Bytes per write call.
    pub write_block: Option<NonZeroU32>,
    /// Where the blocks of a read are.
    pub read_order: ReadOrder,
    /// Where the blocks of a write are.
    pub write_order: WriteOrder,
    /// How often each operation is chosen.
    pub weights: Weights,
    /// Which latencies are measured.
    pub stats: Option<Stats>,
}

/// Where the blocks of one read are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOrder {
    /// One after the other, from one random offset.
    Sequential,
    /// Each at its own random offset.
    Random,
    /// One after the other from the beginning of the file, with this many bytes left out between them.
    Skip(NonZeroU64),
}

/// Where the blocks of one write are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOrder {
    /// One after the other, from one random offset.
    Sequential,
    /// Each at its own random offset.
    Random,
}

/// The weight of every operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weights([u32; Op::ALL.len()]);

/// What `[stats]` asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Whether calls are measured.
    pub enabled: bool,
    /// Whether they are also counted by latency.
    pub ranges_enabled: bool,
    /// The ranges of latency, in the order of the profile; they may overlap.
    pub ranges: Vec<LatencyRange>,
    /// Calls that are not measured.
    pub ignored: Vec<Syscall>,
}

/// A range of latency: `from` belongs to it, `to` does not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatencyRange {
    /// In milliseconds.
    pub from_ms: f64,
    /// In milliseconds; above `from_ms`.
    pub to_ms: f64,
}

impl Weights {
    /// The weight of one.
    #[must_use]
    pub const fn of(&self, op: Op) -> u32 {
        self.0[op.index()]
    }

    /// Sets the weight of one.
    pub const fn set(&mut self, op: Op, weight: u32) {
        self.0[op.index()] = weight;
    }

    /// The operations that are done at all, with their weights.
    pub fn used(&self) -> impl Iterator<Item = (Op, u32)> {
        Op::ALL.iter().map(|op| (*op, self.of(*op))).filter(|(_, weight)| *weight > 0)
    }

    /// The sum.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|weight| u64::from(*weight)).sum()
    }
}

impl SizeRule {
    /// The largest size that can be drawn, in bytes.
    #[must_use]
    pub fn largest(&self) -> u64 {
        match self {
            Self::Uniform { max, .. } => *max,
            Self::Weighted(sizes) => {
                sizes.iter().filter(|size| size.weight > 0).map(|size| size.size).max().unwrap_or(0)
            }
        }
    }

    /// The size that is to be expected, in bytes.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self {
            Self::Uniform { min, max } => f64::midpoint(*min as f64, *max as f64),
            Self::Weighted(sizes) => {
                let weights: f64 = sizes.iter().map(|size| f64::from(size.weight)).sum();
                let bytes: f64 = sizes.iter().map(|size| f64::from(size.weight) * size.size as f64).sum();
                bytes / weights.max(1.0)
            }
        }
    }

    /// Whether a file of this size can have been drawn, where sizes are rounded up to `grain` bytes.
    #[must_use]
    pub fn admits(&self, size: u64, grain: u64) -> bool {
        match self {
            Self::Uniform { min, max } => {
                (round_up(*min, grain)..=round_up(*max, grain)).contains(&size) && size.is_multiple_of(grain)
            }
            Self::Weighted(sizes) => sizes.iter().any(|known| round_up(known.size, grain) == size),
        }
    }
}

/// The next multiple of `grain`; saturates.
#[must_use]
pub const fn round_up(bytes: u64, grain: u64) -> u64 {
    match bytes.checked_next_multiple_of(grain) {
        Some(rounded) => rounded,
        None => bytes - bytes % grain,
    }
}

impl Filesystem {
    /// How many bytes the files are expected to have at the start; `None` where that depends on how full the file
    /// system is.
    #[must_use]
    pub fn expected_bytes(&self) -> Option<u64> {
        if self.files > 0 {
            let mean = self.sizes.as_ref().map_or(0.0, SizeRule::mean);
            return Some((mean * f64::from(self.files)) as u64);
        }
        match self.growth {
            None => Some(0),
            Some(Growth::Size(bytes)) => Some(bytes),
            Some(Growth::Utilization(_)) => None,
        }
    }
}

impl Threadgroup {
    /// Whether it adds, removes or resizes files.
    #[must_use]
    pub fn changes_files(&self) -> bool {
        self.weights.used().any(|(op, _)| op.changes_files())
    }

    /// Whether it may work on this one of the profile's file systems.
    #[must_use]
    pub fn uses(&self, filesystem: usize) -> bool {
        self.bound_to.is_none_or(|bound| bound == filesystem)
    }
}

impl Profile {
    /// Reads a profile from text.
    ///
    /// # Errors
    ///
    /// At the first thing that is wrong, with its line.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        Self::parse_with(bytes, &Overrides::default())
    }

    /// Reads a profile from text, with some values taken from elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`]; also where the profile's other values do not go with the overriding ones.
    pub fn parse_with(bytes: &[u8], overrides: &Overrides) -> Result<Self, Fault> {
        check::check(&raw::read(bytes)?, overrides)
    }

    /// Reads a profile from a file.
    ///
    /// # Errors
    ///
    /// As [`Self::parse_with`], and when the file cannot be read.
    pub fn read(file: &Path, overrides: &Overrides) -> Result<Self, ProfileError> {
        let bytes = std::fs::read(file)
            .map_err(|source| ProfileError::Unreadable { file: file.to_owned(), source })?;
        Self::parse_with(&bytes, overrides).map_err(|fault| fault.in_file(file))
    }

    /// To how many bytes sizes of files are rounded up.
    #[must_use]
    pub const fn grain(&self) -> u64 {
        if self.direct { ALIGNMENT } else { 1 }
    }

    /// How many threads work at once.
    #[must_use]
    pub fn threads(&self) -> u64 {
        self.threadgroups.iter().map(|group| u64::from(group.threads.get())).sum()
    }
}
