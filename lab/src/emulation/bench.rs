//! What the experiments on emulated disks share.

use crate::Context;
use crate::bench::diskstat::Activity;
use anyhow::{Context as _, Result, ensure};
use block_types::Elevator;
use emulated_disk::{EmulatedDisk, Spec};
use kernfs::{Disk, Kernel, RealKernel, Roots};
use std::sync::Arc;
use std::time::Duration;

/// The schedulers of Linux' block layer, in the order of the tables.
pub(super) const SCHEDULERS: [Elevator; 4] =
    [Elevator::None, Elevator::MqDeadline, Elevator::Kyber, Elevator::Bfq];

/// Attaches a disk, or says what is missing.
pub(crate) fn attach(spec: &Spec) -> Result<EmulatedDisk> {
    EmulatedDisk::attach(spec).context("cannot attach an emulated disk")
}

/// The schedulers that this disk is offered.
pub(super) fn offered(disk: &EmulatedDisk) -> Result<Vec<Elevator>> {
    let kernel: Arc<dyn Kernel> = Arc::new(RealKernel::new(Roots::live()));
    let known = Disk::open(kernel, disk.name())?.scheduler()?.known();
    Ok(SCHEDULERS.into_iter().filter(|elevator| known.contains(elevator)).collect())
}

/// Waits until nothing completes any more, a write cache being emptied included as far as the kernel knows of it.
pub(super) fn settle(context: &Context, disk: &EmulatedDisk) -> Result<()> {
    let mut before = Activity::read(disk.name())?;
    let idle = context.interrupt.wait_until(Duration::from_secs(60), Duration::from_millis(200), || {
        let now = Activity::read(disk.name())?;
        let same = now == before && now.in_flight == 0;
        before = now;
        Ok(same)
    })?;
    ensure!(idle, "{} does not fall idle", disk.name());
    Ok(())
}
