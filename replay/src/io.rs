//! What is submitted.

use block_types::{Op, Sector, Sectors};
use serde::{Deserialize, Serialize};

/// Who submits: a process, as far as the block layer knows. bfq serves each by itself, and a process that waits for a
/// tag submits nothing meanwhile. Streams are numbered from 0; beyond [`StreamId::MOST`] they share a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId(pub u32);

impl StreamId {
    /// How many are told apart.
    pub const MOST: u32 = 1 << 16;
}

/// The source's own name of an I/O.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// The class of an I/O priority (`ioprio_set(2)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Before all others.
    RealTime,
    /// What everybody has who asks for nothing.
    #[default]
    BestEffort,
    /// After all others.
    Idle,
}

impl Priority {
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::RealTime => 0,
            Self::BestEffort => 1,
            Self::Idle => 2,
        }
    }
}

/// One bio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Io {
    /// What it asks. Zone operations and driver commands are refused: see [`Report::refused`](crate::Report).
    pub op: Op,
    /// Whether somebody waits for it (`REQ_SYNC`); reads always count as waited for.
    pub sync: bool,
    /// Its first sector.
    pub sector: Sector,
    /// Its length; of data at least one sector.
    pub sectors: Sectors,
    /// Who submits it.
    pub stream: StreamId,
    /// Its priority.
    pub priority: Priority,
    /// What [`Source::completed`](crate::Source::completed) will call it.
    pub token: Token,
}

impl Io {
    /// A synchronous I/O of ordinary priority.
    #[must_use]
    pub const fn new(op: Op, sector: Sector, sectors: Sectors) -> Self {
        Self {
            op,
            sync: true,
            sector,
            sectors,
            stream: StreamId(0),
            priority: Priority::BestEffort,
            token: Token(0),
        }
    }
}
