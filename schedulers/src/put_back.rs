//! Putting the originals back: the same for a guard that ends properly and for a journal that was left behind.

use crate::GuardError;
use crate::catalogue::{may_reset, rank, rounding};
use crate::journal::Journal;
use crate::report::{Left, PutBack, RestoreReport, Unrestored};
use crate::story::Story;
use block_types::{Elevator, Knob, KnobValue, Setting, Settings};
use kernfs::{Disk, Error, WriteValue};

/// Puts back what is still ours. To be called with the device's lock held, so that no write of ours is under way.
///
/// Its own writes go through the journal too: it may be killed as well, and the next one must know them for ours.
///
/// # Errors
/// Where the device has gone or its queue cannot be read; what could not be written is in the report.
pub(crate) fn put_back(disk: &Disk, journal: &mut Journal) -> Result<RestoreReport, Error> {
    let now = settings(disk)?;
    let report = RestoreReport::of(disk.name());
    let mut work = Work { disk, journal, before: now.clone(), now, report, unjournalled: false };
    work.yield_what_is_theirs();
    work.tags()?;
    work.scheduler()?;
    work.knobs()?;
    work.tell()?;
    Ok(work.report)
}

/// The value with which `none` is in force.
const NONE: KnobValue = KnobValue::Elevator(Elevator::None);

struct Work<'a> {
    disk: &'a Disk,
    journal: &'a mut Journal,
    /// As last read.
    now: Settings,
    /// As it was when we came.
    before: Settings,
    report: RestoreReport,
    /// Whether it was said that the journal cannot be written.
    unjournalled: bool,
}

fn settings(disk: &Disk) -> Result<Settings, Error> {
    Ok(disk.read_settings()?.settings)
}

/// Whether what `knob` is `now` can be our doing: as we last read it back, or what a write that may have landed since
/// makes of it.
fn is_ours(story: &Story, now: &Settings, knob: Knob) -> bool {
    let found = now.get(knob);
    story.known.get(knob) == found
        || story.pending.iter().any(|pending| {
            if pending.knob == knob {
                may_read_back_as(*pending, story.known.get(knob), found)
            } else {
                let (known, there) = (story.known.get(pending.knob), now.get(pending.knob));
                // max_sectors_kb resets read-ahead even where it is bounded to what it was.
                let landed =
                    there != known || known == Some(pending.value) || pending.knob == Knob::MaxSectorsKb;
                landed && may_reset(pending.knob, knob)
            }
        })
}

/// Whether writing a setting over `known` can have made `found` of it. A bound that brings the number nearer to what
/// is allowed leaves it between the two, because what was in force is allowed.
fn may_read_back_as(written: Setting, known: Option<KnobValue>, found: Option<KnobValue>) -> bool {
    let number = |value: Option<KnobValue>| value.and_then(KnobValue::number);
    match (number(Some(written.value)), number(found)) {
        // What the kernel makes of 0 is its own choice.
        (Some(0), Some(_)) if written.knob == Knob::MaxSectorsKb => true,
        (Some(asked), Some(found)) => {
            let known = number(known).unwrap_or(asked);
            let slack = rounding(written.knob);
            found >= known.min(asked).saturating_sub(slack) && found <= known.max(asked).saturating_add(slack)
        }
        _ => found == Some(written.value),
    }
}

