//! How many windows that lie inside one workload get the right fingerprint.

use crate::Context;
use crate::bench::fio::{Engine, Job, Load, Rw};
use crate::bench::loopdev::{Backing, LoopDevice, LoopSpec};
use crate::bench::process;
use crate::bench::report::Report;
use crate::bench::tunerd::{Stream, Tunerd};
use crate::bench::{clock::monotonic, diskstat::Activity};
use anyhow::{Context as _, Result};
use block_types::Bytes;
use clap::Args;
use fingerprint::{Class, WindowLine};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Seconds of each visit
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(3..=600))]
    pub seconds: u64,
    /// Visits of each of the eight workloads
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub rounds: u64,
}

/// One workload and the fingerprint that is right for it.
struct Scenario {
    name: String,
    expected: Class,
    counted: bool,
    work: Work,
}

enum Work {
    /// Directly on the device.
    Device(Vec<Job>),
    /// In files on ext4 on the device.
    Files(Vec<Job>),
}

const SMALL: Bytes = Bytes(4 << 10);
const LARGE: Bytes = Bytes(256 << 10);
const SIZE: Bytes = Bytes(2 << 30);
/// Of each file on ext4.
const FILE: u64 = 384 << 20;

/// The eight in an order in which each visit differs from the one before in as many dimensions as can be.
fn eight() -> Result<Vec<Scenario>> {
    [
        (Rw::RandRead, SMALL, "read-random-small"),
        (Rw::Write, LARGE, "write-sequential-large"),
        (Rw::Read, SMALL, "read-sequential-small"),
        (Rw::RandWrite, LARGE, "write-random-large"),
        (Rw::Read, LARGE, "read-sequential-large"),
        (Rw::RandWrite, SMALL, "write-random-small"),
        (Rw::RandRead, LARGE, "read-random-large"),
        (Rw::Write, SMALL, "write-sequential-small"),
    ]
    .into_iter()
    .map(|(rw, block, class)| {
        Ok(Scenario {
            name: format!("1 direct job, {class}"),
            expected: class.parse().context("no such class")?,
            counted: true,
            work: Work::Device(vec![Job::new("job", rw, block)]),
        })
    })
    .collect()
}

fn beside() -> Result<Vec<Scenario>> {
    let class = |name: &str| name.parse::<Class>().context("no such class");
    // Four streams, each in a quarter of the device of its own.
    let quarters = |job: Job| {
        let share = (SIZE.0 / 4).to_string();
        job.jobs(4).option("size", &share).option("offset_increment", &share)
    };
    let deep = Engine::Libaio { depth: 32 };
    let streams = |rw, block| quarters(Job::new("streams", rw, block));
    let files = |rw: Rw, block: Bytes, rate: &str| -> Vec<Job> {
        (0..4)
            .map(|index| {
                Job::new(&format!("file{index}"), rw, block)
                    .buffered()
                    .option("filename", &format!("file{index}"))
                    .option("size", &FILE.to_string())
                    .option("rate", rate)
            })
            .collect()
    };
    let device = |name: &str, expected, job| Scenario {
        name: name.to_owned(),
        expected,
        counted: false,
        work: Work::Device(vec![job]),
    };
    // In batches: that is how four sequential jobs come to look random to a short memory.
    let batches =
        |job: Job| job.option("iodepth_batch_submit", "16").option("iodepth_batch_complete_min", "16");
    Ok(vec![
        device(
            "4 jobs at depth 32, reads 4K",
            class("read-sequential-small")?,
            batches(streams(Rw::Read, SMALL).engine(deep)),
        ),
        device(
            "4 jobs at depth 32, writes 256K",
            class("write-sequential-large")?,
            batches(streams(Rw::Write, LARGE).engine(deep)),
        ),
        device(
            "4 jobs at depth 32, random reads 4K",
            class("read-random-small")?,
            batches(streams(Rw::RandRead, SMALL).engine(deep)),
        ),
        device("4 interleaved streams, reads 4K", class("read-sequential-small")?, streams(Rw::Read, SMALL)),
        device(
            "4 interleaved streams, writes 256K",
            class("write-sequential-large")?,
            streams(Rw::Write, LARGE),
        ),
        Scenario {
            name: "4 buffered readers on ext4".to_owned(),
            expected: class("read-sequential-large")?,
            counted: false,
            work: Work::Files(files(Rw::Read, LARGE, "16m")),
        },
        Scenario {
            name: "4 buffered random readers on ext4, 4K".to_owned(),
            expected: class("read-random-small")?,
            counted: false,
            work: Work::Files(files(Rw::RandRead, SMALL, "2m")),
        },
        Scenario {
            name: "4 buffered writers on ext4".to_owned(),
            expected: class("write-sequential-large")?,
            counted: false,
            // Write-back starts every 4 MiB; the machine's own thresholds would let minutes go by without I/O.
            work: Work::Files(
                files(Rw::Write, LARGE, "16m")
                    .into_iter()
                    .map(|job| job.option("sync_file_range", "write:16").option("overwrite", "1"))
                    .collect(),
            ),
        },
    ])
}

