//! The tracefs source: the text of two block events, from a private tracing instance.
//!
//! A thread reads `trace_pipe` every 20 ms while any disk is in use, and keeps counts that [`Source::read`] picks
//! up. At high rates the instance runs in the on-phases of a duty cycle only.

mod follow;
mod instance;
mod parse;

use crate::clock::monotonic;
use crate::duty::{PAUSE, Switchboard};
use crate::totals::{Counted, index_of};
use crate::{ExactCounters, Probing, Request, Sample, SamplerError, Source, SourceKind};
use block_types::{DevNo, Nanos};
use follow::Follower;
use instance::Instance;
use kernfs::{KPath, Kernel};
use std::fs::File;
use std::io::{self, Read as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the pipe is emptied.
const READ_EVERY: Nanos = Nanos::from_millis(20);

/// Events of a private tracing instance.
#[derive(Debug)]
pub(crate) struct Tracefs {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    disks: Vec<Counted>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    board: Switchboard,
    followers: Vec<Follower>,
    /// Times that events were lost.
    lost: u64,
    stop: bool,
    // Before the instance, which cannot be removed while its pipe is open.
    pipe: File,
    instance: Instance,
    /// The beginning of a line whose rest was not yet there.
    rest: Vec<u8>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Switches the instance as the board says. It is one for all disks, so it runs while any is on; events of
    /// the others are passed over.
    fn order(&mut self) -> Result<(), SamplerError> {
        self.instance.run(self.board.orders().any(|order| order.on))
    }

    /// Takes in what the pipe holds; at most a few megabytes, so that callers do not wait long.
    fn drain(&mut self, disks: &[Counted]) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        for _ in 0..64 {
            let count = match self.pipe.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.rest.extend_from_slice(&buffer[..count]);
            let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let text: Vec<u8> = self.rest.drain(..whole).collect();
            for line in text.split(|byte| *byte == b'\n') {
                self.line(&String::from_utf8_lossy(line), disks);
            }
        }
        Ok(())
    }

    fn line(&mut self, text: &str, disks: &[Counted]) {
        match parse::line(text) {
            parse::Line::Event { event, error } => {
                let disk = disks
                    .iter()
                    .map(Counted::watched)
                    .position(|disk| disk.dev == event.dev || disk.partitions.contains(&event.dev));
                if let Some(follower) = disk.and_then(|disk| self.followers.get_mut(disk)) {
                    follower.event(&event, error);
                }
            }
            parse::Line::Lost => {
                self.lost += 1;
                self.followers.iter_mut().for_each(Follower::interrupted);
            }
            parse::Line::Other => {}
        }
    }

    /// Ends a phase that is over: reads what it brought, then switches.
    fn tick(&mut self, now: Nanos, disks: &[Counted]) {
        if let Err(error) = self.drain(disks) {
            tracing::warn!(%error, "cannot read trace_pipe");
        }
        if self.board.tick(now) {
            self.switched(disks);
        }
    }

    fn switched(&mut self, disks: &[Counted]) {
        if let Err(error) = self.order().and_then(|()| {
            self.drain(disks).map_err(|source| SamplerError::Io {
                operation: "read",
                path: "trace_pipe".into(),
                source,
            })
        }) {
            tracing::warn!(%error, "the tracing instance stays as it is");
        }
        for (follower, order) in self.followers.iter_mut().zip(self.board.orders()) {
            if !order.on {
                follower.interrupted();
            }
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut state = lock(&self.state);
        while !state.stop {
            let now = monotonic();
            state.tick(now, &self.disks);
            let reading = state.board.any_active().then(|| now + READ_EVERY);
            let next = [reading, state.board.next()].into_iter().flatten().min();
            state = match next {
                Some(next) => {
                    let wait = Duration::from(next.saturating_sub(monotonic()));
                    self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Tracefs {
    /// Makes the instance and starts it.
    pub(crate) fn open(kernel: &Arc<dyn Kernel>, request: &Request) -> Result<Self, SamplerError> {
        let disks = Counted::all(kernel, &request.disks)?;
        let devices: Vec<DevNo> = request
            .disks
            .iter()
            .flat_map(|disk| std::iter::once(disk.dev).chain(disk.partitions.iter().copied()))
            .collect();
        let alive = |pid: u32| kernel.exists(&KPath::proc(pid.to_string()));
        let instance = Instance::create(&request.tracefs, std::process::id(), &devices, alive)?;
        let pipe = instance.pipe()?;
        let board = Switchboard::new(request.disks.len(), request.duty, request.latency_one_in, monotonic());
        let mut state = State {
            board,
            followers: vec![Follower::new(request.near, PAUSE, monotonic()); request.disks.len()],
            lost: 0,
            stop: false,
            pipe,
            instance,
            rest: Vec::new(),
        };
        state.order()?;
        let shared = Arc::new(Shared { disks, state: Mutex::new(state), changed: Condvar::new() });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("trace-pipe".to_owned())
            .spawn(move || for_thread.run())
            .map_err(|error| SamplerError::Unavailable {
                kind: SourceKind::Tracefs,
                why: format!("cannot start its thread: {error}"),
            })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    fn index(&self, disk: DevNo) -> Result<usize, SamplerError> {
        index_of(&self.shared.disks, disk)
    }

    fn switch(&self, change: impl FnOnce(&mut Switchboard, Nanos) -> bool) {
        let mut state = lock(&self.shared.state);
        if change(&mut state.board, monotonic()) {
            state.switched(&self.shared.disks);
        }
        self.shared.changed.notify_one();
    }
}

impl Source for Tracefs {
    fn kind(&self) -> SourceKind {
        SourceKind::Tracefs
    }

    fn read(&self, disk: DevNo) -> Result<Sample, SamplerError> {
        let index = self.index(disk)?;
        let totals = self.shared.disks[index].read()?;
        let mut state = lock(&self.shared.state);
        let now = monotonic();
        state.tick(now, &self.shared.disks);
        if state.board.is_active(index) && state.board.completed(index, now, totals.completed.requests()) {
            state.switched(&self.shared.disks);
            self.shared.changed.notify_one();
        }
        let at = monotonic();
        let observed = state.board.observed(index, at);
        let mut in_flight = totals.in_flight;
        let follower = &mut state.followers[index];
        if in_flight.requests() == 0 {
            follower.idle(totals.at);
        }
        follower.ages(at, &mut in_flight);
        let (bios, latencies, errors, first_bio_at) = follower.counts();
        Ok(Sample {
            at,
            observed,
            first_bio_at,
            bios: Some(bios.clone()),
            completed: totals.completed,
            latency: Some(latencies.clone()),
            in_flight,
            io_ticks: totals.io_ticks,
            time_in_queue: totals.time_in_queue,
            errors: Some(errors),
        })
    }

    fn set_active(&self, disk: DevNo, active: bool) -> Result<(), SamplerError> {
        let index = self.index(disk)?;
        let mut state = lock(&self.shared.state);
        let now = monotonic();
        if active && !state.board.is_active(index) {
            state.followers[index].resumed(now);
        }
        if state.board.set_active(index, active, now) {
            state.switched(&self.shared.disks);
        }
        self.shared.changed.notify_one();
        Ok(())
    }

    fn mark(&self, disk: DevNo, at: Option<Nanos>) -> Result<(), SamplerError> {
        let index = self.index(disk)?;
        lock(&self.shared.state).followers[index].mark(at.unwrap_or(Nanos::ZERO));
        self.switch(|board, now| board.mark(index, at, now));
        Ok(())
    }

    fn set_probing(&self, probing: Probing) -> Result<(), SamplerError> {
        self.switch(|board, now| board.set_probing(probing, now));
        Ok(())
    }

    fn exact(&self, disk: DevNo) -> Result<Option<ExactCounters>, SamplerError> {
        self.index(disk).map(|_index| None)
    }

    fn notes(&self) -> Vec<String> {
        let lost = lock(&self.shared.state).lost;
        if lost == 0 {
            Vec::new()
        } else {
            vec![format!("events were lost {lost} times: they came too fast")]
        }
    }
}

impl Drop for Tracefs {
    fn drop(&mut self) {
        lock(&self.shared.state).stop = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that reads trace_pipe panicked");
        }
    }
}
