//! A disk's own counters, for what must not depend on what is measured.

use crate::bench::sysfs;
use anyhow::{Context, Result};

/// `/sys/block/<disk>/stat` (Documentation/admin-guide/iostats.rst): completed requests and what is in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Reads completed.
    pub reads: u64,
    /// Sectors read.
    pub read_sectors: u64,
    /// Writes completed.
    pub writes: u64,
    /// Sectors written.
    pub write_sectors: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// Flushes completed.
    pub flushes: u64,
}

impl Activity {
    /// Of the disk of this name, now.
    ///
    /// # Errors
    ///
    /// When there is no such disk.
    pub fn read(disk: &str) -> Result<Self> {
        let path = format!("block/{disk}/stat");
        Self::parse(&sysfs::read(&path)?).with_context(|| format!("/sys/{path} is not what it should be"))
    }

    fn parse(text: &str) -> Option<Self> {
        let numbers: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Self {
            reads: *numbers.first()?,
            read_sectors: *numbers.get(2)?,
            writes: *numbers.get(4)?,
            write_sectors: *numbers.get(6)?,
            in_flight: *numbers.get(8)?,
            // Since Linux 5.5.
            flushes: numbers.get(15).copied().unwrap_or(0),
        })
    }

    /// Completed reads and writes.
    #[must_use]
    pub const fn completed(&self) -> u64 {
        self.reads + self.writes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_those_of_the_kernels_documentation() {
        let text = "   11   12   13   14   21   22   23   24   3   41   42   51   52   53   54   61   62";
        let found = Activity::parse(text).unwrap();
        let expected = Activity {
            reads: 11,
            read_sectors: 13,
            writes: 21,
            write_sectors: 23,
            in_flight: 3,
            flushes: 61,
        };
        assert_eq!(found, expected);
        assert_eq!(found.completed(), 32);
        assert_eq!(Activity::parse("1 2 x"), None);
        assert_eq!(Activity::parse("1 2 3"), None);
    }
}
