//! Doing what a plan says: file sets, aging, then phase after phase.
//!
//! Every draw of a thread comes from a stream of its own under the seed, and depends on no other thread: see
//! `allot.rs` for how files are dealt out to that end. So a run that is bounded by operations does the same
//! every time; one that is bounded by time goes the same way for as far as it comes.

mod allot;
pub(crate) mod limit;
pub(crate) mod phase;
pub(crate) mod worker;

pub use phase::{AgingOutcome, Bound, Ending, GroupOutcome, PhaseOutcome, ThreadTrail};
pub use worker::OpError;

use crate::error::RunError;
use crate::fileset::{FileSet, Layout};
use crate::home::{Home, Left};
use crate::plan::{PhasePlan, Plan};
use crate::platform::{self, CpuTime, monotonic_ns};
use crate::watch::{Event, Stage, Watch};
use phase::Work;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What is not in the profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Governs every draw.
    pub seed: u64,
    /// How often the phases are gone through; at least 1.
    pub turns: u32,
    /// When a phase ends, in place of its profile's time.
    pub bound: Option<Bound>,
    /// Whether the file sets stay.
    pub keep: bool,
    /// Whether a profile may run its command.
    pub allow_callout: bool,
    /// Whether every step of every thread is kept in memory.
    pub record_steps: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 1, turns: 1, bound: None, keep: false, allow_callout: false, record_steps: false }
    }
}

/// A file set as it was when the first phase began.
#[derive(Clone, Debug, PartialEq)]
pub struct SetOutcome {
    /// Where.
    pub path: PathBuf,
    /// How many files.
    pub files: u64,
    /// Bytes in them together.
    pub bytes: u64,
    /// Whether an earlier run's was taken.
    pub reused: bool,
    /// How long it took to make or to find it.
    pub took: Duration,
    /// What aging did.
    pub aging: Option<AgingOutcome>,
}

/// A phase that was run.
#[derive(Debug)]
pub struct PhaseRun {
    /// Which turn of the cycle, from 0.
    pub turn: u32,
    /// Its place in [`Plan::phases`].
    pub phase: usize,
    /// What it did.
    pub outcome: PhaseOutcome,
    /// How long it took to write out what was left in memory; `None` where that was left to the kernel because
    /// another phase follows.
    pub sync: Option<Duration>,
    /// Processor time that it took.
    pub cpu: Option<CpuTime>,
}

/// What a run did.
#[derive(Debug)]
pub struct Outcome {
    /// The file sets, as in [`Plan::sets`].
    pub sets: Vec<SetOutcome>,
    /// The phases that were run, in order.
    pub phases: Vec<PhaseRun>,
    /// Whether the file sets are still there.
    pub kept: bool,
    /// What was found in the locations that is not ours, and stayed.
    pub left: Left,
}

impl Outcome {
    /// How the last phase ended; `None` where there was none.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.phases.last().map(|run| &run.outcome.ending)
    }
}

/// Does what a plan says.
///
/// All file sets are made before the first phase, so that a phase begins with its own I/O. Where there are several
/// phases, what is left in memory at the end of one is left to the kernel.
///
/// # Errors
///
/// When it cannot begin: a location is not ours, there is no room, no direct I/O. A call that fails in a phase is no
/// error of this function: it ends the run, and the outcome says so beside what was done until then.
pub fn run(plan: &Plan, settings: &Settings, watch: &dyn Watch) -> Result<Outcome, RunError> {
    if !settings.allow_callout
        && let Some(command) = plan.phases.iter().find_map(|phase| phase.profile.callout.clone())
    {
        return Err(RunError::CalloutNotAllowed(command));
    }
    check_memory(plan)?;
    let mut homes = Vec::new();
    for path in &plan.homes {
        match Home::claim(path) {
            Ok(home) => homes.push(home),
            Err(error) => {
                // The others were only just taken.
                let _ = vacate(homes);
                return Err(error.into());
            }
        }
    }
    let keep = settings.keep
        || plan.sets.iter().any(|set| set.filesystem.reuse)
        || plan.phases.iter().any(|phase| phase.profile.time.is_zero() && settings.bound.is_none());
    let result = run_in(plan, settings, &homes, watch);
    if keep {
        return result.map(|(sets, phases)| Outcome { sets, phases, kept: true, left: Left::default() });
    }
    let vacated = vacate(homes);
    let (sets, phases) = result?;
    Ok(Outcome { sets, phases, kept: false, left: vacated? })
}

/// Each thread has a buffer of its largest block. Without this, a block of 4 GB would end in the kernel's killing.
fn check_memory(plan: &Plan) -> Result<(), RunError> {
    let Some(available_bytes) = platform::available_memory() else {
        return Ok(());
    };
    for phase in &plan.phases {
        let buffers = phase.profile.threadgroups.iter().map(|group| {
            let blocks = [group.read_block, group.write_block].into_iter().flatten();
            let largest = blocks.map(|block| u64::from(block.get())).max().unwrap_or(0);
            largest.saturating_mul(group.threads.get().into())
        });
        let wanted_bytes = buffers.fold(0, u64::saturating_add);
        if wanted_bytes > available_bytes {
            return Err(RunError::NoMemory { phase: phase.name.clone(), wanted_bytes, available_bytes });
        }
    }
    Ok(())
}

