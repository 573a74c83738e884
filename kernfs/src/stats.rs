//! The counters that the block layer always keeps: `/proc/diskstats` and `/sys/block/*/stat`.

use crate::error::{Error, Operation};
use crate::{KPath, Kernel};
use block_types::{DevNo, Sectors};
use procfs_core::DiskStat;

/// What a queue has completed since the device appeared, and what it is at
/// (`Documentation/admin-guide/iostats.rst`).
///
/// Times are milliseconds; the kernel keeps them in 32 bits of milliseconds and so begins again at zero after 49
/// days of them: a counter that went back is no measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskStats {
    /// Device number.
    pub dev: DevNo,
    /// Name, such as `loop0` or, for a partition, `sda1`.
    pub name: String,
    /// Read requests completed.
    pub reads: u64,
    /// Reads merged into another before they were issued.
    pub read_merges: u64,
    /// Sectors read.
    pub read_sectors: Sectors,
    /// Time all reads took together, ms.
    pub read_ms: u64,
    /// Write requests completed; flushes are not among them.
    pub writes: u64,
    /// Writes merged into another.
    pub write_merges: u64,
    /// Sectors written.
    pub write_sectors: Sectors,
    /// Time all writes took together, ms.
    pub write_ms: u64,
    /// Requests in flight: a gauge.
    pub in_flight: u64,
    /// Time in which at least one request was in flight, ms.
    pub io_ticks_ms: u64,
    /// Time of all requests together, ms.
    pub weighted_ms: u64,
    /// Discards; `None` before Linux 4.18.
    pub discards: Option<Discards>,
    /// Flushes; `None` before Linux 5.5.
    pub flushes: Option<Flushes>,
}

/// The discard columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discards {
    /// Discards completed.
    pub count: u64,
    /// Discards merged into another.
    pub merges: u64,
    /// Sectors discarded.
    pub sectors: Sectors,
    /// Time they took together, ms.
    pub ms: u64,
}

/// The flush columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushes {
    /// Flush requests completed.
    pub count: u64,
    /// Time they took together, ms.
    pub ms: u64,
}

/// Requests in flight at one moment (`/sys/block/*/inflight`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}

/// The form of a line of `/proc/diskstats`.
pub(crate) const LINE: &str = "a device's major, minor, name and 11, 15 or 17 counters (more may follow)";

impl DiskStats {
    /// One line of `/proc/diskstats`; `None` if it is not of that form.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let row = DiskStat::from_line(line).ok()?;
        // The procfs crate takes a malformed late column for an absent one; count what is there, so that garbage is
        // an error. Columns after the twentieth belong to later kernels and are not looked at.
        let columns = line.split_whitespace().count();
        let parsed = 14
            + [
                row.discards,
                row.discards_merged,
                row.sectors_discarded,
                row.time_discarding,
                row.flushes,
                row.time_flushing,
            ]
            .iter()
            .filter(|column| column.is_some())
            .count();
        if columns.min(20) != parsed || ![14, 18, 20].contains(&parsed) {
            return None;
        }
        let discards = match (row.discards, row.discards_merged, row.sectors_discarded, row.time_discarding) {
            (Some(count), Some(merges), Some(sectors), Some(ms)) => {
                Some(Discards { count, merges, sectors: Sectors(sectors), ms })
            }
            _ => None,
        };
        let flushes = match (row.flushes, row.time_flushing) {
            (Some(count), Some(ms)) => Some(Flushes { count, ms }),
            _ => None,
        };
        Some(Self {
            dev: DevNo::new(u32::try_from(row.major).ok()?, u32::try_from(row.minor).ok()?),
            name: row.name,
            reads: row.reads,
            read_merges: row.merged,
            read_sectors: Sectors(row.sectors_read),
            read_ms: row.time_reading,
            writes: row.writes,
            write_merges: row.writes_merged,
            write_sectors: Sectors(row.sectors_written),
            write_ms: row.time_writing,
            in_flight: row.in_progress,
            io_ticks_ms: row.time_in_progress,
            weighted_ms: row.weighted_time_in_progress,
            discards,
            flushes,
        })
    }

    /// The text of `/sys/block/*/stat`: the same columns without number and name.
    #[must_use]
    pub fn parse_stat(dev: DevNo, name: &str, stat: &str) -> Option<Self> {
        // The name stands between columns, so one with a blank in it would shift them; sysfs makes none.
        if name.is_empty() || name.contains(char::is_whitespace) || stat.trim_end().contains('\n') {
            return None;
        }
        Self::parse(&format!("{} {} {name} {stat}", dev.major, dev.minor))
    }

    /// The line of `/proc/diskstats` that says this.
    #[must_use]
    pub fn to_line(&self) -> String {
        format!("{:4} {:7} {} {}", self.dev.major, self.dev.minor, self.name, self.to_stat())
    }

    /// The text of `/sys/block/*/stat` that says this, without the line end.
    #[must_use]
    pub fn to_stat(&self) -> String {
        let mut columns = vec![
            self.reads,
            self.read_merges,
            self.read_sectors.0,
            self.read_ms,
            self.writes,
            self.write_merges,
            self.write_sectors.0,
            self.write_ms,
            self.in_flight,
            self.io_ticks_ms,
            self.weighted_ms,
        ];
        if let Some(discards) = self.discards {
            columns.extend([discards.count, discards.merges, discards.sectors.0, discards.ms]);
            // The flush columns follow the discards' and cannot stand without them.
            if let Some(flushes) = self.flushes {
                columns.extend([flushes.count, flushes.ms]);
            }
        }
        columns.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
    }
}

/// The whole of `/proc/diskstats`: every disk and partition, in the kernel's order, in one read.
///
/// # Errors
/// If the file cannot be read, or a line is not of its form; the error shows the line.
pub fn diskstats(kernel: &dyn Kernel) -> Result<Vec<DiskStats>, Error> {
    let path = KPath::proc("diskstats");
    let bytes = kernel.read(&path).map_err(|source| Error::Io {
        operation: Operation::Read,
        path: kernel.locate(&path),
        source,
    })?;
    String::from_utf8_lossy(&bytes)
        .lines()
        .map(|line| {
            DiskStats::parse(line).ok_or_else(|| Error::Malformed {
                path: kernel.locate(&path),
                found: crate::error::excerpt(line.as_bytes()),
                expected: LINE,
            })
        })
        .collect()
}
