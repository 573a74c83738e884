//! What a run tells while it goes on, and whether it should end.

use serde::Serialize;
use std::time::Duration;

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A file set is made; it advances in bytes.
    MakingFiles {
        /// How many there will be.
        bytes: u64,
    },
    /// A file system is worn in; it advances by nothing.
    Aging,
    /// Threads work; it advances by nothing.
    Running {
        /// For how long; `None` where operations are counted instead.
        time: Option<Duration>,
    },
}

/// Something that happened at a point in time, for programs that watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// All file sets are there; the first phase begins next.
    Prepared {
        /// On `CLOCK_MONOTONIC`.
        monotonic_ns: u64,
    },
    /// A phase's threads are released.
    PhaseBegin {
        /// Which turn of the cycle, from 0.
        turn: u32,
        /// Which phase of the cycle, from 0.
        phase: usize,
        /// Its name.
        name: String,
        /// On `CLOCK_MONOTONIC`.
        monotonic_ns: u64,
    },
    /// The first thread of a phase calls read or write for the first time; in a phase without either, whatever it
    /// calls first. With direct I/O the device sees it at once, buffered writes it sees when the kernel writes back.
    FirstIo {
        /// Which turn of the cycle, from 0.
        turn: u32,
        /// Which phase of the cycle, from 0.
        phase: usize,
        /// Its name.
        name: String,
        /// On `CLOCK_MONOTONIC`, just before the call.
        monotonic_ns: u64,
    },
    /// The last thread of a phase has ended.
    PhaseEnd {
        /// Which turn of the cycle, from 0.
        turn: u32,
        /// Which phase of the cycle, from 0.
        phase: usize,
        /// Its name.
        name: String,
        /// On `CLOCK_MONOTONIC`.
        monotonic_ns: u64,
    },
}

/// Somebody who looks on. All of it may be called from several threads.
pub trait Watch: Sync {
    /// Whether the run should end early.
    fn interrupted(&self) -> bool {
        false
    }
    /// A stage begins.
    fn begin(&self, _stage: Stage) {}
    /// The stage has come on by this much, in its own unit.
    fn advance(&self, _by: u64) {}
    /// The stage has ended.
    fn end(&self) {}
    /// Something happened.
    fn event(&self, _event: &Event) {}
}

/// Nobody looks on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}
