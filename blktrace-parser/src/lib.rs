//! Reads block I/O traces: the binary format of blktrace in all its facts, and three formats of text.
//!
//! # Binary traces
//!
//! The kernel writes a record of 48 bytes and a payload for each event, in the byte order of its machine, one file
//! for each CPU (`NAME.blktrace.N`). In layers, from the bytes up:
//!
//! - [`Header`] and [`Record`]: the layout, copied out of unaligned bytes;
//! - [`Records`] over a slice, without copying, and [`RecordReader`] over any [`Read`](std::io::Read) (a file, a
//!   pipe, a decompressor) in bounded memory;
//! - [`Event`]: what a record says, with its [`Action`], [`Categories`] and [`Payload`];
//! - [`Merge`]: per-CPU streams in the order of time, in bounded memory; [`SequenceCheck`]: what was lost;
//! - [`Requests`]: queueing, issue and completion paired, with the latencies Q2D, D2C and Q2C.
//!
//! [`open_binary`] opens a merged dump or the per-CPU files of a base name, compressed or not.
//!
//! ```no_run
//! use blktrace_parser::{Event, Requests, open_binary};
//!
//! let mut trace = open_binary("sda".as_ref())?;
//! let mut requests = Requests::new();
//! while let Some(record) = trace.merge.next_record()? {
//!     requests.observe(&Event::from_record(&record)?);
//! }
//! println!("Q2C mean {:?} ns, {} events lost", requests.stats().q2c.mean_ns(), trace.merge.sequence().missing());
//! # Ok::<(), blktrace_parser::Error>(())
//! ```
//!
//! # Text
//!
//! [`text::blkparse`] reads and writes blkparse's default output, [`text::iolog`] reads fio's I/O logs of versions 2
//! and 3, [`text::msr`] the CSV of the MSR-Cambridge traces. Each can pass over a number of bad lines.
//!
//! # Bad input
//!
//! Nothing panics on input, and memory stays bounded whatever the input says. An [`Error`] names the file, the byte
//! or the line, what was found and what was expected there.
//!
//! # Features
//!
//! `gzip` and `zstd` read compressed traces (both pure Rust); `block-types` turns every format into
//! `block_types::IoEvent`s. All are on by default.

pub mod abi;
mod action;
#[cfg(feature = "block-types")]
mod arrivals;
mod compress;
mod cursor;
mod detect;
mod error;
mod event;
#[cfg(feature = "block-types")]
mod io_event;
mod latency;
mod lost;
mod merge;
mod open;
mod requests;
mod sequence;
pub mod text;

pub use abi::{ByteOrder, Header, Record};
pub use action::{Action, Categories};
#[cfg(feature = "block-types")]
pub use arrivals::Arrivals;
pub use compress::{Compression, decompress};
pub use cursor::{RecordReader, Records};
pub use detect::{Format, UnknownFormat};
pub use error::{Error, ErrorKind, Place, Result};
pub use event::{Device, Event, Payload, RemapOrigin};
#[cfg(feature = "block-types")]
pub use io_event::{IoEvents, Options, op_of, to_io_event};
pub use latency::Latency;
pub use lost::Lost;
pub use merge::{DEFAULT_WINDOW, Merge, write_dump};
pub use open::{BinaryTrace, CpuFile, CpuFiles, Source, open_binary, open_file};
pub use requests::{Bio, DEFAULT_LIMIT, Direction, Request, Requests, Stats};
pub use sequence::SequenceCheck;
