//! One slice after another: what is due, in force, looked at, and over.

use super::share::DefaultTime;
use super::{Confirmed, Phase, REST, Task};
use crate::engine::bench::{Look, Settling, SliceEnd};
use crate::engine::event::{Event, Purpose, Reason, SliceTold, Violation};
use crate::engine::slice::saturation;
use crate::engine::{Action, AppliedSettings, report};
use block_types::{Knob, Nanos, Settings};
use sampler::Sample;
use trials::{Abort, Arm, Outcome, Part, SliceScore, Void};

impl Confirmed {
    /// What to do next, while the incumbent is in force or a slice has just ended.
    pub(super) fn decide(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        let learned = self.bench().map_or(0, |bench| bench.learned());
        let look_time = self.config.timing.slice + self.config.timing.settle;
        let recheck = std::mem::take(&mut self.recheck);
        let Some(chapter) = self.chapter() else { return self.rest_for(now, REST) };
        let half_campaign = chapter.running.as_ref().is_some_and(|running| running.half);
        let half_check = chapter.incumbent.as_ref().is_some_and(|incumbent| incumbent.watch.is_half());
        let check_due = chapter.incumbent.as_ref().is_some_and(|incumbent| {
            let gain = incumbent.over_default().and_then(|estimate| estimate.upper).map_or(0.0, f64::exp_m1);
            chapter.default_time.is_due(gain.max(incumbent.watch.gain()), look_time)
        });
        let rest = chapter.rest;
        if recheck {
            return self.start(now, Task::Recheck, actions);
        }
        if half_check || (check_due && !half_campaign) {
            return self.start(now, self.check_task(), actions);
        }
        if rest > Nanos::ZERO && !half_campaign {
            return self.rest_at_home(now, rest.min(REST), actions);
        }
        if learned == 0 {
            return self.start(now, Task::Reference, actions);
        }
        match self.campaign_task(now, actions) {
            Some(task) => self.start(now, task, actions),
            None => self.rest_at_home(now, REST, actions),
        }
    }

    fn rest_at_home(&mut self, now: Nanos, length: Nanos, actions: &mut Vec<Action>) {
        let home = self.home();
        if self.is_in_force(&home) {
            actions.push(Action::Mark(None));
            self.rest_for(now, length);
        } else {
            self.put_home(now, Reason::Incumbent, actions);
        }
    }

    fn settings_of_task(&mut self, task: Task) -> Settings {
        match task {
            Task::Campaign(due, _) if due.arm == Arm::Child => {
                let running = self.chapter().and_then(|chapter| chapter.running.as_ref());
                let candidate = running.and_then(|running| running.candidates.get(due.candidate as usize));
                match candidate.map(|candidate| candidate.genome.clone()) {
                    Some(genome) => self.settings(&genome),
                    None => self.home(),
                }
            }
            Task::CheckDefault => self.defaults(),
            _ => self.home(),
        }
    }

    /// Puts a task's settings in force. Also where nothing has to be written: both arms of a pair go through the same.
    fn start(&mut self, _now: Nanos, task: Task, actions: &mut Vec<Action>) {
        let settings = self.settings_of_task(task);
        let reason = match task {
            Task::Campaign(due, _) if due.arm == Arm::Child => Reason::Candidate,
            Task::CheckDefault => Reason::Default,
            _ => Reason::Incumbent,
        };
        self.phase = Phase::Applying(task);
        self.apply(settings, reason, actions);
    }

    /// The task's settings are in force: its slice is open.
    pub(super) fn open(&mut self, task: Task, applied: &AppliedSettings, actions: &mut Vec<Action>) {
        let class = self.scene();
        let requests = self.in_force.number(Knob::NrRequests);
        let requests = requests.or_else(|| self.subject.originals.number(Knob::NrRequests));
        let saturated = saturation(self.subject.rotational, requests);
        let Some(bench) = self.bench() else { return };
        bench.set_class(class);
        let arm = match task {
            Task::Campaign(due, _) => due.arm,
            // Under guard, as the candidate was that it is compared with.
            Task::Recheck => Arm::Child,
            Task::CheckIncumbent | Task::CheckDefault | Task::Reference => Arm::Control,
        };
        // What the default does teaches the guard nothing about the incumbent.
        let scratch = (task == Task::CheckDefault).then(|| Box::new(bench.clone()));
        let open = bench.open(arm, applied, Settling::Needed, saturated);
        actions.push(Action::Mark(Some(open.mark())));
        self.phase = Phase::Measuring { task, open: Box::new(open), scratch, next: applied.at };
    }

    /// Looks at the open slice.
    pub(super) fn look(&mut self, sample: &Sample, actions: &mut Vec<Action>) {
        let Phase::Measuring { task, mut open, mut scratch, next } =
            std::mem::replace(&mut self.phase, Phase::Waiting)
        else {
            return;
        };
        if sample.at < next {
            self.phase = Phase::Measuring { task, open, scratch, next };
            return;
        }
        let class = self.scene();
        let bench = match &mut scratch {
            Some(scratch) => Some(&mut **scratch),
            None => self.bench(),
        };
        let Some(bench) = bench else { return };
        bench.set_class(class);
        match bench.look(&mut open, sample) {
            Look::At(next) => self.phase = Phase::Measuring { task, open, scratch, next },
            Look::Over(end) => {
                self.phase = Phase::Judging { task, end };
                actions.push(Action::LookForForeign);
            }
            Look::TakeBack(abort) if task == Task::Recheck => {
                self.disk_has_changed(sample.at, abort, actions);
            }
            Look::TakeBack(_) => {
                self.phase = Phase::TakingBack { task, open };
                let settings = self.home();
                self.apply(settings, Reason::TakenBack, actions);
            }
        }
    }

