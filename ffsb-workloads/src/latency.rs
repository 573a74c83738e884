//! How long system calls take.

use crate::profile::{LatencyRange, Stats, Syscall};
use std::time::{Duration, Instant};

/// The calls of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallLatency {
    /// How many.
    pub calls: u64,
    /// All of them together.
    pub total: Duration,
    /// The shortest; zero where there was none.
    pub min: Duration,
    /// The longest; zero where there was none.
    pub max: Duration,
    /// How many fell into each range of the profile.
    pub in_range: Vec<u64>,
}

impl CallLatency {
    fn add(&mut self, took: Duration, ranges: &[LatencyRange]) {
        self.min = if self.calls == 0 { took } else { self.min.min(took) };
        self.max = self.max.max(took);
        self.calls += 1;
        self.total += took;
        let took_ms = took.as_secs_f64() * 1e3;
        for (count, range) in self.in_range.iter_mut().zip(ranges) {
            *count += u64::from(took_ms >= range.from_ms && took_ms < range.to_ms);
        }
    }

    fn merge(&mut self, other: &Self) {
        if other.calls == 0 {
            return;
        }
        self.min = if self.calls == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.calls += other.calls;
        self.total += other.total;
        for (count, more) in self.in_range.iter_mut().zip(&other.in_range) {
            *count += more;
        }
    }

    /// The mean; `None` where there was no call.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        (self.calls > 0).then(|| self.total.div_f64(self.calls as f64))
    }
}

/// The calls of every kind that `[stats]` asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Latencies {
    ranges: Vec<LatencyRange>,
    kinds: Vec<Option<CallLatency>>,
}

impl Latencies {
    /// Empty; `None` where nothing is asked for.
    #[must_use]
    pub fn new(stats: Option<&Stats>) -> Option<Self> {
        let stats = stats.filter(|stats| stats.enabled)?;
        let ranges = if stats.ranges_enabled { stats.ranges.clone() } else { Vec::new() };
        let fresh = CallLatency { in_range: vec![0; ranges.len()], ..CallLatency::default() };
        let kinds =
            Syscall::ALL.iter().map(|call| (!stats.ignored.contains(call)).then(|| fresh.clone())).collect();
        Some(Self { ranges, kinds })
    }

    /// Does a call and measures it, unless it is ignored.
    pub fn measure<T>(&mut self, call: Syscall, work: impl FnOnce() -> T) -> T {
        let Some(Some(kind)) = self.kinds.get_mut(call.index()) else {
            return work();
        };
        let begun = Instant::now();
        let result = work();
        kind.add(begun.elapsed(), &self.ranges);
        result
    }

    /// Adds those of another thread of the same group.
    pub fn merge(&mut self, other: &Self) {
        for (kind, more) in self.kinds.iter_mut().zip(&other.kinds) {
            if let (Some(kind), Some(more)) = (kind, more) {
                kind.merge(more);
            }
        }
    }

    /// What was measured of each kind; kinds that are ignored are left out.
    pub fn kinds(&self) -> impl Iterator<Item = (Syscall, &CallLatency)> {
        Syscall::ALL.iter().zip(&self.kinds).filter_map(|(call, kind)| Some((*call, kind.as_ref()?)))
    }

    /// The ranges that are counted.
    #[must_use]
    pub fn ranges(&self) -> &[LatencyRange] {
        &self.ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_lower_bound_and_may_overlap() {
        let range = |from_ms, to_ms| LatencyRange { from_ms, to_ms };
        let ranges = [range(0.0, 1.0), range(1.0, 2.0), range(0.5, 10.0)];
        let mut call = CallLatency { in_range: vec![0; 3], ..CallLatency::default() };
        for micros in [200, 998, 1000, 1502, 2000, 20_000] {
            call.add(Duration::from_micros(micros), &ranges);
        }
        assert_eq!(call.in_range, [2, 2, 4]);
        assert_eq!(
            (call.calls, call.min, call.max),
            (6, Duration::from_micros(200), Duration::from_millis(20))
        );
        assert_eq!(call.mean(), Some(Duration::from_nanos(25_700_000 / 6)));
    }

    #[test]
    fn merging_an_empty_thread_changes_nothing() {
        let stats = Stats { enabled: true, ignored: vec![Syscall::Close], ..Stats::default() };
        let mut one = Latencies::new(Some(&stats)).unwrap();
        one.measure(Syscall::Open, || std::thread::sleep(Duration::from_millis(1)));
        one.measure(Syscall::Close, || ());
        let before = one.clone();
        one.merge(&Latencies::new(Some(&stats)).unwrap());
        assert_eq!(one, before);
        assert_eq!(one.kinds().count(), Syscall::ALL.len() - 1);
        let mut empty = Latencies::new(Some(&stats)).unwrap();
        empty.merge(&one);
        assert_eq!(empty, one, "the minimum is not that of an empty thread");
        assert!(Latencies::new(Some(&Stats::default())).is_none());
    }
}
