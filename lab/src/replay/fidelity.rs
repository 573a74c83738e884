//! How well the simulated block layer foretells the kernel's.
//!
//! For each piece of work, scheduler and quantity the settings are ranked by the simulator and by the kernel. How far
//! the kernel's repeats agree on their ranks among themselves is the most that can be asked of a simulator, so the two
//! correlations are compared with single repeats on both sides.

use super::cells::{Cell, Found};
use super::fio_source::Turnaround;
use super::kernel::{self, KernelOptions};
use super::load::{WORK, Work};
use super::ranks::spearman;
use super::simulate::{Bench, foretell};
use crate::Context;
use crate::bench::report::Report;
use crate::bench::stats::{mean, median, quantile};
use crate::emulation::bench::SCHEDULERS;
use anyhow::{Context as _, Result, ensure};
use block_types::{Elevator, Nanos, Settings};
use clap::Args;
use disk_model::Params;
use results::chart::{Axis, Figure, Scale, ScatterChart, ScatterPoint};
use serde::Serialize;

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The kernel's half.
    #[command(flatten)]
    pub kernel: KernelOptions,
    /// Measure nothing; compare the cells that are there
    #[arg(long)]
    pub compare_only: bool,
    /// The schedulers to compare
    #[arg(long, value_name = "NAMES", value_delimiter = ',',
          default_values_t = [Elevator::None, Elevator::MqDeadline, Elevator::Kyber, Elevator::Bfq])]
    pub schedulers: Vec<Elevator>,
    /// How long a simulated process that slept takes until it runs again, µs: the least, the median, and the quantiles
    /// 0.9, 0.99, 0.999 and 1
    #[arg(long, value_name = "MICROSECONDS", value_delimiter = ',',
          default_values_t = [10, 30, 100, 900, 2_600, 7_000])]
    pub turnaround_us: Vec<u64>,
    /// Simulations of each cell, with seeds of their own, that are put together
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub runs: u64,
}

/// A quantity by which settings are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Quantity {
    Throughput,
    ReadMean,
    ReadP99,
}

impl Quantity {
    const ALL: [Self; 3] = [Self::Throughput, Self::ReadMean, Self::ReadP99];

    const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::ReadMean => "reads, mean",
            Self::ReadP99 => "reads, p99",
        }
    }

    fn of(self, found: &Found) -> f64 {
        match self {
            Self::Throughput => found.bytes_per_s,
            Self::ReadMean => found.read_mean_ns.0 as f64,
            Self::ReadP99 => found.read_p99_ns.0 as f64,
        }
    }
}

/// A setting, measured and foretold.
#[derive(Clone, Debug, Serialize)]
struct Pair {
    work: &'static str,
    scheduler: Elevator,
    setting: usize,
    settings: Settings,
    measured: Vec<Found>,
    simulated: Found,
}

impl Pair {
    fn mean_of(&self, quantity: Quantity) -> f64 {
        let values: Vec<f64> = self.measured.iter().map(|found| quantity.of(found)).collect();
        mean(&values).unwrap_or(f64::NAN)
    }
}

/// How well one quantity is foretold for one scheduler and one piece of work.
#[derive(Clone, Debug, Serialize)]
struct Agreement {
    work: &'static str,
    scheduler: Elevator,
    quantity: Quantity,
    settings: usize,
    /// The 90th percentile of the settings' means over the 10th.
    spread: Option<f64>,
    /// Mean rank correlation of two repeats.
    repeats: Option<f64>,
    /// Mean rank correlation of the simulation and one repeat.
    simulated: Option<f64>,
    /// The same with each repeat.
    by_repeat: Vec<f64>,
    /// Rank correlation of the simulation and the mean of the repeats.
    simulated_with_mean: Option<f64>,
    /// Median of |simulated ⁄ measured − 1|.
    median_error: Option<f64>,
}

/// Settings matter where they are apart by more than this, and the repeats know of it.
const LEAST_SPREAD: f64 = 1.1;
const LEAST_CORRELATION: f64 = 0.5;
/// How far apart simulation and kernel may be under `none`, in the median of quantities and work.
const NONE_BOUND: f64 = 0.15;

