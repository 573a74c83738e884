//! Trials of the tail on simulated reads.

use super::{Noise, NoiseKind, TrialTally, noise::normal};
use crate::{
    Arm, InFlight, Objective, Outcome, Saturation, Slice, SliceScore, Trial, TrialConfig, TrialError,
};
use block_types::{Bytes, LatencyHistogram, Nanos};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// The reads of a slice: most are quick, some wait behind something, and the setting changes how long those wait.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TailLoad {
    /// Reads in a slice.
    pub reads: u32,
    /// The share of reads that wait, 0‥1; above 1 %, so that p99 lies among them.
    pub slow_share: f64,
    /// What the child makes of the waits of those reads: 0.5 halves p99.
    pub slow_factor: f64,
}

/// Runs `count` trials of [`Objective::Tail`], under drift (with stalls where `kind` says so).
///
/// # Errors
/// Where a setting is out of its range.
pub fn tails(
    kind: NoiseKind,
    load: TailLoad,
    count: u64,
    config: TrialConfig,
    seed: u64,
) -> Result<TrialTally, TrialError> {
    let config = TrialConfig { objective: Objective::Tail, ..config };
    let mut tally = TrialTally::default();
    for run in 0..count {
        let mut noise = Noise::new(kind, seed, run);
        let mut trial = Trial::new(config, seed ^ run.rotate_left(32))?;
        while let Some(arm) = trial.next() {
            let slice = slice(load, arm, &mut noise);
            let outcome =
                SliceScore::of(&slice, Saturation::SERIAL).map_or_else(Outcome::Void, Outcome::Measured);
            trial.record(outcome)?;
        }
        tally.take(&trial, -load.slow_factor.ln());
    }
    Ok(tally)
}

fn slice(load: TailLoad, arm: Arm, noise: &mut Noise) -> Slice {
    let level = noise.next_slice();
    let slow = if arm == Arm::Child { load.slow_factor } else { 1.0 };
    let mut reads = LatencyHistogram::default();
    for _ in 0..load.reads {
        let wait_ms = if noise.rng.random_bool(load.slow_share) { 60.0 * slow } else { 3.0 };
        // Lognormal about its median, SD 40 %; a better score is a lower latency.
        let spread = 0.4 * normal(&mut noise.rng);
        reads.record(Nanos((wait_ms * 1e6 * (spread - level).exp()) as u64));
    }
    Slice {
        elapsed: Nanos(4_000_000_000),
        busy: Some(Nanos(3_000_000_000)),
        queued: Some(Nanos(6_000_000_000)),
        arrivals: u64::from(load.reads),
        completed: Bytes(u64::from(load.reads) * 4096),
        all_waited_for: true,
        sync: reads.clone(),
        reads,
        sync_in_flight: InFlight::default(),
        reads_in_flight: InFlight::default(),
        in_flight: InFlight::default(),
    }
}
