//! A queue's settings: checked once, in units of the simulation afterwards.

use block_types::{Bytes, Elevator, Knob, KnobValue, Settings};
use disk_model::DeviceTraits;
use std::fmt;
use std::ops::RangeInclusive;

/// Most requests of a queue under a scheduler (`MAX_SCHED_RQ`).
const MOST_REQUESTS: u64 = 2_048;
/// Fewest (`BLKDEV_MIN_RQ`).
const LEAST_REQUESTS: u64 = 4;
/// A queue has room for twice as many requests as the driver, but not for more than twice this (`BLKDEV_DEFAULT_RQ`).
const DEFAULT_REQUESTS: u32 = 128;
/// Deepest driver queue (`BLK_MQ_MAX_DEPTH`).
const DEEPEST: u32 = 10_240;

/// The machine and the disk as the block layer sees them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Host {
    /// What the driver tells of the disk. Its depth is how many commands the disk has at once.
    pub traits: DeviceTraits,
    /// The disk's size. I/O beyond it is refused and counted.
    pub capacity: Bytes,
    /// The largest request that the disk takes (`max_hw_sectors_kb`).
    pub max_hw_sectors_kb: u32,
    /// The largest that the kernel makes unless told (`max_sectors_kb`).
    pub max_sectors_kb: u32,
    /// Timer ticks in a second (`CONFIG_HZ`): deadlines are counted in them.
    pub hz: u32,
}

impl Host {
    /// A disk with these traits on an ordinary machine: requests of at most 1280 KiB, 250 ticks a second.
    #[must_use]
    pub const fn new(traits: DeviceTraits, capacity: Bytes) -> Self {
        Self { traits, capacity, max_hw_sectors_kb: 1280, max_sectors_kb: 1280, hz: 250 }
    }

    /// The same with a driver's queue of another depth (1 to 10240).
    #[must_use]
    pub const fn with_queue_depth(mut self, depth: u32) -> Self {
        self.traits.queue_depth = depth;
        self
    }
}

/// Whether a simulation can tell one value of a knob from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scored {
    /// It can.
    Yes,
    /// It cannot: the value is accepted and makes no difference.
    Fixed {
        /// Why.
        why: &'static str,
    },
}

/// Whether a simulation can tell one value of `knob` from another.
///
/// ```
/// use block_types::Knob;
/// use replay::{Scored, scores};
/// assert_eq!(scores(Knob::FifoBatch), Scored::Yes);
/// assert!(matches!(scores(Knob::ReadAheadKb), Scored::Fixed { .. }));
/// ```
#[must_use]
pub const fn scores(knob: Knob) -> Scored {
    let why = match knob {
        Knob::ReadAheadKb => {
            "it decides which bios there are: the page cache makes them, and a replay has them as they were"
        }
        Knob::WbtLatUsec => "writeback throttling decides when bios are submitted, and is not simulated",
        Knob::RqAffinity => {
            "it decides which processor completes a request, and the simulated host has no processors"
        }
        Knob::Nomerges => "it saves processor time, and the simulated host takes none",
        _ => return Scored::Yes,
    };
    Scored::Fixed { why }
}

/// A setting that cannot be simulated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The scheduler has no such knob.
    #[error("{knob}={value}: {elevator} has no such knob; it is {}", owner(*knob))]
    NoSuchKnob {
        /// The knob.
        knob: Knob,
        /// Its value.
        value: KnobValue,
        /// The scheduler in force.
        elevator: Elevator,
    },
    /// The value is not one that the kernel takes.
    #[error("{knob}={found}: expected {expected}")]
    OutOfRange {
        /// The knob.
        knob: Knob,
        /// Its value.
        found: KnobValue,
        /// What the kernel takes.
        expected: String,
    },
    /// The disk's own description makes no sense.
    #[error("{what}: found {found}, expected {expected}")]
    Host {
        /// Which part of it.
        what: &'static str,
        /// What it says.
        found: u64,
        /// What makes sense.
        expected: String,
    },
}

fn owner(knob: Knob) -> String {
    knob.elevator().map_or_else(|| "the queue's own".to_owned(), |owner| format!("{owner}'s"))
}

/// mq-deadline's knobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MqDeadlineKnobs {
    /// Of reads and of writes.
    pub(crate) expire_ns: [u64; 2],
    pub(crate) fifo_batch: u64,
    pub(crate) writes_starved: u64,
    pub(crate) front_merges: bool,
    pub(crate) async_depth: u32,
    pub(crate) prio_aging_expire_ns: u64,
}

