//! Where I/O comes from.

mod closed;
mod jobs;
mod open;
mod trace;

pub use closed::{ClosedLoop, NoCompletions};
pub use jobs::{Job, Jobs, Order};
pub use open::{NoStall, OpenLoop};
pub use trace::{Fit, OutsideDisk, Trace, TraceBio, TraceBuilder};

use crate::io::{Io, StreamId, Token};
use block_types::Nanos;

/// Where I/O comes from, in virtual time.
///
/// The simulation asks when the next submission is, has it made, and tells what is done. Times never go back.
pub trait Source {
    /// When the next submission is, as things stand; `None` if there is none before something is done.
    fn next_arrival(&self) -> Option<Nanos>;

    /// Makes a submission that is due at `now`: appends its bios, which are submitted under one plug if there is more
    /// than one. Called only when [`Self::next_arrival`] is not later than `now`.
    fn arrive(&mut self, now: Nanos, batch: &mut Vec<Io>);

    /// A bio is done.
    fn completed(&mut self, now: Nanos, token: Token);

    /// The stream's process sleeps until one of its bios gets a tag. A source that is one process to a stream submits
    /// nothing of it meanwhile.
    fn blocked(&mut self, _: StreamId) {}

    /// How long it takes from a tag that was freed until a process that slept for it runs. Who asks for a tag meanwhile may
    /// have it. At once, unless a source says otherwise.
    fn wakes_in(&mut self, _: StreamId) -> Nanos {
        Nanos::ZERO
    }

    /// It goes on.
    fn resumed(&mut self, _: Nanos, _: StreamId) {}
}
