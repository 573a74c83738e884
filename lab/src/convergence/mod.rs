//! The paper's experiment: how long the search takes to converge on a workload that it does not know, and on one that
//! comes back.
//!
//! [`definitions`] says what convergence is; [`plan`] what is run; [`visit`] reads visits off the daemon's events;
//! [`mod@judge`] puts both together with what settings are truly worth, which [`fake_clock`] knows and the other backends
//! measure ([`measure`]). All raw rows go through the [`journal`], and the report is made from them alone: a run that
//! was interrupted and gone on with gives the same one.

mod charts;
pub mod definitions;
pub mod fake_clock;
mod given;
pub mod journal;
pub mod judge;
pub(crate) mod live;
pub mod measure;
pub mod measured;
pub mod pace;
pub mod plan;
pub mod reduction;
mod report;
pub mod summary;
mod sweep;
#[cfg(test)]
mod tests;
pub mod visit;
pub mod workloads;

use crate::Context;
use crate::bench::report::Report;
use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use fake_clock::Synthetic;
use given::Given;
use indicatif::{ProgressBar, ProgressStyle};
use journal::{Journal, Plan, Row};
use judge::{Landscape, judge};
use live::Supply;
use measured::Measured;
use pace::Pace;
use plan::{Cell, HOSTILE_ORDER, Ranges, Strategy, Treatment};
use schedulers::GuardConfig;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where the loop runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// Virtual time over made-up landscapes: many seeds in seconds, and nothing about any disk.
    FakeClock,
    /// Emulated disks, made for this and gone afterwards: the kernel's own block layer and schedulers.
    Emulated,
    /// A given device, whose data are OVERWRITTEN.
    Device,
}

impl Backend {
    /// Whether it takes root.
    #[must_use]
    pub const fn needs_root(self) -> bool {
        !matches!(self, Self::FakeClock)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::FakeClock => "fake-clock",
            Self::Emulated => "emulated",
            Self::Device => "device",
        }
    }
}

/// Options of this experiment.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Where the loop runs
    #[arg(long, value_enum, default_value = "fake-clock")]
    pub backend: Backend,
    /// A strategy; may be given several times [default: all]
    #[arg(long = "strategy", value_name = "NAME", value_parser = plan::STRATEGIES.map(|strategy| strategy.name))]
    pub strategies: Vec<String>,
    /// Seeds of each strategy and treatment
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub seeds: u64,
    /// Visits of each workload in a run: the first, and those that memory can shorten
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(2..=100))]
    pub passes: u64,
    /// Seconds of each visit
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u64).range(20..=86_400))]
    pub visit: u64,
    /// emulated: the disk
    #[arg(long, default_value = "hdd-7200")]
    pub model: String,
    /// emulated: leave the disk's write cache on. Off, as databases want it, a scheduler has writes to order; on, the
    /// disk takes them at once and orders them itself
    #[arg(long)]
    pub write_cache: bool,
    /// emulated: how many commands the disk takes at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(4..=128))]
    pub queue_depth: u32,
    /// emulated: so many disks at once, each with a tunerd of its own
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub at_once: u64,
    /// device: the device, whose data are overwritten
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<PathBuf>,
    /// device: needed for any other than a loop device
    #[arg(long)]
    pub overwrite_all_data: bool,
    /// device: where its settings are kept while this runs, for `tunerd restore` [default: tunerd's own]
    #[arg(long, value_name = "DIRECTORY")]
    pub state_dir: Option<PathBuf>,
    /// device: where it is locked against another tunerd [default: tunerd's own]
    #[arg(long, value_name = "DIRECTORY")]
    pub run_dir: Option<PathBuf>,
    /// Go on with the record in this directory, under the same options
    #[arg(long, value_name = "DIRECTORY")]
    pub resume: Option<PathBuf>,
    /// Run nothing: make the report of the record in this directory anew
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "resume")]
    pub report: Option<PathBuf>,
    /// How much is measured beside the runs.
    #[command(flatten)]
    pub pace: Pace,
}

