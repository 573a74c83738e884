//! How good something was.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// A score; larger is better. Always a finite number, so that any two can be ranked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Fitness(f64);

/// A score that is no number, or infinite.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("found fitness {found}, expected a finite number")]
pub struct NotANumber {
    /// What was found.
    pub found: f64,
}

impl Fitness {
    /// A finite score.
    ///
    /// # Errors
    /// [`NotANumber`] for NaN and the infinities.
    pub fn new(score: f64) -> Result<Self, NotANumber> {
        if score.is_finite() {
            // −0 and 0 are the same score and must rank the same.
            Ok(Self(score + 0.0))
        } else {
            Err(NotANumber { found: score })
        }
    }

    /// The score.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Fitness {
    type Error = NotANumber;
    fn try_from(score: f64) -> Result<Self, Self::Error> {
        Self::new(score)
    }
}

impl From<Fitness> for f64 {
    fn from(fitness: Fitness) -> Self {
        fitness.0
    }
}

impl Eq for Fitness {}

impl PartialOrd for Fitness {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fitness {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// What equal steps of a fitness mean, and so what its decay is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FitnessScale {
    /// Ratios count (bytes/s): decay multiplies. Never negative.
    #[default]
    Ratio,
    /// Differences count (a logarithm of something): decay subtracts −ln(decay), which is the same thing.
    Log,
}

impl FitnessScale {
    /// `fitness` after one pass of `decay`.
    pub(crate) fn decayed(self, fitness: Fitness, decay: f64) -> Fitness {
        Fitness(match self {
            Self::Ratio => fitness.0 * decay,
            Self::Log => fitness.0 + decay.ln(),
        })
    }
}

/// Ranks from 0 (worst); equals share the mean of their places.
fn ranks(scores: &[Fitness]) -> Vec<f64> {
    scores
        .iter()
        .map(|mine| {
            let below = scores.iter().filter(|other| *other < mine).count();
            let equal = scores.iter().filter(|other| *other == mine).count();
            below as f64 + (equal - 1) as f64 / 2.0
        })
        .collect()
}

/// The general fitness of children that several phenotypes have scored: for each child the weighted sum of its
/// ranks. `scores` has one row to a child and one column to a phenotype, as many as `weights`.
///
/// Ranks and not scores, so that phenotypes in unlike units need no exchange rate.
#[must_use]
pub fn general_fitness(scores: &[Vec<Fitness>], weights: &[f64]) -> Vec<f64> {
    let mut general = vec![0.0; scores.len()];
    for (phenotype, weight) in weights.iter().enumerate() {
        let column: Vec<Fitness> = scores.iter().filter_map(|row| row.get(phenotype).copied()).collect();
        for (sum, rank) in general.iter_mut().zip(ranks(&column)) {
            *sum += weight * rank;
        }
    }
    general
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(score: f64) -> Fitness {
        Fitness::new(score).unwrap()
    }

    #[test]
    fn only_finite_numbers_are_scores() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Fitness::new(bad).is_err());
            assert!(Fitness::try_from(bad).is_err());
        }
        assert!(serde_json::from_str::<Fitness>("null").is_err());
        assert!(serde_json::from_str::<Fitness>("1e999").is_err());
        assert_eq!(serde_json::from_str::<Fitness>("2.5").unwrap(), fit(2.5));
        assert_eq!(fit(-0.0).cmp(&fit(0.0)), Ordering::Equal);
    }

    #[test]
    fn general_fitness_is_the_weighted_sum_of_ranks_whatever_the_units() {
        // Ranks: 2 0 1 by the first phenotype, 0 2 1 by the second, in units a million times larger.
        let scores = [[30.0, 1e6], [10.0, 9e6], [20.0, 5e6]].map(|row| row.map(fit).to_vec());
        assert_eq!(general_fitness(&scores, &[1.0, 1.0]), [2.0, 2.0, 2.0]);
        assert_eq!(general_fitness(&scores, &[2.0, 1.0]), [4.0, 2.0, 3.0]);
        assert_eq!(general_fitness(&scores, &[0.0, 1.0]), [0.0, 2.0, 1.0]);
    }

    #[test]
    fn equals_share_a_rank() {
        let scores = [5.0, 7.0, 5.0, 1.0].map(fit);
        assert_eq!(ranks(&scores), [1.5, 3.0, 1.5, 0.0]);
    }

    #[test]
    fn decay_lowers_positive_and_negative_logs_alike() {
        assert!((FitnessScale::Ratio.decayed(fit(100.0), 0.98).get() - 98.0).abs() < 1e-9);
        for log in [-3.0, 0.0, 3.0] {
            let decayed = FitnessScale::Log.decayed(fit(log), 0.98).get();
            assert!((decayed.exp() / log.exp() - 0.98).abs() < 1e-9);
        }
    }
}
