//! fio as the load generator: job files out, JSON results in.

use crate::bench::interrupt::Interrupt;
use crate::bench::process::{self, Process};
use crate::bench::processor::OneProcessor;
use anyhow::{Context, Result, bail};
use block_types::{Bytes, Nanos};
use rustix::process::Signal;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

/// The direction and pattern of a job, by fio's own names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rw {
    /// Sequential reads.
    Read,
    /// Sequential writes.
    Write,
    /// Random reads.
    RandRead,
    /// Random writes.
    RandWrite,
    /// Random reads and writes, in the share that `rwmixread` says.
    RandRw,
}

impl Rw {
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::RandRead => "randread",
            Self::RandWrite => "randwrite",
            Self::RandRw => "randrw",
        }
    }
}

/// How a job hands its I/O to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// One blocking call after the other.
    Psync,
    /// Linux native asynchronous I/O at this depth; asynchronous only with direct I/O.
    Libaio {
        /// I/Os in flight.
        depth: u32,
    },
    /// io_uring with registered buffers and files, submitted and reaped in batches: the cheapest way there is.
    IoUring {
        /// I/Os in flight.
        depth: u32,
        /// I/Os to a system call.
        batch: u32,
    },
}

/// One section of a job file.
#[derive(Clone, Debug)]
pub struct Job {
    name: String,
    rw: Rw,
    block: Bytes,
    engine: Engine,
    direct: bool,
    jobs: u32,
    start: Duration,
    runtime: Duration,
    options: Vec<(String, String)>,
}

impl Job {
    /// Direct, blocking I/O of one process at full speed until it is stopped.
    #[must_use]
    pub fn new(name: &str, rw: Rw, block: Bytes) -> Self {
        Self {
            name: name.to_owned(),
            rw,
            block,
            engine: Engine::Psync,
            direct: true,
            jobs: 1,
            start: Duration::ZERO,
            runtime: Duration::from_secs(86_400),
            options: Vec::new(),
        }
    }

    /// Uses another engine.
    #[must_use]
    pub const fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Goes through the page cache.
    #[must_use]
    pub const fn buffered(mut self) -> Self {
        self.direct = false;
        self
    }

    /// So many of it at once, reported as one.
    #[must_use]
    pub const fn jobs(mut self, jobs: u32) -> Self {
        self.jobs = jobs;
        self
    }

    /// Starts that long after fio has, to the millisecond.
    #[must_use]
    pub const fn start_after(mut self, start: Duration) -> Self {
        self.start = start;
        self
    }

    /// Runs that long and ends.
    #[must_use]
    pub const fn runtime(mut self, runtime: Duration) -> Self {
        self.runtime = runtime;
        self
    }

    /// At most so many I/Os a second, evenly spaced, each of the jobs.
    #[must_use]
    pub fn iops(self, rate: u32) -> Self {
        self.option("rate_iops", &rate.to_string())
    }

    /// Runs on that processor, where there is one to be confined to.
    #[must_use]
    pub fn confined_to(self, processor: Option<&OneProcessor>) -> Self {
        match processor {
            Some(processor) => self.option("cpus_allowed", &processor.number().to_string()),
            None => self,
        }
    }

    /// Any other option of fio.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The job's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn section(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}={value}");
        };
        // Results are summed over a group, and a section is one only if it says so.
        line("new_group", "1");
        line("rw", self.rw.name());
        line("bs", &self.block.0.to_string());
        line("direct", if self.direct { "1" } else { "0" });
        line("numjobs", &self.jobs.to_string());
        line("time_based", "1");
        line("runtime", &format!("{}ms", self.runtime.as_millis()));
        if !self.start.is_zero() {
            line("startdelay", &format!("{}ms", self.start.as_millis()));
        }
        match self.engine {
            Engine::Psync => line("ioengine", "psync"),
            Engine::Libaio { depth } => {
                line("ioengine", "libaio");
                line("iodepth", &depth.to_string());
            }
            Engine::IoUring { depth, batch } => {
                line("ioengine", "io_uring");
                line("iodepth", &depth.to_string());
                line("iodepth_batch_submit", &batch.to_string());
                line("iodepth_batch_complete_min", &batch.to_string());
                line("fixedbufs", "1");
                line("registerfiles", "1");
            }
        }
        for (name, value) in &self.options {
            line(name, value);
        }
        format!("[{}]\n{text}", self.name)
    }
}

/// Jobs that run on one file or device.
#[derive(Clone, Debug)]
pub struct Load {
    target: PathBuf,
    jobs: Vec<Job>,
    within: Vec<String>,
}

impl Load {
    /// These jobs on that device or file.
    pub fn new(target: &Path, jobs: impl IntoIterator<Item = Job>) -> Self {
        Self { target: target.to_owned(), jobs: jobs.into_iter().collect(), within: Vec::new() }
    }