impl Work<'_> {
    fn story(&self) -> &Story {
        self.journal.story()
    }

    /// Without its journal it still puts back: that is worth more than knowing what was put back.
    fn journalled<T>(&mut self, result: Result<T, GuardError>) {
        if let Err(error) = result
            && !std::mem::replace(&mut self.unjournalled, true)
        {
            self.report.notes.push(format!("what is put back is not journalled: {error}"));
        }
    }

    /// A value that is neither what it is to be nor ours is somebody else's, and what it is to be from now on. Where
    /// our own writes disturb it, it is written again.
    fn yield_what_is_theirs(&mut self) {
        let now = self.now.clone();
        let is_theirs =
            |story: &Story, knob: Knob| story.target(knob) != now.get(knob) && !is_ours(story, &now, knob);
        if is_theirs(self.story(), Knob::Scheduler) {
            let adopted = self.journal.adopt(&now);
            self.journalled(adopted);
            let yielded = self.journal.yield_to(Knob::Scheduler, &now);
            self.journalled(yielded);
        }
        for Setting { knob, .. } in now.iter() {
            if is_theirs(self.story(), knob) {
                let yielded = self.journal.yield_to(knob, &now);
                self.journalled(yielded);
            }
        }
    }

    /// The driver's tags can be resized under `none` only.
    fn tags(&mut self) -> Result<(), Error> {
        let depth = self.disk.tag_depth()?;
        let original = self.original_tags();
        let resized_by_us = self.story().resized_tags;
        let known = depth.is_some() && original.is_some();
        if (known && depth == original) || (!known && !resized_by_us) {
            return Ok(());
        }
        let under_none = self.now.elevator() == Some(Elevator::None);
        let their_scheduler = self.story().yielded.contains_key(&Knob::Scheduler);
        let resized_by_them = !resized_by_us || self.tags_are_theirs(depth);
        if resized_by_them || (their_scheduler && !under_none) {
            let word = |depth: Option<u64>| depth.map_or("unknown".to_owned(), |depth| depth.to_string());
            self.report.notes.push(format!(
                "the driver's tag depth is {} and was left: somebody has changed {} since (original: {})",
                word(depth),
                if resized_by_them { "it" } else { "the scheduler" },
                word(original)
            ));
            return Ok(());
        }
        self.write(Knob::Scheduler, NONE)?;
        if self.now.elevator() != Some(Elevator::None) {
            return Ok(());
        }
        if original.is_none() {
            if under_none {
                self.show_all_tags()?;
            }
            let note =
                "the driver's original tag depth is not known (no debugfs): it has all that were allocated";
            self.report.notes.push(note.to_owned());
        }
        let Some(original) = original.or(self.now.number(Knob::NrRequests)) else { return Ok(()) };
        // Writing the number that is shown already would be a silent no-op, whatever the depth is.
        if self.now.number(Knob::NrRequests) == Some(original) {
            let other = if original > 1 { original - 1 } else { original + 1 };
            self.write(Knob::NrRequests, KnobValue::Number(other))?;
        }
        self.write(Knob::NrRequests, KnobValue::Number(original))?;
        let depth = self.disk.tag_depth()?;
        if let Some(depth) = depth.filter(|&depth| depth != original) {
            self.fail(Knob::NrRequests, format!("the driver's tag depth is {depth}, and was {original}"));
        }
        Ok(())
    }

    /// Whether somebody else wrote `nr_requests` under `none` after we did: it then shows the depth.
    fn tags_are_theirs(&self, depth: Option<u64>) -> bool {
        let depth = depth.map(KnobValue::Number);
        let story = self.story();
        let shows = |found: Option<KnobValue>| depth.is_none() || found == depth;
        let yielded = story.yielded.get(&Knob::NrRequests);
        let came_along = story.yielded.get(&Knob::Scheduler).is_some_and(|switch| switch.found == Some(NONE));
        yielded.is_some_and(|yielded| yielded.under == Some(Elevator::None) && shows(yielded.found))
            || (came_along && shows(story.baseline.get(Knob::NrRequests)))
    }

    /// The driver's tag depth at the beginning. Where debugfs did not tell, `nr_requests` under `none` is taken for it.
    fn original_tags(&self) -> Option<u64> {
        let opened = &self.story().opened;
        let under_none = opened.originals.elevator() == Some(Elevator::None);
        opened.tag_depth.or_else(|| opened.originals.number(Knob::NrRequests).filter(|_| under_none))
    }

    /// Makes `nr_requests` under `none` show the number of tags that the driver allocated, by coming to `none` anew;
    /// the depth stays. `none` over `none` suffices in Linux 6.18; others may need to leave it in between.
    fn show_all_tags(&mut self) -> Result<(), Error> {
        let shown = self.now.number(Knob::NrRequests);
        self.rewrite(Knob::Scheduler, NONE)?;
        if self.now.number(Knob::NrRequests) == shown {
            let menu = self.disk.scheduler()?.known();
            if let Some(other) = menu.into_iter().find(|&offered| offered != Elevator::None) {
                self.write(Knob::Scheduler, KnobValue::Elevator(other))?;
                self.write(Knob::Scheduler, NONE)?;
            }
        }
        Ok(())
    }

    fn scheduler(&mut self) -> Result<(), Error> {
        match self.story().target_elevator() {
            Some(elevator) => self.write(Knob::Scheduler, KnobValue::Elevator(elevator)),
            None => Ok(()),
        }
    }

    /// Whether the scheduler in force is the one that is to be.
    fn scheduler_is_back(&self) -> bool {
        self.now.elevator() == self.story().target_elevator()
    }

    /// Every other knob, in the order in which writing one does not undo another.
    fn knobs(&mut self) -> Result<(), Error> {
        let mut knobs: Vec<Knob> =
            Knob::ALL.iter().copied().filter(|&knob| knob != Knob::Scheduler).collect();
        knobs.sort_by_key(|&knob| rank(knob));
        for knob in knobs {
            let (Some(target), Some(now)) = (self.story().target(knob), self.now.get(knob)) else { continue };
            if now == target || (!self.scheduler_is_back() && may_reset(Knob::Scheduler, knob)) {
                continue;
            }
            match knob {
                Knob::NrRequests if self.now.elevator() == Some(Elevator::None) => {
                    self.shown_requests(target)
                }
                Knob::MaxSectorsKb => self.largest_request(target),
                _ => self.write(knob, target),
            }?;
        }
        Ok(())
    }

    /// Under `none`, `nr_requests` may have shown another number than the tags' depth, and writing that number
    /// would resize them.
    fn shown_requests(&mut self, target: KnobValue) -> Result<(), Error> {
        match self.disk.tag_depth()? {
            Some(depth) if Some(depth) != target.number() => {
                self.show_all_tags()?;
                if self.now.get(Knob::NrRequests) != Some(target) {
                    let why = format!(
                        "{target} was shown while the driver's tag depth was {depth}, as it is again"
                    );
                    self.report.notes.push(format!("nr_requests: {why}"));
                }
                Ok(())
            }
            _ => self.write(Knob::NrRequests, target),
        }
    }

    /// 0 makes the kernel choose `max_sectors_kb`; where that yields the original it leaves no trace of ours. A
    /// kernel that does not know 0 refuses it, and the value itself is written instead.
    fn largest_request(&mut self, target: KnobValue) -> Result<(), Error> {
        let _refused = self.attempt(Knob::MaxSectorsKb, KnobValue::Number(0), WriteValue::KernelDefault)?;
        self.write(Knob::MaxSectorsKb, target)
    }

    fn write(&mut self, knob: Knob, value: KnobValue) -> Result<(), Error> {
        if self.now.get(knob) == Some(value) { Ok(()) } else { self.rewrite(knob, value) }
    }

    fn rewrite(&mut self, knob: Knob, value: KnobValue) -> Result<(), Error> {
        if let Some(why) = self.attempt(knob, value, value.into())? {
            self.fail(knob, why);
        }
        Ok(())
    }

    /// One write, journalled and read back; answers why it was refused, if it was.
    fn attempt(&mut self, knob: Knob, value: KnobValue, text: WriteValue) -> Result<Option<String>, Error> {
        let intended = self.journal.intend(Setting { knob, value }, self.now.elevator());
        self.journalled(intended);
        let refused = self.disk.write_knob(knob, text).err().map(|error| error.to_string());
        self.now = settings(self.disk)?;
        let known = self.journal.know(&self.now);
        self.journalled(known);
        Ok(refused)
    }

    fn fail(&mut self, knob: Knob, why: String) {
        self.report.failed.push(Unrestored { knob: Some(knob), why });
    }

    fn tell(&mut self) -> Result<(), Error> {
        for &knob in Knob::ALL {
            let story = self.journal.story();
            let (from, to) = (self.before.get(knob), self.now.get(knob));
            let original = story.opened.originals.get(knob);
            if let Some(theirs) = story.theirs(knob) {
                if theirs.found != original {
                    let (ours, found) = (theirs.ours, theirs.found);
                    self.report.left.push(Left { knob, ours, found, original });
                }
            } else if let Some(found) = story.yielded.get(&knob).and_then(|yielded| yielded.found) {
                self.report
                    .notes
                    .push(format!("{knob}={found}, set by somebody else, went with its scheduler"));
            }
            let Some(target) = story.target(knob) else { continue };
            let theirs = story.theirs(knob).is_some();
            if to == Some(target) {
                if !theirs && from != to {
                    self.report.restored.push(PutBack { knob, from, to: target });
                } else if !theirs && story.touched.contains(&knob) {
                    self.report.already.push(knob);
                }
            } else if knob == Knob::Scheduler || self.scheduler_is_back() || !may_reset(Knob::Scheduler, knob)
            {
                self.tell_unlike(knob, target, to);
            }
        }
        self.report.restored.sort_by_key(|put_back| rank(put_back.knob));
        self.tell_throttling()
    }

    /// A knob that is not as it is to be, unless that was said already.
    fn tell_unlike(&mut self, knob: Knob, target: KnobValue, found: Option<KnobValue>) {
        let failed = self.report.failed.iter().any(|failed| failed.knob == Some(knob));
        let noted = self.report.notes.iter().any(|note| note.starts_with(knob.name()));
        match found {
            _ if failed || noted => {}
            Some(found) => self.fail(knob, format!("it reads {found} after {target} was written")),
            None => self.report.notes.push(format!("{knob} can no longer be read; it was {target}")),
        }
    }

    fn tell_throttling(&mut self) -> Result<(), Error> {
        if !self.story().touched.contains(&Knob::WbtLatUsec) {
            return Ok(());
        }
        let note = match (self.story().opened.wbt_by_hand, self.disk.wbt_state()?) {
            (Some(true), _) => return Ok(()),
            (_, Some(state)) if !state.is_sticky() => return Ok(()),
            (Some(false), Some(state)) => format!(
                "writeback throttling is {state} since wbt_lat_usec was written, and was in the kernel's hands before: \
                 until the device is made anew, it no longer goes off and on as bfq comes and goes"
            ),
            _ => "wbt_lat_usec was written: until the device is made anew, the kernel may no longer switch writeback \
                  throttling off and on as bfq comes and goes"
                .to_owned(),
        };
        self.report.notes.push(note);
        Ok(())
    }
}
