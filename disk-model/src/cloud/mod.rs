//! A volume in a data centre, sold by rates.
//!
//! # How one works
//!
//! What the provider limits are rates, not a mechanism: I/Os per second and bytes per second, each by a token bucket
//! that a burst may overdraw as far as credits have been saved. A command waits for its turn in both,
//! in the order of arrival, and then takes a latency drawn from a log-normal distribution: the network and the servers
//! behind it, which most of the time answer soon and sometimes late.
//!
//! An I/O is counted as the provider counts it: a command longer than `io_unit_bytes` counts once for every unit, and
//! a command that goes on where the one before it ended, in the same direction and while that is still waiting its
//! turn, is merged with it as long as both fit a unit (Amazon EBS User Guide, "I/O characteristics and monitoring").
//!
//! A volume has no volatile write cache: what is done is durable, so that flushes and FUA cost no more than the way.

mod bucket;

use crate::params::declare::parameters;
use crate::{Command, CommandId, Completion, DiskModel, LATEST, ModelError};
use block_types::{Bytes, Nanos, Sectors};
use bucket::{Bucket, Rates};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

parameters! {
    /// The parameters of a volume.
    pub struct CloudVolumeParams, read as RawCloudVolume {
        /// How many commands its driver has in flight at most.
        queue_depth: u32 = 1..=65_535,
        /// I/Os per second that last, for every GiB of its size.
        baseline_iops_per_gib: f64 = 0.0..=1_000_000.0,
        /// But never fewer than these.
        baseline_iops_min: f64 = 1.0..=10_000_000.0,
        /// And never more than these.
        baseline_iops_max: f64 = 1.0..=10_000_000.0,
        /// I/Os per second while credits last; the baseline, where that is higher.
        burst_iops: f64 = 1.0..=10_000_000.0,
        /// I/Os that may be saved for bursts; a volume starts with all of them.
        burst_credit_ios: f64 = 0.0..=1_000_000_000_000.0,
        /// Bytes per second that last.
        baseline_bytes_per_s: u64 = 1_000_000..=1_000_000_000_000,
        /// Bytes per second while credits last; the baseline, where that is higher.
        burst_bytes_per_s: u64 = 1_000_000..=1_000_000_000_000,
        /// Bytes that may be saved for bursts.
        burst_credit_bytes: u64 = 0..=1_000_000_000_000_000,
        /// The longest command that counts as one I/O.
        io_unit_bytes: u64 = 4_096..=16_777_216,
        /// How far arrivals may crowd before the rates slow them down.
        crowding_us: u64 = 0..=1_000_000,
        /// The latency that half of all reads stay under.
        read_latency_median_us: f64 = 1.0..=1_000_000.0,
        /// The latency that half of all other commands stay under.
        write_latency_median_us: f64 = 1.0..=1_000_000.0,
        /// The standard deviation of the latency's logarithm: 99 in 100 stay under the median times e^(2.33 of it).
        latency_sigma: f64 = 0.0..=3.0,
    }
}

/// A volume in a data centre.
#[derive(Clone, Debug)]
pub struct CloudVolume {
    sectors: u64,
    unit: u64,
    ios: Bucket,
    bytes: Bucket,
    read_latency: LogNormal<f64>,
    write_latency: LogNormal<f64>,
    random: ChaCha8Rng,
    now: u64,
    last: Option<Last>,
    /// By time, and by the order of submission at one time.
    pending: BinaryHeap<Reverse<(u64, u64, CommandId)>>,
    submitted: u64,
}

/// The command before, which the next may be merged with.
#[derive(Clone, Copy, Debug)]
struct Last {
    write: bool,
    end: u64,
    /// Bytes that the I/O has so far.
    bytes: u64,
    /// When its turn comes.
    turn: u64,
}

