//! What a disk is.

use crate::error::{Error, Operation};
use crate::{Disk, KPath, parse};
use block_types::{DevNo, Sectors};
use std::fmt;

/// What a disk is, apart from how it is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name in `/sys/block`, such as `nvme0n1`.
    pub name: String,
    /// Device number; 0:0 for a hidden disk, which has none.
    pub devno: DevNo,
    /// A number that no other disk, and no other medium in the same drive, gets until the next boot
    /// (`diskseq`, Linux 5.15); it tells a loop device's new backing from its old.
    pub diskseq: Option<u64>,
    /// Size; zero for a drive without a medium or a loop device without a file.
    pub size: Sectors,
    /// The drive's model; `None` where the driver tells none (virtio, loop).
    pub model: Option<String>,
    /// What `queue/rotational` says: whether the kernel believes that seeks are dear. Virtual disks often say so
    /// wrongly.
    pub rotational: bool,
    /// Whether it is zoned.
    pub zoned: Zoned,
    /// Whether its medium can be taken out.
    pub removable: bool,
    /// Whether it is read-only.
    pub read_only: bool,
    /// Whether user space cannot open it: the path device behind an NVMe multipath head.
    pub hidden: bool,
    /// Which driver it belongs to.
    pub kind: DiskKind,
    /// Devices built on it or on one of its partitions (dm, md, bcache…).
    pub holders: Vec<String>,
    /// Devices that it is built on.
    pub slaves: Vec<String>,
    /// Whether it is one of several paths to the same disk: a hidden NVMe path, or held by a dm-multipath map.
    pub multipath_member: bool,
    /// Its partitions, by name and number, in the kernel's order.
    pub partitions: Vec<(String, DevNo)>,
    /// The file behind a loop device.
    pub backing_file: Option<String>,
    /// Whether its queue takes requests and has a `scheduler` attribute; a queue that takes bios (zram, dm, md) has
    /// nothing to tune.
    pub request_queue: bool,
}

/// Whether a disk is zoned (`queue/zoned`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zoned {
    /// It is not; also said of a kernel that has no such attribute (before Linux 4.10, which had no zoned disks).
    No,
    /// Zones that the drive can manage alone; Linux dropped support in 6.9.
    HostAware,
    /// Zones that must be written in sequence.
    HostManaged,
}

/// Which driver a disk belongs to, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskKind {
    /// `loop*`: a file as a disk.
    Loop,
    /// `nvme*n*`.
    Nvme,
    /// `sd*`: SCSI, SATA, SAS, USB.
    Scsi,
    /// `sr*`: optical drives.
    Optical,
    /// `vd*`.
    VirtioBlk,
    /// `xvd*`.
    Xen,
    /// `mmcblk*`: SD cards and eMMC.
    Mmc,
    /// `dm-*`: device mapper.
    Dm,
    /// `md*`: software RAID.
    Md,
    /// `zram*`: compressed memory.
    Zram,
    /// `ram*`.
    Ram,
    /// `nbd*`: network block device.
    Nbd,
    /// `nullb*`: the null driver that tests use.
    NullBlk,
    /// `ublkb*`: a disk served by a program.
    Ublk,
    /// Another; holds the name's letters.
    Other(String),
}

impl DiskKind {
    /// The kind that a name in `/sys/block` tells.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let letters = name.find(|c: char| c.is_ascii_digit()).map_or(name, |end| &name[..end]);
        match letters {
            "loop" => Self::Loop,
            "nvme" => Self::Nvme,
            "sr" => Self::Optical,
            "mmcblk" => Self::Mmc,
            "dm-" => Self::Dm,
            "md" | "md_d" => Self::Md,
            "zram" => Self::Zram,
            "ram" => Self::Ram,
            "nbd" => Self::Nbd,
            "nullb" => Self::NullBlk,
            "ublkb" => Self::Ublk,
            _ if letters.starts_with("sd") => Self::Scsi,
            _ if letters.starts_with("vd") => Self::VirtioBlk,
            _ if letters.starts_with("xvd") => Self::Xen,
            _ => Self::Other(letters.to_owned()),
        }
    }
}

