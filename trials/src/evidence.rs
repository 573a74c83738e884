//! The betting test: evidence that log ratios do not lie symmetrically about a shift.
//!
//! Under the null hypothesis that child and control are alike, the coin makes the log ratio D of a pair symmetric
//! about zero, given everything before it and given |D|. Then exp(x)/cosh(x), x an odd function of D that the
//! past alone chose, has the expectation 1, whatever the noise: heavy tails, drift and a changing variance are all
//! allowed. The product over pairs, and the mean of such products over bets λ, is a test martingale: it exceeds
//! 1/α with a probability of at most α, however often one looks (Ville). Here x = λ·clip((D − shift)/s), s the scale of
//! earlier pairs. The clip lets one stalled slice cost a bounded part of the evidence.

use serde::{Deserialize, Serialize};

/// The bets: one for each size of effect, in scales of the noise.
pub const BETS: [f64; 5] = [0.1, 0.2, 0.4, 0.8, 1.6];
/// Beyond so many scales a log ratio counts no further.
pub const CLIP: f64 = 2.5;

/// A log ratio with the scale that was known before it was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaled {
    /// ln(child / control).
    pub log_ratio: f64,
    /// The scale of earlier pairs; above zero.
    pub scale: f64,
}

/// What the evidence is to be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The log ratios lie above the shift.
    Above,
    /// The log ratios lie below the shift.
    Below,
}

/// ln(exp(x) / cosh(x)), exact also where either overflows: at most ln 2, and about 2x for x far below zero.
#[must_use]
pub fn log_gain(x: f64) -> f64 {
    // exp(x)/cosh(x) = 2/(1 + exp(−2x)).
    let decay = (-2.0 * x.abs()).exp().ln_1p();
    std::f64::consts::LN_2 - decay + 2.0 * x.min(0.0)
}

/// ln E: the natural logarithm of the evidence that the log ratios lie on a side of `shift`.
///
/// It never falls where `shift` moves away from that side, which [`crate::ConfidenceSequence`] rests on.
#[must_use]
pub fn log_evidence(pairs: &[Scaled], shift: f64, side: Side) -> f64 {
    log_mean_exp(&wealth(pairs, shift, side))
}

/// ln E that is in prospect after `more` pairs, where the best bet goes on to win `pace` times what it won a pair so far.
#[must_use]
pub(crate) fn prospect(pairs: &[Scaled], more: u32, pace: f64, side: Side) -> f64 {
    let best = wealth(pairs, 0.0, side).into_iter().fold(f64::NEG_INFINITY, f64::max);
    let won_a_pair = best / pairs.len().max(1) as f64;
    // The other bets have lost by then: the best is a share of the whole.
    best + pace * won_a_pair * f64::from(more) - (BETS.len() as f64).ln()
}

/// ln of what each bet has come to.
fn wealth(pairs: &[Scaled], shift: f64, side: Side) -> [f64; BETS.len()] {
    let mut wealth = [0.0; BETS.len()];
    for pair in pairs {
        let scaled = ((pair.log_ratio - shift) / pair.scale).clamp(-CLIP, CLIP);
        let toward = match side {
            Side::Above => scaled,
            Side::Below => -scaled,
        };
        for (wealth, bet) in wealth.iter_mut().zip(BETS) {
            *wealth += log_gain(bet * toward);
        }
    }
    wealth
}

/// ln(mean of exp(values)), without leaving the range of numbers.
fn log_mean_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = values.iter().map(|value| (value - largest).exp()).sum();
    largest + (sum / values.len() as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gain_is_that_of_the_definition_and_safe_beyond_it() {
        for x in [-20.0_f64, -1.5, -1e-9, 0.0, 0.3, 1.0, 15.0] {
            let plain = (x.exp() / x.cosh()).ln();
            assert!((log_gain(x) - plain).abs() < 1e-9, "{x}: {} against {plain}", log_gain(x));
        }
        assert!((log_gain(1e6) - std::f64::consts::LN_2).abs() < 1e-12);
        assert!((log_gain(-1e6) + 2e6).abs() < 1.0);
    }

    #[test]
    fn a_fair_pair_is_worth_one() {
        for x in [0.01, 0.5, 3.0, 40.0] {
            let mean = f64::midpoint(log_gain(x).exp(), log_gain(-x).exp());
            assert!((mean - 1.0).abs() < 1e-12, "{x}: {mean}");
        }
    }

    #[test]
    fn evidence_is_monotone_in_the_shift_and_mirrors() {
        let pairs: Vec<_> =
            [0.2, -0.1, 0.4, 7.0, 0.05].iter().map(|&log_ratio| Scaled { log_ratio, scale: 0.1 }).collect();
        let mirrored: Vec<_> =
            pairs.iter().map(|pair| Scaled { log_ratio: -pair.log_ratio, ..*pair }).collect();
        let mut last = f64::INFINITY;
        for step in -50..50 {
            let shift = f64::from(step) * 0.02;
            let now = log_evidence(&pairs, shift, Side::Above);
            assert!(now <= last + 1e-12, "{shift}");
            assert!((now - log_evidence(&mirrored, -shift, Side::Below)).abs() < 1e-12);
            last = now;
        }
    }

    #[test]
    fn no_pairs_are_no_evidence() {
        assert!(log_evidence(&[], 0.0, Side::Above).abs() < 1e-12);
    }
}
