//! The one trait behind which the sources stand.

use crate::{ExactCounters, ProbeCost, Sample, SamplerError, SourceKind};
use block_types::{DevNo, Nanos};
use std::fmt::Debug;

/// How probing runs right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probing {
    /// Not at all: a probe looks at a flag and returns.
    Off,
    /// All the time, whatever the rate.
    Continuous,
    /// For a share of the time, whatever the rate.
    Cycle,
    /// As the request's [`Duty`](crate::Duty) says; the state after opening.
    Auto,
}

/// A live source of samples for the disks that it was opened for.
///
/// Methods are cheap (tens of microseconds) and may be called from any thread.
pub trait Source: Send + Sync + Debug {
    /// Which kind this is.
    fn kind(&self) -> SourceKind;

    /// Cumulative counts since the source was opened. To be called at 4 to 20 Hz for a disk in use: the rate
    /// that a duty cycle goes by is measured between calls.
    ///
    /// # Errors
    /// [`SamplerError::UnknownDisk`] for a disk that the source was not opened for, [`SamplerError::Gone`] for
    /// one that has left the machine, or what reading met.
    fn read(&self, disk: DevNo) -> Result<Sample, SamplerError>;

    /// Says whether a disk is in use. While none is, probes are detached and cost nothing at all; totals go on.
    /// All are active after opening.
    ///
    /// # Errors
    /// [`SamplerError::UnknownDisk`], or what attaching met.
    fn set_active(&self, disk: DevNo, active: bool) -> Result<(), SamplerError>;

    /// Begins a measurement: from `at` (`CLOCK_MONOTONIC`) on, latencies are charged to who submitted the bio. One that
    /// was submitted before and completes later is counted as [carried](crate::Latencies::carried) and in no other
    /// histogram; one that does not complete has its age from `at` on. While a mark stands the disk is probed all the
    /// time, whatever its rate, so that what is in flight at the end is known. `None` takes the mark away.
    ///
    /// A source without latencies has nothing to charge and does nothing.
    ///
    /// # Errors
    /// [`SamplerError::UnknownDisk`], or what switching met.
    fn mark(&self, disk: DevNo, at: Option<Nanos>) -> Result<(), SamplerError> {
        let _ = (disk, at);
        Ok(())
    }

    /// Overrides when probing runs, for measurements of what it costs. Takes microseconds. Does nothing for sources
    /// without probes.
    ///
    /// # Errors
    /// What switching met.
    fn set_probing(&self, probing: Probing) -> Result<(), SamplerError> {
        let _ = probing;
        Ok(())
    }

    /// Turns the kernel's accounting of probe run time on or off. It costs 20 to 30 ns a call of any BPF program
    /// on the machine, so it is off after opening. Does nothing for sources without probes.
    ///
    /// # Errors
    /// What switching met.
    fn set_cost_accounting(&self, on: bool) -> Result<(), SamplerError> {
        let _ = on;
        Ok(())
    }

    /// What probing cost while accounting was on, per probe in sum; `None` where it never was.
    fn cost(&self) -> Option<ProbeCost> {
        None
    }

    /// The same, probe by probe and whether or not accounting was on; empty for sources without probes.
    fn cost_by_probe(&self) -> Vec<(String, ProbeCost)> {
        Vec::new()
    }

    /// Exact accounting; `None` unless the source was opened with [`Duty::Continuous`](crate::Duty) and
    /// can do it.
    ///
    /// # Errors
    /// As [`Source::read`].
    fn exact(&self, disk: DevNo) -> Result<Option<ExactCounters>, SamplerError> {
        let _ = disk;
        Ok(None)
    }

    /// What the running kernel lacks, for people; empty where it has everything.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}
