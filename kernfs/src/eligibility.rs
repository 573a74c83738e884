//! Which disks tunerd may tune, and why not the others.

use crate::{DiskKind, Identity};

/// Why a device is left alone. The text says what to do instead, where there is something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ineligible {
    /// A partition has no queue of its own.
    #[error("{name} is a partition: its disk {disk} has the queue; name that instead")]
    Partition {
        /// The partition.
        name: String,
        /// Its disk.
        disk: String,
    },
    /// Device mapper.
    #[error(
        "{name} is a device-mapper device and has no scheduler of its own; tune the disks under it{}",
        list(slaves)
    )]
    Dm {
        /// The device.
        name: String,
        /// The disks under it.
        slaves: Vec<String>,
    },
    /// Software RAID.
    #[error(
        "{name} is a software RAID and has no scheduler of its own; tune the disks under it{}",
        list(slaves)
    )]
    Md {
        /// The array.
        name: String,
        /// The disks under it.
        slaves: Vec<String>,
    },
    /// Compressed memory.
    #[error("{name} is compressed memory: it has no request queue to tune")]
    Zram {
        /// The device.
        name: String,
    },
    /// A zoned disk.
    #[error("{name} is a zoned disk, whose writes must keep their order; tunerd leaves zoned disks alone")]
    Zoned {
        /// The disk.
        name: String,
    },
    /// One of several paths to a disk.
    #[error(
        "{name} is one of several paths to a disk (multipath{}), where none is the right scheduler",
        list(holders)
    )]
    MultipathPath {
        /// The path.
        name: String,
        /// What combines the paths; empty for native NVMe multipath.
        holders: Vec<String>,
    },
    /// A read-only disk.
    #[error("{name} is read-only")]
    ReadOnly {
        /// The disk.
        name: String,
    },
    /// No medium, or a loop device without a file.
    #[error("{name} has no size: no medium is in it, or no file is attached")]
    Empty {
        /// The disk.
        name: String,
    },
    /// A queue of bios.
    #[error("{name} has no request queue to tune: its driver ({kind}) takes bios directly")]
    NoTunableQueue {
        /// The disk.
        name: String,
        /// Its driver.
        kind: String,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

/// Whether tunerd may tune this disk; if not, the weightiest reason.
///
/// # Errors
/// The reason.
pub fn eligibility(identity: &Identity) -> Result<(), Ineligible> {
    let name = || identity.name.clone();
    match identity.kind {
        DiskKind::Dm => {
            return Err(Ineligible::Dm { name: name(), slaves: identity.slaves.clone() });
        }
        DiskKind::Md => {
            return Err(Ineligible::Md { name: name(), slaves: identity.slaves.clone() });
        }
        DiskKind::Zram => return Err(Ineligible::Zram { name: name() }),
        _ => {}
    }
    if identity.multipath_member {
        return Err(Ineligible::MultipathPath { name: name(), holders: identity.holders.clone() });
    }
    if identity.zoned != crate::Zoned::No {
        return Err(Ineligible::Zoned { name: name() });
    }
    if !identity.request_queue {
        return Err(Ineligible::NoTunableQueue { name: name(), kind: identity.kind.to_string() });
    }
    if identity.size.0 == 0 {
        return Err(Ineligible::Empty { name: name() });
    }
    if identity.read_only {
        return Err(Ineligible::ReadOnly { name: name() });
    }
    Ok(())
}
