//! The tail of the reads: which quantile can be spoken of, and how many reads it rests on.

use block_types::{LatencyHistogram, Nanos};
use serde::{Deserialize, Serialize};
use statrs::function::beta::beta_reg;

/// Reads on each side from which a pooled p99 is spoken of: the 20 slowest are then beyond it.
pub const READS_FOR_P99: u64 = 2_000;
/// Reads on each side from which a pooled p90 is spoken of: the 20 slowest are then beyond it.
pub const READS_FOR_P90: u64 = 200;

/// What stands for the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TailLevel {
    /// The mean, where there are too few reads for any quantile.
    Mean,
    /// The latency that 90 % of the reads do not exceed.
    P90,
    /// The latency that 99 % of the reads do not exceed.
    P99,
}

impl TailLevel {
    /// The highest level that both slices of one pair can tell: at p99 with 100 reads, at p90 with 20, the
    /// largest is just beyond the quantile. `None` where a side has no read.
    ///
    /// A function of the smaller side only, so that exchanging the arms does not change it.
    #[must_use]
    pub fn of_slices(child: &LatencyHistogram, control: &LatencyHistogram) -> Option<Self> {
        match child.count().min(control.count()) {
            0 => None,
            1..20 => Some(Self::Mean),
            20..100 => Some(Self::P90),
            _ => Some(Self::P99),
        }
    }

    /// The highest level that pooled reads can tell.
    #[must_use]
    pub const fn of_pool(reads_a_side: u64) -> Self {
        match reads_a_side {
            READS_FOR_P99.. => Self::P99,
            READS_FOR_P90.. => Self::P90,
            _ => Self::Mean,
        }
    }

    /// The share of reads that it is the bound of; `None` for the mean.
    const fn share(self) -> Option<f64> {
        match self {
            Self::Mean => None,
            Self::P90 => Some(0.90),
            Self::P99 => Some(0.99),
        }
    }

    /// Its value in the reads of one slice, for the score of a pair; `None` where nothing was counted.
    ///
    /// A quantile is estimated as Harrell and Davis (Biometrika 69, 1982) do: the mean of all order statistics,
    /// weighted by how probable it is that each is the quantile. With 100 reads the plain p99 is a single read, and
    /// jumps by the whole gap between quick and slow ones when one more or less is slow.
    #[must_use]
    pub fn of_slice(self, reads: &LatencyHistogram) -> Option<Nanos> {
        let count = reads.count();
        let Some(share) = self.share() else { return reads.mean() };
        if count == 0 {
            return None;
        }
        let (a, b) = ((count + 1) as f64 * share, (count + 1) as f64 * (1.0 - share));
        let (mut below, mut weight_below, mut value) = (0, 0.0, 0.0);
        for (index, &here) in reads.counts().iter().enumerate().filter(|&(_, &here)| here > 0) {
            below += here;
            let weight = if below == count { 1.0 } else { beta_reg(a, b, below as f64 / count as f64) };
            let (low, high) = LatencyHistogram::bounds(index);
            value += (weight - weight_below) * f64::midpoint(low.0 as f64, high.0 as f64);
            weight_below = weight;
        }
        Some(Nanos(value as u64))
    }

    /// Its value in a histogram; `None` where nothing was counted.
    #[must_use]
    pub fn of(self, reads: &LatencyHistogram) -> Option<Nanos> {
        match self.share() {
            None => reads.mean(),
            Some(share) => reads.quantile(share),
        }
    }
}

/// The reads of both arms, pooled over all finished pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailPool {
    child: LatencyHistogram,
    control: LatencyHistogram,
}

/// What a pool of reads tells about the tail, and on how many reads it rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PooledTail {
    /// p99, or what stands for it.
    pub level: TailLevel,
    /// Of the child's reads.
    pub child: Nanos,
    /// Of the control's reads.
    pub control: Nanos,
    /// How many reads the child's figure rests on.
    pub child_reads: u64,
    /// How many reads the control's figure rests on.
    pub control_reads: u64,
}

impl TailPool {
    /// Adds the reads of a finished pair.
    pub fn add(&mut self, child: &LatencyHistogram, control: &LatencyHistogram) {
        self.child.add(child);
        self.control.add(control);
    }

    /// The tail of both arms; `None` before both have a read.
    #[must_use]
    pub fn tail(&self) -> Option<PooledTail> {
        let (child_reads, control_reads) = (self.child.count(), self.control.count());
        let level = TailLevel::of_pool(child_reads.min(control_reads));
        Some(PooledTail {
            level,
            child: level.of(&self.child)?,
            control: level.of(&self.control)?,
            child_reads,
            control_reads,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(count: u64, ms: u64) -> LatencyHistogram {
        let mut histogram = LatencyHistogram::default();
        (0..count).for_each(|_| histogram.record(Nanos::from_millis(ms)));
        histogram
    }

    #[test]
    fn the_pool_says_which_quantile_it_can_tell() {
        let mut pool = TailPool::default();
        assert_eq!(pool.tail(), None);
        pool.add(&reads(100, 5), &reads(5_000, 10));
        assert_eq!(pool.tail().unwrap().level, TailLevel::Mean);
        pool.add(&reads(1_899, 5), &reads(5_000, 10));
        assert_eq!(pool.tail().unwrap().level, TailLevel::P90);
        pool.add(&reads(1, 5), &LatencyHistogram::default());
        let tail = pool.tail().unwrap();
        assert_eq!((tail.level, tail.child_reads, tail.control_reads), (TailLevel::P99, 2_000, 10_000));
        assert!(tail.child < tail.control);
    }

    #[test]
    fn the_quantile_of_many_reads_is_the_plain_one_and_that_of_few_does_not_jump() {
        let mut many = LatencyHistogram::default();
        (1..=20_000).for_each(|step| many.record(Nanos(step * 1_000)));
        let (smooth, plain) = (TailLevel::P99.of_slice(&many).unwrap(), TailLevel::P99.of(&many).unwrap());
        assert!((smooth.0 as f64 / plain.0 as f64 - 1.0).abs() < 0.03, "{smooth} against {plain}");

        let few = |slow: u64| {
            let mut reads = reads(100 - slow, 3);
            reads.add(&self::reads(slow, 60));
            TailLevel::P99.of_slice(&reads).unwrap().0 as f64
        };
        assert!(few(1) < few(2) && few(2) < few(3), "more slow reads, a longer tail");
        assert!(few(2) / few(1) < 2.0, "{} {}", few(1), few(2));
        assert_eq!(TailLevel::P99.of_slice(&LatencyHistogram::default()), None);
    }

    #[test]
    fn the_smaller_side_decides_for_a_pair() {
        assert_eq!(TailLevel::of_slices(&reads(0, 1), &reads(500, 1)), None);
        assert_eq!(TailLevel::of_slices(&reads(500, 1), &reads(19, 1)), Some(TailLevel::Mean));
        assert_eq!(TailLevel::of_slices(&reads(99, 1), &reads(500, 1)), Some(TailLevel::P90));
        assert_eq!(TailLevel::of_slices(&reads(100, 1), &reads(500, 1)), Some(TailLevel::P99));
    }
}
