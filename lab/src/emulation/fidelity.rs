//! Model against measurement: what a disk model predicts, and what fio finds on the emulated disk through each
//! scheduler.

use super::bench::{SCHEDULERS, attach, offered, settle};
use crate::Context;
use crate::bench::clock::monotonic;
use crate::bench::diskstat::Activity;
use crate::bench::fio::{Engine, Job, Load, Rw};
use crate::bench::report::Report;
use crate::bench::stats::median;
use crate::bench::sysfs::Queue;
use anyhow::{Context as _, Result, ensure};
use block_types::{Bytes, Elevator, Nanos, Sectors};
use clap::Args;
use disk_model::Params;
use disk_model::drive::{Order, Until, Workload, closed_loop};
use emulated_disk::{EmulatedDisk, Model, Spec};
use results::chart::{Axis, CompareChart, CompareRow, Figure, Measured, Scale};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Seconds of each run of fio, after one that is not counted
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// The disks
    #[arg(long, value_name = "MODEL", value_delimiter = ',',
          default_values_t = ["hdd-7200", "sata-ssd", "nvme", "cloud-volume"].map(str::to_owned))]
    pub models: Vec<String>,
    /// Seed of what is random in the models
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Shorter service times drown in the time of the system calls and the kernel's path around them.
const LEAST_SERVICE: Nanos = Nanos(200_000);
/// How far the median latency may be from the model's.
const LATENCY_BOUND_PER_CENT: f64 = 5.0;
const WARM_UP: Duration = Duration::from_secs(1);

/// One pattern of work.
#[derive(Clone, Copy, Debug, Serialize)]
struct Pattern {
    name: &'static str,
    order: PatternOrder,
    read_share: f64,
    block: Bytes,
    depth: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum PatternOrder {
    Sequential,
    Random,
}

const PATTERNS: [Pattern; 7] = {
    const SMALL: Bytes = Bytes(4 << 10);
    const LARGE: Bytes = Bytes(256 << 10);
    const fn random(name: &'static str, read_share: f64, depth: u32) -> Pattern {
        Pattern { name, order: PatternOrder::Random, read_share, block: SMALL, depth }
    }
    const fn sequential(name: &'static str, read_share: f64) -> Pattern {
        Pattern { name, order: PatternOrder::Sequential, read_share, block: LARGE, depth: 4 }
    }
    [
        sequential("sequential reads, 256 KiB, depth 4", 1.0),
        random("random reads, 4 KiB, depth 1", 1.0, 1),
        random("random reads, 4 KiB, depth 4", 1.0, 4),
        random("random reads, 4 KiB, depth 32", 1.0, 32),
        sequential("sequential writes, 256 KiB, depth 4", 0.0),
        random("random writes, 4 KiB, depth 4", 0.0, 4),
        random("70 % reads, random, 4 KiB, depth 32", 0.7, 32),
    ]
};

/// What a run found, or a model foretells.
#[derive(Clone, Copy, Debug, Serialize)]
struct Found {
    iops: f64,
    bytes_per_s: f64,
    /// Of reads, or of writes where there are no reads.
    median_latency_ns: Option<Nanos>,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    model: String,
    pattern: Pattern,
    predicted: Found,
    measured: BTreeMap<Elevator, Found>,
}

impl Row {
    fn differences(&self) -> impl Iterator<Item = (Elevator, f64)> + '_ {
        self.measured.iter().map(|(elevator, found)| (*elevator, per_cent(found.iops, self.predicted.iops)))
    }
}

fn per_cent(found: f64, expected: f64) -> f64 {
    (found / expected - 1.0) * 100.0
}

/// Runs the measurement.
///
/// # Errors
///
/// Where no disk can be emulated, without fio, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    let mut rows = Vec::new();
    for name in &options.models {
        rows.extend(one_disk(context, options, name)?);
    }
    let mut report = Report::new("Emulated disks: the model's prediction and what fio finds");
    tabulate(&mut report, &rows);
    judge(&mut report, &rows);
    report.figure("fidelity", chart(options, &rows)?);
    report.fact("seed", options.seed);
    report.fact("rows", &rows);
    Ok(report)
}