fn vacate(homes: Vec<Home>) -> Result<Left, RunError> {
    let mut left = Left::default();
    let mut failed = None;
    for home in homes {
        match home.vacate() {
            Ok(more) => left.add(more),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(left), |error| Err(error.into()))
}

fn run_in(
    plan: &Plan,
    settings: &Settings,
    homes: &[Home],
    watch: &dyn Watch,
) -> Result<(Vec<SetOutcome>, Vec<PhaseRun>), RunError> {
    let (mut sets, made) = prepare(plan, settings, homes, watch)?;
    for phase in &plan.phases {
        if let Some(command) = &phase.profile.callout {
            call_out(command)?;
        }
    }
    watch.event(&Event::Prepared { monotonic_ns: monotonic_ns() });
    let mut runs = Vec::new();
    let is_alone = settings.turns <= 1 && plan.phases.len() == 1;
    for turn in 0..settings.turns.max(1) {
        for (number, phase) in plan.phases.iter().enumerate() {
            let time = phase.profile.time;
            let bound = settings.bound.unwrap_or(Bound { time: Some(time), ops: None });
            if bound.ops.is_none() && bound.time.is_some_and(|time| time.is_zero()) {
                continue;
            }
            // Moved out and in again: a phase uses some of the sets, in an order of its own.
            let mut used: Vec<FileSet> = phase.sets.iter().map(|set| sets[*set].clone()).collect();
            let run = run_phase(phase, (turn, number), bound, settings, &mut used, is_alone, watch)?;
            for (set, after) in phase.sets.iter().zip(used) {
                sets[*set] = after;
            }
            let goes_on = matches!(run.outcome.ending, Ending::Complete);
            runs.push(run);
            if !goes_on {
                return Ok((made, runs));
            }
        }
    }
    Ok((made, runs))
}

fn prepare(
    plan: &Plan,
    settings: &Settings,
    homes: &[Home],
    watch: &dyn Watch,
) -> Result<(Vec<FileSet>, Vec<SetOutcome>), RunError> {
    let (mut sets, mut made) = (Vec::new(), Vec::new());
    for (number, set) in plan.sets.iter().enumerate() {
        let root = homes[set.home].path().join(&set.name);
        let begun = std::time::Instant::now();
        let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
        // Streams from above, threads have those from below.
        random.set_stream(u64::MAX - number as u64);
        let layout = Layout::new(root.clone(), &set.filesystem, set.grain);
        let made_set =
            FileSet::prepare(layout, &set.filesystem, set.ceiling, set.direct_block, &mut random, watch)?;
        let took = begun.elapsed();
        let aging = match &set.filesystem.aging {
            None => None,
            Some(aging) => {
                let layout = Layout::aging(root.clone(), &set.filesystem);
                let aged =
                    FileSet { layout, files: Vec::new(), ceiling: None, reused: false, next: made_set.next };
                watch.begin(Stage::Aging);
                let outcome = phase::age(
                    &aging.threads,
                    aging.until_used,
                    aged,
                    settings.seed,
                    u64::MAX - number as u64,
                    watch,
                );
                watch.end();
                Some(outcome?)
            }
        };
        made.push(SetOutcome {
            path: root,
            files: made_set.files.len() as u64,
            bytes: made_set.bytes(),
            reused: made_set.reused,
            took,
            aging,
        });
        sets.push(made_set);
    }
    Ok((sets, made))
}

fn run_phase(
    phase: &PhasePlan,
    (turn, number): (u32, usize),
    bound: Bound,
    settings: &Settings,
    sets: &mut [FileSet],
    is_alone: bool,
    watch: &dyn Watch,
) -> Result<PhaseRun, RunError> {
    let name = || phase.name.clone();
    let work = Work {
        groups: &phase.profile.threadgroups,
        access: worker::Access { direct: phase.profile.direct, aligned: phase.profile.aligned },
        bound,
        seed: settings.seed,
        salt: u64::from(turn) << 32 | number as u64,
        record_steps: settings.record_steps,
    };
    let cpu_before = platform::cpu_time();
    watch.begin(Stage::Running { time: bound.time });
    let on_begin =
        |monotonic_ns| watch.event(&Event::PhaseBegin { turn, phase: number, name: name(), monotonic_ns });
    let on_first_io =
        |monotonic_ns| watch.event(&Event::FirstIo { turn, phase: number, name: name(), monotonic_ns });
    let outcome = phase::run(&work, sets, watch, &on_begin, &on_first_io, &mut || false);
    watch.end();
    let outcome = outcome?;
    watch.event(&Event::PhaseEnd { turn, phase: number, name: name(), monotonic_ns: outcome.end_ns });
    let mut sync = None;
    if is_alone {
        let begun = std::time::Instant::now();
        for set in sets.iter() {
            let root = &set.layout.root;
            platform::sync(root).map_err(|error| RunError::io("sync", root, error))?;
        }
        sync = Some(begun.elapsed());
    }
    let cpu = cpu_before.zip(platform::cpu_time()).map(|(before, after)| CpuTime {
        user: after.user.saturating_sub(before.user),
        system: after.system.saturating_sub(before.system),
    });
    Ok(PhaseRun { turn, phase: number, outcome, sync, cpu })
}

fn call_out(command: &str) -> Result<(), RunError> {
    let failed = |how: String| RunError::Callout { command: command.to_owned(), how };
    let status = Command::new("sh")
        .arg("-c")
        .arg(command)
        .current_dir(Path::new("."))
        .status()
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    if status.success() { Ok(()) } else { Err(failed(format!("failed: {status}"))) }
}
