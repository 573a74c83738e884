//! The guard: how soon a catastrophic setting is gone, and how often an identical one is taken back.

use super::subject::{Subject, shortened, words};
use crate::Context;
use crate::bench::fio::{Engine, Job, Rw};
use crate::bench::loopdev::{Backing, LoopDevice, LoopSpec};
use crate::bench::report::Report;
use crate::bench::stats::quantile;
use anyhow::{Result, anyhow};
use block_types::{Bytes, Knob};
use clap::Args;
use emulated_disk::{Model, Spec};
use serde::Serialize;
use trials::{Arm, Outcome};

/// Options of this measurement.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Times that the catastrophic setting is put in force
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub catastrophes: u32,
    /// Slices of an identical setting at each rate
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub identical: u32,
    /// Emulated disks at once
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub disks: u32,
    /// I/Os a second of the fast load
    #[arg(long, default_value_t = 50_000)]
    pub iops: u32,
    /// Length of a slice, ms
    #[arg(long, default_value_t = 1_500, value_parser = clap::value_parser!(u64).range(200..=60_000))]
    pub slice_ms: u64,
    /// Settling before it, ms
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    pub settle_ms: u64,
    /// Seed of the emulated disks
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Under a flood of random writes on a short queue this stops the queue for as long as it is in force.
const CATASTROPHE: &[(Knob, u64)] = &[(Knob::WriteExpire, 100)];
/// Random I/O in pieces of one page is never merged at its front.
const IDENTICAL: &[(Knob, u64)] = &[(Knob::FrontMerges, 0)];
const LEARNED: u32 = 8;

/// One time that the catastrophe was in force.
#[derive(Clone, Debug, Serialize)]
struct Taken {
    seen_ms: Option<f64>,
    back_ms: Option<f64>,
    why: String,
}

/// Slices of an identical setting.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Identical {
    slices: u32,
    aborts: u32,
    voids: u32,
    completions: u64,
}

/// Runs the measurement.
///
/// # Errors
///
/// Where no disk can be emulated, without fio, or on an interrupt.
pub fn run(context: &Context, options: &Options) -> Result<Report> {
    let mut report = Report::new("The guard, under real load");
    let taken =
        spread(options, options.catastrophes, |seed, count| catastrophes(context, options, seed, count))?;
    let taken: Vec<Taken> = taken.into_iter().flatten().collect();
    let slow = sum(spread(options, options.identical, |seed, count| slow(context, options, seed, count))?);
    let fast = fast(context, options)?;
    tell_catastrophes(&mut report, options, &taken);
    for (what, identical) in
        [("about 150 I/Os a second, emulated hdd-7200", slow), ("loop device in memory", fast)]
    {
        let rate = f64::from(identical.aborts) / f64::from(identical.slices.max(1));
        let seconds = f64::from(identical.slices) * options.slice_ms as f64 / 1e3;
        report.verdict(
            &format!(
                "identical setting, {what} ({:.0} I/Os a second)",
                identical.completions as f64 / seconds.max(1e-9)
            ),
            "≤ 1 % of slices taken back",
            format_args!(
                "{} of {} ({:.1} %), {} void",
                identical.aborts,
                identical.slices,
                rate * 100.0,
                identical.voids
            ),
            rate <= 0.01,
        );
    }
    report.note(format!(
        "slices of {} ms after {} ms of settling: shorter than the specification's 4 s after 2 s and 500 completions; the \
         guard looks every 100 ms from the moment that a setting is in force",
        options.slice_ms, options.settle_ms
    ));
    report.fact("taken_back", &taken);
    report.fact("identical_slow", slow);
    report.fact("identical_fast", fast);
    report.fact("seed", options.seed);
    Ok(report)
}

fn tell_catastrophes(report: &mut Report, options: &Options, taken: &[Taken]) {
    let back: Vec<f64> = taken.iter().filter_map(|one| one.back_ms).collect();
    let at = |q| quantile(&back, q).map_or_else(|| "–".to_owned(), |ms| format!("{ms:.0} ms"));
    report.table(
        &format!(
            "{} on an emulated hdd-7200 with a queue of 4, 4 random readers beside a random writer of depth 64: in force \
             until the control's settings were read back",
            words(CATASTROPHE)
        ),
        &["times", "taken back", "p50", "p95", "max"],
        [[taken.len().to_string(), back.len().to_string(), at(0.5), at(0.95), at(1.0)]],
    );
    let longest = quantile(&back, 1.0).unwrap_or(f64::INFINITY);
    report.verdict(
        "a catastrophic setting",
        "taken back each time, within 1 s",
        format_args!("{} of {}, p50 {}, max {}", back.len(), taken.len(), at(0.5), at(1.0)),
        back.len() == taken.len() && taken.len() as u32 >= options.catastrophes && longest <= 1_000.0,
    );
}

/// Shares `count` out among disks that work at once.
pub(super) fn spread<T: Send>(
    options: &Options,
    count: u32,
    work: impl Fn(u64, u32) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    share_out(options.disks, count, options.seed, work)
}

