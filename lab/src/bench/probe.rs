//! The sampler in this process, on a device of our own.

use crate::bench::loopdev::LoopDevice;
use crate::bench::sysfs;
use anyhow::{Context, Result};
use block_types::DevNo;
use kernfs::{Kernel, RealKernel, Roots};
use sampler::{Duty, Request, Sample, Source, SourceChoice, Watched};
use std::sync::Arc;

/// A source that watches one loop device, by BPF.
#[derive(Debug)]
pub struct Probe {
    source: Arc<dyn Source>,
    device: DevNo,
}

impl Probe {
    /// Opens one; latencies are taken as `tunerd` takes them by default.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses BPF: what is measured here is that source.
    pub fn open(device: &LoopDevice, duty: Duty) -> Result<Self> {
        let number: DevNo = sysfs::read(&format!("block/{}/dev", device.name()))?.parse()?;
        let kernel: Arc<dyn Kernel> = Arc::new(RealKernel::new(Roots::live()));
        let mut request = Request::new([Watched::new(device.name(), number)]);
        request.choice = SourceChoice::Bpf;
        request.duty = duty;
        let opened = sampler::open(&kernel, &request).context("cannot open the BPF source")?;
        Ok(Self { source: opened.source, device: number })
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> &dyn Source {
        self.source.as_ref()
    }

    /// The device's number.
    #[must_use]
    pub const fn device(&self) -> DevNo {
        self.device
    }

    /// What it has counted.
    ///
    /// # Errors
    ///
    /// What reading met.
    pub fn read(&self) -> Result<Sample> {
        Ok(self.source.read(self.device)?)
    }
}
