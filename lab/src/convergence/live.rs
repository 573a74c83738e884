//! The experiment on a device: runs of `tunerd` under the four workloads.

use super::given::Given;
use super::journal::{Journal, Row};
use super::plan::{Cell, HOSTILE_ORDER, Ranges, Strategy, order};
use super::visit::{Scheduled, Visit, visits};
use super::workloads::Running;
use super::{Options, Progress};
use crate::Context;
use crate::bench::clock::monotonic;
use crate::bench::diskstat::Activity;
use crate::bench::sysfs::Queue;
use crate::bench::tunerd::Tunerd;
use anyhow::{Context as _, Result, ensure};
use block_types::{Bytes, Elevator, Knob, KnobValue, Nanos, Settings};
use disk_model::Params;
use disk_model::hdd::WriteCache;
use emulated_disk::{EmulatedDisk, Model, Spec};
use genetic::GeneSpec;
use kernfs::{Disk, Kernel, RealKernel, Roots};
use schedulers::Offer;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tunerd::engine::GeneMap;

/// The genes: those whose writing does not hold up the queue. A change of `nr_requests` and the like costs up to a second
/// each time, which would be most of a child's life. So does lowering an expiry: mq-deadline takes a request's start to be
/// its deadline less the expiry of *now*, so what was queued before seems to start in the future and waits until then.
/// With `write_expire` lowered from 5000 to 109 ms, 34 queued requests, a free driver and nothing in flight, nothing was
/// dispatched for more than four seconds (Linux 6.18).
pub(crate) const GENES: [&str; 4] = ["fifo_batch", "writes_starved", "front_merges", "read_ahead_kb"];

/// The scheduler in force: what the kernel gives a disk of this kind.
pub(crate) const SCHEDULER: Elevator = Elevator::MqDeadline;
/// As many requests as the kernel gives a SATA disk: twice the depth of its command queue.
const REQUESTS: &str = "64";
/// As large as a request is where its memory lies in single pages, which a loop device takes 128 of. Above that it
/// depends on how the memory of a program happens to lie, and with it on how it was started, how much is merged.
const REQUEST_KB: &str = "512";
const SIZE: Bytes = Bytes(16 << 30);

/// A disk that the experiment may overwrite.
pub(crate) enum Victim {
    /// Made for it, and gone with it.
    Emulated(Box<EmulatedDisk>),
    /// Given by the user, under guard.
    Given(Arc<Given>),
}

impl Victim {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Emulated(disk) => disk.path(),
            Self::Given(given) => given.path(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Emulated(disk) => disk.name(),
            Self::Given(given) => given.name(),
        }
    }
}

impl Victim {
    /// Lets go of it: one that was made is gone then, one that was given goes on to whoever needs it next.
    pub(crate) fn detach(self) -> Result<()> {
        match self {
            Self::Emulated(disk) => Ok(disk.detach()?),
            Self::Given(_) => Ok(()),
        }
    }
}

/// How to get a disk.
#[derive(Clone)]
pub(crate) enum Supply {
    /// Emulate one of this model, with a queue so deep.
    Emulate { model: Model, queue_depth: u32 },
    /// The one that was given.
    Given(Arc<Given>),
}

impl Supply {
    /// The emulated hard disk of the experiment and the demo.
    pub(crate) fn hard_disk() -> Result<Self> {
        Self::emulated("hdd-7200", false, 4)
    }

    /// Emulated disks of a model, a hard disk's write cache on or off.
    pub(crate) fn emulated(model: &str, write_cache: bool, queue_depth: u32) -> Result<Self> {
        let mut model = Model::named(model)?;
        if let (false, Model::Disk { name, params: Params::Hdd(hdd) }) = (write_cache, &mut model) {
            hdd.write_cache = WriteCache::WriteThrough;
            name.push_str(" without write cache");
        }
        Ok(Self::Emulate { model, queue_depth })
    }

