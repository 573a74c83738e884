//! `tunerd run`: the loops, what they stand on, and the process around them.

mod clock;
#[cfg(unix)]
mod desk;
mod device;
mod journalist;
mod memory;
mod notify;
mod process;
mod setup;
mod supervisor;
mod synthetic;
mod synthetic_run;
#[cfg(test)]
mod tests;

pub use clock::{Clock, RealClock, VirtualClock, Wake};
pub use device::{Command, DeviceLoop, DeviceView, Ended, Parts, Sink};
pub use process::main;
pub use supervisor::{RunError, Signal, Surroundings, run};
pub use synthetic::{SyntheticSource, Visit, Work, demo_script};
pub use synthetic_run::{DEVICE as SYNTHETIC_DEVICE, play};
