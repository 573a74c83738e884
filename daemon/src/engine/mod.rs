//! The decisions of one device's loop: a function of (state, sample, clock) to actions.
//!
//! Nothing here reads a clock, a file or a device. The runner (`run`) feeds in samples, what came of the last
//! write, and what else happened; [`Engine::step`] answers with [`Action`]s, of which only the runner's guard
//! carries out those that write. So the whole of decision-making runs in tests under a virtual clock.

mod bench;
mod confirmed;
mod event;
mod genes;
#[cfg(test)]
pub(crate) mod samples;
mod score;
mod search;
mod slice;
mod standstill;
mod strategy;
mod windows;

pub use bench::{Bench, BenchConfig, Look, OpenSlice, Settle, Settling, SliceEnd, SliceTimes};
pub use confirmed::{
    Chapter, Confirmation, Confirmed, ConfirmedEntry, Incumbent, Lapsed, MeasuredOn, Saved, Standing,
    Subject, UNKNOWN, UNSTEADY, in_words,
};
pub use event::{
    Against, BackedOff, CampaignBegun, CampaignEnded, Clamp, DeviceEvent, Evaluation, Event, GainTold,
    Nominated, Purpose, RacedSettings, Reason, SliceTold, TrialTold, Violation, VoidReason,
};
pub use genes::{GeneMap, GeneMapError, settings_by_name, settings_of};
pub use score::{Measured, idle, score};
pub use search::Search;
pub use slice::{Waiter, batch, saturation, slice, slice_score};
pub use strategy::Strategy;
pub use windows::{Change, ClosedWindow, Windows};

use crate::config::{Config, Mode};
use block_types::{Knob, Nanos, Settings};
use fingerprint::{Class, WindowLine};
use sampler::Sample;
use std::collections::{BTreeMap, BTreeSet};
use strategy::Scene;

/// How long a device must be quiet before the probes are detached and only the kernel's totals are looked at.
const DETACH_AFTER: Nanos = Nanos::from_millis(5_000);
/// How often a quiet device is looked at. A first bio waits at most this long for the probes.
const QUIET_LOOK: Nanos = Nanos::from_millis(250);

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// `CLOCK_MONOTONIC`: what the loop goes by.
    pub monotonic: Nanos,
    /// Milliseconds since 1970: what records are dated with.
    pub unix_ms: u64,
}

/// What the runner tells the engine.
#[derive(Debug)]
pub enum Input<'a> {
    /// A deadline came; this is the device now.
    Sample(&'a Sample),
    /// What came of the last [`Action::Apply`].
    Applied(&'a AppliedSettings),
    /// Knobs that somebody else wrote; the guard has yielded them.
    Foreign(&'a [Knob]),
    /// The machine was suspended since the last sample.
    Suspended,
    /// Put the originals back and stop writing.
    Pause,
    /// Go on.
    Resume,
}

/// What came of an [`Action::Apply`].
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedSettings {
    /// When the last knob was read back.
    pub at: Nanos,
    /// When the knobs that do not freeze the queue were read back.
    pub quick_at: Nanos,
    /// How long the others took.
    pub freezing: Nanos,
    /// What is in force now.
    pub in_force: Settings,
    /// Knobs that the kernel set otherwise than asked.
    pub clamped: Vec<Clamp>,
    /// Knobs that could not be written, and why.
    pub failed: Vec<String>,
}

/// What the engine wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Put settings in force and answer with [`Input::Applied`].
    Apply {
        /// The settings.
        settings: Settings,
        /// Why.
        reason: Reason,
    },
    /// Look whether somebody else wrote a knob; answer with [`Input::Foreign`] if so.
    LookForForeign,
    /// Attach or detach the probes.
    Probe(Probing),
    /// From this moment on latencies are charged to whoever submitted the bio; `None`: no longer.
    Mark(Option<Nanos>),
    /// Tell whoever listens, and the store.
    Report(Box<Event>),
    /// Keep the state of the search, so that a later start goes on from it.
    Keep,
}

/// Whether the probes are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probing {
    /// Something arrives.
    Attached,
    /// The device is quiet; the kernel's totals are enough to see it wake.
    Detached,
}

