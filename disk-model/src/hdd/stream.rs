//! A head that reads on: when it passes what, and what it has brought.

use super::geometry::Geometry;
use super::queue::Range;

/// A head that reads on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    /// The first sector that it brought.
    pub(super) from: u64,
    /// Sectors before this one are in the buffer, whatever the times say.
    have: u64,
    /// It passes [`Range::passed_ns`] `passed` at this time, and all others accordingly.
    since: u64,
    passed: u64,
    /// Where it stops.
    limit: u64,
    limit_passed: u64,
}

impl Stream {
    /// When it has passed a point.
    pub(super) fn time_of(&self, passed: u64) -> u64 {
        (self.since + passed).saturating_sub(self.passed)
    }

    /// When a range is in the buffer.
    pub(super) fn time_of_end(&self, range: &Range) -> u64 {
        if range.end <= self.have { 0 } else { self.time_of(range.passed_ns) }
    }

    /// Whether a read goes on within it.
    pub(super) fn covers(&self, range: &Range) -> bool {
        (self.from..=self.limit).contains(&range.sector)
    }

    /// Whether it has brought, or will bring, some of these sectors.
    pub(super) fn touches(&self, sector: u64, end: u64) -> bool {
        self.from < end && sector < self.limit
    }

    /// The stream that a read starts, which is over at `end`.
    pub(super) fn new(range: &Range, end: u64) -> Self {
        Self {
            from: range.sector,
            have: range.sector,
            since: end,
            passed: range.passed_ns,
            limit: range.end,
            limit_passed: range.passed_ns,
        }
    }

    /// Moves the point where it stops on, and gives up what lies before `from`.
    pub(super) fn read_on(&mut self, geometry: &Geometry, from: u64, limit: u64) {
        if limit > self.limit {
            self.limit = limit;
            self.limit_passed = geometry.passed_before(limit);
            self.from = self.from.max(from);
        }
    }

    /// Once it has come to its limit, it goes on from there no sooner than the platter brings the place round.
    pub(super) fn stop_at_limit(&mut self, now: u64, revolution_ns: u64) {
        let stopped = self.time_of(self.limit_passed);
        if stopped < now {
            self.have = self.limit;
            self.since = stopped + (now - stopped).div_ceil(revolution_ns) * revolution_ns;
            self.passed = self.limit_passed;
        }
    }

    /// The first sector that it has not brought yet.
    pub(super) fn end(&self, geometry: &Geometry, now: u64) -> u64 {
        let passed = (self.passed + now).saturating_sub(self.since).min(self.limit_passed);
        geometry.sector_at(passed).max(self.have).min(self.limit)
    }
}
