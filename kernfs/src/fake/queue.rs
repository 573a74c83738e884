//! `queue/` of one disk: a small state machine that answers and changes as Linux 6.18 does.

use super::iosched::Iosched;
use super::kstr;
use super::wbt::Wbt;
use super::{AsyncDepth, FakeDisk};
use crate::{Errno, WbtState};

/// The state behind the attributes.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    offered: Vec<String>,
    active: String,
    iosched: Iosched,
    async_depth_place: AsyncDepth,
    /// `queue/async_depth` of later kernels.
    queue_async_depth: u64,
    /// What the driver allocated: the bound of nr_requests under `none`.
    driver_tags: u64,
    /// How many of them are in use; writing nr_requests under `none` sets it, and switches leave it alone.
    tag_depth: u64,
    nr_requests: u64,
    max_hw_sectors_kb: u64,
    max_sectors_kb: u64,
    default_max_sectors_kb: u64,
    optimal_io_kb: u64,
    read_ahead_kb: u64,
    rq_affinity: u64,
    nomerges: u64,
    rotational: bool,
    iostats: bool,
    zoned: String,
    wbt: Wbt,
}

/// `BLKDEV_MIN_RQ`.
const MIN_REQUESTS: u64 = 4;
/// `BLKDEV_DEFAULT_RQ`.
const DEFAULT_REQUESTS: u64 = 128;
/// `MAX_SCHED_RQ`: the bound of nr_requests under a scheduler.
const MAX_SCHED_REQUESTS: u64 = 16 * DEFAULT_REQUESTS;
/// `VM_READAHEAD_PAGES` in KiB.
const DEFAULT_READ_AHEAD_KB: u64 = 128;
const PAGE_KB: u64 = 4;

const READ_ONLY: [&str; 3] = ["logical_block_size", "max_hw_sectors_kb", "zoned"];
const WRITABLE: [&str; 9] = [
    "iostats",
    "max_sectors_kb",
    "nomerges",
    "nr_requests",
    "read_ahead_kb",
    "rotational",
    "rq_affinity",
    "scheduler",
    "wbt_lat_usec",
];

impl Queue {
    pub(super) fn new(disk: &FakeDisk) -> Self {
        let default_max_sectors_kb = disk.max_sectors_kb.min(disk.max_hw_sectors_kb);
        let mut queue = Self {
            offered: disk.schedulers.clone(),
            active: "none".to_owned(),
            iosched: Iosched::None,
            async_depth_place: disk.async_depth,
            queue_async_depth: disk.tag_depth,
            driver_tags: disk.tag_depth,
            tag_depth: disk.tag_depth,
            nr_requests: disk.tag_depth,
            max_hw_sectors_kb: disk.max_hw_sectors_kb,
            max_sectors_kb: default_max_sectors_kb,
            default_max_sectors_kb,
            optimal_io_kb: disk.optimal_io_kb,
            read_ahead_kb: 0,
            rq_affinity: 1,
            nomerges: 0,
            rotational: disk.rotational,
            iostats: true,
            zoned: disk.zoned.clone(),
            wbt: Wbt::new(disk.wbt_by_default, disk.wbt_rotational.unwrap_or(disk.rotational)),
        };
        queue.limits_changed();
        if queue.active != disk.scheduler {
            queue.switch(&disk.scheduler);
        }
        queue
    }

    pub(super) const fn tag_depth(&self) -> u64 {
        self.tag_depth
    }

    pub(super) const fn driver_tags(&self) -> u64 {
        self.driver_tags
    }

    pub(super) fn wbt_state(&self) -> Option<WbtState> {
        self.wbt.state()
    }

