//! Putting the originals back: the same for a guard that ends properly and for a journal that was left behind.

use crate::catalogue::{may_reset, rank};
use crate::journal::Story;
use crate::report::{Left, PutBack, RestoreReport, Unrestored};
use block_types::{Elevator, Knob, KnobValue, Setting, Settings};
use kernfs::{Disk, Error, KnobError, WriteValue};
use std::collections::BTreeMap;

/// Puts back what is still ours. To be called with the device's lock held, so that no write of ours is under way.
///
/// # Errors
/// Where the device has gone or its queue cannot be read; what could not be written is in the report.
pub(crate) fn put_back(disk: &Disk, story: &Story) -> Result<RestoreReport, Error> {
    let mut work = Work {
        disk,
        now: settings(disk)?,
        wanted: story.opened.originals.0.clone(),
        report: RestoreReport::of(disk.name()),
        before: Settings::new(),
    };
    work.before = work.now.clone();
    work.leave_what_is_theirs(story);
    work.tags_and_scheduler(story)?;
    work.knobs(story)?;
    work.tell(story);
    Ok(work.report)
}

/// Whether a value can be ours: as we last read it back, or in the way of a write that may have landed since.
fn is_ours(story: &Story, knob: Knob, value: KnobValue) -> bool {
    let under_way = |setting: Setting| setting.knob == knob || may_reset(setting.knob, knob);
    story.known.get(knob) == Some(value) || story.pending.is_some_and(under_way)
}

struct Work<'a> {
    disk: &'a Disk,
    /// As last read.
    now: Settings,
    /// What each knob is to be in the end: its original, or what somebody else made of it.
    wanted: BTreeMap<Knob, KnobValue>,
    report: RestoreReport,
    /// As it was when we came.
    before: Settings,
}

fn settings(disk: &Disk) -> Result<Settings, Error> {
    Ok(disk.read_settings()?.settings)
}

