//! From single bios to a snapshot.

use crate::{DataBio, Snapshot, StreamTable, Thresholds};
use block_types::{IoEvent, Op, Phase, Sector, Sectors};

/// A disk's [`StreamTable`] and [`Snapshot`] together, for sources that see every bio.
///
/// In-kernel sources keep both on their own side and deliver snapshots.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracker {
    thresholds: Thresholds,
    table: StreamTable,
    snapshot: Snapshot,
}

impl Tracker {
    /// Starts with nothing seen.
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            table: StreamTable::new(thresholds.near_sectors),
            snapshot: Snapshot::default(),
        }
    }

    /// Counts one bio. A write without data is a flush, as the block layer submits it; a read without data is
    /// counted among the others.
    pub fn observe(&mut self, op: Op, sector: Sector, sectors: Sectors, sync: bool) {
        let data = op.is_data() && sectors > Sectors::ZERO;
        if data {
            let gap = self.table.observe(sector, sectors);
            let bio = DataBio {
                write: op == Op::Write,
                sectors,
                sync,
                gap,
            };
            self.snapshot.update(&bio, self.thresholds.near_sectors);
        } else {
            self.snapshot
                .count_other(if op == Op::Write { Op::Flush } else { op });
        }
    }

    /// Counts an event of a trace, if it is a submission; others are no arrivals and are passed over.
    pub fn observe_event(&mut self, event: &IoEvent) {
        if event.phase == Phase::Queued {
            self.observe(event.op, event.sector, event.sectors, event.sync);
        }
    }

    /// What was counted since the last [`take`](Self::take).
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Ends a period: answers its snapshot and resets it. Stream ends are kept, so a stream that runs across
    /// the boundary is not cut.
    pub fn take(&mut self) -> Snapshot {
        std::mem::take(&mut self.snapshot)
    }

    /// Tells that bios may have been missed: the next one has no gap.
    pub fn restart(&mut self) {
        self.table.restart();
    }
}
