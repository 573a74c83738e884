//! What the incumbent gains over the default settings, from the pairs that the default's share of the time allows.
//!
//! Only the last [`RECENT`] pairs speak: disks and workloads drift, and what a setting gained last week is no reason
//! to keep it. The gain counts as gone when the recent pairs hold evidence that the log ratio lies below half of
//! what was confirmed, and their centre is no longer a gain. The evidence is the largest over all beginnings in
//! the window (a CUSUM of e-values): where the gain is at half for ever, a false alarm comes once in 1/α pairs on
//! average or more rarely, and where it is larger, far more rarely.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use trials::{
    Arm, Coin, ConfidenceSequence, Estimate, Objective, Scale, Scaled, Side, Silence, SliceScore, centre,
    log_evidence,
};

/// How many pairs are remembered.
pub(super) const RECENT: usize = 32;
/// A gain is taken for gone at evidence of 1/α.
const ALPHA: f64 = 0.005;
/// Gains below 1 % are none.
const LEAST_GAIN: f64 = 0.01;
/// The limits of the estimate miss the truth of one window with at most this probability.
const INTERVAL_ERROR: f64 = 0.05;

/// Pairs of the incumbent (the child) and the default settings (the control).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GainWatch {
    objective: Objective,
    coin: Coin,
    /// Pairs that were begun, which decides whose slice goes first.
    begun: u32,
    first: Option<SliceScore>,
    scale: Scale,
    recent: VecDeque<Scaled>,
    /// ln of the gain that was confirmed.
    confirmed: f64,
}

/// What a slice brought.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Looked {
    /// The other slice of the pair is due.
    HalfPair,
    /// The pair says nothing about the objective.
    Silent(Silence),
    /// A pair was counted.
    Pair {
        /// ln(incumbent / default).
        log_ratio: f64,
    },
}

impl GainWatch {
    /// A watch over a gain of which the logarithm `confirmed` is known.
    #[must_use]
    pub fn new(objective: Objective, expected_noise: f64, confirmed: f64, seed: u64) -> Self {
        Self {
            objective,
            coin: Coin::new(seed, u64::MAX),
            begun: 0,
            first: None,
            scale: Scale::new(expected_noise),
            recent: VecDeque::new(),
            confirmed,
        }
    }

    /// Whose slice is due.
    #[must_use]
    pub fn next(&self) -> Arm {
        let first = self.coin.first_of(self.begun);
        if self.first.is_some() { first.other() } else { first }
    }

    /// Takes the score of the slice that was due.
    pub(super) fn record(&mut self, score: SliceScore) -> Looked {
        let due = self.next();
        let Some(first) = self.first.take() else {
            self.first = Some(score);
            return Looked::HalfPair;
        };
        let (child, control) = if due == Arm::Child { (score, first) } else { (first, score) };
        match self.objective.contrast(&child, &control, None) {
            Err(silence) => Looked::Silent(silence),
            Ok(contrast) => {
                let log_ratio = contrast.log_ratio;
                self.recent.push_back(Scaled { log_ratio, scale: self.scale.get() });
                self.scale.add(log_ratio);
                if self.recent.len() > RECENT {
                    self.recent.pop_front();
                    self.rebuild_scale();
                }
                self.begun = self.begun.wrapping_add(1);
                Looked::Pair { log_ratio }
            }
        }
    }

    /// Throws the first slice of the pair away: the second would belong to another time.
    pub fn start_again(&mut self) {
        self.first = None;
    }

    /// Whether the first slice of a pair has been measured.
    #[must_use]
    pub const fn is_half(&self) -> bool {
        self.first.is_some()
    }

    /// The noise of long ago is no guide either, and differences of all pairs would grow with their square.
    fn rebuild_scale(&mut self) {
        let expected = self.recent.front().map_or(0.1, |oldest| oldest.scale);
        self.scale = Scale::new(expected);
        self.recent.iter().for_each(|pair| self.scale.add(pair.log_ratio));
    }

