//! The search for settings on a simulated disk, fingerprint by fingerprint.

use super::disk::{DiskError, SimulatedDisk};
use super::evaluate::{EvaluateError, Gain, Pace, Piece, gain, run_piece, score};
use super::windows::Pieces;
use crate::config::{Config as Configuration, Objective};
use crate::engine::{GeneMap, GeneMapError, settings_of};
use block_types::{Elevator, Knob, KnobValue, Settings};
use genetic::{Fitness, Genome, Moilanen, MoilanenConfig, Mutation, PoolError, Space};
use replay::{Config, Scored, SettingError, Trace, scores};
use schedulers::stalls_when_lowered;
use std::collections::BTreeMap;

/// Why nothing was searched.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The scheduler has no knob that a simulation can score.
    #[error("{scheduler} has no knob that a simulation can score; choose another with --scheduler")]
    NoKnobs {
        /// The scheduler.
        scheduler: Elevator,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The genes.
    #[error(transparent)]
    Genes(#[from] GeneMapError),
    /// The population.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A setting.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The simulation.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
}

/// What the user chose of the knobs.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// To be searched; where there are none, what is tuned by default.
    pub wanted: Vec<Knob>,
    /// To stay as they are.
    pub fixed: Settings,
}

/// Why an expiry is no gene by default.
const STALLS: &str =
    "lowering it under load stalls the queue for as long as the difference; --knob searches it";

/// What is searched for.
#[derive(Clone, Debug)]
pub struct Search {
    disk: SimulatedDisk,
    pace: Pace,
    objective: Objective,
    scheduler: Elevator,
    /// What the user fixed.
    fixed: Settings,
    space: Space,
    kept: Vec<(Knob, &'static str)>,
    /// The number of settings that are simulated to a fingerprint.
    budget: u32,
    seed: u64,
}

/// What came of a search for one fingerprint.
#[derive(Clone, Debug)]
pub struct Tuned {
    /// The default's genes.
    pub default: Settings,
    /// The best genes.
    pub best: Settings,
    /// The same by name.
    pub genes: BTreeMap<String, u64>,
    /// Best over default on the pieces that were searched on: what a search promises too easily.
    pub training: Option<Gain>,
    /// Best over default on the pieces that were not.
    pub held_out: Option<Gain>,
    /// The scores of both on the held-out pieces.
    pub scores: Option<(f64, f64)>,
    /// Settings that were simulated.
    pub evaluations: u64,
}

impl Search {
    /// A search of the scheduler's knobs that are tuned by default and that a simulation can score, or of `wanted` where
    /// there are any; `fixed` stay as they are.
    ///
    /// By default those are left out that stall the queue when they are lowered: what is found is for a daemon that
    /// changes settings under load, and a simulation applies them once.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn new(
        disk: SimulatedDisk,
        pace: Pace,
        objective: Objective,
        scheduler: Elevator,
        Chosen { wanted, fixed }: Chosen,
        budget: u32,
        seed: u64,
    ) -> Result<Self, SearchError> {
        let offer = disk.offer(scheduler)?;
        let mut configuration = Configuration::default();
        let mut kept = Vec::new();
        for (&knob, offered) in &offer.knobs {
            let is_wanted = if wanted.is_empty() { offered.tuned_by_default } else { wanted.contains(&knob) };
            if !is_wanted || fixed.get(knob).is_some() {
                continue;
            }
            match scores(knob) {
                Scored::Fixed { why } => kept.push((knob, why)),
                Scored::Yes if wanted.is_empty() && stalls_when_lowered(knob) => kept.push((knob, STALLS)),
                Scored::Yes => configuration.genetic.knobs.push(knob),
            }
        }
        if configuration.genetic.knobs.is_empty() {
            return Err(SearchError::NoKnobs { scheduler });
        }
        let map = GeneMap::new(&offer, &configuration)?;
        let search =
            Self { disk, pace, objective, scheduler, fixed, space: map.space().clone(), kept, budget, seed };
        // What the scheduler does not have is said before anything is simulated.
        search.config(&search.space.defaults())?;
        Ok(search)
    }

    /// The knobs that are searched.
    #[must_use]
    pub fn knobs(&self) -> Vec<&str> {
        self.space.specs().iter().map(|spec| spec.name.as_str()).collect()
    }

    /// The knobs that a daemon would search and this search does not, with the reasons.
    #[must_use]
    pub fn kept(&self) -> &[(Knob, &'static str)] {
        &self.kept
    }

    /// The scheduler.
    #[must_use]
    pub const fn scheduler(&self) -> Elevator {
        self.scheduler
    }

    fn settings(&self, genome: &Genome) -> Settings {
        let mut settings = settings_of(&self.space, genome);
        settings.set(Knob::Scheduler, KnobValue::Elevator(self.scheduler));
        for setting in self.fixed.iter() {
            settings.set(setting.knob, setting.value);
        }
        settings
    }

    fn config(&self, genome: &Genome) -> Result<Config, SettingError> {
        Config::new(self.disk.host(), &self.settings(genome))
    }

    fn evaluate(&self, genome: &Genome, pieces: &[Trace]) -> Result<Vec<Piece>, SearchError> {
        let config = self.config(genome)?;
        let one = |piece: &Trace| Ok(run_piece(&self.disk, &config, piece, self.pace)?);
        pieces.iter().map(one).collect()
    }

    /// Searches on the training pieces and values the best on the held-out ones. `None` where one of the two has
    /// nothing to score.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn tune(&self, pieces: &Pieces, progress: &mut dyn FnMut(u64)) -> Result<Option<Tuned>, SearchError> {
        let default = self.space.defaults();
        let control = self.evaluate(&default, &pieces.training)?;
        if pieces.held_out.is_empty() || score(&control, self.objective).is_none() {
            return Ok(None);
        }
        let config = MoilanenConfig { mutation: Mutation::ITERATIVE, ..MoilanenConfig::default() };
        let mut pool = Moilanen::new(self.space.clone(), config, self.seed)?;
        pool.inject(0, &default)?;
        // A simulation has no noise: what was scored once is known.
        let mut known: BTreeMap<Genome, f64> = BTreeMap::new();
        let mut best = (default.clone(), f64::NEG_INFINITY);
        let mut children = 0;
        while children < self.budget {
            while let Some(child) = pool.next_child() {
                let Some(genome) = pool.child(child).cloned() else { break };
                let worth = match known.get(&genome) {
                    Some(worth) => *worth,
                    None => {
                        let found = self.evaluate(&genome, &pieces.training)?;
                        let worth = score(&found, self.objective).unwrap_or(0.0);
                        known.insert(genome.clone(), worth);
                        worth
                    }
                };
                if worth > best.1 {
                    best = (genome, worth);
                }
                match Fitness::new(worth) {
                    Ok(fitness) => pool.record(child, fitness)?,
                    Err(_not_a_number) => pool.mark_void(child)?,
                }
                children += 1;
                progress(1);
            }
            pool.finish_generation();
            // The best so far is never lost.
            pool.inject(0, &best.0)?;
        }
        let best = best.0;
        let trained = self.evaluate(&best, &pieces.training)?;
        let (before, after) =
            (self.evaluate(&default, &pieces.held_out)?, self.evaluate(&best, &pieces.held_out)?);
        Ok(Some(Tuned {
            training: gain(&control, &trained, self.objective, self.seed),
            held_out: gain(&before, &after, self.objective, self.seed),
            scores: score(&before, self.objective).zip(score(&after, self.objective)),
            genes: self.space.by_name(&best),
            default: self.settings(&default),
            best: self.settings(&best),
            evaluations: known.len() as u64,
        }))
    }
}