    /// Runs fio inside another command, which must execute the arguments that follow its own.
    #[must_use]
    pub fn within<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.within = command.into_iter().map(Into::into).collect();
        self
    }

    /// The job file.
    #[must_use]
    pub fn job_file(&self) -> String {
        let mut text = format!(
            // Threads, so that one signal ends all jobs; fallocate, because a file's unwritten blocks would
            // otherwise be laid out first, as a workload that nobody asked for.
            "[global]\nfilename={}\nthread=1\ngroup_reporting=1\nfallocate=native\nallow_file_create=0\n",
            self.target.display()
        );
        for job in &self.jobs {
            text.push('\n');
            text.push_str(&job.section());
        }
        text
    }

    /// Starts fio.
    ///
    /// # Errors
    ///
    /// When fio (or `setpriv`) cannot be started.
    pub fn start(&self) -> Result<Running> {
        let mut command = self.within.clone();
        command.extend(["fio", "--output-format=json", "-"].map(str::to_owned));
        let (program, arguments) = command.split_first().context("no command")?;
        let mut process = Process::start(OsStr::new(program), arguments, true)?;
        let stdout = process.stdout().map(process::drain);
        let stderr = process.stderr().map(process::drain);
        if let Some(mut stdin) = process.stdin() {
            stdin.write_all(self.job_file().as_bytes()).context("cannot hand fio its jobs")?;
        }
        Ok(Running { process, stdout, stderr })
    }

    /// Runs the jobs until they end by themselves.
    ///
    /// # Errors
    ///
    /// When fio cannot be started or fails, or on an interrupt.
    pub fn run(&self, interrupt: &Interrupt) -> Result<Outcome> {
        self.start()?.wait(interrupt)
    }
}

/// A fio that is at work.
#[derive(Debug)]
pub struct Running {
    process: Process,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    /// Waits until all jobs have ended.
    ///
    /// # Errors
    ///
    /// When fio fails, or on an interrupt.
    pub fn wait(mut self, interrupt: &Interrupt) -> Result<Outcome> {
        while self.process.poll()?.is_none() {
            interrupt.sleep(Duration::from_millis(20))?;
        }
        self.outcome()
    }

    /// Asks fio to end now and takes what it measured so far.
    ///
    /// # Errors
    ///
    /// When fio does not end, or fails otherwise than by being asked to.
    pub fn stop(mut self) -> Result<Outcome> {
        self.process.signal(Signal::INT);
        if self.process.wait(Duration::from_secs(30))?.is_none() {
            bail!("fio was asked to end and did not within 30 s");
        }
        self.outcome()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    ///
    /// When it has failed: the error quotes it.
    pub fn is_alive(&mut self) -> Result<bool> {
        Ok(self.process.poll()?.is_none())
    }

    fn outcome(mut self) -> Result<Outcome> {
        let text = self.stdout.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let said = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Outcome::parse(&text).with_context(|| format!("fio said: {}", beginning(&said)))
    }
}

/// The first lines of what fio said: of a disk that is gone it tells every I/O in flight.
fn beginning(said: &str) -> String {
    const LINES: usize = 3;
    let mut lines: Vec<&str> = said.trim().lines().take(LINES).collect();
    let more = said.trim().lines().count().saturating_sub(lines.len());
    let rest = format!("and {more} more lines");
    if more > 0 {
        lines.push(&rest);
    }
    lines.join("; ")
}

/// What fio measured.
#[derive(Clone, Debug, Deserialize)]
pub struct Outcome {
    /// fio's own version.
    #[serde(rename = "fio version")]
    pub version: String,
    /// One to a section of the job file.
    pub jobs: Vec<JobResult>,
}

impl Outcome {
    /// From fio's standard output, which may have messages before the JSON.
    ///
    /// # Errors
    ///
    /// When there is no JSON, when it is not fio's, or when a job reports an error.
    pub fn parse(text: &str) -> Result<Self> {
        let json = text.find('{').map_or("", |start| &text[start..]);
        let outcome: Self = serde_json::from_str(json).with_context(|| {
            let start: String = text.chars().take(300).collect();
            format!("found {start:?}, expected fio's JSON")
        })?;
        if let Some(job) = outcome.jobs.iter().find(|job| job.error != 0) {
            bail!("fio's job {} failed with errno {}", job.name, job.error);
        }
        Ok(outcome)
    }

    /// The result of a job by its name.
    ///
    /// # Errors
    ///
    /// When fio reported no such job.
    pub fn job(&self, name: &str) -> Result<&JobResult> {
        self.jobs.iter().find(|job| job.name == name).with_context(|| format!("fio reported no job {name:?}"))
    }

