//! The kernel's half: every piece of work under every setting, on emulated disks side by side.
//!
//! Several disks are attached, each with a thread of its own that takes the next cell from one list in random order.
//! A rotating disk's commands take milliseconds, so that even on two processors the disks do not disturb each other.

use super::cells::{Appender, Cell, Found, Key, read};
use super::design::{self, Limits, in_order};
use super::load::{Threads, WORK, Work};
use crate::Context;
use crate::bench::fio::{Direction, Load};
use crate::bench::sysfs::Queue;
use crate::emulation::bench::{SCHEDULERS, attach, settle};
use anyhow::{Context as _, Result, ensure};
use block_types::{Bytes, Elevator, Knob, KnobValue, Nanos, Setting, Settings};
use clap::Args;
use emulated_disk::{EmulatedDisk, Model, Spec};
use indicatif::{ProgressBar, ProgressStyle};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What is measured.
#[derive(Clone, Debug, Args)]
pub struct KernelOptions {
    /// The cells: those in this file are taken as they are, the others are measured and appended
    #[arg(long, value_name = "FILE", default_value = "replay-cells.jsonl")]
    pub cells: PathBuf,
    /// The disk
    #[arg(long, default_value = "hdd-7200")]
    pub model: String,
    /// How many commands the disk takes at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(4..=128))]
    pub queue_depth: u32,
    /// Settings of each scheduler, its defaults among them; of `none`, one
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub settings: u64,
    /// Runs of each setting
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub repeats: u64,
    /// Milliseconds of each run that are counted
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u64).range(200..=600_000))]
    pub window_ms: u64,
    /// Milliseconds of each run before that
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(0..=600_000))]
    pub ramp_ms: u64,
    /// Disks that are measured side by side
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=32))]
    pub disks: u32,
    /// Seed of the settings, of the order of the runs, and of what is random in the model
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Take up no cell later than so many seconds after the start; call again to go on
    #[arg(long, value_name = "SECONDS")]
    pub stop_after: Option<u64>,
}

impl KernelOptions {
    /// The size of the disk: large enough that reads do not come by the same place too often.
    #[must_use]
    pub fn size(&self) -> Bytes {
        Bytes(if self.model.starts_with("hdd") { 16 << 30 } else { 4 << 30 })
    }

    /// The disk.
    ///
    /// # Errors
    ///
    /// Where there is no such model.
    pub fn spec(&self) -> Result<Spec> {
        let mut spec = Spec::new(Model::named(&self.model)?, self.size());
        spec.queue_depth = Some(self.queue_depth);
        spec.seed = self.seed;
        Ok(spec)
    }

    /// The seed of one repeat: where its random I/Os go.
    #[must_use]
    pub const fn seed_of(&self, repeat: u64) -> u64 {
        self.seed + 1 + repeat
    }
}

/// A cell that is still to be measured.
#[derive(Clone, Debug)]
struct Task {
    key: Key,
    work: Work,
    settings: Settings,
}

/// Measures what is missing, and answers all cells of this disk; fewer than wanted only where the time was up.
///
/// # Errors
///
/// Where no disk can be emulated, without fio, on an interrupt, or where the file has cells that were measured
/// otherwise.
pub fn measure(context: &Context, options: &KernelOptions) -> Result<Vec<Cell>> {
    let there = there(options)?;
    let done: Vec<Key> = there.iter().map(|cell| cell.key.clone()).collect();
    let mut disk = Some(attach(&options.spec()?)?);
    let limits = limits(disk.as_ref().map_or("", |disk| disk.name()))?;
    let mut tasks = tasks(options, limits);
    tasks.retain(|task| !done.contains(&task.key));
    if !tasks.is_empty() {
        context.say(&format!("{} cells to measure, {} are there", tasks.len(), done.len()));
        let mut disks: Vec<EmulatedDisk> = disk.take().into_iter().collect();
        while disks.len() < options.disks as usize {
            disks.push(attach(&options.spec()?)?);
        }
        side_by_side(context, options, disks, tasks)?;
    }
    self::there(options)
}

/// The cells of this disk that the file has.
///
/// # Errors
///
/// Where it cannot be read, or has cells that were measured otherwise.
pub fn there(options: &KernelOptions) -> Result<Vec<Cell>> {
    let mut cells = read(&options.cells)?;
    cells.retain(|cell| cell.key.disk == options.model);
    for cell in &cells {
        ensure!(
            cell.window_ns == Nanos::from_millis(options.window_ms)
                && cell.ramp_ns == Nanos::from_millis(options.ramp_ms)
                && cell.queue_depth == options.queue_depth
                && cell.seed == options.seed_of(cell.key.repeat),
            "{}: found a cell of {} after {}, depth {}, seed {}, which is not what is asked for now",
            options.cells.display(),
            cell.window_ns,
            cell.ramp_ns,
            cell.queue_depth,
            cell.seed
        );
    }
    Ok(cells)
}

fn limits(disk: &str) -> Result<Limits> {
    let queue = Queue::of(disk);
    let number = |knob: &str| -> Result<u64> { Ok(queue.get(knob)?.parse()?) };
    Ok(Limits { max_hw_sectors_kb: number("max_hw_sectors_kb")?, nr_requests: number("nr_requests")? })
}

/// All cells, each repeat in an order of its own: what drifts must not look like a setting.
fn tasks(options: &KernelOptions, limits: Limits) -> Vec<Task> {
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut tasks = Vec::new();
    for repeat in 0..options.repeats {
        let mut round = Vec::new();
        for scheduler in SCHEDULERS {
            let drawn = design::settings(scheduler, options.settings as usize, limits, options.seed);
            for work in WORK {
                round.extend(drawn.iter().enumerate().map(|(setting, settings)| Task {
                    key: Key {
                        disk: options.model.clone(),
                        work: work.name.to_owned(),
                        scheduler,
                        setting,
                        repeat,
                    },
                    work,
                    settings: settings.clone(),
                }));
            }
        }
        round.shuffle(&mut rng);
        tasks.extend(round);
    }
    tasks
}

