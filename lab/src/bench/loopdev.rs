//! A loop device of our own, that leaves nothing behind.

use crate::bench::process;
use crate::bench::sysfs::{self, Queue};
use anyhow::{Context, Result, bail, ensure};
use block_types::Bytes;
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Where the bytes of a loop device are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backing {
    /// In memory (tmpfs): as fast as the kernel's own path, for what measures that path.
    Memory,
    /// In a file on a disk, read and written with direct I/O: a device that takes its time.
    Disk,
}

/// What loop device is wanted.
#[derive(Clone, Debug)]
pub struct LoopSpec {
    /// Its size.
    pub size: Bytes,
    /// Where its bytes are.
    pub backing: Backing,
    /// How many requests the driver takes at once; `None` for the driver's own number. With fewer, requests
    /// wait where a scheduler can order them, as they do in front of a real disk.
    pub tag_depth: Option<u32>,
    /// Whether the file's blocks are there from the start. Holes read as zeroes at no cost, so only what needs
    /// an honest device asks for blocks.
    pub allocated: bool,
}

/// A loop device that this process made on a file of its own.
///
/// It is made so that nothing stays behind in whatever way the process ends: the file is unlinked once it is
/// attached, and the device is marked to detach when its last user closes it, which is this guard. Dropping the
/// guard also sets the queue's knobs back, because a loop device's number remembers them for the next user.
#[derive(Debug)]
pub struct LoopDevice {
    name: String,
    path: PathBuf,
    queue: Queue,
    kernel_depth: u32,
    // Held so that the device lives exactly as long as this does.
    holder: Option<File>,
    directory: TempDir,
}

/// Another program may take a free number between the search and the attaching.
const ATTEMPTS: usize = 10;

impl LoopDevice {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// Without root or without the loop driver, or where there is no room for the file.
    pub fn make(spec: &LoopSpec) -> Result<Self> {
        let directory = match spec.backing {
            Backing::Memory => tempfile::Builder::new()
                .prefix("tunerd-lab.")
                .tempdir_in("/dev/shm")
                .context("cannot make a directory in /dev/shm, which should be a tmpfs")?,
            // Not /tmp, which is a tmpfs on many systems and then cannot do direct I/O.
            Backing::Disk => tempfile::Builder::new()
                .prefix("tunerd-lab.")
                .tempdir_in("/var/tmp")
                .context("cannot make a directory in /var/tmp")?,
        };
        let file = directory.path().join("disk");
        let made = OpenOptions::new().read(true).write(true).create_new(true).open(&file)?;
        made.set_len(spec.size.0)?;
        if spec.allocated {
            fallocate(&made, FallocateFlags::empty(), 0, spec.size.0)
                .with_context(|| format!("no room for {} bytes in {}", spec.size.0, file.display()))?;
            if spec.backing == Backing::Disk {
                // Reserved but unwritten blocks read as zeroes without touching the disk.
                fill(&made, spec.size)?;
            }
        }
        let direct = if spec.backing == Backing::Disk { "--direct-io=on" } else { "--direct-io=off" };
        let path = attach(&file, direct)?;
        let name = path.file_name().context("losetup named no device")?.to_string_lossy().into_owned();
        let backing = sysfs::read(&format!("block/{name}/loop/backing_file"))?;
        ensure!(Path::new(&backing) == file, "{name} is on {backing}, not on the file that was made for it");
        let holder = OpenOptions::new().read(true).open(&path)?;
        // While somebody has the device open this only marks it: it detaches at the last close.
        process::output("losetup", [Path::new("-d"), &path], None)?;
        std::fs::remove_file(&file)?;
        let kernel_depth = sysfs::read_under("/sys/module/loop/parameters/hw_queue_depth")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(128);
        let device =
            Self { queue: Queue::of(&name), name, path, kernel_depth, holder: Some(holder), directory };
        device.reset()?;
        if let Some(depth) = spec.tag_depth {
            device.set_tag_depth(depth)?;
        }
        Ok(device)
    }

    /// Its name, such as `loop3`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its node in /dev.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its queue's knobs.
    #[must_use]
    pub const fn queue(&self) -> &Queue {
        &self.queue
    }

