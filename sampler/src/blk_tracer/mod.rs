//! Recording a disk's events with the `blk` tracer of ftrace, into files that blkparse, btt and fio read.
//!
//! The tracer exists once in a machine, and needs neither debugfs nor an ioctl, so it works under kernel lockdown.
//! What it takes (tracer, clock, buffer, the disk's switch) is journalled before it is changed: [`Recording::end`] puts
//! it back, and [`restore`] does after a process that was killed.
//!
//! The events are taken as pages of the per-CPU ring buffers (`trace_pipe_raw`), which costs the traced machine a copy
//! of memory; the text interface `trace_pipe` formats each event while the CPU that traces waits.

mod cpu;
mod page;
mod settings;

pub use cpu::CpuRecord;
pub use settings::TracerReport;

use block_types::{Bytes, DevNo, Nanos};
use cpu::{Control, Follower};
use kernfs::{KPath, Kernel};
use page::Layout;
use serde::Serialize;
use settings::Journal;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// tracefs, below `/sys`.
const TRACING: &str = "kernel/tracing";

/// A CPU's ring buffer at most, and those of all CPUs together, in KiB. At 52 bytes to an event 16 MiB are a fifth of a
/// second of 1.6 million events a second.
const BUFFER_KB: usize = 16 << 10;
const BUFFERS_KB: usize = 512 << 10;
/// A CPU's at least, whatever the number of CPUs.
const LEAST_BUFFER_KB: usize = 1 << 10;

/// What can go wrong with a recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// tracefs or the tracer is not there, or not for us.
    #[error("cannot record: {why}")]
    Unavailable {
        /// What is missing.
        why: String,
    },
    /// Another tracer is at work; starting would take its events from it.
    #[error("another tracer is at work: {what}")]
    Busy {
        /// Which one.
        what: String,
    },
    /// A file that could not be read or written.
    #[error("cannot {operation} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The kernel could not be asked.
    #[error(transparent)]
    Kernel(#[from] kernfs::Error),
    /// The buffer holds entries, and none is in the format that is known.
    #[error(
        "found {entries} entries in the ring buffer and none of them a record of blktrace as it is known here"
    )]
    UnknownEntries {
        /// How many.
        entries: u64,
    },
}

/// What is to be recorded, and how much at most.
#[derive(Clone, Debug)]
pub struct RecordRequest {
    /// The disk's kernel name; its files are `<name>.blktrace.<cpu>`.
    pub name: String,
    /// Its number.
    pub dev: DevNo,
    /// An existing directory.
    pub out: PathBuf,
    /// Of all files together.
    pub max_bytes: Bytes,
    /// Where the journal goes.
    pub state_dir: PathBuf,
    /// Where the lock goes.
    pub run_dir: PathBuf,
}

/// What came of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// Records in the files.
    pub events: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Events that are in no file because the kernel could not store them, or overwrote them before they were read.
    pub lost: u64,
    /// Events that came after the size limit was reached.
    pub after_limit: u64,
    /// Entries of the ring buffers that were no record of this disk.
    pub foreign: u64,
    /// From the first event that could be recorded to the last.
    pub duration_ns: Nanos,
    /// `CLOCK_REALTIME` less `CLOCK_MONOTONIC`, ns: added to a time of the trace it gives the time of day.
    pub wall_clock_offset_ns: i64,
    /// Of each CPU's ring buffer, KiB.
    pub buffer_kb: usize,
    /// CPU by CPU.
    pub cpus: Vec<CpuRecord>,
    /// What was put back.
    pub settings: TracerReport,
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> RecordError + 'a {
    move |source| RecordError::Io { operation, path: path.to_owned(), source }
}

/// The right to use the tracer, for as long as it is held; the kernel lets go of it with the process.
struct Lock {
    _file: File,
}

impl Lock {
    fn take(run_dir: &Path, wait: Duration) -> Result<Self, RecordError> {
        let path = run_dir.join("blk-tracer.lock");
        std::fs::create_dir_all(run_dir).map_err(failed("make the directory", run_dir))?;
        let open = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = open.map_err(failed("open", &path))?;
        let deadline = Instant::now() + wait;
        while rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
            if Instant::now() >= deadline {
                return Err(RecordError::Busy { what: format!("a tunerd holds {}", path.display()) });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { _file: file })
    }
}

/// Puts back what a recording has left behind, where one has. Waits so long for one that is still at work.
///
/// # Errors
/// Where the journal cannot be read or the lock cannot be had; what could not be put back is in the report.
pub fn restore(
    kernel: &dyn Kernel,
    state_dir: &Path,
    run_dir: &Path,
    wait: Duration,
) -> Result<Option<TracerReport>, RecordError> {
    if Journal::left_behind(state_dir)?.is_none() {
        return Ok(None);
    }
    let _lock = Lock::take(run_dir, wait)?;
    // Whoever held the lock may have put everything back meanwhile.
    Ok(Journal::left_behind(state_dir)?.map(|journal| journal.put_back(kernel, state_dir)))
}

