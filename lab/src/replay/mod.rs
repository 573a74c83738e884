//! The simulated block layer against the kernel's: the same work, the same settings, the same disk model.
//!
//! The kernel's half is measured on emulated disks ([`mod@kernel`]) under settings that a seeded design draws
//! ([`mod@design`]), for work that both halves understand ([`mod@load`]).

mod cells;
pub mod design;
pub mod fidelity;
mod fio_source;
pub mod kernel;
pub mod load;
pub mod ranks;
pub mod simulate;
pub mod tune;
