//! Children, slices and generations: the `moilanen` strategy at work on one device.

use super::event::{Evaluation, Event, Reason, VoidReason};
use super::genes::{GeneMap, settings_by_name, settings_of};
use super::score::{Measured, idle, score};
use super::windows::Change;
use super::{Action, AppliedSettings, report};
use crate::config::{Config, OnChange, Reintroduce};
use block_types::{Knob, Nanos, Settings};
use fingerprint::{Class, Snapshot};
use genetic::{
    Fitness, GenerationReport, Injected, Key, Library, LibraryError, Moilanen, Observed, Recall,
    Reintroduction, Round, When,
};
use sampler::Sample;

/// The population of one device, the child in force, and the library of top genes.
#[derive(Debug)]
pub struct Search {
    device: String,
    config: Config,
    genes: GeneMap,
    pool: Moilanen,
    library: Library,
    child: usize,
    phase: Phase,
    /// The generation's fingerprint material: every child's snapshot, consolidated (paper, section 5.3).
    generation: Snapshot,
    policy: Reintroduction<Key>,
    last_sample: Option<Box<Sample>>,
    /// The wall clock at this step: what the library dates its entries with.
    unix_ms: u64,
}

/// Where the child in force stands.
#[derive(Debug)]
enum Phase {
    /// No child is in force: nothing has arrived yet, or the first fingerprint is not known.
    Waiting,
    /// Its settings are being written.
    Applying,
    /// In force, not yet scored.
    Settling { until: Nanos },
    /// Being scored.
    Scoring { begin: Box<Sample>, until: Nanos },
    /// Its slice is over; whether anybody meddled is being looked up.
    Judging { begin: Box<Sample>, end: Box<Sample> },
    /// Nothing arrives: in force, and waiting for work to be scored on.
    Parked { since: Box<Sample> },
    /// Paused; whether a child was in force before.
    Held { begun: bool },
}

impl Search {
    /// A search over `genes` that starts from `pool`, and remembers in `library`.
    #[must_use]
    pub fn new(device: String, config: Config, genes: GeneMap, pool: Moilanen, library: Library) -> Self {
        let when = match config.genetic.reintroduce {
            Reintroduce::AtOnce => When::AtOnce,
            Reintroduce::GenerationEnd => When::GenerationEnd,
        };
        Self {
            device,
            config,
            genes,
            pool,
            library,
            child: 0,
            phase: Phase::Waiting,
            generation: Snapshot::default(),
            policy: Reintroduction::new(when),
            last_sample: None,
            unix_ms: 0,
        }
    }

    /// When the search wants its next sample; `None` while it waits for I/O or for the runner.
    #[must_use]
    pub const fn deadline(&self) -> Option<Nanos> {
        match self.phase {
            Phase::Settling { until } | Phase::Scoring { until, .. } => Some(until),
            Phase::Waiting
            | Phase::Applying
            | Phase::Judging { .. }
            | Phase::Parked { .. }
            | Phase::Held { .. } => None,
        }
    }

    /// Tells the wall clock.
    pub(super) const fn set_date(&mut self, unix_ms: u64) {
        self.unix_ms = unix_ms;
    }

    /// The settings were written; the child is in force.
    pub(super) fn applied(&mut self, applied: &AppliedSettings) {
        if matches!(self.phase, Phase::Applying) {
            self.phase = Phase::Settling { until: applied.at + self.config.timing.settle };
        }
    }

    /// Looks at a sample: the phases follow one another by the clock and by arrivals.
    pub(super) fn sample(&mut self, now: Nanos, sample: &Sample, actions: &mut Vec<Action>) {
        let quiet = self.last_sample.as_ref().is_none_or(|last| idle(last, sample));
        match &self.phase {
            Phase::Waiting if !quiet && self.starts_without_fingerprint(sample) => {
                self.apply_child(Reason::Child, actions);
            }
            Phase::Settling { until } if now >= *until => self.begin(sample),
            Phase::Scoring { begin, until } if now >= *until => {
                self.phase = Phase::Judging { begin: begin.clone(), end: Box::new(sample.clone()) };
                actions.push(Action::LookForForeign);
            }
            Phase::Parked { since } if !idle(since, sample) => {
                let until = now + self.config.timing.settle;
                self.phase = Phase::Settling { until };
                if until <= now {
                    self.begin(sample);
                }
            }
            _ => {}
        }
        self.last_sample = Some(Box::new(sample.clone()));
    }