/// The decisions of one device's loop.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    windows: Windows,
    strategy: Strategy,
    originals: Settings,
    in_force: Settings,
    yielded: BTreeSet<Knob>,
    voids: BTreeMap<VoidReason, u64>,
    scored: u64,
    last_window: Option<WindowLine>,
    quiet: Quiet,
    paused: bool,
}

#[derive(Debug)]
struct Quiet {
    last: Option<Sample>,
    since: Option<Nanos>,
    detached: bool,
}

impl Engine {
    /// An engine for one device: `originals` are the settings in force, `strategy` how it searches.
    #[must_use]
    pub fn new(config: Config, strategy: impl Into<Strategy>, originals: Settings, now: Nanos) -> Self {
        Self {
            windows: Windows::new(&config, now),
            strategy: strategy.into(),
            in_force: originals.clone(),
            originals,
            yielded: BTreeSet::new(),
            voids: BTreeMap::new(),
            scored: 0,
            last_window: None,
            quiet: Quiet { last: None, since: None, detached: false },
            paused: false,
            config,
        }
    }

    /// When the engine wants its next sample.
    #[must_use]
    pub fn next_deadline(&self, now: Nanos) -> Nanos {
        if self.quiet.detached || self.paused {
            return now + QUIET_LOOK;
        }
        // A source without bios never closes a window; it is looked at as often as a quiet device.
        let look = match self.windows.next_look() {
            due if due > now => due,
            _ => now + QUIET_LOOK,
        };
        self.strategy.deadline().map_or(look, |due| due.min(look))
    }

    /// One step.
    pub fn step(&mut self, now: Moment, input: &Input<'_>) -> Vec<Action> {
        self.strategy.set_date(now.unix_ms);
        let now = now.monotonic;
        let mut actions = Vec::new();
        match input {
            Input::Sample(sample) => self.sample(now, sample, &mut actions),
            Input::Applied(applied) => {
                self.in_force = applied.in_force.clone();
                self.strategy.applied(now, applied, &mut actions);
            }
            Input::Foreign(knobs) => {
                self.yielded.extend(knobs.iter().copied());
                let (strategy, scene) = self.on_scene(now);
                strategy.foreign(&scene, knobs, &mut actions);
            }
            Input::Suspended => {
                self.windows.restart();
                let (strategy, scene) = self.on_scene(now);
                strategy.suspended(&scene, &mut actions);
            }
            Input::Pause => self.pause(now, &mut actions),
            Input::Resume => self.resume(now, &mut actions),
        }
        self.count_slices(&actions);
        actions
    }

    fn on_scene(&mut self, now: Nanos) -> (&mut Strategy, Scene<'_>) {
        let scene = Scene { now, class: self.windows.class(), in_force: &self.in_force };
        (&mut self.strategy, scene)
    }

    fn sample(&mut self, now: Nanos, sample: &Sample, actions: &mut Vec<Action>) {
        self.watch_quiet(now, sample, actions);
        if let Some(closed) = self.windows.observe(sample) {
            self.last_window = Some(closed.line.clone());
            actions
                .push(report(Event::Window { line: Box::new(closed.line), observed_ns: closed.observed.0 }));
            if let Some(change) = closed.change {
                actions.push(report(Event::Fingerprint {
                    at_ns: now.0,
                    from: change.from,
                    to: change.to,
                    first_window_ns: change.first_window.0,
                }));
                self.changed(now, change, actions);
            }
        }
        if self.paused {
            return;
        }
        if self.config.mode == Mode::Tune {
            self.strategy.sample(now, sample, actions);
        }
    }

