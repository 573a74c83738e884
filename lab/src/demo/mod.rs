//! The demo: `tunerd` tunes a loop device under alternating workloads, and what came of it.

mod check;
mod live;
mod story;
mod synthetic;

use crate::Context;
use crate::bench::report::Report;
use anyhow::Result;
use clap::Args;

/// Options of the demo.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// How long tunerd runs, s
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u64).range(30..=86_400))]
    pub seconds: u64,
    /// Visits of the workloads in that time
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(2..=1_000))]
    pub visits: u32,
    /// Seed of tunerd's random choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Run on the fake kernel with a synthetic workload, as is done without root
    #[arg(long)]
    pub simulated: bool,
}

/// Runs the demo: live as root, else simulated.
///
/// # Errors
///
/// Where what it needs cannot be had, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    if options.simulated {
        return synthetic::run(context, options);
    }
    if !rustix::process::geteuid().is_root() {
        context.say("Not root: the demo runs SIMULATED, on a fake kernel with a made-up workload.");
        context.say("On a real loop device: sudo make demo");
        return synthetic::run(context, options);
    }
    live::run(context, options)
}
