//! From map values to what callers get.

use super::layout::{self, CARRIED, GROUPS, LATENCY_CLASSES, SLOTS, counter, latency, slot};
use crate::{ExactCounters, InFlight, Latencies};
use block_types::{LatencyHistogram, Nanos};
use fingerprint::{GAP_BUCKETS, SIZE_BUCKETS, Snapshot};

/// A disk's counters, summed over CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counters([u64; counter::COUNTERS]);

impl Counters {
    /// Sums what each CPU counted. Sums of distances may wrap; [`Wide`] knows.
    pub(super) fn sum(per_cpu: &[Vec<u8>]) -> Self {
        let mut sum = [0_u64; counter::COUNTERS];
        for cpu in per_cpu {
            for (sum, word) in sum.iter_mut().zip(layout::words(cpu)) {
                *sum = sum.wrapping_add(word);
            }
        }
        Self(sum)
    }

    pub(super) const fn errors(&self) -> u64 {
        self.0[counter::ERRORS]
    }

    /// The snapshot, with the sums that 64 bits cannot hold from elsewhere.
    pub(super) fn snapshot(&self, gap_sum: u128, distance_sum: u128) -> Snapshot {
        let at = |index: usize| self.0[index];
        let mut snapshot = Snapshot {
            reads: at(counter::BIOS),
            writes: at(counter::BIOS + 1),
            read_sectors: at(counter::SECTORS),
            write_sectors: at(counter::SECTORS + 1),
            near: at(counter::NEAR),
            gaps: at(counter::GAPS),
            gap_sum_sectors: gap_sum,
            distance_sum_sectors: distance_sum,
            sync: at(counter::SYNC),
            flushes: at(counter::FLUSHES),
            discards: at(counter::DISCARDS),
            others: at(counter::OTHERS),
            ..Snapshot::default()
        };
        snapshot.size_log2.copy_from_slice(&self.0[counter::SIZE_LOG2..counter::SIZE_LOG2 + SIZE_BUCKETS]);
        snapshot.gap_log2.copy_from_slice(&self.0[counter::GAP_LOG2..counter::GAP_LOG2 + GAP_BUCKETS]);
        snapshot
    }

    pub(super) fn exact(&self, missed: u64) -> ExactCounters {
        let at = |index: usize| self.0[index];
        let groups = |first: usize| std::array::from_fn::<u64, GROUPS, _>(|group| at(first + group));
        ExactCounters {
            bios: at(counter::X_BIOS),
            unqueued: at(counter::X_UNQUEUED),
            splits: at(counter::X_SPLITS),
            requests: at(counter::X_REQUESTS),
            bio_merges: at(counter::X_BIO_MERGES),
            rq_merges: at(counter::X_RQ_MERGES),
            completed: groups(counter::X_DONE),
            completed_sectors: groups(counter::X_DONE_SECTORS),
            missed,
            unseen: 0,
        }
    }
}

/// A sum that outgrows 64 bits, from readings of its lower 64: random I/O on a 16 TB disk wraps a sum of
/// distances within half an hour, so a reading at least that often is enough.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wide {
    last: u64,
    sum: u128,
}

impl Wide {
    /// Takes a reading; answers the sum.
    pub(super) fn extend(&mut self, reading: u64) -> u128 {
        self.sum += u128::from(reading.wrapping_sub(self.last));
        self.last = reading;
        self.sum
    }
}

/// The sums of one disk that outgrow 64 bits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WideSums {
    gap: Wide,
    distance: Wide,
    latency: [Wide; LATENCY_CLASSES],
}

impl WideSums {
    pub(super) fn snapshot(&mut self, counters: &Counters) -> Snapshot {
        let gap = self.gap.extend(counters.0[counter::GAP_SUM]);
        let distance = self.distance.extend(counters.0[counter::DISTANCE_SUM]);
        counters.snapshot(gap, distance)
    }

    /// `None` if the value is too short.
    pub(super) fn latencies(&mut self, shared: &Shared) -> Option<Latencies> {
        let mut histogram = |class: usize| {
            let first = latency::COUNTS + class * LatencyHistogram::BUCKETS;
            let counts = shared.0.get(first..first + LatencyHistogram::BUCKETS)?.to_vec();
            let sum = self.latency.get_mut(class)?.extend(*shared.0.get(latency::SUM_NS + class)?);
            LatencyHistogram::from_counts(counts, sum)
        };
        Some(Latencies {
            read: histogram(0)?,
            sync_write: histogram(1)?,
            async_write: histogram(2)?,
            carried: histogram(CARRIED)?,
        })
    }
}

/// What CPUs share for a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shared(Vec<u64>);

impl Shared {
    /// `None` unless the value has the size that both sides agreed on.
    pub(super) fn new(value: &[u8]) -> Option<Self> {
        let words = layout::words(value);
        (words.len() == latency::LATENCIES).then_some(Self(words))
    }

