//! Whether what `tunerd replay --tune` finds in a trace holds on the disk that the trace is of.
//!
//! A load is recorded on an emulated disk under the kernel's default settings, tuned on by simulation, and run again
//! under the kernel with the genes and without, in pairs whose order a coin decides.

use super::kernel::apply;
use super::load::{Direction, Order, Threads, Work, buffered, threads};
use crate::Context;
use crate::bench::fio::{Load, Outcome};
use crate::bench::report::Report;
use crate::bench::stats::{Estimate, bootstrap};
use crate::bench::tunerd::{Place, Tunerd, text};
use crate::emulation::bench::{attach, settle};
use anyhow::{Context as _, Result, ensure};
use block_types::{Bytes, Elevator, Knob, KnobValue, Settings};
use clap::Args;
use disk_model::Params;
use emulated_disk::{EmulatedDisk, Model, Spec};
use kernfs::{Disk, RealKernel, Roots};
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
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    pub record_seconds: u64,
    /// Settings that are simulated to a fingerprint
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(16..=100_000))]
    pub budget: u32,
    /// Pairs of runs with the genes and without
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(3..=1_000))]
    pub pairs: u32,
    /// Seconds of each run, after two that are not counted
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// How many commands the disk takes at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(4..=128))]
    pub queue_depth: u32,
    /// Seed of the search, of the loads and of the coins
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

const MODEL: &str = "hdd-7200";
const SIZE: Bytes = Bytes(16 << 30);
const RAMP: Duration = Duration::from_secs(2);
/// What the kernel gives a loop device's queue under a scheduler; the loop driver has a depth of its own.
const NR_REQUESTS: u64 = 256;
/// A promise is held to account from here on, and so much of it must be kept.
const PROMISE: f64 = 0.10;
const KEPT: f64 = 0.80;

/// What a setting is scored by: `tunerd`'s own objectives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Objective {
    Throughput,
    Latency,
}

impl Objective {
    const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Latency => "latency",
        }
    }

    /// Higher is better: bytes a second, or 1/s of the mean latency of everything (of direct I/O: all of that is waited for).
    fn score(self, work: &Work, outcome: &Outcome) -> Result<f64> {
        let (mut bytes, mut ios, mut latency) = (0.0, 0.0, 0.0);
        for threads in work.threads {
            let job = outcome.job(threads.name)?;
            for direction in [&job.read, &job.write] {
                bytes += direction.iops * threads.block.0 as f64;
                if threads.buffered {
                    // Its latencies are the page cache's, and nobody waits for its bios.
                    continue;
                }
                let count = direction.lat_ns.count() as f64;
                ios += count;
                latency += direction.lat_ns.mean().map_or(0.0, |mean| mean.0 as f64 * count);
            }
        }
        let score = match self {
            Self::Throughput => bytes,
            Self::Latency => 1e9 * ios / latency,
        };
        ensure!(score.is_finite() && score > 0.0, "fio did nothing in {}", work.name);
        Ok(score)
    }
}

/// The loads, each with what it is tuned for.
const LOADS: [(Work, Objective); 3] = {
    use Direction::{Mixed, Reads, Writes};
    use Order::{Random, Sequential};
    [
        (
            Work {
                name: "4 random readers, 1 buffered random writer",
                threads: &[
                    threads("readers", 4, Random, Reads, 4, 1),
                    buffered(threads("writer", 1, Random, Writes, 4, 1)),
                ],
            },
            Objective::Latency,
        ),
        (
            Work {
                name: "8 random readers of 64 KiB, 1 buffered sequential writer",
                threads: &[
                    threads("readers", 8, Random, Reads, 64, 1),
                    buffered(threads("writer", 1, Sequential, Writes, 256, 1)),
                ],
            },
            Objective::Latency,
        ),
        (
            Work {
                name: "random 64 KiB, 70 % reads, depth 32",
                threads: &[threads("mixed", 1, Random, Mixed { reads_per_cent: 70 }, 64, 32)],
            },
            Objective::Throughput,
        ),
    ]
};

/// What came of one load.
#[derive(Clone, Debug, Serialize)]
struct Row {
    work: &'static str,
    objective: Objective,
    fingerprint: String,
    bios: u64,
    genes: Settings,
    /// Best over default on held-out pieces of the trace.
    promised: f64,
    promised_low: f64,
    promised_high: f64,
    /// The same under the kernel.
    kept: Estimate,
}

impl Row {
    /// The kernel's gain as a share of the simulation's.
    fn share(&self) -> f64 {
        (self.kept.value - 1.0) / (self.promised - 1.0)
    }
}

