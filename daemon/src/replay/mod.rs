//! Traces, and what can be done with one: simulated on a disk model, searched for settings, or replayed onto a device.

pub mod at_work;
pub mod disk;
pub mod evaluate;
pub mod input;
#[cfg(target_os = "linux")]
pub mod onto;
pub mod search;
pub mod windows;
