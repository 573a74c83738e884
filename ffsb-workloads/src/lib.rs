//! FFSB profiles: parser, runner and report.
//!
//! The Flexible File System Benchmark describes work on a file system by a *profile*: sets of files, and groups of
//! threads that draw weighted operations on them. This room reads its profiles and does their work in a runner of its
//! own, with these differences:
//!
//! - It touches only a directory that it made, that was empty, or that carries its marker ([`home`]).
//! - Everything is drawn from one seed; a run that is bounded by operations rather than by time has the same counts
//!   and byte totals every time. For that, threads that add, remove or resize files have files of their own
//!   ([`run`](mod@run)).
//! - A file set can be fitted to the disk at hand ([`scale`]), and then stays within its size.
//! - Several profiles are the phases of a cycle: all file sets are made before the first one, and it is told when each
//!   phase did its first I/O ([`watch::Event`]).
//! - Throughput is of the bytes that were moved, totals have 64 bits, and what fails ends the run with a report.
//!
//! Text becomes a [`Profile`](profile::Profile), profiles become a [`Plan`](plan::Plan), a plan is [run](run::run()) and
//! leaves an [`Outcome`](run::Outcome), of which a [`Report`](report::Report) is made.
//!
//! ```
//! use ffsb_workloads::plan::{Phase, plan};
//! use ffsb_workloads::profile::Profile;
//! use ffsb_workloads::report::Report;
//! use ffsb_workloads::run::{Bound, Settings, run};
//! use ffsb_workloads::scale::Scale;
//! use ffsb_workloads::watch::Unwatched;
//!
//! let text = b"
//! time = 300
//! [filesystem]
//!     location = /mnt/test
//!     num_files = 8
//!     min_filesize = 4k
//!     max_filesize = 64k
//! [end]
//! [threadgroup]
//!     num_threads = 2
//!     readall_weight = 1
//!     read_blocksize = 4k
//! [end]";
//! let phase = Phase { name: "reads".to_owned(), profile: Profile::parse(text)? };
//! let home = tempfile::tempdir()?;
//! let plan = plan(vec![phase], Some(&home.path().join("ffsb")), Scale::AsWritten)?;
//! // Ten operations of each thread, in place of the profile's 300 s.
//! let settings = Settings { bound: Some(Bound { time: None, ops: Some(10) }), ..Settings::default() };
//! let outcome = run(&plan, &settings, &Unwatched)?;
//! let report = Report::new(&plan, &settings, &outcome);
//! assert_eq!(report.phases[0].total.operations[0].operations, 20);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg(unix)]

mod buffer;
pub mod cycle;
pub mod error;
pub mod fileset;
pub mod home;
pub mod latency;
mod op;
pub mod plan;
pub mod platform;
pub mod profile;
pub mod report;
pub mod run;
pub mod scale;
pub mod shipped;
pub mod size;
pub mod tally;
pub mod watch;
