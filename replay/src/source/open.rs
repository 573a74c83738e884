//! Replay at the trace's own times, or as fast as so many outstanding bios allow.

use super::{Source, Trace, TraceBio};
use crate::io::{Io, Priority, Token};
use block_types::{Nanos, Sectors};

/// The bio of a trace as it is submitted; its token is its place in the trace.
pub(super) fn io_of(bio: &TraceBio, index: usize) -> Io {
    Io {
        op: bio.op,
        sync: bio.sync,
        sector: bio.sector,
        sectors: Sectors(bio.sectors.into()),
        stream: bio.stream,
        priority: Priority::BestEffort,
        token: Token(index as u64),
    }
}

/// Open-loop replay: every bio is submitted at its time in the trace, whatever became of those before it. A disk that
/// is too slow for that has ever more of them outstanding.
#[derive(Clone, Debug)]
pub struct OpenLoop<'a> {
    bios: &'a [TraceBio],
    time_scale: f64,
    next: usize,
}

impl<'a> OpenLoop<'a> {
    /// Each time of the trace is multiplied by `time_scale` (fio's `replay_time_scale` is 100 times that): 0.5 is twice
    /// as fast. What is no positive number is taken for 1.
    #[must_use]
    pub fn new(trace: &'a Trace, time_scale: f64) -> Self {
        let time_scale = if time_scale.is_finite() && time_scale > 0.0 { time_scale } else { 1.0 };
        Self { bios: trace.bios(), time_scale, next: 0 }
    }
}

impl Source for OpenLoop<'_> {
    fn next_arrival(&self) -> Option<Nanos> {
        let at = self.bios.get(self.next)?.at;
        Some(Nanos((at.0 as f64 * self.time_scale) as u64))
    }

    fn arrive(&mut self, _: Nanos, batch: &mut Vec<Io>) {
        if let Some(bio) = self.bios.get(self.next) {
            batch.push(io_of(bio, self.next));
            self.next += 1;
        }
    }

    fn completed(&mut self, _: Nanos, _: Token) {}
}

/// Replay in the trace's order without its times (fio's `replay_no_stall`): a bio is submitted as soon as fewer than so
/// many are outstanding.
#[derive(Clone, Debug)]
pub struct NoStall<'a> {
    bios: &'a [TraceBio],
    depth: usize,
    outstanding: usize,
    next: usize,
    now: Nanos,
}

impl<'a> NoStall<'a> {
    /// With at most `depth` bios outstanding, at least one.
    #[must_use]
    pub fn new(trace: &'a Trace, depth: usize) -> Self {
        let depth = depth.max(1);
        Self { bios: trace.bios(), depth, outstanding: 0, next: 0, now: Nanos::ZERO }
    }
}

impl Source for NoStall<'_> {
    fn next_arrival(&self) -> Option<Nanos> {
        (self.outstanding < self.depth && self.next < self.bios.len()).then_some(self.now)
    }

    fn arrive(&mut self, now: Nanos, batch: &mut Vec<Io>) {
        self.now = now;
        if let Some(bio) = self.bios.get(self.next) {
            batch.push(io_of(bio, self.next));
            self.next += 1;
            self.outstanding += 1;
        }
    }

    fn completed(&mut self, now: Nanos, _: Token) {
        self.now = now;
        self.outstanding = self.outstanding.saturating_sub(1);
    }
}
