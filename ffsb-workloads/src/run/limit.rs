//! When threads stop, and what they tell each other meanwhile.

use crate::platform::monotonic_ns;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How long a sleep goes on before it looks whether it should end.
const NAP: Duration = Duration::from_millis(20);

/// What a thread tells the one that waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// This thread waits to be released.
    Ready,
    /// Somebody called read or write for the first time.
    FirstIo,
    /// This thread has ended.
    Ended,
}

/// Which call is a phase's first I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstIo {
    /// The first read or write.
    Data,
    /// The first of any kind, because there will be neither.
    AnyCall,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Closed,
    Open,
    Abandoned,
}

/// What all threads of a phase share.
#[derive(Debug)]
pub(crate) struct Limit {
    stop: AtomicBool,
    deadline: OnceLock<Option<Instant>>,
    gate: Mutex<Gate>,
    opened: Condvar,
    /// On `CLOCK_MONOTONIC`; `u64::MAX` until there was one.
    first_call_ns: AtomicU64,
    first_io_ns: AtomicU64,
    first_io: FirstIo,
    news: Sender<News>,
}

impl Limit {
    pub(crate) const fn new(news: Sender<News>, first_io: FirstIo) -> Self {
        Self {
            stop: AtomicBool::new(false),
            deadline: OnceLock::new(),
            gate: Mutex::new(Gate::Closed),
            opened: Condvar::new(),
            first_call_ns: AtomicU64::new(u64::MAX),
            first_io_ns: AtomicU64::new(u64::MAX),
            first_io,
            news,
        }
    }

    /// A panic in another thread leaves the gate in one of its states, all of which are sound.
    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the threads, for this long.
    pub(crate) fn open(&self, time: Option<Duration>) {
        // A time that no clock can hold is no bound.
        let _ = self.deadline.set(time.and_then(|time| Instant::now().checked_add(time)));
        *self.gate() = Gate::Open;
        self.opened.notify_all();
    }

    /// Sends the threads home before they began.
    pub(crate) fn abandon(&self) {
        *self.gate() = Gate::Abandoned;
        self.opened.notify_all();
    }

    /// Waits until the threads are released; whether they are.
    pub(crate) fn wait_open(&self) -> bool {
        let gate = self
            .opened
            .wait_while(self.gate(), |gate| *gate == Gate::Closed)
            .unwrap_or_else(PoisonError::into_inner);
        *gate == Gate::Open
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether to end.
    pub(crate) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
            || self.deadline.get().copied().flatten().is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Sleeps, but not past the end.
    pub(crate) fn sleep(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_over() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(NAP));
        }
    }

    pub(crate) fn note_first_call(&self) {
        self.first_call_ns.fetch_min(monotonic_ns(), Ordering::Relaxed);
        if self.first_io == FirstIo::AnyCall {
            self.note_first_io();
        }
    }

    pub(crate) fn note_first_io(&self) {
        let before = self.first_io_ns.fetch_min(monotonic_ns(), Ordering::Relaxed);
        if before == u64::MAX {
            self.tell(News::FirstIo);
        }
    }

    pub(crate) fn tell(&self, news: News) {
        // Nobody listens any more only once everybody has ended.
        let _ = self.news.send(news);
    }

    pub(crate) fn first_call_ns(&self) -> Option<u64> {
        Some(self.first_call_ns.load(Ordering::Relaxed)).filter(|at| *at != u64::MAX)
    }

    pub(crate) fn first_io_ns(&self) -> Option<u64> {
        Some(self.first_io_ns.load(Ordering::Relaxed)).filter(|at| *at != u64::MAX)
    }
}
