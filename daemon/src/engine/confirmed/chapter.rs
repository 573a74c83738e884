//! What is known and under way for one fingerprint.

use super::brood::{Brood, Candidate};
use super::incumbent::{Confirmation, Incumbent, Lapsed};
use super::lessons::Lessons;
use super::share::DefaultTime;
use crate::config::Config;
use block_types::Nanos;
use genetic::{Genome, PoolError, Space};
use serde::{Deserialize, Serialize};
use trials::{
    BackOff, Campaign, CampaignConfig, RaceConfig, TrialConfig, TrialError, TrustRegion, Violations,
    VoidCounts,
};

/// How many lapsed settings are remembered.
const LAPSED: usize = 4;

/// A campaign that is being run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// What is tried.
    pub candidates: Vec<Candidate>,
    /// How far it is.
    pub campaign: Campaign,
    /// Whether the first slice of a pair has been measured.
    pub half: bool,
    /// The nominee that was told of.
    pub nominee: Option<u32>,
    /// How many trials were told of.
    pub told: usize,
    /// Whether the guard took a candidate back.
    pub violated: bool,
}

/// One fingerprint of one device under one scheduler, by one objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chapter {
    /// What is in force; `None`: the default, nothing being confirmed.
    pub incumbent: Option<Incumbent>,
    /// What was confirmed once and lapsed, the latest last.
    pub lapsed: Vec<Lapsed>,
    /// Where candidates come from.
    pub brood: Brood,
    /// What campaigns have taught. `#[serde(default)]`: earlier versions kept none.
    #[serde(default)]
    pub lessons: Lessons,
    /// What is being tried.
    pub running: Option<Running>,
    /// How many campaigns were begun.
    pub campaigns: u64,
    /// How far from the incumbent candidates may be.
    pub region: TrustRegion,
    /// How long to pause between campaigns.
    pub back_off: BackOff,
    /// What is left of a pause, counted while this fingerprint is in force.
    pub rest: Nanos,
    /// How much of the time the default had.
    pub default_time: DefaultTime,
    /// All slices.
    pub slices: VoidCounts,
    /// What the guard took back.
    pub violations: Violations,
    /// Trials that ended, and how many of them promoted.
    pub trials: u64,
    /// How many settings were promoted.
    pub promotions: u64,
}

impl Chapter {
    /// Nothing is known.
    ///
    /// # Errors
    /// Where the configuration asks for a population that cannot be.
    pub fn new(space: Space, config: &Config, seed: u64) -> Result<Self, PoolError> {
        Ok(Self {
            incumbent: None,
            lapsed: Vec::new(),
            brood: Brood::new(space, config.confirmed.candidates, seed)?,
            lessons: Lessons::default(),
            running: None,
            campaigns: 0,
            region: TrustRegion::default(),
            back_off: BackOff::new(config.confirmed.pause, config.confirmed.pause_max),
            rest: Nanos::ZERO,
            default_time: DefaultTime::default(),
            slices: VoidCounts::default(),
            violations: Violations::default(),
            trials: 0,
            promotions: 0,
        })
    }

    /// The genes in force: the incumbent's, else the defaults.
    #[must_use]
    pub fn home(&self) -> Genome {
        let space = self.brood.space();
        match &self.incumbent {
            Some(incumbent) => space.genome_of(&incumbent.confirmation.genes),
            None => space.defaults(),
        }
    }

    /// Begins the next campaign; whether there is anything to try.
    ///
    /// # Errors
    /// Where a number of the configuration is out of its range.
    pub fn begin(&mut self, config: &Config, remembered: &[Genome], seed: u64) -> Result<bool, TrialError> {
        self.campaigns += 1;
        let home = self.home();
        let candidates =
            self.brood.candidates(&home, &self.region, remembered, &self.lessons, self.campaigns);
        if candidates.is_empty() {
            return Ok(false);
        }
        let race = RaceConfig {
            rounds: config.confirmed.race_rounds,
            nominees: config.confirmed.nominees,
            ..RaceConfig::default()
        };
        let trial = TrialConfig {
            objective: config.objective.of_trials(),
            alpha: config.confirmed.alpha,
            max_pairs: config.confirmed.max_pairs,
            ..TrialConfig::default()
        };
        let count = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
        let campaign = Campaign::new(CampaignConfig { race, trial }, count, seed ^ self.campaigns)?;
        self.running =
            Some(Running { candidates, campaign, half: false, nominee: None, told: 0, violated: false });
        Ok(true)
    }

    /// The default is back: what was confirmed is remembered as lapsed.
    pub fn lapse(&mut self, unix_ms: u64) -> Option<Confirmation> {
        let incumbent = self.incumbent.take()?;
        let confirmation = incumbent.confirmation.clone();
        self.lapsed.push(Lapsed {
            estimate: incumbent.watch.estimate(),
            confirmation: incumbent.confirmation,
            unix_ms,
        });
        let surplus = self.lapsed.len().saturating_sub(LAPSED);
        self.lapsed.drain(..surplus);
        // What the campaign compares with is no longer in force.
        self.running = None;
        self.lessons.forget();
        self.region = TrustRegion::default();
        self.back_off.reset();
        self.rest = Nanos::ZERO;
        self.default_time = DefaultTime::default();
        Some(confirmation)
    }

    /// Takes a gene out: its knob is somebody else's now. What was being tried may differ in it and is dropped.
    ///
    /// # Errors
    /// Where no other gene would remain.
    pub fn retire(&mut self, name: &str) -> Result<(), PoolError> {
        if self.brood.retire(name)? {
            self.running = None;
        }
        Ok(())
    }
}
