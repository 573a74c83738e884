//! The two strategies behind one face.

use super::confirmed::Confirmed;
use super::event::VoidReason;
use super::genes::GeneMap;
use super::search::Search;
use super::windows::Change;
use super::{Action, AppliedSettings};
use block_types::{Knob, Nanos, Settings};
use fingerprint::Class;
use sampler::Sample;

/// How settings are searched on one device.
#[derive(Debug)]
pub enum Strategy {
    /// As published.
    Moilanen(Box<Search>),
    /// With guarded trials.
    Confirmed(Box<Confirmed>),
}

impl From<Search> for Strategy {
    fn from(search: Search) -> Self {
        Self::Moilanen(Box::new(search))
    }
}

impl From<Confirmed> for Strategy {
    fn from(confirmed: Confirmed) -> Self {
        Self::Confirmed(Box::new(confirmed))
    }
}

/// What the device's loop knows and the strategy may want to.
pub(super) struct Scene<'a> {
    pub(super) now: Nanos,
    pub(super) class: Option<Class>,
    pub(super) in_force: &'a Settings,
}

impl Strategy {
    pub(super) const fn deadline(&self) -> Option<Nanos> {
        match self {
            Self::Moilanen(search) => search.deadline(),
            Self::Confirmed(confirmed) => confirmed.deadline(),
        }
    }

    pub(super) const fn set_date(&mut self, unix_ms: u64) {
        match self {
            Self::Moilanen(search) => search.set_date(unix_ms),
            Self::Confirmed(confirmed) => confirmed.set_date(unix_ms),
        }
    }

    pub(super) fn applied(&mut self, now: Nanos, applied: &AppliedSettings, actions: &mut Vec<Action>) {
        match self {
            Self::Moilanen(search) => search.applied(applied),
            Self::Confirmed(confirmed) => confirmed.applied(now, applied, actions),
        }
    }

    pub(super) fn sample(&mut self, now: Nanos, sample: &Sample, actions: &mut Vec<Action>) {
        match self {
            Self::Moilanen(search) => search.sample(now, sample, actions),
            Self::Confirmed(confirmed) => confirmed.sample(now, sample, actions),
        }
    }

    pub(super) fn changed(&mut self, scene: &Scene<'_>, change: Change, actions: &mut Vec<Action>) {
        match self {
            Self::Moilanen(search) => search.changed(scene.now, change, scene.in_force, actions),
            Self::Confirmed(confirmed) => confirmed.changed(scene.now, change, actions),
        }
    }

    /// Somebody else wrote these knobs, or nobody did.
    pub(super) fn foreign(&mut self, scene: &Scene<'_>, knobs: &[Knob], actions: &mut Vec<Action>) {
        let now = scene.now;
        match self {
            Self::Moilanen(search) => {
                search.yield_knobs(now, knobs, actions);
                let verdict = (!knobs.is_empty()).then_some(VoidReason::ForeignWrite);
                search.judge(now, verdict, scene.class, scene.in_force, actions);
            }
            Self::Confirmed(confirmed) => {
                confirmed.yield_knobs(now, knobs, actions);
                confirmed.judge(now, !knobs.is_empty(), actions);
            }
        }
    }

    pub(super) fn suspended(&mut self, scene: &Scene<'_>, actions: &mut Vec<Action>) {
        match self {
            Self::Moilanen(search) => {
                let reason = VoidReason::Suspended;
                search.void_slice(scene.now, reason, scene.class, scene.in_force, actions);
            }
            Self::Confirmed(confirmed) => confirmed.suspended(scene.now, actions),
        }
    }

    pub(super) fn hold(&mut self, scene: &Scene<'_>, actions: &mut Vec<Action>) {
        match self {
            Self::Moilanen(search) => search.hold(scene.now, scene.class, scene.in_force, actions),
            Self::Confirmed(confirmed) => confirmed.hold(scene.now, actions),
        }
    }

    pub(super) fn release(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        match self {
            Self::Moilanen(search) => search.release(actions),
            Self::Confirmed(confirmed) => confirmed.release(now, actions),
        }
    }

    /// What is put in force for a fingerprint without a search.
    #[must_use]
    pub fn stored(&self, class: Class) -> Option<Settings> {
        match self {
            Self::Moilanen(search) => search.stored(class),
            Self::Confirmed(confirmed) => confirmed.stored(class),
        }
    }

    /// What `observe` would have done on a change to `class`, and with which settings.
    #[must_use]
    pub fn would(&self, class: Class) -> (String, Option<Settings>) {
        match self {
            Self::Moilanen(search) => search.would(class),
            Self::Confirmed(confirmed) => confirmed.would(class),
        }
    }

    /// The genes and how they map to knobs.
    #[must_use]
    pub const fn genes(&self) -> &GeneMap {
        match self {
            Self::Moilanen(search) => search.genes(),
            Self::Confirmed(confirmed) => confirmed.genes(),
        }
    }

    /// The generation, from 0; or the campaign under the fingerprint in force, from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        match self {
            Self::Moilanen(search) => search.pool().generation(),
            Self::Confirmed(confirmed) => confirmed.campaign(),
        }
    }

    /// The child or candidate in force, from 1.
    #[must_use]
    pub const fn child(&self) -> Option<usize> {
        match self {
            Self::Moilanen(search) => search.child(),
            Self::Confirmed(confirmed) => confirmed.candidate(),
        }
    }

    /// Stored genes by fingerprint, with their fitness where they have one.
    #[must_use]
    pub fn top(&self) -> Vec<(String, Option<f64>, Settings)> {
        match self {
            Self::Moilanen(search) => search.top(),
            Self::Confirmed(_) => Vec::new(),
        }
    }

    /// The guarded trials; `None` under the published strategy, which has none.
    #[must_use]
    pub const fn confirmed(&self) -> Option<&Confirmed> {
        match self {
            Self::Moilanen(_) => None,
            Self::Confirmed(confirmed) => Some(confirmed),
        }
    }
}
