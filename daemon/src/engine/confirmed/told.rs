//! What the loop is told from outside: samples, changes of fingerprint, settings that were written, knobs that are somebody
//! else's now, pauses.

use super::thrash::Ruling;
use super::{Confirmed, Phase};
use crate::config::OnChange;
use crate::engine::event::{Event, Reason};
use crate::engine::score::idle;
use crate::engine::windows::Change;
use crate::engine::{Action, AppliedSettings, report};
use block_types::{Knob, Nanos};
use sampler::Sample;
use trials::Void;

impl Confirmed {
    /// Settings were written.
    pub(in crate::engine) fn applied(
        &mut self,
        now: Nanos,
        applied: &AppliedSettings,
        actions: &mut Vec<Action>,
    ) {
        for setting in applied.in_force.iter() {
            self.in_force.set(setting.knob, setting.value);
        }
        match std::mem::replace(&mut self.phase, Phase::Waiting) {
            Phase::Putting => self.rest_for(applied.at, self.dwell()),
            Phase::Applying(task) => self.open(task, applied, actions),
            Phase::TakingBack { task, open } => {
                let end = self.bench().map(|bench| bench.taken_back(&open, applied.at));
                if let Some(end) = end {
                    self.judged(now, task, end, actions);
                }
            }
            other => self.phase = other,
        }
    }

    /// Looks at a sample.
    pub(in crate::engine) fn sample(&mut self, now: Nanos, sample: &Sample, actions: &mut Vec<Action>) {
        let quiet = self.last_sample.as_ref().is_none_or(|last| idle(last, sample));
        if self.thrash.is_calm(now) && !matches!(self.phase, Phase::Held { .. }) {
            self.interrupt(now, Void::FingerprintChanged, actions);
            self.thrash.reset();
            actions.push(report(Event::Calm { at_ns: now.0 }));
            self.put_home(now, Reason::Incumbent, actions);
        }
        match &self.phase {
            Phase::Waiting if !quiet && sample.bios.is_none() => {
                self.put_home(now, Reason::Incumbent, actions);
            }
            Phase::Resting { since, until } if now >= *until => {
                let rested = now - *since;
                self.rested(rested);
                if quiet {
                    self.phase = Phase::Parked { since: Box::new(sample.clone()) };
                } else {
                    self.decide(now, actions);
                }
            }
            Phase::Parked { since } if !idle(since, sample) => {
                self.rest_for(now, self.dwell());
            }
            Phase::Measuring { .. } => self.look(sample, actions),
            _ => {}
        }
        self.last_sample = Some(Box::new(sample.clone()));
    }

    /// Counts a time in which the incumbent was in force and nothing was tried.
    fn rested(&mut self, time: Nanos) {
        if let Some(chapter) = self.chapter() {
            chapter.rest = chapter.rest.saturating_sub(time);
            if chapter.incumbent.is_some() {
                chapter.default_time.elsewhere(time);
            }
        }
    }

    /// The fingerprint changed: what suits it is in force at once, unless it changes too often.
    pub(in crate::engine) fn changed(&mut self, now: Nanos, change: Change, actions: &mut Vec<Action>) {
        match self.config.genetic.on_change {
            OnChange::Recall => {}
            OnChange::Defaults => {
                self.chapters.remove(change.to.name());
                self.benches.remove(change.to.name());
            }
            OnChange::Nothing if self.class.is_some() => return,
            OnChange::Nothing => {}
        }
        if let Phase::Held { begun } = &mut self.phase {
            // What comes after the pause is for the new fingerprint.
            *begun = true;
            self.class = Some(change.to);
            return;
        }
        if self.thrash.is_settled() {
            // It is one kind of work while it changes so: its slices go on.
            self.thrash.changed(now);
            self.class = Some(change.to);
            return;
        }
        self.interrupt(now, Void::FingerprintChanged, actions);
        actions.push(Action::Keep);
        self.class = Some(change.to);
        if self.thrash.changed(now) == Ruling::Follow {
            actions.push(Action::LookForForeign);
            self.put_home(now, Reason::Incumbent, actions);
            return;
        }
        let per_minute = self.config.confirmed.changes_per_minute;
        actions.push(report(Event::CalmDown { at_ns: now.0, changes_per_minute: per_minute }));
        self.put_home(now, Reason::TooManyChanges, actions);
    }

    /// Ends what is under way; the slice is void, and its pair with it.
    pub(in crate::engine) fn interrupt(&mut self, now: Nanos, void: Void, actions: &mut Vec<Action>) {
        match std::mem::replace(&mut self.phase, Phase::Waiting) {
            Phase::Measuring { task, open, .. } | Phase::TakingBack { task, open } => {
                if let Some(end) = self.bench().map(|bench| bench.void(&open, now, void)) {
                    self.told_slice(task, &end, actions);
                }
                self.lose_pair(task, void);
            }
            Phase::Judging { task, .. } | Phase::Applying(task) => self.lose_pair(task, void),
            other => self.phase = other,
        }
        self.start_pairs_again(void);
    }

    /// Whether somebody meddled is known now.
    pub(in crate::engine) fn judge(&mut self, now: Nanos, meddled: bool, actions: &mut Vec<Action>) {
        match std::mem::replace(&mut self.phase, Phase::Waiting) {
            Phase::Judging { task, mut end } => {
                if meddled {
                    end.outcome = trials::Outcome::Void(Void::ForeignWrite);
                }
                self.judged(now, task, *end, actions);
            }
            other => {
                self.phase = other;
                if meddled && matches!(self.phase, Phase::Measuring { .. }) {
                    self.interrupt(now, Void::ForeignWrite, actions);
                    self.put_home(now, Reason::Incumbent, actions);
                }
            }
        }
    }

    /// Knobs that somebody else wrote are genes no more.
    pub(in crate::engine) fn yield_knobs(&mut self, now: Nanos, knobs: &[Knob], actions: &mut Vec<Action>) {
        for knob in knobs {
            self.in_force.0.remove(knob);
            self.asked = None;
            if !self.retired.insert(knob.name().to_owned()) {
                continue;
            }
            for chapter in self.chapters.values_mut() {
                if let Err(error) = chapter.retire(knob.name()) {
                    actions.push(report(Event::Warning { at_ns: now.0, message: error.to_string() }));
                }
            }
        }
    }

    /// Stops: the running slice is void, and nothing is applied until [`Self::release`].
    pub(in crate::engine) fn hold(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        self.interrupt(now, Void::Suspended, actions);
        actions.push(Action::Mark(None));
        // The originals come next, and not from here.
        self.asked = None;
        self.phase = Phase::Held { begun: !matches!(self.phase, Phase::Waiting) || self.class.is_some() };
    }

    /// Goes on after [`Self::hold`].
    pub(in crate::engine) fn release(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        if let Phase::Held { begun } = self.phase {
            self.thrash.reset();
            self.phase = Phase::Waiting;
            if begun {
                self.put_home(now, Reason::Incumbent, actions);
            }
        }
    }

    /// The machine slept: what is under way is void.
    pub(in crate::engine) fn suspended(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Measuring { .. } | Phase::Judging { .. }) {
            self.interrupt(now, Void::Suspended, actions);
            self.put_home(now, Reason::Incumbent, actions);
        }
    }
}
