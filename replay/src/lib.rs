//! A simulated block layer: what Linux does between a program's bio and its disk, in virtual time.
//!
//! [`simulate`] takes a queue's [`Config`] (a [`Host`] and the [`Settings`](block_types::Settings) to try), a
//! [`DiskModel`](disk_model::DiskModel), and a [`Source`] of I/O, and says in a [`Report`] what throughput and what
//! latencies came of it. It knows no clock and no chance: equal arguments have equal reports, and a second of a busy
//! disk takes some microseconds.
//!
//! ```
//! use block_types::{Bytes, Elevator, Knob, KnobValue, Nanos, Settings};
//! use disk_model::Params;
//! use replay::{Config, Host, Job, Jobs, Order, Run, simulate};
//!
//! let capacity = Bytes(8 << 30);
//! let params = Params::named("hdd-7200").ok_or("no such disk")?;
//! let host = Host::new(params.traits(), capacity).with_queue_depth(4);
//!
//! let mut settings = Settings::new();
//! settings.set(Knob::Scheduler, KnobValue::Elevator(Elevator::MqDeadline));
//! settings.set(Knob::FifoBatch, KnobValue::Number(1));
//! let config = Config::new(host, &settings)?;
//!
//! // One process reads at random, four at a time; another writes, 32 at a time.
//! let reader = Job::reads(Order::Random, Bytes(4096), 4, capacity);
//! let writer = Job { seed: 2, ..Job::writes(Order::Random, Bytes(4096), 32, capacity) };
//! let mut disk = params.build(capacity, 1)?;
//! let run = Run::for_time(Nanos::SECOND, Nanos(10_000_000_000));
//! let report = simulate(&config, disk.as_mut(), &mut Jobs::new([reader, writer]), &run);
//! assert!(report.reads.bios > 100 && report.reads.latency.mean() < Some(Nanos::from_millis(400)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Sources
//!
//! | source | when a bio is submitted |
//! |---|---|
//! | [`OpenLoop`] | at its time in a [`Trace`], scaled or not |
//! | [`NoStall`] | in the trace's order, as soon as fewer than so many are outstanding |
//! | [`ClosedLoop`] | as long after the completion that it waited for as in the trace: faster settings finish sooner |
//! | [`Jobs`] | as fio's jobs do: so many processes, each with so many in flight |
//!
//! A [`Trace`] is put together by a [`TraceBuilder`] from the events of one disk, with the process of each queueing
//! where that is known. [`Trace::slice`] and [`Trace::part`] cut it, the latter with what was outstanding at the cut;
//! [`Trace::fit`] brings it onto a disk of another size.
//!
//! # What is simulated
//!
//! A bio that is larger than `max_sectors_kb` is split. Each part is tried on the plug of its submission, then on the
//! scheduler's requests; else it becomes a request once it has a tag (`nr_requests` of them; some only for
//! asynchronous bios, by `async_depth`). The scheduler hands requests to the driver while that has tags of its own
//! ([`Host::traits`]), and one more, which waits in the driver's hands and is no longer the scheduler's to choose. The
//! model is handed each request as it is issued and says when it is done.
//!
//! Flushes pass by the scheduler, one at a time; those that come meanwhile share the next.
//!
//! # What is not
//!
//! The host takes no processor time, but for [`Job::think`] and what a source says of waking ([`Source::wakes_in`]); there is one hardware queue; requests have no segments, so
//! that only their size bounds them; writeback throttling, cgroups, zones and polling are absent. What that means for a
//! knob, [`scores`] says: a knob that makes no difference is accepted and has none. A setting that the scheduler does not
//! have is a [`SettingError`] that names it.

mod config;
mod elevator;
mod engine;
mod io;
mod list;
mod plug;
mod record;
mod report;
mod request;
mod source;
mod tags;
mod waiting;

pub use config::{Config, Host, Scored, SettingError, scores};
pub use engine::{Issue, Run, Until, simulate, simulate_observed};
pub use io::{Io, Priority, StreamId, Token};
pub use report::{Flow, Merges, Report, StreamShare, Window};
pub use source::{
    ClosedLoop, Fit, Job, Jobs, NoCompletions, NoStall, OpenLoop, Order, OutsideDisk, Source, Trace,
    TraceBio, TraceBuilder,
};