    /// Completed I/Os a second, of all jobs in both directions.
    #[must_use]
    pub fn iops(&self) -> f64 {
        self.jobs.iter().map(|job| job.read.iops + job.write.iops).sum()
    }
}

/// One job's results.
#[derive(Clone, Debug, Deserialize)]
pub struct JobResult {
    /// Its name.
    #[serde(rename = "jobname")]
    pub name: String,
    /// 0, or the errno that ended it.
    pub error: i32,
    /// What it read.
    pub read: Direction,
    /// What it wrote.
    pub write: Direction,
}

/// What a job did in one direction.
#[derive(Clone, Debug, Deserialize)]
pub struct Direction {
    /// Completed I/Os.
    pub total_ios: u64,
    /// Their bytes.
    pub io_bytes: u64,
    /// I/Os a second.
    pub iops: f64,
    /// Completion latency: from the end of the call that submitted to the completion.
    pub clat_ns: Latency,
    /// Total latency: from the beginning of that call. Percentiles only where a job has `lat_percentiles`.
    pub lat_ns: Latency,
}

/// fio's latency summary.
#[derive(Clone, Debug, Deserialize)]
pub struct Latency {
    mean: f64,
    #[serde(rename = "N", default)]
    count: u64,
    #[serde(default)]
    percentile: BTreeMap<String, u64>,
}

impl Latency {
    /// The mean; `None` where there was nothing.
    #[must_use]
    pub fn mean(&self) -> Option<Nanos> {
        (self.count > 0).then_some(Nanos(self.mean as u64))
    }

    /// How many I/Os it is of.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// A percentile that fio reports by default (such as 99.0); `None` where it does not.
    #[must_use]
    pub fn percentile(&self, per_cent: f64) -> Option<Nanos> {
        self.percentile.get(&format!("{per_cent:.6}")).map(|&ns| Nanos(ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_file_says_what_was_asked() {
        let load = Load::new(
            Path::new("/dev/loop9"),
            [
                Job::new("a", Rw::RandRead, Bytes(4096)).jobs(4).iops(200),
                Job::new("b", Rw::Write, Bytes(262_144))
                    .buffered()
                    .engine(Engine::Libaio { depth: 32 })
                    .start_after(Duration::from_millis(1500))
                    .runtime(Duration::from_secs(2)),
            ],
        );
        let text = load.job_file();
        let (a, b) = text.split_once("[b]").unwrap();
        for line in
            ["filename=/dev/loop9", "rw=randread", "bs=4096", "direct=1", "numjobs=4", "rate_iops=200"]
        {
            assert!(a.lines().any(|found| found == line), "{line} is not in {a}");
        }
        for line in ["rw=write", "bs=262144", "direct=0", "iodepth=32", "startdelay=1500ms", "runtime=2000ms"]
        {
            assert!(b.lines().any(|found| found == line), "{line} is not in {b}");
        }
        assert!(!a.contains("startdelay"));
    }

    const JSON: &str = r#"fio: some warning
        {"fio version": "fio-3.33", "jobs": [{"jobname": "a", "error": 0, "groupid": 0,
         "read": {"total_ios": 10, "io_bytes": 40960, "iops": 2.5,
                  "clat_ns": {"min": 1, "max": 9, "mean": 5.5, "N": 10, "percentile": {"99.000000": 9}},
                  "lat_ns": {"min": 2, "max": 10, "mean": 6.5, "N": 10}},
         "write": {"total_ios": 0, "io_bytes": 0, "iops": 0.0,
                  "clat_ns": {"min": 0, "max": 0, "mean": 0.0, "N": 0},
                  "lat_ns": {"min": 0, "max": 0, "mean": 0.0, "N": 0}}}]}"#;

    #[test]
    fn results_are_read_past_messages() {
        let outcome = Outcome::parse(JSON).unwrap();
        let job = outcome.job("a").unwrap();
        assert_eq!(job.read.clat_ns.mean(), Some(Nanos(5)));
        assert_eq!(job.read.clat_ns.percentile(99.0), Some(Nanos(9)));
        assert_eq!(job.write.clat_ns.mean(), None);
        assert_eq!(job.write.clat_ns.percentile(99.0), None);
        assert!(outcome.job("b").is_err());
        assert!((outcome.iops() - 2.5).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_result_is_an_error() {
        assert!(Outcome::parse("").is_err());
        assert!(Outcome::parse("fio: no such file").unwrap_err().to_string().contains("no such file"));
        let failed = JSON.replace(r#""error": 0"#, r#""error": 5"#);
        assert!(Outcome::parse(&failed).unwrap_err().to_string().contains("errno 5"));
    }
}
