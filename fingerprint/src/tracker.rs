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
        Self { thresholds, table: StreamTable::new(thresholds.near_sectors), snapshot: Snapshot::default() }
    }

    /// Counts one bio. A write without data is a flush, as the block layer submits it; a read without data is
    /// counted among the others.
    pub fn observe(&mut self, op: Op, sector: Sector, sectors: Sectors, sync: bool) {
        let data = op.is_data() && sectors > Sectors::ZERO;
        if data {
            let gap = self.table.observe(sector, sectors);
            let bio = DataBio { write: op == Op::Write, sectors, sync, gap };
            self.snapshot.update(&bio, self.thresholds.near_sectors);
        } else {
            self.snapshot.count_other(match op {
                Op::Write => Op::Flush,
                Op::Read => Op::Other,
                other => other,
            });
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

#[cfg(test)]
mod tests {
    use super::*;
    use block_types::{DevNo, Nanos};

    #[test]
    fn what_carries_no_data_is_counted_apart_and_does_not_move_the_head() {
        let mut tracker = Tracker::new(Thresholds::default());
        tracker.observe(Op::Write, Sector(1_000_000), Sectors(8), true);
        for (op, sectors) in [
            // An fsync's empty bio says sector 0.
            (Op::Write, 0),
            (Op::Flush, 0),
            (Op::Discard, 2048),
            (Op::WriteZeroes, 2048),
            (Op::Zone, 0),
            (Op::Other, 8),
            (Op::Read, 0),
        ] {
            tracker.observe(op, Sector(0), Sectors(sectors), true);
        }
        tracker.observe(Op::Write, Sector(1_000_008), Sectors(8), false);
        let seen = tracker.take();
        assert_eq!((seen.flushes, seen.discards, seen.others), (2, 1, 4));
        assert_eq!((seen.reads, seen.writes, seen.write_sectors, seen.sync), (0, 2, 16, 1));
        assert_eq!((seen.gaps, seen.near, seen.gap_sum_sectors, seen.distance_sum_sectors), (1, 1, 0, 8));
        assert_eq!(*tracker.snapshot(), Snapshot::default());
    }

    #[test]
    fn a_stream_runs_on_across_the_end_of_a_period_and_not_across_a_restart() {
        let mut tracker = Tracker::new(Thresholds::default());
        tracker.observe(Op::Read, Sector(0), Sectors(8), true);
        tracker.take();
        tracker.observe(Op::Read, Sector(8), Sectors(8), true);
        assert_eq!(tracker.take().near, 1);
        tracker.restart();
        tracker.observe(Op::Read, Sector(16), Sectors(8), true);
        assert_eq!((tracker.snapshot().reads, tracker.snapshot().gaps), (1, 0));
    }

    #[test]
    fn of_a_trace_only_submissions_count() {
        let mut tracker = Tracker::new(Thresholds::default());
        let mut event = IoEvent {
            at: Nanos(0),
            dev: DevNo::new(7, 0),
            phase: Phase::Queued,
            op: Op::Read,
            sync: true,
            sector: Sector(0),
            sectors: Sectors(8),
        };
        for phase in [Phase::Queued, Phase::Issued, Phase::Completed] {
            event.phase = phase;
            tracker.observe_event(&event);
        }
        assert_eq!(tracker.snapshot().reads, 1);
    }
}