    /// In words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Emulate { model, queue_depth } => {
                format!("an emulated {} with a queue of {queue_depth}", model.name())
            }
            Self::Given(given) => given.path().display().to_string(),
        }
    }

    pub(crate) fn disk(&self, seed: u64) -> Result<Victim> {
        let victim = match self {
            Self::Emulate { model, queue_depth } => {
                let mut spec = Spec::new(model.clone(), SIZE);
                spec.queue_depth = Some(*queue_depth);
                spec.seed = seed;
                let disk = EmulatedDisk::attach(&spec).context("cannot attach an emulated disk")?;
                Victim::Emulated(Box::new(disk))
            }
            Self::Given(given) => {
                given.begin_anew()?;
                Victim::Given(Arc::clone(given))
            }
        };
        if let Victim::Emulated(disk) = &victim {
            let queue = Queue::of(disk.name());
            if queue.get("scheduler")? != SCHEDULER.to_string() {
                queue.set("scheduler", &SCHEDULER.to_string())?;
            }
            queue.set("nr_requests", REQUESTS)?;
            queue.set("max_sectors_kb", REQUEST_KB)?;
        }
        Ok(victim)
    }
}

/// The genes of both ranges on a disk, and its settings.
pub(crate) fn genes(victim: &Victim) -> Result<BTreeMap<Ranges, Vec<GeneSpec>>> {
    let kernel: Arc<dyn Kernel> = Arc::new(RealKernel::new(Roots::live()));
    let offer = Offer::read(&Disk::open(kernel, victim.name())?)?;
    Ranges::ALL
        .iter()
        .map(|&ranges| {
            let mut arguments = vec!["--ranges", ranges.name()];
            for gene in GENES {
                arguments.extend(["--knob", gene]);
            }
            let map = GeneMap::new(&offer, &super::fake_clock::config(&arguments)?)?;
            Ok((ranges, map.space().specs().to_vec()))
        })
        .collect()
}

/// Starts a workload and waits for its first I/O; answers when that was.
pub(crate) fn begin(context: &Context, workload: &str, victim: &Victim) -> Result<(Running, Nanos)> {
    let idle = Activity::read(victim.name())?;
    let mut running = Running::start(workload, victim.path())?;
    let began = context.interrupt.wait_until(Duration::from_secs(30), Duration::from_millis(1), || {
        Ok(Activity::read(victim.name())? != idle)
    })?;
    let first = monotonic();
    running.check()?;
    ensure!(began, "{workload}: no I/O within 30 s");
    Ok((running, first))
}

/// What a run came to: all visits that were begun, and why it did not come to its end if it did not.
struct Outcome {
    visits: Vec<Visit>,
    ended: Result<()>,
}

/// Runs all visits of one cell.
fn cell(
    context: &Context,
    options: &Options,
    supply: &Supply,
    cell: &Cell,
    after: &dyn Fn(),
) -> Result<Outcome> {
    let strategy = Strategy::named(&cell.strategy)
        .with_context(|| format!("there is no strategy called {:?}", cell.strategy))?;
    let scratch =
        tempfile::Builder::new().prefix("tunerd-lab.").tempdir().context("cannot make a directory")?;
    let victim = supply.disk(cell.seed)?;
    let tunerd = Tunerd::find(context.tunerd.as_deref(), scratch.path())?;
    let seed = cell.seed.to_string();
    let mut arguments = vec!["--mode", "tune", "--seed", &seed, "--on-change", cell.treatment.on_change()];
    arguments.extend(strategy.arguments());
    for gene in GENES {
        arguments.extend(["--knob", gene]);
    }
    let mut daemon = tunerd.run(victim.name(), &arguments)?;
    let mut events = vec![daemon.wait_for("started", Duration::from_secs(30), &context.interrupt)?];
    let mut schedule = Vec::new();
    let passes = usize::try_from(options.passes)?;
    let mut play = || -> Result<()> {
        for (work, pass) in order(cell.seed, passes) {
            let workload = HOSTILE_ORDER[work];
            let (mut running, first) = begin(context, workload, &victim)?;
            let place = schedule.len();
            schedule.push(Scheduled { workload: workload.to_owned(), pass, first, end: first });
            let played = (|| -> Result<()> {
                while monotonic() - first < Duration::from_secs(options.visit).into() {
                    context.interrupt.sleep(Duration::from_millis(100))?;
                    running.check()?;
                    events.extend(daemon.arrived()?.into_iter().filter(|event| event["event"] != "window"));
                    schedule[place].end = monotonic();
                }
                Ok(())
            })();
            schedule[place].end = monotonic();
            played?;
            running.stop()?;
            after();
        }
        Ok(())
    };
    let ended = play();
    let stopped = daemon.stop();
    if let Victim::Given(given) = &victim {
        given.clear_up(&tunerd)?;
    }
    match stopped {
        Ok(rest) => events.extend(rest.into_iter().filter(|event: &Value| event["event"] != "window")),
        // Why the visits ended is the better explanation where there are both.
        Err(error) if ended.is_ok() => return Err(error),
        Err(_) => {}
    }
    Ok(Outcome { visits: visits(&events, &schedule)?, ended })
}

