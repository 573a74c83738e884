//! Takes a trace through the `blk` tracer of ftrace, and asks blkparse and btt about it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const TRACING: &str = "/sys/kernel/tracing";

/// What stands in the way of a capture.
pub(super) fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    for program in ["losetup", "fio", "blkparse", "btt"] {
        let found =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if found.is_err() {
            return Some(format!("needs {program}"));
        }
    }
    let tracers = fs::read_to_string(format!("{TRACING}/available_tracers")).unwrap_or_default();
    if !tracers.split_whitespace().any(|tracer| tracer == "blk") {
        return Some("needs tracefs with the blk tracer".to_owned());
    }
    None
}

/// A file of the kernel that gets its value back when this goes.
struct Restored {
    path: PathBuf,
    value: String,
}

impl Restored {
    fn set(path: impl Into<PathBuf>, value: &str) -> Outcome<Self> {
        let path = path.into();
        let text = fs::read_to_string(&path)?;
        let bracketed = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        // Of a list the selected one; of `7 (expanded: 1408)` the number.
        let first = text.split_whitespace().next().unwrap_or_default();
        let was = bracketed.map_or(first, |(selected, _)| selected).to_owned();
        fs::write(&path, value).map_err(|error| format!("{} = {value}: {error}", path.display()))?;
        Ok(Self { path, value: was })
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        if let Err(error) = fs::write(&self.path, &self.value) {
            eprintln!("{} = {}: {error}", self.path.display(), self.value);
        }
    }
}

/// A loop device that is detached when this goes.
struct Loop(String);

impl Loop {
    fn attach(image: &Path) -> Outcome<Self> {
        File::create(image)?.set_len(64 << 20)?;
        let out = Command::new("losetup").args(["-f", "--show"]).arg(image).output()?;
        if !out.status.success() {
            return Err(String::from_utf8_lossy(&out.stderr).into());
        }
        Ok(Self(String::from_utf8(out.stdout)?.trim().to_owned()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.0]).status();
    }
}

/// Copies a pipe of the kernel to a file until `stop`, then what is left in it.
fn follow(pipe: &Path, to: &Path, stop: &AtomicBool) -> io::Result<()> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut pipe = fs::OpenOptions::new().read(true).custom_flags(nonblock).open(pipe)?;
    let mut out = File::create(to)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let last = stop.load(Ordering::SeqCst);
        let read = match pipe.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            read => read?,
        };
        match read {
            0 if last => return Ok(()),
            0 => thread::sleep(Duration::from_millis(5)),
            read => out.write_all(&buffer[..read])?,
        }
    }
}

/// Writes `base.blktrace.N` of a fio run on a loop device whose image is in `directory`.
pub(super) fn capture(directory: &Path, base: &Path) -> Outcome<()> {
    // The tracer exists once in a machine.
    let lock = File::create("/run/blk-tracer.lock")?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    let tracing = Path::new(TRACING);
    let current = fs::read_to_string(tracing.join("current_tracer"))?;
    if current.trim() != "nop" {
        return Err(format!("found the tracer {:?} in use, expected nop", current.trim()).into());
    }
    let device = Loop::attach(&directory.join("image"))?;
    let name = device.0.strip_prefix("/dev/").ok_or("losetup named no device")?;

    // Dropped in the reverse order: the device's switch first, then the tracer, then clock and options.
    let _clock = Restored::set(tracing.join("trace_clock"), "mono")?;
    // Where a buffer runs over, the pipe says so in text between the records.
    let _buffer = Restored::set(tracing.join("buffer_size_kb"), "4096")?;
    let _tracer = Restored::set(tracing.join("current_tracer"), "blk")?;
    let _binary = Restored::set(tracing.join("options/bin"), "1")?;
    let _context = Restored::set(tracing.join("options/context-info"), "0")?;
    let _cgroup = Restored::set(tracing.join("options/blk_cgroup"), "0")?;
    let mut cpus = Vec::new();
    for entry in fs::read_dir(tracing.join("per_cpu"))? {
        let entry = entry?;
        if let Some(cpu) = entry.file_name().to_str().and_then(|name| name.strip_prefix("cpu")?.parse().ok())
        {
            let cpu: u32 = cpu;
            cpus.push((cpu, entry.path().join("trace_pipe")));
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    let enable = Restored::set(format!("/sys/block/{name}/trace/enable"), "1")?;
    let threads: Vec<_> = cpus
        .into_iter()
        .map(|(cpu, pipe)| {
            let to = base.with_extension(format!("blktrace.{cpu}"));
            let stop = Arc::clone(&stop);
            thread::spawn(move || follow(&pipe, &to, &stop))
        })
        .collect();
    // Paced, so that small buffers keep up; deep enough to merge.
    let fio = Command::new("fio")
        .args(["--ioengine=libaio", "--direct=1", "--size=32M", "--bs=4k", "--output=/dev/null"])
        .arg(format!("--filename={}", device.0))
        .args(["--name=random", "--rw=randrw", "--iodepth=4", "--number_ios=1500"])
        .args(["--name=sequential", "--rw=read", "--iodepth=16", "--iodepth_batch=8", "--number_ios=1500"])
        .stdout(Stdio::null())
        .status();
    thread::sleep(Duration::from_millis(300));
    drop(enable);
    stop.store(true, Ordering::SeqCst);
    for thread in threads {
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    }
    if !fio?.success() {
        return Err("fio failed".into());
    }
    Ok(())
}

fn run(program: &str, base: &Path, args: &[&str]) -> Outcome<String> {
    let directory = base.parent().ok_or("a base without a directory")?;
    let out = Command::new(program).current_dir(directory).args(args).output()?;
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// How many events of each action blkparse prints.
pub(super) fn blkparse_counts(base: &Path) -> Outcome<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for line in run("blkparse", base, &["-q", "-i", "live", "-d", "live.dump"])?.lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        if let [device, _, _, _, _, action, ..] = fields[..]
            && device.contains(',')
            && action != "m"
        {
            *counts.entry(action.to_owned()).or_default() += 1;
        }
    }
    Ok(counts)
}

/// One of btt's latencies.
pub(super) struct BttLatency {
    /// To nine digits after the point.
    pub(super) mean_s: f64,
    /// Of how many requests.
    pub(super) count: u64,
}

/// One of btt's latencies, from the dump that [`blkparse_counts`] leaves.
pub(super) fn btt_latency(base: &Path, name: &str) -> Outcome<BttLatency> {
    let text = run("btt", base, &["-i", "live.dump"])?;
    let line = text.lines().find(|line| line.starts_with(name)).ok_or("btt does not say")?;
    // Name, least, mean, greatest, count.
    let column = |index: usize, what: &str| {
        line.split_whitespace().nth(index).ok_or_else(|| format!("btt has no {what}: {line}"))
    };
    Ok(BttLatency { mean_s: column(2, "mean")?.parse()?, count: column(4, "count")?.parse()? })
}