impl Options {
    /// A quick look in virtual time.
    #[must_use]
    pub fn in_virtual_time(strategies: Vec<String>, seeds: u64, passes: u64, visit: u64) -> Self {
        Self {
            backend: Backend::FakeClock,
            strategies,
            seeds,
            passes,
            visit,
            model: "hdd-7200".to_owned(),
            write_cache: false,
            queue_depth: 4,
            at_once: 1,
            device: None,
            overwrite_all_data: false,
            state_dir: None,
            run_dir: None,
            resume: None,
            report: None,
            pace: Pace::default(),
        }
    }

    /// Whether there is little to lose.
    fn is_brief(&self) -> bool {
        self.backend == Backend::FakeClock && self.seeds <= 3
    }

    fn strategies(&self) -> Vec<Strategy> {
        if self.strategies.is_empty() {
            return plan::STRATEGIES.to_vec();
        }
        self.strategies.iter().filter_map(|name| Strategy::named(name)).collect()
    }

    /// One strategy after the other, in the order in which they were asked for, and treatments of one seed side by side:
    /// an interrupted run has whole strategies and whole pairs.
    fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for strategy in self.strategies() {
            for seed in 1..=self.seeds {
                for treatment in Treatment::ALL {
                    cells.push(Cell { strategy: strategy.name.to_owned(), treatment, seed });
                }
            }
        }
        cells
    }
}

/// Runs the experiment.
///
/// # Errors
///
/// Where what the backend needs cannot be had, or on an interrupt; what was recorded until then is kept.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    if let Some(directory) = &options.report {
        return again(directory);
    }
    match options.backend {
        Backend::FakeClock => virtual_time(context, options),
        Backend::Emulated => on_disks(
            context,
            options,
            &Supply::emulated(&options.model, options.write_cache, options.queue_depth)?,
        ),
        Backend::Device => on_given(context, options),
    }
}

/// The report of a record, made anew.
fn again(directory: &Path) -> Result<Report> {
    let journal = Journal::open(directory)?;
    let plan = journal.plan()?.clone();
    if plan.backend == Backend::FakeClock.name() {
        return report::finish(journal, &Synthetic::new()?);
    }
    let land = Measured::new(&plan.genes, journal.slices());
    report::finish(journal, &land)
}

/// The experiment on a given device, which is left as it was found however the experiment ends.
fn on_given(context: &Context, options: &Options) -> Result<Report> {
    let path = may_be_overwritten(options)?;
    let machine = tunerd::config::Config::default();
    let places = GuardConfig {
        state_dir: options.state_dir.clone().unwrap_or(machine.state_dir),
        run_dir: options.run_dir.clone().unwrap_or(machine.run_dir),
    };
    let given = Arc::new(Given::take(&path, &places)?);
    let report =
        on_disks(context, &Options { at_once: 1, ..options.clone() }, &Supply::Given(Arc::clone(&given)));
    let back = given.give_back();
    if let Ok(Some(back)) = &back {
        context.say(back);
    }
    let report = report?;
    back?;
    Ok(report)
}

/// The given device, if its data may be overwritten.
fn may_be_overwritten(options: &Options) -> Result<PathBuf> {
    let path = options.device.clone().context("--backend device needs --device")?;
    let node = path.canonicalize().with_context(|| format!("{}: cannot be found", path.display()))?;
    let is_loop = node.file_name().is_some_and(|name| name.to_string_lossy().starts_with("loop"));
    ensure!(
        is_loop || options.overwrite_all_data,
        "{}: all its data would be overwritten; with --overwrite-all-data they are",
        path.display()
    );
    Ok(path)
}