/// The disk that a recording which was not ended is of.
///
/// # Errors
/// Where the journal is there and cannot be read.
pub fn left_behind(state_dir: &Path) -> Result<Option<String>, RecordError> {
    Ok(Journal::left_behind(state_dir)?.map(|journal| journal.device))
}

/// A recording under way. Dropped, it is given up: everything is put back all the same.
pub struct Recording {
    kernel: Arc<dyn Kernel>,
    request: RecordRequest,
    journal: Option<Journal>,
    control: Arc<Control>,
    threads: Vec<JoinHandle<io::Result<CpuRecord>>>,
    lost_before: Vec<(u32, u64)>,
    begun: Nanos,
    offset: i64,
    buffer_kb: usize,
    _lock: Lock,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("request", &self.request).finish_non_exhaustive()
    }
}

fn tracing(rest: &str) -> String {
    format!("{TRACING}/{rest}")
}

/// The CPUs that have a buffer.
fn cpus(kernel: &dyn Kernel) -> Result<Vec<u32>, RecordError> {
    let directory = KPath::sys(tracing("per_cpu"));
    let names = kernel.list(&directory).map_err(|error| RecordError::Unavailable {
        why: format!(
            "{}: {error} (is tracefs mounted, and are you root?)",
            kernel.locate(&directory).display()
        ),
    })?;
    let mut cpus: Vec<u32> = names.iter().filter_map(|name| name.strip_prefix("cpu")?.parse().ok()).collect();
    cpus.sort_unstable();
    Ok(cpus)
}

/// Refuses where a recording would take another tracer's events.
fn check(kernel: &dyn Kernel, request: &RecordRequest) -> Result<(), RecordError> {
    let tracers = KPath::sys(tracing("available_tracers"));
    let text = kernel.read(&tracers).map_err(|error| RecordError::Unavailable {
        why: format!(
            "{}: {error} (is tracefs mounted, and are you root?)",
            kernel.locate(&tracers).display()
        ),
    })?;
    if !String::from_utf8_lossy(&text).split_whitespace().any(|tracer| tracer == "blk") {
        return Err(RecordError::Unavailable {
            why: "this kernel has no blk tracer (CONFIG_BLK_DEV_IO_TRACE)".to_owned(),
        });
    }
    let busy = |what: String| Err(RecordError::Busy { what });
    let tracer = settings::read(kernel, &tracing("current_tracer"))?;
    if tracer != "nop" {
        return busy(format!("the tracer {tracer} (current_tracer)"));
    }
    let events = settings::read(kernel, &tracing("events/enable"))?;
    if events != "0" {
        return busy("trace events are switched on (events/enable)".to_owned());
    }
    if settings::read(kernel, &tracing("buffer_size_kb"))? == "X" {
        return busy("the CPUs' trace buffers were given different sizes (buffer_size_kb)".to_owned());
    }
    let switch = format!("block/{}/trace/enable", request.name);
    if settings::read(kernel, &switch)? != "0" {
        return busy(format!("{} is being traced already ({switch})", request.name));
    }
    Ok(())
}

/// Events that a CPU's buffer has lost since it was last emptied.
fn lost(kernel: &dyn Kernel, cpu: u32) -> Result<u64, RecordError> {
    let path = KPath::sys(tracing(&format!("per_cpu/cpu{cpu}/stats")));
    let text = kernel.read(&path).map_err(failed("read", &kernel.locate(&path)))?;
    Ok(lost_in(&String::from_utf8_lossy(&text)))
}

