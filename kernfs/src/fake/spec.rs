//! What a fake disk is when it appears.

use crate::DiskStats;
use block_types::{DevNo, Sectors};
use std::collections::BTreeMap;

/// Where the running kernel keeps mq-deadline's `async_depth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsyncDepth {
    /// `queue/iosched/async_depth`: up to 6.18.
    Iosched,
    /// `queue/async_depth`: later.
    Queue,
}

/// A disk to put into a [`super::FakeKernel`]. Start from one of the constructors and change fields:
///
/// ```
/// # use kernfs::fake::FakeDisk;
/// let disk = FakeDisk { tag_depth: 4, ..FakeDisk::hdd("sda") };
/// ```
#[derive(Clone, Debug)]
pub struct FakeDisk {
    /// Name in `/sys/block`.
    pub name: String,
    /// Device number.
    pub devno: DevNo,
    /// Disk sequence number; `None` as before Linux 5.15.
    pub diskseq: Option<u64>,
    /// Size.
    pub size: Sectors,
    /// The text of `device/model`.
    pub model: Option<String>,
    /// The text of `loop/backing_file`.
    pub backing_file: Option<String>,
    /// `queue/rotational`.
    pub rotational: bool,
    /// The text of `queue/zoned`.
    pub zoned: String,
    /// `removable`.
    pub removable: bool,
    /// `ro`.
    pub read_only: bool,
    /// `hidden`; a hidden disk shows no number.
    pub hidden: bool,
    /// What is built on it.
    pub holders: Vec<String>,
    /// What it is built on.
    pub slaves: Vec<String>,
    /// Partitions by name, number and size.
    pub partitions: Vec<(String, DevNo, Sectors)>,
    /// Whether its queue takes requests; otherwise it takes bios and has neither `scheduler` nor the knobs that go
    /// with requests.
    pub request_queue: bool,
    /// What `queue/scheduler` lists, in order, `none` among them.
    pub schedulers: Vec<String>,
    /// The scheduler in force.
    pub scheduler: String,
    /// The driver's tags.
    pub tag_depth: u64,
    /// `queue/max_hw_sectors_kb`.
    pub max_hw_sectors_kb: u64,
    /// `queue/max_sectors_kb` by default (what 0 brings back).
    pub max_sectors_kb: u64,
    /// The optimal I/O size that the drive tells, KiB; 0 if none.
    pub optimal_io_kb: u64,
    /// Whether writeback throttling is set up by default; otherwise `wbt_lat_usec` is `EINVAL` until written.
    pub wbt_by_default: bool,
    /// What `rotational` said when throttling was set up, if it was changed after (as for a loop device, which is
    /// made before its file is attached).
    pub wbt_rotational: Option<bool>,
    /// Where `async_depth` is.
    pub async_depth: AsyncDepth,
    /// Further files below `/sys/block/<name>/`, such as `dm/uuid`.
    pub files: BTreeMap<String, String>,
    /// Its counters at first; number and name are taken from the disk.
    pub stats: DiskStats,
}

/// Counters of a device that has done nothing.
pub(super) fn idle(dev: DevNo, name: &str) -> DiskStats {
    DiskStats {
        dev,
        name: name.to_owned(),
        reads: 0,
        read_merges: 0,
        read_sectors: Sectors(0),
        read_ms: 0,
        writes: 0,
        write_merges: 0,
        write_sectors: Sectors(0),
        write_ms: 0,
        in_flight: 0,
        io_ticks_ms: 0,
        weighted_ms: 0,
        discards: Some(crate::Discards { count: 0, merges: 0, sectors: Sectors(0), ms: 0 }),
        flushes: Some(crate::Flushes { count: 0, ms: 0 }),
    }
}