    fn begin(&mut self, sample: &Sample) {
        let until = sample.at + self.config.timing.slice;
        self.phase = Phase::Scoring { begin: Box::new(sample.clone()), until };
    }

    /// As published, and with a source that cannot tell fingerprints, the search starts with the first I/O;
    /// otherwise with the first fingerprint.
    fn starts_without_fingerprint(&self, sample: &Sample) -> bool {
        self.config.genetic.reintroduce == Reintroduce::GenerationEnd || sample.bios.is_none()
    }

    /// The slice that is over gets its score, unless `meddled` says why it must not.
    pub(super) fn judge(
        &mut self,
        now: Nanos,
        meddled: Option<VoidReason>,
        class: Option<Class>,
        in_force: &Settings,
        actions: &mut Vec<Action>,
    ) {
        if !matches!(self.phase, Phase::Judging { .. }) {
            if let Some(reason) = meddled {
                self.void_slice(now, reason, class, in_force, actions);
            }
            return;
        }
        let Phase::Judging { begin, end } = std::mem::replace(&mut self.phase, Phase::Waiting) else {
            return;
        };
        let (verdict, measured) = score(self.config.objective, &begin, &end);
        let verdict = meddled.map_or(verdict, Err);
        self.consolidate(&begin, &end);
        actions.push(self.evaluation(&begin, end.at, class, in_force, verdict, measured.as_ref()));
        match verdict {
            Err(VoidReason::NoArrivals) => {
                self.phase = Phase::Parked { since: end };
                return;
            }
            Err(_) => self.score_child(None),
            Ok(fitness) => self.score_child(Fitness::new(fitness).ok()),
        }
        self.next_child(now, class, actions);
    }

    fn score_child(&mut self, fitness: Option<Fitness>) {
        let scored = match fitness {
            Some(fitness) => self.pool.record(self.child, fitness),
            None => self.pool.mark_void(self.child),
        };
        // `child` always comes from the pool itself.
        debug_assert_eq!(scored, Ok(()));
    }

    /// Takes the genes of knobs that somebody else has written out of the population.
    pub(super) fn yield_knobs(&mut self, now: Nanos, knobs: &[Knob], actions: &mut Vec<Action>) {
        for knob in knobs {
            if let Err(error) = self.pool.retire_gene(knob.name()) {
                actions.push(report(Event::Warning { at_ns: now.0, message: error.to_string() }));
            }
        }
    }

    /// Ends the running slice without a score and gives the same child a new one.
    pub(super) fn void_slice(
        &mut self,
        now: Nanos,
        reason: VoidReason,
        class: Option<Class>,
        in_force: &Settings,
        actions: &mut Vec<Action>,
    ) {
        let begin = match std::mem::replace(&mut self.phase, Phase::Waiting) {
            Phase::Scoring { begin, .. } | Phase::Judging { begin, .. } => begin,
            other => {
                self.phase = other;
                return;
            }
        };
        actions.push(self.evaluation(&begin, now, class, in_force, Err(reason), None));
        self.phase = Phase::Settling { until: now + self.config.timing.settle };
    }

    /// The fingerprint changed. At once: the generation ends, and its next first child is the stored genes of
    /// the new fingerprint, or the defaults where it was never seen. As published: only the slice is void.
    pub(super) fn changed(
        &mut self,
        now: Nanos,
        change: Change,
        in_force: &Settings,
        actions: &mut Vec<Action>,
    ) {
        if matches!(self.phase, Phase::Held { .. }) {
            return;
        }
        let on_change = self.config.genetic.on_change;
        if on_change == OnChange::Nothing && self.policy.last().is_some() {
            return;
        }
        self.void_slice(now, VoidReason::FingerprintChanged, Some(change.to), in_force, actions);
        let from = change.from.map(|class| self.key(Some(class)));
        let to = self.key(Some(change.to));
        let unix_ms = self.unix_ms;
        let (pool, library, policy) = (&mut self.pool, &mut self.library, &mut self.policy);
        if on_change == OnChange::Defaults {
            library.forget(&to);
        }
        match genetic::change_now(pool, library, policy, from.as_ref(), &to, unix_ms) {
            Ok(None) => {}
            Ok(Some(round)) => {
                let reason = self.turn(now, change.from, &round, actions);
                actions.push(Action::LookForForeign);
                self.apply_child(reason, actions);
            }
            Err(error) => self.warn(now, &error, actions),
        }
    }

