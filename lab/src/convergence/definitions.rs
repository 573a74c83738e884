//! What convergence is: the definitions, as functions of what was in force and what it is worth.
//!
//! All times are seconds after the first I/O of a visit. What settings are worth is their performance as a multiple of
//! the default's, so that the default is worth 1.

use serde::{Deserialize, Serialize};

/// Share of the oracle's performance at which a search has converged.
pub const CONVERGED: f64 = 0.95;
/// Share of the oracle's performance above which a visit begins so well that there is nothing to wait for.
pub const ALREADY_GOOD: f64 = 0.90;
/// Where the lower 95 % limit of the oracle's gain over the default is less than this, nothing is to be found.
pub const NULL_BELOW: f64 = 0.10;
/// Children, of how many, that must lie close to the median for the genes to have converged.
pub const CLOSE_CHILDREN: (usize, usize) = (6, 8);
/// How close: share of the knob's scale.
pub const CLOSE: f64 = 0.10;

/// From a moment on, something of this worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worth {
    /// When it begins.
    pub at_s: f64,
    /// Performance as a multiple of the default's.
    pub value: f64,
}

/// When a search converged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum T95 {
    /// At this moment, and until the end of the visit.
    At(f64),
    /// Not within the visit, which was so long: censored.
    Beyond(f64),
}

impl T95 {
    /// The time restricted to the visit: what a restricted mean is taken of.
    #[must_use]
    pub const fn restricted(self) -> f64 {
        match self {
            Self::At(seconds) | Self::Beyond(seconds) => seconds,
        }
    }

    /// Whether the visit ended first.
    #[must_use]
    pub const fn is_censored(self) -> bool {
        matches!(self, Self::Beyond(_))
    }
}

/// The parts of a visit of `length_s`: beginning, end, worth. What began before the visit counts from its start.
fn parts(steps: &[Worth], length_s: f64) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
    steps.iter().enumerate().filter_map(move |(index, step)| {
        let begin = step.at_s.max(0.0);
        let end = steps.get(index + 1).map_or(length_s, |next| next.at_s.min(length_s));
        (end > begin).then_some((begin, end, step.value))
    })
}

/// The first moment from which the leader has at least [`CONVERGED`] of the oracle's performance until the visit ends.
/// `leaders` are in the order of time; where there is none yet, nothing has converged.
#[must_use]
pub fn t95(leaders: &[Worth], oracle: f64, length_s: f64) -> T95 {
    let mut since = None;
    for (begin, _, value) in parts(leaders, length_s) {
        if value >= CONVERGED * oracle {
            since.get_or_insert(begin);
        } else {
            since = None;
        }
    }
    since.map_or(T95::Beyond(length_s), T95::At)
}

/// ∫ max(0, 1 − g(in force)/g(oracle)) dt over the visit: the seconds of the oracle's work that were not done. Trials are
/// part of it, and it is never censored. A moment at which nothing is known to be in force is lost.
#[must_use]
pub fn lost_seconds(in_force: &[Worth], oracle: f64, length_s: f64) -> f64 {
    let known: f64 = parts(in_force, length_s).map(|(begin, end, _)| end - begin).sum();
    let lost: f64 = parts(in_force, length_s)
        .map(|(begin, end, value)| {
            let share = if value.is_finite() { (1.0 - value / oracle).clamp(0.0, 1.0) } else { 1.0 };
            share * (end - begin)
        })
        .sum();
    lost + (length_s - known).max(0.0)
}

/// Whether what was in force at the switch leaves next to nothing to wait for.
#[must_use]
pub fn already_good(in_force: &[Worth], oracle: f64) -> bool {
    in_force.iter().rfind(|step| step.at_s <= 0.0).is_some_and(|step| step.value > ALREADY_GOOD * oracle)
}

/// Whether nothing is to be found: the oracle's gain over the default, at its lower 95 % limit, is below 10 %.
#[must_use]
pub fn is_null(oracle_low: f64) -> bool {
    // A gain that nobody could measure is none.
    oracle_low.is_nan() || oracle_low - 1.0 < NULL_BELOW
}

