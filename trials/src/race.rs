//! The race: a few slices for every candidate, to nominate those that are worth confirming.
//!
//! The race spends no α. The best of many noisy means is high by chance (the winner's curse), so nothing that was
//! measured here counts as evidence: a nominee is confirmed on pairs that did not choose it. So the race need not
//! measure in pairs, and every slice serves twice: each is compared with those shortly before it, whoever they belong
//! to, and `levels.rs` finds the candidates' levels that fit all comparisons best. A control slice comes first and
//! after every few candidates. Candidates that lie back leave early, and the slices go to those in front. Where one lies
//! far in front the race is over: which of several good ones is best costs more slices to tell than the next campaign
//! around the first of them needs.

use crate::levels::{Comparison, Entrant, Levels};
use crate::scale::Scale;
use crate::{Arm, Coin, Objective, Outcome, SliceScore, TrialConfig, TrialError, Void, VoidCounts};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// How a race goes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RaceConfig {
    /// Rounds; in each, every candidate that is still in has one slice.
    pub rounds: u32,
    /// Rounds that all candidates run; after each later one the worse half leaves.
    pub full_rounds: u32,
    /// Candidates' slices to one of the control; at least 1.
    pub candidates_to_control: u32,
    /// At most so many are nominated.
    pub nominees: u32,
    /// Only candidates with a log ratio above this are nominated.
    pub least: f64,
    /// A candidate that lies so many of its standard errors above the control ends the race after the full rounds; absent
    /// in races that earlier versions stored. `None`: all rounds are run.
    #[serde(default)]
    pub clear_lead: Option<f64>,
}

impl Default for RaceConfig {
    /// Five rounds, the first two full, a control slice to three others, three nominees, any gain: 48 slices for 12
    /// candidates, 32 where one lies four standard errors in front after the full ones.
    fn default() -> Self {
        Self {
            rounds: 5,
            full_rounds: 2,
            candidates_to_control: 3,
            nominees: 3,
            least: 0.0,
            clear_lead: Some(4.0),
        }
    }
}

/// What became of a candidate in the race.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Raced {
    /// The guard struck it out.
    Struck,
    /// None of its slices said anything.
    Silent,
    /// It was measured.
    Measured {
        /// Its log ratio over the control. The best of many is high by chance: an order to try in, no estimate.
        log_ratio: f64,
        /// How many slices that rests on.
        slices: u32,
    },
}

/// A slice that was void so often is given up: the candidate goes on with what it has.
const PATIENCE: u32 = 20;
/// So many changes of the workload in a row, each under the same candidate: most likely it brings them, because it moves
/// what the workload is recognised by, and the slices that it is still to have would fare no better.
const CHANGES: u32 = 3;
/// How far back a slice is compared.
const LAGS: usize = 3;

/// A race that is being run, or is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Race {
    config: RaceConfig,
    coin: Coin,
    /// Those still in the race.
    running: Vec<u32>,
    /// Those that the guard struck out.
    struck: BTreeSet<u32>,
    /// Measured slices of each candidate.
    slices: Vec<u32>,
    /// Rounds that are over.
    round: u32,
    /// What is left of the round at hand; empty once the race is over.
    queue: VecDeque<Entrant>,
    /// The last slices, the latest first.
    recent: VecDeque<(Entrant, SliceScore)>,
    comparisons: Vec<Comparison>,
    losses: u32,
    /// How many of the latest slices in a row a change of the workload took from the candidate that is due. Absent in
    /// races that earlier versions stored.
    #[serde(default)]
    changes: u32,
    pub(crate) voids: VoidCounts,
}

impl Race {
    pub(crate) fn new(config: RaceConfig, candidates: u32, coin: Coin) -> Self {
        let mut race = Self {
            config,
            coin,
            running: (0..candidates).collect(),
            struck: BTreeSet::new(),
            slices: vec![0; candidates as usize],
            round: 0,
            queue: VecDeque::new(),
            recent: VecDeque::new(),
            comparisons: Vec::new(),
            losses: 0,
            changes: 0,
            voids: VoidCounts::default(),
        };
        race.queue = race.line_up();
        race
    }

    /// The slices of a round: the running candidates in a random order, the control first and after every few.
    fn line_up(&self) -> VecDeque<Entrant> {
        if self.round >= self.config.rounds {
            return VecDeque::new();
        }
        let order = self.coin.shuffled(self.round, &self.running);
        let each = self.config.candidates_to_control.max(1) as usize;
        order
            .chunks(each)
            .flat_map(|chunk| {
                std::iter::once(Entrant::Control)
                    .chain(chunk.iter().map(|&candidate| Entrant::Candidate(candidate)))
            })
            .collect()
    }

