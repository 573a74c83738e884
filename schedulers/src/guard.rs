//! The only hand that writes to a device: it saves, writes, reads back, tells its own side effects from a foreign
//! hand, and puts everything back.

use crate::catalogue::{is_bound_to_scheduler, may_reset, rank, refusal};
use crate::journal::Journal;
use crate::lock::DeviceLock;
use crate::put_back::put_back;
use crate::report::RestoreReport;
use crate::story::Opened;
use crate::{GuardError, Plan};
use block_types::{Elevator, Knob, KnobValue, Setting, Settings};
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
    max_hw_sectors_kb: Option<u64>,
    /// Found changed, and not told yet.
    noticed: Vec<Foreign>,
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
        let max_hw_sectors_kb = disk.max_hw_sectors_kb()?.value();
        let journal = Journal::create(&config.state_dir, opened)?;
        let (yielded, noticed) = (BTreeSet::new(), Vec::new());
        Ok(Self { disk, journal, yielded, max_hw_sectors_kb, noticed, _lock: lock })
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
    /// not written, and neither is what was yielded, or what would undo what was yielded, or what somebody turns out
    /// to have changed meanwhile ([`Self::foreign`] tells it).
    ///
    /// A few writes are made that the plan does not name, so that nothing but what it names differs from the
    /// originals: the knobs of the original scheduler when it comes back, `read_ahead_kb` where `max_sectors_kb`
    /// raised it, and the driver's tag depth before `none` is left.
    ///
    /// A knob that refuses does not stop the others. One whose original is not known, because it could not be read
    /// at first, is refused here: it could not be put back; and so is a value outside the catalogue's range.
    ///
    /// # Errors
    /// Where the journal cannot be written (the device is then not written either), or the device has gone.
    pub fn apply(&mut self, plan: &Plan) -> Result<Applied, GuardError> {
        let mut applied = Applied::default();
        if plan.is_empty() {
            return Ok(applied);
        }
        let noticed = self.look()?;
        self.noticed.extend(noticed);
        for step in self.with_companions(plan) {
            self.step(step, &mut applied)?;
        }
        Ok(applied)
    }

    /// The plan's steps, and those that undo what they do to knobs that the plan does not name.
    fn with_companions(&self, plan: &Plan) -> Vec<Setting> {
        let story = self.journal.story();
        let mut steps = plan.steps().to_vec();
        let planned = |steps: &[Setting], knob: Knob| steps.iter().any(|step| step.knob == knob);
        let original = story.baseline.elevator();
        let returns = story.known.elevator() != original
            && steps.iter().any(|step| {
                step.knob == Knob::Scheduler && Some(step.value) == original.map(KnobValue::Elevator)
            });
        if returns {
            for setting in story.baseline.iter().filter(|setting| is_bound_to_scheduler(setting.knob)) {
                // Where nr_requests is planned, the kernel has async_depth follow it.
                let follows = setting.knob == Knob::AsyncDepth && planned(&steps, Knob::NrRequests);
                if !follows && !planned(&steps, setting.knob) {
                    steps.push(setting);
                }
            }
        }
        if planned(&steps, Knob::MaxSectorsKb) && !planned(&steps, Knob::ReadAheadKb) {
            let read_ahead = story.known.get(Knob::ReadAheadKb);
            steps.extend(read_ahead.map(|value| Setting { knob: Knob::ReadAheadKb, value }));
        }
        steps.sort_by_key(|step| rank(step.knob));
        steps
    }

    fn step(&mut self, step: Setting, applied: &mut Applied) -> Result<(), GuardError> {
        let Setting { knob, value: wanted } = step;
        let now = self.current();
        if self.is_theirs(knob) || now.get(knob) == Some(wanted) {
            return Ok(());
        }
        if let Some(why) = self.refusal(step) {
            applied.failed.push(WriteFailure { knob, why });
            return Ok(());
        }
        let now = self.current();
        if knob.elevator().is_some() && now.get(knob).is_none() {
            // Its scheduler is not in force: the switch was refused, which is told already.
            return Ok(());
        }
        let under_none = now.elevator() == Some(Elevator::None);
        match knob {
            Knob::Scheduler if under_none => {
                self.tags_as_they_were(applied)?;
                self.write(step, applied)
            }
            Knob::NrRequests if under_none => self.resize_tags(wanted, applied),
            _ => self.write(step, applied),
        }
    }

    /// Why a step is not written, if it is not.
    fn refusal(&self, step: Setting) -> Option<String> {
        if !self.can_be_put_back(step.knob) {
            return Some("its original value is not known, so that it could not be put back".to_owned());
        }
        let story = self.journal.story();
        if step.knob == Knob::NrRequests && story.known.elevator() == Some(Elevator::None) {
            let why = match story.opened.tag_depth {
                None => Some("debugfs does not tell what they were"),
                Some(_) if self.yielded.contains(&Knob::Scheduler) => Some("somebody else chose none"),
                Some(_) => None,
            };
            if let Some(why) = why {
                return Some(format!("under none it resizes the driver's tags, and {why}"));
            }
        }
        refusal(step.knob, step.value, story.baseline.get(step.knob), self.max_hw_sectors_kb)
    }

    /// `nr_requests` under `none`. The driver never gets more tags than it had: what is hidden behind the number may
    /// be an emulated device's depth, and must not outgrow it.
    fn resize_tags(&mut self, wanted: KnobValue, applied: &mut Applied) -> Result<(), GuardError> {
        let (Some(number), Some(most)) = (wanted.number(), self.journal.story().opened.tag_depth) else {
            return Ok(());
        };
        let depth = number.min(most);
        if depth == number || self.disk.tag_depth()? != Some(depth) {
            self.set_depth(depth, applied)?;
        }
        if let Some(read_back) = self.current().get(Knob::NrRequests).filter(|_| depth != number) {
            applied.clamped.push(Clamped { knob: Knob::NrRequests, wanted, read_back });
        }
        Ok(())
    }

    /// A tag depth that was set under `none` outlives it, unseen, and would be felt under every scheduler.
    fn tags_as_they_were(&mut self, applied: &mut Applied) -> Result<(), GuardError> {
        let story = self.journal.story();
        let theirs = self.yielded.contains(&Knob::NrRequests) || self.yielded.contains(&Knob::Scheduler);
        match story.opened.tag_depth.filter(|_| story.resized_tags && !theirs) {
            Some(depth) if self.disk.tag_depth()? != Some(depth) => self.set_depth(depth, applied),
            _ => Ok(()),
        }
    }

    /// Writing the number that is shown already would be a silent no-op, whatever the depth is.
    fn set_depth(&mut self, depth: u64, applied: &mut Applied) -> Result<(), GuardError> {
        let requests = |number| Setting { knob: Knob::NrRequests, value: KnobValue::Number(number) };
        if self.current().number(Knob::NrRequests) == Some(depth) {
            // Below 4 the kernel writes 4.
            self.write(requests(if depth > 4 { depth - 1 } else { depth + 1 }), applied)?;
        }
        self.write(requests(depth), applied)
    }

    fn write(&mut self, step: Setting, applied: &mut Applied) -> Result<(), GuardError> {
        let Setting { knob, value: wanted } = step;
        let under = self.current().elevator();
        self.journal.intend(step, under)?;
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
        Ok(())
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
        let found = self.look()?;
        let mut all = std::mem::take(&mut self.noticed);
        all.extend(found);
        Ok(all)
    }

    fn look(&mut self) -> Result<Vec<Foreign>, GuardError> {
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
