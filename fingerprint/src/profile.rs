//! The continuous features behind the class.

use crate::Snapshot;
use serde::{Deserialize, Serialize};

/// Features of a workload that do not move when the settings do, each in 0‥1.
///
/// IOPS, queue depth and inter-arrival times are left out because they answer to the settings; so is the size of
/// sequential reads, which read-ahead makes. Features of a part of the work (its writes, its jumps) are scaled
/// by that part's share, so each is defined everywhere, fades out with its part, and the
/// [`distance`](Self::distance) is a metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Reads among data bios.
    pub read_share: f64,
    /// Bios that continue a recent stream.
    pub near_share: f64,
    /// Data bios that somebody waits for.
    pub sync_share: f64,
    /// Flushes among flushes and data bios.
    pub flush_ratio: f64,
    /// Discards among discards and data bios.
    pub discard_ratio: f64,
    /// Mean size of writes on a log scale from 1 sector (0) to 1 MiB (1), × the share of writes.
    pub write_size: f64,
    /// Mean size of reads on the same scale, × the share of reads × the share of jumps. Of a read that continues
    /// a stream the size is read-ahead's and says nothing.
    pub random_read_size: f64,
    /// Mean distance of the jumps on a log scale from 1 sector (0) to 2^40 (1), × their share.
    pub jump: f64,
}

/// log2 of the sectors of 1 MiB.
const SIZE_OCTAVES: f64 = 11.0;
/// 2^40 sectors are 512 TiB.
const JUMP_OCTAVES: f64 = 40.0;
/// The first bucket of the gap histogram whose gaps are all jumps (32 sectors and more).
const FIRST_JUMP_BUCKET: usize = 6;

impl Profile {
    /// How many features there are.
    pub const FEATURES: usize = 8;

    /// The profile of a snapshot; `None` where it has no data bios or none with a known gap.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Option<Self> {
        let read_share = snapshot.read_share()?;
        let near_share = snapshot.near_share()?;
        let data = snapshot.data_bios();
        let among = |count: u64| count as f64 / count.saturating_add(data) as f64;
        let size = |sectors: u64, bios: u64| match bios {
            0 => 0.0,
            bios => ((sectors as f64 / bios as f64).max(1.0).log2() / SIZE_OCTAVES).min(1.0),
        };
        Some(Self {
            read_share,
            near_share,
            sync_share: snapshot.sync_share()?,
            flush_ratio: among(snapshot.flushes),
            discard_ratio: among(snapshot.discards),
            write_size: size(snapshot.write_sectors, snapshot.writes) * (1.0 - read_share),
            random_read_size: size(snapshot.read_sectors, snapshot.reads) * read_share * (1.0 - near_share),
            jump: mean_jump(snapshot) * (1.0 - near_share),
        })
    }

    /// The features, in the order of the fields.
    #[must_use]
    pub const fn features(&self) -> [f64; Self::FEATURES] {
        let Self {
            read_share,
            near_share,
            sync_share,
            flush_ratio,
            discard_ratio,
            write_size,
            random_read_size,
            jump,
        } = *self;
        [read_share, near_share, sync_share, flush_ratio, discard_ratio, write_size, random_read_size, jump]
    }

    /// How unlike two workloads are: the root mean square of the differences, 0 (alike) to 1.
    #[must_use]
    pub fn distance(&self, other: &Self) -> f64 {
        let squares = self.features().into_iter().zip(other.features()).map(|(a, b)| (a - b) * (a - b));
        (squares.sum::<f64>() / Self::FEATURES as f64).sqrt()
    }
}

fn mean_jump(snapshot: &Snapshot) -> f64 {
    let jumps = snapshot.gap_log2.iter().enumerate().skip(FIRST_JUMP_BUCKET);
    let (count, octaves) = jumps.fold((0_u64, 0.0), |(count, octaves), (bucket, &here)| {
        // The middle of bucket b on the log scale is b − ½.
        (count + here, octaves + here as f64 * (bucket as f64 - 0.5))
    });
    if count == 0 { 0.0 } else { (octaves / count as f64 / JUMP_OCTAVES).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Thresholds, Tracker};
    use block_types::{Op, Sector, Sectors};

    fn lcg(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *seed >> 33
    }

    /// `mib` MiB moved in bios of `sectors`, in one stream or anywhere on 256 GiB.
    fn profile(op: Op, sequential: bool, sectors: u64, mib: u64) -> Profile {
        let mut tracker = Tracker::new(Thresholds::default());
        let mut seed = sectors;
        for number in 0..mib * 2048 / sectors {
            let place = if sequential { number } else { lcg(&mut seed) % (1 << 29) / sectors };
            tracker.observe(op, Sector(place * sectors), Sectors(sectors), true);
        }
        Profile::of(tracker.snapshot()).unwrap()
    }

    #[test]
    fn read_ahead_shapes_sequential_reads_and_does_not_move_the_profile() {
        // read_ahead_kb 0 makes them one page, 8192 makes them bios of the largest size.
        let sizes = [8, 32, 256, 2048].map(|sectors| profile(Op::Read, true, sectors, 64));
        for pair in sizes.windows(2) {
            assert!(pair[0].distance(&pair[1]) < 1e-9, "{pair:?}");
        }
    }

    #[test]
    fn unlike_work_is_far_apart_and_like_work_is_near() {
        let kinds = [
            profile(Op::Read, true, 256, 16),
            profile(Op::Read, false, 8, 16),
            profile(Op::Read, false, 512, 16),
            profile(Op::Write, true, 256, 16),
            profile(Op::Write, true, 8, 16),
            profile(Op::Write, false, 8, 16),
        ];
        let again = profile(Op::Read, false, 8, 2);
        assert!(again.distance(&kinds[1]) < 0.01, "a shorter look at the same work");
        for (index, one) in kinds.iter().enumerate() {
            for other in &kinds[index + 1..] {
                assert!(one.distance(other) > 0.1, "{one:?} and {other:?}: {}", one.distance(other));
            }
        }
    }

    #[test]
    fn flushes_and_discards_show() {
        let plain = Snapshot { writes: 100, write_sectors: 800, gaps: 100, ..Snapshot::default() };
        let syncing = Snapshot { flushes: 100, ..plain.clone() };
        let trimming = Snapshot { discards: 300, ..plain.clone() };
        let [plain, syncing, trimming] = [plain, syncing, trimming].map(|it| Profile::of(&it).unwrap());
        assert!((syncing.flush_ratio - 0.5).abs() < 1e-12 && (trimming.discard_ratio - 0.75).abs() < 1e-12);
        assert!(plain.distance(&syncing) > 0.1 && plain.distance(&trimming) > 0.1);
    }

    #[test]
    fn without_data_bios_or_gaps_there_is_none() {
        assert_eq!(Profile::of(&Snapshot::default()), None);
        assert_eq!(Profile::of(&Snapshot { reads: 1, read_sectors: 8, ..Snapshot::default() }), None);
    }
}
