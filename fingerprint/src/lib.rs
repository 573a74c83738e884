//! Fingerprints of block I/O workloads.
//!
//! A [`Snapshot`] counts what was asked of a disk in some period, bio by bio, at submission: before splitting,
//! merging and scheduling, so that what is counted is the work and not what the settings made of it. From it
//! come the three dimensions of *I/O Workload Fingerprinting in the Genetic-Library* (OLS 2006) — type, pattern,
//! size — and so one of eight [`Class`]es. Two [`Rule`]s give the pattern: the paper's, by the mean distance
//! from the previous bio, and ours, by the share of bios that continue one of 16 recent streams
//! ([`StreamTable`]).
//!
//! Periods are windows ([`WindowPolicy`] says when one is full); a [`ChangeDetector`] turns the classes of
//! successive windows into changes of fingerprint; a [`Profile`] is the continuous feature vector behind the
//! class; a [`WindowLine`] is a window as users see it. A [`Timeline`] cuts a recorded trace into windows.
//!
//! Nothing here touches a device or a clock.
//!
//! ```
//! use block_types::{Nanos, Op, Sector, Sectors};
//! use fingerprint::{Rule, Thresholds, Tracker};
//!
//! // A sequential stream of 128 KiB reads.
//! let mut tracker = Tracker::new(Thresholds::default());
//! for number in 0..100 {
//!     tracker.observe(Op::Read, Sector(number * 256), Sectors(256), true);
//! }
//! let class = |rule| tracker.snapshot().classify(rule, &Thresholds::default()).map(|class| class.name());
//! assert_eq!(class(Rule::Ours), Some("read-sequential-large"));
//! assert_eq!(class(Rule::Paper2006), Some("read-random-large"));
//! ```

#![deny(missing_docs)]

mod change;
mod class;
mod line;
mod profile;
mod rule;
mod snapshot;
mod streams;
mod timeline;
mod tracker;
mod window;

pub use change::{ChangeDetector, Verdict};
pub use class::{Class, IoType, Pattern, Size, UnknownClass};
pub use line::WindowLine;
pub use profile::Profile;
pub use rule::{BadThreshold, Rule, Thresholds, UnknownRule};
pub use snapshot::{DataBio, GAP_BUCKETS, SIZE_BUCKETS, Snapshot};
pub use streams::{Gap, STREAM_ENDS, StreamTable};
pub use timeline::{Period, Timeline};
pub use tracker::Tracker;
pub use window::{Closed, WindowPolicy, WindowVerdict};