    /// Sampled bios in flight, those that were lost sight of included.
    pub(super) fn pending(&self) -> u64 {
        self.0[latency::PENDING]
    }

    pub(super) fn first_bio_at(&self) -> Option<Nanos> {
        (self.0[latency::FIRST_BIO_NS] > 0).then(|| Nanos(self.0[latency::FIRST_BIO_NS]))
    }

    /// Bios that were to be followed and were not, and those that were lost sight of.
    pub(super) fn lost(&self) -> (u64, u64) {
        (self.0[latency::COLLISIONS], self.0[latency::STALE])
    }

    /// The value with nothing in flight, and watching since `now`: what was before is not known.
    pub(super) fn resumed(mut self, now: Nanos) -> Vec<u8> {
        self.0[latency::PENDING] = 0;
        self.0[latency::LAST_BIO_NS] = now.0;
        self.0[latency::FIRST_BIO_NS] = 0;
        self.0.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }
}

/// Ages of followed bios in flight, for one disk. `slots` is the whole table; `since` is when the disk was last
/// known to have nothing in flight: what is older was lost sight of. What was queued before `mark` has its age from
/// there.
pub(super) fn ages(slots: &[u8], disk: usize, now: Nanos, since: Nanos, mark: Nanos, to: &mut InFlight) {
    for words in layout::words(slots).chunks_exact(slot::WORDS).take(SLOTS) {
        let (bio, queued, tag) = (words[slot::BIO], words[slot::QUEUED_NS], words[slot::TAG]);
        let of = (tag as u32 >> 8) as usize;
        // A slot that is being taken has no time yet, or that of its former bio: at worst a wrong age, once.
        if bio == 0 || queued == 0 || of != disk || queued < since.0 || queued > now.0 {
            continue;
        }
        let (age, weight) = (now - Nanos(queued).max(mark), tag >> 32);
        to.all.add(age, weight);
        if tag & 0xff < 2 {
            to.sync.add(age, weight);
        }
        if tag & 0xff == 0 {
            to.read.add(age, weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ages;

    #[test]
    fn a_sum_survives_wrapping() {
        let mut wide = Wide::default();
        wide.extend(u64::MAX - 5);
        assert_eq!(wide.extend(10), u128::from(u64::MAX) + 11);
    }

    #[test]
    fn cpus_are_summed_and_named() {
        let cpu =
            |n: u64| (0..counter::COUNTERS as u64).flat_map(|i| (i * n).to_ne_bytes()).collect::<Vec<_>>();
        let counters = Counters::sum(&[cpu(1), cpu(10)]);
        let snapshot = WideSums::default().snapshot(&counters);
        assert_eq!((snapshot.reads, snapshot.writes, snapshot.read_sectors), (0, 11, 22));
        assert_eq!((snapshot.near, snapshot.gaps, snapshot.gap_sum_sectors), (44, 55, 66));
        assert_eq!((snapshot.size_log2[0], snapshot.size_log2[15]), (110, 275));
        assert_eq!((snapshot.gap_log2[0], snapshot.gap_log2[47]), (26 * 11, 73 * 11));
        assert_eq!((snapshot.flushes, snapshot.discards, snapshot.others), (74 * 11, 75 * 11, 76 * 11));
        let exact = counters.exact(7);
        assert_eq!((exact.bios, exact.completed, exact.missed), (78 * 11, [84 * 11, 85 * 11, 86 * 11], 7));
    }

    #[test]
    fn ages_are_those_of_the_disk_and_not_of_what_was_lost_sight_of() {
        let slot =
            |bio: u64, queued: u64, disk: u64, class: u64| [bio, queued, 0, 2 << 32 | disk << 8 | class];
        let table: Vec<u8> = [
            slot(1, 1_000, 0, 0),
            slot(2, 400, 0, 1),
            slot(3, 900, 0, 2),
            slot(4, 100, 0, 0),
            slot(5, 500, 1, 0),
            slot(0, 600, 0, 0),
        ]
        .as_flattened()
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect();
        let mut found = InFlight::default();
        let seen = |count, sum, oldest| Ages { count, sum: Nanos(sum), oldest: Some(Nanos(oldest)) };
        ages(&table, 0, Nanos(1_100), Nanos(300), Nanos::ZERO, &mut found);
        // Each stands for two.
        assert_eq!(
            (found.all, found.sync, found.read),
            (seen(6, 2_000, 700), seen(4, 1_600, 700), seen(2, 200, 100))
        );
        let mut found = InFlight::default();
        ages(&table, 0, Nanos(1_100), Nanos(300), Nanos(800), &mut found);
        assert_eq!(found.sync, seen(4, 800, 300), "from the mark on");
    }

    #[test]
    fn a_value_of_another_size_is_refused() {
        assert_eq!(Shared::new(&[0; 64]), None);
        assert!(Shared::new(&vec![0; latency::LATENCIES * 8]).is_some());
    }
}
