//! Synthetic closed loops, as fio's jobs are: so many processes, each with so many I/Os in flight.

use super::Source;
use crate::io::{Io, Priority, StreamId, Token};
use block_types::{Bytes, Nanos, Op, Sector, Sectors};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Where a job's I/O goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One behind the other, round and round.
    Sequential,
    /// Anywhere, at multiples of the block, evenly spread.
    Random,
}

/// One process of a synthetic workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Where its I/O goes.
    pub order: Order,
    /// The share of reads, 0 to 1; the others are writes.
    pub read_share: f64,
    /// The length of each, rounded up to a sector.
    pub block: Bytes,
    /// How many are in flight; at least one.
    pub depth: u32,
    /// How many are submitted together under one plug, at most; at least one. fio's `iodepth_batch` under libaio
    /// plugs from three on.
    pub batch: u32,
    /// The first sector that it may touch.
    pub first: Sector,
    /// How much it may touch; at least a block.
    pub span: Bytes,
    /// Whether somebody waits for the writes (direct I/O counts as such).
    pub sync_writes: bool,
    /// From a completion to the submission that follows it.
    pub think: Nanos,
    /// When it begins.
    pub start: Nanos,
    /// Its priority.
    pub priority: Priority,
    /// Of the random choices.
    pub seed: u64,
}

impl Job {
    /// What a host takes to hear of a completion and submit the next I/O.
    pub const USUAL_THINK: Nanos = Nanos(5_000);

    /// One process that reads `block` by `block`, over a span at the disk's start, `depth` at a time.
    #[must_use]
    pub const fn reads(order: Order, block: Bytes, depth: u32, span: Bytes) -> Self {
        Self {
            order,
            read_share: 1.0,
            block,
            depth,
            batch: 1,
            first: Sector(0),
            span,
            sync_writes: true,
            think: Self::USUAL_THINK,
            start: Nanos::ZERO,
            priority: Priority::BestEffort,
            seed: 1,
        }
    }

    /// One that writes.
    #[must_use]
    pub const fn writes(order: Order, block: Bytes, depth: u32, span: Bytes) -> Self {
        Self { read_share: 0.0, ..Self::reads(order, block, depth, span) }
    }

    /// `count` of its kind with seeds of their own.
    #[must_use]
    pub fn times(&self, count: u32) -> Vec<Self> {
        (0..u64::from(count))
            .map(|index| Self { seed: self.seed.wrapping_add(index), ..self.clone() })
            .collect()
    }
}

#[derive(Clone, Debug)]
struct Running {
    job: Job,
    sectors: u64,
    blocks: u64,
    next: u64,
    random: ChaCha8Rng,
    /// I/Os that may be submitted, once the process is not asleep.
    may: u32,
    asleep: bool,
}

impl Running {
    fn io(&mut self, stream: u32) -> Io {
        let block = match self.job.order {
            Order::Sequential => {
                let block = self.next;
                self.next = (self.next + 1) % self.blocks;
                block
            }
            Order::Random => self.random.random_range(0..self.blocks),
        };
        let share = self.job.read_share;
        let read = share >= 1.0 || (share > 0.0 && self.random.random_bool(share));
        Io {
            op: if read { Op::Read } else { Op::Write },
            sync: read || self.job.sync_writes,
            sector: Sector(self.job.first.0.saturating_add(block * self.sectors)),
            sectors: Sectors(self.sectors),
            stream: StreamId(stream),
            priority: self.job.priority,
            token: Token(stream.into()),
        }
    }
}

/// Jobs side by side; the first is stream 0, and so on.
#[derive(Clone, Debug)]
pub struct Jobs {
    running: Vec<Running>,
    /// When a job has something to do, and how many more I/Os it may submit from then on.
    ready: BinaryHeap<Reverse<(Nanos, u32, u32)>>,
}

impl Jobs {
    /// Jobs without an end.
    #[must_use]
    pub fn new(jobs: impl IntoIterator<Item = Job>) -> Self {
        let mut ready = BinaryHeap::new();
        let running = jobs.into_iter().enumerate().map(|(index, job)| {
            let sectors = Bytes(job.block.0.saturating_add(511)).sectors().0.clamp(1, u32::MAX.into());
            let blocks = (job.span.sectors().0 / sectors).max(1);
            let random = ChaCha8Rng::seed_from_u64(job.seed);
            ready.push(Reverse((job.start, index as u32, job.depth.max(1))));
            Running { job, sectors, blocks, next: 0, random, may: 0, asleep: false }
        });
        let running = running.collect();
        Self { running, ready }
    }
}

impl Source for Jobs {
    fn next_arrival(&self) -> Option<Nanos> {
        self.ready.peek().map(|&Reverse((at, _, _))| at)
    }

    fn arrive(&mut self, now: Nanos, batch: &mut Vec<Io>) {
        let Some(Reverse((_, index, more))) = self.ready.pop() else { return };
        let running = &mut self.running[index as usize];
        running.may = running.may.saturating_add(more);
        if running.asleep {
            return;
        }
        let most = running.job.batch.max(1);
        // What is due at the same moment is submitted together.
        while running.may < most
            && let Some(&Reverse((at, other, more))) = self.ready.peek()
            && at <= now
            && other == index
        {
            self.ready.pop();
            running.may = running.may.saturating_add(more);
        }
        let count = running.may.min(most);
        for _ in 0..count {
            batch.push(running.io(index));
        }
        running.may -= count;
        if running.may > 0 {
            self.ready.push(Reverse((now, index, 0)));
        }
    }

    fn completed(&mut self, now: Nanos, token: Token) {
        let index = token.0 as u32;
        let think = self.running[index as usize].job.think.max(Nanos(1));
        self.ready.push(Reverse((now + think, index, 1)));
    }

    fn blocked(&mut self, stream: StreamId) {
        if let Some(running) = self.running.get_mut(stream.0 as usize) {
            running.asleep = true;
        }
    }

    fn resumed(&mut self, now: Nanos, stream: StreamId) {
        if let Some(running) = self.running.get_mut(stream.0 as usize) {
            running.asleep = false;
            self.ready.push(Reverse((now, stream.0, 0)));
        }
    }
}
