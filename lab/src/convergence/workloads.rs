//! The four workloads of the experiment on a device, each a mix on which a hard disk's settings matter.

use crate::bench::fio::{self, Engine, Job, Load, Rw};
use anyhow::{Context as _, Result, bail};
use block_types::Bytes;
use rustix::fs::Advice;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// What runs under a workload's name, in words.
#[must_use]
pub fn describe(workload: &str) -> &'static str {
    match workload {
        "sequential write" => {
            "a writer of 64 KiB at depth 128 beside 4 random readers of 4 KiB, at most 10 a second each, direct (the target of a \
             backup that is also looked into)"
        }
        "random read" => {
            "16 random readers of 8 KiB beside a log writer of 256 KiB, at most 80 a second, direct (a database)"
        }
        "sequential read" => {
            "6 buffered readers, each of one 32 MiB piece after another that it opens anew and drops from the page cache (copies)"
        }
        "random write" => {
            "a random writer of 4 KiB at depth 32 beside 2 random readers of 256 KiB, direct (a database with reports)"
        }
        _ => "unknown",
    }
}

/// Where the writer of a sequential workload stays, so that what is stored stays small; readers are beyond.
const WRITTEN: &str = "256m";

/// Where the random writer writes: 3 MiB in each hundredth of the disk, so that its seeks are those of the whole disk and
/// what is stored of it is not.
fn spots(device: &Path) -> Result<String> {
    let between = ((size_of(device)? / 100) >> 20).saturating_sub(3).max(1);
    Ok(format!("zoned_abs:{}", vec![format!("1/3m:0/{between}m"); 100].join(":")))
}

fn size_of(device: &Path) -> Result<u64> {
    let mut file = File::open(device).with_context(|| format!("cannot open {}", device.display()))?;
    Ok(file.seek(SeekFrom::End(0))?)
}

fn load(workload: &str, device: &Path) -> Result<Load> {
    let kib = |kib: u64| Bytes(kib << 10);
    let reader = |size: Bytes, jobs: u32| {
        Job::new("readers", Rw::RandRead, size)
            .jobs(jobs)
            .option("norandommap", "1")
            .option("offset", WRITTEN)
    };
    let jobs = match workload {
        "sequential write" => [
            Job::new("writer", Rw::Write, kib(64))
                .engine(Engine::Libaio { depth: 128 })
                .option("size", WRITTEN),
            reader(kib(4), 4).iops(10),
        ],
        "random read" => {
            [Job::new("log", Rw::Write, kib(256)).iops(80).option("size", WRITTEN), reader(kib(8), 16)]
        }
        "random write" => [
            Job::new("writer", Rw::RandWrite, kib(4))
                .engine(Engine::Libaio { depth: 32 })
                .option("norandommap", "1")
                .option("random_distribution", &spots(device)?),
            reader(kib(256), 2),
        ],
        _ => bail!("there is no workload {workload:?}"),
    };
    Ok(Load::new(device, jobs))
}

/// A workload at work.
#[derive(Debug)]
pub enum Running {
    /// By fio.
    Fio(Box<fio::Running>),
    /// By readers of our own: fio opens once, and a file's read-ahead is what it was when it was opened.
    Readers(Readers),
}

impl Running {
    /// Starts a workload on a device, whose data it overwrites.
    ///
    /// # Errors
    /// Where there is no such workload, or what runs it cannot be started.
    pub fn start(workload: &str, device: &Path) -> Result<Self> {
        if workload == "sequential read" {
            return Ok(Self::Readers(Readers::start(device)?));
        }
        Ok(Self::Fio(Box::new(load(workload, device)?.start()?)))
    }

    /// Fails where it has ended before its time.
    ///
    /// # Errors
    /// Then.
    pub fn check(&mut self) -> Result<()> {
        let alive = match self {
            Self::Fio(running) => running.is_alive()?,
            Self::Readers(readers) => readers.threads.iter().all(|thread| !thread.is_finished()),
        };
        if alive { Ok(()) } else { bail!("the workload ended before its time: is the device still there?") }
    }

    /// Ends it.
    ///
    /// # Errors
    /// Where it failed.
    pub fn stop(self) -> Result<()> {
        match self {
            Self::Fio(running) => running.stop().map(drop),
            Self::Readers(readers) => readers.stop(),
        }
    }
}

/// Readers of one piece after another.
#[derive(Debug)]
pub struct Readers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
}

const STREAMS: u64 = 6;
const PIECE: u64 = 32 << 20;
const CHUNK: u64 = 256 << 10;

impl Readers {
    fn start(device: &Path) -> Result<Self> {
        let size = size_of(device)?;
        let zone = size / (STREAMS + 1) / PIECE * PIECE;
        anyhow::ensure!(zone >= PIECE, "{}: too small for {STREAMS} readers", device.display());
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..STREAMS)
            .map(|stream| {
                let (device, stop) = (device.to_owned(), Arc::clone(&stop));
                std::thread::spawn(move || read(&device, (stream + 1) * zone, zone, &stop))
            })
            .collect();
        Ok(Self { stop, threads })
    }

    fn stop(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in std::mem::take(&mut self.threads) {
            thread.join().unwrap_or_else(|_| bail!("a reader panicked"))?;
        }
        Ok(())
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in std::mem::take(&mut self.threads) {
            // What it met is told by `stop`; here only its end matters.
            let _ = thread.join();
        }
    }
}

fn read(device: &PathBuf, begin: u64, zone: u64, stop: &AtomicBool) -> Result<()> {
    let mut buffer = vec![0; usize::try_from(CHUNK)?];
    let mut piece = 0;
    while !stop.load(Ordering::Relaxed) {
        let file = File::open(device)?;
        let at = begin + piece;
        for chunk in 0..PIECE / CHUNK {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            file.read_exact_at(&mut buffer, at + chunk * CHUNK)
                .with_context(|| format!("cannot read {}", device.display()))?;
        }
        rustix::fs::fadvise(&file, at, std::num::NonZeroU64::new(PIECE), Advice::DontNeed)?;
        piece = (piece + PIECE) % zone;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::plan::HOSTILE_ORDER;
    use super::*;

    #[test]
    fn every_workload_of_the_order_can_be_run() {
        for workload in HOSTILE_ORDER {
            assert_ne!(describe(workload), "unknown", "{workload}");
            assert!(workload == "sequential read" || load(workload, Path::new("/dev/null")).is_ok());
        }
        assert!(load("unheard-of", Path::new("/dev/null")).is_err());
    }
}
