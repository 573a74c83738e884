//! How soon a new workload is recognised, and how soon its stored genes are in force.

use crate::Context;
use crate::bench::clock::monotonic;
use crate::bench::fio::{Job, Load, Rw};
use crate::bench::fiolog;
use crate::bench::loopdev::{Backing, LoopDevice, LoopSpec};
use crate::bench::report::Report;
use crate::bench::stats::{median, quantile};
use crate::bench::sysfs::Queue;
use crate::bench::tunerd::{Place, Tunerd, field, text};
use anyhow::{Result, bail};
use block_types::{Bytes, Nanos};
use clap::Args;
use fingerprint::Class;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// I/Os a second of every workload
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(20..=20_000))]
    pub iops: u32,
    /// Changes of workload whose recognition is timed
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub changes: u64,
    /// Returns of a workload whose stored genes are timed
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub returns: u64,
    /// Seconds of each visit
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(4..=600))]
    pub seconds: u64,
}

const SMALL: Bytes = Bytes(4 << 10);
const LARGE: Bytes = Bytes(256 << 10);
/// From fio's start to the first visit: its threads are there by then, and `tunerd` has seen an idle device.
const LEAD: Duration = Duration::from_secs(3);

type Kind = (Rw, Bytes, &'static str);

/// In an order in which the change differs in one, two or three dimensions.
const EIGHT: [Kind; 8] = [
    (Rw::RandRead, SMALL, "read-random-small"),
    (Rw::Write, LARGE, "write-sequential-large"),
    (Rw::Read, LARGE, "read-sequential-large"),
    (Rw::RandWrite, LARGE, "write-random-large"),
    (Rw::RandWrite, SMALL, "write-random-small"),
    (Rw::Read, SMALL, "read-sequential-small"),
    (Rw::Write, SMALL, "write-sequential-small"),
    (Rw::RandRead, LARGE, "read-random-large"),
];

/// The two whose return is timed, each with genes that neither the other nor the kernel's defaults share.
const RETURNING: [(Kind, [(&str, u64); 7]); 2] = [
    (
        (Rw::RandRead, SMALL, "read-random-small"),
        [
            ("read_expire", 100),
            ("write_expire", 2000),
            ("fifo_batch", 3),
            ("writes_starved", 9),
            ("read_ahead_kb", 64),
            ("nr_requests", 64),
            ("max_sectors_kb", 256),
        ],
    ),
    (
        (Rw::Write, LARGE, "write-sequential-large"),
        [
            ("read_expire", 800),
            ("write_expire", 9000),
            ("fifo_batch", 90),
            ("writes_starved", 5),
            ("read_ahead_kb", 1024),
            ("nr_requests", 200),
            ("max_sectors_kb", 512),
        ],
    ),
];

/// Those whose writing freezes the queue, which are timed apart.
const FREEZING: [&str; 2] = ["nr_requests", "max_sectors_kb"];

/// Runs the measurement.
///
/// # Errors
///
/// Where a loop device, fio or `tunerd` cannot be had, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    let spec = LoopSpec { size: Bytes(1 << 30), backing: Backing::Memory, tag_depth: None, allocated: true };
    let device = LoopDevice::make(&spec)?;
    device.queue().set("scheduler", "mq-deadline")?;
    let tunerd = Tunerd::find(context.tunerd.as_deref(), device.directory())?;

    let mut report =
        Report::new("From the first bio of a new workload to a changed fingerprint and its genes");
    let changes = recognition(context, options, &device, &tunerd.with_state("observe")?)?;
    summarise_changes(&mut report, options, &changes);
    let returns = reintroduction(context, options, &device, &tunerd.with_state("tune")?)?;
    summarise_returns(&mut report, &returns);
    report.note(format!(
        "Loop device on tmpfs, mq-deadline, {} IOPS, visits of {} s in one fio without a pause between them; the \
         first bio's time is fio's own log (to the millisecond).",
        options.iops, options.seconds
    ));
    Ok(report)
}

/// One fio that plays all visits one after the other without a pause, and the moment of each visit's first bio.
fn play(
    context: &Context,
    options: &Options,
    device: &LoopDevice,
    visits: &[Kind],
    log: &Path,
) -> Result<Vec<Nanos>> {
    std::fs::create_dir_all(log)?;
    let length = Duration::from_secs(options.seconds);
    let jobs = visits.iter().enumerate().map(|(index, &(rw, block, _))| {
        let start = LEAD + length * u32::try_from(index).unwrap_or(u32::MAX);
        fiolog::logged(Job::new(&format!("v{index}"), rw, block), log)
            .iops(options.iops)
            .start_after(start)
            .runtime(length)
    });
    Load::new(device.path(), jobs).run(&context.interrupt)?;
    (0..visits.len()).map(|index| fiolog::first_bio(log, &format!("v{index}"))).collect()
}

