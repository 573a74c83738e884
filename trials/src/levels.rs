//! Levels of the entrants of a race from comparisons of slices that lie close in time.
//!
//! A comparison says how much better a later slice was than an earlier one: the difference of two levels, plus the
//! noise of both slices and what the disk drifted between them. The levels are those of least weighted squares, the
//! control's being zero; the pull of comparisons far from the fit falls with their distance, so that a stalled slice
//! carries no candidate away.

use crate::scale::median;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Whose slice it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Entrant {
    /// The settings in force.
    Control,
    /// A candidate, by its number.
    Candidate(u32),
}

impl Entrant {
    const fn index(self) -> usize {
        match self {
            Self::Control => 0,
            Self::Candidate(candidate) => candidate as usize + 1,
        }
    }
}

/// Two slices of the race.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Comparison {
    pub(crate) later: Entrant,
    pub(crate) earlier: Entrant,
    /// How many slices lie between their starts; at least 1.
    pub(crate) lag: u32,
    /// ln(later / earlier).
    pub(crate) log_ratio: f64,
}

/// Beyond so many scales a comparison's pull falls.
const FULL_PULL: f64 = 1.5;
/// Rounds of reweighting, and sweeps of each; more change nothing that could be seen in the levels' ranks.
const REWEIGHTINGS: usize = 6;
const SWEEPS: usize = 60;
/// The weight of a comparison falls with its lag, as what drifts in between adds to its noise.
const DRIFT_TO_NOISE: f64 = 0.3;

/// The levels of all entrants.
#[derive(Clone, Debug)]
pub(crate) struct Levels {
    /// `None` where no chain of comparisons leads to the control.
    of: Vec<Option<f64>>,
    residuals: Vec<f64>,
}

impl Levels {
    pub(crate) fn fit(candidates: usize, comparisons: &[Comparison]) -> Self {
        let reached = reached(candidates + 1, comparisons);
        let used: Vec<&Comparison> = comparisons.iter().filter(|one| reached[one.later.index()]).collect();
        let mut levels = vec![0.0; reached.len()];
        let mut weights: Vec<f64> =
            used.iter().map(|one| 1.0 / (1.0 + DRIFT_TO_NOISE * f64::from(one.lag - 1))).collect();
        let by_lag = weights.clone();
        for _ in 0..REWEIGHTINGS {
            for _ in 0..SWEEPS {
                sweep(&mut levels, &used, &weights);
            }
            let residuals: Vec<f64> = used.iter().map(|one| residual(&levels, one)).collect();
            let mut sizes: Vec<f64> = residuals.iter().map(|residual| residual.abs()).collect();
            // The median of |normal| is 0.6745 standard deviations.
            let scale = median(&mut sizes).unwrap_or(0.0) / 0.674_5;
            for ((weight, base), residual) in weights.iter_mut().zip(&by_lag).zip(&residuals) {
                let beyond = residual.abs() / (FULL_PULL * scale.max(f64::MIN_POSITIVE));
                *weight = base / beyond.max(1.0).powi(2);
            }
        }
        let neighbours = used.iter().filter(|one| one.lag == 1);
        let free = comparisons_free(&reached, used.len());
        let residuals = neighbours.map(|one| residual(&levels, one) * free).collect();
        let of = reached.iter().zip(levels).map(|(&reached, level)| reached.then_some(level)).collect();
        Self { of, residuals }
    }

    /// ln(candidate / control).
    pub(crate) fn of(&self, candidate: u32) -> Option<f64> {
        self.of.get(Entrant::Candidate(candidate).index()).copied().flatten()
    }

    /// What neighbouring slices differ by besides their levels: the noise of a pair.
    pub(crate) fn neighbour_residuals(&self) -> impl Iterator<Item = f64> + '_ {
        self.residuals.iter().copied()
    }
}

/// What residuals are to be widened by, because the levels were fitted to them.
fn comparisons_free(reached: &[bool], comparisons: usize) -> f64 {
    let levels = reached.iter().filter(|&&reached| reached).count().saturating_sub(1);
    // The comparisons of one slice share its noise: of three lags, about one is independent.
    let independent = comparisons as f64 / 3.0;
    let free = independent - levels as f64;
    if free > 0.0 { (independent / free).sqrt() } else { 2.0 }
}

fn residual(levels: &[f64], one: &Comparison) -> f64 {
    one.log_ratio - (levels[one.later.index()] - levels[one.earlier.index()])
}

/// One Gauss–Seidel sweep: each level to the weighted mean that its comparisons ask for. The control stays at zero.
fn sweep(levels: &mut [f64], comparisons: &[&Comparison], weights: &[f64]) {
    for entrant in 1..levels.len() {
        let (mut sum, mut total) = (0.0, 0.0);
        for (one, weight) in comparisons.iter().zip(weights) {
            let (later, earlier) = (one.later.index(), one.earlier.index());
            let asked = match (later == entrant, earlier == entrant) {
                (true, false) => levels[earlier] + one.log_ratio,
                (false, true) => levels[later] - one.log_ratio,
                _ => continue,
            };
            sum += weight * asked;
            total += weight;
        }
        if total > 0.0 {
            levels[entrant] = sum / total;
        }
    }
}

/// Which entrants a chain of comparisons connects with the control.
fn reached(entrants: usize, comparisons: &[Comparison]) -> Vec<bool> {
    let mut reached = vec![false; entrants];
    let mut waiting = VecDeque::from([Entrant::Control.index()]);
    reached[Entrant::Control.index()] = true;
    while let Some(at) = waiting.pop_front() {
        for one in comparisons {
            let (later, earlier) = (one.later.index(), one.earlier.index());
            let other = if later == at {
                earlier
            } else if earlier == at {
                later
            } else {
                continue;
            };
            if !std::mem::replace(&mut reached[other], true) {
                waiting.push_back(other);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(later: Entrant, earlier: Entrant, log_ratio: f64) -> Comparison {
        Comparison { later, earlier, lag: 1, log_ratio }
    }

    #[test]
    fn a_chain_of_comparisons_gives_levels_and_what_it_does_not_reach_has_none() {
        use Entrant::{Candidate, Control};
        let comparisons = [
            between(Candidate(0), Control, 0.2),
            between(Candidate(1), Candidate(0), 0.1),
            between(Candidate(2), Candidate(3), 0.7),
        ];
        let levels = Levels::fit(4, &comparisons);
        assert!((levels.of(0).unwrap() - 0.2).abs() < 1e-9);
        assert!((levels.of(1).unwrap() - 0.3).abs() < 1e-9);
        assert_eq!((levels.of(2), levels.of(3)), (None, None));
    }

    #[test]
    fn one_wild_comparison_among_many_moves_a_level_little() {
        let mut comparisons: Vec<_> = (0..9)
            .map(|index| between(Entrant::Candidate(0), Entrant::Control, 0.1 + 0.01 * f64::from(index % 3)))
            .collect();
        comparisons.push(between(Entrant::Candidate(0), Entrant::Control, -3.0));
        let level = Levels::fit(1, &comparisons).of(0).unwrap();
        assert!((0.08..0.13).contains(&level), "{level}");
    }

    #[test]
    fn no_comparisons_no_levels() {
        let levels = Levels::fit(2, &[]);
        assert_eq!((levels.of(0), levels.neighbour_residuals().count()), (None, 0));
    }
}
