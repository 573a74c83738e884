//! The only hand that writes to a device: it saves, writes, reads back, tells its own side effects from a foreign
//! hand, and puts everything back.

use crate::catalogue::{is_bound_to_scheduler, may_reset};
use crate::journal::Journal;
use crate::lock::DeviceLock;
use crate::put_back::put_back;
use crate::report::RestoreReport;
use crate::story::Opened;
use crate::{GuardError, Plan};
use block_types::{Elevator, Knob, KnobValue, Settings};
use kernfs::{Disk, KnobErrorKind};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where a guard keeps its journal and its lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardConfig {
    /// Directory of the journals' directory.
    pub state_dir: PathBuf,
    /// Directory of the locks. Two daemons refuse each other a device only if they share it.
    pub run_dir: PathBuf,
}

/// A knob that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Which.
    pub knob: Knob,
    /// What was written.
    pub wanted: KnobValue,
    /// What it reads now; `None` if it can no longer be read.
    pub read_back: Option<KnobValue>,
    /// How long the write took: where it drains the queue, mostly that.
    pub took: Duration,
}

/// A knob that the kernel set otherwise than asked: rounded, bounded, or ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clamped {
    /// Which.
    pub knob: Knob,
    /// What was written.
    pub wanted: KnobValue,
    /// What it reads now.
    pub read_back: KnobValue,
}

/// A knob that could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteFailure {
    /// Which.
    pub knob: Knob,
    /// Why, with the file, what was tried and what the kernel said.
    pub why: String,
}

impl fmt::Display for WriteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.knob, self.why)
    }
}

/// What a plan came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// What was written, in order.
    pub written: Vec<Written>,
    /// What of it the kernel made something else of.
    pub clamped: Vec<Clamped>,
    /// What could not be written.
    pub failed: Vec<WriteFailure>,
    /// Other knobs that the kernel changed along with a write.
    pub side_effects: Settings,
}

/// A knob that somebody else wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Which.
    pub knob: Knob,
    /// What we had last seen there.
    pub ours: Option<KnobValue>,
    /// What is there now.
    pub found: Option<KnobValue>,
}

/// A hold on one device, and the duty to leave it as it was found.
///
/// A guard that is dropped without [`Guard::restore`] leaves its journal, from which
/// [`restore_all`](crate::restore_all) does the same.
#[derive(Debug)]
pub struct Guard {
    disk: Disk,
    journal: Journal,
    yielded: BTreeSet<Knob>,
    _lock: DeviceLock,
}

impl Guard {
    /// Locks the device, reads how it is, and has that on disk before anything else.
    ///
    /// # Errors
    /// [`GuardError::HeldBy`] where another has it, [`GuardError::LeftBehind`] where an earlier run has not been
    /// cleared up, or what reading the device or writing the journal met.
    pub fn take(disk: Disk, config: &GuardConfig) -> Result<Self, GuardError> {
        let lock = DeviceLock::take(&config.run_dir, disk.name(), Duration::ZERO)?;
        let opened = Opened::read(&disk)?;
        let journal = Journal::create(&config.state_dir, opened)?;
        Ok(Self { disk, journal, yielded: BTreeSet::new(), _lock: lock })
    }

    /// The device as it was found.
    #[must_use]
    pub fn originals(&self) -> &Settings {
        &self.journal.story().opened.originals
    }

    /// Every knob as last read back.
    #[must_use]
    pub const fn current(&self) -> &Settings {
        &self.journal.story().known
    }

    /// Knobs that somebody else wrote: never written again, and not put back.
    #[must_use]
    pub const fn yielded(&self) -> &BTreeSet<Knob> {
        &self.yielded
    }

