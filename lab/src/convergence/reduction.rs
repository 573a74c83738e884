//! What memory saves: warm visits beside those of another arm, paired by seed and visit.

use super::judge::Judged;
use super::plan::{Arm, Treatment};
use crate::bench::stats::{Estimate, bootstrap};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A warm visit and the same visit of the same seed in another arm: T95 restricted to the visit, or lost seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// With memory.
    pub warm_s: f64,
    /// In the other arm.
    pub other_s: f64,
}

/// The pairs of a strategy and workload, and how many were left out because either visit began already good.
#[must_use]
pub fn pairs(judged: &[&Judged], against: Treatment, value: impl Fn(&Judged) -> f64) -> (Vec<Pair>, usize) {
    let mut pairs = Vec::new();
    let mut apart = 0;
    for warm in judged.iter().filter(|visit| visit.arm == Some(Arm::Warm)) {
        let same = |other: &&&Judged| {
            other.cell.treatment == against
                && other.cell.seed == warm.cell.seed
                && other.cell.strategy == warm.cell.strategy
                && other.visit == warm.visit
        };
        let Some(other) = judged.iter().find(same) else { continue };
        if warm.already_good || other.already_good {
            apart += 1;
        } else {
            pairs.push(Pair { warm_s: value(warm), other_s: value(other) });
        }
    }
    (pairs, apart)
}

/// 1 − mean(warm)/mean(other), of T95 the ratio of restricted means, with its bootstrap interval over pairs; `None` of fewer than two.
#[must_use]
pub fn reduction(pairs: &[Pair], seed: u64) -> Option<Estimate> {
    let places: Vec<f64> = (0..pairs.len()).map(|place| place as f64).collect();
    bootstrap(&places, &mut ChaCha8Rng::seed_from_u64(seed), |draw| {
        let drawn = || draw.iter().filter_map(|&place| pairs.get(place as usize));
        let (warm, other): (f64, f64) =
            drawn().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.warm_s, sum.1 + pair.other_s));
        (other > 0.0).then(|| 1.0 - warm / other)
    })
}

/// A restricted mean with its bootstrap interval; `None` of fewer than two visits.
#[must_use]
pub fn restricted_mean(seconds: &[f64], seed: u64) -> Option<Estimate> {
    bootstrap(seconds, &mut ChaCha8Rng::seed_from_u64(seed), crate::bench::stats::mean)
}

#[cfg(test)]
mod tests {
    use super::super::definitions::T95;
    use super::super::plan::Cell;
    use super::*;

    fn judged(treatment: Treatment, seed: u64, visit: usize, t95: T95, already_good: bool) -> Judged {
        Judged {
            cell: Cell { strategy: "moilanen".to_owned(), treatment, seed },
            visit,
            workload: "random read".to_owned(),
            arm: Arm::of(treatment, visit / 4, 2),
            length_s: 100.0,
            t95,
            lost_s: 0.0,
            already_good,
            genes_s: None,
            recognised_s: None,
            recalled_s: None,
            final_share: 1.0,
        }
    }

    #[test]
    fn pairs_share_seed_and_visit() {
        let all = [
            judged(Treatment::Recall, 1, 4, T95::At(1.0), false),
            judged(Treatment::None, 1, 4, T95::At(50.0), false),
            judged(Treatment::Recall, 2, 5, T95::At(3.0), false),
            judged(Treatment::None, 2, 5, T95::Beyond(100.0), false),
            judged(Treatment::None, 3, 5, T95::At(7.0), false),
            judged(Treatment::Recall, 4, 5, T95::At(7.0), false),
            judged(Treatment::None, 4, 5, T95::At(0.0), true),
            judged(Treatment::Recall, 1, 0, T95::At(60.0), false),
            judged(Treatment::None, 1, 0, T95::At(60.0), false),
        ];
        let (found, apart) =
            pairs(&all.iter().collect::<Vec<_>>(), Treatment::None, |visit| visit.t95.restricted());
        assert_eq!(found, [Pair { warm_s: 1.0, other_s: 50.0 }, Pair { warm_s: 3.0, other_s: 100.0 }]);
        assert_eq!(apart, 1);
        // 1 − (1 + 3)/(50 + 100)
        let estimate = reduction(&found, 1).unwrap();
        assert!((estimate.value - (1.0 - 4.0 / 150.0)).abs() < 1e-12);
        assert!(estimate.low >= 0.97 - 1e-9 && estimate.high <= 0.98 + 1e-9, "{estimate}");
    }

    #[test]
    fn one_pair_says_nothing() {
        assert_eq!(reduction(&[Pair { warm_s: 1.0, other_s: 2.0 }], 1), None);
        assert_eq!(reduction(&[Pair { warm_s: 0.0, other_s: 0.0 }; 3], 1), None);
    }
}
