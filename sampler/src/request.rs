//! What a caller asks of a source.

use block_types::{DevNo, Nanos, Sectors};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// In-kernel aggregation by BPF programs.
    Bpf,
    /// Events of a private tracing instance.
    Tracefs,
    /// Totals of `/proc/diskstats`.
    Diskstats,
}

impl SourceKind {
    /// The name in configuration and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bpf => "bpf",
            Self::Tracefs => "tracefs",
            Self::Diskstats => "diskstats",
        }
    }

    /// What this kind cannot tell, for people; `None` where it tells everything.
    #[must_use]
    pub const fn unknowns(self) -> Option<&'static str> {
        match self {
            Self::Bpf => None,
            Self::Tracefs => {
                Some("latency by position instead of by bio, and events are lost where they come too fast")
            }
            Self::Diskstats => Some("distances and sizes of bios, and latencies other than the mean"),
        }
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which source a caller wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceChoice {
    /// The first that works of BPF, tracefs and diskstats.
    #[default]
    Auto,
    /// BPF or an error.
    Bpf,
    /// tracefs or an error.
    Tracefs,
    /// diskstats or an error.
    Diskstats,
}

impl SourceChoice {
    /// The kinds to try, in order.
    #[must_use]
    pub const fn kinds(self) -> &'static [SourceKind] {
        match self {
            Self::Auto => &[SourceKind::Bpf, SourceKind::Tracefs, SourceKind::Diskstats],
            Self::Bpf => &[SourceKind::Bpf],
            Self::Tracefs => &[SourceKind::Tracefs],
            Self::Diskstats => &[SourceKind::Diskstats],
        }
    }
}

impl fmt::Display for SourceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::Bpf => "bpf",
            Self::Tracefs => "tracefs",
            Self::Diskstats => "diskstats",
        })
    }
}

/// A source's name that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found source {found:?}, expected one of auto, bpf, tracefs, diskstats")]
pub struct UnknownSource {
    /// The name that was found.
    pub found: String,
}

impl FromStr for SourceChoice {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Auto, Self::Bpf, Self::Tracefs, Self::Diskstats]
            .into_iter()
            .find(|choice| choice.to_string() == text)
            .ok_or_else(|| UnknownSource { found: text.to_owned() })
    }
}

/// How much of the time a busy disk is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duty {
    /// All the time, with exact accounting of requests beside the fingerprint.
    Continuous,
    /// All the time while the disk is slow; above a rate, for a share of each period only. Totals come from
    /// diskstats all the same.
    Cycle {
        /// Share of the time that probing is on, above 0 and at most 1.
        on_share: f64,
        /// Length of one on-phase and off-phase together; at most 200 ms, so that an off-phase is not taken
        /// for a pause of the workload.
        period: Nanos,
        /// Completions per second from which on the cycle runs.
        above_iops: u64,
    },
}

impl Default for Duty {
    /// 4 ms of every 200 ms from 20,000 IOPS on: below that, counting all of them costs less than 0.5 % of one core;
    /// above, an on-phase still holds 80 bios, and every window of 250 ms has one. Attaching and detaching cost about
    /// as much as 10 ms of counting, so phases come rarely.
    fn default() -> Self {
        Self::Cycle { on_share: 0.02, period: Nanos::from_millis(200), above_iops: 20_000 }
    }
}

/// A disk to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Its kernel name, such as `loop0`.
    pub name: String,
    /// Its number: the whole disk's.
    pub dev: DevNo,
    /// The numbers of its partitions. The BPF source finds them by itself; tracefs needs them.
    pub partitions: Vec<DevNo>,
}

impl Watched {
    /// A disk without partitions.
    #[must_use]
    pub fn new(name: impl Into<String>, dev: DevNo) -> Self {
        Self { name: name.into(), dev, partitions: Vec::new() }
    }

    /// A disk and its partitions.
    #[must_use]
    pub fn of(identity: &kernfs::Identity) -> Self {
        let partitions = identity.partitions.iter().map(|(_, dev)| *dev).collect();
        Self { name: identity.name.clone(), dev: identity.devno, partitions }
    }
}

/// What to open.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Which source.
    pub choice: SourceChoice,
    /// The disks to watch; at most [`Self::MAX_DISKS`].
    pub disks: Vec<Watched>,
    /// How much of the time.
    pub duty: Duty,
    /// At high rates, one in so many data bios is followed to its completion; at low rates all are. 0 turns
    /// latencies off.
    pub latency_one_in: u32,
    /// Largest distance from a stream's end that continues the stream.
    pub near: Sectors,
    /// Where tracefs is mounted, for the source of that name.
    pub tracefs: PathBuf,
}

impl Request {
    /// How many disks one source watches.
    pub const MAX_DISKS: usize = 64;

    /// The usual: any source, a duty cycle at high rates, latency of one bio in 64.
    #[must_use]
    pub fn new(disks: impl IntoIterator<Item = Watched>) -> Self {
        Self {
            choice: SourceChoice::Auto,
            disks: disks.into_iter().collect(),
            duty: Duty::default(),
            latency_one_in: 64,
            near: Sectors(25),
            tracefs: PathBuf::from("/sys/kernel/tracing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_parse_back() {
        for name in ["auto", "bpf", "tracefs", "diskstats"] {
            assert_eq!(name.parse::<SourceChoice>().unwrap().to_string(), name);
        }
        assert_eq!("ebpf".parse::<SourceChoice>(), Err(UnknownSource { found: "ebpf".into() }));
    }
}