    /// Writes a plan, step by step: intention on disk, write, all knobs read back. What has its value by then is
    /// not written, and neither is what was yielded, or what would undo what was yielded.
    ///
    /// A knob that refuses does not stop the others. One whose original is not known, because it could not be read
    /// at first, is refused here: it could not be put back.
    ///
    /// # Errors
    /// Where the journal cannot be written (the device is then not written either), or the device has gone.
    pub fn apply(&mut self, plan: &Plan) -> Result<Applied, GuardError> {
        let mut applied = Applied::default();
        for step in plan.steps() {
            let (knob, wanted) = (step.knob, step.value);
            let now = self.current();
            if self.is_theirs(knob) || now.get(knob) == Some(wanted) {
                continue;
            }
            if !self.can_be_put_back(knob) {
                let why = "its original value is not known, so that it could not be put back".to_owned();
                applied.failed.push(WriteFailure { knob, why });
                continue;
            }
            let under = now.elevator();
            self.journal.intend(*step, under)?;
            let begun = Instant::now();
            let outcome = self.disk.write_knob(knob, wanted);
            let took = begun.elapsed();
            if let Err(error) = &outcome {
                if error.kind == KnobErrorKind::Gone || !self.disk.is_present() {
                    return Err(GuardError::Vanished { device: self.disk.name().to_owned() });
                }
                applied.failed.push(WriteFailure { knob, why: error.to_string() });
            }
            let changed = self.journal.know(&self.disk.read_settings()?.settings)?;
            for setting in changed.iter().filter(|setting| setting.knob != knob) {
                applied.side_effects.set(setting.knob, setting.value);
            }
            if outcome.is_ok() {
                let read_back = self.current().get(knob);
                applied.written.push(Written { knob, wanted, read_back, took });
                if let Some(read_back) = read_back.filter(|value| *value != wanted) {
                    applied.clamped.push(Clamped { knob, wanted, read_back });
                }
            }
        }
        Ok(applied)
    }

    /// Whether a knob, or one that writing it sets anew, was yielded.
    fn is_theirs(&self, knob: Knob) -> bool {
        let undoes = |theirs: Knob| match knob {
            Knob::Scheduler => is_bound_to_scheduler(theirs),
            _ => may_reset(knob, theirs),
        };
        self.yielded.iter().any(|&theirs| theirs == knob || undoes(theirs))
    }

    /// Whether its original is known, or it goes with a scheduler that is not the original one.
    fn can_be_put_back(&self, knob: Knob) -> bool {
        let baseline = &self.journal.story().baseline;
        let goes = |owner: Elevator| baseline.elevator().is_some_and(|original| original != owner);
        baseline.get(knob).is_some() || knob.elevator().is_some_and(goes)
    }

    /// Looks for knobs that are not as we last saw them. They are somebody else's from now on.
    ///
    /// Where the scheduler itself was switched, its knobs and those that a switch resets went with it: only the
    /// scheduler is named, and the rest is taken over as found, to be put back to that.
    ///
    /// # Errors
    /// Where the device has gone or cannot be read, or the journal cannot be written.
    pub fn foreign(&mut self) -> Result<Vec<Foreign>, GuardError> {
        let now = self.disk.read_settings()?.settings;
        if !self.journal.story().pending.is_empty() {
            self.journal.know(&now)?;
        }
        let known = self.current().clone();
        let mut knobs: BTreeSet<Knob> = now.iter().chain(known.iter()).map(|setting| setting.knob).collect();
        if now.get(Knob::Scheduler) != known.get(Knob::Scheduler) {
            self.journal.adopt(&now)?;
            knobs.retain(|&knob| !may_reset(Knob::Scheduler, knob));
            self.yielded.retain(|&knob| !is_bound_to_scheduler(knob));
        }
        let mut found = Vec::new();
        for knob in knobs {
            let (ours, there) = (known.get(knob), now.get(knob));
            if ours != there {
                self.journal.yield_to(knob, &now)?;
                self.yielded.insert(knob);
                found.push(Foreign { knob, ours, found: there });
            }
        }
        Ok(found)
    }

    /// Puts the originals back, as far as they are still ours to put back, and lets go of the device. The journal
    /// stays where something could not be put back.
    #[must_use]
    pub fn restore(mut self) -> RestoreReport {
        let device = self.disk.name().to_owned();
        let report = match put_back(&self.disk, &mut self.journal) {
            Ok(report) => report,
            Err(error) if error.is_gone() || !self.disk.is_present() => {
                RestoreReport::of(device).note("the device has gone, and its settings with it")
            }
            Err(error) => RestoreReport::of(device).fail(error),
        };
        if !report.failed.is_empty() {
            return report;
        }
        match self.journal.remove() {
            Ok(()) => report,
            Err(error) => report.fail(error),
        }
    }
}
