//! Sums of latencies.

/// Count, mean, least and greatest of a latency, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    count: u64,
    sum_ns: u128,
    range_ns: Option<(u64, u64)>,
}

impl Latency {
    /// Takes one latency in.
    pub fn add(&mut self, ns: u64) {
        self.count += 1;
        self.sum_ns += u128::from(ns);
        self.range_ns = Some(match self.range_ns {
            Some((least, greatest)) => (least.min(ns), greatest.max(ns)),
            None => (ns, ns),
        });
    }

    /// How many were taken in.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Their mean in nanoseconds; `None` without any.
    #[must_use]
    pub fn mean_ns(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_ns as f64 / self.count as f64)
    }

    /// The least, in nanoseconds.
    #[must_use]
    pub fn min_ns(&self) -> Option<u64> {
        self.range_ns.map(|(least, _)| least)
    }

    /// The greatest, in nanoseconds.
    #[must_use]
    pub fn max_ns(&self) -> Option<u64> {
        self.range_ns.map(|(_, greatest)| greatest)
    }
}
