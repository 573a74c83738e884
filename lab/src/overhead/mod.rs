//! What sampling costs: inside one running load, between whole runs, and while nothing happens.

mod abba;
mod footprint;
mod runs;
mod tracers;

use crate::Context;
use crate::bench::fio::{Engine, Job, Load, Rw};
use crate::bench::loopdev::{Backing, LoopDevice, LoopSpec};
use crate::bench::processor::OneProcessor;
use crate::bench::report::Report;
use crate::bench::tunerd::Tunerd;
use anyhow::{Result, ensure};
use block_types::Bytes;
use clap::Args;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Blocks of 100 ms inside the running load, for each way of sampling
    #[arg(long, default_value_t = 1_200, value_parser = clap::value_parser!(u64).range(8..=100_000))]
    pub blocks: u64,
    /// Run the load of the blocks and the loop driver's workers on one processor, where no cost hides in waiting;
    /// confines the kernel's unbound workqueues for that time
    #[arg(long)]
    pub one_processor: bool,
    /// Seed of the coins that order the blocks and the runs
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Whole runs of each arm
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(0..=1_000))]
    pub runs: u64,
    /// Seconds of each whole run
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(2..=3_600))]
    pub run_seconds: u64,
    /// Windows that tunerd sees before its memory is looked at: an hour has 14,400 of 250 ms; 0 leaves it out
    #[arg(long, default_value_t = 14_400)]
    pub windows: u64,
    /// Seconds for which tunerd watches an idle device; 0 leaves it out
    #[arg(long, default_value_t = 60)]
    pub idle_seconds: u64,
}

/// Below this the load is not the one that the bounds are for.
const LEAST_IOPS: f64 = 400_000.0;

/// Runs the measurement.
///
/// # Errors
///
/// Where a loop device, fio, BPF or `tunerd` cannot be had, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    ensure!(options.idle_seconds <= 86_400, "--idle-seconds: expected at most 86400");
    let spec = LoopSpec { size: Bytes(1 << 30), backing: Backing::Memory, tag_depth: None, allocated: true };
    let device = LoopDevice::make(&spec)?;
    let tunerd = Tunerd::find(context.tunerd.as_deref(), device.directory())?;
    let mut report = Report::new("What sampling costs");
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let confined = if options.one_processor { Some(OneProcessor::confine()?) } else { None };
    let load = fast_reads(&device, confined.as_ref());
    abba::measure(context, options, &device, &load, &mut report, &mut rng)?;
    drop(confined);
    report.fact("one_processor", options.one_processor);
    report.fact("seed", options.seed);
    if options.runs > 0 {
        runs::measure(context, options, &device, &tunerd, &mut report, &mut rng)?;
    }
    footprint::measure(context, options, &device, &tunerd, &mut report)?;
    Ok(report)
}

/// 4 KiB random reads by io_uring as fast as they go: the load under which a nanosecond an I/O shows most.
fn fast_reads(device: &LoopDevice, confined: Option<&OneProcessor>) -> Load {
    let job = Job::new("reads", Rw::RandRead, Bytes(4 << 10))
        .engine(Engine::IoUring { depth: 128, batch: 32 })
        .confined_to(confined);
    Load::new(device.path(), [job])
}
