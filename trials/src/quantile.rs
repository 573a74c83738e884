//! The tail of the reads: which quantile can be spoken of, and how many reads it rests on.

use block_types::{LatencyHistogram, Nanos};
use serde::{Deserialize, Serialize};

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

    /// Its value in a histogram; `None` where nothing was counted.
    #[must_use]
    pub fn of(self, reads: &LatencyHistogram) -> Option<Nanos> {
        match self {
            Self::Mean => reads.mean(),
            Self::P90 => reads.quantile(0.90),
            Self::P99 => reads.quantile(0.99),
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
    fn the_smaller_side_decides_for_a_pair() {
        assert_eq!(TailLevel::of_slices(&reads(0, 1), &reads(500, 1)), None);
        assert_eq!(TailLevel::of_slices(&reads(500, 1), &reads(19, 1)), Some(TailLevel::Mean));
        assert_eq!(TailLevel::of_slices(&reads(99, 1), &reads(500, 1)), Some(TailLevel::P90));
        assert_eq!(TailLevel::of_slices(&reads(100, 1), &reads(500, 1)), Some(TailLevel::P99));
    }
}
