//! Units, operations, knobs and settings that every room of tunerd shares.
//!
//! This room does no I/O. [`Sector`], [`Sectors`], [`Bytes`] and [`Nanos`] carry their unit in the type;
//! [`DevNo`] names a disk as the kernel does; [`IoEvent`] is one bio or request as a trace or a probe saw it;
//! [`Knob`], [`KnobValue`] and [`Settings`] are what a tuner may ask of a disk; [`LatencyHistogram`] is the
//! log-linear histogram that the kernel side fills and the user side reads.

mod devno;
mod elevator;
mod event;
mod histogram;
mod knob;
mod settings;
mod units;

pub use devno::{DevNo, ParseDevNoError};
pub use elevator::{Elevator, UnknownElevator};
pub use event::{IoEvent, Op, Phase};
pub use histogram::LatencyHistogram;
pub use knob::{Knob, UnknownKnob};
pub use settings::{KnobValue, Setting, Settings};
pub use units::{Bytes, Nanos, SECTOR_BYTES, Sector, Sectors};
