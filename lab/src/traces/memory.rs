//! How much memory the timeline of a long trace takes.

use super::Capture;
use crate::Context;
use crate::bench::report::Report;
use crate::bench::tunerd::Tunerd;
use anyhow::{Context as _, Result, ensure};
use blktrace_parser::{CpuFiles, RecordReader, open_file};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The bound of the peak.
const BOUND_KB: u64 = 64 << 10;

pub(super) fn memory(
    tunerd: &Tunerd,
    capture: &Capture,
    scratch: &Path,
    megabytes: u64,
    context: &Context,
    report: &mut Report,
) -> Result<()> {
    let (base, bytes) = lengthened(&capture.base, scratch, megabytes * 1_000_000, context)?;
    let begun = Instant::now();
    let mut child = Command::new(tunerd.program())
        .args(["fingerprint", "--json", "--trace"])
        .arg(&base)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start tunerd")?;
    let mut peak_kb = 0;
    let status = loop {
        // The kernel keeps the peak itself; it is read for as long as there is a process to ask about.
        peak_kb = peak_kb.max(peak(child.id()));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let took = begun.elapsed();
    ensure!(status.success(), "tunerd ended with {status}");
    report.verdict(
        &format!("peak memory for {:.2} GB of trace", bytes as f64 / 1e9),
        format!("at most {} MiB", BOUND_KB >> 10),
        format!("{:.1} MiB, in {:.2} s", peak_kb as f64 / 1024.0, took.as_secs_f64()),
        peak_kb > 0 && peak_kb <= BOUND_KB && bytes >= megabytes * 1_000_000,
    );
    report.fact("peak_kb", peak_kb);
    report.fact("long_trace_bytes", bytes);
    for file in CpuFiles::of_base(&base)?.files {
        std::fs::remove_file(file.path)?;
    }
    Ok(())
}

/// `VmHWM` of a process, 0 where it has ended.
fn peak(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The recording again and again, each time later, until it has so many bytes.
fn lengthened(base: &Path, scratch: &Path, bytes: u64, context: &Context) -> Result<(PathBuf, u64)> {
    let long = scratch.join("long");
    let files = CpuFiles::of_base(base)?.files;
    let (mut once, mut first, mut last) = (0, u64::MAX, 0);
    for file in &files {
        once += std::fs::metadata(&file.path)?.len();
        let mut reader = RecordReader::new(open_file(&file.path)?);
        while let Some(record) = reader.next_record()? {
            (first, last) = (first.min(record.header.time_ns), last.max(record.header.time_ns));
        }
    }
    ensure!(once > 0 && first < last, "the recording is empty");
    let times = bytes.div_ceil(once);
    let span = last - first + 1_000_000;
    for file in &files {
        let path = long.with_file_name(format!("long.blktrace.{}", file.cpu));
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        for turn in 0..times {
            context.interrupt.check()?;
            let mut reader = RecordReader::with_capacity(256 << 10, open_file(&file.path)?);
            while let Some(record) = reader.next_record()? {
                let mut header = record.header;
                header.time_ns += turn * span;
                // The numbers of the events would begin anew.
                header.sequence = 0;
                out.write_all(&header.encode(record.order))?;
                out.write_all(record.pdu)?;
            }
        }
        out.flush()?;
    }
    Ok((long, once * times))
}
