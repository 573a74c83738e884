//! What the emulation itself costs: an emulated disk whose model takes no time.

use super::bench::{attach, settle};
use crate::Context;
use crate::bench::fio::{Engine, Job, Load, Rw};
use crate::bench::report::Report;
use crate::bench::sysfs::Queue;
use anyhow::{Context as _, Result};
use block_types::{Bytes, Nanos};
use clap::Args;
use emulated_disk::{Model, Spec};
use serde::Serialize;
use std::time::Duration;

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Seconds of each run
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
}

/// What the `nvme` model must reach at depth 32.
const NVME_BOUND_IOPS: f64 = 100_000.0;

#[derive(Clone, Copy, Debug, Serialize)]
struct Cost {
    iops: f64,
    mean_ns: Option<Nanos>,
    median_ns: Option<Nanos>,
    p99_ns: Option<Nanos>,
    /// Processor time of the serving process for each command.
    server_ns_per_command: f64,
    /// Share of one processor that the serving process took.
    server_share: f64,
}

/// Runs the measurement.
///
/// # Errors
///
/// Where no disk can be emulated, without fio, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    let mut report = Report::new("What the emulation of a disk costs (4 KiB random reads, no scheduler)");
    let mut rows = Vec::new();
    for (model, depth) in [("instant", 1), ("instant", 4), ("instant", 32), ("nvme", 1), ("nvme", 32)] {
        context.say(&format!("{model}, depth {depth}"));
        let cost = one(context, options, model, depth)?;
        report.fact(&format!("{model}_depth_{depth}"), cost);
        rows.push((model, depth, cost));
    }
    let shown = |time: Option<Nanos>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    report.table(
        "The model called instant takes no time: what is left is the path there and back",
        &["model", "depth", "IOPS", "mean", "median", "p99", "server, a command", "server, of one processor"],
        rows.iter().map(|(model, depth, cost)| {
            [
                (*model).to_owned(),
                depth.to_string(),
                format!("{:.0}", cost.iops),
                shown(cost.mean_ns),
                shown(cost.median_ns),
                shown(cost.p99_ns),
                format!("{:.1} µs", cost.server_ns_per_command / 1e3),
                format!("{:.0} %", cost.server_share * 100.0),
            ]
        }),
    );
    if let Some((.., cost)) = rows.iter().find(|(model, depth, _)| (*model, *depth) == ("nvme", 32)) {
        report.verdict(
            "IOPS of the nvme model at depth 32",
            format!("≥ {NVME_BOUND_IOPS:.0}"),
            format!("{:.0}", cost.iops),
            cost.iops >= NVME_BOUND_IOPS,
        );
    }
    Ok(report)
}

fn one(context: &Context, options: &Options, model: &str, depth: u32) -> Result<Cost> {
    let mut spec = Spec::new(Model::named(model)?, Bytes(4 << 30));
    spec.queue_depth = Some(emulated_disk::LOOP_DEPTH);
    let disk = attach(&spec)?;
    let queue = Queue::of(disk.name());
    if queue.get("scheduler")? != "none" {
        queue.set("scheduler", "none")?;
    }
    let job = Job::new("job", Rw::RandRead, Bytes(4 << 10))
        .engine(if depth == 1 {
            Engine::Psync
        } else {
            // As a busy program does it: several at a time.
            Engine::IoUring { depth, batch: depth.div_ceil(4) }
        })
        .runtime(Duration::from_secs(options.seconds))
        .option("ramp_time", "1")
        .option("norandommap", "1");
    let load = Load::new(disk.path(), [job]);
    let before = disk.stats()?;
    let outcome = load.run(&context.interrupt)?;
    settle(context, &disk)?;
    let served = disk.stats()?.since(&before).context("a counter of the emulator went backwards")?;
    let job = outcome.job("job")?;
    let seconds = Duration::from_secs(options.seconds + 1);
    let cost = Cost {
        iops: job.read.iops,
        mean_ns: job.read.clat_ns.mean(),
        median_ns: job.read.clat_ns.percentile(50.0),
        p99_ns: job.read.clat_ns.percentile(99.0),
        server_ns_per_command: served.cpu_ns as f64 / served.commands().max(1) as f64,
        server_share: served.cpu_ns as f64 / seconds.as_nanos() as f64,
    };
    disk.detach()?;
    Ok(cost)
}