/// Runs all cells that are not there yet, so many at once; what is done is kept as it comes.
pub(super) fn cells(
    context: &Context,
    options: &Options,
    supply: &Supply,
    journal: &Mutex<&mut Journal>,
    progress: &Progress,
) -> Result<()> {
    let todo: VecDeque<Cell> = {
        let journal = lock(journal);
        options.cells().into_iter().filter(|cell| !journal.has(cell)).collect()
    };
    let todo = Mutex::new(todo);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.at_once)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    loop {
                        let Some(next) = lock(&todo).pop_front() else { return Ok(()) };
                        let what =
                            format!("{}, {}, seed {}", next.strategy, next.treatment.name(), next.seed);
                        let outcome = cell(context, options, supply, &next, &|| progress.step(&what));
                        let outcome = outcome.with_context(|| what.clone());
                        if outcome.is_err() {
                            lock(&todo).clear();
                        }
                        let Outcome { visits, ended } = outcome?;
                        let complete = ended.is_ok();
                        lock(journal).append(Row::Run { cell: next, complete, visits })?;
                        if let Err(error) = ended {
                            lock(&todo).clear();
                            return Err(error.context(what));
                        }
                    }
                })
            })
            .collect();
        // All of them, so that what each has is kept; the first reason is told.
        let ends: Vec<Result<()>> = workers.into_iter().map(join).collect();
        ends.into_iter().collect()
    })
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn join(thread: std::thread::ScopedJoinHandle<'_, Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked")))
}

/// The default of every gene.
pub(crate) fn defaults(specs: &[GeneSpec]) -> Settings {
    let mut settings = Settings::new();
    for spec in specs {
        if let Ok(knob) = spec.name.parse::<Knob>() {
            settings.set(knob, KnobValue::Number(spec.default));
        }
    }
    settings
}

/// Puts genes in force; read-ahead last, which others reset.
pub(crate) fn apply(victim: &Victim, settings: &Settings) -> Result<()> {
    if let Victim::Given(given) = victim {
        return given.apply(settings);
    }
    let queue = Queue::of(victim.name());
    for last in [false, true] {
        for setting in settings.iter().filter(|setting| (setting.knob == Knob::ReadAheadKb) == last) {
            let (name, value) = (setting.knob.name(), setting.value.to_string());
            if queue.read(name)? != value {
                queue.write(name, &value)?;
            }
        }
    }
    Ok(())
}

/// Bytes a second over a slice of this length.
pub(crate) fn slice_of(context: &Context, victim: &Victim, length: Duration) -> Result<f64> {
    let (from, before) = (monotonic(), Activity::read(victim.name())?);
    context.interrupt.sleep(length)?;
    let (to, after) = (monotonic(), Activity::read(victim.name())?);
    let sectors = (after.read_sectors - before.read_sectors) + (after.write_sectors - before.write_sectors);
    Ok(sectors as f64 * 512.0 / (to - from).as_secs_f64())
}
