//! The arguments of `tunerd ab` and `tunerd advise`.

use super::{DeviceArg, JsonArg, PathArgs, Roots, run};
use crate::ab::parse_setting;
use crate::config::Objective;
use block_types::{Nanos, Setting};
use clap::Args;
use sampler::SourceChoice;
use std::path::PathBuf;

/// `tunerd ab`.
///
/// Slices of both settings alternate in pairs whose order a coin decides. A guard takes a harmful setting back within a
/// second of its being in force; a knob that drains the queue (scheduler, nr_requests, max_sectors_kb, wbt_lat_usec)
/// takes as long as that takes. Everything is put back at the end, however that comes; after SIGKILL `tunerd restore`
/// does it. What --against names is what one compares with, and not under guard.
///
/// With --json, one object a line: {"event": "pair", …} for each pair, and {"event": "result", …} last.
#[derive(Clone, Debug, Args)]
pub struct AbArgs {
    /// The disk.
    #[command(flatten)]
    pub device: DeviceArg,
    /// A knob's value that is tried, such as fifo_batch=1 or scheduler=bfq; may be given several times
    #[arg(long = "set", value_name = "KNOB=VALUE", required = true, num_args = 1.., value_parser = parse_setting)]
    pub set: Vec<Setting>,
    /// What it is compared with; may be given several times [default: the settings in force]
    #[arg(long, value_name = "KNOB=VALUE", num_args = 1.., value_parser = parse_setting)]
    pub against: Vec<Setting>,
    /// What is to be improved
    #[arg(long, value_enum, default_value_t = Objective::Balanced)]
    pub objective: Objective,
    /// How long at most, such as 10m
    #[arg(long = "for", value_name = "DURATION", value_parser = run::duration, default_value = "10m")]
    pub duration: Nanos,
    /// Go on until there is a verdict
    #[arg(long, conflicts_with = "duration")]
    pub until_decided: bool,
    /// How long each slice is scored
    #[arg(long, value_name = "DURATION", value_parser = run::duration, default_value = "4s")]
    pub slice: Nanos,
    /// Settle for exactly so long before each slice [default: 2s and 500 completions, at most 10s]
    #[arg(long, value_name = "DURATION", value_parser = run::duration)]
    pub settle: Option<Nanos>,
    /// Slices of what it is compared with, from which the guard learns first
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub baseline: u32,
    /// Wait for work, and for work that is of one piece, as long as it takes
    #[arg(long)]
    pub wait: bool,
    /// Seed of the order [default: a fresh one]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Write a page with charts to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Where the daemon's journals and locks are.
    #[command(flatten)]
    pub paths: PathArgs,
    /// The trees that stand for the kernel.
    #[command(flatten)]
    pub roots: Roots,
    /// Output for programs.
    #[command(flatten)]
    pub json: JsonArg,
}

/// `tunerd advise`.
#[derive(Clone, Debug, Args)]
pub struct AdviseArgs {
    /// The disk.
    #[command(flatten)]
    pub device: DeviceArg,
    /// How long to watch
    #[arg(long = "for", value_name = "DURATION", value_parser = run::duration, default_value = "60s")]
    pub duration: Nanos,
    /// Where samples come from: auto, bpf, tracefs or diskstats
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    pub source: SourceChoice,
    /// The trees that stand for the kernel.
    #[command(flatten)]
    pub roots: Roots,
    /// Output for programs.
    #[command(flatten)]
    pub json: JsonArg,
}
