//! Whether continuous sampling counts exactly what the kernel counts.

use crate::Context;
use crate::bench::diskstat::Activity;
use crate::bench::fio::{Engine, Job, Load, Rw};
use crate::bench::loopdev::{Backing, LoopDevice, LoopSpec};
use crate::bench::probe::Probe;
use crate::bench::processor::OneProcessor;
use crate::bench::report::Report;
use anyhow::{Context as _, Result, ensure};
use block_types::Bytes;
use clap::Args;
use sampler::{Duty, ExactCounters};
use std::time::Duration;

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// How many I/Os
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    pub ios: u64,
    /// Run the load, the loop driver's workers and so the completions on the last processor; confines the kernel's
    /// unbound workqueues for that time. Some virtual machines hide what interrupts process 1 from all tracing: with
    /// process 1 on another processor (`taskset -apc 0 1`) there is nothing to hide
    #[arg(long)]
    pub one_processor: bool,
}

/// Runs the measurement.
///
/// # Errors
///
/// Where a loop device, fio or BPF cannot be had, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    let spec = LoopSpec { size: Bytes(1 << 30), backing: Backing::Memory, tag_depth: None, allocated: true };
    let device = LoopDevice::make(&spec)?;
    // Splits: a 4 MiB write becomes sixteen. Merges: a scheduler joins what is next to each other.
    device.queue().set("scheduler", "mq-deadline")?;
    device.queue().set("max_sectors_kb", "256")?;
    let probe = Probe::open(&device, Duty::Continuous)?;
    let exact =
        || probe.source().exact(probe.device())?.context("the kernel lacks what exact counting needs");
    let (ours_before, theirs_before) = (exact()?, Activity::read(device.name())?);
    let quarter = (256_u64 << 20).to_string();
    let second_quarter = quarter.clone();
    let jobs = [
        Job::new("reads", Rw::RandRead, Bytes(4 << 10)).engine(Engine::IoUring { depth: 64, batch: 16 }),
        Job::new("synced", Rw::RandWrite, Bytes(4 << 10)).option("fsync", "4").option("size", &quarter),
        Job::new("large", Rw::Write, Bytes(4 << 20))
            .engine(Engine::Libaio { depth: 4 })
            .iops(50)
            .option("offset", &second_quarter)
            .option("size", &quarter),
        // Small neighbours submitted together, which the scheduler merges.
        Job::new("merged", Rw::Write, Bytes(4 << 10))
            .engine(Engine::Libaio { depth: 32 })
            .iops(4_000)
            .option("iodepth_batch_submit", "16")
            .option("iodepth_batch_complete_min", "16")
            .option("offset", "50%")
            .option("size", &quarter),
    ];
    let confined = if options.one_processor { Some(OneProcessor::confine()?) } else { None };
    let jobs = jobs.map(|job| job.confined_to(confined.as_ref()));
    context.say(&format!("{} I/Os", options.ios));
    let mut running = Load::new(device.path(), jobs).start()?;
    let done =
        context.interrupt.wait_until(Duration::from_secs(3_600), Duration::from_millis(100), || {
            ensure!(running.is_alive()?, "fio ended under the measurement");
            // Keeps the sampler's own clockwork going, as tunerd does.
            probe.read()?;
            Ok(Activity::read(device.name())?.completed() - theirs_before.completed() >= options.ios)
        })?;
    ensure!(done, "an hour did not suffice");
    running.stop()?;
    let theirs = quiet(context, &device)?;
    let ours = exact()?.since(&ours_before).context("a counter went backwards")?;
    let mut report = report(&theirs_before, &theirs, &ours);
    report.fact("one_processor", options.one_processor);
    Ok(report)
}

/// The counters once the queue is idle.
fn quiet(context: &Context, device: &LoopDevice) -> Result<Activity> {
    let mut before = Activity::read(device.name())?;
    let idle = context.interrupt.wait_until(Duration::from_secs(30), Duration::from_millis(200), || {
        let now = Activity::read(device.name())?;
        let same = now == before && now.in_flight == 0;
        before = now;
        Ok(same)
    })?;
    ensure!(idle, "the queue does not fall idle");
    Ok(before)
}

fn report(before: &Activity, after: &Activity, ours: &ExactCounters) -> Report {
    let mut report = Report::new("Exact counts against the kernel's own");
    let rows = [
        ("reads", ours.completed[0], after.reads - before.reads),
        ("writes", ours.completed[1], after.writes - before.writes),
        ("sectors read", ours.completed_sectors[0], after.read_sectors - before.read_sectors),
        ("sectors written", ours.completed_sectors[1], after.write_sectors - before.write_sectors),
    ];
    report.table(
        "Continuous sampling: random reads, writes with fsync, 4 MiB direct writes, merged small writes",
        &["completed", "tunerd", "diskstats", "difference"],
        rows.iter().map(|(name, ours, theirs)| {
            let difference = i128::from(*ours) - i128::from(*theirs);
            [(*name).to_owned(), ours.to_string(), theirs.to_string(), difference.to_string()]
        }),
    );
    let flushes = after.flushes - before.flushes;
    report.note(format!(
        "{} bios ({} never queued), {} splits, {} requests, {} merges of bios, {} of requests, {flushes} flushes; {} calls of a \
         probe were missed",
        ours.bios, ours.unqueued, ours.splits, ours.requests, ours.bio_merges, ours.rq_merges, ours.missed
    ));
    if ours.unseen > 0 {
        report.note(format!(
            "{} completions came where the kernel ran no BPF program: diskstats knows of them, no probe does. See \
             --one-processor.",
            ours.unseen
        ));
    }
    report.fact("counters", ours);
    report.fact("flushes", flushes);
    for (name, ours, theirs) in rows {
        report.verdict(&format!("{name} equal to diskstats"), theirs, ours, ours == theirs && ours > 0);
    }
    let left = format!("{}", ours.arrivals());
    let right = format!("{}", ours.requests + ours.bio_merges);
    report.verdict("bios + splits = requests + merges", right, left, ours.balanced());
    report.verdict(
        "splits, merges and flushes were among them",
        "some of each",
        format!("{}, {}, {flushes}", ours.splits, ours.bio_merges + ours.rq_merges),
        ours.splits > 0 && ours.bio_merges + ours.rq_merges > 0 && flushes > 0,
    );
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_too_many_is_seen() {
        let before = Activity::default();
        let after =
            Activity { reads: 10, read_sectors: 80, writes: 5, write_sectors: 40, in_flight: 0, flushes: 2 };
        let mut ours = ExactCounters {
            bios: 16,
            splits: 1,
            requests: 16,
            bio_merges: 1,
            rq_merges: 1,
            completed: [10, 5, 0],
            completed_sectors: [80, 40, 0],
            ..ExactCounters::default()
        };
        assert!(report(&before, &after, &ours).is_met(), "{}", report(&before, &after, &ours).text());
        ours.bios += 1;
        assert!(!report(&before, &after, &ours).is_met());
        ours.bios -= 1;
        ours.completed[1] += 1;
        assert!(!report(&before, &after, &ours).is_met());
    }
}