/// The children of one generation: positions of the dominant knobs on their scales, 0 to 1, one list a child.
#[derive(Clone, Debug, PartialEq)]
pub struct Brood {
    /// When its first child was in force.
    pub at_s: f64,
    /// A position for each dominant knob, in one order.
    pub children: Vec<Vec<f64>>,
}

/// The paper's way of seeing convergence, made exact: the first generation from which on, in every generation, at least 6
/// of 8 children lie within 10 % of each dominant knob's scale of the final median.
///
/// `None` where that never came, or where nothing dominates. Whether the median is any good is another question.
#[must_use]
pub fn genes_converged(broods: &[Brood]) -> Option<f64> {
    let knobs = broods.last()?.children.first()?.len();
    if knobs == 0 {
        return None;
    }
    let last = broods.last()?;
    let middle: Vec<f64> = (0..knobs).map(|knob| median_of(last, knob)).collect::<Option<_>>()?;
    let mut since = None;
    for brood in broods {
        if is_close(brood, &middle) {
            since.get_or_insert(brood.at_s);
        } else {
            since = None;
        }
    }
    since
}

fn median_of(brood: &Brood, knob: usize) -> Option<f64> {
    let values: Vec<f64> = brood.children.iter().filter_map(|child| child.get(knob).copied()).collect();
    crate::bench::stats::median(&values)
}

