//! `queue/iosched/` of each scheduler, with the defaults and the clamping of Linux 6.18 at HZ = 250.

use super::kstr;
use crate::Errno;

/// Milliseconds in a jiffy.
const JIFFY_MS: u64 = 4;

/// `msecs_to_jiffies`: rounds up.
const fn jiffies(ms: u64) -> u64 {
    ms.div_ceil(JIFFY_MS)
}

/// One scheduler's attributes; each switch makes a new one.
#[derive(Clone, Debug)]
pub(super) enum Iosched {
    /// `none`: no directory at all.
    None,
    MqDeadline(MqDeadline),
    Kyber(Kyber),
    Bfq(Bfq),
    /// One that tunerd does not know: an empty directory.
    Other,
}

#[derive(Clone, Debug)]
pub(super) struct MqDeadline {
    read_expire: u64,
    write_expire: u64,
    prio_aging_expire: u64,
    fifo_batch: i32,
    writes_starved: i32,
    front_merges: i32,
    /// `None` on a kernel that keeps it in `queue/`.
    async_depth: Option<i32>,
}

#[derive(Clone, Debug)]
pub(super) struct Kyber {
    read_lat_nsec: u64,
    write_lat_nsec: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Bfq {
    back_seek_max: u64,
    back_seek_penalty: u64,
    fifo_expire_async: u64,
    fifo_expire_sync: u64,
    low_latency: bool,
    max_budget: u64,
    /// 32 bits of nanoseconds behind both `slice_idle` and `slice_idle_us`.
    slice_idle_ns: u32,
    strict_guarantees: bool,
    timeout_sync: u64,
}

const MS_NS: u64 = 1_000_000;
const INT_MAX: u64 = 0x7fff_ffff;

impl Iosched {
    /// A scheduler just switched to.
    pub(super) fn new(name: &str, nr_requests: u64, owns_async_depth: bool) -> Self {
        match name {
            "none" => Self::None,
            "mq-deadline" => Self::MqDeadline(MqDeadline {
                read_expire: jiffies(500),
                write_expire: jiffies(5000),
                prio_aging_expire: jiffies(10_000),
                fifo_batch: 16,
                writes_starved: 2,
                front_merges: 1,
                async_depth: owns_async_depth.then(|| depth(nr_requests)),
            }),
            "kyber" => Self::Kyber(Kyber { read_lat_nsec: 2 * MS_NS, write_lat_nsec: 10 * MS_NS }),
            "bfq" => Self::Bfq(Bfq {
                back_seek_max: 16 * 1024,
                back_seek_penalty: 2,
                fifo_expire_async: 250,
                fifo_expire_sync: 125,
                low_latency: true,
                max_budget: 0,
                slice_idle_ns: 8_000_000,
                strict_guarantees: false,
                // HZ / 8 in whole jiffies: 31, which read as 124 ms.
                timeout_sync: 250 / 8,
            }),
            _ => Self::Other,
        }
    }

    /// The files of the directory, sorted; `None` without a directory.
    pub(super) fn names(&self) -> Option<Vec<&'static str>> {
        Some(match self {
            Self::None => return None,
            Self::Other => vec![],
            Self::Kyber(_) => vec!["read_lat_nsec", "write_lat_nsec"],
            Self::MqDeadline(own) => {
                let all = [
                    "async_depth",
                    "fifo_batch",
                    "front_merges",
                    "prio_aging_expire",
                    "read_expire",
                    "write_expire",
                    "writes_starved",
                ];
                all[usize::from(own.async_depth.is_none())..].to_vec()
            }
            Self::Bfq(_) => vec![
                "back_seek_max",
                "back_seek_penalty",
                "fifo_expire_async",
                "fifo_expire_sync",
                "low_latency",
                "max_budget",
                "slice_idle",
                "slice_idle_us",
                "strict_guarantees",
                "timeout_sync",
            ],
        })
    }

    /// The queue's depth was changed: mq-deadline sets async_depth to it.
    pub(super) fn depth_changed(&mut self, nr_requests: u64) {
        if let Self::MqDeadline(MqDeadline { async_depth: Some(async_depth), .. }) = self {
            *async_depth = depth(nr_requests);
        }
    }