/// What the windows of one workload were called.
#[derive(Default, Serialize)]
struct Score {
    windows: usize,
    empty: usize,
    ours: usize,
    paper: usize,
    wrong: BTreeMap<String, usize>,
}

impl Score {
    fn add(&mut self, line: &WindowLine, expected: Class) {
        if line.reads + line.writes == 0 {
            self.empty += 1;
            return;
        }
        self.windows += 1;
        if line.class_ours == Some(expected) {
            self.ours += 1;
        } else {
            let called = line.class_ours.map_or_else(|| "unknown".to_owned(), |class| class.to_string());
            *self.wrong.entry(called).or_default() += 1;
        }
        self.paper += usize::from(line.class_paper_2006 == Some(expected));
    }

    fn share(right: usize, windows: usize) -> String {
        if windows == 0 { "-".to_owned() } else { format!("{:.1} %", right as f64 / windows as f64 * 100.0) }
    }
}

/// Runs the measurement.
///
/// # Errors
///
/// Where a loop device, fio or `tunerd` cannot be had, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    let spec = LoopSpec { size: SIZE, backing: Backing::Memory, tag_depth: None, allocated: true };
    let device = LoopDevice::make(&spec)?;
    let tunerd = Tunerd::find(context.tunerd.as_deref(), device.directory())?;
    let mut watch = tunerd.stream("fingerprint", &[], &["--device", device.name(), "--json"])?;
    // Attached before the first workload: its probes then see every bio from the first on.
    context.interrupt.sleep(Duration::from_secs(1))?;

    let mut scenarios = eight()?;
    let mut scores: Vec<Score> = scenarios.iter().map(|_| Score::default()).collect();
    let length = Duration::from_secs(options.seconds);
    for _ in 0..options.rounds {
        for (scenario, score) in scenarios.iter().zip(&mut scores) {
            visit(context, &device, scenario, length, &mut watch, score)?;
        }
    }
    let mount = device.directory().join("mount");
    let more = beside()?;
    make_files(context, &device, &mount)?;
    // Files first: the jobs on the bare device overwrite the file system.
    let (files, bare): (Vec<_>, Vec<_>) =
        more.into_iter().partition(|scenario| matches!(scenario.work, Work::Files(_)));
    for scenario in files.into_iter().chain(bare) {
        let mut score = Score::default();
        visit(context, &device, &scenario, length, &mut watch, &mut score)?;
        scenarios.push(scenario);
        scores.push(score);
    }
    watch.stop()?;
    Ok(report(options, &scenarios, &scores))
}

fn report(options: &Options, scenarios: &[Scenario], scores: &[Score]) -> Report {
    let mut report = Report::new("Fingerprints of windows that lie inside one workload");
    let rows: Vec<_> = scenarios.iter().zip(scores).collect();
    report.table(
        &format!(
            "Loop device on tmpfs, visits of {} s, {} rounds of the first eight",
            options.seconds, options.rounds
        ),
        &["workload", "windows", "empty", "ours", "paper-2006", "otherwise called"],
        rows.iter().map(|(scenario, score)| {
            let wrong: Vec<String> =
                score.wrong.iter().map(|(class, count)| format!("{class} {count}")).collect();
            [
                scenario.name.clone(),
                score.windows.to_string(),
                score.empty.to_string(),
                Score::share(score.ours, score.windows),
                Score::share(score.paper, score.windows),
                wrong.join(", "),
            ]
        }),
    );
    let (mut windows, mut right) = (0, 0);
    let mut worst = 1.0_f64;
    for (_, score) in rows.iter().filter(|(scenario, _)| scenario.counted) {
        windows += score.windows;
        right += score.ours;
        worst = worst.min(score.ours as f64 / score.windows.max(1) as f64);
    }
    let share = right as f64 / windows.max(1) as f64;
    report.fact("windows", windows);
    report.fact("right_share", share);
    report.fact("worst_workload_right_share", worst);
    let facts: BTreeMap<&str, &Score> =
        rows.iter().map(|(scenario, score)| (scenario.name.as_str(), *score)).collect();
    report.fact("workloads", facts);
    report.verdict(
        "windows of the eight direct workloads with the right class",
        "≥ 95 %",
        format!("{:.2} % of {windows}, worst workload {:.2} %", share * 100.0, worst * 100.0),
        share >= 0.95 && windows > 0,
    );
    report
}

