//! What settings would be worth that were never measured: a Gaussian process over the knobs' own scales.
//!
//! Live measurements are comparisons: a setting beside a control, close in time, because the workload's own level drifts.
//! So the process is conditioned on differences, f(a) − f(b), and asked for differences; which control a comparison had is
//! part of it, and comparisons with different controls fit together. Each knob has a length scale of its own, so that one
//! that does nothing counts for nothing. Length scales, signal and, unless it is known, noise maximise the marginal
//! likelihood over a grid. Theory: Rasmussen and Williams, *Gaussian Processes for Machine Learning*, sections 2.2, 5.4
//! and 9.4; expected improvement after Jones, Schonlau and Welch, 1998; several picks at once as believed in, after
//! Ginsbourger, Le Riche and Carraro, 2010.

use crate::cholesky::Cholesky;
use statrs::distribution::{Continuous, ContinuousCDF, Normal};

/// Two settings that were compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Where the one lies: the position of each knob on its scale, see [`Space::place`](crate::Space::place).
    pub at: Vec<f64>,
    /// Where the other lies.
    pub against: Vec<f64>,
    /// ln of the first's worth over the second's.
    pub log_ratio: f64,
    /// How many pairs of slices it rests on, above 0.
    pub pairs: f64,
}

/// How much a single pair varies by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// The variance of its log ratio.
    Known(f64),
    /// What makes the comparisons likeliest.
    Likeliest,
}

/// A difference as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Belief {
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation.
    pub deviation: f64,
}

impl Belief {
    /// How much of it is to be expected above 0: ∫ max(0, x) of its density.
    #[must_use]
    pub fn improvement(&self) -> f64 {
        if self.deviation <= 0.0 {
            return self.mean.max(0.0);
        }
        let normal = Normal::standard();
        let z = self.mean / self.deviation;
        self.mean * normal.cdf(z) + self.deviation * normal.pdf(z)
    }
}

/// Inverse length scales that are tried for each knob; 0 leaves it out.
const SHARPNESS: [f64; 7] = [0.0, 0.4, 0.8, 1.6, 3.0, 6.0, 12.0];
/// Variances of the function that are tried, as multiples of the data's.
const SIGNAL: [f64; 4] = [0.5, 1.0, 2.0, 4.0];
/// Variances of a single pair that are tried: deviations of 2 to 40 %.
const NOISE: [f64; 6] = [4e-4, 1.6e-3, 6.4e-3, 2.5e-2, 6e-2, 0.16];
/// What is added to the diagonal, so that two equal comparisons without noise are no contradiction.
const JITTER: f64 = 1e-6;
/// Times that all hyperparameters are gone through.
const ROUNDS: usize = 4;

#[derive(Clone, Debug, PartialEq)]
struct Hyper {
    sharpness: Vec<f64>,
    signal: f64,
    noise: f64,
}

impl Hyper {
    fn covariance(&self, a: &[f64], b: &[f64]) -> f64 {
        let distance: f64 =
            a.iter().zip(b).zip(&self.sharpness).map(|((a, b), sharp)| (sharp * (a - b)).powi(2)).sum();
        self.signal * (-0.5 * distance).exp()
    }

    /// The covariance of f(a) − f(b) with f(c) − f(d).
    fn of_differences(&self, (a, b): (&[f64], &[f64]), (c, d): (&[f64], &[f64])) -> f64 {
        self.covariance(a, c) - self.covariance(a, d) - self.covariance(b, c) + self.covariance(b, d)
    }

    fn root(&self, comparisons: &[Comparison]) -> Option<Cholesky> {
        Cholesky::of(comparisons.len(), |i, j| self.entry(comparisons, i, j))
    }

    fn entry(&self, comparisons: &[Comparison], i: usize, j: usize) -> f64 {
        let (a, b) = (&comparisons[i], &comparisons[j]);
        let own = if i == j { self.noise / a.pairs + JITTER } else { 0.0 };
        self.of_differences((&a.at, &a.against), (&b.at, &b.against)) + own
    }

    fn log_likelihood(&self, comparisons: &[Comparison]) -> Option<f64> {
        let root = self.root(comparisons)?;
        let fit: f64 = root.forward(&ratios(comparisons)).iter().map(|z| z * z).sum();
        Some(-0.5 * fit - root.half_log_determinant())
    }
}

