//! A campaign: a race of candidates, then a trial for each nominee, until one is promoted or none is left.
//!
//! The probability that a campaign promotes a setting that is no better is at most α: nominee j, counted from 1, is
//! tried at α·6/(π²j²), and these add up to α. It is per campaign: a machine that runs a hundred campaigns in
//! vain has to expect a few false promotions, each of a setting that does no measurable harm.

use crate::race::{Race, RaceConfig, Raced};
use crate::{Arm, Coin, Estimate, Outcome, Scale, Side, Trial, TrialConfig, TrialError, Verdict, VoidCounts};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How a campaign goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CampaignConfig {
    /// The race.
    pub race: RaceConfig,
    /// The trials; `alpha` is that of the whole campaign.
    pub trial: TrialConfig,
}

/// The slice that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The candidate, by its number in the campaign; for a control slice of the race, the one that comes next.
    pub candidate: u32,
    /// Whose settings to put in force.
    pub arm: Arm,
}

/// A nominee's trial that is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// The candidate.
    pub candidate: u32,
    /// How its trial ended.
    pub verdict: Verdict,
    /// How large its effect was; `None` where no pair was finished.
    pub estimate: Option<Estimate>,
    /// ln E that it is better, at the end.
    pub log_evidence: f64,
    /// The α that its trial had.
    pub alpha: f64,
    /// Slices of its trial.
    pub slices: VoidCounts,
}

/// How a campaign ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CampaignEnd {
    /// This candidate is better than the control: its trial is the last in [`Campaign::tried`].
    Promoted(u32),
    /// No candidate was shown to be better.
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    Race(Box<Race>),
    Confirm { trial: Box<Trial>, candidate: u32, waiting: Vec<u32> },
    Ended(CampaignEnd),
}

/// A campaign that is being run, or is over. It is driven as a [`Trial`] is, and can be stored as one can.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    config: CampaignConfig,
    seed: u64,
    stage: Stage,
    tried: Vec<Tried>,
    race_slices: VoidCounts,
    raced: Vec<Raced>,
}

/// The coins of the race; nominee j has stream j.
const RACE_STREAM: u64 = 0;

impl Campaign {
    /// A campaign of so many candidates, numbered from 0.
    ///
    /// # Errors
    /// Where a setting is out of its range.
    pub fn new(config: CampaignConfig, candidates: u32, seed: u64) -> Result<Self, TrialError> {
        config.trial.check()?;
        let race = Race::new(config.race, candidates, Coin::new(seed, RACE_STREAM));
        let mut campaign = Self {
            config,
            seed,
            stage: Stage::Race(Box::new(race)),
            tried: Vec::new(),
            race_slices: VoidCounts::default(),
            raced: Vec::new(),
        };
        campaign.settle()?;
        Ok(campaign)
    }

    /// The slice that is due; `None` once the campaign is over.
    #[must_use]
    pub fn next(&self) -> Option<Due> {
        match &self.stage {
            Stage::Race(race) => race.next().map(|(candidate, arm)| Due { candidate, arm }),
            Stage::Confirm { trial, candidate, .. } => {
                trial.next().map(|arm| Due { candidate: *candidate, arm })
            }
            Stage::Ended(_) => None,
        }
    }

    /// Takes what came of the slice that was due; how the campaign ended where that ends it.
    ///
    /// # Errors
    /// After the end, and for an abort of the control arm, which is not under guard.
    pub fn record(&mut self, outcome: Outcome) -> Result<Option<CampaignEnd>, TrialError> {
        match &mut self.stage {
            Stage::Race(race) => race.record(outcome, &self.config.trial)?,
            Stage::Confirm { trial, .. } => {
                trial.record(outcome)?;
            }
            Stage::Ended(_) => return Err(TrialError::Ended),
        }
        self.settle()?;
        Ok(self.end())
    }

    /// Goes on to the next stage where the one at hand is over.
    fn settle(&mut self) -> Result<(), TrialError> {
        let (scale, waiting) = match &self.stage {
            Stage::Race(race) if race.next().is_none() => {
                self.race_slices = race.voids;
                self.raced = race.raced();
                (race.scale(self.config.trial.expected_noise), race.nominees())
            }
            Stage::Confirm { trial, candidate, waiting } => {
                let Some(verdict) = trial.verdict() else { return Ok(()) };
                let candidate = *candidate;
                let (estimate, slices) = (trial.estimate(), trial.voids());
                let log_evidence = trial.log_evidence(Side::Above);
                let alpha = nominee_alpha(self.config.trial.alpha, self.tried.len() as u64 + 1);
                self.tried.push(Tried { candidate, verdict, estimate, log_evidence, alpha, slices });
                if verdict == Verdict::Better {
                    self.stage = Stage::Ended(CampaignEnd::Promoted(candidate));
                    return Ok(());
                }
                (trial.as_ref().clone().into_scale(), waiting.clone())
            }
            Stage::Race(_) | Stage::Ended(_) => return Ok(()),
        };
        self.stage = self.confirm_next(scale, waiting)?;
        Ok(())
    }

