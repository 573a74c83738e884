//! What an emulated disk did, and how well it kept time.

use block_types::{LatencyHistogram, Nanos};
use serde::{Deserialize, Serialize};

/// Counts since the disk was attached; they only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Reads answered.
    pub reads: u64,
    /// Writes answered.
    pub writes: u64,
    /// Flushes answered.
    pub flushes: u64,
    /// Discards and zeroed ranges answered.
    pub discards: u64,
    /// Those of the above that were answered with an error.
    pub errors: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Bytes discarded or zeroed.
    pub discard_bytes: u64,
    /// In flight now.
    pub in_flight: u64,
    /// Processor time of the process that serves the disk.
    pub cpu_ns: u64,
    /// Bytes that the data take up in the backing file system now.
    pub allocated_bytes: u64,
    /// How much earlier than the model's disk answers leave.
    pub lead_ns: u64,
    /// How much later than planned each answer left.
    pub lateness: LatencyHistogram,
    /// How long each command was in the emulator.
    pub service: LatencyHistogram,
}

impl Stats {
    /// Commands answered.
    #[must_use]
    pub const fn commands(&self) -> u64 {
        self.reads + self.writes + self.flushes + self.discards
    }

    /// What happened since `earlier`; `None` where the two are not of the same disk. What is no count
    /// (`in_flight`, `allocated_bytes`, `lead_ns`) is as it is in `self`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        Some(Self {
            reads: self.reads.checked_sub(earlier.reads)?,
            writes: self.writes.checked_sub(earlier.writes)?,
            flushes: self.flushes.checked_sub(earlier.flushes)?,
            discards: self.discards.checked_sub(earlier.discards)?,
            errors: self.errors.checked_sub(earlier.errors)?,
            read_bytes: self.read_bytes.checked_sub(earlier.read_bytes)?,
            write_bytes: self.write_bytes.checked_sub(earlier.write_bytes)?,
            discard_bytes: self.discard_bytes.checked_sub(earlier.discard_bytes)?,
            in_flight: self.in_flight,
            cpu_ns: self.cpu_ns.checked_sub(earlier.cpu_ns)?,
            allocated_bytes: self.allocated_bytes,
            lead_ns: self.lead_ns,
            lateness: self.lateness.since(&earlier.lateness)?,
            service: self.service.since(&earlier.service)?,
        })
    }

    /// Processor time of the serving process to each command; `None` where there was none.
    #[must_use]
    pub fn cpu_per_command(&self) -> Option<Nanos> {
        self.cpu_ns.checked_div(self.commands()).map(Nanos)
    }
}
