//! What people use today to see block I/O, to compare with.

use crate::bench::interrupt::Interrupt;
use crate::bench::process::{self, Process};
use crate::bench::sysfs::read_under;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::time::Duration;

/// A bpftrace one-liner that counts every bio.
#[derive(Debug)]
pub(super) struct Bpftrace {
    _process: Process,
}

const ONE_LINER: &str =
    r#"BEGIN { printf("attached\n"); } tracepoint:block:block_bio_queue { @ = count(); }"#;

impl Bpftrace {
    pub(super) fn start(interrupt: &Interrupt) -> Result<Self> {
        process::output("bpftrace", ["--version"], None).context("bpftrace is not there")?;
        let mut process = Process::start(OsStr::new("bpftrace"), ["-e", ONE_LINER], true)?;
        let log = process.stderr().map(process::drain);
        let stdout = process.stdout().context("no standard output")?;
        // It says so once its probes are in place.
        let attached = std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).any(|line| line == "attached")
        });
        interrupt
            .wait_until(Duration::from_secs(30), Duration::from_millis(20), || Ok(attached.is_finished()))?;
        if !attached.is_finished() || !attached.join().unwrap_or(false) {
            drop(process);
            let said = log.and_then(|thread| thread.join().ok()).unwrap_or_default();
            bail!("bpftrace does not attach: {}", said.trim());
        }
        Ok(Self { _process: process })
    }
}

/// The `blk` tracer, binary, streamed to nowhere; it exists once to a machine.
#[derive(Debug)]
pub(super) struct BlkTracer {
    enable: PathBuf,
    options: Vec<(&'static str, String)>,
    reader: Option<Process>,
}

const TRACING: &str = "/sys/kernel/tracing";

fn write(path: &str, value: &str) -> Result<()> {
    std::fs::write(path, value).with_context(|| format!("cannot write {value:?} to {path}"))
}

impl BlkTracer {
    pub(super) fn start(disk: &str) -> Result<Self> {
        let current = read_under(&format!("{TRACING}/current_tracer"))?;
        ensure!(current == "nop", "the tracer {current} is in use");
        let enable = PathBuf::from(format!("/sys/block/{disk}/trace/enable"));
        ensure!(enable.exists(), "this kernel has no blk tracer");
        let options = ["bin", "context-info"]
            .into_iter()
            .map(|name| Ok((name, read_under(&format!("{TRACING}/options/{name}"))?)))
            .collect::<Result<Vec<_>>>()?;
        let mut tracer = Self { enable, options, reader: None };
        write(&format!("{TRACING}/current_tracer"), "blk")?;
        write(&format!("{TRACING}/options/bin"), "1")?;
        write(&format!("{TRACING}/options/context-info"), "0")?;
        std::fs::write(&tracer.enable, "1").context("cannot enable the blk tracer")?;
        let pipe = format!("cat {TRACING}/trace_pipe >/dev/null");
        tracer.reader = Some(Process::start(OsStr::new("sh"), ["-c", &format!("exec {pipe}")], false)?);
        Ok(tracer)
    }
}

impl Drop for BlkTracer {
    fn drop(&mut self) {
        let mut failed = Vec::new();
        let mut keep = |result: Result<()>| failed.extend(result.err());
        keep(std::fs::write(&self.enable, "0").context("cannot disable the blk tracer"));
        // The tracer cannot be changed while its pipe is open.
        self.reader = None;
        for (name, value) in &self.options {
            keep(write(&format!("{TRACING}/options/{name}"), value));
        }
        keep(write(&format!("{TRACING}/current_tracer"), "nop"));
        for error in failed {
            eprintln!("tracing is not as it was: {error:#}");
        }
    }
}
