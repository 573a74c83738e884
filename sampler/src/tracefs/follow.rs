//! From events to counts: one disk's bios, and their latencies by position.

use crate::{InFlight, Latencies};
use block_types::{IoEvent, Nanos, Op, Phase, Sector, Sectors};
use fingerprint::{Snapshot, Thresholds, Tracker};
use std::collections::BTreeMap;

/// Bios that are waited for at once. Beyond, bios are counted and not followed.
const MOST_WAITING: usize = 65_536;

/// What is known of a bio in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    since: Nanos,
    op: Op,
    sync: bool,
}

/// One disk's counts.
#[derive(Clone, Debug)]
pub(super) struct Follower {
    tracker: Tracker,
    bios: Snapshot,
    latencies: Latencies,
    errors: u64,
    /// By the sector after the bio, which splitting and merging leave as it is.
    waiting: BTreeMap<(Sector, Op2), Waiting>,
    last_bio: Nanos,
    first_bio: Option<Nanos>,
    pause: Nanos,
    /// From when on latencies and ages are charged; 0 for no mark.
    mark: Nanos,
}

/// Reads and writes of the same place are told apart.
type Op2 = bool;

impl Follower {
    /// Nothing seen yet, and watching since `now`. A pause is a time without data bios of at least `pause`.
    pub(super) fn new(near: Sectors, pause: Nanos, now: Nanos) -> Self {
        Self {
            tracker: Tracker::new(Thresholds { near_sectors: near, ..Thresholds::default() }),
            bios: Snapshot::default(),
            latencies: Latencies::default(),
            errors: 0,
            waiting: BTreeMap::new(),
            last_bio: now,
            first_bio: None,
            pause,
            mark: Nanos::ZERO,
        }
    }

    /// Takes in one event of this disk.
    pub(super) fn event(&mut self, event: &IoEvent, error: bool) {
        match event.phase {
            Phase::Queued => {
                self.tracker.observe_event(event);
                if event.op.is_data() && event.sectors > Sectors::ZERO {
                    self.queued(event);
                }
            }
            Phase::Completed => {
                if event.op.is_data() {
                    self.errors += u64::from(error);
                    self.completed(event);
                }
            }
            Phase::Issued => {}
        }
    }

    fn queued(&mut self, event: &IoEvent) {
        if event.at.saturating_sub(self.last_bio) > self.pause {
            self.first_bio = Some(event.at);
        }
        self.last_bio = event.at;
        if self.waiting.len() < MOST_WAITING {
            let end = event.sector.offset(event.sectors);
            let waiting = Waiting { since: event.at, op: event.op, sync: event.sync };
            self.waiting.insert((end, event.op == Op::Write), waiting);
        }
    }

    fn completed(&mut self, event: &IoEvent) {
        // A flush that the kernel shows as a write without data ends no bio that is waited for.
        if event.sectors == Sectors::ZERO {
            return;
        }
        let write = event.op == Op::Write;
        let (start, end) = (event.sector, event.sector.offset(event.sectors));
        let done: Vec<_> = self
            .waiting
            .range((start.offset(Sectors(1)), false)..=(end, true))
            .map(|(key, _)| *key)
            .filter(|key| key.1 == write)
            .collect();
        for key in done {
            if let Some(waiting) = self.waiting.remove(&key) {
                let latency = event.at.saturating_sub(waiting.since);
                if waiting.since < self.mark && self.mark <= event.at {
                    self.latencies.carried.record(latency);
                    continue;
                }
                match (waiting.op, waiting.sync) {
                    (Op::Read, _) => self.latencies.read.record(latency),
                    (_, true) => self.latencies.sync_write.record(latency),
                    (_, false) => self.latencies.async_write.record(latency),
                }
            }
        }
    }

    /// Events were lost, or an off-phase begins: what is waited for may never be seen to complete, and the next
    /// bio does not follow the last one seen.
    pub(super) fn interrupted(&mut self) {
        self.waiting.clear();
        self.tracker.restart();
    }

    /// Watching begins again: what was before is not known, so there is no first bio after it.
    pub(super) fn resumed(&mut self, now: Nanos) {
        self.last_bio = now;
        self.first_bio = None;
    }

    /// Nothing is in flight: what was queued before `at` has completed unseen.
    pub(super) fn idle(&mut self, at: Nanos) {
        self.waiting.retain(|_, waiting| waiting.since >= at);
    }

    /// Everything counted so far.
    pub(super) fn counts(&mut self) -> (&Snapshot, &Latencies, u64, Option<Nanos>) {
        self.bios.consolidate(&self.tracker.take());
        (&self.bios, &self.latencies, self.errors, self.first_bio)
    }

    /// Charges to others what was queued before `at`.
    pub(super) const fn mark(&mut self, at: Nanos) {
        self.mark = at;
    }

