//! A queue's knobs in sysfs, and the order in which the kernel lets them be set.

use crate::Error;
use crate::spec::LOOP_DEPTH;
use block_types::Bytes;
use std::path::PathBuf;

/// The knobs of one disk's queue.
#[derive(Clone, Debug)]
pub struct Queue {
    directory: PathBuf,
}

impl Queue {
    /// The queue of the disk called `name`, such as `loop3`.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self { directory: PathBuf::from(format!("/sys/block/{name}/queue")) }
    }

    /// What a knob says.
    ///
    /// # Errors
    ///
    /// Where there is no such knob.
    pub fn get(&self, knob: &str) -> Result<String, Error> {
        let path = self.directory.join(knob);
        let text = std::fs::read_to_string(&path).map_err(|error| Error::path("read", &path, error))?;
        Ok(text.trim_end().to_owned())
    }

    /// Sets a knob.
    ///
    /// # Errors
    ///
    /// Where there is no such knob, or the kernel refuses the value.
    pub fn set(&self, knob: &str, value: &str) -> Result<(), Error> {
        let path = self.directory.join(knob);
        std::fs::write(&path, value)
            .map_err(|error| Error::system(format!("write {value:?} to {}", path.display()), error))
    }

    /// Sets a knob that not every kernel has.
    fn set_if_there(&self, knob: &str, value: &str) -> Result<(), Error> {
        if self.directory.join(knob).exists() { self.set(knob, value) } else { Ok(()) }
    }

    /// The scheduler in force.
    ///
    /// # Errors
    ///
    /// Where the queue has none to choose.
    pub fn scheduler(&self) -> Result<String, Error> {
        let menu = self.get("scheduler")?;
        let chosen = menu.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
        Ok(chosen.unwrap_or(&menu).to_owned())
    }

    /// How many requests the driver takes at once, from debugfs: the only place that tells. `None` where that is not
    /// mounted.
    #[must_use]
    pub fn tag_depth(&self) -> Option<u32> {
        let name = self.directory.parent()?.file_name()?.to_str()?;
        let tags = std::fs::read_to_string(format!("/sys/kernel/debug/block/{name}/hctx0/tags")).ok()?;
        // The bitmap's own depth; `nr_tags` above it keeps the first value that the driver asked for.
        tags.lines().find_map(|line| line.strip_prefix("depth=")?.parse().ok())
    }

    /// Sets how many requests the driver takes at once (4 to 128). The scheduler is `none` afterwards.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_tag_depth(&self, depth: u32) -> Result<(), Error> {
        self.set("scheduler", "none")?;
        // nr_requests may show the wanted depth while the driver's is another; only a change is heard.
        let other = if depth > 2 { depth - 1 } else { depth + 1 };
        self.set("nr_requests", &other.to_string())?;
        self.set("nr_requests", &depth.to_string())
    }

    /// Sets every knob to what a fresh loop device has. The order is that of the kernel's side effects: the scheduler
    /// resets nr_requests, and max_sectors_kb resets read_ahead_kb.
    ///
    /// # Errors
    ///
    /// When the kernel refuses one.
    pub fn reset(&self) -> Result<(), Error> {
        self.set_tag_depth(driver_depth())?;
        for (knob, value) in [("iostats", "1"), ("nomerges", "0"), ("rq_affinity", "1"), ("add_random", "0")]
        {
            self.set_if_there(knob, value)?;
        }
        self.set_rotational(false)?;
        self.set_write_cache(true)?;
        self.set_if_there("../bdi/strict_limit", "0")?;
        self.set_if_there("../bdi/max_ratio", "100")?;
        self.settle_read_ahead()
    }

    /// Chooses what the kernel chooses for a disk with one queue that takes `depth` requests at once: `mq-deadline`
    /// where it is built in, with room for twice as many requests. (The kernel itself would reckon with the loop
    /// driver's own depth, and does so again when somebody changes the scheduler.)
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn choose_usual_scheduler(&self, depth: u32) -> Result<(), Error> {
        const USUAL: &str = "mq-deadline";
        if !self.get("scheduler")?.contains(USUAL) {
            return Ok(());
        }
        self.set("scheduler", USUAL)?;
        self.set("nr_requests", &(2 * depth).to_string())
    }

    /// Bounds the dirty page cache that the disk may have, strictly; without that, buffered writes come in bursts of as
    /// much as memory allows.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, or is older than 6.2.
    pub fn bound_buffered_writes(&self, limit: Bytes) -> Result<(), Error> {
        self.set("../bdi/strict_limit", "1")?;
        self.set("../bdi/max_bytes", &limit.0.to_string())
    }

    /// Says whether the disk has platters, and lets what the kernel derives from that follow: the target of writeback
    /// throttling. Call [`Self::settle_read_ahead`] afterwards.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_rotational(&self, rotational: bool) -> Result<(), Error> {
        self.set("rotational", if rotational { "1" } else { "0" })?;
        // -1 is the kernel's word for "as this kind of disk has it". Kernels without throttling have no such knob,
        // or refuse it while it is switched off at boot.
        let _ = self.set_if_there("wbt_lat_usec", "-1");
        Ok(())
    }

    /// Says whether the disk's write cache loses its content with the power; otherwise no flush is sent to it.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_write_cache(&self, volatile: bool) -> Result<(), Error> {
        self.set("write_cache", if volatile { "write back" } else { "write through" })
    }

    /// Lets the kernel choose the largest request and the read-ahead anew.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn settle_read_ahead(&self) -> Result<(), Error> {
        // The kernel raises read_ahead_kb to its default along with a write to max_sectors_kb, and never lowers it:
        // from 0 it comes out right whatever was there before. 0 for the latter is "as the kernel would have it".
        self.set("read_ahead_kb", "0")?;
        let _ = self.set("max_sectors_kb", "0");
        if self.get("read_ahead_kb")? == "0" {
            self.set("read_ahead_kb", "128")?;
        }
        Ok(())
    }
}

/// How many requests the loop driver takes where nobody told it otherwise.
fn driver_depth() -> u32 {
    std::fs::read_to_string("/sys/module/loop/parameters/hw_queue_depth")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(LOOP_DEPTH)
}
