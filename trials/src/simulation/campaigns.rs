//! Campaigns and single trials on simulated throughput.

use super::{Noise, NoiseKind};
use crate::{
    Arm, Campaign, CampaignConfig, CampaignEnd, Objective, Outcome, SliceScore, Trial, TrialConfig,
    TrialError, Verdict,
};
use serde::{Deserialize, Serialize};

/// What came of many campaigns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignTally {
    /// Campaigns.
    pub campaigns: u64,
    /// Those that promoted the candidate with the true effect.
    pub right: u64,
    /// Those that promoted another one.
    pub false_promotions: u64,
    /// Confirming slices of each right promotion, those of rejected nominees before it included.
    pub confirming_slices: Vec<u64>,
}

/// What came of many single trials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialTally {
    /// Trials.
    pub trials: u64,
    /// Those that ended "better".
    pub better: u64,
    /// Those that ended "worse".
    pub worse: u64,
    /// Those that ended "no difference".
    pub no_difference: u64,
    /// Slices of each trial that ended "better".
    pub slices_to_better: Vec<u64>,
    /// Those whose limits at the end held the truth; a missing limit holds everything.
    pub covered: u64,
    /// Those with both limits at the end.
    pub with_limits: u64,
}

fn score(log: f64) -> Option<SliceScore> {
    SliceScore::of_rate(log.exp()).ok()
}

/// Runs `count` campaigns of 12 candidates on throughput. Candidate 5 is truly better by the log ratio `effect`, the
/// others are identical to the control; with an effect of zero every promotion is false.
///
/// # Errors
/// Where a setting is out of its range.
pub fn campaigns(
    kind: NoiseKind,
    effect: f64,
    count: u64,
    config: CampaignConfig,
    seed: u64,
) -> Result<CampaignTally, TrialError> {
    const CANDIDATES: u32 = 12;
    const BETTER: u32 = 5;
    let trial = TrialConfig { objective: Objective::Throughput, ..config.trial };
    let config = CampaignConfig { trial, ..config };
    let mut tally = CampaignTally { campaigns: count, ..CampaignTally::default() };
    for run in 0..count {
        let mut noise = Noise::new(kind, seed, run);
        let mut campaign = Campaign::new(config, CANDIDATES, seed ^ run.rotate_left(32))?;
        while let Some(due) = campaign.next() {
            let gain = if due.arm == Arm::Child && due.candidate == BETTER { effect } else { 0.0 };
            let Some(score) = score(gain + noise.next_slice()) else { continue };
            campaign.record(Outcome::Measured(score))?;
        }
        match campaign.end() {
            Some(CampaignEnd::Promoted(BETTER)) if effect > 0.0 => {
                tally.right += 1;
                let slices = campaign.tried().iter().map(|tried| tried.slices.measured).sum();
                tally.confirming_slices.push(slices);
            }
            Some(CampaignEnd::Promoted(_)) => tally.false_promotions += 1,
            _ => {}
        }
    }
    Ok(tally)
}

/// Runs `count` single trials on throughput with the true log ratio `effect`, as `ab` does.
///
/// # Errors
/// Where a setting is out of its range.
pub fn trials(
    kind: NoiseKind,
    effect: f64,
    count: u64,
    config: TrialConfig,
    seed: u64,
) -> Result<TrialTally, TrialError> {
    let config = TrialConfig { objective: Objective::Throughput, ..config };
    let mut tally = TrialTally::default();
    for run in 0..count {
        let mut noise = Noise::new(kind, seed, run);
        let mut trial = Trial::new(config, seed ^ run.rotate_left(32))?;
        while let Some(arm) = trial.next() {
            let gain = if arm == Arm::Child { effect } else { 0.0 };
            let Some(score) = score(gain + noise.next_slice()) else { continue };
            trial.record(Outcome::Measured(score))?;
        }
        tally.take(&trial, effect);
    }
    Ok(tally)
}

impl TrialTally {
    /// Counts a trial that is over, of which the true log ratio is known.
    pub fn take(&mut self, trial: &Trial, effect: f64) {
        self.trials += 1;
        match trial.verdict() {
            Some(Verdict::Better) => {
                self.better += 1;
                self.slices_to_better.push(trial.voids().measured);
            }
            Some(Verdict::Worse) => self.worse += 1,
            Some(Verdict::NoDifference) => self.no_difference += 1,
            _ => {}
        }
        if let Some(estimate) = trial.estimate() {
            let above = estimate.lower.is_none_or(|lower| lower <= effect);
            let below = estimate.upper.is_none_or(|upper| effect <= upper);
            self.covered += u64::from(above && below);
            self.with_limits += u64::from(estimate.lower.is_some() && estimate.upper.is_some());
        }
    }
}
