//! How far from the incumbent, and how often, to explore: less after harm, more after gains.

use block_types::Nanos;
use serde::{Deserialize, Serialize};

/// The region around the incumbent from which candidates may come.
///
/// Distances are the largest over all knobs of |difference| on the knob's own scale, where 1 is its whole range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrustRegion {
    radius: f64,
}

impl Default for TrustRegion {
    fn default() -> Self {
        Self { radius: Self::FIRST }
    }
}

impl TrustRegion {
    /// The radius to begin with, as a share of each knob's range.
    pub const FIRST: f64 = 0.25;
    /// It never shrinks below this: the search could not leave a bad incumbent.
    pub const LEAST: f64 = 0.05;

    /// How far candidates may lie from the incumbent, above 0 and at most 1.
    #[must_use]
    pub const fn radius(&self) -> f64 {
        self.radius
    }

    /// Whether a candidate lies inside; both in shares of the knobs' ranges. One with another number of knobs, or
    /// with a value that is no number, does not.
    #[must_use]
    pub fn admits(&self, incumbent: &[f64], candidate: &[f64]) -> bool {
        incumbent.len() == candidate.len()
            && incumbent.iter().zip(candidate).all(|(a, b)| (a - b).abs() <= self.radius)
    }

    /// A setting inside was taken back by the guard: half the radius.
    pub fn violated(&mut self) {
        self.radius = (self.radius / 2.0).max(Self::LEAST);
    }

    /// A campaign found nothing, and nothing did harm: the gain may lie further away.
    pub fn found_nothing(&mut self) {
        self.radius = (self.radius * 1.5).min(1.0);
    }

    /// A candidate was promoted: around it the search begins anew.
    pub fn promoted(&mut self) {
        self.radius = self.radius.max(Self::FIRST);
    }
}

/// How long to leave the disk alone between campaigns: the pause doubles while they find nothing, and twice that for
/// each violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackOff {
    first: Nanos,
    longest: Nanos,
    level: u32,
}

impl BackOff {
    /// Pauses from `first` to `longest`.
    #[must_use]
    pub const fn new(first: Nanos, longest: Nanos) -> Self {
        Self { first, longest, level: 0 }
    }

    /// How long to pause before the next campaign; nothing before anything went wrong.
    #[must_use]
    pub fn pause(&self) -> Nanos {
        match self.level.checked_sub(1) {
            None => Nanos::ZERO,
            Some(doublings) => {
                let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
                Nanos(self.first.0.saturating_mul(factor)).min(self.longest)
            }
        }
    }

    /// A campaign found nothing.
    pub const fn found_nothing(&mut self) {
        self.level = self.level.saturating_add(1);
    }

    /// The guard took a setting back.
    pub const fn violated(&mut self) {
        self.level = self.level.saturating_add(2);
    }

    /// A candidate was promoted, or the workload changed to one that was not searched yet: there is something to find.
    pub const fn reset(&mut self) {
        self.level = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_shrinks_after_harm_and_never_closes() {
        let mut region = TrustRegion::default();
        assert!(region.admits(&[0.5, 0.5], &[0.7, 0.4]));
        region.violated();
        assert!(!region.admits(&[0.5, 0.5], &[0.7, 0.4]));
        (0..20).for_each(|_| region.violated());
        assert!(region.admits(&[0.5], &[0.54]));
        (0..20).for_each(|_| region.found_nothing());
        assert!(region.admits(&[0.0], &[1.0]));
        assert!(!region.admits(&[0.0], &[f64::NAN]) && !region.admits(&[0.0], &[]));
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut back_off = BackOff::new(Nanos(10), Nanos(1_000));
        assert_eq!(back_off.pause(), Nanos::ZERO);
        back_off.found_nothing();
        assert_eq!(back_off.pause(), Nanos(10));
        back_off.violated();
        assert_eq!(back_off.pause(), Nanos(40));
        (0..200).for_each(|_| back_off.violated());
        assert_eq!(back_off.pause(), Nanos(1_000));
        back_off.reset();
        assert_eq!(back_off.pause(), Nanos::ZERO);
    }
}