fn is_close(brood: &Brood, middle: &[f64]) -> bool {
    let (close, of) = CLOSE_CHILDREN;
    middle.iter().enumerate().all(|(knob, middle)| {
        let near = brood
            .children
            .iter()
            .filter(|child| child.get(knob).is_some_and(|at| (at - middle).abs() <= CLOSE + 1e-9))
            .count();
        near * of >= close * brood.children.len() && !brood.children.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn steps(steps: &[(f64, f64)]) -> Vec<Worth> {
        steps.iter().map(|&(at_s, value)| Worth { at_s, value }).collect()
    }

    #[test]
    fn t95_is_the_start_of_the_last_good_stretch() {
        // (leaders, T95) with an oracle of 2 and a visit of 100 s: what counts is 1.9.
        let table: [(&[(f64, f64)], T95); 8] = [
            (&[(0.0, 1.9)], T95::At(0.0)),
            (&[(-30.0, 1.9)], T95::At(0.0)),
            (&[(0.0, 1.0), (20.0, 1.9)], T95::At(20.0)),
            (&[(0.0, 1.0), (20.0, 1.95), (40.0, 1.7), (60.0, 2.1)], T95::At(60.0)),
            (&[(0.0, 1.0), (20.0, 1.95), (40.0, 1.91)], T95::At(20.0)),
            (&[(0.0, 2.0), (99.0, 1.0)], T95::Beyond(100.0)),
            (&[(0.0, 1.0), (120.0, 2.0)], T95::Beyond(100.0)),
            (&[], T95::Beyond(100.0)),
        ];
        for (leaders, expected) in table {
            assert_eq!(t95(&steps(leaders), 2.0, 100.0), expected, "{leaders:?}");
        }
        assert_eq!(t95(&steps(&[(0.0, f64::NAN)]), 2.0, 9.0), T95::Beyond(9.0));
    }

    #[test]
    fn lost_seconds_are_the_area_below_the_oracle() {
        // Half of the oracle for 20 s is 10 s lost; three quarters for 40 s, 10 s; above it, nothing.
        let found = lost_seconds(&steps(&[(-5.0, 1.0), (20.0, 1.5), (60.0, 2.4)]), 2.0, 100.0);
        assert!((found - 20.0).abs() < 1e-9, "{found}");
        assert!((lost_seconds(&[], 2.0, 100.0) - 100.0).abs() < 1e-9);
        assert!((lost_seconds(&steps(&[(30.0, 2.0)]), 2.0, 100.0) - 30.0).abs() < 1e-9);
    }

    #[test]
    fn nulls_and_good_starts_are_at_their_bounds() {
        assert!(is_null(1.0999) && !is_null(1.1001) && is_null(f64::NAN));
        assert!(already_good(&steps(&[(-9.0, 1.0), (0.0, 1.81), (4.0, 1.0)]), 2.0));
        assert!(!already_good(&steps(&[(-9.0, 2.0), (0.0, 1.79), (4.0, 2.0)]), 2.0));
        assert!(!already_good(&steps(&[(4.0, 2.0)]), 2.0));
    }

    #[test]
    fn genes_have_converged_where_six_of_eight_stay_close() {
        let brood = |at_s, positions: [f64; 8]| Brood {
            at_s,
            children: positions.iter().map(|&position| vec![position]).collect(),
        };
        let wide = [0.0, 0.14, 0.29, 0.43, 0.57, 0.71, 0.86, 1.0];
        let close = [0.5, 0.5, 0.55, 0.52, 0.45, 0.5, 0.9, 0.1];
        let fewer = [0.5, 0.5, 0.55, 0.52, 0.45, 0.7, 0.9, 0.1];
        assert_eq!(genes_converged(&[brood(0.0, wide), brood(16.0, close), brood(32.0, close)]), Some(16.0));
        assert_eq!(genes_converged(&[brood(0.0, close), brood(16.0, fewer), brood(32.0, close)]), Some(32.0));
        assert_eq!(genes_converged(&[brood(0.0, close), brood(16.0, fewer)]), None);
        assert_eq!(genes_converged(&[brood(0.0, wide)]), None);
        assert_eq!(genes_converged(&[]), None);
        assert_eq!(genes_converged(&[Brood { at_s: 0.0, children: vec![Vec::new(); 8] }]), None);
    }

    fn timeline() -> impl Strategy<Value = Vec<Worth>> {
        prop::collection::vec((0.0..200.0_f64, 0.2..3.0_f64), 0..20).prop_map(|mut steps| {
            steps.sort_by(|a, b| a.0.total_cmp(&b.0));
            steps.into_iter().map(|(at_s, value)| Worth { at_s, value }).collect()
        })
    }

    proptest! {
        #[test]
        fn nothing_is_outside_the_visit(steps in timeline(), oracle in 0.5..3.0_f64, length in 1.0..150.0_f64) {
            let found = t95(&steps, oracle, length);
            prop_assert!((0.0..=length).contains(&found.restricted()));
            let lost = lost_seconds(&steps, oracle, length);
            prop_assert!((-1e-9..=length + 1e-9).contains(&lost));
        }

        #[test]
        fn a_better_oracle_never_makes_it_quicker(steps in timeline(), oracle in 0.5..2.0_f64) {
            let (easy, hard) = (t95(&steps, oracle, 100.0), t95(&steps, oracle * 1.2, 100.0));
            prop_assert!(hard.restricted() >= easy.restricted());
            prop_assert!(lost_seconds(&steps, oracle * 1.2, 100.0) >= lost_seconds(&steps, oracle, 100.0) - 1e-9);
        }

        #[test]
        fn from_t95_on_every_leader_is_good(steps in timeline(), oracle in 0.5..2.0_f64) {
            if let T95::At(since) = t95(&steps, oracle, 100.0) {
                let later = steps.iter().filter(|step| step.at_s >= since && step.at_s < 100.0);
                // Of leaders at the same moment only the last was in force for any time.
                for (index, step) in steps.iter().enumerate().filter(|(_, step)| step.at_s >= since && step.at_s < 100.0) {
                    let replaced = steps.get(index + 1).is_some_and(|next| next.at_s <= step.at_s);
                    prop_assert!(replaced || step.value >= CONVERGED * oracle);
                }
                prop_assert!(later.count() > 0 || since == 0.0);
            }
        }
    }
}
