//! Which devices may be replayed onto, and opening one for oneself alone.

use block_types::{Bytes, DevNo};
use kernfs::{Disk, Identity, Kernel};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a device may not be replayed onto.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It cannot be found or read.
    #[error(transparent)]
    Kernel(#[from] kernfs::Error),
    /// A partition.
    #[error("{name} is a partition: a replay takes a whole disk")]
    Partition {
        /// Its name.
        name: String,
    },
    /// A file system is on it.
    #[error("{device} is mounted at {place}: unmount it first, or choose another device")]
    Mounted {
        /// The disk or the partition of it.
        device: String,
        /// Where.
        place: String,
    },
    /// It is swapped to.
    #[error("{device} is used for swap: switch that off first, or choose another device")]
    Swap {
        /// The disk or the partition of it.
        device: String,
    },
    /// Other devices are built on it.
    #[error("{name} is held by {}: a device-mapper, RAID or cache device is built on it", holders.join(", "))]
    Holders {
        /// The disk.
        name: String,
        /// What is built on it.
        holders: Vec<String>,
    },
    /// A loop device has it for its file.
    #[error("{name} is what {user} is attached to")]
    LoopBacking {
        /// The disk.
        name: String,
        /// The loop device.
        user: String,
    },
    /// It has no medium or no size.
    #[error("{name} has no size: no medium is in it, or no file is attached")]
    Empty {
        /// The disk.
        name: String,
    },
    /// It cannot be written.
    #[error("{name} is read-only, and --allow-writes asks for writes")]
    ReadOnly {
        /// The disk.
        name: String,
    },
    /// Something has it open exclusively.
    #[error("{path} is in use: something has it open for itself alone (a mount, RAID, swap, or another program)", path = path.display())]
    InUse {
        /// Its node.
        path: PathBuf,
    },
    /// It cannot be opened.
    #[error("{path}: cannot be opened: {source}", path = path.display())]
    Open {
        /// Its node.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The node in /dev is another device than the name says.
    #[error("{path}: found device {found}, expected {expected}", path = path.display())]
    AnotherDevice {
        /// The node.
        path: PathBuf,
        /// Its number.
        found: String,
        /// The number that the kernel gives for the name.
        expected: DevNo,
    },
}

/// A device that may be replayed onto.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its node.
    pub path: PathBuf,
    /// What it is.
    pub identity: Identity,
    /// Its logical block: what direct I/O is aligned to.
    pub block: Bytes,
    kernel: Arc<dyn Kernel>,
}

/// Looks at a device and everything that may be using it.
///
/// # Errors
/// [`Refusal`] with the weightiest reason.
pub fn find(kernel: Arc<dyn Kernel>, path: &Path, allow_writes: bool) -> Result<Found, Refusal> {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_absent| path.to_owned());
    let found = Disk::find(Arc::clone(&kernel), &real.to_string_lossy())?;
    if let Some(partition) = found.partition {
        return Err(Refusal::Partition { name: partition });
    }
    let identity = found.disk.identity()?;
    let name = identity.name.clone();
    check(&identity, &in_use(&kernel), allow_writes)?;
    let block = kernel
        .read(&kernfs::KPath::sys(format!("block/{name}/queue/logical_block_size")))
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok())
        .unwrap_or(4096);
    Ok(Found { path: Path::new("/dev").join(&name), identity, block: Bytes(block), kernel })
}

/// What uses block devices: mounts, swap, loop devices.
#[derive(Clone, Debug, Default)]
struct InUse {
    /// Device numbers and where each is mounted.
    mounts: Vec<(String, String)>,
    /// Nodes.
    swaps: Vec<String>,
    /// Loop devices and what each is attached to.
    loops: Vec<(String, String)>,
}

fn in_use(kernel: &Arc<dyn Kernel>) -> InUse {
    let text = |path: kernfs::KPath| {
        kernel.read(&path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    };
    let mounts = text(kernfs::KPath::proc("self/mountinfo"))
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(2);
            Some((words.next()?.to_owned(), words.nth(1)?.to_owned()))
        })
        .collect();
    let swaps = text(kernfs::KPath::proc("swaps"))
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect();
    let loops = kernel
        .list(&kernfs::KPath::sys("block"))
        .unwrap_or_default()
        .into_iter()
        .filter(|name| name.starts_with("loop"))
        .filter_map(|name| {
            let file = text(kernfs::KPath::sys(format!("block/{name}/loop/backing_file")));
            let file = file.trim_end().to_owned();
            (!file.is_empty()).then_some((name, file))
        })
        .collect();
    InUse { mounts, swaps, loops }
}

