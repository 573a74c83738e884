//! I/O schedulers and their knobs: what can be set on a device, in which order, and how it is put back.
//!
//! The [`catalogue()`] says what every knob is; an [`Offer`] what a device has of it; [`plan()`] is the difference
//! between what is and what is wanted, in the order that the kernel's own side effects dictate; a [`Guard`] writes
//! plans, reads back, and puts the originals back; its journal outlives the process, and [`restore_all`] does the
//! same from that.
//!
//! ```
//! use block_types::{Knob, KnobValue, Setting};
//! use kernfs::{Disk, fake::{FakeDisk, FakeKernel}};
//! use schedulers::{Guard, GuardConfig, plan};
//! use std::sync::Arc;
//!
//! let dir = tempfile::tempdir()?;
//! let config = GuardConfig { state_dir: dir.path().into(), run_dir: dir.path().into() };
//! let kernel = FakeKernel::new().with_disk(FakeDisk::hdd("sda"));
//! let disk = Disk::open(Arc::new(kernel), "sda")?;
//! let mut guard = Guard::take(disk, &config)?;
//! let wanted = [Setting { knob: Knob::FifoBatch, value: KnobValue::Number(1) }].into_iter().collect();
//! let applied = guard.apply(&plan(guard.current(), &wanted))?;
//! assert_eq!(applied.written.len(), 1);
//! assert_eq!(guard.restore().restored.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(missing_docs)]

mod catalogue;
mod error;
mod guard;
mod journal;
mod lock;
mod offer;
mod plan;
mod put_back;
mod report;
mod restore;
mod story;

pub use catalogue::{
    Freeze, KernelVersion, KnobInfo, RangeRule, Scale, Tuning, Unit, catalogue, info, refusal,
    stalls_when_lowered,
};
pub use error::{GuardError, RestoreError};
pub use guard::{Applied, Clamped, Foreign, Guard, GuardConfig, WriteFailure, Written};
pub use lock::holder_of;
pub use offer::{Offer, Offered, ResolvedRange};
pub use plan::{Plan, plan};
pub use report::{Left, PutBack, RestoreReport, Unrestored};
pub use restore::{devices_with_journals, restore_all};
