//! One phase: its threads from the gate to the last one's end.

use crate::error::RunError;
use crate::fileset::{FileSet, LiveFile};
use crate::latency::Latencies;
use crate::platform::{self, monotonic_ns};
use crate::profile::Threadgroup;
use crate::run::allot::allot;
use crate::run::limit::{FirstIo, Limit, News};
use crate::run::worker::{Access, Finished, OpError, Place, Task, Worker};
use crate::tally::{Step, Tally};
use crate::watch::Watch;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often it is looked whether somebody interrupts.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// When a phase ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// After this time.
    pub time: Option<Duration>,
    /// After so many operations of each thread.
    pub ops: Option<u64>,
}

/// What the threads of a phase are to do.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) groups: &'a [Threadgroup],
    pub(crate) access: Access,
    pub(crate) bound: Bound,
    pub(crate) seed: u64,
    /// Sets the draws of this phase apart from those of others under the same seed.
    pub(crate) salt: u64,
    pub(crate) record_steps: bool,
}

/// How a phase ended.
#[derive(Debug)]
pub enum Ending {
    /// Its time was over, or its operations done.
    Complete,
    /// Somebody asked to end.
    Interrupted,
    /// A call failed.
    Failed(OpError),
}

/// What a thread did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadTrail {
    /// Its group.
    pub group: usize,
    /// Equal for equal orders of operations.
    pub digest: u64,
    /// Every step, where that was asked for.
    pub steps: Vec<Step>,
}

/// What the threads of a group did.
#[derive(Clone, Debug)]
pub struct GroupOutcome {
    /// Their operations.
    pub tally: Tally,
    /// How long their calls took.
    pub latencies: Option<Latencies>,
}

/// What a phase did.
#[derive(Debug)]
pub struct PhaseOutcome {
    /// When the threads were released, on `CLOCK_MONOTONIC`.
    pub begin_ns: u64,
    /// When one of them called the system for the first time.
    pub first_call_ns: Option<u64>,
    /// When one of them called read or write for the first time; in a phase without either, whatever it called first.
    pub first_io_ns: Option<u64>,
    /// When the last one had ended.
    pub end_ns: u64,
    /// What each group did.
    pub groups: Vec<GroupOutcome>,
    /// What each thread did.
    pub threads: Vec<ThreadTrail>,
    /// How it ended.
    pub ending: Ending,
}

/// Runs a phase. `sets` are those of the profile's file systems, in their order; `enough` is asked now and then.
pub(crate) fn run(
    work: &Work<'_>,
    sets: &mut [FileSet],
    watch: &dyn Watch,
    on_begin: &dyn Fn(u64),
    on_first_io: &dyn Fn(u64),
    enough: &mut dyn FnMut() -> bool,
) -> Result<PhaseOutcome, RunError> {
    let tasks = hand_out(work, sets);
    let (sender, news) = channel();
    let moves_data = work.groups.iter().any(|group| group.weights.used().any(|(op, _)| op.moves_data()));
    let limit = Limit::new(sender, if moves_data { FirstIo::Data } else { FirstIo::AnyCall });
    let count = tasks.len();
    let (begin_ns, finished, interrupted) = std::thread::scope(|scope| {
        let mut handles = Vec::with_capacity(count);
        for task in tasks {
            let limit = &limit;
            let built = std::thread::Builder::new().name(format!("ffsb-{}", task.maker)).spawn_scoped(
                scope,
                move || {
                    // The last word, also when the thread panics.
                    let _ending = TellEnd(limit);
                    let worker = Worker::new(task, limit);
                    limit.tell(News::Ready);
                    limit.wait_open().then(|| worker.work())
                },
            );
            match built {
                Ok(handle) => handles.push(handle),
                Err(source) => {
                    limit.abandon();
                    return Err(RunError::Threads { started: handles.len(), wanted: count, source });
                }
            }
        }
        // Buffers are filled before the gate opens, so that a phase begins with its own I/O.
        let mut running = count;
        for _ in 0..count {
            if news.recv() == Ok(News::Ended) {
                running -= 1;
            }
        }
        let begin_ns = monotonic_ns();
        on_begin(begin_ns);
        limit.open(work.bound.time);
        let interrupted = attend(&limit, &news, running, watch, on_first_io, enough);
        let mut finished = Vec::with_capacity(count);
        for handle in handles {
            match handle.join() {
                Ok(one) => finished.extend(one),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok((begin_ns, finished, interrupted))
    })?;
    let end_ns = monotonic_ns();
    let mut outcome = PhaseOutcome {
        begin_ns,
        first_call_ns: limit.first_call_ns(),
        first_io_ns: limit.first_io_ns(),
        end_ns,
        groups: work
            .groups
            .iter()
            .map(|group| GroupOutcome {
                tally: Tally::default(),
                latencies: Latencies::new(group.stats.as_ref()),
            })
            .collect(),
        threads: Vec::with_capacity(count),
        ending: if interrupted { Ending::Interrupted } else { Ending::Complete },
    };
    collect(finished, sets, &mut outcome);
    Ok(outcome)
}

struct TellEnd<'a>(&'a Limit);

impl Drop for TellEnd<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
        self.0.tell(News::Ended);
    }
}

