//! The BPF source.
//!
//! The programs (`sampler.bpf.c`) count in maps; this side reads the maps, and switches the programs: a thread
//! sleeps until the next change of a duty cycle, or for ever where none runs.

mod cost;
mod decode;
mod layout;
mod object;
mod table;

use crate::clock::monotonic;
use crate::duty::{PAUSE, Switchboard};
use crate::totals::{Counted, index_of};
use crate::{Duty, ExactCounters, ProbeCost, Probing, Request, Sample, SamplerError, Source, SourceKind};
use block_types::{DevNo, Nanos};
use decode::{Counters, WideSums};
use kernfs::Kernel;
use object::{Maps, Programs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// In-kernel counting.
#[derive(Debug)]
pub(crate) struct Bpf {
    disks: Vec<Counted>,
    exact: bool,
    notes: Vec<String>,
    ids: Vec<u32>,
    accounting: Mutex<(Option<cost::Accounting>, bool)>,
    readings: Mutex<Vec<Reading>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What is remembered of a disk between two reads.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    sums: WideSums,
    /// When diskstats last said that nothing was in flight.
    idle_at: Nanos,
    /// When watching began, last.
    resumed_at: Nanos,
    /// From when on ages and latencies are charged.
    mark: Nanos,
    /// Requests completed when exact accounting began, if nothing was in flight then and it never paused.
    baseline: Option<u64>,
}

/// What the thread and the callers share.
#[derive(Debug)]
struct Shared {
    maps: Maps,
    board: Mutex<Board>,
    changed: Condvar,
}

/// The switchboard and what it switches.
#[derive(Debug)]
struct Board {
    switches: Switchboard,
    programs: Programs,
    /// Whether the thread is to end.
    over: bool,
    /// When to look next whether the followed bios of an on-phase are completed.
    drained_at: Option<Nanos>,
}

/// Between two looks at what is still in flight after an on-phase.
const DRAIN_STEP: Nanos = Nanos::from_millis(1);

/// A lock whose holder panicked still holds what it guards: every change here is of one value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    /// When there is something to do by itself.
    fn next(&self) -> Option<Nanos> {
        self.switches.next().into_iter().chain(self.drained_at).min()
    }

    /// Tells the programs what the switchboard says, and attaches those that are needed.
    fn apply(&mut self, maps: &Maps, now: Nanos) -> Result<(), SamplerError> {
        maps.order(self.switches.orders())?;
        self.drained_at = None;
        if self.switches.any_on() {
            return self.programs.attach();
        }
        if !self.switches.any_active() {
            self.programs.detach();
            return Ok(());
        }
        self.programs.detach_arrivals();
        self.drain(maps, now)
    }

    /// Detaches what watches completions once there is none to wait for.
    fn drain(&mut self, maps: &Maps, now: Nanos) -> Result<(), SamplerError> {
        // A program that was just detached may still run on another processor: the first look is a step later.
        let looked = self.drained_at.is_some();
        if looked && maps.in_flight()? == 0 {
            self.programs.detach();
            self.drained_at = None;
        } else if self.programs.any_attached() {
            self.drained_at = Some(now + DRAIN_STEP);
        }
        Ok(())
    }
}

impl Shared {
    /// Changes the switchboard and tells the programs and the thread.
    fn switch(&self, change: impl FnOnce(&mut Switchboard, Nanos) -> bool) -> Result<(), SamplerError> {
        let mut board = lock(&self.board);
        let next = board.next();
        let now = monotonic();
        let applied = if change(&mut board.switches, now) { board.apply(&self.maps, now) } else { Ok(()) };
        if board.next() != next {
            self.changed.notify_one();
        }
        applied
    }

