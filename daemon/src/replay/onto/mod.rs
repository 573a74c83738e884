//! Replay onto a real block device: with direct I/O through io_uring, at the trace's times or as fast as it goes.
//!
//! [`device`] refuses what may not be used and opens the rest exclusively; [`mod@plan`] turns bios into I/Os of the
//! device; [`pace`] submits them in time, and knows neither ring nor device.

pub mod device;
pub mod pace;
pub mod plan;
mod ring;

pub use ring::{Ring, RingError};