impl FakeDisk {
    /// A loop device that was just made, with a file of 64 MiB attached, on a file system of a disk that seeks: what
    /// Linux 6.18 makes of it.
    #[must_use]
    pub fn loopback(name: &str) -> Self {
        let devno = DevNo::new(7, digits(name));
        Self {
            name: name.to_owned(),
            devno,
            diskseq: Some(1),
            size: Sectors(131_072),
            model: None,
            backing_file: Some(format!("/var/tmp/{name}.img")),
            rotational: true,
            zoned: "none".to_owned(),
            removable: false,
            read_only: false,
            hidden: false,
            holders: vec![],
            slaves: vec![],
            partitions: vec![],
            request_queue: true,
            schedulers: ["none", "mq-deadline", "kyber", "bfq"].map(str::to_owned).to_vec(),
            scheduler: "none".to_owned(),
            tag_depth: 128,
            max_hw_sectors_kb: 1280,
            max_sectors_kb: 1280,
            optimal_io_kb: 0,
            wbt_by_default: true,
            wbt_rotational: Some(false),
            async_depth: AsyncDepth::Iosched,
            files: BTreeMap::new(),
            stats: idle(devno, name),
        }
    }

    /// A SATA disk that seeks, 32 tags, under mq-deadline.
    #[must_use]
    pub fn hdd(name: &str) -> Self {
        let devno = DevNo::new(8, digits(name));
        Self {
            devno,
            size: Sectors(7_814_037_168),
            model: Some("WDC WD40EFRX-68N".to_owned()),
            backing_file: None,
            scheduler: "mq-deadline".to_owned(),
            tag_depth: 32,
            max_hw_sectors_kb: 32_767,
            wbt_rotational: None,
            stats: idle(devno, name),
            ..Self::loopback(name)
        }
    }

    /// An NVMe namespace, 1023 tags, under none.
    #[must_use]
    pub fn nvme(name: &str) -> Self {
        let devno = DevNo::new(259, digits(name));
        Self {
            devno,
            size: Sectors(1_953_525_168),
            model: Some("Samsung SSD 970 EVO 1TB".to_owned()),
            backing_file: None,
            rotational: false,
            tag_depth: 1023,
            max_hw_sectors_kb: 2048,
            wbt_rotational: None,
            stats: idle(devno, name),
            ..Self::loopback(name)
        }
    }

    /// A device whose queue takes bios: `zram0`, `dm-0`, `md0`.
    #[must_use]
    pub fn bio_based(name: &str) -> Self {
        let devno = DevNo::new(253, digits(name));
        Self {
            devno,
            backing_file: None,
            rotational: false,
            request_queue: false,
            wbt_rotational: None,
            stats: idle(devno, name),
            ..Self::loopback(name)
        }
    }

    /// A device-mapper device with a UUID such as `LVM-…` or `mpath-…`, over `slaves`.
    #[must_use]
    pub fn dm(name: &str, uuid: &str, slaves: &[&str]) -> Self {
        Self {
            slaves: slaves.iter().map(|&slave| slave.to_owned()).collect(),
            files: BTreeMap::from([
                ("dm/uuid".to_owned(), format!("{uuid}\n")),
                ("dm/name".to_owned(), format!("{name}-map\n")),
            ]),
            ..Self::bio_based(name)
        }
    }

    /// The same disk with partitions of equal size, named as the kernel names them (`sda1`, `nvme0n1p1`).
    #[must_use]
    pub fn with_partitions(mut self, count: u32) -> Self {
        let infix = if self.name.ends_with(|c: char| c.is_ascii_digit()) { "p" } else { "" };
        let size = Sectors(self.size.0 / u64::from(count.max(1)));
        self.partitions = (1..=count)
            .map(|number| {
                let dev = DevNo::new(self.devno.major, self.devno.minor + number);
                (format!("{}{infix}{number}", self.name), dev, size)
            })
            .collect();
        self
    }
}

/// The first number in a name, or the last letter's place in the alphabet times 16, as SCSI numbers its disks.
fn digits(name: &str) -> u32 {
    let number = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let number = number.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    let letter = name.bytes().last().map_or(0, |last| u32::from(last.saturating_sub(b'a')) * 16);
    number.parse().unwrap_or(letter)
}