fn check(identity: &Identity, in_use: &InUse, allow_writes: bool) -> Result<(), Refusal> {
    let name = || identity.name.clone();
    if identity.size.0 == 0 {
        return Err(Refusal::Empty { name: name() });
    }
    let parts = std::iter::once((identity.name.as_str(), identity.devno))
        .chain(identity.partitions.iter().map(|(name, dev)| (name.as_str(), *dev)));
    for (part, dev) in parts {
        let number = dev.to_string();
        if let Some((_, place)) = in_use.mounts.iter().find(|(mounted, _)| *mounted == number) {
            return Err(Refusal::Mounted { device: part.to_owned(), place: place.clone() });
        }
        let node = format!("/dev/{part}");
        if in_use.swaps.contains(&node) {
            return Err(Refusal::Swap { device: part.to_owned() });
        }
        if let Some((user, _)) = in_use.loops.iter().find(|(_, file)| *file == node) {
            return Err(Refusal::LoopBacking { name: part.to_owned(), user: user.clone() });
        }
    }
    if !identity.holders.is_empty() {
        return Err(Refusal::Holders { name: name(), holders: identity.holders.clone() });
    }
    if allow_writes && identity.read_only {
        return Err(Refusal::ReadOnly { name: name() });
    }
    Ok(())
}

impl Found {
    /// Opens it for direct I/O and for this program alone.
    ///
    /// # Errors
    /// [`Refusal::InUse`] where something else has it, [`Refusal::Open`], [`Refusal::AnotherDevice`].
    pub fn open(&self, allow_writes: bool) -> Result<File, Refusal> {
        let access = if allow_writes { OFlags::RDWR } else { OFlags::RDONLY };
        // O_EXCL without O_CREAT on a block device: nobody else may have claimed it (open(2)).
        let flags = access | OFlags::DIRECT | OFlags::EXCL | OFlags::CLOEXEC;
        let path = self.path.clone();
        let fd = rustix::fs::open(&path, flags, Mode::empty()).map_err(|errno| match errno {
            rustix::io::Errno::BUSY => Refusal::InUse { path: path.clone() },
            errno => Refusal::Open { path: path.clone(), source: errno.into() },
        })?;
        let stat = rustix::fs::fstat(&fd)
            .map_err(|errno| Refusal::Open { path: path.clone(), source: errno.into() })?;
        let found = DevNo::new(rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        if found != self.identity.devno {
            return Err(Refusal::AnotherDevice {
                path,
                found: found.to_string(),
                expected: self.identity.devno,
            });
        }
        Ok(File::from(fd))
    }

    /// Why it is no longer what it was, if so.
    #[must_use]
    pub fn gone(&self) -> Option<String> {
        let name = &self.identity.name;
        match Disk::open(Arc::clone(&self.kernel), name).and_then(|disk| disk.identity()) {
            Err(error) => Some(format!("{name} has gone: {error}")),
            Ok(now) if now.diskseq != self.identity.diskseq || now.size != self.identity.size => {
                Some(format!("{name} is another disk than at the start"))
            }
            Ok(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernfs::fake::{FakeDisk, FakeKernel};

    fn identity() -> Identity {
        let kernel = FakeKernel::new().with_disk(FakeDisk::hdd("sda"));
        let mut identity = Disk::open(Arc::new(kernel), "sda").unwrap().identity().unwrap();
        identity.partitions = vec![("sda1".to_owned(), DevNo::new(8, 1))];
        identity
    }

    fn refused(change: impl Fn(&mut Identity, &mut InUse), allow_writes: bool) -> String {
        let (mut identity, mut in_use) = (identity(), InUse::default());
        change(&mut identity, &mut in_use);
        match check(&identity, &in_use, allow_writes) {
            Ok(()) => "allowed".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_in_use_is_refused_with_its_user() {
        let number = identity().devno.to_string();
        for (change, expected) in [
            (
                Box::new(move |_: &mut Identity, used: &mut InUse| {
                    used.mounts.push((number.clone(), "/srv".into()));
                }) as Box<dyn Fn(&mut Identity, &mut InUse)>,
                "sda is mounted at /srv",
            ),
            (Box::new(|_, used| used.mounts.push(("8:1".into(), "/".into()))), "sda1 is mounted at /"),
            (Box::new(|_, used| used.swaps.push("/dev/sda1".into())), "sda1 is used for swap"),
            (Box::new(|disk, _| disk.holders.push("dm-0".into())), "held by dm-0"),
            (Box::new(|_, used| used.loops.push(("loop3".into(), "/dev/sda".into()))), "loop3"),
            (Box::new(|disk, _| disk.size.0 = 0), "no size"),
        ] {
            let found = refused(change, false);
            assert!(found.contains(expected), "{found} does not say {expected}");
        }
    }

    #[test]
    fn a_read_only_disk_is_refused_only_where_writes_are_wanted() {
        let read_only = |disk: &mut Identity, _: &mut InUse| disk.read_only = true;
        assert_eq!(refused(read_only, false), "allowed");
        assert!(refused(read_only, true).contains("read-only"));
    }
}