    /// The names in `queue/`, sorted, directories among them.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let mut names = READ_ONLY.to_vec();
        names.extend(WRITABLE);
        if self.async_depth_place == AsyncDepth::Queue {
            names.push("async_depth");
        }
        if self.iosched.names().is_some() {
            names.push("iosched");
        }
        names.sort_unstable();
        names
    }

    /// The names in `queue/iosched/`; `None` while there is no such directory.
    pub(super) fn iosched_names(&self) -> Option<Vec<&'static str>> {
        self.iosched.names()
    }

    /// Whether there is such a file; if so, whether its mode lets it be written.
    pub(super) fn mode(&self, rest: &str) -> Option<bool> {
        match rest.strip_prefix("iosched/") {
            Some(name) => self.iosched.names()?.contains(&name).then_some(true),
            None if rest == "async_depth" => (self.async_depth_place == AsyncDepth::Queue).then_some(true),
            None if READ_ONLY.contains(&rest) => Some(false),
            None => WRITABLE.contains(&rest).then_some(true),
        }
    }

    /// The text of `rest`, below `queue/`.
    pub(super) fn read(&self, rest: &str) -> Result<String, Errno> {
        if let Some(name) = rest.strip_prefix("iosched/") {
            return self.iosched.read(name).map(line);
        }
        Ok(line(match rest {
            "scheduler" => return Ok(self.menu()),
            "nr_requests" => self.nr_requests.to_string(),
            "async_depth" if self.async_depth_place == AsyncDepth::Queue => {
                self.queue_async_depth.to_string()
            }
            "max_sectors_kb" => self.max_sectors_kb.to_string(),
            "max_hw_sectors_kb" => self.max_hw_sectors_kb.to_string(),
            "logical_block_size" => "512".to_owned(),
            "read_ahead_kb" => self.read_ahead_kb.to_string(),
            "rq_affinity" => self.rq_affinity.to_string(),
            "nomerges" => self.nomerges.to_string(),
            "rotational" => u8::from(self.rotational).to_string(),
            "iostats" => u8::from(self.iostats).to_string(),
            "zoned" => self.zoned.clone(),
            "wbt_lat_usec" => self.wbt.read()?.to_string(),
            _ => return Err(Errno::NoEntry),
        }))
    }

    /// Stores `text` to `rest`, below `queue/`.
    pub(super) fn write(&mut self, rest: &str, text: &str) -> Result<(), Errno> {
        if !self.mode(rest).ok_or(Errno::NoEntry)? {
            return Err(Errno::Access);
        }
        // sysfs does not call the store for an empty write.
        if text.is_empty() {
            return Ok(());
        }
        if let Some(name) = rest.strip_prefix("iosched/") {
            return self.iosched.write(name, text);
        }
        match rest {
            "scheduler" => return self.write_scheduler(text),
            "nr_requests" => return self.write_nr_requests(kstr::queue_var(text)?),
            // Of later kernels: refused without a scheduler, and never more than nr_requests.
            "async_depth" => match kstr::queue_var(text)? {
                0 => return Err(Errno::Invalid),
                _ if self.active == "none" => return Err(Errno::Invalid),
                value => self.queue_async_depth = value.min(self.nr_requests),
            },
            "max_sectors_kb" => return self.write_max_sectors(kstr::queue_var(text)?),
            // Whole pages.
            "read_ahead_kb" => self.read_ahead_kb = kstr::queue_var(text)? / PAGE_KB * PAGE_KB,
            // Any other number is taken and changes nothing.
            "rq_affinity" => {
                if let value @ 0..=2 = kstr::queue_var(text)? {
                    self.rq_affinity = value;
                }
            }
            // 2 is all merges off; any other number but 0 is the simple ones only.
            "nomerges" => {
                self.nomerges = match kstr::queue_var(text)? {
                    value @ (0 | 2) => value,
                    _ => 1,
                }
            }
            "rotational" => {
                self.rotational = kstr::queue_var(text)? > 0;
                self.limits_changed();
            }
            "iostats" => {
                self.iostats = kstr::queue_var(text)? > 0;
                self.limits_changed();
            }
            "wbt_lat_usec" => return self.wbt.write(text, self.rotational),
            _ => return Err(Errno::NoEntry),
        }
        Ok(())
    }

    fn menu(&self) -> String {
        let words = self
            .offered
            .iter()
            .map(|name| if *name == self.active { format!("[{name}] ") } else { format!("{name} ") });
        line(words.collect())
    }

    /// Blanks around the name are ignored, and whatever begins with `none` is `none`.
    fn write_scheduler(&mut self, text: &str) -> Result<(), Errno> {
        let name = text.trim_matches([' ', '\t', '\n']);
        let name = if name.starts_with("none") { "none" } else { name };
        let found = self.offered.iter().find(|offered| *offered == name).ok_or(Errno::Invalid)?.clone();
        // The one in force again keeps everything (but still freezes the queue on a real disk); only none again shows
        // the number of all tags, as every switch to it does.
        if found != self.active || found == "none" {
            self.switch(&found);
        }
        Ok(())
    }

    fn switch(&mut self, to: &str) {
        if self.active == "bfq" {
            self.wbt.scheduler_leaves();
        }
        self.active = to.to_owned();
        // Under none, what the driver allocated and not what was set: the number is then not the depth.
        self.nr_requests =
            if to == "none" { self.driver_tags } else { 2 * self.driver_tags.min(DEFAULT_REQUESTS) };
        self.queue_async_depth = self.nr_requests;
        self.iosched = Iosched::new(to, self.nr_requests, self.async_depth_place == AsyncDepth::Iosched);
        if to == "bfq" {
            self.wbt.scheduler_takes_over();
        }
    }

    fn write_nr_requests(&mut self, value: u64) -> Result<(), Errno> {
        // The number that is shown already is no write at all, whatever the depth is.
        if value == self.nr_requests {
            return Ok(());
        }
        let value = value.max(MIN_REQUESTS);
        if self.active == "none" {
            if value > self.driver_tags {
                return Err(Errno::Invalid);
            }
            self.tag_depth = value;
        } else if value > MAX_SCHED_REQUESTS {
            return Err(Errno::Invalid);
        }
        // Later kernels keep its share of nr_requests; up to 6.18 mq-deadline starts anew from it.
        self.queue_async_depth = (self.queue_async_depth * value / self.nr_requests).max(1);
        self.nr_requests = value;
        self.iosched.depth_changed(value);
        Ok(())
    }

    fn write_max_sectors(&mut self, value: u64) -> Result<(), Errno> {
        self.max_sectors_kb = match value {
            0 => self.default_max_sectors_kb,
            1..PAGE_KB => return Err(Errno::Invalid),
            _ => value.min(self.max_hw_sectors_kb),
        };
        self.limits_changed();
        Ok(())
    }

    /// `blk_apply_bdi_limits`: every committed change of the queue's limits raises read-ahead to at least twice the
    /// optimal size, which for a rotational disk that tells none is the largest request. It never lowers it.
    fn limits_changed(&mut self) {
        let optimal = match self.optimal_io_kb {
            0 if self.rotational => self.max_sectors_kb,
            optimal => optimal,
        };
        self.read_ahead_kb =
            self.read_ahead_kb.max(optimal * 2 / PAGE_KB * PAGE_KB).max(DEFAULT_READ_AHEAD_KB);
    }
}

fn line(mut text: String) -> String {
    text.push('\n');
    text
}
