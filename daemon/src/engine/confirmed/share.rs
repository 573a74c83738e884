//! How much of the time the default settings keep, so that what the incumbent gains over them stays known.
//!
//! A share s of the time under the default costs s·g/(1 + g) of the objective where the incumbent's gain is g: the
//! larger the gain, the dearer a look, and the fewer are needed to see it. The share is what costs [`PRICE`],
//! and never above [`MOST`]: where there is little to lose by looking, there is little to learn either.

use block_types::Nanos;
use serde::{Deserialize, Serialize};

/// The most that looking may cost, as a share of the objective.
pub(super) const PRICE: f64 = 0.02;
/// The most time that looking may take, whatever it costs.
pub(super) const MOST: f64 = 0.10;

/// The share of the time that the default settings get, where the incumbent's gain over them is `gain` (0.1 for
/// +10 %).
#[must_use]
pub(super) fn default_share(gain: f64) -> f64 {
    if gain.is_nan() || gain <= 0.0 {
        return MOST;
    }
    // As the gain grows without bound the share goes to the price itself.
    (PRICE * (1.0 + 1.0 / gain)).min(MOST)
}

/// How long the default settings were in force beside an incumbent, of how long altogether.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultTime {
    under_default: Nanos,
    in_all: Nanos,
}

impl DefaultTime {
    /// The incumbent, or a candidate, was in force for so long.
    pub fn elsewhere(&mut self, time: Nanos) {
        self.in_all += time;
    }

    /// The default settings were in force for so long.
    pub fn under_default(&mut self, time: Nanos) {
        self.under_default += time;
        self.in_all += time;
    }

    /// Whether a slice of the default that takes `time` keeps within the share that a gain leaves it.
    #[must_use]
    pub fn is_due(&self, gain: f64, time: Nanos) -> bool {
        let after = (self.under_default.0 + time.0) as f64;
        after <= default_share(gain) * (self.in_all.0 + time.0) as f64
    }

    /// The share of the time that the default settings had, 0‥1; `None` before anything was counted.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        (self.in_all > Nanos::ZERO).then(|| self.under_default.0 as f64 / self.in_all.0 as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_never_costs_more_than_its_price() {
        for gain in [0.01, 0.05, 0.1, 0.25, 0.3, 0.5, 1.0, 3.0, 20.0, 1e9] {
            let cost = default_share(gain) * gain / (1.0 + gain);
            assert!(cost <= PRICE + 1e-12, "{gain}: {cost}");
        }
        for gain in [0.3, 1.0, 20.0] {
            let cost = default_share(gain) * gain / (1.0 + gain);
            assert!((cost - PRICE).abs() < 1e-12, "the price is used up: {gain}: {cost}");
        }
        for odd in [0.0, -0.5, f64::NAN] {
            assert!((default_share(odd) - MOST).abs() < 1e-12, "{odd}");
        }
    }

    #[test]
    fn looks_keep_to_their_share_over_time() {
        let slice = Nanos::from_millis(6_000);
        let (mut time, mut looks) = (DefaultTime::default(), 0_u32);
        for _ in 0..10_000 {
            if time.is_due(1.0, slice) {
                time.under_default(slice);
                looks += 1;
            } else {
                time.elsewhere(slice);
            }
        }
        assert!((380..=400).contains(&looks), "{looks} of 10000 at a share of 4 %");
        assert!(time.share().unwrap() <= 0.04);
    }
}
