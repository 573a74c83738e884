//! Whether what `tunerd replay --tune` finds in a trace holds on the disk that the trace is of.
//!
//! A load is recorded on an emulated disk under the kernel's default settings, tuned on by simulation, and run again
//! under the kernel with the genes and without, in pairs whose order a coin decides. Settings change while the disk is
//! idle.

mod loads;

use super::kernel::apply;
use super::load::Threads;
use crate::Context;
use crate::bench::fio::Load;
use crate::bench::report::Report;
use crate::bench::stats::{Estimate, bootstrap};
use crate::bench::tunerd::{Place, Tunerd, text};
use crate::emulation::bench::{attach, settle};
use anyhow::{Context as _, Result, ensure};
use block_types::{Bytes, Elevator, Knob, KnobValue, Settings};
use clap::Args;
use disk_model::Params;
use disk_model::hdd::WriteCache as HddWriteCache;
use emulated_disk::{EmulatedDisk, Model, Spec};
use kernfs::{Disk, RealKernel, Roots};
use loads::{CASES, Case, WriteCache};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use schedulers::{Guard, GuardConfig, plan};
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use trials::{Arm, Coin, centre};

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Seconds of each recording
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    pub record_seconds: u64,
    /// Settings that are simulated to a fingerprint
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(16..=100_000))]
    pub budget: u32,
    /// Pairs of runs with the genes and without
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(3..=1_000))]
    pub pairs: u32,
    /// Seconds of each run, after two that are not counted
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// How many commands the disk takes at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(4..=128))]
    pub queue_depth: u32,
    /// Seed of the search, of the loads and of the coins
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Keep the recordings in this directory, and take those that are there
    #[arg(long, value_name = "DIRECTORY")]
    pub recordings: Option<PathBuf>,
}

const MODEL: &str = "hdd-7200";
const SIZE: Bytes = Bytes(16 << 30);
const RAMP: Duration = Duration::from_secs(2);
/// What the kernel gives a loop device's queue under a scheduler; the loop driver has a depth of its own.
const NR_REQUESTS: u64 = 256;
/// A promise is held to account from here on, and so much of it must be kept.
const PROMISE: f64 = 0.10;
const KEPT: f64 = 0.80;

/// What came of one load.
#[derive(Clone, Debug, Serialize)]
struct Row {
    work: &'static str,
    objective: &'static str,
    write_cache: WriteCache,
    found: Found,
    /// Scores under the kernel, a pair a line: without the genes, with them.
    pairs: Vec<[f64; 2]>,
    /// With over without.
    measured: Option<Estimate>,
}

/// What `tunerd replay --tune` says of the fingerprint that has the most bios.
#[derive(Clone, Debug, Serialize)]
struct Found {
    fingerprint: String,
    bios: u64,
    genes: Settings,
    promise: Option<Promise>,
}

/// The gain over the default on the held-out pieces of the trace.
#[derive(Clone, Copy, Debug, Serialize)]
struct Promise {
    ratio: f64,
    lower: f64,
    upper: f64,
    pieces: u64,
    /// The scores behind it: of the default, of the genes.
    scores: [f64; 2],
}

impl Row {
    /// The kernel's gain as a share of the simulation's, where that promised one.
    fn share(&self) -> Option<f64> {
        let (promise, measured) = (self.found.promise?, self.measured.as_ref()?);
        (promise.ratio > 1.0).then(|| (measured.value - 1.0) / (promise.ratio - 1.0))
    }

    /// The promise, if it is held to account.
    fn promised(&self) -> Option<Promise> {
        self.found.promise.filter(|promise| promise.ratio >= 1.0 + PROMISE)
    }
}

