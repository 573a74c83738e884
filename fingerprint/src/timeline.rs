//! A trace cut into windows of equal length.

use crate::{Snapshot, Thresholds, Tracker};
use block_types::{DevNo, IoEvent, Nanos, Phase};
use std::collections::HashMap;

/// Disks of a trace that have a stream table of their own; those beyond share the last one, so that memory stays
/// bounded whatever the trace says.
const MOST_DISKS: usize = 1024;

/// One window of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its start: the time of the trace's first arrival, and a multiple of the window's length.
    pub start: Nanos,
    /// Its end, which belongs to the next window; one length later also where the trace ends before it.
    pub end: Nanos,
    /// What arrived.
    pub counted: Snapshot,
}

/// Cuts the arrivals of a trace into windows of equal length, of which the first begins with the first arrival.
///
/// Windows without an arrival are left out, so that a clock which jumps does not make endless ones: where the next
/// window does not start at the end of the last one, nothing was asked in between. Each disk of the trace has its own
/// stream table, which a window's end does not cut.
///
/// ```
/// use block_types::{DevNo, IoEvent, Nanos, Op, Phase, Sector, Sectors};
/// use fingerprint::{Thresholds, Timeline};
///
/// let mut timeline = Timeline::new(Nanos::SECOND, Thresholds::default());
/// let read = |at| IoEvent {
///     at, dev: DevNo::new(8, 0), phase: Phase::Queued, op: Op::Read, sync: true, sector: Sector(0), sectors: Sectors(8),
/// };
/// assert_eq!(timeline.observe(&read(Nanos::from_millis(500))), None);
/// let first = timeline.observe(&read(Nanos::from_millis(4_600))).map(|period| (period.start, period.counted.reads));
/// assert_eq!(first, Some((Nanos::from_millis(500), 1)));
/// assert_eq!(timeline.finish().map(|period| period.start), Some(Nanos::from_millis(4_500)));
/// ```
#[derive(Clone, Debug)]
pub struct Timeline {
    window: Nanos,
    thresholds: Thresholds,
    disks: Vec<Tracker>,
    numbers: HashMap<DevNo, usize>,
    /// The disk of the last arrival, which the next one is most often of.
    current: Option<(DevNo, usize)>,
    open: Option<(Nanos, Nanos)>,
    late: u64,
}

impl Timeline {
    /// Windows of a length of `window`; of 1 ns where it is zero.
    #[must_use]
    pub fn new(window: Nanos, thresholds: Thresholds) -> Self {
        Self {
            window: window.max(Nanos(1)),
            thresholds,
            disks: Vec::new(),
            numbers: HashMap::new(),
            current: None,
            open: None,
            late: 0,
        }
    }

    /// Counts an event, if it is an arrival; answers the window that its time has ended. One that is earlier than the
    /// open window is counted in that window.
    #[inline]
    pub fn observe(&mut self, event: &IoEvent) -> Option<Period> {
        if event.phase != Phase::Queued {
            return None;
        }
        let over = match self.open {
            Some((start, end)) if event.at < end => {
                self.late += u64::from(event.at < start);
                None
            }
            _ => self.advance(event.at),
        };
        let index = match self.current {
            Some((disk, index)) if disk == event.dev => index,
            _ => self.disk(event.dev),
        };
        self.disks[index].observe_event(event);
        over
    }

    /// Ends the trace: answers its last window.
    #[must_use]
    pub fn finish(mut self) -> Option<Period> {
        self.close()
    }

    /// Arrivals that came after the window they belong to had ended.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    #[cold]
    fn advance(&mut self, now: Nanos) -> Option<Period> {
        let over = self.close();
        let start = match &over {
            // Whole lengths on from where the last one began.
            Some(over) => over.start + Nanos((now - over.start).0 / self.window.0 * self.window.0),
            None => now,
        };
        self.open = Some((start, Nanos(start.0.saturating_add(self.window.0))));
        over
    }