impl Agreement {
    fn of(work: &'static str, scheduler: Elevator, quantity: Quantity, pairs: &[&Pair]) -> Self {
        let repeats = pairs.iter().map(|pair| pair.measured.len()).min().unwrap_or(0);
        let column = |repeat: usize| -> Vec<f64> {
            pairs.iter().map(|pair| quantity.of(&pair.measured[repeat])).collect()
        };
        let simulated: Vec<f64> = pairs.iter().map(|pair| quantity.of(&pair.simulated)).collect();
        let means: Vec<f64> = pairs.iter().map(|pair| pair.mean_of(quantity)).collect();
        let between: Vec<f64> = (0..repeats)
            .flat_map(|one| (0..one).map(move |other| (one, other)))
            .filter_map(|(one, other)| spearman(&column(one), &column(other)))
            .collect();
        let with: Vec<f64> =
            (0..repeats).filter_map(|repeat| spearman(&simulated, &column(repeat))).collect();
        let errors: Vec<f64> =
            simulated.iter().zip(&means).map(|(foretold, found)| (foretold / found - 1.0).abs()).collect();
        let spread = quantile(&means, 0.9).zip(quantile(&means, 0.1)).map(|(high, low)| high / low);
        Self {
            work,
            scheduler,
            quantity,
            settings: pairs.len(),
            spread: spread.filter(|_| pairs.len() > 1),
            repeats: mean(&between),
            simulated: mean(&with),
            by_repeat: with,
            simulated_with_mean: spearman(&simulated, &means),
            median_error: median(&errors),
        }
    }

    fn settings_matter(&self) -> bool {
        self.spread.is_some_and(|spread| spread > LEAST_SPREAD)
            && self.repeats.is_some_and(|repeats| repeats >= LEAST_CORRELATION)
    }

    /// The simulation's correlation as a share of the repeats' own.
    fn share(&self) -> Option<f64> {
        self.simulated.zip(self.repeats).map(|(simulated, repeats)| simulated / repeats)
    }
}

/// What share of the repeats' own correlation is asked for.
const fn wanted(scheduler: Elevator) -> f64 {
    match scheduler {
        Elevator::Bfq => 0.8,
        _ => 0.9,
    }
}

/// Runs the measurement.
///
/// # Errors
///
/// Where no disk can be emulated, without fio, where the simulator refuses a setting, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    let mut cells = if options.compare_only {
        kernel::there(&options.kernel)?
    } else {
        kernel::measure(context, &options.kernel)?
    };
    cells.retain(|cell| options.schedulers.contains(&cell.key.scheduler));
    ensure!(
        !cells.is_empty(),
        "{}: found no cells of {}",
        options.kernel.cells.display(),
        options.kernel.model
    );
    let pairs = pairs(context, options, &cells)?;
    let agreements: Vec<Agreement> = WORK
        .iter()
        .flat_map(|work| SCHEDULERS.into_iter().map(move |scheduler| (work, scheduler)))
        .flat_map(|(work, scheduler)| {
            let mine: Vec<&Pair> =
                pairs.iter().filter(|pair| pair.work == work.name && pair.scheduler == scheduler).collect();
            let agreements =
                Quantity::ALL.map(|quantity| Agreement::of(work.name, scheduler, quantity, &mine));
            agreements.into_iter().filter(|agreement| agreement.settings > 0)
        })
        .collect();
    report(options, cells.len(), &pairs, &agreements)
}

fn pairs(context: &Context, options: &Options, cells: &[Cell]) -> Result<Vec<Pair>> {
    let kernel = &options.kernel;
    let params = Params::named(&kernel.model)
        .with_context(|| format!("there is no disk model called {:?}", kernel.model))?;
    let quantiles: Vec<Nanos> = options.turnaround_us.iter().map(|us| Nanos(us * 1_000)).collect();
    let turnaround = Turnaround::new(&quantiles)
        .context("--turnaround-us: expected six times, none below the one before")?;
    let bench = Bench {
        params,
        size: kernel.size(),
        queue_depth: kernel.queue_depth,
        ramp: Nanos::from_millis(kernel.ramp_ms),
        window: Nanos::from_millis(kernel.window_ms),
        turnaround,
        runs: options.runs,
    };
    let mut pairs: Vec<Pair> = Vec::new();
    let mut order: Vec<&Cell> = cells.iter().collect();
    order.sort_by(|one, other| one.key.cmp(&other.key));
    for cell in order {
        let Some(work) = WORK.iter().find(|work: &&Work| work.name == cell.key.work) else { continue };
        let same = |pair: &&mut Pair| {
            pair.work == work.name && pair.scheduler == cell.key.scheduler && pair.setting == cell.key.setting
        };
        if let Some(pair) = pairs.iter_mut().find(same) {
            pair.measured.push(cell.found);
            continue;
        }
        let simulated = foretell(&bench, work, &cell.settings, kernel.seed)
            .with_context(|| format!("{}, {}", work.name, cell.key.scheduler))?;
        pairs.push(Pair {
            work: work.name,
            scheduler: cell.key.scheduler,
            setting: cell.key.setting,
            settings: cell.settings.clone(),
            measured: vec![cell.found],
            simulated,
        });
    }
    context.say(&format!("{} settings simulated, {} times each", pairs.len(), options.runs));
    Ok(pairs)
}

