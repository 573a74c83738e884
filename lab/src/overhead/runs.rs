//! Whole runs of fio, one arm after the other, round by round.

use super::tracers::{BlkTracer, Bpftrace};
use super::{Options, fast_reads};
use crate::Context;
use crate::bench::loopdev::LoopDevice;
use crate::bench::report::Report;
use crate::bench::stats::{bootstrap, mean, median};
use crate::bench::tunerd::Tunerd;
use anyhow::Result;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Arm {
    Nothing,
    Observe,
    Continuous,
    Bpftrace,
    BlkTracer,
}

impl Arm {
    const ALL: [Self; 5] = [Self::Nothing, Self::Observe, Self::Continuous, Self::Bpftrace, Self::BlkTracer];

    const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Observe => "tunerd run --mode observe",
            Self::Continuous => "the same with --duty continuous",
            Self::Bpftrace => "bpftrace counting block_bio_queue",
            Self::BlkTracer => "blk tracer, streamed to /dev/null",
        }
    }
}

pub(super) fn measure(
    context: &Context,
    options: &Options,
    device: &LoopDevice,
    tunerd: &Tunerd,
    report: &mut Report,
    rng: &mut ChaCha8Rng,
) -> Result<()> {
    let mut rates: BTreeMap<Arm, Vec<f64>> = BTreeMap::new();
    let mut missing: BTreeMap<Arm, String> = BTreeMap::new();
    let mut order = Arm::ALL;
    for round in 1..=options.runs {
        context.say(&format!("whole runs, round {round} of {}", options.runs));
        // The machine drifts; in a fixed order the drift would look like an arm.
        order.shuffle(rng);
        for arm in order.into_iter().filter(|arm| !missing.contains_key(arm)).collect::<Vec<_>>() {
            context.interrupt.check()?;
            match one(context, options, device, tunerd, arm) {
                Ok(rate) => rates.entry(arm).or_default().push(rate),
                // A machine without bpftrace, or whose tracer somebody uses, still has the other arms.
                Err(error) if matches!(arm, Arm::Bpftrace | Arm::BlkTracer) => {
                    context.interrupt.check()?;
                    missing.insert(arm, format!("{error:#}"));
                }
                Err(error) => return Err(error),
            }
        }
    }
    summarise(report, options, &rates, &missing, rng);
    Ok(())
}

fn one(context: &Context, options: &Options, device: &LoopDevice, tunerd: &Tunerd, arm: Arm) -> Result<f64> {
    // Each guard ends what it started when the run is over.
    let mut daemon = None;
    let mut bpftrace = None;
    let mut tracer = None;
    match arm {
        Arm::Nothing => {}
        Arm::Observe => daemon = Some(tunerd.run(device.name(), &["--mode", "observe"])?),
        Arm::Continuous => {
            daemon = Some(tunerd.run(device.name(), &["--mode", "observe", "--duty", "continuous"])?);
        }
        Arm::Bpftrace => bpftrace = Some(Bpftrace::start(&context.interrupt)?),
        Arm::BlkTracer => tracer = Some(BlkTracer::start(device.name())?),
    }
    if let Some(daemon) = &mut daemon {
        daemon.wait_for("started", Duration::from_secs(20), &context.interrupt)?;
    }
    let running = fast_reads(device, None).start()?;
    context.interrupt.sleep(Duration::from_secs(options.run_seconds))?;
    let outcome = running.stop()?;
    if let Some(daemon) = daemon {
        daemon.stop()?;
    }
    drop((bpftrace, tracer));
    Ok(outcome.iops())
}

fn summarise(
    report: &mut Report,
    options: &Options,
    rates: &BTreeMap<Arm, Vec<f64>>,
    missing: &BTreeMap<Arm, String>,
    rng: &mut ChaCha8Rng,
) {
    let nothing = rates.get(&Arm::Nothing).cloned().unwrap_or_default();
    let mut rows = Vec::new();
    for (arm, mine) in rates {
        // Round by round: what the machine did in a round it did to all arms.
        let changes: Vec<f64> =
            mine.iter().zip(&nothing).map(|(with, without)| (with / without - 1.0) * 100.0).collect();
        let change = if *arm == Arm::Nothing { None } else { bootstrap(&changes, rng, mean) };
        report.fact(&format!("runs_{arm:?}_change_per_cent"), change);
        report.fact(&format!("runs_{arm:?}_iops"), mine);
        rows.push([
            arm.name().to_owned(),
            mine.len().to_string(),
            median(mine).map_or_else(|| "-".to_owned(), |iops| format!("{iops:.0}")),
            change.map_or_else(
                || "-".to_owned(),
                |found| format!("{:+.1} % [{:+.1}, {:+.1}]", found.value, found.low, found.high),
            ),
        ]);
    }
    report.table(
        &format!("Whole runs of {} s, interleaved", options.run_seconds),
        &["beside fio", "runs", "median IOPS", "change, 95 % interval"],
        rows,
    );
    report.note(
        "Whole runs vary by several per cent by themselves; the blocks above resolve what these cannot.",
    );
    for (arm, why) in missing {
        report.note(format!("left out: {}: {why}", arm.name()));
    }
}
