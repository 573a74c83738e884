//! The last resort: totals, and nothing of single bios.

use crate::totals::{Counted, index_of};
use crate::{Request, Sample, SamplerError, Source, SourceKind};
use block_types::{DevNo, Nanos};
use kernfs::Kernel;
use std::sync::Arc;

/// Totals of diskstats.
#[derive(Debug)]
pub(crate) struct Diskstats {
    disks: Vec<Counted>,
}

impl Diskstats {
    /// Works if every disk's totals can be read.
    pub(crate) fn open(kernel: &Arc<dyn Kernel>, request: &Request) -> Result<Self, SamplerError> {
        Ok(Self { disks: Counted::all(kernel, &request.disks)? })
    }
}

impl Source for Diskstats {
    fn kind(&self) -> SourceKind {
        SourceKind::Diskstats
    }

    fn read(&self, disk: DevNo) -> Result<Sample, SamplerError> {
        let totals = self.disks[index_of(&self.disks, disk)?].read()?;
        Ok(Sample {
            at: totals.at,
            observed: Nanos::ZERO,
            first_bio_at: None,
            bios: None,
            completed: totals.completed,
            latency: None,
            in_flight: totals.in_flight,
            io_ticks: totals.io_ticks,
            time_in_queue: totals.time_in_queue,
            errors: None,
        })
    }

    fn set_active(&self, disk: DevNo, _active: bool) -> Result<(), SamplerError> {
        index_of(&self.disks, disk).map(|_index| ())
    }
}
