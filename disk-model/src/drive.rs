//! A closed loop that drives a model through virtual time, and what comes of it.
//!
//! So many commands are in flight at all times; each that is done is followed at once by the next, which is what fio
//! does with `iodepth` on one job, on a host that takes no time. The answer is the model's prediction for a disk of
//! its kind, to compare with a data sheet or with the same work on an emulated disk.
//!
//! ```
//! use block_types::Bytes;
//! use disk_model::Params;
//! use disk_model::drive::{Order, Until, Workload, closed_loop};
//!
//! let capacity = Bytes(8 << 30);
//! let mut disk = Params::named("hdd-7200").ok_or("no such disk")?.build(capacity, 1)?;
//! let work = Workload::reads(Order::Random, Bytes(4096), 1, capacity);
//! let report = closed_loop(disk.as_mut(), &work, Until::Commands(500));
//! assert!((60.0..110.0).contains(&report.iops), "a 7200 rpm disk reads 60 to 110 random blocks a second");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::{Command, CommandId, Completion, DiskModel};
use block_types::{Bytes, LatencyHistogram, Nanos, Sector, Sectors};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Where the commands go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One behind the other, round and round.
    Sequential,
    /// Anywhere, at multiples of the block, evenly spread.
    Random,
}

/// What is asked of a disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Where the commands go.
    pub order: Order,
    /// The share of reads among them, 0 to 1; the others are writes.
    pub read_share: f64,
    /// The length of each, rounded up to a sector.
    pub block: Bytes,
    /// How many are in flight; at least one.
    pub depth: u32,
    /// The first sector that they may touch.
    pub first: Sector,
    /// How much they may touch; at least a block.
    pub span: Bytes,
    /// So many commands are done before anything is counted: caches fill, queues form.
    pub ramp_commands: u64,
    /// Of the random choices.
    pub seed: u64,
}

impl Workload {
    /// Reads only, over a span at the disk's start.
    #[must_use]
    pub const fn reads(order: Order, block: Bytes, depth: u32, span: Bytes) -> Self {
        Self { order, read_share: 1.0, block, depth, first: Sector(0), span, ramp_commands: 0, seed: 1 }
    }

    /// Writes only.
    #[must_use]
    pub const fn writes(order: Order, block: Bytes, depth: u32, span: Bytes) -> Self {
        Self { order, read_share: 0.0, block, depth, first: Sector(0), span, ramp_commands: 0, seed: 1 }
    }
}

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After so many commands are done.
    Commands(u64),
    /// After so much virtual time.
    Elapsed(Nanos),
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// Commands that were done.
    pub commands: u64,
    /// In how much virtual time.
    pub elapsed: Nanos,
    /// Commands per second.
    pub iops: f64,
    /// Bytes per second.
    pub bytes_per_s: f64,
    /// How long the reads took.
    pub reads: LatencyHistogram,
    /// How long the writes took.
    pub writes: LatencyHistogram,
}

impl Report {
    /// How long all took.
    #[must_use]
    pub fn latencies(&self) -> LatencyHistogram {
        let mut all = self.reads.clone();
        all.add(&self.writes);
        all
    }
}

/// The commands in their order.
struct Source<'a> {
    work: &'a Workload,
    sectors: Sectors,
    blocks: u64,
    next: u64,
    random: ChaCha8Rng,
}

impl<'a> Source<'a> {
    fn new(work: &'a Workload) -> Self {
        let sectors = Bytes(work.block.0.saturating_add(511)).sectors().0.max(1);
        let blocks = (work.span.sectors().0 / sectors).max(1);
        let random = ChaCha8Rng::seed_from_u64(work.seed);
        Self { work, sectors: Sectors(sectors), blocks, next: 0, random }
    }

    fn command(&mut self) -> Command {
        let block = match self.work.order {
            Order::Sequential => {
                let block = self.next;
                self.next = (self.next + 1) % self.blocks;
                block
            }
            Order::Random => self.random.random_range(0..self.blocks),
        };
        let sector = Sector(self.work.first.0 + block * self.sectors.0);
        let read =
            self.work.read_share >= 1.0 || self.random.random_bool(self.work.read_share.clamp(0.0, 1.0));
        if read {
            Command::Read { sector, sectors: self.sectors }
        } else {
            Command::Write { sector, sectors: self.sectors, fua: false }
        }
    }
}

/// Drives a model that nothing is in flight in, from time zero of its clock if it is new; one that was driven before
/// goes on from where its clock stands, which `from` says.
pub fn closed_loop_from(disk: &mut dyn DiskModel, from: Nanos, work: &Workload, until: Until) -> Report {
    let mut source = Source::new(work);
    let depth = work.depth.max(1) as usize;
    let mut in_flight: Vec<(Nanos, bool)> = Vec::with_capacity(depth);
    let mut report = Report {
        commands: 0,
        elapsed: Nanos::ZERO,
        iops: 0.0,
        bytes_per_s: 0.0,
        reads: LatencyHistogram::default(),
        writes: LatencyHistogram::default(),
    };
    let mut submit = |disk: &mut dyn DiskModel, now: Nanos, tag: usize| {
        let command = source.command();
        disk.submit(now, CommandId(tag as u64), command);
        (now, matches!(command, Command::Read { .. }))
    };
    for tag in 0..depth {
        in_flight.push(submit(disk, from, tag));
    }
    let mut done: Vec<Completion> = Vec::with_capacity(depth);
    let (mut now, mut counted_from, mut ramp) = (from, from, work.ramp_commands);
    let goes_on = |report: &Report, now: Nanos, counted_from: Nanos| match until {
        Until::Commands(commands) => report.commands < commands,
        Until::Elapsed(time) => now - counted_from < time,
    };
    while (ramp > 0 || goes_on(&report, now, counted_from))
        && let Some(next) = disk.next_event()
    {
        done.clear();
        disk.advance(next, &mut done);
        now = next.max(now);
        for completion in &done {
            let tag = completion.id.0 as usize;
            let (since, read) = in_flight[tag];
            if ramp > 0 {
                ramp -= 1;
                counted_from = now;
            } else {
                let latencies = if read { &mut report.reads } else { &mut report.writes };
                latencies.record(completion.at - since);
                report.commands += 1;
            }
            in_flight[tag] = submit(disk, now, tag);
        }
    }
    report.elapsed = now - counted_from;
    let seconds = report.elapsed.as_secs_f64();
    if seconds > 0.0 {
        report.iops = report.commands as f64 / seconds;
        report.bytes_per_s = report.iops * Source::new(work).sectors.bytes().0 as f64;
    }
    report
}

/// Drives a new model from time zero.
pub fn closed_loop(disk: &mut dyn DiskModel, work: &Workload, until: Until) -> Report {
    closed_loop_from(disk, Nanos::ZERO, work, until)
}
