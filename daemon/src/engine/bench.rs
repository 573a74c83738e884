//! One slice's life, for `ab` and for the loop's trials: settings in force, settling, scored, over.
//!
//! ```text
//! apply ─► open ─► settling ─► scoring ─► Over(Measured)
//!            │        └────────────┴─────► Over(Void)       changed work, suspend, foreign write, device error
//!            │        └────────────┴─────► TakeBack ─► taken_back: Aborted
//!            └ the source's mark: what was submitted before is nobody's
//! ```
//!
//! The mark stands where the settings came in force and not where scoring begins: what is submitted while they settle
//! is theirs, so that a setting under which the first requests never complete cannot look idle afterwards. What was in
//! flight already is charged at its age from there on, and not at all once it completes.
//!
//! The guard looks at a child from the moment it is in force, settling too: a catastrophe must be over within a
//! second, not after two of settling. It learns from control slices that went through the same, so that what a switch
//! itself does is no harm of the child's.
//!
//! Nothing here reads a clock or a device. The caller keeps the slice open, feeds it samples when [`Look::At`] says,
//! and carries out what comes back.

use super::AppliedSettings;
use super::slice::{Waiter, batch, completions, errors, slice, slice_score};
use super::standstill::{Standstill, Standstills};
use block_types::Nanos;
use fingerprint::Class;
use sampler::Sample;
use serde::Serialize;
use std::collections::BTreeMap;
use trials::{
    Abort, Arm, Guard, GuardConfig, Judgement, Outcome, Saturation, Slice, SliceScore, TrialError,
    Violations, Void, Watch,
};

/// How long settings settle before they are scored: the longer of a time and a number of completions, up to a cap.
///
/// kyber computes anew after 500 samples or a second, writeback throttling in windows of 100 ms; and what was queued
/// under the other arm's settings has to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Settle {
    /// At least so long.
    pub least: Nanos,
    /// And at least so many completed requests.
    pub completions: u64,
    /// But at most so long.
    pub most: Nanos,
}

impl Settle {
    /// A time alone, whatever completes: shorter than the specification, for measurements that say so.
    #[must_use]
    pub const fn shortened(time: Nanos) -> Self {
        Self { least: time, completions: 0, most: time }
    }
}

impl Default for Settle {
    /// 2 s and 500 completions, at most 10 s: a disk with 150 IOPS settles for 3.3 s.
    fn default() -> Self {
        Self { least: Nanos::from_millis(2_000), completions: 500, most: Nanos::from_millis(10_000) }
    }
}

/// How slices go.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BenchConfig {
    /// How long a slice is scored.
    pub slice: Nanos,
    /// How long settings settle before.
    pub settle: Settle,
    /// Between two looks of the guard.
    pub look: Nanos,
    /// A longer time between two looks voids the slice: the machine slept, or the loop did not run. No setting of a
    /// queue delays a look, which reads memory only.
    pub longest_gap: Nanos,
    /// How the guard judges.
    pub guard: GuardConfig,
}

impl Default for BenchConfig {
    /// 4 s slices, looked at every 100 ms; a gap of 2 s is one.
    fn default() -> Self {
        Self {
            slice: Nanos::from_millis(4_000),
            settle: Settle::default(),
            look: Nanos::from_millis(100),
            longest_gap: Nanos::from_millis(2_000),
            guard: GuardConfig::default(),
        }
    }
}

/// The share of the false aborts that standstills may have.
const STANDSTILL_SHARE: f64 = 0.25;

/// Whether something was written for a slice, and so has to settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settling {
    /// As for a slice of a pair: also where nothing had to be written, so that both arms go through the same.
    Needed,
    /// The settings have been in force, as in slices that only observe.
    Done,
}

/// What a look at an open slice comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    /// Go on, and look again at this moment (`CLOCK_MONOTONIC`).
    At(Nanos),
    /// Put the control's settings back in force now, then tell [`Bench::taken_back`].
    TakeBack(Abort),
    /// It is over.
    Over(Box<SliceEnd>),
}

/// What came of a slice, and when what happened.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceEnd {
    /// Whose it was.
    pub arm: Arm,
    /// For [`trials::Trial::record`].
    pub outcome: Outcome,
    /// What was measured; `None` where the slice did not get so far.
    pub measured: Option<Slice>,
    /// The score of an aborted slice from its first look to the abort, for who goes on all the same; `None` otherwise.
    pub so_far: Option<SliceScore>,
    /// When.
    pub times: SliceTimes,
    /// Bios that had been submitted before the settings were in force and completed in the scored time: shown, never
    /// scored.
    pub carried: u64,
}

