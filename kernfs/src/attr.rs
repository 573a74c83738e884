//! What reading a knob answers, and what writing one takes.

use crate::SchedulerMenu;
use block_types::{Knob, KnobValue, Settings};
use std::collections::BTreeMap;
use std::fmt;

/// What an attribute holds: a value, or a reason why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attr<T> {
    /// Its value.
    Value(T),
    /// There is no such file: this kernel, driver or scheduler has no such knob.
    Absent,
    /// The file is there and says nothing that can be used.
    Unsupported(Unsupported),
}

impl<T> Attr<T> {
    /// The value, if there is one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Unsupported(_) => None,
        }
    }
}

/// Why an attribute that exists has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// Reading it is `EINVAL`: for example `wbt_lat_usec` of a queue without writeback throttling.
    ReadRefused,
    /// A scheduler is in force that tunerd does not know.
    UnknownScheduler(String),
    /// Its text is none that tunerd understands, such as the negative `writes_starved` that mq-deadline accepts.
    /// Only a [`Readout`] says so; [`crate::Disk::read_knob`] makes it an error.
    Malformed(String),
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadRefused => f.write_str("the kernel does not let it be read (EINVAL)"),
            Self::UnknownScheduler(name) => write!(f, "scheduler {name:?} is not one that tunerd knows"),
            Self::Malformed(found) => write!(f, "found {found:?}, expected a number that is not negative"),
        }
    }
}

/// What to write to a knob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteValue {
    /// A value.
    Value(KnobValue),
    /// What makes the kernel choose: `-1` for `wbt_lat_usec`, `0` for `max_sectors_kb`. Other knobs have no such
    /// value; their write is refused before it reaches the kernel.
    KernelDefault,
}

impl From<KnobValue> for WriteValue {
    fn from(value: KnobValue) -> Self {
        Self::Value(value)
    }
}

/// All knobs of a disk at one moment, as [`crate::Disk::read_settings`] found them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readout {
    /// The scheduler in force and those on offer.
    pub scheduler: SchedulerMenu,
    /// Every knob that has a value, the scheduler among them.
    pub settings: Settings,
    /// The knobs of the queue, or of the scheduler in force, that exist but have no value.
    pub unsupported: BTreeMap<Knob, Unsupported>,
}
