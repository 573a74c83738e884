//! Default against best once more, on slices that had no part in choosing the best.
//!
//! The best score of a search is the luckiest of many: with no effect at all it would still lead. So what was
//! found is put beside the default in turns, and only that says what was gained.

use crate::Context;
use crate::bench::clock::monotonic;
use crate::bench::diskstat::Activity;
use crate::bench::fio::Load;
use crate::bench::loopdev::LoopDevice;
use anyhow::{Result, ensure};
use block_types::{Knob, SECTOR_BYTES, Settings};
use serde::Serialize;
use std::time::Duration;

const SETTLE: Duration = Duration::from_millis(300);
const BLOCK: Duration = Duration::from_millis(900);
/// Quadruples: default, best, best, default.
const QUADRUPLES: usize = 3;

/// Bytes a second of the two, and the change in each quadruple, per cent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Checked {
    pub(super) default_bytes_per_s: f64,
    pub(super) best_bytes_per_s: f64,
    pub(super) changes_per_cent: Vec<f64>,
}

impl Checked {
    /// In words: a gain only where every quadruple shows one.
    pub(super) fn words(&self) -> String {
        let low = self.changes_per_cent.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.changes_per_cent.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let change = (self.best_bytes_per_s / self.default_bytes_per_s - 1.0) * 100.0;
        let verdict = if low > 0.0 {
            "gained"
        } else if high < 0.0 {
            "LOST"
        } else {
            "nothing gained that stands out"
        };
        format!("{change:+.0} % ({low:+.0} to {high:+.0}): {verdict}")
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
    let mut running = load.start()?;
    context.interrupt.sleep(Duration::from_secs(1))?;
    let mut rates = Vec::new();
    for index in 0..QUADRUPLES * 4 {
        let settings = if matches!(index % 4, 1 | 2) { best } else { default };
        apply(device, settings)?;
        context.interrupt.sleep(SETTLE)?;
        let (began, before) = (monotonic(), Activity::read(device.name())?);
        context.interrupt.sleep(BLOCK)?;
        let (ended, after) = (monotonic(), Activity::read(device.name())?);
        let sectors = after.read_sectors + after.write_sectors - before.read_sectors - before.write_sectors;
        rates.push((sectors * SECTOR_BYTES) as f64 / (ended - began).as_secs_f64());
    }
    apply(device, default)?;
    ensure!(running.is_alive()?, "fio ended under the check");
    running.stop()?;
    Ok(compare(&rates))
}

fn compare(rates: &[f64]) -> Checked {
    let pick = |best: bool| {
        let mine: Vec<f64> = rates
            .iter()
            .enumerate()
            .filter(|(index, _)| matches!(index % 4, 1 | 2) == best)
            .map(|(_, rate)| *rate)
            .collect();
        crate::bench::stats::mean(&mine).unwrap_or(0.0)
    };
    let changes = rates
        .chunks_exact(4)
        .map(|four| ((four[1] + four[2]) / (four[0] + four[3]).max(1.0) - 1.0) * 100.0)
        .collect();
    Checked { default_bytes_per_s: pick(false), best_bytes_per_s: pick(true), changes_per_cent: changes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_must_show_every_time() {
        let gained = compare(&[100.0, 120.0, 121.0, 101.0, 100.0, 118.0, 119.0, 99.0]);
        assert!(gained.words().ends_with(": gained"), "{}", gained.words());
        let unsure = compare(&[100.0, 120.0, 121.0, 101.0, 100.0, 95.0, 99.0, 99.0]);
        assert!(unsure.words().contains("nothing gained"), "{}", unsure.words());
        let lost = compare(&[100.0, 80.0, 81.0, 101.0]);
        assert!(lost.words().ends_with(": LOST"), "{}", lost.words());
    }
}