impl fmt::Display for DiskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Loop => "loop",
            Self::Nvme => "nvme",
            Self::Scsi => "scsi",
            Self::Optical => "optical",
            Self::VirtioBlk => "virtio-blk",
            Self::Xen => "xen",
            Self::Mmc => "mmc",
            Self::Dm => "dm",
            Self::Md => "md",
            Self::Zram => "zram",
            Self::Ram => "ram",
            Self::Nbd => "nbd",
            Self::NullBlk => "null_blk",
            Self::Ublk => "ublk",
            Self::Other(letters) => letters,
        })
    }
}

/// Reads it.
pub(crate) fn read(disk: &Disk) -> Result<Identity, Error> {
    let name = disk.name().to_owned();
    let flag = |rest: &str| -> Result<bool, Error> {
        Ok(disk.attr(rest, parse::boolean, parse::BOOLEAN)?.value().unwrap_or(false))
    };
    // A model that cannot be read is unknown, not an error: it is shown and never acted upon.
    let text = |rest: &str| disk.attr(rest, |bytes| Some(parse::word(bytes)), parse::WORD).ok()?.value()?;
    let partitions = partitions(disk)?;
    let mut holders = names(disk, "holders");
    for (partition, _) in &partitions {
        holders.extend(names(disk, &format!("{partition}/holders")));
    }
    holders.sort_unstable();
    holders.dedup();
    let hidden = flag("hidden")?;
    let multipath_member = hidden || holders.iter().any(|holder| is_multipath_map(disk, holder));
    Ok(Identity {
        devno: if hidden { disk.devno().unwrap_or(DevNo::new(0, 0)) } else { disk.devno()? },
        diskseq: disk.diskseq()?,
        size: Sectors(disk.required("size", parse::number, parse::NUMBER)?),
        model: text("device/model").or_else(|| text("device/name")),
        rotational: flag("queue/rotational")?,
        zoned: disk.attr("queue/zoned", parse::zoned, parse::ZONED)?.value().unwrap_or(Zoned::No),
        removable: flag("removable")?,
        read_only: flag("ro")?,
        hidden,
        kind: DiskKind::of(&name),
        slaves: names(disk, "slaves"),
        multipath_member,
        partitions,
        backing_file: text("loop/backing_file"),
        request_queue: disk.kernel().exists(&disk.path("queue/scheduler")),
        holders,
        name,
    })
}

/// The names in a directory of links that may be absent.
fn names(disk: &Disk, rest: &str) -> Vec<String> {
    disk.kernel().list(&disk.path(rest)).unwrap_or_default()
}

/// Partitions are the directories inside the disk's that have a file `partition`.
fn partitions(disk: &Disk) -> Result<Vec<(String, DevNo)>, Error> {
    let dir = disk.path("");
    let dir = KPath::sys(dir.rest().trim_end_matches('/'));
    let inside = disk.kernel().list(&dir).map_err(|source| disk.io_error(Operation::List, &dir, source))?;
    let mut found = Vec::new();
    // A partition's name begins with its disk's (`sda1`, `nvme0n1p1`); asking only those spares forty lookups.
    for name in inside.into_iter().filter(|name| name.starts_with(disk.name())) {
        let number = disk.attr(&format!("{name}/partition"), parse::number, parse::NUMBER)?.value();
        if let Some(number) = number {
            let dev = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse().ok();
            let dev = disk.required(&format!("{name}/dev"), dev, "a device number such as 8:1")?;
            found.push((number, name, dev));
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, name, dev)| (name, dev)).collect())
}

/// Whether a holder is a dm-multipath map: multipath-tools gives those a UUID that begins with `mpath-`.
fn is_multipath_map(disk: &Disk, holder: &str) -> bool {
    let uuid = disk.kernel().read(&KPath::sys(format!("block/{holder}/dm/uuid")));
    uuid.is_ok_and(|uuid| uuid.starts_with(b"mpath-"))
}