    fn confirm_next(&self, scale: Scale, mut waiting: Vec<u32>) -> Result<Stage, TrialError> {
        if waiting.is_empty() {
            return Ok(Stage::Ended(CampaignEnd::Nothing));
        }
        let candidate = waiting.remove(0);
        let rank = self.tried.len() as u64 + 1;
        let alpha = nominee_alpha(self.config.trial.alpha, rank);
        let config = TrialConfig { alpha, ..self.config.trial };
        let trial = Box::new(Trial::after(config, Coin::new(self.seed, RACE_STREAM + rank), scale)?);
        Ok(Stage::Confirm { trial, candidate, waiting })
    }

    /// Right after the race: who is tried, in this order, in place of those that the race nominated. Who nominates may
    /// know more than this race, and may name a candidate that did not run in it, by a number of its own: the trials are
    /// all that counts as evidence. Whether that was in time, and there was anybody.
    ///
    /// # Errors
    /// Where a setting is out of its range.
    pub fn nominate(&mut self, candidates: Vec<u32>) -> Result<bool, TrialError> {
        let Stage::Confirm { trial, .. } = &self.stage else { return Ok(false) };
        if candidates.is_empty() || !self.tried.is_empty() || trial.has_begun() {
            return Ok(false);
        }
        self.stage = self.confirm_next(trial.as_ref().clone().into_scale(), candidates)?;
        Ok(true)
    }

    /// How the campaign ended; `None` while it goes on.
    #[must_use]
    pub const fn end(&self) -> Option<CampaignEnd> {
        match self.stage {
            Stage::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// The trial at hand; `None` in the race and after the end.
    #[must_use]
    pub fn trial(&self) -> Option<&Trial> {
        match &self.stage {
            Stage::Confirm { trial, .. } => Some(trial),
            _ => None,
        }
    }

    /// The trials that are over, in their order.
    #[must_use]
    pub fn tried(&self) -> &[Tried] {
        &self.tried
    }

    /// What became of each candidate in the race, so far or for good.
    #[must_use]
    pub fn raced(&self) -> Vec<Raced> {
        match &self.stage {
            Stage::Race(race) => race.raced(),
            _ => self.raced.clone(),
        }
    }

    /// Slices of the race.
    #[must_use]
    pub const fn race_slices(&self) -> VoidCounts {
        match &self.stage {
            Stage::Race(race) => race.voids,
            _ => self.race_slices,
        }
    }
}

/// The α of nominee `rank`, counted from 1: α·6/(π²·rank²).
#[must_use]
pub fn nominee_alpha(alpha: f64, rank: u64) -> f64 {
    alpha * 6.0 / (PI * rank as f64).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphas_of_all_nominees_add_up_to_that_of_the_campaign() {
        let sum: f64 = (1..100_000).map(|rank| nominee_alpha(0.05, rank)).sum();
        assert!(sum < 0.05 && sum > 0.0499, "{sum}");
    }

    fn slice(log: f64) -> Outcome {
        Outcome::Measured(crate::SliceScore::of_rate(log.exp()).unwrap())
    }

    /// A campaign whose race is over: candidate 1 of 4 won it.
    fn raced() -> Campaign {
        let trial = TrialConfig { objective: crate::Objective::Throughput, ..TrialConfig::default() };
        let config = CampaignConfig { trial, ..CampaignConfig::default() };
        let mut campaign = Campaign::new(config, 4, 1).unwrap();
        assert!(!campaign.nominate(vec![0]).unwrap(), "the race is still on");
        while campaign.trial().is_none() {
            let due = campaign.next().unwrap();
            let level = if due.arm == Arm::Child && due.candidate == 1 { 0.3 } else { 0.0 };
            campaign.record(slice(level)).unwrap();
        }
        assert_eq!(campaign.next().unwrap().candidate, 1);
        campaign
    }

    #[test]
    fn whoever_knows_more_nominates_in_place_of_the_race() {
        let mut campaign = raced();
        assert!(!campaign.nominate(Vec::new()).unwrap(), "nobody is no nomination");
        // 9 did not run.
        assert!(campaign.nominate(vec![9, 1]).unwrap());
        while let Some(due) = campaign.next() {
            campaign.record(slice(if due.arm == Arm::Child { 0.5 } else { 0.0 })).unwrap();
        }
        assert_eq!(campaign.end(), Some(CampaignEnd::Promoted(9)));
        let tried = campaign.tried();
        assert_eq!((tried.len(), tried[0].candidate), (1, 9));
        assert!((tried[0].alpha - nominee_alpha(0.05, 1)).abs() < 1e-12, "as strict as with the race's own");
    }

    #[test]
    fn nobody_is_nominated_once_a_trial_has_begun() {
        let mut campaign = raced();
        campaign.record(slice(0.0)).unwrap();
        assert!(!campaign.nominate(vec![0]).unwrap());
        assert_eq!(campaign.next().unwrap().candidate, 1);
    }

    #[test]
    fn a_campaign_without_candidates_is_over_at_once() {
        let campaign = Campaign::new(CampaignConfig::default(), 0, 1).unwrap();
        assert_eq!((campaign.next(), campaign.end()), (None, Some(CampaignEnd::Nothing)));
    }
}
