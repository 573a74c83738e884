//! Pairs: one slice of the child and one of the control, in an order that a coin decides.

use crate::SliceScore;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whose settings are in force in a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// The settings under trial.
    Child,
    /// What they are compared with: the incumbent, or the default.
    Control,
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Child => "child",
            Self::Control => "control",
        })
    }
}

impl Arm {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Child => Self::Control,
            Self::Control => Self::Child,
        }
    }
}

/// Decides which arm of a pair goes first.
///
/// The order of pair `n` depends on the seed and on `n` alone. So a pair that a void slice undid is measured
/// again in the same order: a fresh coin would let a ground that strikes one order more often than the other
/// choose the orders, and under drift the orders are not alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coin {
    seed: u64,
    stream: u64,
}

impl Coin {
    /// A coin of a seed; coins of different streams are independent.
    #[must_use]
    pub const fn new(seed: u64, stream: u64) -> Self {
        Self { seed, stream }
    }

    /// The arm that goes first in pair `pair`, counted from 0.
    #[must_use]
    pub fn first_of(&self, pair: u32) -> Arm {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.stream);
        rng.set_word_pos(u128::from(pair));
        if rng.random::<u32>() >> 31 == 0 { Arm::Child } else { Arm::Control }
    }

    /// Items in the random order of round `round`, counted from 0.
    pub(crate) fn shuffled<T: Clone>(&self, round: u32, items: &[T]) -> Vec<T> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.stream);
        // Far apart, so that no two rounds draw the same words.
        rng.set_word_pos(u128::from(round) << 32);
        let mut order = items.to_vec();
        order.shuffle(&mut rng);
        order
    }
}

/// A pair that is being measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenPair {
    order: Arm,
    first: Option<SliceScore>,
}

/// Both sides of a finished pair.
pub(crate) struct BothSides {
    pub(crate) child: SliceScore,
    pub(crate) control: SliceScore,
}

impl OpenPair {
    pub(crate) const fn new(order: Arm) -> Self {
        Self { order, first: None }
    }

    /// Whose slice is due.
    pub(crate) const fn due(&self) -> Arm {
        if self.first.is_none() { self.order } else { self.order.other() }
    }

    /// Takes the score of the slice that was due; both sides where that ends the pair.
    pub(crate) fn record(&mut self, score: SliceScore) -> Option<BothSides> {
        let Some(first) = self.first.take() else {
            self.first = Some(score);
            return None;
        };
        Some(match self.order {
            Arm::Child => BothSides { child: first, control: score },
            Arm::Control => BothSides { child: score, control: first },
        })
    }

    /// Starts again: a void slice takes the other slice of its pair with it, which may belong to another workload.
    pub(crate) fn start_again(&mut self) {
        self.first = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coin_is_fair_and_the_same_every_time() {
        let coin = Coin::new(7, 3);
        let children = (0..10_000).filter(|&pair| coin.first_of(pair) == Arm::Child).count();
        assert!((4_800..5_200).contains(&children), "{children} of 10000");
        assert!((0..100).all(|pair| coin.first_of(pair) == Coin::new(7, 3).first_of(pair)));
        assert!((0..100).any(|pair| coin.first_of(pair) != Coin::new(7, 4).first_of(pair)));
    }

    #[test]
    fn sides_come_out_by_arm_whatever_the_order() {
        for order in [Arm::Child, Arm::Control] {
            let mut pair = OpenPair::new(order);
            let measure = |arm: Arm| {
                let rate = if arm == Arm::Child { 2.0 } else { 1.0 };
                SliceScore::of_rate(rate).unwrap()
            };
            let first = measure(pair.due());
            assert!(pair.record(first).is_none());
            let second = measure(pair.due());
            let both = pair.record(second).unwrap();
            assert_eq!(both.child, SliceScore::of_rate(2.0).unwrap());
            assert_eq!(both.control, SliceScore::of_rate(1.0).unwrap());
        }
    }
}