/// Runs the measurement.
///
/// # Errors
///
/// Where no disk can be emulated, without fio, tracefs or a `tunerd`, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    ensure!(Params::named(MODEL).is_some(), "there is no disk model called {MODEL:?}");
    let directory = tempfile::tempdir()?;
    let tunerd = Tunerd::find(context.tunerd.as_deref(), directory.path())?;
    let mut tuned = Vec::new();
    for (index, (work, objective)) in LOADS.into_iter().enumerate() {
        let name = work.name;
        let bench =
            Bench { context, options, work, objective, directory: directory.path().join(index.to_string()) };
        std::fs::create_dir_all(&bench.directory)?;
        let disk = attach(&bench.spec()?)?;
        context.say(&format!("{name}: recording for {} s", options.record_seconds));
        bench.record(&tunerd, &disk)?;
        context.say(&format!("{name}: tuning for {}", objective.name()));
        let found = bench.tune(&tunerd, disk.name())?;
        tuned.push((bench, disk, found));
    }
    // Recording is one at a time in a machine; the pairs are not.
    context.say(&format!("{} pairs of runs of each load", options.pairs));
    let rows: Vec<Result<Option<Row>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = tuned
            .into_iter()
            .map(|(bench, disk, found)| scope.spawn(move || bench.row(disk, found)))
            .collect();
        let gone = || anyhow::anyhow!("the thread of a disk died");
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(gone()))).collect()
    });
    let rows: Vec<Option<Row>> = rows.into_iter().collect::<Result<_>>()?;
    report(options, &rows)
}

/// One load on its disk.
struct Bench<'a> {
    context: &'a Context,
    options: &'a Options,
    work: Work,
    objective: Objective,
    directory: PathBuf,
}

/// What `tunerd replay --tune` says of the fingerprint that has the most bios.
struct Tuned {
    fingerprint: String,
    bios: u64,
    genes: Settings,
    promised: Option<(f64, f64, f64)>,
}

impl Bench<'_> {
    fn spec(&self) -> Result<Spec> {
        let mut spec = Spec::new(Model::named(MODEL)?, SIZE);
        spec.queue_depth = Some(self.options.queue_depth);
        spec.seed = self.options.seed;
        // Else the page cache would take all writes of a run, and give them to the disk in bursts.
        spec.bound_buffered_writes = Some(Bytes(32 << 20));
        Ok(spec)
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
        Load::new(disk, self.work.threads.iter().map(job))
    }

    fn record(&self, tunerd: &Tunerd, disk: &EmulatedDisk) -> Result<()> {
        apply(disk.name(), &Self::base())?;
        let seconds = self.options.record_seconds;
        let load = self.load(disk.path(), Duration::from_secs(seconds + 5), self.options.seed).start()?;
        self.context.interrupt.sleep(RAMP)?;
        let (length, out) = (format!("{seconds}s"), text(&self.directory));
        let arguments = ["--device", disk.name(), "--for", &length, "--out", &out, "--json"];
        let _recorded: Value = tunerd.ask("record", &[Place::State, Place::Run], &arguments)?;
        load.stop()?;
        settle(self.context, disk)
    }

    fn tune(&self, tunerd: &Tunerd, disk: &str) -> Result<Tuned> {
        let trace = text(&self.directory.join(disk));
        let size = SIZE.0.to_string();
        let (depth, budget) = (self.options.queue_depth.to_string(), self.options.budget.to_string());
        let (seed, genes) = (self.options.seed.to_string(), text(&self.directory.join("genes.json")));
        let requests = format!("nr_requests={NR_REQUESTS}");
        let arguments = [
            &trace,
            "--disk",
            MODEL,
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
            self.objective.name(),
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
        let gain = &largest["held_out"];
        let number = |name: &str| gain[name].as_f64();
        let promised = match (number("ratio"), number("lower"), number("upper")) {
            (Some(ratio), Some(lower), Some(upper)) => Some((ratio, lower, upper)),
            _ => None,
        };
        let fingerprint = largest["class"].as_str().context("a fingerprint has a name")?.to_owned();
        let bios = largest["bios"].as_u64().unwrap_or(0);
        self.context.say(&format!("{}: {fingerprint}, promised {promised:?}, {genes}", self.work.name));
        Ok(Tuned { fingerprint, bios, genes, promised })
    }

    fn row(&self, disk: EmulatedDisk, tuned: Tuned) -> Result<Option<Row>> {
        let Some((promised, promised_low, promised_high)) = tuned.promised else { return Ok(None) };
        let log_ratios = self.pairs(&disk, &tuned.genes)?;
        disk.detach()?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
        let estimate = bootstrap(&log_ratios, &mut rng, centre).context("too few pairs for an interval")?;
        let kept = Estimate {
            value: estimate.value.exp(),
            low: estimate.low.exp(),
            high: estimate.high.exp(),
            count: estimate.count,
        };
        Ok(Some(Row {
            work: self.work.name,
            objective: self.objective,
            fingerprint: tuned.fingerprint,
            bios: tuned.bios,
            genes: tuned.genes,
            promised,
            promised_low,
            promised_high,
            kept,
        }))
    }

    /// ln(with genes ⁄ without) of each pair.
    fn pairs(&self, disk: &EmulatedDisk, genes: &Settings) -> Result<Vec<f64>> {
        let kernel = Arc::new(RealKernel::new(Roots::live()));
        let state = self.directory.join("state");
        let config = GuardConfig { state_dir: state.clone(), run_dir: state.clone() };
        std::fs::create_dir_all(&state)?;
        let mut guard = Guard::take(Disk::open(kernel, disk.name())?, &config)?;
        let control: Settings =
            guard.originals().iter().filter(|setting| genes.get(setting.knob).is_some()).collect();
        let coin = Coin::new(self.options.seed, 0);
        let mut ratios = Vec::new();
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
                scores[usize::from(arm == Arm::Child)] = self.objective.score(&self.work, &outcome)?;
                settle(self.context, disk)?;
            }
            ratios.push((scores[1] / scores[0]).ln());
        }
        let restored = guard.restore();
        ensure!(restored.failed.is_empty(), "{}: {restored:?}", disk.name());
        Ok(ratios)
    }
}