/// The experiment on disks: the sweep and the held-out pairs beside the runs, on disks of their own where they are made.
fn on_disks(context: &Context, options: &Options, supply: &Supply) -> Result<Report> {
    let genes = live::genes(&supply.disk(0)?)?;
    let ranges: Vec<Ranges> = Ranges::ALL
        .into_iter()
        .filter(|ranges| options.strategies().iter().any(|strategy| strategy.ranges == *ranges))
        .collect();
    let device = supply.describe();
    let plan = Plan {
        backend: options.backend.name().to_owned(),
        strategies: options.strategies().iter().map(|strategy| strategy.name.to_owned()).collect(),
        seeds: options.seeds,
        passes: usize::try_from(options.passes)?,
        visit_s: options.visit,
        workloads: HOSTILE_ORDER
            .iter()
            .map(|name| ((*name).to_owned(), workloads::describe(name).to_owned()))
            .collect(),
        device,
        scheduler: live::SCHEDULER.to_string(),
        genes: genes.clone(),
        pace: options.pace.clone(),
    };
    let mut journal = begin(context, options, plan)?;
    let ran = play(context, options, supply, &ranges, &mut journal);
    finished(context, ran, &journal)?;
    let land = Measured::new(&genes, journal.slices());
    report::finish(journal, &land)
}

/// Everything that is not there yet.
fn play(
    context: &Context,
    options: &Options,
    supply: &Supply,
    ranges: &[Ranges],
    journal: &mut Journal,
) -> Result<()> {
    let genes = journal.plan()?.genes.clone();
    let visits = options.cells().len() * usize::try_from(options.passes)? * HOSTILE_ORDER.len();
    context.say("one disk alone, to compare with");
    sweep::alone(context, supply, journal)?;
    let progress = Progress::new(context, visits + HOSTILE_ORDER.len() * sweep::steps(ranges, &options.pace));
    let shared = Mutex::new(journal);
    let measure =
        |workload: &str| sweep::measure(context, supply, workload, ranges, &genes, &shared, &progress);
    if options.at_once > 1 {
        std::thread::scope(|scope| {
            let measure = &measure;
            let threads: Vec<_> =
                HOSTILE_ORDER.iter().map(|workload| scope.spawn(move || measure(workload))).collect();
            let ran = live::cells(context, options, supply, &shared, &progress);
            let measured: Vec<Result<()>> = threads.into_iter().map(live::join).collect();
            measured.into_iter().collect::<Result<()>>().and(ran)
        })?;
    } else {
        HOSTILE_ORDER.iter().try_for_each(|workload| measure(workload))?;
        live::cells(context, options, supply, &shared, &progress)?;
    }
    sweep::value_leaders(context, options, supply, &genes, &shared, &progress)?;
    progress.end();
    Ok(())
}

/// Says of a run that broke off how it is gone on with.
fn finished(context: &Context, ran: Result<()>, journal: &Journal) -> Result<()> {
    if let (Err(_), Some(directory)) = (&ran, journal.directory()) {
        context.say(&format!(
            "everything until now is kept: go on under the same options with --resume {}",
            directory.display()
        ));
    }
    ran
}

fn virtual_time(context: &Context, options: &Options) -> Result<Report> {
    let land = Synthetic::new()?;
    let mut journal = begin(context, options, plan_of(options, &land))?;
    let ran = play_virtually(context, options, &land, &mut journal);
    finished(context, ran, &journal)?;
    report::finish(journal, &land)
}

