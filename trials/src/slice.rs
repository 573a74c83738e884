//! What was measured in one slice, and when a slice must not be scored.

use block_types::{Bytes, LatencyHistogram, Nanos};
use serde::{Deserialize, Serialize};

/// Requests that were submitted and not yet completed at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// How many.
    pub count: u64,
    /// The sum of their ages.
    pub age_sum: Nanos,
    /// The age of the oldest.
    pub oldest: Nanos,
}

/// What was measured in one slice, after its settling time.
///
/// A slice answers for what was submitted in it: the caller drains the queue before the slice, or charges each
/// completion to the slice of its submission. Otherwise one arm pays for the other's requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// How long it was.
    pub elapsed: Nanos,
    /// The growth of the disk's `io_ticks` (`/proc/diskstats`, field 10): time with at least one request in
    /// flight. `None` where it could not be read.
    pub busy: Option<Nanos>,
    /// The growth of the disk's weighted time in queue (`/proc/diskstats`, field 11): the sum over all requests
    /// of the time they were in flight. `None` where it could not be read.
    pub queued: Option<Nanos>,
    /// Bios that arrived.
    pub arrivals: u64,
    /// Bytes completed, reads and writes.
    pub completed: Bytes,
    /// Whether somebody waits for nearly all of what was asked of the disk: reads and synchronous writes.
    pub all_waited_for: bool,
    /// Bio-to-completion latency of synchronous data bios: reads, and writes that somebody waits for.
    pub sync: LatencyHistogram,
    /// Bio-to-completion latency of reads alone.
    pub reads: LatencyHistogram,
    /// The synchronous data bios still in flight at the end.
    pub sync_in_flight: InFlight,
    /// The reads still in flight at the end.
    pub reads_in_flight: InFlight,
    /// All requests still in flight at the end, asynchronous writes too.
    pub in_flight: InFlight,
}

impl Slice {
    /// Whether the slice holds nothing to score: no arrivals, nothing completed and nothing in flight.
    ///
    /// Few completions with requests in flight are no void: a setting that starves looks just so.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.arrivals == 0
            && self.completed == Bytes::ZERO
            && self.in_flight.count == 0
            && self.sync_in_flight.count == 0
    }

    /// The share of the time with a request in flight, 0‥1.
    #[must_use]
    pub fn busy_share(&self) -> Option<f64> {
        let busy = self.busy?;
        (self.elapsed > Nanos::ZERO).then(|| (busy.0 as f64 / self.elapsed.0 as f64).min(1.0))
    }

    /// The mean number of requests in flight, by Little's law.
    #[must_use]
    pub fn mean_queue(&self) -> Option<f64> {
        let queued = self.queued?;
        (self.elapsed > Nanos::ZERO).then(|| queued.0 as f64 / self.elapsed.0 as f64)
    }
}

/// Why a slice is not scored. No setting of a queue can cause any of these: otherwise a bad setting could hide
/// behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Void {
    /// No arrivals and nothing in flight.
    Idle,
    /// The workload changed inside the slice.
    FingerprintChanged,
    /// The machine slept inside the slice.
    Suspended,
    /// Somebody else wrote a knob.
    ForeignWrite,
    /// The device reported an error.
    DeviceError,
}

/// How many slices were measured and how many were void, by reason. Voids are shown, never scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoidCounts {
    /// Slices with something in them, among them those that voided or silent pairs threw away.
    pub measured: u64,
    /// [`Void::Idle`].
    pub idle: u64,
    /// [`Void::FingerprintChanged`].
    pub fingerprint_changed: u64,
    /// [`Void::Suspended`].
    pub suspended: u64,
    /// [`Void::ForeignWrite`].
    pub foreign_write: u64,
    /// [`Void::DeviceError`].
    pub device_error: u64,
}

impl VoidCounts {
    /// Counts a void slice.
    pub const fn count(&mut self, void: Void) {
        let counter = match void {
            Void::Idle => &mut self.idle,
            Void::FingerprintChanged => &mut self.fingerprint_changed,
            Void::Suspended => &mut self.suspended,
            Void::ForeignWrite => &mut self.foreign_write,
            Void::DeviceError => &mut self.device_error,
        };
        *counter += 1;
    }

    /// All void slices.
    #[must_use]
    pub const fn voids(&self) -> u64 {
        self.idle + self.fingerprint_changed + self.suspended + self.foreign_write + self.device_error
    }

    /// The share of void slices among all, 0‥1; `None` before the first slice.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        let all = self.measured + self.voids();
        (all > 0).then(|| self.voids() as f64 / all as f64)
    }
}
