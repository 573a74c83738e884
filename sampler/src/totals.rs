//! What the kernel counts anyway: the diskstats of one disk.

use crate::clock::monotonic;
use crate::{Completed, InFlight, SamplerError, Watched};
use block_types::Nanos;
use kernfs::{Disk, Kernel};
use std::sync::Arc;

/// Where a disk's totals are read.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    watched: Watched,
    disk: Disk,
}

/// Totals of one disk since it appeared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    /// When they were read.
    pub(crate) at: Nanos,
    pub(crate) completed: Completed,
    pub(crate) in_flight: InFlight,
    pub(crate) io_ticks: Nanos,
    pub(crate) time_in_queue: Nanos,
}

impl Counted {
    /// All disks of a request; fails unless each is there.
    pub(crate) fn all(kernel: &Arc<dyn Kernel>, disks: &[Watched]) -> Result<Vec<Self>, SamplerError> {
        disks
            .iter()
            .map(|watched| {
                let disk = Disk::open(Arc::clone(kernel), &watched.name)?;
                let counted = Self { watched: watched.clone(), disk };
                counted.read()?;
                Ok(counted)
            })
            .collect()
    }

    /// The disk as the caller named it.
    pub(crate) const fn watched(&self) -> &Watched {
        &self.watched
    }

    /// Reads the totals.
    pub(crate) fn read(&self) -> Result<Totals, SamplerError> {
        let gone = || SamplerError::Gone { disk: self.watched.dev, name: self.watched.name.clone() };
        let or_gone = |error| {
            if self.disk.is_present() { SamplerError::Kernel(error) } else { gone() }
        };
        let stats = self.disk.stats().map_err(or_gone)?;
        // Another disk may have taken the name.
        if stats.dev != self.watched.dev {
            return Err(gone());
        }
        let in_flight = self.disk.in_flight().map_err(or_gone)?;
        Ok(Totals {
            at: monotonic(),
            completed: Completed {
                reads: stats.reads,
                writes: stats.writes,
                discards: stats.discards.map_or(0, |discards| discards.count),
                flushes: stats.flushes.map_or(0, |flushes| flushes.count),
                read_sectors: stats.read_sectors.0,
                write_sectors: stats.write_sectors.0,
                read_time: Nanos::from_millis(stats.read_ms),
                write_time: Nanos::from_millis(stats.write_ms),
            },
            in_flight: InFlight {
                reads: in_flight.reads,
                writes: in_flight.writes,
                held: stats.in_flight,
                ..InFlight::default()
            },
            io_ticks: Nanos::from_millis(stats.io_ticks_ms),
            time_in_queue: Nanos::from_millis(stats.weighted_ms),
        })
    }
}

/// The place of a disk among those that a source was opened for.
pub(crate) fn index_of(disks: &[Counted], disk: block_types::DevNo) -> Result<usize, SamplerError> {
    disks.iter().position(|counted| counted.watched.dev == disk).ok_or(SamplerError::UnknownDisk { disk })
}