    /// The thread: ends phases when they are over.
    fn run(&self) {
        let mut board = lock(&self.board);
        while !board.over {
            let now = monotonic();
            let done = if board.switches.tick(now) {
                board.apply(&self.maps, now)
            } else if board.drained_at.is_some_and(|at| at <= now) {
                board.drain(&self.maps, now)
            } else {
                Ok(())
            };
            if let Err(error) = done {
                // Nothing to be done but to try again in the next phase: the programs go on as they were.
                tracing::warn!(%error, "the duty cycle stays in its phase");
                board.drained_at = None;
            }
            board = match board.next() {
                Some(next) => {
                    let wait = Duration::from(next.saturating_sub(monotonic()));
                    self.changed.wait_timeout(board, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(board).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Bpf {
    /// Loads and attaches the programs.
    pub(crate) fn open(kernel: &Arc<dyn Kernel>, request: &Request) -> Result<Self, SamplerError> {
        let disks = Counted::all(kernel, &request.disks)?;
        let devices: Vec<_> = request.disks.iter().map(|disk| disk.dev).collect();
        let loaded = object::load(&devices, request.near, request.duty == Duty::Continuous)?;
        let board = Switchboard::new(disks.len(), request.duty, request.latency_one_in, monotonic());
        let ids = loaded.programs.ids().to_vec();
        loaded.maps.forget_in_flight()?;
        let mut board = Board { switches: board, programs: loaded.programs, over: false, drained_at: None };
        board.apply(&loaded.maps, monotonic())?;
        let shared =
            Arc::new(Shared { maps: loaded.maps, board: Mutex::new(board), changed: Condvar::new() });
        let readings = disks
            .iter()
            .map(|disk| {
                let totals = disk.read()?;
                let baseline = (totals.in_flight.requests() == 0).then(|| totals.completed.requests());
                Ok(Reading { baseline, resumed_at: monotonic(), ..Reading::default() })
            })
            .collect::<Result<Vec<_>, SamplerError>>()?;
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("duty-cycle".to_owned())
            .spawn(move || for_thread.run())
            .map_err(|error| SamplerError::Bpf {
                operation: "start the duty cycle's thread".to_owned(),
                why: error.to_string(),
            })?;
        Ok(Self {
            readings: Mutex::new(readings),
            disks,
            exact: loaded.exact,
            notes: loaded.notes,
            ids,
            accounting: Mutex::new((None, false)),
            shared,
            thread: Some(thread),
        })
    }

    fn index(&self, disk: DevNo) -> Result<usize, SamplerError> {
        index_of(&self.disks, disk)
    }
}

impl Source for Bpf {
    fn kind(&self) -> SourceKind {
        SourceKind::Bpf
    }

    fn read(&self, disk: DevNo) -> Result<Sample, SamplerError> {
        let index = self.index(disk)?;
        let totals = self.disks[index].read()?;
        self.shared.switch(|board, now| {
            board.is_active(index) && board.completed(index, now, totals.completed.requests())
        })?;
        let counters = Counters::sum(&self.shared.maps.counters(index)?);
        let latencies = self.shared.maps.shared(index)?;
        let at = monotonic();
        let observed = lock(&self.shared.board).switches.observed(index, at);
        let mut in_flight = totals.in_flight;
        let mut readings = lock(&self.readings);
        let reading = &mut readings[index];
        if in_flight.requests() == 0 {
            reading.idle_at = totals.at;
        } else if latencies.pending() > 0 {
            decode::ages(
                &self.shared.maps.slots()?,
                index,
                at,
                reading.idle_at,
                reading.mark,
                &mut in_flight,
            );
        }
        Ok(Sample {
            at,
            observed,
            // Only if the pause before it was watched.
            first_bio_at: latencies
                .first_bio_at()
                .filter(|first| first.saturating_sub(reading.resumed_at) >= PAUSE),
            bios: Some(reading.sums.snapshot(&counters)),
            completed: totals.completed,
            latency: reading.sums.latencies(&latencies),
            in_flight,
            io_ticks: totals.io_ticks,
            time_in_queue: totals.time_in_queue,
            errors: Some(counters.errors()),
        })
    }

    fn set_active(&self, disk: DevNo, active: bool) -> Result<(), SamplerError> {
        let index = self.index(disk)?;
        if active {
            let mut board = lock(&self.shared.board);
            if !board.switches.is_active(index) {
                lock(&self.readings)[index].resumed_at = monotonic();
            }
            // Bios that were in flight when everything was detached completed unseen.
            if !board.switches.any_active() {
                board.programs.detach();
                self.shared.maps.forget_in_flight()?;
            }
        } else {
            lock(&self.readings)[index].baseline = None;
        }
        self.shared.switch(|board, now| board.set_active(index, active, now))
    }

    fn mark(&self, disk: DevNo, at: Option<Nanos>) -> Result<(), SamplerError> {
        let index = self.index(disk)?;
        lock(&self.readings)[index].mark = at.unwrap_or(Nanos::ZERO);
        self.shared.switch(|board, now| board.mark(index, at, now))
    }

    fn set_probing(&self, probing: Probing) -> Result<(), SamplerError> {
        if matches!(probing, Probing::Off | Probing::Cycle) {
            lock(&self.readings).iter_mut().for_each(|reading| reading.baseline = None);
        }
        self.shared.switch(|board, now| board.set_probing(probing, now))
    }

    fn set_cost_accounting(&self, on: bool) -> Result<(), SamplerError> {
        let mut accounting = lock(&self.accounting);
        accounting.0 = if on { Some(cost::Accounting::start()?) } else { None };
        accounting.1 |= on;
        Ok(())
    }

    fn cost(&self) -> Option<ProbeCost> {
        lock(&self.accounting).1.then(|| cost::sum(&cost::programs(&self.ids)))
    }

    fn cost_by_probe(&self) -> Vec<(String, ProbeCost)> {
        cost::programs(&self.ids).into_iter().map(|program| (program.name, program.cost)).collect()
    }

    fn exact(&self, disk: DevNo) -> Result<Option<ExactCounters>, SamplerError> {
        let index = self.index(disk)?;
        if !self.exact {
            return Ok(None);
        }
        let missed = cost::sum(&cost::programs(&self.ids)).missed;
        let mut exact = Counters::sum(&self.shared.maps.counters(index)?).exact(missed);
        // Afterwards, so that idle means that all was counted that ever will be.
        let totals = self.disks[index].read()?;
        if let Some(baseline) = lock(&self.readings)[index].baseline
            && totals.in_flight.requests() == 0
        {
            let completed = totals.completed.requests().saturating_sub(baseline);
            exact.unseen = completed.saturating_sub(exact.completed_requests());
        }
        Ok(Some(exact))
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        for (index, disk) in self.disks.iter().enumerate() {
            if let Ok(shared) = self.shared.maps.shared(index) {
                let (collisions, stale) = shared.lost();
                if collisions + stale > 0 {
                    notes.push(format!(
                        "{}: {collisions} bios were not followed because the table was full there, {stale} were \
                         lost sight of",
                        disk.watched().name
                    ));
                }
            }
        }
        notes
    }
}

impl Drop for Bpf {
    fn drop(&mut self) {
        lock(&self.shared.board).over = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the duty cycle's thread panicked");
        }
    }
}