/// kyber's knobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KyberKnobs {
    pub(crate) read_lat_ns: u64,
    pub(crate) write_lat_ns: u64,
}

/// bfq's knobs, and what it wants to know of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BfqKnobs {
    pub(crate) rotational: bool,
    pub(crate) slice_idle_ns: u64,
    pub(crate) timeout_ns: u64,
    pub(crate) low_latency: bool,
    /// In sectors; 0 is for bfq to say.
    pub(crate) max_budget: u64,
    pub(crate) strict_guarantees: bool,
    pub(crate) back_seek_sectors: u64,
    pub(crate) back_seek_penalty: u64,
    /// Of asynchronous and of synchronous requests.
    pub(crate) fifo_expire_ns: [u64; 2],
}

/// The scheduler and its knobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Iosched {
    None,
    MqDeadline(MqDeadlineKnobs),
    Kyber(KyberKnobs),
    Bfq(BfqKnobs),
}

/// A queue, ready to be simulated: a [`Host`] and checked [`Settings`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    pub(crate) host: Host,
    pub(crate) elevator: Elevator,
    /// Tags of the scheduler; of the driver, where there is none.
    pub(crate) tags: u32,
    /// How many commands the disk has at once.
    pub(crate) depth: u32,
    pub(crate) max_sectors: u64,
    pub(crate) iosched: Iosched,
}

/// Reads settings, with what the kernel takes instead of what is missing.
struct Reader<'a> {
    settings: &'a Settings,
    jiffy_ns: u64,
}

impl Reader<'_> {
    fn number(&self, knob: Knob, default: u64, range: RangeInclusive<u64>) -> Result<u64, SettingError> {
        let Some(value) = self.settings.get(knob) else { return Ok(default) };
        match value.number() {
            Some(number) if range.contains(&number) => Ok(number),
            _ => Err(SettingError::OutOfRange {
                knob,
                found: value,
                expected: format!("{} to {}", range.start(), range.end()),
            }),
        }
    }

    fn flag(&self, knob: Knob, default: bool) -> Result<bool, SettingError> {
        Ok(self.number(knob, u64::from(default), 0..=1)? == 1)
    }

    /// Milliseconds that the kernel keeps in jiffies, rounded up.
    fn jiffies_of_ms(&self, knob: Knob, default_ms: u64) -> Result<u64, SettingError> {
        let ms = self.number(knob, default_ms, 0..=i32::MAX as u64)?;
        Ok((ms * 1_000_000).div_ceil(self.jiffy_ns) * self.jiffy_ns)
    }
}

impl Config {
    /// Checks the settings. What is not among them is as the kernel has it after the scheduler was chosen; the
    /// scheduler itself is mq-deadline unless they say otherwise.
    ///
    /// `nr_requests` is the driver's depth under `none`, as in the kernel.
    ///
    /// # Errors
    /// [`SettingError`], which names the knob.
    pub fn new(host: Host, settings: &Settings) -> Result<Self, SettingError> {
        let range = |what, found: u64, range: RangeInclusive<u64>| {
            let expected = || format!("{} to {}", range.start(), range.end());
            if range.contains(&found) {
                Ok(())
            } else {
                Err(SettingError::Host { what, found, expected: expected() })
            }
        };
        range("queue depth", host.traits.queue_depth.into(), 1..=DEEPEST.into())?;
        range("hz", host.hz.into(), 24..=10_000)?;
        range("max_hw_sectors_kb", host.max_hw_sectors_kb.into(), 4..=1 << 20)?;
        range("max_sectors_kb", host.max_sectors_kb.into(), 4..=host.max_hw_sectors_kb.into())?;
        range("sectors of the disk", host.capacity.sectors().0, 1..=1 << 50)?;

        let elevator = match settings.get(Knob::Scheduler) {
            None => Elevator::MqDeadline,
            Some(KnobValue::Elevator(elevator)) => elevator,
            Some(found @ KnobValue::Number(_)) => {
                let expected = "none, mq-deadline, kyber or bfq".to_owned();
                return Err(SettingError::OutOfRange { knob: Knob::Scheduler, found, expected });
            }
        };
        for setting in settings.iter() {
            let shared = setting.knob == Knob::AsyncDepth && elevator != Elevator::None;
            if !shared && !setting.knob.is_knob_of(elevator) {
                let (knob, value) = (setting.knob, setting.value);
                return Err(SettingError::NoSuchKnob { knob, value, elevator });
            }
        }
        let read = Reader { settings, jiffy_ns: 1_000_000_000 / u64::from(host.hz) };
        let depth = host.traits.queue_depth;
        let (tags, depth) = if elevator == Elevator::None {
            let tags = read.number(Knob::NrRequests, depth.into(), 1..=depth.into())? as u32;
            (tags, tags)
        } else {
            let usual = 2 * depth.min(DEFAULT_REQUESTS);
            (
                read.number(Knob::NrRequests, usual.into(), LEAST_REQUESTS.min(usual.into())..=MOST_REQUESTS)?
                    as u32,
                depth,
            )
        };
        let hardware = host.max_hw_sectors_kb.into();
        let max_sectors = 2 * read.number(Knob::MaxSectorsKb, host.max_sectors_kb.into(), 4..=hardware)?;
        for (knob, most) in [
            (Knob::ReadAheadKb, u64::from(u32::MAX)),
            (Knob::WbtLatUsec, u64::MAX),
            (Knob::RqAffinity, 2),
            (Knob::Nomerges, 2),
        ] {
            read.number(knob, 0, 0..=most)?;
        }
        let iosched = match elevator {
            Elevator::None => Iosched::None,
            Elevator::MqDeadline => Iosched::MqDeadline(mq_deadline(&read, tags)?),
            Elevator::Kyber => Iosched::Kyber(KyberKnobs {
                read_lat_ns: read.number(Knob::ReadLatNsec, 2_000_000, 1..=u64::MAX)?,
                write_lat_ns: read.number(Knob::WriteLatNsec, 10_000_000, 1..=u64::MAX)?,
            }),
            Elevator::Bfq => Iosched::Bfq(bfq(&read, host.traits.rotational)?),
        };
        Ok(Self { host, elevator, tags, depth, max_sectors, iosched })
    }

