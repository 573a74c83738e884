//! A kernel in memory: for tests, and for the demonstration without root.
//!
//! [`FakeKernel`] holds disks that keep state and answer as Linux 6.18 (HZ = 250) does: the brackets of `scheduler`
//! move, unknown names are `EINVAL`, `iosched/` is replaced with defaults at a switch, `nr_requests` resets and, under
//! `none`, may not be the depth, `max_sectors_kb` raises `read_ahead_kb`, `wbt_lat_usec` is sticky, times are rounded
//! to jiffies. `tests/conformance.rs` holds the same expectations against it and against a real loop device.
//!
//! On top of that it can be told to misbehave: attributes fail, vanish, refuse writes, hold garbage, clamp, take
//! their time; disks vanish; another hand writes. Every write is logged.

mod iosched;
mod kstr;
mod queue;
mod spec;
mod tree;
mod wbt;

pub use spec::{AsyncDepth, FakeDisk};

use crate::{DiskStats, Errno, InFlight, KPath, Kernel, Tree};
use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tree::{Node, Present};

/// A kernel in memory; clones share it.
#[derive(Clone, Debug, Default)]
pub struct FakeKernel(Arc<Mutex<State>>);

/// One write that reached the fake, refused or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where to.
    pub path: KPath,
    /// What was written.
    pub text: String,
    /// How it was refused, if it was.
    pub refused: Option<Errno>,
}

#[derive(Debug, Default)]
struct State {
    disks: BTreeMap<String, Present>,
    boot_id: Option<String>,
    no_debugfs: bool,
    read_only: bool,
    faults: BTreeMap<KPath, Fault>,
    log: Vec<Write>,
    reads: u64,
    /// The disk vanishes in the middle of the write that brings this to zero.
    vanish_at: Option<(String, u64)>,
}

/// What an attribute was told to do.
#[derive(Clone, Debug, Default)]
struct Fault {
    reads: Option<Errno>,
    writes: Option<Errno>,
    vanished: bool,
    read_only: bool,
    text: Option<Vec<u8>>,
    clamp: Option<RangeInclusive<u64>>,
    delay: Duration,
}

/// The boot id of a fake that was told no other.
const BOOT_ID: &str = "6f2c1f8e-0d0b-4c8e-9d4e-5a1f0c7b2e11";