    /// What the recent pairs say of the gain; `None` before the first.
    #[must_use]
    pub fn estimate(&self) -> Option<Estimate> {
        let pairs: Vec<Scaled> = self.recent.iter().copied().collect();
        let log_ratios: Vec<f64> = pairs.iter().map(|pair| pair.log_ratio).collect();
        let mut limits = ConfidenceSequence::new(INTERVAL_ERROR);
        limits.update(&pairs);
        Some(Estimate {
            log_ratio: centre(&log_ratios)?,
            lower: limits.lower(),
            upper: limits.upper(),
            pairs: u32::try_from(pairs.len()).unwrap_or(u32::MAX),
        })
    }

    /// The logarithm of the gain that was confirmed.
    #[must_use]
    pub const fn confirmed(&self) -> f64 {
        self.confirmed
    }

    /// The gain to plan with: of what was confirmed and what was seen lately, the larger, because the larger a gain
    /// is, the dearer is a look at the default.
    #[must_use]
    pub fn gain(&self) -> f64 {
        let seen = self.estimate().map_or(self.confirmed, |estimate| estimate.log_ratio);
        self.confirmed.max(seen).exp_m1()
    }

    /// Whether the gain is gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let least = LEAST_GAIN.ln_1p();
        let shift = (self.confirmed / 2.0).max(least);
        let pairs: Vec<Scaled> = self.recent.iter().copied().collect();
        let needed = -ALPHA.ln();
        (0..pairs.len()).any(|from| {
            let tail = &pairs[from..];
            log_evidence(tail, shift, Side::Below) >= needed
                && centre(&tail.iter().map(|pair| pair.log_ratio).collect::<Vec<_>>())
                    .is_some_and(|centre| centre < least)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    /// Plays pairs in which the incumbent is `gain(pair)` better, under noise; after how many the gain is gone.
    fn play(seed: u64, noise: f64, pairs: u32, gain: impl Fn(u32) -> f64) -> Option<u32> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut watch = GainWatch::new(Objective::Throughput, 0.1, 1.3_f64.ln(), seed);
        for pair in 0..pairs {
            loop {
                let normal: f64 = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
                let ln = if watch.next() == Arm::Child { gain(pair).ln_1p() } else { 0.0 };
                let score = SliceScore::of_rate((ln + noise * normal).exp()).unwrap();
                if !matches!(watch.record(score), Looked::HalfPair) {
                    break;
                }
            }
            if watch.is_gone() {
                return Some(pair);
            }
        }
        None
    }

    #[test]
    fn a_gain_that_is_gone_is_noticed_within_thirty_looks() {
        for seed in 0..12 {
            let gone = play(seed, 0.06, 120, |pair| if pair < 40 { 0.3 } else { 0.0 });
            assert!(gone.is_some_and(|gone| (40..72).contains(&gone)), "seed {seed}: {gone:?}");
        }
    }

    #[test]
    fn a_gain_that_stays_is_kept_also_where_only_half_of_it_is_left() {
        let lost = |gain: f64| (0..50).filter(|&seed| play(seed, 0.06, 100, |_| gain).is_some()).count();
        assert_eq!(lost(0.3), 0);
        assert!(lost(0.16) <= 1, "{} of 50 runs of 100 looks", lost(0.16));
    }

    #[test]
    fn only_recent_pairs_speak() {
        let mut watch = GainWatch::new(Objective::Throughput, 0.1, 0.3, 1);
        for pair in 0..2 * RECENT as u32 {
            let level = if pair < RECENT as u32 { 2.0 } else { 1.5 };
            for _ in 0..2 {
                let rate = if watch.next() == Arm::Child { level } else { 1.0 };
                watch.record(SliceScore::of_rate(rate).unwrap());
            }
        }
        let estimate = watch.estimate().unwrap();
        assert!((estimate.gain() - 0.5).abs() < 1e-6, "{estimate:?}");
        assert_eq!(estimate.pairs, RECENT as u32);
    }
}
