//! How much a scheduler's settings matter: readers against a random writer on an emulated disk whose own queue is so
//! short that the scheduler decides.

use super::bench::{attach, settle};
use crate::Context;
use crate::bench::fio::{Engine, Job, Load, Rw};
use crate::bench::report::Report;
use crate::bench::stats::{mean, median};
use crate::bench::sysfs::Queue;
use anyhow::{Context as _, Result, ensure};
use block_types::{Bytes, Elevator, Knob, Nanos};
use clap::Args;
use emulated_disk::{EmulatedDisk, Model, Spec};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use results::chart::{Axis, Emphasis, Figure, RangeChart, RangeRow, Scale};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Seconds of each run, after two that are not counted
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=600))]
    pub seconds: u64,
    /// Runs of each setting
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub rounds: u64,
    /// The disk
    #[arg(long, default_value = "hdd-7200")]
    pub model: String,
    /// How many commands the disk takes at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(4..=128))]
    pub queue_depth: u32,
    /// Seed of the order of the runs, and of what is random in the model
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// A scheduler with what differs from its defaults.
struct Setting {
    elevator: Elevator,
    knobs: &'static [(Knob, u64)],
}

const fn setting(elevator: Elevator, knobs: &'static [(Knob, u64)]) -> Setting {
    Setting { elevator, knobs }
}

/// Defaults, and for each scheduler the ends of what its knobs do for readers and for writers.
const SETTINGS: [Setting; 17] = {
    use Elevator::{Bfq, Kyber, MqDeadline, None};
    use Knob::{
        FifoBatch, LowLatency, ReadExpire, ReadLatNsec, SliceIdleUs, TimeoutSync, WriteExpire, WriteLatNsec,
        WritesStarved,
    };
    [
        setting(None, &[]),
        setting(MqDeadline, &[]),
        setting(MqDeadline, &[(FifoBatch, 1)]),
        setting(MqDeadline, &[(FifoBatch, 128)]),
        setting(MqDeadline, &[(ReadExpire, 20)]),
        setting(MqDeadline, &[(WritesStarved, 16)]),
        setting(MqDeadline, &[(WritesStarved, 16), (WriteExpire, 20_000), (FifoBatch, 1)]),
        setting(MqDeadline, &[(WriteExpire, 100), (FifoBatch, 64)]),
        setting(Kyber, &[]),
        setting(Kyber, &[(ReadLatNsec, 50_000), (WriteLatNsec, 200_000)]),
        setting(Kyber, &[(ReadLatNsec, 50_000_000), (WriteLatNsec, 200_000_000)]),
        setting(Kyber, &[(ReadLatNsec, 50_000), (WriteLatNsec, 200_000_000)]),
        setting(Bfq, &[]),
        setting(Bfq, &[(LowLatency, 0)]),
        setting(Bfq, &[(SliceIdleUs, 0)]),
        setting(Bfq, &[(SliceIdleUs, 0), (LowLatency, 0)]),
        setting(Bfq, &[(TimeoutSync, 16), (LowLatency, 0)]),
    ]
};

impl Setting {
    fn name(&self) -> String {
        let knobs: Vec<String> =
            self.knobs.iter().map(|(knob, value)| format!("{}={value}", knob.name())).collect();
        if knobs.is_empty() { "defaults".to_owned() } else { knobs.join(" ") }
    }

    /// Puts it in force, from whatever there was.
    fn apply(&self, queue: &Queue) -> Result<()> {
        // A switch brings a scheduler's defaults back; to the one that is there already it does nothing.
        if queue.get("scheduler")? == self.elevator.to_string() {
            queue.set("scheduler", if self.elevator == Elevator::None { "mq-deadline" } else { "none" })?;
        }
        queue.set("scheduler", &self.elevator.to_string())?;
        self.knobs
            .iter()
            .try_for_each(|(knob, value)| queue.set(&format!("iosched/{}", knob.name()), &value.to_string()))
    }
}

/// One run.
#[derive(Clone, Copy, Debug, Serialize)]
struct Run {
    reads: u64,
    read_mean_ns: Nanos,
    read_p99_ns: Nanos,
    read_iops: f64,
    write_iops: f64,
}

/// All runs of a setting.
#[derive(Clone, Debug, Serialize)]
struct Row {
    scheduler: Elevator,
    knobs: String,
    is_default: bool,
    runs: Vec<Run>,
}

impl Row {
    fn mean_of(&self, value: impl Fn(&Run) -> f64) -> f64 {
        mean(&self.runs.iter().map(value).collect::<Vec<_>>()).unwrap_or(f64::NAN)
    }

    fn median_of(&self, value: impl Fn(&Run) -> f64) -> f64 {
        median(&self.runs.iter().map(value).collect::<Vec<_>>()).unwrap_or(f64::NAN)
    }
}

const READERS: u32 = 4;
const WRITER_DEPTH: u32 = 128;
const WARM_UP_SECONDS: u64 = 2;

