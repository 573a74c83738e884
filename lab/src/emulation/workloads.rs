//! All shipped FFSB profiles on ext4 on an emulated disk, with the kernel's own counters beside the generator's.

use super::bench::attach;
use crate::Context;
use crate::bench::diskstat::Activity;
use crate::bench::process;
use crate::bench::report::Report;
use anyhow::{Context as _, Result, bail, ensure};
use block_types::Bytes;
use clap::Args;
use emulated_disk::{EmulatedDisk, Model, Spec};
use ffsb_workloads::cycle;
use ffsb_workloads::plan::{Plan, plan};
use ffsb_workloads::profile::Overrides;
use ffsb_workloads::report::PhaseReport;
use ffsb_workloads::run::{Bound, Settings, run as run_plan};
use ffsb_workloads::scale::Scale;
use ffsb_workloads::shipped::{self, Shipped};
use ffsb_workloads::watch::{Event, Watch};
use rustix::fs::sync;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Seconds of each phase
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
    /// The disk
    #[arg(long, default_value = "hdd-7200")]
    pub model: String,
    /// Into how many MiB the file sets of each profile shall fit
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u64).range(64..=8_192))]
    pub fit_mib: u64,
    /// Governs every draw
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

const SIZE: Bytes = Bytes(16 << 30);
/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(300);
/// By how much the kernel may count more than the generator under direct I/O: metadata and the journal.
const METADATA_PER_CENT: f64 = 5.0;

/// One phase of a profile.
#[derive(Clone, Debug, Serialize)]
struct Row {
    profile: String,
    phase: String,
    direct: bool,
    seconds: f64,
    transactions: u64,
    read_bytes: u64,
    written_bytes: u64,
    disk_read_bytes: u64,
    disk_written_bytes: u64,
}

impl Row {
    fn name(&self) -> String {
        if self.phase == self.profile {
            self.phase.clone()
        } else {
            format!("{}: {}", self.profile, self.phase)
        }
    }

    /// By how much the disk was asked for more than the generator asked, per cent of all bytes; below zero where it
    /// was asked for less.
    fn excess_per_cent(&self) -> Option<f64> {
        let asked = self.read_bytes + self.written_bytes;
        let got = self.disk_read_bytes + self.disk_written_bytes;
        (asked > 0).then(|| (got as f64 / asked as f64 - 1.0) * 100.0)
    }
}

/// Runs the measurement.
///
/// # Errors
///
/// Where no disk can be emulated, without `mkfs.ext4`, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    let mut spec = Spec::new(Model::named(&options.model)?, SIZE);
    spec.seed = options.seed;
    let disk = attach(&spec)?;
    let mounted = Mounted::make(&disk)?;
    let mut rows = Vec::new();
    let began = Instant::now();
    for profile in shipped::ALL {
        context.say(&format!("{}: {}", profile.stem(), profile.summary()));
        rows.extend(one(context, options, &disk, mounted.path(), profile)?);
    }
    let took = began.elapsed();
    drop(mounted);
    disk.detach()?;
    let mut report = report(options, &rows, took);
    report.fact("rows", &rows);
    report.fact("seed", options.seed);
    Ok(report)
}

fn one(
    context: &Context,
    options: &Options,
    disk: &EmulatedDisk,
    mount: &Path,
    shipped: &Shipped,
) -> Result<Vec<Row>> {
    let name = shipped.stem();
    let source = cycle::read(Path::new(shipped.name), &Overrides::default())?;
    let plan: Plan = plan(source.phases, Some(&mount.join("ffsb")), Scale::Fit(Some(options.fit_mib << 20)))?;
    let settings = Settings {
        seed: options.seed,
        turns: source.turns.map_or(1, std::num::NonZero::get),
        bound: Some(Bound { time: Some(Duration::from_secs(options.seconds)), ops: None }),
        ..Settings::default()
    };
    let counting = Counting { disk: disk.name(), context, seen: Mutex::default() };
    let outcome = run_plan(&plan, &settings, &counting)?;
    context.interrupt.check()?;
    let report = ffsb_workloads::report::Report::new(&plan, &settings, &outcome);
    if let Some(problem) = &report.problem {
        bail!("{name}: {problem}");
    }
    let seen = counting.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    ensure!(
        seen.len() == report.phases.len(),
        "{} phases were run and {} were counted",
        report.phases.len(),
        seen.len()
    );
    report.phases.iter().zip(seen).map(|(phase, seen)| seen.row(name, phase)).collect()
}

