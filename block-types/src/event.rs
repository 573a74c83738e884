//! One I/O as a trace or a probe saw it.

use crate::{DevNo, Nanos, Sector, Sectors};
use serde::{Deserialize, Serialize};

/// What an I/O asks of the disk (`enum req_op`, include/linux/blk_types.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// Read data.
    Read,
    /// Write data.
    Write,
    /// Flush the volatile write cache; carries no data.
    Flush,
    /// Discard (TRIM) or secure erase.
    Discard,
    /// Write zeroes without transferring them.
    WriteZeroes,
    /// Zone management: open, close, finish, reset, append.
    Zone,
    /// Driver-private and anything later kernels add.
    Other,
}

impl Op {
    /// Whether it moves data between memory and disk. Only these count towards a fingerprint.
    #[must_use]
    pub const fn is_data(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }
}

/// The moment in an I/O's life that an event reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// A bio was submitted (`block_bio_queue`, blktrace `Q`): before splitting, merging and scheduling.
    Queued,
    /// A request was handed to the driver (`block_rq_issue`, blktrace `D`).
    Issued,
    /// A request was completed (`block_rq_complete`, blktrace `C`).
    Completed,
}

/// One bio or request at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IoEvent {
    /// When, on the clock of its source.
    pub at: Nanos,
    /// The whole disk, with partitions folded into it.
    pub dev: DevNo,
    /// Which moment this is.
    pub phase: Phase,
    /// What the I/O asks.
    pub op: Op,
    /// Whether somebody waits for it (`REQ_SYNC`, or a read).
    pub sync: bool,
    /// First sector on the whole disk.
    pub sector: Sector,
    /// Length; zero for operations without data.
    pub sectors: Sectors,
}
