//! One processor for a load and for the kernel's workers behind it.

use crate::bench::sysfs::read_under;
use anyhow::{Context, Result};

/// Where unbound workqueues may run, the loop driver's among them (Documentation/core-api/workqueue.rst).
const CPUMASK: &str = "/sys/devices/virtual/workqueue/cpumask";

/// The kernel's unbound workers confined to one processor, until this is dropped.
///
/// Why: a loop device is a pipeline of two processors, the submitter's and its worker's, and one of them mostly waits
/// for the other. What is added to the one that waits costs nothing, or even helps: on 2 processors that were idle
/// for half of the time, sampling *gained* 5 to 9 % of throughput. On one processor nothing is hidden: each
/// nanosecond that is added to an I/O is taken from the next.
#[derive(Debug)]
pub struct OneProcessor {
    number: usize,
    mask: String,
}

impl OneProcessor {
    /// Confines the workers to the last processor.
    ///
    /// # Errors
    ///
    /// On a machine with one processor only, or with more than 32, or where the mask cannot be set.
    pub fn confine() -> Result<Self> {
        let count = std::thread::available_parallelism().context("cannot count the processors")?.get();
        anyhow::ensure!((2..=32).contains(&count), "expected 2 to 32 processors, found {count}");
        let mask = read_under(CPUMASK)?;
        let number = count - 1;
        let confined = Self { number, mask };
        set(&format!("{:x}", 1_u32 << number))?;
        Ok(confined)
    }

    /// The processor's number.
    #[must_use]
    pub const fn number(&self) -> usize {
        self.number
    }
}

fn set(mask: &str) -> Result<()> {
    std::fs::write(CPUMASK, mask).with_context(|| format!("cannot write {mask} to {CPUMASK}"))
}

impl Drop for OneProcessor {
    fn drop(&mut self) {
        if let Err(error) = set(&self.mask) {
            eprintln!("the kernel's workers stay on processor {}: {error:#}", self.number);
        }
    }
}
