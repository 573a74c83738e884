//! A robust scale of the log ratios, from earlier pairs only.

use serde::{Deserialize, Serialize};

/// The median of |difference of two independent normal values| is this often their standard deviation.
const MEDIAN_OF_NORMAL_DIFFERENCE: f64 = 0.953_873;
/// How many differences the expectation counts for, so that one or two pairs cannot overrule it.
const PRIOR_WEIGHT: usize = 2;
/// No noise is smaller than this: below, rounding would be taken for evidence.
const LEAST: f64 = 1e-6;

/// The spread of log ratios, in units of a standard deviation under normal noise.
///
/// It is the median of the differences between pairs of the *same* child, so that a true effect does not widen it;
/// no single stalled slice can move it far. It is read before a pair is measured and updated after: the bet on a
/// pair must not know the pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Expected before the first pair.
    prior: f64,
    /// |differences| between pairs of children of earlier stages.
    earlier: Vec<f64>,
    /// The log ratios of the child at hand.
    current: Vec<f64>,
}

impl Scale {
    /// A scale that expects `prior` before anything was measured.
    #[must_use]
    pub const fn new(prior: f64) -> Self {
        Self { prior, earlier: Vec::new(), current: Vec::new() }
    }

    /// Takes the log ratio of a finished pair of the child at hand.
    pub fn add(&mut self, log_ratio: f64) {
        self.current.push(log_ratio);
    }

    /// Takes what two neighbouring slices of a race differed by besides their levels.
    pub(crate) fn add_residual(&mut self, residual: f64) {
        // A residual has one pair's noise, a difference between two pairs that of both.
        self.earlier.push(residual.abs() * std::f64::consts::SQRT_2);
    }

    /// Another child is at hand: what was learned of the noise stays, the level of the old child does not matter.
    pub fn next_child(&mut self) {
        let current = std::mem::take(&mut self.current);
        self.earlier.extend(differences(&current));
    }

    /// The scale that the pairs so far suggest.
    #[must_use]
    pub fn get(&self) -> f64 {
        let mut all: Vec<f64> =
            Vec::with_capacity(self.earlier.len() + PRIOR_WEIGHT + self.current.len().pow(2));
        all.extend_from_slice(&self.earlier);
        all.extend(differences(&self.current));
        all.extend([self.prior * MEDIAN_OF_NORMAL_DIFFERENCE; PRIOR_WEIGHT]);
        (median(&mut all).unwrap_or(self.prior) / MEDIAN_OF_NORMAL_DIFFERENCE).max(LEAST)
    }
}

/// |differences| of all pairs of values.
fn differences(values: &[f64]) -> impl Iterator<Item = f64> {
    values.iter().enumerate().flat_map(move |(at, a)| values[..at].iter().map(move |b| (a - b).abs()))
}

/// The median; reorders the values. `None` of none.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    let count = values.len();
    if count == 0 {
        return None;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(count / 2, f64::total_cmp);
    if count % 2 == 1 {
        return Some(upper);
    }
    below.iter().copied().max_by(f64::total_cmp).map(|lower| f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0]), Some(3.0));
        assert_eq!(median(&mut [4.0, 1.0]), Some(2.5));
        assert_eq!(median(&mut [9.0, 1.0, 4.0]), Some(4.0));
    }

    #[test]
    fn the_level_of_a_child_is_no_noise() {
        let mut scale = Scale::new(0.1);
        let at = |level: f64| [level, level + 0.02, level - 0.02, level + 0.01];
        at(0.0).into_iter().for_each(|ratio| scale.add(ratio));
        let one = scale.get();
        scale.next_child();
        at(5.0).into_iter().for_each(|ratio| scale.add(ratio));
        assert!(scale.get() < 0.1 && (scale.get() - one).abs() < 0.01, "{one} {}", scale.get());
    }

    #[test]
    fn one_stalled_pair_hardly_moves_it() {
        let mut scale = Scale::new(0.1);
        (0..10).for_each(|index| scale.add(f64::from(index % 5) * 0.03));
        let before = scale.get();
        scale.add(-4.0);
        assert!(scale.get() < before * 1.5, "{before} {}", scale.get());
    }

    #[test]
    fn no_noise_at_all_leaves_a_scale_above_zero() {
        let mut scale = Scale::new(0.1);
        (0..10).for_each(|_| scale.add(0.0));
        assert!(scale.get() > 0.0);
    }
}
