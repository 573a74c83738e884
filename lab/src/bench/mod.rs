//! The bench: devices, loads, clocks and statistics that every measurement uses.

pub mod clock;
pub mod fio;
pub mod interrupt;
pub mod loopdev;
pub mod process;
pub mod report;
pub mod stats;
pub mod sysfs;