/// A recognised change.
struct Change {
    to: &'static str,
    seconds: Option<f64>,
}

fn recognition(
    context: &Context,
    options: &Options,
    device: &LoopDevice,
    tunerd: &Tunerd,
) -> Result<Vec<Change>> {
    let visits: Vec<Kind> = EIGHT.iter().copied().cycle().take(options.changes as usize + 1).collect();
    context.say(&format!("{} changes of workload, observed only", options.changes));
    let mut watch = tunerd.run(device.name(), &["--mode", "observe"])?;
    watch.wait_for("started", Duration::from_secs(20), &context.interrupt)?;
    let firsts = play(context, options, device, &visits, &device.directory().join("fio-observe"))?;
    let events = watch.stop()?;
    let found = confirmed(&events)?;
    // The first visit comes after silence and is no change.
    Ok((1..visits.len())
        .map(|index| {
            let end = firsts.get(index + 1).copied().unwrap_or(Nanos(u64::MAX));
            let seconds = found
                .iter()
                .find(|(at, class)| *at >= firsts[index] && *at < end && class.to_string() == visits[index].2)
                .map(|(at, _)| (*at - firsts[index]).as_secs_f64());
            Change { to: visits[index].2, seconds }
        })
        .collect())
}

fn confirmed(events: &[Value]) -> Result<Vec<(Nanos, Class)>> {
    events
        .iter()
        .filter(|event| event["event"] == "fingerprint")
        .map(|event| Ok((field(event, "at_ns")?, field(event, "to")?)))
        .collect()
}

fn summarise_changes(report: &mut Report, options: &Options, changes: &[Change]) {
    let seconds: Vec<f64> = changes.iter().filter_map(|change| change.seconds).collect();
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    report.table(
        "Seconds from the first bio to the confirmed fingerprint",
        &["change to", "n", "missed", "median", "longest"],
        EIGHT.iter().map(|kind| {
            let mine: Vec<&Change> = changes.iter().filter(|change| change.to == kind.2).collect();
            let found: Vec<f64> = mine.iter().filter_map(|change| change.seconds).collect();
            [
                kind.2.to_owned(),
                mine.len().to_string(),
                (mine.len() - found.len()).to_string(),
                shown(median(&found)),
                shown(quantile(&found, 1.0)),
            ]
        }),
    );
    report.fact("recognition_s", &seconds);
    report.fact("recognition_missed", changes.len() - seconds.len());
    // One that was never recognised took longer than any that was.
    let mut all = seconds;
    all.resize(changes.len(), f64::INFINITY);
    let middle = median(&all);
    report.verdict(
        &format!("median of {} changes at {} IOPS", changes.len(), options.iops),
        "≤ 0.75 s",
        format!("{} s", shown(middle)),
        middle.is_some_and(|middle| middle <= 0.75),
    );
}

/// When the stored genes were read back, seconds after the first bio.
struct Return {
    quick: Option<f64>,
    freezing: Option<f64>,
}

fn reintroduction(
    context: &Context,
    options: &Options,
    device: &LoopDevice,
    tunerd: &Tunerd,
) -> Result<Vec<Return>> {
    let visits: Vec<usize> = (0..options.returns as usize + 2).map(|index| index % 2).collect();
    let kinds: Vec<Kind> = visits.iter().map(|&which| RETURNING[which].0).collect();
    context.say(&format!("{} returns of a workload whose genes were imported", options.returns));

    let file = device.directory().join("genes.json");
    std::fs::write(&file, genes(device.name()).to_string())?;
    let _: Value = tunerd.ask("genes import", &[Place::State], &["--json", &text(&file)])?;

    let mut arguments = vec!["--mode", "tune", "--strategy", "moilanen", "--seed", "1"];
    for (knob, _) in RETURNING[0].1 {
        arguments.extend(["--knob", knob]);
    }
    let mut tuning = tunerd.run(device.name(), &arguments)?;
    tuning.wait_for("started", Duration::from_secs(20), &context.interrupt)?;
    let watcher = Watcher::start(device.queue());
    let firsts = play(context, options, device, &kinds, &device.directory().join("fio-tune"))?;
    let seen = watcher.stop()?;
    tuning.stop()?;

    // The first two visits make both workloads known; what follows are returns.
    Ok((2..visits.len())
        .map(|index| {
            let end = firsts.get(index + 1).copied().unwrap_or(Nanos(u64::MAX));
            let after = |freezing| {
                seen.iter()
                    .find(|found| {
                        found.which == visits[index]
                            && found.freezing == freezing
                            && found.at >= firsts[index]
                            && found.at < end
                    })
                    .map(|found| (found.at - firsts[index]).as_secs_f64())
            };
            Return { quick: after(false), freezing: after(true) }
        })
        .collect())
}

