//! Default against best once more, on slices that had no part in choosing the best.
//!
//! The best score of a search is the luckiest of many: with no effect at all it would still lead. So what was
//! found is put beside the default in turns, and only that says what was gained.

use crate::Context;
use crate::bench::fio::Load;
use crate::bench::loopdev::LoopDevice;
use crate::bench::probe::Probe;
use crate::bench::stats::mean;
use anyhow::{Context as _, Result, ensure};
use block_types::{Knob, Settings};
use sampler::Duty;
use serde::Serialize;
use std::time::Duration;

const SETTLE: Duration = Duration::from_millis(300);
const BLOCK: Duration = Duration::from_millis(900);
/// Quadruples: default, best, best, default.
const QUADRUPLES: usize = 3;

/// Mean latency of reads under the two, and the change in each quadruple, per cent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Checked {
    pub(super) default_ms: f64,
    pub(super) best_ms: f64,
    pub(super) changes_per_cent: Vec<f64>,
}

impl Checked {
    /// In words: a gain only where every quadruple shows one.
    pub(super) fn words(&self) -> String {
        let low = self.changes_per_cent.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.changes_per_cent.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let verdict = if high < 0.0 {
            "gained"
        } else if low > 0.0 {
            "LOST"
        } else {
            "nothing gained"
        };
        let (from, to) = (self.default_ms, self.best_ms);
        format!("{verdict}: {from:.2} to {to:.2} ms ({low:+.0} to {high:+.0} %)")
    }
}

/// Puts settings in force, in the order in which the kernel's own side effects undo nothing.
fn apply(device: &LoopDevice, settings: &Settings) -> Result<()> {
    let rank = |knob: Knob| match knob {
        Knob::Scheduler => 0,
        Knob::NrRequests => 1,
        Knob::AsyncDepth => 2,
        Knob::MaxSectorsKb => 4,
        Knob::WbtLatUsec => 5,
        Knob::ReadAheadKb => 6,
        _ => 3,
    };
    let mut ordered: Vec<_> = settings.iter().collect();
    ordered.sort_by_key(|setting| rank(setting.knob));
    for setting in ordered {
        let (name, value) = (setting.knob.name(), setting.value.to_string());
        // Writing what is there already can still freeze the queue, or reset another knob.
        if device.queue().read(name)? != value {
            device.queue().write(name, &value)?;
        }
    }
    Ok(())
}

pub(super) fn check(
    context: &Context,
    device: &LoopDevice,
    load: &Load,
    default: &Settings,
    best: &Settings,
) -> Result<Checked> {
    let probe = Probe::open(device, Duty::default())?;
    let mut running = load.start()?;
    context.interrupt.sleep(Duration::from_secs(1))?;
    let mut latencies = Vec::new();
    for index in 0..QUADRUPLES * 4 {
        let settings = if is_best(index) { best } else { default };
        apply(device, settings)?;
        context.interrupt.sleep(SETTLE)?;
        let before = probe.read()?;
        context.interrupt.sleep(BLOCK)?;
        let after = probe.read()?;
        let reads = match (&before.latency, &after.latency) {
            (Some(then), Some(now)) => now.since(then).and_then(|latencies| latencies.read.mean()),
            _ => None,
        };
        latencies.push(reads.context("no read was completed")?.as_millis_f64());
    }
    apply(device, default)?;
    ensure!(running.is_alive()?, "fio ended under the check");
    running.stop()?;
    Ok(compare(&latencies))
}

const fn is_best(index: usize) -> bool {
    matches!(index % 4, 1 | 2)
}

fn compare(latencies: &[f64]) -> Checked {
    let pick = |best: bool| {
        let mine: Vec<f64> = latencies
            .iter()
            .enumerate()
            .filter(|(index, _)| is_best(*index) == best)
            .map(|(_, latency)| *latency)
            .collect();
        mean(&mine).unwrap_or(0.0)
    };
    let changes = latencies
        .chunks_exact(4)
        .map(|four| ((four[1] + four[2]) / (four[0] + four[3]) - 1.0) * 100.0)
        .collect();
    Checked { default_ms: pick(false), best_ms: pick(true), changes_per_cent: changes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_must_show_every_time() {
        let gained = compare(&[3.0, 1.0, 1.1, 3.1, 3.0, 1.2, 1.0, 2.9]);
        assert!(gained.words().starts_with("gained: 3.00 to "), "{}", gained.words());
        let unsure = compare(&[3.0, 1.0, 1.1, 3.1, 3.0, 3.2, 3.0, 2.9]);
        assert!(unsure.words().starts_with("nothing gained"), "{}", unsure.words());
        let lost = compare(&[1.0, 2.0, 2.0, 1.0]);
        assert!(lost.words().starts_with("LOST"), "{}", lost.words());
    }
}