/// Runs the measurement.
///
/// # Errors
///
/// Where no disk can be emulated, without fio, tracefs or a `tunerd`, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    ensure!(Params::named(MODEL).is_some(), "there is no disk model called {MODEL:?}");
    let scratch = tempfile::tempdir()?;
    let tunerd = Tunerd::find(context.tunerd.as_deref(), scratch.path())?;
    let recordings = options.recordings.clone().unwrap_or_else(|| scratch.path().to_owned());
    let mut tuned = Vec::new();
    for (index, case) in CASES.into_iter().enumerate() {
        let name = case.work.name;
        let bench = Bench { context, options, case, directory: recordings.join(index.to_string()) };
        std::fs::create_dir_all(&bench.directory)?;
        let disk = attach(&bench.spec()?)?;
        apply(disk.name(), &Bench::base())?;
        if bench.recording()?.is_none() {
            context.say(&format!("{name}: recording for {} s", options.record_seconds));
            bench.record(&tunerd, &disk)?;
        }
        context.say(&format!("{name}: tuning for {}", case.objective.name()));
        let found = bench.tune(&tunerd, disk.name())?;
        tuned.push((bench, disk, found));
    }
    // Recording is one at a time in a machine; the pairs are not.
    context.say(&format!("{} pairs of runs of each load", options.pairs));
    let rows: Vec<Result<Row>> = std::thread::scope(|scope| {
        let threads: Vec<_> = tuned
            .into_iter()
            .map(|(bench, disk, found)| scope.spawn(move || bench.row(disk, found)))
            .collect();
        let gone = || anyhow::anyhow!("the thread of a disk died");
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(gone()))).collect()
    });
    let rows: Vec<Row> = rows.into_iter().collect::<Result<_>>()?;
    report(options, &rows)
}

/// One load on its disk.
struct Bench<'a> {
    context: &'a Context,
    options: &'a Options,
    case: Case,
    directory: PathBuf,
}

