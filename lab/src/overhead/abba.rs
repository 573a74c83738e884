//! Blocks of 100 ms inside one running load: sampling off, on, on, off, or the other way round by a coin.

use super::{LEAST_IOPS, Options};
use crate::Context;
use crate::bench::clock::monotonic;
use crate::bench::diskstat::Activity;
use crate::bench::fio::Load;
use crate::bench::loopdev::LoopDevice;
use crate::bench::probe::Probe;
use crate::bench::report::Report;
use crate::bench::stats::{Estimate, abba_losses, abba_order, bootstrap, mean, median};
use anyhow::{Context as _, Result, ensure};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use sampler::{Duty, ProbeCost, Probing};
use std::time::Duration;

const BLOCK: Duration = Duration::from_millis(100);
/// After each switch, so that a block holds nothing of it.
const AFTER_SWITCH: Duration = Duration::from_millis(5);

/// How long the duty cycle takes that tunerd has by default; nothing where it has none.
fn period() -> Duration {
    match Duty::default() {
        Duty::Cycle { period, .. } => period.into(),
        Duty::Continuous => Duration::ZERO,
    }
}

/// What a block marked "on" does. "Off" is detached: there is no probe at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arm {
    /// Off as well: what the method itself finds where there is nothing to find.
    Control,
    Cycle,
    Continuous,
}

impl Arm {
    const fn name(self) -> &'static str {
        match self {
            Self::Control => "nothing (control)",
            Self::Cycle => "duty cycle",
            Self::Continuous => "continuous",
        }
    }

    /// The loss that the upper end of the interval may reach, per cent.
    const fn bound(self) -> Option<f64> {
        match self {
            Self::Control => None,
            Self::Cycle => Some(1.0),
            Self::Continuous => Some(4.0),
        }
    }
}

pub(super) fn measure(
    context: &Context,
    options: &Options,
    device: &LoopDevice,
    load: &Load,
    report: &mut Report,
    rng: &mut ChaCha8Rng,
) -> Result<()> {
    // Opened as tunerd opens it by default: the duty cycle with its own share and period.
    let probe = Probe::open(device, Duty::default())?;
    let mut running = load.start()?;
    context.interrupt.sleep(Duration::from_secs(2))?;
    let mut found = Vec::new();
    for arm in [Arm::Control, Arm::Cycle, Arm::Continuous] {
        context.say(&format!("{} blocks of {BLOCK:?} inside one load: {}", options.blocks, arm.name()));
        let with = abba_order(options.blocks as usize, rng);
        let rates = blocks(context, device, &probe, arm, &with, rng)?;
        let losses = abba_losses(&with, &rates);
        let loss = bootstrap(&losses, rng, mean).context("too few blocks to say anything")?;
        let off: Vec<f64> =
            with.iter().zip(&rates).filter(|(with, _)| !**with).map(|(_, rate)| *rate).collect();
        found.push((arm, loss, median(&off).unwrap_or(0.0), rates.len()));
        ensure!(running.is_alive()?, "fio ended under the measurement");
    }
    let cost = cost(context, &probe)?;
    running.stop()?;
    summarise(report, &found, cost.as_ref());
    Ok(())
}

fn blocks(
    context: &Context,
    device: &LoopDevice,
    probe: &Probe,
    arm: Arm,
    with: &[bool],
    rng: &mut ChaCha8Rng,
) -> Result<Vec<f64>> {
    let source = probe.source();
    source.set_probing(match arm {
        Arm::Continuous => Probing::Continuous,
        Arm::Cycle | Arm::Control => Probing::Cycle,
    })?;
    let mut rates = Vec::with_capacity(with.len());
    for with in with {
        let on = *with && arm != Arm::Control;
        source.set_active(probe.device(), on)?;
        // A block begins anywhere in a duty cycle, so that on- and off-phases, and what attaching and detaching between
        // them cost, are in the blocks as often as they are in the run.
        context.interrupt.sleep(AFTER_SWITCH + period().mul_f64(rng.random()))?;
        let (began, before) = (monotonic(), Activity::read(device.name())?);
        // As the daemon does: it reads its source a few times a second.
        context.interrupt.sleep(BLOCK / 2)?;
        if on {
            probe.read()?;
        }
        context.interrupt.sleep(BLOCK / 2)?;
        let (ended, after) = (monotonic(), Activity::read(device.name())?);
        rates.push((after.completed() - before.completed()) as f64 / (ended - began).as_secs_f64());
    }
    source.set_active(probe.device(), true)?;
    source.set_probing(Probing::Auto)?;
    Ok(rates)
}

/// Nanoseconds a call, by the kernel's own accounting, which costs something itself and so runs apart.
fn cost(context: &Context, probe: &Probe) -> Result<Option<ProbeCost>> {
    let source = probe.source();
    source.set_probing(Probing::Continuous)?;
    source.set_cost_accounting(true)?;
    context.interrupt.sleep(Duration::from_secs(3))?;
    let cost = source.cost();
    source.set_cost_accounting(false)?;
    source.set_probing(Probing::Auto)?;
    Ok(cost)
}

fn summarise(report: &mut Report, found: &[(Arm, Estimate, f64, usize)], cost: Option<&ProbeCost>) {
    report.table(
        "Loss of throughput inside one running load (4 KiB random reads, io_uring, loop device on tmpfs), ABBA \
         blocks of 100 ms; off is detached",
        &["sampling", "blocks", "IOPS when off", "loss, 95 % interval"],
        found.iter().map(|(arm, loss, iops, blocks)| {
            let interval = format!("{:.2} % [{:.2}, {:.2}]", loss.value, loss.low, loss.high);
            [arm.name().to_owned(), blocks.to_string(), format!("{iops:.0}"), interval]
        }),
    );
    for (arm, loss, iops, blocks) in found {
        let key = arm.name().replace(' ', "_");
        report.fact(&format!("abba_{key}_loss_per_cent"), loss);
        report.fact(&format!("abba_{key}_iops_off"), iops);
        if let Some(bound) = arm.bound() {
            report.verdict(
                &format!("loss with {} sampling, upper end of the 95 % interval", arm.name()),
                format!("≤ {bound:.0} % over ≥ 300 blocks at ≥ 400 k IOPS"),
                format!("{:.2} % over {blocks} blocks at {:.0} k IOPS", loss.high, iops / 1e3),
                loss.high <= bound && *blocks >= 300 && *iops >= LEAST_IOPS,
            );
        }
    }
    if let Some(cost) = cost {
        report.note(format!(
            "continuous: {:.0} ns a call over {} calls, the kernel's accounting (20 to 30 ns) included; {} calls missed",
            cost.ns_per_call, cost.calls, cost.missed
        ));
        report.fact("probe_cost", cost);
    }
}
