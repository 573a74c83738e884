//! The race: a few pairs for every candidate, to nominate those that are worth confirming.
//!
//! The race spends no α. The best of many noisy means is high by chance (the winner's curse), so nothing that was
//! measured here counts as evidence: a nominee is confirmed on pairs that did not choose it.

use crate::pair::OpenPair;
use crate::scale::Scale;
use crate::{Arm, Coin, Objective, Outcome, TrialError, VoidCounts};
use serde::{Deserialize, Serialize};

/// How a race goes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RaceConfig {
    /// Pairs for each candidate.
    pub pairs_each: u32,
    /// At most so many are nominated.
    pub nominees: u32,
    /// Only candidates with a mean log ratio above this are nominated.
    pub least: f64,
}

impl Default for RaceConfig {
    /// Two pairs each, three nominees, any gain.
    fn default() -> Self {
        Self { pairs_each: 2, nominees: 3, least: 0.0 }
    }
}

/// A slot that was void or silent so often is given up: the candidate goes on with what it has.
const PATIENCE: u32 = 20;

/// A race that is being run, or is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Race {
    config: RaceConfig,
    coin: Coin,
    /// The log ratios of each candidate; `None` once the guard has struck it out.
    log_ratios: Vec<Option<Vec<f64>>>,
    /// The pair at hand, counted over all candidates and rounds.
    slot: u32,
    open: OpenPair,
    losses: u32,
    pub(crate) voids: VoidCounts,
}

impl Race {
    pub(crate) fn new(config: RaceConfig, candidates: u32, coin: Coin) -> Self {
        Self {
            config,
            coin,
            log_ratios: vec![Some(Vec::new()); candidates as usize],
            slot: 0,
            open: OpenPair::new(coin.first_of(0)),
            losses: 0,
            voids: VoidCounts::default(),
        }
    }

    /// Whose slice is due: a candidate and an arm of its pair; `None` once the race is over.
    pub(crate) fn next(&self) -> Option<(u32, Arm)> {
        let candidates = u32::try_from(self.log_ratios.len()).unwrap_or(u32::MAX);
        // All candidates in each round, so that the pairs of one are spread over the race.
        (self.slot < candidates.saturating_mul(self.config.pairs_each))
            .then(|| (self.slot % candidates, self.open.due()))
    }

    /// Takes what came of the slice that was due.
    pub(crate) fn record(&mut self, outcome: Outcome, objective: Objective) -> Result<(), TrialError> {
        let (candidate, arm) = self.next().ok_or(TrialError::Ended)?;
        match outcome {
            Outcome::Void(void) => {
                self.voids.count(void);
                self.open.start_again();
                self.lose();
            }
            Outcome::Aborted(_) if arm == Arm::Control => {
                return Err(TrialError::AbortedControl { found: arm });
            }
            Outcome::Aborted(_) => {
                self.log_ratios[candidate as usize] = None;
                self.advance();
            }
            Outcome::Measured(score) => {
                self.voids.measured += 1;
                let Some(both) = self.open.record(score) else { return Ok(()) };
                match objective.contrast(&both.child, &both.control, None) {
                    Ok(contrast) => {
                        if let Some(log_ratios) = &mut self.log_ratios[candidate as usize] {
                            log_ratios.push(contrast.log_ratio);
                        }
                        self.advance();
                    }
                    Err(_) => self.lose(),
                }
            }
        }
        Ok(())
    }

    fn lose(&mut self) {
        self.losses += 1;
        if self.losses > PATIENCE {
            self.advance();
        }
    }

    /// To the next pair of a candidate that is still in the race.
    fn advance(&mut self) {
        self.losses = 0;
        self.slot += 1;
        while let Some((candidate, _)) = self.next()
            && self.log_ratios[candidate as usize].is_none()
        {
            self.slot += 1;
        }
        self.open = OpenPair::new(self.coin.first_of(self.slot));
    }

    /// The nominees, the best first.
    pub(crate) fn nominees(&self) -> Vec<u32> {
        let mut ranked: Vec<(u32, f64)> = (0..)
            .zip(&self.log_ratios)
            .filter_map(|(candidate, log_ratios)| {
                let log_ratios = log_ratios.as_ref().filter(|log_ratios| !log_ratios.is_empty())?;
                let mean = log_ratios.iter().sum::<f64>() / log_ratios.len() as f64;
                (mean > self.config.least).then_some((candidate, mean))
            })
            .collect();
        ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        ranked.truncate(self.config.nominees as usize);
        ranked.into_iter().map(|(candidate, _)| candidate).collect()
    }

    /// What the race tells of the noise.
    pub(crate) fn scale(&self, expected: f64) -> Scale {
        let mut scale = Scale::new(expected);
        for log_ratios in self.log_ratios.iter().flatten() {
            log_ratios.iter().for_each(|&log_ratio| scale.add(log_ratio));
            scale.next_child();
        }
        scale
    }
}