impl Work<'_> {
    /// A value that is neither original nor ours is somebody else's. Where our own writes below reset it, it is
    /// written again.
    fn leave_what_is_theirs(&mut self, story: &Story) {
        let originals = &story.opened.originals;
        for Setting { knob, value } in self.now.clone().iter() {
            let original = originals.get(knob);
            let yielded = story.yielded.contains_key(&knob);
            if Some(value) == original || (!yielded && is_ours(story, knob, value)) {
                continue;
            }
            if original.is_none() && !yielded {
                // A knob of a scheduler that is not the original one: it goes with that scheduler.
                continue;
            }
            self.wanted.insert(knob, value);
            self.report.left.push(Left { knob, ours: story.known.get(knob), found: Some(value), original });
        }
    }

    fn wanted_elevator(&self) -> Option<Elevator> {
        match self.wanted.get(&Knob::Scheduler)? {
            KnobValue::Elevator(elevator) => Some(*elevator),
            KnobValue::Number(_) => None,
        }
    }

    /// The driver's tags can be resized under `none` only, so that comes first, and then the scheduler.
    fn tags_and_scheduler(&mut self, story: &Story) -> Result<(), Error> {
        if let Some(depth) = self.tags_to_restore(story)? {
            self.write(Knob::Scheduler, KnobValue::Elevator(Elevator::None))?;
            if self.now.elevator() == Some(Elevator::None) {
                // nr_requests may already read as the depth that the tags no longer have; writing the same value
                // would then be a silent no-op, so another goes before it.
                let other = if depth > 1 { depth - 1 } else { depth + 1 };
                self.write(Knob::NrRequests, KnobValue::Number(other))?;
                self.write(Knob::NrRequests, KnobValue::Number(depth))?;
            }
        }
        if let Some(elevator) = self.wanted_elevator() {
            self.write(Knob::Scheduler, KnobValue::Elevator(elevator))?;
        }
        Ok(())
    }

    fn tags_to_restore(&self, story: &Story) -> Result<Option<u64>, Error> {
        let theirs = |knob: Knob| self.report.left.iter().any(|left| left.knob == knob);
        if !story.resized_tags || theirs(Knob::Scheduler) {
            return Ok(None);
        }
        let originals = &story.opened.originals;
        let under_none = originals.elevator() == Some(Elevator::None);
        let shown = if under_none { originals.number(Knob::NrRequests) } else { None };
        let Some(original) = story.opened.tag_depth.or(shown) else { return Ok(None) };
        Ok(match self.disk.tag_depth()? {
            Some(depth) if depth == original => None,
            _ => Some(original),
        })
    }

    /// Every other knob, in the order in which writing one does not undo another.
    fn knobs(&mut self, story: &Story) -> Result<(), Error> {
        let mut knobs: Vec<Knob> = self.wanted.keys().copied().filter(|&knob| knob != Knob::Scheduler).collect();
        knobs.sort_by_key(|&knob| rank(knob));
        for knob in knobs {
            let (Some(&wanted), Some(now)) = (self.wanted.get(&knob), self.now.get(knob)) else { continue };
            if now == wanted || self.shows_another_than_the_tags(story, knob) {
                continue;
            }
            if knob == Knob::MaxSectorsKb && self.kernel_default_is(wanted)? {
                continue;
            }
            self.write(knob, wanted)?;
        }
        Ok(())
    }

    /// Under `none`, `nr_requests` may have shown another number than the tags' depth, and writing that number
    /// would resize them. The depth is what counts.
    fn shows_another_than_the_tags(&mut self, story: &Story, knob: Knob) -> bool {
        if knob != Knob::NrRequests || self.now.elevator() != Some(Elevator::None) {
            return false;
        }
        let differs = story.opened.tag_depth.is_some_and(|depth| {
            self.wanted.get(&knob).and_then(|wanted| wanted.number()).is_some_and(|shown| shown != depth)
        });
        if differs {
            let note = "nr_requests showed another number than the driver's tag depth; the depth is as it was";
            self.report.notes.push(note.to_owned());
        }
        differs
    }

    /// 0 makes the kernel choose `max_sectors_kb`; where that yields the original it leaves no trace of ours.
    fn kernel_default_is(&mut self, wanted: KnobValue) -> Result<bool, Error> {
        // A kernel that does not know 0 refuses it, and the value itself is written instead.
        let _refused = self.disk.write_knob(Knob::MaxSectorsKb, WriteValue::KernelDefault);
        self.now = settings(self.disk)?;
        Ok(self.now.get(Knob::MaxSectorsKb) == Some(wanted))
    }

    fn write(&mut self, knob: Knob, value: KnobValue) -> Result<(), Error> {
        if self.now.get(knob) == Some(value) {
            return Ok(());
        }
        if let Err(error) = self.disk.write_knob(knob, value) {
            self.fail(knob, &error);
        }
        self.now = settings(self.disk)?;
        Ok(())
    }

    fn fail(&mut self, knob: Knob, error: &KnobError) {
        self.report.failed.push(Unrestored { knob: Some(knob), why: error.to_string() });
    }

    fn tell(&mut self, story: &Story) {
        for (&knob, &wanted) in &self.wanted {
            let (from, to) = (self.before.get(knob), self.now.get(knob));
            let theirs = self.report.left.iter().any(|left| left.knob == knob);
            if from == to {
                if story.touched.contains(&knob) && to == Some(wanted) && !theirs {
                    self.report.already.push(knob);
                }
            } else if to == Some(wanted) && !theirs {
                self.report.restored.push(PutBack { knob, from, to: wanted });
            }
            let failed = self.report.failed.iter().any(|failed| failed.knob == Some(knob));
            let there = to.is_some();
            let noted = knob == Knob::NrRequests && !self.report.notes.is_empty();
            if there && to != Some(wanted) && !failed && !noted {
                let why = format!("it reads {} after {wanted} was written", word(to));
                self.report.failed.push(Unrestored { knob: Some(knob), why });
            }
        }
        self.report.restored.sort_by_key(|put_back| rank(put_back.knob));
        if story.touched.contains(&Knob::WbtLatUsec) {
            let note = "wbt_lat_usec was written: the kernel no longer switches writeback throttling by itself when \
                        bfq comes or goes, until the device is made anew";
            self.report.notes.push(note.to_owned());
        }
    }
}

fn word(value: Option<KnobValue>) -> String {
    value.map_or("nothing".to_owned(), |value| value.to_string())
}