    fn changed(&mut self, now: Nanos, change: Change, actions: &mut Vec<Action>) {
        if self.paused {
            return;
        }
        match self.config.mode {
            Mode::Tune => {
                let (strategy, scene) = self.on_scene(now);
                strategy.changed(&scene, change, actions);
            }
            Mode::Hints => {
                let (settings, reason) = match self.strategy.stored(change.to) {
                    Some(hint) => (hint, Reason::Hints),
                    None => (self.originals.clone(), Reason::Originals),
                };
                actions.push(Action::LookForForeign);
                actions.push(Action::Apply { settings, reason });
            }
            Mode::Observe => {
                let (what, settings) = self.strategy.would(change.to);
                actions.push(report(Event::Would { at_ns: now.0, class: Some(change.to), what, settings }));
            }
        }
    }

    /// Detaches the probes from a device that has been quiet, and attaches them when it wakes.
    fn watch_quiet(&mut self, now: Nanos, sample: &Sample, actions: &mut Vec<Action>) {
        let quiet = self.quiet.last.as_ref().is_some_and(|last| idle(last, sample));
        self.quiet.last = Some(sample.clone());
        if !quiet {
            self.quiet.since = None;
            if self.quiet.detached {
                self.quiet.detached = false;
                self.windows.restart();
                actions.push(Action::Probe(Probing::Attached));
            }
            return;
        }
        let since = *self.quiet.since.get_or_insert(now);
        if !self.quiet.detached && now - since >= DETACH_AFTER {
            self.quiet.detached = true;
            self.windows.restart();
            actions.push(report(Event::Idle { at_ns: now.0 }));
            actions.push(Action::Probe(Probing::Detached));
        }
    }

    fn pause(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        if self.paused {
            return;
        }
        self.paused = true;
        let (strategy, scene) = self.on_scene(now);
        strategy.hold(&scene, actions);
        if self.config.mode != Mode::Observe {
            actions.push(Action::LookForForeign);
            actions.push(Action::Apply { settings: self.originals.clone(), reason: Reason::Originals });
        }
        actions.push(report(Event::Paused { at_ns: now.0 }));
    }

    fn resume(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        if !self.paused {
            return;
        }
        self.paused = false;
        actions.push(report(Event::Resumed { at_ns: now.0 }));
        match (self.config.mode, self.windows.class()) {
            (Mode::Tune, _) => self.strategy.release(now, actions),
            (Mode::Hints, Some(class)) => {
                self.changed(now, Change { from: None, to: class, first_window: now }, actions);
            }
            (Mode::Hints, None) | (Mode::Observe, _) => {}
        }
    }

    fn count_slices(&mut self, actions: &[Action]) {
        for action in actions {
            let Action::Report(event) = action else { continue };
            let void = match event.as_ref() {
                Event::Evaluation(evaluation) => evaluation.void,
                Event::Slice(slice) => slice.void.map(VoidReason::from),
                _ => continue,
            };
            match void {
                Some(reason) => *self.voids.entry(reason).or_default() += 1,
                None => self.scored += 1,
            }
        }
    }

    /// The confirmed fingerprint.
    #[must_use]
    pub const fn class(&self) -> Option<Class> {
        self.windows.class()
    }

    /// The last window that closed.
    #[must_use]
    pub const fn last_window(&self) -> Option<&WindowLine> {
        self.last_window.as_ref()
    }

    /// How many slices were void, by reason.
    #[must_use]
    pub const fn voids(&self) -> &BTreeMap<VoidReason, u64> {
        &self.voids
    }

    /// How many slices were scored.
    #[must_use]
    pub const fn scored(&self) -> u64 {
        self.scored
    }

    /// What is in force, as last read back.
    #[must_use]
    pub const fn in_force(&self) -> &Settings {
        &self.in_force
    }

    /// Knobs that somebody else wrote.
    #[must_use]
    pub const fn yielded(&self) -> &BTreeSet<Knob> {
        &self.yielded
    }

    /// Whether the loop is paused.
    #[must_use]
    pub const fn paused(&self) -> bool {
        self.paused
    }

    /// The search: its generation, its child and the stored genes.
    #[must_use]
    pub const fn strategy(&self) -> &Strategy {
        &self.strategy
    }
}

fn report(event: Event) -> Action {
    Action::Report(Box::new(event))
}

#[cfg(test)]
mod tests;
