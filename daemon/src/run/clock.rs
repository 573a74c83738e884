//! Clocks: the machine's, and one that tests and the synthetic demo move by hand.

use block_types::Nanos;
use rustix::time::{ClockId, clock_gettime};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};

/// What ended a wait.
#[derive(Debug)]
pub enum Wake<T> {
    /// The deadline.
    Deadline,
    /// A message.
    Message(T),
    /// The clock's time is up, or nobody can send a message any more.
    Over,
}

/// Time, as an argument.
pub trait Clock: Send + Sync {
    /// `CLOCK_MONOTONIC`, or what stands for it.
    fn now(&self) -> Nanos;

    /// How long the machine has been suspended since boot.
    fn suspended(&self) -> Nanos;

    /// Milliseconds since 1970.
    fn unix_ms(&self) -> u64;

    /// Waits for the deadline or a message, whichever is first. A deadline that has passed is met at once, so a
    /// loop that fell behind skips what it missed.
    fn wait<T>(&self, until: Nanos, inbox: &Receiver<T>) -> Wake<T>;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealClock;

fn read(clock: ClockId) -> Nanos {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

impl Clock for RealClock {
    fn now(&self) -> Nanos {
        read(ClockId::Monotonic)
    }

    #[cfg(target_os = "linux")]
    fn suspended(&self) -> Nanos {
        read(ClockId::Boottime) - read(ClockId::Monotonic)
    }

    #[cfg(not(target_os = "linux"))]
    fn suspended(&self) -> Nanos {
        Nanos::ZERO
    }

    fn unix_ms(&self) -> u64 {
        read(ClockId::Realtime).0 / 1_000_000
    }

    fn wait<T>(&self, until: Nanos, inbox: &Receiver<T>) -> Wake<T> {
        match inbox.recv_timeout((until - self.now()).into()) {
            Ok(message) => Wake::Message(message),
            Err(RecvTimeoutError::Timeout) => Wake::Deadline,
            Err(RecvTimeoutError::Disconnected) => Wake::Over,
        }
    }
}

/// A clock that moves only when somebody waits.
#[derive(Debug, Default)]
pub struct VirtualClock {
    state: Mutex<VirtualState>,
    end: Option<Nanos>,
}

#[derive(Debug, Default)]
struct VirtualState {
    now: Nanos,
    suspended: Nanos,
}

impl VirtualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn starting_at(now: Nanos) -> Self {
        Self { state: Mutex::new(VirtualState { now, suspended: Nanos::ZERO }), end: None }
    }

    /// A clock that stands at `now` and whose waits are over at `end`.
    #[must_use]
    pub fn until(now: Nanos, end: Nanos) -> Self {
        Self { end: Some(end), ..Self::starting_at(now) }
    }

    /// Moves on by `by`, as a write that takes its time does.
    pub fn advance(&self, by: Nanos) {
        self.with(|state| state.now += by);
    }

    /// Suspends the machine for `by`: `CLOCK_MONOTONIC` stands still, as it does.
    pub fn suspend(&self, by: Nanos) {
        self.with(|state| state.suspended += by);
    }

    fn with<R>(&self, act: impl FnOnce(&mut VirtualState) -> R) -> R {
        act(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Nanos {
        self.with(|state| state.now)
    }

    fn suspended(&self) -> Nanos {
        self.with(|state| state.suspended)
    }

    fn unix_ms(&self) -> u64 {
        self.now().0 / 1_000_000
    }

    fn wait<T>(&self, until: Nanos, inbox: &Receiver<T>) -> Wake<T> {
        match inbox.try_recv() {
            Ok(message) => return Wake::Message(message),
            Err(TryRecvError::Disconnected) => return Wake::Over,
            Err(TryRecvError::Empty) => {}
        }
        if self.end.is_some_and(|end| self.now() >= end) {
            return Wake::Over;
        }
        self.with(|state| state.now = state.now.max(until));
        Wake::Deadline
    }
}

impl<C: Clock> Clock for std::sync::Arc<C> {
    fn now(&self) -> Nanos {
        (**self).now()
    }

    fn suspended(&self) -> Nanos {
        (**self).suspended()
    }

    fn unix_ms(&self) -> u64 {
        (**self).unix_ms()
    }

    fn wait<W>(&self, until: Nanos, inbox: &Receiver<W>) -> Wake<W> {
        (**self).wait(until, inbox)
    }
}
