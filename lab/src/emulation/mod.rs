//! Emulated disks: whether they do what their models say, what the emulation itself costs, and how much a
//! scheduler's settings matter in front of one.

pub(crate) mod bench;
pub mod cost;
pub mod fidelity;
pub mod sensitivity;
pub mod workloads;