    /// Whose slice is due: an arm, and the candidate that it is or that comes next; `None` once the race is over.
    pub(crate) fn next(&self) -> Option<(u32, Arm)> {
        let arm = match self.queue.front()? {
            Entrant::Control => Arm::Control,
            Entrant::Candidate(_) => Arm::Child,
        };
        let candidate = self.queue.iter().find_map(|entrant| match entrant {
            Entrant::Candidate(candidate) => Some(*candidate),
            Entrant::Control => None,
        })?;
        Some((candidate, arm))
    }

    /// Takes what came of the slice that was due; its noise and its objective are those of the trials to come.
    pub(crate) fn record(&mut self, outcome: Outcome, trial: &TrialConfig) -> Result<(), TrialError> {
        let entrant = *self.queue.front().ok_or(TrialError::Ended)?;
        match (outcome, entrant) {
            (Outcome::Void(void), _) => {
                self.voids.count(void);
                // What lies on the other side of a gap may be another workload.
                self.recent.clear();
                self.losses += 1;
                self.changes = match (void, entrant) {
                    (Void::FingerprintChanged, Entrant::Candidate(_)) => self.changes + 1,
                    _ => 0,
                };
                if self.changes >= CHANGES {
                    self.running.retain(|&running| Entrant::Candidate(running) != entrant);
                    self.advance();
                } else if self.losses > PATIENCE {
                    self.advance();
                }
            }
            (Outcome::Aborted(_), Entrant::Control) => {
                return Err(TrialError::AbortedControl { found: Arm::Control });
            }
            (Outcome::Aborted(_), Entrant::Candidate(candidate)) => {
                self.struck.insert(candidate);
                self.running.retain(|&running| running != candidate);
                self.queue.retain(|&waiting| waiting != entrant);
                // Its level is no use to anybody, and its requests may still be in the way of the next slice.
                self.recent.clear();
                self.losses = 0;
                self.changes = 0;
            }
            (Outcome::Measured(score), _) => {
                self.voids.measured += 1;
                if let Entrant::Candidate(candidate) = entrant {
                    self.slices[candidate as usize] += 1;
                }
                self.compare(entrant, &score, trial.objective);
                self.recent.push_front((entrant, score));
                self.recent.truncate(LAGS);
                self.advance();
            }
        }
        self.settle(trial.expected_noise);
        Ok(())
    }

    fn compare(&mut self, later: Entrant, score: &SliceScore, objective: Objective) {
        for (lag, (earlier, before)) in (1..).zip(&self.recent) {
            if let Ok(contrast) = objective.contrast(score, before, None) {
                let log_ratio = contrast.log_ratio;
                self.comparisons.push(Comparison { later, earlier: *earlier, lag, log_ratio });
            }
        }
    }

    /// To the next slice.
    fn advance(&mut self) {
        self.losses = 0;
        self.changes = 0;
        self.queue.pop_front();
    }

    /// To the next round where the one at hand is over.
    fn settle(&mut self, expected_noise: f64) {
        let candidates_wait = self.queue.iter().any(|waiting| *waiting != Entrant::Control);
        if candidates_wait || self.round >= self.config.rounds {
            return;
        }
        self.round += 1;
        if self.round >= self.config.full_rounds {
            let levels = self.levels();
            // Sooner the fit has hardly more comparisons than levels, and leaves nothing to tell the noise from.
            if self.is_clear(&levels, expected_noise) {
                self.round = self.config.rounds;
            }
            let keep = self.running.len().div_ceil(2).max(self.config.nominees as usize);
            let level = |candidate: &u32| levels.of(*candidate).unwrap_or(f64::NEG_INFINITY);
            self.running.sort_by(|a, b| level(b).total_cmp(&level(a)));
            self.running.truncate(keep);
        }
        self.queue = self.line_up();
    }

    /// Whether a candidate lies so far above the control that confirming it is worth more than further rounds.
    fn is_clear(&self, levels: &Levels, expected_noise: f64) -> bool {
        let Some(lead) = self.config.clear_lead else { return false };
        let slice_noise = scale_of(levels, expected_noise).get() / std::f64::consts::SQRT_2;
        let of_mean = |slices: u64| 1.0 / slices.max(1) as f64;
        let of_candidates: u64 = self.slices.iter().map(|&slices| u64::from(slices)).sum();
        let of_control = self.voids.measured - of_candidates;
        self.running.iter().any(|&candidate| {
            let slices = u64::from(self.slices[candidate as usize]);
            let error = slice_noise * (of_mean(slices) + of_mean(of_control)).sqrt();
            levels.of(candidate).is_some_and(|level| level > lead * error)
        })
    }

