//! The table by which the programs find a disk: device number to index, without a collision.

use super::layout::{DISK_BUCKET_BITS, DISK_BUCKETS, MAX_DISKS};
use block_types::DevNo;

/// A device number that no disk has.
const EMPTY: u32 = u32::MAX;

/// Buckets of (device number, disk index), and the multiplier that spreads the disks over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DiskTable {
    pub(super) multiplier: u32,
    pub(super) buckets: Vec<(u32, u32)>,
}

fn bucket(dev: u32, multiplier: u32) -> usize {
    (dev.wrapping_mul(multiplier) >> (32 - DISK_BUCKET_BITS)) as usize
}

impl DiskTable {
    /// Places every disk in a bucket of its own; `None` for too many disks or one that is named twice.
    ///
    /// Of random multipliers, one in `exp(disks² / 2048)` serves: one in 8 for 64 disks.
    pub(super) fn new(disks: &[DevNo]) -> Option<Self> {
        if disks.len() > MAX_DISKS {
            return None;
        }
        let mut multiplier = 0x9e37_79b1_u32;
        for _ in 0..10_000 {
            if let Some(buckets) = Self::place(disks, multiplier) {
                return Some(Self { multiplier, buckets });
            }
            // A full-period generator; the lowest bit makes the multiplier odd.
            multiplier = multiplier.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) | 1;
        }
        None
    }

    fn place(disks: &[DevNo], multiplier: u32) -> Option<Vec<(u32, u32)>> {
        let mut buckets = vec![(EMPTY, 0); DISK_BUCKETS];
        for (index, disk) in (0_u32..).zip(disks) {
            let dev = disk.to_kernel();
            let bucket = buckets.get_mut(bucket(dev, multiplier))?;
            if bucket.0 != EMPTY {
                return None;
            }
            *bucket = (dev, index);
        }
        Some(buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(table: &DiskTable, disk: DevNo) -> Option<u32> {
        let dev = disk.to_kernel();
        let found = table.buckets[bucket(dev, table.multiplier)];
        (found.0 == dev).then_some(found.1)
    }

    #[test]
    fn every_disk_of_a_large_host_has_its_bucket() {
        // 60 SCSI disks: 16 minors each, majors 8 and 65 to 67; and four NVMe ones.
        let mut disks: Vec<_> =
            (0..60).map(|n| DevNo::new([8, 65, 66, 67][n / 16], (n as u32 % 16) * 16)).collect();
        disks.extend((0..4).map(|n| DevNo::new(259, n)));
        let table = DiskTable::new(&disks).unwrap();
        for (index, disk) in (0..).zip(&disks) {
            assert_eq!(find(&table, *disk), Some(index), "{disk}");
        }
        assert_eq!(find(&table, DevNo::new(7, 0)), None);
        assert_eq!(find(&table, DevNo::new(8, 1)), None);
    }

    #[test]
    fn too_many_disks_and_the_same_twice_are_refused() {
        let disks: Vec<_> = (0..65).map(|n| DevNo::new(8, n)).collect();
        assert_eq!(DiskTable::new(&disks), None);
        assert_eq!(DiskTable::new(&[DevNo::new(7, 0), DevNo::new(7, 0)]), None);
        assert!(DiskTable::new(&[]).is_some());
    }
}
