//! From a trace's bios to I/Os of a device.

use block_types::{Nanos, Op};
use replay::TraceBio;
use serde::Serialize;

/// One I/O of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceIo {
    /// When it is due, from the start.
    pub at: Nanos,
    /// Whether it writes.
    pub write: bool,
    /// Byte on the device, a multiple of its logical block.
    pub offset: u64,
    /// Its length, likewise; at most [`LARGEST`].
    pub bytes: u32,
}

/// The largest I/O that is submitted as one: a larger bio is cut.
pub const LARGEST: u32 = 16 << 20;

/// What of a trace is not replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Writes, because they are not allowed.
    pub writes: u64,
    /// Flushes and discards.
    pub others: u64,
    /// Bios without data.
    pub empty: u64,
    /// Bios that were cut to [`LARGEST`].
    pub cut: u64,
}

/// The I/Os of a trace on a device with logical blocks of `block` bytes, whose end is at byte `size`; times are
/// multiplied by `time_scale`.
///
/// What does not lie on blocks of the device is widened to them, as far as the device reaches.
#[must_use]
pub fn plan(
    bios: &[TraceBio],
    block: u32,
    size: u64,
    time_scale: f64,
    allow_writes: bool,
) -> (Vec<DeviceIo>, LeftOut) {
    let block = u64::from(block.max(512));
    let size = size / block * block;
    let mut left_out = LeftOut::default();
    let mut ios = Vec::with_capacity(bios.len());
    for bio in bios {
        let write = match bio.op {
            Op::Read => false,
            Op::Write if allow_writes => true,
            Op::Write => {
                left_out.writes += 1;
                continue;
            }
            _ => {
                left_out.others += 1;
                continue;
            }
        };
        if bio.sectors == 0 {
            left_out.empty += 1;
            continue;
        }
        let from = bio.sector.0.saturating_mul(512).min(size);
        let to = from.saturating_add(u64::from(bio.sectors) * 512).min(size);
        let (from, to) = (from / block * block, to.div_ceil(block) * block);
        if to <= from {
            left_out.empty += 1;
            continue;
        }
        let length = to - from;
        if length > u64::from(LARGEST) {
            left_out.cut += 1;
        }
        ios.push(DeviceIo {
            at: Nanos((bio.at.0 as f64 * time_scale) as u64),
            write,
            offset: from,
            bytes: length.min(u64::from(LARGEST)) as u32,
        });
    }
    (ios, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use block_types::Sector;
    use replay::StreamId;

    fn bio(op: Op, sector: u64, sectors: u32, at: u64) -> TraceBio {
        TraceBio {
            at: Nanos(at),
            completed: None,
            sector: Sector(sector),
            sectors,
            stream: StreamId(0),
            op,
            sync: true,
        }
    }

    #[test]
    fn only_reads_are_replayed_unless_writes_are_allowed() {
        let bios = [
            bio(Op::Read, 8, 8, 10),
            bio(Op::Write, 16, 8, 20),
            bio(Op::Flush, 0, 0, 30),
            bio(Op::Discard, 0, 800, 30),
            bio(Op::Read, 8, 0, 40),
        ];
        let (ios, left_out) = plan(&bios, 512, 1 << 30, 2.0, false);
        assert_eq!(ios, [DeviceIo { at: Nanos(20), write: false, offset: 4096, bytes: 4096 }]);
        assert_eq!(left_out, LeftOut { writes: 1, others: 2, empty: 1, cut: 0 });
        let (ios, left_out) = plan(&bios, 512, 1 << 30, 1.0, true);
        assert!(ios.len() == 2 && ios[1].write && left_out.writes == 0);
    }

    #[test]
    fn what_lies_across_blocks_is_widened_and_never_beyond_the_end() {
        let bios = [
            bio(Op::Read, 7, 2, 0),
            bio(Op::Read, 15, 100, 0),
            bio(Op::Read, 1 << 40, 8, 0),
            bio(Op::Read, 0, u32::MAX, 0),
        ];
        let (ios, left_out) = plan(&bios, 4096, 10_000, 1.0, false);
        let places: Vec<_> = ios.iter().map(|io| (io.offset, io.bytes)).collect();
        assert_eq!(places, [(0, 8192), (4096, 4096), (0, 8192)]);
        assert_eq!(left_out.empty, 1);
        let (ios, left_out) = plan(&bios[3..], 4096, 1 << 40, 1.0, false);
        assert_eq!((ios[0].bytes, left_out.cut), (LARGEST, 1));
    }
}