fn ratios(comparisons: &[Comparison]) -> Vec<f64> {
    comparisons.iter().map(|comparison| comparison.log_ratio).collect()
}

/// The fitted process.
#[derive(Clone, Debug)]
pub struct Surrogate {
    comparisons: Vec<Comparison>,
    hyper: Hyper,
    root: Cholesky,
    weights: Vec<f64>,
}

impl Surrogate {
    /// Fits comparisons over the same knobs. Those that are not finite, or rest on nothing, are left out; `None` of fewer
    /// than three others.
    #[must_use]
    pub fn fit(comparisons: impl IntoIterator<Item = Comparison>, noise: Noise) -> Option<Self> {
        let comparisons: Vec<Comparison> = comparisons
            .into_iter()
            .filter(|comparison| {
                let places = comparison.at.iter().chain(&comparison.against);
                let finite = places.chain([&comparison.log_ratio]).all(|number| number.is_finite());
                finite && comparison.pairs.is_finite() && comparison.pairs > 0.0
            })
            .collect();
        let knobs = comparisons.first()?.at.len();
        let fits =
            |comparison: &Comparison| comparison.at.len() == knobs && comparison.against.len() == knobs;
        if comparisons.len() < 3 || !comparisons.iter().all(fits) {
            return None;
        }
        let scale = comparisons.iter().map(|comparison| comparison.log_ratio.powi(2)).sum::<f64>()
            / comparisons.len() as f64;
        let scale = scale.max(JITTER);
        let first = Hyper {
            sharpness: vec![1.6; knobs],
            signal: scale,
            noise: match noise {
                Noise::Known(variance) => variance,
                Noise::Likeliest => 6.4e-3,
            },
        };
        let hyper = likeliest(&comparisons, first, scale, noise);
        let root = hyper.root(&comparisons)?;
        let weights = root.backward(&root.forward(&ratios(&comparisons)));
        Some(Self { comparisons, hyper, root, weights })
    }

    /// The covariances of f(at) − f(against) with the comparisons.
    fn covariances(&self, at: &[f64], against: &[f64]) -> Vec<f64> {
        let known = self.comparisons.iter().map(|known| (&*known.at, &*known.against));
        known.map(|known| self.hyper.of_differences((at, against), known)).collect()
    }

    fn mean(&self, with: &[f64]) -> f64 {
        with.iter().zip(&self.weights).map(|(with, weight)| with * weight).sum()
    }

    /// How much better `at` is than `against`, in logs, at a best guess: [`Self::difference`] without its deviation, which
    /// is most of its cost.
    #[must_use]
    pub fn gain(&self, at: &[f64], against: &[f64]) -> f64 {
        self.mean(&self.covariances(at, against))
    }

    /// How much better `at` is than `against`, in logs.
    #[must_use]
    pub fn difference(&self, at: &[f64], against: &[f64]) -> Belief {
        let with = self.covariances(at, against);
        let known: f64 = self.root.forward(&with).iter().map(|x| x * x).sum();
        let prior = self.hyper.of_differences((at, against), (at, against));
        Belief { mean: self.mean(&with), deviation: (prior - known).max(0.0).sqrt() }
    }