impl CloudVolume {
    /// A volume with all its credits.
    ///
    /// # Errors
    /// [`ModelError::OutOfRange`] for a parameter that is.
    pub fn new(params: &CloudVolumeParams, capacity: Bytes, seed: u64) -> Result<Self, ModelError> {
        params.check()?;
        if params.baseline_iops_min > params.baseline_iops_max {
            return Err(ModelError::OutOfRange {
                key: "baseline_iops_min".to_owned(),
                found: params.baseline_iops_min.to_string(),
                expected: format!("at most baseline_iops_max, {}", params.baseline_iops_max),
            });
        }
        let gib = capacity.0 as f64 / (1_u64 << 30) as f64;
        let baseline =
            (params.baseline_iops_per_gib * gib).clamp(params.baseline_iops_min, params.baseline_iops_max);
        let crowding = params.crowding_us * 1_000;
        let latency = |median_us: f64| {
            LogNormal::new((median_us * 1e3).ln(), params.latency_sigma).map_err(|error| {
                ModelError::OutOfRange {
                    key: "latency_sigma".to_owned(),
                    found: params.latency_sigma.to_string(),
                    expected: error.to_string(),
                }
            })
        };
        Ok(Self {
            sectors: capacity.sectors().0.max(1),
            unit: params.io_unit_bytes,
            ios: Bucket::new(
                &Rates { baseline, burst: params.burst_iops, credits: params.burst_credit_ios },
                crowding,
            ),
            bytes: Bucket::new(
                &Rates {
                    baseline: params.baseline_bytes_per_s as f64,
                    burst: params.burst_bytes_per_s as f64,
                    credits: params.burst_credit_bytes as f64,
                },
                crowding,
            ),
            read_latency: latency(params.read_latency_median_us)?,
            write_latency: latency(params.write_latency_median_us)?,
            random: ChaCha8Rng::seed_from_u64(seed),
            now: 0,
            last: None,
            pending: BinaryHeap::new(),
            submitted: 0,
        })
    }

    /// When a transfer's turn comes.
    fn turn(&mut self, write: bool, sector: u64, sectors: u64, bytes: u64) -> u64 {
        let merged = self.last.filter(|last| {
            last.write == write
                && last.end == sector
                && last.turn > self.now
                && last.bytes + bytes <= self.unit
        });
        let ios = if merged.is_some() { 0 } else { bytes.div_ceil(self.unit).max(1) };
        let turn = self.ios.turn(self.now, ios).max(self.bytes.turn(self.now, bytes));
        self.last = Some(Last {
            write,
            end: sector + sectors,
            bytes: bytes + merged.map_or(0, |last| last.bytes),
            turn,
        });
        turn
    }
}

impl DiskModel for CloudVolume {
    fn submit(&mut self, now: Nanos, id: CommandId, command: Command) {
        self.now = self.now.max(now.0.min(LATEST.0));
        let (turn, latency) = match command.within(Sectors(self.sectors)) {
            Command::Read { sector, sectors } => {
                (self.turn(false, sector.0, sectors.0, sectors.bytes().0), self.read_latency)
            }
            Command::Write { sector, sectors, .. } => {
                (self.turn(true, sector.0, sectors.0, sectors.bytes().0), self.write_latency)
            }
            Command::Flush | Command::Discard { .. } => (self.now, self.write_latency),
        };
        let latency = latency.sample(&mut self.random).min(60e9) as u64;
        self.submitted += 1;
        self.pending.push(Reverse((turn + latency, self.submitted, id)));
    }

    fn next_event(&self) -> Option<Nanos> {
        self.pending.peek().map(|&Reverse((at, _, _))| Nanos(at))
    }

    fn advance(&mut self, now: Nanos, done: &mut Vec<Completion>) {
        self.now = self.now.max(now.0.min(LATEST.0));
        while let Some(&Reverse((at, _, id))) = self.pending.peek()
            && at <= now.0
        {
            self.pending.pop();
            done.push(Completion { id, at: Nanos(at) });
        }
    }

    fn in_flight(&self) -> usize {
        self.pending.len()
    }
}
