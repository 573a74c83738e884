//! What a source answers.

use block_types::{LatencyHistogram, Nanos};
use fingerprint::Snapshot;
use serde::Serialize;

/// Cumulative counts since the source was opened, and gauges of this moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// When it was taken, on `CLOCK_MONOTONIC`.
    pub at: Nanos,
    /// For how long probing has been on for this disk, in sum: what [`Self::bios`] and [`Self::latency`] were
    /// counted in. The totals cover all of the time.
    pub observed: Nanos,
    /// When the first data bio after the disk's last pause (250 ms or more without data bios) was queued, on
    /// `CLOCK_MONOTONIC`, to within a scheduler tick. `None` where the source does not know: it was not
    /// probing when the pause ended.
    pub first_bio_at: Option<Nanos>,
    /// What was asked of the disk, bio by bio. `None` from a source that cannot tell.
    pub bios: Option<Snapshot>,
    /// What the disk completed, as diskstats counts it.
    pub completed: Completed,
    /// Latencies from a bio's submission to its completion. `None` from a source that cannot tell.
    pub latency: Option<Latencies>,
    /// What is under way at this moment.
    pub in_flight: InFlight,
    /// Time in which the disk had I/O in flight, in sum (diskstats, field 10).
    pub io_ticks: Nanos,
    /// The time that requests were in flight, summed over all of them (diskstats, field 11): its growth over the time
    /// is the mean number of requests in flight. Those that wait for a tag are not in it.
    pub time_in_queue: Nanos,
    /// Data requests that ended with an error; `None` from a source that cannot tell.
    pub errors: Option<u64>,
}

impl Sample {
    /// Of a source at a moment before it has counted anything; neither bios, latencies nor errors can be told.
    #[must_use]
    pub fn before_anything(at: Nanos) -> Self {
        Self {
            at,
            observed: Nanos::ZERO,
            first_bio_at: None,
            bios: None,
            completed: Completed::default(),
            latency: None,
            in_flight: InFlight::default(),
            io_ticks: Nanos::ZERO,
            time_in_queue: Nanos::ZERO,
            errors: None,
        }
    }
}

/// Completed requests and their sectors, as `/proc/diskstats` counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Completed {
    /// Read requests.
    pub reads: u64,
    /// Write requests.
    pub writes: u64,
    /// Discard requests.
    pub discards: u64,
    /// Flush requests.
    pub flushes: u64,
    /// Sectors read.
    pub read_sectors: u64,
    /// Sectors written.
    pub write_sectors: u64,
    /// Time that read requests took from allocation to completion, in sum. It leaves out the wait for a tag.
    pub read_time: Nanos,
    /// The same for write requests.
    pub write_time: Nanos,
}

impl Completed {
    /// Completed reads and writes.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.reads.saturating_add(self.writes)
    }
}

/// Latencies of data bios, from submission to completion, the wait for a tag and a scheduler's queue included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latencies {
    /// Reads.
    pub read: LatencyHistogram,
    /// Writes that somebody waits for.
    pub sync_write: LatencyHistogram,
    /// Writes that nobody waits for: writeback.
    pub async_write: LatencyHistogram,
    /// Bios of any kind that were submitted before the disk's [mark](crate::Source::mark) and completed after it was
    /// set. They are in none of the others.
    pub carried: LatencyHistogram,
}

impl Latencies {
    /// What was counted since `earlier`; `None` where any counter went backwards.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        Some(Self {
            read: self.read.since(&earlier.read)?,
            sync_write: self.sync_write.since(&earlier.sync_write)?,
            async_write: self.async_write.since(&earlier.async_write)?,
            carried: self.carried.since(&earlier.carried)?,
        })
    }
}

/// What is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InFlight {
    /// Read requests that the driver has.
    pub reads: u64,
    /// Write requests that the driver has.
    pub writes: u64,
    /// Requests that were allocated and are not completed, those that a scheduler holds back among them (diskstats,
    /// field 9). Where the driver has none a scheduler may hold all there are, and forever.
    pub held: u64,
    /// Followed data bios that are not completed, those that wait for a tag too. In the off-phases of a duty cycle
    /// nothing new is followed, so that soon there are none.
    pub all: Ages,
    /// The reads and synchronous writes among them.
    pub sync: Ages,
    /// The reads among them.
    pub read: Ages,
}