    /// The scheduler.
    #[must_use]
    pub const fn elevator(&self) -> Elevator {
        self.elevator
    }

    /// The disk and its host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// How many who wait for a tag are woken at once: an eighth of the tags, 8 at most. The kernel wakes singly where
    /// some requests may have some tags only.
    pub(crate) fn wake_batch(&self) -> u32 {
        match self.elevator {
            Elevator::MqDeadline | Elevator::Bfq => 1,
            Elevator::None | Elevator::Kyber => (self.tags / 8).clamp(1, 8),
        }
    }

    pub(crate) const fn jiffy_ns(&self) -> u64 {
        1_000_000_000 / self.host.hz as u64
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} requests, {} commands in the disk", self.elevator, self.tags, self.depth)
    }
}

fn mq_deadline(read: &Reader<'_>, tags: u32) -> Result<MqDeadlineKnobs, SettingError> {
    let int = i32::MAX as u64;
    Ok(MqDeadlineKnobs {
        expire_ns: [
            read.jiffies_of_ms(Knob::ReadExpire, 500)?,
            read.jiffies_of_ms(Knob::WriteExpire, 5_000)?,
        ],
        fifo_batch: read.number(Knob::FifoBatch, 16, 0..=int)?,
        writes_starved: read.number(Knob::WritesStarved, 2, 0..=int)?,
        front_merges: read.flag(Knob::FrontMerges, true)?,
        async_depth: read.number(Knob::AsyncDepth, tags.into(), 1..=int)? as u32,
        prio_aging_expire_ns: read.jiffies_of_ms(Knob::PrioAgingExpire, 10_000)?,
    })
}

fn bfq(read: &Reader<'_>, rotational: bool) -> Result<BfqKnobs, SettingError> {
    let int = i32::MAX as u64;
    let strict_guarantees = read.flag(Knob::StrictGuarantees, false)?;
    let slice_idle_us = read.number(Knob::SliceIdleUs, 8_000, 0..=int)?;
    Ok(BfqKnobs {
        rotational,
        // Strict guarantees need it, and raise it.
        slice_idle_ns: 1_000 * if strict_guarantees { slice_idle_us.max(8_000) } else { slice_idle_us },
        timeout_ns: read.jiffies_of_ms(Knob::TimeoutSync, 124)?.max(read.jiffy_ns),
        low_latency: read.flag(Knob::LowLatency, true)?,
        max_budget: read.number(Knob::MaxBudget, 0, 0..=int)?,
        strict_guarantees,
        back_seek_sectors: 2 * read.number(Knob::BackSeekMax, 16 * 1024, 0..=int)?,
        back_seek_penalty: read.number(Knob::BackSeekPenalty, 2, 1..=int)?,
        fifo_expire_ns: [
            1_000_000 * read.number(Knob::FifoExpireAsync, 250, 1..=int)?,
            1_000_000 * read.number(Knob::FifoExpireSync, 125, 1..=int)?,
        ],
    })
}
