//! What was asked of a disk in some period.

use crate::{Class, Gap, IoType, Pattern, Rule, Size, Thresholds};
use block_types::{Bytes, Op, Sectors};
use serde::{Deserialize, Serialize};

/// Buckets of [`Snapshot::size_log2`].
pub const SIZE_BUCKETS: usize = 16;
/// Buckets of [`Snapshot::gap_log2`].
pub const GAP_BUCKETS: usize = 48;

/// One data bio (read or write with data) as a snapshot counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataBio {
    /// Whether it writes.
    pub write: bool,
    /// Its length; above zero.
    pub sectors: Sectors,
    /// Whether somebody waits for it.
    pub sync: bool,
    /// How far it starts from what came before, from [`StreamTable::observe`](crate::StreamTable::observe).
    pub gap: Gap,
}

/// Counts and sums over a period: a window, a child's slice, a generation, or since a source was opened.
///
/// Sums and not running means, so that [`consolidate`](Self::consolidate) is exact, associative and
/// commutative: `n` children consolidated are one snapshot of everything. Sums saturate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Data bios that read.
    pub reads: u64,
    /// Data bios that write.
    pub writes: u64,
    /// Sectors that the reads asked for.
    pub read_sectors: u64,
    /// Sectors that the writes carried.
    pub write_sectors: u64,
    /// Data bios that started near (25 sectors) one of the 16 remembered stream ends.
    pub near: u64,
    /// Data bios whose gap and distance are known: all but the first after sampling began or resumed.
    pub gaps: u64,
    /// Sum of the distances from the nearest stream end (ours), sectors.
    pub gap_sum_sectors: u128,
    /// Sum of |sector − previous sector|, start to start (paper), sectors.
    pub distance_sum_sectors: u128,
    /// Data bios that somebody waits for.
    pub sync: u64,
    /// Flushes.
    pub flushes: u64,
    /// Discards and secure erases.
    pub discards: u64,
    /// Every other operation: write-zeroes, zone management, driver-private.
    pub others: u64,
    /// Data bios by size: bucket ⌊log2(sectors)⌋, the last one also holds everything larger.
    pub size_log2: [u64; SIZE_BUCKETS],
    /// Known gaps by distance from the nearest stream end: bucket 0 holds 0, bucket `b` ⌊log2(sectors)⌋ + 1,
    /// the last one also everything farther.
    #[serde(with = "buckets")]
    pub gap_log2: [u64; GAP_BUCKETS],
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            reads: 0,
            writes: 0,
            read_sectors: 0,
            write_sectors: 0,
            near: 0,
            gaps: 0,
            gap_sum_sectors: 0,
            distance_sum_sectors: 0,
            sync: 0,
            flushes: 0,
            discards: 0,
            others: 0,
            size_log2: [0; SIZE_BUCKETS],
            gap_log2: [0; GAP_BUCKETS],
        }
    }
}

impl Snapshot {
    /// Back to nothing counted, for the next period.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Counts one data bio; it is near if its gap is at most `near`.
    pub fn update(&mut self, bio: &DataBio, near: Sectors) {
        let (count, sectors) = if bio.write {
            (&mut self.writes, &mut self.write_sectors)
        } else {
            (&mut self.reads, &mut self.read_sectors)
        };
        *count += 1;
        *sectors = sectors.saturating_add(bio.sectors.0);
        self.sync += u64::from(bio.sync);
        self.size_log2[Self::size_bucket(bio.sectors)] += 1;
        if let (Some(nearest), Some(distance)) = (bio.gap.nearest, bio.gap.distance) {
            self.gaps += 1;
            self.near += u64::from(nearest <= near);
            self.gap_sum_sectors += u128::from(nearest.0);
            self.distance_sum_sectors += u128::from(distance.0);
            self.gap_log2[Self::gap_bucket(nearest)] += 1;
        }
    }