    fn levels(&self) -> Levels {
        Levels::fit(self.slices.len(), &self.comparisons)
    }

    /// What became of each candidate, so far.
    pub(crate) fn raced(&self) -> Vec<Raced> {
        let levels = self.levels();
        (0..)
            .zip(&self.slices)
            .map(|(candidate, &slices)| match levels.of(candidate) {
                _ if self.struck.contains(&candidate) => Raced::Struck,
                Some(log_ratio) => Raced::Measured { log_ratio, slices },
                None => Raced::Silent,
            })
            .collect()
    }

    /// The nominees, the best first.
    pub(crate) fn nominees(&self) -> Vec<u32> {
        let levels = self.levels();
        let mut ranked: Vec<(u32, f64)> = self
            .running
            .iter()
            .filter_map(|&candidate| Some((candidate, levels.of(candidate)?)))
            .filter(|&(_, level)| level > self.config.least)
            .collect();
        ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        ranked.truncate(self.config.nominees as usize);
        ranked.into_iter().map(|(candidate, _)| candidate).collect()
    }

    /// What the race tells of the noise of a pair.
    pub(crate) fn scale(&self, expected_noise: f64) -> Scale {
        scale_of(&self.levels(), expected_noise)
    }
}

fn scale_of(levels: &Levels, expected_noise: f64) -> Scale {
    let mut scale = Scale::new(expected_noise);
    levels.neighbour_residuals().for_each(|residual| scale.add_residual(residual));
    scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::{Noise, NoiseKind};

    fn by_throughput() -> TrialConfig {
        TrialConfig { objective: Objective::Throughput, ..TrialConfig::default() }
    }

    fn rate(log: f64) -> Outcome {
        Outcome::Measured(SliceScore::of_rate(log.exp()).unwrap())
    }

    fn run(mut race: Race, level: impl Fn(u32) -> f64) -> (Race, u32, u32) {
        let (mut controls, mut children) = (0, 0);
        while let Some((candidate, arm)) = race.next() {
            let log = match arm {
                Arm::Control => 0.0,
                Arm::Child => level(candidate),
            };
            *if arm == Arm::Control { &mut controls } else { &mut children } += 1;
            race.record(rate(log), &by_throughput()).unwrap();
        }
        (race, controls, children)
    }

    #[test]
    fn without_noise_the_levels_are_exact_and_the_best_are_nominated_in_order() {
        let config = RaceConfig { clear_lead: None, ..RaceConfig::default() };
        let race = Race::new(config, 12, Coin::new(3, 0));
        let (race, controls, children) = run(race, |candidate| f64::from(candidate) * 0.1 - 0.5);
        assert_eq!((controls, children), (12, 36));
        assert_eq!(race.nominees(), [11, 10, 9]);
        for (candidate, raced) in race.raced().into_iter().enumerate() {
            let expected = candidate as f64 * 0.1 - 0.5;
            let Raced::Measured { log_ratio, slices } = raced else { panic!("{candidate}: {raced:?}") };
            assert!((log_ratio - expected).abs() < 1e-6, "{candidate}: {log_ratio}");
            assert!((2..=5).contains(&slices));
        }
    }

    #[test]
    fn a_clear_lead_ends_the_race_after_the_full_rounds_and_noise_seldom_makes_one() {
        let slices = |seed: u64, level: f64| {
            let mut race = Race::new(RaceConfig::default(), 12, Coin::new(seed, 0));
            let mut noise = Noise::new(NoiseKind::Gaussian, seed, 0);
            let mut slices = 0;
            while let Some((candidate, arm)) = race.next() {
                let level = if arm == Arm::Child && candidate == 7 { level } else { 0.0 };
                race.record(rate(level + noise.next_slice()), &by_throughput()).unwrap();
                slices += 1;
            }
            (slices, race.nominees().first().copied())
        };
        let whole = (0..40).filter(|&seed| slices(seed, 0.0).0 == 48).count();
        assert!(whole >= 32, "{whole} of 40 races without a difference ran to their end");
        let clear = (0..40).filter(|&seed| slices(seed, 0.8) == (32, Some(7))).count();
        assert!(clear >= 36, "{clear} of 40 races with a difference of 8 deviations ended at once");
    }

    #[test]
    fn a_race_of_an_earlier_version_goes_on() {
        let mut race = Race::new(RaceConfig::default(), 4, Coin::new(3, 0));
        race.record(rate(0.0), &by_throughput()).unwrap();
        let mut stored = serde_json::to_value(&race).unwrap();
        stored["config"].as_object_mut().unwrap().remove("clear_lead").unwrap();
        let race: Race = serde_json::from_value(stored).unwrap();
        let (race, ..) = run(race, |candidate| f64::from(candidate) * 0.1);
        assert_eq!(race.nominees(), [3, 2, 1]);
    }

    #[test]
    fn candidates_that_gain_nothing_are_not_nominated() {
        let (race, ..) = run(Race::new(RaceConfig::default(), 6, Coin::new(1, 0)), |_| -0.05);
        assert!(race.nominees().is_empty());
    }

    #[test]
    fn the_control_comes_first_so_that_the_guard_knows_it() {
        for seed in 0..20 {
            let race = Race::new(RaceConfig::default(), 5, Coin::new(seed, 0));
            assert_eq!(race.next().unwrap().1, Arm::Control);
        }
    }

    #[test]
    fn a_candidate_that_the_guard_struck_out_never_runs_again() {
        let mut race = Race::new(RaceConfig::default(), 4, Coin::new(9, 0));
        let mut struck = None;
        while let Some((candidate, arm)) = race.next() {
            if arm == Arm::Child {
                assert_ne!(struck, Some(candidate));
            }
            let outcome = if arm == Arm::Child && struck.is_none() {
                struck = Some(candidate);
                let bound = block_types::Nanos(1);
                Outcome::Aborted(crate::Abort::Age { oldest: bound, bound })
            } else {
                rate(0.1)
            };
            race.record(outcome, &by_throughput()).unwrap();
        }
        assert!(!race.nominees().contains(&struck.unwrap()));
        assert_eq!(race.raced()[struck.unwrap() as usize], Raced::Struck);
    }

    #[test]
    fn a_race_that_is_void_for_ever_ends() {
        let mut race = Race::new(RaceConfig::default(), 3, Coin::new(0, 0));
        let mut slices = 0;
        while race.next().is_some() {
            race.record(Outcome::Void(Void::Idle), &by_throughput()).unwrap();
            slices += 1;
        }
        assert!(race.nominees().is_empty());
        assert!(slices < 1_000, "{slices}");
    }

    #[test]
    fn all_candidates_struck_out_end_the_race() {
        let mut race = Race::new(RaceConfig::default(), 3, Coin::new(0, 0));
        while let Some((_, arm)) = race.next() {
            let bound = block_types::Nanos(1);
            let outcome = match arm {
                Arm::Control => rate(0.0),
                Arm::Child => Outcome::Aborted(crate::Abort::Age { oldest: bound, bound }),
            };
            race.record(outcome, &by_throughput()).unwrap();
        }
        assert!(race.nominees().is_empty());
    }

    #[test]
    fn a_candidate_under_which_the_workload_always_changes_leaves_soon() {
        let mut race = Race::new(RaceConfig::default(), 4, Coin::new(2, 0));
        let mut under_two = 0;
        while let Some((candidate, arm)) = race.next() {
            let outcome = if arm == Arm::Child && candidate == 2 {
                under_two += 1;
                Outcome::Void(Void::FingerprintChanged)
            } else {
                rate(0.1)
            };
            race.record(outcome, &by_throughput()).unwrap();
        }
        assert_eq!(under_two, CHANGES);
        assert!(!race.nominees().contains(&2));
        assert_eq!(race.raced()[2], Raced::Silent);
    }

    #[test]
    fn a_workload_that_changes_by_itself_costs_no_candidate_its_place() {
        let mut race = Race::new(RaceConfig::default(), 4, Coin::new(2, 0));
        let mut slices = 0_u32;
        while let Some((_, arm)) = race.next() {
            slices += 1;
            let lost = slices % 3 == 1;
            let level = if arm == Arm::Child { 0.1 } else { 0.0 };
            let outcome = if lost { Outcome::Void(Void::FingerprintChanged) } else { rate(level) };
            race.record(outcome, &by_throughput()).unwrap();
        }
        assert!(race.raced().iter().all(|raced| matches!(raced, Raced::Measured { .. })));
    }
}
