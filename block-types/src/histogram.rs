//! A log-linear latency histogram, shared with the kernel side.

use crate::Nanos;
use serde::{Deserialize, Serialize};

/// Sub-buckets to each octave: 16, so that a bucket is at most 1/16 of its lower bound wide and the middle of
/// a bucket is within 3.2 % of any value in it.
const SUB_BITS: u32 = 4;
const SUB: u64 = 1 << SUB_BITS;
/// Values are kept in units of 256 ns (shift 8): below that, one bucket.
const UNIT_SHIFT: u32 = 8;
/// Octaves above the linear part: reaches 2^(8+4+28) ns, about 18 minutes; longer waits share the last bucket.
const OCTAVES: usize = 28;

/// Counts of latencies in log-linear buckets, with the exact sum beside them.
///
/// Buckets 0‥15 are linear in steps of 256 ns; each further octave has 16. The BPF program computes the same
/// index (`sampler/src/bpf/`), and a test holds the two together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyHistogram {
    counts: Vec<u64>,
    sum_ns: u128,
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self { counts: vec![0; Self::BUCKETS], sum_ns: 0 }
    }
}

impl LatencyHistogram {
    /// How many buckets there are.
    pub const BUCKETS: usize = (OCTAVES + 1) * SUB as usize;

    /// The bucket of a latency.
    #[must_use]
    pub const fn index(latency: Nanos) -> usize {
        let units = latency.0 >> UNIT_SHIFT;
        if units < SUB {
            return units as usize;
        }
        // `units` has its highest bit at `top` ≥ SUB_BITS; the next SUB_BITS bits choose the sub-bucket.
        let top = 63 - units.leading_zeros();
        let octave = (top - SUB_BITS) as usize;
        let sub = ((units >> (top - SUB_BITS)) & (SUB - 1)) as usize;
        let index = (octave + 1) * SUB as usize + sub;
        if index < Self::BUCKETS { index } else { Self::BUCKETS - 1 }
    }

    /// The half-open range of latencies that a bucket holds; the last one also holds everything longer.
    #[must_use]
    pub const fn bounds(index: usize) -> (Nanos, Nanos) {
        let sub = SUB as usize;
        if index < sub {
            return (Nanos((index as u64) << UNIT_SHIFT), Nanos((index as u64 + 1) << UNIT_SHIFT));
        }
        let octave = (index / sub - 1) as u32;
        let low = (SUB + (index % sub) as u64) << octave;
        let high = (SUB + (index % sub) as u64 + 1) << octave;
        (Nanos(low << UNIT_SHIFT), Nanos(high << UNIT_SHIFT))
    }

    /// From counts as the kernel side keeps them; `None` unless there are exactly [`Self::BUCKETS`].
    #[must_use]
    pub fn from_counts(counts: Vec<u64>, sum_ns: u128) -> Option<Self> {
        (counts.len() == Self::BUCKETS).then_some(Self { counts, sum_ns })
    }

    /// Counts one latency.
    pub fn record(&mut self, latency: Nanos) {
        self.counts[Self::index(latency)] += 1;
        self.sum_ns += u128::from(latency.0);
    }

    /// Adds what another histogram counted.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.sum_ns += other.sum_ns;
    }

    /// What was counted since `earlier`; `None` where any counter went backwards.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        let counts = self
            .counts
            .iter()
            .zip(&earlier.counts)
            .map(|(now, then)| now.checked_sub(*then))
            .collect::<Option<Vec<_>>>()?;
        Some(Self { counts, sum_ns: self.sum_ns.checked_sub(earlier.sum_ns)? })
    }

    /// How many latencies were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all latencies, exact.
    #[must_use]
    pub const fn sum_ns(&self) -> u128 {
        self.sum_ns
    }

    /// The mean, exact; `None` where nothing was counted.
    #[must_use]
    pub fn mean(&self) -> Option<Nanos> {
        let count = self.count();
        (count > 0).then(|| Nanos(u64::try_from(self.sum_ns / u128::from(count)).unwrap_or(u64::MAX)))
    }

    /// The latency that a share `q` (0‥1) of the samples does not exceed, interpolated inside its bucket;
    /// `None` where nothing was counted or `q` is out of range.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Nanos> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = (q * count as f64).max(1.0);
        let mut below = 0_u64;
        for (index, &here) in self.counts.iter().enumerate() {
            if here > 0 && (below + here) as f64 >= rank {
                let (low, high) = Self::bounds(index);
                let share = (rank - below as f64) / here as f64;
                return Some(Nanos(low.0 + ((high.0 - low.0) as f64 * share) as u64));
            }
            below += here;
        }
        None
    }

    /// The bucket counts, for publication.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_starts_where_the_one_before_ends() {
        for index in 1..LatencyHistogram::BUCKETS {
            assert_eq!(LatencyHistogram::bounds(index - 1).1, LatencyHistogram::bounds(index).0, "{index}");
        }
    }

    #[test]
    fn a_value_lies_in_the_bounds_of_its_bucket() {
        for shift in 0..40 {
            for value in [1_u64 << shift, (1 << shift) + 1, (1 << shift) * 3 / 2, (2 << shift) - 1] {
                let (low, high) = LatencyHistogram::bounds(LatencyHistogram::index(Nanos(value)));
                assert!((low.0..high.0).contains(&value), "{value} is not in {low:?}‥{high:?}");
            }
        }
        assert_eq!(LatencyHistogram::index(Nanos(u64::MAX)), LatencyHistogram::BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_within_five_per_cent() {
        let mut histogram = LatencyHistogram::default();
        for value in 1..=10_000_u64 {
            histogram.record(Nanos(value * 10_000));
        }
        for (q, expected) in [(0.5, 50e6), (0.9, 90e6), (0.99, 99e6), (0.999, 99.9e6)] {
            let found = histogram.quantile(q).unwrap().0 as f64;
            assert!((found / expected - 1.0).abs() < 0.05, "p{q}: {found} against {expected}");
        }
        assert_eq!(histogram.mean(), Some(Nanos(50_005_000)));
        assert_eq!(LatencyHistogram::default().quantile(0.5), None);
        assert_eq!(histogram.quantile(1.5), None);
    }

    #[test]
    fn a_difference_of_histograms_undoes_an_addition() {
        let (mut early, mut late) = (LatencyHistogram::default(), LatencyHistogram::default());
        early.record(Nanos(5_000));
        late.record(Nanos(7_000_000));
        let mut both = early.clone();
        both.add(&late);
        assert_eq!(both.since(&early), Some(late));
        assert_eq!(early.since(&both), None);
    }
}
