//! A loop device with a disk model's latencies: a real kernel queue before a modelled disk.
//!
//! [`EmulatedDisk::attach`] makes /dev/loopN. In front of it are the kernel's own block layer, schedulers, page cache
//! and file systems; behind it is a [`disk_model`] that says when each request is done, and a sparse file that holds
//! the data.
//!
//! ```text
//! fio, ext4 ─ block layer ─ scheduler ─ loop driver ─ FUSE ─ server ─ disk model (when)
//!                                                              └──── sparse file (what)
//! ```
//!
//! The emulated disk itself lives in two processes of the program `emudisk`: a keeper that has the loop device, and a
//! server that has the FUSE connection. Either can be killed at any time: the workload then gets I/O
//! errors or goes on until it closes the device, nothing hangs, and the kernel takes away what is left, because
//! nothing of it has a name: the mount has no mount point, the backing file no directory entry.
//!
//! What cannot be had this way: the loop driver serves flushes and discards one after the other, and holds
//! back later requests meanwhile, as a SATA disk does and an NVMe disk does not.
#![cfg(target_os = "linux")]

mod clockwork;
mod control;
mod disk;
mod error;
mod fixed;
mod fuse;
mod keeper;
pub mod loop_device;
mod pump;
pub mod registry;
mod serve;
mod spec;
mod stats;
mod store;

pub use disk::{EmulatedDisk, Report, attach_detached, stats};
pub use error::Error;
pub use fixed::FixedDisk;
pub use keeper::{Ending, Kept};
pub use serve::serve;
pub use spec::{DEFAULT_BACKING, LOOP_DEPTH, Model, Spec};
pub use stats::Stats;
