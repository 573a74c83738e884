//! The four workloads of the experiment on a device, each a mix on which a hard disk's settings matter.

use crate::bench::fio::{self, Engine, Job, Load, Rw};
use anyhow::{Context as _, Result, bail};
use block_types::Bytes;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

/// What runs under a workload's name, in words.
#[must_use]
pub fn describe(workload: &str) -> &'static str {
    match workload {
        "sequential write" => {
            "a writer of 64 KiB at depth 128 beside 4 random readers of 4 KiB, at most 10 a second each, direct (the target of a \
             backup that is also looked into)"
        }
        "random read" => {
            "16 random readers of 8 KiB beside 2 log writers of 256 KiB, at most 40 a second each, direct (a database)"
        }
        "sequential read" => {
            "a reader of 64 KiB at depth 128 beside 16 random writers of 4 KiB, at most 10 a second each, direct (the source of a \
             backup that is also written to)"
        }
        "random write" => {
            "a random writer of 4 KiB at depth 32 beside 3 random readers of 256 KiB, direct (a database with reports)"
        }
        _ => "unknown",
    }
}

/// Where the writer of a sequential workload stays, so that what is stored stays small; readers are beyond.
const WRITTEN: &str = "256m";

/// Where the random writer writes: 1 MiB in each hundredth of the disk, so that its seeks are those of the whole disk and
/// what is stored of it is not.
fn spots(device: &Path) -> Result<String> {
    let between = ((size_of(device)? / 100) >> 20).saturating_sub(1).max(1);
    Ok(format!("zoned_abs:{}", vec![format!("1/1m:0/{between}m"); 100].join(":")))
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
        "sequential write" => vec![
            Job::new("writer", Rw::Write, kib(64))
                .engine(Engine::Libaio { depth: 128 })
                .option("size", WRITTEN),
            reader(kib(4), 4).iops(10),
        ],
        "sequential read" => vec![
            Job::new("writers", Rw::RandWrite, kib(4))
                .jobs(16)
                .iops(10)
                .option("norandommap", "1")
                .option("size", WRITTEN),
            Job::new("reader", Rw::Read, kib(64))
                .engine(Engine::Libaio { depth: 128 })
                .option("offset", WRITTEN),
        ],
        "random read" => {
            // Each log in a half of what is written.
            let half = "128m";
            let log = Job::new("log", Rw::Write, kib(256)).jobs(2).iops(40);
            vec![log.option("size", half).option("offset_increment", half), reader(kib(8), 16)]
        }
        "random write" => vec![
            Job::new("writer", Rw::RandWrite, kib(4))
                .engine(Engine::Libaio { depth: 32 })
                .option("norandommap", "1")
                .option("random_distribution", &spots(device)?),
            reader(kib(256), 3),
        ],
        _ => bail!("there is no workload {workload:?}"),
    };
    Ok(Load::new(device, jobs))
}

/// A workload at work.
#[derive(Debug)]
pub struct Running(fio::Running);

impl Running {
    /// Starts a workload on a device, whose data it overwrites.
    ///
    /// # Errors
    /// Where there is no such workload, or what runs it cannot be started.
    pub fn start(workload: &str, device: &Path) -> Result<Self> {
        Ok(Self(load(workload, device)?.start()?))
    }

    /// Fails where it has ended before its time.
    ///
    /// # Errors
    /// Then.
    pub fn check(&mut self) -> Result<()> {
        anyhow::ensure!(self.0.is_alive()?, "the workload ended before its time: is the device still there?");
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// Where it failed.
    pub fn stop(self) -> Result<()> {
        self.0.stop().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::HOSTILE_ORDER;
    use super::*;

    #[test]
    fn every_workload_of_the_order_can_be_run() {
        for workload in HOSTILE_ORDER {
            assert_ne!(describe(workload), "unknown", "{workload}");
            assert!(load(workload, Path::new("/dev/null")).is_ok(), "{workload}");
        }
        assert!(load("unheard-of", Path::new("/dev/null")).is_err());
    }
}