    /// A directory that lives as long as the device, for mount points and logs.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Sets every knob back to what a fresh device has. The order is that of the kernel's side effects: the
    /// scheduler resets nr_requests, and max_sectors_kb resets read_ahead_kb.
    ///
    /// # Errors
    ///
    /// When the kernel refuses one.
    pub fn reset(&self) -> Result<()> {
        self.queue.set("scheduler", "none")?;
        // nr_requests may show the default while the driver's depth is another; only a change is heard.
        self.set_tag_depth(self.kernel_depth)?;
        for (knob, value) in [("iostats", "1"), ("nomerges", "0"), ("rq_affinity", "1")] {
            self.queue.set(knob, value)?;
        }
        // -1 and 0 mean "as the kernel would have it". A kernel that knows neither leaves what there is.
        let _ = self.queue.set("wbt_lat_usec", "-1");
        self.reset_read_ahead()
    }

    /// Lets the kernel choose the read-ahead anew, and the largest request.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn reset_read_ahead(&self) -> Result<()> {
        // A new max_sectors_kb makes the kernel raise read_ahead_kb to its default, and never lower it: from 0
        // it comes out right whatever was there before.
        self.queue.set("read_ahead_kb", "0")?;
        let _ = self.queue.set("max_sectors_kb", "0");
        if self.queue.get("read_ahead_kb")? == "0" {
            self.queue.set("read_ahead_kb", "128")?;
        }
        Ok(())
    }

    /// Sets how many requests the driver takes at once. The scheduler is `none` afterwards.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_tag_depth(&self, depth: u32) -> Result<()> {
        ensure!(depth >= 2, "a tag depth of {depth} cannot be reached through another value");
        self.queue.set("scheduler", "none")?;
        self.queue.set("nr_requests", &(depth - 1).to_string())?;
        self.queue.set("nr_requests", &depth.to_string())
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        if let Err(error) = self.reset() {
            eprintln!("{} keeps some of its knobs: {error:#}", self.name);
        }
        self.holder = None;
        // The last close detaches; wait for it, so that the file's blocks are free when we say so.
        for _ in 0..100 {
            if sysfs::read(&format!("block/{}/loop/backing_file", self.name)).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        eprintln!("{} is still in use and detaches when its last user closes it", self.name);
    }
}

/// How many requests a disk's driver takes at once, from debugfs: the only place that tells.
///
/// # Errors
///
/// When debugfs is not mounted or there is no such disk.
pub fn tag_depth(disk: &str) -> Result<u32> {
    let path = format!("/sys/kernel/debug/block/{disk}/hctx0/tags");
    let text = sysfs::read_under(&path).context("is debugfs mounted?")?;
    parse_depth(&text).with_context(|| format!("{path} has no depth"))
}

fn parse_depth(tags: &str) -> Option<u32> {
    // The bitmap's own depth; `nr_tags` above it keeps the first value that the driver asked for.
    tags.lines().find_map(|line| line.strip_prefix("depth=")?.parse().ok())
}

fn attach(file: &Path, direct: &str) -> Result<PathBuf> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let arguments = [Path::new("--find"), Path::new("--show"), Path::new(direct), file];
        match process::output("losetup", arguments, None) {
            Ok(found) => return Ok(PathBuf::from(found.trim())),
            Err(error) => last = Some(error),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    match last {
        Some(error) => Err(error.context("cannot attach a loop device (it needs root and the loop driver)")),
        None => bail!("no attempt was made"),
    }
}

/// Writes every block once.
fn fill(file: &File, size: Bytes) -> Result<()> {
    const CHUNK: u64 = 4 << 20;
    // Not zeroes: a host that stores them as holes would answer them at no cost.
    let bytes: Vec<u8> = (0..CHUNK).map(|index| (index.wrapping_mul(0x9E37_79B9) >> 11) as u8).collect();
    let mut at = 0;
    while at < size.0 {
        let here = CHUNK.min(size.0 - at);
        std::os::unix::fs::FileExt::write_all_at(file, &bytes[..here as usize], at)?;
        at += here;
    }
    file.sync_all().context("cannot write the file out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_depth_is_the_bitmaps_own() {
        let tags = "nr_tags=128\nnr_reserved_tags=0\nactive_queues=0\n\nbitmap_tags:\ndepth=48\nbusy=3\n";
        assert_eq!(parse_depth(tags), Some(48));
        assert_eq!(parse_depth("nr_tags=128\nmin_shallow_depth=3\n"), None);
    }
}