fn one_disk(context: &Context, options: &Options, name: &str) -> Result<Vec<Row>> {
    let params = Params::named(name).with_context(|| format!("there is no disk model called {name:?}"))?;
    // Large enough that the reads of a run do not come by the same place too often; the data are in memory.
    let size = Bytes(if params.traits().rotational { 16 << 30 } else { 4 << 30 });
    let mut spec = Spec::new(Model::named(name)?, size);
    spec.seed = options.seed;
    let mut rows = Vec::new();
    for pattern in PATTERNS {
        let depth = pattern.depth.min(spec.depth());
        let predicted = predict(&params, size, pattern, depth, options)?;
        let mut measured = BTreeMap::new();
        for elevator in SCHEDULERS {
            context.say(&format!("{name}: {}, {elevator}", pattern.name));
            // A new disk each time, as the prediction is for: full caches and spent credits are state that stays.
            let disk = attach(&spec)?;
            if offered(&disk)?.contains(&elevator) {
                let queue = Queue::of(disk.name());
                // Writing the scheduler that is there already would freeze the queue for nothing.
                if queue.get("scheduler")? != elevator.to_string() {
                    queue.set("scheduler", &elevator.to_string())?;
                }
                measured.insert(elevator, measure(context, &disk, pattern, size, options)?);
                settle(context, &disk)?;
            }
            disk.detach()?;
        }
        rows.push(Row { model: name.to_owned(), pattern, predicted, measured });
    }
    Ok(rows)
}

fn predict(params: &Params, size: Bytes, pattern: Pattern, depth: u32, options: &Options) -> Result<Found> {
    let mut disk = params.build(size, options.seed)?;
    let order = match pattern.order {
        PatternOrder::Sequential => Order::Sequential,
        PatternOrder::Random => Order::Random,
    };
    let mut work = Workload::reads(order, pattern.block, depth, size);
    work.read_share = pattern.read_share;
    // As long as fio warms up; the closed loop counts its warming-up in commands.
    let warm_up = closed_loop(disk.as_mut(), &work, Until::Elapsed(WARM_UP.into())).commands;
    let mut disk = params.build(size, options.seed)?;
    work.ramp_commands = warm_up;
    let elapsed = Nanos(options.seconds * Nanos::SECOND.0);
    let report = closed_loop(disk.as_mut(), &work, Until::Elapsed(elapsed));
    ensure!(report.commands > 0, "the model did nothing in {elapsed}");
    let latencies = if pattern.read_share > 0.0 { &report.reads } else { &report.writes };
    Ok(Found {
        iops: report.iops,
        bytes_per_s: report.bytes_per_s,
        median_latency_ns: latencies.quantile(0.5),
    })
}

fn measure(
    context: &Context,
    disk: &EmulatedDisk,
    pattern: Pattern,
    size: Bytes,
    options: &Options,
) -> Result<Found> {
    let rw = match (pattern.order, pattern.read_share) {
        (PatternOrder::Sequential, share) if share > 0.0 => Rw::Read,
        (PatternOrder::Sequential, _) => Rw::Write,
        (PatternOrder::Random, share) if share >= 1.0 => Rw::RandRead,
        (PatternOrder::Random, share) if share > 0.0 => Rw::RandRw,
        (PatternOrder::Random, _) => Rw::RandWrite,
    };
    let job = Job::new("job", rw, pattern.block)
        .engine(Engine::Libaio { depth: pattern.depth })
        .option("size", &size.0.to_string())
        .option("randseed", &options.seed.to_string())
        .option("rwmixread", &format!("{:.0}", pattern.read_share * 100.0))
        .option("norandommap", "1");
    let running = Load::new(disk.path(), [job]).start()?;
    // Rates are the kernel's: at 32 commands that take 200 ms each, how a generator counts those at the ends shows.
    context.interrupt.sleep(WARM_UP)?;
    let (began, before) = (monotonic(), Activity::read(disk.name())?);
    context.interrupt.sleep(Duration::from_secs(options.seconds))?;
    let (ended, after) = (monotonic(), Activity::read(disk.name())?);
    let outcome = running.stop()?;
    let job = outcome.job("job")?;
    let direction = if pattern.read_share > 0.0 { &job.read } else { &job.write };
    let sectors = after.read_sectors + after.write_sectors - before.read_sectors - before.write_sectors;
    let bytes_per_s = Sectors(sectors).bytes().0 as f64 / (ended - began).as_secs_f64();
    Ok(Found {
        iops: bytes_per_s / pattern.block.0 as f64,
        bytes_per_s,
        median_latency_ns: direction.clat_ns.percentile(50.0),
    })
}