impl FakeKernel {
    /// A kernel without disks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one disk more.
    #[must_use]
    pub fn with_disk(self, disk: FakeDisk) -> Self {
        self.add_disk(disk);
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked while holding the lock must not hide its reason behind a second panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A disk appears; one of the same name is replaced.
    pub fn add_disk(&self, disk: FakeDisk) {
        self.state().disks.insert(disk.name.clone(), Present::new(disk));
    }

    /// A disk goes; its files with it. Answers whether it was there.
    pub fn vanish(&self, disk: &str) -> bool {
        self.state().disks.remove(disk).is_some()
    }

    /// The disk goes in the middle of the `nth` write from now (1 is the next), which is then `ENODEV`.
    pub fn vanish_at_write(&self, disk: &str, nth: u64) {
        self.state().vanish_at = Some((disk.to_owned(), nth.max(1)));
    }

    /// Reads and writes of `path` fail from now on.
    pub fn fail(&self, path: KPath, errno: Errno) {
        self.fail_reads(path.clone(), errno);
        self.fail_writes(path, errno);
    }

    /// Reads of `path` fail from now on.
    pub fn fail_reads(&self, path: KPath, errno: Errno) {
        self.fault(path, |fault| fault.reads = Some(errno));
    }

    /// Writes of `path` fail from now on.
    pub fn fail_writes(&self, path: KPath, errno: Errno) {
        self.fault(path, |fault| fault.writes = Some(errno));
    }

    /// `path` is not there from now on, as on a kernel without the attribute.
    pub fn vanish_attribute(&self, path: KPath) {
        self.fault(path, |fault| fault.vanished = true);
    }

    /// `path` loses its write permission.
    pub fn read_only(&self, path: KPath) {
        self.fault(path, |fault| fault.read_only = true);
    }

    /// All of sysfs is mounted read-only, or writable again.
    pub fn mount_read_only(&self, read_only: bool) {
        self.state().read_only = read_only;
    }

    /// `path` reads as `text`, whatever it is set to: garbage, or nothing.
    pub fn set_text(&self, path: KPath, text: impl Into<Vec<u8>>) {
        let text = text.into();
        self.fault(path, |fault| fault.text = Some(text));
    }

    /// Numbers written to `path` are brought into `range` before they are stored, as a driver may do.
    pub fn clamp(&self, path: KPath, range: RangeInclusive<u64>) {
        self.fault(path, |fault| fault.clamp = Some(range));
    }

    /// Every write to `path` takes this long, as one that drains the queue does; the other attributes stay usable
    /// meanwhile.
    pub fn delay_writes(&self, path: KPath, delay: Duration) {
        self.fault(path, |fault| fault.delay = delay);
    }

    /// `path` behaves again.
    pub fn heal(&self, path: &KPath) {
        self.state().faults.remove(path);
    }

    fn fault(&self, path: KPath, change: impl FnOnce(&mut Fault)) {
        change(self.state().faults.entry(path).or_default());
    }

    /// Somebody else writes: as [`Kernel::write`], but past all faults and not logged.
    ///
    /// # Errors
    /// As the attribute answers.
    pub fn foreign_write(&self, path: &KPath, text: &str) -> Result<(), Errno> {
        self.state().store(path, text)
    }

    /// Every write so far, refused ones too.
    #[must_use]
    pub fn writes(&self) -> Vec<Write> {
        self.state().log.clone()
    }

    /// How many writes there were so far.
    #[must_use]
    pub fn write_count(&self) -> usize {
        self.state().log.len()
    }

    /// How many reads there were so far.
    #[must_use]
    pub fn read_count(&self) -> u64 {
        self.state().reads
    }

    /// Forgets the writes and reads so far.
    pub fn clear_log(&self) {
        let mut state = self.state();
        state.log.clear();
        state.reads = 0;
    }

    /// Changes a disk's counters; answers whether the disk is there.
    pub fn update_stats(&self, disk: &str, change: impl FnOnce(&mut DiskStats)) -> bool {
        let mut state = self.state();
        let Some(present) = state.disks.get_mut(disk) else {
            return false;
        };
        change(&mut present.stats);
        true
    }

    /// Sets what is in flight: `inflight`, and the column of the counters that follows from it.
    pub fn set_in_flight(&self, disk: &str, in_flight: InFlight) -> bool {
        let mut state = self.state();
        let Some(present) = state.disks.get_mut(disk) else {
            return false;
        };
        present.in_flight = in_flight;
        present.stats.in_flight = in_flight.reads + in_flight.writes;
        true
    }

    /// The machine was restarted: another boot id. Disks keep what they are set to; add them anew to reset them.
    pub fn set_boot_id(&self, boot_id: &str) {
        self.state().boot_id = Some(boot_id.to_owned());
    }

    /// Whether debugfs is there (it is at first).
    pub fn set_debugfs(&self, present: bool) {
        self.state().no_debugfs = !present;
    }
}

impl State {
    /// The disk of a path in `block/`, and the rest below its directory.
    fn disk_of<'a>(&self, path: &'a KPath) -> Option<(&Present, &'a str)> {
        let (disk, rest) = disk_and_rest(path)?;
        Some((self.disks.get(disk)?, rest))
    }

    /// What `class/block/<name>` or `dev/block/<number>` links to.
    fn link(&self, path: &KPath) -> Option<String> {
        if path.tree() != Tree::Sys {
            return None;
        }
        let (by_name, wanted) = match path.rest().split_once("/block/") {
            Some(("class", name)) => (true, name),
            Some(("dev", number)) => (false, number),
            _ => return None,
        };
        let target = |path: String| format!("../../devices/virtual/block/{path}");
        self.disks.values().find_map(|disk| {
            let name = &disk.spec.name;
            if (by_name && wanted == name) || (!by_name && wanted == disk.spec.devno.to_string()) {
                return Some(target(name.clone()));
            }
            let partition =
                disk.spec.partitions.iter().find(|(part, dev, _)| {
                    if by_name { wanted == part } else { wanted == dev.to_string() }
                })?;
            Some(target(format!("{name}/{}", partition.0)))
        })
    }

    fn node(&self, path: &KPath) -> Option<Node> {
        if self.faults.get(path).is_some_and(|fault| fault.vanished) {
            return None;
        }
        match path.tree() {
            Tree::Sys => match path.rest() {
                "block" | "class/block" | "dev/block" => Some(Node::Dir),
                _ if self.link(path).is_some() => Some(Node::Dir),
                _ => {
                    let (disk, rest) = self.disk_of(path)?;
                    disk.node(rest)
                }
            },
            Tree::Proc => matches!(path.rest(), "diskstats" | "sys/kernel/random/boot_id")
                .then_some(Node::File { writable: false }),
            Tree::Debug => self.text(path).is_ok().then_some(Node::File { writable: false }),
        }
    }