/// The moments of a slice, on `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SliceTimes {
    /// The first of its settings were in force.
    #[serde(rename = "in_force_ns")]
    pub in_force: Nanos,
    /// How long the knobs that freeze the queue took to drain it.
    #[serde(rename = "drain_ns")]
    pub drain: Nanos,
    /// Scoring began.
    #[serde(rename = "scored_from_ns")]
    pub scored_from: Option<Nanos>,
    /// The guard saw the harm.
    #[serde(rename = "abort_seen_ns")]
    pub abort_seen: Option<Nanos>,
    /// The control's settings were read back after that.
    #[serde(rename = "back_ns")]
    pub back: Option<Nanos>,
    /// It was over.
    #[serde(rename = "ended_ns")]
    pub ended: Nanos,
}

impl SliceTimes {
    /// For how long an aborted child was in force.
    #[must_use]
    pub fn harmful_for(&self) -> Option<Nanos> {
        self.back.map(|back| back - self.in_force)
    }
}

/// The measuring of one device's slices: what the guard has learned, and what each arm's work looked like.
#[derive(Clone, Debug)]
pub struct Bench {
    config: BenchConfig,
    sync: Guard,
    /// For work that nobody waits for; it judges only while no control slice had any other.
    writeback: Guard,
    standstills: Standstills,
    class: Option<Class>,
    /// The fingerprint that each arm's last slice was scored under. The arms may differ: read-ahead changes sizes.
    classes: BTreeMap<Arm, Class>,
}

/// A slice whose settings are in force.
#[derive(Clone, Debug)]
pub struct OpenSlice {
    arm: Arm,
    saturation: Saturation,
    in_force: Nanos,
    mark: Nanos,
    drain: Nanos,
    settling: Settling,
    sync: Watch,
    writeback: Watch,
    judges: Waiter,
    standstill: Standstill,
    first: Option<Box<Sample>>,
    last: Option<Box<Sample>>,
    scored: Option<Scored>,
    abort: Option<(Abort, Nanos)>,
}

#[derive(Clone, Debug)]
struct Scored {
    begin: Box<Sample>,
    class: Option<Class>,
}

impl OpenSlice {
    /// Whose it is.
    #[must_use]
    pub const fn arm(&self) -> Arm {
        self.arm
    }

    /// From when on the source charges bios to this slice: to be set with [`sampler::Source::mark`] before the first
    /// look.
    #[must_use]
    pub const fn mark(&self) -> Nanos {
        self.mark
    }

    /// Whether scoring has begun.
    #[must_use]
    pub const fn is_scored(&self) -> bool {
        self.scored.is_some()
    }

    fn times(&self, ended: Nanos, back: Option<Nanos>) -> SliceTimes {
        SliceTimes {
            in_force: self.in_force,
            drain: self.drain,
            scored_from: self.scored.as_ref().map(|scored| scored.begin.at),
            abort_seen: self.abort.map(|(_, seen)| seen),
            back,
            ended,
        }
    }

    fn end(&self, outcome: Outcome, ended: Nanos, back: Option<Nanos>) -> SliceEnd {
        let pieces = self.scored.as_ref().map(|scored| &scored.begin).zip(self.last.as_ref());
        let carried = |sample: &Sample| sample.latency.as_ref().map_or(0, |latency| latency.carried.count());
        SliceEnd {
            arm: self.arm,
            outcome,
            measured: pieces.and_then(|(begin, end)| slice(begin, end)),
            so_far: self.abort.and_then(|_| {
                let (first, last) = (self.first.as_ref()?, self.last.as_ref()?);
                slice_score(first, last, self.saturation).ok()
            }),
            times: self.times(ended, back),
            carried: pieces.map_or(0, |(begin, end)| carried(end).saturating_sub(carried(begin))),
        }
    }
}

impl Bench {
    /// A bench that has seen nothing.
    ///
    /// # Errors
    /// Where a setting of the guard is out of its range.
    pub fn new(config: BenchConfig) -> Result<Self, TrialError> {
        // A quarter of the false aborts is for standstills.
        let false_aborts = config.guard.false_aborts * (1.0 - STANDSTILL_SHARE);
        let guard = Guard::new(GuardConfig { false_aborts, ..config.guard })?;
        Ok(Self {
            config,
            sync: guard.clone(),
            writeback: guard,
            standstills: Standstills::default(),
            class: None,
            classes: BTreeMap::new(),
        })
    }

    /// How slices go.
    #[must_use]
    pub const fn config(&self) -> &BenchConfig {
        &self.config
    }

    /// Control slices that the guard has learned from since it last had to forget. With none it cannot judge a
    /// child: measure the control first.
    #[must_use]
    pub fn learned(&self) -> usize {
        self.sync.control_slices().max(self.writeback.control_slices())
    }

    /// Children that were taken back so far, and for how long they were in force.
    #[must_use]
    pub const fn violations(&self) -> Violations {
        self.sync.violations()
    }

    /// Says what the device's work is; to be told before each look.
    pub const fn set_class(&mut self, class: Option<Class>) {
        self.class = class;
    }