    /// The incumbent itself is as slow as what the guard took back: what is usual is no longer known.
    fn disk_has_changed(&mut self, now: Nanos, abort: Abort, actions: &mut Vec<Action>) {
        let name = self.name();
        self.benches.remove(&name);
        let message = format!(
            "the incumbent is as slow as what was taken back ({}): the disk has changed, and the guard learns anew",
            in_words(abort)
        );
        actions.push(report(Event::Warning { at_ns: now.0, message }));
        self.rest_for(now, self.dwell());
    }

    /// A slice is over and nobody meddled, or that made it void.
    pub(super) fn judged(&mut self, now: Nanos, task: Task, end: SliceEnd, actions: &mut Vec<Action>) {
        self.told_slice(task, &end, actions);
        let took = end.times.ended - end.times.in_force;
        self.count_time(task, took);
        if let Some(chapter) = self.chapter() {
            match &end.outcome {
                Outcome::Measured(_) => chapter.slices.measured += 1,
                Outcome::Void(void) => chapter.slices.count(*void),
                Outcome::Aborted(_) => {}
            }
        }
        if let Outcome::Aborted(abort) = end.outcome {
            self.violated(now, task, abort, took, actions);
        }
        let idle = end.outcome == Outcome::Void(Void::Idle);
        match task {
            Task::Campaign(..) => self.record_campaign(now, end.outcome, actions),
            Task::CheckIncumbent | Task::CheckDefault => self.record_check(now, end.outcome, actions),
            Task::Reference | Task::Recheck => {}
        }
        if idle {
            self.start_pairs_again(Void::Idle);
            let home = self.home();
            actions.push(Action::Mark(None));
            match self.last_sample.clone() {
                Some(since) if self.is_in_force(&home) => self.phase = Phase::Parked { since },
                _ => self.put_home(now, Reason::Incumbent, actions),
            }
            return;
        }
        self.decide(now, actions);
    }

    fn count_time(&mut self, task: Task, took: Nanos) {
        if let Some(chapter) = self.chapter()
            && chapter.incumbent.is_some()
        {
            let count =
                if task == Task::CheckDefault { DefaultTime::under_default } else { DefaultTime::elsewhere };
            count(&mut chapter.default_time, took);
        }
    }

    fn violated(&mut self, now: Nanos, task: Task, abort: Abort, took: Nanos, actions: &mut Vec<Action>) {
        self.recheck = true;
        let (class, settings) = (self.scene(), self.settings_of_task(task));
        let Some(chapter) = self.chapter() else { return };
        chapter.violations.count += 1;
        chapter.violations.time += took;
        chapter.region.violated();
        chapter.back_off.violated();
        chapter.rest = chapter.rest.max(chapter.back_off.pause());
        if let Some(running) = &mut chapter.running {
            running.violated = true;
        }
        let violations = chapter.violations;
        actions.push(report(Event::Violation(Box::new(Violation {
            at_ns: now.0,
            class,
            settings,
            abort,
            in_force_ns: took.0,
            count: violations.count,
            total_ns: violations.time.0,
        }))));
        self.told_back_off(now, actions);
    }

    /// A slice was interrupted: its pair starts again.
    pub(super) fn lose_pair(&mut self, task: Task, void: Void) {
        let Some(chapter) = self.chapter() else { return };
        chapter.slices.count(void);
        if matches!(task, Task::Campaign(..)) {
            chapter.lose_pair(void);
        }
    }

    /// What is half measured would be compared with another time.
    pub(super) fn start_pairs_again(&mut self, void: Void) {
        let Some(chapter) = self.chapter() else { return };
        if let Some(incumbent) = &mut chapter.incumbent {
            incumbent.watch.start_again();
        }
        if chapter.running.as_ref().is_some_and(|running| running.half) {
            chapter.lose_pair(void);
        }
    }

    pub(super) fn told_slice(&mut self, task: Task, end: &SliceEnd, actions: &mut Vec<Action>) {
        let (void, aborted, score) = match &end.outcome {
            Outcome::Measured(score) => (None, None, Some(score)),
            Outcome::Void(void) => (Some(*void), None, None),
            Outcome::Aborted(abort) => (None, Some(*abort), None),
        };
        let told = |part: fn(&SliceScore) -> Part| match score.map(part) {
            Some(Part::Told(score)) => Some(score.get()),
            Some(Part::Silent(_)) | None => None,
        };
        let (purpose, candidate, arm) = match task {
            Task::Campaign(due, purpose) => (purpose, Some(due.candidate), due.arm),
            Task::CheckIncumbent => (Purpose::GainCheck, None, Arm::Child),
            Task::CheckDefault => (Purpose::GainCheck, None, Arm::Control),
            Task::Reference | Task::Recheck => (Purpose::Reference, None, Arm::Control),
        };
        actions.push(report(Event::Slice(Box::new(SliceTold {
            at_ns: end.times.ended.0,
            class: self.scene(),
            purpose,
            candidate,
            arm,
            settings: self.settings_of_task(task),
            void,
            aborted,
            bytes_per_s: told(|score| score.throughput).map(f64::exp),
            mean_latency_ns: told(|score| score.latency).map(|log| (-log).exp()),
        }))));
    }
}

/// Why the guard took something back, in words.
#[must_use]
pub fn in_words(abort: Abort) -> String {
    match abort {
        Abort::Latency { ratio, bound } => {
            format!("mean latency {ratio:.1} times the usual, where {bound:.1} is borne")
        }
        Abort::Age { oldest, bound } => format!("a request has waited for {oldest}, where {bound} is borne"),
    }
}
