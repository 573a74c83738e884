//! Samples for tests: a device whose work is dictated.

use block_types::Nanos;
use fingerprint::Snapshot;
use sampler::{Ages, InFlight, Latencies, Sample};

/// What a device does for a while.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) reads_per_s: u64,
    pub(crate) read_ns: u64,
    pub(crate) read_bytes: u64,
    /// Asynchronous ones.
    pub(crate) writes_per_s: u64,
    pub(crate) write_ns: u64,
    /// The share of the time without anything to do.
    pub(crate) rest_percent: u64,
}

/// A source's counters, moved on by hand.
#[derive(Clone, Debug)]
pub(crate) struct Tape {
    sample: Sample,
    bios: Snapshot,
    latencies: Latencies,
}

impl Tape {
    pub(crate) fn new() -> Self {
        Self {
            sample: Sample { errors: Some(0), ..Sample::before_anything(Nanos::SECOND) },
            bios: Snapshot::default(),
            latencies: Latencies::default(),
        }
    }

    pub(crate) fn now(&self) -> Nanos {
        self.sample.at
    }

    pub(crate) fn sample(&self) -> Sample {
        let (bios, latency) = (Some(self.bios.clone()), Some(self.latencies.clone()));
        Sample { bios, latency, ..self.sample.clone() }
    }

    /// Works for `ms` milliseconds.
    pub(crate) fn run(&mut self, load: Load, ms: u64) {
        let (reads, writes) = (load.reads_per_s * ms / 1_000, load.writes_per_s * ms / 1_000);
        let busy_percent = if reads + writes > 0 { 100 - load.rest_percent } else { 0 };
        self.pass(ms, busy_percent);
        self.sample.in_flight = InFlight::default();
        self.sample.completed.reads += reads;
        self.sample.completed.read_sectors += reads * load.read_bytes / 512;
        self.sample.completed.writes += writes;
        self.sample.completed.write_sectors += writes * 8;
        self.bios.reads += reads;
        self.bios.writes += writes;
        self.bios.read_sectors += reads * load.read_bytes / 512;
        self.bios.write_sectors += writes * 8;
        self.bios.sync += reads;
        // All over the disk.
        self.bios.gaps += reads + writes;
        self.bios.gap_sum_sectors += u128::from(reads + writes) * 5_000_000;
        self.bios.distance_sum_sectors += u128::from(reads + writes) * 5_000_000;
        self.sample.time_in_queue += Nanos(reads * load.read_ns + writes * load.write_ns);
        (0..reads).for_each(|_| self.latencies.read.record(Nanos(load.read_ns)));
        (0..writes).for_each(|_| self.latencies.async_write.record(Nanos(load.write_ns)));
    }

    /// Completes nothing for `ms` milliseconds while `reads` reads wait.
    pub(crate) fn hang(&mut self, reads: u64, ms: u64) {
        self.pass(ms, 100);
        let age = self.sample.in_flight.all.oldest.unwrap_or_default() + Nanos::from_millis(ms);
        let ages = Ages { count: reads, sum: Nanos(age.0 * reads), oldest: Some(age) };
        self.sample.in_flight =
            InFlight { reads: 0, writes: 0, held: reads, all: ages, sync: ages, read: ages };
        self.sample.time_in_queue += Nanos(ms * 1_000_000 * reads);
    }

    /// Reports an error of the device.
    pub(crate) fn fail(&mut self) {
        self.sample.errors = self.sample.errors.map(|errors| errors + 1);
    }

    fn pass(&mut self, ms: u64, busy_percent: u64) {
        let step = Nanos::from_millis(ms);
        self.sample.at += step;
        self.sample.observed += step;
        self.sample.io_ticks += Nanos(step.0 / 100 * busy_percent);
    }
}