fn report(options: &Options, cells: usize, pairs: &[Pair], agreements: &[Agreement]) -> Result<Report> {
    let kernel = &options.kernel;
    let mut report = Report::new(&format!(
        "The simulated block layer beside the kernel's: {} with a queue of {}",
        kernel.model, kernel.queue_depth
    ));
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    let per_cent =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{:.0} %", value * 100.0));
    report.table(
        "Rank correlations (Spearman) of the settings: of two repeats, of the simulation and a repeat, of the simulation \
         and the repeats' mean; the spread is the settings' 90th percentile over their 10th",
        &["work", "scheduler", "quantity", "settings", "spread", "repeats", "simulated", "by repeat", "with mean", "median error", "matters"],
        agreements.iter().map(|agreement| {
            [
                agreement.work.to_owned(),
                agreement.scheduler.to_string(),
                agreement.quantity.name().to_owned(),
                agreement.settings.to_string(),
                number(agreement.spread),
                number(agreement.repeats),
                number(agreement.simulated),
                agreement.by_repeat.iter().map(|one| format!("{one:.2}")).collect::<Vec<_>>().join(" "),
                number(agreement.simulated_with_mean),
                per_cent(agreement.median_error),
                if agreement.settings_matter() { "yes" } else { "no" }.to_owned(),
            ]
        }),
    );
    judge(&mut report, agreements);
    report.note(format!(
        "{cells} cells of {} ms after {} ms, in random order, on {} disks side by side; {} simulations of each setting",
        kernel.window_ms, kernel.ramp_ms, kernel.disks, options.runs
    ));
    report.note(format!(
        "a simulated process that slept takes a while to run again: quantiles 0, 0.5, 0.9, 0.99, 0.999 and 1 of {} µs",
        options.turnaround_us.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
    ));
    report.note(
        "settings matter where their spread is above 1.1 and two repeats agree on their ranks by at least 0.5; elsewhere \
         there is nothing to foretell",
    );
    report.note(
        "fixed, because the simulator does not score them: read_ahead_kb and wbt_lat_usec (direct I/O passes them by), \
         rq_affinity, nomerges, and bfq's low_latency, which is 0 in all runs",
    );
    report.figure("read-latency", chart(kernel, "mean read latency", pairs, Quantity::ReadMean)?);
    report.figure("throughput", chart(kernel, "throughput", pairs, Quantity::Throughput)?);
    report.fact("seed", kernel.seed);
    report.fact("agreements", agreements);
    for pair in pairs {
        report.fact(&format!("{}: {} {}", pair.work, pair.scheduler, pair.setting), pair);
    }
    Ok(report)
}

fn judge(report: &mut Report, agreements: &[Agreement]) {
    for agreement in agreements.iter().filter(|agreement| agreement.settings_matter()) {
        if let Some(share) = agreement.share() {
            let least = wanted(agreement.scheduler);
            report.verdict(
                &format!("{}, {}: {}", agreement.work, agreement.scheduler, agreement.quantity.name()),
                format!("≥ {least} of the repeats' own rank correlation"),
                format!("{share:.2}"),
                share >= least,
            );
        }
    }
    let errors: Vec<f64> = agreements
        .iter()
        .filter(|agreement| agreement.scheduler == Elevator::None)
        .filter_map(|agreement| agreement.median_error)
        .collect();
    if let Some(error) = median(&errors) {
        report.verdict(
            "none: median error over work and quantities",
            format!("≤ {:.0} %", NONE_BOUND * 100.0),
            format!("{:.1} %", error * 100.0),
            error <= NONE_BOUND,
        );
    }
}

fn chart(kernel: &KernelOptions, label: &str, pairs: &[Pair], quantity: Quantity) -> Result<Figure> {
    let (unit, divisor) = match quantity {
        Quantity::Throughput => ("MB/s", 1e6),
        Quantity::ReadMean | Quantity::ReadP99 => ("ms", 1e6),
    };
    let chart = ScatterChart {
        title: format!("Simulated and measured {label}"),
        subtitle: format!(
            "emulated {} with a queue of {}; a point to each setting and piece of work",
            kernel.model, kernel.queue_depth
        ),
        axis: Axis::new(label, unit, Scale::Log10),
        x_name: "simulated".to_owned(),
        y_name: "measured".to_owned(),
        points: pairs
            .iter()
            .map(|pair| ScatterPoint {
                series: pair.scheduler.to_string(),
                x: Some(quantity.of(&pair.simulated) / divisor),
                y: Some(pair.mean_of(quantity) / divisor),
            })
            .collect(),
        notes: vec![format!(
            "Means of {} runs of {} ms; on the line simulator and kernel are equal.",
            kernel.repeats, kernel.window_ms
        )],
    };
    Ok(chart.figure()?)
}
