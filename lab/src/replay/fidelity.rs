//! How well the simulated block layer foretells the kernel's.

use super::kernel::{self, KernelOptions};
use crate::Context;
use crate::bench::report::Report;
use anyhow::Result;
use clap::Args;

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The kernel's half.
    #[command(flatten)]
    pub kernel: KernelOptions,
}

/// Runs the measurement.
///
/// # Errors
///
/// Where no disk can be emulated, without fio, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    let cells = kernel::measure(context, &options.kernel)?;
    let mut report = Report::new("The simulated block layer and the kernel's");
    report.fact("cells", &cells);
    Ok(report)
}