    fn text(&self, path: &KPath) -> Result<String, Errno> {
        match path.tree() {
            Tree::Proc => match path.rest() {
                "diskstats" => Ok(self.diskstats()),
                "sys/kernel/random/boot_id" => {
                    Ok(format!("{}\n", self.boot_id.as_deref().unwrap_or(BOOT_ID)))
                }
                _ => Err(Errno::NoEntry),
            },
            Tree::Sys => {
                let (disk, rest) = self.disk_of(path).ok_or(Errno::NoEntry)?;
                disk.read(rest)
            }
            Tree::Debug if self.no_debugfs => Err(Errno::NoEntry),
            Tree::Debug => {
                let (disk, rest) = self.disk_of(path).ok_or(Errno::NoEntry)?;
                disk.debug(rest)
            }
        }
    }

    fn diskstats(&self) -> String {
        let mut rows: Vec<DiskStats> = Vec::new();
        for disk in self.disks.values() {
            rows.push(disk.stats.clone());
            rows.extend(disk.spec.partitions.iter().map(|(name, dev, _)| spec::idle(*dev, name)));
        }
        rows.sort_by_key(|row| row.dev);
        rows.iter().map(|row| format!("{}\n", row.to_line())).collect()
    }

    fn store(&mut self, path: &KPath, text: &str) -> Result<(), Errno> {
        if path.tree() != Tree::Sys {
            return Err(Errno::Access);
        }
        let (disk, rest) = disk_and_rest(path).ok_or(Errno::NoEntry)?;
        self.disks.get_mut(disk).ok_or(Errno::NoEntry)?.write(rest, text)
    }

    fn faulty_store(&mut self, path: &KPath, text: &str) -> Result<(), Errno> {
        if let Some((disk, left)) = self.vanish_at.take() {
            if left == 1 {
                self.disks.remove(&disk);
                return Err(Errno::NoDevice);
            }
            self.vanish_at = Some((disk, left - 1));
        }
        if self.read_only && path.tree() == Tree::Sys {
            return Err(Errno::ReadOnlyFs);
        }
        let fault = self.faults.get(path).cloned().unwrap_or_default();
        if self.node(path).is_none() {
            return Err(Errno::NoEntry);
        }
        if fault.read_only {
            return Err(Errno::Access);
        }
        if let Some(errno) = fault.writes {
            return Err(errno);
        }
        match (fault.clamp, text.trim().parse::<u64>()) {
            (Some(range), Ok(value)) => {
                self.store(path, &value.clamp(*range.start(), *range.end()).to_string())
            }
            _ => self.store(path, text),
        }
    }
}

/// `block/<disk>` and what is below it.
fn disk_and_rest(path: &KPath) -> Option<(&str, &str)> {
    let rest = path.rest().strip_prefix("block/")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

impl Kernel for FakeKernel {
    fn read(&self, path: &KPath) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.reads += 1;
        if state.node(path).is_none() {
            return Err(Errno::NoEntry.into());
        }
        let fault = state.faults.get(path);
        if let Some(errno) = fault.and_then(|fault| fault.reads) {
            return Err(errno.into());
        }
        if let Some(text) = fault.and_then(|fault| fault.text.clone()) {
            return Ok(text);
        }
        Ok(state.text(path)?.into_bytes())
    }

    fn write(&self, path: &KPath, text: &str) -> io::Result<()> {
        let delay = self.state().faults.get(path).map_or(Duration::ZERO, |fault| fault.delay);
        if delay > Duration::ZERO {
            std::thread::sleep(delay);
        }
        let mut state = self.state();
        let result = state.faulty_store(path, text);
        let refused = result.err();
        state.log.push(Write { path: path.clone(), text: text.to_owned(), refused });
        result.map_err(Into::into)
    }

    fn list(&self, dir: &KPath) -> io::Result<Vec<String>> {
        let state = self.state();
        if dir == &KPath::sys("block") {
            return Ok(state.disks.keys().cloned().collect());
        }
        if state.node(dir).is_none() {
            return Err(Errno::NoEntry.into());
        }
        let (disk, rest) = state.disk_of(dir).ok_or(Errno::NoEntry)?;
        let mut names = disk.list(rest)?;
        names.retain(|name| !state.faults.get(&dir.join(name)).is_some_and(|fault| fault.vanished));
        Ok(names)
    }

    fn read_link(&self, path: &KPath) -> io::Result<PathBuf> {
        Ok(self.state().link(path).ok_or(Errno::NoEntry)?.into())
    }

    fn exists(&self, path: &KPath) -> bool {
        self.state().node(path).is_some()
    }

    fn writable(&self, path: &KPath) -> io::Result<bool> {
        let state = self.state();
        match state.node(path) {
            None => Err(Errno::NoEntry.into()),
            Some(Node::Dir) => Ok(false),
            Some(Node::File { writable }) => {
                let refused = state.read_only || state.faults.get(path).is_some_and(|fault| fault.read_only);
                Ok(writable && !refused)
            }
        }
    }

    fn locate(&self, path: &KPath) -> PathBuf {
        // Nobody should take a fake's file for the machine's.
        PathBuf::from(format!("fake:{path}"))
    }
}