/// Runs the measurement.
///
/// # Errors
///
/// Where no disk can be emulated, without fio, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    let mut spec = Spec::new(Model::named(&options.model)?, Bytes(16 << 30));
    spec.queue_depth = Some(options.queue_depth);
    spec.seed = options.seed;
    let disk = attach(&spec)?;
    let queue = Queue::of(disk.name());
    let default: Elevator = queue.get("scheduler")?.parse()?;
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut runs: BTreeMap<usize, Vec<Run>> = BTreeMap::new();
    let total = options.rounds * SETTINGS.len() as u64;
    let mut done = 0_u64;
    for _ in 0..options.rounds {
        // What drifts must not look like a setting.
        let mut order: Vec<usize> = (0..SETTINGS.len()).collect();
        order.shuffle(&mut rng);
        for index in order {
            let setting = &SETTINGS[index];
            let left = (total - done) * (options.seconds + WARM_UP_SECONDS + 2);
            context.say(&format!(
                "run {} of {total}: {} {} (about {left} s to go)",
                done + 1,
                setting.elevator,
                setting.name()
            ));
            setting.apply(&queue)?;
            runs.entry(index).or_default().push(one(context, options, &disk)?);
            settle(context, &disk)?;
            done += 1;
        }
    }
    disk.detach()?;
    let rows: Vec<Row> = runs
        .into_iter()
        .map(|(index, runs)| Row {
            scheduler: SETTINGS[index].elevator,
            knobs: SETTINGS[index].name(),
            is_default: SETTINGS[index].elevator == default && SETTINGS[index].knobs.is_empty(),
            runs,
        })
        .collect();
    report(options, &rows)
}

fn one(context: &Context, options: &Options, disk: &EmulatedDisk) -> Result<Run> {
    let job = |name, rw| {
        Job::new(name, rw, Bytes(4 << 10))
            .runtime(Duration::from_secs(options.seconds))
            .option("ramp_time", &WARM_UP_SECONDS.to_string())
            .option("randseed", &options.seed.to_string())
            .option("norandommap", "1")
    };
    let jobs = [
        job("readers", Rw::RandRead).jobs(READERS),
        job("writer", Rw::RandWrite).engine(Engine::Libaio { depth: WRITER_DEPTH }),
    ];
    let outcome = Load::new(disk.path(), jobs).run(&context.interrupt)?;
    let (readers, writer) = (outcome.job("readers")?, outcome.job("writer")?);
    let missing = "the readers read nothing: raise --seconds";
    Ok(Run {
        reads: readers.read.total_ios,
        read_mean_ns: readers.read.clat_ns.mean().context(missing)?,
        read_p99_ns: readers.read.clat_ns.percentile(99.0).context(missing)?,
        read_iops: readers.read.iops,
        write_iops: writer.write.iops,
    })
}

fn report(options: &Options, rows: &[Row]) -> Result<Report> {
    let mut report = Report::new(&format!(
        "{READERS} random readers against one random writer of depth {WRITER_DEPTH}, 4 KiB, direct, on an emulated {} with a \
         queue of {}",
        options.model, options.queue_depth
    ));
    let ms = |ns: f64| format!("{:.0} ms", ns / 1e6);
    report.table(
        &format!("Medians of {} runs of {} s, in random order", options.rounds, options.seconds),
        &["scheduler", "knobs", "reads, mean", "reads, p99", "of reads", "reads/s", "writes/s"],
        rows.iter().map(|row| {
            [
                format!("{}{}", row.scheduler, if row.is_default { " (default)" } else { "" }),
                row.knobs.clone(),
                ms(row.median_of(|run| run.read_mean_ns.0 as f64)),
                ms(row.median_of(|run| run.read_p99_ns.0 as f64)),
                row.runs.iter().map(|run| run.reads).sum::<u64>().to_string(),
                format!("{:.0}", row.median_of(|run| run.read_iops)),
                format!("{:.0}", row.median_of(|run| run.write_iops)),
            ]
        }),
    );
    let latency = |row: &Row| row.mean_of(|run| run.read_mean_ns.0 as f64);
    let default =
        rows.iter().find(|row| row.is_default).context("the disk's default is not among the settings")?;
    let best =
        rows.iter().min_by(|a, b| latency(a).total_cmp(&latency(b))).context("no setting was tried")?;
    let worst =
        rows.iter().max_by(|a, b| latency(a).total_cmp(&latency(b))).context("no setting was tried")?;
    ensure!(rows.len() >= 12, "expected at least 12 settings, found {}", rows.len());
    report.note(format!(
        "mean read latency: {} at best ({} {}), {} by default, {} at worst ({} {})",
        ms(latency(best)),
        best.scheduler,
        best.knobs,
        ms(latency(default)),
        ms(latency(worst)),
        worst.scheduler,
        worst.knobs
    ));
    report.figure("sensitivity", chart(options, rows)?);
    report.fact("rows", rows);
    report.fact("seed", options.seed);
    report.fact("model", &options.model);
    report.fact("queue_depth", options.queue_depth);
    Ok(report)
}

fn chart(options: &Options, rows: &[Row]) -> Result<Figure> {
    let row = |row: &Row| RangeRow {
        label: format!("{} {}", row.scheduler, row.knobs),
        group: row.scheduler.to_string(),
        emphasis: if row.is_default { Emphasis::Marked } else { Emphasis::Plain },
        low: Some(row.median_of(|run| run.read_mean_ns.as_millis_f64())),
        high: Some(row.median_of(|run| run.read_p99_ns.as_millis_f64())),
        bar: Some(row.median_of(|run| run.write_iops)),
    };
    let chart = RangeChart {
        title: "What a scheduler's settings do to readers beside a writer".to_owned(),
        subtitle: format!(
            "{READERS} random readers, one random writer of depth {WRITER_DEPTH}, 4 KiB, direct; emulated {} with a queue of {}",
            options.model, options.queue_depth
        ),
        low_name: "mean".to_owned(),
        high_name: "p99".to_owned(),
        marked_name: "the kernel's choice".to_owned(),
        left: Axis::new("read latency", "ms", Scale::Log10),
        right: Axis::new("writes", "per s", Scale::Linear),
        rows: rows.iter().map(row).collect(),
        notes: vec![format!(
            "Medians of {} runs of {} s each, in random order, seed {}.",
            options.rounds, options.seconds, options.seed
        )],
    };
    Ok(chart.figure()?)
}
