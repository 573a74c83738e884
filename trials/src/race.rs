//! The race: a few pairs for every candidate, to nominate those that are worth confirming.
//!
//! The race spends no α. The best of many noisy means is high by chance (the winner's curse), so nothing that was
//! measured here counts as evidence: a nominee is confirmed on pairs that did not choose it.

use crate::pair::OpenPair;
use crate::scale::Scale;
use crate::{Arm, Coin, Objective, Outcome, TrialError, VoidCounts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How a race goes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RaceConfig {
    /// Pairs for each candidate.
    pub pairs_each: u32,
    /// At most so many are nominated.
    pub nominees: u32,
    /// Only candidates with a mean log ratio above this are nominated.
    pub least: f64,
    /// The share of the candidates still in the race that goes on after each round, above 0 and at most 1. Below 1
    /// the worse ones are dropped early. That costs no α: the race spends none, and a nominee is confirmed on
    /// pairs that are independent of how it was chosen.
    #[serde(default = "all_go_on")]
    pub go_on: f64,
}

const fn all_go_on() -> f64 {
    1.0
}

impl Default for RaceConfig {
    /// Two pairs each, three nominees, any gain; all go on to the second round.
    fn default() -> Self {
        Self { pairs_each: 2, nominees: 3, least: 0.0, go_on: 1.0 }
    }
}

/// A slot that was void or silent so often is given up: the candidate goes on with what it has.
const PATIENCE: u32 = 20;

/// What became of a candidate in the race.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Raced {
    /// The guard struck it out.
    Struck,
    /// None of its pairs said anything.
    Silent,
    /// It was measured.
    Measured {
        /// The mean of its log ratios. Chosen among many it is high by chance: an order to try in, no estimate.
        mean: f64,
        /// How many pairs that rests on.
        pairs: u32,
    },
}

/// A race that is being run, or is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Race {
    config: RaceConfig,
    coin: Coin,
    /// The log ratios of each candidate; `None` once the guard has struck it out.
    log_ratios: Vec<Option<Vec<f64>>>,
    /// Candidates that were dropped after a round.
    #[serde(default)]
    dropped: BTreeSet<u32>,
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
            dropped: BTreeSet::new(),
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
        self.step();
        while let Some((candidate, _)) = self.next()
            && (self.log_ratios[candidate as usize].is_none() || self.dropped.contains(&candidate))
        {
            self.step();
        }
        self.open = OpenPair::new(self.coin.first_of(self.slot));
    }

    /// To the next pair, and at the end of a round without those that do not go on.
    fn step(&mut self) {
        self.slot += 1;
        let (slot, round) = (u64::from(self.slot), self.log_ratios.len() as u64);
        if slot.is_multiple_of(round.max(1)) && slot < round * u64::from(self.config.pairs_each) {
            let ranked = self.ranked();
            let go_on = (ranked.len() as f64 * self.config.go_on).ceil() as usize;
            self.dropped.extend(ranked.into_iter().skip(go_on.max(1)).map(|(candidate, _)| candidate));
        }
    }

    /// The candidates that are still in the race and have a mean, the best first.
    fn ranked(&self) -> Vec<(u32, f64)> {
        let mut ranked: Vec<(u32, f64)> = (0..)
            .zip(self.raced())
            .filter(|(candidate, _)| !self.dropped.contains(candidate))
            .filter_map(|(candidate, raced)| match raced {
                Raced::Measured { mean, .. } => Some((candidate, mean)),
                Raced::Struck | Raced::Silent => None,
            })
            .collect();
        ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        ranked
    }

    /// What became of each candidate.
    pub(crate) fn raced(&self) -> Vec<Raced> {
        let of = |log_ratios: &Option<Vec<f64>>| match log_ratios.as_deref() {
            None => Raced::Struck,
            Some([]) => Raced::Silent,
            Some(log_ratios) => {
                let mean = log_ratios.iter().sum::<f64>() / log_ratios.len() as f64;
                Raced::Measured { mean, pairs: u32::try_from(log_ratios.len()).unwrap_or(u32::MAX) }
            }
        };
        self.log_ratios.iter().map(of).collect()
    }

    /// The nominees, the best first.
    pub(crate) fn nominees(&self) -> Vec<u32> {
        let worth = self.ranked().into_iter().filter(|(_, mean)| *mean > self.config.least);
        worth.take(self.config.nominees as usize).map(|(candidate, _)| candidate).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SliceScore;

    /// Runs a race of four in which candidate n is n × 10 % faster, without noise; whose slices were due.
    fn run(go_on: f64) -> (Race, Vec<u32>) {
        let config = RaceConfig { go_on, ..RaceConfig::default() };
        let mut race = Race::new(config, 4, Coin::new(1, 0));
        let mut due = Vec::new();
        while let Some((candidate, arm)) = race.next() {
            due.push(candidate);
            let rate = if arm == Arm::Child { 1.0 + 0.1 * f64::from(candidate) } else { 1.0 };
            let outcome = Outcome::Measured(SliceScore::of_rate(rate).unwrap());
            race.record(outcome, Objective::Throughput).unwrap();
        }
        (race, due)
    }

    #[test]
    fn the_worse_half_does_not_go_on_where_half_is_to() {
        let (race, due) = run(0.5);
        assert_eq!(due, [0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3]);
        assert_eq!(race.nominees(), [3, 2]);
        let (race, due) = run(1.0);
        assert_eq!(due.len(), 16);
        assert_eq!(race.nominees(), [3, 2, 1]);
        assert!(
            matches!(race.raced()[3], Raced::Measured { pairs: 2, mean } if (mean - 1.3_f64.ln()).abs() < 1e-9)
        );
    }
}
