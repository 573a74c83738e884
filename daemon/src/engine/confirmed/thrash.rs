//! Protection from thrashing: a workload that flips for ever must not have settings written for ever.
//!
//! Following a change of fingerprint costs a token; tokens come back at a fixed rate. With none left the loop stops
//! following: it takes the changing workload for one of its own kind, the unsteady one, until it has been calm for a
//! while. A mix of work that lies between two fingerprints looks just so, and deserves to be tuned as what it is.

use block_types::Nanos;

/// How many changes may be followed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ThrashLimits {
    /// How many in a row.
    pub(super) burst: u32,
    /// How many a minute in the long run.
    pub(super) per_minute: u32,
    /// How long without a change counts as calm.
    pub(super) calm: Nanos,
}

impl Default for ThrashLimits {
    /// Eight in a row, six a minute, calm after 30 s.
    fn default() -> Self {
        Self { burst: 8, per_minute: 6, calm: Nanos::from_millis(30_000) }
    }
}

/// What to do about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// Put what suits the new workload in force.
    Follow,
    /// Too many: take what changes so for one kind of work.
    Settle,
    /// Still too many: nothing changes.
    Stay,
}

/// Counts changes.
#[derive(Clone, Debug)]
pub(super) struct Thrash {
    limits: ThrashLimits,
    tokens: f64,
    at: Nanos,
    /// The last change since the loop settled; `None` while it follows.
    settled: Option<Nanos>,
}

impl Thrash {
    /// With all tokens there.
    #[must_use]
    pub(super) fn new(limits: ThrashLimits) -> Self {
        Self { limits, tokens: f64::from(limits.burst), at: Nanos::ZERO, settled: None }
    }

    /// A change was confirmed.
    pub(super) fn changed(&mut self, now: Nanos) -> Ruling {
        self.refill(now);
        if let Some(last) = &mut self.settled {
            *last = now;
            return Ruling::Stay;
        }
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ruling::Follow;
        }
        self.settled = Some(now);
        Ruling::Settle
    }

    /// Whether it has become calm; [`Self::reset`] follows again.
    pub(super) fn is_calm(&self, now: Nanos) -> bool {
        self.settled.is_some_and(|last| now.saturating_sub(last) >= self.limits.calm)
    }

    /// Whether the loop has stopped following.
    #[must_use]
    pub(super) const fn is_settled(&self) -> bool {
        self.settled.is_some()
    }

    /// Follows again.
    pub(super) fn reset(&mut self) {
        self.settled = None;
    }

    fn refill(&mut self, now: Nanos) {
        let minutes = now.saturating_sub(self.at).as_secs_f64() / 60.0;
        self.at = self.at.max(now);
        self.tokens =
            (self.tokens + minutes * f64::from(self.limits.per_minute)).min(f64::from(self.limits.burst));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Nanos {
        Nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_flip_every_two_seconds_is_followed_a_few_times_and_then_not() {
        let mut thrash = Thrash::new(ThrashLimits::default());
        let rulings: Vec<Ruling> = (0..300).map(|flip| thrash.changed(at(2 * flip))).collect();
        let followed = rulings.iter().filter(|ruling| **ruling == Ruling::Follow).count();
        assert!((8..=11).contains(&followed), "{followed}");
        assert_eq!(rulings.iter().filter(|ruling| **ruling == Ruling::Settle).count(), 1);
        assert!(!thrash.is_calm(at(2 * 299 + 29)));
        assert!(thrash.is_calm(at(2 * 299 + 30)));
        thrash.reset();
        assert!(!thrash.is_calm(at(2 * 299 + 31)));
        assert_eq!(thrash.changed(at(640)), Ruling::Follow);
    }

    #[test]
    fn a_change_every_minute_is_always_followed() {
        let mut thrash = Thrash::new(ThrashLimits::default());
        assert!((0..1_000).all(|minute| thrash.changed(at(60 * minute)) == Ruling::Follow));
    }
}
