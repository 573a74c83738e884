//! Service-time models of disks, in virtual time.
//!
//! A [`DiskModel`] is a device behind its driver: it is handed [`Command`]s, says when the next of them will be done,
//! and hands back [`Completion`]s. It owns no clock, no thread and no data, so a simulation can run it as fast as it
//! likes and an emulator at the pace of the real clock.

pub mod cloud;
mod command;
pub mod drive;
mod error;
pub mod hdd;
mod instant;
mod params;
pub mod products;
pub mod ssd;

pub use command::{Command, CommandId, Completion, DiskModel, LATEST};
pub use error::ModelError;
pub use instant::InstantDisk;
pub use params::{CAPACITIES, DeviceTraits, Kind, Params};