    /// Of some places the one that is worth most, the last of equals; `None` of none.
    #[must_use]
    pub fn best(&self, places: impl IntoIterator<Item = Vec<f64>>) -> Option<Vec<f64>> {
        let mut places = places.into_iter().peekable();
        let first = places.peek()?.clone();
        let valued = places.map(|place| (self.gain(&place, &first), place));
        valued.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, place)| place)
    }

    /// Of some candidates, which lie at `place`, the one from which most is to be expected over `best`, the last of equals;
    /// `None` of none.
    #[must_use]
    pub fn most_promising<T>(
        &self,
        candidates: impl IntoIterator<Item = T>,
        place: impl Fn(&T) -> Vec<f64>,
        best: &[f64],
    ) -> Option<T> {
        let valued = candidates
            .into_iter()
            .map(|candidate| (self.difference(&place(&candidate), best).improvement(), candidate));
        valued.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
    }

    /// The surrogate that has also seen `at` do as well as it believes it does: what remains to be learned elsewhere.
    #[must_use]
    pub fn believing(mut self, at: Vec<f64>, against: Vec<f64>, pairs: f64) -> Self {
        let log_ratio = self.gain(&at, &against);
        self.comparisons.push(Comparison { at, against, log_ratio, pairs });
        let last = self.comparisons.len() - 1;
        let column: Vec<f64> =
            (0..=last).map(|other| self.hyper.entry(&self.comparisons, last, other)).collect();
        if self.root.push(&column).is_some() {
            self.weights = self.root.backward(&self.root.forward(&ratios(&self.comparisons)));
        } else {
            self.comparisons.pop();
        }
        self
    }

    /// Root mean square of the leave-one-out errors of the log ratios: how far a value that was not measured can be
    /// trusted.
    #[must_use]
    pub fn left_out_error(&self) -> f64 {
        let inverse = self.root.inverse_diagonal();
        let errors: f64 =
            self.weights.iter().zip(&inverse).map(|(weight, inverse)| (weight / inverse).powi(2)).sum();
        (errors / self.weights.len() as f64).sqrt()
    }

    /// Share of the variance over `places` that each knob's main effect explains.
    #[must_use]
    pub fn main_effects(&self, places: &[Vec<f64>]) -> Vec<f64> {
        let Some(home) = places.first() else { return vec![0.0; self.hyper.sharpness.len()] };
        let worth = |place: &[f64]| self.gain(place, home);
        let all: Vec<f64> = places.iter().map(|place| worth(place)).collect();
        let total = variance(&all).max(1e-12);
        (0..self.hyper.sharpness.len())
            .map(|knob| {
                let effect: Vec<f64> = (0..=10)
                    .map(|step| {
                        let moved = places.iter().map(|place| {
                            let mut place = place.clone();
                            place[knob] = f64::from(step) / 10.0;
                            worth(&place)
                        });
                        moved.sum::<f64>() / places.len() as f64
                    })
                    .collect();
                variance(&effect) / total
            })
            .collect()
    }
}

/// Coordinate by coordinate, until nothing gets better.
fn likeliest(comparisons: &[Comparison], first: Hyper, scale: f64, noise: Noise) -> Hyper {
    let likelihood = |hyper: &Hyper| hyper.log_likelihood(comparisons).unwrap_or(f64::NEG_INFINITY);
    let mut best = (likelihood(&first), first);
    let attempt = |best: &mut (f64, Hyper), change: &dyn Fn(&mut Hyper)| {
        let mut hyper = best.1.clone();
        change(&mut hyper);
        let found = likelihood(&hyper);
        if found > best.0 {
            *best = (found, hyper);
        }
    };
    for _ in 0..ROUNDS {
        let before = best.0;
        for knob in 0..best.1.sharpness.len() {
            for sharp in SHARPNESS {
                attempt(&mut best, &|hyper| hyper.sharpness[knob] = sharp);
            }
        }
        for signal in SIGNAL {
            attempt(&mut best, &|hyper| hyper.signal = signal * scale);
        }
        if noise == Noise::Likeliest {
            for noise in NOISE {
                attempt(&mut best, &|hyper| hyper.noise = noise);
            }
        }
        if best.0 - before < 1e-6 {
            break;
        }
    }
    best.1
}

fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(at: &[f64]) -> f64 {
        // The first knob carries all; its optimum is at 0.7.
        0.8 - 3.0 * (at[0] - 0.7).powi(2)
    }

    /// Comparisons with two controls by turns, disturbed by about 2 %.
    fn comparisons(count: u32) -> Vec<Comparison> {
        (0..count)
            .map(|i| {
                let share = |factor: u32| f64::from(i * factor % count) / f64::from(count - 1);
                let at = vec![share(1), share(5), share(7)];
                let against = if i % 2 == 0 { vec![0.5, 0.5, 0.5] } else { vec![0.2, 0.9, 0.1] };
                let off = 0.02 * (f64::from(i * 37 % 11) / 5.0 - 1.0);
                Comparison { log_ratio: field(&at) - field(&against) + off, at, against, pairs: 1.0 }
            })
            .collect()
    }

    #[test]
    fn comparisons_with_different_controls_make_one_landscape() {
        for noise in [Noise::Known(4e-4), Noise::Likeliest] {
            let surrogate = Surrogate::fit(comparisons(24), noise).unwrap();
            for at in [[0.7, 0.2, 0.9], [0.1, 0.5, 0.5], [0.95, 0.1, 0.3]] {
                let found = surrogate.difference(&at, &[0.5, 0.5, 0.5]);
                let expected = field(&at) - field(&[0.5, 0.5, 0.5]);
                assert!((found.mean - expected).abs() < 0.06, "{at:?}: {found:?}, expected {expected}");
                assert!(found.deviation < 0.1, "{found:?}");
            }
            assert!(surrogate.left_out_error() < 0.05, "{}", surrogate.left_out_error());
            let places: Vec<Vec<f64>> = comparisons(24).into_iter().map(|it| it.at).collect();
            let effects = surrogate.main_effects(&places);
            assert!(effects[0] > 0.5 && effects[1] < 0.1 && effects[2] < 0.1, "{effects:?}");
        }
    }

    #[test]
    fn a_setting_is_no_better_than_itself() {
        let surrogate = Surrogate::fit(comparisons(12), Noise::Likeliest).unwrap();
        let found = surrogate.difference(&[0.3, 0.4, 0.5], &[0.3, 0.4, 0.5]);
        assert!(found.mean.abs() < 1e-9 && found.deviation < 1e-6, "{found:?}");
        assert!(found.improvement() < 1e-6);
    }

    #[test]
    fn what_is_believed_leaves_less_to_learn_there_and_moves_nothing() {
        let surrogate = Surrogate::fit(comparisons(8), Noise::Known(1e-3)).unwrap();
        let (at, home) = (vec![0.9, 0.3, 0.3], vec![0.5, 0.5, 0.5]);
        let before = surrogate.difference(&at, &home);
        let after = surrogate.believing(at.clone(), home.clone(), 4.0).difference(&at, &home);
        assert!((after.mean - before.mean).abs() < 1e-6, "{before:?} {after:?}");
        assert!(after.deviation < before.deviation, "{before:?} {after:?}");
    }

    #[test]
    fn improvement_grows_with_the_mean_and_with_doubt() {
        let of = |mean, deviation| Belief { mean, deviation }.improvement();
        assert!((of(0.2, 0.0) - 0.2).abs() < 1e-12 && of(-0.2, 0.0) == 0.0);
        assert!(of(0.0, 0.1) > 0.0 && of(0.1, 0.1) > of(0.0, 0.1) && of(0.0, 0.2) > of(0.0, 0.1));
    }

    #[test]
    fn too_little_or_what_is_no_number_is_no_landscape() {
        assert!(Surrogate::fit(comparisons(24).into_iter().take(2), Noise::Likeliest).is_none());
        let broken = comparisons(24).into_iter().map(|it| Comparison { log_ratio: f64::NAN, ..it });
        assert!(Surrogate::fit(broken, Noise::Likeliest).is_none());
        let nothing = comparisons(24).into_iter().map(|it| Comparison { pairs: 0.0, ..it });
        assert!(Surrogate::fit(nothing, Noise::Likeliest).is_none());
        let short = comparisons(24)
            .into_iter()
            .enumerate()
            .map(|(index, it)| Comparison { at: if index == 7 { vec![0.5] } else { it.at }, ..it });
        assert!(Surrogate::fit(short, Noise::Likeliest).is_none());
    }

    #[test]
    fn the_best_place_is_the_one_that_is_worth_most() {
        let surrogate = Surrogate::fit(comparisons(24), Noise::Known(4e-4)).unwrap();
        let places = [0.1, 0.68, 0.95].map(|first| vec![first, 0.5, 0.5]);
        assert_eq!(surrogate.best(places.clone()), Some(places[1].clone()));
        let last = [places[1].clone(), places[2].clone(), places[1].clone()];
        assert_eq!(surrogate.best(last), Some(places[1].clone()));
        assert_eq!(surrogate.best([]), None);
        let at = |place: &usize| places[*place].clone();
        assert_eq!(surrogate.most_promising([0, 1, 2], at, &places[0]), Some(1));
        assert_eq!(surrogate.most_promising([], at, &places[0]), None);
        let exactly = surrogate.difference(&places[1], &places[0]).mean;
        assert!((surrogate.gain(&places[1], &places[0]) - exactly).abs() < 1e-12);
    }
}