/// The disk's counters around a phase.
struct Seen {
    before: Activity,
    after: Option<Activity>,
}

impl Seen {
    fn row(self, profile: &str, phase: &PhaseReport) -> Result<Row> {
        let after = self.after.context("a phase did not end")?;
        let bytes = |after: u64, before: u64| (after - before) * block_types::SECTOR_BYTES;
        Ok(Row {
            profile: profile.to_owned(),
            phase: phase.name.clone(),
            direct: phase.direct,
            seconds: phase.elapsed_ns as f64 / 1e9,
            transactions: phase.total.transactions,
            read_bytes: phase.total.read_bytes,
            written_bytes: phase.total.written_bytes,
            disk_read_bytes: bytes(after.read_sectors, self.before.read_sectors),
            disk_written_bytes: bytes(after.write_sectors, self.before.write_sectors),
        })
    }
}

/// Reads the disk's counters when a phase begins and ends.
struct Counting<'a> {
    disk: &'a str,
    context: &'a Context,
    seen: Mutex<Vec<Seen>>,
}

impl Watch for Counting<'_> {
    fn interrupted(&self) -> bool {
        self.context.interrupt.check().is_err()
    }

    fn event(&self, event: &Event) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::PhaseBegin { .. } => {
                // What the making of the files left in memory must not be counted as the phase's.
                sync();
                if let Ok(before) = Activity::read(self.disk) {
                    seen.push(Seen { before, after: None });
                }
            }
            Event::PhaseEnd { .. } => {
                if let Some(seen) = seen.last_mut() {
                    seen.after = Activity::read(self.disk).ok();
                }
            }
            Event::Prepared { .. } | Event::FirstIo { .. } => {}
        }
    }
}

fn report(options: &Options, rows: &[Row], took: Duration) -> Report {
    let mut report = Report::new(&format!(
        "All shipped FFSB profiles on ext4 on an emulated {}, each fitted into {} MiB",
        options.model, options.fit_mib
    ));
    let mb = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
    report.table(
        "MB that the profiles read and wrote, and MB that the disk did meanwhile",
        &["profile", "I/O", "s", "transactions", "read", "written", "disk read", "disk written", "excess"],
        rows.iter().map(|row| {
            [
                row.name(),
                if row.direct { "direct" } else { "buffered" }.to_owned(),
                format!("{:.1}", row.seconds),
                row.transactions.to_string(),
                mb(row.read_bytes),
                mb(row.written_bytes),
                mb(row.disk_read_bytes),
                mb(row.disk_written_bytes),
                row.excess_per_cent().map_or_else(|| "-".to_owned(), |excess| format!("{excess:+.2} %")),
            ]
        }),
    );
    report.verdict(
        "all of them together",
        format!("under {} s", LIMIT.as_secs()),
        format!("{:.0} s", took.as_secs_f64()),
        took < LIMIT,
    );
    let direct: Vec<f64> = rows.iter().filter(|row| row.direct).filter_map(Row::excess_per_cent).collect();
    let range = |least: f64, most: f64| format!("{least:+.2} to {most:+.2} % over {} phases", direct.len());
    let least = direct.iter().copied().fold(f64::INFINITY, f64::min);
    let most = direct.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    report.verdict(
        "direct I/O: the disk's bytes against the profiles'",
        format!("never fewer, at most {METADATA_PER_CENT} % more for metadata"),
        range(least, most),
        !direct.is_empty() && least >= 0.0 && most <= METADATA_PER_CENT,
    );
    report
}

/// ext4 on a disk, mounted until this is dropped.
struct Mounted {
    path: PathBuf,
    // Removed after unmounting.
    _directory: tempfile::TempDir,
}

impl Mounted {
    fn make(disk: &EmulatedDisk) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("tunerd-lab.").tempdir()?;
        // Inode tables and journal are written now and not lazily, beside what is measured.
        let options = ["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"];
        process::output("mkfs.ext4", options.iter().map(Path::new).chain([disk.path()]), None)?;
        process::output(
            "mount",
            [Path::new("-o"), Path::new("noatime"), disk.path(), directory.path()],
            None,
        )?;
        Ok(Self { path: directory.path().to_owned(), _directory: directory })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = process::output("umount", [self.path.as_path()], None) {
            eprintln!("{} stays mounted: {error:#}", self.path.display());
        }
    }
}