    fn close(&mut self) -> Option<Period> {
        let (start, end) = self.open.take()?;
        let mut counted = Snapshot::default();
        for disk in &mut self.disks {
            if !disk.snapshot().is_empty() {
                counted.consolidate(&disk.take());
            }
        }
        Some(Period { start, end, counted })
    }

    #[cold]
    fn disk(&mut self, dev: DevNo) -> usize {
        let index = match self.numbers.get(&dev) {
            Some(index) => *index,
            None if self.disks.len() == MOST_DISKS => MOST_DISKS - 1,
            None => {
                self.disks.push(Tracker::new(self.thresholds));
                self.numbers.insert(dev, self.disks.len() - 1);
                self.disks.len() - 1
            }
        };
        self.current = Some((dev, index));
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use block_types::{Op, Sector, Sectors};

    fn arrival(ms: u64, disk: u32, sector: u64) -> IoEvent {
        IoEvent {
            at: Nanos::from_millis(ms),
            dev: DevNo::new(8, disk),
            phase: Phase::Queued,
            op: Op::Read,
            sync: true,
            sector: Sector(sector),
            sectors: Sectors(8),
        }
    }

    fn windows(events: &[IoEvent]) -> Vec<(u64, u64)> {
        let mut timeline = Timeline::new(Nanos::SECOND, Thresholds::default());
        let mut all: Vec<_> = events.iter().filter_map(|event| timeline.observe(event)).collect();
        all.extend(timeline.finish());
        all.iter().map(|period| (period.start.0 / 1_000_000, period.counted.reads)).collect()
    }

    #[test]
    fn windows_stand_on_one_grid_and_empty_ones_are_left_out() {
        let events = [300, 1_299, 1_300, 2_299, 9_000, 9_300].map(|ms| arrival(ms, 0, 0));
        assert_eq!(windows(&events), [(300, 2), (1_300, 2), (8_300, 1), (9_300, 1)]);
        assert_eq!(windows(&[]), []);
    }

    #[test]
    fn a_late_arrival_is_counted_where_it_came_and_others_than_arrivals_nowhere() {
        let mut timeline = Timeline::new(Nanos::SECOND, Thresholds::default());
        let done = IoEvent { phase: Phase::Completed, ..arrival(0, 0, 0) };
        assert_eq!(timeline.observe(&done), None);
        for ms in [500, 1_600, 400] {
            timeline.observe(&arrival(ms, 0, 0));
        }
        assert_eq!(timeline.late(), 1);
        assert_eq!(timeline.finish().map(|period| period.counted.reads), Some(2));
    }

    #[test]
    fn each_disk_has_its_own_streams_across_windows() {
        let mut timeline = Timeline::new(Nanos::from_millis(10), Thresholds::default());
        let mut total = Snapshot::default();
        for number in 0..200_u64 {
            for disk in 0..40 {
                let event = arrival(number, disk, u64::from(disk) * 1_000_000 + number * 8);
                total.consolidate(&timeline.observe(&event).map(|over| over.counted).unwrap_or_default());
            }
        }
        total.consolidate(&timeline.finish().map(|over| over.counted).unwrap_or_default());
        assert_eq!((total.reads, total.near, total.gaps), (8_000, 40 * 199, 40 * 199));
    }

    #[test]
    fn more_disks_than_can_be_and_the_end_of_time_are_borne() {
        let mut timeline = Timeline::new(Nanos::SECOND, Thresholds::default());
        for disk in 0..3_000 {
            timeline.observe(&arrival(0, disk, 0));
        }
        assert_eq!(timeline.disks.len(), MOST_DISKS);
        let last = IoEvent { at: Nanos(u64::MAX), ..arrival(0, 0, 0) };
        assert_eq!(timeline.observe(&last).map(|period| period.counted.reads), Some(3_000));
        assert!(timeline.observe(&last).is_some_and(|period| period.end == Nanos(u64::MAX)));
        assert!(timeline.finish().is_some());
    }
}