impl Bench<'_> {
    fn spec(&self) -> Result<Spec> {
        let mut model = Model::named(MODEL)?;
        if let (WriteCache::Off, Model::Disk { name, params: Params::Hdd(hdd) }) =
            (self.case.write_cache, &mut model)
        {
            hdd.write_cache = HddWriteCache::WriteThrough;
            name.push_str(" without write cache");
        }
        let mut spec = Spec::new(model, SIZE);
        spec.queue_depth = Some(self.options.queue_depth);
        spec.seed = self.options.seed;
        // Else the page cache would take all writes of a run, and give them to the disk in bursts.
        spec.bound_buffered_writes = Some(Bytes(32 << 20));
        Ok(spec)
    }

    /// The same disk for `tunerd replay`: a model's name, or a file of parameters.
    fn simulated(&self) -> Result<String> {
        match self.case.write_cache {
            WriteCache::On => Ok(MODEL.to_owned()),
            WriteCache::Off => {
                let path = self.directory.join("without-write-cache.toml");
                std::fs::write(&path, format!("base = {MODEL:?}\nwrite_cache = \"write-through\"\n"))?;
                Ok(text(&path))
            }
        }
    }

    /// The base name of the recording's files, if there is one.
    fn recording(&self) -> Result<Option<PathBuf>> {
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if let Some(base) = path.to_str().and_then(|path| path.strip_suffix(".blktrace.0")) {
                return Ok(Some(PathBuf::from(base)));
            }
        }
        Ok(None)
    }

    fn base() -> Settings {
        let mut settings = Settings::new();
        settings.set(Knob::Scheduler, KnobValue::Elevator(Elevator::MqDeadline));
        settings.set(Knob::NrRequests, KnobValue::Number(NR_REQUESTS));
        // Writeback throttling is not simulated.
        settings.set(Knob::WbtLatUsec, KnobValue::Number(0));
        settings
    }

    fn load(&self, disk: &Path, window: Duration, seed: u64) -> Load {
        let job = |threads: &Threads| threads.job(SIZE, RAMP, window, seed);
        Load::new(disk, self.case.work.threads.iter().map(job))
    }

    fn record(&self, tunerd: &Tunerd, disk: &EmulatedDisk) -> Result<()> {
        let seconds = self.options.record_seconds;
        let load = self.load(disk.path(), Duration::from_secs(seconds + 5), self.options.seed).start()?;
        self.context.interrupt.sleep(RAMP)?;
        let (length, out) = (format!("{seconds}s"), text(&self.directory));
        let arguments = ["--device", disk.name(), "--for", &length, "--out", &out, "--json"];
        let _recorded: Value = tunerd.ask("record", &[Place::State, Place::Run], &arguments)?;
        load.stop()?;
        settle(self.context, disk)
    }

    fn tune(&self, tunerd: &Tunerd, disk: &str) -> Result<Found> {
        let trace = text(&self.recording()?.context("the recording has no files")?);
        let (model, size) = (self.simulated()?, SIZE.0.to_string());
        let (depth, budget) = (self.options.queue_depth.to_string(), self.options.budget.to_string());
        let (seed, genes) = (self.options.seed.to_string(), text(&self.directory.join("genes.json")));
        let requests = format!("nr_requests={NR_REQUESTS}");
        let arguments = [
            &trace,
            "--disk",
            &model,
            "--disk-size",
            &size,
            "--queue-depth",
            &depth,
            "--scheduler",
            "mq-deadline",
            "--set",
            &requests,
            "--tune",
            "--objective",
            self.case.objective.name(),
            "--budget",
            &budget,
            "--seed",
            &seed,
            "--for-device",
            disk,
            "--out",
            &genes,
            "--json",
        ];
        let said: Value = tunerd.ask("replay", &[], &arguments)?;
        let fingerprints = said["fingerprints"].as_array().context("tunerd said no fingerprints")?;
        let largest = fingerprints
            .iter()
            .max_by_key(|one| one["bios"].as_u64())
            .context("tunerd found no fingerprint in the trace")?;
        let mut genes: Settings = match largest.get("best") {
            Some(best) => serde_json::from_value(best.clone())?,
            None => Settings::new(),
        };
        // Only what was searched: the rest is in force already.
        genes.0.retain(|knob, _| knob.elevator().is_some());
        let (gain, scores) = (&largest["held_out"], &largest["held_out_scores"]);
        let promise = || {
            Some(Promise {
                ratio: gain["ratio"].as_f64()?,
                lower: gain["lower"].as_f64()?,
                upper: gain["upper"].as_f64()?,
                pieces: gain["pieces"].as_u64()?,
                scores: [scores[0].as_f64()?, scores[1].as_f64()?],
            })
        };
        let found = Found {
            fingerprint: largest["class"].as_str().context("a fingerprint has a name")?.to_owned(),
            bios: largest["bios"].as_u64().unwrap_or(0),
            genes,
            promise: promise(),
        };
        self.context.say(&format!("{}: {found:?}", self.case.work.name));
        Ok(found)
    }

    fn row(&self, disk: EmulatedDisk, found: Found) -> Result<Row> {
        let pairs = match found.promise {
            Some(_) => self.pairs(&disk, &found.genes)?,
            None => Vec::new(),
        };
        disk.detach()?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
        let log_ratios: Vec<f64> = pairs.iter().map(|[without, with]| (with / without).ln()).collect();
        let measured = bootstrap(&log_ratios, &mut rng, centre).map(|estimate| Estimate {
            value: estimate.value.exp(),
            low: estimate.low.exp(),
            high: estimate.high.exp(),
            count: estimate.count,
        });
        Ok(Row {
            work: self.case.work.name,
            objective: self.case.objective.name(),
            write_cache: self.case.write_cache,
            found,
            pairs,
            measured,
        })
    }

    /// The scores of each pair: without the genes, with them.
    fn pairs(&self, disk: &EmulatedDisk, genes: &Settings) -> Result<Vec<[f64; 2]>> {
        let kernel = Arc::new(RealKernel::new(Roots::live()));
        let state = self.directory.join("guard");
        let config = GuardConfig { state_dir: state.clone(), run_dir: state.clone() };
        std::fs::create_dir_all(&state)?;
        let mut guard = Guard::take(Disk::open(kernel, disk.name())?, &config)?;
        let control: Settings =
            guard.originals().iter().filter(|setting| genes.get(setting.knob).is_some()).collect();
        let coin = Coin::new(self.options.seed, 0);
        let mut pairs = Vec::new();
        for pair in 0..self.options.pairs {
            let first = coin.first_of(pair);
            let mut scores = [0.0; 2];
            for arm in [first, first.other()] {
                let wanted = if arm == Arm::Child { genes } else { &control };
                let applied = guard.apply(&plan(guard.current(), wanted))?;
                ensure!(applied.failed.is_empty(), "{}: {:?}", disk.name(), applied.failed);
                // Both runs of a pair do the same.
                let seed = self.options.seed + 100 + u64::from(pair);
                let load = self.load(disk.path(), Duration::from_secs(self.options.seconds), seed);
                let outcome = load.run(&self.context.interrupt)?;
                scores[usize::from(arm == Arm::Child)] =
                    self.case.objective.score(&self.case.work, &outcome)?;
                settle(self.context, disk)?;
            }
            pairs.push(scores);
        }
        let restored = guard.restore();
        ensure!(restored.failed.is_empty(), "{}: {restored:?}", disk.name());
        Ok(pairs)
    }
}