    fn next_child(&mut self, now: Nanos, class: Option<Class>, actions: &mut Vec<Action>) {
        let reason = match self.pool.next_child() {
            Some(child) => {
                self.child = child;
                Reason::Child
            }
            None => self.end_generation(now, class, actions),
        };
        self.apply_child(reason, actions);
    }

    fn end_generation(&mut self, now: Nanos, class: Option<Class>, actions: &mut Vec<Action>) -> Reason {
        let class = match self.policy.when() {
            When::AtOnce => class,
            When::GenerationEnd => self.generation.classify(self.config.rule, &self.config.thresholds),
        };
        let key = self.key(class);
        let unix_ms = self.unix_ms;
        let (pool, library, policy) = (&mut self.pool, &mut self.library, &mut self.policy);
        if self.config.genetic.on_change == OnChange::Defaults {
            library.forget(&key);
        }
        match genetic::end_generation(pool, library, policy, Some(&key), unix_ms) {
            Ok(round) => self.turn(now, class, &round, actions),
            Err(error) => {
                self.warn(now, &error, actions);
                self.child = 0;
                Reason::Child
            }
        }
    }

    /// Tells what the generation came to, and begins the next one; answers why its first child has its genes.
    fn turn(&mut self, now: Nanos, class: Option<Class>, round: &Round, actions: &mut Vec<Action>) -> Reason {
        // The first fingerprint of all ends a generation that never began.
        if !round.report.aborted || round.report.scored > 0 {
            actions.push(self.told(now, class, &round.report));
        }
        if let (Some(Observed::First { fitness } | Observed::Improved { to: fitness, .. }), Some(genes)) =
            (round.observed, &round.report.mean_genes)
        {
            let settings = settings_of(self.pool.space(), genes);
            actions.push(report(Event::Top { at_ns: now.0, class, fitness: fitness.get(), settings }));
        }
        self.generation.reset();
        self.child = 0;
        actions.push(Action::Keep);
        match &round.injected {
            None => Reason::Child,
            Some(Injected { recall: Recall::Stored(_), .. }) => Reason::Reintroduction,
            Some(Injected { recall: Recall::Unseen(_), .. }) => Reason::Unseen,
        }
    }

    fn told(&self, now: Nanos, class: Option<Class>, outcome: &GenerationReport) -> Action {
        let best = outcome.best.as_ref();
        report(Event::Generation {
            at_ns: now.0,
            generation: outcome.generation,
            class,
            aborted: outcome.aborted,
            mean_fitness: outcome.mean_fitness.map(Fitness::get),
            best_fitness: best.map(|best| best.fitness.get()),
            best: best.map(|best| settings_of(self.pool.space(), &best.genome)),
            mutation_rate: outcome.mutation_rate,
            scored: outcome.scored,
            void: outcome.voids,
        })
    }

    fn warn(&self, now: Nanos, error: &LibraryError, actions: &mut Vec<Action>) {
        actions.push(report(Event::Warning { at_ns: now.0, message: error.to_string() }));
    }

    fn apply_child(&mut self, reason: Reason, actions: &mut Vec<Action>) {
        self.phase = Phase::Applying;
        let settings = self
            .pool
            .child(self.child)
            .map_or_else(Settings::new, |genome| settings_of(self.pool.space(), genome));
        actions.push(Action::Apply { settings, reason });
    }

    fn consolidate(&mut self, begin: &Sample, end: &Sample) {
        if let (Some(before), Some(after)) = (&begin.bios, &end.bios)
            && let Some(held) = after.since(before)
        {
            self.generation.consolidate(&held);
        }
    }