/// Runs `work(seed, how many)` on each of `disks` threads.
pub(super) fn share_out<T: Send>(
    disks: u32,
    count: u32,
    seed: u64,
    work: impl Fn(u64, u32) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..disks)
            .map(|disk| {
                let mine = count / disks + u32::from(disk < count % disks);
                scope.spawn(move || work(seed + u64::from(disk), mine))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_panic| anyhow!("a measuring thread panicked"))?)
            .collect()
    })
}

fn sum(parts: Vec<Identical>) -> Identical {
    parts.into_iter().fold(Identical::default(), |all, part| Identical {
        slices: all.slices + part.slices,
        aborts: all.aborts + part.aborts,
        voids: all.voids + part.voids,
        completions: all.completions + part.completions,
    })
}

fn disk(seed: u64) -> Result<Spec> {
    let mut spec = Spec::new(Model::named("hdd-7200")?, Bytes(8 << 30));
    spec.queue_depth = Some(4);
    spec.seed = seed;
    Ok(spec)
}

/// Four random readers: about 150 I/Os a second of a disk with heads.
pub(super) fn readers(seed: u64) -> Job {
    Job::new("readers", Rw::RandRead, Bytes(4 << 10))
        .jobs(4)
        .option("norandommap", "1")
        .option("randseed", &seed.to_string())
}

fn catastrophes(context: &Context, options: &Options, seed: u64, count: u32) -> Result<Vec<Taken>> {
    let writer = Job::new("writer", Rw::RandWrite, Bytes(4 << 10))
        .engine(Engine::Libaio { depth: 64 })
        .option("norandommap", "1");
    let config = shortened(options.slice_ms, options.settle_ms);
    let mut subject = Subject::emulated(&disk(seed)?, [readers(seed), writer], config)?;
    subject.await_load(context)?;
    let (control, child) = (subject.control(), subject.with(CATASTROPHE));
    let mut taken = Vec::new();
    for _ in 0..LEARNED {
        subject.slice(context, Arm::Control, &control)?;
    }
    for number in 0..count {
        // The queue is let run as it should before it is stopped again.
        for _ in 0..2 {
            subject.slice(context, Arm::Control, &control)?;
        }
        let end = subject.slice(context, Arm::Child, &child)?;
        let since = |at: block_types::Nanos| (at - end.times.in_force).as_millis_f64();
        let one = Taken {
            seen_ms: end.times.abort_seen.map(since),
            back_ms: end.times.back.map(since),
            why: match &end.outcome {
                Outcome::Aborted(abort) => format!("{abort:?}"),
                Outcome::Measured(_) => "not taken back".to_owned(),
                Outcome::Void(void) => format!("void: {void:?}"),
            },
        };
        context.say(&format!("disk {seed}, catastrophe {}: {one:?}", number + 1));
        taken.push(one);
    }
    subject.end()?;
    Ok(taken)
}

fn slow(context: &Context, options: &Options, seed: u64, count: u32) -> Result<Identical> {
    let config = shortened(options.slice_ms, options.settle_ms);
    let mut subject = Subject::emulated(&disk(seed)?, [readers(seed)], config)?;
    subject.await_load(context)?;
    let found = identical(context, &mut subject, count)?;
    subject.end()?;
    Ok(found)
}

fn fast(context: &Context, options: &Options) -> Result<Identical> {
    let device = LoopDevice::make(&LoopSpec {
        size: Bytes(256 << 20),
        backing: Backing::Memory,
        tag_depth: None,
        allocated: true,
    })?;
    device.queue().set("scheduler", "mq-deadline")?;
    let job = Job::new("readers", Rw::RandRead, Bytes(4 << 10))
        .engine(Engine::IoUring { depth: 32, batch: 8 })
        .iops(options.iops)
        .option("norandommap", "1");
    let config = shortened(options.slice_ms, options.settle_ms);
    let mut subject = Subject::on(device.path(), device.name(), [job], config)?;
    subject.await_load(context)?;
    let found = identical(context, &mut subject, options.identical)?;
    subject.end()?;
    Ok(found)
}

fn identical(context: &Context, subject: &mut Subject, count: u32) -> Result<Identical> {
    let (control, child) = (subject.control(), subject.with(IDENTICAL));
    let mut found = Identical::default();
    for _ in 0..LEARNED {
        subject.slice(context, Arm::Control, &control)?;
    }
    while found.slices < count {
        subject.slice(context, Arm::Control, &control)?;
        let end = subject.slice(context, Arm::Child, &child)?;
        found.slices += 1;
        match &end.outcome {
            Outcome::Aborted(abort) => {
                context.say(&format!("an identical setting was taken back: {abort:?}"));
                found.aborts += 1;
            }
            Outcome::Void(_) => found.voids += 1,
            Outcome::Measured(_) => {}
        }
        found.completions += end.measured.map_or(0, |slice| slice.arrivals);
    }
    Ok(found)
}