    /// Ages of what is waited for.
    pub(super) fn ages(&self, now: Nanos, to: &mut InFlight) {
        for waiting in self.waiting.values() {
            let age = now - waiting.since.max(self.mark);
            to.all.add(age, 1);
            if waiting.sync {
                to.sync.add(age, 1);
            }
            if waiting.op == Op::Read {
                to.read.add(age, 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ages;
    use block_types::DevNo;

    fn event(at: u64, phase: Phase, op: Op, sector: u64, sectors: u64) -> IoEvent {
        let (sector, sectors) = (Sector(sector), Sectors(sectors));
        IoEvent { at: Nanos(at), dev: DevNo::new(7, 0), phase, op, sync: op == Op::Read, sector, sectors }
    }

    fn ages(disk: &Follower, now: u64) -> InFlight {
        let mut found = InFlight::default();
        disk.ages(Nanos(now), &mut found);
        found
    }

    fn follower() -> Follower {
        Follower::new(Sectors(25), Nanos(1_000), Nanos(0))
    }

    #[test]
    fn merged_bios_complete_with_their_request_and_a_split_one_with_its_last_part() {
        let mut disk = follower();
        disk.event(&event(100, Phase::Queued, Op::Read, 0, 8), false);
        disk.event(&event(110, Phase::Queued, Op::Read, 8, 8), false);
        disk.event(&event(120, Phase::Queued, Op::Write, 8, 8), false);
        disk.event(&event(600, Phase::Completed, Op::Read, 0, 16), false);
        assert_eq!(disk.counts().1.read.sum_ns(), 500 + 490);
        assert_eq!(disk.counts().1.async_write.count(), 0);
        disk.event(&event(700, Phase::Queued, Op::Read, 100, 2048), false);
        disk.event(&event(800, Phase::Completed, Op::Read, 100, 1024), false);
        assert_eq!(disk.counts().1.read.count(), 2);
        disk.event(&event(900, Phase::Completed, Op::Read, 1124, 1024), false);
        assert_eq!((disk.counts().1.read.count(), disk.counts().1.read.sum_ns()), (3, 990 + 200));
        assert_eq!(ages(&disk, 1_120).all.oldest, Some(Nanos(1_000)));
        assert_eq!(ages(&disk, 1_120).sync, Ages::default());
        disk.idle(Nanos(1_000));
        assert_eq!(ages(&disk, 1_120).all, Ages::default());
    }

    #[test]
    fn what_was_queued_before_the_mark_is_carried() {
        let mut disk = follower();
        for (at, sector) in [(100, 0), (200, 100), (1_200, 200)] {
            disk.event(&event(at, Phase::Queued, Op::Read, sector, 8), false);
        }
        disk.mark(Nanos(1_000));
        // The event of a completion before the mark, read after it was set.
        disk.event(&event(900, Phase::Completed, Op::Read, 0, 8), false);
        disk.event(&event(1_300, Phase::Completed, Op::Read, 200, 8), false);
        let (_, latencies, ..) = disk.counts();
        assert_eq!((latencies.read.count(), latencies.read.sum_ns()), (2, 800 + 100));
        assert_eq!(ages(&disk, 1_500).read.oldest, Some(Nanos(500)));
        disk.event(&event(1_600, Phase::Completed, Op::Read, 100, 8), false);
        let (_, latencies, ..) = disk.counts();
        assert_eq!((latencies.read.count(), latencies.carried.sum_ns()), (2, 1_400));
    }

    #[test]
    fn the_first_bio_after_a_pause_is_known_and_only_a_pause_that_was_watched() {
        let mut disk = follower();
        let bio = |disk: &mut Follower, at| {
            disk.event(&event(at, Phase::Queued, Op::Read, at, 8), false);
            disk.counts().3
        };
        assert_eq!(bio(&mut disk, 900), None);
        assert_eq!(bio(&mut disk, 1_900), None);
        assert_eq!(bio(&mut disk, 3_000), Some(Nanos(3_000)));
        assert_eq!(bio(&mut disk, 3_500), Some(Nanos(3_000)));
        disk.resumed(Nanos(9_000));
        assert_eq!(bio(&mut disk, 9_500), None);
        assert_eq!(bio(&mut disk, 11_000), Some(Nanos(11_000)));
    }

    #[test]
    fn a_completion_without_data_ends_nothing() {
        let mut disk = follower();
        disk.event(&event(1, Phase::Queued, Op::Write, 0, 8), false);
        disk.event(&event(2, Phase::Completed, Op::Write, 8, 0), false);
        assert_eq!(disk.counts().1.async_write.count(), 0);
        assert_eq!(ages(&disk, 5).all.oldest, Some(Nanos(4)));
    }

    #[test]
    fn flushes_are_no_data_and_an_interruption_breaks_the_stream() {
        let mut disk = follower();
        disk.event(&event(1, Phase::Queued, Op::Write, 0, 0), false);
        disk.event(&event(2, Phase::Queued, Op::Flush, 0, 0), false);
        disk.event(&event(3, Phase::Queued, Op::Read, 0, 8), false);
        disk.interrupted();
        disk.event(&event(4, Phase::Queued, Op::Read, 8, 8), false);
        disk.event(&event(5, Phase::Completed, Op::Read, 8, 8), true);
        let (bios, latencies, errors, _) = disk.counts();
        assert_eq!((bios.flushes, bios.reads, bios.gaps), (2, 2, 0));
        assert_eq!((latencies.read.count(), errors), (1, 1));
    }
}
