//! The third test of the guard: nothing completes although requests wait.
//!
//! A mean tells little of a queue that stands still, because nothing adds to it, and the oldest age is held to a
//! multiple of the longest wait there was, which on a disk with heads is seconds. But a busy disk completes *something*
//! all the time, so that a standstill shows itself soon. (Linux 6.18, mq-deadline with eight requests under a flood of
//! random writes: write_expire=100 stops the queue for as long as it is in force.)
//!
//! The bound is that of the oldest age, for the same reason: where standstills have a tail of index 2 the longest of a
//! slice exceeds f times the longest of n with probability 1/(1 + n·f²).

use block_types::Nanos;
use std::collections::VecDeque;

/// The longest standstills of the last control slices.
#[derive(Clone, Debug, Default)]
pub(super) struct Standstills {
    memory: VecDeque<Nanos>,
}

/// A slice's standstills so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standstill {
    bound: Option<Nanos>,
    since: Option<Nanos>,
    longest: Nanos,
}

/// A shorter one never aborts a slice: a drive may empty its cache, or a processor be taken away.
const LEAST: Nanos = Nanos::from_millis(500);
/// A longer one always may exceed the longest seen by this factor.
const LEAST_FACTOR: f64 = 1.5;
const MEMORY: usize = 64;

impl Standstills {
    /// Begins a slice; an identical setting exceeds its bound with a probability of `share`.
    pub(super) fn watch(&self, share: f64) -> Standstill {
        let bound = self.memory.iter().max().map(|longest| {
            let factor = ((1.0 / share - 1.0) / self.memory.len() as f64).sqrt().max(LEAST_FACTOR);
            Nanos((longest.0 as f64 * factor) as u64).max(LEAST)
        });
        Standstill { bound, since: None, longest: Nanos::ZERO }
    }

    /// Learns from a control slice that is over.
    pub(super) fn learn(&mut self, slice: &Standstill) {
        if self.memory.len() >= MEMORY {
            self.memory.pop_front();
        }
        self.memory.push_back(slice.longest);
    }

    pub(super) fn forget(&mut self) {
        self.memory.clear();
    }
}

impl Standstill {
    /// Looks: whether anything completed since the last look, and whether anything waits. Answers a standstill that is
    /// beyond its bound, and the bound.
    pub(super) fn look(
        &mut self,
        last: Nanos,
        now: Nanos,
        completed: bool,
        waits: bool,
    ) -> Option<(Nanos, Nanos)> {
        if completed || !waits {
            self.since = None;
            return None;
        }
        let stood = now - *self.since.get_or_insert(last);
        self.longest = self.longest.max(stood);
        self.bound.filter(|bound| stood > *bound).map(|bound| (stood, bound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Nanos {
        Nanos::from_millis(ms)
    }

    #[test]
    fn a_standstill_ends_a_slice_and_idleness_does_not() {
        let mut memory = Standstills::default();
        assert!(
            memory.watch(0.005).look(ms(0), ms(60_000), false, true).is_none(),
            "nothing to compare with"
        );
        memory.learn(&memory.watch(0.005));
        let mut slice = memory.watch(0.005);
        assert!(slice.look(ms(0), ms(400), false, true).is_none());
        assert!(slice.look(ms(400), ms(600), true, true).is_none());
        assert!(slice.look(ms(600), ms(1_100), false, true).is_none(), "it began anew");
        assert_eq!(slice.look(ms(1_100), ms(1_200), false, true), Some((ms(600), ms(500))));
        assert!(memory.watch(0.005).look(ms(0), ms(60_000), false, false).is_none());
    }

    #[test]
    fn what_is_usual_is_no_standstill() {
        let mut memory = Standstills::default();
        for stood in [100, 300, 200] {
            let mut slice = memory.watch(0.005);
            slice.look(ms(0), ms(stood), false, true);
            memory.learn(&slice);
        }
        // f = √(199/3) = 8.1.
        let mut slice = memory.watch(0.005);
        assert!(slice.look(ms(0), ms(2_400), false, true).is_none());
        assert!(slice.look(ms(2_400), ms(2_500), false, true).is_some());
    }
}
