//! What a recording costs the load, and whether what it says it lost is what is missing.

use super::{counted, recorded};
use crate::Context;
use crate::bench::diskstat::Activity;
use crate::bench::fio::{Engine, Job, Load, Rw};
use crate::bench::loopdev::LoopDevice;
use crate::bench::report::Report;
use crate::bench::stats::{abba_losses, abba_order, bootstrap, mean, median};
use crate::bench::tunerd::{Tunerd, field};
use anyhow::{Context as _, Result, ensure};
use blktrace_parser::{Action, CpuFiles, RecordReader, open_file};
use block_types::Bytes;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// The rate that the load must reach, I/Os a second.
const LEAST_IOPS: f64 = 300_000.0;
/// I/Os of the load of known length.
const IOS: u32 = 2_000_000;
/// Of a block, after what was switched has settled.
const BLOCK: Duration = Duration::from_millis(1_000);
const SETTLE: Duration = Duration::from_millis(250);
const SEED: u64 = 5;

fn job() -> Job {
    Job::new("load", Rw::RandRead, Bytes(4 << 10)).engine(Engine::IoUring { depth: 64, batch: 16 })
}

/// A load of so many I/Os at full speed: each of them has one queueing, each request one issue and one completion.
pub(super) fn loss(
    tunerd: &Tunerd,
    device: &LoopDevice,
    scratch: &Path,
    context: &Context,
    report: &mut Report,
) -> Result<()> {
    let out = scratch.join("loss");
    let (mut rate, mut asked) = (0.0, 0);
    let before = Activity::read(device.name())?;
    let facts = recorded(tunerd, device, &out, context, || {
        let load = Load::new(device.path(), [counted(job(), IOS)]);
        let outcome = load.run(&context.interrupt)?;
        rate = outcome.iops();
        asked = outcome.jobs.iter().map(|job| job.read.total_ios + job.write.total_ios).sum();
        Ok(())
    })?;
    let done = Activity::read(device.name())?.completed() - before.completed();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for file in CpuFiles::of_base(&out.join(device.name()))?.files {
        let mut reader = RecordReader::with_capacity(256 << 10, open_file(&file.path)?);
        while let Some(record) = reader.next_record()? {
            let action = Action::from_raw(record.header.action);
            if let Some(code) = action.code().filter(|_| !action.is_notify()) {
                *counts.entry(code.to_owned()).or_default() += 1;
            }
        }
    }
    std::fs::remove_dir_all(&out)?;
    let lost: u64 = field(&facts, "lost")?;
    let count = |code: &str| counts.get(code).copied().unwrap_or(0);
    // A queued I/O may be merged into another's request, so that there are fewer issues and completions.
    let missing: i128 = [("Q", asked), ("D", done), ("C", done)]
        .iter()
        .map(|(code, real)| i128::from(*real) - i128::from(count(code)))
        .sum();
    report.table(
        &format!("A load of {IOS} I/Os recorded at full speed ({rate:.0} I/Os a second)"),
        &["", "count"],
        [
            ("I/Os, by fio".to_owned(), asked),
            ("requests completed, by the disk's own counters".to_owned(), done),
            ("queueings recorded (Q)".to_owned(), count("Q")),
            ("issues recorded (D)".to_owned(), count("D")),
            ("completions recorded (C)".to_owned(), count("C")),
            ("lost, as reported".to_owned(), lost),
        ]
        .map(|(what, count)| [what, count.to_string()]),
    );
    let others = count("P") + count("U") + count("UT");
    // Of what was lost some may be plugs, of which nobody knows how many there should be.
    let agree = if lost == 0 { missing == 0 } else { missing <= i128::from(lost) && missing >= 0 };
    report.verdict(
        "events lost, reported and real",
        "equal (real: fio's and the disk's own counts less what is recorded)",
        format!("{lost} reported, {missing} of Q, D and C missing"),
        agree && asked == u64::from(IOS),
    );
    report.note(format!("{others} plugs and unplugs are in that recording besides"));
    report.fact("loss", &facts);
    report.fact("loss_counts", &counts);
    Ok(())
}

/// Blocks inside one load, recorded or not.
pub(super) fn cost(
    tunerd: &Tunerd,
    device: &LoopDevice,
    scratch: &Path,
    fours: u32,
    context: &Context,
    report: &mut Report,
) -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let with = abba_order(fours as usize * 4, &mut rng);
    let mut running = Load::new(device.path(), [job()]).start()?;
    context.interrupt.sleep(Duration::from_secs(2))?;
    let mut rates = Vec::new();
    let mut lost = 0;
    for (number, recording) in with.iter().enumerate() {
        let out = scratch.join(format!("cost-{number}"));
        if *recording {
            let facts = recorded(tunerd, device, &out, context, || {
                rates.push(rate(device, context)?);
                Ok(())
            })?;
            lost += field::<u64>(&facts, "lost")?;
            std::fs::remove_dir_all(&out)?;
        } else {
            rates.push(rate(device, context)?);
        }
        ensure!(running.is_alive()?, "fio ended under the measurement");
    }
    running.stop()?;
    let side = |wanted: bool| {
        let side: Vec<f64> =
            with.iter().zip(&rates).filter(|(with, _)| **with == wanted).map(|(_, rate)| *rate).collect();
        median(&side).unwrap_or(f64::NAN)
    };
    let losses = abba_losses(&with, &rates);
    let loss = bootstrap(&losses, &mut rng, mean).context("too few blocks to say anything")?;
    report.table(
        &format!("Cost of recording to the load: {} blocks of {BLOCK:?} inside one load", rates.len()),
        &["", "I/Os a second (median)"],
        [("not recorded", side(false)), ("recorded", side(true))]
            .map(|(what, rate)| [what.to_owned(), format!("{rate:.0}")]),
    );
    report.verdict(
        "the load, not recorded",
        format!("at least {LEAST_IOPS:.0} I/Os a second"),
        format!("{:.0}", side(false)),
        side(false) >= LEAST_IOPS,
    );
    report.note(format!(
        "recording takes {:.1} % [{:.1}, {:.1}] of the load's rate (mean of {} fours and 95 % interval); {lost} events were \
         lost in those blocks",
        loss.value, loss.low, loss.high, loss.count
    ));
    report.fact("cost_rates", &rates);
    report.fact("cost_recorded", &with);
    report.fact("cost_lost", lost);
    report.fact("seed", SEED);
    Ok(())
}

fn rate(device: &LoopDevice, context: &Context) -> Result<f64> {
    context.interrupt.sleep(SETTLE)?;
    let (begun, before) = (Instant::now(), Activity::read(device.name())?);
    context.interrupt.sleep(BLOCK)?;
    let after = Activity::read(device.name())?;
    Ok((after.completed() - before.completed()) as f64 / begun.elapsed().as_secs_f64())
}
