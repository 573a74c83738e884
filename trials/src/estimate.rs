//! How large an effect is, with limits that hold whenever one stops.

use crate::evidence::{Scaled, Side, log_evidence};
use crate::scale::median;
use serde::{Deserialize, Serialize};

/// The centre of symmetry of the values: the median of all means of two (Hodges and Lehmann). `None` of none.
#[must_use]
pub fn centre(values: &[f64]) -> Option<f64> {
    let mut means: Vec<f64> = values
        .iter()
        .enumerate()
        .flat_map(|(at, a)| values[..=at].iter().map(move |b| f64::midpoint(*a, *b)))
        .collect();
    median(&mut means)
}

/// A log ratio with its limits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// ln(child / control), the centre of the pairs; above zero the child is better.
    pub log_ratio: f64,
    /// The lower limit; `None` while there are too few pairs for one.
    pub lower: Option<f64>,
    /// The upper limit; `None` while there are too few pairs for one.
    pub upper: Option<f64>,
    /// How many pairs it rests on.
    pub pairs: u32,
}

impl Estimate {
    /// The gain as a share of the control: 0.1 for +10 %.
    #[must_use]
    pub fn gain(&self) -> f64 {
        self.log_ratio.exp_m1()
    }
}

/// Limits for the centre of the log ratios that hold at every look at once.
///
/// A shift is inside while the betting test about it has not rejected it: each limit is a test at half the error.
/// What was once rejected stays so: the limits only close in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfidenceSequence {
    /// ln(2/error): where a one-sided test rejects.
    threshold: f64,
    lower: Option<f64>,
    upper: Option<f64>,
}

impl ConfidenceSequence {
    /// Limits that miss the truth at any look with a probability of at most `error` (0‥1).
    #[must_use]
    pub fn new(error: f64) -> Self {
        Self { threshold: (2.0 / error).ln(), lower: None, upper: None }
    }

    /// Closes in on what all pairs so far say.
    pub fn update(&mut self, pairs: &[Scaled]) {
        self.lower = self.limit(pairs, Side::Above, self.lower);
        self.upper = self.limit(pairs, Side::Below, self.upper);
    }

    /// The lower limit; `None` while there is none.
    #[must_use]
    pub const fn lower(&self) -> Option<f64> {
        self.lower
    }

    /// The upper limit; `None` while there is none.
    #[must_use]
    pub const fn upper(&self) -> Option<f64> {
        self.upper
    }

    /// The outermost shift on a side that is not rejected, or what was already known where that is closer.
    fn limit(&self, pairs: &[Scaled], side: Side, known: Option<f64>) -> Option<f64> {
        // A pair is worth at most ln 2, so fewer cannot reject anything.
        if (pairs.len() as f64) * std::f64::consts::LN_2 < self.threshold {
            return known;
        }
        let rejects = |shift: f64| log_evidence(pairs, shift, side) >= self.threshold;
        if known.is_some_and(|known| !rejects(known)) {
            return known;
        }
        // Beyond every pair by the clip the evidence is all there can be; on the other side there is none.
        let reach = |pair: &Scaled| pair.scale * crate::evidence::CLIP;
        let lowest = pairs.iter().map(|pair| pair.log_ratio - reach(pair)).fold(f64::INFINITY, f64::min);
        let highest = pairs.iter().map(|pair| pair.log_ratio + reach(pair)).fold(f64::NEG_INFINITY, f64::max);
        let (mut rejected, mut open) = match side {
            Side::Above => (known.unwrap_or(lowest), highest),
            Side::Below => (known.unwrap_or(highest), lowest),
        };
        if !rejects(rejected) {
            return known;
        }
        // 2⁻³⁰ of the range is far below any noise.
        for _ in 0..30 {
            let middle = f64::midpoint(rejected, open);
            if rejects(middle) {
                rejected = middle;
            } else {
                open = middle;
            }
        }
        Some(rejected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(log_ratios: &[f64]) -> Vec<Scaled> {
        log_ratios.iter().map(|&log_ratio| Scaled { log_ratio, scale: 0.1 }).collect()
    }

    #[test]
    fn the_centre_withstands_a_wild_value() {
        assert_eq!(centre(&[]), None);
        assert!((centre(&[1.0, 3.0]).unwrap() - 2.0).abs() < 1e-12);
        let centre = centre(&[0.10, 0.12, 0.08, 0.11, 0.09, -9.0]).unwrap();
        assert!((0.08..0.11).contains(&centre), "{centre}");
    }

    #[test]
    fn few_pairs_give_no_limits_and_more_only_close_in() {
        let wave = [0.1, 0.2, 0.0, 0.15, 0.05, 0.12, 0.08, 0.3, -0.1, 0.1, 0.11, 0.09];
        let mut sequence = ConfidenceSequence::new(0.05);
        let (mut lower, mut upper) = (f64::NEG_INFINITY, f64::INFINITY);
        for count in 1..=wave.len() {
            sequence.update(&pairs(&wave[..count]));
            if count < 6 {
                assert_eq!((sequence.lower(), sequence.upper()), (None, None));
            }
            let (now_lower, now_upper) =
                (sequence.lower().unwrap_or(lower), sequence.upper().unwrap_or(upper));
            assert!(now_lower >= lower && now_upper <= upper, "{count}");
            (lower, upper) = (now_lower, now_upper);
        }
        assert!(lower < 0.1 && upper > 0.1 && upper - lower < 0.8, "{lower} {upper}");
    }
}