/// Ages of followed data bios that are not completed.
///
/// What was submitted before the disk's [mark](crate::Source::mark) has its age from the mark on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ages {
    /// How many there are, estimated: each that is followed counts for those that it stands for.
    pub count: u64,
    /// The sum of their ages, estimated likewise.
    pub sum: Nanos,
    /// The age of the oldest that is followed; `None` where none is.
    pub oldest: Option<Nanos>,
}

impl Ages {
    /// Adds one that stands for `weight`.
    pub(crate) fn add(&mut self, age: Nanos, weight: u64) {
        self.count = self.count.saturating_add(weight);
        self.sum += Nanos(age.0.saturating_mul(weight));
        self.oldest = self.oldest.max(Some(age));
    }
}

impl InFlight {
    /// All requests, wherever they wait.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        let driver = self.reads.saturating_add(self.writes);
        if driver > self.held { driver } else { self.held }
    }
}

/// What probing cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ProbeCost {
    /// How often a probe ran.
    pub calls: u64,
    /// How long they ran, in sum, the accounting itself included (20 to 30 ns a call).
    pub ns_total: u64,
    /// Mean, ns; 0 without calls.
    pub ns_per_call: f64,
    /// Calls that the kernel left out because the same probe was already running on that CPU.
    pub missed: u64,
}

/// Exact accounting of bios and requests; discards are left out, because the kernel has no event for their
/// merges.
///
/// Once the queue is idle, [`bios`](Self::bios) − [`unqueued`](Self::unqueued) + [`splits`](Self::splits) =
/// [`requests`](Self::requests) + [`bio_merges`](Self::bio_merges), and
/// [`requests`](Self::requests) − [`rq_merges`](Self::rq_merges) = reads + writes completed +
/// [`unseen`](Self::unseen).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExactCounters {
    /// Bios submitted, flushes included.
    pub bios: u64,
    /// Bios that ended without ever becoming a request, such as those that must not wait and found no tag.
    pub unqueued: u64,
    /// Times a bio was split.
    pub splits: u64,
    /// Requests allocated for a bio.
    pub requests: u64,
    /// Bios merged into a request.
    pub bio_merges: u64,
    /// Requests merged into another.
    pub rq_merges: u64,
    /// Requests completed, as diskstats counts them: read, write, discard.
    pub completed: [u64; 3],
    /// Sectors completed, as diskstats counts them: read, write, discard.
    pub completed_sectors: [u64; 3],
    /// Probe calls that the kernel left out because the same probe was already running on that CPU: 0, or the
    /// counts are not exact.
    pub missed: u64,
    /// Requests that diskstats saw complete and the probes did not, where that can be known: nothing was in flight
    /// when accounting began and when this was read, and accounting never paused. 0, or the counts of completions
    /// are not exact: the kernel ran no BPF program in the context that an interrupt with completions landed on.
    pub unseen: u64,
}

impl ExactCounters {
    /// Bios and splits that turned into a request of their own or into a part of one.
    #[must_use]
    pub const fn arrivals(&self) -> u64 {
        self.bios.saturating_sub(self.unqueued).saturating_add(self.splits)
    }

    /// Completed reads and writes.
    #[must_use]
    pub const fn completed_requests(&self) -> u64 {
        self.completed[0].saturating_add(self.completed[1])
    }

    /// Whether the accounts balance, as they do once the queue is idle. Completions that no probe saw are in.
    #[must_use]
    pub const fn balanced(&self) -> bool {
        self.arrivals() == self.requests.saturating_add(self.bio_merges)
            && self.requests
                == self.completed_requests().saturating_add(self.unseen).saturating_add(self.rq_merges)
    }

    /// What was counted since `earlier`; `None` where any counter went backwards.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        let groups = |now: [u64; 3], then: [u64; 3]| {
            Some([now[0].checked_sub(then[0])?, now[1].checked_sub(then[1])?, now[2].checked_sub(then[2])?])
        };
        Some(Self {
            bios: self.bios.checked_sub(earlier.bios)?,
            unqueued: self.unqueued.checked_sub(earlier.unqueued)?,
            splits: self.splits.checked_sub(earlier.splits)?,
            requests: self.requests.checked_sub(earlier.requests)?,
            bio_merges: self.bio_merges.checked_sub(earlier.bio_merges)?,
            rq_merges: self.rq_merges.checked_sub(earlier.rq_merges)?,
            completed: groups(self.completed, earlier.completed)?,
            completed_sectors: groups(self.completed_sectors, earlier.completed_sectors)?,
            missed: self.missed.checked_sub(earlier.missed)?,
            // Not a counter: unknown, and so 0, while anything is in flight.
            unseen: self.unseen.saturating_sub(earlier.unseen),
        })
    }
}
