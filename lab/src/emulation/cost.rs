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
/// How far the median latency of a disk that always takes the same time may be from that time.
const MEDIAN_BOUND_PER_CENT: f64 = 5.0;

/// One disk at one depth.
struct Case {
    name: &'static str,
    model: Model,
    depth: u32,
}

fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (name, depth) in [("instant", 1), ("instant", 4), ("instant", 32), ("nvme", 1), ("nvme", 32)] {
        cases.push(Case { name, model: Model::named(name)?, depth });
    }
    for (name, time) in [("200 µs", 200_000), ("1 ms", 1_000_000), ("10 ms", 10_000_000)] {
        for depth in [1, 8] {
            cases.push(Case { name, model: Model::Fixed(Nanos(time)), depth });
        }
    }
    Ok(cases)
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Cost {
    iops: f64,
    mean_ns: Option<Nanos>,
    median_ns: Option<Nanos>,
    p99_ns: Option<Nanos>,
    /// How much later than planned answers left.
    lateness_p99_ns: Option<Nanos>,
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
    for case in cases()? {
        context.say(&format!("{}, depth {}", case.name, case.depth));
        let cost = one(context, options, &case)?;
        report.fact(&format!("{}_depth_{}", case.name.replace(' ', "_"), case.depth), cost);
        rows.push((case, cost));
    }
    let shown = |time: Option<Nanos>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    report.table(
        "The model called instant takes no time, so that what is left is the path there and back; those called by a time \
         take it for every command",
        &["model", "depth", "IOPS", "mean", "median", "p99", "late, p99", "server, a command", "server, of a processor"],
        rows.iter().map(|(case, cost)| {
            [
                case.name.to_owned(),
                case.depth.to_string(),
                format!("{:.0}", cost.iops),
                shown(cost.mean_ns),
                shown(cost.median_ns),
                shown(cost.p99_ns),
                shown(cost.lateness_p99_ns),
                format!("{:.1} µs", cost.server_ns_per_command / 1e3),
                format!("{:.0} %", cost.server_share * 100.0),
            ]
        }),
    );
    for (case, cost) in &rows {
        if let (Model::Fixed(time), Some(median)) = (&case.model, cost.median_ns) {
            let off = (median.0 as f64 / time.0 as f64 - 1.0) * 100.0;
            report.verdict(
                &format!("median latency of a disk of {time} at depth {}", case.depth),
                format!("within {MEDIAN_BOUND_PER_CENT} %"),
                format!("{median} ({off:+.1} %)"),
                off.abs() <= MEDIAN_BOUND_PER_CENT,
            );
        }
    }
    if let Some((_, cost)) = rows.iter().find(|(case, _)| (case.name, case.depth) == ("nvme", 32)) {
        report.verdict(
            "IOPS of the nvme model at depth 32",
            format!("≥ {NVME_BOUND_IOPS:.0}"),
            format!("{:.0}", cost.iops),
            cost.iops >= NVME_BOUND_IOPS,
        );
    }
    Ok(report)
}

fn one(context: &Context, options: &Options, case: &Case) -> Result<Cost> {
    let depth = case.depth;
    let mut spec = Spec::new(case.model.clone(), Bytes(4 << 30));
    spec.queue_depth = Some(emulated_disk::LOOP_DEPTH);
    let disk = attach(&spec)?;
    let queue = Queue::of(disk.name());
    if queue.get("scheduler")? != "none" {
        queue.set("scheduler", "none")?;
    }
    let job = Job::new("job", Rw::RandRead, Bytes(4 << 10))
        // A busy program hands over several at a time; one that is timed must not wait for others to be complete.
        .engine(match &case.model {
            Model::Disk { .. } if depth > 1 => Engine::IoUring { depth, batch: depth.div_ceil(4) },
            _ => Engine::Libaio { depth },
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
        lateness_p99_ns: served.lateness.quantile(0.99),
        server_ns_per_command: served.cpu_ns as f64 / served.commands().max(1) as f64,
        server_share: served.cpu_ns as f64 / seconds.as_nanos() as f64,
    };
    disk.detach()?;
    Ok(cost)
}