    pub(super) fn read(&self, name: &str) -> Result<String, Errno> {
        // Jiffies are shown as a signed number of milliseconds by mq-deadline, unsigned by bfq.
        let signed_ms = |jiffies: u64| i64::from((jiffies * JIFFY_MS) as i32).to_string();
        Ok(match self {
            Self::None | Self::Other => return Err(Errno::NoEntry),
            Self::MqDeadline(own) => match name {
                "read_expire" => signed_ms(own.read_expire),
                "write_expire" => signed_ms(own.write_expire),
                "prio_aging_expire" => signed_ms(own.prio_aging_expire),
                "fifo_batch" => own.fifo_batch.to_string(),
                "writes_starved" => own.writes_starved.to_string(),
                "front_merges" => own.front_merges.to_string(),
                "async_depth" => own.async_depth.ok_or(Errno::NoEntry)?.to_string(),
                _ => return Err(Errno::NoEntry),
            },
            Self::Kyber(own) => match name {
                "read_lat_nsec" => own.read_lat_nsec.to_string(),
                "write_lat_nsec" => own.write_lat_nsec.to_string(),
                _ => return Err(Errno::NoEntry),
            },
            Self::Bfq(own) => match name {
                "back_seek_max" => own.back_seek_max,
                "back_seek_penalty" => own.back_seek_penalty,
                "fifo_expire_async" => own.fifo_expire_async,
                "fifo_expire_sync" => own.fifo_expire_sync,
                "low_latency" => own.low_latency.into(),
                "max_budget" => own.max_budget,
                "slice_idle" => u64::from(own.slice_idle_ns) / MS_NS,
                "slice_idle_us" => u64::from(own.slice_idle_ns) / 1000,
                "strict_guarantees" => own.strict_guarantees.into(),
                "timeout_sync" => own.timeout_sync * JIFFY_MS,
                _ => return Err(Errno::NoEntry),
            }
            .to_string(),
        })
    }

    pub(super) fn write(&mut self, name: &str, text: &str) -> Result<(), Errno> {
        match self {
            Self::None | Self::Other => Err(Errno::NoEntry),
            Self::MqDeadline(own) => own.write(name, text),
            Self::Kyber(own) => {
                let place = match name {
                    "read_lat_nsec" => &mut own.read_lat_nsec,
                    "write_lat_nsec" => &mut own.write_lat_nsec,
                    _ => return Err(Errno::NoEntry),
                };
                *place = kstr::unsigned(text)?;
                Ok(())
            }
            Self::Bfq(own) => own.write(name, text),
        }
    }
}

fn depth(nr_requests: u64) -> i32 {
    i32::try_from(nr_requests).unwrap_or(i32::MAX)
}

impl MqDeadline {
    fn write(&mut self, name: &str, text: &str) -> Result<(), Errno> {
        if name == "async_depth" && self.async_depth.is_none() {
            return Err(Errno::NoEntry);
        }
        let (place, min, max) = match name {
            "fifo_batch" => (&mut self.fifo_batch, 0, i32::MAX),
            "writes_starved" => (&mut self.writes_starved, i32::MIN, i32::MAX),
            "front_merges" => (&mut self.front_merges, 0, 1),
            "async_depth" => (self.async_depth.get_or_insert(1), 1, i32::MAX),
            _ => {
                let place = match name {
                    "read_expire" => &mut self.read_expire,
                    "write_expire" => &mut self.write_expire,
                    "prio_aging_expire" => &mut self.prio_aging_expire,
                    _ => return Err(Errno::NoEntry),
                };
                *place = jiffies(kstr::int_any_base(text)?.max(0).unsigned_abs().into());
                return Ok(());
            }
        };
        *place = kstr::int_any_base(text)?.clamp(min, max);
        Ok(())
    }
}

impl Bfq {
    fn write(&mut self, name: &str, text: &str) -> Result<(), Errno> {
        // An unknown name is refused before its text is looked at.
        match name {
            "back_seek_max" => self.back_seek_max = kstr::unsigned(text)?.min(INT_MAX),
            "back_seek_penalty" => self.back_seek_penalty = kstr::unsigned(text)?.clamp(1, INT_MAX),
            "fifo_expire_async" => self.fifo_expire_async = kstr::unsigned(text)?.clamp(1, INT_MAX),
            "fifo_expire_sync" => self.fifo_expire_sync = kstr::unsigned(text)?.clamp(1, INT_MAX),
            "low_latency" => self.low_latency = kstr::unsigned(text)? > 0,
            "max_budget" => self.max_budget = kstr::unsigned(text)?.min(INT_MAX),
            // Both are cut to 32 bits of nanoseconds, as the kernel does.
            "slice_idle" => self.slice_idle_ns = (kstr::unsigned(text)?.min(INT_MAX) * MS_NS) as u32,
            "slice_idle_us" => {
                self.slice_idle_ns = (kstr::unsigned(text)?.min(u64::from(u32::MAX)) * 1000) as u32;
            }
            "strict_guarantees" => {
                let strict = kstr::unsigned(text)? > 0;
                if strict && !self.strict_guarantees {
                    self.slice_idle_ns = self.slice_idle_ns.max(8_000_000);
                }
                self.strict_guarantees = strict;
            }
            "timeout_sync" => self.timeout_sync = jiffies(kstr::unsigned(text)?.clamp(1, INT_MAX)),
            _ => return Err(Errno::NoEntry),
        }
        Ok(())
    }
}
