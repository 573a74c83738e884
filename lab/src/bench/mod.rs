//! The bench: devices, loads, clocks and statistics that every measurement uses.

pub mod clock;
pub mod diskstat;
pub mod fio;
pub mod fiolog;
pub mod host;
pub mod interrupt;
pub mod loopdev;
pub mod probe;
pub mod process;
pub mod processor;
pub mod report;
pub mod stats;
pub mod sysfs;
pub mod tunerd;