/// A gene file as `tunerd genes export` writes it. The fitness is beyond what a generation could reach, so that
/// none replaces the genes while the measurement runs.
fn genes(device: &str) -> Value {
    let entries: Vec<Value> = RETURNING
        .iter()
        .map(|(kind, genes)| {
            let genes: std::collections::BTreeMap<&str, u64> = genes.iter().copied().collect();
            json!({
                "device": device, "class": kind.2, "scheduler": "mq-deadline", "genes": genes, "fitness": 1e15,
            })
        })
        .collect();
    json!({
        "schema": "tunerd-genes", "version": 1, "objective": "throughput",
        "provenance": { "by": "tunerd-lab reaction", "note": "made up to be unlike any default" },
        "entries": entries,
    })
}

/// Stored genes seen in force.
struct Seen {
    at: Nanos,
    which: usize,
    freezing: bool,
}

/// Reads the knobs over and over and notes when a set of stored genes comes in force.
struct Watcher {
    thread: std::thread::JoinHandle<Result<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
}

impl Watcher {
    fn start(queue: &Queue) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (flag, queue) = (Arc::clone(&stop), queue.clone());
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            let mut before = [[false; 2]; 2];
            while !flag.load(Ordering::Relaxed) {
                for (which, (_, genes)) in RETURNING.iter().enumerate() {
                    for freezing in [false, true] {
                        let now = in_force(&queue, genes, freezing);
                        let was = &mut before[which][usize::from(freezing)];
                        if now && !*was {
                            seen.push(Seen { at: monotonic(), which, freezing });
                        }
                        *was = now;
                    }
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(seen)
        });
        Self { thread, stop }
    }

    fn stop(self) -> Result<Vec<Seen>> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(seen) => seen,
            Err(_) => bail!("the thread that reads the knobs ended badly"),
        }
    }
}

fn in_force(queue: &Queue, genes: &[(&str, u64)], freezing: bool) -> bool {
    genes.iter().filter(|(knob, _)| FREEZING.contains(knob) == freezing).all(|(knob, value)| {
        // Absent while a scheduler is being switched, which is not in force either.
        queue.read(knob).is_ok_and(|found| found == value.to_string())
    })
}

fn summarise_returns(report: &mut Report, returns: &[Return]) {
    let rows: [(&str, Vec<f64>); 2] = [
        ("genes that do not freeze the queue", returns.iter().filter_map(|found| found.quick).collect()),
        ("nr_requests and max_sectors_kb", returns.iter().filter_map(|found| found.freezing).collect()),
    ];
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    report.table(
        "Seconds from the first bio of a returning workload until its stored genes are read back from sysfs",
        &["genes", "in force", "median", "longest"],
        rows.iter().map(|(name, found)| {
            [
                (*name).to_owned(),
                format!("{} of {}", found.len(), returns.len()),
                shown(median(found)),
                shown(quantile(found, 1.0)),
            ]
        }),
    );
    report.fact("in_force_quick_s", &rows[0].1);
    report.fact("in_force_freezing_s", &rows[1].1);
    let good = rows[0].1.iter().filter(|&&seconds| seconds <= 1.5).count();
    report.verdict(
        "stored genes in force within 1.5 s of the first bio",
        format!("{0} of {0}", returns.len()),
        format!("{good} of {}", returns.len()),
        good == returns.len() && good > 0,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_gene_sets_differ_in_every_gene() {
        let [(_, first), (_, second)] = RETURNING;
        for ((knob, value), (other, against)) in first.iter().zip(&second) {
            assert_eq!(knob, other);
            assert_ne!(value, against, "{knob}");
        }
    }

    #[test]
    fn a_change_that_was_never_seen_counts_as_longer_than_any() {
        let options = Options { iops: 200, changes: 3, returns: 1, seconds: 6 };
        let change = |seconds| Change { to: EIGHT[1].2, seconds };
        let mut report = Report::new("x");
        summarise_changes(&mut report, &options, &[change(Some(0.5)), change(None), change(None)]);
        assert!(!report.is_met());
        let mut report = Report::new("x");
        summarise_changes(&mut report, &options, &[change(Some(0.5)), change(Some(0.6)), change(None)]);
        assert!(report.is_met());
    }

    #[test]
    fn no_return_at_all_is_no_success() {
        let mut report = Report::new("x");
        summarise_returns(&mut report, &[]);
        assert!(!report.is_met());
    }
}
