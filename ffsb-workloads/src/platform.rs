//! What differs between systems: direct I/O, how full a file system is, syncing, processor time.

use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// How full a file system is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// All there is.
    pub total_bytes: u64,
    /// What is free, also for root only.
    pub free_bytes: u64,
    /// What this process may still write.
    pub available_bytes: u64,
}

impl Usage {
    /// Which share is used, from 0 to 1.
    #[must_use]
    pub fn used_share(&self) -> f64 {
        let used = self.total_bytes.saturating_sub(self.free_bytes);
        if self.total_bytes == 0 { 1.0 } else { used as f64 / self.total_bytes as f64 }
    }
}

/// Asks how full the file system of a path is.
///
/// # Errors
///
/// What `statvfs` fails with.
pub fn usage(path: &Path) -> io::Result<Usage> {
    let found = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Usage {
        total_bytes: bytes(found.f_blocks),
        free_bytes: bytes(found.f_bfree),
        available_bytes: bytes(found.f_bavail),
    })
}

/// Options that follow no symbolic link.
#[must_use]
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(flags(false));
    options
}

/// Adds direct I/O to [`options`].
pub fn set_direct(options: &mut OpenOptions, direct: bool) {
    options.custom_flags(flags(direct));
}

#[cfg(target_os = "linux")]
fn flags(direct: bool) -> i32 {
    use rustix::fs::OFlags;
    let flags = if direct { OFlags::NOFOLLOW | OFlags::DIRECT } else { OFlags::NOFOLLOW };
    flags.bits().cast_signed()
}

#[cfg(not(target_os = "linux"))]
fn flags(_direct: bool) -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits() as i32
}

/// Whether this system has direct I/O at all.
pub const HAS_DIRECT: bool = cfg!(target_os = "linux");

/// Whether a file system keeps its files in memory and nowhere else: there, direct I/O reaches no device. Newer kernels
/// accept it in silence.
#[cfg(target_os = "linux")]
#[must_use]
pub fn is_memory(path: &Path) -> bool {
    // TMPFS_MAGIC of the kernel's magic.h.
    const TMPFS: u32 = 0x0102_1994;
    // The field's type differs between architectures; the magic always fits 32 bits.
    rustix::fs::statfs(path).is_ok_and(|found| found.f_type as u32 == TMPFS)
}

/// Whether a file system keeps its files in memory and nowhere else.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn is_memory(_path: &Path) -> bool {
    false
}

/// Writes out everything that the file system of this directory still holds in memory.
///
/// # Errors
///
/// What the system says.
pub fn sync(directory: &Path) -> io::Result<()> {
    let opened = File::open(directory)?;
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(&opened)?;
    #[cfg(not(target_os = "linux"))]
    opened.sync_all()?;
    Ok(())
}

/// Asks the kernel to forget a file's pages, so that reading begins at the disk. Only clean pages go.
pub fn forget_pages(file: &File) {
    // A hint: where it is refused, reads are warmer than they might be.
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

/// Bytes of memory that programs may still take; `None` where the system does not tell.
#[cfg(target_os = "linux")]
#[must_use]
pub fn available_memory() -> Option<u64> {
    use procfs::Current;
    procfs::Meminfo::current().ok()?.mem_available
}

/// Bytes of memory that programs may still take; `None` where the system does not tell.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn available_memory() -> Option<u64> {
    None
}

/// Nanoseconds on `CLOCK_MONOTONIC`, which the kernel stamps block events with.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

/// Processor time of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In its own code.
    pub user: Duration,
    /// In the kernel on its behalf.
    pub system: Duration,
}

/// The processor time that this process has used; `None` where the system does not tell.
#[cfg(target_os = "linux")]
#[must_use]
pub fn cpu_time() -> Option<CpuTime> {
    let stat = procfs::process::Process::myself().ok()?.stat().ok()?;
    let ticks = u64::max(procfs::ticks_per_second(), 1);
    let time = |count: u64| Duration::from_millis(count.saturating_mul(1000) / ticks);
    Some(CpuTime { user: time(stat.utime), system: time(stat.stime) })
}

/// The processor time that this process has used; `None` where the system does not tell.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn cpu_time() -> Option<CpuTime> {
    None
}
