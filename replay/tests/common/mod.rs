//! Disks and sources that tests know all about.
#![allow(dead_code, reason = "each test program uses a part")]

use block_types::{Bytes, Elevator, Knob, KnobValue, Nanos, Op, Sector, Sectors, Settings};
use disk_model::{Command, CommandId, Completion, DeviceTraits, DiskModel};
use replay::{Host, Io, Source, StreamId, Token};
use std::collections::VecDeque;

/// A disk whose every command takes the same time, with no more commands at once than it says.
pub(crate) struct FixedDisk {
    service: Nanos,
    depth: u32,
    /// The least time between two answers.
    gap: Nanos,
    waiting: VecDeque<Completion>,
}

impl FixedDisk {
    pub(crate) fn new(service: Nanos, depth: u32) -> Self {
        Self { service, depth, gap: Nanos::ZERO, waiting: VecDeque::new() }
    }

    /// The same, but answers come one at a time: else a disk whose commands all take the same time answers in waves, and
    /// whoever submits again in answer to one finds that those of the same wave have filled the disk.
    pub(crate) fn one_at_a_time(self, gap: Nanos) -> Self {
        Self { gap, ..self }
    }
}

impl DiskModel for FixedDisk {
    fn submit(&mut self, now: Nanos, id: CommandId, _: Command) {
        let after_last = self.waiting.back().map_or(Nanos::ZERO, |last| last.at + self.gap);
        self.waiting.push_back(Completion { id, at: (now + self.service).max(after_last) });
        assert!(self.waiting.len() <= self.depth as usize, "more commands than the disk takes");
    }

    fn next_event(&self) -> Option<Nanos> {
        self.waiting.front().map(|completion| completion.at)
    }

    fn advance(&mut self, now: Nanos, done: &mut Vec<Completion>) {
        while let Some(first) = self.waiting.front()
            && first.at <= now
        {
            done.push(*first);
            self.waiting.pop_front();
        }
    }

    fn in_flight(&self) -> usize {
        self.waiting.len()
    }
}

/// Submissions at given times.
pub(crate) struct Script {
    batches: VecDeque<(u64, Vec<Io>)>,
    pub(crate) done: Vec<u64>,
    pub(crate) done_at: Vec<(u64, Nanos)>,
}

impl Script {
    /// In the order of time.
    pub(crate) fn new(batches: Vec<(u64, Vec<Io>)>) -> Self {
        Self { batches: batches.into(), done: Vec::new(), done_at: Vec::new() }
    }
}

impl Source for Script {
    fn next_arrival(&self) -> Option<Nanos> {
        self.batches.front().map(|batch| Nanos(batch.0))
    }

    fn arrive(&mut self, _: Nanos, batch: &mut Vec<Io>) {
        if let Some((_, ios)) = self.batches.pop_front() {
            batch.extend(ios);
        }
    }

    fn completed(&mut self, now: Nanos, token: Token) {
        self.done.push(token.0);
        self.done_at.push((token.0, now));
    }
}

/// Many small writes at time zero, each of its own stream's.
pub(crate) struct AtOnce {
    left: u64,
}

impl AtOnce {
    pub(crate) fn new(count: u64) -> Self {
        Self { left: count }
    }
}

impl Source for AtOnce {
    fn next_arrival(&self) -> Option<Nanos> {
        (self.left > 0).then_some(Nanos::ZERO)
    }

    fn arrive(&mut self, _: Nanos, batch: &mut Vec<Io>) {
        self.left -= 1;
        let sector = Sector(self.left * 7_919 % 200_000 * 8);
        let sync = self.left.is_multiple_of(2);
        let stream = StreamId((self.left % 50) as u32);
        batch.push(Io { sync, stream, ..Io::new(Op::Write, sector, Sectors(8)) });
    }

    fn completed(&mut self, _: Nanos, _: Token) {}
}

/// A disk of `capacity` behind a driver's queue of `depth`.
pub(crate) fn host(capacity: Bytes, depth: u32, rotational: bool) -> Host {
    let traits = DeviceTraits { rotational, queue_depth: depth, volatile_write_cache: true };
    Host::new(traits, capacity)
}

/// A scheduler and its knobs.
pub(crate) fn settings(elevator: Elevator, knobs: &[(Knob, u64)]) -> Settings {
    let mut settings = Settings::new();
    settings.set(Knob::Scheduler, KnobValue::Elevator(elevator));
    for &(knob, value) in knobs {
        settings.set(knob, KnobValue::Number(value));
    }
    settings
}