fn tabulate(report: &mut Report, rows: &[Row]) {
    let rate = |pattern: Pattern, found: Found| match pattern.order {
        PatternOrder::Sequential => format!("{:.0} MB/s", found.bytes_per_s / 1e6),
        PatternOrder::Random => format!("{:.0} IOPS", found.iops),
    };
    let mut columns = vec!["disk".to_owned(), "work".to_owned(), "model".to_owned()];
    columns.extend(SCHEDULERS.iter().map(ToString::to_string));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    report.table(
        "Rates, and their difference from the model's prediction (which knows no scheduler and no host)",
        &columns,
        rows.iter().map(|row| {
            let mut cells =
                vec![row.model.clone(), row.pattern.name.to_owned(), rate(row.pattern, row.predicted)];
            cells.extend(SCHEDULERS.iter().map(|elevator| {
                row.measured.get(elevator).map_or_else(
                    || "-".to_owned(),
                    |found| {
                        let off = per_cent(found.iops, row.predicted.iops);
                        format!("{} ({off:+.1} %)", rate(row.pattern, *found))
                    },
                )
            }));
            cells
        }),
    );
}

fn judge(report: &mut Report, rows: &[Row]) {
    for elevator in SCHEDULERS {
        let off: Vec<f64> = rows
            .iter()
            .flat_map(Row::differences)
            .filter(|(found, _)| *found == elevator)
            .map(|(_, off)| off.abs())
            .collect();
        if let Some(middle) = median(&off) {
            let worst = off.iter().copied().fold(0.0, f64::max);
            report.note(format!(
                "{elevator}: rates differ from the prediction by {middle:.1} % in the median of {} rows, by {worst:.1} % at most",
                off.len()
            ));
        }
    }
    // Through no scheduler and one at a time nothing but the disk decides how long a command takes.
    for row in rows.iter().filter(|row| row.pattern.depth == 1) {
        let (Some(expected), Some(found)) = (
            row.predicted.median_latency_ns,
            row.measured.get(&Elevator::None).and_then(|found| found.median_latency_ns),
        ) else {
            continue;
        };
        let off = per_cent(found.0 as f64, expected.0 as f64);
        let text = format!("{found} of {expected} ({off:+.1} %)");
        if expected < LEAST_SERVICE {
            report.note(format!("{}: median latency at depth 1: {text}", row.model));
        } else {
            report.verdict(
                &format!("{}: median latency at depth 1", row.model),
                format!("within {LATENCY_BOUND_PER_CENT} % of the model's"),
                text,
                off.abs() <= LATENCY_BOUND_PER_CENT,
            );
        }
    }
}

fn chart(options: &Options, rows: &[Row]) -> Result<Figure> {
    let row = |row: &Row| CompareRow {
        label: format!("{}: {}", row.model, row.pattern.name),
        predicted: Some(row.predicted.iops),
        measured: row
            .measured
            .iter()
            .map(|(elevator, found)| Measured { series: elevator.to_string(), value: Some(found.iops) })
            .collect(),
    };
    let chart = CompareChart {
        title: "Emulated disks: what the model foretells and what fio finds".to_owned(),
        subtitle: "through each of the kernel's schedulers".to_owned(),
        predicted_name: "the model alone".to_owned(),
        axis: Axis::new("I/Os", "per s", Scale::Log10),
        rows: rows.iter().map(row).collect(),
        notes: vec![format!("Runs of {} s each, seed {}.", options.seconds, options.seed)],
    };
    Ok(chart.figure()?)
}