fn visit(
    context: &Context,
    device: &LoopDevice,
    scenario: &Scenario,
    length: Duration,
    watch: &mut Stream,
    score: &mut Score,
) -> Result<()> {
    context.say(&format!("{} for {} s", scenario.name, length.as_secs()));
    let idle = Activity::read(device.name())?;
    let mut running = match &scenario.work {
        Work::Device(jobs) => Load::new(device.path(), jobs.iter().cloned()).start()?,
        Work::Files(jobs) => on_ext4(device, &device.directory().join("mount"), jobs).start()?,
    };
    let started = context.interrupt.wait_until(Duration::from_secs(20), Duration::from_millis(1), || {
        Ok(Activity::read(device.name())? != idle || !running.is_alive()?)
    })?;
    anyhow::ensure!(started, "fio began no I/O within 20 s");
    // Mounting reads and writes the device too, before the first I/O of the workload itself.
    let settling =
        if matches!(scenario.work, Work::Files(_)) { Duration::from_secs(1) } else { Duration::ZERO };
    context.interrupt.sleep(settling)?;
    let from = monotonic();
    context.interrupt.sleep(length)?;
    let to = monotonic();
    running.stop()?;
    // The last window of the visit may close as late as 2 s after it began.
    context.interrupt.sleep(Duration::from_millis(2_200))?;
    for value in watch.arrived()? {
        let line: WindowLine = serde_json::from_value(value).context("this is no window line")?;
        if line.start_ns >= from && line.end_ns <= to {
            score.add(&line, scenario.expected);
        }
    }
    Ok(())
}

/// A load in files of a file system that is mounted for fio alone and gone with it.
fn on_ext4(device: &LoopDevice, mount: &Path, jobs: &[Job]) -> Load {
    let script = r#"mount -t ext4 "$0" "$1" && cd "$1" && shift && exec "$@""#;
    let jobs = jobs.iter().map(|job| job.clone().option("allow_file_create", "1"));
    Load::new(&PathBuf::from("unused"), jobs).within([
        "unshare",
        "--mount",
        "sh",
        "-c",
        script,
        &device.path().to_string_lossy(),
        &mount.to_string_lossy(),
    ])
}

/// A file system with the files laid out, so that a visit reads and writes and nothing else.
fn make_files(context: &Context, device: &LoopDevice, mount: &Path) -> Result<()> {
    context.say("making an ext4 with four files");
    std::fs::create_dir(mount)?;
    let path = device.path().to_string_lossy();
    // Nothing is left to be initialised in the background.
    let options = "lazy_itable_init=0,lazy_journal_init=0,nodiscard";
    process::output("mkfs.ext4", ["-q", "-F", "-E", options, &path], None)?;
    let jobs: Vec<Job> = (0..4)
        .map(|index| {
            Job::new(&format!("file{index}"), Rw::Write, Bytes(1 << 20))
                .option("filename", &format!("file{index}"))
                .option("size", &FILE.to_string())
                .option("time_based", "0")
                .option("fsync_on_close", "1")
        })
        .collect();
    on_ext4(device, mount, &jobs).run(&context.interrupt)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use block_types::Nanos;
    use fingerprint::{Rule, Snapshot, Thresholds};

    fn line(reads: u64, near: u64) -> WindowLine {
        let snapshot = Snapshot { reads, read_sectors: reads * 8, near, gaps: reads, ..Snapshot::default() };
        WindowLine::new(Nanos(0), Nanos(1), &snapshot, Rule::Ours, &Thresholds::default())
    }

    #[test]
    fn empty_windows_are_neither_right_nor_wrong() {
        let expected = "read-sequential-small".parse().unwrap();
        let mut score = Score::default();
        score.add(&line(0, 0), expected);
        score.add(&line(100, 100), expected);
        score.add(&line(100, 0), expected);
        assert_eq!((score.windows, score.empty, score.ours), (2, 1, 1));
        assert_eq!(score.wrong.get("read-random-small"), Some(&1));
    }

    #[test]
    fn neighbours_among_the_eight_differ_in_two_dimensions_at_least() {
        let scenarios = eight().unwrap();
        for pair in scenarios.windows(2) {
            let (a, b) = (pair[0].expected.to_string(), pair[1].expected.to_string());
            let differ = a.split('-').zip(b.split('-')).filter(|(a, b)| a != b).count();
            assert!(differ >= 2, "{a} and {b}");
        }
        assert_eq!(scenarios.len(), 8);
    }
}