fn side_by_side(
    context: &Context,
    options: &KernelOptions,
    disks: Vec<EmulatedDisk>,
    mut tasks: Vec<Task>,
) -> Result<()> {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} cells, {eta} to go")?;
    let progress = if context.quiet { ProgressBar::hidden() } else { ProgressBar::new(tasks.len() as u64) };
    progress.set_style(style);
    tasks.reverse();
    let tasks = Mutex::new(tasks);
    let file = Mutex::new(Appender::open(&options.cells)?);
    let began = Instant::now();
    let late = || options.stop_after.is_some_and(|seconds| began.elapsed() >= Duration::from_secs(seconds));
    let one_disk = |disk: EmulatedDisk| -> Result<()> {
        while !late() {
            let next = lock(&tasks).pop();
            let Some(task) = next else { break };
            let cell = one(context, options, &disk, &task)
                .with_context(|| format!("{}: {}, {}", disk.name(), task.work.name, task.settings))?;
            lock(&file).append(&cell)?;
            progress.inc(1);
        }
        Ok(disk.detach()?)
    };
    let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
        let threads: Vec<_> = disks.into_iter().map(|disk| scope.spawn(|| one_disk(disk))).collect();
        let gone = || anyhow::anyhow!("the thread of a disk died");
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(gone()))).collect()
    });
    progress.finish();
    outcomes.into_iter().collect()
}

/// A lock whose holder died has nothing half done: lists are popped and lines appended in one step.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One run of fio.
fn one(context: &Context, options: &KernelOptions, disk: &EmulatedDisk, task: &Task) -> Result<Cell> {
    let settings = apply(disk.name(), &task.settings)?;
    let (ramp, window) = (Duration::from_millis(options.ramp_ms), Duration::from_millis(options.window_ms));
    let seed = options.seed_of(task.key.repeat);
    let job = |threads: &Threads| threads.job(options.size(), ramp, window, seed);
    let outcome = Load::new(disk.path(), task.work.threads.iter().map(job)).run(&context.interrupt)?;
    settle(context, disk)?;
    empty_write_cache(disk.path())?;
    let of = |side: &dyn Fn(&Direction) -> f64, pick: fn(&crate::bench::fio::JobResult) -> &Direction| {
        outcome.jobs.iter().map(|job| side(pick(job))).sum::<f64>()
    };
    // One group of threads reads, in all the work there is.
    let reader = outcome
        .jobs
        .iter()
        .find(|job| job.read.total_ios > 0)
        .context("nothing was read: raise --window-ms")?;
    let bytes_per_s = task
        .work
        .threads
        .iter()
        .map(|threads| {
            let job = outcome.job(threads.name)?;
            Ok((job.read.iops + job.write.iops) * threads.block.0 as f64)
        })
        .sum::<Result<f64>>()?;
    Ok(Cell {
        key: task.key.clone(),
        seed,
        settings,
        ramp_ns: ramp.into(),
        window_ns: window.into(),
        queue_depth: options.queue_depth,
        found: Found {
            bytes_per_s,
            read_iops: of(&|direction| direction.iops, |job| &job.read),
            write_iops: of(&|direction| direction.iops, |job| &job.write),
            read_mean_ns: reader.read.lat_ns.mean().context("fio said no mean")?,
            read_p99_ns: reader.read.lat_ns.percentile(99.0).context("fio said no percentiles")?,
            reads: reader.read.total_ios,
        },
    })
}

/// Puts settings in force from whatever there was, and answers what every knob reads then that can matter to direct
/// I/O.
///
/// # Errors
///
/// Where the kernel refuses one.
pub(crate) fn apply(disk: &str, settings: &Settings) -> Result<Settings> {
    let queue = Queue::of(disk);
    let elevator = settings.elevator().context("a setting of the design names its scheduler")?;
    // A switch brings a scheduler's defaults back; to the one that is there already it does nothing.
    if queue.get("scheduler")? == elevator.to_string() {
        queue.set("scheduler", if elevator == Elevator::None { "mq-deadline" } else { "none" })?;
    }
    if settings.get(Knob::MaxSectorsKb).is_none() {
        // What the driver would like.
        queue.set("max_sectors_kb", "0")?;
    }
    for Setting { knob, value } in in_order(settings) {
        queue.write(knob.name(), &value.to_string())?;
    }
    let mut found = Settings::new();
    found.set(Knob::Scheduler, KnobValue::Elevator(queue.get("scheduler")?.parse()?));
    for &knob in Knob::ALL {
        let matters = matches!(knob, Knob::NrRequests | Knob::MaxSectorsKb | Knob::Nomerges)
            || knob.elevator() == Some(elevator);
        if let (true, Ok(text)) = (matters, queue.read(knob.name())) {
            let value = text.parse().with_context(|| format!("{knob}: found {text:?}, expected a number"))?;
            found.set(knob, KnobValue::Number(value));
        }
    }
    Ok(found)
}

/// Has the disk write down what its volatile cache holds, so that the next run finds it empty.
fn empty_write_cache(disk: &Path) -> Result<()> {
    let device = std::fs::OpenOptions::new().write(true).open(disk);
    let flush = device.and_then(|device| device.sync_all());
    flush.with_context(|| format!("cannot flush {}", disk.display()))
}