/// Waits for all threads to end; whether somebody interrupted.
fn attend(
    limit: &Limit,
    news: &Receiver<News>,
    mut running: usize,
    watch: &dyn Watch,
    on_first_io: &dyn Fn(u64),
    enough: &mut dyn FnMut() -> bool,
) -> bool {
    let mut interrupted = false;
    let mut look_at = Instant::now() + LOOK_EVERY;
    while running > 0 {
        match news.recv_timeout(look_at.saturating_duration_since(Instant::now())) {
            Ok(News::Ended) => running -= 1,
            Ok(News::FirstIo) => {
                if let Some(at) = limit.first_io_ns() {
                    on_first_io(at);
                }
            }
            Ok(News::Ready) => {}
            Err(RecvTimeoutError::Timeout) => {
                look_at = Instant::now() + LOOK_EVERY;
                if watch.interrupted() {
                    interrupted = true;
                    limit.stop();
                }
                if enough() {
                    limit.stop();
                }
                watch.advance(0);
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    interrupted
}

/// Gives every thread its files.
fn hand_out<'a>(work: &Work<'a>, sets: &[FileSet]) -> Vec<Task<'a>> {
    let mut tasks = Vec::new();
    for (group_number, group) in work.groups.iter().enumerate() {
        for _ in 0..group.threads.get() {
            let maker = u32::try_from(tasks.len() + 1).unwrap_or(u32::MAX);
            let mut random = ChaCha8Rng::seed_from_u64(work.seed ^ work.salt.rotate_left(32));
            // A stream for each thread: its draws are its own, however many there are.
            random.set_stream(maker.into());
            tasks.push(Task {
                group,
                group_number,
                maker,
                places: Vec::new(),
                random,
                access: work.access,
                ops: work.bound.ops,
                record_steps: work.record_steps,
            });
        }
    }
    for (filesystem, set) in sets.iter().enumerate() {
        let users: Vec<&mut Task<'_>> = tasks.iter_mut().filter(|task| task.group.uses(filesystem)).collect();
        let changers: Vec<bool> = users.iter().map(|user| user.group.changes_files()).collect();
        let layout = Arc::new(set.layout.clone());
        for (user, allotment) in users.into_iter().zip(allot(&set.files, set.ceiling, &changers)) {
            user.places.push(Place {
                filesystem,
                layout: Arc::clone(&layout),
                bytes: allotment.quota.map_or(0, |_| allotment.files.iter().map(|file| file.size).sum()),
                files: allotment.files,
                quota: allotment.quota,
                next: set.next,
            });
        }
    }
    tasks
}

/// Takes the files back and adds up what was done.
fn collect(finished: Vec<Finished>, sets: &mut [FileSet], outcome: &mut PhaseOutcome) {
    let mut back: Vec<Vec<Arc<Vec<LiveFile>>>> = vec![Vec::new(); sets.len()];
    for one in finished {
        for place in one.places {
            let set = &mut sets[place.filesystem];
            set.next = set.next.max(place.next);
            let parts = &mut back[place.filesystem];
            if !parts.iter().any(|part| Arc::ptr_eq(part, &place.files)) {
                parts.push(place.files);
            }
        }
        let group = &mut outcome.groups[one.group_number];
        group.tally.merge(&one.tally);
        if let (Some(all), Some(more)) = (&mut group.latencies, &one.latencies) {
            all.merge(more);
        }
        outcome.threads.push(ThreadTrail {
            group: one.group_number,
            digest: one.trail.digest(),
            steps: one.trail.steps().to_vec(),
        });
        if let (Some(failure), Ending::Complete | Ending::Interrupted) = (one.failure, &outcome.ending) {
            outcome.ending = Ending::Failed(failure);
        }
    }
    for (set, parts) in sets.iter_mut().zip(back) {
        // Nobody used this one: it is as it was.
        if parts.is_empty() {
            continue;
        }
        set.files = parts.iter().flat_map(|part| part.iter().copied()).collect();
        // The order in which threads gave them back must not show in the next phase.
        set.files.sort_unstable();
    }
}

/// Runs a file system's aging threads until it is as full as it should be.
pub(crate) fn age(
    group: &Threadgroup,
    until_used: f64,
    set: FileSet,
    seed: u64,
    salt: u64,
    watch: &dyn Watch,
) -> Result<AgingOutcome, RunError> {
    /// Without any gain for this long, there will be none.
    const PATIENCE: Duration = Duration::from_secs(30);
    let used = |set: &FileSet| set.usage().map(|usage| usage.used_share());
    let before = used(&set)?;
    let place = set.layout.root.clone();
    let mut sets = [set];
    let mut failure = None;
    let (mut best, mut since, mut stuck) = (before, Instant::now(), false);
    if before < until_used {
        let work = Work {
            groups: std::slice::from_ref(group),
            access: Access { direct: false, aligned: false },
            bound: Bound { time: None, ops: None },
            seed,
            salt,
            record_steps: false,
        };
        let asked = sets[0].clone();
        let outcome = run(&work, &mut sets, watch, &|_| {}, &|_| {}, &mut || {
            let now = used(&asked).unwrap_or(1.0);
            if now > best {
                (best, since) = (now, Instant::now());
            }
            stuck = since.elapsed() > PATIENCE;
            now >= until_used || stuck
        })?;
        match outcome.ending {
            Ending::Interrupted => return Err(RunError::Interrupted),
            Ending::Failed(error) => failure = Some(error.to_string()),
            Ending::Complete if stuck => failure = Some(format!("no gain for {} s", PATIENCE.as_secs())),
            Ending::Complete => {}
        }
    }
    // Delayed allocation is not seen before it is written out.
    platform::sync(&place).map_err(|error| RunError::io("sync", &place, error))?;
    let [set] = sets;
    let after = used(&set)?;
    if let Some(why) = failure {
        return Err(RunError::Aging { path: place, until: until_used, at: after, why });
    }
    Ok(AgingOutcome { used_before: before, used_after: after, files: set.files.len() as u64 })
}

/// What aging did.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct AgingOutcome {
    /// The share of the file system that was used before, from 0 to 1.
    pub used_before: f64,
    /// The share that is used now.
    pub used_after: f64,
    /// The files that were left.
    pub files: u64,
}
