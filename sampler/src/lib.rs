//! Live sources of block I/O samples: what a disk is asked for, and how long it takes.
//!
//! [`fn@open`] chooses one of three sources and says why:
//!
//! * **BPF** counts in the kernel and hands over sums; nothing goes to user space for an I/O. It knows sizes,
//!   distances, latencies from bio to completion, and (continuous mode) exact completions.
//! * **tracefs** reads the text of two block events from a private tracing instance. It knows the same, less
//!   exactly, and costs far more per I/O; for machines that refuse BPF.
//! * **diskstats** reads totals. Distances, sizes and latencies are unknown to it.
//!
//! All three answer one [`Sample`] of cumulative counts; a window is the difference of two of them.
//!
//! ```no_run
//! use block_types::DevNo;
//! use sampler::{Request, Watched};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let disk = DevNo::new(7, 0);
//! let kernel: Arc<dyn kernfs::Kernel> = Arc::new(kernfs::RealKernel::live());
//! let opened = sampler::open(&kernel, &Request::new([Watched::new("loop0", disk)]))?;
//! println!("{}: {}", opened.kind, opened.why);
//! let sample = opened.source.read(disk)?;
//! println!("{} reads so far", sample.completed.reads);
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

#[cfg(all(feature = "bpf", target_os = "linux"))]
mod bpf;
mod clock;
mod diskstats;
#[cfg(target_os = "linux")]
mod duty;
mod error;
mod open;
mod request;
mod sample;
mod source;
mod totals;
#[cfg(target_os = "linux")]
mod tracefs;

pub use error::SamplerError;
pub use open::{Opened, open};
pub use request::{Duty, Request, SourceChoice, SourceKind, UnknownSource, Watched};
pub use sample::{Ages, Completed, ExactCounters, InFlight, Latencies, ProbeCost, Sample};
pub use source::{Probing, Source};
