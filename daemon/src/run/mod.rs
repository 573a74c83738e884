//! `tunerd run`: the loops, what they stand on, and the process around them.

mod apply;
mod clock;
#[cfg(test)]
mod confirmed_tests;
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

pub(crate) use apply::apply;
pub use clock::{Clock, RealClock, VirtualClock, Wake};
pub use device::{Command, DeviceLoop, DeviceView, Ended, Parts, Sink};
pub(crate) use memory::fresh_seed;
pub use process::main;
pub(crate) use process::{listen, may_write_live};
pub(crate) use setup::clear_up;
pub use supervisor::{RunError, Signal, Surroundings, run};
pub use synthetic::{SyntheticSource, Visit, Work, demo_script};
pub use synthetic_run::{DEVICE as SYNTHETIC_DEVICE, play};