    /// Counts an operation that moves no data; data operations are counted by [`update`](Self::update) only and
    /// ignored here.
    pub fn count_other(&mut self, op: Op) {
        match op {
            Op::Read | Op::Write => {}
            Op::Flush => self.flushes += 1,
            Op::Discard => self.discards += 1,
            Op::WriteZeroes | Op::Zone | Op::Other => self.others += 1,
        }
    }

    /// Adds what another snapshot counted: a child's into the generation's, a window's into a slice's.
    pub fn consolidate(&mut self, other: &Self) {
        self.combine(
            other,
            |mine, theirs| Some(mine.saturating_add(theirs)),
            |mine, theirs| Some(mine.saturating_add(theirs)),
        );
    }

    /// What was counted since `earlier`, if both are readings of one cumulative snapshot; `None` where any
    /// counter went backwards, because then it was reset in between.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        let mut difference = self.clone();
        let forward = difference.combine(earlier, u64::checked_sub, u128::checked_sub);
        forward.then_some(difference)
    }

    /// Combines every counter and sum with another snapshot's; answers whether all of them could be. The pattern
    /// names every field, so that a new one cannot be forgotten here.
    fn combine(
        &mut self,
        theirs: &Self,
        counter: impl Fn(u64, u64) -> Option<u64>,
        sum: impl Fn(u128, u128) -> Option<u128>,
    ) -> bool {
        let Self {
            reads,
            writes,
            read_sectors,
            write_sectors,
            near,
            gaps,
            gap_sum_sectors,
            distance_sum_sectors,
            sync,
            flushes,
            discards,
            others,
            size_log2,
            gap_log2,
        } = self;
        let counters = [
            (reads, theirs.reads),
            (writes, theirs.writes),
            (read_sectors, theirs.read_sectors),
            (write_sectors, theirs.write_sectors),
            (near, theirs.near),
            (gaps, theirs.gaps),
            (sync, theirs.sync),
            (flushes, theirs.flushes),
            (discards, theirs.discards),
            (others, theirs.others),
        ];
        let buckets =
            size_log2.iter_mut().zip(theirs.size_log2).chain(gap_log2.iter_mut().zip(theirs.gap_log2));
        let sums =
            [(gap_sum_sectors, theirs.gap_sum_sectors), (distance_sum_sectors, theirs.distance_sum_sectors)];
        let mut all = true;
        for (mine, theirs) in counters.into_iter().chain(buckets) {
            let combined = counter(*mine, theirs);
            *mine = combined.unwrap_or(*mine);
            all &= combined.is_some();
        }
        for (mine, theirs) in sums {
            let combined = sum(*mine, theirs);
            *mine = combined.unwrap_or(*mine);
            all &= combined.is_some();
        }
        all
    }

    /// The bucket of [`size_log2`](Self::size_log2) for a bio of so many sectors.
    #[must_use]
    pub const fn size_bucket(sectors: Sectors) -> usize {
        let bits = sectors.0.checked_ilog2();
        match bits {
            Some(bits) if (bits as usize) < SIZE_BUCKETS => bits as usize,
            Some(_) => SIZE_BUCKETS - 1,
            None => 0,
        }
    }

    /// The bucket of [`gap_log2`](Self::gap_log2) for a gap of so many sectors.
    #[must_use]
    pub const fn gap_bucket(gap: Sectors) -> usize {
        let bits = gap.0.checked_ilog2();
        match bits {
            Some(bits) if (bits as usize) + 1 < GAP_BUCKETS => bits as usize + 1,
            Some(_) => GAP_BUCKETS - 1,
            None => 0,
        }
    }

    /// Reads and writes with data.
    #[must_use]
    pub const fn data_bios(&self) -> u64 {
        self.reads.saturating_add(self.writes)
    }

    /// What they carried.
    #[must_use]
    pub const fn data_bytes(&self) -> Bytes {
        Sectors(self.data_sectors()).bytes()
    }

    const fn data_sectors(&self) -> u64 {
        self.read_sectors.saturating_add(self.write_sectors)
    }

    /// Whether nothing at all was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Share of reads among the data bios, 0‥1; `None` where there is none.
    #[must_use]
    pub fn read_share(&self) -> Option<f64> {
        ratio(self.reads.into(), self.data_bios())
    }

    /// Share of data bios that somebody waits for, 0‥1.
    #[must_use]
    pub fn sync_share(&self) -> Option<f64> {
        ratio(self.sync.into(), self.data_bios())
    }

    /// Share of near bios among those whose gap is known, 0‥1 (ours).
    #[must_use]
    pub fn near_share(&self) -> Option<f64> {
        ratio(self.near.into(), self.gaps)
    }

    /// Mean start-to-start distance from the previous bio, sectors: the paper's.
    #[must_use]
    pub fn mean_gap_sectors(&self) -> Option<f64> {
        ratio(self.distance_sum_sectors, self.gaps)
    }

    /// Mean distance from the nearest stream end, sectors. For show: the rule goes by the share.
    #[must_use]
    pub fn mean_stream_gap_sectors(&self) -> Option<f64> {
        ratio(self.gap_sum_sectors, self.gaps)
    }

    /// Mean size of a data bio, sectors.
    #[must_use]
    pub fn mean_size_sectors(&self) -> Option<f64> {
        ratio(self.data_sectors().into(), self.data_bios())
    }

    /// Read or write; `None` without data bios.
    #[must_use]
    pub fn io_type(&self, thresholds: &Thresholds) -> Option<IoType> {
        (self.data_bios() > 0).then(|| {
            let mostly_reads = self.reads as f64 > thresholds.read_write_ratio * self.writes as f64;
            if mostly_reads { IoType::Read } else { IoType::Write }
        })
    }

    /// Sequential or random by `rule`; `None` where no distance was measured.
    #[must_use]
    pub fn pattern(&self, rule: Rule, thresholds: &Thresholds) -> Option<Pattern> {
        let sequential = match rule {
            Rule::Ours => self.near_share()? >= thresholds.near_share,
            // In integers: a mean of exactly the threshold must not become "larger" by rounding.
            Rule::Paper2006 if self.gaps == 0 => return None,
            Rule::Paper2006 => {
                let limit = u128::from(thresholds.random_distance_sectors.0).saturating_mul(self.gaps.into());
                self.distance_sum_sectors <= limit
            }
        };
        Some(if sequential { Pattern::Sequential } else { Pattern::Random })
    }

    /// Small or large; `None` without data bios.
    #[must_use]
    pub fn size(&self, thresholds: &Thresholds) -> Option<Size> {
        let bios = self.data_bios();
        (bios > 0).then(|| {
            let large = u128::from(self.data_sectors())
                > u128::from(thresholds.small_sectors.0).saturating_mul(bios.into());
            if large { Size::Large } else { Size::Small }
        })
    }

    /// The fingerprint by `rule`.
    ///
    /// `None` without data bios, and where the only one there is was the first after sampling began, so that
    /// nothing is known of the pattern.
    #[must_use]
    pub fn classify(&self, rule: Rule, thresholds: &Thresholds) -> Option<Class> {
        Some(Class {
            io_type: self.io_type(thresholds)?,
            pattern: self.pattern(rule, thresholds)?,
            size: self.size(thresholds)?,
        })
    }
}

fn ratio(sum: u128, count: u64) -> Option<f64> {
    (count > 0).then(|| sum as f64 / count as f64)
}

/// serde knows arrays up to 32.
mod buckets {
    use super::GAP_BUCKETS;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(counts: &[u64; GAP_BUCKETS], to: S) -> Result<S::Ok, S::Error> {
        counts.as_slice().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u64; GAP_BUCKETS], D::Error> {
        let counts = Vec::<u64>::deserialize(from)?;
        let found = counts.len();
        counts.try_into().map_err(|_counts: Vec<u64>| {
            D::Error::custom(format!("gap_log2: found {found} buckets, expected {GAP_BUCKETS}"))
        })
    }
}
