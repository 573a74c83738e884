//! Medians, quantiles and bootstrap intervals: the few statistics that a measurement needs.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::fmt;

/// The arithmetic mean; `None` of nothing.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The value that a share `q` (0‥1) of the values does not exceed, interpolated between neighbours (type 7 of
/// Hyndman and Fan, as R and NumPy do by default); `None` of nothing, or of a `q` out of range.
#[must_use]
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    if values.is_empty() || !(0.0..=1.0).contains(&q) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = q * (sorted.len() - 1) as f64;
    let low = rank.floor() as usize;
    let high = rank.ceil() as usize;
    Some(sorted[low] + (sorted[high] - sorted[low]) * (rank - low as f64))
}

/// The middle value; `None` of nothing.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// An estimate and the interval that holds the true value with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The estimate itself.
    pub value: f64,
    /// Lower end of the two-sided 95 % interval.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
    /// How many observations stand behind it.
    pub count: usize,
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        write!(
            f,
            "{:.digits$} [{:.digits$}, {:.digits$}] (n = {})",
            self.value, self.low, self.high, self.count
        )
    }
}

/// How often a bootstrap draws anew: enough that the ends of a 95 % interval hold still to two digits.
const RESAMPLES: usize = 2_000;

/// `statistic` of the observations with its percentile-bootstrap interval; `None` where there are fewer than
/// two, of which nothing can be said. The observations must be independent of each other: pass one to a block,
/// not one to an I/O.
pub fn bootstrap(
    observations: &[f64],
    rng: &mut ChaCha8Rng,
    statistic: impl Fn(&[f64]) -> Option<f64>,
) -> Option<Estimate> {
    if observations.len() < 2 {
        return None;
    }
    let value = statistic(observations)?;
    let mut draw = vec![0.0; observations.len()];
    let mut found = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        for slot in &mut draw {
            *slot = observations[rng.random_range(0..observations.len())];
        }
        found.push(statistic(&draw)?);
    }
    Some(Estimate {
        value,
        low: quantile(&found, 0.025)?,
        high: quantile(&found, 0.975)?,
        count: observations.len(),
    })
}

/// Whether each block of `count` is one "with" what is measured: in fours, as off-on-on-off or on-off-off-on by a
/// coin. The fours cancel a drift that is linear over them, the coin any rhythm of the load.
#[must_use]
pub fn abba_order(count: usize, rng: &mut ChaCha8Rng) -> Vec<bool> {
    (0..count / 4)
        .flat_map(|_| {
            let first = rng.random::<bool>();
            [first, !first, !first, first]
        })
        .collect()
}

/// The relative loss of throughput, per cent, that each four of blocks shows: `with` as [`abba_order`] gave it,
/// and the rate of each block. A four with a block in which nothing completed says nothing and is left out.
#[must_use]
pub fn abba_losses(with: &[bool], rates: &[f64]) -> Vec<f64> {
    with.chunks_exact(4)
        .zip(rates.chunks_exact(4))
        .filter(|(_, rates)| rates.iter().all(|&rate| rate > 0.0))
        .map(|(with, rates)| {
            let product = |side| -> f64 {
                with.iter().zip(rates).filter(|(with, _)| **with == side).map(|(_, rate)| rate).product()
            };
            (1.0 - (product(true) / product(false)).sqrt()) * 100.0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn close(found: Option<f64>, expected: f64) -> bool {
        found.is_some_and(|found| (found - expected).abs() < 1e-9)
    }

    #[test]
    fn quantiles_interpolate_and_know_their_limits() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert!(close(median(&values), 2.5));
        assert!(close(quantile(&values, 0.0), 1.0));
        assert!(close(quantile(&values, 1.0), 4.0));
        assert!(close(quantile(&values, 0.25), 1.75));
        assert_eq!(quantile(&values, 1.1), None);
        assert_eq!(median(&[]), None);
        assert_eq!(mean(&[]), None);
    }

    #[test]
    fn the_interval_of_a_mean_is_as_wide_as_theory_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        // Uniform on 0‥1: standard error of the mean 1/√(12·400) = 0.0144, so ±0.0283.
        let values: Vec<f64> = (0..400).map(|_| rng.random::<f64>()).collect();
        let found = bootstrap(&values, &mut rng, mean).unwrap();
        let half = (found.high - found.low) / 2.0;
        assert!((0.022..0.035).contains(&half), "{found}");
        assert!(found.low < 0.5 && 0.5 < found.high, "{found}");
    }

    #[test]
    fn the_interval_covers_the_truth_as_often_as_one_that_knows_the_variance() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let (mut covered, mut reference) = (0_i32, 0_i32);
        for _ in 0..100 {
            let values: Vec<f64> = (0..60).map(|_| rng.random::<f64>()).collect();
            let found = bootstrap(&values, &mut rng, mean).unwrap();
            covered += i32::from(found.low <= 0.5 && 0.5 <= found.high);
            // On the same draws, so that their luck counts on neither side: variance 1/12, known.
            let half = 1.96 / (12.0_f64 * 60.0).sqrt();
            reference += i32::from((found.value - 0.5).abs() <= half);
        }
        assert!((covered - reference).abs() <= 3, "{covered} against {reference} of 100");
    }

    #[test]
    fn one_observation_has_no_interval() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert_eq!(bootstrap(&[1.0], &mut rng, mean), None);
    }

    #[test]
    fn abba_cancels_drift_and_finds_the_loss() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let with = abba_order(42, &mut rng);
        assert_eq!(with.len(), 40);
        assert!(with.chunks(4).any(|four| four[0]) && with.chunks(4).any(|four| !four[0]), "{with:?}");
        // A rate that falls by 1 % a block, and what is measured costs 2 %.
        let rates: Vec<f64> = with
            .iter()
            .zip(0..)
            .map(|(&with, index)| 1000.0 * 0.99_f64.powi(index) * if with { 0.98 } else { 1.0 })
            .collect();
        let losses = abba_losses(&with, &rates);
        assert_eq!(losses.len(), 10);
        assert!(losses.iter().all(|loss| (loss - 2.0).abs() < 1e-6), "{losses:?}");
        assert!(abba_losses(&[false, true, true, false], &[1.0, 0.0, 1.0, 1.0]).is_empty());
    }
}