fn lost_in(stats: &str) -> u64 {
    let counted = |name: &str| {
        let line = stats.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    counted("overrun") + counted("commit overrun") + counted("dropped events")
}

fn clocks() -> (Nanos, i64) {
    let now = |clock| {
        let time = rustix::time::clock_gettime(clock);
        time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
    };
    let before = now(rustix::time::ClockId::Monotonic);
    let wall = now(rustix::time::ClockId::Realtime);
    let after = now(rustix::time::ClockId::Monotonic);
    (Nanos(u64::try_from(after).unwrap_or(0)), wall - (before / 2 + after / 2))
}

impl Recording {
    /// Takes the tracer and starts it. What a recording that was killed has left behind is put back first.
    ///
    /// # Errors
    /// Where another tracer is at work, the kernel cannot do it, files of that name are there already, or a file
    /// cannot be read or written. Everything is as it was then.
    pub fn start(kernel: Arc<dyn Kernel>, request: RecordRequest) -> Result<Self, RecordError> {
        let lock = Lock::take(&request.run_dir, Duration::ZERO)?;
        if let Some(journal) = Journal::left_behind(&request.state_dir)? {
            let report = journal.put_back(kernel.as_ref(), &request.state_dir);
            if !report.failed.is_empty() {
                return Err(RecordError::Busy { what: report.to_string() });
            }
        }
        check(kernel.as_ref(), &request)?;
        let cpus = cpus(kernel.as_ref())?;
        let buffer_kb = (BUFFERS_KB / cpus.len().max(1)).clamp(LEAST_BUFFER_KB, BUFFER_KB);
        // The tracer first: where somebody reads its pipe it cannot be had, and nothing has been changed.
        let wanted = [
            ("current_tracer", "blk".to_owned()),
            ("options/blk_cgroup", "0".to_owned()),
            ("trace_clock", "mono".to_owned()),
            ("buffer_size_kb", buffer_kb.to_string()),
            ("tracing_on", "1".to_owned()),
        ];
        let mut wanted = wanted.map(|(file, value)| (tracing(file), value)).to_vec();
        wanted.push((format!("block/{}/trace/enable", request.name), "1".to_owned()));
        let layout = {
            let path = KPath::sys(tracing("events/header_page"));
            let text = kernel.read(&path).map_err(failed("read", &kernel.locate(&path)))?;
            Layout::parse(&String::from_utf8_lossy(&text)).ok_or_else(|| RecordError::Unavailable {
                why: format!("{} describes a format that is not known here", kernel.locate(&path).display()),
            })?
        };
        let journal = Journal::begin(kernel.as_ref(), &request.state_dir, &request.name, &wanted)?;
        let mut recording = Self {
            kernel,
            request,
            journal: Some(journal),
            control: Arc::new(Control::default()),
            threads: Vec::new(),
            lost_before: Vec::new(),
            begun: Nanos::ZERO,
            offset: 0,
            buffer_kb,
            _lock: lock,
        };
        // From here on dropping it puts everything back.
        recording.run(&cpus, layout)?;
        Ok(recording)
    }

    fn run(&mut self, cpus: &[u32], layout: Layout) -> Result<(), RecordError> {
        let changes = self.journal.as_ref().map(|journal| journal.changes.clone()).unwrap_or_default();
        let (settings, switch) = changes.split_at(changes.len().saturating_sub(1));
        settings::apply(self.kernel.as_ref(), settings)?;
        for cpu in cpus {
            self.lost_before.push((*cpu, lost(self.kernel.as_ref(), *cpu)?));
            self.follow(*cpu, layout)?;
        }
        (self.begun, self.offset) = clocks();
        settings::apply(self.kernel.as_ref(), switch)
    }

    fn follow(&mut self, cpu: u32, layout: Layout) -> Result<(), RecordError> {
        let pipe = self.kernel.locate(&KPath::sys(tracing(&format!("per_cpu/cpu{cpu}/trace_pipe_raw"))));
        let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let opened = OpenOptions::new().read(true).custom_flags(nonblock).open(&pipe);
        let opened = opened.map_err(failed("open", &pipe))?;
        let path = self.request.out.join(format!("{}.blktrace.{cpu}", self.request.name));
        let out = OpenOptions::new().write(true).create_new(true).open(&path);
        let out = out.map_err(failed("make", &path))?;
        let control = Arc::clone(&self.control);
        let (dev, limit) = (self.request.dev, self.request.max_bytes.0);
        let pages = (self.buffer_kb * 1024 / layout.page) as u64;
        let thread = std::thread::Builder::new().name(format!("record-{cpu}"));
        let spawned = thread.spawn(move || {
            let follower =
                Follower { cpu, dev, pipe: opened, out, layout, limit, pages, control: control.as_ref() };
            follower.run()
        });
        self.threads.push(spawned.map_err(failed("start a thread for", &path))?);
        Ok(())
    }

    /// Whether there is no more room for events, or a thread has ended before its time.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.control.full.load(Ordering::SeqCst) || self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Whether the size limit was reached.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.control.full.load(Ordering::SeqCst)
    }

    /// Ends the recording: switches the tracer off, writes what is still in its buffers, and puts everything back.
    ///
    /// # Errors
    /// Where a pipe could not be read or a file not be written, also in the course of the recording.
    pub fn end(mut self) -> Result<Recorded, RecordError> {
        self.switch_off();
        let ended = clocks().0;
        let mut records = self.join()?;
        for ((cpu, before), record) in self.lost_before.iter().zip(&mut records) {
            record.lost = lost(self.kernel.as_ref(), *cpu)?.saturating_sub(*before);
        }
        let sum = |of: fn(&CpuRecord) -> u64| records.iter().map(of).sum::<u64>();
        let foreign = sum(|cpu| cpu.foreign);
        let events = sum(|cpu| cpu.events);
        if events + sum(|cpu| cpu.after_limit) == 0 && foreign > 0 {
            return Err(RecordError::UnknownEntries { entries: foreign });
        }
        let settings = self.put_back();
        Ok(Recorded {
            events,
            bytes: sum(|cpu| cpu.bytes),
            lost: sum(|cpu| cpu.lost),
            after_limit: sum(|cpu| cpu.after_limit),
            foreign,
            duration_ns: ended - self.begun,
            wall_clock_offset_ns: self.offset,
            buffer_kb: self.buffer_kb,
            cpus: records,
            settings,
        })
    }

    /// Lets no more events into the buffers.
    fn switch_off(&self) {
        let switch = KPath::sys(format!("block/{}/trace/enable", self.request.name));
        // A disk that is gone makes no more events; putting back says what else went wrong.
        let _ = self.kernel.write(&switch, "0");
    }

    /// Waits for the threads, whose pipes keep the tracer busy.
    fn join(&mut self) -> Result<Vec<CpuRecord>, RecordError> {
        self.control.ending.store(true, Ordering::SeqCst);
        let results: Vec<_> = self.threads.drain(..).map(JoinHandle::join).collect();
        let mut records = Vec::with_capacity(results.len());
        for result in results {
            let record = result.unwrap_or_else(|_panic| Err(io::Error::other("the thread panicked")));
            records.push(record.map_err(failed("record into", &self.request.out))?);
        }
        Ok(records)
    }

    fn put_back(&mut self) -> TracerReport {
        match self.journal.take() {
            Some(journal) => journal.put_back(self.kernel.as_ref(), &self.request.state_dir),
            None => TracerReport::default(),
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.journal.is_none() {
            return;
        }
        self.switch_off();
        if let Err(error) = self.join() {
            tracing::warn!(%error, "a recording was given up");
        }
        let report = self.put_back();
        if !report.failed.is_empty() {
            tracing::warn!(%report, "not everything could be put back");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_loss_counts() {
        let stats = "entries: 5\noverrun: 10\ncommit overrun: 2\nbytes: 52\noldest event ts:  3.1\nnow ts: 4.1\n\
                     dropped events: 300\nread events: 9\n";
        assert_eq!(lost_in(stats), 312);
        assert_eq!(lost_in(""), 0);
    }

    fn fixture(tracer: &str, events: &str, switch: &str) -> (tempfile::TempDir, Arc<dyn Kernel>) {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("sys/kernel/tracing/available_tracers", "blk function nop\n");
        write("sys/kernel/tracing/current_tracer", tracer);
        write("sys/kernel/tracing/events/enable", events);
        write("sys/kernel/tracing/buffer_size_kb", "7 (expanded: 1408)\n");
        write("sys/block/sda/trace/enable", switch);
        let roots = kernfs::Roots::new(dir.path().join("sys"), dir.path().join("proc"));
        (dir, Arc::new(kernfs::RealKernel::new(roots)))
    }

    #[test]
    fn another_tracer_is_named_and_nothing_is_touched() {
        for (tracer, events, switch, expected) in [
            ("function\n", "0\n", "0\n", "the tracer function"),
            ("nop\n", "X\n", "0\n", "trace events"),
            ("nop\n", "0\n", "1\n", "sda is being traced"),
        ] {
            let (dir, kernel) = fixture(tracer, events, switch);
            let request = RecordRequest {
                name: "sda".to_owned(),
                dev: DevNo::new(8, 0),
                out: dir.path().to_owned(),
                max_bytes: Bytes(1 << 20),
                state_dir: dir.path().join("state"),
                run_dir: dir.path().join("run"),
            };
            let error = Recording::start(kernel, request).unwrap_err();
            assert!(
                matches!(error, RecordError::Busy { .. }) && error.to_string().contains(expected),
                "{error}"
            );
            assert!(!settings::path_of(&dir.path().join("state")).exists());
            let current = std::fs::read_to_string(dir.path().join("sys/kernel/tracing/current_tracer"));
            assert_eq!(current.unwrap(), tracer);
        }
    }

    #[test]
    fn without_tracefs_it_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let roots = kernfs::Roots::new(dir.path(), dir.path());
        let kernel: Arc<dyn Kernel> = Arc::new(kernfs::RealKernel::new(roots));
        assert!(cpus(kernel.as_ref()).unwrap_err().to_string().contains("is tracefs mounted"));
        assert!(restore(kernel.as_ref(), dir.path(), dir.path(), Duration::ZERO).unwrap().is_none());
    }

    #[test]
    fn two_recordings_do_not_meet() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Lock::take(dir.path(), Duration::ZERO).unwrap();
        assert!(Lock::take(dir.path(), Duration::ZERO).is_err());
    }
}
