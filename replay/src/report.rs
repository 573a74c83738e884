//! What a simulation found.

use crate::io::StreamId;
use block_types::{Bytes, LatencyHistogram, Nanos};
use serde::Serialize;

/// What was done of one type of I/O.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// Bios that were done.
    pub bios: u64,
    /// Requests that they became.
    pub requests: u64,
    /// Their data.
    pub bytes: Bytes,
    /// From a bio's submission to its completion, which is what a program waits for: waiting for a tag is in it.
    pub latency: LatencyHistogram,
    /// From a request's issue to the disk to its completion.
    pub device_latency: LatencyHistogram,
}

impl Flow {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.bios += other.bios;
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.latency.add(&other.latency);
        self.device_latency.add(&other.device_latency);
    }
}

/// How many bios and requests were put together, and taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Merges {
    /// Bios joined to a request in their own plug.
    pub in_plug: u64,
    /// Bios joined behind a request in the scheduler.
    pub back: u64,
    /// Bios joined before one.
    pub front: u64,
    /// Requests joined to another.
    pub requests: u64,
    /// Bios that were larger than the largest request: the parts beyond the first.
    pub splits: u64,
}

/// What one stream got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StreamShare {
    /// Whose.
    pub stream: StreamId,
    /// Bios that were done.
    pub bios: u64,
    /// Their data.
    pub bytes: Bytes,
    /// The sum of their latencies, in ns.
    pub latency_sum_ns: u64,
}

/// What was done in one stretch of time; see [`Run::window`](crate::Run).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Bios that were done.
    pub bios: u64,
    /// Data of reads and writes.
    pub bytes: Bytes,
    /// Reads that were done.
    pub reads: u64,
    /// The sum of their latencies, in ns.
    pub read_latency_sum_ns: u64,
    /// Reads and synchronous writes that were done.
    pub synchronous: u64,
    /// The sum of their latencies, in ns.
    pub synchronous_latency_sum_ns: u64,
}

/// What a simulation found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The virtual time that was counted: from the end of [`Run::ramp`](crate::Run) to the last event.
    pub elapsed: Nanos,
    /// Reads.
    pub reads: Flow,
    /// Writes that somebody waits for.
    pub sync_writes: Flow,
    /// Writes that nobody waits for.
    pub async_writes: Flow,
    /// Discards.
    pub discards: Flow,
    /// Flushes.
    pub flushes: Flow,
    /// What was put together and taken apart.
    pub merges: Merges,
    /// The share of the time in which the disk had at least one command.
    pub utilisation: f64,
    /// How many commands the disk had, on average.
    pub mean_device_depth: f64,
    /// How many bios were submitted and not done, on average.
    pub mean_outstanding: f64,
    /// How many at most.
    pub most_outstanding: u64,
    /// Bios that had to wait for a tag.
    pub waited_for_tag: u64,
    /// I/O that was not simulated: zone operations and driver commands, and what lies beyond the disk's end.
    pub refused: u64,
    /// Bios that were not done at the end.
    pub unfinished: u64,
    /// The age of the oldest of them.
    pub oldest_unfinished: Nanos,
    /// The sum of their ages in ns, to be counted with the latencies: else what starves looks good.
    pub unfinished_age_sum_ns: u64,
    /// What each stream got; of those that did anything.
    pub streams: Vec<StreamShare>,
    /// What was done in each stretch of time, if that was asked for.
    pub windows: Vec<Window>,
}

impl Report {
    /// Both kinds of writes.
    #[must_use]
    pub fn writes(&self) -> Flow {
        let mut all = self.sync_writes.clone();
        all.add(&self.async_writes);
        all
    }

    /// Reads and synchronous writes: what somebody waits for.
    #[must_use]
    pub fn synchronous(&self) -> Flow {
        let mut all = self.reads.clone();
        all.add(&self.sync_writes);
        all
    }

    /// Reads and writes.
    #[must_use]
    pub fn data(&self) -> Flow {
        let mut all = self.synchronous();
        all.add(&self.async_writes);
        all
    }

    /// Bytes read and written per second.
    #[must_use]
    pub fn bytes_per_s(&self) -> f64 {
        let bytes = self.reads.bytes + self.sync_writes.bytes + self.async_writes.bytes;
        per_second(bytes.0, self.elapsed)
    }

    /// Reads and writes (bios) per second.
    #[must_use]
    pub fn iops(&self) -> f64 {
        per_second(self.reads.bios + self.sync_writes.bios + self.async_writes.bios, self.elapsed)
    }
}

fn per_second(count: u64, elapsed: Nanos) -> f64 {
    if elapsed == Nanos::ZERO { 0.0 } else { count as f64 / elapsed.as_secs_f64() }
}
