//! Noise of slices: what their log scores do besides what the setting does.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StudentT};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kinds of noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseKind {
    /// Independent normal noise, SD 10 %.
    Gaussian,
    /// Independent noise of Student's t with 3 degrees of freedom, scaled to an SD of 10 %.
    HeavyTailed,
    /// [`Self::Drifting`], and 5 % of the slices stall: they keep between 5 % and 50 % of their score.
    Stalled,
    /// A first-order autoregressive drift (coefficient 0.9, SD 15 %) and slice noise of 6 %.
    Drifting,
}

impl NoiseKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gaussian, Self::HeavyTailed, Self::Stalled, Self::Drifting];
}

impl fmt::Display for NoiseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gaussian => "gaussian",
            Self::HeavyTailed => "heavy-tailed",
            Self::Stalled => "stalled",
            Self::Drifting => "drifting",
        })
    }
}

const DRIFT_KEEPS: f64 = 0.9;
const DRIFT_SD: f64 = 0.15;
const SLICE_SD: f64 = 0.06;

/// A source of noise: one log score a slice, in time order.
#[derive(Clone, Debug)]
pub struct Noise {
    kind: NoiseKind,
    drift: f64,
    /// What other draws of the same simulated disk come from.
    pub(super) rng: ChaCha8Rng,
}

impl Noise {
    /// A source of a seed; sources of different streams are independent.
    #[must_use]
    pub fn new(kind: NoiseKind, seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        let drift = DRIFT_SD * normal(&mut rng);
        Self { kind, drift, rng }
    }

    /// The noise of the next slice, in natural logarithms.
    pub fn next_slice(&mut self) -> f64 {
        match self.kind {
            NoiseKind::Gaussian => 0.1 * normal(&mut self.rng),
            // The SD of a t with 3 degrees of freedom is √3.
            NoiseKind::HeavyTailed => StudentT::new(3.0)
                .map_or(0.0, |t: StudentT<f64>| 0.1 / 3.0_f64.sqrt() * t.sample(&mut self.rng)),
            NoiseKind::Drifting => self.drifting(),
            NoiseKind::Stalled => {
                let stall =
                    if self.rng.random_bool(0.05) { self.rng.random_range(0.05_f64..0.5).ln() } else { 0.0 };
                self.drifting() + stall
            }
        }
    }

    fn drifting(&mut self) -> f64 {
        let innovation = DRIFT_SD * (1.0 - DRIFT_KEEPS * DRIFT_KEEPS).sqrt();
        self.drift = DRIFT_KEEPS * self.drift + innovation * normal(&mut self.rng);
        self.drift + SLICE_SD * normal(&mut self.rng)
    }
}

pub(super) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}