fn report(options: &Options, rows: &[Row]) -> Result<Report> {
    let mut report = Report::new(&format!(
        "Genes that a replay found, under the kernel: emulated {MODEL} with a queue of {}",
        options.queue_depth
    ));
    let gain = |ratio: f64| format!("{:+.1} %", (ratio - 1.0) * 100.0);
    let interval =
        |value: f64, low: f64, high: f64| format!("{} [{}, {}]", gain(value), gain(low), gain(high));
    let none = || "-".to_owned();
    report.table(
        "The gain over the default settings that the simulation promised on held-out pieces of the trace, and the \
         kernel's, with 95 % intervals",
        &["load", "objective", "promised", "measured", "kept"],
        rows.iter().map(|row| {
            let promised = |promise: Promise| interval(promise.ratio, promise.lower, promise.upper);
            let measured = |found: &Estimate| interval(found.value, found.low, found.high);
            [
                row.work.to_owned(),
                row.objective.to_owned(),
                row.found.promise.map_or_else(none, promised),
                row.measured.as_ref().map_or_else(none, measured),
                row.share().map_or_else(none, |share| format!("{:.0} %", share * 100.0)),
            ]
        }),
    );
    report.table(
        "What these gains are of (throughput, mean latency of what is waited for, or p99 of reads): without the genes \
         and with them, the geometric mean over the pairs for the kernel",
        &["load", "write cache", "simulated", "kernel", "fingerprint", "genes"],
        CASES.iter().zip(rows).map(|(case, row)| {
            let shown = |[without, with]: [f64; 2]| {
                format!("{} → {}", case.objective.shown(without), case.objective.shown(with))
            };
            let kernel = (!row.pairs.is_empty()).then(|| shown([0, 1].map(|arm| mean(&row.pairs, arm))));
            [
                row.work.to_owned(),
                if row.write_cache == WriteCache::On { "on" } else { "off" }.to_owned(),
                row.found.promise.map_or_else(none, |promise| shown(promise.scores)),
                kernel.unwrap_or_else(none),
                row.found.fingerprint.clone(),
                row.found.genes.to_string(),
            ]
        }),
    );
    for row in rows.iter().filter(|row| row.promised().is_some()) {
        let share = row.share();
        report.verdict(
            row.work,
            format!("≥ {:.0} % of the promised gain is kept", KEPT * 100.0),
            share.map_or_else(none, |share| format!("{:.0} %", share * 100.0)),
            share.is_some_and(|share| share >= KEPT),
        );
    }
    report.note(format!(
        "{} s were recorded of each load, {} settings simulated to a fingerprint, {} pairs of runs of {} s measured, all \
         loads at once on disks of their own",
        options.record_seconds, options.budget, options.pairs, options.seconds
    ));
    report.note(format!(
        "gains below {:.0} % are no promise that is held to account; mq-deadline with nr_requests {NR_REQUESTS} and without \
         writeback throttling in all runs; settings change while the disk is idle",
        PROMISE * 100.0
    ));
    report.fact("seed", options.seed);
    report.fact("rows", rows);
    Ok(report)
}

/// The geometric mean of one side of all pairs.
fn mean(pairs: &[[f64; 2]], arm: usize) -> f64 {
    (pairs.iter().map(|pair| pair[arm].ln()).sum::<f64>() / pairs.len() as f64).exp()
}
