//! Every knob that tunerd knows: what it is, what it accepts, what writing it costs, and whether it is searched.
//!
//! One file to a scheduler, one for the queue's own. Costs were measured on a loaded emulated disk, Linux 6.18.

mod bfq;
mod kyber;
mod mq_deadline;
mod queue;
mod values;

pub(crate) use values::MOST_REQUESTS;
pub use values::refusal;

use block_types::Knob;
use std::fmt;
use std::time::Duration;

/// What a knob's number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
    /// KiB.
    Kibibytes,
    /// 512-byte sectors.
    Sectors,
    /// Requests.
    Requests,
    /// A plain number: a choice, a factor, a switch.
    Plain,
    /// A scheduler's name.
    Name,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::Nanoseconds => "ns",
            Self::Kibibytes => "KiB",
            Self::Sectors => "sectors",
            Self::Requests => "requests",
            Self::Plain | Self::Name => "",
        })
    }
}

/// The values of a knob that are worth trying, and the scale on which they are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences count the same.
    Linear {
        /// Least.
        min: u64,
        /// Greatest.
        max: u64,
    },
    /// Equal ratios count the same.
    Log {
        /// Least, at least 1.
        min: u64,
        /// Greatest.
        max: u64,
    },
    /// 0 or 1.
    Boolean,
    /// Some values, of which neighbours are alike.
    Ordinal(&'static [u64]),
}

/// How the catalogue states a range: as numbers, or in terms of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeRule {
    /// The same on every device.
    Linear {
        /// Least.
        min: u64,
        /// Greatest.
        max: u64,
    },
    /// The same on every device.
    Log {
        /// Least.
        min: u64,
        /// Greatest.
        max: u64,
    },
    /// 0 or 1.
    Boolean,
    /// Some values.
    Ordinal(&'static [u64]),
    /// 16 to 2048 under a scheduler; under `none` at most the driver's tag depth, because the write resizes it.
    Requests,
    /// An eighth of `nr_requests` to all of them.
    ShareOfRequests,
    /// 64 KiB to what the hardware takes, at most 16 MiB.
    HardwareRequestSize,
    /// A scheduler's name.
    Elevator,
}

/// Whether writing a knob waits until the queue is empty and lets nothing in meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freeze {
    /// It takes about 0.1 ms whatever the load.
    No,
    /// It drains the queue; on a loaded disk it took between these two.
    Drains {
        /// The quickest that was seen under load.
        from: Duration,
        /// The slowest.
        to: Duration,
    },
}

/// Whether a search moves a knob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tuning {
    /// It is a gene unless the configuration says otherwise.
    Default,
    /// It can be a gene, where the configuration names it.
    Optional,
    /// It is never moved: no gain was reported, or moving it does harm. Its value is saved and put back.
    Fixed,
}

/// A version of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

const fn linux(major: u16, minor: u16) -> KernelVersion {
    KernelVersion { major, minor }
}

const fn drains(from_ms: u64, to_ms: u64) -> Freeze {
    Freeze::Drains { from: Duration::from_millis(from_ms), to: Duration::from_millis(to_ms) }
}

/// What the catalogue says of a knob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnobInfo {
    /// Which.
    pub knob: Knob,
    /// What its number counts.
    pub unit: Unit,
    /// What is worth trying.
    pub range: RangeRule,
    /// Values with a meaning of their own that are worth trying, such as 0 = off.
    pub specials: &'static [u64],
    /// Since which Linux it is where this program looks for it.
    pub since: KernelVersion,
    /// Knobs that the kernel sets anew when this one is written, even to the value it has.
    pub resets: &'static [Knob],
    /// Whether a write drains the queue.
    pub freezes: Freeze,
    /// Whether a search moves it.
    pub tuning: Tuning,
    /// Why.
    pub rationale: &'static str,
}

/// All knobs, in the order in which a plan writes them.
pub fn catalogue() -> impl Iterator<Item = &'static KnobInfo> {
    let iosched = mq_deadline::KNOBS.iter().chain(kyber::KNOBS).chain(bfq::KNOBS);
    queue::BEFORE_IOSCHED.iter().chain(iosched).chain(queue::AFTER_IOSCHED)
}

/// What the catalogue says of one knob. Every [`Knob`] has an entry; a test holds the two together.
#[must_use]
pub fn info(knob: Knob) -> Option<&'static KnobInfo> {
    catalogue().find(|info| info.knob == knob)
}

/// A knob's place in the order of writing.
pub(crate) fn rank(knob: Knob) -> usize {
    catalogue().position(|info| info.knob == knob).unwrap_or(usize::MAX)
}

/// Whether the kernel may change `other` when `written` is written.
pub(crate) fn may_reset(written: Knob, other: Knob) -> bool {
    match written {
        Knob::Scheduler => other.elevator().is_some() || resets(written, other),
        _ => resets(written, other),
    }
}

/// Whether a knob's value belongs to the scheduler in force: every switch sets it anew. (`wbt_lat_usec` does not:
/// bfq hides it and gives it back.)
pub(crate) fn is_bound_to_scheduler(knob: Knob) -> bool {
    may_reset(Knob::Scheduler, knob) && knob != Knob::WbtLatUsec
}

fn resets(written: Knob, other: Knob) -> bool {
    info(written).is_some_and(|info| info.resets.contains(&other))
}

/// How far from what was written a knob may read back because the kernel rounds: to a jiffy of at most 10 ms, or to
/// a page of at most 64 KiB.
pub(crate) const fn rounding(knob: Knob) -> u64 {
    match knob {
        Knob::ReadExpire | Knob::WriteExpire | Knob::PrioAgingExpire | Knob::TimeoutSync => 10,
        Knob::ReadAheadKb => 64,
        _ => 0,
    }
}

/// Whether lowering the knob can stall what is queued, for as long as the difference: a request carries the deadline
/// that it got, and one that then seems to have started in the future is not dispatched. Seen on Linux 6.18: from a
/// `write_expire` of 14.5 s to 5 s, and nothing was dispatched for 9.5 s.
#[must_use]
pub const fn stalls_when_lowered(knob: Knob) -> bool {
    matches!(knob, Knob::ReadExpire | Knob::WriteExpire)
}

/// Whether writing the knob drains the queue.
pub(crate) fn freezes(knob: Knob) -> bool {
    info(knob).is_none_or(|info| info.freezes != Freeze::No)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_knob_has_one_entry() {
        for knob in Knob::ALL {
            assert_eq!(catalogue().filter(|info| info.knob == *knob).count(), 1, "{knob}");
        }
        assert_eq!(catalogue().count(), Knob::ALL.len());
    }

    #[test]
    fn what_resets_another_is_written_before_it() {
        for info in catalogue() {
            for other in info.resets {
                assert!(
                    rank(info.knob) < rank(*other),
                    "{} resets {other} and is written after it",
                    info.knob
                );
            }
        }
    }

    #[test]
    fn what_is_searched_by_default_never_drains_the_queue() {
        for info in catalogue().filter(|info| info.tuning == Tuning::Default) {
            assert_eq!(info.freezes, Freeze::No, "{}", info.knob);
        }
    }
}