    fn evaluation(
        &self,
        begin: &Sample,
        to: Nanos,
        class: Option<Class>,
        in_force: &Settings,
        verdict: Result<f64, VoidReason>,
        measured: Option<&Measured>,
    ) -> Action {
        report(Event::Evaluation(Evaluation {
            from_ns: begin.at.0,
            to_ns: to.0,
            generation: self.pool.generation(),
            child: self.child + 1,
            class,
            settings: in_force.clone(),
            objective: self.config.objective,
            fitness: verdict.ok(),
            void: verdict.err(),
            bytes_per_s: measured.map(|measured| measured.bytes_per_s),
            mean_latency_ns: measured.and_then(|measured| measured.mean_latency).map(|mean| mean.0),
            utilisation: measured.map(|measured| measured.utilisation),
        }))
    }

    /// Stops at the next safe point: the running slice is void, and no child is applied until [`Self::release`].
    pub(super) fn hold(
        &mut self,
        now: Nanos,
        class: Option<Class>,
        in_force: &Settings,
        actions: &mut Vec<Action>,
    ) {
        self.void_slice(now, VoidReason::Interrupted, class, in_force, actions);
        self.phase = Phase::Held { begun: !matches!(self.phase, Phase::Waiting) };
    }

    /// Goes on after [`Self::hold`]: the child that was interrupted starts anew.
    pub(super) fn release(&mut self, actions: &mut Vec<Action>) {
        match self.phase {
            Phase::Held { begun: true } => self.apply_child(Reason::Child, actions),
            Phase::Held { begun: false } => self.phase = Phase::Waiting,
            _ => {}
        }
    }

    /// The stored settings of a fingerprint.
    #[must_use]
    pub fn stored(&self, class: Class) -> Option<Settings> {
        let top = self.library.top(&self.key(Some(class)))?;
        Some(settings_of(self.pool.space(), &top.genome(self.pool.space())))
    }

    fn key(&self, class: Option<Class>) -> Key {
        Key {
            device: self.device.clone(),
            class: match (self.config.genetic.on_change, class) {
                (OnChange::Nothing, _) => "any",
                // A source that cannot tell fingerprints keeps all its genes under one name.
                (_, None) => "unknown",
                (_, Some(class)) => class.name(),
            }
            .to_owned(),
            scheduler: self.genes.scheduler_name().to_owned(),
        }
    }

    /// What is stored for this device under this scheduler: fingerprint, fitness, settings.
    #[must_use]
    pub fn top(&self) -> Vec<(String, Option<f64>, Settings)> {
        self.library
            .iter()
            .filter(|(key, _)| key.device == self.device && key.scheduler == self.genes.scheduler_name())
            .map(|(key, top)| {
                (key.class.clone(), top.fitness.map(Fitness::get), settings_by_name(&top.genes))
            })
            .collect()
    }

    /// What `observe` would have done on a change to `class`, and with which settings.
    #[must_use]
    pub fn would(&self, class: Class) -> (String, Option<Settings>) {
        match self.stored(class) {
            Some(settings) => {
                let what = format!("put the stored genes of {class} in force: {settings}");
                (what, Some(settings))
            }
            None => {
                let knobs: Vec<&str> = self.genes.knobs().iter().map(|knob| knob.name()).collect();
                let what = format!("search {} for {class}: no genes are stored for it", knobs.join(", "));
                (what, None)
            }
        }
    }

    /// The genes and how they map to knobs.
    #[must_use]
    pub const fn genes(&self) -> &GeneMap {
        &self.genes
    }

    /// The population.
    #[must_use]
    pub const fn pool(&self) -> &Moilanen {
        &self.pool
    }

    /// The library of top genes.
    #[must_use]
    pub const fn library(&self) -> &Library {
        &self.library
    }

    /// The child in force, from 1; `None` before the first.
    #[must_use]
    pub const fn child(&self) -> Option<usize> {
        match self.phase {
            Phase::Waiting | Phase::Held { .. } => None,
            _ => Some(self.child + 1),
        }
    }
}
