//! The demo: `tunerd` on an emulated hard disk under two workloads that come back, and what came of it.

mod chart;
mod check;
mod live;
mod published;
mod synthetic;

use crate::Context;
use crate::bench::report::Report;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// Options of the demo.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Seconds of each visit; each of two workloads has two
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    pub visit: u64,
    /// Seed of tunerd's random choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Run in virtual time on made-up landscapes, as is done without root
    #[arg(long)]
    pub simulated: bool,
    /// Where the charts go [default: a new directory in that for temporary files]
    #[arg(long, value_name = "DIRECTORY")]
    pub charts: Option<PathBuf>,
}

/// What to do next, for whoever has a disk of their own.
const NEXT: &str =
    "On a real disk: `tunerd doctor` says what works here, `tunerd advise` what to do for each disk.";

impl Options {
    /// The directory of the charts, made.
    fn directory(&self) -> Result<PathBuf> {
        match &self.charts {
            Some(directory) => {
                std::fs::create_dir_all(directory)?;
                Ok(directory.clone())
            }
            None => Ok(tempfile::Builder::new().prefix("tunerd-demo-").tempdir()?.keep()),
        }
    }
}

/// Runs the demo: live as root, else in virtual time.
///
/// # Errors
///
/// Where what it needs cannot be had, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    if options.simulated {
        return synthetic::run(context, options);
    }
    if !rustix::process::geteuid().is_root() {
        context.say(
            "Not root: the demo runs SIMULATED, on a fake kernel with made-up workloads in virtual time.",
        );
        context.say("On an emulated disk under the real kernel's schedulers: sudo make demo");
        return synthetic::run(context, options);
    }
    live::run(context, options)
}