fn report(options: &Options, rows: &[Option<Row>]) -> Result<Report> {
    let mut report = Report::new(&format!(
        "Genes that a replay found, under the kernel: emulated {MODEL} with a queue of {}",
        options.queue_depth
    ));
    let gain = |ratio: f64| format!("{:+.1} %", (ratio - 1.0) * 100.0);
    report.table(
        "The gain over the default settings that the simulation promised on held-out pieces of the trace, and the \
         kernel's, with 95 % intervals",
        &["load", "fingerprint", "objective", "promised", "measured", "kept", "genes"],
        rows.iter().flatten().map(|row| {
            [
                row.work.to_owned(),
                row.fingerprint.clone(),
                row.objective.name().to_owned(),
                format!("{} [{}, {}]", gain(row.promised), gain(row.promised_low), gain(row.promised_high)),
                format!("{} [{}, {}]", gain(row.kept.value), gain(row.kept.low), gain(row.kept.high)),
                if row.promised > 1.0 { format!("{:.0} %", row.share() * 100.0) } else { "-".to_owned() },
                row.genes.to_string(),
            ]
        }),
    );
    for row in rows.iter().flatten().filter(|row| row.promised >= 1.0 + PROMISE) {
        report.verdict(
            row.work,
            format!("≥ {:.0} % of the promised gain is kept", KEPT * 100.0),
            format!("{:.0} %", row.share() * 100.0),
            row.share() >= KEPT,
        );
    }
    report.note(format!(
        "{} s were recorded of each load, {} settings simulated to a fingerprint, {} pairs of runs of {} s measured",
        options.record_seconds, options.budget, options.pairs, options.seconds
    ));
    report.note(format!(
        "gains below {:.0} % are no promise that is held to account; mq-deadline with nr_requests {NR_REQUESTS} and without \
         writeback throttling in all runs",
        PROMISE * 100.0
    ));
    report.fact("seed", options.seed);
    report.fact("rows", rows);
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_is_of_reads_and_writes_together() {
        let work = LOADS[2].0;
        let side = |mean: f64, count: u64| {
            format!(
                r#"{{"total_ios": {count}, "io_bytes": 1, "iops": {count}, "clat_ns": {{"mean": 0, "N": 0}},
                    "lat_ns": {{"mean": {mean}, "N": {count}}}}}"#
            )
        };
        let text = format!(
            r#"{{"fio version": "fio-3", "jobs": [{{"jobname": "mixed", "error": 0, "read": {}, "write": {}}}]}}"#,
            side(1e6, 30),
            side(9e6, 10)
        );
        let outcome = Outcome::parse(&text).unwrap();
        let latency = Objective::Latency.score(&work, &outcome).unwrap();
        assert!((latency - 1e9 / 3e6).abs() < 1e-6, "{latency}");
        let rate = Objective::Throughput.score(&work, &outcome).unwrap();
        assert!((rate - 40.0 * 65_536.0).abs() < 1e-6, "{rate}");
    }
}
