//! Service-time models of disks, in virtual time.
//!
//! A [`DiskModel`] is a device behind its driver: it is handed [`Command`]s, says when the next of them will be done,
//! and hands back [`Completion`]s. It owns no clock, no thread and no data, so a simulation can run it as fast as it
//! likes and an emulator at the pace of the real clock.
//!
//! ```
//! use block_types::{Bytes, Nanos, Sector, Sectors};
//! use disk_model::{Command, CommandId, Params};
//!
//! let params = Params::named("hdd-7200").ok_or("no such disk")?;
//! let mut disk = params.build(Bytes(16 << 30), 1)?;
//! let command = Command::Read { sector: Sector(20_000_000), sectors: Sectors(8) };
//! disk.submit(Nanos(0), CommandId(7), command);
//! let mut done = Vec::new();
//! while let Some(next) = disk.next_event() {
//!     disk.advance(next, &mut done);
//! }
//! assert_eq!(done[0].id, CommandId(7));
//! assert!(done[0].at < Nanos(25_000_000), "at most a long seek, a revolution and a little more");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The models
//!
//! | name | model | the default is |
//! |---|---|---|
//! | `hdd-7200` | [`hdd`]: seeks, rotation by angle, zones, queue, read-ahead, write cache | WD Ultrastar DC HC310 |
//! | `sata-ssd` | [`ssd`]: dies, programs that delay reads, caches that fill, a shared link | Samsung 850 EVO 250 GB |
//! | `nvme` | [`ssd`]: the same with deep queues and both directions at once | Samsung 970 EVO Plus 1 TB |
//! | `cloud-volume` | [`cloud`]: token buckets with a burst, log-normal latency | Amazon EBS gp3 |
//! | `instant` | [`InstantDisk`]: no time at all, to measure what is around it | – |
//!
//! The pages of the modules have the theory of each with its references; [`products`] has the data sheets and
//! measurements behind the figures, and [`drive`] the closed loop that turns a model into a prediction.
//!
//! # Parameters
//!
//! [`Params::named`] knows the names above and those of the products; [`Params::from_toml`] reads a file that lists
//! every value, or one that names a base and what differs:
//!
//! ```toml
//! base = "nvme"
//! write_buffer = "protected"    # flushes are free
//! page_read_ns = 90000
//! ```
//!
//! [`Params::to_toml`] writes a file with all of them.
//!
//! # Time
//!
//! Every model is a discrete-event simulation in whole nanoseconds. Its answers depend on its parameters, its seed and
//! on which commands were submitted when; how it is advanced in between changes nothing, which a property test holds
//! it to. So an emulator that wakes up late is late once, and not from then on.
//!
//! A command costs 40 to 180 ns of processor time on the flash and cloud models, and 0.5 to 1.7 µs on the rotating
//! disk with up to 256 commands in its queue (an ordinary virtual machine; `cargo run --release -p disk-model
//! --example speed`). No memory is allocated for single commands once the queues have grown to their depth.

pub mod cloud;
mod command;
pub mod drive;
mod error;
pub mod hdd;
mod instant;
mod params;
pub mod products;
pub mod ssd;

pub use command::{Command, CommandId, Completion, DiskModel, LATEST};
pub use error::ModelError;
pub use instant::InstantDisk;
pub use params::{CAPACITIES, DeviceTraits, Kind, Params};
