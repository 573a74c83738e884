//! Typed, rooted access to what the block layer shows in `/sys` and `/proc`, and a fake kernel beside the real.
//!
//! [`Kernel`] is the one door to files: [`RealKernel`] opens it onto directories that [`Roots`] names,
//! [`fake::FakeKernel`] onto a block layer in memory that keeps state and answers as Linux 6.18 does. Everything
//! above takes an `Arc<dyn Kernel>`: a [`Disk`] reads its [`Identity`], its [`SchedulerMenu`], its knobs
//! ([`Disk::read_knob`], [`Disk::write_knob`]) and its counters ([`DiskStats`]).
//!
//! ```
//! use block_types::{Elevator, Knob, KnobValue};
//! use kernfs::fake::{FakeDisk, FakeKernel};
//! use kernfs::{Attr, Disk, WriteValue};
//! use std::sync::Arc;
//!
//! let kernel = FakeKernel::new().with_disk(FakeDisk::loopback("loop0"));
//! let disk = Disk::open(Arc::new(kernel), "/dev/loop0")?;
//! disk.write_knob(Knob::Scheduler, WriteValue::Value(KnobValue::Elevator(Elevator::MqDeadline)))?;
//! assert_eq!(disk.read_knob(Knob::FifoBatch)?, Attr::Value(KnobValue::Number(16)));
//! assert_eq!(disk.read_knob(Knob::SliceIdleUs)?, Attr::Absent);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is text in the kernel is parsed in one place, [`parse`], from bytes; the callers attach the path.

mod attr;
mod disk;
mod eligibility;
mod error;
pub mod fake;
mod identity;
mod kernel;
mod machine;
pub mod parse;
mod path;
mod real;
mod scheduler;
mod stats;
mod wbt;

pub use attr::{Attr, Readout, Unsupported, WriteValue};
pub use disk::{Disk, Found};
pub use eligibility::{Ineligible, eligibility};
pub use error::{Errno, Error, KnobError, KnobErrorKind, Operation};
pub use identity::{DiskKind, Identity, Zoned};
pub use kernel::Kernel;
pub use machine::boot_id;
pub use path::{KPath, Roots, Tree};
pub use real::RealKernel;
pub use scheduler::{ElevatorName, SchedulerMenu};
pub use stats::{Discards, DiskStats, Flushes, InFlight, diskstats};
pub use wbt::WbtState;