    /// Opens a slice whose settings are in force. Set the source's [mark](OpenSlice::mark) next.
    #[must_use]
    pub fn open(
        &self,
        arm: Arm,
        applied: &AppliedSettings,
        settling: Settling,
        saturation: Saturation,
    ) -> OpenSlice {
        OpenSlice {
            arm,
            saturation,
            in_force: applied.quick_at,
            mark: applied.at,
            drain: applied.freezing,
            settling,
            sync: self.sync.watch(),
            writeback: self.writeback.watch(),
            judges: if self.sync.control_slices() > 0 { Waiter::Sync } else { Waiter::Async },
            standstill: self.standstills.watch(self.config.guard.false_aborts * STANDSTILL_SHARE),
            first: None,
            last: None,
            scored: None,
            abort: None,
        }
    }

    /// Looks at an open slice.
    pub fn look(&mut self, open: &mut OpenSlice, sample: &Sample) -> Look {
        let now = sample.at;
        if let Some((abort, _)) = open.abort {
            return Look::TakeBack(abort);
        }
        let Some(last) = open.last.replace(Box::new(sample.clone())) else {
            open.first = Some(Box::new(sample.clone()));
            return self.go_on(open, sample);
        };
        if now - last.at > self.config.longest_gap {
            return Look::Over(Box::new(self.void(open, now, Void::Suspended)));
        }
        if errors(&last, sample) {
            return Look::Over(Box::new(self.void(open, now, Void::DeviceError)));
        }
        let sync = open.sync.look(&batch(&last, sample, Waiter::Sync));
        let writeback = open.writeback.look(&batch(&last, sample, Waiter::Async));
        let stood = open.standstill.look(
            last.at,
            now,
            completions(&last, sample) > 0,
            last.in_flight.requests() > 0 && sample.in_flight.requests() > 0,
        );
        let judgement = match stood {
            Some((oldest, bound)) => Judgement::Abort(Abort::Age { oldest, bound }),
            None if open.judges == Waiter::Sync => sync,
            None => writeback,
        };
        if let (Arm::Child, Judgement::Abort(abort)) = (open.arm, judgement) {
            open.abort = Some((abort, now));
            return Look::TakeBack(abort);
        }
        self.go_on(open, sample)
    }

    /// Settling ends, scoring begins or ends, or neither.
    fn go_on(&mut self, open: &mut OpenSlice, sample: &Sample) -> Look {
        let now = sample.at;
        let Some(scored) = &open.scored else {
            if self.is_settled(open, sample) {
                if self.is_other_work(open.arm) {
                    return Look::Over(Box::new(self.void(open, now, Void::FingerprintChanged)));
                }
                open.scored = Some(Scored { begin: Box::new(sample.clone()), class: self.class });
            }
            return Look::At(now + self.config.look);
        };
        if scored.class.is_some() && scored.class != self.class {
            return Look::Over(Box::new(self.void(open, now, Void::FingerprintChanged)));
        }
        let due = scored.begin.at + self.config.slice;
        if now < due {
            return Look::At(due.min(now + self.config.look));
        }
        match slice_score(&scored.begin, sample, open.saturation) {
            Err(void) => Look::Over(Box::new(self.void(open, now, void))),
            Ok(score) => {
                if open.arm == Arm::Control {
                    self.sync.learn(&open.sync);
                    self.writeback.learn(&open.writeback);
                    self.standstills.learn(&open.standstill);
                }
                if let Some(class) = self.class {
                    self.classes.insert(open.arm, class);
                }
                Look::Over(Box::new(open.end(Outcome::Measured(score), now, None)))
            }
        }
    }

    fn is_settled(&self, open: &OpenSlice, sample: &Sample) -> bool {
        let (Some(first), Settling::Needed) = (&open.first, open.settling) else { return true };
        let settle = self.config.settle;
        let elapsed = sample.at - open.mark;
        elapsed >= settle.least
            && (completions(first, sample) >= settle.completions || elapsed >= settle.most)
    }

    /// Whether the work is not what it was in this arm's last slice.
    fn is_other_work(&self, arm: Arm) -> bool {
        self.classes.get(&arm).is_some_and(|last| Some(*last) != self.class)
    }

    /// Ends an open slice that must not be scored. A change of work makes the guard forget what it has learned.
    pub fn void(&mut self, open: &OpenSlice, now: Nanos, void: Void) -> SliceEnd {
        if void == Void::FingerprintChanged {
            self.classes.clear();
            self.sync.forget();
            self.writeback.forget();
            self.standstills.forget();
        }
        open.end(Outcome::Void(void), now, None)
    }

    /// Ends a slice that the guard took back: the control's settings are in force again, as read back at `back`.
    pub fn taken_back(&mut self, open: &OpenSlice, back: Nanos) -> SliceEnd {
        self.sync.violated(back - open.in_force);
        let outcome = match open.abort {
            Some((abort, _)) => Outcome::Aborted(abort),
            // Nobody asked for it: the slice is broken all the same.
            None => Outcome::Void(Void::ForeignWrite),
        };
        open.end(outcome, back, Some(back))
    }
}

#[cfg(test)]
mod tests;