/// Everything that is not there yet.
fn play_virtually(
    context: &Context,
    options: &Options,
    land: &Synthetic,
    journal: &mut Journal,
) -> Result<()> {
    known(journal, land)?;
    let todo: Vec<Cell> = options.cells().into_iter().filter(|cell| !journal.has(cell)).collect();
    let progress = Progress::new(context, todo.len());
    let scratch =
        tempfile::Builder::new().prefix("tunerd-lab.").tempdir().context("cannot make a directory")?;
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let passes = usize::try_from(options.passes)?;
    let visit = Duration::from_secs(options.visit);
    for group in todo.chunks(at_once) {
        context.interrupt.check()?;
        let done = std::thread::scope(|scope| {
            let threads: Vec<_> = group
                .iter()
                .map(|cell| scope.spawn(|| land.run(cell, passes, visit, scratch.path())))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| bail!("a run panicked")))
                .collect::<Vec<_>>()
        });
        // In the order of the plan, whichever was ready first: the record is the same every time.
        for (cell, visits) in group.iter().zip(done) {
            let visits = visits.with_context(|| {
                format!("{}, {}, seed {}", cell.strategy, cell.treatment.name(), cell.seed)
            })?;
            let judged = judge(cell, &visits, passes, land)?;
            // One seed's visits are kept to look at; twenty would be megabytes that anybody can make again.
            let is_shown = cell.seed == 1 && cell.treatment == Treatment::Recall;
            let seen = if is_shown { visits } else { Vec::new() };
            journal.append(Row::Judged { cell: cell.clone(), visits: judged, seen })?;
            progress.step(&cell.strategy);
        }
    }
    progress.end();
    Ok(())
}

const MADE_UP: &str = "made up: an optimum in two or three knobs, noise as on an emulated hard disk";

fn plan_of(options: &Options, land: &Synthetic) -> Plan {
    Plan {
        backend: options.backend.name().to_owned(),
        strategies: options.strategies().iter().map(|strategy| strategy.name.to_owned()).collect(),
        seeds: options.seeds,
        passes: usize::try_from(options.passes).unwrap_or(usize::MAX),
        visit_s: options.visit,
        workloads: HOSTILE_ORDER.iter().map(|name| ((*name).to_owned(), MADE_UP.to_owned())).collect(),
        device: "SIMULATED: a fake kernel, made-up landscapes and virtual time".to_owned(),
        scheduler: "mq-deadline".to_owned(),
        genes: Ranges::ALL.map(|ranges| (ranges, land.genes(ranges).to_vec())).into(),
        pace: options.pace.clone(),
    }
}

/// Records what is known beforehand.
fn known(journal: &mut Journal, land: &dyn Landscape) -> Result<()> {
    for workload in HOSTILE_ORDER {
        for ranges in Ranges::ALL {
            let there = journal.rows().iter().any(|row| {
                matches!(row, Row::Oracle { workload: of, ranges: within, .. } if of == workload && *within == ranges)
            });
            if let (false, Some(oracle)) = (there, land.oracle(workload, ranges)) {
                let dominant = land.dominant(workload);
                journal.append(Row::Oracle { workload: workload.to_owned(), ranges, oracle, dominant })?;
            }
        }
    }
    Ok(())
}

/// A journal: of the record that is to be gone on with, of a new one where one is wanted, or of none.
fn begin(context: &Context, options: &Options, plan: Plan) -> Result<Journal> {
    ensure!(!options.strategies().is_empty(), "no strategy");
    if let Some(directory) = &options.resume {
        return Journal::resume(directory, &plan);
    }
    let name = match options.backend {
        Backend::FakeClock => "convergence-fake-clock",
        Backend::Emulated => "convergence",
        Backend::Device => "convergence-device",
    };
    let run = context.begin_record(name, &report::title(&plan), &plan.device, None)?;
    match &run {
        Some(run) => context.say(&format!("recording into {}", run.dir().display())),
        None if options.is_brief() => {}
        None => context.say("without --record nothing is kept if this is interrupted"),
    }
    Journal::begin(run, plan)
}

/// The live line: on a terminal a bar with what is left to wait, elsewhere a line now and then.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(context: &Context, steps: usize) -> Self {
        let bar = if context.quiet { ProgressBar::hidden() } else { ProgressBar::new(steps as u64) };
        if let Ok(style) =
            ProgressStyle::with_template("{bar:24} {pos}/{len} runs, about {eta} to go  {wide_msg}")
        {
            bar.set_style(style);
        }
        Self { bar }
    }

    fn step(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        self.bar.inc(1);
    }

    fn more(&self, steps: usize) {
        self.bar.inc_length(steps as u64);
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
